//! `cxr dicom`.

use clap::{Args, Subcommand};

use super::DicomSend;

/// Send DICOM objects
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct DicomArguments {
    /// What to do.
    #[command(subcommand)]
    pub action: DicomAction,
}

#[derive(Debug, Subcommand)]
pub enum DicomAction {
    Send(DicomSend),
}
