//! Files that are replaced, added and removed: nothing of one image may appear under another.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::*;
use crate::domain::{Act, ContentId, OpinionChange, Review, Verdict};
use crate::library::Touched;
use crate::store::{News, Pending, Recorder, Request, ReviewDraft};
use crate::tui::model::{HeaderRead, Overlay};
use crate::tui::worklist::Disk;
use crate::worker::{FileContent, read_contents};

/// The identity of an image, by a number.
fn id(number: u8) -> ContentId {
    ContentId::from_digest([number; 32])
}

fn opened(model: &mut Model, content: ContentId) -> Vec<Effect> {
    let outcome = JobOutcome::Opened {
        source: model.viewer.source.clone().unwrap(),
        generation: model.viewer.generation,
        result: Ok(Box::new(Facts {
            content,
            ..*facts()
        })),
        stamp: None,
    };
    update(model, Message::Worker(outcome))
}

fn painted(model: &mut Model, content: ContentId) {
    let name = model.viewer.source.clone().unwrap();
    let Message::Worker(JobOutcome::Shown {
        source,
        generation,
        shown,
    }) = shown(name.to_str().unwrap(), model.viewer.generation, 7)
    else {
        panic!()
    };
    let shown = Shown { content, ..shown };
    update(
        model,
        Message::Worker(JobOutcome::Shown {
            source,
            generation,
            shown,
        }),
    );
}

fn prediction_of(content: ContentId) -> Box<Prediction> {
    Box::new(Prediction {
        content,
        ..*prediction(0.9)
    })
}

fn scored(model: &mut Model, content: ContentId) {
    let outcome = JobOutcome::Classified {
        source: model.viewer.source.clone().unwrap(),
        generation: model.viewer.generation,
        result: Ok(prediction_of(content)),
    };
    update(model, Message::Worker(outcome));
}

/// Two files, the first of them shown and scored.
fn reading() -> Model {
    let mut model = model_of(&["a.png", "b.png"]);
    opened(&mut model, id(1));
    painted(&mut model, id(1));
    scored(&mut model, id(1));
    model
}

fn touch(model: &mut Model, name: &str, exists: bool) -> Vec<Effect> {
    let touched = vec![Touched {
        path: path(name),
        exists,
        stamp: None,
        unread: None,
    }];
    let asked = false;
    update(model, Message::Touched { touched, asked })
}

#[test]
fn a_new_file_that_is_not_read_is_counted_and_is_not_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("films.zip");
    std::fs::write(&zip, "").unwrap();
    let roots = [folder.path().to_owned()];
    let found = || crate::library::rescan(&roots, |_| false, &[]);
    let mut model = model_of(&["a.png"]);
    for asked in [false, true] {
        let touched = found();
        update(&mut model, Message::Touched { touched, asked });
        assert_eq!(model.worklist.left_out().count(), 1);
        assert_eq!(model.worklist.total(), 1);
        assert_eq!(model.notice.as_deref(), Some("on the disk: 1 not read"));
    }
    std::fs::remove_file(&zip).unwrap();
    let gone = Touched {
        path: zip.into(),
        exists: false,
        stamp: None,
        unread: None,
    };
    let (touched, asked) = (vec![gone], false);
    update(&mut model, Message::Touched { touched, asked });
    assert_eq!(model.worklist.left_out().count(), 0);
}

fn drafts(effects: Vec<Effect>) -> Vec<ReviewDraft> {
    let draft = |effect| match effect {
        Effect::Ask(Request::Record(draft)) => Some(*draft),
        _ => None,
    };
    effects.into_iter().filter_map(draft).collect()
}

fn selects(effects: &[Effect]) -> Vec<Option<ContentId>> {
    let scored = |effect: &Effect| match effect {
        Effect::Select(job) => Some(job.scored),
        _ => None,
    };
    effects.iter().filter_map(scored).collect()
}

/// A file is replaced after it was scored, and selected again.
#[test]
fn the_scores_of_a_replaced_image_are_not_shown_under_the_new_one() {
    let mut model = reading();
    press(&mut model, "j");
    let effects = press(&mut model, "k");
    assert_eq!(
        selects(&effects),
        [Some(id(1))],
        "the worker is told which image was scored"
    );
    opened(&mut model, id(2));
    assert!(model.prediction().is_none() && model.viewer.shown.is_none());
    assert!(model.notice.as_ref().unwrap().contains("replaced"));
    assert_eq!(model.worklist.selected().unwrap().disk, Disk::Changed);
    painted(&mut model, id(2));
    assert!(
        drafts(press(&mut model, "a")).is_empty(),
        "nothing to agree with"
    );
    // A late answer for the image before is dropped.
    scored(&mut model, id(1));
    assert!(model.prediction().is_none());
    scored(&mut model, id(2));
    let draft = drafts(press(&mut model, "a")).remove(0);
    assert_eq!(draft.content, id(2));
    assert_eq!(draft.prediction.unwrap().content, id(2));
}

/// An answer of each of two models, and another image is written over the file of the row.
#[test]
fn the_scores_of_no_model_stay_under_a_file_that_was_written_to() {
    let mut model = reading();
    model.choices.all = ["first", "second"].map(choice).to_vec();
    press(&mut model, "m");
    scored(&mut model, id(1));
    press(&mut model, "j");
    assert!(model.worklist.other_prediction(0).is_some());
    touch(&mut model, "a.png", true);
    assert!(model.worklist.other_prediction(0).is_none());
    let row = |model: &Model| model.worklist.row(0).unwrap().prediction().is_some();
    assert!(!row(&model));
    press(&mut model, "m");
    assert!(
        !row(&model),
        "the other model's answer was of the image before"
    );
    assert_eq!(model.worklist.read(), 0);
}

/// What the log has of a path is about the image that was there.
#[test]
fn a_verdict_on_the_image_before_does_not_come_back_before_the_file_is_read_again() {
    let agreed = || {
        OpinionChange::to(&Opinion {
            verdict: Some(Verdict::Agree),
            ..Opinion::default()
        })
        .on(&Opinion::default())
    };
    let standing = |model: &mut Model| {
        let news = News::Standing(vec![(path("a.png"), id(1), agreed())]);
        update(model, Message::Review(news));
    };
    let verdict = |model: &Model| opinion_of(model, "a.png").verdict;
    let mut model = reading();
    press(&mut model, "aj");
    touch(&mut model, "a.png", true);
    // The verdict was on its way to the log when the file was written to.
    let recorded = News::Recorded {
        source: path("a.png"),
        content: id(1),
        number: 0,
        before: Default::default(),
        opinion: agreed().into(),
    };
    update(&mut model, Message::Review(recorded));
    assert_eq!(verdict(&model), None, "recorded");
    standing(&mut model);
    assert_eq!((verdict(&model), model.worklist.reviewed()), (None, 0));
    // It holds the same image after all.
    press(&mut model, "k");
    opened(&mut model, id(1));
    standing(&mut model);
    assert_eq!(verdict(&model), Some(Verdict::Agree));
    // A file that was never read has a verdict from an earlier session.
    let mut model = model_of(&["b.png", "a.png"]);
    standing(&mut model);
    assert_eq!(verdict(&model), Some(Verdict::Agree));
    touch(&mut model, "a.png", true);
    assert_eq!((verdict(&model), model.worklist.reviewed()), (None, 0));
}

/// It is asked again once the image is on the screen again, and in the grid perhaps never.
#[test]
fn an_answer_to_a_request_from_before_the_file_was_written_to_is_dropped() {
    let mut model = model_of(&["a.png", "b.png"]);
    press(&mut model, "#l");
    assert_eq!(selected(&model), "b.png");
    touch(&mut model, "a.png", true);
    opened(&mut model, id(1));
    scored(&mut model, id(1));
    press(&mut model, "h");
    let row = model.worklist.row(0).unwrap();
    assert!(row.prediction().is_none() && row.content.is_none());
    let effects = press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(selects(&effects), [None]);
    opened(&mut model, id(2));
    scored(&mut model, id(2));
    let row = model.worklist.row(0).unwrap();
    assert_eq!(row.prediction().unwrap().content, id(2));
}

/// The header was read first, and the file was replaced before the image was opened.
#[test]
fn the_header_of_another_image_does_not_stand_over_the_one_that_was_opened() {
    let mut model = model_of(&["a.png"]);
    press(&mut model, "t");
    let read = HeaderRead {
        content: id(1),
        lines: None,
    };
    let source = path("a.png");
    let read = Ok(read);
    update(&mut model, Message::Header { source, read });
    opened(&mut model, id(2));
    let Some(Overlay::Header(header)) = &model.overlay else {
        panic!("it is closed");
    };
    assert!(matches!(&header.read, Some(Err(reason)) if reason.contains("another image")));
}

/// A background result belongs to the image that the background job opened, which may not be the one on the screen.
#[test]
fn a_background_result_for_another_image_at_the_same_path_is_dropped() {
    let mut model = model_of(&["a.png", "b.png"]);
    model.background.state = crate::tui::model::BackgroundState::On;
    opened(&mut model, id(2));
    painted(&mut model, id(2));
    press(&mut model, "j");
    update(&mut model, Message::Tick);
    press(&mut model, "k");
    opened(&mut model, id(2));
    let outcome = JobOutcome::Background {
        job: BackgroundJob {
            source: path("a.png"),
            model: 0,
        },
        result: Some(Ok(prediction_of(id(1)))),
        origin: None,
        stamp: None,
    };
    update(&mut model, Message::Worker(outcome));
    assert!(model.prediction().is_none());
}

#[test]
fn undo_restores_the_opinion_on_that_image_even_if_its_file_was_replaced() {
    let mut model = reading();
    let draft = drafts(press(&mut model, "a")).remove(0);
    assert_eq!(draft.content, id(1));
    update(
        &mut model,
        Message::Review(News::Recorded {
            source: path("a.png"),
            content: id(1),
            number: 0,
            before: Default::default(),
            opinion: draft.review.change.on(&Default::default()).into(),
        }),
    );
    press(&mut model, "jk");
    opened(&mut model, id(2));
    painted(&mut model, id(2));
    assert_eq!(model.worklist.selected().unwrap().verdict(), None);
    scored(&mut model, id(2));
    let undone = drafts(press(&mut model, "U")).remove(0);
    assert_eq!(undone.content, id(1));
    assert!(
        undone.prediction.is_none(),
        "the prediction belongs to another image"
    );
    assert_eq!(undone.patient_id, None);
    assert_eq!(model.worklist.selected().unwrap().verdict(), None);
    let redo = press_key(&mut model, KeyCode::Char('r'), KeyModifiers::CONTROL);
    assert_eq!(drafts(redo).remove(0).content, id(1));
}

/// The picture and the facts of two images are never on the screen together, and nothing is recorded meanwhile.
#[test]
fn between_two_images_nothing_is_recorded() {
    let mut model = reading();
    let effects = touch(&mut model, "a.png", true);
    assert_eq!(selects(&effects), [None], "it is scored again");
    // Until then a verdict is about the image that is on the screen.
    let draft = drafts(press(&mut model, "*")).remove(0);
    assert_eq!(draft.content, id(1));
    opened(&mut model, id(2));
    assert!(drafts(press(&mut model, "*")).is_empty());
    painted(&mut model, id(2));
    assert_eq!(drafts(press(&mut model, "*")).remove(0).content, id(2));
}

#[test]
fn a_note_is_about_the_image_that_was_on_the_screen_when_it_was_begun() {
    let mut model = reading();
    press(&mut model, "cpneumothorax left");
    assert_eq!(
        selects(&touch(&mut model, "a.png", true)),
        [],
        "not while it is typed"
    );
    let enter = press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(selects(&enter).len(), 1, "afterwards");
    let draft = drafts(enter).remove(0);
    assert_eq!(draft.content, id(1));

    // A file is added while a note is typed, and the filter no longer matches the image.
    let mut model = reading();
    model.worklist.set_sort(Sort::Review);
    model.worklist.set_filter("unreviewed".into());
    press(&mut model, "acleft lung");
    touch(&mut model, "c.png", true);
    assert_eq!(selected(&model), "b.png");
    opened(&mut model, id(3));
    painted(&mut model, id(3));
    let enter = press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert!(drafts(enter).is_empty());
    let notice = model.notice.as_ref().unwrap();
    assert!(notice.contains("another image") && notice.contains("left lung"));
}

#[test]
fn added_and_removed_files_are_marked_and_reported() {
    let mut model = reading();
    touch(&mut model, "c.png", true);
    assert!(model.notice.as_ref().unwrap().contains("1 new"));
    touch(&mut model, "b.png", false);
    assert!(model.notice.as_ref().unwrap().contains("1 gone"));
    let marks: Vec<_> = (0..3)
        .map(|row| model.worklist.row(row).unwrap().disk)
        .collect();
    assert_eq!(marks, [Disk::Same, Disk::Gone, Disk::New]);
    assert_eq!(selected(&model), "a.png");
    let shown = model.viewer.shown.as_ref().map(|shown| shown.content);
    assert_eq!(shown, Some(id(1)), "this file did not change");
    update(&mut model, Message::ScanFinished);
    let effects = press(&mut model, "R");
    assert!(matches!(&effects[..], [Effect::Rescan { known, asked: true }] if known.len() == 3));
    let (touched, asked) = (vec![], true);
    update(&mut model, Message::Touched { touched, asked });
    assert!(model.notice.as_ref().unwrap().contains("nothing new"));
}

/// Whether each walk for changes that is asked of the loop was asked for by the reader.
fn walks(effects: &[Effect]) -> Vec<bool> {
    let asked = |effect: &Effect| match effect {
        Effect::Rescan { asked, .. } => Some(*asked),
        _ => None,
    };
    effects.iter().filter_map(asked).collect()
}

#[test]
fn changes_that_went_by_unseen_lead_to_one_walk_at_a_time_which_is_silent() {
    let mut model = reading();
    let is_none = |effects: Vec<Effect>| walks(&effects).is_empty();
    assert!(
        is_none(update(&mut model, Message::LookAgain)),
        "the first walk goes on"
    );
    assert_eq!(walks(&update(&mut model, Message::ScanFinished)), [false]);
    model.notice = None;
    assert!(is_none(update(&mut model, Message::LookAgain)));
    let (touched, asked) = (vec![], false);
    update(&mut model, Message::Touched { touched, asked });
    assert_eq!(model.notice, None, "nobody asked, and nothing changed");
    // What happened since it began is found by another one.
    assert_eq!(walks(&update(&mut model, Message::LookedAgain)), [false]);
    assert!(is_none(press(&mut model, "R")));
    assert_eq!(walks(&update(&mut model, Message::LookedAgain)), [true]);
    assert!(is_none(update(&mut model, Message::LookedAgain)));
    assert_eq!(walks(&update(&mut model, Message::LookAgain)), [false]);
}

#[test]
fn that_changes_are_not_reported_is_said_once() {
    let mut model = reading();
    let unwatched = || Message::Unwatched("the system watches no more folders".into());
    let words =
        "changes of files are not reported here (the system watches no more folders): R looks";
    update(&mut model, unwatched());
    update(&mut model, Message::ScanFinished);
    assert_eq!(model.notice.as_deref(), Some(words));
    press(&mut model, "j");
    assert_eq!(model.notice, None);
    update(&mut model, unwatched());
    assert_eq!(model.notice.as_deref(), Some(words));
}

/// Reads files as the thread for it does, and lets the log and the screen talk until all paths are looked up.
fn talk(model: &mut Model, recorder: &Recorder, news: &Receiver<News>, paths: &[Arc<Path>]) {
    recorder.ask(Request::Found(paths.to_vec()));
    let mut looked_up = 0;
    while looked_up < paths.len() {
        let told = news.recv_timeout(Duration::from_secs(60)).unwrap();
        if let News::LookedUp(count) = &told {
            looked_up += count;
        }
        for effect in update(model, Message::Review(told)) {
            if let Effect::ReadContents(paths) = effect {
                let files = contents(&paths);
                let read = files.iter().map(|file| {
                    let content = file.content.map(|(content, _)| content);
                    (file.path.clone(), content)
                });
                recorder.ask(Request::Compared(read.collect()));
                update(model, Message::Contents(files));
            }
        }
    }
}

fn contents(paths: &[Arc<Path>]) -> Vec<FileContent> {
    // A file has a stamp once its last change is a moment ago.
    std::thread::sleep(Duration::from_millis(80));
    let (jobs, queue) = mpsc::channel();
    jobs.send(paths.to_vec()).unwrap();
    drop(jobs);
    let read = Mutex::new(Vec::new());
    read_contents(&queue, |files| {
        read.lock().unwrap().extend(files);
        true
    });
    read.into_inner().unwrap()
}

/// The file of a reviewed film is replaced by another patient's while cxr is closed. With a background that scores
/// nothing, neither is opened.
#[test]
fn a_verdict_of_an_earlier_session_does_not_stand_on_the_film_that_took_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let paths: Vec<Arc<Path>> = ["first.png", "replaced.png", "same.png", "swapped.png"]
        .map(|name| folder.path().join(name).into())
        .into();
    for path in &paths {
        std::fs::write(path, path.as_os_str().as_encoded_bytes()).unwrap();
    }
    let agreed = Opinion {
        verdict: Some(Verdict::Agree),
        ..Opinion::default()
    };
    let start = || {
        let (sender, news) = mpsc::channel();
        let recorder = Recorder::start(Pending::open(&store).unwrap(), "ann", move |told| {
            let _ = sender.send(told);
        });
        (recorder, news)
    };
    let (recorder, _news) = start();
    for file in &contents(&paths)[1..3] {
        recorder.ask(Request::Record(Box::new(ReviewDraft {
            number: 0,
            source: file.path.clone(),
            content: file.content.unwrap().0,
            uids: Default::default(),
            patient_id: None,
            review: Review {
                reviewer: "ann".into(),
                at: std::time::SystemTime::now(),
                act: Act::Judged,
                change: OpinionChange::to(&agreed),
                seen: Default::default(),
            },
            prediction: None,
        })));
    }
    assert_eq!(recorder.end(), None);
    std::fs::write(&paths[1], "the film of another patient").unwrap();

    let (recorder, news) = start();
    let names: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let mut model = model_of(&names);
    talk(&mut model, &recorder, &news, &paths);
    let verdict = |model: &Model, row: usize| opinion_of(model, names[row]).verdict;
    assert_eq!(verdict(&model, 1), None);
    assert_eq!(verdict(&model, 2), Some(Verdict::Agree));
    assert_eq!(model.worklist.reviewed(), 1);
    press_key(&mut model, KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(selected(&model), "replaced.png");

    // Now it is the other one's turn, and nothing reports it before the reader asks.
    std::thread::sleep(Duration::from_millis(80));
    std::fs::write(&paths[2], "a third patient's").unwrap();
    std::thread::sleep(Duration::from_millis(80));
    let roots = [folder.path().to_owned()];
    let except = |path: &Path| crate::store::is_part_of(&store, path);
    let touched = crate::library::rescan(&roots, except, &model.worklist.known_files());
    assert_eq!(touched.len(), 1, "{touched:?}");
    update(
        &mut model,
        Message::Touched {
            touched,
            asked: true,
        },
    );
    assert_eq!((verdict(&model, 2), model.worklist.reviewed()), (None, 0));
}
