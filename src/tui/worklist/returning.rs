//! What it takes to come back to a place.

use std::path::Path;

use super::{Sort, Worklist};

/// Rows that are looked through at a key press.
const NEAR: usize = 2_000;

impl Worklist {
    /// The number of an image among those that were found from the one of number `first` on.
    pub fn number_of(&self, path: &Path, first: usize) -> Option<u32> {
        let mut new = self.entries.get(first..)?.iter();
        // Not as paths: those are compared part by part.
        let at = new.position(|entry| entry.path.as_os_str() == path.as_os_str())?;
        u32::try_from(first + at).ok()
    }

    /// The row of the image of that number, if the filter lets it through.
    pub fn row_of_number(&self, number: u32) -> Option<usize> {
        self.rows.iter().position(|row| *row == number)
    }

    /// Filters and sorts anew by what is known by now.
    pub fn sort_again(&mut self) {
        self.arrange();
    }

    /// Whether everything is found, and read where order or filter ask for that, and looked up in the
    /// review log where they ask for that.
    pub fn is_settled(&self, looked_up: usize) -> bool {
        let is_read = self.read() == self.total() || !self.is_arranged_by_state();
        let asks_of_reviews = self.sort == Sort::Review || self.filter.asks_of_reviews();
        self.scanned && is_read && (looked_up >= self.total() || !asks_of_reviews)
    }

    /// The row of the selection once the filter has hidden again what it no longer lets through.
    pub fn lasting_row(&self) -> usize {
        if !self.stale || self.cursor > NEAR {
            return self.cursor;
        }
        let above = self.rows[..self.cursor].iter();
        above.filter(|index| self.lets_through(**index)).count()
    }
}
