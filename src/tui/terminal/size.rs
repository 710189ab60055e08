//! How much of a terminal is drawn on. A terminal may say that it has 65,535 × 65,535 cells: ratatui
//! keeps two buffers of as many cells as it is told, and the program would be ended for want of memory.

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// A screen of 8K pixels in letters of 8 × 9. Beyond it cells stay empty.
const MOST: Size = Size {
    width: 960,
    height: 480,
};

/// The part of a terminal of `size` that is drawn on, from its upper left corner.
pub fn drawable(size: Size) -> Size {
    Size {
        width: size.width.min(MOST.width),
        height: size.height.min(MOST.height),
    }
}

/// A backend that is no larger than what can be drawn, and that may be dropped when its terminal is gone.
pub struct Drawable<B>(pub B);

impl<B: Backend> Backend for Drawable<B> {
    type Error = B::Error;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), B::Error>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.0.draw(content)
    }

    fn hide_cursor(&mut self) -> Result<(), B::Error> {
        self.0.hide_cursor()
    }

    /// Never fails: ratatui calls it when it is dropped, and would tell a standard error that is gone, too,
    /// which is a panic. Whatever is drawn next says that the terminal is gone, and [`leave`](super::leave)
    /// shows the cursor.
    fn show_cursor(&mut self) -> Result<(), B::Error> {
        let _ = self.0.show_cursor();
        Ok(())
    }

    fn get_cursor_position(&mut self) -> Result<Position, B::Error> {
        self.0.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), B::Error> {
        self.0.set_cursor_position(position)
    }

    fn clear(&mut self) -> Result<(), B::Error> {
        self.0.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> Result<(), B::Error> {
        self.0.clear_region(clear_type)
    }

    fn size(&self) -> Result<Size, B::Error> {
        self.0.size().map(drawable)
    }

    fn window_size(&mut self) -> Result<WindowSize, B::Error> {
        self.0.window_size()
    }

    fn flush(&mut self) -> Result<(), B::Error> {
        self.0.flush()
    }
}
