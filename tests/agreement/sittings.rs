//! A study in two sittings: ratings and times in both modes, and a reader who has not finished.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use cxr::domain::{
    Act, BlindedReading, Call, ImageIdentity, Opinion, OpinionChange, ReadingMode, Review, Seen,
    Uids,
};
use cxr::store::{ReviewEntry, Store};
use serde_json::Value;

use super::{LABEL, MODEL, sha256};

const IMAGES: usize = 20;
const READERS: [&str; 3] = ["ann", "bob", "cy"];
/// Ann read these beside the answer, and no more.
const ANN_AIDED: usize = 12;

fn is_ill(image: usize) -> bool {
    image.is_multiple_of(2)
}

fn rating(reader: usize, image: usize, is_aided: bool) -> u8 {
    let gap = if is_aided { 16 } else { 4 };
    let noise = (image * 7 + reader * 5) % 23;
    let middle = if is_ill(image) { 40 + gap } else { 40 - gap };
    (middle + noise) as u8
}

fn seconds(reader: usize, image: usize, is_aided: bool) -> f64 {
    let own = 8.0 + 4.0 * reader as f64 + (image % 5) as f64;
    let wobble = 1.0 + 0.02 * ((image + reader) % 3) as f64;
    if is_aided { 0.8 * own * wobble } else { own }
}

struct TwoSittings {
    folder: tempfile::TempDir,
}

impl TwoSittings {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let (mut list, mut manifest) = ("path,sha256,excluded\n".to_owned(), String::new());
        for n in 0..IMAGES {
            fs::write(base.join(format!("{n}.png")), n.to_string()).unwrap();
            list += &format!("{n}.png,{},\n", sha256(&n.to_string()));
            let finding = if is_ill(n) { "Pneumonia" } else { "No Finding" };
            manifest += &format!("{n}.png,{finding}\n");
        }
        fs::write(base.join("study.cases.csv"), &list).unwrap();
        // Without a column of patients: those are in the headers of the films.
        fs::write(
            base.join("cases.csv"),
            format!("filename,finding\n{manifest}"),
        )
        .unwrap();
        let plan = format!(
            "format = 1\nname = \"two sittings\"\ndesign = \"independent\"\nwashout_days = 28\nseed = 7\n\
             questions = [\"{LABEL}\"]\nreaders = [\"ann\", \"bob\", \"cy\"]\nmodel_sha256 = \"{}\"\n\
             store = \"study.sqlite\"\n[cases]\nfile = \"study.cases.csv\"\nsha256 = \"{}\"\n",
            "ab".repeat(32),
            sha256(&list),
        );
        fs::write(base.join("study.toml"), &plan).unwrap();
        let mut log = Store::open(&base.join("study.sqlite")).unwrap();
        for (reader, name) in READERS.into_iter().enumerate() {
            for is_aided in [false, true] {
                let last = match (name, is_aided) {
                    ("ann", true) => ANN_AIDED,
                    _ => IMAGES,
                };
                for image in 0..last {
                    let made = entry(&base, &plan, (reader, name), image, is_aided);
                    log.append(&made).unwrap();
                }
            }
        }
        TwoSittings { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cxr"))
            .args(["agreement", "--study", "study.toml", "-m", "cases.csv"])
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn page(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

fn entry(
    base: &std::path::Path,
    plan: &str,
    (reader, name): (usize, &str),
    image: usize,
    is_aided: bool,
) -> ReviewEntry {
    let (mode, word) = match is_aided {
        true => (ReadingMode::Aided, "aided"),
        false => (ReadingMode::Unaided, "unaided"),
    };
    let rating = rating(reader, image, is_aided);
    let call = Call {
        present: (rating >= 50)
            .then(|| LABEL.to_owned())
            .into_iter()
            .collect(),
        took: Duration::from_secs_f64(seconds(reader, image, is_aided)),
        ratings: BTreeMap::from([(LABEL.to_owned(), rating)]),
    };
    let (unaided, aided) = match is_aided {
        true => (None, Some(call)),
        false => (Some(call), None),
    };
    ReviewEntry {
        token: format!("{name} {word} {image}"),
        image: ImageIdentity {
            sha256: sha256(&image.to_string()),
            path: base.join(format!("{image}.png")),
            uids: Uids::default(),
            patient_id: Some(format!("P{}", image / 2)),
        },
        review: Review {
            reviewer: format!("{name} [{word}]"),
            at: SystemTime::now(),
            act: Act::Called,
            change: OpinionChange::to(&Opinion {
                blinded: Some(BlindedReading {
                    mode,
                    asked: vec![LABEL.into()],
                    unaided,
                    aided,
                    model_sha256: MODEL.into(),
                    study: Some(sha256(plan)),
                    ..BlindedReading::default()
                }),
                ..Opinion::default()
            }),
            seen: Seen::default(),
        },
        prediction: None,
    }
}

/// What is compared is of the images that ann read in both sittings; the others are counted, and not as 20 against 12.
#[test]
fn the_modes_are_compared_on_the_images_of_both() {
    let study = TwoSittings::new();
    let report: Value = serde_json::from_str(&study.page(&["--format", "json"])).unwrap();
    let found = &report["studies"][0];
    assert_eq!(
        (&found["images"], &found["patients"]),
        (&20.into(), &10.into()),
        "of the headers, where the manifest has no column of patients"
    );
    assert_eq!(report["without_patients"], Value::Null);
    let sensitivity = &found["comparisons"][0];
    let counts = &sensitivity["readings"];
    assert_eq!(
        ["compared", "aided_only", "unaided_only", "of_left_out"].map(|key| counts[key].as_u64()),
        [26, 0, 4, 0].map(Some)
    );
    let share = |is_aided: bool| {
        let of_reader = |reader: usize| {
            let last = if reader == 0 { ANN_AIDED } else { IMAGES };
            let ill: Vec<usize> = (0..last).filter(|n| is_ill(*n)).collect();
            let called = ill.iter().filter(|n| rating(reader, **n, is_aided) >= 50);
            called.count() as f64 / ill.len() as f64
        };
        (0..3).map(of_reader).sum::<f64>() / 3.0
    };
    let value = sensitivity["difference"]["value"].as_f64().unwrap();
    assert!(
        (value - (share(true) - share(false))).abs() < 1e-12,
        "{value}"
    );
    let text = study.page(&[]);
    let line = "  sensitivity: of images that their reader has in one mode only, 0 aided and 4 readings left out";
    let line = line.replace("4 readings", "4 unaided readings");
    assert!(text.contains(&line), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 130),
        "{text}"
    );
}

#[test]
fn times_and_ratings_are_compared_and_what_is_undefined_says_why() {
    let study = TwoSittings::new();
    let report: Value = serde_json::from_str(&study.page(&["--format", "json"])).unwrap();
    let times = &report["reading_time"];
    assert_eq!(
        (&times["readings"], &times["one_mode_only"]),
        (&52.into(), &8.into())
    );
    let ratio = times["comparison"]["ratio"].as_f64().unwrap();
    assert!((ratio - 0.8 * 1.02).abs() < 0.01, "{ratio}");
    assert!(times["comparison"]["p"].as_f64().unwrap() < 0.05, "{times}");

    let found = &report["studies"][0];
    let [unaided, aided] = [0, 1].map(|at| &found["agreement"][at]);
    assert!(unaided["fleiss_kappa"]["value"].is_number(), "{unaided}");
    let reason = "not every image has the same number of readers, but 2 to 3";
    assert_eq!(aided["fleiss_kappa"]["undefined"], reason);
    assert_eq!(
        (&aided["ratings"]["images"], &aided["ratings"]["incomplete"]),
        (&12.into(), &8.into())
    );
    let icc = aided["ratings"]["agreement"]["value"].as_f64().unwrap();
    assert!(icc > 0.5 && icc < 1.0, "{icc}");
    let bias = found["rating_limits"]["bias"]["value"].as_f64().unwrap();
    // Each ill image is rated 12 higher beside the answer, and each well one 12 lower.
    assert!(bias.abs() < 1e-9, "{bias}");
    assert_eq!(found["rating_limits"]["readings"], 52);
    let why = "no answer of the model";
    assert_eq!(found["changes"]["automation_bias"]["undefined"], why);

    let text = study.page(&[]);
    for words in [
        "reading time, aided / unaided: 0.8",
        "  Fleiss' κ, aided: n/a, not every image has the same number of readers, but 2 to 3",
        "  ratings, aided: ICC(2,1) ",
        "  ratings, aided − unaided (Bland-Altman): mean 0.0",
        "  automation bias: n/a, no answer of the model",
        "each reader's AUC",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn the_table_of_figures_and_the_file_for_imrmc_have_what_the_page_has() {
    let study = TwoSittings::new();
    let output = study.run(&["--figures", "figures.csv", "--imrmc", "study.imrmc"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("study.imrmc: ratings, 0 to 100\n"), "{said}");
    let written = fs::read_to_string(study.path("study.imrmc")).unwrap();
    assert!(written.starts_with("Pneumonia: ratings of blinded readers from 0 to 100\n"));
    let image = &sha256("3")[..16];
    let row = format!("\nbob,{image},aided,{}\n", rating(1, 3, true));
    assert!(written.contains(&row), "{written}");

    let mut table = csv::Reader::from_path(study.path("figures.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let rows: Vec<BTreeMap<String, String>> = table
        .records()
        .map(|row| {
            let row = row.unwrap();
            let cells = header.iter().zip(row.iter());
            cells
                .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
                .collect()
        })
        .collect();
    let row = |figure: &str, reader: &str, mode: &str| {
        let mut all = rows.iter();
        let is_it = |row: &&BTreeMap<String, String>| {
            row["figure"] == figure && row["reader"] == reader && row["mode"] == mode
        };
        all.find(is_it)
            .unwrap_or_else(|| panic!("no {figure} {reader} {mode}"))
            .clone()
    };
    let number = |row: &BTreeMap<String, String>, name: &str| row[name].parse::<f64>().unwrap();
    let own = row("AUC", "ann", "unaided");
    assert_eq!(own["images"], "12", "of those that she read in both modes");
    assert!(
        number(&own, "low") < number(&own, "value") && number(&own, "value") < number(&own, "high")
    );
    let ratio = row("ratio of reading times", "", "aided / unaided");
    assert!(
        number(&ratio, "high") < 1.0 && number(&ratio, "p") < 0.05,
        "{ratio:?}"
    );
    row("ICC(2,1) of ratings", "", "aided");
    row("mean difference of ratings", "", "aided - unaided");
}

#[test]
fn the_page_has_the_charts_and_is_of_all_readers() {
    let study = TwoSittings::new();
    study.page(&["--report", "study.html"]);
    let page = fs::read_to_string(study.path("study.html")).unwrap();
    for words in [
        "<h2>Reading time</h2>",
        "Ratings, aided − unaided: Pneumonia",
        "52 readings with a rating in both modes",
        "3 readers drawn",
        "0 aided and 4 unaided readings are left out; 26 readings are compared",
        "Of the images that are compared. Intervals: jackknife",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let refused = study.run(&["--report", "ann.html", "--reviewer", "ann"]);
    assert_eq!(refused.status.code(), Some(2));
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(
        line.contains("leave --reviewer out") && line.lines().count() == 1,
        "{line}"
    );
    assert!(!study.path("ann.html").exists() && refused.stdout.is_empty());
}
