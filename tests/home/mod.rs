//! A home of its own for a run of cxr: its models are in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        Home(tempfile::tempdir().unwrap())
    }

    /// The folder that cxr is run in.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The folder of the imported models.
    pub fn library(&self) -> PathBuf {
        self.0.path().join("data/cxr/models")
    }

    /// What is in the library, in order, but for the lock.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.library()).into_iter().flatten();
        let files = entries.map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|file| !file.ends_with(".lock")).collect();
        files.sort();
        files
    }

    /// Copies a radiograph, in which lungs are found, to `film.png`.
    pub fn film(&self) {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/clear_1.png");
        fs::copy(sample, self.0.path().join("film.png")).unwrap();
    }

    /// A run of this program, which is cxr or starts it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .env_remove("CXR_MODEL")
            .env("XDG_DATA_HOME", self.0.path().join("data"))
            .current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_cxr"));
        command.args(arguments).output().unwrap()
    }

    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// One line on standard error, this exit status, and the library holds the same files as before.
    pub fn fails(&self, arguments: &[&str], code: i32) -> String {
        let before = self.files();
        let output = self.run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(self.files(), before, "{arguments:?}");
        stderr
    }
}
