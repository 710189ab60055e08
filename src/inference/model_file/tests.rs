//! Adapted models.

use super::*;
use crate::domain::{LabelCard, ProductCard, PrognosisCard, PrognosisEvidence, Question};
use crate::inference::{Classify, FeatureRow};

#[test]
fn another_card_alone_makes_another_digest_and_the_same_answers() {
    let before = ModelFiles::bundled();
    let mut card = before.card().unwrap();
    card.limits.push("here only".to_owned());
    let after = before.adapted(card.clone(), &[], &[]).unwrap();
    let digest = after.card().unwrap().sha256;
    assert_ne!(digest, before.card().unwrap().sha256);
    let again = before.adapted(card.clone(), &[], &[]).unwrap();
    assert_eq!(again.card().unwrap().sha256, digest, "the same each time");
    card.limits.push("and another line".to_owned());
    let other = before.adapted(card, &[], &[]).unwrap();
    assert_ne!(other.card().unwrap().sha256, digest);

    let values = vec![0.1; before.card().unwrap().input_size.pow(2)];
    let logits = |files: &ModelFiles| {
        let model = files.classifier(Compute::default()).unwrap();
        model.logits_of_values(values.clone()).unwrap()
    };
    assert_eq!(logits(&before), logits(&after));
}

#[test]
fn a_row_of_the_last_layer_is_scaled_and_added_to() {
    let before = ModelFiles::bundled();
    let card = before.card().unwrap();
    let classifier = before.classifier(Compute::default()).unwrap();
    let channels = classifier.network.channels().unwrap();
    let label = card
        .labels
        .iter()
        .rposition(|label| label.product.is_none());
    let label = label.unwrap();
    let output = card.output_of(label).unwrap();
    let row = HeadRow {
        label,
        scale: -2.0,
        weight: vec![0.0; channels],
        bias: 0.5,
    };
    let after = before
        .adapted(card, std::slice::from_ref(&row), &[])
        .unwrap();
    let after = after.classifier(Compute::default()).unwrap();
    let size = classifier.card().input_size;
    let values: Vec<f32> = (0..size * size).map(|n| (n % 97) as f32 / 97.0).collect();
    let old = classifier.logits_of_values(values.clone()).unwrap();
    let new = after.logits_of_values(values).unwrap();
    assert!(
        (new[output] - (0.5 - 2.0 * old[output])).abs() < 1e-3,
        "{old:?} {new:?}"
    );
    assert_eq!(new[..output], old[..output]);
    assert_eq!(new[output + 1..], old[output + 1..]);

    let short = HeadRow {
        weight: vec![0.0; 3],
        ..row
    };
    let error = before
        .adapted(before.card().unwrap(), &[short], &[])
        .unwrap_err();
    assert!(error.to_string().contains("does not fit"), "{error}");
}

/// A product of the first label and a cause stands before them, and has no row.
#[test]
fn a_row_is_found_past_a_product() {
    let bundled = ModelFiles::bundled();
    let mut card = bundled.card().unwrap();
    let presence = card.outputs().next().unwrap().name.clone();
    let is_cause = |label: &&LabelCard| label.question == Question::GivenPneumonia;
    let cause = card.labels.iter().find(is_cause).unwrap().name.clone();
    let product = LabelCard {
        product: Some(ProductCard { presence, cause }),
        ..LabelCard::new("Product", Question::Presence, None)
    };
    card.labels.insert(0, product);
    let before = bundled.adapted(card.clone(), &[], &[]).unwrap();
    let channels = {
        let classifier = before.classifier(Compute::default()).unwrap();
        classifier.network.channels().unwrap()
    };
    let row = |label| HeadRow {
        label,
        scale: 0.0,
        weight: vec![0.0; channels],
        bias: 0.5,
    };
    let after = before.adapted(card.clone(), &[row(1)], &[]).unwrap();
    let values = vec![0.1; card.input_size.pow(2)];
    let logits = |files: &ModelFiles| {
        let model = files.classifier(Compute::default()).unwrap();
        model.logits_of_values(values.clone()).unwrap()
    };
    let (old, new) = (logits(&before), logits(&after));
    assert_eq!((new[0], &new[1..]), (0.5, &old[1..]));
    let error = before.adapted(card, &[row(0)], &[]).unwrap_err();
    assert!(
        error.to_string().contains("for label 0 does not fit"),
        "{error}"
    );
}

fn outcome(name: &str) -> PrognosisCard {
    PrognosisCard {
        outcome: name.to_owned(),
        evidence: PrognosisEvidence {
            on: "ours.csv".to_owned(),
            auc: 0.7,
            interval: (0.6, 0.8),
            control_auc: 0.5,
            n: 72,
            patients: 40,
        },
    }
}

#[test]
fn an_outcome_is_added_or_replaced_and_the_others_keep_their_rows() {
    let bundled = ModelFiles::bundled();
    let loaded = |files: &ModelFiles| files.classifier(Compute::default()).unwrap();
    let channels = loaded(&bundled).network.channels().unwrap();
    let row = |name: &str, bias| PrognosisRow {
        outcome: name.to_owned(),
        row: FeatureRow {
            weight: vec![0.0; channels],
            bias,
        },
    };
    let scores = |files: &ModelFiles| -> Vec<(String, f32)> {
        let found = loaded(files).heads.prognoses(&vec![0.0; channels]).unwrap();
        let ours = ["icu", "discharge"];
        let found = found.into_iter();
        let found = found.filter(|found| ours.contains(&found.outcome.as_str()));
        let value = |score: Option<crate::domain::Score>| score.unwrap().value();
        found.map(|f| (f.outcome, value(f.score))).collect()
    };
    let mut card = bundled.card().unwrap();
    card.prognoses.push(outcome("icu"));
    let first = bundled
        .adapted(card.clone(), &[], &[row("icu", 0.5)])
        .unwrap();
    // 1 / (1 + np.exp(-.5)), 1 / (1 + np.exp(1))
    let (half, one) = (0.622_459_35, 0.268_941_4);
    let near = |found: &[(String, f32)], expected: &[(&str, f32)]| {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((name, score), (expected, value)) in found.iter().zip(expected) {
            assert_eq!(name, expected);
            assert!((score - value).abs() < 1e-6, "{found:?}");
        }
    };
    near(&scores(&first), &[("icu", half)]);
    card.prognoses.push(outcome("discharge"));
    let both = first
        .adapted(card.clone(), &[], &[row("discharge", -1.0)])
        .unwrap();
    near(&scores(&both), &[("icu", half), ("discharge", one)]);
    let again = both.adapted(card.clone(), &[], &[row("icu", 0.0)]).unwrap();
    near(&scores(&again), &[("icu", 0.5), ("discharge", one)]);
    let same = again.adapted(card.clone(), &[], &[]).unwrap();
    near(&scores(&same), &[("icu", 0.5), ("discharge", one)]);

    let mut short = row("icu", 0.0);
    short.row.weight.pop();
    for (rows, name) in [(&[short][..], "icu"), (&[row("icu", 0.0)], "discharge")] {
        let error = bundled.adapted(card.clone(), &[], rows).unwrap_err();
        let words = format!("the outcome {name} has no row of {channels} values");
        assert!(error.to_string().contains(&words), "{error}");
    }
}
