use std::sync::mpsc::Receiver;
use std::time::SystemTime;

use super::super::Store;
use super::*;
use crate::domain::{Act, Seen, Verdict};

/// Never reached on a machine that works.
const LIMIT: Duration = Duration::from_secs(60);

fn start(store: &Path) -> (Recorder, Receiver<News>) {
    let (news, inbox) = mpsc::channel();
    let recorder = Recorder::start(Pending::open(store).unwrap(), "ann", move |tidings| {
        let _ = news.send(tidings);
    });
    (recorder, inbox)
}

fn draft(source: &Path, note: &str) -> Request {
    Request::Record(Box::new(Draft {
        source: source.into(),
        uids: Uids::default(),
        patient_id: None,
        review: Review {
            reviewer: "ann".into(),
            at: SystemTime::now(),
            act: Act::Judged,
            change: OpinionChange::to(&opinion(note)),
            seen: Seen::default(),
        },
        prediction: None,
    }))
}

fn opinion(note: &str) -> Opinion {
    Opinion {
        verdict: Some(Verdict::Unsure),
        note: note.to_owned(),
        ..Opinion::default()
    }
}

#[test]
fn an_image_is_known_again_by_its_place_and_after_a_move_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let store = place("reviews.sqlite");
    let (a, b): (Arc<Path>, Arc<Path>) = (place("a.png").into(), place("b.png").into());
    std::fs::write(&a, "first").unwrap();
    let (recorder, news) = start(&store);
    recorder.ask(Request::Opened(a.clone()));
    recorder.ask(draft(&a, "one"));
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::Recorded(a.clone())));
    assert_eq!(recorder.end(), None);

    let (recorder, news) = start(&store);
    recorder.ask(Request::Found(vec![b.clone(), a.clone()]));
    let standing = |path: &Arc<Path>, opinion| News::Standing(vec![(path.clone(), opinion)]);
    assert_eq!(news.recv_timeout(LIMIT), Ok(standing(&a, opinion("one"))));
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::LookedUp(2)));
    // Another image takes its name: what was said is about the one that moved.
    std::fs::rename(&a, &b).unwrap();
    std::fs::write(&a, "second").unwrap();
    recorder.ask(Request::Opened(b.clone()));
    assert_eq!(news.recv_timeout(LIMIT), Ok(standing(&b, opinion("one"))));
    recorder.ask(Request::Opened(a.clone()));
    assert_eq!(
        news.recv_timeout(LIMIT),
        Ok(standing(&a, Opinion::default()))
    );
}

#[test]
fn a_review_is_of_what_was_looked_at_whatever_became_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let image: Arc<Path> = folder.path().join("a.png").into();
    std::fs::write(&image, "as it was seen").unwrap();
    let (recorder, news) = start(&store);
    recorder.ask(draft(&image, "one"));
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::Recorded(image.clone())));
    std::fs::write(&image, "replaced since").unwrap();
    recorder.ask(draft(&image, "two"));
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::Recorded(image.clone())));
    recorder.ask(Request::Opened(image.clone()));
    recorder.ask(draft(&image, "three"));
    let recorded = News::Recorded(image);
    assert!(news.iter().any(|tidings| tidings == recorded));
    recorder.end();
    let held = Store::open(&store).unwrap().standings("ann").unwrap();
    let notes: Vec<_> = held.into_iter().map(|s| s.opinion.note).collect();
    assert_eq!(notes, ["two", "three"]);
}

#[test]
fn an_image_that_cannot_be_read_is_refused_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (gone, there): (Arc<Path>, Arc<Path>) = (
        folder.path().join("gone.png").into(),
        folder.path().join("there.png").into(),
    );
    std::fs::write(&there, "x").unwrap();
    let (recorder, news) = start(&folder.path().join("reviews.sqlite"));
    recorder.ask(draft(&gone, ""));
    recorder.ask(draft(&there, ""));
    let first = news.recv_timeout(LIMIT).unwrap();
    assert!(matches!(first, News::Refused { source, .. } if source == gone));
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::Recorded(there)));
}

#[test]
fn while_the_store_fails_reviews_wait_and_the_end_says_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("state");
    std::fs::write(&in_the_way, "no folder").unwrap();
    let image: Arc<Path> = folder.path().join("a.png").into();
    std::fs::write(&image, "x").unwrap();
    let store = in_the_way.join("reviews.sqlite");
    let (recorder, news) = start(&store);
    recorder.ask(draft(&image, "one"));
    let waits = |tidings: News, expected: usize| match tidings {
        News::Waiting { count, reason } => {
            assert_eq!(count, expected);
            assert!(count == 0 || reason.contains("reviews.sqlite"), "{reason}");
        }
        other => panic!("{other:?}"),
    };
    waits(news.recv_timeout(LIMIT).unwrap(), 1);
    recorder.ask(draft(&image, "two"));
    waits(news.recv_timeout(LIMIT).unwrap(), 2);
    std::fs::remove_file(&in_the_way).unwrap();
    // Nobody asks again: it is tried by itself.
    let rest: Vec<News> = news
        .iter()
        .filter(|tidings| *tidings != News::Recorded(image.clone()))
        .take_while(|tidings| !matches!(tidings, News::Waiting { count: 0, .. }))
        .collect();
    assert!(
        rest.iter()
            .all(|tidings| matches!(tidings, News::Waiting { .. }))
    );
    assert_eq!(recorder.end(), None);
    assert_eq!(Store::open(&store).unwrap().verify().unwrap().rows, 2);

    let nowhere = folder.path().join("a.png/reviews.sqlite");
    let (recorder, _news) = start(&nowhere);
    recorder.ask(draft(&image, "three"));
    let lost = recorder.end().unwrap();
    assert!(lost.starts_with("1 review was not recorded"), "{lost}");
}

fn mark(row: usize) -> (Request, Bookmark) {
    let mark = Bookmark {
        row,
        sort: "name".into(),
        ..Bookmark::default()
    };
    (Request::Mark(folders(), mark.clone()), mark)
}

fn folders() -> Arc<[PathBuf]> {
    [PathBuf::from("/x")].into()
}

fn bookmark(store: &Path) -> Option<Bookmark> {
    let store = Store::open_read_only(store).ok()?;
    store.bookmark("ann", &folders()).unwrap()
}

#[test]
fn the_newest_place_is_written_by_itself_with_a_verdict_and_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let image: Arc<Path> = folder.path().join("a.png").into();
    std::fs::write(&image, "x").unwrap();
    let (recorder, news) = start(&store);
    let begun = Instant::now();
    for row in [1, 2] {
        recorder.ask(mark(row).0);
    }
    while bookmark(&store) != Some(mark(2).1) {
        assert!(begun.elapsed() < LIMIT, "it is not written");
        thread::sleep(Duration::from_millis(5));
    }
    recorder.ask(mark(3).0);
    recorder.ask(draft(&image, ""));
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::Recorded(image)));
    recorder.ask(mark(4).0);
    assert_eq!(recorder.end(), None);
    assert_eq!(bookmark(&store), Some(mark(4).1));
}

#[test]
fn a_place_that_cannot_be_written_costs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let (recorder, news) = start(&folder.path().join("file/reviews.sqlite"));
    recorder.ask(mark(1).0);
    assert_eq!(recorder.end(), None);
    assert!(news.recv().is_err(), "nothing is said of it");
}
