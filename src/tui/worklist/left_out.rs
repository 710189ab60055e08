//! Files without a row: images and archives in formats that cxr does not read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Worklist;
use crate::library::UnreadFormat;

/// These files, by path.
#[derive(Debug, Default)]
pub struct LeftOut(BTreeMap<Arc<Path>, UnreadFormat>);

impl LeftOut {
    /// Returns whether the file is new.
    pub(super) fn add(&mut self, path: Arc<Path>, format: UnreadFormat) -> bool {
        self.0.insert(path, format).is_none()
    }

    /// Removes a file, or a folder with everything in it.
    pub(super) fn remove(&mut self, gone: &Path) {
        self.0.retain(|path, _| !path.starts_with(gone));
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Path, UnreadFormat)> {
        self.0.iter().map(|(path, format)| (&**path, *format))
    }
}

impl Worklist {
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    pub fn leave_out(&mut self, files: Vec<(Arc<Path>, UnreadFormat)>) {
        for (path, format) in files {
            self.left_out.add(path, format);
        }
    }

    /// Clears the list before the folder is walked again.
    pub fn forget_left_out(&mut self) {
        self.left_out = LeftOut::default();
    }

    /// The path below the folder that was opened, safe for a terminal.
    pub fn name_below(&self, path: &Path) -> String {
        let below = super::below_root(path, &self.roots);
        crate::domain::text::clean(&below.to_string_lossy())
    }
}
