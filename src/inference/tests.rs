//! Models with every optional part, made from the bundled one: the same network with other cards and heads.

mod attentive;
mod computing;
mod lungs;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use toml::Table;

use super::*;
use crate::domain::hex::hex;
use crate::domain::{
    Conformal, HeatMapChoice, HeatMapSubject, InputCheck, PresenceSet, Question, Samples, ScoreKind,
};

const CHANNELS: usize = 1280;
/// The names of optional tensors begin with these.
const OPTIONAL: [&str; 4] = ["severity.", "input.", "distance.", "prognosis."];

struct Extra(&'static str, Vec<usize>, Vec<f32>);

/// The bundled safetensors file without its optional tensors, and with these.
fn safetensors(extras: &[Extra]) -> Vec<u8> {
    let base = weights::BUNDLED_WEIGHTS;
    let length = u64::from_le_bytes(base[..8].try_into().unwrap()) as usize;
    let (header, data) = base[8..].split_at(length);
    let old: Map<String, Value> = serde_json::from_slice(header).unwrap();
    let (mut new, mut bytes) = (Map::new(), Vec::new());
    let mut put = |name: &str, dtype: &Value, shape: &Value, values: &[u8]| {
        let start = bytes.len();
        bytes.extend_from_slice(values);
        let offsets = [start, bytes.len()];
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": offsets});
        new.insert(name.to_owned(), entry);
    };
    for (name, entry) in &old {
        if name != "__metadata__" && !OPTIONAL.iter().any(|part| name.starts_with(part)) {
            let at = |i: usize| entry["data_offsets"][i].as_u64().unwrap() as usize;
            put(name, &entry["dtype"], &entry["shape"], &data[at(0)..at(1)]);
        }
    }
    for Extra(name, shape, values) in extras {
        let values: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        put(name, &json!("F32"), &json!(shape), &values);
    }
    let header = serde_json::to_vec(&new).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &bytes].concat()
}

/// The bundled card without its optional parts, with `parts` (TOML) instead, for these weights. If
/// `calibrated`, every label is.
fn card(parts: &str, calibrated: bool, weights: &[u8]) -> String {
    let mut card: Table = weights::BUNDLED_CARD.parse().unwrap();
    for part in [
        "causes",
        "severity",
        "input_head",
        "distance",
        "lungs",
        "prognosis",
    ] {
        card.remove(part);
    }
    for label in card["label"].as_array_mut().unwrap() {
        let label = label.as_table_mut().unwrap();
        let fields = [
            "calibration",
            "calibration_for",
            "probability",
            "prevalence",
            "sensitive_point",
            "conformal",
        ];
        for field in fields {
            label.remove(field);
        }
        if calibrated && !label.contains_key("product") {
            let of_presence = "calibration = { slope = 0.5, intercept = -0.25 }\nprevalence = 0.5\n\
                               sensitive_point = 0.2\nconformal = { present = 0.0, absent = 0.0 }";
            let of_cause = "conformal = { present = 0.0 }";
            let is_presence = label["question"].as_str() == Some("presence");
            let more: Table = if is_presence { of_presence } else { of_cause }
                .parse()
                .unwrap();
            label.extend(more);
        }
    }
    let digest = hex(&Sha256::digest(weights));
    card.insert("sha256".into(), digest.into());
    card.extend(parts.parse::<Table>().unwrap());
    toml::to_string(&card).unwrap()
}

fn model(parts: &str, calibrated: bool, extras: &[Extra]) -> Result<Classifier, InferenceError> {
    let weights = safetensors(extras);
    Classifier::from_parts(&card(parts, calibrated, &weights), &weights)
}

const SEVERITY: &str = "[severity]\ngeographic_extent_error = 1.1\nopacity_error = 0.8\nn = 51\n";
const INPUT: &str = "[input_head]\nrefuse = 0.9\ncaution = 0.5\n";
const DISTANCE: &str = "[distance]\ncaution = 2.1\nrefuse = 3.4\n";
const CAUSES: &str = "[causes]\ntemperature = 2.0\ncalibrated = true\n";

/// Extent is the first label's logit and 4 more, opacity is 2.25.
fn severity() -> [Extra; 2] {
    let tensors = weights::Tensors::parse(weights::BUNDLED_WEIGHTS).unwrap();
    let labels = tensors.rows("_fc.bias");
    let rows = tensors.values("_fc.weight", &[labels, CHANNELS]).unwrap();
    let bias = tensors.values("_fc.bias", &[labels]).unwrap();
    let weight = [&rows[..CHANNELS], &[0.0; CHANNELS]].concat();
    [
        Extra("severity.weight", vec![2, CHANNELS], weight),
        Extra("severity.bias", vec![2], vec![bias[0] + 4.0, 2.25]),
    ]
}

const PROGNOSIS: &str = "[[prognosis]]\noutcome = \"icu\"\non = \"here\"\nauc = 0.7\nlow = 0.6\nhigh = 0.8\n\
                         control_auc = 0.5\nn = 72\npatients = 40\n\
                         [[prognosis]]\noutcome = \"death\"\non = \"here\"\nauc = 0.58\nlow = 0.44\n\
                         high = 0.71\ncontrol_auc = 0.5\nn = 32\npatients = 16\n";

/// The first outcome's logit is that of the first label and 1 more; the second has no evidence.
fn prognosis() -> [Extra; 2] {
    let [severity, bias] = severity();
    [
        Extra("prognosis.weight", vec![2, CHANNELS], severity.2),
        Extra("prognosis.bias", vec![2], vec![bias.2[0] - 3.0, 0.0]),
    ]
}

/// A head that gives every image the same scores.
fn input(bias: [f32; 4]) -> [Extra; 2] {
    [
        Extra("input.weight", vec![4, CHANNELS], vec![0.0; 4 * CHANNELS]),
        Extra("input.bias", vec![4], bias.to_vec()),
    ]
}

fn distance(precision: f32) -> [Extra; 3] {
    let mut first = vec![0.0; CHANNELS];
    first[0] = 1.0;
    [
        Extra("distance.mean", vec![CHANNELS], vec![0.0; CHANNELS]),
        Extra("distance.components", vec![1, CHANNELS], first),
        Extra("distance.precision", vec![2], vec![precision; 2]),
    ]
}

fn everything(input_bias: [f32; 4], precision: f32) -> Classifier {
    let mut extras = Vec::from(severity());
    extras.extend(input(input_bias));
    extras.extend(distance(precision));
    let parts = [SEVERITY, INPUT, DISTANCE, CAUSES].concat();
    model(&parts, true, &extras).unwrap()
}

/// A drawn radiograph, whose lungs are found.
fn film() -> Radiograph {
    sample("clear_1.png")
}

fn sample(name: &str) -> Radiograph {
    let samples = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/samples"));
    let limits = crate::imaging::DecodeLimits::default();
    crate::imaging::open(&samples.join(name), &limits).unwrap()
}

/// A picture that no plain check refuses, and that has no lungs.
fn waves() -> Radiograph {
    let pixel = |i: usize| {
        let (x, y) = ((i % 300) as f64, (i / 300) as f64);
        (120.0 + 60.0 * (x / 37.0).sin() + 60.0 * (y / 53.0).cos()) as u8
    };
    let samples = Samples::Grey8((0..300 * 320).map(pixel).collect());
    Radiograph::plain(300, 320, samples, "test")
}

#[test]
fn a_model_without_the_optional_parts_gives_no_results_of_them() {
    let classifier = model("", false, &[]).unwrap();
    let prediction = classifier.classify(&film()).unwrap();
    assert_eq!(prediction.severity, None);
    assert_eq!(prediction.input, InputCheck::Accepted);
    let raw = |f: &Finding| {
        f.score.kind == ScoreKind::Sigmoid && f.calibrated.is_none() && f.conformal.is_none()
    };
    assert!(prediction.findings.iter().all(raw));
}

#[test]
fn one_pass_gives_probabilities_sets_and_severity() {
    let classifier = everything([5.0, 0.0, 0.0, 0.0], 0.0);
    let logits = classifier.logits(&film()).unwrap();
    let prediction = classifier.classify(&film()).unwrap();
    assert_eq!(prediction.input, InputCheck::Accepted);
    let pneumonia = &prediction.findings[0];
    let expected = 1.0 / (1.0 + (0.25 - 0.5 * logits[0]).exp());
    assert!((pneumonia.score.value() - expected).abs() < 1e-6);
    assert_eq!(pneumonia.logit, logits[0]);
    assert_eq!(
        pneumonia.conformal,
        Some(Conformal::Presence(PresenceSet::Either))
    );
    let kinds = prediction.findings.iter().map(|f| f.score.kind);
    assert!(kinds.into_iter().all(|kind| kind == ScoreKind::Calibrated));
    let severity = prediction.severity.unwrap();
    let extent = (logits[0] + 4.0).clamp(0.0, 8.0);
    assert!(
        (severity.geographic_extent - extent).abs() < 1e-3,
        "{severity:?} {logits:?}"
    );
    assert_eq!(
        (severity.opacity, severity.geographic_extent_error),
        (2.25, Some(1.1))
    );
}

#[test]
fn an_outcome_with_evidence_has_a_score_and_one_without_has_none() {
    let classifier = model(PROGNOSIS, false, &prognosis()).unwrap();
    let logits = classifier.logits(&film()).unwrap();
    let found = classifier.classify(&film()).unwrap().prognoses;
    let names: Vec<&str> = found.iter().map(|p| p.outcome.as_str()).collect();
    assert_eq!(names, ["icu", "death"]);
    let score = found[0].score.unwrap();
    let expected = 1.0 / (1.0 + (-1.0 - logits[0]).exp());
    assert!(
        (score.value() - expected).abs() < 1e-4,
        "{score:?} {logits:?}"
    );
    assert_eq!(score.kind, ScoreKind::Sigmoid);
    assert_eq!((found[1].score, found[1].evidence.n), (None, 32));
    assert_eq!(
        everything([5.0, 0.0, 0.0, 0.0], 0.0)
            .classify(&film())
            .unwrap()
            .prognoses,
        []
    );
}

#[test]
fn a_refused_image_has_no_outcome() {
    let mut extras = Vec::from(prognosis());
    extras.extend(input([0.0, 9.0, 0.0, 0.0]));
    let classifier = model(&[PROGNOSIS, INPUT].concat(), false, &extras).unwrap();
    let refused = classifier.classify(&film()).unwrap();
    assert!(matches!(refused.input, InputCheck::Refused(_)));
    assert_eq!(refused.prognoses, []);
}

/// From a head, and from a line over the logit of a label.
#[test]
fn severity_is_a_function_of_the_features() {
    let of_head = everything([5.0, 0.0, 0.0, 0.0], 0.0);
    let label = of_head.card().labels[0].name.clone();
    let line = format!(
        "[severity_line]\nlabel = \"{label}\"\ngeographic_extent = {{ slope = 1.0, intercept = 4.0 }}\n\
         opacity = {{ slope = 0.0, intercept = 2.25 }}\n"
    );
    let of_line = model(&line, false, &[]).unwrap();
    for classifier in [of_head, of_line] {
        let (prediction, features) = classifier.classify_with_features(&film()).unwrap();
        let severity = prediction.severity.unwrap();
        let rows = classifier.severity_rows().unwrap();
        let numbers: Vec<f64> = rows
            .iter()
            .map(|row| {
                let terms = row.weight.iter().zip(&features);
                row.bias + terms.map(|(w, f)| w * f64::from(*f)).sum::<f64>()
            })
            .collect();
        let clamped = numbers[0].clamp(0.0, 8.0);
        assert!((clamped - f64::from(severity.geographic_extent)).abs() < 1e-3);
        assert!((numbers[1] - 2.25).abs() < 1e-6, "{numbers:?}");
    }
    let without = model("", false, &[]).unwrap();
    assert_eq!(without.severity_rows().unwrap(), []);
}

#[test]
fn features_refuse_with_every_reason_and_without_a_number() {
    let refused = everything([0.0, 9.0, 0.0, 0.0], 1e9)
        .classify(&film())
        .unwrap();
    let InputCheck::Refused(reasons) = &refused.input else {
        panic!("{:?}", refused.input)
    };
    assert!(
        reasons[0].contains("not a frontal chest X-ray (score 1.00"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].contains("far from everything seen in training (d = "),
        "{reasons:?}"
    );
    assert_eq!((reasons.len(), refused.findings.len()), (2, 0));
    assert_eq!(refused.severity, None);

    let doubted = everything([0.0, 0.0, 9.0, 0.0], 0.0)
        .classify(&film())
        .unwrap();
    assert!(
        matches!(&doubted.input, InputCheck::Caution(r) if r[0].contains("upside down")),
        "{:?}",
        doubted.input
    );
    let labels = ModelFiles::bundled().card().unwrap().labels.len();
    assert_eq!(doubted.findings.len(), labels);
}

const PRODUCT: &str = "Product";
const CAUSE: &str = "COVID-19 given pneumonia";

/// The model of [`model`], with the product of its first label and a cause right after that label.
fn model_with_product(parts: &str, extras: &[Extra]) -> Classifier {
    let weights = safetensors(extras);
    let mut card: Table = card(parts, true, &weights).parse().unwrap();
    let labels = card["label"].as_array_mut().unwrap();
    let first = labels[0]["name"].as_str().unwrap();
    let product = format!(
        "name = \"{PRODUCT}\"\nquestion = \"presence\"\nproduct = [\"{first}\", \"{CAUSE}\"]\n\
         operating_point = 0.25"
    );
    let product: Table = product.parse().unwrap();
    labels.insert(1, product.into());
    let card = toml::to_string(&card).unwrap();
    Classifier::from_parts(&card, &weights).unwrap()
}

#[test]
fn a_product_takes_no_output_of_the_network() {
    let plain = model(CAUSES, true, &[]).unwrap();
    let classifier = model_with_product(CAUSES, &[]);
    let logits = classifier.logits(&film()).unwrap();
    assert_eq!(logits, plain.logits(&film()).unwrap());
    let found = classifier.classify(&film()).unwrap();
    let plain = plain.classify(&film()).unwrap();
    assert_eq!(found.findings.len(), plain.findings.len() + 1);
    let product = &found.findings[1];
    assert_eq!(product.label.name(), PRODUCT);
    let share = found.finding(CAUSE).unwrap().score.value();
    let expected = found.findings[0].score.value() * share;
    assert!((product.score.value() - expected).abs() < 1e-6);
    let others = found.findings.iter().filter(|f| f.label.name() != PRODUCT);
    assert!(others.eq(&plain.findings), "the other findings stay");
    // The rows of the last layer and the maps are those of the outputs.
    let maps = found.activation.as_ref().unwrap();
    assert_eq!(maps, plain.activation.as_ref().unwrap());
    let choice = |name: &str| HeatMapChoice::Label(Pathology(name.to_owned()));
    let first = found.findings[0].label.clone();
    let map = found.heat_map(&choice(PRODUCT)).unwrap();
    assert_eq!(map.subject, HeatMapSubject::Label(first.clone()));
    assert_eq!(Some(map), found.heat_map(&choice(first.name())));
}

#[test]
fn a_film_unlike_those_of_training_has_no_cause_and_no_product_and_keeps_the_rest() {
    const FAR: &str = "[distance]\ncaution = 1e9\nrefuse = 1e9\n";
    let mut extras = Vec::from(severity());
    extras.extend(distance(1.0));
    let of = |unlike: &str| {
        let parts = [SEVERITY, FAR, CAUSES, unlike].concat();
        let classifier = model_with_product(&parts, &extras);
        classifier.classify(&film()).unwrap()
    };
    let told = of("unlike = 1e9\n");
    assert_eq!(told.withheld, []);
    let without_limit = Prediction {
        elapsed_ms: told.elapsed_ms,
        ..of("")
    };
    assert_eq!(told, without_limit);
    let unlike = of("unlike = 1e-9\n");
    assert_eq!(
        (unlike.input.word(), unlike.severity),
        (told.input.word(), told.severity)
    );
    let (withheld, kept): (Vec<_>, Vec<_>) = told.findings.iter().partition(|finding| {
        finding.question == Question::GivenPneumonia || finding.factors.is_some()
    });
    assert!(unlike.findings.iter().eq(kept));
    let names: Vec<_> = withheld.into_iter().map(|f| f.label.clone()).collect();
    assert!(names.len() > 2 && names[0].name() == PRODUCT);
    assert_eq!(unlike.withheld, names);
    for label in names {
        let choice = HeatMapChoice::Label(label);
        assert!(unlike.heat_map(&choice).is_none() && told.heat_map(&choice).is_some());
    }
    assert!(unlike.heat_map(&HeatMapChoice::Foremost).is_some());
}

#[test]
fn a_plain_refusal_comes_first_and_alone() {
    let classifier = everything([0.0, 9.0, 0.0, 0.0], 1e9);
    let picture = Samples::Rgb8([200, 40, 10].repeat(90_000));
    let picture = Radiograph::plain(300, 300, picture, "test");
    let refused = classifier.classify(&picture).unwrap();
    assert!(refused.input.reasons().iter().any(|r| r.contains("colour")));
    assert!(!refused.input.reasons().iter().any(|r| r.contains("score")));
}

#[test]
fn parts_that_do_not_fit_together_are_one_clear_error() {
    let narrow = || {
        [
            Extra("severity.weight", vec![2, 7], vec![0.0; 14]),
            Extra("severity.bias", vec![2], vec![0.0; 2]),
        ]
    };
    let mut negative = distance(1.0);
    negative[2].2 = vec![1.0, -1.0];
    let mut short = distance(1.0);
    short[2] = Extra("distance.precision", vec![1], vec![1.0]);
    let mut nan = input([0.0; 4]);
    nan[1].2[0] = f32::NAN;
    let [_, only_bias] = input([0.0; 4]);
    for (parts, extras, words) in [
        (
            SEVERITY,
            vec![],
            "severity.weight is absent, and the card has [severity]",
        ),
        (INPUT, vec![only_bias], "input.weight is absent"),
        (DISTANCE, vec![], "distance.mean is absent"),
        (
            "",
            Vec::from(severity()),
            "[severity] is absent, and the weights have severity.weight",
        ),
        ("", Vec::from(input([0.0; 4])), "[input_head] is absent"),
        ("", Vec::from(distance(1.0)), "[distance] is absent"),
        (
            PROGNOSIS,
            vec![],
            "prognosis.weight is absent, and the card has [[prognosis]]",
        ),
        (
            "",
            Vec::from(prognosis()),
            "[[prognosis]] is absent, and the weights have prognosis.weight",
        ),
        (
            PROGNOSIS,
            vec![
                Extra("prognosis.weight", vec![1, CHANNELS], vec![0.0; CHANNELS]),
                Extra("prognosis.bias", vec![1], vec![0.0]),
            ],
            "prognosis.weight has shape [1, 1280], not [2, 1280]",
        ),
        (
            SEVERITY,
            Vec::from(narrow()),
            "severity.weight has shape [2, 7], not [2, 1280]",
        ),
        (
            DISTANCE,
            Vec::from(short),
            "distance.precision has shape [1], not [2]",
        ),
        (
            DISTANCE,
            Vec::from(negative),
            "distance.precision holds a negative number",
        ),
        (
            INPUT,
            Vec::from(nan),
            "input.bias holds values that are not numbers",
        ),
    ] {
        let Err(error) = model(parts, false, &extras) else {
            panic!("accepted: {words}")
        };
        let error = error.to_string();
        assert!(error.contains(words), "{words}: {error}");
        assert!(!error.contains('\n'));
    }
}
