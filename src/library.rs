//! Walks files and folders and reports the images in them, sorted, while the walk goes on.
//!
//! Files come in natural order ([`natural_order`]: `img2` before `img10`), folder by folder. The screen
//! and `predict` share this order. Memory is bounded by the largest single folder, not by the whole
//! tree.
//!
//! The rules:
//!
//! - A file that the user names is always reported, with any extension.
//! - In a folder, files that look like images are reported. Hidden files and pipes are not.
//! - Files that look like an image or an archive of an unsupported format are reported as such
//!   ([`WalkItem::Unread`]), so that no film is left out silently.
//! - Zip, tar and tar.gz archives are walked like folders, and their members named `archive.zip/path`; archives inside
//!   them are not, and count as unread. A member that is refused is a problem with the reason.
//! - A DICOMDIR that the user names stands for the files that it lists, in its order. In a folder it is ignored, and
//!   the files are found as any others.
//! - An address is walked by the remote source that holds it.
//! - Links are followed. A link to a folder above itself is a problem, not an endless walk.
//! - A folder that can be reached in several ways is walked once, under its first name, so overlapping
//!   roots report no file twice. A link to a *file* counts as a file of its own.
//! - An entry that cannot be read is a problem with a reason, and the walk goes on.

mod archives;
mod watch;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

pub use crate::imaging::UnreadFormat;
use crate::imaging::{Sighting, looks_like_image, sight};
pub use crate::sources::natural_order;
use crate::sources::{RemoteItem, Sources, is_remote};
use archives::{is_archive, is_index};
pub use watch::{DiskNews, FolderWatch, KnownFile, Touched, can_be_watched, rescan, watch};

/// One finding of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkItem {
    /// A file to open as an image. Only opening it tells whether it is one.
    Image(PathBuf),
    /// A file in a folder that looks like an image or an archive of an unsupported format.
    Unread { path: PathBuf, format: UnreadFormat },
    /// An entry that could not be walked or opened, with a short reason that does not repeat the path.
    Problem { path: PathBuf, reason: String },
}

impl WalkItem {
    /// The path of what was found.
    pub fn path(&self) -> &Path {
        match self {
            WalkItem::Image(path)
            | WalkItem::Unread { path, .. }
            | WalkItem::Problem { path, .. } => path,
        }
    }
}

/// Walks `roots` (files and folders, in the order given) and calls `on` with each finding, until `on`
/// breaks.
pub fn scan(roots: &[PathBuf], on: impl FnMut(WalkItem) -> ControlFlow<()>) {
    scan_except(roots, |_| false, on);
}

/// Like [`scan`], but skips files for which `except` returns true, without opening them. A root for
/// which it returns true is a problem.
pub fn scan_except(
    roots: &[PathBuf],
    except: impl Fn(&Path) -> bool,
    mut on: impl FnMut(WalkItem) -> ControlFlow<()>,
) {
    let mut walk = FolderWalk {
        except: &except,
        sources: Sources::of_process(),
        folders: HashSet::new(),
        files: HashSet::new(),
        parts: Vec::new(),
        names: HashSet::new(),
        // One address gives each of its films once.
        remote: (roots.iter().filter(|root| is_remote(root)).count() > 1).then(HashSet::new),
    };
    for root in roots {
        if walk.root(root, &mut on).is_break() {
            return;
        }
    }
}

/// Orders paths of a walk as it reports them: folder by folder, and in each by [`natural_order`].
pub fn walk_order(a: &Path, b: &Path) -> Ordering {
    let (mut left, mut right) = (a.components(), b.components());
    loop {
        match (left.next(), right.next()) {
            (Some(l), Some(r)) => match natural_order(l.as_os_str(), r.as_os_str()) {
                Ordering::Equal => {}
                other => return other,
            },
            (l, r) => return l.is_some().cmp(&r.is_some()),
        }
    }
}

/// The time of a file's last change, in seconds since 1970; `None` if its metadata cannot be read.
pub fn changed(path: &Path) -> Option<f64> {
    let metadata = Sources::of_process().metadata(path)?;
    Some(metadata.mtime() as f64 + metadata.mtime_nsec() as f64 / 1e9)
}

/// Whether there is a file, a folder or a member of an archive at a path, or a source for an address.
pub fn exists(path: &Path) -> bool {
    Sources::of_process().exists(path)
}

/// The path from the root, for another program. The address of a film on a server stays as it is.
pub fn whole_path(path: &Path) -> PathBuf {
    match is_remote(path) {
        true => path.to_owned(),
        // It fails only where the current folder is not known.
        false => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}

/// The path with links and `..` resolved. That of a member is below the real path of its archive.
///
/// # Errors
/// If there is nothing at the path.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    Sources::of_process().real(path)
}

/// Identifies a folder independently of its name: device and inode.
type FolderIdentity = (u64, u64);

fn identity(metadata: &Metadata) -> FolderIdentity {
    (metadata.dev(), metadata.ino())
}

/// What has been reported so far, as far as overlapping roots could reach it again.
struct FolderWalk<'a> {
    /// Returns true for files that must not be opened.
    except: &'a dyn Fn(&Path) -> bool,
    sources: Sources,
    /// Folders, and archives.
    folders: HashSet<FolderIdentity>,
    /// Canonical paths of the files that were roots.
    files: HashSet<PathBuf>,
    /// Parts of archives that were roots: the archive, and the path inside it.
    parts: Vec<(FolderIdentity, PathBuf)>,
    /// Their last parts.
    names: HashSet<OsString>,
    /// Films of remote sources, where several addresses could lead to one.
    remote: Option<HashSet<PathBuf>>,
}

impl FolderWalk<'_> {
    fn root(
        &mut self,
        root: &Path,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if is_remote(root) {
            return self.address(root, on);
        }
        match fs::metadata(root) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                self.part_of_archive(root, on)
            }
            Err(error) => on(problem(root, &error)),
            Ok(metadata) if metadata.is_dir() => self.folder(root, on),
            Ok(_) if (self.except)(root) => on(WalkItem::Problem {
                path: root.to_owned(),
                reason: "the store of reviews, not an image".to_owned(),
            }),
            Ok(metadata) if metadata.is_file() && is_index(root) => self.index(root, on),
            Ok(metadata) if metadata.is_file() && is_archive(root) => {
                self.archive(root, identity(&metadata), on)
            }
            Ok(metadata) if metadata.is_file() => self.file(root, on),
            Ok(_) => on(WalkItem::Problem {
                path: root.to_owned(),
                reason: "neither a file nor a folder".to_owned(),
            }),
        }
    }

    fn file(
        &mut self,
        path: &Path,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) => return on(problem(path, &error)),
        };
        if self.was_walked(&real) {
            return ControlFlow::Continue(());
        }
        if !self.is_new(real) {
            return ControlFlow::Continue(());
        }
        on(WalkItem::Image(path.to_owned()))
    }

    /// Records the canonical path of a file; `false` if it was recorded before.
    fn is_new(&mut self, real: PathBuf) -> bool {
        if let Some(name) = real.file_name() {
            self.names.insert(name.to_owned());
        }
        self.files.insert(real)
    }

    /// Whether the folder of this file was walked and the file reported with it.
    fn was_walked(&self, real: &Path) -> bool {
        !self.folders.is_empty()
            && !real.file_name().is_some_and(is_hidden)
            && real.parent().is_some_and(|folder| {
                fs::metadata(folder).is_ok_and(|m| self.folders.contains(&identity(&m)))
            })
            && looks_like_image(real)
    }

    fn folder(
        &mut self,
        root: &Path,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut entries = WalkDir::new(root)
            .follow_links(true)
            .sort_by(|a, b| natural_order(a.file_name(), b.file_name()))
            .into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if entry.depth() > 0 && is_hidden(entry.file_name()) => {
                    if entry.file_type().is_dir() {
                        entries.skip_current_dir();
                    }
                }
                Ok(entry) if entry.file_type().is_dir() => {
                    if !self.enters(&entry) {
                        entries.skip_current_dir();
                    }
                }
                Ok(entry) => self.entry(entry, on)?,
                Err(error) => {
                    if let Some(found) = self.failure(root, &error) {
                        on(found)?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Records a folder; `false` if it was walked before, under this name or another.
    fn enters(&mut self, entry: &DirEntry) -> bool {
        // A folder that was removed in the meantime is reported when the walk opens it.
        entry
            .metadata()
            .map_or(true, |metadata| self.folders.insert(identity(&metadata)))
    }

    /// Reports one file of a folder, or what is in it.
    fn entry(
        &mut self,
        entry: DirEntry,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if !entry.file_type().is_file() || (self.except)(entry.path()) {
            return ControlFlow::Continue(());
        }
        let sighting = sight(entry.path());
        if sighting == Sighting::Other || self.was_root(&entry) {
            return ControlFlow::Continue(());
        }
        let path = entry.into_path();
        match sighting {
            Sighting::Image => on(WalkItem::Image(path)),
            Sighting::Archive => match fs::metadata(&path) {
                Ok(metadata) => self.archive(&path, identity(&metadata), on),
                Err(error) => on(problem(&path, &error)),
            },
            Sighting::Unread(format) => on(WalkItem::Unread { path, format }),
            Sighting::Closed(reason) => on(WalkItem::Problem { path, reason }),
            Sighting::Other => ControlFlow::Continue(()),
        }
    }

    /// Walks the films of a remote source.
    fn address(
        &mut self,
        root: &Path,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(source) = self.sources.remote(root) else {
            return on(WalkItem::Problem {
                path: root.to_owned(),
                reason: "no source holds this address".to_owned(),
            });
        };
        let mut flow = ControlFlow::Continue(());
        let known = &mut self.remote;
        source.walk(root, &mut |item| {
            flow = match item {
                RemoteItem::Film(path) => {
                    let is_new = known
                        .as_mut()
                        .is_none_or(|known| known.insert(path.clone()));
                    if is_new {
                        on(WalkItem::Image(path))
                    } else {
                        ControlFlow::Continue(())
                    }
                }
                RemoteItem::Problem { path, reason } => on(WalkItem::Problem { path, reason }),
            };
            flow
        });
        flow
    }

    /// Whether the user named this file as a root before. Names are compared first, because that needs
    /// no disk access and they nearly always differ.
    fn was_root(&self, entry: &DirEntry) -> bool {
        self.names.contains(entry.file_name())
            && fs::canonicalize(entry.path()).is_ok_and(|real| self.files.contains(&real))
    }

    fn failure(&mut self, root: &Path, error: &walkdir::Error) -> Option<WalkItem> {
        let path = error.path().unwrap_or(root);
        if error.depth() > 0 && path.file_name().is_some_and(is_hidden) {
            return None;
        }
        if error.loop_ancestor().is_some() {
            return Some(WalkItem::Problem {
                path: path.to_owned(),
                reason: "link loop, not followed".to_owned(),
            });
        }
        // No file of a folder that could not be listed was reported, so they may still be roots.
        if let Ok(metadata) = fs::metadata(path) {
            self.folders.remove(&identity(&metadata));
        }
        let error = error
            .io_error()
            .map(io::Error::kind)
            .unwrap_or(io::ErrorKind::Other);
        Some(problem(path, &error.into()))
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// Said of a missing file whose name is a pattern.
pub const UNEXPANDED: &str =
    " (a pattern that the shell did not expand: it is quoted, or nothing matches it)";

/// Whether a name has the characters by which a shell knows a pattern of names.
pub fn is_pattern(path: &Path) -> bool {
    let name = path.as_os_str().as_bytes();
    let has = |c: u8| name.contains(&c);
    has(b'*') || has(b'?') || (has(b'[') && has(b']'))
}

/// A problem in words of our own, because the system's would end in `(os error 2)`.
fn problem(path: &Path, error: &io::Error) -> WalkItem {
    let reason = match error.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => "broken link".to_owned(),
        io::ErrorKind::NotFound if is_pattern(path) => {
            format!("no such file or folder{UNEXPANDED}")
        }
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        kind => kind.to_string(),
    };
    WalkItem::Problem {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests;
