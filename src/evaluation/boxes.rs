//! Boxes that readers drew round what they saw on a film, from a cell of a manifest.

use super::missing::is_missing;

/// Most boxes of a film. No reader draws as many, and each costs time.
const MOST_BOXES: usize = 100;
/// How far beyond the film a box may reach, in fractions of its side: coordinates come rounded.
const ROUNDED: f64 = 0.001;
/// A point as close to an edge is on it. Sums of fractions are no more exact.
const ON_THE_EDGE: f64 = 1e-9;

/// A point of a film, in fractions of its width and height from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilmPoint {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// A rectangle of a film, in fractions of its width and height from the upper left corner. It lies within
/// the film, and has an area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilmBox {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

/// Why a cell has no boxes that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BoxFault {
    /// It is not four finite numbers.
    #[error("a box is four numbers, x y w h, and boxes are joined by ;")]
    NotFourNumbers,
    /// It has no width or no height.
    #[error("w and h of a box are more than 0")]
    WithoutArea,
    /// It reaches beyond the film by more than a rounding.
    #[error("a box lies within the film, which goes from 0 to 1")]
    BeyondTheFilm,
    /// There are more than a reader draws.
    #[error("a film has at most {MOST_BOXES} boxes")]
    TooMany,
}

/// The boxes in a cell: `x y w h` of each in fractions of the film, joined by `;`. None in an empty cell, and
/// in one that says that its value is missing.
///
/// # Errors
/// If a box is not four finite numbers, has no area or lies beyond the film, or there are too many.
pub fn boxes(cell: &str) -> Result<Vec<FilmBox>, BoxFault> {
    if is_missing(cell) {
        return Ok(Vec::new());
    }
    let texts = cell.split(';').take(MOST_BOXES + 1);
    let found: Vec<FilmBox> = texts.map(parsed).collect::<Result<_, _>>()?;
    if found.len() > MOST_BOXES {
        return Err(BoxFault::TooMany);
    }
    Ok(found)
}

/// Adds boxes to those of a film, each once. Returns whether any was new.
///
/// # Errors
/// If the film has too many then.
pub fn add(known: &mut Vec<FilmBox>, others: Vec<FilmBox>) -> Result<bool, BoxFault> {
    let before = known.len();
    for other in others {
        if !known.contains(&other) {
            known.push(other);
        }
    }
    if known.len() > MOST_BOXES {
        return Err(BoxFault::TooMany);
    }
    Ok(known.len() > before)
}

fn parsed(text: &str) -> Result<FilmBox, BoxFault> {
    let numbers = text.split_ascii_whitespace().map(str::parse::<f64>);
    let numbers: Vec<f64> = numbers
        .collect::<Result<_, _>>()
        .map_err(|_| BoxFault::NotFourNumbers)?;
    match numbers[..] {
        [x, y, width, height] => FilmBox::new(x, y, width, height),
        _ => Err(BoxFault::NotFourNumbers),
    }
}

impl FilmBox {
    /// The box with its upper left corner at (x, y). What reaches beyond the film by a rounding is cut off.
    ///
    /// # Errors
    /// If a number is not finite, the box has no area, or it lies beyond the film.
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Result<Self, BoxFault> {
        if ![x, y, width, height].iter().all(|value| value.is_finite()) {
            return Err(BoxFault::NotFourNumbers);
        }
        if width <= 0.0 || height <= 0.0 {
            return Err(BoxFault::WithoutArea);
        }
        let is_within =
            |start: f64, length: f64| start >= -ROUNDED && start + length <= 1.0 + ROUNDED;
        if !is_within(x, width) || !is_within(y, height) {
            return Err(BoxFault::BeyondTheFilm);
        }
        let cut = FilmBox {
            left: x.max(0.0),
            top: y.max(0.0),
            right: (x + width).min(1.0),
            bottom: (y + height).min(1.0),
        };
        if cut.left < cut.right && cut.top < cut.bottom {
            Ok(cut)
        } else {
            Err(BoxFault::WithoutArea)
        }
    }

    /// Whether the point is in the box or on its edge.
    pub fn contains(&self, point: FilmPoint) -> bool {
        self.reaches_row(point.y)
            && (self.left - ON_THE_EDGE..=self.right + ON_THE_EDGE).contains(&point.x)
    }

    /// Its middle.
    pub fn centre(&self) -> FilmPoint {
        FilmPoint {
            x: (self.left + self.right) / 2.0,
            y: (self.top + self.bottom) / 2.0,
        }
    }

    /// Intersection over union with another box, from 0 to 1: the same in fractions of the film as in its pixels.
    pub fn overlap(&self, other: &FilmBox) -> f64 {
        let shared = |start: f64, end: f64| (end - start).max(0.0);
        let across = shared(self.left.max(other.left), self.right.min(other.right));
        let down = shared(self.top.max(other.top), self.bottom.min(other.bottom));
        let both = across * down;
        both / (self.area() + other.area() - both)
    }

    fn area(&self) -> f64 {
        (self.right - self.left) * (self.bottom - self.top)
    }

    /// Whether points of the box, or of its edge, are at this height of the film.
    pub fn reaches_row(&self, y: f64) -> bool {
        (self.top - ON_THE_EDGE..=self.bottom + ON_THE_EDGE).contains(&y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64) -> FilmPoint {
        FilmPoint { x, y }
    }

    #[test]
    fn boxes_are_four_fractions_each_and_joined_by_semicolons() {
        let found = boxes("0.5967 0.3857 0.0850 0.0879;0.5 0.25  0.25 0.5").unwrap();
        assert_eq!(found.len(), 2);
        let second = FilmBox {
            left: 0.5,
            top: 0.25,
            right: 0.75,
            bottom: 0.75,
        };
        assert_eq!(found[1], second);
        assert_eq!(boxes(" 0.5 0.25 0.25 0.5 ; 0 0 1 1 ").unwrap()[0], second);
        for none in ["", "  ", "NA", "nan"] {
            assert_eq!(boxes(none), Ok(Vec::new()), "{none:?}");
        }
    }

    #[test]
    fn the_edge_belongs_to_the_box() {
        // 0.1 + 0.2 is more than 0.3 in binary fractions, by 6e-17.
        let drawn = FilmBox::new(0.1, 0.5, 0.2, 0.25).unwrap();
        for (x, y) in [(0.1, 0.5), (0.3, 0.75), (0.2, 0.5), (0.1, 0.6), (0.2, 0.6)] {
            assert!(drawn.contains(point(x, y)), "{x} {y}");
        }
        for (x, y) in [(0.0999, 0.6), (0.3001, 0.6), (0.2, 0.4999), (0.2, 0.7501)] {
            assert!(!drawn.contains(point(x, y)), "{x} {y}");
        }
    }

    #[test]
    fn a_rounding_beyond_the_film_is_cut_off_and_more_is_refused() {
        let rounded = FilmBox::new(-0.0004, 0.5, 0.4, 0.5004).unwrap();
        assert_eq!((rounded.left, rounded.bottom), (0.0, 1.0));
        for (text, fault) in [
            ("-0.01 0 0.5 0.5", BoxFault::BeyondTheFilm),
            ("0.6 0 0.5 0.5", BoxFault::BeyondTheFilm),
            ("0 0.6 0.5 0.5", BoxFault::BeyondTheFilm),
            ("12 40 100 80", BoxFault::BeyondTheFilm),
            ("0.2 0.2 0 0.1", BoxFault::WithoutArea),
            ("0.2 0.2 0.1 -0.1", BoxFault::WithoutArea),
            ("0.5 0.5 1e-320 0.1", BoxFault::WithoutArea),
            // All that is left of it is beyond the film.
            ("1.0005 0 0.0002 1", BoxFault::WithoutArea),
            ("0.1 0.2 0.3", BoxFault::NotFourNumbers),
            ("0.1 0.2 0.3 0.4 0.5", BoxFault::NotFourNumbers),
            ("0.1 0.2 0.3 nan", BoxFault::NotFourNumbers),
            ("0.1 0.2 0.3 1e999", BoxFault::NotFourNumbers),
            ("0,1 0,2 0,3 0,4", BoxFault::NotFourNumbers),
            ("0.1 0.2 0.3 0.4;", BoxFault::NotFourNumbers),
            ("left lung", BoxFault::NotFourNumbers),
        ] {
            assert_eq!(boxes(text), Err(fault), "{text}");
        }
        let many = |count| vec!["0 0 1 1"; count].join(";");
        assert_eq!(boxes(&many(MOST_BOXES)).unwrap().len(), MOST_BOXES);
        assert_eq!(boxes(&many(MOST_BOXES + 1)), Err(BoxFault::TooMany));
        assert_eq!(boxes(&many(100_000)), Err(BoxFault::TooMany));
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "[0-9eE.;+ -]{0,40}|.{0,40}") {
            for found in boxes(&text).unwrap_or_default() {
                proptest::prop_assert!(0.0 <= found.left && found.left < found.right);
                proptest::prop_assert!(0.0 <= found.top && found.top < found.bottom);
                proptest::prop_assert!(found.right <= 1.0 && found.bottom <= 1.0);
            }
        }
    }
}
