//! The grid: thumbnails of the images, in the order and with the filter of the worklist, whose cursor is the grid's.
//!
//! ```text
//!  Grid 1 284 · 312 scored · by COVID-19                 42/1 284
//! ┌✓● IM-0041┐┌ ○ IM-0042┐╔ ✗ IM-0043╗┌ · IM-0044┐
//! │ picture  ││ picture  │║ refused: ║│    …     │
//! └ 91.0 % … ┘└no finding┘╚ lateral  ╝└──────────┘
//! ```

mod thumbnails;

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::layout::{Position, Rect, Size};

pub use thumbnails::Thumbnails;

use crate::domain::Canvas;
use crate::tui::worklist::{EntryState, Worklist};

/// Cells of a tile with its frame, across and down, from the smallest. A cell is about twice as high as wide, so the
/// pictures are about square.
const TILES: [(u16, u16); 4] = [(13, 6), (20, 11), (30, 16), (44, 23)];
/// A screen that is narrower or shorter than this begins with the smallest tiles.
const SMALL: (u16, u16) = (60, 18);
/// Two clicks on a tile within this time open it.
const DOUBLE_CLICK: Duration = Duration::from_millis(500);

/// The state of the grid.
#[derive(Debug, Default)]
pub struct Grid {
    /// Whether it is on the screen, in place of all panes.
    pub is_open: bool,
    /// The size of the tiles; `None` follows the screen.
    step: Option<usize>,
    /// The first row of tiles on the screen.
    top: usize,
    /// The pixels of a picture; `None` until the screen was laid out.
    pub canvas: Option<Canvas>,
    pub thumbnails: Thumbnails,
    /// The pictures that were asked for and have not come, in that order.
    pub asked: Vec<Arc<Path>>,
    /// Files that were written to while a picture of them may have been in the making: the next that comes is dropped.
    outdated: HashSet<Arc<Path>>,
    clicked: Option<(usize, Instant)>,
}

/// The tiles on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridLayout {
    /// Where the tiles are.
    pub area: Rect,
    pub columns: usize,
    pub rows: usize,
    tile: Size,
}

impl Grid {
    /// The file was written to: its picture may be of another image, and so may be one that is being made.
    pub fn forget(&mut self, path: &Arc<Path>) {
        self.thumbnails.forget(path);
        // Before the grid was ever open no picture is made.
        if self.canvas.is_some() {
            self.outdated.insert(path.clone());
        }
    }

    /// A picture has come. Returns whether it is of the file as it is now.
    pub fn arrives(&mut self, path: &Path) -> bool {
        self.asked.retain(|asked| **asked != *path);
        !self.outdated.remove(path)
    }
}

impl GridLayout {
    /// Between a title and a footer of one row each.
    fn new(size: Size, step: usize) -> Self {
        let (wide, high) = TILES[step];
        let body = Rect::new(0, 1, size.width, size.height.saturating_sub(2));
        let columns = (body.width / wide).max(1);
        let rows = (body.height / high).max(1);
        let tile = Size::new(body.width / columns, body.height / rows);
        let width = tile.width * columns;
        GridLayout {
            area: Rect {
                x: body.x + (body.width - width) / 2,
                width,
                height: tile.height * rows,
                ..body
            },
            columns: columns.into(),
            rows: rows.into(),
            tile,
        }
    }

    /// How many tiles fit on the screen.
    pub fn tiles(&self) -> usize {
        self.columns * self.rows
    }

    /// The place of the tile number `n` on the screen.
    pub fn tile(&self, n: usize) -> Rect {
        let cells =
            |n: usize, cells: u16| u16::try_from(n).unwrap_or(u16::MAX).saturating_mul(cells);
        let Size { width, height } = self.tile;
        let x = self.area.x.saturating_add(cells(n % self.columns, width));
        let y = self.area.y.saturating_add(cells(n / self.columns, height));
        Rect::new(x, y, width, height).intersection(self.area)
    }

    /// The cells of a picture: a tile within its frame.
    pub fn picture(tile: Rect) -> Rect {
        Rect {
            x: tile.x + 1,
            y: tile.y + 1,
            width: tile.width.saturating_sub(2),
            height: tile.height.saturating_sub(2),
        }
    }

    fn at(&self, at: Position) -> Option<usize> {
        if !self.area.contains(at) || self.tile.width == 0 || self.tile.height == 0 {
            return None;
        }
        let column = usize::from((at.x - self.area.x) / self.tile.width);
        let row = usize::from((at.y - self.area.y) / self.tile.height);
        Some(row * self.columns + column)
    }
}

impl Grid {
    pub fn layout(&self, size: Size) -> GridLayout {
        let is_small = size.width < SMALL.0 || size.height < SMALL.1;
        let step = self.step.unwrap_or(usize::from(!is_small));
        GridLayout::new(size, step)
    }

    /// Larger or smaller tiles.
    pub fn resize(&mut self, size: Size, by: isize) {
        let is_small = size.width < SMALL.0 || size.height < SMALL.1;
        let step = self.step.unwrap_or(usize::from(!is_small));
        self.step = Some(step.saturating_add_signed(by).min(TILES.len() - 1));
    }

    /// The rows of the worklist on the screen.
    pub fn visible(&self, layout: GridLayout, images: usize) -> Range<usize> {
        let first = (self.top * layout.columns).min(images);
        first..(first + layout.tiles()).min(images)
    }

    /// Scrolls as little as is needed to have the cursor on the screen.
    pub fn follow(&mut self, layout: GridLayout, cursor: usize, images: usize) {
        let row = cursor / layout.columns;
        let last = images.div_ceil(layout.columns).saturating_sub(layout.rows);
        self.top = self
            .top
            .clamp((row + 1).saturating_sub(layout.rows), row)
            .min(last);
    }

    /// Scrolls so that the cursor is in the middle.
    pub fn centre(&mut self, layout: GridLayout, cursor: usize) {
        self.top = (cursor / layout.columns).saturating_sub(layout.rows / 2);
    }

    /// Scrolls by rows of tiles. Returns the row of the worklist that the cursor goes to: it stays on the screen.
    pub fn scroll(
        &mut self,
        layout: GridLayout,
        by: isize,
        (cursor, images): (usize, usize),
    ) -> usize {
        let last = images.div_ceil(layout.columns).saturating_sub(layout.rows);
        self.top = self.top.saturating_add_signed(by).min(last);
        let (row, column) = (cursor / layout.columns, cursor % layout.columns);
        let row = row.clamp(self.top, self.top + layout.rows - 1);
        row * layout.columns + column
    }

    /// The row of the worklist at this place of the screen.
    pub fn row_at(&self, layout: GridLayout, at: Position) -> Option<usize> {
        Some(self.top * layout.columns + layout.at(at)?)
    }

    /// Notes a click on a row of the worklist. Returns whether it is the second of two.
    pub fn click(&mut self, row: usize, now: Instant) -> bool {
        let before = self.clicked.replace((row, now));
        let is_double = before.is_some_and(|(at, then)| {
            at == row && now.saturating_duration_since(then) <= DOUBLE_CLICK
        });
        if is_double {
            self.clicked = None;
        }
        is_double
    }

    /// Sets the pixels of a picture. Pictures of another size are dropped.
    pub fn set_canvas(&mut self, canvas: Canvas) {
        if self.canvas.replace(canvas) != Some(canvas) {
            self.thumbnails.clear();
            self.asked.clear();
        }
    }

    /// The pictures that are missing, the most urgent first: those on the screen, then those of the next page, then those of
    /// the page before. Notes which are in use, so that others are dropped first.
    pub fn wanted(&mut self, layout: GridLayout, list: &Worklist) -> Vec<Arc<Path>> {
        let has_pixels = self.canvas.is_some_and(|c| c.width > 0 && c.height > 0);
        if !self.is_open || !has_pixels {
            return vec![];
        }
        let Range { start, end } = self.visible(layout, list.len());
        let page = layout.tiles();
        let next = end..(end + page).min(list.len());
        let before = start.saturating_sub(page)..start;
        let mut wanted = Vec::new();
        for row in (start..end).chain(next).chain(before) {
            let Some(entry) = list.row(row) else { continue };
            let has_picture = matches!(entry.state, EntryState::Unread | EntryState::Read(_));
            if has_picture && !self.thumbnails.touch(&entry.path, entry.content) {
                wanted.push(entry.path.clone());
            }
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(width: u16, height: u16) -> GridLayout {
        Grid::default().layout(Size::new(width, height))
    }

    #[test]
    fn tiles_fill_the_screen_between_title_and_footer() {
        for (size, columns, rows) in [
            ((40, 15), 3, 2),
            ((80, 24), 4, 2),
            ((120, 35), 6, 3),
            ((200, 50), 10, 4),
        ] {
            let layout = layout(size.0, size.1);
            assert_eq!((layout.columns, layout.rows), (columns, rows), "{size:?}");
        }
        for (width, height) in [(1, 1), (1, 5), (13, 3), (61, 18), (400, 120)] {
            let layout = layout(width, height);
            let screen = Rect::new(0, 0, width, height);
            for n in 0..layout.tiles() {
                let tile = layout.tile(n);
                assert!(tile.is_empty() || tile.intersection(screen) == tile);
                assert!(tile.is_empty() || tile.bottom() < height, "the footer");
                for other in n + 1..layout.tiles() {
                    assert!(tile.intersection(layout.tile(other)).is_empty());
                }
            }
        }
    }

    #[test]
    fn the_screen_follows_the_cursor_and_not_further_than_the_end() {
        let layout = layout(80, 24);
        let mut grid = Grid::default();
        for (cursor, images, first) in [
            (0, 100, 0),
            (7, 100, 0),
            (8, 100, 4),
            (99, 100, 92),
            (93, 100, 92),
            (50, 100, 48),
            (2, 3, 0),
            (0, 0, 0),
        ] {
            grid.follow(layout, cursor, images);
            assert_eq!(grid.visible(layout, images).start, first, "{cursor}");
        }
    }

    #[test]
    fn the_wheel_takes_the_cursor_along_only_where_it_would_leave_the_screen() {
        let layout = layout(80, 24);
        let mut grid = Grid::default();
        assert_eq!(grid.scroll(layout, 1, (5, 100)), 5);
        assert_eq!(grid.scroll(layout, 1, (5, 100)), 9);
        assert_eq!(grid.scroll(layout, -9, (9, 100)), 5);
        assert_eq!(grid.scroll(layout, 1, (1, 3)), 1, "nothing to scroll");
    }

    #[test]
    fn a_place_on_the_screen_is_a_row_of_the_worklist() {
        let layout = layout(80, 24);
        let mut grid = Grid::default();
        grid.follow(layout, 99, 100);
        for n in 0..layout.tiles() {
            let tile = layout.tile(n);
            let middle = Position::new(tile.x + tile.width / 2, tile.y + tile.height / 2);
            assert_eq!(grid.row_at(layout, middle), Some(92 + n));
        }
        assert_eq!(grid.row_at(layout, Position::new(0, 0)), None, "the title");
        assert_eq!(
            grid.row_at(layout, Position::new(5, 23)),
            None,
            "the footer"
        );
    }

    #[test]
    fn two_quick_clicks_on_the_same_tile_are_a_double_click() {
        let begin = Instant::now();
        let ms = |n| begin + Duration::from_millis(n);
        let mut grid = Grid::default();
        let clicks = [(3, 0), (4, 100), (4, 300), (4, 400), (4, 2_000), (4, 2_200)];
        let double = clicks.map(|(row, at)| grid.click(row, ms(at)));
        assert_eq!(double, [false, false, true, false, false, true]);
    }
}
