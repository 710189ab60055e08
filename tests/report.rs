//! `cxr report` as a user runs it, over the samples.

mod calibrated;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, UNIX_EPOCH};

use calibrated::{CALIBRATED, write_calibrated};
use cxr::domain::{Act, ImageIdentity, Opinion, OpinionChange, Review, Seen, Uids, Verdict};
use cxr::store::{ReviewEntry, Store};
use sha2::{Digest, Sha256};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

/// In `folder`, with a home of its own, so that no store of this machine is read.
fn report(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cxr"))
        .arg("report")
        .args(arguments)
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("XDG_DATA_HOME", folder.join("data"))
        .env_remove("CXR_MODEL")
        .output()
        .unwrap()
}

fn page_of(image: &Path, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&[image.to_str().unwrap(), "-o", "out.html"], more].concat();
    let output = report(folder.path(), &arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    assert_eq!(complaint, "");
    assert!(output.stdout.is_empty());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let page = fs::read_to_string(folder.path().join("out.html")).unwrap();
    assert_stands_alone(&page);
    page
}

/// It names no other file and runs nothing.
fn assert_stands_alone(page: &str) {
    // Letters of a picture may spell anything.
    let style = page.split_once("</style>").unwrap().0;
    // First of all, so that it holds for everything after it.
    let policy = "<head><meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
        content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:;";
    assert!(page.contains(policy), "{}", &page[..300]);
    let lower = format!("{style}{}", words(page)).to_lowercase();
    let lower = lower.replace("http-equiv", "");
    for forbidden in [
        "http", "<script", "<link", "<iframe", "href", "url(", "@import", "srcset",
    ] {
        assert!(!lower.contains(forbidden), "{forbidden}");
    }
    for source in page.split("src=").skip(1) {
        assert!(
            source.starts_with("\"data:image/png;base64,"),
            "{}",
            &source[..source.len().min(40)]
        );
    }
}

/// The page without its pictures and style.
fn words(page: &str) -> String {
    let body = page.split_once("</style>").unwrap().1;
    let mut parts = body.split("src=\"data:image/png;base64,");
    let mut words = parts.next().unwrap().to_owned();
    for part in parts {
        words.push_str(part.split_once('"').unwrap().1);
    }
    words
}

fn sha256(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn one_line(output: &Output) -> String {
    let complaint = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    complaint
}

#[test]
fn a_radiograph_gets_a_page_with_both_pictures_and_all_findings() {
    let image = sample("pneumonia_1.png");
    let model = tempfile::tempdir().unwrap();
    write_calibrated(model.path());
    let model = model.path().join(CALIBRATED);
    let model = ["--model", model.to_str().unwrap()];
    let page = page_of(
        &image,
        &[&model[..], &["--prevalence", "Pneumonia=7%"]].concat(),
    );
    assert_eq!(page.matches("<img ").count(), 2);
    let words = words(&page);
    for expected in [
        "Not a medical device; not for diagnosis.",
        "pneumonia_1.png",
        &sha256(&image),
        "768 × 768 pixels",
        "where, not how likely",
        "Heat map: ",
        "<td>Pneumonia",
        "<td>COVID-19",
        "π 7 %",
        "Geographic extent",
        "Input check",
        "No verdict on this image is in the store.",
        concat!("cxr ", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(words.contains(expected), "{expected}");
    }
    // Nothing of the folders above it.
    assert!(!words.contains("samples"));
}

/// What the page says is what `predict` says, for scores and for probabilities.
#[test]
fn the_numbers_are_those_of_predict() {
    let calibrated = tempfile::tempdir().unwrap();
    write_calibrated(calibrated.path());
    let calibrated = calibrated.path().join(CALIBRATED);
    let calibrated = ["--model", calibrated.to_str().unwrap()];
    let of_calibrated = kinds_of_the_page_as_predicted(&calibrated);
    assert!(of_calibrated.contains(&"probability".to_owned()));
    let of_bundled = kinds_of_the_page_as_predicted(&[]);
    assert!(!of_bundled.contains(&"probability".to_owned()));
}

/// The kind of each number of a page, when its value has been compared.
fn kinds_of_the_page_as_predicted(model: &[&str]) -> Vec<String> {
    let image = sample("covid_like_ap.dcm");
    let predict = ["predict", image.to_str().unwrap(), "-q", "-f", "jsonl"];
    let output = Command::new(env!("CARGO_BIN_EXE_cxr"))
        .args(predict)
        .args(model)
        .env_remove("CXR_MODEL")
        .output()
        .unwrap();
    let row: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let words = words(&page_of(&image, model));
    let digest = row["model_sha256"].as_str().unwrap();
    assert!(words.contains(digest));
    let findings = row["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    let compared = findings.iter().map(|finding| {
        let label = finding["label"].as_str().unwrap();
        let rest = words.split_once(&format!("<td>{label}<td class=\"number\">"));
        let cell = rest.unwrap_or_else(|| panic!("{label}")).1;
        let (number, rest) = cell.split_once("<td>").unwrap();
        let kind = rest.split_once("<td").unwrap().0;
        let pneumonia = findings[0]["score"].as_f64().unwrap();
        assert_number(
            number,
            kind,
            label,
            finding["score"].as_f64().unwrap(),
            pneumonia,
        );
        kind.to_owned()
    });
    compared.collect()
}

/// A number of the page shows a score.
fn assert_number(number: &str, kind: &str, label: &str, score: f64, pneumonia: f64) {
    match kind {
        "probability" if number.starts_with("&") => {}
        // A bound: COVID-19 is no more probable than pneumonia.
        _ if number.starts_with("≤") => {
            assert!(label == "COVID-19" && pneumonia < score, "{number}");
            assert_eq!(number, format!("≤ {:.1} %", 100.0 * pneumonia));
        }
        "probability" => {
            let shown: f64 = number.trim_end_matches(" %").parse().unwrap();
            assert!((shown - 100.0 * score).abs() < 0.051, "{label}: {number}");
        }
        _ => {
            let shown: f64 = number.parse().unwrap();
            assert!((shown - score).abs() < 0.000_51, "{label}: {number}");
        }
    }
}

/// A healthy film has no causes on its page.
#[test]
fn causes_are_on_the_page_only_where_they_agree_with_what_is_found() {
    let causes = ["<h2>Cause", "given pneumonia", "Bacterial", "Viral"];
    let healthy = words(&page_of(&sample("clear_1.png"), &[]));
    for word in causes {
        assert!(!healthy.contains(word), "{word}: {healthy}");
    }
    let ill = words(&page_of(&sample("covid_like_ap.dcm"), &[]));
    assert!(ill.contains("Cause, given pneumonia") && ill.contains("Bacterial"));
}

#[test]
fn the_patient_is_named_only_when_asked_for() {
    let image = sample("covid_like_ap.dcm");
    let without = words(&page_of(&image, &[]));
    assert!(
        without.contains("M 72y") && without.contains("AP"),
        "{without}"
    );
    assert!(!without.contains("SYNTHETIC") && !without.contains("2.25."));
    let with = words(&page_of(&image, &["--with-patient"]));
    assert!(with.contains("SYNTHETIC") && with.contains("2.25."));
}

#[test]
fn the_heat_map_is_of_the_label_that_was_asked_for() {
    let image = sample("pneumonia_1.png");
    let covid = words(&page_of(&image, &["--heatmap-label", "COVID-19"]));
    // The map of a product is that of its first factor.
    assert!(covid.contains("Heat map: Pneumonia<"), "{covid}");
    let viral = words(&page_of(&image, &["--heatmap-label", "Viral"]));
    assert!(viral.contains("Heat map: Viral<"), "{viral}");
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        image.to_str().unwrap(),
        "-o",
        "a.html",
        "--heatmap-label",
        "Gout",
    ];
    let output = report(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("Gout"));
}

#[test]
fn a_refused_image_has_reasons_and_no_numbers() {
    let page = page_of(&sample("not_an_xray.png"), &[]);
    let words = words(&page);
    assert!(words.contains("<b>Refused:</b>"), "{words}");
    assert!(words.contains("<li>"));
    assert!(words.contains("Not a medical device"));
    assert_eq!(page.matches("<img ").count(), 1);
    for number in [
        "class=\"number\"",
        "<table",
        "probability",
        "score",
        "Geographic",
        "Pneumonia",
        "π",
    ] {
        assert!(!words.contains(number), "{number}: {words}");
    }
}

#[test]
fn a_file_that_cannot_be_read_leaves_one_line_and_no_page() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample("truncated.dcm");
    let output = report(folder.path(), &[image.to_str().unwrap(), "-o", "a.html"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(one_line(&output).contains("truncated.dcm"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn contradictory_options_are_bad_usage_and_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample("clear_1.png");
    let image = image.to_str().unwrap();
    for (arguments, reason) in [
        (&[image, "-o", "a.png"][..], ".html"),
        (&[image, "-o", "none/a.html"], "none/a.html"),
        (&["none.png", "-o", "a.html"], "no such file"),
        (&[".", "-o", "a.html"], "folder"),
        (&[image, "-o", "a.html", "--prevalence", "Gout=1%"], "Gout"),
        (&[image, "-o", "a.html", "--model", "none"], "none"),
    ] {
        let output = report(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(one_line(&output).contains(reason), "{arguments:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_page_is_its_owners_and_replaces_another_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample("clear_1.png");
    let page = folder.path().join("a.html");
    fs::write(&page, "precious").unwrap();
    let mut arguments = vec![image.to_str().unwrap(), "-o", "a.html"];
    let output = report(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("--force"));
    assert_eq!(fs::read_to_string(&page).unwrap(), "precious");

    arguments.push("--force");
    assert!(report(folder.path(), &arguments).status.success());
    assert!(fs::read_to_string(&page).unwrap().ends_with("</html>\n"));
    let mode = fs::metadata(&page).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let output = report(folder.path(), &[image.to_str().unwrap(), "-o", "-"]);
    assert!(output.stdout.ends_with(b"</html>\n"));
}

#[test]
fn a_pipe_is_never_replaced_by_a_page() {
    use std::os::unix::fs::FileTypeExt;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("a.html");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let image = sample("clear_1.png");
    let arguments = [image.to_str().unwrap(), "-o", "a.html", "--force"];
    let output = report(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("a pipe or a device"));
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn the_image_itself_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("scan.html");
    fs::copy(sample("clear_1.png"), &image).unwrap();
    let output = report(
        folder.path(),
        &["scan.html", "-o", "./scan.html", "--force"],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("the image itself"));
    assert_eq!(sha256(&image), sha256(&sample("clear_1.png")));
}

/// Two readers of one image that is elsewhere by now, and one of another image.
fn store_with_verdicts(path: &Path, image: &Path) {
    let mut store = Store::open(path).unwrap();
    let entry = |token: &str, sha256: String, reviewer: &str, verdict| ReviewEntry {
        token: token.to_owned(),
        image: ImageIdentity {
            sha256,
            path: PathBuf::from("/elsewhere/by now.png"),
            uids: Uids::default(),
            patient_id: None,
        },
        review: Review {
            reviewer: reviewer.to_owned(),
            at: UNIX_EPOCH + Duration::from_secs(1_769_860_800),
            act: Act::Judged,
            change: OpinionChange::to(&Opinion {
                verdict: Some(verdict),
                label: Some("COVID-19".into()),
                key_image: true,
                note: "see <b>CT</b> & \"film\"<script>".into(),
                ..Opinion::default()
            }),
            seen: Seen::default(),
        },
        prediction: None,
    };
    let hash = sha256(image);
    for entry in [
        entry("1", hash.clone(), "ada", Verdict::Agree),
        entry("2", hash.clone(), "ada", Verdict::Disagree),
        entry("3", hash, "<i>bob", Verdict::Unsure),
        entry("4", "ab".repeat(32), "eve", Verdict::Agree),
    ] {
        store.append(&entry).unwrap();
    }
}

#[test]
fn readers_are_known_by_the_images_content_and_the_store_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample("clear_2.jpg");
    let store = folder.path().join("reviews.sqlite");
    store_with_verdicts(&store, &image);
    let before = fs::read(&store).unwrap();
    let words = words(&page_of(&image, &["--store", store.to_str().unwrap()]));
    for expected in [
        "<b>ada</b>: disagree about COVID-19; key image (2026-01-31T12:00:00.000Z",
        "<b>&lt;i&gt;bob</b>: unsure",
        "see &lt;b&gt;CT&lt;/b&gt; &amp; &quot;film&quot;&lt;script&gt;",
        "before a model had answered",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(!words.contains("eve<") && !words.contains("agree;"));
    assert_eq!(fs::read(&store).unwrap(), before);

    let absent = folder.path().join("none.sqlite");
    page_of(&image, &["--store", absent.to_str().unwrap()]);
    assert!(!absent.exists());
    let foreign = sample("README.md");
    let arguments = [
        image.to_str().unwrap(),
        "-o",
        "a.html",
        "--store",
        foreign.to_str().unwrap(),
    ];
    let output = report(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("not a store of cxr"));
}

#[test]
fn every_name_is_escaped_text() {
    let folder = tempfile::tempdir().unwrap();
    let name = "<script>alert(1)<img src=x onerror='y'>&\"\u{202e}\u{1b}[2J.png";
    let image = folder.path().join(name);
    fs::copy(sample("clear_3.png"), &image).unwrap();
    let page = page_of(&image, &[]);
    assert_eq!(page.matches("<img ").count(), 2);
    assert!(page.contains("&lt;script&gt;alert(1)"));
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
}
