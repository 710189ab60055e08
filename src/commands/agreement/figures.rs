//! The table of all figures of merit, and of what readers' ratings and times show.

use crate::evaluation::reader_study::{
    Known, ModeComparison, ReaderStudyReport, StudyDifference, StudyEstimate, TimesOfReaders,
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
const BY_JACKKNIFE: &str = "jackknife over patients";
const INTRACLASS: &str = "two-way analysis of variance";
const BLAND_ALTMAN: &str = "Bland-Altman";
const MIXED: &str = "mixed model of logarithms";

/// Figures of readers, means and differences, agreement of ratings, and reading times. A figure that is undefined has a row with
/// its reason.
pub fn rows(studies: &[ReaderStudyReport], times: &TimesOfReaders) -> Vec<Vec<Cell>> {
    let of_study = |study: &ReaderStudyReport| -> Vec<Vec<Cell>> {
        let all = study.comparisons.iter();
        let mut rows: Vec<Vec<Cell>> = all
            .flat_map(|found| of_figure(&study.label, found))
            .collect();
        rows.extend(of_ratings(study));
        rows
    };
    let mut rows: Vec<Vec<Cell>> = studies.iter().flat_map(of_study).collect();
    rows.extend(of_times(times));
    rows
}

/// The columns before the numbers.
struct RowHead<'a> {
    label: &'a str,
    figure: &'a str,
    images: usize,
    reader: &'a str,
    mode: &'a str,
    analysis: &'a str,
}

impl RowHead<'_> {
    fn with(&self, numbers: Vec<Cell>) -> Vec<Cell> {
        let mut row = vec![
            words(self.label),
            Cell::text(self.figure),
            Cell::Nested((self.images as u64).into()),
            words(self.reader),
            words(self.mode),
            words(self.analysis),
        ];
        row.extend(numbers);
        row
    }
}

fn of_ratings(study: &ReaderStudyReport) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    let head = |figure, images, mode, analysis| RowHead {
        label: &study.label,
        figure,
        images,
        reader: "",
        mode,
        analysis,
    };
    for agreement in &study.agreement {
        match &agreement.ratings {
            None => {}
            Some(Known::Undefined { undefined }) => {
                let head = head("ICC(2,1) of ratings", 0, agreement.mode, INTRACLASS);
                rows.push(head.with(estimate(&Known::undefined(undefined))));
            }
            Some(Known::Value(found)) => {
                for (figure, value) in [
                    ("ICC(2,1) of ratings", found.agreement),
                    ("ICC(3,1) of ratings", found.consistency),
                ] {
                    let head = head(figure, found.images, agreement.mode, INTRACLASS);
                    rows.push(head.with(estimate(&Known::Value(value))));
                }
            }
        }
    }
    let mode = "aided - unaided";
    match &study.rating_limits {
        None => {}
        Some(Known::Undefined { undefined }) => {
            let head = head("mean difference of ratings", 0, mode, BLAND_ALTMAN);
            rows.push(head.with(estimate(&Known::undefined(undefined))));
        }
        Some(Known::Value(found)) => {
            for (figure, value) in [
                ("mean difference of ratings", found.bias),
                ("lower limit of agreement of ratings", found.lower),
                ("upper limit of agreement of ratings", found.upper),
            ] {
                let head = head(figure, found.readings, mode, BLAND_ALTMAN);
                rows.push(head.with(estimate(&Known::Value(value))));
            }
        }
    }
    rows
}

fn of_times(times: &TimesOfReaders) -> Vec<Vec<Cell>> {
    let head = |figure, mode| RowHead {
        label: "",
        figure,
        images: times.readings,
        reader: "",
        mode,
        analysis: MIXED,
    };
    let ratio = head("ratio of reading times", "aided / unaided");
    let found = match &times.comparison {
        Known::Undefined { undefined } => {
            return vec![ratio.with(estimate(&Known::undefined(undefined)))];
        }
        Known::Value(found) => found,
    };
    let mut cells = numbers([
        Some(found.ratio),
        Some(found.low),
        Some(found.high),
        Some(found.df),
        Some(found.p),
    ]);
    cells.push(Cell::Empty);
    let mean = |mode, seconds| {
        let mut cells = numbers([Some(seconds), None, None, None, None]);
        cells.push(Cell::Empty);
        head("reading time in seconds, geometric mean", mode).with(cells)
    };
    vec![
        mean("aided", found.aided_seconds),
        mean("unaided", found.unaided_seconds),
        ratio.with(cells),
    ]
}

fn of_figure(label: &str, found: &ModeComparison) -> Vec<Vec<Cell>> {
    let begin = |reader: &str, mode: &str, analysis: &str| {
        let head = RowHead {
            label,
            figure: found.figure,
            images: found.images,
            reader,
            mode,
            analysis,
        };
        head.with(Vec::new())
    };
    let mut rows = Vec::new();
    for own in &found.by_reader {
        let head = RowHead {
            label,
            figure: found.figure,
            images: own.images,
            reader: &own.reader,
            mode: &own.mode,
            analysis: BY_JACKKNIFE,
        };
        let mut cells = numbers([Some(own.value), own.low, own.high, None, None]);
        cells.push(match own.low {
            Some(_) => Cell::Empty,
            None => Cell::text("no interval: nothing varies"),
        });
        rows.push(head.with(cells));
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
