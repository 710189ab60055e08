//! `cxr dicom send`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

/// Send DICOM files to a PACS, by C-STORE or by DICOMweb (STOW-RS)
///
/// ADDRESS is dicom://HOST:PORT/TITLE, or the base of a DICOMweb server: https://HOST/dicom-web. Files are sent as they
/// are, with what they hold about patients. In folders, files that are no DICOM files are passed over.
///
/// An object counts as sent when the other side has acknowledged it. That is written to a journal, so the same command
/// after an interruption goes on, and what was sent to this address once is not sent again (--again does). One object
/// whose acknowledgement was lost is sent a second time; a PACS takes that for the same object.
///
/// What may pass (no connection, a server that is busy or full) is tried again with growing pauses. Credentials of a
/// DICOMweb server are in the environment (CXR_PACS_TOKEN, or CXR_PACS_USER and CXR_PACS_PASSWORD), in ~/.netrc, or printed
/// by the command of `pacs-credentials` in the configuration. They go to this server alone, and over HTTPS alone unless it
/// is this machine.
///
/// Exit status: 0 if all is there; 1 if something was refused or could not be sent; 2 for bad usage; 130 after Ctrl-C.
#[derive(Debug, Args)]
pub struct DicomSend {
    /// Where to: dicom://HOST:PORT/TITLE or https://HOST/PATH
    #[arg(value_name = "ADDRESS")]
    pub address: String,

    /// DICOM files; folders or archives of them; or addresses of a PACS (DICOMweb)
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// The application entity title by which this calls (C-STORE)
    #[arg(long, value_name = "TITLE", default_value = "CXR")]
    pub aet: String,

    /// Send also what was sent to this address before
    #[arg(long)]
    pub again: bool,

    /// How often an object is tried
    #[arg(long, value_name = "N", default_value = "5")]
    pub attempts: NonZeroU32,

    /// How many seconds the other side may be silent
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    pub timeout: NonZeroU32,

    /// A PEM file of the authorities that sign the certificates of DICOMweb servers here [default: that of --pacs-ca, or
    /// those of Mozilla]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// The journal of what was sent [default: a file for each address in $XDG_STATE_HOME/cxr/sent or
    /// ~/.local/state/cxr/sent]
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}
