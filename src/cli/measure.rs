//! `cxr evaluate` and `cxr adapt`: cases with a reference standard.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Cases with a reference standard.
#[derive(Debug, Args)]
pub struct CaseArguments {
    /// Table of cases
    #[arg(short, long, value_name = "FILE.csv")]
    pub manifest: PathBuf,

    /// Folder that the file names in it are relative to [default: the folder of FILE.csv]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Column of file names [default: path, filename, file, image …]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub path_column: Option<String>,

    /// COLUMN of findings [default: finding], or LABEL=COLUMN: a column of 0/1 or yes/no for a label
    /// of the model (repeatable)
    #[arg(long, value_name = "[LABEL=]COLUMN", help_heading = "Columns")]
    pub label_column: Vec<String>,

    /// Column of patients; images of one patient are kept together [default: patient, patientid …]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub patient_column: Option<String>,

    /// Only rows with this value in the column `split`
    #[arg(long, value_name = "VALUE", help_heading = "Rows")]
    pub split: Option<String>,

    /// Only rows with this value in this column; repeat it for further values of a column
    #[arg(long = "where", value_name = "COLUMN=VALUE", help_heading = "Rows")]
    pub filters: Vec<String>,
}

/// Measure the model on cases with a reference standard
///
/// The manifest is a CSV file with one row per image. Two layouts need no options: `path` and
/// `finding` columns, and the metadata.csv of the COVID-19 image data collection (`filename`,
/// `folder`, `patientid`, `finding`). Findings are the words of these collections:
/// Pneumonia/Viral/COVID-19, Pneumonia/Bacterial, No Finding and so on. Columns `modality`, `view`,
/// `duplicate_of`, `source`, `geographic_extent` and `opacity` are used if they are there:
/// only frontal radiographs are measured, and no duplicates.
///
/// Printed, and with -o DIR written to report.json and report.csv: area under the ROC curve, average
/// precision, sensitivity, specificity, predictive values and confusion at the card's operating
/// points, Brier score, calibration error (10 bins), calibration intercept and slope; for severity
/// mean absolute error, Pearson's r, intraclass correlation and limits of agreement. Each comes with
/// its 95 % interval, for all images and for each group. What is undefined is n/a.
///
/// PPV and NPV depend on the share of positive cases, which stands beside them: it is the share of these
/// cases ("as here"), unless --prevalence asks for another ("as asked").
///
/// With --boxes-column: how often the strongest point of a label's heat map lies in a box (pointing
/// accuracy), beside a control that points at the middle of each lung; how much of the evidence lies in the
/// boxes, and in the lungs. The network has to run for that.
///
/// Exit status: 0 if every image was read, 1 if some could not be, 2 for bad usage, 130 after Ctrl-C
/// (nothing is reported then; DIR/predictions.csv has the images read so far).
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The table of cases, and how it is read.
    #[command(flatten)]
    pub cases: CaseArguments,

    /// Write report.json, report.csv, predictions.csv and plots/*.svg into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// Also give PPV and NPV for this share of positives: COVID-19=0.05 or COVID-19=5%, or 5% for every
    /// label; may be repeated
    #[arg(long, value_name = "[LABEL=]SHARE")]
    pub prevalence: Vec<String>,

    /// Replace the results of an earlier run in DIR
    #[arg(long)]
    pub force: bool,

    /// Also measure where the heat maps look: COLUMN has the boxes that readers drew on a film, `x y w h` in
    /// fractions of it, joined by `;`
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub boxes_column: Option<String>,

    /// Also measure each value of this column by itself (repeatable) [default: source]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub group_column: Vec<String>,

    /// Measure a table of `cxr predict` (CSV, TSV, JSONL or JSON) and run no network
    #[arg(long, value_name = "FILE", help_heading = "Tables of predictions")]
    pub predictions: Option<PathBuf>,

    /// Compare with another model's table of `cxr predict`, by DeLong's test with the images of a patient
    /// as one cluster
    #[arg(long, value_name = "FILE", help_heading = "Tables of predictions")]
    pub against: Option<PathBuf>,

    /// Number of images that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// No progress bar and no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Fit the model to your hospital, and write the result as a new model
///
/// The manifest has the form that `cxr evaluate` reads. A label that is present or absent on its own needs
/// 20 positive and 20 negative images, of 10 patients each. Its probability, both operating points and its
/// conformal thresholds are then fitted to these cases, and it assumes their prevalence. The causes given
/// a pneumonia get a temperature and conformal thresholds, where each of them has 20 images of 10
/// patients. Other labels, severity and the input check stay as they were.
///
/// With --method refit, a label's row of the last layer is fitted too: the old row is scaled, and a
/// correction by logistic regression on the frozen features is added. The correction is shrunk towards
/// zero; cross-validation chooses how strongly. The rows of the causes are not refitted.
///
/// The printed table compares before and after on the same cases. The figures after come from fits that
/// have seen no image of the case's patient (five folds). They do not show how the model works in other
/// hospitals, or next year.
///
/// With --outcome-column icu=went_icu, an outcome is fitted too: a score by logistic regression on severity and
/// on at most eight principal directions of the features. It needs as many cases with and without it. The table
/// has its area under the ROC curve within folds, with its 95 % interval, beside a control that knows only the
/// severity and the view (column `view`, or the file's). The model shows the score with --prognosis, and *no
/// evidence* instead where the lower bound is not above 0.5 and above the control.
///
/// Twenty cases fix a threshold badly: a set that should hold 90 % of patients like them will hold 75 to
/// 99 %. The table and the new card say what to expect of each threshold, and warn if fewer than 100
/// patients have the label, or lack it.
///
/// FILE.safetensors and its card FILE.toml are written at the end, readable by their owner only. The old
/// model is not changed. Use the new one with --model FILE.safetensors.
///
/// Exit status: 0 if every image was read, 1 if some could not be (the model is written from the
/// rest), 2 for bad usage or too few cases, 130 after Ctrl-C (nothing is written).
#[derive(Debug, Args)]
pub struct Adapt {
    /// The table of cases, and how it is read.
    #[command(flatten)]
    pub cases: CaseArguments,

    /// What to fit
    #[arg(long, value_enum, value_name = "METHOD", default_value_t)]
    pub method: MethodArgument,

    /// Also fit the outcome NAME to COLUMN, a column of 0/1 or yes/no; rows without an answer are left out
    /// (repeatable)
    #[arg(long, value_name = "NAME=COLUMN", help_heading = "Columns")]
    pub outcome_column: Vec<String>,

    /// The new model; its card is written beside it
    #[arg(short, long, value_name = "FILE.safetensors")]
    pub output: PathBuf,

    /// Replace FILE if it exists
    #[arg(long)]
    pub force: bool,

    /// Date for the card, such as 2026-01-31 [default: today]
    #[arg(long, value_name = "DATE")]
    pub date: Option<String>,

    /// Number of images that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// No progress bar and no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// The method of `cxr adapt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MethodArgument {
    /// Probabilities, operating points and conformal thresholds
    #[default]
    Recalibrate,
    /// The same, and the last layer
    Refit,
}
