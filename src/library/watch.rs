//! What becomes of the files of an open folder: those that come, go, or are written to.

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

/// A file that is being written is looked at once it has been left alone for so long …
const CALM: Duration = Duration::from_millis(250);
/// … or, where many come one after another, after so long at most.
const LONGEST: Duration = Duration::from_secs(1);

/// A file that was looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// The name under which a walk gives it. A folder that is gone stands for all that was in it.
    pub path: Arc<Path>,
    /// Whether it is there.
    pub exists: bool,
    /// What tells whether it has been written to; see [`FileStamp`].
    pub stamp: Option<FileStamp>,
    /// Of an image or an archive that is not read.
    pub unread: Option<UnreadFormat>,
}

/// A file of an earlier walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    pub path: Arc<Path>,
    /// Whether it was read since.
    pub is_read: bool,
    /// Of the file just before that; `None` where nothing tells whether it is still the same.
    pub stamp: Option<FileStamp>,
}

impl Touched {
    fn look(path: Arc<Path>) -> Self {
        Touched {
            exists: fs::metadata(&path).is_ok_and(|found| found.is_file()),
            stamp: FileStamp::of(&path),
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

/// Files that may not be opened; see [`scan_except`].
type Except = dyn Fn(&Path) -> bool + Send;

/// Watches folders until it is dropped.
pub struct FolderWatch {
    _watcher: RecommendedWatcher,
}

/// Has `on` called, on a thread of its own, with the files below `roots` of which something became.
/// Those that `except` holds for are not even opened.
///
/// # Errors
/// A few words for people, where the system watches no more folders or none of this kind. On network
/// file systems it may say nothing of what other machines do: [`rescan`] looks everywhere.
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
                // The other end goes only with this one.
                let _ = sender.send(path);
            });
        }
    })
    .map_err(words)?;
    let mut names = Vec::new();
    for root in roots {
        let real = std::path::absolute(root).map_err(|error| error.kind().to_string())?;
        let (folder, mode) = match root.is_dir() {
            true => (real.as_path(), RecursiveMode::Recursive),
            // A file's own watch would end when it is replaced.
            false => (real.parent().unwrap_or(&real), RecursiveMode::NonRecursive),
        };
        watcher.watch(folder, mode).map_err(words)?;
        names.push((real.clone(), root.clone()));
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

struct Names {
    /// Roots from the root of the file system, and as they were given.
    names: Vec<(PathBuf, PathBuf)>,
    except: Box<Except>,
}

impl Names {
    /// What is at a path, and below it if it is a folder: under the names that a walk gives.
    fn look(&self, path: &Path) -> Vec<Touched> {
        let Some(given) = self.given(path) else {
            return Vec::new();
        };
        match fs::metadata(path) {
            // A file of that name may have been there.
            Ok(found) if found.is_dir() => {
                let mut touched = files(std::slice::from_ref(&given), &self.except);
                touched.push(Touched::look(given.into()));
                touched
            }
            Ok(_) if (self.except)(path) => Vec::new(),
            Ok(_) => match sight(path) {
                Sighting::Image => vec![Touched::look(given.into())],
                Sighting::Unread(format) => vec![Touched::unread(given.into(), format)],
                Sighting::Closed(_) | Sighting::Other => Vec::new(),
            },
            Err(_) => vec![Touched::look(given.into())],
        }
    }

    /// The name under which a walk gives it; `None` where it gives none.
    fn given(&self, path: &Path) -> Option<PathBuf> {
        self.names.iter().find_map(|(real, given)| {
            let below = path.strip_prefix(real).ok()?;
            if below.iter().any(is_hidden) {
                return None;
            }
            Some(match below.as_os_str() == OsStr::new("") {
                true => given.clone(),
                false => given.join(below),
            })
        })
    }
}

/// Images, and what is not read.
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

/// Walks `roots` again: what came, what is gone, and what may have been written to of the files that are
/// `known` since they were read, and all that is not read. Files that were never read are not asked,
/// and those that `except` holds for are not opened.
pub fn rescan(
    roots: &[PathBuf],
    except: impl Fn(&Path) -> bool,
    known: &[KnownFile],
) -> Vec<Touched> {
    let names: HashSet<&Path> = known.iter().map(|file| &*file.path).collect();
    let mut touched = Vec::new();
    let mut there = HashSet::new();
    scan_except(roots, except, |found| {
        match found {
            WalkItem::Image(path) if names.contains(&*path) => drop(there.insert(path)),
            WalkItem::Image(path) => touched.push(Touched::look(path.into())),
            WalkItem::Unread { path, format } => touched.push(Touched::unread(path.into(), format)),
            WalkItem::Problem { .. } => {}
        }
        ControlFlow::Continue(())
    });
    for file in known {
        if !file.is_read && there.contains(&*file.path) {
            continue;
        }
        let now = Touched::look(file.path.clone());
        let may_differ = file.is_read && (file.stamp.is_none() || now.stamp != file.stamp);
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

    /// Waits for news of a file.
    fn of(news: &Receiver<Vec<Touched>>, path: &Path) -> Touched {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let touched = news.recv_timeout(left).expect("no news");
            if let Some(found) = touched.into_iter().find(|t| *t.path == *path) {
                return found;
            }
        }
    }

    #[test]
    fn files_that_come_are_written_and_go_are_told_under_their_walks_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("films");
        fs::create_dir_all(root.join("ward")).unwrap();
        let (sender, news) = mpsc::channel();
        let on = move |touched| drop(sender.send(touched));
        let _watch = watch(std::slice::from_ref(&root), |_| false, on).unwrap();
        let film = root.join("ward/a.png");
        fs::write(&film, "one").unwrap();
        let first = of(&news, &film);
        assert!(first.exists && first.stamp.is_some());
        fs::write(root.join("ward/.hidden.png"), "x").unwrap();
        fs::write(root.join("ward/notes.txt"), "x").unwrap();
        fs::write(&film, "two").unwrap();
        assert_ne!(of(&news, &film).stamp, first.stamp);
        // A whole folder comes, and goes.
        let aside = folder.path().join("aside");
        fs::create_dir(&aside).unwrap();
        fs::write(aside.join("b.png"), "x").unwrap();
        fs::rename(&aside, root.join("new")).unwrap();
        assert!(of(&news, &root.join("new/b.png")).exists);
        fs::rename(root.join("new"), &aside).unwrap();
        assert!(!of(&news, &root.join("new")).exists);
        fs::remove_file(&film).unwrap();
        assert!(!of(&news, &film).exists);
    }

    /// To open and close a file of the store would take its locks away.
    #[test]
    fn what_may_not_be_opened_is_not_told_and_what_is_not_read_is() {
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
            seen.extend(news.recv_timeout(LIMIT).expect("no news"));
        }
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
    fn a_second_walk_finds_what_came_went_and_was_written() {
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
            is_read: true,
        });
        let unread = KnownFile {
            path: path("unread.png"),
            is_read: false,
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
        // It was read so soon after it was written that nothing tells.
        known[2].stamp = None;
        let found = rescan(std::slice::from_ref(&root), |_| false, &known);
        assert!(found.iter().any(|touched| touched.path == path("same.png")));
    }
}
