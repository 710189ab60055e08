//! Which files are sent.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::library::{self, WalkItem};

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
    let mut found = Found::default();
    library::scan(paths, |item| {
        match item {
            WalkItem::Image(path) if paths.contains(&path) || is_dicom(&path) => {
                found.files.push(path)
            }
            WalkItem::Image(_) | WalkItem::Unread { .. } => found.others += 1,
            WalkItem::Problem { path, reason } => found.problems.push((path, reason)),
        }
        ControlFlow::Continue(())
    });
    found
}

/// Whether a file begins as PS3.10 section 7.1 says.
fn is_dicom(path: &Path) -> bool {
    let mut head = [0; 132];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head.ends_with(b"DICM")
}
