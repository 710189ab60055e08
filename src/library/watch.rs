//! Notices changes in open folders: files that appear, disappear or are written to.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
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

/// A root as it was when its watch began.
struct WatchedPlace {
    real: PathBuf,
    is_folder: bool,
}

impl WatchedPlace {
    fn of(root: &WatchedRoot) -> Self {
        WatchedPlace {
            is_folder: root.real.is_dir(),
            real: root.real.clone(),
        }
    }

    fn folder(&self) -> Option<PathBuf> {
        self.is_folder.then(|| self.real.clone())
    }

    /// Whether a root that comes or goes at this path has to be watched anew. A file is watched through its folder, which
    /// stays.
    fn lies_at(&self, path: &Path) -> bool {
        match path == self.real {
            true => self.is_folder || path.is_dir(),
            false => self.real.starts_with(path),
        }
    }
}

/// The folders above the roots that exist, and those of them without which a root is not watched at all: that of a file,
/// and the nearest one of a root that is not there.
fn above(places: &[WatchedPlace]) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    // Elsewhere the system reports all that happens at any depth, and much would be reported in vain.
    let most = if cfg!(target_os = "linux") {
        usize::MAX
    } else {
        1
    };
    let (mut above, mut needed) = (BTreeSet::new(), BTreeSet::new());
    for place in places {
        let folders = place.real.ancestors().skip(1);
        let mut folders = folders.filter(|folder| folder.is_dir()).take(most);
        let nearest = folders.next().map(Path::to_owned);
        above.extend(nearest.iter().cloned().chain(folders.map(Path::to_owned)));
        needed.extend(nearest.filter(|_| !place.is_folder));
    }
    (above, needed)
}

/// What an event tells of the roots.
fn changes(
    event: notify::Result<Event>,
    places: &[WatchedPlace],
) -> impl Iterator<Item = WatchNote> {
    let event = event.ok().filter(|event| !event.need_rescan());
    let missed = event.is_none().then_some(WatchNote::Missed);
    let event = event
        .filter(|event| is_change(event.kind))
        .unwrap_or_default();
    let is_move = matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
    );
    let told = event.paths.into_iter().filter_map(move |path| {
        if is_move && places.iter().any(|place| place.lies_at(&path)) {
            return Some(WatchNote::Missed);
        }
        let is_below = places.iter().any(|place| path.starts_with(&place.real));
        is_below.then_some(WatchNote::At(path))
    });
    missed.into_iter().chain(told)
}

fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// Changes that came together.
#[derive(Default)]
struct Gathered {
    paths: BTreeSet<PathBuf>,
    missed: bool,
    ended: bool,
}

impl Gathered {
    /// Waits for a change, and for what comes soon after it.
    fn next(events: &Receiver<WatchNote>) -> Self {
        let mut gathered = Gathered::default();
        gathered.add(events.recv().ok());
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

fn report(
    mut watcher: RecommendedWatcher,
    names: &Names,
    (sender, events): (&Sender<WatchNote>, &Receiver<WatchNote>),
    on: impl Fn(DiskNews),
) {
    loop {
        let changes = Gathered::next(events);
        if changes.ended {
            return;
        }
        let paths = changes.paths.iter();
        let touched: Vec<_> = paths.flat_map(|path| names.look(path)).collect();
        if !touched.is_empty() {
            on(DiskNews::Touched(touched));
        }
        if !changes.missed {
            continue;
        }
        // Folders may have come unseen too, so all of it begins anew, and before anybody walks again.
        drop(watcher);
        watcher = match begin(&names.names, sender) {
            Ok(watcher) => watcher,
            Err(reason) => return on(DiskNews::Ended(reason)),
        };
        on(DiskNews::Missed);
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

impl WatchedRoot {
    fn of(named: &Path) -> Result<Self, String> {
        // Of a part of an archive, the archive is watched.
        let given = archive::file_within(named).unwrap_or_else(|| named.to_owned());
        Ok(WatchedRoot {
            real: std::path::absolute(&given).map_err(|error| error.kind().to_string())?,
            given,
            walked: named.to_owned(),
        })
    }
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
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Where a watch reports, and the files that it reports.
    fn reported() -> (impl Fn(DiskNews) + Send, Receiver<Vec<Touched>>) {
        let (sender, files) = mpsc::channel();
        let on = move |news| {
            if let DiskNews::Touched(touched) = news {
                drop(sender.send(touched));
            }
        };
        (on, files)
    }

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
        let (on, news) = reported();
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
        let (on, news) = reported();
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
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("target.png");
        fs::write(&target, "x").unwrap();
        std::os::unix::fs::symlink(&target, path("link.png")).unwrap();
        thread::sleep(CALM);
        let read = ["read.png", "gone.png", "same.png", "link.png"].map(|name| KnownFile {
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
        // No watch sees that.
        fs::write(&target, "other").unwrap();
        let found = rescan(std::slice::from_ref(&root), |_| false, &known);
        let found: Vec<_> = found.iter().map(|t| (t.path.clone(), t.exists)).collect();
        let expected = [
            ("new.png", true),
            ("read.png", true),
            ("gone.png", false),
            ("link.png", true),
        ];
        assert_eq!(found, expected.map(|(name, exists)| (path(name), exists)));
        // It was read so soon after it was written that its stamp cannot tell.
        known[2].stamp = None;
        let found = rescan(std::slice::from_ref(&root), |_| false, &known);
        assert!(found.iter().any(|touched| touched.path == path("same.png")));
    }

    /// After each gap in what is known, another walk is asked for; nothing else of the folders above matters.
    #[test]
    fn lost_events_and_moved_roots_ask_for_another_walk() {
        let place = |real: &str, is_folder| WatchedPlace {
            real: real.into(),
            is_folder,
        };
        let places = [place("/w/films", true), place("/w/one.dcm", false)];
        let told = |event| changes(event, &places).collect::<Vec<_>>();
        let of = |kind: EventKind, path: &str| told(Ok(Event::new(kind).add_path(path.into())));
        let lost = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        assert_eq!(told(Ok(lost)), [WatchNote::Missed]);
        assert_eq!(told(Err(notify::Error::generic(""))), [WatchNote::Missed]);
        let moved = EventKind::Modify(ModifyKind::Name(notify::event::RenameMode::From));
        let created = EventKind::Create(notify::event::CreateKind::Any);
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        for (kind, path, expected) in [
            (moved, "/w/films", Some(WatchNote::Missed)),
            (created, "/w", Some(WatchNote::Missed)),
            (written, "/w", None),
            (moved, "/w/other", None),
            (
                created,
                "/w/films/a",
                Some(WatchNote::At("/w/films/a".into())),
            ),
            (
                written,
                "/w/films/a",
                Some(WatchNote::At("/w/films/a".into())),
            ),
            // Its folder is watched, so it may be replaced.
            (
                moved,
                "/w/one.dcm",
                Some(WatchNote::At("/w/one.dcm".into())),
            ),
            (EventKind::Access(AccessKind::Read), "/w/films/a", None),
        ] {
            assert_eq!(of(kind, path), Vec::from_iter(expected), "{kind:?} {path}");
        }
    }

    #[test]
    fn a_folder_that_vanishes_while_it_is_watched_is_no_fault() {
        let mut watcher = notify::recommended_watcher(|_| ()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert!(watch_whole(&mut watcher, folder.path()).is_ok());
        assert!(watch_whole(&mut watcher, &folder.path().join("gone")).is_ok());
    }

    #[test]
    fn a_root_that_is_moved_away_and_made_again_is_watched_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let root = at("ward/films");
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(at("copy/films")).unwrap();
        let (sender, news) = mpsc::channel();
        let on = move |news| drop(sender.send(news));
        let _watch = watch(std::slice::from_ref(&root), |_| false, on).unwrap();
        for (from, to) in [("ward/films", "old"), ("old", "ward/films")] {
            fs::rename(at(from), at(to)).unwrap();
            assert_eq!(news.recv_timeout(LIMIT), Ok(DiskNews::Missed));
        }
        // So it is where a folder above is replaced.
        if cfg!(target_os = "linux") {
            fs::rename(at("ward"), at("ward.old")).unwrap();
            fs::rename(at("copy"), at("ward")).unwrap();
            assert_eq!(news.recv_timeout(LIMIT), Ok(DiskNews::Missed));
        }
        // One move may have been told of twice: then the watch stood only after the file was written.
        for number in 0.. {
            let film = root.join(format!("{number}.png"));
            fs::write(&film, "x").unwrap();
            let found = news.recv_timeout(LIMIT).expect("no report in time");
            if matches!(found, DiskNews::Touched(files) if files.iter().any(|f| *f.path == *film)) {
                break;
            }
        }
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
        let (on, news) = reported();
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
