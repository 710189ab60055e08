//! Outcomes, and the evidence for them.

use super::*;

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

/// A card with an outcome that has evidence and one that has none, and a prediction of both.
fn foretelling() -> (ModelCard, Prediction) {
    let card = ModelCard {
        prognoses: vec![
            outcome("intubation", 0.714_285_714, (0.6, 0.8), 72),
            outcome("death", 0.58, (0.44, 0.71), 32),
        ],
        ..card()
    };
    let score = Score::new(0.412_345_67, ScoreKind::Sigmoid).unwrap();
    let prediction = Prediction {
        prognoses: card.prognoses.iter().map(|card| card.with(score)).collect(),
        ..prediction()
    };
    (card, prediction)
}

#[test]
fn outcomes_have_columns_only_where_they_are_asked_for() {
    let ((card, prediction), assumed) = (foretelling(), Prevalences::default());
    let rows = || PredictionRows::new(TableFormat::Csv, &card, &assumed);
    assert_eq!(rows().columns(), columns(TableFormat::Csv));
    let without = rows().row(Path::new("a.png"), read(&prediction));
    let asked = rows().with_prognoses(true);
    let names = ["prognosis: intubation", "prognosis: death"].map(str::to_owned);
    assert_eq!(
        asked.columns(),
        [&rows().columns()[..], &names[..]].concat()
    );
    let with = asked.row(Path::new("a.png"), read(&prediction));
    let (same, outcomes) = with.split_at(without.len());
    assert_eq!(same, without, "the other cells stay");
    let cells: Vec<String> = outcomes.iter().map(Cell::to_csv).collect();
    assert_eq!(cells, ["0.412346", ""], "no evidence, no number");
    let content = ContentId::from_digest([0xc0; 32]);
    for other in [
        RowOf::Read(&Prediction {
            findings: Vec::new(),
            prognoses: Vec::new(),
            input: InputCheck::Refused(vec!["colour".to_owned()]),
            ..prediction.clone()
        }),
        RowOf::Failed("damaged"),
        RowOf::Skipped {
            kind: "structured report",
            content,
        },
    ] {
        let before = rows().row(Path::new("b.png"), other);
        let row = asked.row(Path::new("b.png"), other);
        assert_eq!(row[..before.len()], before[..]);
        assert_eq!(row[before.len()..], [Cell::Empty, Cell::Empty]);
    }
    assert!(names.iter().all(|name| !super::is_label(name)));
    // A table of an earlier version has no outcomes, and is never taken for one that has them.
    assert_ne!(asked.earlier_columns(), rows().earlier_columns());
}

#[test]
fn a_json_row_has_the_evidence_of_each_outcome() {
    let ((card, prediction), assumed) = (foretelling(), Prevalences::default());
    let asked = PredictionRows::new(TableFormat::Jsonl, &card, &assumed).with_prognoses(true);
    let cells = asked.row(Path::new("a.png"), read(&prediction));
    let row: Map<String, Value> = asked
        .columns()
        .into_iter()
        .zip(cells.iter().map(|cell| json!(cell)))
        .collect();
    assert_eq!(row["prognosis: intubation"], 0.412_346);
    assert_eq!(row["prognosis: death"], Value::Null);
    assert_eq!(
        row["prognoses"],
        json!([
            {
                "outcome": "intubation", "score": 0.412_346, "on": "hannover, within AP",
                "auc": 0.714_286, "low": 0.6, "high": 0.8, "control_auc": 0.55, "n": 72,
                "patients": 36, "bears_a_number": true,
            },
            {
                "outcome": "death", "score": null, "on": "hannover, within AP",
                "auc": 0.58, "low": 0.44, "high": 0.71, "control_auc": 0.55, "n": 32,
                "patients": 16, "bears_a_number": false,
            },
        ])
    );
    let plain = PredictionRows::new(TableFormat::Jsonl, &card, &assumed);
    assert!(!plain.columns().contains(&"prognoses".to_owned()));
}

/// The same weights with other evidence show other scores.
#[test]
fn other_evidence_is_another_origin_and_none_is_that_of_before() {
    let (foretelling, _) = foretelling();
    let assumed = Prevalences::default();
    let digest = |card: &ModelCard| {
        let rows = PredictionRows::new(TableFormat::Csv, card, &assumed);
        rows.origin().card_digest
    };
    assert_ne!(digest(&foretelling), digest(&card()));
    let mut other = foretelling.clone();
    other.prognoses[1].evidence.interval.0 = 0.56;
    assert_ne!(digest(&other), digest(&foretelling));
}
