//! What the lungs of a film say of it.

use super::*;

#[test]
fn an_accepted_film_has_lungs_and_what_is_measured_by_them() {
    let film = sample("pneumonia_1.png");
    let prediction = model("", false, &[]).unwrap().classify(&film).unwrap();
    let fields = prediction.lung_fields.unwrap();
    assert_eq!(fields.cells.len(), fields.side * fields.side);
    assert_eq!((fields.region.width, fields.region.height), (768, 768));
    let lungs = prediction.lungs.unwrap();
    let inside = lungs.evidence_inside.unwrap();
    assert!((0.0..=1.0).contains(&inside), "{lungs:?}");
    assert!(lungs.cardiothoracic_ratio.is_some(), "{lungs:?}");
}

/// Half of it is white, as by a lung that is opaque throughout.
fn one_lung() -> Radiograph {
    let film = film();
    let Samples::Grey8(mut pixels) = film.samples else {
        panic!("the sample is not 8-bit grey")
    };
    for row in pixels.chunks_exact_mut(film.width) {
        row[..film.width / 2].fill(200);
    }
    Radiograph::plain(film.width, film.height, Samples::Grey8(pixels), "test")
}

#[test]
fn lungs_and_features_that_are_both_in_doubt_refuse_a_film() {
    let of = |bias| {
        let classifier = model(INPUT, false, &input(bias)).unwrap();
        classifier.classify(&one_lung()).unwrap().input
    };
    let InputCheck::Caution(reasons) = of([5.0, 0.0, 0.0, 0.0]) else {
        panic!("one doubt alone is a caution")
    };
    assert!(reasons[0].starts_with("only one lung found"), "{reasons:?}");
    // Something else with 0.70.
    let InputCheck::Refused(reasons) = of([0.0, 7_f32.ln(), 0.0, 0.0]) else {
        panic!("two doubts refuse")
    };
    assert!(
        reasons[0].contains("by two signs (score 0.70, "),
        "{reasons:?}"
    );
}

/// The error was measured on films without a finding.
#[test]
fn the_ratio_has_its_error_only_where_no_pneumonia_is_found() {
    let classifier = Classifier::bundled().unwrap();
    for (name, is_found) in [("clear_1.png", false), ("pneumonia_1.png", true)] {
        let prediction = classifier.classify(&sample(name)).unwrap();
        let pneumonia = prediction.finding(PNEUMONIA).unwrap();
        assert_eq!(pneumonia.is_positive(), Some(is_found), "{name}");
        let lungs = prediction.lungs.unwrap();
        assert!(lungs.cardiothoracic_ratio.is_some(), "{name}: {lungs:?}");
        assert_eq!(lungs.cardiothoracic_error.is_some(), !is_found, "{name}");
    }
}

#[test]
fn a_picture_without_lungs_is_refused_and_a_turned_film_doubted() {
    let refused = model("", false, &[]).unwrap().classify(&waves()).unwrap();
    let InputCheck::Refused(reasons) = &refused.input else {
        panic!("{:?}", refused.input)
    };
    assert!(
        reasons[0].starts_with("no two lungs found ("),
        "{reasons:?}"
    );
    assert!(refused.findings.is_empty() && refused.activation.is_none());
    assert_eq!((&refused.lung_fields, refused.lungs), (&None, None));

    let upside_down = everything([0.0, 0.0, 9.0, 0.0], 0.0);
    let doubted = upside_down.classify(&waves()).unwrap();
    let InputCheck::Caution(reasons) = &doubted.input else {
        panic!("{:?}", doubted.input)
    };
    let has = |words: &str| reasons.iter().any(|reason| reason.contains(words));
    assert!(
        has("upside down") && has("no two lungs found"),
        "{reasons:?}"
    );
    assert!(!doubted.findings.is_empty());
}

#[test]
fn a_found_pneumonia_whose_evidence_lies_outside_the_lungs_is_doubted() {
    let with_limit = model("[lungs]\nevidence_inside = 0.35\n", false, &[]).unwrap();
    let found = |value: f32| {
        let mut findings = with_limit.classify(&film()).unwrap().findings;
        let pneumonia = findings.iter_mut().find(|f| f.label.name() == PNEUMONIA);
        let pneumonia = pneumonia.unwrap();
        pneumonia.score = crate::domain::Score::new(value, ScoreKind::Sigmoid).unwrap();
        assert!(pneumonia.operating_point.is_some());
        findings
    };
    let check = |classifier: &Classifier, inside: Option<f32>, value: f32| {
        let lungs = LungMeasures {
            evidence_inside: inside,
            ..LungMeasures::default()
        };
        let mut reasons = Reasons::default();
        classifier.check_evidence(&lungs, &found(value), &mut reasons);
        reasons.verdict()
    };
    let words = "looked outside the lungs (31 % of the evidence in them)";
    assert_eq!(
        check(&with_limit, Some(0.312), 0.99),
        InputCheck::Caution(vec![words.to_owned()])
    );
    for (inside, value) in [(Some(0.35), 0.99), (Some(0.1), 0.01), (None, 0.99)] {
        let verdict = check(&with_limit, inside, value);
        assert_eq!(verdict, InputCheck::Accepted, "{inside:?} {value}");
    }
    let without = model("", false, &[]).unwrap();
    assert_eq!(check(&without, Some(0.0), 0.99), InputCheck::Accepted);
}
