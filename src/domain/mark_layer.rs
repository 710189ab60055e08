//! Marks as they are drawn over a picture of a radiograph.

use super::content_id::ContentId;
use super::mark::{MarkKind, MarkPoint};

/// How a mark is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkTone {
    /// A mark that is there.
    Plain,
    /// The mark that a key would act on, or one that is being made.
    Selected,
    /// Lines that the model offers and the reader has not confirmed.
    Offered,
}

/// A mark, or the part of it that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkDrawing {
    pub kind: MarkKind,
    /// No more than the kind has.
    pub points: Vec<MarkPoint>,
    /// Drawn beside it, and the same as in the list of marks; `None` for one that is being made.
    pub number: Option<usize>,
    pub tone: MarkTone,
}

/// The marks over a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkLayer {
    /// The image that they lie on. They are drawn over no other.
    pub content: ContentId,
    pub marks: Vec<MarkDrawing>,
    /// Where a key would set a point, while marks are being made.
    pub cursor: Option<MarkPoint>,
}
