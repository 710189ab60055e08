//! The state of making marks on the image on the screen.

use std::path::Path;
use std::sync::Arc;

use super::Model;
use crate::domain::{
    ContentId, FilmScale, Mark, MarkDrawing, MarkKind, MarkLayer, MarkPoint, MarkTone, Measured,
};

/// How far one press of a key moves the cursor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MarkStep {
    /// Four cells of the screen.
    #[default]
    Coarse,
    /// A cell of the screen.
    Cell,
    /// A stored pixel.
    Pixel,
}

impl MarkStep {
    /// The next one; after the finest the coarsest.
    pub fn next(self) -> Self {
        match self {
            MarkStep::Coarse => MarkStep::Cell,
            MarkStep::Cell => MarkStep::Pixel,
            MarkStep::Pixel => MarkStep::Coarse,
        }
    }

    /// The word on the screen.
    pub fn word(self) -> &'static str {
        match self {
            MarkStep::Coarse => "4 cells",
            MarkStep::Cell => "1 cell",
            MarkStep::Pixel => "1 pixel",
        }
    }
}

/// A mark that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkDraft {
    pub kind: MarkKind,
    /// The points that are set.
    pub points: Vec<MarkPoint>,
    /// All points that the model offers, until the reader has confirmed or moved each of them.
    pub offered: Option<Vec<MarkPoint>>,
}

impl MarkDraft {
    /// A mark without points.
    pub fn new(kind: MarkKind) -> Self {
        MarkDraft {
            kind,
            points: Vec::new(),
            offered: None,
        }
    }

    /// The points that are set, then the one at the cursor, then what else the model offers.
    pub fn with(&self, cursor: MarkPoint) -> Vec<MarkPoint> {
        let set = self.points.iter().copied().chain([cursor]);
        let offered = self.offered.iter().flatten().copied();
        let points = set.chain(offered.skip(self.points.len() + 1));
        points.take(self.kind.points()).collect()
    }

    /// The place of the next point, in words.
    pub fn next_words(&self) -> &'static str {
        match (self.kind, self.points.len()) {
            (MarkKind::Ruler, 0) => "one end",
            (MarkKind::Ruler, _) => "the other end",
            (MarkKind::CardiothoracicRatio, 0) => "heart, one border",
            (MarkKind::CardiothoracicRatio, 1) => "heart, the other border",
            (MarkKind::CardiothoracicRatio, 2) => "thorax, one inner border",
            (MarkKind::CardiothoracicRatio, _) => "thorax, the other inner border",
            (MarkKind::Angle, 0) => "end of one line",
            (MarkKind::Angle, 1) => "where the lines meet",
            (MarkKind::Angle, _) => "end of the other line",
            (MarkKind::Point, _) => "the place",
            (MarkKind::Box, 0) => "one corner",
            (MarkKind::Box, _) => "the opposite corner",
        }
    }
}

/// Making marks.
#[derive(Debug, Default)]
pub struct Marking {
    /// Where a key sets a point. `None` until the image has been opened.
    pub cursor: Option<MarkPoint>,
    pub step: MarkStep,
    pub draft: Option<MarkDraft>,
    /// The mark that a key acts on, if it is still there.
    pub selected: Option<Mark>,
    /// The mark whose label is being typed.
    pub labelled: Option<Mark>,
    /// Whether marks are hidden while none is being made.
    pub are_hidden: bool,
    /// The lung fields were asked for, because lines can be offered by them.
    pub wants_offer: bool,
    /// The image that the rest is about.
    pub of: Option<(Arc<Path>, ContentId)>,
}

impl Marking {
    /// Forgets what is about one image.
    pub fn leave(&mut self) {
        *self = Marking {
            step: self.step,
            are_hidden: self.are_hidden,
            ..Marking::default()
        };
    }
}

impl Model {
    /// The reader's marks on the selected image, unless they must not be shown now or belong to another image.
    pub fn marks(&self) -> &[Mark] {
        let list = &self.worklist;
        let Some(state) = list.shown_opinion(list.cursor()) else {
            return &[];
        };
        let opened = self.viewer.facts.as_ref().map(|facts| facts.content);
        let is_of_another = opened.is_some_and(|content| state.content() != Some(content));
        if is_of_another {
            &[]
        } else {
            &state.opinion.marks
        }
    }

    /// Where the cursor of marks is on the film, as shares of its width and height, while marks are made.
    pub fn mark_cursor(&self) -> Option<(f64, f64)> {
        let shape = self.viewer.facts.as_ref()?.shape();
        let (x, y) = self.marking.cursor.filter(|_| self.is_marking())?.pixels();
        Some((x / shape.width, y / shape.height))
    }

    /// Whether marks of this kind are marks on lesions, and so need a rating.
    pub fn localises(&self, kind: MarkKind) -> bool {
        let rule = self.study_sitting().and_then(|sitting| sitting.localises);
        rule.is_some_and(|rule| rule.takes(kind))
    }

    /// The number, from 1, of the first mark on a lesion that has no rating.
    pub fn unrated_mark(&self) -> Option<usize> {
        let is_unrated = |mark: &Mark| self.localises(mark.kind) && mark.confidence.is_none();
        let at = self.marks().iter().position(is_unrated);
        at.map(|at| at + 1)
    }

    /// Whether the mark whose label is asked for is one on a lesion.
    pub fn asks_for_rating(&self) -> bool {
        let labelled = self.marking.labelled.as_ref();
        labelled.is_some_and(|mark| self.localises(mark.kind))
    }

    /// What was typed about the mark whose label is asked for. A number alone is the rating of a mark on a lesion, where a
    /// label needs the per cent sign.
    pub fn label_typed(&self, typed: &str) -> String {
        let number = typed.trim();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && self.asks_for_rating() {
            format!("{number}%")
        } else {
            typed.to_owned()
        }
    }

    /// The mark that a key acts on, and its number from 1.
    pub fn selected_mark(&self) -> Option<(usize, &Mark)> {
        let selected = self.marking.selected.as_ref()?;
        let mut all = self.marks().iter().zip(1..);
        let found = all.find(|(mark, _)| *mark == selected);
        found.map(|(mark, number)| (number, mark))
    }

    /// By what marks on the image on the screen are measured.
    pub fn film_scale(&self) -> FilmScale {
        let facts = self.viewer.facts.as_ref();
        facts.map_or(FilmScale::PIXELS, |facts| facts.scale)
    }

    /// What the mark that is being made measures so far, with the cursor as its next point.
    pub fn draft_measure(&self) -> Option<Measured> {
        let draft = self.marking.draft.as_ref()?;
        let points = draft.with(self.marking.cursor?);
        let kind = match (draft.kind, points.len()) {
            // The width of the heart alone.
            (MarkKind::CardiothoracicRatio, 2) => MarkKind::Ruler,
            (kind, _) => kind,
        };
        Some(Measured::of(kind, &points, self.film_scale()))
    }

    /// The lines of the cardiothoracic ratio that the model offers: those of its own ratio, where that may be shown.
    pub fn offered_ratio(&self) -> Option<Vec<MarkPoint>> {
        let lungs = self.prediction()?.lungs?;
        lungs.cardiothoracic_ratio?;
        let points = self.lung_fields()?.heart_points()?;
        Some(points.map(|(x, y)| MarkPoint::at(x, y)).to_vec())
    }

    /// Whether the model has a cardiothoracic ratio of this image, but its lines would have to be computed again: a
    /// prediction of the cache, and one of background scoring, has no lung fields.
    pub fn lacks_offer(&self) -> bool {
        let lungs = self.prediction().and_then(|prediction| prediction.lungs);
        let has_ratio = lungs.is_some_and(|lungs| lungs.cardiothoracic_ratio.is_some());
        has_ratio && self.lung_fields().is_none()
    }

    /// What is drawn over the picture; `None` without anything.
    pub fn mark_layer(&self) -> Option<Arc<MarkLayer>> {
        let list = &self.worklist;
        let content = match &self.viewer.facts {
            Some(facts) => facts.content,
            None => list.shown_opinion(list.cursor())?.content()?,
        };
        let is_marking = self.is_marking();
        let selected = self.marking.selected.as_ref().filter(|_| is_marking);
        let shown = if self.marking.are_hidden && !is_marking {
            &[]
        } else {
            self.marks()
        };
        let cursor = self.marking.cursor.filter(|_| is_marking);
        let draft = self.marking.draft.as_ref().zip(cursor);
        let draft = draft.map(|(draft, cursor)| MarkDrawing {
            kind: draft.kind,
            points: draft.with(cursor),
            number: None,
            tone: if draft.offered.is_some() {
                MarkTone::Offered
            } else {
                MarkTone::Selected
            },
        });
        let marks = drawings(shown, selected).chain(draft).collect();
        let layer = MarkLayer {
            content,
            marks,
            cursor,
        };
        let is_empty = layer.marks.is_empty() && layer.cursor.is_none();
        (!is_empty).then(|| Arc::new(layer))
    }

    /// What is drawn over the picture of the film beside the selected one: the reader's marks on it. `None` without any,
    /// while marks are hidden, and while an answer of one of the two is hidden, which they may tell.
    pub fn compared_mark_layer(&self) -> Option<Arc<MarkLayer>> {
        let film = &self.comparison.film;
        let content = film.facts.as_ref()?.content;
        let (index, _) = film.source.as_ref()?;
        let are_hidden = self.marking.are_hidden && !self.is_marking();
        if are_hidden || self.is_compared_hidden() {
            return None;
        }
        let state = self.worklist.shown_opinion_of(*index)?;
        let marks = &state.opinion.marks;
        if marks.is_empty() || state.content() != Some(content) {
            return None;
        }
        Some(Arc::new(MarkLayer {
            content,
            marks: drawings(marks, None).collect(),
            cursor: None,
        }))
    }
}

/// Marks as they are drawn, with their numbers.
fn drawings<'a>(
    marks: &'a [Mark],
    selected: Option<&'a Mark>,
) -> impl Iterator<Item = MarkDrawing> + 'a {
    marks
        .iter()
        .zip(1..)
        .map(move |(mark, number)| MarkDrawing {
            kind: mark.kind,
            points: mark.points.clone(),
            number: Some(number),
            tone: if selected == Some(mark) {
                MarkTone::Selected
            } else {
                MarkTone::Plain
            },
        })
}
