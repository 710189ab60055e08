//! Keys in, state and effects out.

mod background;
mod blinded;
mod disk;
mod review;
mod session;

use std::path::PathBuf;

use crossterm::event::KeyCode;

use super::*;
use crate::domain::{
    ClassActivationMap, Finding, HeatMapChoice, InputCheck, LabelActivation, LabelCard, ModelCard,
    Opinion, Pathology, Prediction, Question, Region, Score, ScoreKind, View, ViewPosition, Window,
};
use crate::tui::keymap::Keymap;
use crate::tui::model::ModelChoice;
use crate::worker::{Facts, Generation, Shown};
use ratatui::layout::Rect;

fn path(name: &str) -> Arc<Path> {
    PathBuf::from(name).into()
}

/// A screen over `names`, laid out, with the first image selected.
fn model_of(names: &[&str]) -> Model {
    let mut model = empty_model();
    let images = names.iter().map(|name| path(name)).collect();
    update(
        &mut model,
        Message::Found {
            images,
            problems: vec![],
        },
    );
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card())))),
    );
    model
}

/// The same before anything is found or loaded.
fn empty_model() -> Model {
    let mut model = Model::new(Keymap::bundled(), Size::new(100, 30), "half-blocks");
    model.worklist.set_roots(vec!["".into()]);
    let panes = Panes {
        worklist: Rect::new(1, 1, 38, 10),
        findings: Rect::new(0, 12, 40, 10),
        image: Rect::new(41, 1, 58, 27),
    };
    let canvas = Canvas {
        width: 58,
        height: 54,
        pixel_aspect: 1.0,
    };
    update(&mut model, Message::LaidOut { panes, canvas });
    model
}

fn card() -> ModelCard {
    let label = |name: &str| LabelCard::new(name, Question::Presence, Some(0.5));
    ModelCard {
        labels: vec![label("Pneumonia"), label("COVID-19")],
        ..ModelCard::default()
    }
}

/// What the reader holds of an image, be it on the disk or not.
fn held(model: &Model, name: &str) -> Opinion {
    let row = model.worklist.row_of(&path(name)).unwrap();
    model.worklist.row(row).unwrap().opinion()
}

/// One review of an image is on the disk, and no other session has said anything of it.
fn recorded(model: &mut Model, name: &str) {
    let news = News::Recorded {
        source: path(name),
        content: Default::default(),
        opinion: held(model, name),
    };
    update(model, Message::Review(news));
}

fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    keys.chars()
        .flat_map(|c| press_key(model, KeyCode::Char(c), KeyModifiers::NONE))
        .collect()
}

fn press_key(model: &mut Model, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
    update(model, Message::Key(KeyEvent::new(code, modifiers)))
}

fn selected(model: &Model) -> String {
    model
        .worklist
        .selected()
        .map(|entry| entry.name())
        .unwrap_or_default()
}

fn prediction(score: f32) -> Box<Prediction> {
    Box::new(Prediction {
        content: Default::default(),
        findings: vec![Finding {
            label: Pathology("Pneumonia".into()),
            question: Question::Presence,
            logit: 0.0,
            score: Score::new(score, ScoreKind::Sigmoid).unwrap(),
            operating_point: None,
            sensitive_point: None,
            calibrated: None,
            conformal: None,
        }],
        severity: None,
        input: InputCheck::Accepted,
        model_sha256: String::new(),
        preprocess: String::new(),
        elapsed_ms: 1.0,
        activation: None,
    })
}

fn classified(name: &str, generation: Generation, score: f32) -> Message {
    let result = Ok(prediction(score));
    Message::Worker(JobOutcome::Classified {
        source: path(name),
        generation,
        result,
    })
}

fn shown(name: &str, generation: Generation, grey: u8) -> Message {
    let image = crate::domain::PreviewImage {
        width: 1,
        height: 1,
        pixels: vec![grey],
        colour: false,
    };
    let shown = Shown {
        content: Default::default(),
        image: Arc::new(image),
        window: (128.0, 256.0),
        legend: None,
    };
    Message::Worker(JobOutcome::Shown {
        source: path(name),
        generation,
        shown,
    })
}

/// A prediction with a heat map of one cell.
fn mapped(value: f32) -> Box<Prediction> {
    let region = Region {
        left: 0,
        top: 0,
        width: 10,
        height: 10,
    };
    let label = LabelActivation {
        label: Pathology("Pneumonia".into()),
        bias: 0.0,
        values: vec![value],
    };
    let activation = ClassActivationMap {
        width: 1,
        height: 1,
        labels: vec![label],
        region,
    };
    Box::new(Prediction {
        activation: Some(Arc::new(activation)),
        ..*prediction(0.9)
    })
}

fn mapped_of(name: &str, generation: Generation, value: f32) -> Message {
    Message::Worker(JobOutcome::Classified {
        source: path(name),
        generation,
        result: Ok(mapped(value)),
    })
}

/// The value of the heat map that a job asks for.
fn asked_for(effects: &[Effect]) -> Option<f32> {
    let questions: Vec<_> = effects
        .iter()
        .filter(|effect| !matches!(effect, Effect::Ask(_)))
        .collect();
    match questions[..] {
        [Effect::Redraw(job) | Effect::Select(job)] => {
            job.frame.heat_map.as_ref().map(|layer| layer.map.values[0])
        }
        _ => panic!("not one question: {effects:?}"),
    }
}

fn facts() -> Box<Facts> {
    Box::new(Facts {
        content: Default::default(),
        width: 10,
        height: 10,
        bits_stored: 8,
        step: 1.0,
        frames: 1,
        format: "PNG".into(),
        view: ViewPosition::Pa,
        patient: Default::default(),
        uids: Default::default(),
        taken: None,
    })
}

#[test]
fn a_result_of_an_older_selection_or_of_another_file_never_shows() {
    let mut model = model_of(&["a.png", "b.png"]);
    let old = model.viewer.generation;
    press(&mut model, "j");
    let new = model.viewer.generation;
    assert!(new > old);

    for stale in [
        classified("a.png", old, 0.9),
        classified("b.png", old, 0.9),
        classified("a.png", new, 0.9),
        shown("a.png", new, 1),
        shown("b.png", old, 1),
    ] {
        update(&mut model, stale);
        assert!(model.prediction().is_none() && model.viewer.shown.is_none());
    }
    update(&mut model, classified("b.png", new, 0.25));
    update(&mut model, shown("b.png", new, 2));
    assert_eq!(model.prediction().unwrap().findings[0].score.value(), 0.25);
    assert!(model.viewer.shown.is_some());
}

#[test]
fn moving_clears_image_facts_view_and_prediction_in_the_same_breath() {
    let mut model = model_of(&["a.png", "b.png"]);
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path("a.png"),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(&mut model, Message::Worker(opened));
    update(&mut model, shown("a.png", generation, 7));
    update(&mut model, classified("a.png", generation, 0.9));
    press(&mut model, "i+");
    assert!(model.viewer.view.inverted);

    press(&mut model, "j");
    assert!(model.prediction().is_none());
    assert!(model.viewer.shown.is_none() && model.viewer.facts.is_none());
    assert_eq!(model.viewer.view, View::default());
}

#[test]
fn going_back_to_an_image_shows_its_own_prediction_and_asks_for_no_other() {
    let mut model = model_of(&["a.png", "b.png"]);
    let generation = model.viewer.generation;
    update(&mut model, classified("a.png", generation, 0.75));
    press(&mut model, "j");
    let effects = press(&mut model, "k");
    assert_eq!(model.prediction().unwrap().findings[0].score.value(), 0.75);
    assert!(matches!(&effects[..], [Effect::Select(job)] if job.scored.is_some()));
}

#[test]
fn the_keys_of_file_managers_move() {
    let names: Vec<String> = (0..50).map(|i| format!("{i:02}.png")).collect();
    let mut model = model_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    press(&mut model, "jjk");
    assert_eq!(selected(&model), "01.png");
    press(&mut model, "G");
    assert_eq!(selected(&model), "49.png");
    press(&mut model, "j");
    assert_eq!(selected(&model), "49.png", "the list does not wrap");
    press(&mut model, "gg");
    assert_eq!(selected(&model), "00.png");
    press_key(&mut model, KeyCode::Char('d'), KeyModifiers::CONTROL);
    assert_eq!(selected(&model), "05.png");
    press(&mut model, ":33");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(selected(&model), "32.png");
}

#[test]
fn a_filter_narrows_as_it_is_typed_and_esc_takes_it_back() {
    let mut model = model_of(&["ward1/a.png", "ward3/b.png", "ward3/c.png"]);
    press(&mut model, "jj/ward1");
    assert_eq!(
        (model.worklist.len(), selected(&model).as_str()),
        (1, "a.png")
    );
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(
        (model.worklist.len(), selected(&model).as_str()),
        (3, "c.png"),
        "the place is not lost"
    );

    press(&mut model, "/ward3");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    press(&mut model, "N");
    assert_eq!(selected(&model), "b.png");
    press(&mut model, "/x");
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(model.worklist.len(), 2, "the filter that was kept stays");
    press(&mut model, "/");
    press_key(&mut model, KeyCode::Char('u'), KeyModifiers::CONTROL);
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(model.worklist.len(), 3);
}

#[test]
fn keys_typed_into_a_prompt_do_nothing_else() {
    let mut model = model_of(&["a.png", "q.png"]);
    let effects = press(&mut model, "/q");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Quit(_))));
    let control_c = press_key(&mut model, KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert!(
        !control_c.iter().any(|e| matches!(e, Effect::Quit(_))),
        "it only leaves the prompt"
    );
    assert!(model.overlay.is_none());
}

#[test]
fn window_keys_turn_the_window_only_in_their_mode() {
    let mut model = model_of(&["a.png", "b.png"]);
    let generation = model.viewer.generation;
    update(&mut model, shown("a.png", generation, 1));
    press(&mut model, "w");
    let effects = press_key(&mut model, KeyCode::Right, KeyModifiers::NONE);
    assert!(matches!(&effects[..], [Effect::Redraw(_)]));
    let Window::Manual { centre, width } = model.viewer.view.window else {
        panic!("not turned")
    };
    assert!(
        (width - 281.6).abs() < 1e-9 && centre == 128.0,
        "{width} {centre}"
    );
    press_key(&mut model, KeyCode::Up, KeyModifiers::NONE);
    assert!(matches!(model.viewer.view.window, Window::Manual { centre, .. } if centre > 128.0));
    assert_eq!(selected(&model), "a.png", "arrows did not move the list");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    press_key(&mut model, KeyCode::Down, KeyModifiers::NONE);
    assert_eq!(selected(&model), "b.png");
}

/// The window may never be turned by what was set for another image.
#[test]
fn looking_never_asks_for_a_new_classification_of_a_read_image() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    update(&mut model, classified("a.png", generation, 0.75));
    for keys in ["i", "+", "2", "3", "=", "0"] {
        for effect in press(&mut model, keys) {
            assert!(
                matches!(effect, Effect::Redraw(job) if job.scored.is_some()),
                "{keys}"
            );
        }
    }
}

#[test]
fn an_unreadable_file_is_a_row_with_a_reason() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    let result = Err("damaged: it ends early".into());
    update(
        &mut model,
        Message::Worker(JobOutcome::Opened {
            source: path("a.png"),
            generation,
            result,
            stamp: None,
        }),
    );
    let EntryState::Failed(reason) = &model.worklist.selected().unwrap().state else {
        panic!()
    };
    assert!(reason.contains("ends early"));
    assert!(!model.is_busy() || model.worklist.is_scanning());
}

#[test]
fn sorting_goes_through_the_models_labels() {
    let mut model = model_of(&["a.png"]);
    let mut words = Vec::new();
    for _ in 0..7 {
        press(&mut model, "s");
        words.push(model.worklist.sort().word().to_owned());
    }
    let expected = [
        "Pneumonia",
        "COVID-19",
        "uncertainty",
        "input check",
        "review",
        "file time",
        "name",
    ];
    assert_eq!(words, expected);
    let mut model = model_with_two();
    loaded(&mut model, "first");
    press(&mut model, "ssss");
    assert_eq!(model.worklist.sort().word(), "disagreement");
}

#[test]
fn sorting_by_time_asks_the_disk_and_keeps_the_selection() {
    let mut model = model_of(&["a.png", "b.png"]);
    let effects = press(&mut model, "ssssss");
    let [Effect::Date(undated)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(undated.paths, [path("a.png"), path("b.png")]);
    let first = undated.first;
    let times = vec![Some(2.0), Some(1.0)];
    update(&mut model, Message::Dated { first, times });
    assert_eq!(
        (selected(&model).as_str(), model.worklist.cursor()),
        ("a.png", 1)
    );
}

#[test]
fn a_filter_is_completed_by_tab_and_one_that_is_wrong_is_not_accepted() {
    let mut model = model_of(&["a.png", "b.png"]);
    let generation = model.viewer.generation;
    update(&mut model, classified("a.png", generation, 0.9));
    let typed = |model: &Model| match &model.overlay {
        Some(Overlay::Prompt(prompt)) => prompt.text.clone(),
        _ => panic!("no prompt"),
    };
    press(&mut model, "/pn");
    press_key(&mut model, KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(typed(&model), "Pneumonia");
    press(&mut model, ">");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(typed(&model), "Pneumonia>", "it stays open");
    press(&mut model, "50%");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert!(model.overlay.is_none());
    assert_eq!(
        (model.worklist.filter(), model.worklist.len()),
        ("Pneumonia>50%", 1)
    );
    assert_eq!(model.notice.as_deref(), Some("filter: Pneumonia>0.5"));
}

#[test]
fn the_mouse_selects_moves_and_zooms() {
    let mut model = model_of(&["a.png", "b.png", "c.png"]);
    let mouse = |kind, column, row| {
        Message::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    update(
        &mut model,
        mouse(MouseEventKind::Down(MouseButton::Left), 5, 3),
    );
    assert_eq!(selected(&model), "c.png");
    update(
        &mut model,
        mouse(MouseEventKind::Down(MouseButton::Left), 5, 9),
    );
    assert_eq!(selected(&model), "c.png", "below the last row is nothing");
    update(&mut model, mouse(MouseEventKind::ScrollUp, 5, 3));
    assert_eq!(selected(&model), "b.png");
    update(&mut model, mouse(MouseEventKind::ScrollUp, 60, 10));
    assert!(model.viewer.view.zoom > 1.0);
}

#[test]
fn the_wheel_turns_what_it_is_over_and_a_click_closes_what_is_read() {
    let mut model = model_of(&["a.png", "b.png"]);
    let mouse = |model: &mut Model, kind, column, row| {
        let modifiers = KeyModifiers::NONE;
        let mouse = MouseEvent {
            kind,
            column,
            row,
            modifiers,
        };
        update(model, Message::Mouse(mouse))
    };
    mouse(&mut model, MouseEventKind::ScrollDown, 5, 15);
    assert_eq!(
        (model.findings_page, selected(&model)),
        (1, "a.png".to_owned())
    );
    mouse(&mut model, MouseEventKind::ScrollUp, 5, 15);
    assert_eq!(model.findings_page, 0);
    press(&mut model, "?");
    mouse(&mut model, MouseEventKind::ScrollDown, 5, 15);
    mouse(&mut model, MouseEventKind::ScrollDown, 60, 10);
    let scroll = |model: &Model| match model.overlay {
        Some(Overlay::Help { scroll }) => Some(scroll),
        _ => None,
    };
    assert_eq!(scroll(&model), Some(2 * WHEEL_LINES));
    mouse(&mut model, MouseEventKind::ScrollUp, 5, 15);
    assert_eq!(scroll(&model), Some(WHEEL_LINES));
    assert_eq!(model.findings_page, 0, "what lies below stays");
    mouse(&mut model, MouseEventKind::Down(MouseButton::Left), 5, 2);
    assert!(model.overlay.is_none());
    assert_eq!(selected(&model), "a.png", "the click only closed it");
    press(&mut model, "/b");
    mouse(&mut model, MouseEventKind::Down(MouseButton::Left), 5, 2);
    assert!(
        matches!(model.overlay, Some(Overlay::Prompt(_))),
        "what is typed stays"
    );
}

#[test]
fn files_found_later_do_not_move_the_selection() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    let images = (0..5_000).map(|i| path(&format!("{i}.png"))).collect();
    let effects = update(
        &mut model,
        Message::Found {
            images,
            problems: vec![],
        },
    );
    assert!(effects.is_empty());
    assert_eq!(
        (model.viewer.generation, model.worklist.total()),
        (generation, 5_001)
    );
}

#[test]
fn a_heat_map_lies_over_its_own_image_and_no_other() {
    let mut model = model_of(&["a.png", "b.png"]);
    let first = model.viewer.generation;
    assert_eq!(
        asked_for(&press(&mut model, "o")),
        None,
        "nothing is known yet"
    );
    let effects = update(&mut model, mapped_of("a.png", first, 1.0));
    assert_eq!(
        asked_for(&effects),
        Some(1.0),
        "it comes with the prediction"
    );

    let effects = press(&mut model, "j");
    assert_eq!(asked_for(&effects), None);
    assert!(
        model.viewer.shown.is_none(),
        "the old picture is gone at once"
    );
    let second = model.viewer.generation;
    for stale in [
        mapped_of("a.png", first, 1.0),
        mapped_of("b.png", first, 3.0),
    ] {
        assert!(update(&mut model, stale).is_empty());
        assert!(model.heat_map_layer().is_none());
    }
    let effects = update(&mut model, mapped_of("b.png", second, 2.0));
    assert_eq!(asked_for(&effects), Some(2.0));
    assert_eq!(
        asked_for(&press(&mut model, "k")),
        Some(1.0),
        "known already"
    );
    assert_eq!(asked_for(&press(&mut model, "o")), None);
    let third = model.viewer.generation;
    let effects = update(&mut model, classified("a.png", third, 0.5));
    assert!(effects.is_empty(), "nothing to lay over it");
}

#[test]
fn the_heat_map_keys_go_through_labels_and_opacities() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    update(&mut model, mapped_of("a.png", generation, 1.0));
    let label = |name: &str| HeatMapChoice::Label(Pathology(name.into()));
    let mut choices = Vec::new();
    for _ in 0..5 {
        press(&mut model, "O");
        assert!(model.heat_map.on);
        choices.push(model.heat_map.choice.clone());
    }
    let expected = [
        HeatMapChoice::Foremost,
        label("Pneumonia"),
        label("COVID-19"),
        HeatMapChoice::Difference,
        HeatMapChoice::Foremost,
    ];
    assert_eq!(choices, expected);

    let opacity = |effects: &[Effect]| match effects {
        [Effect::Redraw(job)] => job.frame.heat_map.as_ref().unwrap().opacity,
        _ => panic!("not one question: {effects:?}"),
    };
    assert_eq!(opacity(&press(&mut model, ".")), 0.7);
    for _ in 0..20 {
        press(&mut model, ",");
    }
    assert_eq!(opacity(&press(&mut model, ",")), 0.1, "never quite gone");
    assert_eq!(model.prediction().unwrap().findings[0].score.value(), 0.9);
}

#[test]
fn where_no_heat_map_can_be_the_footer_says_why() {
    let notice = |model: &Model| model.notice.clone().unwrap_or_default();
    let mut model = model_of(&["a.png"]);
    model.colour = false;
    assert!(press(&mut model, "o").is_empty() && !model.heat_map.on);
    assert!(notice(&model).contains("needs colour"));
    model.painting = "off";
    press(&mut model, "o");
    assert!(notice(&model).contains("--graphics off"));

    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    let mut refused = mapped(1.0);
    refused.input = InputCheck::Refused(vec!["colour".into()]);
    refused.findings.clear();
    refused.activation = None;
    let outcome = JobOutcome::Classified {
        source: path("a.png"),
        generation,
        result: Ok(refused),
    };
    update(&mut model, Message::Worker(outcome));
    assert_eq!(asked_for(&press(&mut model, "o")), None);
    assert!(notice(&model).contains("was refused"));
}

/// A card on which only Pneumonia is calibrated.
fn calibrated() -> ModelCard {
    let mut card = card();
    card.labels[0].calibration = Some(crate::domain::Calibration {
        slope: 1.0,
        intercept: 0.0,
        prevalence: crate::domain::Prevalence::new(0.5).unwrap(),
    });
    card
}

fn type_prevalence(model: &mut Model, text: &str) -> String {
    press(model, "p");
    press(model, text);
    let effects = press_key(model, KeyCode::Enter, KeyModifiers::NONE);
    assert!(effects.is_empty(), "no image is read again");
    model.notice.clone().unwrap_or_default()
}

#[test]
fn a_prevalence_is_typed_and_taken_back_and_a_wrong_one_says_why() {
    let mut model = model_of(&["a.png"]);
    let card = JobOutcome::Model(Ok(Box::new(calibrated())));
    update(&mut model, Message::Worker(card));
    assert_eq!(
        type_prevalence(&mut model, "pneu=5%"),
        "prevalence: Pneumonia 5 %"
    );
    for (text, words) in [
        ("pneu=0", "neither end included"),
        ("COVID-19=5%", "COVID-19 is not calibrated"),
        ("flu=5%", "the model has Pneumonia, COVID-19"),
        ("5%", "LABEL=SHARE"),
    ] {
        let notice = type_prevalence(&mut model, text);
        assert!(notice.contains(words), "{text}: {notice}");
        assert_eq!(model.assumed.of("Pneumonia").unwrap().to_string(), "5 %");
    }
    press(&mut model, "ppneu=9%");
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(model.assumed.of("Pneumonia").unwrap().to_string(), "5 %");
    assert_eq!(
        type_prevalence(&mut model, ""),
        "prevalence: Pneumonia 50 %"
    );
    assert!(model.assumed.is_empty());
}

#[test]
fn without_calibration_there_is_no_prevalence_to_ask_for() {
    let mut model = model_of(&["a.png"]);
    press(&mut model, "p");
    assert!(model.overlay.is_none());
    assert!(model.notice.unwrap().contains("calibrated"));
}

/// A screen over two images, with two models.
fn model_with_two() -> Model {
    let mut model = model_of(&["a.png", "b.png"]);
    model.choices.all = ["first", "second"].map(choice).to_vec();
    model
}

fn choice(name: &str) -> ModelChoice {
    ModelChoice {
        name: name.to_owned(),
        sha256: name.to_owned(),
    }
}

fn loaded(model: &mut Model, name: &str) {
    let card = ModelCard {
        sha256: name.to_owned(),
        ..card()
    };
    update(
        model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card)))),
    );
}

fn score(model: &Model) -> Option<f32> {
    Some(model.prediction()?.findings[0].score.value())
}

#[test]
fn each_model_keeps_its_own_scores() {
    let mut model = model_with_two();
    let first = model.viewer.generation;
    update(&mut model, classified("a.png", first, 0.9));
    assert_eq!((score(&model), model.worklist.read()), (Some(0.9), 1));

    let effects = press(&mut model, "m");
    let [Effect::UseModel(at, 1), Effect::Select(job)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!((*at, job.generation), (model.viewer.generation, *at));
    assert!(job.scored.is_none() && job.model == 1 && job.generation > first);
    assert!(matches!(model.engine, ClassifierState::Loading));
    assert_eq!((score(&model), model.worklist.read()), (None, 0));
    let (name, said) = model.worklist.said_elsewhere(0).unwrap();
    assert_eq!((name, said.findings[0].score.value()), ("first", 0.9));

    // What the first model still says of it comes too late.
    update(&mut model, classified("a.png", first, 0.8));
    assert_eq!(score(&model), None);
    let second = model.viewer.generation;
    update(&mut model, classified("a.png", second, 0.2));
    assert_eq!(score(&model), Some(0.2));

    let effects = press(&mut model, "m");
    let Some(Effect::Select(job)) = effects.last() else {
        panic!("{effects:?}");
    };
    assert!(job.scored.is_some(), "it is known");
    assert_eq!((score(&model), model.worklist.read()), (Some(0.9), 1));
    assert_eq!(model.worklist.said_elsewhere(0).unwrap().0, "second");
    assert!(model.worklist.said_elsewhere(1).is_none());
}

#[test]
fn news_of_a_model_that_is_no_longer_wanted_is_dropped() {
    let mut model = model_with_two();
    press(&mut model, "m");
    loaded(&mut model, "first");
    assert!(model.card().is_none());
    loaded(&mut model, "second");
    assert_eq!(model.card().unwrap().sha256, "second");
}

#[test]
fn another_model_changes_neither_the_view_nor_the_picture() {
    let mut model = model_with_two();
    let generation = model.viewer.generation;
    update(&mut model, shown("a.png", generation, 7));
    press(&mut model, "i");
    let view = model.viewer.view;
    press(&mut model, "m");
    assert_eq!(model.viewer.view, view);
    assert!(model.viewer.shown.is_some());
}

#[test]
fn without_another_model_m_says_how_to_get_one() {
    let mut model = model_of(&["a.png"]);
    assert!(press(&mut model, "m").is_empty());
    assert!(
        model
            .notice
            .as_deref()
            .unwrap()
            .contains("cxr models import")
    );
}

#[test]
fn a_model_without_heat_maps_says_so() {
    let mut model = model_of(&["a.png"]);
    let card = ModelCard {
        architecture: crate::domain::KERAS_SEQUENTIAL.to_owned(),
        ..card()
    };
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card)))),
    );
    assert!(press(&mut model, "o").is_empty());
    assert_eq!(model.notice.as_deref(), Some("no heat map for this model"));
}
