//! Marks of a study beside the lesions of its reference standard.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::thread;

use super::readings::{ReaderRow, read};
use super::references::ReferenceCases;
use crate::commands::shared::available_cores;
use crate::commands::shared::study::LoadedStudy;
use crate::domain::{FilmShape, LocalisationRule, Mark, MarkKind};
use crate::evaluation::boxes::{FilmBox, FilmPoint};
use crate::evaluation::reader_study::{
    LesionCase, MODES, MarkPlace, MarkScore, MarkedReading, PlacedMark, ReaderStudyReport,
};
use crate::export::Cell;
use crate::imaging::{DecodeLimits, Decoder, own_program};
use crate::study::LocalisationTask;

const NO_REFERENCE: &str = "no reference standard";
const NO_BOX: &str = "positive without a box";
const STRAY_BOX: &str = "negative with a box";
const NO_FILM: &str = "its film cannot be opened";

/// Columns of the table of marks.
pub const COLUMNS: [&str; 14] = [
    "reader",
    "image_sha256",
    "label",
    "mode",
    "mark",
    "kind",
    "x1",
    "y1",
    "x2",
    "y2",
    "rating",
    "scored",
    "lesion",
    "lesions",
];

/// The readings of a study with marks on lesions, as the statistics take them.
pub struct MarkedStudy {
    task: LocalisationTask,
    readings: Vec<RowWithMarks>,
}

/// A reading with marks.
struct RowWithMarks {
    /// As the statistics take it.
    marked: MarkedReading,
    /// The marks as they were made, in the order of [`MODES`].
    marks: [Option<Vec<Mark>>; 2],
    /// Whether the reader had seen the answer before.
    was_seen: bool,
}

impl MarkedStudy {
    /// Opens the films with lesions, for their sizes. `None` where the study asks for no marks, or there is no reference
    /// standard with boxes.
    pub fn of(
        study: Option<&LoadedStudy>,
        readings: &[ReaderRow],
        references: &ReferenceCases,
    ) -> Option<Self> {
        let study = study?;
        let task = study.file.localisation.clone()?;
        if !references.has_boxes() {
            return None;
        }
        let own: Vec<&ReaderRow> = readings
            .iter()
            .filter(|reading| reading.blinded.asked.contains(&task.question))
            .collect();
        let shapes = shapes(study, &own, references);
        let readings = own.into_iter().map(|row| {
            let case = case(row, &task, references, &shapes);
            let shape = match &case {
                LesionCase::Lesions { shape, .. } => Some(*shape),
                LesionCase::Normal | LesionCase::LeftOut(_) => None,
            };
            let placed = |marks: &Option<Vec<Mark>>| {
                let marks = marks.as_ref()?.iter();
                Some(marks.map(|mark| placed(mark, shape, task.rule)).collect())
            };
            let call = read(row, &task.question, references);
            let marked = MarkedReading {
                reader: row.word.reviewer.clone(),
                image: row.word.image.sha256.clone(),
                patient: call.patient,
                case,
                marks: [0, 1].map(|mode| placed(&row.marks[mode])),
            };
            RowWithMarks {
                marked,
                marks: row.marks.clone(),
                was_seen: row.was_seen,
            }
        });
        let readings = readings.collect();
        Some(MarkedStudy { task, readings })
    }

    /// Adds the figure to the report of its question. Readings whose answers were seen before do not enter it.
    pub fn add_to(&self, reports: &mut [ReaderStudyReport]) {
        let counted = self.readings.iter().filter(|row| !row.was_seen);
        let readings: Vec<MarkedReading> = counted.map(|row| row.marked.clone()).collect();
        let mut reports = reports.iter_mut();
        if let Some(report) = reports.find(|report| report.label == self.task.question) {
            report.add_localisation(self.task.rule, self.task.figure, &readings);
        }
    }

    /// One row for each mark, and one for each lesion without a mark.
    pub fn rows(&self) -> Vec<Vec<Cell>> {
        let mut rows = Vec::new();
        for row in &self.readings {
            for mode in 0..MODES.len() {
                if let Some(marks) = &row.marks[mode] {
                    let seen = row.was_seen.then_some("answer seen before");
                    self.rows_of(&row.marked, mode, marks, seen, &mut rows);
                }
            }
        }
        rows
    }

    fn rows_of(
        &self,
        marked: &MarkedReading,
        mode: usize,
        marks: &[Mark],
        seen: Option<&str>,
        rows: &mut Vec<Vec<Cell>>,
    ) {
        let scores = marked.scores(mode, self.task.rule);
        let lesions = match &marked.case {
            LesionCase::Lesions { boxes, .. } => boxes.len(),
            LesionCase::Normal | LesionCase::LeftOut(_) => 0,
        };
        let left_out = match &marked.case {
            LesionCase::LeftOut(reason) => reason,
            LesionCase::Lesions { .. } | LesionCase::Normal => "",
        };
        let mut row = |mark: Option<(usize, &Mark)>, scored: &str, lesion: Option<usize>| {
            let mut cells = vec![
                Cell::text(&marked.reader),
                Cell::text(&marked.image),
                Cell::text(&self.task.question),
                Cell::text(MODES[mode]),
                number(mark.map(|(at, _)| at + 1)),
                mark.map_or(Cell::Empty, |(_, mark)| Cell::text(mark.kind.word())),
            ];
            for at in 0..2 {
                let point = mark.and_then(|(_, mark)| mark.points.get(at));
                let place = point.map(|point| point.pixels());
                cells.push(Cell::number(place.map(|(x, _)| x), POINT_DECIMALS));
                cells.push(Cell::number(place.map(|(_, y)| y), POINT_DECIMALS));
            }
            cells.extend([
                number(mark.and_then(|(_, mark)| mark.confidence).map(usize::from)),
                Cell::text(seen.unwrap_or(scored)),
                number(lesion.map(|lesion| lesion + 1)),
                number(Some(lesions)),
            ]);
            rows.push(cells);
        };
        for (at, mark) in marks.iter().enumerate() {
            let (scored, lesion) = match scores.as_ref().map(|scores| scores[at]) {
                None => (left_out, None),
                Some(MarkScore::OnLesion(lesion)) => ("lesion", Some(lesion)),
                Some(MarkScore::Again(lesion)) => ("again", Some(lesion)),
                Some(MarkScore::Elsewhere) => ("no lesion", None),
                Some(MarkScore::Unrated) => ("unrated", None),
                Some(MarkScore::NotTaken) => ("not taken", None),
            };
            row(Some((at, mark)), scored, lesion);
        }
        let found: HashSet<usize> = scores
            .iter()
            .flatten()
            .filter_map(|score| match score {
                MarkScore::OnLesion(lesion) => Some(*lesion),
                _ => None,
            })
            .collect();
        for lesion in (0..lesions).filter(|lesion| !found.contains(lesion)) {
            row(None, "missed", Some(lesion));
        }
    }
}

const POINT_DECIMALS: usize = 2;

fn number(number: Option<usize>) -> Cell {
    let number = number.and_then(|number| u64::try_from(number).ok());
    number.map_or(Cell::Empty, |number| Cell::Nested(number.into()))
}

/// What the reference standard says of an image.
fn case(
    row: &ReaderRow,
    task: &LocalisationTask,
    references: &ReferenceCases,
    shapes: &HashMap<String, FilmShape>,
) -> LesionCase {
    let boxes = boxes(row, references);
    match (read(row, &task.question, references).truth, boxes) {
        (None, _) => LesionCase::LeftOut(NO_REFERENCE),
        (Some(true), []) => LesionCase::LeftOut(NO_BOX),
        (Some(false), []) => LesionCase::Normal,
        (Some(false), _) => LesionCase::LeftOut(STRAY_BOX),
        (Some(true), boxes) => match shapes.get(&row.word.image.sha256) {
            None => LesionCase::LeftOut(NO_FILM),
            Some(shape) => LesionCase::Lesions {
                boxes: boxes.to_vec(),
                shape: *shape,
            },
        },
    }
}

fn boxes<'a>(row: &ReaderRow, references: &'a ReferenceCases) -> &'a [FilmBox] {
    let case = references.of_image(&row.word.image);
    case.map_or(&[][..], |case| &case.boxes)
}

/// The shapes of the films with lesions, by content. A film that cannot be opened, or has another content by now, has none.
fn shapes(
    study: &LoadedStudy,
    readings: &[&ReaderRow],
    references: &ReferenceCases,
) -> HashMap<String, FilmShape> {
    let with_lesions: HashSet<&str> = readings
        .iter()
        .filter(|row| !boxes(row, references).is_empty())
        .map(|row| row.word.image.sha256.as_str())
        .collect();
    let listed = study.list.cases.iter();
    let films: Vec<(String, PathBuf)> = listed
        .map(|case| (case.content.to_string(), study.case_file(case)))
        .filter(|(content, _)| with_lesions.contains(content.as_str()))
        .collect();
    let share = films.len().div_ceil(available_cores()).max(1);
    let shapes_of = |films: &[(String, PathBuf)]| -> Vec<(String, FilmShape)> {
        let decoder = Decoder::new(DecodeLimits::default(), own_program().ok());
        let shape = |(content, file): &(String, PathBuf)| {
            let film = decoder.open(file).ok()?;
            (film.content.to_string() == *content).then(|| {
                let shape = FilmShape {
                    width: film.width as f64,
                    height: film.height as f64,
                    pixel_aspect: film.pixel_aspect,
                };
                (content.clone(), shape)
            })
        };
        films.iter().filter_map(shape).collect()
    };
    thread::scope(|scope| {
        let shares: Vec<_> = films
            .chunks(share)
            .map(|films| scope.spawn(|| shapes_of(films)))
            .collect();
        let found = shares.into_iter();
        found
            .flat_map(|share| share.join().unwrap_or_default())
            .collect()
    })
}

/// A mark in fractions of a film of this shape.
fn placed(mark: &Mark, shape: Option<FilmShape>, rule: LocalisationRule) -> PlacedMark {
    let is_taken = rule.takes(mark.kind);
    PlacedMark {
        place: shape
            .filter(|_| is_taken)
            .and_then(|shape| place(mark, shape)),
        is_taken,
        rating: mark.confidence,
    }
}

fn place(mark: &Mark, shape: FilmShape) -> Option<MarkPlace> {
    let point = |at: usize| {
        let (x, y) = mark.points.get(at)?.pixels();
        Some(FilmPoint {
            x: x / shape.width,
            y: y / shape.height,
        })
    };
    let first = point(0)?;
    if mark.kind != MarkKind::Box {
        return Some(MarkPlace::Point(first));
    }
    let second = point(1)?;
    let (left, top) = (first.x.min(second.x), first.y.min(second.y));
    let (width, height) = ((first.x - second.x).abs(), (first.y - second.y).abs());
    let drawn = FilmBox::new(left, top, width, height).ok();
    drawn.map(MarkPlace::Box)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FilmScale, MarkPoint};

    const SHAPE: FilmShape = FilmShape {
        width: 400.0,
        height: 200.0,
        pixel_aspect: 1.0,
    };

    fn mark(kind: MarkKind, points: &[(f64, f64)]) -> Mark {
        let points = points.iter().map(|(x, y)| MarkPoint::at(*x, *y)).collect();
        Mark::new(kind, points, FilmScale::PIXELS).unwrap()
    }

    #[test]
    fn a_mark_of_stored_pixels_is_one_of_fractions() {
        let point = mark(MarkKind::Point, &[(100.0, 50.0)]);
        let expected = MarkPlace::Point(FilmPoint { x: 0.25, y: 0.25 });
        assert_eq!(place(&point, SHAPE), Some(expected));
        let expected = FilmBox::new(0.25, 0.25, 0.5, 0.5).unwrap();
        for corners in [
            [(100.0, 50.0), (300.0, 150.0)],
            [(300.0, 50.0), (100.0, 150.0)],
        ] {
            let drawn = mark(MarkKind::Box, &corners);
            assert_eq!(place(&drawn, SHAPE), Some(MarkPlace::Box(expected)));
        }
    }

    #[test]
    fn a_ruler_is_not_taken_and_without_a_size_there_is_no_place() {
        let ruler = mark(MarkKind::Ruler, &[(1.0, 1.0), (2.0, 2.0)]);
        let found = placed(&ruler, Some(SHAPE), LocalisationRule::Inside);
        assert!(!found.is_taken && found.place.is_none());
        let point = mark(MarkKind::Point, &[(1.0, 1.0)]);
        let found = placed(&point, None, LocalisationRule::Inside);
        assert!(found.is_taken && found.place.is_none());
        assert!(!placed(&point, Some(SHAPE), LocalisationRule::Overlap(500)).is_taken);
    }
}
