//! Exit codes, and the error that ends with the code for bad usage.

use std::process::ExitCode;

/// Something was read, and something could not be.
pub const SOME_FAILED: u8 = 1;
/// The request makes no sense; clap's own errors end with this code too.
pub const BAD_USAGE: u8 = 2;

/// An error that the user can mend by typing something else. It ends with [`BAD_USAGE`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

impl Usage {
    /// The error with this message.
    pub fn error(message: impl Into<String>) -> anyhow::Error {
        Usage(message.into()).into()
    }
}

/// The code with which a shell reports a program that this signal ended.
pub fn ended_by(signal: u8) -> ExitCode {
    ExitCode::from(128 + signal)
}
