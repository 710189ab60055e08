//! Parses, runs, and turns an error into one line and an exit code.

use std::process::ExitCode;

use cxr::cli::Cli;
use cxr::{commands, inference};

fn main() -> ExitCode {
    let cli = match Cli::from_arguments() {
        Ok(cli) => cli,
        Err(error) => return commands::misread(&error),
    };
    if let Some(threads) = commands::engine_threads(&cli) {
        // SAFETY: nothing has started a thread yet.
        unsafe { inference::set_threads(threads) };
    }
    commands::run(cli).unwrap_or_else(|error| commands::report(&error))
}
