//! Which lesion a mark is on.

use crate::domain::{FilmShape, LocalisationRule};
use crate::evaluation::boxes::{FilmBox, FilmPoint};

/// Where a mark is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MarkPlace {
    Point(FilmPoint),
    Box(FilmBox),
}

impl MarkPlace {
    fn middle(&self) -> FilmPoint {
        match self {
            MarkPlace::Point(point) => *point,
            MarkPlace::Box(drawn) => drawn.centre(),
        }
    }
}

/// A mark of a reader.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacedMark {
    /// `None` where the size of the film is not known, and for a mark that the rule does not take.
    pub place: Option<MarkPlace>,
    /// Whether the rule takes a mark of its kind.
    pub is_taken: bool,
    /// 0 to 100.
    pub rating: Option<u8>,
}

/// What a mark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkScore {
    /// On the lesion of that number, and of the marks on it the first with the highest rating.
    OnLesion(usize),
    /// On a lesion that another mark is on with at least that rating. It counts neither way.
    Again(usize),
    /// On no lesion.
    Elsewhere,
    /// It has no rating, and so no place in the figure.
    Unrated,
    /// A ruler, say, or a point where boxes are asked for.
    NotTaken,
}

/// The score of each mark on an image with these lesions. A mark that is on several lesions is on the nearest of them, or
/// on the one that it overlaps most.
pub fn scores(
    marks: &[PlacedMark],
    lesions: &[FilmBox],
    shape: FilmShape,
    rule: LocalisationRule,
) -> Vec<MarkScore> {
    let mut scores: Vec<MarkScore> = marks
        .iter()
        .map(|mark| {
            if !mark.is_taken {
                return MarkScore::NotTaken;
            }
            if mark.rating.is_none() {
                return MarkScore::Unrated;
            }
            let on = mark
                .place
                .and_then(|place| lesion_at(place, lesions, shape, rule));
            on.map_or(MarkScore::Elsewhere, MarkScore::OnLesion)
        })
        .collect();
    for lesion in 0..lesions.len() {
        let on = |at: &usize| scores[*at] == MarkScore::OnLesion(lesion);
        let all: Vec<usize> = (0..marks.len()).filter(on).collect();
        // Of equal ratings the first.
        let best = all.iter().copied().rev().max_by_key(|at| marks[*at].rating);
        for at in all.into_iter().filter(|at| Some(*at) != best) {
            scores[at] = MarkScore::Again(lesion);
        }
    }
    scores
}

/// The lesion that a mark is on.
fn lesion_at(
    place: MarkPlace,
    lesions: &[FilmBox],
    shape: FilmShape,
    rule: LocalisationRule,
) -> Option<usize> {
    let nearness = |lesion: &FilmBox| -> Option<f64> {
        let middle = place.middle();
        let apart = distance(middle, lesion.centre(), shape);
        match (rule, place) {
            (LocalisationRule::Inside, _) => lesion.contains(middle).then_some(-apart),
            (LocalisationRule::Distance(_), _) => {
                (apart <= rule.limit()? + ROUNDING).then_some(-apart)
            }
            (LocalisationRule::Overlap(_), MarkPlace::Box(drawn)) => {
                let overlap = drawn.overlap(lesion);
                (overlap >= rule.limit()? - ROUNDING).then_some(overlap)
            }
            (LocalisationRule::Overlap(_), MarkPlace::Point(_)) => None,
        }
    };
    let mut nearest: Option<(usize, f64)> = None;
    for (at, near) in lesions.iter().map(nearness).enumerate() {
        let Some(near) = near else { continue };
        if nearest.is_none_or(|(_, known)| near > known) {
            nearest = Some((at, near));
        }
    }
    nearest.map(|(at, _)| at)
}

/// Sums of fractions are no more exact.
const ROUNDING: f64 = 1e-9;

/// As a share of the film's longer side.
fn distance(one: FilmPoint, other: FilmPoint, shape: FilmShape) -> f64 {
    let (across, down) = (shape.width, shape.height * shape.pixel_aspect);
    let apart = ((one.x - other.x) * across).hypot((one.y - other.y) * down);
    apart / across.max(down)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 columns and 100 rows of pixels twice as high as wide: a square film.
    const SQUARE: FilmShape = FilmShape {
        width: 200.0,
        height: 100.0,
        pixel_aspect: 2.0,
    };

    fn boxed(x: f64, y: f64, width: f64, height: f64) -> FilmBox {
        FilmBox::new(x, y, width, height).unwrap()
    }

    fn point(x: f64, y: f64, rating: Option<u8>) -> PlacedMark {
        PlacedMark {
            place: Some(MarkPlace::Point(FilmPoint { x, y })),
            is_taken: true,
            rating,
        }
    }

    fn drawn(place: FilmBox, rating: u8) -> PlacedMark {
        PlacedMark {
            place: Some(MarkPlace::Box(place)),
            is_taken: true,
            rating: Some(rating),
        }
    }

    #[test]
    fn a_lesion_has_its_highest_mark_and_others_on_it_count_neither_way() {
        let lesions = [boxed(0.1, 0.1, 0.2, 0.2), boxed(0.2, 0.2, 0.4, 0.4)];
        let marks = [
            point(0.15, 0.15, Some(40)),
            point(0.15, 0.16, Some(70)),
            point(0.12, 0.12, Some(70)),
            // In both boxes, and nearer to the middle of the first.
            point(0.22, 0.22, Some(20)),
            point(0.5, 0.5, Some(10)),
            point(0.9, 0.9, Some(90)),
            point(0.5, 0.5, None),
            PlacedMark {
                is_taken: false,
                ..point(0.5, 0.5, Some(99))
            },
        ];
        let found = scores(&marks, &lesions, SQUARE, LocalisationRule::Inside);
        assert_eq!(
            found,
            [
                MarkScore::Again(0),
                MarkScore::OnLesion(0),
                MarkScore::Again(0),
                MarkScore::Again(0),
                MarkScore::OnLesion(1),
                MarkScore::Elsewhere,
                MarkScore::Unrated,
                MarkScore::NotTaken,
            ]
        );
    }

    #[test]
    fn the_edge_of_a_box_is_in_it() {
        let lesions = [boxed(0.25, 0.25, 0.25, 0.25)];
        let at = |x, y| {
            scores(
                &[point(x, y, Some(1))],
                &lesions,
                SQUARE,
                LocalisationRule::Inside,
            )[0]
        };
        assert_eq!(at(0.25, 0.5), MarkScore::OnLesion(0));
        assert_eq!(at(0.249, 0.5), MarkScore::Elsewhere);
        let middle = [drawn(boxed(0.0, 0.0, 1.0, 1.0), 5)];
        let found = scores(&middle, &lesions, SQUARE, LocalisationRule::Inside);
        assert_eq!(
            found,
            [MarkScore::OnLesion(0)],
            "its centre is on the corner"
        );
    }

    #[test]
    fn distances_are_the_same_in_both_directions_on_pixels_that_are_not_square() {
        let lesions = [boxed(0.4, 0.4, 0.2, 0.2)];
        let wide = FilmShape {
            pixel_aspect: 1.0,
            ..SQUARE
        };
        let at = |shape, x, y| {
            scores(
                &[point(x, y, Some(1))],
                &lesions,
                shape,
                LocalisationRule::Distance(100),
            )[0]
        };
        for (x, y) in [(0.6, 0.5), (0.5, 0.6), (0.44, 0.58)] {
            assert_eq!(at(SQUARE, x, y), MarkScore::OnLesion(0), "{x} {y}");
        }
        assert_eq!(at(SQUARE, 0.5, 0.61), MarkScore::Elsewhere);
        // Half as high as wide: a tenth of the width is a fifth of the height.
        assert_eq!(at(wide, 0.5, 0.7), MarkScore::OnLesion(0));
        assert_eq!(at(wide, 0.5, 0.71), MarkScore::Elsewhere);
    }

    #[test]
    fn an_overlap_is_that_of_boxes() {
        let lesions = [boxed(0.0, 0.0, 0.5, 0.5), boxed(0.0, 0.0, 0.5, 0.4)];
        let rule = LocalisationRule::Overlap(500);
        let found = |mark| scores(&[mark], &lesions, SQUARE, rule)[0];
        // 0.5 of 0.5, then 0.4 of 0.5.
        assert_eq!(
            found(drawn(boxed(0.0, 0.0, 0.5, 0.5), 1)),
            MarkScore::OnLesion(0)
        );
        assert_eq!(
            found(drawn(boxed(0.0, 0.0, 0.5, 0.4), 1)),
            MarkScore::OnLesion(1)
        );
        // A quarter of the first: below the limit of both.
        assert_eq!(
            found(drawn(boxed(0.0, 0.0, 0.25, 0.25), 1)),
            MarkScore::Elsewhere
        );
        // Exactly one half.
        assert_eq!(
            found(drawn(boxed(0.0, 0.0, 0.5, 0.25), 1)),
            MarkScore::OnLesion(1)
        );
        assert_eq!(found(point(0.2, 0.2, Some(1))), MarkScore::Elsewhere);
    }
}
