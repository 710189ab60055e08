//! What a table of `cxr predict` and its heat maps still say after `--resume`, `--append` and `--force`.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{Rgb, RgbImage};

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
