//! `cxr evaluate` and `cxr adapt`: cases whose truth is known.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Cases whose truth is known.
#[derive(Debug, Args)]
pub struct CaseArguments {
    /// Table of cases
    #[arg(short, long, value_name = "FILE.csv")]
    pub manifest: PathBuf,

    /// Folder that the file names in it are relative to [default: that of FILE.csv]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Column of file names [default: path, filename, file, image …]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub path_column: Option<String>,

    /// COLUMN of findings [default: finding], or LABEL=COLUMN: a column of 0/1 or yes/no that
    /// answers for a label of the model (repeatable)
    #[arg(long, value_name = "[LABEL=]COLUMN", help_heading = "Columns")]
    pub label_column: Vec<String>,

    /// Column of patients; images of one are kept together [default: patient, patientid …]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub patient_column: Option<String>,

    /// Only rows with this value in the column `split`
    #[arg(long, value_name = "VALUE", help_heading = "Rows")]
    pub split: Option<String>,

    /// Only rows with this value in this column; repeated for a column, any of its values
    #[arg(long = "where", value_name = "COLUMN=VALUE", help_heading = "Rows")]
    pub filters: Vec<String>,
}

/// Measure the model on cases whose truth is known
///
/// The manifest is a CSV file with one row an image. Two layouts need no options: `path` and
/// `finding` columns, and the metadata.csv of the COVID-19 image data collection (`filename`,
/// `folder`, `patientid`, `finding`). Findings are the words of these collections:
/// Pneumonia/Viral/COVID-19, Pneumonia/Bacterial, No Finding and so on. Columns `modality`, `view`,
/// `duplicate_of`, `source`, `geographic_extent` and `opacity` mean what they say, if there are any:
/// only frontal radiographs are measured, and no duplicates.
///
/// Printed, and with -o DIR written to report.json and report.csv: area under the ROC curve, average
/// precision, sensitivity, specificity, predictive values and confusion at the card's operating
/// points, Brier score, calibration error (10 bins), calibration intercept and slope; for severity
/// mean absolute error and Pearson's r. Each comes with its 95 % interval, for all images and for
/// each group. What is undefined is n/a.
///
/// PPV and NPV depend on how many of the cases are positive: each stands beside that share, which is the
/// one of these cases ("as here") unless --prevalence asks for another ("as asked").
///
/// Exit status: 0 if every image was read, 1 if some could not be, 2 for bad usage, 130 after Ctrl-C
/// (nothing is reported then; DIR/predictions.csv has what was read).
#[derive(Debug, Args)]
pub struct Evaluate {
    #[command(flatten)]
    pub cases: CaseArguments,

    /// Write report.json, report.csv, predictions.csv and plots/*.svg into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// Give PPV and NPV for this share of positives, too: COVID-19=0.05 or COVID-19=5%, or 5% for every
    /// label; may be repeated
    #[arg(long, value_name = "[LABEL=]SHARE")]
    pub prevalence: Vec<String>,

    /// Replace the results of an earlier run in DIR
    #[arg(long)]
    pub force: bool,

    /// Measure each value of this column by itself, too (repeatable) [default: source]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub group_column: Vec<String>,

    /// Measure a table of `cxr predict` (CSV, TSV, JSONL or JSON) and run no network
    #[arg(long, value_name = "FILE", help_heading = "Tables of predictions")]
    pub predictions: Option<PathBuf>,

    /// Compare with another model's table of `cxr predict`: DeLong's test, with the images of a patient
    /// as one cluster
    #[arg(long, value_name = "FILE", help_heading = "Tables of predictions")]
    pub against: Option<PathBuf>,

    /// Images that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// No progress bar and no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Fit the model to your hospital, and write it as a new one
///
/// The manifest is that of `cxr evaluate`. For each label that is present or absent on its own, with
/// 20 positive and 20 negative images of 10 patients each: its probability, both operating points and
/// its conformal thresholds are fitted to these cases, and the prevalence becomes theirs. The causes
/// given a pneumonia get a temperature and conformal thresholds where each of them has so many
/// images. Other labels stay as they were, and so do severity and the input check.
///
/// With --method refit a label's row of the last layer is fitted, too: the row before, scaled, and a
/// correction by logistic regression on the frozen features. The correction is shrunk towards none, as
/// strongly as cross-validation says. The rows of the causes are not refitted.
///
/// The table that is printed compares before and after on the same cases: after is what a fit says
/// that has seen no image of the case's patient (five folds). It says nothing of other hospitals, or
/// of next year.
///
/// Twenty cases fix a threshold badly: a set that is to hold 90 % will hold 75 to 99 % of patients like
/// them. The table and the new card say what is to be expected of each threshold, and warn below 100
/// patients with a label or without it.
///
/// FILE.safetensors and its card FILE.toml are written, readable by their owner only, when everything
/// is done. The model before is not touched. Use the new one with --model FILE.safetensors.
///
/// Exit status: 0 if every image was read, 1 if some could not be (the model is written from the
/// rest), 2 for bad usage or too few cases, 130 after Ctrl-C (nothing is written).
#[derive(Debug, Args)]
pub struct Adapt {
    #[command(flatten)]
    pub cases: CaseArguments,

    /// What is fitted
    #[arg(long, value_enum, value_name = "METHOD", default_value_t)]
    pub method: MethodArgument,

    /// The new model; its card is written beside it
    #[arg(short, long, value_name = "FILE.safetensors")]
    pub output: PathBuf,

    /// Replace FILE if it is there
    #[arg(long)]
    pub force: bool,

    /// Date for the card, such as 2026-01-31 [default: today]
    #[arg(long, value_name = "DATE")]
    pub date: Option<String>,

    /// Images that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// No progress bar and no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// What `cxr adapt` fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MethodArgument {
    /// Probabilities, operating points and conformal thresholds
    #[default]
    Recalibrate,
    /// Those, and the last layer
    Refit,
}
