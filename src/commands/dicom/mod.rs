//! `cxr dicom`: results as DICOM objects in a folder, and on their way to an archive.
//!
//! ```text
//! PATHs ── studies ──► Study ── classify, show ──► FilmResult ── dicom::ObjectMaker ──► objects ── folder
//! ```

mod captures;
mod folder;
mod key_images;
mod maker;
mod readers;
mod reports;
mod run;
mod scored;
mod send;
mod studies;

use std::process::ExitCode;

use anyhow::Result;

use super::shared::{CommandContext, open_pacs};
use crate::cli::{DicomAction, DicomArguments, PacsArguments};

/// Runs `cxr dicom`.
///
/// # Errors
/// [`Usage`](super::shared::Usage), if the options make no sense; or if the folder cannot be written.
pub fn run(
    arguments: &DicomArguments,
    pacs: &PacsArguments,
    context: &CommandContext,
) -> Result<ExitCode> {
    open_pacs(arguments.paths(), pacs)?;
    match &arguments.action {
        DicomAction::Sr(report) => reports::run(report, context),
        DicomAction::Sc(capture) => captures::run(capture, context),
        DicomAction::Kos(keys) => key_images::run(keys, context),
        DicomAction::Send(arguments) => send::run(arguments, pacs),
    }
}
