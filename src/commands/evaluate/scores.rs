//! Which columns of a table have scores, and which rows lack one.

use crate::domain::{Score, ScoreKind};
use crate::evaluation::is_missing;
use crate::export::is_label;

/// How many rows without a score are named; the others are counted.
const NAMED: usize = 5;

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

/// A remark about images that the model scored, but not for this label.
pub fn without_scores(
    label: &str,
    column: usize,
    rows: &[Vec<String>],
    status: usize,
    path: usize,
) -> Option<String> {
    let is_scored = |row: &&Vec<String>| matches!(row[status].as_str(), "ok" | "caution");
    let scored = rows.iter().filter(is_scored);
    let without: Vec<&str> = scored
        .clone()
        .filter(|row| score(&row[column]).is_none())
        .map(|row| row[path].as_str())
        .collect();
    if without.is_empty() {
        return None;
    }
    let more = match without.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "{} of {} rows have no score for {label}, and are not in its figures: {}{more}",
        without.len(),
        scored.count(),
        without[..without.len().min(NAMED)].join(", ")
    ))
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

/// The score in a cell, as the model gave it: thresholds of the card are compared with that number. The
/// decimal sign may be a comma, if the cell has only one and no point.
pub fn score(cell: &str) -> Option<f64> {
    let cell = cell.trim();
    let number = match (cell.matches(',').count(), cell.contains('.')) {
        (1, false) => cell.replace(',', ".").parse(),
        _ => cell.parse(),
    };
    let score = Score::new(number.ok()?, ScoreKind::Sigmoid)?;
    Some(score.value().into())
}

/// Whether a cell says that there is no score, in one of the ways that programs write that.
fn is_without_score(cell: &str) -> bool {
    let is_infinite = |number: f64| number.is_infinite();
    is_missing(cell) || cell.trim().parse().is_ok_and(is_infinite)
}
