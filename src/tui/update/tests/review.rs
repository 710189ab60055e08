//! Verdicts, flags and notes: keys in, reviews out.

use super::*;
use crate::domain::{Act, NewValue, Opinion, OpinionChange, Verdict};
use crate::store::{News, Request, ReviewDraft};

/// A screen over two images, the first of them shown and scored.
fn reading() -> Model {
    let mut model = model_of(&["a.png", "b.png"]);
    model.reviews.reviewer = "ann".into();
    look_at(&mut model, "a.png");
    model
}

/// The selected image is opened, shown and classified.
fn look_at(model: &mut Model, name: &str) {
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path(name),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(model, Message::Worker(opened));
    update(model, shown(name, generation, 7));
    update(model, classified(name, generation, 0.25));
}

fn drafts(effects: Vec<Effect>) -> Vec<ReviewDraft> {
    let draft = |effect| match effect {
        Effect::Ask(Request::Record(draft)) => Some(*draft),
        _ => None,
    };
    effects.into_iter().filter_map(draft).collect()
}

fn draft(effects: Vec<Effect>) -> ReviewDraft {
    let mut drafts = drafts(effects);
    assert_eq!(drafts.len(), 1);
    drafts.remove(0)
}

fn verdict(model: &Model) -> Option<Verdict> {
    model.worklist.selected().unwrap().verdict()
}

fn judged(verdict: Verdict) -> Opinion {
    Opinion {
        verdict: Some(verdict),
        ..Opinion::default()
    }
}

fn is_saved(model: &Model) -> bool {
    let state = &model.worklist.selected().unwrap().opinion_state;
    state.as_ref().is_some_and(|state| state.is_saved())
}

#[test]
fn a_verdict_is_recorded_with_the_screen_and_counts_once_it_is_saved() {
    let mut model = reading();
    press(&mut model, "i");
    let draft = draft(press(&mut model, "a"));
    assert_eq!(draft.source, path("a.png"));
    assert_eq!(draft.review.reviewer, "ann");
    assert_eq!(
        draft.review.change,
        OpinionChange::to(&judged(Verdict::Agree))
    );
    assert_eq!(verdict(&model), Some(Verdict::Agree));
    let seen = &draft.review.seen;
    assert_eq!(seen.window, Some((128.0, 256.0)));
    assert!(seen.inverted);
    let prediction = seen.prediction.as_ref().unwrap();
    assert_eq!(prediction.findings[0].score.value(), 0.25);
    assert!(!is_saved(&model));
    recorded(&mut model, "a.png");
    assert!(is_saved(&model));
    assert_eq!(model.worklist.reviewed(), 1);
}

#[test]
fn disagreeing_takes_the_key_of_a_label_and_any_other_key_cancels() {
    let mut model = reading();
    assert!(drafts(press(&mut model, "d")).is_empty());
    let draft = draft(press(&mut model, "1"));
    let expected = Opinion {
        label: Some("Pneumonia".into()),
        ..judged(Verdict::Disagree)
    };
    assert_eq!(draft.review.change, OpinionChange::to(&expected));
    assert!(
        drafts(press(&mut model, "d2")).is_empty(),
        "there is one label"
    );
    assert!(model.overlay.is_none() && model.notice.is_some());
    press(&mut model, "d");
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(verdict(&model), Some(Verdict::Disagree));
    let notice = model.notice.clone().unwrap();
    assert!(notice.starts_with("cancelled") && notice.contains("no verdict"));
    assert_eq!(drafts(press(&mut model, "d0")).len(), 1);
    let general = opinion_of(&model, "a.png");
    assert_eq!(
        (general.verdict, general.label),
        (Some(Verdict::Disagree), None)
    );
    // A later verdict drops the label.
    let draft = self::draft(press(&mut model, "u"));
    let judgement = draft.review.change.judgement.unwrap();
    assert_eq!(judgement.to.label, None);
}

/// A later blinded reading must know about it, even if the image was not reviewed.
#[test]
fn the_log_is_told_once_about_each_answer_that_is_on_the_screen() {
    fn told(effects: &[Effect]) -> usize {
        let asked = effects.iter().map(|effect| match effect {
            Effect::Ask(Request::AnswersShown(images)) => images.len(),
            _ => 0,
        });
        asked.sum()
    }
    let mut model = model_of(&["a.png", "b.png"]);
    let first = classified("a.png", model.viewer.generation, 0.25);
    assert_eq!(told(&update(&mut model, first)), 1);
    assert_eq!(told(&press(&mut model, "jk")), 0);
    let mut blinded = model_of(&["a.png"]);
    blinded.read_blinded(None);
    let first = classified("a.png", blinded.viewer.generation, 0.25);
    assert_eq!(told(&update(&mut blinded, first)), 0);
}

#[test]
fn nothing_is_recorded_about_an_image_that_is_not_on_the_screen() {
    let mut model = reading();
    press(&mut model, "j");
    for key in ["a", "d", "u", "*", "c"] {
        assert!(drafts(press(&mut model, key)).is_empty(), "{key}");
        assert!(model.overlay.is_none());
        assert!(model.notice.as_ref().unwrap().contains("not on the screen"));
    }
}

#[test]
fn without_an_answer_there_is_no_verdict_but_a_note_can_be_made() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path("a.png"),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(&mut model, Message::Worker(opened));
    update(&mut model, shown("a.png", generation, 7));
    assert!(drafts(press(&mut model, "adu")).is_empty());
    press(&mut model, "crotated");
    let draft = draft(press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE));
    let note = Opinion {
        note: "rotated".into(),
        ..Opinion::default()
    };
    assert_eq!(draft.review.change, OpinionChange::to(&note));
    assert_eq!(draft.review.seen.prediction, None);
}

#[test]
fn undo_and_redo_are_new_reviews_and_select_their_image() {
    let mut model = reading();
    press(&mut model, "a*");
    press(&mut model, "j");
    let back = draft(press(&mut model, "U"));
    assert_eq!(selected(&model), "a.png");
    assert_eq!(back.review.act, Act::Undone);
    let flag = NewValue {
        to: false,
        over: Some(true),
    };
    let expected = OpinionChange {
        key_image: Some(flag),
        ..OpinionChange::default()
    };
    assert_eq!(back.review.change, expected, "the flag only");
    assert_eq!(opinion_of(&model, "a.png"), judged(Verdict::Agree));
    assert_eq!(back.review.seen.window, None, "it was not on the screen");
    draft(press(&mut model, "U"));
    assert_eq!(opinion_of(&model, "a.png"), Opinion::default());
    assert!(drafts(press(&mut model, "U")).is_empty());

    let again = |model: &mut Model| press_key(model, KeyCode::Char('r'), KeyModifiers::CONTROL);
    let redone = draft(again(&mut model));
    assert_eq!(redone.review.act, Act::Redone);
    assert_eq!(opinion_of(&model, "a.png"), judged(Verdict::Agree));
    look_at(&mut model, "a.png");
    press(&mut model, "u");
    assert!(
        drafts(again(&mut model)).is_empty(),
        "there is a newer verdict"
    );
}

#[test]
fn the_same_verdict_again_is_no_undo_step_and_the_log_decides_whether_it_is_a_review() {
    let mut model = reading();
    let drafts = drafts(press(&mut model, "aa"));
    assert_eq!(drafts.len(), 2);
    assert_eq!(
        drafts[1].review.change.judgement,
        drafts[0].review.change.judgement
    );
    assert_eq!(model.reviews.done.len(), 1);
}

#[test]
fn the_opinion_of_an_earlier_session_stands_unless_a_newer_one_is_being_saved() {
    let mut model = reading();
    let unsure = Opinion {
        verdict: Some(Verdict::Unsure),
        ..Opinion::default()
    };
    let both = |opinion: &Opinion| {
        let opinions =
            [path("a.png"), path("b.png")].map(|path| (path, Default::default(), opinion.clone()));
        Message::Review(News::Standing(opinions.into()))
    };
    press(&mut model, "a");
    update(&mut model, both(&unsure));
    assert_eq!(verdict(&model), Some(Verdict::Agree));
    press(&mut model, "j");
    assert_eq!(verdict(&model), Some(Verdict::Unsure));
    assert_eq!(model.worklist.reviewed(), 2);
}

#[test]
fn the_next_image_without_a_verdict_is_found_past_the_end_and_filters_know_verdicts() {
    let mut model = model_of(&["a.png", "b.png", "c.png"]);
    press(&mut model, "j");
    look_at(&mut model, "b.png");
    press(&mut model, "u");
    let tab = |model: &mut Model| {
        press_key(model, KeyCode::Tab, KeyModifiers::NONE);
        selected(model)
    };
    assert_eq!(tab(&mut model), "c.png");
    assert_eq!(tab(&mut model), "a.png");
    assert_eq!(tab(&mut model), "c.png", "b.png has a verdict");
    for (filter, rows) in [
        ("unsure", 1),
        ("reviewed", 1),
        ("unreviewed", 2),
        ("agree", 0),
        ("key", 0),
    ] {
        press(&mut model, "/");
        press_key(&mut model, KeyCode::Char('u'), KeyModifiers::CONTROL);
        press(&mut model, filter);
        press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(model.worklist.len(), rows, "{filter}");
    }
}

#[test]
fn while_reviews_are_not_saved_quitting_takes_two_presses() {
    let mut model = reading();
    press(&mut model, "a");
    let waiting = |count| News::Waiting {
        count,
        reason: "the disk is full".into(),
    };
    update(&mut model, Message::Review(waiting(1)));
    assert!(press(&mut model, "q").is_empty());
    let notice = model.notice.as_ref().unwrap();
    assert!(notice.contains("press q again to quit") && notice.contains("disk is full"));
    assert!(
        press(&mut model, "iq")
            .iter()
            .all(|e| !matches!(e, Effect::Quit(_)))
    );
    assert!(matches!(press(&mut model, "q")[..], [Effect::Quit(0)]));
    update(&mut model, Message::Review(waiting(0)));
    assert!(matches!(press(&mut model, "q")[..], [Effect::Quit(0)]));
}

#[test]
fn a_review_that_is_refused_leaves_the_saved_opinion() {
    let mut model = reading();
    press(&mut model, "a");
    recorded(&mut model, "a.png");
    press(&mut model, "u");
    let refused = News::Refused {
        content: Default::default(),
        source: path("a.png"),
        reason: "gone".into(),
    };
    update(&mut model, Message::Review(refused));
    assert_eq!(verdict(&model), Some(Verdict::Agree));
    assert!(is_saved(&model) && model.notice.as_ref().unwrap().contains("gone"));
}

/// Another session of the same reader gave a verdict and a note; this session does not know, and sets a flag.
#[test]
fn the_opinion_of_another_session_arrives_with_the_next_review_and_is_reported() {
    let mut model = reading();
    let draft = draft(press(&mut model, "*"));
    let theirs = Opinion {
        note: "critical finding".into(),
        ..judged(Verdict::Agree)
    };
    let both = draft.review.change.on(&theirs);
    let news = News::Recorded {
        source: path("a.png"),
        content: Default::default(),
        number: 0,
        before: Default::default(),
        opinion: both.clone().into(),
    };
    update(&mut model, Message::Review(news));
    assert!(both.key_image && both.note == "critical finding");
    assert_eq!(opinion_of(&model, "a.png"), both);
    assert!(is_saved(&model));
    assert!(model.notice.as_ref().unwrap().contains("another session"));
}

#[test]
fn a_note_that_is_too_long_is_not_accepted_and_not_cut() {
    let mut model = reading();
    press(&mut model, "c");
    update(&mut model, Message::Paste("ä".repeat(2_001)));
    let enter = |model: &mut Model| press_key(model, KeyCode::Enter, KeyModifiers::NONE);
    assert!(drafts(enter(&mut model)).is_empty());
    assert!(model.overlay.is_some(), "it can be made shorter");
    press_key(&mut model, KeyCode::Backspace, KeyModifiers::NONE);
    assert_eq!(drafts(enter(&mut model)).len(), 1);
    assert_eq!(opinion_of(&model, "a.png").note.chars().count(), 2_000);
}

#[test]
fn reviews_that_an_earlier_session_left_are_reported_and_so_are_unreadable_ones() {
    let mut model = reading();
    let taken_up = |count, problems: &[&str]| {
        let problems = problems.iter().map(|problem| (*problem).to_owned());
        Message::Review(News::TakenUp {
            count,
            problems: problems.collect(),
        })
    };
    update(&mut model, taken_up(2, &[]));
    assert!(model.notice.as_ref().unwrap().starts_with("2 reviews"));
    update(&mut model, taken_up(0, &["x.jsonl: cut off"]));
    assert!(model.notice.as_ref().unwrap().contains("x.jsonl"));
}

/// The only image is judged in the log, on what this model said.
fn recorded_on(model: &mut Model, judged: &str) {
    let models = vec![(Default::default(), Some(judged.into()))];
    update(model, Message::Review(News::JudgedModels(models)));
    recorded(model, "a.png");
}

#[test]
fn a_verdict_on_one_models_answer_is_none_on_that_of_another() {
    let mut model = model_with_two();
    loaded(&mut model, "first");
    look_at(&mut model, "a.png");
    press(&mut model, "a");
    recorded_on(&mut model, "first");
    assert_eq!(model.worklist.reviewed(), 1);
    press(&mut model, "m");
    assert_eq!(model.worklist.reviewed(), 0);
    loaded(&mut model, "second");
    look_at(&mut model, "a.png");
    let judged_with = |model: &Model| {
        let list = &model.worklist;
        let state = list.shown_opinion(list.cursor()).unwrap();
        list.other_judged_model(state).map(str::to_owned)
    };
    assert_eq!(judged_with(&model).as_deref(), Some("first"));
    model.worklist.set_filter("unreviewed & !agree".into());
    assert_eq!(model.worklist.len(), 2);
    model.worklist.set_filter(String::new());
    press(&mut model, "*");
    assert_eq!(model.worklist.reviewed(), 0, "a flag is no verdict");
    // The same verdict is a review, and one that can be taken back.
    let again = draft(press(&mut model, "a"));
    let agreed = OpinionChange::to(&judged(Verdict::Agree));
    assert_eq!(again.review.change, agreed);
    recorded_on(&mut model, "first");
    recorded_on(&mut model, "second");
    assert_eq!((judged_with(&model), model.worklist.reviewed()), (None, 1));
    press(&mut model, "m");
    assert_eq!(judged_with(&model).as_deref(), Some("second"));
    press(&mut model, "m");
    let back = draft(press(&mut model, "U")).review.change;
    assert_eq!(back.on(&judged(Verdict::Agree)), Opinion::default());
}

/// Another session gave a verdict that this one does not show.
#[test]
fn an_undo_brings_back_what_another_session_had_said() {
    let mut model = reading();
    let unsure = draft(press(&mut model, "u"));
    let merged = |number, before, after| {
        Message::Review(News::Recorded {
            source: path("a.png"),
            content: Default::default(),
            number,
            before: Box::new(judged(before)),
            opinion: Box::new(judged(after)),
        })
    };
    let (agree, unsure_now) = (Verdict::Agree, Verdict::Unsure);
    update(&mut model, merged(unsure.number, agree, unsure_now));
    let back = draft(press(&mut model, "U")).review.change;
    assert_eq!(back.on(&judged(unsure_now)), judged(agree));
    recorded(&mut model, "a.png");
    assert_eq!(verdict(&model), Some(agree));
    // Now the other session changes its mind after this one's step.
    let unsure = draft(press(&mut model, "u"));
    update(&mut model, merged(unsure.number, agree, unsure_now));
    let theirs = (path("a.png"), Default::default(), judged(Verdict::Disagree));
    update(&mut model, Message::Review(News::Standing(vec![theirs])));
    assert!(drafts(press(&mut model, "U")).is_empty());
    assert!(
        model
            .notice
            .as_ref()
            .unwrap()
            .contains("nothing left to undo")
    );
    assert_eq!(verdict(&model), Some(Verdict::Disagree));
}

/// Two files with the same content are one image.
#[test]
fn equal_films_share_a_new_verdict_at_once() {
    let mut model = reading();
    press(&mut model, "j");
    look_at(&mut model, "b.png");
    press(&mut model, "u");
    let both = |model: &Model| ["a.png", "b.png"].map(|name| opinion_of(model, name).verdict);
    assert_eq!(both(&model), [Some(Verdict::Unsure); 2]);
    recorded(&mut model, "b.png");
    assert_eq!(model.worklist.reviewed(), 2);
    press_key(&mut model, KeyCode::Tab, KeyModifiers::NONE);
    assert!(model.notice.as_ref().unwrap().contains("every image"));
    press(&mut model, "a");
    let refused = News::Refused {
        source: path("b.png"),
        content: Default::default(),
        reason: "gone".into(),
    };
    update(&mut model, Message::Review(refused));
    assert_eq!(both(&model), [Some(Verdict::Unsure); 2]);
    press(&mut model, "k");
    assert!(is_saved(&model));
}
