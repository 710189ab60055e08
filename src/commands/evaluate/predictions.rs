//! A table that `cxr predict` wrote, matched to cases by the names of files.
//!
//! The same file may be `scans/a.png` in the one and `/data/scans/a.png` in the other, so a row
//! belongs to a case if the one path ends with the other. Where that is not plain, it is an error:
//! a score under the wrong truth is worse than none.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::scores::{labels, score, without_scores};
use super::{Answers, CaseOutcome, ModelCard, Usage};
use crate::commands::cases::{bytes, contents, file};
use crate::commands::complain;
use crate::evaluation::{Case, is_missing};
use crate::export::{
    CONTENT, Cells, PREVALENCE, ReadError, TableFormat, is_label, path_text, read_array,
    read_cells, read_table,
};

/// A table of predictions.
#[derive(Debug)]
pub struct PredictionTable {
    file: PathBuf,
    /// Columns with scores from 0 to 1.
    labels: Vec<String>,
    rows: Vec<PredictionRow>,
    /// Rows by the last part of their path.
    by_name: HashMap<String, Vec<usize>>,
    /// And by what was in the file, where the table says it.
    by_content: HashMap<String, Vec<usize>>,
    model_sha256: String,
    /// What its rows say that they assume, each once.
    prevalences: BTreeSet<String>,
    /// What is to be said of cells and rows that are not as they should be.
    remarks: Vec<String>,
}

#[derive(Debug)]
struct PredictionRow {
    /// The parts of the path, as in the table.
    parts: Vec<String>,
    sha256: Option<String>,
    outcome: CaseOutcome,
}

impl fmt::Display for PredictionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&path_text(&self.file))
    }
}

impl PredictionTable {
    /// # Errors
    /// [`Usage`], if it is not such a table.
    pub fn read(file: &Path) -> Result<Self> {
        Self::parse(file, &bytes(file)?)
    }

    fn parse(file: &Path, bytes: &[u8]) -> Result<Self> {
        let fail = |reason: String| Usage::error(format!("{}: {reason}", path_text(file)));
        let Cells {
            columns,
            rows: raw,
            is_torn,
        } = rows(bytes).map_err(fail)?;
        let at = |name: &str| columns.iter().position(|column| column == name);
        let (Some(path), Some(status)) = (at("path"), at("status")) else {
            return Err(fail(
                "not a table of cxr predict: no columns path and status".into(),
            ));
        };
        let mut remarks = Vec::new();
        if is_torn {
            remarks.push("its last row is cut off and left out".to_owned());
        }
        let labels = labels(&columns, &raw, &mut remarks);
        if labels.is_empty() {
            let why = remarks.first().map(|remark| format!(": {remark}"));
            let why = why.unwrap_or_default();
            return Err(fail(format!("no column of scores{why}")));
        }
        let reading = CellPositions {
            status,
            labels: &labels,
            extent: at("geographic_extent"),
            opacity: at("opacity"),
        };
        let content = |row: &Vec<String>| {
            let sha256 = at(CONTENT).map(|at| row[at].clone());
            sha256.filter(|sha256| !is_missing(sha256))
        };
        for column in &labels {
            remarks.extend(without_scores(
                &columns[*column],
                *column,
                &raw,
                status,
                path,
            ));
        }
        let rows: Vec<PredictionRow> = raw
            .iter()
            .map(|row| PredictionRow {
                parts: parts(&row[path]),
                sha256: content(row),
                outcome: reading.outcome(row),
            })
            .collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_content: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, row) in rows.iter().enumerate() {
            if let Some(sha256) = row.sha256.clone() {
                by_content.entry(sha256).or_default().push(number);
            }
            let name = row.parts.last().cloned().unwrap_or_default();
            by_name.entry(name).or_default().push(number);
        }
        let models: HashSet<&str> = at("model_sha256")
            .iter()
            .flat_map(|&at| raw.iter().map(move |row| row[at].as_str()))
            .filter(|digest| !is_missing(digest))
            .collect();
        if models.len() > 1 {
            return Err(fail("rows of several models".into()));
        }
        let prevalences = at(PREVALENCE).map_or_else(BTreeSet::new, |at| {
            raw.iter().map(|row| row[at].clone()).collect()
        });
        Ok(PredictionTable {
            file: file.to_owned(),
            labels: labels
                .iter()
                .map(|&column| columns[column].clone())
                .collect(),
            model_sha256: models.into_iter().next().unwrap_or_default().to_owned(),
            rows,
            by_name,
            by_content,
            prevalences,
            remarks,
        })
    }

    /// Sentences about scores that are missing and what else its reader should know.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        self.remarks
            .iter()
            .map(move |remark| format!("{self}: {remark}"))
    }

    pub fn labels(&self) -> Vec<String> {
        self.labels.clone()
    }

    /// Empty if the table does not say it.
    pub fn model_sha256(&self) -> &str {
        &self.model_sha256
    }

    pub fn is_of(&self, card: &ModelCard) -> bool {
        self.model_sha256 == card.sha256
    }

    /// The card's operating points are at the card's own prevalences: scores at others are on another
    /// scale.
    ///
    /// # Errors
    /// [`Usage`], if it says that it assumes another.
    pub fn refuse_another_prevalence(&self, card: &ModelCard) -> Result<()> {
        for (label, share) in self.prevalences.iter().flat_map(|text| shares(text)) {
            let known = card.labels.iter().find(|known| known.name == label);
            let own = known.and_then(|known| known.calibration);
            let own = own.map(|calibration| calibration.prevalence.share());
            if let Some(own) = own.filter(|own| (own - share).abs() > 1e-9 * own) {
                return Err(Usage::error(format!(
                    "{self} assumes {label}={share}, and the model's card {own}: make it without --prevalence"
                )));
            }
        }
        Ok(())
    }

    /// What it says of each case. A case without a row is one that could not be read.
    ///
    /// # Errors
    /// [`Usage`], if it has a row for no case, or it is not plain which row is whose.
    pub fn answers(&self, cases: &[Case], root: &Path) -> Result<Answers> {
        let contents = match self.by_content.is_empty() {
            true => vec![None; cases.len()],
            false => {
                let files = cases.iter().map(|case| file(root, case));
                contents(&files.collect::<Vec<_>>())
            }
        };
        self.answers_of(cases, root, &contents)
    }

    /// The same, where the content of each case's file is known, or `None` where there is no file.
    fn answers_of(
        &self,
        cases: &[Case],
        root: &Path,
        contents: &[Option<String>],
    ) -> Result<Answers> {
        let mut used = HashSet::new();
        let mut outcomes = Vec::with_capacity(cases.len());
        for (case, content) in cases.iter().zip(contents) {
            let row = self.row_of(case, root, content.as_deref())?;
            if row.is_some_and(|row| !used.insert(row)) {
                return Err(self.unclear(case));
            }
            outcomes.push(row.map_or(CaseOutcome::Failed, |row| self.rows[row].outcome.clone()));
        }
        if used.is_empty() {
            return Err(Usage::error(format!(
                "{self}: no row is of an image of the manifest"
            )));
        }
        Ok(Answers {
            labels: self.labels.clone(),
            outcomes,
        })
    }

    /// The row that was made of the case's file. Where table and disk say which content that is, a row
    /// of another content is none of the case's, under any path.
    fn row_of(&self, case: &Case, root: &Path, content: Option<&str>) -> Result<Option<usize>> {
        let named = self.row_named(case, root);
        let Some(content) = content else {
            return named;
        };
        let is_other = |row: &usize| {
            let sha256 = self.rows[*row].sha256.as_deref();
            sha256.is_some_and(|sha256| sha256 != content)
        };
        let same = self.by_content.get(content).map_or(&[][..], Vec::as_slice);
        let at_path = named.as_ref().ok().copied().flatten();
        match same {
            same if at_path.is_some_and(|row| same.contains(&row)) => Ok(at_path),
            [] => match named {
                Ok(Some(row)) if is_other(&row) => {
                    self.complain_of(case, "no row has its content: it counts as not read");
                    Ok(None)
                }
                other => other,
            },
            [row] => {
                if at_path.as_ref().is_some_and(is_other) {
                    let found = self.rows[*row].parts.join("/");
                    self.complain_of(case, &format!("its content is that of row {found}"));
                }
                Ok(Some(*row))
            }
            _ => Err(self.unclear(case)),
        }
    }

    fn complain_of(&self, case: &Case, what: &str) {
        let case = path_text(&case.path);
        complain(&format!(
            "{self}: the row of {case} was made of another file than lies there now; {what}"
        ));
    }

    fn row_named(&self, case: &Case, root: &Path) -> Result<Option<usize>> {
        let named = parts(&path_text(&case.path));
        let whole = parts(&path_text(&root.join(&case.path)));
        let alike = named.last().and_then(|name| self.by_name.get(name));
        let alike = alike.map_or(&[][..], Vec::as_slice);
        let of = |is: &dyn Fn(&[String]) -> bool| -> Vec<usize> {
            let rows = alike.iter().copied();
            rows.filter(|&row| is(&self.rows[row].parts)).collect()
        };
        let mut found = of(&|parts| parts == whole);
        if found.is_empty() {
            found = of(&|parts| parts.ends_with(&named) || named.ends_with(parts));
        }
        match found[..] {
            [] => Ok(None),
            [row] => Ok(Some(row)),
            _ => Err(self.unclear(case)),
        }
    }

    fn unclear(&self, case: &Case) -> anyhow::Error {
        let case = path_text(&case.path);
        Usage::error(format!("{self}: it is not plain which row is of {case}"))
    }
}

/// The share of each label, as rows say them: an object in JSON, else `LABEL=SHARE; LABEL=SHARE`.
fn shares(text: &str) -> Vec<(String, f64)> {
    if let Ok(object) = serde_json::from_str::<BTreeMap<String, f64>>(text) {
        return object.into_iter().collect();
    }
    let pairs = text.split("; ").filter_map(|pair| {
        let (label, share) = pair.rsplit_once('=')?;
        Some((label.to_owned(), share.parse().ok()?))
    });
    pairs.collect()
}

/// Columns, and rows with a value for each. The content tells the format, not the file's name.
///
/// # Errors
/// Why it is no table, in a few words.
fn rows(bytes: &[u8]) -> Result<Cells, String> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let format = TableFormat::sniffed(bytes);
    if !format.is_json() {
        return read_cells(bytes).map_err(|error| error.to_string());
    }
    let bytes = &without_nan(bytes);
    let mut all = match format {
        TableFormat::Json => read_array(bytes).unwrap_or_default(),
        _ => Vec::new(),
    };
    if all.is_empty() {
        let read = read_table(format, &bytes[..], |record| {
            all.push((record.columns.to_vec(), record.values));
            Ok::<_, ReadError>(())
        });
        match read {
            Ok(_) | Err(ReadError::Foreign(1)) => {}
            Err(ReadError::Foreign(line)) => {
                // Below the bracket that an array begins with.
                let row = line - u64::from(format == TableFormat::Json);
                return Err(format!("row {row} has other columns"));
            }
            Err(ReadError::Io(error)) => return Err(error.to_string()),
        }
    }
    let columns = all.first().map(|(columns, _)| columns.clone());
    let columns = columns.unwrap_or_default();
    let mut rows = Vec::with_capacity(all.len());
    for (number, (names, values)) in all.into_iter().enumerate() {
        let row = in_order(&columns, &names, values);
        rows.push(row.ok_or_else(|| format!("row {} has other columns", number + 1))?);
    }
    Ok(Cells {
        columns,
        rows,
        is_torn: false,
    })
}

/// JSON has no such numbers, but Python writes them: `null` in their place.
fn without_nan(json: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let (mut out, mut at, mut is_quoted) = (Vec::new(), 0, false);
    let mut kept = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => at += 1,
            b'N' | b'I' | b'-' if !is_quoted => {
                let begins = |word: &&&[u8]| json[at..].starts_with(word);
                if let Some(word) = WORDS.iter().find(begins) {
                    out.extend_from_slice(&json[kept..at]);
                    out.extend_from_slice(b"null");
                    at += word.len();
                    kept = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    out.extend_from_slice(&json[kept..]);
    Cow::Owned(out)
}

/// The values in the order of these columns. Rows of one table have the same labels; what else they
/// say may differ, because an earlier version of cxr said less.
fn in_order(columns: &[String], names: &[String], values: Vec<String>) -> Option<Vec<String>> {
    if columns == names {
        return Some(values);
    }
    let labels = |names: &[String]| -> HashSet<String> {
        let labels = names.iter().filter(|name| is_label(name));
        labels.cloned().collect()
    };
    if labels(columns) != labels(names) {
        return None;
    }
    let value = |column: &String| {
        let at = names.iter().position(|name| name == column);
        at.map(|at| values[at].clone()).unwrap_or_default()
    };
    Some(columns.iter().map(value).collect())
}

/// What some spreadsheets write before the text of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The parts of a path that name something.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/');
    let parts = parts.filter(|part| !matches!(*part, "" | "." | ".."));
    parts.map(str::to_owned).collect()
}

/// Which cell is what.
struct CellPositions<'a> {
    status: usize,
    labels: &'a [usize],
    extent: Option<usize>,
    opacity: Option<usize>,
}

impl CellPositions<'_> {
    fn outcome(&self, row: &[String]) -> CaseOutcome {
        let number = |at: Option<usize>| {
            at.and_then(|at| row[at].parse::<f64>().ok())
                .filter(|value| value.is_finite())
        };
        match row[self.status].as_str() {
            "ok" | "caution" => CaseOutcome::Scored {
                labels: self.labels.iter().map(|&at| score(&row[at])).collect(),
                geographic_extent: number(self.extent),
                opacity: number(self.opacity),
            },
            "refused" => CaseOutcome::Refused,
            _ => CaseOutcome::Failed,
        }
    }
}

#[cfg(test)]
mod tests;
