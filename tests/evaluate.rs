//! `cxr evaluate` as a user and a script meet it: a manifest in; a table, files and an exit code out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use image::{GrayImage, imageops};
use serde_json::Value;

/// What a finished program left.
struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

/// A folder that ends with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A grey image that passes the input check.
    fn film(&self, name: &str, bright: i32) {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/clear_1.png");
        let film = imageops::thumbnail(&image::open(sample).unwrap().into_luma8(), 300, 320);
        let film: GrayImage = imageops::colorops::brighten(&film, bright);
        film.save(self.path(name)).unwrap();
    }

    /// Sixty cases of thirty patients in two hospitals, and a table of what a model that is often
    /// right says of them.
    fn study(&self) {
        let mut manifest = "path,patient,source,split,finding,geographic_extent\n".to_owned();
        let mut table = "path,status,reasons,Pneumonia,COVID-19,geographic_extent,opacity,\
                         model_sha256,preprocess,elapsed_ms\n"
            .to_owned();
        for n in 0..60_u32 {
            let source = if n < 40 { "north" } else { "south" };
            let finding = [
                "No Finding",
                "Pneumonia/Viral/COVID-19",
                "Pneumonia/Bacterial",
            ];
            let finding = finding[n as usize % 3];
            manifest += &format!("{n}.png,p{},{source},test,{finding},{}\n", n / 2, n % 9);
            let noise = f64::from(n * 37 % 50) / 100.0;
            let pneumonia = noise + if n % 3 == 0 { 0.1 } else { 0.45 };
            let covid = noise + if n % 3 == 1 { 0.4 } else { 0.05 };
            let extent = f64::from(n % 9) * 0.5 + 1.0;
            table +=
                &format!("in/{n}.png,ok,,{pneumonia:.6},{covid:.6},{extent:.6},,ab,cxr-1,1.0\n");
        }
        self.write("m.csv", manifest);
        self.write("t.csv", table);
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_cxr"))
            .args(arguments)
            .stdin(Stdio::null())
            .current_dir(self.0.path())
            .output()
            .unwrap();
        Outcome {
            code: output.status.code().expect("an exit code, not a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The one figure of a report with these.
fn figure<'a>(report: &'a Value, question: &str, group: &str, statistic: &str) -> &'a Value {
    let figures = report["figures"].as_array().unwrap().iter();
    let mut found = figures.filter(|figure| {
        figure["question"] == question
            && figure["group"]["value"] == group
            && figure["statistic"] == statistic
    });
    let figure = found.next().expect(statistic);
    assert!(
        found.next().is_none(),
        "{question} {group} {statistic} twice"
    );
    figure
}

#[test]
fn a_table_of_predictions_is_measured_printed_and_written() {
    let folder = Folder::new();
    folder.study();
    let arguments = [
        "evaluate",
        "-m",
        "m.csv",
        "--split",
        "test",
        "--predictions",
        "t.csv",
    ];
    let outcome = folder.run(&[&arguments[..], &["-o", "out"]].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    for words in [
        "Pneumonia\n",
        "COVID-19 against other pneumonia\n",
        "  north",
        "  south",
        "ECE",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words} in\n{}",
            outcome.stdout
        );
    }
    assert!(
        outcome
            .stdout
            .lines()
            .all(|line| line.chars().count() <= 100)
    );

    let report: Value = serde_json::from_str(&folder.read("out/report.json")).unwrap();
    let all = figure(&report, "Pneumonia", "all", "AUC");
    assert_eq!(
        (&all["n"], &all["positives"], &all["patients"]),
        (&60.into(), &40.into(), &30.into())
    );
    let bound = |key: &str| all["interval"][key].as_f64().unwrap();
    let value = all["value"].as_f64().unwrap();
    assert!(
        0.5 < value && bound("low") < value && value < bound("high"),
        "{all}"
    );
    assert_eq!(figure(&report, "Pneumonia", "south", "AUC")["n"], 20);
    let against = figure(&report, "COVID-19 against other pneumonia", "all", "AUC");
    assert_eq!(
        (&against["n"], &against["positives"]),
        (&40.into(), &20.into())
    );
    let severity = figure(&report, "geographic_extent", "all", "Pearson r");
    assert!((severity["value"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    let of_severity = |statistic: &str| {
        let figure = figure(&report, "geographic_extent", "all", statistic);
        figure["value"].as_f64().unwrap()
    };
    let (low, high) = (
        of_severity("lower limit of agreement"),
        of_severity("upper limit of agreement"),
    );
    let bias = of_severity("mean difference");
    assert!(low <= bias && bias <= high && of_severity("ICC") <= 1.0);
    let plots = fs::read_dir(folder.path("out/plots")).unwrap();
    let names = plots.map(|plot| plot.unwrap().file_name().into_string().unwrap());
    let charts: Vec<_> = names
        .filter(|name| name.ends_with("-geographic-extent.svg"))
        .collect();
    assert_eq!(charts.len(), 1);
    let chart = folder.read(&format!("out/plots/{}", charts[0]));
    assert!(chart.contains("model − reference"), "{chart}");

    let mut csv = csv::Reader::from_path(folder.path("out/report.csv")).unwrap();
    let header = csv.headers().unwrap().clone();
    assert_eq!(&header[0], "question");
    let rows: Vec<_> = csv.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), report["figures"].as_array().unwrap().len());
    for (row, figure) in rows.iter().zip(report["figures"].as_array().unwrap()) {
        assert_eq!(&row[3], figure["statistic"].as_str().unwrap());
        match figure["value"].as_f64() {
            None => assert_eq!(&row[6], "", "{figure}"),
            Some(value) => assert!((row[6].parse::<f64>().unwrap() - value).abs() < 1e-6),
        }
    }
    for name in [
        "out/report.json",
        "out/report.csv",
        "out/plots/1-pneumonia.svg",
    ] {
        let mode = fs::metadata(folder.path(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert!(
        folder
            .read("out/plots/1-pneumonia.svg")
            .contains("60 images of 30 patients")
    );
    let again = folder.run(&[&arguments[..], &["--jobs", "1"]].concat());
    assert_eq!(again.stdout, outcome.stdout, "the same each time");
}

#[test]
fn a_report_lies_beside_no_predictions_of_another_model_and_over_no_input() {
    let folder = Folder::new();
    folder.study();
    let measure = |arguments: &[&str]| {
        let outcome = folder.run(&[&["evaluate", "-o", "q", "--force"], arguments].concat());
        (outcome.code, outcome.stderr)
    };
    let names = |name: &str| folder.0.path().join(name).exists();
    folder.write("q/predictions.csv", folder.read("t.csv"));
    for (option, input) in [("-m", "m.csv"), ("--predictions", "t.csv")] {
        folder.write("q/report.csv", folder.read(input));
        let named = |of: &str, own| if of == option { "q/report.csv" } else { own };
        let (manifest, table) = (named("-m", "m.csv"), named("--predictions", "t.csv"));
        let (code, stderr) = measure(&["-m", manifest, "--predictions", table]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("would be lost"), "{stderr}");
        assert_eq!(folder.read("q/report.csv"), folder.read(input));
    }
    let against = "q/predictions.csv";
    let (code, stderr) = measure(&[
        "-m",
        "m.csv",
        "--predictions",
        "t.csv",
        "--against",
        against,
    ]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("would be lost"), "{stderr}");
    // The table that is measured may lie there, and stays.
    let (code, stderr) = measure(&["-m", "m.csv", "--predictions", "q/predictions.csv"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(folder.read("q/predictions.csv"), folder.read("t.csv"));
    let (code, stderr) = measure(&["-m", "m.csv", "--predictions", "t.csv"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(names("q/report.json") && !names("q/predictions.csv"));
}

#[test]
fn predictive_values_say_their_prevalence_and_are_given_for_another() {
    let folder = Folder::new();
    folder.study();
    let card: toml::Table = include_str!("../weights/cxr-lite0.toml").parse().unwrap();
    let digest = format!(",{},", card["sha256"].as_str().unwrap());
    folder.write("own.csv", folder.read("t.csv").replace(",ab,", &digest));
    let arguments = |table, prevalence| {
        let always = ["evaluate", "-m", "m.csv", "-o", "out", "--predictions"];
        [&always[..], &[table, "--prevalence", prevalence]].concat()
    };
    let outcome = folder.run(&arguments("own.csv", "pneu=5%"));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for words in ["at positives of", "66.7 %, as here", "5 %, as asked"] {
        assert!(
            outcome.stdout.contains(words),
            "{words} in\n{}",
            outcome.stdout
        );
    }
    assert!(
        outcome
            .stdout
            .lines()
            .all(|line| line.chars().count() <= 100)
    );
    let report: Value = serde_json::from_str(&folder.read("out/report.json")).unwrap();
    let balanced = |statistic: &str| {
        let figures = report["figures"].as_array().unwrap().iter();
        let mut found = figures.filter(|figure| {
            figure["question"] == "Pneumonia"
                && figure["group"]["value"] == "all"
                && figure["statistic"] == statistic
                && figure["operating_point"]["name"] == "balanced"
        });
        found.next().expect(statistic)
    };
    let number = |figure: &Value, key: &str| figure[key].as_f64().unwrap();
    let (own, asked) = (balanced("PPV"), balanced("PPV at prevalence"));
    assert!((number(own, "prevalence") - 40.0 / 60.0).abs() < 1e-9);
    assert_eq!(number(asked, "prevalence"), 0.05);
    let [found, spared] = ["sensitivity", "specificity"].map(|s| number(balanced(s), "value"));
    let bayes = 0.05 * found / (0.05 * found + 0.95 * (1.0 - spared));
    assert!((number(asked, "value") - bayes).abs() < 1e-9, "{asked}");
    assert!(
        asked["interval"]["low"].as_f64().unwrap() < bayes,
        "{asked}"
    );
    let csv = folder.read("out/report.csv");
    assert!(csv.lines().next().unwrap().ends_with("patients,prevalence"));
    assert!(
        csv.lines()
            .any(|row| row.contains("PPV at prevalence") && row.ends_with(",0.050000"))
    );

    for (table, prevalence, words) in [
        (
            "own.csv",
            "Viral=0.1",
            "no such question with an operating point",
        ),
        ("own.csv", "COVID-19=1", "neither end included"),
        ("t.csv", "0.1", "no operating point is known"),
    ] {
        let refused = folder.run(&arguments(table, prevalence));
        assert_eq!(refused.code, 2, "{prevalence}");
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}

#[test]
fn two_tables_are_compared() {
    let folder = Folder::new();
    folder.study();
    let worse = folder
        .read("t.csv")
        .replace(",0.8", ",0.1")
        .replace(",ab,", ",cd,");
    folder.write("worse.csv", worse);
    let arguments = [
        "evaluate",
        "-m",
        "m.csv",
        "--predictions",
        "t.csv",
        "--against",
        "worse.csv",
    ];
    let outcome = folder.run(&[&arguments[..], &["-o", "out"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("AUC against that of worse.csv"),
        "{}",
        outcome.stdout
    );
    let report: Value = serde_json::from_str(&folder.read("out/report.json")).unwrap();
    let compared = &report["comparisons"][0];
    assert!(compared["difference"].as_f64().unwrap() > 0.0, "{compared}");
    assert!(compared["delong_p"].as_f64().unwrap() < 0.05, "{compared}");
    assert!(outcome.stdout.contains("Obuchowski"), "{}", outcome.stdout);
    // Two images of one patient are not two patients.
    let alone = folder
        .read("m.csv")
        .lines()
        .enumerate()
        .fold(String::new(), |text, (n, line)| {
            let line = match n {
                0 => line.to_owned(),
                n => line.replacen(&format!(",p{},", (n - 1) / 2), &format!(",q{n},"), 1),
            };
            text + &line + "\n"
        });
    folder.write("alone.csv", alone);
    let mut independent = arguments.to_vec();
    independent[2] = "alone.csv";
    let outcome = folder.run(&[&independent[..], &["-o", "alone"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let other: Value = serde_json::from_str(&folder.read("alone/report.json")).unwrap();
    let other = &other["comparisons"][0];
    assert_eq!(other["difference"], compared["difference"]);
    assert_ne!(other["delong_p"], compared["delong_p"]);
    assert!(
        folder
            .read("out/report.csv")
            .contains("Pneumonia,,all,DeLong p,")
    );
}

#[test]
fn images_are_read_and_what_cannot_be_is_counted_and_listed() {
    let folder = Folder::new();
    for (n, bright) in [30, 40, 50, 60].iter().enumerate() {
        folder.film(&format!("scans/{n}.png"), *bright);
    }
    folder.write("scans/4.png", "no image");
    folder.write(
        "m.csv",
        "file,pcr\n0.png,yes\n1.png,no\n2.png,1\n3.png,0\n4.png,1\n../gone.png,0\n5.png,\n",
    );
    let arguments = [
        "evaluate",
        "-m",
        "m.csv",
        "--root",
        "scans",
        "--label-column",
        "COVID-19=pcr",
    ];
    let outcome = folder.run(&[&arguments[..], &["-o", "out"]].concat());
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("cxr: scans/4.png: "),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("cxr: scans/../gone.png: "),
        "{}",
        outcome.stderr
    );
    let report: Value = serde_json::from_str(&folder.read("out/report.json")).unwrap();
    let images = &report["about"]["images"];
    let read = images["scored"].as_u64().unwrap() + images["refused"].as_u64().unwrap();
    assert_eq!((read, images["failed"].as_u64().unwrap()), (4, 2));
    assert_eq!(report["about"]["skipped"]["unanswered"], 1);
    assert!(outcome.stdout.contains("There is no column of patients"));
    // Another run does not take the place of these results without being told to.
    let kept = folder.read("out/predictions.csv");
    let refused = folder.run(&[&arguments[..], &["-o", "out"]].concat());
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("out/report.json already exists"),
        "{}",
        refused.stderr
    );
    assert_eq!(folder.read("out/predictions.csv"), kept);
    let forced = folder.run(&[&arguments[..], &["-o", "out", "--force"]].concat());
    assert_eq!(forced.code, 1, "{}", forced.stderr);
    // What was read can be measured again without the network, to the same figures.
    let table = ["--predictions", "out/predictions.csv", "-o", "again"];
    let again = folder.run(&[&arguments[..], &table].concat());
    assert_eq!(again.code, 1, "{}", again.stderr);
    let repeated: Value = serde_json::from_str(&folder.read("again/report.json")).unwrap();
    assert_eq!(repeated["about"]["images"], *images);
    // A table has six decimals, so values may differ by them, but not what they are of.
    let sizes = |report: &Value| -> Vec<[Value; 3]> {
        let figures = report["figures"].as_array().unwrap().iter();
        figures
            .map(|f| ["question", "n", "positives"].map(|key| f[key].clone()))
            .collect()
    };
    assert_eq!(sizes(&repeated), sizes(&report));
}

/// Boxes over the whole film hold every point and all evidence, and a box in a corner holds neither.
#[test]
fn with_boxes_it_is_measured_where_the_heat_maps_look() {
    let folder = Folder::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/pneumonia_1.png");
    for n in 0..4 {
        fs::copy(sample, folder.path(&format!("{n}.png"))).unwrap();
    }
    // Tuberculosis answers no question of the model, and the third film has no box.
    folder.write(
        "m.csv",
        "path,patient,source,finding,drawn\n\
         0.png,p0,whole,Tuberculosis,0 0 1 1\n\
         1.png,p1,whole,Tuberculosis,0 0 0.5 1;0.5 0 0.5 1\n\
         2.png,p2,whole,Pneumonia,\n\
         3.png,p3,corner,Tuberculosis,0 0 0.02 0.02\n",
    );
    let arguments = ["evaluate", "-m", "m.csv", "-o", "out"];
    let outcome = folder.run(&[&arguments[..], &["--boxes-column", "drawn"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for words in [
        "Pneumonia: where the heat map looks",
        "pointing accuracy    middle of each lung",
        "on 3 of 3 films with a box",
        "not what: a label of another finding",
    ] {
        let text = outcome
            .stdout
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&words), "{words} in\n{}", outcome.stdout);
    }
    let mut lines = outcome.stdout.lines();
    assert!(lines.all(|line| line.chars().count() <= 100));
    // The one image that answers is of one class.
    assert!(!outcome.stdout.contains("PPV"), "{}", outcome.stdout);

    let report: Value = serde_json::from_str(&folder.read("out/report.json")).unwrap();
    let boxes = &report["about"]["boxes"];
    assert_eq!(
        (&boxes["images"], &boxes["measured"]),
        (&3.into(), &3.into())
    );
    let value = |group: &str, statistic: &str| {
        let figure = figure(&report, "Pneumonia", group, statistic);
        (
            figure["n"].as_u64().unwrap(),
            figure["value"].as_f64().unwrap(),
        )
    };
    let control = "pointing accuracy, control: middle of each lung";
    for (group, n, expected) in [("whole", 2, 1.0), ("corner", 1, 0.0), ("all", 3, 2.0 / 3.0)] {
        for statistic in ["pointing accuracy", control] {
            let (images, share) = value(group, statistic);
            assert_eq!(images, n, "{group}: {statistic}");
            assert!(
                (share - expected).abs() < 1e-9,
                "{group}: {statistic}: {share}"
            );
        }
    }
    let evidence = "share of evidence in the boxes";
    assert!((value("whole", evidence).1 - 1.0).abs() < 1e-9);
    assert!(value("corner", evidence).1 < 0.02);
    assert!(value("corner", "IoU at half maximum").1 < 0.02);
    assert!(
        folder
            .read("out/report.csv")
            .contains("Pneumonia,source,whole,pointing accuracy,,,1.0")
    );
    assert_eq!(folder.read("out/predictions.csv").lines().count(), 5);

    // Without the option, films that answer no question are not read.
    let outcome = folder.run(&[&arguments[..], &["--force"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(!outcome.stdout.contains("heat map"), "{}", outcome.stdout);
    let report: Value = serde_json::from_str(&folder.read("out/report.json")).unwrap();
    assert_eq!(report["about"]["skipped"]["unanswered"], 3);
    assert!(report["about"].get("boxes").is_none());
}

/// The bundled model, with an input check that lets every film pass, and no number for the causes of any.
fn model_that_withholds(folder: &Folder) {
    let weights = include_bytes!("../weights/cxr-lite0.safetensors");
    let card = include_str!("../weights/cxr-lite0.toml");
    let mut card: toml::Table = card.parse().unwrap();
    let causes = card["causes"].as_table_mut().unwrap();
    causes.insert("unlike".to_owned(), 1e-9.into());
    for (section, most) in [("input_head", 1.0), ("distance", 1e12)] {
        let limits = card[section].as_table_mut().unwrap();
        limits.insert("caution".to_owned(), most.into());
        limits.insert("refuse".to_owned(), most.into());
    }
    folder.write("base.safetensors", weights);
    folder.write("base.toml", toml::to_string(&card).unwrap());
}

#[test]
fn images_without_a_number_for_the_causes_are_counted_and_named() {
    let folder = Folder::new();
    model_that_withholds(&folder);
    let findings = ["No Finding", "Pneumonia/Bacterial", "Pneumonia/Viral/SARS"];
    let mut manifest = "path,finding\n".to_owned();
    for (n, finding) in findings.iter().enumerate() {
        let name = format!("{n}.png");
        folder.film(&name, 5 * n as i32);
        manifest += &format!("{name},{finding}\n");
    }
    folder.write("m.csv", manifest);
    let base = ["evaluate", "-m", "m.csv", "--model", "base.safetensors"];
    let outcome = folder.run(&[&base[..], &["-o", "out"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let said = outcome
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let words = "3 of 3 scored images are unlike those that ";
    assert!(said.contains(words) && said.contains(" Viral, "), "{said}");
    assert!(
        said.contains("in none of these figures: 0.png, 1.png, 2.png."),
        "{said}"
    );
    let report: Value = serde_json::from_str(&folder.read("out/report.json")).unwrap();
    assert_eq!(report["about"]["images"]["scored"], 3);
    let figures = report["figures"].as_array().unwrap();
    let asked = |question: &str| figures.iter().any(|figure| figure["question"] == question);
    assert!(asked("Pneumonia") && !asked("Viral") && !asked("Bacterial against Viral"));

    // Its own table says the same.
    let table = folder.read("out/predictions.csv");
    let head = table.lines().next().unwrap();
    assert!(head.ends_with(",withheld"), "{head}");
    let again = folder.run(&[&base[..], &["--predictions", "out/predictions.csv"]].concat());
    assert_eq!(again.code, 0, "{}", again.stderr);
    let words = "column Viral has no score in any row: the images are unlike those";
    assert!(again.stderr.contains(words), "{}", again.stderr);
}

#[test]
fn bad_usage_ends_with_two_and_one_line() {
    let folder = Folder::new();
    folder.study();
    folder.write("empty.csv", "");
    folder.write("junk.csv", b"\x89PNG\r\n\x1a\n\0\0\xff\x1b[2J\xfe,,,\n\"");
    folder.write("words.csv", "path,finding\na.png,Tuberculosis\n");
    folder.write(
        "mr.csv",
        "path,finding,modality\na.png,Pneumonia,MR\n,Pneumonia,CR\n",
    );
    folder.write("perhaps.csv", "path,ill\na.png,perhaps\n");
    folder.write(
        "drawn.csv",
        "path,finding,boxes\na.png,Pneumonia,0.1 0.2 0.3 7\n",
    );
    folder.write("bare.csv", "path,finding,boxes\na.png,Pneumonia,\n");
    folder.write("taken", "a file");
    for (arguments, reason) in [
        (&["-m", "gone.csv"][..], "gone.csv: no such file"),
        (&["-m", "."], ".: "),
        (&["-m", "empty.csv"], "empty.csv: it is empty"),
        (&["-m", "junk.csv"], "junk.csv: no column of file names"),
        (&["-m", "words.csv"], "answers a question"),
        (
            &["-m", "mr.csv"],
            "; of its 2 rows: 1 not frontal radiographs (modality MR), 1 without a file name",
        ),
        (&["-m", "m.csv", "--split", "tset"], "no row has split=tset"),
        (&["-m", "m.csv", "--where", "split"], "COLUMN=VALUE"),
        (&["-m", "m.csv", "--group-column", "ward"], "no column ward"),
        (&["-m", "m.csv", "--patient-column", "who"], "no column who"),
        (
            &["-m", "m.csv", "--label-column", "Gout=finding"],
            "no such label",
        ),
        (
            &["-m", "perhaps.csv", "--label-column", "Pneumonia=ill"],
            "neither yes nor no",
        ),
        (
            &["-m", "m.csv", "--predictions", "m.csv"],
            "not a table of cxr predict",
        ),
        (
            &["-m", "m.csv", "--predictions", "t.csv", "-o", "taken"],
            "-o taken: ",
        ),
        (&["-m", "m.csv", "--against", "words.csv"], "words.csv: "),
        (
            &["-m", "m.csv", "--boxes-column", "boxes"],
            "m.csv: no column boxes",
        ),
        (
            &["-m", "drawn.csv", "--boxes-column", "boxes"],
            "drawn.csv: row 1: \"0.1 0.2 0.3 7\" in column boxes: a box lies within the film",
        ),
        (
            &["-m", "bare.csv", "--boxes-column", "boxes"],
            "bare.csv: no row that was selected has a box in column boxes",
        ),
        (
            &[
                "-m",
                "bare.csv",
                "--boxes-column",
                "boxes",
                "--predictions",
                "t.csv",
            ],
            "--boxes-column boxes: t.csv has no heat maps",
        ),
    ] {
        let outcome = folder.run(&[&["evaluate"], arguments].concat());
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(reason),
            "{arguments:?}: {}",
            outcome.stderr
        );
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        assert!(!outcome.stderr.contains('\x1b') && outcome.stdout.is_empty());
    }
}

#[test]
fn an_interrupted_run_reports_nothing_and_keeps_what_was_read() {
    let folder = Folder::new();
    folder.film("0.png", 40);
    let mut manifest = "path,finding\n0.png,Pneumonia\n".to_owned();
    for n in 1..5000 {
        fs::hard_link(folder.path("0.png"), folder.path(&format!("{n}.png"))).unwrap();
        manifest += &format!("{n}.png,No Finding\n");
    }
    folder.write("m.csv", manifest);
    let child = Command::new(env!("CARGO_BIN_EXE_cxr"))
        .args(["evaluate", "-m", "m.csv", "-o", "out", "-q"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .current_dir(folder.0.path())
        .spawn()
        .unwrap();
    let rows = || {
        let table = fs::read_to_string(folder.0.path().join("out/predictions.csv"));
        table.map_or(0, |table| table.lines().count())
    };
    while rows() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let id = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(output.stdout.is_empty());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("cxr: interrupted after "), "{stderr}");
    assert!(rows() < 5000 && !folder.path("out/report.json").exists());
}
