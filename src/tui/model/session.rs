//! Where the reader was when they left these folders, and where they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::Bookmark;

/// Does nothing unless it was begun: see `update::session`.
#[derive(Default)]
pub struct Session {
    roots: Vec<Root>,
    /// The roots as they are on the disk: the key of the bookmark.
    pub folders: Arc<[PathBuf]>,
    /// Where to go back to, until one is there or the reader does anything.
    pub wanted: Option<ReturnTarget>,
    /// A filter and an order that no model has been asked about.
    pub unchecked: bool,
    /// Of how many images it is known what the reader holds of them.
    pub looked_up: usize,
    /// What was remembered last.
    pub told: Option<Bookmark>,
}

/// A folder as it was asked for, and where that is.
struct Root {
    given: PathBuf,
    real: PathBuf,
}

/// An image to go back to.
pub struct ReturnTarget {
    pub path: PathBuf,
    /// If it is gone.
    pub row: usize,
    /// Its number in the worklist, once it is found …
    pub index: Option<u32>,
    /// … and how many were looked through for it.
    pub searched: usize,
    /// How many answers the list takes before it is sorted by them once more.
    pub sorts_at: usize,
}

impl Session {
    pub fn new(roots: &[PathBuf]) -> Self {
        let roots: Vec<Root> = roots
            .iter()
            .map(|given| Root {
                given: given.clone(),
                real: given.canonicalize().unwrap_or_else(|_| given.clone()),
            })
            .collect();
        Session {
            folders: roots.iter().map(|root| root.real.clone()).collect(),
            roots,
            ..Session::default()
        }
    }

    pub fn is_begun(&self) -> bool {
        !self.roots.is_empty()
    }

    /// Where an image of the list is, however its folder was named; links within it are not followed.
    pub fn real(&self, path: &Path) -> PathBuf {
        let mut roots = self.roots.iter();
        let real = roots.find_map(|root| moved(path, &root.given, &root.real));
        real.unwrap_or_else(|| path.to_owned())
    }

    /// What such an image is called in this list.
    pub fn given(&self, path: &Path) -> PathBuf {
        let mut roots = self.roots.iter();
        let given = roots.find_map(|root| moved(path, &root.real, &root.given));
        given.unwrap_or_else(|| path.to_owned())
    }
}

fn moved(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(from).ok()?;
    Some(match rest.as_os_str().is_empty() {
        true => to.to_owned(),
        false => to.join(rest),
    })
}

impl ReturnTarget {
    pub fn new(path: PathBuf, row: usize) -> Self {
        ReturnTarget {
            path,
            row,
            index: None,
            searched: 0,
            sorts_at: 1,
        }
    }
}
