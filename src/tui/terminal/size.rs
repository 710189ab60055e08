//! The part of a terminal that is drawn on. A terminal may report 65,535 × 65,535 cells. ratatui allocates
//! two buffers of the reported size, and the system would kill the program for its memory.

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// An 8K screen in letters of 8 × 9 pixels. Cells beyond it stay empty.
const MAX_SIZE: Size = Size {
    width: 960,
    height: 480,
};

/// The part of a terminal of `size` that is drawn on, from its upper left corner.
pub fn drawable(size: Size) -> Size {
    Size {
        width: size.width.min(MAX_SIZE.width),
        height: size.height.min(MAX_SIZE.height),
    }
}

/// A backend that is no larger than [`MAX_SIZE`], and that can be dropped after its terminal was closed.
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

    /// Never fails. ratatui calls it when it is dropped, and prints an error to standard error, which panics
    /// if that is closed as well. The next frame reports the closed terminal, and [`leave`](super::leave)
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
