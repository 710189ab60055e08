//! Screens of a model with calibration, conformal sets, severity, and an input check that uses features.

use super::*;
use crate::domain::prevalence::log_odds;
use crate::domain::{
    Calibrated, Calibration, CausesCard, Conformal, ConformalThresholds, Factors, InputThresholds,
    PresenceSet, Prevalence, ProductCard, Severity, SeverityCard,
};

pub fn card() -> ModelCard {
    let mut card = super::card();
    for label in &mut card.labels {
        let is_cause = label.question == Question::GivenPneumonia;
        label.conformal = Some(ConformalThresholds {
            present: 0.25,
            absent: (!is_cause).then_some(0.09),
        });
        if !is_cause {
            label.sensitive_point = Some(0.25);
            label.calibration = Some(Calibration {
                slope: 0.81,
                intercept: -0.3,
                prevalence: half(),
            });
        }
    }
    card.causes = Some(CausesCard {
        temperature: 1.7,
        calibrated: true,
        unlike: None,
    });
    card.severity = Some(SeverityCard {
        geographic_extent_error: 1.1,
        opacity_error: 0.8,
        n: 51,
    });
    card.input_head = Some(InputThresholds {
        caution: 0.5,
        refuse: 0.9,
    });
    card.distance = Some(InputThresholds {
        caution: 2.1,
        refuse: 3.4,
    });
    card
}

fn half() -> Prevalence {
    Prevalence::new(0.5).unwrap()
}

/// A prediction with two probabilities and their conformal sets, and three causes, each with its share and
/// whether it is in the set.
fn prediction_of(
    presence: [(f32, PresenceSet); 2],
    causes: [(f32, bool); 3],
    input: InputCheck,
) -> Prediction {
    let [(a, _), (b, _)] = presence;
    let mut prediction = prediction([a, b, causes[0].0, causes[1].0, causes[2].0], input);
    let (alone, given) = prediction.findings.split_at_mut(2);
    for (finding, (p, set)) in alone.iter_mut().zip(presence) {
        finding.calibrated = Some(Calibrated {
            log_odds: log_odds(p.into()),
            prevalence: half(),
        });
        finding.sensitive_point = Some(OperatingPoint(0.25));
        finding.conformal = Some(Conformal::Presence(set));
    }
    for (finding, (_, is_in)) in given.iter_mut().zip(causes) {
        finding.conformal = Some(Conformal::Cause(is_in));
    }
    for finding in &mut prediction.findings {
        finding.score.kind = ScoreKind::Calibrated;
    }
    prediction.severity = Some(Severity {
        geographic_extent: 3.12,
        opacity: 2.18,
        geographic_extent_error: Some(1.1),
        opacity_error: Some(0.8),
    });
    prediction
}

/// The screen of `model_of`, with this model and this answer for the selected image.
fn screen_of(width: u16, height: u16, prediction: Prediction) -> Model {
    let mut model = model_of(width, height);
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card())))),
    );
    answer(&mut model, Ok(Box::new(prediction)));
    lay_out(&mut model);
    show(&mut model);
    model
}

fn unsure() -> Prediction {
    prediction_of(
        [(0.77, PresenceSet::Present), (0.47, PresenceSet::Either)],
        [(0.52, true), (0.31, true), (0.17, false)],
        InputCheck::Accepted,
    )
}

fn far_away() -> InputCheck {
    InputCheck::Refused(vec![
        "not a frontal chest X-ray (score 0.97, refused from 0.90)".into(),
        "its features are far from everything seen in training (d = 3.9, 3.4 allowed)".into(),
    ])
}

#[test]
fn everything_at_several_sizes() {
    for (width, height) in [(80, 24), (120, 35), (200, 50), (40, 15), (55, 50)] {
        let model = screen_of(width, height, unsure());
        insta::assert_snapshot!(format!("calibrated_{width}x{height}"), screen(&model));
    }
}

#[test]
fn undecided_sets_are_shown_in_words() {
    let text = screen(&screen_of(80, 24, unsure()));
    for words in [
        "Findings · probability ─",
        "π Pneumonia 50 %, COVID-19 50 %",
        "can't tell: COVID-19 (90 %)",
        "can't tell Bacterial from Viral",
        "Extent 3.1±1.1/8 Opacity 2.2±0.8/6",
        "┿",
        "┷",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    let unlike_any = prediction_of(
        [(0.77, PresenceSet::Neither), (0.47, PresenceSet::Absent)],
        [(0.34, false), (0.33, false), (0.33, false)],
        InputCheck::Accepted,
    );
    let text = screen(&screen_of(120, 35, unlike_any));
    for words in [
        "Pneumonia: unlike the calibration cases",
        "fits no known cause (90 %)",
        "Extent 3.1/8 ±1.1 · Opacity 2.2/6 ±0.8",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    assert!(!text.contains("can't tell"), "{text}");
}

#[test]
fn severity_is_there_at_every_size() {
    for (width, height) in [(40, 15), (60, 18), (55, 50), (80, 24), (200, 50)] {
        let text = screen(&screen_of(width, height, unsure()));
        for words in ["Extent 3.1", "Opacity 2.2", "can't tell: COVID-19"] {
            assert!(text.contains(words), "{words}, {width}×{height}\n{text}");
        }
    }
}

/// Severity describes a pneumonia, so it is dim where none was found.
#[test]
fn severity_is_dim_where_no_pneumonia_was_found() {
    use ratatui::style::Modifier;
    let is_dim = |p| {
        let sure = prediction_of(
            [(p, PresenceSet::Present), (0.1, PresenceSet::Absent)],
            [(0.8, true), (0.1, false), (0.1, false)],
            InputCheck::Accepted,
        );
        let model = screen_of(120, 35, sure);
        let mut terminal = Terminal::new(TestBackend::new(120, 35)).unwrap();
        let theme = Theme::new(Colours::None);
        terminal
            .draw(|frame| {
                draw(&model, &theme, None, frame);
            })
            .unwrap();
        let buffer = terminal.backend().buffer();
        let at = (0..buffer.area.height)
            .flat_map(|y| (0..40).map(move |x| (x, y)))
            .find(|at| {
                (0..6)
                    .map(|i| buffer[(at.0 + i, at.1)].symbol())
                    .eq("Extent".split("").filter(|s| !s.is_empty()))
            })
            .unwrap();
        buffer[at].modifier.contains(Modifier::DIM)
    };
    assert!(is_dim(0.3));
    assert!(!is_dim(0.9));
}

#[test]
fn a_refused_image_shows_no_number_and_every_reason() {
    for (width, height) in [(80, 24), (120, 35), (200, 50), (55, 50)] {
        let mut refused = prediction_of(
            [(0.0, PresenceSet::Absent); 2],
            [(0.0, false); 3],
            far_away(),
        );
        refused.findings.clear();
        refused.severity = None;
        let text = screen(&screen_of(width, height, refused));
        let joined: String = text.chars().filter(|c| !"│▀\"\n".contains(*c)).collect();
        let joined = joined.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in ["score 0.97, refused from 0.90", "(d = 3.9, 3.4 allowed)"] {
            assert!(joined.contains(words), "{words}, {width}×{height}:\n{text}");
        }
        for words in ["Extent", "COVID-19  ", "given pneumonia", "can't tell", "π"] {
            assert!(!text.contains(words), "{words}, {width}×{height}:\n{text}");
        }
        if (width, height) == (80, 24) {
            insta::assert_snapshot!("calibrated_refused_80x24", text);
        }
    }
}

#[test]
fn a_caution_has_room_for_its_reasons() {
    let doubts = InputCheck::Caution(vec![
        "looks upside down (score 0.81, doubted from 0.50)".into(),
        "small (120 × 120 pixels)".into(),
    ]);
    let doubted = Prediction {
        input: doubts,
        ..unsure()
    };
    insta::assert_snapshot!(
        "calibrated_caution_80x24",
        screen(&screen_of(80, 24, doubted))
    );
}

#[test]
fn another_prevalence_moves_the_probabilities_and_no_finding_across_its_operating_point() {
    let mut model = screen_of(120, 35, unsure());
    assert!(
        screen(&model).contains("77.0 % Pneumonia"),
        "in the list too"
    );
    let enter = |model: &mut Model, text: &str| {
        text.chars().for_each(|c| press(model, c));
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        update(model, Message::Key(enter));
    };
    // COVID-19 cannot be more frequent than pneumonia.
    press(&mut model, 'p');
    enter(&mut model, "cov=1%");
    press(&mut model, 'p');
    enter(&mut model, "pneu=0.5%");
    let refused = screen(&model);
    assert!(
        refused.contains("COVID-19 is a pneumonia here"),
        "{refused}"
    );
    press(&mut model, 'p');
    let asked = screen(&model);
    assert!(
        asked.contains("prevalence:    now Pneumonia=50 %, COVID-19=1 %"),
        "{asked}"
    );
    enter(&mut model, "cov=1%");
    press(&mut model, 'p');
    enter(&mut model, "pneu=5%");
    let text = screen(&model);
    // Odds of 0.77 / 0.23 divided by 19: 0.176205 / 1.176205.
    for words in [
        "15.0 % Pneumonia",
        "π Pneumonia 5 %, COVID-19 1 %",
        "cause: only at the model's own",
        "● IM-0041.png",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    insta::assert_snapshot!("calibrated_prevalence", text);
}

#[test]
fn a_score_among_probabilities_is_marked() {
    let mut mixed = card();
    mixed.labels[1].calibration = None;
    mixed.causes = None;
    let mut prediction = unsure();
    for finding in &mut prediction.findings[1..] {
        finding.score.kind = ScoreKind::Sigmoid;
        finding.calibrated = None;
    }
    let mut model = screen_of(80, 24, prediction);
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(mixed)))),
    );
    let text = screen(&model);
    for words in [
        "Findings · probability, ~ score ─",
        "│● Pneumonia ",
        "│  ~COVID-19 ",
        "given pneumonia (score):",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
}

/// The card with COVID-19 as a product, for images that may get no number for the causes.
fn card_with_product() -> ModelCard {
    let mut card = card();
    card.labels[1].calibration = None;
    card.labels[1].product = Some(ProductCard {
        presence: "Pneumonia".into(),
        cause: "COVID-19 given pneumonia".into(),
    });
    card.causes.as_mut().unwrap().unlike = Some(2.0);
    card
}

fn screen_with_product(width: u16, height: u16, prediction: Prediction) -> Model {
    let mut model = screen_of(width, height, prediction);
    let loaded = JobOutcome::Model(Ok(Box::new(card_with_product())));
    update(&mut model, Message::Worker(loaded));
    model
}

#[test]
fn a_film_unlike_those_of_training_has_no_number_for_causes_and_products() {
    let unlike = |pneumonia| {
        let mut prediction = unsure();
        prediction.findings[0].score = Score::new(pneumonia, ScoreKind::Calibrated).unwrap();
        let withheld = prediction.findings.split_off(1);
        prediction.withheld = withheld.into_iter().map(|f| f.label).collect();
        prediction
    };
    for (width, height) in [(40, 15), (80, 24), (120, 35), (200, 50), (55, 50)] {
        let model = screen_with_product(width, height, unlike(0.77));
        let text = screen(&model);
        let is_row = |line: &&str| line.contains("COVID-19") && line.contains("can't tell");
        let row = text.lines().find(is_row);
        assert!(
            row.is_some_and(|row| !row.contains('%')),
            "{width}×{height}\n{text}"
        );
        assert!(
            !text.contains("47.0 %") && !text.contains("given pneumonia:"),
            "{text}"
        );
    }
    let mut model = screen_with_product(200, 50, unlike(0.77));
    let text = screen(&model);
    for words in ["cause: can't tell, unlike", "77.0 %", "π Pneumonia 50 %"] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    // In the order of that label, the list does not show another one in its place.
    press(&mut model, 's');
    press(&mut model, 's');
    let sorted = screen(&model);
    assert!(sorted.contains("COVID-19: can't tell"), "{sorted}");
    let healthy = screen(&screen_with_product(200, 50, unlike(0.2)));
    assert!(!healthy.contains("cause:"), "{healthy}");
    assert!(
        healthy
            .lines()
            .any(|line| line.contains("COVID-19") && line.contains("can't tell"))
    );
}

#[test]
fn the_row_of_a_found_product_says_more_than_its_first_factor() {
    let mut prediction = unsure();
    prediction.findings[1].score = Score::new(0.7, ScoreKind::Calibrated).unwrap();
    prediction.findings[1].calibrated = None;
    prediction.findings[1].factors = Some(Box::new(Factors {
        presence: Pathology("Pneumonia".into()),
        cause: Pathology("COVID-19 given pneumonia".into()),
    }));
    let text = screen(&screen_with_product(120, 35, prediction));
    assert!(text.contains("70.0 % COVID-19"), "{text}");
    // And its causes are told. It does not matter which is the likeliest.
    assert!(
        text.contains("given pneumonia:") && text.contains("52.0 %"),
        "{text}"
    );
}

#[test]
fn about_and_help_explain_the_numbers() {
    let mut model = screen_of(110, 70, unsure());
    press(&mut model, 'A');
    insta::assert_snapshot!("calibrated_about", screen(&model));
    press(&mut model, 'x');
    press(&mut model, '?');
    press(&mut model, 'G');
    assert!(screen(&model).contains("π assumed prevalence"));
}

#[test]
fn every_size_is_drawn_without_a_panic() {
    for (width, height) in [
        (1, 1),
        (2, 2),
        (10, 3),
        (39, 14),
        (60, 18),
        (61, 17),
        (400, 120),
    ] {
        for input in [InputCheck::Accepted, far_away()] {
            let prediction = Prediction { input, ..unsure() };
            let mut model = screen_of(width, height, prediction);
            press(&mut model, 'p');
            press(&mut model, 'z');
            screen(&model);
        }
    }
}
