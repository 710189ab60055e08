//! `--force`, `--append` and `--resume`.

use crate::cli;

/// What is done with an existing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Leave it, and write nothing.
    New,
    /// Replace it.
    Replace,
    /// Leave its rows, and add rows after them.
    Append,
    /// Leave the rows of unchanged files, and make the others again.
    Resume,
}

impl WriteMode {
    /// The mode that the options ask for; clap refuses two of them.
    pub fn of(arguments: &cli::Predict) -> Self {
        if arguments.force {
            WriteMode::Replace
        } else if arguments.append {
            WriteMode::Append
        } else if arguments.resume {
            WriteMode::Resume
        } else {
            WriteMode::New
        }
    }

    /// Whether existing rows stay.
    pub fn continues(self) -> bool {
        matches!(self, WriteMode::Append | WriteMode::Resume)
    }

    /// The option as it is typed; empty for the default.
    pub fn option(self) -> &'static str {
        match self {
            WriteMode::New => "",
            WriteMode::Replace => "--force",
            WriteMode::Append => "--append",
            WriteMode::Resume => "--resume",
        }
    }
}
