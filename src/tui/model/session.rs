//! The place in the worklist where the reader left these folders, and where they are now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::library;
use crate::store::Bookmark;

/// The session over the folders that were opened. It does nothing without folders: see
/// `update::session`.
#[derive(Default)]
pub struct Session {
    roots: Vec<Root>,
    /// The canonical paths of the roots: the key of the bookmark.
    pub folders: Arc<[PathBuf]>,
    /// The image to return to, until it is selected or the reader presses a key.
    pub wanted: Option<ReturnTarget>,
    /// Whether order and filter come from a bookmark and were not checked against a model yet.
    pub unchecked: bool,
    /// The number of images whose reviews have been looked up in the store.
    pub looked_up: usize,
    /// The bookmark that was saved last.
    pub saved: Option<Bookmark>,
}

/// A folder as it was given, and its canonical path.
struct Root {
    given: PathBuf,
    real: PathBuf,
}

/// An image to return to.
pub struct ReturnTarget {
    pub path: PathBuf,
    /// The row to go to if the image is gone.
    pub row: usize,
    /// Its number in the worklist, once it is found.
    pub index: Option<u32>,
    /// The number of images that were searched for it so far.
    pub searched: usize,
    /// The number of answers at which a list sorted by answers is sorted again.
    pub sorts_at: usize,
}

impl Session {
    /// A session over the given folders; looks up their canonical paths.
    pub fn new(roots: &[PathBuf]) -> Self {
        let roots: Vec<Root> = roots
            .iter()
            .map(|given| Root {
                given: given.clone(),
                real: real(given),
            })
            .collect();
        Session {
            folders: roots.iter().map(|root| root.real.clone()).collect(),
            roots,
            ..Session::default()
        }
    }

    /// Whether the session has folders.
    pub fn is_begun(&self) -> bool {
        !self.roots.is_empty()
    }

    /// The path of an image below its canonical folder. Links below the folder are not followed.
    pub fn real(&self, path: &Path) -> PathBuf {
        let mut roots = self.roots.iter();
        let real = roots.find_map(|root| rebased(path, &root.given, &root.real));
        real.unwrap_or_else(|| path.to_owned())
    }

    /// The path in this worklist of an image below a canonical folder.
    pub fn given(&self, path: &Path) -> PathBuf {
        let mut roots = self.roots.iter();
        let given = roots.find_map(|root| rebased(path, &root.real, &root.given));
        given.unwrap_or_else(|| path.to_owned())
    }
}

/// The canonical path of a root. The query of an address may name a patient, and is not kept.
fn real(given: &Path) -> PathBuf {
    match given.to_str() {
        Some(address) if address.starts_with("https://") || address.starts_with("http://") => {
            address.split('?').next().unwrap_or_default().into()
        }
        _ => library::real(given).unwrap_or_else(|_| given.to_owned()),
    }
}

/// `path` with its prefix `from` replaced by `to`; `None` without that prefix.
fn rebased(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(from).ok()?;
    // Joining nothing would add a separator.
    Some(if rest.as_os_str().is_empty() {
        to.to_owned()
    } else {
        to.join(rest)
    })
}

impl ReturnTarget {
    /// A target that was not searched for yet.
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
