//! Where the panes are, how large the reader wants them, and what the mouse drags.

use ratatui::layout::{Position, Rect};
use serde::{Deserialize, Serialize};

/// Where the panes are on the screen, in cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Panes {
    /// Rows of the worklist, without its border.
    pub worklist: Rect,
    pub findings: Rect,
    /// Cells that the image may fill.
    pub image: Rect,
    /// Cells that the image of the film beside it may fill; empty without one.
    pub compared: Rect,
    /// The pane that both are in.
    pub radiograph: Rect,
    /// The column of the border between the left panes and the image, if there is one.
    pub column: Option<u16>,
    /// The row of the border between worklist and findings, if there is one.
    pub row: Option<u16>,
}

/// The sizes of the panes that the reader chose, and which are hidden. It is remembered for the next time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct PaneSizes {
    /// Cells of the left column, with its borders; `None` follows the screen.
    pub left: Option<u16>,
    /// Rows of the findings, with their upper border; `None` follows the model.
    pub findings: Option<u16>,
    pub hides_worklist: bool,
    pub hides_findings: bool,
    /// The image has the whole screen.
    pub whole: bool,
}

impl PaneSizes {
    /// Whether the image is alone on the screen: by the key for that, or because both panes beside it are hidden.
    pub fn is_image_alone(&self) -> bool {
        self.whole || (self.hides_worklist && self.hides_findings)
    }

    /// Gives the image the whole screen, or the panes back that it had. Where both of them are hidden, both come back.
    pub fn turn_whole(&mut self) {
        let was_alone = self.is_image_alone();
        self.whole = !was_alone;
        if was_alone && self.is_image_alone() {
            (self.hides_worklist, self.hides_findings) = (false, false);
        }
    }
}

/// One of the films on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilmSide {
    Selected,
    /// The film beside it. It can be moved only while both have one view.
    Compared,
}

/// What the mouse drags while a button is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DragKind {
    Image(FilmSide),
    Window,
    Column,
    Row,
    /// A mark that is being made, where the button was pressed.
    Mark,
    /// The same, after the mouse has moved.
    DraggedMark,
}

/// A drag, and where the mouse was last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drag {
    pub kind: DragKind,
    pub at: Position,
}
