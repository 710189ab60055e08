//! What the screen has others do: write files, and open a film in another program. The screen itself writes no results.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::domain::text::clean;
use crate::domain::{HeatMapChoice, Prevalences, Radiograph};
use crate::starting;
use crate::worker::RenderRequest;

/// Does something that takes a while, on a thread of its own, and says in a line what came of it.
pub type Hook<T> = Arc<dyn Fn(&T) -> Result<String, String> + Send + Sync>;

/// The picture on the screen, to be written to a file.
pub struct PictureOrder {
    pub film: Arc<Radiograph>,
    /// With the canvas of the screen.
    pub frame: RenderRequest,
}

/// A report of the film on the screen.
pub struct ReportOrder {
    pub film: Arc<Radiograph>,
    pub source: Arc<Path>,
    /// SHA-256 of the weights of the model in use.
    pub model: String,
    pub heat_map: HeatMapChoice,
    pub assumed: Prevalences,
    /// Whether outcomes are shown.
    pub foretells: bool,
}

/// The hooks of a session.
pub struct ScreenHooks {
    pub picture: Hook<PictureOrder>,
    pub report: Hook<ReportOrder>,
    pub open: OpenPrograms,
}

/// The programs that open a film, and its folder; `None` where the configuration names none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenPrograms {
    pub film: Option<OpenProgram>,
    pub folder: Option<OpenProgram>,
}

/// A program of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenProgram {
    /// The program and its arguments. It is started as it is written, without a shell. An argument `{}` stands for the path;
    /// without one the path comes last.
    pub command: Vec<String>,
    /// Whether it takes the terminal, which the screen then leaves until it ends.
    pub takes_terminal: bool,
}

/// What is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenTarget {
    Film,
    Folder,
}

const PLACE: &str = "{}";

impl OpenProgram {
    /// The name of the program, for a line on the screen.
    pub fn name(&self) -> String {
        clean(self.command.first().map_or("", String::as_str))
    }

    /// The program with its arguments, of which the path is one by itself.
    fn arguments(&self, path: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = self
            .command
            .iter()
            .enumerate()
            .map(|(at, word)| match word.as_str() {
                PLACE if at > 0 => path.as_os_str().to_owned(),
                word => word.into(),
            })
            .collect();
        if !self.command.iter().skip(1).any(|word| word == PLACE) {
            arguments.push(path.as_os_str().to_owned());
        }
        arguments
    }

    /// The command that opens a path.
    ///
    /// # Errors
    /// If the current folder is not known.
    pub fn command(&self, path: &Path) -> io::Result<Command> {
        // Absolute, so that no name is taken for an option.
        let path = std::path::absolute(path)?;
        let mut arguments = self.arguments(&path).into_iter();
        let mut command = Command::new(arguments.next().unwrap_or_default());
        command.args(arguments);
        Ok(command)
    }

    /// Starts a program with a window of its own, and waits until it ends; what it prints does not reach the screen.
    ///
    /// # Errors
    /// The reason in a line, if it cannot be started or ends with a failure.
    pub fn run_beside(&self, path: &Path) -> Result<(), String> {
        let started = self.command(path).and_then(|mut command| {
            let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
            starting::spawn(quiet.stderr(Stdio::null()))?.wait()
        });
        self.ended(started)
    }

    /// What the end of the program means.
    ///
    /// # Errors
    /// The reason in a line, if it was not started or ended with a failure.
    pub fn ended(&self, ended: io::Result<std::process::ExitStatus>) -> Result<(), String> {
        let name = self.name();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{name} ended with {status}")),
            Err(error) => Err(format!("{name} cannot be started: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(words: &[&str]) -> OpenProgram {
        OpenProgram {
            command: words.iter().map(|word| (*word).to_owned()).collect(),
            takes_terminal: false,
        }
    }

    #[test]
    fn the_path_is_one_argument_whatever_is_in_it() {
        let path = Path::new("/a/$(touch x); b'\".dcm");
        let arguments = |words: &[&str]| program(words).arguments(path);
        assert_eq!(arguments(&["view"]), ["view", path.to_str().unwrap()]);
        assert_eq!(
            arguments(&["view", "--file", "{}", "-x"]),
            ["view", "--file", path.to_str().unwrap(), "-x"]
        );
        let attached = arguments(&["view", "--file={}"]);
        assert_eq!(
            attached[1], "--file={}",
            "only a whole argument is replaced"
        );
        assert_eq!(attached.len(), 3);
    }

    #[test]
    fn a_path_is_no_option_and_no_shell_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("-n; exit 3 #.dcm");
        std::fs::write(&file, "film").unwrap();
        assert_eq!(program(&["cat"]).run_beside(&file), Ok(()));
        let command = program(&["cat"]).command(Path::new("-n.dcm")).unwrap();
        let last = command.get_args().last().unwrap();
        assert!(Path::new(last).is_absolute(), "{last:?}");
    }

    #[test]
    fn a_failure_is_one_line_that_names_the_program() {
        let path = Path::new("/a.dcm");
        let missing = program(&["no-such-viewer"]).run_beside(path).unwrap_err();
        assert!(
            missing.starts_with("no-such-viewer cannot be started: "),
            "{missing}"
        );
        let failed = program(&["false"]).run_beside(path).unwrap_err();
        assert_eq!(failed, "false ended with exit status: 1");
    }
}
