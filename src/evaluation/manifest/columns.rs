//! The columns of a manifest: where each value of a row stands, and how it is read.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use csv::ByteRecord;

use super::rows::{ColumnNames, shortened};
use super::{LabelColumn, ManifestColumns, ManifestError};
use crate::domain::text::clean;
use crate::domain::{ViewPosition, ViewWords};
use crate::evaluation::boxes::{self, FilmBox};
use crate::evaluation::findings;
use crate::evaluation::missing::is_missing;
use crate::evaluation::question::{ReferenceStandard, SeverityScale};

/// Columns that may hold a file's name. The first that exists is used.
pub const PATHS: [&str; 8] = [
    "path",
    "filename",
    "file",
    "file_name",
    "filepath",
    "image",
    "image_path",
    "image index",
];
pub const PATIENTS: [&str; 5] = [
    "patient",
    "patientid",
    "patient_id",
    "patient id",
    "subject_id",
];
const FINDINGS: [&str; 3] = ["finding", "findings", "finding labels"];
/// Words of a yes/no column for "not known", beside those of a missing value.
const UNKNOWN: [&str; 4] = ["-1", "-1.0", "unknown", "todo"];
const YES: [&str; 8] = ["1", "1.0", "y", "yes", "true", "t", "pos", "positive"];
const NO: [&str; 8] = ["0", "0.0", "n", "no", "false", "f", "neg", "negative"];
/// Words of a column `modality` for a projection radiograph: DICOM's, hospitals' and people's.
const RADIOGRAPHS: [&str; 14] = [
    "x-ray",
    "xray",
    "x ray",
    "cr",
    "dx",
    "dr",
    "xr",
    "rg",
    "cxr",
    "radiograph",
    "radiography",
    "computed radiography",
    "digital radiography",
    "chest x-ray",
];

/// The columns of a row, by their meaning.
pub struct ColumnPositions {
    path: usize,
    folder: Option<usize>,
    pub patient: Option<usize>,
    finding: Option<usize>,
    source: Option<usize>,
    modality: Option<usize>,
    view: Option<usize>,
    pub duplicate_of: Option<usize>,
    geographic_extent: Option<usize>,
    opacity: Option<usize>,
    /// Label, the column's name, and its index.
    labels: Vec<(String, String, usize)>,
    /// The column's name, and its index.
    boxes: Option<(String, usize)>,
    /// Outcome, the column's name, and its index.
    outcomes: Vec<(String, String, usize)>,
    pub groups: Vec<(String, usize)>,
    pub is_every_split: bool,
    /// Columns and the values that are wanted of each.
    filters: BTreeMap<usize, Vec<String>>,
}

impl ColumnPositions {
    pub fn new(names: &ColumnNames, columns: &ManifestColumns) -> Result<Self, ManifestError> {
        let path = names.needed(columns.path.as_ref(), &PATHS, "file names")?;
        // A label's own column wins over the words of a finding.
        let finding = if columns.finding.is_none() && !columns.labels.is_empty() {
            None
        } else {
            names.asked_or(columns.finding.as_ref(), &FINDINGS)?
        };
        if finding.is_none() && columns.labels.is_empty() && columns.outcomes.is_empty() {
            return Err(names.missing("finding (name another with --label-column)"));
        }
        let need = |name: &String| names.need(name);
        let find = |name: &str| names.find(name);
        // A column that the user named as the answer for a label is no severity, even if its name is one's.
        let named_column = |name: &str| {
            let named = columns.labels.iter().chain(&columns.outcomes);
            named
                .clone()
                .any(|named| named.column.trim().eq_ignore_ascii_case(name))
        };
        let severity = |name: &str| match named_column(name) {
            true => Ok(None),
            false => find(name),
        };
        let named = |l: &LabelColumn| Ok((l.label.clone(), l.column.clone(), need(&l.column)?));
        let labels = columns.labels.iter().map(named);
        let outcomes = columns.outcomes.iter().map(named);
        let boxes = columns.boxes.as_ref();
        let boxes = boxes.map(|name| Ok((name.clone(), need(name)?)));
        let group = |name: &String| Ok((name.trim().to_owned(), need(name)?));
        let mut groups = columns
            .groups
            .iter()
            .map(group)
            .collect::<Result<Vec<_>, _>>()?;
        if groups.is_empty() {
            groups.extend(find("source")?.map(|at| ("source".to_owned(), at)));
        }
        let mut filters: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for filter in &columns.filters {
            let wanted = filters.entry(need(&filter.column)?).or_default();
            wanted.push(filter.value.trim().to_owned());
        }
        Ok(ColumnPositions {
            path,
            folder: names.folder_of(path)?,
            patient: names.asked_or(columns.patient.as_ref(), &PATIENTS)?,
            finding,
            source: find("source")?,
            modality: find("modality")?,
            view: find("view")?,
            duplicate_of: find("duplicate_of")?,
            geographic_extent: severity("geographic_extent")?,
            opacity: severity("opacity")?,
            labels: labels.collect::<Result<_, _>>()?,
            boxes: boxes.transpose()?,
            outcomes: outcomes.collect::<Result<_, _>>()?,
            is_every_split: find("split")?.is_some_and(|at| !filters.contains_key(&at)),
            groups,
            filters,
        })
    }

    pub fn wants(&self, record: &ByteRecord) -> bool {
        self.filters.iter().all(|(&at, wanted)| {
            let value = text(record, at);
            wanted
                .iter()
                .any(|wanted| value.eq_ignore_ascii_case(wanted))
        })
    }

    /// Views and kinds of images that this model was not made for. An empty cell is taken for a
    /// frontal radiograph: the input check looks at it anyway.
    pub fn is_frontal(&self, record: &ByteRecord) -> bool {
        let view = self.view.map_or(String::new(), |at| known(record, at));
        let view = view.to_lowercase();
        let is_other = ["axial", "coronal", "sagittal"].contains(&view.as_str())
            || view.starts_with("ct")
            || view_of(&view) == ViewPosition::Lateral;
        self.other_modality(record).is_none() && !is_other
    }

    /// The modality of a row, where it is not a radiograph's. It may be a list, as DICOM's modalities of a study are.
    pub fn other_modality(&self, record: &ByteRecord) -> Option<String> {
        let modality = known(record, self.modality?);
        let words = modality.split([',', ';', '/', '\\', '|', '+']);
        let words = words.map(|word| word.trim_matches(|c: char| " []()'\"".contains(c)));
        let is_radiograph = |word: &str| RADIOGRAPHS.contains(&word.to_lowercase().as_str());
        let is_other = words
            .filter(|word| !word.is_empty())
            .any(|word| !is_radiograph(word));
        is_other.then_some(modality)
    }

    pub fn path(&self, record: &ByteRecord) -> Option<PathBuf> {
        path_of(record, self.path, self.folder)
    }

    pub fn truth(&self, row: u64, record: &ByteRecord) -> Result<ReferenceStandard, ManifestError> {
        let source = self.source.map_or(String::new(), |at| text(record, at));
        let mut truth = self.finding.map_or_else(ReferenceStandard::default, |at| {
            findings::truth(&source, &text(record, at))
        });
        truth.labels = answers(&self.labels, row, record)?;
        let severity = |scale, at| severity(scale, at, row, record);
        truth.geographic_extent =
            severity(SeverityScale::GeographicExtent, self.geographic_extent)?;
        truth.opacity = severity(SeverityScale::Opacity, self.opacity)?;
        Ok(truth)
    }

    /// See [`view_of`].
    pub fn view(&self, record: &ByteRecord) -> ViewPosition {
        let text = self.view.map(|at| known(record, at));
        text.map_or(ViewPosition::Unknown, |text| view_of(&text))
    }

    pub fn outcomes(
        &self,
        row: u64,
        record: &ByteRecord,
    ) -> Result<BTreeMap<String, bool>, ManifestError> {
        answers(&self.outcomes, row, record)
    }

    pub fn boxes(&self, row: u64, record: &ByteRecord) -> Result<Vec<FilmBox>, ManifestError> {
        let Some((column, at)) = &self.boxes else {
            return Ok(Vec::new());
        };
        let value = text(record, *at);
        boxes::boxes(&value).map_err(|fault| ManifestError::NotBoxes {
            row,
            column: clean(column),
            value: shortened(&clean(&value)),
            fault,
        })
    }
}

/// See [`ViewWords`]. In tables a first `L` means a lateral view.
pub fn view_of(text: &str) -> ViewPosition {
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    let first = words.find(|word| !word.is_empty()).unwrap_or_default();
    match ViewWords::of(text) {
        ViewWords {
            position: ViewPosition::Unknown,
            is_not_frontal: false,
        } if first.eq_ignore_ascii_case("l") => ViewPosition::Lateral,
        words => words.position,
    }
}

/// The file that a row names, its folder before it; `None` where it names none.
pub fn path_of(record: &ByteRecord, path: usize, folder: Option<usize>) -> Option<PathBuf> {
    let bytes = |at: usize| record.get(at).unwrap_or_default().trim_ascii();
    if known(record, path).is_empty() {
        return None;
    }
    let folder = folder.map_or(&b""[..], bytes);
    Some(PathBuf::from(OsStr::from_bytes(folder)).join(OsStr::from_bytes(bytes(path))))
}

/// The known answers of yes/no columns, by name.
fn answers(
    columns: &[(String, String, usize)],
    row: u64,
    record: &ByteRecord,
) -> Result<BTreeMap<String, bool>, ManifestError> {
    let mut answers = BTreeMap::new();
    for (name, column, at) in columns {
        let value = text(record, *at);
        let answer = yes_or_no(&value).map_err(|()| ManifestError::NeitherYesNorNo {
            row,
            column: clean(column),
            value: shortened(&clean(&value)),
        })?;
        answers.extend(answer.map(|yes| (name.clone(), yes)));
    }
    Ok(answers)
}

/// A severity; `None` where it is not known.
fn severity(
    scale: SeverityScale,
    at: Option<usize>,
    row: u64,
    record: &ByteRecord,
) -> Result<Option<f64>, ManifestError> {
    let value = at.map_or(String::new(), |at| text(record, at));
    if is_unknown(&value) {
        return Ok(None);
    }
    let number = scale.number(&value);
    number.map(Some).ok_or_else(|| ManifestError::NotOnScale {
        row,
        column: scale.name(),
        value: shortened(&clean(&value)),
        most: scale.most(),
    })
}

/// A cell, trimmed; empty where the row is short.
pub fn text(record: &ByteRecord, at: usize) -> String {
    String::from_utf8_lossy(record.get(at).unwrap_or_default())
        .trim()
        .to_owned()
}

/// The same; empty, too, where it says that the value is missing.
pub fn known(record: &ByteRecord, at: usize) -> String {
    Some(text(record, at))
        .filter(|text| !is_missing(text))
        .unwrap_or_default()
}

/// Whether a cell says no, or nothing.
pub fn is_no(value: &str) -> bool {
    matches!(yes_or_no(value), Ok(None | Some(false)))
}

/// Whether a cell says that its value is not known.
fn is_unknown(value: &str) -> bool {
    UNKNOWN.iter().any(|word| value.eq_ignore_ascii_case(word)) || is_missing(value)
}

fn yes_or_no(value: &str) -> Result<Option<bool>, ()> {
    let value = value.to_lowercase();
    let is = |words: &[&str]| words.contains(&value.as_str());
    match () {
        () if is(&YES) => Ok(Some(true)),
        () if is(&NO) => Ok(Some(false)),
        () if is_unknown(&value) => Ok(None),
        () => Err(()),
    }
}
