//! The place of a picture among the cells of its pane: the painters put it there, and the mouse finds it there.

use ratatui::layout::Rect;

/// The cells that a picture of this size in pixels, across and down, covers in the middle of `area`. Where it cannot be in the
/// very middle, it is half a cell further left or higher. `cell` is the number of pixels in a cell, across and down.
pub fn picture_cells(area: Rect, size: (usize, usize), cell: (u16, u16)) -> Rect {
    let cells = |pixels: usize, cell: u16, most: u16| {
        u16::try_from(pixels.div_ceil(usize::from(cell.max(1))))
            .unwrap_or(most)
            .clamp(1, most.max(1))
    };
    let width = cells(size.0, cell.0, area.width);
    let height = cells(size.1, cell.1, area.height);
    Rect {
        x: area.x + (area.width - width.min(area.width)) / 2,
        y: area.y + (area.height - height.min(area.height)) / 2,
        width,
        height,
    }
}
