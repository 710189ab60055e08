//! The places of the panes. Narrow and short terminals have layouts of their own.

use ratatui::layout::{Rect, Size};

use crate::tui::model::{PaneSizes, Panes};
use crate::tui::split::{Split, split};

/// On a smaller screen there are no borders, and the image shares its rows with the findings.
const COMPACT_WIDTH: u16 = 60;
const COMPACT_HEIGHT: u16 = 18;
/// A narrow terminal of at least this height, as half of a split one is, has everything in one column.
const TALL_HEIGHT: u16 = 26;
/// Rows of the worklist in the compact layout.
const COMPACT_LIST: u16 = 4;
const MIN_LEFT: u16 = 36;
const MAX_LEFT: u16 = 62;
/// The narrowest left column, and the narrowest image beside it, that a reader can choose.
const MIN_CHOSEN: u16 = 24;
const MIN_IMAGE: u16 = 20;
/// The fewest rows of the worklist, with its upper border.
const MIN_LIST: u16 = 6;
/// The fewest rows of the findings that a reader can choose, with their upper border.
const MIN_FINDINGS: u16 = 3;
/// The row of the input check: the lower border of the left column. It gets more rows where its reasons need them and
/// there is room.
const MIN_INPUT: u16 = 1;

/// The panes with their borders, and the areas inside the borders of two of them. A pane that is hidden is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaneLayout {
    /// Whether the panes have no borders.
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
    /// The places of two films; then [`PaneLayout::image`] is that of the selected one.
    pub split: Option<Split>,
}

impl PaneLayout {
    /// The layout for a screen of this size.
    pub fn new(size: Size, rows: PaneRows, sizes: &PaneSizes) -> Self {
        let Size { width, height } = size;
        if sizes.is_image_alone() {
            return whole(width, height);
        }
        match (width < COMPACT_WIDTH, height < COMPACT_HEIGHT) {
            (true, false) if height >= TALL_HEIGHT => tall(width, height, rows.findings, sizes),
            (false, false) => full(width, height, rows, sizes),
            _ => compact(width, height, sizes),
        }
    }

    /// The same with a film beside the selected one, if there is room for two.
    pub fn comparing(self) -> Self {
        match split(self.image) {
            Some(split) => PaneLayout {
                image: split.selected.image,
                split: Some(split),
                ..self
            },
            None => self,
        }
    }

    /// The panes that the mouse can act on.
    pub fn panes(&self) -> Panes {
        let has_both = !self.worklist.is_empty() && !self.findings.is_empty();
        Panes {
            worklist: self.list,
            findings: self.findings,
            image: self.image,
            compared: self
                .split
                .map_or_else(Rect::default, |split| split.compared.image),
            radiograph: self.radiograph,
            column: (!self.compact).then(|| self.radiograph.x.saturating_sub(1)),
            row: (!self.compact && has_both).then_some(self.findings.y),
        }
    }
}

/// The rows that panes ask for.
#[derive(Debug, Clone, Copy)]
pub struct PaneRows {
    /// Without a border.
    pub findings: u16,
    /// With the border that its last words are on.
    pub input: u16,
    /// Whether the counts of the worklist need a row of their own below it.
    pub counts: bool,
    /// Whether the image is refused. Then there are no findings, and the reasons may take their rows.
    pub refused: bool,
}

/// Cells in a row of the input check in the layout with borders.
pub fn input_width(screen: Size, sizes: &PaneSizes) -> u16 {
    left_width(screen.width, sizes) - 2
}

fn left_width(width: u16, sizes: &PaneSizes) -> u16 {
    match sizes.left {
        Some(left) => left.clamp(MIN_CHOSEN, width.saturating_sub(MIN_IMAGE).max(MIN_CHOSEN)),
        None => (width * 2 / 5).clamp(MIN_LEFT, MAX_LEFT),
    }
}

/// The image alone.
fn whole(width: u16, height: u16) -> PaneLayout {
    let body = height.saturating_sub(1);
    let radiograph = Rect::new(0, 0, width, body);
    PaneLayout {
        compact: true,
        worklist: Rect::default(),
        findings: Rect::default(),
        input: Rect::default(),
        radiograph,
        footer: Rect::new(0, body, width, height.min(1)),
        list: Rect::default(),
        image: radiograph,
        split: None,
    }
}

fn full(width: u16, height: u16, rows: PaneRows, sizes: &PaneSizes) -> PaneLayout {
    let left = left_width(width, sizes);
    let body = height - 1;
    let most = body - MIN_INPUT - MIN_LIST;
    let usual = match sizes.findings {
        Some(rows) => rows.clamp(MIN_FINDINGS, most),
        None => (rows.findings + 1).min(most),
    };
    let (findings_height, input_height) = if sizes.hides_findings {
        (0, rows.input.clamp(MIN_INPUT, body - MIN_LIST))
    } else if rows.refused {
        // Both panes together keep their height, so that the list does not move.
        let both = usual + MIN_INPUT;
        let input = rows.input.clamp(MIN_INPUT, both - 2);
        (both - input, input)
    } else {
        let input = rows.input.clamp(MIN_INPUT, body - usual - MIN_LIST);
        (usual, input)
    };
    let list_height = body - input_height - findings_height;
    let (list_height, findings_height) = if sizes.hides_worklist {
        (0, findings_height + list_height)
    } else {
        (list_height, findings_height)
    };
    let worklist = Rect::new(0, 0, left, list_height);
    let radiograph = Rect::new(left, 0, width - left, body);
    PaneLayout {
        compact: false,
        worklist,
        findings: Rect::new(0, list_height, left, findings_height),
        input: Rect::new(0, list_height + findings_height, left, input_height),
        radiograph,
        footer: Rect::new(0, body, width, 1),
        list: Rect {
            x: 1,
            y: 1,
            width: left - 2,
            height: list_height.saturating_sub(1 + u16::from(rows.counts)),
        },
        image: inside(radiograph),
        split: None,
    }
}

fn compact(width: u16, height: u16, sizes: &PaneSizes) -> PaneLayout {
    let footer = Rect::new(0, height.saturating_sub(1), width, height.min(1));
    let body = height.saturating_sub(1);
    let list_height = match sizes.hides_worklist {
        true => 0,
        false => COMPACT_LIST.min(body / 3),
    };
    let left = match sizes.hides_findings {
        true => 0,
        false => width * 3 / 5,
    };
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
        split: None,
    }
}

fn tall(width: u16, height: u16, findings_rows: u16, sizes: &PaneSizes) -> PaneLayout {
    let list_height = if sizes.hides_worklist { 0 } else { height / 5 };
    // One more row names the kind of score.
    let findings_height = match sizes.hides_findings {
        true => 0,
        false => (findings_rows + 1).min(height / 2),
    };
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
        split: None,
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
        fn panes_tile_every_screen_without_overlap(
            width in 1_u16..400,
            height in 1_u16..150,
            findings in 3_u16..20,
            input in 1_u16..30,
            refused: bool,
            counts: bool,
            chosen in proptest::option::of((0_u16..500, 0_u16..200)),
            hidden in 0_u8..8,
        ) {
            let rows = PaneRows { findings, input, counts, refused };
            let sizes = PaneSizes {
                left: chosen.map(|(left, _)| left),
                findings: chosen.map(|(_, rows)| rows),
                whole: hidden & 1 != 0,
                hides_worklist: hidden & 2 != 0,
                hides_findings: hidden & 4 != 0,
            };
            let layout = PaneLayout::new(Size { width, height }, rows, &sizes);
            let screen = Rect::new(0, 0, width, height);
            let panes =
                [layout.worklist, layout.findings, layout.input, layout.radiograph, layout.footer];
            let area: u32 = panes.iter().map(|p| u32::from(p.width) * u32::from(p.height)).sum();
            prop_assert_eq!(area, u32::from(width) * u32::from(height));
            for (i, a) in panes.iter().enumerate() {
                prop_assert!(a.is_empty() || a.intersection(screen) == *a);
                for b in &panes[i + 1..] {
                    prop_assert!(a.intersection(*b).is_empty());
                }
            }
            // An image that reaches the last row would scroll the screen.
            prop_assert!(layout.image.bottom() < height.max(2));
        }
    }
}
