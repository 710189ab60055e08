//! `study.toml`: the plan of a reader study. Its SHA-256 is what a pre-registration names: it holds the digests of the
//! case list, of the reference standard and of the model, so that it pins all of them.

mod raw;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use raw::RawStudy;

use crate::domain::{LocalisationFigure, LocalisationRule};

/// The most readers of a study.
const MOST_READERS: usize = 1_000;
/// The most questions: each has a key.
const MOST_QUESTIONS: usize = 35;
/// The longest name of a reader or a study, and the longest question, in characters.
const LONGEST_NAME: usize = 80;
/// Ten years: a longer wash-out is a slip of the pen.
const LONGEST_WASHOUT: u32 = 3_650;
/// The largest file that is read: a study of all readers and questions is smaller.
const LARGEST: usize = 1 << 20;

/// The only version of the format.
pub const FORMAT: u32 = 1;

/// Why a file is no study. Each is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StudyFault {
    /// It is no text, or no TOML of this form.
    #[error("line {line}: {reason}")]
    Unreadable {
        /// From 1.
        line: usize,
        /// One line.
        reason: String,
    },
    /// A value that cannot be.
    #[error("{key}: {reason}")]
    Value {
        /// The key, as it is written in the file.
        key: &'static str,
        /// One line.
        reason: String,
    },
}

/// Where the model's answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StudyDesign {
    /// Hidden until a case is called, then shown, so that the reader may call it again.
    Sequential,
    /// Two sittings apart, one without the answer and one with it.
    Independent,
    /// Shown from the start, in one sitting.
    Concurrent,
    /// Hidden, in one sitting: readers who make a reference standard.
    Unaided,
}

impl StudyDesign {
    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            StudyDesign::Sequential => "sequential",
            StudyDesign::Independent => "independent",
            StudyDesign::Concurrent => "concurrent",
            StudyDesign::Unaided => "unaided",
        }
    }
}

/// Which mode comes first in the independent design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstMode {
    /// For one half of the readers the one, for the other half the other; which is drawn from the seed.
    Balanced,
    /// The unaided mode, for all.
    Unaided,
    /// The aided mode, for all.
    Aided,
}

/// Whether readers may say how sure they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatingScale {
    /// Calls only.
    None,
    /// 0 to 100 for each question.
    Percent,
}

/// What is hidden in every sitting, besides names of files, which always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HiddenFacts {
    /// Name and identifier of the patient.
    pub identity: bool,
    /// The whole DICOM header.
    pub header: bool,
}

/// A file whose content is fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedFile {
    /// As it is written: relative to the folder of the study's file.
    pub file: PathBuf,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// The reference standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceFile {
    /// A table of cases, as `cxr evaluate` reads it.
    pub file: PinnedFile,
    /// `LABEL=COLUMN` or `COLUMN`, as `--label-column` takes it.
    pub label_columns: Vec<String>,
    /// Column of file names, if it is none of the usual ones.
    pub path_column: Option<String>,
    /// Column of patients, likewise.
    pub patient_column: Option<String>,
    /// Folder that file names are relative to, if it is not that of the table.
    pub root: Option<PathBuf>,
}

/// Marks with ratings on the lesions of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalisationTask {
    /// One of the questions.
    pub question: String,
    /// Column of lesions' boxes in the reference standard, as `--boxes-column` of `cxr evaluate` takes it; `None` where
    /// the study has no reference standard.
    pub boxes_column: Option<String>,
    /// When a mark is on a lesion.
    pub rule: LocalisationRule,
    /// What is compared.
    pub figure: LocalisationFigure,
}

/// The plan of a reader study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyFile {
    /// SHA-256 of the file.
    pub digest: String,
    /// One line.
    pub name: String,
    /// Where the model's answer is.
    pub design: StudyDesign,
    /// Of assignment, order of modes and order of cases.
    pub seed: u64,
    /// Days between the last call of one mode and the first sitting of the other.
    pub washout_days: u32,
    /// Which mode comes first.
    pub first: FirstMode,
    /// What is hidden besides.
    pub hide: HiddenFacts,
    /// Whether readers may say how sure they are.
    pub rating: RatingScale,
    /// The labels that readers are asked about.
    pub questions: Vec<String>,
    /// Their names.
    pub readers: Vec<String>,
    /// Who decides cases on which readers differ.
    pub adjudicators: Vec<String>,
    /// How many readers read each case; `None` is all of them.
    pub readers_per_case: Option<usize>,
    /// SHA-256 of the weights of the model whose answer is hidden or shown.
    pub model_sha256: String,
    /// The file that readings are recorded in, relative to the folder of the study's file.
    pub store: PathBuf,
    /// The list of cases.
    pub cases: PinnedFile,
    /// The reference standard, if there is one.
    pub reference: Option<ReferenceFile>,
    /// Marks on lesions, if they are asked for.
    pub localisation: Option<LocalisationTask>,
}

impl StudyFile {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, StudyFault> {
        let unreadable = |line: usize, reason: &str| StudyFault::Unreadable {
            line,
            reason: crate::domain::text::clean(reason),
        };
        if bytes.len() > LARGEST {
            return Err(unreadable(1, "larger than 1 MiB: this is no study"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = line_of(bytes, error.valid_up_to());
            unreadable(line, "no UTF-8 text")
        })?;
        let raw: RawStudy = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            unreadable(line_of(bytes, at), error.message())
        })?;
        let mut study = raw.checked()?;
        study.digest = super::digest(bytes);
        Ok(study)
    }

    /// Whether `name` is one of the readers.
    pub fn has_reader(&self, name: &str) -> bool {
        self.readers.iter().any(|reader| reader == name)
    }

    /// Whether `name` is one of the adjudicators.
    pub fn has_adjudicator(&self, name: &str) -> bool {
        self.adjudicators.iter().any(|known| known == name)
    }

    /// Whether readings of one mode are made in a sitting of their own, apart from those of the other.
    pub fn is_apart(&self) -> bool {
        self.design == StudyDesign::Independent
    }
}

/// The number of the line at a byte, from 1.
fn line_of(bytes: &[u8], at: usize) -> usize {
    let before = &bytes[..at.min(bytes.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Whether a reader may have this name: it stands in tables, and square brackets tell the mode of a sitting.
pub fn is_reader_name(name: &str) -> bool {
    let length = name.chars().count();
    (1..=LONGEST_NAME).contains(&length)
        && name.trim() == name
        && crate::domain::text::clean(name) == name
        && !name.contains(['[', ']', '/', ',', ';', '"'])
}
