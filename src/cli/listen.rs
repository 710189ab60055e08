//! `cxr listen`.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;

/// Receive radiographs that a modality or a PACS sends (DICOM C-STORE)
///
/// Each film becomes a file of FOLDER, called by its SOP Instance UID: whole or not at all, synced before it is
/// acknowledged. Where cxr has FOLDER open, it appears there. The path of each new file is printed on standard output;
/// what was refused, and why, on standard error. C-ECHO is answered.
///
/// A film that comes again is acknowledged and not written again. Another film under the same UID is kept beside the
/// first, as UID.DIGEST.dcm.
///
/// Only this machine may send unless --bind and --from say otherwise, and a sender must call the title of --aet. DICOM's
/// protocol is not encrypted and its titles are not secret: who may reach the port is a matter of the network.
///
/// What is offered: computed and digital radiography and secondary captures, in every transfer syntax that cxr reads;
/// with --any-object, every kind of object that can be stored. At most 128 KiB in one PDU.
///
/// It runs until Ctrl-C or SIGTERM, and lets films that are on their way come in.
///
/// Exit status: 0 when it was stopped; 1 if it cannot listen or write; 2 for bad usage.
#[derive(Debug, Args)]
pub struct Listen {
    /// The folder for what comes; it must be there
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,

    /// The port
    #[arg(long, value_name = "PORT", default_value_t = 11112)]
    pub port: u16,

    /// The application entity title by which this is called
    #[arg(long, value_name = "TITLE", default_value = "CXR")]
    pub aet: String,

    /// The address of this machine at which it listens; 0.0.0.0 or :: for all
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub bind: IpAddr,

    /// An address or a network that may send, such as 10.1.2.3 or 10.1.2.0/24; may be repeated [default: this machine]
    #[arg(long, value_name = "ADDRESS")]
    pub from: Vec<String>,

    /// An application entity title that may send; may be repeated [default: all titles]
    #[arg(long, value_name = "TITLE")]
    pub from_aet: Vec<String>,

    /// Take every kind of object that can be stored, not only radiographs
    #[arg(long)]
    pub any_object: bool,

    /// How many associations may be open at the same time; more are told to try later
    #[arg(long, value_name = "N", default_value = "32")]
    pub associations: NonZeroUsize,

    /// The largest object, in MiB
    #[arg(long, value_name = "MIB", default_value = "512")]
    pub max_object: NonZeroU32,

    /// How many seconds a sender may be silent
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    pub timeout: NonZeroU32,
}
