//! What a sitting records: calls, ratings and marks, in its mode.

use super::*;

#[test]
fn calls_are_recorded_in_the_mode_of_the_sitting_with_their_ratings() {
    for (mode, is_aided) in [(ReadingMode::Unaided, false), (ReadingMode::Aided, true)] {
        let mut model = world(mode, [(0.9, false); 3]);
        let codes = [KeyCode::Enter, KeyCode::Char('1'), KeyCode::Right];
        codes.into_iter().for_each(|code| key(&mut model, code));
        for code in [
            KeyCode::Down,
            KeyCode::Char('='),
            KeyCode::Char('5'),
            KeyCode::Enter,
        ] {
            key(&mut model, code);
        }
        let effects = press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(drafts(effects).len(), 1);
        let found = reading(&model);
        assert_eq!((found.mode, found.position, found.seed), (mode, 1, Some(7)));
        assert_eq!(found.study, Some("ab".repeat(32)));
        assert_eq!(found.model_sha256, "cd".repeat(32));
        assert_eq!(
            (found.unaided.is_some(), found.aided.is_some()),
            (!is_aided, is_aided)
        );
        let call = found.last().unwrap();
        assert_eq!(call.words(), "Pneumonia");
        let ratings: Vec<(&str, u8)> = call.ratings.iter().map(|(l, r)| (l.as_str(), *r)).collect();
        assert_eq!(ratings, [("COVID-19", 5), ("Pneumonia", 60)]);
        record(&mut model);
        // The first call without the answer stands; beside it, the reader may call again.
        press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(matches!(model.overlay, Some(Overlay::Call(_))), is_aided);
        press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
        assert!(
            drafts(press(&mut model, "U")).is_empty(),
            "a first call is not undone"
        );
    }
}

/// Otherwise an aided call would be one that no answer aided.
#[test]
fn a_call_beside_the_answer_waits_for_it() {
    let mut model = empty_model();
    model.read_for_study(sitting(ReadingMode::Aided));
    let images = vec![path("1.dcm")];
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    let loaded = JobOutcome::Model(Ok(Box::new(card())));
    update(&mut model, Message::Worker(loaded));
    again(&mut model);
    key(&mut model, KeyCode::Enter);
    assert!(model.overlay.is_none());
    assert!(model.notice.as_ref().unwrap().contains("not there yet"));
    let generation = model.viewer.generation;
    let answered = JobOutcome::Classified {
        source: path("1.dcm"),
        generation,
        result: Ok(prediction(0.9)),
    };
    update(&mut model, Message::Worker(answered));
    key(&mut model, KeyCode::Enter);
    assert!(matches!(model.overlay, Some(Overlay::Call(_))));
}

#[test]
fn a_study_without_ratings_takes_none() {
    let mut model = empty_model();
    model.read_for_study(StudySitting {
        is_rated: false,
        ..sitting(ReadingMode::Unaided)
    });
    let images = vec![path("1.dcm")];
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    again(&mut model);
    key(&mut model, KeyCode::Enter);
    assert!(matches!(&model.overlay, Some(Overlay::Call(asking)) if asking.rating.is_none()));
    key(&mut model, KeyCode::Right);
    assert!(model.overlay.is_none(), "an arrow is no answer");
}

/// A sitting that asks for marks on lesions by this rule, with one film on the screen.
fn localising(rule: LocalisationRule) -> Model {
    let mut model = world(ReadingMode::Sequential, [(0.9, false); 3]);
    model.read_for_study(StudySitting {
        localises: Some(rule),
        ..sitting(ReadingMode::Sequential)
    });
    again(&mut model);
    model
}

fn typed(model: &mut Model, text: &str) {
    text.chars().for_each(|c| key(model, KeyCode::Char(c)));
    key(model, KeyCode::Enter);
}

#[test]
fn a_mark_on_a_lesion_asks_for_its_rating_and_the_call_waits_for_it() {
    let mut model = localising(LocalisationRule::Inside);
    press(&mut model, "Mp");
    key(&mut model, KeyCode::Enter);
    assert!(
        screen(&model).contains("how sure, 0 to 100"),
        "{}",
        screen(&model)
    );
    typed(&mut model, "101");
    assert!(model.overlay.is_some(), "more than certain");
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.unrated_mark(), Some(1));
    press(&mut model, "M");
    // The call is refused, and the choice stays.
    [KeyCode::Enter, KeyCode::Char('1'), KeyCode::Enter]
        .into_iter()
        .for_each(|code| key(&mut model, code));
    assert!(matches!(model.overlay, Some(Overlay::Call(_))));
    assert!(
        model
            .notice
            .as_ref()
            .unwrap()
            .contains("mark 1 has no rating")
    );
    assert!(opinion_of(&model, "1.dcm").blinded.is_none());
    key(&mut model, KeyCode::Esc);
    press(&mut model, "M");
    key(&mut model, KeyCode::Tab);
    press(&mut model, "n");
    typed(&mut model, " 70 ");
    let mark = opinion_of(&model, "1.dcm").marks[0].clone();
    assert_eq!((mark.confidence, mark.label), (Some(70), None));
    press(&mut model, "M");
    [KeyCode::Enter, KeyCode::Char('1'), KeyCode::Enter]
        .into_iter()
        .for_each(|code| key(&mut model, code));
    let opinion = opinion_of(&model, "1.dcm");
    assert_eq!(
        opinion.blinded.unwrap().unaided.unwrap().words(),
        "Pneumonia"
    );
    assert_eq!(opinion.marks.len(), 1);
}

#[test]
fn a_ruler_needs_no_rating_and_a_point_has_no_overlap() {
    let mut model = localising(LocalisationRule::Overlap(500));
    press(&mut model, "Mp");
    assert!(model.marking.draft.is_none());
    assert!(model.notice.as_ref().unwrap().contains("by a box: b"));
    press(&mut model, "r");
    key(&mut model, KeyCode::Enter);
    key(&mut model, KeyCode::Right);
    key(&mut model, KeyCode::Enter);
    assert!(model.overlay.is_none() && model.unrated_mark().is_none());
    assert_eq!(opinion_of(&model, "1.dcm").marks.len(), 1);
    // Without such a study, a number alone is a label.
    press(&mut model, "n");
    typed(&mut model, "70");
    let mark = opinion_of(&model, "1.dcm").marks[0].clone();
    assert_eq!((mark.confidence, mark.label.as_deref()), (None, Some("70")));
}

#[test]
fn what_the_study_hides_or_fixes_is_refused_with_a_reason() {
    let mut model = world(ReadingMode::Aided, [(0.9, false); 3]);
    for (action, words) in [
        (Action::Identity, "hidden in this study"),
        (Action::Header, "hidden in this study"),
        (Action::Report, "only here"),
        (Action::OpenFilm, "only here"),
        (Action::OpenFolder, "only here"),
        (Action::Sort, "the study fixes"),
        (Action::Reverse, "the study fixes"),
        (Action::Prevalence, "the study fixes"),
        (Action::NextModel, "the study fixes"),
        (Action::Grid, "one at a time"),
        (Action::Compare, "one at a time"),
    ] {
        assert!(act(&mut model, action).is_empty());
        let notice = model.notice.take().unwrap();
        assert!(notice.contains(words), "{}: {notice}", action.name());
        assert!(model.overlay.is_none() && !model.shows_identity() && !model.grid.is_open);
    }
}
