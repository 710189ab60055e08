//! Which files are sent.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::imaging;
use crate::library::{self, WalkItem};
use crate::sources::{Sources, is_remote};

/// Bytes of a file up to and with the mark of DICOM.
const HEAD: usize = 132;

/// The files below the paths that were named.
#[derive(Debug, Default)]
pub struct Found {
    pub files: Vec<PathBuf>,
    /// How many files of folders are no DICOM files.
    pub others: usize,
    /// What cannot be read, and why.
    pub problems: Vec<(PathBuf, String)>,
}

/// Walks the paths. A file that was named itself is taken for a DICOM file, and its sending tells whether it is one.
pub fn find(paths: &[PathBuf]) -> Found {
    let named: HashSet<&PathBuf> = paths.iter().collect();
    let mut found = Found::default();
    library::scan(paths, |item| {
        match item {
            WalkItem::Image(path) if named.contains(&path) || is_dicom(&path) => {
                found.files.push(path)
            }
            WalkItem::Image(_) | WalkItem::Unread { .. } => found.others += 1,
            WalkItem::Problem { path, reason } => found.problems.push((path, reason)),
        }
        ControlFlow::Continue(())
    });
    found
}

/// Whether a file is one that cxr reads as DICOM, or one that cannot be read: its sending then says why it cannot be sent,
/// also of a film without preamble or file meta information. A film of a PACS is one; asking would fetch it.
fn is_dicom(path: &Path) -> bool {
    if is_remote(path) {
        return true;
    }
    let opened = Sources::of_process().open(path, u64::MAX);
    let head = opened.ok().and_then(|opened| opened.head(HEAD).ok());
    head.is_none_or(|head| imaging::is_dicom(&head))
}
