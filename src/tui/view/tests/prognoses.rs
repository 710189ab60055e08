//! Outcomes beside their evidence.

use super::*;
use crate::domain::{PrognosisCard, PrognosisEvidence};

const SIZES: [(u16, u16); 5] = [(40, 15), (55, 50), (80, 24), (120, 35), (200, 50)];

fn outcome(name: &str, auc: f64, interval: (f64, f64), n: usize) -> PrognosisCard {
    PrognosisCard {
        outcome: name.to_owned(),
        evidence: PrognosisEvidence {
            on: "hannover, within AP".to_owned(),
            auc,
            interval,
            control_auc: 0.55,
            n,
            patients: n / 2,
        },
    }
}

/// A screen with a model that foretells two outcomes, of which one has evidence.
fn foretelling((width, height): (u16, u16), input: InputCheck) -> Model {
    let mut model = Model::new(Keymap::bundled(), Size::new(width, height), "half-blocks");
    let outcomes = vec![
        outcome("admission to intensive care", 0.714, (0.6, 0.8), 72),
        outcome("death", 0.58, (0.44, 0.71), 32),
    ];
    let card = ModelCard {
        prognoses: outcomes.clone(),
        ..card()
    };
    let loaded = JobOutcome::Model(Ok(Box::new(card)));
    update(&mut model, Message::Worker(loaded));
    lay_out(&mut model);
    let images = vec![Arc::from(PathBuf::from("a.png"))];
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    let score = Score::new(0.412, ScoreKind::Sigmoid).unwrap();
    let mut prediction = prediction([0.9, 0.1, 0.3, 0.3, 0.4], input);
    if matches!(prediction.input, InputCheck::Refused(_)) {
        prediction.findings.clear();
    } else {
        prediction.prognoses = outcomes.iter().map(|card| card.with(score)).collect();
    }
    answer(&mut model, Ok(Box::new(prediction)));
    show(&mut model);
    model
}

#[test]
fn outcomes_are_hidden_until_they_are_asked_for() {
    for size in SIZES {
        let mut model = foretelling(size, InputCheck::Accepted);
        let before = screen(&model);
        for words in ["admission", "death", "no evidence", "0.412"] {
            assert!(!before.contains(words), "{words} at {size:?}\n{before}");
        }
        press(&mut model, 'e');
        assert_ne!(screen(&model), before, "{size:?}");
        press(&mut model, 'e');
        assert_eq!(screen(&model), before, "{size:?}");
    }
}

#[test]
fn a_score_has_its_evidence_beside_it_and_without_evidence_there_is_no_number() {
    let mut model = foretelling((200, 50), InputCheck::Accepted);
    press(&mut model, 'e');
    let text = screen(&model);
    for words in [
        "outcomes (score, no probability):",
        "admission to intensive care",
        "   0.412",
        "AUC 0.71, 0.60–0.80, n 72",
        "death: no evidence (AUC 0.58, 0.44–0.71, n 32)",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert_eq!(text.matches("0.412").count(), 1, "{text}");
    assert!(!text.contains("41.2 %"), "{text}");
}

#[test]
fn at_every_size_they_can_be_reached() {
    for size in SIZES {
        let mut model = foretelling(size, InputCheck::Accepted);
        press(&mut model, 'e');
        lay_out(&mut model);
        let mut pages = String::new();
        for _ in 0..4 {
            pages += &screen(&model);
            press(&mut model, 'f');
        }
        for words in ["Pneumonia", "0.412", "AUC 0.71,", "death:", "evidence"] {
            assert!(pages.contains(words), "{words} at {size:?}\n{pages}");
        }
    }
}

#[test]
fn a_refused_image_has_no_outcome() {
    let refused = InputCheck::Refused(vec!["a colour picture".into()]);
    let mut model = foretelling((120, 35), refused);
    press(&mut model, 'e');
    let text = screen(&model);
    for words in ["outcomes", "death", "0.412"] {
        assert!(!text.contains(words), "{words}\n{text}");
    }
}
