use std::sync::mpsc::Receiver;
use std::time::{Instant, SystemTime};

use super::super::Store;
use super::*;
use crate::domain::{Act, OpinionChange, Seen, Verdict};

/// Longer than any request takes.
const LIMIT: Duration = Duration::from_secs(60);

fn start(store: &Path) -> (Recorder, Receiver<News>) {
    let (sender, inbox) = mpsc::channel();
    let recorder = Recorder::start(Pending::open(store).unwrap(), "ann", move |news| {
        let _ = sender.send(news);
    });
    (recorder, inbox)
}

/// The image of that number.
fn id(number: u8) -> ContentId {
    ContentId::from_digest([number; 32])
}

fn draft(source: &Path, content: ContentId, note: &str) -> Request {
    Request::Record(Box::new(ReviewDraft {
        number: 7,
        source: source.into(),
        content,
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

fn recorded(source: &Arc<Path>, content: ContentId, note: &str) -> News {
    recorded_over(Opinion::default(), (source, content), opinion(note))
}

/// One of [`draft`]'s is in the log, over this opinion.
fn recorded_over(
    before: Opinion,
    (source, content): (&Arc<Path>, ContentId),
    opinion: Opinion,
) -> News {
    News::Recorded {
        source: source.clone(),
        content,
        number: 7,
        before: before.into(),
        opinion: opinion.into(),
    }
}

fn opinion(note: &str) -> Opinion {
    Opinion {
        verdict: Some(Verdict::Unsure),
        note: note.to_owned(),
        ..Opinion::default()
    }
}

#[test]
fn an_image_is_recognised_by_its_path_and_after_a_move_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let store = place("reviews.sqlite");
    let (a, b): (Arc<Path>, Arc<Path>) = (place("a.png").into(), place("b.png").into());
    let (recorder, news) = start(&store);
    recorder.ask(Request::Opened(a.clone(), id(1)));
    recorder.ask(draft(&a, id(1), "one"));
    let one = recorded(&a, id(1), "one");
    assert_eq!(news.recv_timeout(LIMIT), Ok(one));
    assert_eq!(recorder.end(), None);

    let (recorder, news) = start(&store);
    recorder.ask(Request::Found(vec![b.clone(), a.clone()]));
    let standing = |path: &Arc<Path>, content, opinion| {
        Ok(News::Standing(vec![(path.clone(), content, opinion)]))
    };
    let one = || opinion("one");
    // What lies there now is not known: the file has to be read before the opinion is told.
    let place = Ok(News::KnownByPlace(vec![a.clone()]));
    assert_eq!(news.recv_timeout(LIMIT), place);
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::LookedUp(1)));
    let read = vec![(a.clone(), Some(id(1))), (b.clone(), None)];
    recorder.ask(Request::Compared(read));
    assert_eq!(news.recv_timeout(LIMIT), standing(&a, id(1), one()));
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::LookedUp(2)));
    // Another image takes its name: the opinion belongs to the image that moved.
    recorder.ask(Request::Opened(b.clone(), id(1)));
    assert_eq!(news.recv_timeout(LIMIT), standing(&b, id(1), one()));
    recorder.ask(Request::Opened(a.clone(), id(2)));
    let nothing = Opinion::default;
    assert_eq!(news.recv_timeout(LIMIT), standing(&a, id(2), nothing()));
    recorder.ask(Request::Compared(vec![(a.clone(), Some(id(2)))]));
    assert_eq!(news.recv_timeout(LIMIT), standing(&a, id(2), nothing()));
}

/// An address names one instance, and none is fetched for its opinion alone.
#[test]
fn an_opinion_on_a_film_of_a_server_is_told_by_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let film: Arc<Path> =
        Path::new("https://pacs.example/dicom-web/studies/1/series/2/instances/3").into();
    let (recorder, news) = start(&store);
    recorder.ask(draft(&film, id(1), "one"));
    assert_eq!(news.recv_timeout(LIMIT), Ok(recorded(&film, id(1), "one")));
    recorder.end();
    let (recorder, news) = start(&store);
    recorder.ask(Request::Found(vec![film.clone()]));
    let standing = News::Standing(vec![(film, id(1), opinion("one"))]);
    assert_eq!(news.recv_timeout(LIMIT), Ok(standing));
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::LookedUp(1)));
}

/// No file is read for it: by then, the file may hold another image, or be gone.
#[test]
fn a_review_belongs_to_the_image_that_was_on_the_screen_even_if_the_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let image: Arc<Path> = folder.path().join("a.png").into();
    std::fs::write(&image, "another image by now").unwrap();
    let (recorder, news) = start(&store);
    recorder.ask(draft(&image, id(1), "one"));
    let one = recorded(&image, id(1), "one");
    assert_eq!(news.recv_timeout(LIMIT), Ok(one));
    std::fs::remove_file(&image).unwrap();
    recorder.ask(draft(&image, id(1), "two"));
    let two = recorded_over(opinion("one"), (&image, id(1)), opinion("two"));
    assert_eq!(news.recv_timeout(LIMIT), Ok(two));
    recorder.ask(draft(&image, id(2), "three"));
    let three = recorded(&image, id(2), "three");
    assert_eq!(news.recv_timeout(LIMIT), Ok(three));
    recorder.end();
    let opinions = Store::open(&store).unwrap().standings("ann").unwrap();
    let found: Vec<_> = opinions
        .into_iter()
        .map(|s| (s.image, s.opinion.note))
        .collect();
    let expected = [(id(1), "two"), (id(2), "three")];
    assert_eq!(
        found,
        expected.map(|(id, note)| (id.to_string(), note.to_owned()))
    );
}

#[test]
fn reviews_wait_while_the_store_fails_and_the_end_reports_lost_ones() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("state");
    std::fs::write(&in_the_way, "no folder").unwrap();
    let image: Arc<Path> = folder.path().join("a.png").into();
    std::fs::write(&image, "x").unwrap();
    let store = in_the_way.join("reviews.sqlite");
    let (recorder, news) = start(&store);
    recorder.ask(draft(&image, id(1), "one"));
    let waits = |news: News, expected: usize| match news {
        News::Waiting { count, reason } => {
            assert_eq!(count, expected);
            assert!(count == 0 || reason.contains("reviews.sqlite"), "{reason}");
        }
        other => panic!("{other:?}"),
    };
    waits(news.recv_timeout(LIMIT).unwrap(), 1);
    recorder.ask(draft(&image, id(1), "two"));
    // The first may be tried again, and said again, before the second comes.
    let mut next = news.iter();
    let next = next.find(|news| !matches!(news, News::Waiting { count: 1, .. }));
    waits(next.unwrap(), 2);
    std::fs::remove_file(&in_the_way).unwrap();
    // It is tried again without a request.
    let rest: Vec<News> = news
        .iter()
        .filter(|news| !matches!(news, News::Recorded { .. }))
        .take_while(|news| !matches!(news, News::Waiting { count: 0, .. }))
        .collect();
    assert!(rest.iter().all(|news| matches!(news, News::Waiting { .. })));
    assert_eq!(recorder.end(), None);
    assert_eq!(Store::open(&store).unwrap().verify().unwrap().rows, 2);

    let nowhere = folder.path().join("a.png/reviews.sqlite");
    let (recorder, _news) = start(&nowhere);
    recorder.ask(draft(&image, id(1), "three"));
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
fn the_newest_place_is_written_after_a_time_with_a_review_and_at_the_end() {
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
    recorder.ask(draft(&image, id(1), ""));
    let recorded = recorded(&image, id(1), "");
    assert_eq!(news.recv_timeout(LIMIT), Ok(recorded));
    recorder.ask(mark(4).0);
    assert_eq!(recorder.end(), None);
    assert_eq!(bookmark(&store), Some(mark(4).1));
}

#[test]
fn a_place_that_cannot_be_written_is_dropped_silently() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let (recorder, news) = start(&folder.path().join("file/reviews.sqlite"));
    recorder.ask(mark(1).0);
    assert_eq!(recorder.end(), None);
    assert!(news.recv().is_err(), "it is not reported");
}

/// As the prediction cache of the same program does, which may be making the store just then.
#[test]
fn a_place_and_shown_answers_survive_a_store_that_is_locked_for_a_moment_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    Store::open(&store).unwrap().close();
    let (recorder, _news) = start(&store);
    let other = rusqlite::Connection::open(&store).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (request, expected) = mark(4);
    recorder.ask(request);
    recorder.ask(Request::AnswersShown(vec![id(9)]));
    let release = thread::spawn(move || {
        // Longer than a statement waits once the program is in a hurry.
        thread::sleep(Duration::from_millis(400));
        other.execute_batch("COMMIT").unwrap();
    });
    assert_eq!(recorder.end(), None);
    release.join().unwrap();
    assert_eq!(bookmark(&store), Some(expected));
    let store = Store::open(&store).unwrap();
    assert!(store.was_answer_seen("ann", id(9)).unwrap());
}

/// The sessions run at the same time: the changes of both stay.
#[test]
fn two_sessions_of_one_reader_lose_none_of_their_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let image: Arc<Path> = folder.path().join("a.png").into();
    std::fs::write(&image, "x").unwrap();
    let (one, of_one) = start(&store);
    let (other, of_other) = start(&store);
    one.ask(draft(&image, id(1), "critical finding"));
    let expected = recorded(&image, id(1), "critical finding");
    assert_eq!(of_one.recv_timeout(LIMIT), Ok(expected));
    let flag = Opinion {
        key_image: true,
        ..Opinion::default()
    };
    let Request::Record(mut flagged) = draft(&image, id(1), "") else {
        unreachable!()
    };
    flagged.review.change = OpinionChange::to(&flag);
    other.ask(Request::Record(flagged));
    let both = Opinion {
        key_image: true,
        ..opinion("critical finding")
    };
    let before = opinion("critical finding");
    let expected = recorded_over(before, (&image, id(1)), both.clone());
    assert_eq!(of_other.recv_timeout(LIMIT), Ok(expected));
    for recorder in [one, other] {
        assert_eq!(recorder.end(), None);
    }
    let standings = Store::open(&store).unwrap().standings("ann").unwrap();
    assert_eq!(standings[0].opinion, both);
}

/// A session does not know that another session of the same reader has changed the verdict.
#[test]
fn a_verdict_is_recorded_over_another_sessions_verdict_and_not_twice_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let image: Arc<Path> = folder.path().join("a.png").into();
    let (one, of_one) = start(&store);
    let say = |recorder: &Recorder, verdict| {
        let Request::Record(mut draft) = draft(&image, id(1), "") else {
            unreachable!()
        };
        draft.review.change = OpinionChange::to(&Opinion {
            verdict: Some(verdict),
            ..Opinion::default()
        });
        recorder.ask(Request::Record(draft));
    };
    let heard = |news: &Receiver<News>| {
        news.iter().find_map(|news| match news {
            News::Recorded { opinion, .. } => opinion.verdict,
            News::Standing(opinions) => opinions[0].2.verdict,
            _ => None,
        })
    };
    say(&one, Verdict::Agree);
    assert_eq!(heard(&of_one), Some(Verdict::Agree));
    let (other, of_other) = start(&store);
    say(&one, Verdict::Unsure);
    assert_eq!(heard(&of_one), Some(Verdict::Unsure));
    // The other session opens the image, and gives the first verdict again.
    other.ask(Request::Opened(image.clone(), id(1)));
    assert_eq!(heard(&of_other), Some(Verdict::Unsure));
    say(&other, Verdict::Agree);
    assert_eq!(heard(&of_other), Some(Verdict::Agree));
    say(&other, Verdict::Agree);
    assert_eq!(heard(&of_other), Some(Verdict::Agree));
    for recorder in [one, other] {
        assert_eq!(recorder.end(), None);
    }
    assert_eq!(Store::open(&store).unwrap().verify().unwrap().rows, 3);
}

/// The image is renamed while the store is busy.
#[test]
fn waiting_reviews_of_a_renamed_image_are_merged_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    drop(Store::open(&store).unwrap());
    let (old, new): (Arc<Path>, Arc<Path>) = (
        folder.path().join("old.png").into(),
        folder.path().join("new.png").into(),
    );
    std::fs::write(&old, "x").unwrap();
    let (recorder, news) = start(&store);
    recorder.ask(Request::Opened(old.clone(), id(1)));
    recorder.ask(Request::Found(vec![]));
    assert_eq!(news.recv_timeout(LIMIT), Ok(News::LookedUp(0)));
    let busy = rusqlite::Connection::open(&store).unwrap();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    let called = |label: &str| {
        let call = crate::domain::Call {
            present: vec![label.to_owned()],
            ..Default::default()
        };
        let blinded = Some(crate::domain::BlindedReading {
            unaided: Some(call),
            ..Default::default()
        });
        let opinion = Opinion {
            blinded,
            ..Opinion::default()
        };
        (OpinionChange::to(&opinion), opinion)
    };
    let ask = |image: &Arc<Path>, change| {
        let Request::Record(mut draft) = draft(image, id(1), "") else {
            unreachable!()
        };
        draft.review.change = change;
        recorder.ask(Request::Record(draft));
    };
    ask(&old, called("Pneumonia").0);
    std::fs::rename(&old, &new).unwrap();
    ask(&new, called("COVID-19").0);
    busy.execute_batch("COMMIT").unwrap();
    let all = news.iter().take_while(|news| {
        let News::Recorded {
            source, opinion, ..
        } = news
        else {
            return true;
        };
        assert_eq!(**opinion, called("Pneumonia").1, "the first call stands");
        *source != new
    });
    assert!(all.count() > 0);
    assert_eq!(recorder.end(), None);
    let standings = Store::open(&store).unwrap().standings("ann").unwrap();
    assert_eq!(standings[0].opinion, called("Pneumonia").1);
}

/// The program ends while another program keeps the store locked.
#[test]
fn reviews_for_a_locked_store_wait_beside_it_for_the_next_session() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    drop(Store::open(&store).unwrap());
    let image: Arc<Path> = folder.path().join("a.png").into();
    std::fs::write(&image, "x").unwrap();
    let (recorder, _news) = start(&store);
    let busy = rusqlite::Connection::open(&store).unwrap();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    recorder.ask(draft(&image, id(1), "one"));
    recorder.ask(draft(&image, id(1), "two"));
    recorder.ending().end_within(LIMIT);
    let words = recorder.end().unwrap();
    assert!(words.starts_with("2 reviews wait in "), "{words}");
    assert!(words.contains("until cxr is started again"), "{words}");
    drop(busy);

    let (recorder, news) = start(&store);
    let taken_up = News::TakenUp {
        count: 2,
        problems: vec![],
    };
    assert_eq!(news.recv_timeout(LIMIT), Ok(taken_up));
    assert_eq!(recorder.end(), None);
    let audit = Store::open(&store).unwrap().verify().unwrap();
    assert_eq!((audit.rows, audit.faults), (2, vec![]));
    let standings = Store::open(&store).unwrap().standings("ann").unwrap();
    assert_eq!(standings[0].opinion, opinion("two"));
    let names = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the image and the store: {names:?}");
}

/// The store's handle panics for some time, like a fault of this program.
#[test]
fn a_panic_is_reported_at_once_and_loses_no_review() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let image: Arc<Path> = folder.path().join("a.png").into();
    std::fs::write(&image, "x").unwrap();
    let is_broken = Arc::new(AtomicBool::new(true));
    let (file, broken) = (store.clone(), is_broken.clone());
    let pending = Pending::with(
        &store,
        Box::new(move |_: &Wait| {
            assert!(!broken.load(Ordering::SeqCst), "broken for this test");
            Store::open(&file)
        }),
    );
    let (sender, news) = mpsc::channel();
    let recorder = Recorder::start(pending, "ann", move |news| {
        let _ = sender.send(news);
    });
    recorder.ask(draft(&image, id(1), "one"));
    let News::Waiting { count, reason } = news.recv_timeout(LIMIT).unwrap() else {
        panic!("it is not reported");
    };
    assert!(count == 1 && reason.contains("fault"), "{count} {reason}");
    is_broken.store(false, Ordering::SeqCst);
    recorder.ask(draft(&image, id(1), "two"));
    assert_eq!(news.recv_timeout(LIMIT), Ok(recorded(&image, id(1), "one")));
    let two = recorded_over(opinion("one"), (&image, id(1)), opinion("two"));
    assert_eq!(news.recv_timeout(LIMIT), Ok(two));
    assert_eq!(recorder.end(), None);
    assert_eq!(Store::open(&store).unwrap().verify().unwrap().rows, 2);
}
