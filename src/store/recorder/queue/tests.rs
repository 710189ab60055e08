use std::fs;
use std::sync::mpsc::{self, Receiver};
use std::time::SystemTime;

use super::super::super::{Bookmark, Store};
use super::*;
use crate::domain::{Act, BlindedReading, Call, OpinionChange, Review, Seen, Uids, Verdict};

/// A queue without its thread, and what it reports.
fn queue(store: &Path, reviewer: &str) -> (RecorderQueue, Receiver<News>) {
    let (sender, news) = mpsc::channel();
    let report = move |told| {
        let _ = sender.send(told);
    };
    let pending = Pending::open(store).unwrap();
    let queue = RecorderQueue::new(pending, reviewer, Box::new(report));
    (queue, news)
}

fn id(number: u8) -> ContentId {
    ContentId::from_digest([number; 32])
}

fn said(note: &str) -> Opinion {
    Opinion {
        verdict: Some(Verdict::Disagree),
        note: note.to_owned(),
        ..Opinion::default()
    }
}

fn called(label: &str) -> Opinion {
    let call = Call {
        present: vec![label.to_owned()],
        ..Call::default()
    };
    Opinion {
        blinded: Some(BlindedReading {
            unaided: Some(call),
            ..BlindedReading::default()
        }),
        ..Opinion::default()
    }
}

fn record(reviewer: &str, source: &Arc<Path>, content: ContentId, opinion: &Opinion) -> Request {
    Request::Record(Box::new(ReviewDraft {
        number: 0,
        source: source.clone(),
        content,
        uids: Uids::default(),
        patient_id: None,
        review: Review {
            reviewer: reviewer.into(),
            at: SystemTime::now(),
            act: Act::Judged,
            change: OpinionChange::to(opinion),
            seen: Seen::default(),
        },
        prediction: None,
    }))
}

/// What was told of opinions: the image's path, its content, and the opinion.
fn opinions(news: &Receiver<News>) -> Vec<(Arc<Path>, ContentId, Opinion)> {
    let told = news.try_iter().flat_map(|told| match told {
        News::Standing(opinions) => opinions,
        News::Recorded {
            source,
            content,
            opinion,
            ..
        } => vec![(source, content, *opinion)],
        _ => Vec::new(),
    });
    told.collect()
}

/// Ann's session ends while the store is locked; the next session here is bob's, or ann's with the answers shown.
#[test]
fn a_review_that_waited_is_no_opinion_of_another_reader() {
    for (writer, reader) in [("ann", "bob"), ("ann [unaided]", "ann [aided]")] {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("reviews.sqlite");
        drop(Store::open(&store).unwrap());
        let film: Arc<Path> = folder.path().join("a.png").into();
        let busy = rusqlite::Connection::open(&store).unwrap();
        busy.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (mut ended, _news) = queue(&store, writer);
        ended.pending.wait().hurry();
        for opinion in [called("Pneumonia"), said("effusion")] {
            ended.serve(record(writer, &film, id(1), &opinion));
        }
        ended.pending.save("ended").unwrap().unwrap();
        drop(ended);
        busy.execute_batch("COMMIT").unwrap();

        let (mut next, news) = queue(&store, reader);
        next.take_up();
        assert_eq!(next.pending.waiting(), 0);
        next.serve(Request::Opened(film.clone(), id(1)));
        next.serve(Request::Found(vec![film.clone()]));
        let told = opinions(&news);
        assert!(told.is_empty(), "{reader} has said nothing: {told:?}");
        // The first call of this reader stands in the log.
        next.serve(record(reader, &film, id(1), &called("COVID-19")));
        let expected = (film.clone(), id(1), called("COVID-19"));
        assert_eq!(opinions(&news), [expected]);
        drop(next);
        let store = Store::open(&store).unwrap();
        let standing = |reader: &str| store.standing(reader, id(1)).unwrap().unwrap();
        assert_eq!(standing(reader), called("COVID-19"));
        assert_eq!(standing(writer).note, "effusion");
    }
}

/// The place, or that answers were shown, is what meets the moved store first.
#[test]
fn after_the_store_moved_each_opinion_is_told_of_its_own_image() {
    for meets_first in ["place", "shown answers"] {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("reviews.sqlite");
        let film = |name: &str| -> Arc<Path> { folder.path().join(name).into() };
        let (mut queue, news) = queue(&store, "ann");
        for (name, image) in [("x", 1), ("y", 2)] {
            queue.serve(record("ann", &film(name), id(image), &said(name)));
        }
        let written = [(film("x"), id(1), said("x")), (film("y"), id(2), said("y"))];
        assert_eq!(opinions(&news), written);
        fs::rename(&store, folder.path().join("kept.sqlite")).unwrap();
        queue.serve(match meets_first {
            "place" => Request::Mark([folder.path().to_owned()].into(), Bookmark::default()),
            _ => Request::AnswersShown(vec![id(1)]),
        });
        let (marker, pending) = (&mut queue.marker, &mut queue.pending);
        let met = marker.write(pending, "ann").unwrap_err();
        assert!(matches!(met, StoreError::Moved { .. }), "{met}");
        assert_eq!(queue.pending.waiting(), 2);
        for (name, image) in [("z", 3), ("w", 4)] {
            queue.serve(record("ann", &film(name), id(image), &said(name)));
        }
        let written = [(film("z"), id(3), said("z")), (film("w"), id(4), said("w"))];
        assert_eq!(opinions(&news), written, "{meets_first}");
        assert_eq!(queue.pending.waiting(), 0);
        drop(queue);
        assert_eq!(Store::open(&store).unwrap().verify().unwrap().rows, 4);
    }
}

/// The retry comes before the next review: what is told of later ones must not be shifted.
#[test]
fn reviews_that_are_written_again_are_not_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let film = |name: &str| -> Arc<Path> { folder.path().join(name).into() };
    let (mut queue, news) = queue(&store, "ann");
    queue.serve(record("ann", &film("x"), id(1), &said("x")));
    assert_eq!(opinions(&news).len(), 1);
    fs::rename(&store, folder.path().join("kept.sqlite")).unwrap();
    let place = Request::Mark([folder.path().to_owned()].into(), Bookmark::default());
    queue.serve(place);
    let (marker, pending) = (&mut queue.marker, &mut queue.pending);
    marker.write(pending, "ann").unwrap_err();
    queue.turn(Err(RecvTimeoutError::Timeout));
    assert_eq!((queue.pending.waiting(), opinions(&news)), (0, vec![]));
    // A store that fails in another way: the review waits, and is told once it is written.
    let in_the_way = folder.path().join("kept again.sqlite");
    fs::rename(&store, &in_the_way).unwrap();
    queue.serve(record("ann", &film("y"), id(2), &said("y")));
    queue.turn(Err(RecvTimeoutError::Timeout));
    queue.serve(record("ann", &film("z"), id(3), &said("z")));
    let written = [(film("y"), id(2), said("y")), (film("z"), id(3), said("z"))];
    assert_eq!(opinions(&news), written);
}

/// A first sitting that stayed open: its call is refused at once, does not stand on the screen, and does not wait.
#[test]
fn a_call_after_the_second_sitting_was_opened_is_refused() {
    use super::super::super::{StudyRegistration, study_event};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.sqlite");
    let film: Arc<Path> = folder.path().join("a.png").into();
    let [first, second] = ["ann [aided]", "ann [unaided]"];
    let mut store = Store::open(&path).unwrap();
    let registration = StudyRegistration {
        second: [(first.to_owned(), second.to_owned())].into(),
        ..StudyRegistration::default()
    };
    store
        .begin_study("d", &registration, SystemTime::now())
        .unwrap();
    let (mut queue, news) = queue(&path, first);
    queue.serve(record(first, &film, id(1), &called("Pneumonia")));
    store
        .note_study_event("d", second, study_event::SITTING, "", SystemTime::now())
        .unwrap();
    let told: Vec<News> = news.try_iter().collect();
    assert!(matches!(&told[..], [News::Recorded { .. }]), "{told:?}");
    queue.serve(record(first, &film, id(1), &said("changed")));
    queue.serve(record(first, &film, id(2), &called("COVID-19")));
    let told: Vec<News> = news.try_iter().collect();
    let [
        News::Refused {
            content, reason, ..
        },
        News::Refused { .. },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(*content, id(1));
    assert!(reason.contains("ann [unaided] was opened"), "{reason}");
    assert_eq!(queue.pending.waiting(), 0);
    // Shown again, the film has what is in the log.
    queue.serve(Request::Opened(film.clone(), id(1)));
    assert_eq!(opinions(&news).pop().unwrap().2, called("Pneumonia"));
    let words = queue.finish().unwrap();
    assert!(words.starts_with("2 reviews were not recorded"), "{words}");
    assert_eq!(store.standings(first).unwrap().len(), 1);
}

/// A verdict of the log never stands beside an answer without the model that it is about.
#[test]
fn the_model_that_was_judged_is_told_before_each_opinion() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let film: Arc<Path> = folder.path().join("a.png").into();
    let (mut queue, news) = queue(&store, "ann");
    let Request::Record(mut draft) = record("ann", &film, id(1), &said("x")) else {
        unreachable!()
    };
    let answer = super::super::super::tests::prediction();
    draft.review.seen.prediction = Some(answer.clone());
    queue.serve(Request::Record(draft));
    let told = |news: &Receiver<News>| {
        let told: Vec<News> = news.try_iter().collect();
        let [
            News::JudgedModels(models),
            News::Recorded { .. } | News::Standing(_),
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!(
            models[..],
            [(id(1), Some(answer.model_sha256.as_str().into()))]
        );
    };
    told(&news);
    drop(queue);
    let (mut queue, news) = self::queue(&store, "ann");
    queue.serve(Request::Opened(film.clone(), id(1)));
    told(&news);
    let (mut queue, news) = self::queue(&store, "ann");
    queue.serve(Request::Compared(vec![(film, Some(id(1)))]));
    assert!(matches!(news.try_recv(), Ok(News::JudgedModels(_))));
    drop(queue);
}
