//! Which columns of a table have scores, and which rows lack one.

use crate::commands::shared::named;
use crate::domain::{Score, ScoreKind};
use crate::evaluation::{is_missing, number};
use crate::export::is_label;

/// The columns of scores. A column with scores and other values gives a remark.
pub fn labels(columns: &[String], rows: &[Vec<String>], remarks: &mut Vec<String>) -> Vec<usize> {
    let mut labels = Vec::new();
    // R and pandas write row numbers into a column without a name.
    let named = |column: &usize| !columns[*column].is_empty() && is_label(&columns[*column]);
    for column in (0..columns.len()).filter(named) {
        match ScoreColumn::of(rows, column) {
            ScoreColumn::Scores => labels.push(column),
            ScoreColumn::Mixed(row) => remarks.push(format!(
                "column {} is not taken for scores: {:?} in row {} is no score from 0 to 1",
                columns[column],
                rows[row][column],
                row + 1
            )),
            ScoreColumn::Missing => remarks.push(format!(
                "column {} has no score in any row",
                columns[column]
            )),
            ScoreColumn::Other => {}
        }
    }
    labels
}

/// The columns that say why a label has no score.
#[derive(Clone, Copy)]
pub struct WithoutScore {
    pub status: usize,
    pub path: usize,
    /// The labels that get no number; `None` in tables without that column.
    pub withheld: Option<usize>,
}

impl WithoutScore {
    /// Remarks about images that the model scored, but not for this label: those that are unlike the images that it was
    /// learned from, and those without a reason.
    pub fn remarks(&self, label: &str, column: usize, rows: &[Vec<String>]) -> Vec<String> {
        let is_scored = |row: &&Vec<String>| matches!(row[self.status].as_str(), "ok" | "caution");
        let scored: Vec<&Vec<String>> = rows.iter().filter(is_scored).collect();
        let without = scored.iter().filter(|row| score(&row[column]).is_none());
        let is_withheld = |row: &&&Vec<String>| self.names(row).iter().any(|name| name == label);
        let (withheld, others): (Vec<_>, Vec<_>) = without.partition(is_withheld);
        let remark = |rows: Vec<&&Vec<String>>, reason: &str| {
            let paths: Vec<&str> = rows.iter().map(|row| row[self.path].as_str()).collect();
            (!paths.is_empty()).then(|| {
                format!(
                    "{} of {} rows have no {reason}, and are not in its figures: {}",
                    paths.len(),
                    scored.len(),
                    named(&paths)
                )
            })
        };
        let unlike = format!(
            "answer for {label}, because the image is unlike those that it was learned from"
        );
        let remarks = [
            remark(others, &format!("score for {label}")),
            remark(withheld, &unlike),
        ];
        remarks.into_iter().flatten().collect()
    }

    /// The columns of labels that are not among these `labels`, because every row lacks the number for the same reason.
    /// Each gives a remark.
    pub fn never_scored(
        &self,
        columns: &[String],
        labels: &[usize],
        rows: &[Vec<String>],
        remarks: &mut Vec<String>,
    ) -> Vec<usize> {
        let is_held_back = |column: &usize| {
            let name = &columns[*column];
            !labels.contains(column) && rows.iter().any(|row| self.names(row).contains(name))
        };
        let without: Vec<usize> = (0..columns.len()).filter(is_held_back).collect();
        remarks.extend(without.iter().map(|column| {
            format!(
                "column {} has no score in any row: the images are unlike those that it was \
                 learned from",
                columns[*column]
            )
        }));
        without
    }

    /// The labels without a number in a row: a list in JSON, else separated by semicolons.
    fn names(&self, row: &[String]) -> Vec<String> {
        let cell = self.withheld.map_or("", |column| row[column].as_str());
        serde_json::from_str(cell).unwrap_or_else(|_| {
            let names = cell.split("; ").filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        })
    }
}

/// The kinds of columns.
#[derive(Debug, PartialEq, Eq)]
enum ScoreColumn {
    /// Scores, and cells without one.
    Scores,
    /// Scores, and another value in the row of that number, counted from 0: most likely a mistake.
    Mixed(usize),
    /// Only cells that say that there is no score.
    Missing,
    Other,
}

impl ScoreColumn {
    fn of(rows: &[Vec<String>], column: usize) -> Self {
        let cells = || rows.iter().map(|row| row[column].as_str()).enumerate();
        let mut others =
            cells().filter(|(_, cell)| !is_without_score(cell) && score(cell).is_none());
        let mut scores = cells().filter_map(|(_, cell)| score(cell));
        match others.next() {
            None if scores.next().is_some() => ScoreColumn::Scores,
            None if cells().any(|(_, cell)| !cell.trim().is_empty()) => ScoreColumn::Missing,
            // Names and whole numbers are not meant as scores.
            Some((row, _)) if scores.any(is_fraction) => ScoreColumn::Mixed(row),
            _ => ScoreColumn::Other,
        }
    }
}

fn is_fraction(score: f64) -> bool {
    score > 0.0 && score < 1.0
}

/// The score in a cell, as the model gave it: thresholds of the card are compared with that number.
pub fn score(cell: &str) -> Option<f64> {
    let score = Score::new(number(cell)?, ScoreKind::Sigmoid)?;
    Some(score.value().into())
}

/// Whether a cell says that there is no score, in one of the ways that programs write that.
pub fn is_without_score(cell: &str) -> bool {
    let is_infinite = |number: f64| number.is_infinite();
    is_missing(cell) || cell.trim().parse().is_ok_and(is_infinite)
}
