//! `cxr dicom`.

mod send;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::DicomAction;

/// Runs `cxr dicom`.
///
/// # Errors
/// See each command.
pub fn run(action: &DicomAction) -> Result<ExitCode> {
    match action {
        DicomAction::Send(arguments) => send::run(arguments),
    }
}
