//! Parses the arguments, runs the command, and turns an error into one line and an exit code.

use std::process::ExitCode;

use cxr::cli::Cli;
use cxr::{commands, inference};

#[allow(
    unsafe_code,
    reason = "the engines take their number of threads from the environment"
)]
fn main() -> ExitCode {
    let cli = match Cli::from_arguments() {
        Ok(cli) => cli,
        Err(error) => return commands::misread(&error),
    };
    if let Some(threads) = commands::engine_threads(&cli) {
        // SAFETY: no other thread has been started yet.
        unsafe { inference::set_threads(threads) };
    }
    commands::run(cli).unwrap_or_else(|error| commands::report(&error))
}
