//! The lines that the model offers.

use super::*;

/// The heart reaches from 20 % to 60 % of the film, the thorax from 10 % to 90 %.
fn with_lungs(model: &Model, fields: bool) -> Message {
    let mut prediction = prediction(0.25);
    let ratio = LungMeasures {
        cardiothoracic_ratio: Some(0.5),
        ..LungMeasures::default()
    };
    prediction.lungs = Some(ratio);
    let lines = HeartLines {
        heart: (2.0, 6.0),
        heart_row: 7.0,
        thorax: (1.0, 9.0),
        thorax_row: 8.0,
    };
    let fields_of_film = LungFields {
        side: 10,
        cells: vec![0.9; 100],
        region: Region {
            left: 0,
            top: 0,
            width: 580,
            height: 540,
        },
        heart: Some(lines),
    };
    prediction.lung_fields = fields.then(|| Arc::new(fields_of_film));
    Message::Worker(JobOutcome::Classified {
        source: path("a.png"),
        generation: model.viewer.generation,
        result: Ok(prediction),
    })
}

#[test]
fn the_models_lines_are_offered_and_each_end_is_confirmed() {
    let mut model = marking();
    let answer = with_lungs(&model, true);
    update(&mut model, answer);
    let effects = press(&mut model, "c");
    let layer = redrawn(&effects).unwrap();
    assert_eq!(layer.marks[0].tone, MarkTone::Offered);
    assert_eq!(layer.marks[0].points.len(), 4, "all of them are shown");
    assert_eq!(model.marking.cursor, Some(point(116.0, 378.0)));
    enter(&mut model);
    assert_eq!(model.marking.cursor, Some(point(348.0, 378.0)));
    press(&mut model, "l");
    enter(&mut model);
    enter(&mut model);
    let draft = drafts(enter(&mut model)).remove(0);
    let mark = &draft.review.change.marks.unwrap().added[0];
    assert!(mark.offered);
    assert_eq!(mark.points[1], point(388.0, 378.0), "moved by the reader");
    assert_eq!(mark.points[3], point(522.0, 432.0));
    let ratio = mark.measured().ratio().unwrap();
    assert!((ratio - 272.0 / 464.0).abs() < 1e-9, "{ratio}");
}

/// A prediction of the cache has no lung fields: they are asked for, once, and the lines come when they are there.
#[test]
fn lines_that_are_not_there_yet_are_asked_for_and_offered_once_they_come() {
    let mut model = marking();
    let answer = with_lungs(&model, false);
    update(&mut model, answer);
    let effects = press(&mut model, "c");
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Select(job) => Some(job.maps),
        _ => None,
    });
    assert_eq!(asked, Some(true));
    assert!(model.marking.draft.as_ref().unwrap().offered.is_none());
    let answer = with_lungs(&model, true);
    update(&mut model, answer);
    assert!(model.marking.draft.as_ref().unwrap().offered.is_some());
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    let effects = press(&mut model, "c");
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Select(_)))
    );
}

#[test]
fn a_blinded_reader_marks_without_the_models_lines() {
    let mut model = model_of(&["a.png"]);
    model.read_blinded(None);
    look_at(&mut model, "a.png");
    let answer = with_lungs(&model, true);
    update(&mut model, answer);
    press(&mut model, "Mc");
    let draft = model.marking.draft.as_ref().unwrap();
    assert_eq!(
        (draft.offered.is_some(), model.offered_ratio()),
        (false, None)
    );
    press(&mut model, " l l l");
    let draft = drafts(press(&mut model, " ")).remove(0);
    assert!(!draft.review.change.marks.as_ref().unwrap().added[0].offered);
    assert!(draft.review.seen.prediction.is_none());
    assert_eq!(
        model.marks().len(),
        1,
        "formed without the answer: it stays"
    );
    // A mark that was made beside the answer would tell it.
    let mut told = model_of(&["a.png"]);
    told.read_blinded(None);
    let opinion = opinion_of(&model, "a.png");
    let standing = vec![(path("a.png"), Default::default(), opinion)];
    update(&mut told, Message::Review(News::Standing(standing)));
    let seen = vec![(path("a.png"), Default::default(), true)];
    update(&mut told, Message::Review(News::AnswersSeen(seen)));
    look_at(&mut told, "a.png");
    assert!(told.marks().is_empty() && told.mark_layer().is_none());
    press(&mut told, "M");
    assert!(!told.is_marking());
    assert!(told.notice.as_ref().unwrap().contains("own call"));
}
