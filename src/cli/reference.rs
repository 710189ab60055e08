//! The options of a table with a reference standard, beside readings.

use std::path::PathBuf;

use clap::Args;

use super::CaseArguments;

const HEADING: &str = "Reference standard";

/// A table of cases with a reference standard.
/// The heading is given for each option: a common one would stand over the options after these.
#[derive(Debug, Clone, Default, Args)]
pub struct ReferenceArguments {
    /// Table of cases with a reference standard, in the form that cxr evaluate reads
    #[arg(short, long, value_name = "FILE.csv", help_heading = HEADING)]
    pub manifest: Option<PathBuf>,

    /// Folder that the file names in it are relative to [default: the folder of FILE.csv]
    #[arg(long, value_name = "DIR", requires = "manifest", help_heading = HEADING)]
    pub root: Option<PathBuf>,

    /// Column of file names [default: path, filename, file, image …]
    #[arg(long, value_name = "COLUMN", requires = "manifest", help_heading = HEADING)]
    pub path_column: Option<String>,

    /// COLUMN of findings [default: finding], or LABEL=COLUMN: a column of 0/1 or yes/no for a label
    /// of the model (repeatable)
    #[arg(long, value_name = "[LABEL=]COLUMN", requires = "manifest", help_heading = HEADING)]
    pub label_column: Vec<String>,

    /// Column of patients; images of one patient are kept together [default: patient, patientid …]
    #[arg(long, value_name = "COLUMN", requires = "manifest", help_heading = HEADING)]
    pub patient_column: Option<String>,
}

impl ReferenceArguments {
    /// The table as the commands take it that measure a model; `None` without one.
    pub fn cases(&self) -> Option<CaseArguments> {
        Some(CaseArguments {
            manifest: self.manifest.clone()?,
            root: self.root.clone(),
            path_column: self.path_column.clone(),
            label_column: self.label_column.clone(),
            patient_column: self.patient_column.clone(),
            split: None,
            filters: Vec::new(),
        })
    }
}
