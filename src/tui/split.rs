//! The places of two films in the cells of one: beside each other, or under each other where that shows more of them.

use ratatui::layout::Rect;

/// The smallest picture that is worth its place, in cells.
const MIN_WIDTH: u16 = 14;
const MIN_HEIGHT: u16 = 5;
/// Rows of words below a picture, in a wide and in a narrow place.
const WORDS: u16 = 3;
const NARROW_WORDS: u16 = 6;
/// In a narrower place the words take more rows.
const NARROW: u16 = 36;

/// The place of one film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilmPlace {
    /// One row above the picture.
    pub title: Rect,
    pub image: Rect,
    /// Rows below it.
    pub words: Rect,
}

/// The places of two films.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// The selected film.
    pub selected: FilmPlace,
    /// The film that it is compared with.
    pub compared: FilmPlace,
    /// The line between films that are beside each other; empty for films under each other.
    pub line: Rect,
}

/// The places of two films in `area`; `None` where they would be too small.
pub fn split(area: Rect) -> Option<Split> {
    // A cell is about twice as high as wide, and a film about as high as wide.
    let beside = (area.width / 2).min(area.height.saturating_mul(2));
    let under = area.width.min(area.height);
    let (first, second, line) = if beside >= under {
        let left = area.width.saturating_sub(1) / 2;
        let line = Rect {
            x: area.x + left,
            width: 1.min(area.width),
            ..area
        };
        let first = Rect {
            width: left,
            ..area
        };
        let second = Rect {
            x: line.right(),
            width: area.width.saturating_sub(left + 1),
            ..area
        };
        (first, second, line)
    } else {
        let upper = area.height / 2;
        let first = Rect {
            height: upper,
            ..area
        };
        let second = Rect {
            y: area.y + upper,
            height: area.height - upper,
            ..area
        };
        (first, second, Rect::default())
    };
    Some(Split {
        selected: place(first)?,
        compared: place(second)?,
        line,
    })
}

/// Whether the words of a place of this width take more rows.
pub fn is_narrow(width: usize) -> bool {
    width < usize::from(NARROW)
}

fn place(area: Rect) -> Option<FilmPlace> {
    let words = match is_narrow(area.width.into()) {
        true => NARROW_WORDS,
        false => WORDS,
    };
    let image = area.height.checked_sub(1 + words)?;
    if area.width < MIN_WIDTH || image < MIN_HEIGHT {
        return None;
    }
    let row = |y, height| Rect { y, height, ..area };
    Some(FilmPlace {
        title: row(area.y, 1),
        image: row(area.y + 1, image),
        words: row(area.y + 1 + image, words),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn films_are_beside_each_other_on_a_wide_screen_and_under_each_other_on_a_tall_one() {
        let wide = split(Rect::new(48, 1, 71, 32)).unwrap();
        assert_eq!(wide.selected.image, Rect::new(48, 2, 35, 25));
        assert_eq!(wide.line, Rect::new(83, 1, 1, 32));
        assert_eq!(wide.compared.image, Rect::new(84, 2, 35, 25));
        let tall = split(Rect::new(0, 10, 40, 38)).unwrap();
        assert_eq!(tall.selected.image, Rect::new(0, 11, 40, 15));
        assert_eq!(tall.compared.title, Rect::new(0, 29, 40, 1));
        assert_eq!(split(Rect::new(0, 0, 28, 12)), None);
        assert_eq!(split(Rect::default()), None);
    }

    proptest! {
        #[test]
        fn places_lie_within_the_area_and_apart(
            x in 0_u16..100,
            y in 0_u16..100,
            width in 0_u16..400,
            height in 0_u16..150,
        ) {
            let area = Rect::new(x, y, width, height);
            if let Some(split) = split(area) {
                let of = |place: FilmPlace| [place.title, place.image, place.words];
                let all: Vec<Rect> = [of(split.selected), of(split.compared)].concat();
                for (i, a) in all.iter().enumerate() {
                    prop_assert_eq!(a.intersection(area), *a);
                    for b in &all[i + 1..] {
                        prop_assert!(a.intersection(*b).is_empty());
                    }
                    prop_assert!(a.intersection(split.line).is_empty());
                }
            }
        }
    }
}
