//! A table of `cxr predict`, whose rows are matched to cases by the contents and the paths of files.
//!
//! One file may be `scans/a.png` in the table and `/data/scans/a.png` in the manifest, so a row belongs to
//! a case if one path ends with the other. Where that is ambiguous, it is an error: a score with the
//! wrong reference standard is worse than none.

mod cells;
mod large;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use self::cells::cells;
pub use self::large::WantedRows;
use self::large::is_large;
use super::scores::{WithoutScore, is_without_score, labels, score};
use super::{Answers, CaseOutcome, Manifest, ModelCard, Usage};
use crate::commands::shared::cases::{contents, file, table_bytes};
use crate::commands::shared::complain;
use crate::commands::shared::shard::part::{IS_PART, is_part};
use crate::domain::columns::PATIENT;
use crate::domain::columns::{FILM_COUNTS, STUDY, is_reserved};
use crate::domain::text::clean;
use crate::evaluation::question::SeverityScale;
use crate::evaluation::{Case, is_missing};
use crate::export::{CONTENT, Cells, FlatError, PREVALENCE, WITHHELD, path_text};

/// A table of predictions.
#[derive(Debug)]
pub struct PredictionTable {
    file: PathBuf,
    /// Columns with scores from 0 to 1.
    labels: Vec<String>,
    rows: Vec<PredictionRow>,
    /// Row numbers by the last part of the path.
    by_name: HashMap<String, Vec<usize>>,
    /// Row numbers by the content of the file, where the table has it.
    by_content: HashMap<String, Vec<usize>>,
    model_sha256: String,
    /// The prevalences that the rows assume, each once.
    prevalences: BTreeSet<String>,
    /// Sentences about missing scores and damaged rows.
    remarks: Vec<String>,
}

/// A row of the table.
#[derive(Debug)]
struct PredictionRow {
    /// The parts of the path.
    parts: Vec<String>,
    sha256: Option<String>,
    /// The pseudonym of its patient, where the table has it.
    patient: Option<String>,
    outcome: CaseOutcome,
}

impl fmt::Display for PredictionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&path_text(&self.file))
    }
}

impl PredictionTable {
    /// Reads a table; of a large one only the rows that `wanted` says.
    ///
    /// # Errors
    /// [`Usage`], if the file is no such table.
    pub fn read(file: &Path, wanted: impl FnOnce() -> Result<WantedRows>) -> Result<Self> {
        if !is_large(file) {
            return Self::parse(file, &table_bytes(file)?);
        }
        if is_part(file) {
            return Err(Usage::error(format!("{}: {IS_PART}", path_text(file))));
        }
        let found = wanted()?.cells(file);
        let fail = |error: FlatError| Usage::error(format!("{}: {error}", path_text(file)));
        let (cells, all) = found.map_err(fail)?;
        let remark = format!(
            "of its {all} rows, only the {} that may belong to the manifest were looked at",
            cells.rows.len()
        );
        let mut table = Self::of(file, cells)?;
        table.remarks.push(remark);
        Ok(table)
    }

    fn parse(file: &Path, bytes: &[u8]) -> Result<Self> {
        let cells = cells(bytes);
        Self::of(
            file,
            cells.map_err(|reason| Usage::error(format!("{}: {reason}", path_text(file))))?,
        )
    }

    fn of(file: &Path, cells: Cells) -> Result<Self> {
        let fail = |reason: String| Usage::error(format!("{}: {reason}", path_text(file)));
        let Cells {
            columns,
            rows: raw,
            is_torn,
        } = cells;
        let at = |name: &str| columns.iter().position(|column| column == name);
        let (Some(path), Some(status)) = (at("path"), at("status")) else {
            return Err(fail(
                "not a table of cxr predict: no columns path and status".into(),
            ));
        };
        if at(STUDY).is_some() && at(FILM_COUNTS[0]).is_some() {
            return Err(fail(
                "a table of studies or folders; that of their films lies beside the parts of the run, as FILE.films".into(),
            ));
        }
        let mut remarks = Vec::new();
        if is_torn {
            remarks.push("its last row is cut off and left out".to_owned());
        }
        let mut labels = labels(&columns, &raw, &mut remarks);
        if labels.is_empty() {
            let why = remarks.first().map(|remark| format!(": {remark}"));
            let why = why.unwrap_or_default();
            return Err(fail(format!("no column of scores{why}")));
        }
        let content = |row: &Vec<String>| {
            let sha256 = at(CONTENT).map(|at| row[at].clone());
            sha256.filter(|sha256| !is_missing(sha256))
        };
        let patient = |row: &Vec<String>| {
            let patient = at(PATIENT).map(|at| row[at].clone());
            patient.filter(|patient| !is_missing(patient))
        };
        let without = WithoutScore {
            status,
            path,
            withheld: at(WITHHELD),
        };
        for column in &labels {
            remarks.extend(without.remarks(&columns[*column], *column, &raw));
        }
        labels.extend(without.never_scored(&columns, &labels, &raw, &mut remarks));
        if let Some(name) = twice(&columns, &labels) {
            return Err(fail(format!("column {} is there twice", clean(name))));
        }
        let reading = CellPositions {
            status,
            labels: &labels,
            extent: at("geographic_extent"),
            opacity: at("opacity"),
        };
        let read = |row: &Vec<String>| {
            let outcome = reading.outcome(row);
            let of_row = |fault| fail(format!("the row of {}: {fault}", clean(&row[path])));
            Ok(PredictionRow {
                parts: parts(&row[path]),
                sha256: content(row),
                patient: patient(row),
                outcome: outcome.map_err(of_row)?,
            })
        };
        let rows: Vec<PredictionRow> = raw.iter().map(read).collect::<Result<_>>()?;
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

    /// Sentences about missing scores and damaged rows, with the name of the table.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        self.remarks
            .iter()
            .map(move |remark| format!("{self}: {remark}"))
    }

    /// The labels that the table has scores for.
    pub fn labels(&self) -> Vec<String> {
        self.labels.clone()
    }

    /// The digest of the model; empty if the table does not have it.
    pub fn model_sha256(&self) -> &str {
        &self.model_sha256
    }

    /// Whether the model of this card made the table.
    pub fn is_of(&self, card: &ModelCard) -> bool {
        self.model_sha256 == card.sha256
    }

    /// Refuses a table that assumes other prevalences than the card. The card's operating points do not
    /// apply to such scores.
    ///
    /// # Errors
    /// [`Usage`], if a row assumes another one.
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

    /// The answer of the table for each case. A case without a row counts as one that could not be read.
    ///
    /// # Errors
    /// [`Usage`], if no row belongs to a case, or it is ambiguous which row belongs to which.
    pub fn answers(&self, cases: &[Case], root: &Path) -> Result<Answers> {
        let rows = self.matched(cases, root)?;
        Ok(self.answers_of(&rows))
    }

    /// The row of each case; `None` for a case without one.
    ///
    /// # Errors
    /// As [`answers`](Self::answers).
    pub fn matched(&self, cases: &[Case], root: &Path) -> Result<Vec<Option<usize>>> {
        let contents = if self.by_content.is_empty() {
            vec![None; cases.len()]
        } else {
            let files = cases.iter().map(|case| file(root, case));
            contents(&files.collect::<Vec<_>>())
        };
        self.matched_by(cases, root, &contents)
    }

    /// The answer of each case, by the row that it has.
    pub fn answers_of(&self, rows: &[Option<usize>]) -> Answers {
        let outcome = |row: &Option<usize>| {
            row.map_or(CaseOutcome::Failed, |row| self.rows[row].outcome.clone())
        };
        Answers {
            labels: self.labels.clone(),
            outcomes: rows.iter().map(outcome).collect(),
        }
    }

    /// Takes the patients of the cases from their rows, if the manifest has none and the table has
    /// (`--pseudonym-key`). A case whose row has none keeps its own.
    pub fn lend_patients(&self, rows: &[Option<usize>], manifest: &mut Manifest) {
        if manifest.has_patient_column {
            return;
        }
        for (case, row) in manifest.cases.iter_mut().zip(rows) {
            let patient = row.and_then(|row| self.rows[row].patient.as_ref());
            if let Some(patient) = patient {
                case.patient.clone_from(patient);
            }
        }
    }

    /// The same as [`matched`](Self::matched), with the content of each case's file; `None` for a missing file.
    fn matched_by(
        &self,
        cases: &[Case],
        root: &Path,
        contents: &[Option<String>],
    ) -> Result<Vec<Option<usize>>> {
        let mut used = HashSet::new();
        let mut rows = Vec::with_capacity(cases.len());
        for (case, content) in cases.iter().zip(contents) {
            let row = self.row_of(case, root, content.as_deref())?;
            if row.is_some_and(|row| !used.insert(row)) {
                return Err(self.unclear(case));
            }
            rows.push(row);
        }
        if used.is_empty() {
            let of_table = self.rows.first().map(|row| row.parts.join("/"));
            let of_manifest = cases.first().map(|case| path_text(&case.path));
            return Err(Usage::error(format!(
                "{self}: no row belongs to an image of the manifest: it has {}, the manifest {}. Rows are matched by the \
                 end of the path, and by content where the files of --root are there",
                of_table.unwrap_or_default(),
                of_manifest.unwrap_or_default(),
            )));
        }
        if used.len() < cases.len() {
            complain(&format!(
                "{self}: {} of {} images of the manifest have a row; the others count as not read. Rows are matched by \
                 the end of the path, and by content where the files of --root are there",
                used.len(),
                cases.len()
            ));
        }
        Ok(rows)
    }

    /// The row for the file of a case. If both the table and the disk have its content, a row of another
    /// content does not belong to the case, even at the same path.
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
            "{self}: the row of {case} was made from another file than the one that is there now; {what}"
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
        Usage::error(format!(
            "{self}: it is ambiguous which row belongs to {case}"
        ))
    }
}

/// A column that is read and whose name another column has, as where two tables were pasted side by side: scores, and all
/// that has a meaning of its own.
fn twice<'a>(columns: &'a [String], labels: &[usize]) -> Option<&'a str> {
    let mut known = HashSet::new();
    let is_read = |at: usize, name: &str| labels.contains(&at) || is_reserved(name);
    let names = columns.iter().enumerate();
    let mut read = names.filter(|(at, name)| is_read(*at, name));
    let (_, name) = read.find(|(_, name)| !known.insert(name.as_str()))?;
    Some(name)
}

/// The prevalence of each label in a cell: an object in JSON, else `LABEL=SHARE; LABEL=SHARE`.
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

/// The named parts of a path.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/');
    let parts = parts.filter(|part| !matches!(*part, "" | "." | ".."));
    parts.map(str::to_owned).collect()
}

/// The columns of a result.
struct CellPositions<'a> {
    status: usize,
    labels: &'a [usize],
    extent: Option<usize>,
    opacity: Option<usize>,
}

impl CellPositions<'_> {
    /// The answer of a row.
    ///
    /// # Errors
    /// What is wrong with a severity.
    fn outcome(&self, row: &[String]) -> Result<CaseOutcome, String> {
        Ok(match row[self.status].as_str() {
            "ok" | "caution" => CaseOutcome::Scored {
                labels: self.labels.iter().map(|&at| score(&row[at])).collect(),
                geographic_extent: severity(SeverityScale::GeographicExtent, self.extent, row)?,
                opacity: severity(SeverityScale::Opacity, self.opacity, row)?,
            },
            "refused" => CaseOutcome::Refused,
            _ => CaseOutcome::Failed,
        })
    }
}

/// The severity in a row; `None` where it has none.
fn severity(
    scale: SeverityScale,
    at: Option<usize>,
    row: &[String],
) -> Result<Option<f64>, String> {
    let cell = at.map_or("", |at| row[at].as_str());
    if is_without_score(cell) {
        return Ok(None);
    }
    let number = scale.number(cell).map(Some);
    number.ok_or_else(|| {
        let (name, most) = (scale.name(), scale.most());
        format!("{cell:?} in column {name} is no number from 0 to {most}")
    })
}

#[cfg(test)]
mod tests;
