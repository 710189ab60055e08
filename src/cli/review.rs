//! `cxr export`, `cxr agreement` and `cxr report`: what readers said.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Assumptions;

/// Write the reviews as a table, or check that the log of them is whole
///
/// One row for each image and reviewer, with the reader's last word: columns path, image_sha256,
/// study_uid, series_uid, sop_uid, patient_id (only with --with-patient), reviewer, verdict,
/// disagreed_label, key_image, note, first_at, last_at, entries, unaided_call, unaided_ms, aided_call,
/// aided_ms, order_seed, order_position, answer_seen_before (of blinded reading), input_check, reasons,
/// geographic_extent, opacity, window_centre, window_width, model_sha256, preprocess, cxr_version,
/// and score:LABEL for each label of the models that were used, by name. Scores, severity, window and
/// model are those that were on the screen at that last word. JSON rows also hold all of it as `seen`.
///
/// Text that a spreadsheet would take for a formula gets an apostrophe before it, a path ./ . A table
/// that is there is not replaced without --force.
///
/// Every row of the log is checked against the hash of the row before it. What was edited, put in or
/// taken out is named, and no table is written, unless --damaged asks for it. With --verify the hash
/// of the last row is printed: noted elsewhere, it also shows later whether all of the log was written
/// anew.
///
/// The store has a second file (-wal) while cxr runs: a copy of the one alone lacks what is in the
/// other. --backup makes a whole copy at any time.
///
/// Exit status: 0, 1 if the log is not whole or cannot be read, 2 for bad usage or if there is no
/// store.
#[derive(Debug, Args)]
pub struct Export {
    /// Reviews that were made of images below this folder (or of this file)
    #[arg(value_name = "FOLDER", conflicts_with = "all")]
    pub folder: Option<PathBuf>,

    /// Reviews of all images
    #[arg(long)]
    pub all: bool,

    /// Format of the table [default: by the ending of FILE; csv on standard output]
    #[arg(short, long, value_enum)]
    pub format: Option<ReviewFormat>,

    /// Write here, and not to standard output (which is -)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace FILE, or the copy, if it is there
    #[arg(long)]
    pub force: bool,

    /// Say whose image it is: the DICOM patient identifier
    #[arg(long)]
    pub with_patient: bool,

    /// Check that no row of the log was edited, put in or taken out
    #[arg(long)]
    pub verify: bool,

    /// Write the table of a log that is not whole nevertheless; exit status is 1
    #[arg(long, conflicts_with_all = ["verify", "backup"])]
    pub damaged: bool,

    /// Copy the whole store to this one file, which only its owner can read
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["folder", "all", "output", "format", "with_patient", "verify"]
    )]
    pub backup: Option<PathBuf>,

    /// The store [default: cxr/reviews.sqlite in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

/// The format of a table of reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReviewFormat {
    Csv,
    Tsv,
    Jsonl,
    Json,
}

/// Compare readers who read blinded with the model, and with the truth
///
/// For each reader and label, before (unaided) and after (aided) the model's answer was shown: how
/// often reader and model say the same and Cohen's kappa; with --manifest also sensitivity and
/// specificity of the reader and of the model, kappa with the truth, and the differences. Each comes
/// with its 95 % interval (bootstrap over patients; w: Wilson). What is undefined is n/a.
///
/// The model says yes above its balanced operating point, at the prevalence of its card. Who changed
/// nothing after the answer was shown called the same twice.
///
/// A truth belongs to the image with the content of the manifest's file, under any name.
/// Where that file is not there, it goes by its path. Where path and content disagree, that is said.
///
/// Exit status: 0, 1 if the log is not whole or the store cannot be read, 2 for bad usage or if nobody has read blinded.
#[derive(Debug, Args)]
pub struct Agreement {
    /// Readings that were made of images below this folder (or of this file) [default: all]
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,

    /// Only this reader's
    #[arg(long, value_name = "NAME")]
    pub reviewer: Option<String>,

    /// Format of the report
    #[arg(short, long, value_enum, default_value_t)]
    pub format: AgreementFormat,

    /// The log of reviews [default: cxr/reviews.sqlite in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Table of cases whose truth is known, as cxr evaluate has it
    #[arg(short, long, value_name = "FILE.csv", help_heading = "Truth")]
    pub manifest: Option<PathBuf>,

    /// Folder that the file names in it are relative to [default: that of FILE.csv]
    #[arg(
        long,
        value_name = "DIR",
        requires = "manifest",
        help_heading = "Truth"
    )]
    pub root: Option<PathBuf>,

    /// Column of file names [default: path, filename, file, image …]
    #[arg(
        long,
        value_name = "COLUMN",
        requires = "manifest",
        help_heading = "Truth"
    )]
    pub path_column: Option<String>,

    /// COLUMN of findings [default: finding], or LABEL=COLUMN: a column of 0/1 or yes/no that
    /// answers for a label of the model (repeatable)
    #[arg(
        long,
        value_name = "[LABEL=]COLUMN",
        requires = "manifest",
        help_heading = "Truth"
    )]
    pub label_column: Vec<String>,

    /// Column of patients; images of one are kept together [default: patient, patientid …]
    #[arg(
        long,
        value_name = "COLUMN",
        requires = "manifest",
        help_heading = "Truth"
    )]
    pub patient_column: Option<String>,
}

/// How readers are compared on paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AgreementFormat {
    #[default]
    Text,
    Json,
}

/// Write one page about one image, for a case note
///
/// The page is one HTML file with its pictures inside, for an A4 sheet: it asks for no other file and
/// runs nothing. On it are the radiograph in its own window, the same with a heat map, the findings
/// with their operating points and 90 % sets, severity with its error, the input check, the model,
/// and what readers said of this image (by its content). An image that the input check refuses has
/// no numbers.
///
/// Of where the image lies, only the name of its file is on the page.
///
/// Exit status: 0 if the page is written, 1 if the image cannot be read or the page not be written, 2
/// for bad usage, 130 after Ctrl-C (nothing is written).
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// A radiograph
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,

    /// Write here, readable by its owner only; - is standard output
    #[arg(short, long, value_name = "FILE.html")]
    pub output: PathBuf,

    /// Replace FILE.html if it is there
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub assumptions: Assumptions,

    /// The heat map of this label [default: the label that is highest over its operating point]
    #[arg(long, value_name = "LABEL")]
    pub heatmap_label: Option<String>,

    /// Say whose image it is: patient name and identifier, and the UIDs of study and image
    #[arg(long)]
    pub with_patient: bool,

    /// The store that readers' verdicts are in [default: cxr/reviews.sqlite in $XDG_STATE_HOME or
    /// ~/.local/state]; that there is none is no error
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}
