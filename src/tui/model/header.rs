//! The DICOM header of the image on the screen, as a list that can be searched.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::domain::{ContentId, HeaderLine};

/// What came of reading a header.
#[derive(Debug, Clone)]
pub struct HeaderRead {
    /// The image that the file held then.
    pub content: ContentId,
    /// `None` for a film in a format without a DICOM header.
    pub lines: Option<Arc<[HeaderLine]>>,
}

/// The box of a header.
#[derive(Debug, Clone, Default)]
pub struct HeaderBox {
    /// The file that it is of.
    pub source: Option<Arc<Path>>,
    /// `None` while it is read.
    pub read: Option<Result<HeaderRead, String>>,
    /// Sequences whose items are shown, by line.
    pub unfolded: HashSet<usize>,
    /// The marked line, among those that are shown.
    pub cursor: usize,
    /// Only lines with these letters are shown.
    pub search: String,
    /// Whether keys go into the search.
    pub is_typing: bool,
}

impl HeaderBox {
    pub fn new(source: Arc<Path>) -> Self {
        HeaderBox {
            source: Some(source),
            ..HeaderBox::default()
        }
    }

    /// All lines; none while the header is read, or where there is none.
    pub fn lines(&self) -> &[HeaderLine] {
        match &self.read {
            Some(Ok(HeaderRead {
                lines: Some(lines), ..
            })) => lines,
            _ => &[],
        }
    }

    /// The lines that are shown: those outside folded sequences, or those that match the search, each below the
    /// sequences that it is in. Values that are hidden match nothing, or a search would find out what they are.
    pub fn shown(&self, reveals: bool) -> Vec<usize> {
        let lines = self.lines();
        if self.search.is_empty() {
            return self.outside_folds(lines);
        }
        let wanted = self.search.to_lowercase();
        let mut shown = Vec::new();
        let mut parents: Vec<usize> = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            parents.retain(|parent| lines[*parent].depth < line.depth);
            if matches(line, &wanted, reveals) {
                let missing = parents.iter().copied();
                let missing: Vec<_> = missing
                    .filter(|parent| shown.binary_search(parent).is_err())
                    .collect();
                shown.extend(missing);
                shown.push(at);
            }
            parents.push(at);
        }
        shown
    }

    fn outside_folds(&self, lines: &[HeaderLine]) -> Vec<usize> {
        let mut folded_at: Option<u8> = None;
        let mut shown = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            if folded_at.is_some_and(|depth| line.depth > depth) {
                continue;
            }
            folded_at = None;
            shown.push(at);
            // Items are open, sequences are closed until they are opened.
            if line.tag.is_some() && line.has_content && !self.unfolded.contains(&at) {
                folded_at = Some(line.depth);
            }
        }
        shown
    }

    /// Opens or closes the marked sequence.
    pub fn fold(&mut self, reveals: bool) {
        let Some(at) = self.shown(reveals).get(self.cursor).copied() else {
            return;
        };
        if self.lines()[at].has_content && !self.unfolded.remove(&at) {
            self.unfolded.insert(at);
        }
    }

    /// Moves the mark, and stays in the list.
    pub fn move_by(&mut self, lines: isize, reveals: bool) {
        let last = self.shown(reveals).len().saturating_sub(1);
        self.cursor = self.cursor.min(last).saturating_add_signed(lines).min(last);
    }
}

fn matches(line: &HeaderLine, wanted: &str, reveals: bool) -> bool {
    let has = |text: &str| text.to_lowercase().contains(wanted);
    let value = reveals || !line.is_confidential;
    has(&line.tag_words()) || has(&line.keyword) || (value && has(&line.value))
}
