//! The table of all figures of merit.

use crate::evaluation::reader_study::{
    Known, ModeComparison, ReaderStudyReport, StudyDifference, StudyEstimate,
};
use crate::export::Cell;

/// Its columns.
pub const COLUMNS: [&str; 12] = [
    "label",
    "figure",
    "images",
    "reader",
    "mode",
    "analysis",
    "value",
    "low",
    "high",
    "df",
    "p",
    "undefined",
];

/// Of value, bounds, degrees of freedom and p, which is never written as 0.
const DECIMALS: [usize; 5] = [6, 6, 6, 3, 12];
const RANDOM: &str = "random readers and cases";

/// Figures of readers, means and differences. A figure that is undefined has a row with its reason.
pub fn rows(studies: &[ReaderStudyReport]) -> Vec<Vec<Cell>> {
    let of_study = |study: &ReaderStudyReport| -> Vec<Vec<Cell>> {
        let all = study.comparisons.iter();
        all.flat_map(|found| of_figure(&study.label, found))
            .collect()
    };
    studies.iter().flat_map(of_study).collect()
}

fn of_figure(label: &str, found: &ModeComparison) -> Vec<Vec<Cell>> {
    let begin = |reader: &str, mode: &str, analysis: &str| {
        vec![
            Cell::text(label),
            Cell::text(found.figure),
            Cell::Nested((found.images as u64).into()),
            words(reader),
            words(mode),
            words(analysis),
        ]
    };
    let mut rows = Vec::new();
    for own in &found.by_reader {
        let mut row = begin(&own.reader, &own.mode, "");
        row.extend(numbers([Some(own.value), None, None, None, None]));
        row.push(Cell::Empty);
        rows.push(row);
    }
    for (reader, reason) in &found.left_out {
        let mut row = begin(reader, "", "");
        row.extend(numbers([None; 5]));
        row.push(Cell::text(reason));
        rows.push(row);
    }
    for (mode, mean) in [("aided", &found.aided), ("unaided", &found.unaided)] {
        let mut row = begin("", mode, RANDOM);
        row.extend(estimate(mean));
        rows.push(row);
    }
    let differences = [
        (RANDOM, &found.difference),
        ("fixed readers", &found.fixed_readers),
        ("fixed cases", &found.fixed_cases),
        ("U-statistics", &found.u_statistics),
    ];
    for (analysis, found) in differences {
        let mut row = begin("", "aided - unaided", analysis);
        row.extend(difference(found));
        rows.push(row);
    }
    let mut row = begin("", "aided - unaided", "Holm");
    row.extend(numbers([None, None, None, None, found.holm_p]));
    row.push(Cell::Empty);
    rows.extend(found.holm_p.map(|_| row));
    rows
}

fn words(text: &str) -> Cell {
    if text.is_empty() {
        Cell::Empty
    } else {
        Cell::text(text)
    }
}

fn estimate(found: &Known<StudyEstimate>) -> Vec<Cell> {
    let (values, undefined) = match found {
        Known::Value(found) => ([Some(found.value), found.low, found.high, None, None], ""),
        Known::Undefined { undefined } => ([None; 5], undefined.as_str()),
    };
    numbers(values)
        .into_iter()
        .chain([words(undefined)])
        .collect()
}

fn difference(found: &Known<StudyDifference>) -> Vec<Cell> {
    let (values, undefined) = match found {
        Known::Value(found) => {
            let bounds = (Some(found.low), Some(found.high));
            (
                [
                    Some(found.value),
                    bounds.0,
                    bounds.1,
                    found.df,
                    Some(found.p),
                ],
                "",
            )
        }
        Known::Undefined { undefined } => ([None; 5], undefined.as_str()),
    };
    numbers(values)
        .into_iter()
        .chain([words(undefined)])
        .collect()
}

fn numbers(values: [Option<f64>; 5]) -> Vec<Cell> {
    let cells = values.into_iter().zip(DECIMALS);
    cells
        .map(|(value, decimals)| Cell::number(value, decimals))
        .collect()
}
