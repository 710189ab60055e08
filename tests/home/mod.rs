//! A home of its own for a run of cxr: its models are in a temporary folder.

use std::fs;
use std::path::Path;
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

    fn run(&self, arguments: &[&str]) -> Output {
        let command = Command::new(env!("CARGO_BIN_EXE_cxr"))
            .args(arguments)
            .stdin(Stdio::null())
            .env_remove("CXR_MODEL")
            .env("XDG_DATA_HOME", self.0.path().join("data"))
            .current_dir(self.0.path())
            .output();
        command.unwrap()
    }

    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// One line on standard error, this exit status, and nothing in the library.
    pub fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        let library = self.0.path().join("data/cxr/models");
        assert_eq!(fs::read_dir(library).into_iter().flatten().count(), 0);
        stderr
    }
}
