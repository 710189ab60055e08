//! A CSV file of cases: which file, which patient, which groups, and what is known of each.
//!
//! Two layouts are read without being told: a column `path` and one `finding` (as in
//! `training/`), and the `metadata.csv` of the COVID-19 image data collection (`filename`, `folder`,
//! `patientid`, `finding`). Anything else is read by the names of its columns. Names are compared
//! without regard to case; commas, semicolons and tabs are told apart by the header.

mod columns;
mod films;
mod rows;
mod same_file;
mod skipped;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use csv::ByteRecord;

use super::boxes::{BoxFault, FilmBox};
use super::question::{BinaryQuestion, ReferenceStandard, SeverityScale};
use crate::domain::ViewPosition;
use crate::domain::text::clean;
use columns::{ColumnPositions, is_no, known, text};
pub use films::{FilmColumns, KnownFilmRow, films};
use rows::{ColumnNames, shortened};
use same_file::{JoinFault, join};
pub use skipped::Skipped;

/// A column with more values than this is no grouping: a table of a thousand lines is not read.
const MOST_GROUPS: usize = 50;
/// Most rows of a manifest: each takes some hundred bytes of memory, however short it is in the file.
const MOST_ROWS: u64 = 5_000_000;
/// Name of the group of rows with an empty cell.
const NO_GROUP: &str = "(none)";

/// Begins the name of the patient of a row that names none.
const OWN_PATIENT: char = '\0';

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("it is empty")]
    Empty,
    #[error("no column {wanted}; there are: {present}")]
    NoColumn { wanted: String, present: String },
    #[error("column {column} is there twice")]
    Twice { column: String },
    #[error("row {row}: {value:?} in column {column} is neither yes nor no (0/1, yes/no)")]
    NeitherYesNorNo {
        row: u64,
        column: String,
        value: String,
    },
    #[error("row {row}: {value:?} in column {column}: {fault}")]
    NotBoxes {
        row: u64,
        column: String,
        value: String,
        fault: BoxFault,
    },
    #[error(
        "row {row}: {value:?} in column {column} is no number from 0 to {most}; rename a column that is no such severity"
    )]
    NotOnScale {
        row: u64,
        column: &'static str,
        value: String,
        most: f64,
    },
    #[error("rows {first} and {row} are both of {path}, and contradict each other in {what}")]
    Contradiction {
        first: u64,
        row: u64,
        path: String,
        what: String,
    },
    #[error("row {row}: with the rows before it of {path}: {fault}")]
    BoxesOfFile {
        row: u64,
        path: String,
        fault: BoxFault,
    },
    #[error("column {column} has more than {MOST_GROUPS} values: too many to group by")]
    TooManyGroups { column: String },
    #[error("no row has {wanted}")]
    NothingSelected { wanted: String },
    #[error("it has more than {MOST_ROWS} rows")]
    TooLong,
    #[error("row {row}: {reason}")]
    Malformed { row: u64, reason: String },
}

/// A column with the reference standard of one label, 0/1 or yes/no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelColumn {
    pub label: String,
    pub column: String,
}

/// Rows whose cell in `column` is `value`. Several of one column add up, of several columns narrow
/// down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFilter {
    pub column: String,
    pub value: String,
}

/// Which columns to read, where the file's own names do not say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestColumns {
    pub path: Option<String>,
    pub patient: Option<String>,
    /// A column of finding names.
    pub finding: Option<String>,
    pub labels: Vec<LabelColumn>,
    /// A column of the boxes that readers drew; `None` if they are not wanted.
    pub boxes: Option<String>,
    /// Columns of outcomes: of no label, and known only later than the film.
    pub outcomes: Vec<LabelColumn>,
    /// Empty: `source`, if there is one.
    pub groups: Vec<String>,
    pub filters: Vec<RowFilter>,
}

/// One radiograph with its reference standard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Case {
    /// As the manifest has it, its folder before it where it has one.
    pub path: PathBuf,
    pub patient: String,
    /// A value for each of the manifest's group columns.
    pub groups: Vec<String>,
    pub truth: ReferenceStandard,
    /// Drawn by readers round what they saw.
    pub boxes: Vec<FilmBox>,
    /// From the column `view`.
    pub view: ViewPosition,
    /// Whether each outcome came, by its name, where that is known.
    pub outcomes: BTreeMap<String, bool>,
}

impl Case {
    /// Whether its patient is known; else it counts as a patient of its own.
    pub fn has_patient(&self) -> bool {
        !self.patient.is_empty() && !self.patient.starts_with(OWN_PATIENT)
    }
}

/// The cases of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub cases: Vec<Case>,
    /// Names of the group columns.
    pub group_columns: Vec<String>,
    /// Rows of the file, header not counted.
    pub rows: usize,
    pub skipped: Skipped,
    /// Whether there is a column of patients. See [`Manifest::without_patient`].
    pub has_patient_column: bool,
    /// There is a column `split` and no filter for it: what a model was trained on may be among the
    /// cases.
    pub is_every_split: bool,
}

impl Manifest {
    /// Reads the text of a CSV file.
    ///
    /// # Errors
    /// If a column that is needed is absent, a cell of a yes/no column is neither, a severity is none of its scale,
    /// rows of one file contradict each other, or a filter leaves nothing.
    pub fn parse(bytes: &[u8], columns: &ManifestColumns) -> Result<Self, ManifestError> {
        let begin = |names: &ColumnNames| {
            let layout = ColumnPositions::new(names, columns)?;
            Ok(ManifestParser::new(layout))
        };
        let reading = rows::read(bytes, begin, ManifestParser::row)?;
        reading.finish(columns)
    }

    /// How many cases have no patient: each counts as a patient of its own.
    pub fn without_patient(&self) -> usize {
        self.cases.iter().filter(|case| !case.has_patient()).count()
    }

    /// Drops the cases that answer none of the questions and have neither boxes nor an outcome, so that they are
    /// not scored for nothing.
    pub fn keep_answered(&mut self, questions: &[BinaryQuestion]) {
        let before = self.cases.len();
        self.cases.retain(|case| {
            !(case.boxes.is_empty() && case.outcomes.is_empty())
                || questions.iter().any(|q| q.answer(&case.truth).is_some())
                || SeverityScale::ALL
                    .iter()
                    .any(|&s| case.truth.severity(s).is_some())
        });
        self.skipped.unanswered += before - self.cases.len();
    }
}

/// State while a file is parsed.
struct ManifestParser {
    layout: ColumnPositions,
    cases: Vec<Case>,
    rows: usize,
    skipped: Skipped,
    /// The case of each file, by its place among the cases.
    by_path: HashMap<PathBuf, usize>,
    /// The first row of each case.
    first_rows: Vec<u64>,
}

impl ManifestParser {
    fn new(layout: ColumnPositions) -> Self {
        ManifestParser {
            layout,
            cases: Vec::new(),
            rows: 0,
            skipped: Skipped::default(),
            by_path: HashMap::new(),
            first_rows: Vec::new(),
        }
    }

    fn row(&mut self, row: u64, record: &ByteRecord) -> Result<(), ManifestError> {
        let layout = &self.layout;
        self.rows += 1;
        if !layout.wants(record) {
            self.skipped.filtered += 1;
            return Ok(());
        }
        let is_copy = layout
            .duplicate_of
            .is_some_and(|at| !is_no(&text(record, at)));
        if is_copy {
            self.skipped.duplicates += 1;
            return Ok(());
        }
        if !layout.is_frontal(record) {
            self.skipped.not_frontal += 1;
            self.skipped.other_modality(layout.other_modality(record));
            return Ok(());
        }
        let Some(path) = layout.path(record) else {
            self.skipped.without_file += 1;
            return Ok(());
        };
        let patient = layout.patient.map_or(String::new(), |at| known(record, at));
        let group = |(_, at): &(String, usize)| match clean(&text(record, *at)) {
            empty if empty.is_empty() => NO_GROUP.to_owned(),
            value => value,
        };
        let case = Case {
            path,
            // No other row has the name of a row that has none.
            patient: if patient.is_empty() {
                format!("{OWN_PATIENT}{row}")
            } else {
                patient
            },
            groups: layout.groups.iter().map(group).collect(),
            truth: layout.truth(row, record)?,
            boxes: layout.boxes(row, record)?,
            view: layout.view(record),
            outcomes: layout.outcomes(row, record)?,
        };
        match self.by_path.entry(case.path.clone()) {
            Entry::Occupied(known) => {
                let at = *known.get();
                self.join(at, row, case)
            }
            Entry::Vacant(new) => {
                new.insert(self.cases.len());
                self.cases.push(case);
                self.first_rows.push(row);
                Ok(())
            }
        }
    }

    /// Adds what a further row says of the file of a case: the order of rows decides nothing.
    fn join(&mut self, at: usize, row: u64, other: Case) -> Result<(), ManifestError> {
        let known = &mut self.cases[at];
        let columns = self.layout.groups.iter().map(|(name, _)| name.as_str());
        let has_new_boxes = join(known, other, columns).map_err(|fault| {
            let path = clean(&known.path.to_string_lossy());
            match fault {
                JoinFault::Contradiction(what) => ManifestError::Contradiction {
                    first: self.first_rows[at],
                    row,
                    path,
                    what: shortened(&clean(&what)),
                },
                JoinFault::Boxes(fault) => ManifestError::BoxesOfFile { row, path, fault },
            }
        })?;
        if has_new_boxes {
            self.skipped.more_boxes += 1;
        } else {
            self.skipped.duplicates += 1;
        }
        Ok(())
    }

    fn finish(self, columns: &ManifestColumns) -> Result<Manifest, ManifestError> {
        if self.rows == 0 {
            return Err(ManifestError::Empty);
        }
        if self.skipped.filtered == self.rows {
            let filters = columns.filters.iter();
            let wanted = filters.map(|f| format!("{}={}", f.column, f.value));
            return Err(ManifestError::NothingSelected {
                wanted: clean(&wanted.collect::<Vec<_>>().join(" ")),
            });
        }
        for (at, (column, _)) in self.layout.groups.iter().enumerate() {
            let values: BTreeSet<_> = self.cases.iter().map(|case| &case.groups[at]).collect();
            if values.len() > MOST_GROUPS {
                return Err(ManifestError::TooManyGroups {
                    column: clean(column),
                });
            }
        }
        let groups = self.layout.groups.into_iter();
        Ok(Manifest {
            cases: self.cases,
            group_columns: groups.map(|(name, _)| clean(&name)).collect(),
            rows: self.rows,
            skipped: self.skipped,
            has_patient_column: self.layout.patient.is_some(),
            is_every_split: self.layout.is_every_split,
        })
    }
}

#[cfg(test)]
mod tests;
