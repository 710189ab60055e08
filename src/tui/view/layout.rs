//! Where everything stands. Narrow and short terminals get a layout of their own.

use ratatui::layout::{Rect, Size};

use super::{findings, input};
use crate::domain::{InputCheck, Prediction};
use crate::tui::model::{Model, Panes};

/// Below these there are no borders, and the image shares its rows with the findings.
const COMPACT_WIDTH: u16 = 60;
const COMPACT_HEIGHT: u16 = 18;
/// A narrow terminal at least this high, half of a split one, has everything in one column.
const TALL_HEIGHT: u16 = 26;
/// Rows of the worklist in the compact layout.
const COMPACT_LIST: u16 = 4;
const MIN_LEFT: u16 = 36;
const MAX_LEFT: u16 = 62;
/// Rows of the worklist, with its border, that the findings always leave.
const MIN_LIST: u16 = 6;
/// Rows of the input check, with its border: more where its reasons need them and there is room.
const MIN_INPUT: u16 = 3;

/// Rectangles of the panes, borders included, and of what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaneLayout {
    pub compact: bool,
    pub worklist: Rect,
    pub findings: Rect,
    pub input: Rect,
    pub radiograph: Rect,
    pub footer: Rect,
    /// Rows of the worklist.
    pub list: Rect,
    /// Cells for the image.
    pub image: Rect,
}

impl PaneLayout {
    pub fn of(model: &Model) -> Self {
        let Size { width, height } = model.size;
        let rows = PaneRows {
            findings: findings::rows(model.card()),
            input: input::rows(model, left_width(width) - 2),
            refused: model.prediction().is_some_and(is_refused),
        };
        Self::for_size(width, height, rows)
    }

    fn for_size(width: u16, height: u16, rows: PaneRows) -> Self {
        match (width < COMPACT_WIDTH, height < COMPACT_HEIGHT) {
            (true, false) if height >= TALL_HEIGHT => tall(width, height, rows.findings),
            (false, false) => full(width, height, rows),
            _ => compact(width, height),
        }
    }

    pub fn panes(&self) -> Panes {
        Panes {
            worklist: self.list,
            findings: self.findings,
            image: self.image,
        }
    }
}

/// Rows that panes would like, without their borders.
#[derive(Debug, Clone, Copy)]
struct PaneRows {
    findings: u16,
    input: u16,
    /// Then there are no findings, and the reasons may have their place.
    refused: bool,
}

fn is_refused(prediction: &Prediction) -> bool {
    matches!(prediction.input, InputCheck::Refused(_))
}

fn left_width(width: u16) -> u16 {
    (width * 2 / 5).clamp(MIN_LEFT, MAX_LEFT)
}

fn full(width: u16, height: u16, rows: PaneRows) -> PaneLayout {
    let left = left_width(width);
    let body = height - 1;
    let usual = (rows.findings + 2).min(body - MIN_INPUT - MIN_LIST);
    let (findings_height, input_height) = match rows.refused {
        // What both take together stays, so that the list does.
        true => {
            let both = usual + MIN_INPUT;
            let input = (rows.input + 2).clamp(MIN_INPUT, both - MIN_INPUT);
            (both - input, input)
        }
        false => (
            usual,
            (rows.input + 2).clamp(MIN_INPUT, body - usual - MIN_LIST),
        ),
    };
    let list_height = body - input_height - findings_height;
    let worklist = Rect::new(0, 0, left, list_height);
    let radiograph = Rect::new(left, 0, width - left, body);
    PaneLayout {
        compact: false,
        worklist,
        findings: Rect::new(0, list_height, left, findings_height),
        input: Rect::new(0, list_height + findings_height, left, input_height),
        radiograph,
        footer: Rect::new(0, body, width, 1),
        list: inside(worklist),
        image: inside(radiograph),
    }
}

fn compact(width: u16, height: u16) -> PaneLayout {
    let footer = Rect::new(0, height.saturating_sub(1), width, height.min(1));
    let body = height.saturating_sub(1);
    let list_height = COMPACT_LIST.min(body / 3);
    let left = width * 3 / 5;
    let below = body - list_height;
    let input_height = below.min(1);
    let worklist = Rect::new(0, 0, width, list_height);
    let radiograph = Rect::new(left, list_height, width - left, below - input_height);
    PaneLayout {
        compact: true,
        worklist,
        findings: Rect::new(0, list_height, left, below - input_height),
        input: Rect::new(0, body - input_height, width, input_height),
        radiograph,
        footer,
        list: worklist,
        image: radiograph,
    }
}

fn tall(width: u16, height: u16, findings_rows: u16) -> PaneLayout {
    let list_height = height / 5;
    // One more: what kind of number it is.
    let findings_height = (findings_rows + 1).min(height / 2);
    let image_top = list_height + findings_height + 1;
    let row = |y, height| Rect::new(0, y, width, height);
    let radiograph = row(image_top, height - 1 - image_top);
    PaneLayout {
        compact: true,
        worklist: row(0, list_height),
        findings: row(list_height, findings_height),
        input: row(image_top - 1, 1),
        radiograph,
        footer: row(height - 1, 1),
        list: row(0, list_height),
        image: radiograph,
    }
}

fn inside(area: Rect) -> Rect {
    Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn panes_tile_every_screen_without_overlap(width in 1_u16..400, height in 1_u16..150, findings in 3_u16..20, input in 1_u16..30, refused: bool) {
            let layout = PaneLayout::for_size(width, height, PaneRows { findings, input, refused });
            let screen = Rect::new(0, 0, width, height);
            let panes =
                [layout.worklist, layout.findings, layout.input, layout.radiograph, layout.footer];
            let area: u32 = panes.iter().map(|p| u32::from(p.width) * u32::from(p.height)).sum();
            prop_assert_eq!(area, u32::from(width) * u32::from(height));
            for (i, a) in panes.iter().enumerate() {
                prop_assert_eq!(a.intersection(screen), *a);
                for b in &panes[i + 1..] {
                    prop_assert!(a.intersection(*b).is_empty());
                }
            }
            // An image that ends on the last row would scroll the screen.
            prop_assert!(layout.image.bottom() < height.max(2));
        }
    }
}
