//! Files in a folder that are not read: no film is left out silently.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The result of a finished program.
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// Path, status and reasons of each row on standard output.
    fn rows(&self) -> Vec<[String; 3]> {
        rows(self.stdout.as_bytes())
    }
}

fn rows(csv: &[u8]) -> Vec<[String; 3]> {
    let mut reader = csv::Reader::from_reader(csv);
    let rows = reader.records().map(|row| row.unwrap());
    rows.map(|row| [0, 1, 2].map(|at| row[at].to_owned()))
        .collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with one film.
    fn new() -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path("films")).unwrap();
        fs::copy(sample("clear_1.png"), folder.path("films/a.png")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cxr"));
        command.args(arguments).stdin(Stdio::null());
        command.current_dir(self.0.path());
        // Not the configuration and the reviews of the person who runs the tests.
        command.env("CXR_CONFIG", "");
        command.env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
        let output = command.output().unwrap();
        Ended {
            code: output.status.code().expect("an exit code, not a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

#[test]
fn unread_images_and_archives_are_counted_named_and_change_the_exit_status() {
    let folder = Folder::new();
    for name in [
        "b.jxl", "c.avif", "d.zip", "e.dcm.gz", "f.nii", "g.heic", "h.psd", "i.7z", "j.rar",
    ] {
        folder.put(&format!("films/{name}"), b"only its name");
    }
    folder.put("films/scan", b"\x28\xb5\x2f\xfd\0\0");
    for name in [
        "notes.txt",
        "labels.csv",
        "._a.png",
        "Thumbs.db",
        "paper.pdf",
    ] {
        folder.put(&format!("films/{name}"), b"%PDF-1.7 not reported");
    }
    let ended = folder.run(&["predict", "films"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_eq!(ended.rows().len(), 1);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert!(
        lines[0].starts_with("cxr: 10 files not read: "),
        "{}",
        ended.stderr
    );
    assert!(lines[0].contains("1 × JPEG XL image"), "{}", lines[0]);
    assert_eq!(lines[1], "cxr: films/b.jxl: not read: a JPEG XL image");
    let zip = "cxr: films/d.zip: not read: a zip archive: unpack it first";
    assert!(lines.contains(&zip), "{}", ended.stderr);
    let summary = "1 ok, 0 caution, 0 refused, 0 failed, 10 not read; ";
    assert!(
        lines.last().unwrap().starts_with(summary),
        "{}",
        ended.stderr
    );
    for silent in ["notes", "labels", "._a", "Thumbs", "paper"] {
        assert!(!ended.stderr.contains(silent), "{}", ended.stderr);
    }
    // With --quiet these lines still appear.
    let quiet = folder.run(&["predict", "-q", "films"]);
    assert_eq!((quiet.code, quiet.stderr.lines().count()), (1, 11));
}

#[test]
fn of_many_unread_files_some_are_named_and_all_are_counted_by_kind() {
    let folder = Folder::new();
    for number in 0..30 {
        folder.put(&format!("films/{number}.7z"), b"7z\xbc\xaf\x27\x1c");
    }
    let ended = folder.run(&["predict", "-q", "films"]);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines[0], "cxr: 30 files not read: 30 × 7z archive");
    let more = "cxr: and 20 more; --list-unread has a row for each";
    assert_eq!((lines.len(), lines[11]), (12, more));
}

#[test]
fn unread_files_get_rows_with_an_option_until_they_become_images() {
    let folder = Folder::new();
    folder.put("films/b.7z", b"7z\xbc\xaf\x27\x1c");
    folder.put("films/IM1", b"7z\xbc\xaf\x27\x1c");
    let table = || rows(&fs::read(folder.path("t.csv")).unwrap());
    let arguments = ["predict", "films", "-o", "t.csv", "--list-unread"];
    let ended = folder.run(&arguments);
    assert_eq!(ended.code, 1);
    let reason = "a 7z archive: unpack it first";
    let expected = [
        ["films/IM1", "unread", reason],
        ["films/a.png", "ok", ""],
        ["films/b.7z", "unread", reason],
    ];
    assert_eq!(table(), expected);
    for option in ["--append", "--resume"] {
        let ended = folder.run(&[&arguments[..], &[option]].concat());
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("2 not read"), "{}", ended.stderr);
        let mut rows = table();
        rows.sort();
        assert_eq!(rows, expected, "{option}");
    }
    fs::copy(sample("clear_16bit.dcm"), folder.path("films/IM1")).unwrap();
    folder.run(&[&arguments[..], &["--resume"]].concat());
    let mut rows = table();
    rows.sort();
    assert_ne!(rows[0][1], "unread");
    assert_eq!((rows.len(), rows[2][1].as_str()), (3, "unread"));
}

/// Content decides, not the name.
#[test]
fn dicom_is_found_under_any_name() {
    let folder = Folder::new();
    let dicom = fs::read(sample("clear_16bit.dcm")).unwrap();
    let names = [
        "a.txt",
        "b.zip",
        "c.bak",
        "d",
        "IM000001.pdf",
        "e.csv",
        "f.json",
        "g.gz",
        "h.db",
        "i.mp4",
        "j.npy",
        "k.docx",
    ];
    for name in names {
        folder.put(&format!("films/{name}"), &dicom);
    }
    let ended = folder.run(&["predict", "films"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let rows = ended.rows();
    assert_eq!(rows.len(), names.len() + 1, "{}", ended.stdout);
    assert!(
        rows.iter()
            .all(|row| matches!(row[1].as_str(), "ok" | "caution"))
    );
}

#[test]
fn other_files_with_the_name_of_an_image_are_named() {
    let folder = Folder::new();
    for (name, head, reason) in [
        (
            "b.png",
            &b"PK\x03\x04"[..],
            "not an image: a zip archive: unpack it first",
        ),
        (
            "c.dcm",
            b"\x1f\x8b\x08\0",
            "not an image: a gzip archive: unpack it first",
        ),
        (
            "d.jpg",
            b"\xff\x0a\xfa\x1f",
            "not supported: a JPEG XL image",
        ),
        ("e.tif", b"%PDF-1.4", "not an image: a PDF document"),
    ] {
        folder.put(&format!("films/{name}"), head);
        let path = format!("films/{name}");
        let ended = folder.run(&["predict", "-q", &path]);
        assert_eq!(ended.rows(), [[&path, "error", reason]], "{}", ended.stderr);
        let report = folder.run(&["report", &path, "-o", "page.html"]);
        assert_ne!(report.code, 0);
        assert!(report.stderr.contains(reason), "{}", report.stderr);
    }
}

#[test]
fn a_folder_of_archives_has_no_images_and_the_archives_are_named() {
    let folder = Folder::new();
    fs::remove_file(folder.path("films/a.png")).unwrap();
    folder.put("films/all.tar.xz", b"\xfd7zXZ\0");
    let ended = folder.run(&["predict", "films"]);
    assert_eq!(ended.code, 2);
    let named = "cxr: films/all.tar.xz: not read: an xz archive: unpack it first";
    assert!(ended.stderr.contains(named), "{}", ended.stderr);
    assert!(ended.stderr.contains("no images found"), "{}", ended.stderr);
}

/// A table as pandas writes it, with a last line that a person edited.
#[test]
fn a_table_of_predictions_with_missing_scores_is_measured_and_names_them() {
    let folder = Folder::new();
    folder.put(
        "cases.csv",
        b"path,finding,patient\na.png,No Finding,NA\nb.png,Pneumonia,NA\nc.png,Pneumonia,p3\n\
          d.png,No Finding,p4\n",
    );
    folder.put(
        "t.csv",
        b"\xef\xbb\xbfpath,status,reasons,Pneumonia\r\na.png,ok,,0.1\r\n\
          b.png,ok,\"dark\r\nand small\",NaN\r\nc.png,ok,,0.9\r\nd.png,ok,,0.2",
    );
    let arguments = ["evaluate", "-m", "cases.csv", "--predictions", "t.csv"];
    let ended = folder.run(&arguments);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let remark =
        "t.csv: 1 of 4 rows have no score for Pneumonia, and are not in its figures: b.png";
    assert!(ended.stderr.contains(remark), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("have no score for Pneumonia"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stderr.contains("no such label"), "{}", ended.stderr);
    // NA means that the patient is not known, and is not one patient of two images.
    assert!(ended.stdout.contains("4 patients"), "{}", ended.stdout);
}
