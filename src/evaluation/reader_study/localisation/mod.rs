//! Marks with ratings on the lesions of one question: the area under the (weighted) AFROC curve of each reader in each mode,
//! compared like the other figures ("JAFROC"; papers in [`froc`](crate::evaluation::statistics::froc)).
//!
//! An image enters it with its lesions, or as a normal one. Marks of an image with lesions that are on none of them are counted
//! and do not enter the figure, as the papers have it.

mod scoring;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

pub use scoring::{MarkPlace, MarkScore, PlacedMark, scores};

use super::compared::BothModes;
use super::primary::{AnalysedFigure, UStatisticsFault, analysed};
use super::{Known, MODES, ModeComparison, names};
use crate::domain::{FilmShape, LocalisationFigure, LocalisationRule};
use crate::evaluation::boxes::FilmBox;
use crate::evaluation::statistics::froc::{
    FrocCase, FrocMarks, FrocStudy, LesionWeighting, froc_figures,
};
use crate::evaluation::statistics::mrmc::FiguresOfMerit;

/// What the reference standard says of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum LesionCase {
    /// With lesions, on a film of this shape.
    Lesions {
        boxes: Vec<FilmBox>,
        shape: FilmShape,
    },
    Normal,
    /// It enters no figure, for this reason.
    LeftOut(&'static str),
}

/// The marks of one reader on one image.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkedReading {
    pub reader: String,
    /// A name of the image that is the same for all readers.
    pub image: String,
    pub patient: String,
    pub case: LesionCase,
    /// Aided, unaided; `None` where the image was not read in that mode.
    pub marks: [Option<Vec<PlacedMark>>; 2],
}

impl MarkedReading {
    /// The score of each mark of a mode; `None` where the image was not read, or is left out.
    pub fn scores(&self, mode: usize, rule: LocalisationRule) -> Option<Vec<MarkScore>> {
        let marks = self.marks[mode].as_ref()?;
        let (boxes, shape) = match &self.case {
            LesionCase::Lesions { boxes, shape } => (&boxes[..], *shape),
            LesionCase::Normal => (&[][..], NO_SHAPE),
            LesionCase::LeftOut(_) => return None,
        };
        Some(scores(marks, boxes, shape, rule))
    }
}

/// Of an image without lesions no distance is measured.
const NO_SHAPE: FilmShape = FilmShape {
    width: 1.0,
    height: 1.0,
    pixel_aspect: 1.0,
};

/// The marks of a question: what entered the figure, and what did not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LocalisationReport {
    /// A mark is on a lesion if …
    pub rule: String,
    pub figure: &'static str,
    /// Images that were read: with lesions, without, and those that enter no figure, by reason. They are all.
    pub lesion_images: usize,
    pub lesions: usize,
    pub normal_images: usize,
    pub left_out: BTreeMap<&'static str, usize>,
    /// By reader, aided and unaided.
    pub by_reader: Vec<MarksOfReader>,
}

/// The marks of one reader in one mode. Those on images that are left out are counted apart; the others are `on_lesions` +
/// `again` + `on_normal` + `beside_lesions` + `unrated` + `not_taken`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MarksOfReader {
    pub reader: String,
    pub mode: &'static str,
    /// The area under the curve, of the images that are compared.
    pub value: Known<f64>,
    /// What was read.
    pub lesion_images: usize,
    pub lesions: usize,
    pub normal_images: usize,
    /// Lesions with a mark.
    pub on_lesions: usize,
    /// Marks on a lesion that had a higher one.
    pub again: usize,
    /// Marks on no lesion: of normal images, which enter the figure, and of images with lesions, which do not.
    pub on_normal: usize,
    pub beside_lesions: usize,
    /// Marks without a rating, and marks of a kind that the rule does not take. They enter nothing.
    pub unrated: usize,
    pub not_taken: usize,
    /// Marks on images that are left out.
    pub on_left_out: usize,
}

/// The figure of all readers in both modes.
pub fn localisation(
    rule: LocalisationRule,
    figure: LocalisationFigure,
    readings: &[MarkedReading],
) -> (LocalisationReport, ModeComparison) {
    let table = MarkTable::of(rule, readings);
    let weighting = match figure {
        LocalisationFigure::WeightedAfroc => LesionWeighting::Cases,
        LocalisationFigure::Afroc => LesionWeighting::Lesions,
    };
    let mut figures = froc_figures(&table.study, weighting);
    let entered = figures.all_cases();
    let mut images = table.study.cases.len();
    if !figures.readers.is_empty() && entered.len() < images {
        // Cases that only others marked would count as patients of the jackknife.
        images = entered.len();
        figures = FiguresOfMerit {
            left_out: figures.left_out,
            ..froc_figures(&table.study.only_cases(&entered), weighting)
        };
    }
    let entered: Vec<String> = figures
        .readers
        .iter()
        .map(|reader| table.readers[*reader].clone())
        .collect();
    let left_out_readers = figures.left_out.iter().map(|out| {
        let reason = table.reason(out.reader, out.reason.to_string());
        (table.readers[out.reader].clone(), reason)
    });
    let comparison = analysed(AnalysedFigure {
        name: figure.word(),
        images,
        modes: &table.compared.mode_names(),
        readers: &table.readers,
        figures: &figures,
        left_out: left_out_readers.collect(),
        readings: table.compared.counts(&entered, |_| true),
        u_statistics: Err(UStatisticsFault::OfMarks),
    });
    let count = |is: fn(&LesionCase) -> bool| table.images.iter().filter(|case| is(case)).count();
    let report = LocalisationReport {
        rule: rule.words(),
        figure: figure.word(),
        lesion_images: count(|case| matches!(case, LesionCase::Lesions { .. })),
        lesions: table
            .study
            .cases
            .iter()
            .map(|case| case.lesions.len())
            .sum(),
        normal_images: count(|case| matches!(case, LesionCase::Normal)),
        left_out: left_out(&table.images),
        by_reader: table.by_reader(rule, readings, &figures),
    };
    (report, comparison)
}

fn left_out(images: &[&LesionCase]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for case in images {
        if let LesionCase::LeftOut(reason) = case {
            *counts.entry(*reason).or_default() += 1;
        }
    }
    counts
}

/// The readings as the statistics take them.
struct MarkTable<'a> {
    study: FrocStudy,
    readers: Vec<String>,
    /// Which of the readings are compared: those of images that the same reader read in both modes.
    compared: BothModes,
    /// Each image once, also those that are left out.
    images: Vec<&'a LesionCase>,
}

impl<'a> MarkTable<'a> {
    fn of(rule: LocalisationRule, readings: &'a [MarkedReading]) -> Self {
        let readers: Vec<String> = names_of(readings, |reading| &reading.reader);
        let number: HashMap<&str, usize> = (0..)
            .zip(&readers)
            .map(|(at, name)| (name.as_str(), at))
            .collect();
        let values = readings.iter().map(|reading| {
            let has = |marks: &Option<Vec<PlacedMark>>| {
                marks.is_some() && !matches!(reading.case, LesionCase::LeftOut(_))
            };
            let [aided, unaided] = &reading.marks;
            (reading.reader.as_str(), [has(aided), has(unaided)])
        });
        let compared = BothModes::of(values, "read");
        let (mut cases, mut images) = (Vec::new(), Vec::new());
        let mut places: HashMap<&str, Option<usize>> = HashMap::new();
        for reading in readings {
            places.entry(&reading.image).or_insert_with(|| {
                images.push(&reading.case);
                let lesions = match &reading.case {
                    LesionCase::Lesions { boxes, .. } => vec![1.0; boxes.len()],
                    LesionCase::Normal => Vec::new(),
                    LesionCase::LeftOut(_) => return None,
                };
                cases.push(FrocCase {
                    patient: reading.patient.clone(),
                    lesions,
                });
                Some(cases.len() - 1)
            });
        }
        let mut marks: HashMap<(usize, usize), Vec<Option<FrocMarks>>> = HashMap::new();
        let kept = readings.iter().enumerate();
        for (_, reading) in kept.filter(|(at, _)| compared.is_kept(*at)) {
            let (Some(Some(case)), Some(reader)) = (
                places.get(reading.image.as_str()),
                number.get(reading.reader.as_str()),
            ) else {
                continue;
            };
            for (place, mode) in compared.modes.iter().enumerate() {
                let Some(scores) = reading.scores(*mode, rule) else {
                    continue;
                };
                let row = marks
                    .entry((place, *reader))
                    .or_insert_with(|| vec![None; cases.len()]);
                let rated = reading.marks[*mode].as_deref().unwrap_or_default();
                row[*case] = Some(ratings(rated, &scores, cases[*case].lesions.len()));
            }
        }
        MarkTable {
            study: FrocStudy {
                modes: compared.modes.len(),
                readers: readers.len(),
                cases,
                marks,
            },
            readers,
            compared,
            images,
        }
    }

    /// Why a reader has no figure: `reason`, unless nothing of this reader can be compared.
    fn reason(&self, reader: usize, reason: String) -> String {
        let mut all = self.compared.left_out.iter();
        let own = all.find(|(name, _)| *name == self.readers[reader]);
        own.map_or(reason, |(_, own)| own.clone())
    }

    fn by_reader(
        &self,
        rule: LocalisationRule,
        readings: &[MarkedReading],
        figures: &FiguresOfMerit,
    ) -> Vec<MarksOfReader> {
        let mut all = Vec::new();
        for (reader, name) in self.readers.iter().enumerate() {
            for at in self.read_modes(readings) {
                let mode = MODES[at];
                let own = readings.iter().filter(|reading| reading.reader == *name);
                let mut found = MarksOfReader::none(name, mode);
                own.for_each(|reading| found.count(reading, rule));
                let place = self.compared.modes.iter().position(|known| *known == at);
                let cell = figures.readers.iter().position(|known| *known == reader);
                found.value = match place.zip(cell) {
                    Some((place, cell)) => {
                        Known::Value(figures.cells[place * figures.readers.len() + cell].value)
                    }
                    None => self.undefined(reader, figures),
                };
                all.push(found);
            }
        }
        all
    }

    /// The modes in which anything was read, also on images that are left out.
    fn read_modes(&self, readings: &[MarkedReading]) -> Vec<usize> {
        let read = |mode: &usize| {
            readings
                .iter()
                .any(|reading| reading.marks[*mode].is_some())
        };
        (0..MODES.len()).filter(read).collect()
    }

    fn undefined(&self, reader: usize, figures: &FiguresOfMerit) -> Known<f64> {
        let mut all = figures.left_out.iter();
        let out = all.find(|out| out.reader == reader);
        let words = out.map(|out| self.reason(reader, out.reason.to_string()));
        Known::Undefined {
            undefined: words.unwrap_or_default(),
        }
    }
}

/// The ratings of marks on lesions, and of those on none.
fn ratings(marks: &[PlacedMark], scores: &[MarkScore], lesions: usize) -> FrocMarks {
    let mut found = FrocMarks {
        lesions: vec![None; lesions],
        false_marks: Vec::new(),
    };
    for (mark, score) in marks.iter().zip(scores) {
        let rating = mark.rating.map(f64::from);
        match score {
            MarkScore::OnLesion(lesion) => found.lesions[*lesion] = rating,
            MarkScore::Elsewhere => found.false_marks.extend(rating),
            MarkScore::Again(_) | MarkScore::Unrated | MarkScore::NotTaken => {}
        }
    }
    found
}

impl MarksOfReader {
    fn none(reader: &str, mode: &'static str) -> Self {
        MarksOfReader {
            reader: reader.to_owned(),
            mode,
            value: Known::Undefined {
                undefined: String::new(),
            },
            lesion_images: 0,
            lesions: 0,
            normal_images: 0,
            on_lesions: 0,
            again: 0,
            on_normal: 0,
            beside_lesions: 0,
            unrated: 0,
            not_taken: 0,
            on_left_out: 0,
        }
    }

    fn count(&mut self, reading: &MarkedReading, rule: LocalisationRule) {
        let Some(mode) = MODES.iter().position(|mode| *mode == self.mode) else {
            return;
        };
        let Some(marks) = &reading.marks[mode] else {
            return;
        };
        let Some(scores) = reading.scores(mode, rule) else {
            self.on_left_out += marks.len();
            return;
        };
        let elsewhere = match &reading.case {
            LesionCase::Lesions { boxes, .. } => {
                self.lesion_images += 1;
                self.lesions += boxes.len();
                &mut self.beside_lesions
            }
            LesionCase::Normal | LesionCase::LeftOut(_) => {
                self.normal_images += 1;
                &mut self.on_normal
            }
        };
        *elsewhere += scores
            .iter()
            .filter(|score| **score == MarkScore::Elsewhere)
            .count();
        for score in scores {
            match score {
                MarkScore::OnLesion(_) => self.on_lesions += 1,
                MarkScore::Again(_) => self.again += 1,
                MarkScore::Unrated => self.unrated += 1,
                MarkScore::NotTaken => self.not_taken += 1,
                MarkScore::Elsewhere => {}
            }
        }
    }
}

/// Different names, in the order in which they come.
fn names_of(readings: &[MarkedReading], of: impl Fn(&MarkedReading) -> &String) -> Vec<String> {
    names(readings, of).into_iter().map(str::to_owned).collect()
}
