//! A table that says whose films are whose.

use std::path::PathBuf;

use clap::Args;

const HEADING: &str = "Earlier films of a patient";

/// A table of films, for the screen.
/// The heading is given for each option: a common one would stand over the options after these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct FilmTableArguments {
    /// Table with a row per film: whose it is, when it was taken and its view, where its file does not say it.
    /// Columns `view`, `age` and `sex` are used if they are there
    #[arg(short, long, value_name = "FILE.csv", help_heading = HEADING)]
    pub manifest: Option<PathBuf>,

    /// Folder that the file names in it are relative to [default: the folder of FILE.csv]
    #[arg(long, value_name = "DIR", requires = "manifest", help_heading = HEADING)]
    pub root: Option<PathBuf>,

    /// Column of file names [default: path, filename, file, image …]
    #[arg(long, value_name = "COLUMN", requires = "manifest", help_heading = HEADING)]
    pub path_column: Option<String>,

    /// Column of patients [default: patient, patientid …]
    #[arg(long, value_name = "COLUMN", requires = "manifest", help_heading = HEADING)]
    pub patient_column: Option<String>,

    /// Column of dates, or of days that are counted from a start of each patient's own
    /// [default: date, study_date, day, offset …]
    #[arg(long, value_name = "COLUMN", requires = "manifest", help_heading = HEADING)]
    pub date_column: Option<String>,
}
