//! What a table of `cxr predict` and its heat maps still say after `--resume`, `--append` and `--force`.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{Rgb, RgbImage};

/// Bytes of an archive in a format that is not read.
const UNREAD: &[u8] = b"7z\xbc\xaf\x27\x1c";

struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with the film `films/a.png`.
    fn new() -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path("films")).unwrap();
        folder.film("films/a.png", "clear_1.png");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn film(&self, name: &str, sample: &str) {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        fs::copy(samples.join(sample), self.path(name)).unwrap();
    }

    /// A colour photograph of nothing, which is refused.
    fn photograph(&self, name: &str) {
        let pixel = |x: u32, y: u32| Rgb([(x % 256) as u8, (y % 256) as u8, (x * y % 256) as u8]);
        let photograph = RgbImage::from_fn(300, 300, pixel);
        photograph.save(self.path(name)).unwrap();
    }

    /// An image that ends in the middle.
    fn torn(&self, name: &str) {
        self.film(name, "clear_1.png");
        let whole = fs::read(self.path(name)).unwrap();
        fs::write(self.path(name), &whole[..whole.len() / 2]).unwrap();
    }

    /// Runs `cxr predict films -q …`. The exit status.
    fn predict(&self, arguments: &[&str]) -> i32 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cxr"));
        command.args([&["predict", "films", "-q"], arguments].concat());
        command.stdin(Stdio::null()).current_dir(self.0.path());
        // Not the configuration and the reviews of the person who runs the tests.
        command.env("CXR_CONFIG", "");
        command.env("XDG_STATE_HOME", self.path("state"));
        let output = command.output().unwrap();
        output.status.code().expect("an exit code, not a signal")
    }

    /// The rows of the table `t.csv`, as cells by the names of their columns, in the order of their paths.
    fn rows(&self) -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(self.path("t.csv")).unwrap();
        let rows = reader.deserialize().map(|row| row.unwrap());
        let mut rows: Vec<BTreeMap<String, String>> = rows.collect();
        rows.sort_by_key(|row| row["path"].clone());
        rows
    }

    /// Path and status of each row.
    fn statuses(&self) -> Vec<[String; 2]> {
        let rows = self.rows().into_iter();
        rows.map(|row| ["path", "status"].map(|name| row[name].clone()))
            .collect()
    }

    /// The names of the heat maps, without their digests.
    fn maps(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("maps")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names
            .map(|name| name.rsplit_once('-').unwrap().0.to_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn the_heat_map_of_an_earlier_film_does_not_stay_beside_the_row_of_another() {
    for option in ["--resume", "--force"] {
        let folder = Folder::new();
        folder.film("films/b.png", "clear_3.png");
        folder.film("films/c.png", "clear_3.png");
        let arguments = ["-o", "t.csv", "--heatmaps", "maps"];
        assert_eq!(folder.predict(&arguments), 0);
        assert_eq!(folder.maps(), ["a.png", "b.png", "c.png"]);
        folder.photograph("films/a.png");
        folder.torn("films/b.png");
        assert_eq!(folder.predict(&[&arguments[..], &[option]].concat()), 1);
        let rows = [
            ["films/a.png", "refused"],
            ["films/b.png", "error"],
            ["films/c.png", "ok"],
        ];
        assert_eq!(folder.statuses(), rows);
        assert_eq!(folder.maps(), ["c.png"], "{option}");
    }
}

#[test]
fn a_heat_map_names_the_film_that_it_is_of() {
    let folder = Folder::new();
    assert_eq!(folder.predict(&["-o", "t.csv", "--heatmaps", "maps"]), 0);
    let map = fs::read_dir(folder.path("maps")).unwrap().next().unwrap();
    let file = BufReader::new(fs::File::open(map.unwrap().path()).unwrap());
    let reader = png::Decoder::new(file).read_info().unwrap();
    let words = &reader.info().uncompressed_latin1_text;
    let word = words.iter().find(|word| word.keyword == "Image-SHA256");
    assert_eq!(word.unwrap().text, folder.rows()[0]["image_sha256"]);
}

#[test]
fn rows_of_unread_files_stay_in_a_run_that_does_not_list_them() {
    let folder = Folder::new();
    fs::write(folder.path("films/b.7z"), UNREAD).unwrap();
    assert_eq!(folder.predict(&["-o", "t.csv", "--list-unread"]), 1);
    let rows = [["films/a.png", "ok"], ["films/b.7z", "unread"]];
    assert_eq!(folder.statuses(), rows);
    for option in ["--resume", "--append"] {
        assert_eq!(folder.predict(&["-o", "t.csv", option]), 1);
        assert_eq!(folder.statuses(), rows, "{option}");
    }
    // A film that becomes such a file must not keep the numbers of the film.
    fs::remove_file(folder.path("films/b.7z")).unwrap();
    folder.film("films/IM1", "clear_16bit.dcm");
    assert_eq!(folder.predict(&["-o", "t.csv", "--resume"]), 0);
    fs::write(folder.path("films/IM1"), UNREAD).unwrap();
    assert_eq!(folder.predict(&["-o", "t.csv", "--resume"]), 1);
    let rows = [
        ["films/IM1", "unread"],
        ["films/a.png", "ok"],
        ["films/b.7z", "unread"],
    ];
    assert_eq!(folder.statuses(), rows);
}

/// A row of the table itself is not left out because an earlier table knows what is in the file now.
#[test]
fn a_row_of_a_changed_or_failed_film_is_made_anew_whatever_earlier_tables_have() {
    let folder = Folder::new();
    assert_eq!(folder.predict(&["-o", "t.csv"]), 0);
    fs::rename(folder.path("t.csv"), folder.path("earlier.csv")).unwrap();
    folder.film("films/b.png", "clear_3.png");
    folder.torn("films/c.png");
    folder.torn("films/d.png");
    // Without a row that still holds, the table would seem to be of another folder.
    folder.film("films/f.png", "pneumonia_1.png");
    let arguments = ["-o", "t.csv", "--since", "earlier.csv"];
    assert_eq!(folder.predict(&arguments), 1);
    let rows = [
        ["films/b.png", "ok"],
        ["films/c.png", "error"],
        ["films/d.png", "error"],
        ["films/f.png", "ok"],
    ];
    assert_eq!(folder.statuses(), rows);
    for name in ["films/b.png", "films/c.png", "films/e.png"] {
        folder.film(name, "clear_1.png");
    }
    assert_eq!(folder.predict(&[&arguments[..], &["--resume"]].concat()), 1);
    let rows = [
        ["films/b.png", "ok"],
        ["films/c.png", "ok"],
        ["films/d.png", "error"],
        ["films/f.png", "ok"],
    ];
    assert_eq!(
        folder.statuses(),
        rows,
        "films/e.png is known, and never had a row"
    );
    let content = |at: usize| folder.rows()[at]["image_sha256"].clone();
    assert_eq!(content(0), content(1));
}

/// A film that an earlier table knows is not scored, so that nothing would take the place of its heat map.
#[test]
fn the_heat_map_of_a_known_film_stays() {
    let folder = Folder::new();
    assert_eq!(folder.predict(&["-o", "t.csv", "--heatmaps", "maps"]), 0);
    fs::rename(folder.path("t.csv"), folder.path("jan.csv")).unwrap();
    folder.film("films/b.png", "clear_3.png");
    let february = ["--since", "jan.csv", "-o", "t.csv", "--heatmaps", "maps"];
    // Nothing is replaced, so that nothing has to be forced.
    for option in [&[][..], &["--force"], &["--append"], &["--resume"]] {
        assert_eq!(folder.predict(&[&february[..], option].concat()), 0);
        assert_eq!(folder.statuses(), [["films/b.png", "ok"]], "{option:?}");
        assert_eq!(folder.maps(), ["a.png", "b.png"], "{option:?}");
    }
    fs::remove_file(folder.path("t.csv")).unwrap();
    assert_eq!(folder.predict(&february), 2, "that of b.png would be");
}

#[test]
fn a_table_or_list_that_is_read_is_not_replaced() {
    let folder = Folder::new();
    assert_eq!(folder.predict(&["-o", "t.csv"]), 0);
    folder.film("films/b.png", "clear_3.png");
    let before = fs::read(folder.path("t.csv")).unwrap();
    symlink("t.csv", folder.path("link.csv")).unwrap();
    for output in ["t.csv", "link.csv"] {
        let arguments = ["--since", "t.csv", "-o", output, "--force"];
        assert_eq!(folder.predict(&arguments), 2, "{output}");
        assert_eq!(fs::read(folder.path("t.csv")).unwrap(), before);
    }
    // A table that is continued keeps its rows.
    for option in ["--append", "--resume"] {
        let arguments = ["--since", "t.csv", "-o", "t.csv", option];
        assert_eq!(folder.predict(&arguments), 0);
        let rows = [["films/a.png", "ok"], ["films/b.png", "ok"]];
        assert_eq!(folder.statuses(), rows, "{option}");
    }
}

/// A link to a folder above itself is a problem of the walk for every user, root too.
#[test]
fn a_problem_of_the_walk_has_one_row_and_none_once_it_is_gone() {
    let folder = Folder::new();
    symlink(".", folder.path("films/loop")).unwrap();
    assert_eq!(folder.predict(&["-o", "t.csv"]), 1);
    let rows = [["films/a.png", "ok"], ["films/loop", "error"]];
    for option in ["--resume", "--append", "--resume", "--append"] {
        assert_eq!(folder.predict(&["-o", "t.csv", option]), 1);
        assert_eq!(folder.statuses(), rows, "{option}");
    }
    fs::remove_file(folder.path("films/loop")).unwrap();
    fs::create_dir(folder.path("films/loop")).unwrap();
    folder.film("films/loop/b.png", "clear_3.png");
    // What is not read in this run has its row.
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_cxr"))
        .args(["predict", "films/a.png", "-q", "-o", "t.csv", "--resume"])
        .current_dir(folder.0.path())
        .env("CXR_CONFIG", "")
        .status();
    assert_eq!(elsewhere.unwrap().code(), Some(0));
    assert_eq!(folder.statuses(), rows);
    assert_eq!(folder.predict(&["-o", "t.csv", "--resume"]), 0);
    let rows = [["films/a.png", "ok"], ["films/loop/b.png", "ok"]];
    assert_eq!(folder.statuses(), rows);
}
