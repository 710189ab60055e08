//! The size of a cell in pixels.

use crossterm::terminal::window_size;

/// Width and height of a cell in pixels as the system knows it, without asking the terminal.
pub fn cell_from_system() -> Option<(u16, u16)> {
    let size = window_size().ok()?;
    let cell = (
        size.width.checked_div(size.columns)?,
        size.height.checked_div(size.rows)?,
    );
    plausible(cell)
}

/// The size, if it can be true: there are terminals that answer zero, or one by one.
pub fn plausible((width, height): (u16, u16)) -> Option<(u16, u16)> {
    ((4..=200).contains(&width) && (4..=400).contains(&height)).then_some((width, height))
}
