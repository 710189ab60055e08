//! `--force`, `--append` and `--resume`.

use crate::cli;

/// What is done with a table that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// It stays, and nothing is written.
    New,
    Replace,
    /// It stays, and rows come after it.
    Append,
    /// Its rows stay as far as they hold, and the others are made anew.
    Resume,
}

impl WriteMode {
    pub fn of(arguments: &cli::Predict) -> Self {
        match () {
            () if arguments.force => WriteMode::Replace,
            () if arguments.append => WriteMode::Append,
            () if arguments.resume => WriteMode::Resume,
            () => WriteMode::New,
        }
    }

    /// Whether it goes on with rows that are there.
    pub fn goes_on(self) -> bool {
        matches!(self, WriteMode::Append | WriteMode::Resume)
    }

    /// As it is typed; nothing for what is done unasked.
    pub fn option(self) -> &'static str {
        match self {
            WriteMode::New => "",
            WriteMode::Replace => "--force",
            WriteMode::Append => "--append",
            WriteMode::Resume => "--resume",
        }
    }
}
