//! Notices changes in open folders: files that appear, disappear or are written to.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::{UnreadFormat, WalkItem, is_hidden, scan_except};
use crate::imaging::{FileStamp, Sighting, sight};
use crate::sources::{Sources, archive, is_remote};

/// A file that is being written is looked at after this long without another change …
const CALM: Duration = Duration::from_millis(250);
/// … or, while changes keep coming, at the latest after this long.
const LONGEST: Duration = Duration::from_secs(1);

/// A file that was looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// The path under which a walk reports it. A removed folder stands for every file in it.
    pub path: Arc<Path>,
    /// Whether the file exists.
    pub exists: bool,
    /// Changes when the file is written to; see [`FileStamp`].
    pub stamp: Option<FileStamp>,
    /// Set for an image or an archive of an unsupported format.
    pub unread: Option<UnreadFormat>,
}

/// A file of an earlier walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    pub path: Arc<Path>,
    /// Whether anything of it is shown, from its image or its header.
    pub is_shown: bool,
    /// The stamp taken just before that was read; `None` if it cannot show later changes.
    pub stamp: Option<FileStamp>,
}

impl Touched {
    fn look(path: Arc<Path>) -> Self {
        Touched {
            exists: Sources::of_process().is_film(&path),
            stamp: FileStamp::of(&path),
            unread: None,
            path,
        }
    }

    /// It is gone, and all below it.
    fn gone(path: Arc<Path>) -> Self {
        Touched {
            exists: false,
            stamp: None,
            unread: None,
            path,
        }
    }

    fn unread(path: Arc<Path>, format: UnreadFormat) -> Self {
        Touched {
            unread: Some(format),
            ..Touched::look(path)
        }
    }
}

/// Returns true for files that must not be opened; see [`scan_except`].
type Except = dyn Fn(&Path) -> bool + Send;

/// Watches folders until it is dropped.
pub struct FolderWatch {
    _watcher: RecommendedWatcher,
}

/// Calls `on`, on a thread of its own, with the files below `roots` that changed. Files for which
/// `except` returns true are skipped without opening them.
///
/// On network file systems, changes by other machines may go unnoticed; [`rescan`] finds them.
///
/// # Errors
/// A short text for the screen if the system cannot watch any more folders, or not these.
pub fn watch(
    roots: &[PathBuf],
    except: impl Fn(&Path) -> bool + Send + 'static,
    on: impl Fn(Vec<Touched>) + Send + 'static,
) -> Result<FolderWatch, String> {
    let words = |error: notify::Error| match error.kind {
        notify::ErrorKind::MaxFilesWatch => "the system watches no more folders".to_owned(),
        notify::ErrorKind::Io(error) => error.kind().to_string(),
        _ => "this folder cannot be watched".to_owned(),
    };
    let (sender, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if let Ok(event) = event
            && is_change(event.kind)
        {
            event.paths.into_iter().for_each(|path| {
                // The receiver is dropped only after this sender.
                let _ = sender.send(path);
            });
        }
    })
    .map_err(words)?;
    let mut names = Vec::new();
    for named in roots.iter().filter(|root| !is_remote(root)) {
        // Of a part of an archive, the archive is watched.
        let file = archive::file_within(named);
        let root = file.as_deref().unwrap_or(named);
        let real = std::path::absolute(root).map_err(|error| error.kind().to_string())?;
        let (folder, mode) = if root.is_dir() {
            (real.as_path(), RecursiveMode::Recursive)
        } else {
            // A watch on the file itself would end when the file is replaced.
            (real.parent().unwrap_or(&real), RecursiveMode::NonRecursive)
        };
        watcher.watch(folder, mode).map_err(words)?;
        names.push(WatchedRoot {
            real: real.clone(),
            given: root.to_owned(),
            walked: named.clone(),
        });
    }
    let except = Box::new(except);
    thread::spawn(move || report(&events, &Names { names, except }, on));
    Ok(FolderWatch { _watcher: watcher })
}

fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

fn report(events: &Receiver<PathBuf>, names: &Names, on: impl Fn(Vec<Touched>)) {
    while let Ok(first) = events.recv() {
        let mut paths = BTreeSet::from([first]);
        let since = Instant::now();
        let ended = loop {
            match events.recv_timeout(CALM) {
                Ok(path) => paths.insert(path),
                Err(RecvTimeoutError::Timeout) => break false,
                Err(RecvTimeoutError::Disconnected) => break true,
            };
            if since.elapsed() >= LONGEST {
                break false;
            }
        };
        let touched: Vec<_> = paths.iter().flat_map(|path| names.look(path)).collect();
        if !touched.is_empty() {
            on(touched);
        }
        if ended {
            return;
        }
    }
}

/// A file or a folder that is watched.
struct WatchedRoot {
    /// As an absolute path.
    real: PathBuf,
    /// As it was given.
    given: PathBuf,
    /// What a walk reports of it: the same, or a part of an archive.
    walked: PathBuf,
}

/// Translates paths of change events to the paths that a walk reports.
struct Names {
    names: Vec<WatchedRoot>,
    except: Box<Except>,
}

impl Names {
    /// The files at a path, and below it if it is a folder, under the paths that a walk reports.
    fn look(&self, path: &Path) -> Vec<Touched> {
        let Some(given) = self.given(path) else {
            return Vec::new();
        };
        match fs::metadata(path) {
            // The folder may have replaced a file of the same name.
            Ok(found) if found.is_dir() => {
                let mut touched = files(std::slice::from_ref(&given), &self.except);
                touched.push(Touched::look(given.into()));
                touched
            }
            Ok(_) if (self.except)(path) => Vec::new(),
            Ok(_) => match sight(path) {
                Sighting::Image => vec![Touched::look(given.into())],
                // Its members that are gone are not found any more.
                Sighting::Archive => {
                    let mut touched = vec![Touched::gone(given.clone().into())];
                    touched.extend(files(&self.walked(given), &self.except));
                    touched
                }
                Sighting::Unread(format) => vec![Touched::unread(given.into(), format)],
                Sighting::Closed(_) | Sighting::Other => Vec::new(),
            },
            Err(_) => vec![Touched::gone(given.into())],
        }
    }

    /// What a walk reports of an archive: all of it, or the parts that were named.
    fn walked(&self, archive: PathBuf) -> Vec<PathBuf> {
        let of = |root: &&WatchedRoot| root.given == archive;
        let parts: Vec<PathBuf> = self
            .names
            .iter()
            .filter(of)
            .map(|r| r.walked.clone())
            .collect();
        if parts.is_empty() {
            vec![archive]
        } else {
            parts
        }
    }

    /// The path under which a walk reports it; `None` if a walk skips it.
    fn given(&self, path: &Path) -> Option<PathBuf> {
        self.names
            .iter()
            .find_map(|WatchedRoot { real, given, .. }| {
                let below = path.strip_prefix(real).ok()?;
                if below.iter().any(is_hidden) {
                    return None;
                }
                Some(if below.as_os_str() == OsStr::new("") {
                    given.clone()
                } else {
                    given.join(below)
                })
            })
    }
}

/// All images and unread files below `roots`.
fn files(roots: &[PathBuf], except: impl Fn(&Path) -> bool) -> Vec<Touched> {
    let mut files = Vec::new();
    scan_except(roots, except, |found| {
        match found {
            WalkItem::Image(path) => files.push(Touched::look(path.into())),
            WalkItem::Unread { path, format } => files.push(Touched::unread(path.into(), format)),
            WalkItem::Problem { .. } => {}
        }
        ControlFlow::Continue(())
    });
    files
}

/// Walks `roots` again and returns what changed: new files, removed files, files that may have been
/// written to since they were read, and every file of an unsupported format. Known files of which nothing is
/// shown are not checked for changes. Files for which `except` returns true are skipped without opening
/// them.
pub fn rescan(
    roots: &[PathBuf],
    except: impl Fn(&Path) -> bool,
    known: &[KnownFile],
) -> Vec<Touched> {
    let names: HashSet<&Path> = known.iter().map(|file| &*file.path).collect();
    let mut touched = Vec::new();
    let mut present = HashSet::new();
    scan_except(roots, except, |found| {
        match found {
            WalkItem::Image(path) if names.contains(&*path) => drop(present.insert(path)),
            WalkItem::Image(path) => touched.push(Touched::look(path.into())),
            WalkItem::Unread { path, format } => touched.push(Touched::unread(path.into(), format)),
            WalkItem::Problem { .. } => {}
        }
        ControlFlow::Continue(())
    });
    for file in known {
        if !file.is_shown && present.contains(&*file.path) {
            continue;
        }
        let now = Touched::look(file.path.clone());
        let may_differ = file.is_shown && (file.stamp.is_none() || now.stamp != file.stamp);
        if !now.exists || may_differ {
            touched.push(now);
        }
    }
    touched
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Waits for a report on this file that says so: on a busy machine, one change may come in several.
    fn report_on(
        news: &Receiver<Vec<Touched>>,
        path: &Path,
        says: impl Fn(&Touched) -> bool,
    ) -> Touched {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let touched = news.recv_timeout(left).expect("no such report in time");
            let mut found = touched.into_iter().filter(|t| *t.path == *path);
            if let Some(found) = found.find(&says) {
                return found;
            }
        }
    }

    #[test]
    fn created_written_and_removed_files_are_reported_under_their_walk_paths() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("films");
        fs::create_dir_all(root.join("ward")).unwrap();
        let (sender, news) = mpsc::channel();
        let on = move |touched| drop(sender.send(touched));
        let _watch = watch(std::slice::from_ref(&root), |_| false, on).unwrap();
        let film = root.join("ward/a.png");
        fs::write(&film, "one").unwrap();
        let first = report_on(&news, &film, |film| film.exists && film.stamp.is_some());
        fs::write(root.join("ward/.hidden.png"), "x").unwrap();
        fs::write(root.join("ward/notes.txt"), "x").unwrap();
        fs::write(&film, "two").unwrap();
        report_on(&news, &film, |film| {
            film.stamp.is_some() && film.stamp != first.stamp
        });
        // A whole folder is moved in, and out again.
        let aside = folder.path().join("aside");
        fs::create_dir(&aside).unwrap();
        fs::write(aside.join("b.png"), "x").unwrap();
        fs::rename(&aside, root.join("new")).unwrap();
        report_on(&news, &root.join("new/b.png"), |film| film.exists);
        fs::rename(root.join("new"), &aside).unwrap();
        report_on(&news, &root.join("new"), |folder| !folder.exists);
        fs::remove_file(&film).unwrap();
        report_on(&news, &film, |film| !film.exists);
    }

    /// Opening and closing a file of the store would release its locks.
    #[test]
    fn excepted_files_are_not_reported_and_unread_formats_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("films");
        fs::create_dir_all(&root).unwrap();
        let store = root.join("reviews.gif");
        let is_store = {
            let store = store.clone();
            move |path: &Path| path == store
        };
        let (sender, news) = mpsc::channel();
        let on = move |touched| drop(sender.send(touched));
        let roots = [root.clone()];
        let _watch = watch(&roots, is_store.clone(), on).unwrap();
        fs::write(&store, "x").unwrap();
        fs::write(root.join("films.zip"), "x").unwrap();
        fs::write(root.join("last.png"), "x").unwrap();
        let mut seen = Vec::new();
        while !seen.iter().any(|t: &Touched| t.path.ends_with("last.png")) {
            seen.extend(news.recv_timeout(LIMIT).expect("no report in time"));
        }
        // One change may come in several reports.
        seen.sort_by(|one, other| one.path.cmp(&other.path));
        seen.dedup_by(|one, other| one.path == other.path);
        let zip = |touched: &Touched| {
            let words = touched.unread.map(|format| format.noun());
            touched.path.ends_with("films.zip") && words == Some("zip archive")
        };
        for seen in [seen, rescan(&roots, is_store, &[])] {
            assert!(seen.iter().all(|touched| *touched.path != *store));
            assert_eq!(seen.iter().filter(|touched| zip(touched)).count(), 1);
        }
    }

    #[test]
    fn a_second_walk_finds_new_removed_and_written_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let path = |name: &str| -> Arc<Path> { root.join(name).into() };
        for name in ["read.png", "unread.png", "gone.png", "same.png"] {
            fs::write(path(name), name).unwrap();
        }
        thread::sleep(CALM);
        let read = ["read.png", "gone.png", "same.png"].map(|name| KnownFile {
            stamp: FileStamp::of(&path(name)),
            path: path(name),
            is_shown: true,
        });
        let unread = KnownFile {
            path: path("unread.png"),
            is_shown: false,
            stamp: None,
        };
        let mut known = [&read[..], &[unread]].concat();
        assert_eq!(rescan(std::slice::from_ref(&root), |_| false, &known), []);
        fs::write(path("read.png"), "other").unwrap();
        fs::write(path("unread.png"), "other").unwrap();
        fs::remove_file(path("gone.png")).unwrap();
        fs::write(path("new.png"), "x").unwrap();
        let found = rescan(std::slice::from_ref(&root), |_| false, &known);
        let found: Vec<_> = found.iter().map(|t| (t.path.clone(), t.exists)).collect();
        let expected = [("new.png", true), ("read.png", true), ("gone.png", false)];
        assert_eq!(found, expected.map(|(name, exists)| (path(name), exists)));
        // It was read so soon after it was written that its stamp cannot tell.
        known[2].stamp = None;
        let found = rescan(std::slice::from_ref(&root), |_| false, &known);
        assert!(found.iter().any(|touched| touched.path == path("same.png")));
    }

    #[test]
    fn an_archive_that_is_replaced_is_reported_member_by_member() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("films");
        fs::create_dir_all(&root).unwrap();
        let archive = root.join("a.tar");
        let put = |names: &[&str]| {
            // Moved in whole, as a copy of a PACS comes.
            let beside = folder.path().join("a.tar");
            fs::write(&beside, tar(names)).unwrap();
            fs::rename(&beside, &archive).unwrap();
        };
        put(&["1.png", "2.png"]);
        let (sender, news) = mpsc::channel();
        let on = move |touched| drop(sender.send(touched));
        let roots = [root.clone()];
        let _watch = watch(&roots, |_| false, on).unwrap();
        let known = |name: &str| KnownFile {
            path: archive.join(name).into(),
            is_shown: false,
            stamp: None,
        };
        let known = [known("1.png"), known("2.png")];
        assert_eq!(rescan(&roots, |_| false, &known), []);
        put(&["2.png", "3.png"]);
        let found = news.recv_timeout(LIMIT).expect("no report in time");
        let found: Vec<_> = found.iter().map(|t| (&*t.path, t.exists)).collect();
        let (two, three) = (archive.join("2.png"), archive.join("3.png"));
        // All that was in it may be gone, and what is there is.
        assert_eq!(found, [(&*archive, false), (&*two, true), (&*three, true)]);
        let found = rescan(&roots, |_| false, &known);
        let found: Vec<_> = found.iter().map(|t| (&*t.path, t.exists)).collect();
        assert_eq!(found, [(&*three, true), (&*archive.join("1.png"), false)]);
    }

    /// A tar archive of empty members.
    fn tar(names: &[&str]) -> Vec<u8> {
        let mut archive = Vec::new();
        for name in names {
            let mut header = [0; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(b"00000000000");
            header[148..156].copy_from_slice(b"        ");
            header[156] = b'0';
            header[257..263].copy_from_slice(b"ustar\0");
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            archive.extend(header);
        }
        archive.extend([0; 1024]);
        archive
    }
}
