//! A CSV file of cases: which file, which patient, which groups, and what is known of each.
//!
//! Two layouts are read without being told: a column `path` and one `finding` (as in
//! `training/`), and the `metadata.csv` of the COVID-19 image data collection (`filename`, `folder`,
//! `patientid`, `finding`). Anything else is read by the names of its columns. Names are compared
//! without regard to case; commas, semicolons and tabs are told apart by the header.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use csv::ByteRecord;
use serde::Serialize;

use super::findings;
use super::missing::is_missing;
use super::question::{BinaryQuestion, SeverityScale, Truth};
use crate::domain::text::clean;

/// Where a file's name may stand, the first of these that there is.
const PATHS: [&str; 8] = [
    "path",
    "filename",
    "file",
    "file_name",
    "filepath",
    "image",
    "image_path",
    "image index",
];
const PATIENTS: [&str; 5] = [
    "patient",
    "patientid",
    "patient_id",
    "patient id",
    "subject_id",
];
const FINDINGS: [&str; 3] = ["finding", "findings", "finding labels"];
/// What a cell of a yes/no column says that is neither, beside what says that it is missing.
const UNKNOWN: [&str; 4] = ["-1", "-1.0", "unknown", "todo"];
const YES: [&str; 8] = ["1", "1.0", "y", "yes", "true", "t", "pos", "positive"];
const NO: [&str; 8] = ["0", "0.0", "n", "no", "false", "f", "neg", "negative"];
/// A column with more values than this is no grouping: a table of a thousand lines helps nobody.
const MOST_GROUPS: usize = 50;
/// Rows of a manifest: each takes some hundred bytes of memory, whatever it takes in the file.
const MOST_ROWS: u64 = 5_000_000;
/// Of a group whose cell is empty.
const NO_GROUP: &str = "(none)";

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("it is empty")]
    Empty,
    #[error("no column {wanted}; there are: {present}")]
    NoColumn { wanted: String, present: String },
    #[error("row {row}: {value:?} in column {column} is neither yes nor no (0/1, yes/no)")]
    NeitherYesNorNo {
        row: u64,
        column: String,
        value: String,
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

/// A column that answers for a label, 0/1 or yes/no.
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
    /// Empty: `source`, if there is one.
    pub groups: Vec<String>,
    pub filters: Vec<RowFilter>,
}

/// One radiograph with its truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// As the manifest has it, its folder before it where it has one.
    pub path: PathBuf,
    pub patient: String,
    /// A value for each of the manifest's group columns.
    pub groups: Vec<String>,
    pub truth: Truth,
}

/// Rows that are not cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Skipped {
    /// Not wanted by a filter.
    pub filtered: usize,
    /// Marked as a copy of another, or its file named before.
    pub duplicates: usize,
    /// Lateral views, and other images than radiographs.
    pub not_frontal: usize,
    pub without_file: usize,
    /// Nothing is known that a question asks for.
    pub unanswered: usize,
}

/// The cases of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub cases: Vec<Case>,
    /// Names of the group columns.
    pub group_columns: Vec<String>,
    /// Without the header.
    pub rows: usize,
    pub skipped: Skipped,
    /// Without patients, each image counts as a patient of its own.
    pub has_patients: bool,
    /// There is a column `split` and no filter for it: what a model was trained on may be among the
    /// cases.
    pub is_every_split: bool,
}

impl Manifest {
    /// Reads the text of a CSV file.
    ///
    /// # Errors
    /// If a column that is needed is absent, a cell of a yes/no column is neither, or a filter
    /// leaves nothing.
    pub fn parse(bytes: &[u8], columns: &ManifestColumns) -> Result<Self, ManifestError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return Err(ManifestError::Empty);
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(bytes))
            .flexible(true)
            .from_reader(bytes);
        let header: Vec<String> = reader
            .byte_headers()
            .map_err(|error| malformed(0, &error))?
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        let mut reading = ManifestParser::new(ColumnPositions::new(&header, columns)?);
        for (at, record) in reader.byte_records().enumerate() {
            // The first row below the header is row 1.
            let row = at as u64 + 1;
            if row > MOST_ROWS {
                return Err(ManifestError::TooLong);
            }
            reading.row(row, &record.map_err(|error| malformed(row, &error))?)?;
        }
        reading.finish(columns)
    }

    /// Drops the cases of which nothing is known that is asked, so that nobody waits for them.
    pub fn keep_answered(&mut self, questions: &[BinaryQuestion]) {
        let before = self.cases.len();
        self.cases.retain(|case| {
            questions.iter().any(|q| q.answer(&case.truth).is_some())
                || SeverityScale::ALL
                    .iter()
                    .any(|&s| case.truth.severity(s).is_some())
        });
        self.skipped.unanswered += before - self.cases.len();
    }
}

fn malformed(row: u64, error: &csv::Error) -> ManifestError {
    ManifestError::Malformed {
        row,
        reason: clean(&error.to_string()),
    }
}

/// Whichever of comma, semicolon and tab the first line has most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let line = bytes
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let count = |sign: u8| line.iter().filter(|&&byte| byte == sign).count();
    // Of equals the last: the comma.
    *[b'\t', b';', b',']
        .iter()
        .max_by_key(|&&sign| count(sign))
        .unwrap_or(&b',')
}

/// Which cell of a row is what.
struct ColumnPositions {
    path: usize,
    folder: Option<usize>,
    patient: Option<usize>,
    finding: Option<usize>,
    source: Option<usize>,
    modality: Option<usize>,
    view: Option<usize>,
    duplicate_of: Option<usize>,
    geographic_extent: Option<usize>,
    opacity: Option<usize>,
    /// Label, column's name, and its place.
    labels: Vec<(String, String, usize)>,
    groups: Vec<(String, usize)>,
    is_every_split: bool,
    /// Columns and the values that are wanted of each.
    filters: BTreeMap<usize, Vec<String>>,
}

impl ColumnPositions {
    fn new(header: &[String], columns: &ManifestColumns) -> Result<Self, ManifestError> {
        let find = |name: &str| {
            header
                .iter()
                .position(|h| h.eq_ignore_ascii_case(name.trim()))
        };
        let first = |names: &[&str]| names.iter().find_map(|name| find(name));
        let missing = |wanted: &str| ManifestError::NoColumn {
            wanted: clean(wanted),
            present: list(header.iter().map(String::as_str)),
        };
        let need = |name: &str| find(name).ok_or_else(|| missing(name));
        let asked_or = |asked: &Option<String>, names: &[&str]| match asked {
            Some(name) => need(name).map(Some),
            None => Ok(first(names)),
        };
        let path = asked_or(&columns.path, &PATHS)?
            .ok_or_else(|| missing(&format!("of file names ({})", PATHS.join(", "))))?;
        // Labels of their own say what counts; the words of a finding might say otherwise.
        let finding = if columns.finding.is_none() && !columns.labels.is_empty() {
            None
        } else {
            asked_or(&columns.finding, &FINDINGS)?
        };
        if finding.is_none() && columns.labels.is_empty() {
            return Err(missing("finding (name another with --label-column)"));
        }
        let labels = columns.labels.iter();
        let labels = labels.map(|l| Ok((l.label.clone(), l.column.clone(), need(&l.column)?)));
        let group = |name: &String| Ok((name.trim().to_owned(), need(name)?));
        let mut groups = columns
            .groups
            .iter()
            .map(group)
            .collect::<Result<Vec<_>, _>>()?;
        if groups.is_empty() {
            groups.extend(find("source").map(|at| ("source".to_owned(), at)));
        }
        let mut filters: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for filter in &columns.filters {
            let wanted = filters.entry(need(&filter.column)?).or_default();
            wanted.push(filter.value.trim().to_owned());
        }
        Ok(ColumnPositions {
            path,
            folder: find("folder").filter(|_| header[path].eq_ignore_ascii_case("filename")),
            patient: asked_or(&columns.patient, &PATIENTS)?,
            finding,
            source: find("source"),
            modality: find("modality"),
            view: find("view"),
            duplicate_of: find("duplicate_of"),
            geographic_extent: find("geographic_extent"),
            opacity: find("opacity"),
            labels: labels.collect::<Result<_, _>>()?,
            is_every_split: find("split").is_some_and(|at| !filters.contains_key(&at)),
            groups,
            filters,
        })
    }

    fn wants(&self, record: &ByteRecord) -> bool {
        self.filters.iter().all(|(&at, wanted)| {
            let value = text(record, at);
            wanted
                .iter()
                .any(|wanted| value.eq_ignore_ascii_case(wanted))
        })
    }

    /// Views and kinds of images that this model was not made for. An empty cell is taken for a
    /// frontal radiograph: the input check looks at it anyway.
    fn is_frontal(&self, record: &ByteRecord) -> bool {
        let word =
            |at: Option<usize>| at.map_or(String::new(), |at| known(record, at).to_lowercase());
        let (modality, view) = (word(self.modality), word(self.view));
        let is_radiograph = matches!(
            modality.as_str(),
            "" | "x-ray" | "xray" | "x ray" | "cr" | "dx" | "cxr"
        );
        let is_other = [
            "l",
            "ll",
            "lateral",
            "left lateral",
            "rl",
            "axial",
            "coronal",
            "sagittal",
        ]
        .contains(&view.as_str())
            || view.starts_with("ct");
        is_radiograph && !is_other
    }

    fn path(&self, record: &ByteRecord) -> Option<PathBuf> {
        let bytes = |at: usize| record.get(at).unwrap_or_default().trim_ascii();
        let name = bytes(self.path);
        if known(record, self.path).is_empty() {
            return None;
        }
        let folder = self.folder.map_or(&b""[..], bytes);
        Some(PathBuf::from(OsStr::from_bytes(folder)).join(OsStr::from_bytes(name)))
    }

    fn truth(&self, row: u64, record: &ByteRecord) -> Result<Truth, ManifestError> {
        let source = self.source.map_or(String::new(), |at| text(record, at));
        let mut truth = self.finding.map_or_else(Truth::default, |at| {
            findings::truth(&source, &text(record, at))
        });
        for (label, column, at) in &self.labels {
            let value = text(record, *at);
            let answer = yes_or_no(&value).map_err(|()| ManifestError::NeitherYesNorNo {
                row,
                column: clean(column),
                value: shortened(&clean(&value)),
            })?;
            truth.labels.extend(answer.map(|yes| (label.clone(), yes)));
        }
        let number = |at: Option<usize>| {
            at.and_then(|at| text(record, at).parse::<f64>().ok())
                .filter(|value| value.is_finite())
        };
        truth.geographic_extent = number(self.geographic_extent);
        truth.opacity = number(self.opacity);
        Ok(truth)
    }
}

/// A cell, trimmed; empty where the row is short.
fn text(record: &ByteRecord, at: usize) -> String {
    String::from_utf8_lossy(record.get(at).unwrap_or_default())
        .trim()
        .to_owned()
}

/// The same; empty, too, where it says that the value is missing.
fn known(record: &ByteRecord, at: usize) -> String {
    Some(text(record, at))
        .filter(|text| !is_missing(text))
        .unwrap_or_default()
}

fn yes_or_no(value: &str) -> Result<Option<bool>, ()> {
    let value = value.to_lowercase();
    let is = |words: &[&str]| words.contains(&value.as_str());
    match () {
        () if is(&YES) => Ok(Some(true)),
        () if is(&NO) => Ok(Some(false)),
        () if is(&UNKNOWN) || is_missing(&value) => Ok(None),
        () => Err(()),
    }
}

/// A file that is being read.
struct ManifestParser {
    layout: ColumnPositions,
    cases: Vec<Case>,
    rows: usize,
    skipped: Skipped,
    paths: HashSet<PathBuf>,
}

impl ManifestParser {
    fn new(layout: ColumnPositions) -> Self {
        ManifestParser {
            layout,
            cases: Vec::new(),
            rows: 0,
            skipped: Skipped::default(),
            paths: HashSet::new(),
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
            .is_some_and(|at| !known(record, at).is_empty());
        if is_copy {
            self.skipped.duplicates += 1;
            return Ok(());
        }
        if !layout.is_frontal(record) {
            self.skipped.not_frontal += 1;
            return Ok(());
        }
        let Some(path) = layout.path(record) else {
            self.skipped.without_file += 1;
            return Ok(());
        };
        if !self.paths.insert(path.clone()) {
            self.skipped.duplicates += 1;
            return Ok(());
        }
        let patient = layout.patient.map_or(String::new(), |at| known(record, at));
        let group = |(_, at): &(String, usize)| match clean(&text(record, *at)) {
            empty if empty.is_empty() => NO_GROUP.to_owned(),
            value => value,
        };
        self.cases.push(Case {
            path,
            // No other row has the name of a row that has none.
            patient: if patient.is_empty() {
                format!("\0{row}")
            } else {
                patient
            },
            groups: layout.groups.iter().map(group).collect(),
            truth: layout.truth(row, record)?,
        });
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
            has_patients: self.layout.patient.is_some(),
            is_every_split: self.layout.is_every_split,
        })
    }
}

/// Names for a message of one line, however many and however long.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<_> = names
        .take(SHOWN)
        .map(|name| shortened(&clean(name)))
        .collect();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    shown.join(", ") + &more
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
