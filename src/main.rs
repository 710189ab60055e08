//! Parses, runs, and turns an error into one line and an exit code.

use std::process::ExitCode;

use cxr::cli::Cli;
use cxr::{commands, inference};

fn main() -> ExitCode {
    let cli = Cli::from_arguments();
    // SAFETY: nothing has started a thread yet.
    unsafe { inference::set_threads(commands::engine_threads(&cli)) };
    commands::run(cli).unwrap_or_else(|error| commands::report(&error))
}
