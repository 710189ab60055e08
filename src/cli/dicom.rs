//! `cxr dicom`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Assumptions, DicomSend};

/// Make DICOM objects of results, and send them to the archive that has the films
///
/// The objects are files in a folder; only `send` uses the network. A result belongs to the study of its film, so films
/// that are not DICOM files are refused.
///
/// Without --with-patient the objects are de-identified: pseudonyms for name and identifier, other UIDs for study,
/// series and film, and no date, number or description of the study. Only with --with-patient do they fit an archive
/// that has the films.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct DicomArguments {
    #[command(subcommand)]
    pub action: DicomAction,
}

impl DicomArguments {
    /// The files, folders, archives and addresses that are read.
    pub fn paths(&self) -> &[PathBuf] {
        match &self.action {
            DicomAction::Sr(report) => &report.objects.paths,
            DicomAction::Sc(capture) => &capture.objects.paths,
            DicomAction::Kos(keys) => &keys.objects.paths,
            DicomAction::Send(send) => &send.paths,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum DicomAction {
    Sr(StructuredReport),
    Sc(SecondaryCapture),
    Kos(KeyObjects),
    Send(DicomSend),
}

/// Write a structured report of each study: what the model says of its films
///
/// A Comprehensive 3D SR with a Measurement Report (PS3.16, TID 1500). For each film it has the input check with its
/// reasons, and for each finding its code, score or calibrated probability, operating points, severity with its error,
/// and the model's name, version and digest as the device that observed. A film that is refused or cannot be read has an
/// entry that says so and no number.
///
/// Exit status: 0 if every film was read, 1 if some could not be read or some object was not written, 2 for bad usage or
/// if there was no film, 130 after Ctrl-C.
#[derive(Debug, Args)]
pub struct StructuredReport {
    #[command(flatten)]
    pub objects: ObjectArguments,

    /// Also write the verdicts of readers, each as a person who observed; notes only with --with-patient
    #[arg(long)]
    pub reviews: bool,

    #[command(flatten)]
    pub assumptions: Assumptions,

    /// Number of studies that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
}

/// Write each film as it is shown: a picture under its heat map, and its window
///
/// Two objects a film: a Secondary Capture in colours, with heat map, legend, scores and "not for diagnosis" burned in;
/// and a Grayscale Softcopy Presentation State with window, inversion and zoom. A film in colours has no presentation
/// state.
/// Without --with-patient, no picture is made of a film whose header says that text is burned into it.
///
/// Exit status: as of cxr dicom sr.
#[derive(Debug, Args)]
pub struct SecondaryCapture {
    #[command(flatten)]
    pub objects: ObjectArguments,

    /// Also write the window, the inversion and the part of the film that each reader had on the screen at their last
    /// word, and their marks
    #[arg(long)]
    pub reviews: bool,

    /// The label of the heat map [default: the label that is highest above its operating point]
    #[arg(long, value_name = "LABEL")]
    pub heatmap_label: Option<String>,

    #[command(flatten)]
    pub assumptions: Assumptions,

    /// Number of studies that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
}

/// Write a Key Object Selection of each study: the films that a reader flagged with *
///
/// One object for each study and reader. A film is known by its content, under any name.
///
/// Exit status: 0 if an object was written; 1 if none of the films is flagged, or a file could not be read or written; 2
/// for bad usage, or if there was no film or no store; 130 after Ctrl-C.
#[derive(Debug, Args)]
pub struct KeyObjects {
    #[command(flatten)]
    pub objects: ObjectArguments,
}

/// What all kinds of objects need.
#[derive(Debug, Args)]
pub struct ObjectArguments {
    /// Films in DICOM; folders or archives of them; or addresses of a PACS (DICOMweb)
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Write into FOLDER, which is made if it is missing
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,

    /// Replace objects of the same name
    #[arg(long)]
    pub force: bool,

    /// Copy patient and study from the films, and keep their UIDs: for the archive that has the films
    #[arg(long, conflicts_with_all = ["pseudonym_key", "keep_uids"])]
    pub with_patient: bool,

    /// A file of at least 32 secret bytes: the same patient gets the same pseudonym, and the same study the same UID, in
    /// every run with it [default: other ones in each run]
    #[arg(long, value_name = "FILE")]
    pub pseudonym_key: Option<PathBuf>,

    /// Keep the UIDs of study, series and film, which lead back to the patient in the archive that has them
    #[arg(long)]
    pub keep_uids: bool,

    /// What new UIDs start with [default: 2.25, followed by a UUID]
    #[arg(long, value_name = "ROOT")]
    pub uid_root: Option<String>,

    /// The store of readers' verdicts [default: cxr/reviews.sqlite in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

impl DicomAction {
    /// What all that make objects need.
    pub fn objects_mut(&mut self) -> Option<&mut ObjectArguments> {
        match self {
            DicomAction::Sr(report) => Some(&mut report.objects),
            DicomAction::Sc(capture) => Some(&mut capture.objects),
            DicomAction::Kos(keys) => Some(&mut keys.objects),
            DicomAction::Send(_) => None,
        }
    }
}
