//! Notices changes in open folders: files that appear, disappear or are written to.

mod names;
mod places;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::{UnreadFormat, WalkItem, scan_except};
use crate::imaging::FileStamp;
use crate::sources::{Sources, is_remote};
use names::{Names, WatchedRoot};
use places::{WatchedPlace, above, changes};

/// A file that is being written is looked at after this long without another change …
const CALM: Duration = Duration::from_millis(250);
/// … or, while changes keep coming, at the latest after this long.
const LONGEST: Duration = Duration::from_secs(1);

/// After another walk was asked for, the next one is asked for only after this long …
const SHORTEST_REST: Duration = Duration::from_secs(2);
/// … and after twice as long each time that it is needed at once again, up to this.
const LONGEST_REST: Duration = Duration::from_secs(600);

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

/// What a watch reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskNews {
    /// These files changed.
    Touched(Vec<Touched>),
    /// Changes may have gone by unseen: only another walk finds them.
    Missed,
    /// Changes are not reported any more, for this reason.
    Ended(String),
}

/// Returns true for files that must not be opened; see [`scan_except`].
type Except = dyn Fn(&Path) -> bool + Send;

/// Watches folders until it is dropped.
pub struct FolderWatch {
    end: Sender<WatchNote>,
}

impl Drop for FolderWatch {
    fn drop(&mut self) {
        // After its last news there is no receiver.
        let _ = self.end.send(WatchNote::End);
    }
}

/// What the thread of a watch is told.
#[derive(Debug, PartialEq, Eq)]
enum WatchNote {
    /// Something happened at this path.
    At(PathBuf),
    /// Some changes are not known, or what is watched is not what lies at the path any more.
    Missed,
    /// Nobody wants to know any more.
    End,
}

/// Calls `on`, on a thread of its own, with what changed below `roots`. Files for which `except` returns true are
/// skipped without opening them.
///
/// On network file systems, changes by other machines may go unnoticed, and everywhere those of what a link points to;
/// [`rescan`] finds them.
///
/// # Errors
/// A short text for the screen if the system cannot watch any more folders, or not these.
pub fn watch(
    roots: &[PathBuf],
    except: impl Fn(&Path) -> bool + Send + 'static,
    on: impl Fn(DiskNews) + Send + 'static,
) -> Result<FolderWatch, String> {
    let local = roots.iter().filter(|root| can_be_watched(root));
    let names = local
        .map(|root| WatchedRoot::of(root))
        .collect::<Result<_, _>>()?;
    let except = Box::new(except);
    let names = Names { names, except };
    let (sender, events) = mpsc::channel();
    let watcher = begin(&names.names, &sender)?;
    let end = sender.clone();
    thread::spawn(move || report(watcher, &names, (&sender, &events), on));
    Ok(FolderWatch { end })
}

/// Watches the roots, and what lies above them: only that tells when a root is made again.
fn begin(roots: &[WatchedRoot], sender: &Sender<WatchNote>) -> Result<RecommendedWatcher, String> {
    let words = |error: notify::Error| match error.kind {
        notify::ErrorKind::MaxFilesWatch => "the system watches no more folders".to_owned(),
        notify::ErrorKind::Io(error) => error.kind().to_string(),
        _ => "this folder cannot be watched".to_owned(),
    };
    let places = roots.iter().map(WatchedPlace::of).collect::<Vec<_>>();
    let (above, needed) = above(&places);
    let folders: Vec<PathBuf> = places.iter().filter_map(WatchedPlace::folder).collect();
    let sender = sender.clone();
    let mut watcher = notify::recommended_watcher(move |event| {
        // The thread that receives them drops this watcher first.
        changes(event, &places).for_each(|change| drop(sender.send(change)));
    })
    .map_err(words)?;
    // A watch on one of these would make that on a root end at its first level.
    let is_within = |folder: &Path| folders.iter().any(|root| folder.starts_with(root));
    for folder in above.into_iter().filter(|folder| !is_within(folder)) {
        let watched = watcher.watch(&folder, RecursiveMode::NonRecursive);
        if needed.contains(&folder) {
            watched.map_err(words)?;
        }
    }
    // Of several names of one folder the last one stays: as for a walk, that is to be the first.
    for folder in folders.iter().rev() {
        watch_whole(&mut watcher, folder).map_err(words)?;
    }
    Ok(watcher)
}

/// Watches a folder and all below it, where some may vanish meanwhile. If it vanishes itself, what is above it tells when
/// it comes again.
fn watch_whole(watcher: &mut RecommendedWatcher, folder: &Path) -> notify::Result<()> {
    const TRIES: usize = 5;
    let is_absent = |error: &notify::Error| match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    };
    for _ in 1..TRIES {
        match watcher.watch(folder, RecursiveMode::Recursive) {
            Err(error) if is_absent(&error) && !folder.is_dir() => return Ok(()),
            Err(error) if is_absent(&error) => {}
            watched => return watched,
        }
    }
    watcher.watch(folder, RecursiveMode::Recursive)
}

/// Changes that came together.
#[derive(Default)]
struct Gathered {
    paths: BTreeSet<PathBuf>,
    missed: bool,
    ended: bool,
}

impl Gathered {
    /// Waits for a change, with a limit if there is one, and for what comes soon after it.
    fn next(events: &Receiver<WatchNote>, limit: Option<Duration>) -> Self {
        let mut gathered = Gathered::default();
        let first = match limit {
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(limit) => events.recv_timeout(limit),
        };
        if first == Err(RecvTimeoutError::Timeout) {
            return gathered;
        }
        gathered.add(first.ok());
        let since = Instant::now();
        while !gathered.ended && since.elapsed() < LONGEST {
            match events.recv_timeout(CALM) {
                Err(RecvTimeoutError::Timeout) => break,
                change => gathered.add(change.ok()),
            }
        }
        gathered
    }

    fn add(&mut self, change: Option<WatchNote>) {
        match change {
            Some(WatchNote::At(path)) => drop(self.paths.insert(path)),
            Some(WatchNote::Missed) => self.missed = true,
            Some(WatchNote::End) | None => self.ended = true,
        }
    }
}

/// The time between two automatic walks. A walk opens files, and the system reports that too. If it loses reports because
/// of the walk itself, each walk would cause the next one.
struct Rest {
    /// Nothing is asked for before.
    end: Instant,
    length: Duration,
}

impl Rest {
    fn new(now: Instant) -> Self {
        Rest {
            end: now,
            length: Duration::ZERO,
        }
    }

    fn left(&self, now: Instant) -> Duration {
        self.end.saturating_duration_since(now)
    }

    /// Begins to rest, longer than before if that was not long ago.
    fn begin(&mut self, now: Instant) {
        self.length = match now < self.end + self.length {
            true => (2 * self.length).min(LONGEST_REST),
            false => SHORTEST_REST,
        };
        self.end = now + self.length;
    }
}

fn report(
    mut watcher: RecommendedWatcher,
    names: &Names,
    (sender, events): (&Sender<WatchNote>, &Receiver<WatchNote>),
    on: impl Fn(DiskNews),
) {
    let mut rest = Rest::new(Instant::now());
    let mut is_due = false;
    loop {
        let limit = is_due.then(|| rest.left(Instant::now()));
        let changes = Gathered::next(events, limit);
        if changes.ended {
            return;
        }
        let paths = changes.paths.iter();
        let touched: Vec<_> = paths.flat_map(|path| names.look(path)).collect();
        if !touched.is_empty() {
            on(DiskNews::Touched(touched));
        }
        is_due |= changes.missed;
        if !is_due || !rest.left(Instant::now()).is_zero() {
            continue;
        }
        is_due = false;
        rest.begin(Instant::now());
        // Folders may have come unseen too, so all of it begins anew, and before anybody walks again.
        drop(watcher);
        watcher = match begin(&names.names, sender) {
            Ok(watcher) => watcher,
            Err(reason) => return on(DiskNews::Ended(reason)),
        };
        on(DiskNews::Missed);
    }
}

/// Whether changes of it can be reported at all: those of a server are not.
pub fn can_be_watched(path: &Path) -> bool {
    !is_remote(path)
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
mod tests;
