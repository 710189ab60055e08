//! Screens of a model with 18 labels, operating-point-normalised scores, and severity from a linear fit.

use super::*;
use crate::domain::{Severity, SeverityLine, SeverityLineCard};

const PATHOLOGIES: [&str; 18] = [
    "Atelectasis",
    "Consolidation",
    "Infiltration",
    "Pneumothorax",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Effusion",
    "Pneumonia",
    "Pleural_Thickening",
    "Cardiomegaly",
    "Nodule",
    "Mass",
    "Hernia",
    "Lung Lesion",
    "Fracture",
    "Lung Opacity",
    "Enlarged Cardiomediastinum",
];

fn card() -> ModelCard {
    let label = |name| LabelCard {
        op_threshold: Some(0.1),
        ..label(name, Question::Presence, Some(0.5))
    };
    let line = SeverityLine {
        slope: 0.87,
        intercept: 3.41,
    };
    ModelCard {
        name: "densenet121-res224-all".into(),
        labels: PATHOLOGIES.map(label).into(),
        severity_line: Some(SeverityLineCard {
            label: "Lung Opacity".into(),
            geographic_extent: line,
            opacity: line,
        }),
        ..super::card()
    }
}

/// A prediction in which every third label is found, the last among them.
fn prediction() -> Prediction {
    let mut prediction = super::prediction([0.0; 5], InputCheck::Accepted);
    let finding = prediction.findings.swap_remove(0);
    let found = |i: usize| i % 3 == 2;
    let findings = PATHOLOGIES.iter().enumerate().map(|(i, name)| Finding {
        label: Pathology((*name).into()),
        score: Score::new(
            0.1 + 0.02 * i as f32 + if found(i) { 0.45 } else { 0.0 },
            ScoreKind::OperatingPointNormalised,
        )
        .unwrap(),
        operating_point: Some(OperatingPoint(0.5)),
        ..finding.clone()
    });
    prediction.findings = findings.collect();
    prediction.severity = Some(Severity {
        geographic_extent: 3.125,
        opacity: 2.25,
        geographic_extent_error: None,
        opacity_error: None,
    });
    prediction
}

fn screen_of(width: u16, height: u16) -> Model {
    let mut model = model_of(width, height);
    let card = JobOutcome::Model(Ok(Box::new(card())));
    update(&mut model, Message::Worker(card));
    answer(&mut model, Ok(Box::new(prediction())));
    lay_out(&mut model);
    show(&mut model);
    model
}

#[test]
fn eighteen_labels_at_several_sizes() {
    for (width, height) in [(80, 24), (200, 50), (40, 15)] {
        let model = screen_of(width, height);
        insta::assert_snapshot!(format!("many_{width}x{height}"), screen(&model));
    }
}

#[test]
fn where_there_is_room_all_labels_are_shown() {
    let text = screen(&screen_of(200, 50));
    for name in PATHOLOGIES {
        assert!(text.contains(&name[..name.len().min(20)]), "{name}: {text}");
    }
    assert!(text.contains("operating-point-normalised score"), "{text}");
    assert!(
        text.contains("Extent 3.1/8 · Opacity 2.2/6") && !text.contains('±'),
        "{text}"
    );
    assert!(
        !text.contains("[f]") && !text.contains("probability"),
        "{text}"
    );
}

/// All pages together show every label, and findings on other pages are named.
#[test]
fn where_there_is_no_room_the_labels_come_in_pages() {
    for (width, height) in [(80, 24), (40, 15), (55, 50)] {
        let mut model = screen_of(width, height);
        let mut seen = [false; 18];
        let first = screen(&model);
        assert!(
            first.contains("op-normalised score") || width == 55,
            "{first}"
        );
        let mut turned = 0;
        loop {
            let text = screen(&model);
            for (seen, name) in seen.iter_mut().zip(PATHOLOGIES) {
                // The gauge, not the line about the rest.
                *seen |= text.lines().any(|line| {
                    line.contains(&name[..name.len().min(8)])
                        && line.contains(" 0.")
                        && !line.contains("[f]")
                });
            }
            press(&mut model, 'f');
            turned += 1;
            if screen(&model) == first {
                break;
            }
            assert!(turned < 9, "{text}");
        }
        assert_eq!(seen, [true; 18], "{width}×{height} after {turned} pages");
        if turned > 1 {
            assert!(
                first.contains("of 18 [f] ") && first.contains(" found: "),
                "{first}"
            );
            press(&mut model, 'F');
            assert!(
                screen(&model).contains("–18 of 18 [f]"),
                "{}",
                screen(&model)
            );
        }
    }
}
