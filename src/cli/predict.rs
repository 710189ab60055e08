//! `cxr predict`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Assumptions;

/// Classify radiographs without a screen: one row an image, written as it finishes
///
/// Folders are walked recursively and links followed. Rows come in the order of the walk: by name,
/// img2 before img10. Columns: path, status, reasons, one for each label of the model,
/// geographic_extent, opacity, model_sha256, preprocess, elapsed_ms.
///
/// A label's column is its probability where the label is calibrated (`cxr models show`), at the
/// prevalence that --prevalence or else the card says, and a score where it is not. JSON rows also
/// hold logits, operating points, prevalences, conformal sets and errors of severity.
///
/// status is `ok`, `caution` (scores, and reasons to doubt them), `refused` (no scores) or `error`
/// (the file could not be read; the reason says why).
///
/// Paths are written as given. Bytes that are not UTF-8 and control characters become \xNN, a
/// backslash becomes \\, and a path that a spreadsheet would take for a formula gets ./ before it.
///
/// A heat map is a PNG file of at most 1,024 pixels a side, readable by its owner only: the
/// radiograph in its default window, vermilion over what speaks for the label, blue over what speaks
/// against it. It is called NAME-HASH.png, after the image and the first 16 hexadecimal digits of the
/// SHA-256 of its path in the table; inside it says its label, the model and what the colours stand
/// for. One from an earlier run is replaced. An image whose heat map cannot be written is an `error`,
/// so that --resume reads it again; rows that --resume keeps get no new one.
///
/// Exit status: 0 if every image was read, 1 if some could not be, 2 for bad usage or if there was
/// no image, 130 after Ctrl-C (the rows written so far stay valid).
#[derive(Debug, Args)]
pub struct Predict {
    /// Radiographs, or folders of them
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Write here, and not to standard output (which is -)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Format of the table [default: by the extension of FILE, else csv]
    #[arg(short, long, value_enum)]
    pub format: Option<TableFormat>,

    #[command(flatten)]
    pub assumptions: Assumptions,

    /// Images that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Go on with FILE: keep its whole rows by this model, read what is missing or failed
    #[arg(long, requires = "output")]
    pub resume: bool,

    /// Write a heat map for each image with scores into DIR: where the model looked, not whether it
    /// is right
    #[arg(long, value_name = "DIR")]
    pub heatmaps: Option<PathBuf>,

    /// Heat maps of this label [default: for each image, the label that is highest over its
    /// operating point]
    #[arg(long, value_name = "LABEL", requires = "heatmaps")]
    pub heatmap_label: Option<String>,

    /// No progress bar and no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    Csv,
    Jsonl,
    Json,
}
