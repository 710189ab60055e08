//! Rows of a manifest that are not cases, and why.

use std::collections::BTreeSet;

use serde::Serialize;

use super::rows::shortened;
use crate::domain::text::clean;

/// Most modalities that are named.
const NAMED: usize = 5;

/// Rows that are not cases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Skipped {
    /// Not wanted by a filter.
    pub filtered: usize,
    /// Marked as a copy of another, or its file named before.
    pub duplicates: usize,
    /// Their file was named before, with other boxes. The case has all of them.
    pub more_boxes: usize,
    /// Lateral views, and other images than radiographs.
    pub not_frontal: usize,
    /// The modalities of the other images than radiographs, as the table has them; a few of them, if there are many.
    pub modalities: BTreeSet<String>,
    pub without_file: usize,
    /// Nothing is known that a question asks for.
    pub unanswered: usize,
}

impl Skipped {
    /// Notes a modality that is no radiograph's.
    pub(super) fn other_modality(&mut self, modality: Option<String>) {
        if self.modalities.len() < NAMED {
            let modality = modality.map(|words| shortened(&clean(&words)));
            self.modalities.extend(modality);
        }
    }

    /// How many rows were left out, for each reason that there is.
    pub fn words(&self) -> Vec<String> {
        let named = self.modalities.iter().map(String::as_str);
        let named = named.collect::<Vec<_>>().join(", ");
        let modality = match named.as_str() {
            "" => String::new(),
            named => format!(" (modality {named})"),
        };
        let reasons = [
            (self.filtered, "not selected".to_owned()),
            (self.duplicates, "duplicates".to_owned()),
            (self.more_boxes, "with more boxes of a film".to_owned()),
            (
                self.not_frontal,
                format!("not frontal radiographs{modality}"),
            ),
            (self.without_file, "without a file name".to_owned()),
            (self.unanswered, "that answer no question".to_owned()),
        ];
        let found = reasons.into_iter().filter(|(count, _)| *count > 0);
        found
            .map(|(count, what)| format!("{count} {what}"))
            .collect()
    }
}
