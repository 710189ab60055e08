use std::fs;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind};

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
fn walks_that_follow_at_once_come_ever_more_rarely_and_a_later_one_at_once() {
    let start = Instant::now();
    let mut rest = Rest::new(start);
    assert_eq!(rest.left(start), Duration::ZERO);
    let mut now = start;
    let mut lengths = Vec::new();
    for _ in 0..11 {
        rest.begin(now);
        lengths.push(rest.left(now).as_secs());
        now += rest.left(now);
    }
    assert_eq!(lengths, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    now += LONGEST_REST;
    rest.begin(now);
    assert_eq!(rest.left(now), SHORTEST_REST);
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
