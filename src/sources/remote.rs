//! Films that are not on the disk.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SourceFault;

/// One finding of a walk through a remote source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteItem {
    /// A film, to be opened under this path.
    Film(PathBuf),
    /// Something that could not be listed, with a short reason that does not repeat the path.
    Problem { path: PathBuf, reason: String },
}

/// A source of films at addresses. What it fetches, keeps and forgets is its own business.
pub trait RemoteSource: Send + Sync {
    /// Whether this path lies in this source. It is asked often, and must not touch the network.
    fn holds(&self, path: &Path) -> bool;

    /// The whole content of a film.
    ///
    /// # Errors
    /// If it cannot be had, or has more than `longest` bytes. The reason is shown: it must hold nothing of a patient
    /// and no credentials.
    fn read(&self, path: &Path, longest: u64) -> Result<Arc<[u8]>, SourceFault>;

    /// A number that differs after the content has changed; `None` if that is not known, and a film is then decoded
    /// at every look. It must not touch the network.
    fn stamp(&self, path: &Path) -> Option<u64>;

    /// Calls `on` with what lies under an address, in order, until it breaks.
    fn walk(&self, path: &Path, on: &mut dyn FnMut(RemoteItem) -> ControlFlow<()>);
}

/// Whether a path is an address and not on the disk: by its first letters alone.
pub fn is_remote(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.starts_with(b"https://") || bytes.starts_with(b"http://")
}
