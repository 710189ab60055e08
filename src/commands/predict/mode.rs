//! `--force`, `--append` and `--resume`.

use crate::cli;

/// What is done with a table that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It stays, and nothing is written.
    New,
    Replace,
    /// It stays, and rows come after it.
    Append,
    /// Its rows stay as far as they hold, and the others are made anew.
    Resume,
}

impl Mode {
    pub fn of(arguments: &cli::Predict) -> Self {
        match () {
            () if arguments.force => Mode::Replace,
            () if arguments.append => Mode::Append,
            () if arguments.resume => Mode::Resume,
            () => Mode::New,
        }
    }

    /// Whether it goes on with rows that are there.
    pub fn goes_on(self) -> bool {
        matches!(self, Mode::Append | Mode::Resume)
    }

    /// As it is typed; nothing for what is done unasked.
    pub fn option(self) -> &'static str {
        match self {
            Mode::New => "",
            Mode::Replace => "--force",
            Mode::Append => "--append",
            Mode::Resume => "--resume",
        }
    }
}
