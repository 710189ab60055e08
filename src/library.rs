//! A folder, streamed and sorted as it is found.
//!
//! The order is that of a reader's eye, `img2` before `img10`, folder by folder; the screen and
//! `predict` share it. Memory is bounded by the largest single folder, never by the whole tree.
//!
//! What is given, and what is not:
//!
//! - a file named by the user is always given, whatever its extension;
//! - in a folder, files that look like images are given, hidden ones and pipes are not;
//! - what looks like an image or an archive of a format that is not read is given as that, so that
//!   no film is left out in silence;
//! - links are followed. A link to a folder above itself is a problem, not a walk without end;
//! - a folder that can be reached in several ways is walked once, under the first of its names, so
//!   overlapping roots give no file twice. A link to a *file* is a name of its own;
//! - what cannot be read is a problem with a reason, and the walk goes on.

mod watch;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

pub use crate::imaging::UnreadFormat;
use crate::imaging::{Sighting, looks_like_image, sight};
pub use watch::{FolderWatch, KnownFile, Touched, rescan, watch};

/// One thing that a walk came upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkItem {
    /// A file to be opened as an image. Whether it is one, only opening tells.
    Image(PathBuf),
    /// A file of a folder that looks like an image or an archive and is not read.
    Unread { path: PathBuf, format: UnreadFormat },
    /// Something that could not be walked or opened, and why, in a few words without the path.
    Problem { path: PathBuf, reason: String },
}

/// Walks `roots`, files and folders, in the order given, and hands over what it finds, as it finds
/// it, until `on` breaks.
pub fn scan(roots: &[PathBuf], on: impl FnMut(WalkItem) -> ControlFlow<()>) {
    scan_except(roots, |_| false, on);
}

/// The same without the files that `except` holds for: those are not even opened. One that was named is
/// a problem.
pub fn scan_except(
    roots: &[PathBuf],
    except: impl Fn(&Path) -> bool,
    mut on: impl FnMut(WalkItem) -> ControlFlow<()>,
) {
    let mut walk = FolderWalk {
        except: &except,
        folders: HashSet::new(),
        files: HashSet::new(),
    };
    for root in roots {
        if walk.root(root, &mut on).is_break() {
            return;
        }
    }
}

/// When a file was changed last, in seconds since 1970; `None` if it is gone or nothing says.
pub fn changed(path: &Path) -> Option<f64> {
    let metadata = fs::metadata(path).ok()?;
    Some(metadata.mtime() as f64 + metadata.mtime_nsec() as f64 / 1e9)
}

/// Orders names as a reader does: runs of digits by their value, all else by its bytes.
pub fn natural_order(a: &OsStr, b: &OsStr) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let (Some(&l), Some(&r)) = (left.first(), right.first()) {
        let order = if l.is_ascii_digit() && r.is_ascii_digit() {
            compare_numbers(take_digits(&mut left), take_digits(&mut right))
        } else {
            (left, right) = (&left[1..], &right[1..]);
            l.cmp(&r)
        };
        if order.is_ne() {
            return order;
        }
    }
    // `img01` and `img1` have the same value; the order must still be a total one.
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Splits the leading run of digits off, without the zeros that lead it.
fn take_digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|c| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|&&c| c == b'0').count();
    &digits[zeros..]
}

/// Of two numbers without leading zeros the longer is the greater.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// What tells one folder from another, whatever it is called: device and inode.
type FolderIdentity = (u64, u64);

fn identity(metadata: &Metadata) -> FolderIdentity {
    (metadata.dev(), metadata.ino())
}

/// What has been given so far, as far as overlapping roots can meet it again.
struct FolderWalk<'a> {
    /// Files that may not be opened.
    except: &'a dyn Fn(&Path) -> bool,
    folders: HashSet<FolderIdentity>,
    /// Files that were roots, without links on the way to them.
    files: HashSet<PathBuf>,
}

impl FolderWalk<'_> {
    fn root(
        &mut self,
        root: &Path,
        on: &mut impl FnMut(WalkItem) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match fs::metadata(root) {
            Err(error) => on(problem(root, &error)),
            Ok(metadata) if metadata.is_dir() => self.folder(root, on),
            Ok(_) if (self.except)(root) => on(WalkItem::Problem {
                path: root.to_owned(),
                reason: "the store of reviews, and no image".to_owned(),
            }),
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
        if self.was_walked(&real) || !self.files.insert(real) {
            return ControlFlow::Continue(());
        }
        on(WalkItem::Image(path.to_owned()))
    }

    /// Whether the folder of a file was walked, and the file given with it.
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
                Ok(entry) => {
                    if let Some(found) = self.entry(entry) {
                        on(found)?;
                    }
                }
                Err(error) => {
                    if let Some(found) = self.failure(root, &error) {
                        on(found)?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Notes a folder; `false` if it was walked before, under this name or another.
    fn enters(&mut self, entry: &DirEntry) -> bool {
        // A folder that vanished meanwhile is reported when the walk opens it.
        entry
            .metadata()
            .map_or(true, |metadata| self.folders.insert(identity(&metadata)))
    }

    /// What there is to say of a file.
    fn entry(&self, entry: DirEntry) -> Option<WalkItem> {
        if !entry.file_type().is_file() || (self.except)(entry.path()) {
            return None;
        }
        let sighting = sight(entry.path());
        if sighting == Sighting::Other || self.was_root(&entry) {
            return None;
        }
        let path = entry.into_path();
        match sighting {
            Sighting::Image => Some(WalkItem::Image(path)),
            Sighting::Unread(format) => Some(WalkItem::Unread { path, format }),
            Sighting::Closed(reason) => Some(WalkItem::Problem { path, reason }),
            Sighting::Other => None,
        }
    }

    /// Whether the user named this very file before. Names are compared first: they need no look
    /// at the disk, and nearly always differ.
    fn was_root(&self, entry: &DirEntry) -> bool {
        self.files
            .iter()
            .any(|file| file.file_name() == Some(entry.file_name()))
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
                reason: "a link to a folder that holds it; not followed".to_owned(),
            });
        }
        // Nothing of a folder that could not be listed was given: its files may still be roots.
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

/// In words of its own where the system's would end in `(os error 2)`.
fn problem(path: &Path, error: &io::Error) -> WalkItem {
    let reason = match error.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => "a link to nothing".to_owned(),
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        kind => kind.to_string(),
    };
    WalkItem::Problem {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_may_not_be_opened_is_no_image_and_a_problem_where_it_was_named() {
        let folder = tree(&["a.png", "b.png"]);
        let (a, b) = (folder.path().join("a.png"), folder.path().join("b.png"));
        let found = |roots: &[PathBuf]| {
            let mut all = Vec::new();
            scan_except(
                roots,
                |path| path == b,
                |found| {
                    all.push(found);
                    ControlFlow::Continue(())
                },
            );
            all
        };
        let image = [WalkItem::Image(a)];
        assert_eq!(found(&[folder.path().to_owned()]), image);
        let named = found(&[b.clone(), folder.path().to_owned()]);
        assert!(matches!(&named[0], WalkItem::Problem { path, .. } if *path == b));
        assert_eq!(named[1..], image);
    }

    /// Makes empty files (their extension is what tells) below a new folder.
    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    /// What a scan gives, relative to `base`, with a `?` before what is not read and a `!` before
    /// problems.
    fn scanned(base: &Path, roots: &[&str]) -> Vec<String> {
        let roots: Vec<_> = roots.iter().map(|root| base.join(root)).collect();
        let mut all = Vec::new();
        scan(&roots, |found| {
            let (mark, path) = match found {
                WalkItem::Image(path) => ("", path),
                WalkItem::Unread { path, .. } => ("?", path),
                WalkItem::Problem { path, .. } => ("!", path),
            };
            all.push(format!(
                "{mark}{}",
                path.strip_prefix(base).unwrap().display()
            ));
            ControlFlow::Continue(())
        });
        all
    }

    #[test]
    fn names_are_ordered_as_a_reader_would() {
        let mut names = [
            "img10", "img9", "img01", "img1", "a", "img", "b2c10", "b2c9", "007", "10",
        ];
        names.sort_by(|a, b| natural_order(a.as_ref(), b.as_ref()));
        assert_eq!(
            names,
            [
                "007", "10", "a", "b2c9", "b2c10", "img", "img01", "img1", "img9", "img10"
            ]
        );
    }

    #[test]
    fn numbers_too_long_for_any_integer_are_ordered_too() {
        let (a, b) = ("1".repeat(50), "2".repeat(50));
        assert_eq!(natural_order(a.as_ref(), b.as_ref()), Ordering::Less);
        assert_eq!(natural_order(b.as_ref(), "3".as_ref()), Ordering::Greater);
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_a_total_one(mut names: Vec<String>) {
            // Sorting panics on an order that is none.
            names.sort_by(|a, b| natural_order(a.as_ref(), b.as_ref()));
            for pair in names.windows(2) {
                let same = natural_order(pair[0].as_ref(), pair[1].as_ref()).is_eq();
                proptest::prop_assert_eq!(same, pair[0] == pair[1]);
            }
        }

        #[test]
        fn the_order_is_a_total_one_on_digits_and_zeros(mut names in
            proptest::collection::vec("[a0-2]{0,6}", 0..40)) {
            names.sort_by(|a, b| natural_order(a.as_ref(), b.as_ref()));
            for pair in names.windows(2) {
                let same = natural_order(pair[0].as_ref(), pair[1].as_ref()).is_eq();
                proptest::prop_assert_eq!(same, pair[0] == pair[1]);
            }
        }
    }

    #[test]
    fn a_tree_comes_in_order_without_hidden_files_and_strangers() {
        let folder = tree(&[
            "s/10.png",
            "s/9.png",
            "s/b/2.jpg",
            "s/b/1.jpg",
            "s/.hidden.png",
            "s/.git/x.png",
            "s/notes.txt",
            "s/a.dcm",
        ]);
        assert_eq!(
            scanned(folder.path(), &["s"]),
            ["s/9.png", "s/10.png", "s/a.dcm", "s/b/1.jpg", "s/b/2.jpg"]
        );
    }

    #[test]
    fn what_looks_like_an_image_or_an_archive_and_is_not_read_is_told() {
        let folder = tree(&[
            "s/a.png", "s/b.xyz", "s/c.7z", "s/d.txt", "s/.e.7z", "f.rar",
        ]);
        assert_eq!(scanned(folder.path(), &["s"]), ["s/a.png", "?s/c.7z"]);
        // What is named is to be read.
        assert_eq!(
            scanned(folder.path(), &["f.rar", "s/c.7z", "s"]),
            ["f.rar", "s/c.7z", "s/a.png"]
        );
    }

    /// The superuser opens everything.
    #[test]
    fn a_file_that_may_not_be_looked_into_is_a_problem_unless_its_name_says_what_it_is() {
        let folder = tree(&["s/IM0001", "s/a.png", "s/notes.txt"]);
        for name in ["s/IM0001", "s/notes.txt"] {
            fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o000)).unwrap();
        }
        if fs::File::open(folder.path().join("s/IM0001")).is_ok() {
            eprintln!("skipped: permissions hold nobody up here");
            return;
        }
        assert_eq!(scanned(folder.path(), &["s"]), ["!s/IM0001", "s/a.png"]);
    }

    #[test]
    fn a_named_file_is_given_whatever_it_is_called() {
        let folder = tree(&["odd.xyz", ".hidden.png", ".h/a.png"]);
        assert_eq!(
            scanned(folder.path(), &["odd.xyz", ".hidden.png", ".h"]),
            ["odd.xyz", ".hidden.png", ".h/a.png"]
        );
    }

    #[test]
    fn overlapping_roots_give_a_file_once() {
        let folder = tree(&["s/a.png", "s/b/c.png", "s/odd.xyz", "s/.h.png"]);
        let base = folder.path();
        symlink(base.join("s"), base.join("alias")).unwrap();
        assert_eq!(
            scanned(base, &["s", "s/b", "s/a.png", "alias"]),
            ["s/a.png", "s/b/c.png"]
        );
        assert_eq!(scanned(base, &["s/b", "s"]), ["s/b/c.png", "s/a.png"]);
        assert_eq!(
            scanned(base, &["s/a.png", "s/../s/a.png", "s"]),
            ["s/a.png", "s/b/c.png"]
        );
        assert_eq!(
            scanned(base, &["s", "s/odd.xyz", "s/.h.png"]),
            ["s/a.png", "s/b/c.png", "s/odd.xyz", "s/.h.png"]
        );
    }

    #[test]
    fn a_loop_is_reported_and_not_followed() {
        let folder = tree(&["s/a.png", "s/b/c.png"]);
        let base = folder.path();
        symlink(base.join("s"), base.join("s/b/up")).unwrap();
        assert_eq!(scanned(base, &["s"]), ["s/a.png", "s/b/c.png", "!s/b/up"]);
    }

    #[test]
    fn folders_linked_to_each_other_twice_at_each_level_do_not_multiply() {
        let folder = tree(&["s/0/a.png"]);
        let base = folder.path();
        for level in 1..30 {
            let (here, below) = (format!("s/{level}"), format!("../{}", level - 1));
            fs::create_dir(base.join(&here)).unwrap();
            symlink(&below, base.join(&here).join("x")).unwrap();
            symlink(&below, base.join(&here).join("y")).unwrap();
        }
        assert_eq!(
            scanned(base, &["s/29"]),
            [format!("s/29/{}a.png", "x/".repeat(29))]
        );
    }

    #[test]
    fn what_is_not_there_is_a_problem_and_not_the_end() {
        let folder = tree(&["s/b.png"]);
        symlink("nowhere", folder.path().join("s/a")).unwrap();
        assert_eq!(
            scanned(folder.path(), &["gone", "s"]),
            ["!gone", "!s/a", "s/b.png"]
        );
    }

    #[test]
    fn a_pipe_is_not_an_image() {
        let folder = tree(&["s/b.png"]);
        let pipe = folder.path().join("s/a.png");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        assert_eq!(scanned(folder.path(), &["s"]), ["s/b.png"]);
        assert_eq!(scanned(folder.path(), &["s/a.png"]), ["!s/a.png"]);
    }

    #[test]
    fn a_break_ends_the_walk() {
        let folder = tree(&["a.png", "b.png"]);
        let mut seen = 0;
        scan(
            &[folder.path().to_owned(), folder.path().to_owned()],
            |_| {
                seen += 1;
                ControlFlow::Break(())
            },
        );
        assert_eq!(seen, 1);
    }
}
