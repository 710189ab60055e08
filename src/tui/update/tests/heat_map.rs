//! The heat map over the image.

use super::*;
use crate::domain::{
    ClassActivationMap, HeatMapChoice, LabelActivation, LungFields, LungMeasures, OperatingPoint,
    Region,
};

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
        attention: Vec::new(),
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

/// The value of the heat map that the only job requests.
fn requested(effects: &[Effect]) -> Option<f32> {
    let jobs: Vec<_> = effects
        .iter()
        .filter(|effect| !matches!(effect, Effect::Ask(_)))
        .collect();
    match jobs[..] {
        [Effect::Redraw(job) | Effect::Select(job)] => {
            job.frame.heat_map.as_ref().map(|layer| layer.map.values[0])
        }
        _ => panic!("not one job: {effects:?}"),
    }
}

#[test]
fn a_heat_map_lies_over_its_own_image_and_no_other() {
    let mut model = model_of(&["a.png", "b.png"]);
    let first = model.viewer.generation;
    assert_eq!(
        requested(&press(&mut model, "o")),
        None,
        "nothing is known yet"
    );
    let effects = update(&mut model, mapped_of("a.png", first, 1.0));
    assert_eq!(
        requested(&effects),
        Some(1.0),
        "it arrives with the prediction"
    );

    let effects = press(&mut model, "j");
    assert_eq!(requested(&effects), None);
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
    assert_eq!(requested(&effects), Some(2.0));
    assert_eq!(
        requested(&press(&mut model, "k")),
        Some(1.0),
        "known already"
    );
    assert_eq!(requested(&press(&mut model, "o")), None);
    let third = model.viewer.generation;
    let effects = update(&mut model, classified("a.png", third, 0.5));
    assert!(effects.is_empty(), "there is no heat map");
}

#[test]
fn the_heat_map_keys_go_through_labels_and_opacities() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    update(&mut model, mapped_of("a.png", generation, 1.0));
    let label = |name: &str| HeatMapChoice::Label(Pathology(name.into()));
    let mut choices = Vec::new();
    for _ in 0..4 {
        press(&mut model, "O");
        assert!(model.heat_map.on);
        choices.push(model.heat_map.choice.clone());
    }
    let expected = [
        HeatMapChoice::Foremost,
        // Pneumonia is the foremost here: its map was shown.
        label("COVID-19"),
        HeatMapChoice::Difference,
        HeatMapChoice::Foremost,
    ];
    assert_eq!(choices, expected);

    let opacity = |effects: &[Effect]| match effects {
        [Effect::Redraw(job)] => job.frame.heat_map.as_ref().unwrap().opacity,
        _ => panic!("not one job: {effects:?}"),
    };
    assert_eq!(opacity(&press(&mut model, ".")), 0.7);
    for _ in 0..20 {
        press(&mut model, ",");
    }
    assert_eq!(opacity(&press(&mut model, ",")), 0.1, "never invisible");
    assert_eq!(model.prediction().unwrap().findings[0].score.value(), 0.9);
}

/// A healthy image has no maps of causes, and no key press that says so.
#[test]
fn the_heat_map_keys_pass_over_causes_that_are_not_told() {
    let mut model = model_of(&["a.png"]);
    let cause = "Viral";
    let mut card = card();
    let label = LabelCard::new(cause, Question::GivenPneumonia, None);
    card.labels.push(label);
    let loaded = JobOutcome::Model(Ok(Box::new(card)));
    update(&mut model, Message::Worker(loaded));
    let choices = |model: &mut Model| {
        let mut choices = Vec::new();
        for _ in 0..6 {
            press(model, "O");
            choices.push(model.heat_map.choice.clone());
        }
        choices
    };
    let viral = HeatMapChoice::Label(Pathology(cause.into()));
    for (point, is_passed) in [(0.5, true), (0.95, false)] {
        let mut prediction = mapped(1.0);
        prediction.findings[0].operating_point = Some(OperatingPoint(point));
        let finding = Finding {
            label: Pathology(cause.into()),
            question: Question::GivenPneumonia,
            operating_point: None,
            ..prediction.findings[0].clone()
        };
        prediction.findings.push(finding);
        let source = path("a.png");
        let generation = model.viewer.generation;
        let result = Ok(prediction);
        let answer = JobOutcome::Classified {
            source,
            generation,
            result,
        };
        update(&mut model, Message::Worker(answer));
        let choices = choices(&mut model);
        assert_eq!(choices.contains(&viral), is_passed, "{point}: {choices:?}");
        assert!(choices.contains(&HeatMapChoice::Difference));
    }
}

/// A product has the map of its first factor, which has a step of its own.
#[test]
fn the_heat_map_keys_pass_over_a_product() {
    let mut model = model_of(&["a.png"]);
    let mut card = card();
    let cause = "COVID-19 given pneumonia";
    card.labels[1].product = Some(crate::domain::ProductCard {
        presence: "Pneumonia".into(),
        cause: cause.into(),
    });
    card.labels
        .push(LabelCard::new(cause, Question::GivenPneumonia, None));
    let loaded = JobOutcome::Model(Ok(Box::new(card)));
    update(&mut model, Message::Worker(loaded));
    let label = |name: &str| HeatMapChoice::Label(Pathology(name.into()));
    let mut choices = Vec::new();
    for _ in 0..4 {
        press(&mut model, "O");
        choices.push(model.heat_map.choice.clone());
    }
    let expected = [
        HeatMapChoice::Foremost,
        label("Pneumonia"),
        label(cause),
        HeatMapChoice::Difference,
    ];
    assert_eq!(choices, expected);
}

#[test]
fn a_label_without_a_number_has_no_heat_map_and_the_footer_says_why() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    let mut unlike = mapped(1.0);
    unlike.withheld = vec![Pathology("COVID-19".into())];
    let outcome = JobOutcome::Classified {
        source: path("a.png"),
        generation,
        result: Ok(unlike),
    };
    update(&mut model, Message::Worker(outcome));
    assert_eq!(requested(&press(&mut model, "o")), Some(1.0));
    // Chosen on another image; here the keys pass it over.
    press(&mut model, "o");
    model.heat_map.choice = HeatMapChoice::Label(Pathology("COVID-19".into()));
    assert_eq!(requested(&press(&mut model, "o")), None);
    let notice = model.notice.clone().unwrap_or_default();
    assert!(
        notice.contains("unlike those that the label was learned from"),
        "{notice}"
    );
}

/// A prediction with lung fields of one cell, whose outline has half its full strength.
fn with_lungs(generation: Generation) -> Message {
    let mut prediction = mapped(1.0);
    let region = prediction.activation.as_ref().unwrap().region;
    prediction.lungs = Some(LungMeasures::default());
    prediction.lung_fields = Some(Arc::new(LungFields {
        side: 1,
        cells: vec![0.75],
        region,
        heart: None,
    }));
    Message::Worker(JobOutcome::Classified {
        source: path("a.png"),
        generation,
        result: Ok(prediction),
    })
}

#[test]
fn the_outline_of_the_lungs_is_the_last_choice_and_is_kept_for_the_selected_image_only() {
    let mut model = model_of(&["a.png", "b.png"]);
    let generation = model.viewer.generation;
    update(&mut model, with_lungs(generation));
    let listed = model.worklist.prediction_of(&path("a.png")).unwrap();
    assert!(listed.lung_fields.is_none() && listed.activation.is_some());
    for _ in 0..3 {
        press(&mut model, "O");
    }
    assert_eq!(requested(&press(&mut model, "O")), Some(0.5));
    assert_eq!(model.heat_map.choice, HeatMapChoice::Lungs);

    // Another image has other lungs, and those of this one are asked for again.
    assert_eq!(requested(&press(&mut model, "j")), None);
    assert!(model.lung_fields().is_none());
    let effects = press(&mut model, "k");
    let jobs = effects.iter().filter_map(|effect| match effect {
        Effect::Select(job) => Some(job),
        _ => None,
    });
    let asked: Vec<_> = jobs
        .map(|job| (job.maps, job.frame.heat_map.is_none()))
        .collect();
    assert_eq!(asked, [(true, true)]);
    let generation = model.viewer.generation;
    let effects = update(&mut model, with_lungs(generation));
    assert_eq!(requested(&effects), Some(0.5));
    press(&mut model, "O");
    assert_eq!(model.heat_map.choice, HeatMapChoice::Foremost);
}

#[test]
fn where_there_can_be_no_heat_map_the_footer_gives_the_reason() {
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
    assert_eq!(requested(&press(&mut model, "o")), None);
    assert!(notice(&model).contains("was refused"));
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

#[test]
fn a_model_with_one_attention_map_has_no_labels_to_choose() {
    let mut model = model_of(&["a.png"]);
    let card = ModelCard {
        architecture: "vit".to_owned(),
        ..card()
    };
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card)))),
    );
    let generation = model.viewer.generation;
    let mut said = mapped(1.0);
    let mut maps = said.activation.as_deref().cloned().unwrap();
    maps.labels.clear();
    maps.attention = vec![2.5];
    said.activation = Some(Arc::new(maps));
    let outcome = JobOutcome::Classified {
        source: path("a.png"),
        generation,
        result: Ok(said),
    };
    update(&mut model, Message::Worker(outcome));
    for _ in 0..3 {
        assert_eq!(requested(&press(&mut model, "O")), Some(2.5));
        assert_eq!(model.heat_map.choice, HeatMapChoice::Foremost);
    }
}
