//! The filter, the row number and the prevalence, typed in the footer.

use super::*;

#[test]
fn a_filter_applies_while_it_is_typed_and_esc_restores_the_one_before() {
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
        "the selection is restored"
    );

    press(&mut model, "/ward3");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    press(&mut model, "N");
    assert_eq!(selected(&model), "b.png");
    press(&mut model, "/x");
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(model.worklist.len(), 2, "the accepted filter stays");
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
        "it only abandons the prompt"
    );
    assert!(model.overlay.is_none());
}

#[test]
fn tab_completes_a_filter_and_an_invalid_one_is_not_accepted() {
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
    assert_eq!(typed(&model), "Pneumonia>", "the prompt stays open");
    press(&mut model, "50%");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert!(model.overlay.is_none());
    assert_eq!(
        (model.worklist.filter(), model.worklist.len()),
        ("Pneumonia>50%", 1)
    );
    assert_eq!(model.notice.as_deref(), Some("filter: Pneumonia>0.5"));
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
    assert!(effects.is_empty(), "no image is scored again");
    model.notice.clone().unwrap_or_default()
}

#[test]
fn a_prevalence_is_assumed_and_reset_and_an_invalid_one_is_explained() {
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
fn without_calibration_there_is_no_prompt_for_a_prevalence() {
    let mut model = model_of(&["a.png"]);
    press(&mut model, "p");
    assert!(model.overlay.is_none());
    assert!(model.notice.unwrap().contains("calibrated"));
}
