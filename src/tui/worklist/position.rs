//! Coming back to a position in the list: after a filter was typed, and in the next session.

use std::path::Path;

use super::{Sort, Worklist};

/// The most rows that are scanned at a key press.
const MAX_SCANNED: usize = 2_000;

/// A filter, and the image that was selected with it.
pub struct FilterPosition {
    filter: String,
    selected: Option<u32>,
}

impl Worklist {
    /// Filter and selection, for [`Worklist::restore`].
    pub fn position(&self) -> FilterPosition {
        FilterPosition {
            filter: self.filter.text().to_owned(),
            selected: self.rows.get(self.cursor).copied(),
        }
    }

    /// Sets filter and selection as they were.
    pub fn restore(&mut self, position: FilterPosition) {
        self.filter = self.filter_of(position.filter);
        self.arrange();
        let row = position.selected.and_then(|i| self.row_of_index(i));
        self.go_to(row.unwrap_or(self.cursor));
    }

    /// The index of an image, searched from the index `first` on.
    pub fn index_from(&self, path: &Path, first: usize) -> Option<u32> {
        let mut new = self.entries.get(first..)?.iter();
        // As strings: paths are compared part by part, which is slower.
        let at = new.position(|entry| entry.path.as_os_str() == path.as_os_str())?;
        u32::try_from(first + at).ok()
    }

    /// The row of the image with that index, if it matches the filter.
    pub fn row_of_index(&self, index: u32) -> Option<usize> {
        self.rows.iter().position(|row| *row == index)
    }

    /// Filters and sorts by what is known now.
    pub fn sort_again(&mut self) {
        self.arrange();
    }

    /// Whether the rows are final: all files are found, and also read and looked up in the review log if the
    /// order or the filter depends on that. `looked_up` is the number of files that were looked up.
    pub fn is_settled(&self, looked_up: usize) -> bool {
        let is_read = self.read() == self.total() || !self.is_arranged_by_state();
        let uses_reviews = self.sort == Sort::Review || self.filter.uses_reviews();
        self.scanned && is_read && (looked_up >= self.total() || !uses_reviews)
    }

    /// The row that the selection will have once rows that no longer match the filter are hidden.
    pub fn lasting_row(&self) -> usize {
        if !self.stale || self.cursor > MAX_SCANNED {
            return self.cursor;
        }
        let above = self.rows[..self.cursor].iter();
        above.filter(|index| self.is_match(**index)).count()
    }
}
