mod outcomes;

use super::*;
use crate::domain::columns::CARD;
use crate::domain::{
    Calibrated, Calibration, CausesCard, Factors, GroupCalibration, InputCheck, LabelCard,
    LungMeasures, LungsCard, OperatingPoint, Pathology, Prevalence, ProductCard, PrognosisCard,
    PrognosisEvidence, Score, ScoreKind, ViewPosition,
};
use crate::export::{ReadError, TableWriter, read_table};

pub fn card() -> ModelCard {
    let label = |name: &str| LabelCard::new(name, Question::Presence, None);
    ModelCard {
        name: "double".to_owned(),
        version: "1".to_owned(),
        preprocess: "cxr-1".to_owned(),
        labels: vec![label("Pneumonia"), label("COVID-19")],
        sha256: "ab".to_owned(),
        ..ModelCard::default()
    }
}

fn raw(name: &str, score: f32) -> Finding {
    Finding {
        label: Pathology(name.to_owned()),
        question: Question::Presence,
        logit: 0.0,
        score: Score::new(score, ScoreKind::Sigmoid).unwrap(),
        operating_point: None,
        sensitive_point: None,
        calibrated: None,
        conformal: None,
        factors: None,
    }
}

fn prediction() -> Prediction {
    Prediction {
        content: ContentId::from_digest([0xc0; 32]),
        findings: vec![raw("Pneumonia", 0.7712345), raw("COVID-19", 0.0)],
        severity: None,
        input: InputCheck::Caution(vec!["small".to_owned(), "dark, \"very\"".to_owned()]),
        model_sha256: "ab".to_owned(),
        preprocess: "cxr-1".to_owned(),
        elapsed_ms: 11.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }
}

fn read(prediction: &Prediction) -> RowOf<'_> {
    RowOf::Read(prediction)
}

/// A caution, a refusal and a file that could not be read.
pub fn three_rows(format: TableFormat) -> Vec<Vec<Cell>> {
    let refused = Prediction {
        findings: Vec::new(),
        input: InputCheck::Refused(vec!["colour".to_owned()]),
        ..prediction()
    };
    let (card, assumed) = (card(), Prevalences::default());
    let predictions = PredictionRows::new(format, &card, &assumed);
    vec![
        predictions.row(Path::new("a.png"), read(&prediction())),
        predictions.row(Path::new("b.png"), read(&refused)),
        predictions.row(Path::new("=c.png"), RowOf::Failed("=1 is\nno image")),
    ]
}

pub fn columns(format: TableFormat) -> Vec<String> {
    PredictionRows::new(format, &card(), &Prevalences::default()).columns()
}

pub fn written(format: TableFormat, rows: &[Vec<Cell>]) -> String {
    let mut table = TableWriter::begin(Vec::new(), format, columns(format)).unwrap();
    for row in rows {
        table.row(row).unwrap();
    }
    String::from_utf8(table.finish().unwrap()).unwrap()
}

#[test]
fn csv_has_the_columns_in_order_and_empty_cells_for_unknown_values() {
    assert_eq!(
        written(TableFormat::Csv, &three_rows(TableFormat::Csv)),
        "path,status,reasons,Pneumonia,COVID-19,geographic_extent,opacity,model_sha256,\
         preprocess,elapsed_ms,image_sha256,card_digest,prevalence,evidence_in_lungs,cardiothoracic_ratio\n\
         a.png,caution,\"small; dark, \"\"very\"\"\",0.771235,0.000000,,,ab,cxr-1,11.000,CONTENT,CARD,,,\n\
         b.png,refused,colour,,,,,ab,cxr-1,11.000,CONTENT,CARD,,,\n\
         ./=c.png,error,'=1 is no image,,,,,,,,,,,,\n"
            .replace("CARD", &digest())
            .replace("CONTENT", &"c0".repeat(32))
    );
    let tabs = written(TableFormat::Tsv, &three_rows(TableFormat::Tsv));
    assert!(
        tabs.starts_with("path\tstatus\treasons\tPneumonia\t"),
        "{tabs}"
    );
    assert!(tabs.contains("\nb.png\trefused\tcolour\t\t"), "{tabs}");
}

#[test]
fn what_is_measured_by_the_lungs_comes_after_the_basis_and_tables_of_before_are_known() {
    let (card, assumed) = (card(), Prevalences::default());
    let measured = Prediction {
        lungs: Some(LungMeasures {
            evidence_inside: Some(0.831_26),
            cardiothoracic_ratio: Some(0.516),
            cardiothoracic_error: Some(0.04),
        }),
        ..prediction()
    };
    for format in [TableFormat::Csv, TableFormat::Jsonl] {
        let rows = PredictionRows::new(format, &card, &assumed);
        let columns = rows.columns();
        assert_eq!(columns[columns.len() - 2..], LUNGS);
        let [first, second] = rows.earlier_columns();
        assert_eq!(second[..], columns[..columns.len() - 2]);
        assert_eq!(first[..], second[..second.len() - rows.basis().len()]);
        let row = rows.row(Path::new("a.png"), read(&measured));
        let cells: Vec<String> = row.iter().map(Cell::to_csv).collect();
        assert_eq!(cells[columns.len() - 2..], ["0.831", "0.52"]);
        let row = rows.row(Path::new("a.png"), read(&prediction()));
        assert_eq!(row[columns.len() - 2..], [Cell::Empty, Cell::Empty]);
    }
    assert!(LUNGS.iter().all(|name| !is_label(name)));
}

#[test]
fn the_limit_of_the_evidence_in_the_lungs_is_part_of_the_digest() {
    let with = |evidence_inside| {
        let lungs = Some(LungsCard { evidence_inside });
        let card = ModelCard { lungs, ..card() };
        PredictionRows::new(TableFormat::Csv, &card, &Prevalences::default()).card_digest
    };
    assert_ne!(with(0.25), digest());
    assert_ne!(with(0.25), with(0.5));
}

fn digest() -> String {
    PredictionRows::new(TableFormat::Csv, &card(), &Prevalences::default()).card_digest
}

#[test]
fn a_file_without_an_image_has_a_row_with_its_kind() {
    let (card, assumed) = (card(), Prevalences::default());
    for format in [TableFormat::Csv, TableFormat::Jsonl] {
        let predictions = PredictionRows::new(format, &card, &assumed);
        let skipped = RowOf::Skipped {
            kind: "structured report",
            content: ContentId::from_digest([0xc0; 32]),
        };
        let row = predictions.row(Path::new("sr.dcm"), skipped);
        let text = written(format, &[row]);
        read_table(format, text.as_bytes(), |row| {
            assert_eq!(row.value("status"), Some("skipped"));
            assert_eq!(row.value("reasons"), Some("structured report"));
            assert_eq!(row.value("image_sha256"), Some(&*"c0".repeat(32)));
            assert_eq!(RowOrigin::of(&row), None);
            Ok::<_, ReadError>(())
        })
        .unwrap();
    }
}

#[test]
fn json_lines_keep_the_order_of_columns_and_numbers_as_numbers() {
    let lines = written(TableFormat::Jsonl, &three_rows(TableFormat::Jsonl));
    let lines: Vec<_> = lines.lines().collect();
    assert!(
        lines[0].starts_with(r#"{"path":"a.png","status":"caution","reasons":"small; dark, \"very\"","Pneumonia":0.771235,"COVID-19":0.0,"geographic_extent":null,"opacity":null,"model_sha256":"ab","preprocess":"cxr-1","elapsed_ms":11.0,"reason_list":["small","dark, \"very\""],"prevalence":{},"findings":[{"#),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].contains(&format!(
            r#""findings":[],"severity":null,"image_sha256":"{}","card_digest":""#,
            "c0".repeat(32)
        )),
        "{}",
        lines[1]
    );
    for line in lines {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

/// A label with every optional value, at a prevalence other than the card's.
fn calibrated() -> (ModelCard, Prevalences, Prediction) {
    let mut card = card();
    let prevalence = Prevalence::new(0.5).unwrap();
    card.labels[0].calibration = Some(Calibration {
        slope: 2.0,
        intercept: 0.0,
        prevalence,
    });
    let mut assumed = Prevalences::default();
    assumed.assume(&card, "Pneumonia=20%").unwrap();
    let pneumonia = Finding {
        logit: 3_f32.ln() / 2.0,
        score: Score::new(0.75, ScoreKind::Calibrated).unwrap(),
        operating_point: Some(OperatingPoint(0.5)),
        sensitive_point: Some(OperatingPoint(0.8)),
        calibrated: Some(Calibrated {
            log_odds: 3_f64.ln(),
            prevalence,
        }),
        conformal: Some(Conformal::Presence(PresenceSet::Either)),
        ..raw("Pneumonia", 0.75)
    };
    let prediction = Prediction {
        findings: vec![pneumonia, raw("COVID-19", 0.25)],
        severity: Some(Severity {
            geographic_extent: 3.125,
            opacity: 2.25,
            geographic_extent_error: Some(1.5),
            opacity_error: Some(0.75),
        }),
        ..prediction()
    };
    let prediction = prediction.assuming(&assumed);
    (card, assumed, prediction)
}

/// Odds of 3 at 50 % are odds of 3/4 at 20 %; thresholds at odds of 1 and 4 move to 1/4 and 1.
#[test]
fn a_json_row_states_everything_at_the_requested_prevalence() {
    let (card, assumed, prediction) = calibrated();
    let predictions = PredictionRows::new(TableFormat::Jsonl, &card, &assumed);
    let cells = predictions.row(Path::new("a.png"), read(&prediction));
    let row: Map<String, Value> = predictions
        .columns()
        .into_iter()
        .zip(cells.iter().map(|cell| json!(cell)))
        .collect();
    assert_eq!(row["Pneumonia"], 0.428_571);
    assert_eq!(row["prevalence"], json!({"Pneumonia": 0.2}));
    assert_eq!(
        row["findings"][0],
        json!({
            "label": "Pneumonia", "question": "presence", "kind": "probability",
            "score": 0.428_571, "logit": 0.549_306, "prevalence": 0.2,
            "operating_point": 0.2, "sensitive_point": 0.5, "positive": true,
            "conformal_set": ["present", "absent"],
        })
    );
    assert_eq!(row["findings"][1]["kind"], "score");
    assert!(row["findings"][1]["conformal_set"].is_null());
    assert_eq!(
        row["severity"],
        json!({
            "geographic_extent": 3.125, "geographic_extent_error": 1.5,
            "opacity": 2.25, "opacity_error": 0.75,
        })
    );
}

/// The origin read back from a row that these predictions wrote.
fn origin_of_row(predictions: &PredictionRows, prediction: &Prediction) -> RowOrigin {
    let columns = predictions.columns();
    let mut table = TableWriter::begin(Vec::new(), predictions.format, columns).unwrap();
    let row = predictions.row(Path::new("a.png"), read(prediction));
    table.row(&row).unwrap();
    let text = table.finish().unwrap();
    let mut origin = None;
    read_table(predictions.format, &text[..], |row| {
        origin = RowOrigin::of(&row);
        Ok::<_, ReadError>(())
    })
    .unwrap();
    origin.unwrap()
}

/// Rows of an earlier version in a table that a later version continued.
#[test]
fn an_empty_prevalence_is_known_only_where_the_row_states_its_card() {
    let origin = |line: &str| {
        let text = format!("model_sha256,preprocess,{CARD},{PREVALENCE}\n{line}\n");
        let mut origin = None;
        read_table(TableFormat::Csv, text.as_bytes(), |row| {
            origin = RowOrigin::of(&row);
            Ok::<_, ReadError>(())
        })
        .unwrap();
        origin.unwrap()
    };
    assert_eq!(origin("ab,cxr-1,,").prevalence, None);
    assert_eq!(origin("ab,cxr-1,c0,").prevalence.as_deref(), Some(""));
    assert_eq!(
        origin("ab,cxr-1,,A=0.5").prevalence.as_deref(),
        Some("A=0.5")
    );
}

#[test]
fn a_row_states_its_origin_and_another_prevalence_or_card_is_another_origin() {
    let (card, assumed, prediction) = calibrated();
    let own = Prevalences::default();
    let mut adapted = card.clone();
    adapted.labels[0].calibration.as_mut().unwrap().intercept = 0.5;
    for format in [
        TableFormat::Csv,
        TableFormat::Tsv,
        TableFormat::Jsonl,
        TableFormat::Json,
    ] {
        let predictions = PredictionRows::new(format, &card, &assumed);
        let origin = origin_of_row(&predictions, &prediction);
        assert_eq!(origin, predictions.origin());
        assert!(origin.agrees_with(&predictions.origin()));
        let others = [
            PredictionRows::new(format, &card, &own).origin(),
            PredictionRows::new(format, &adapted, &assumed).origin(),
            RowOrigin {
                preprocess: "cxr-1+bf16".to_owned(),
                ..origin.clone()
            },
        ];
        for other in others {
            assert!(!origin.agrees_with(&other), "{other}");
        }
        let earlier = RowOrigin {
            card_digest: None,
            prevalence: None,
            ..origin.clone()
        };
        assert!(origin.agrees_with(&earlier) && earlier.agrees_with(&origin));
    }
}

/// A card whose causes may get no number, with COVID-19 as a product.
fn withholding() -> ModelCard {
    let mut card = card();
    card.labels[1].product = Some(ProductCard {
        presence: "Pneumonia".to_owned(),
        cause: "COVID-19 given pneumonia".to_owned(),
    });
    let cause = LabelCard::new("COVID-19 given pneumonia", Question::GivenPneumonia, None);
    card.labels.push(cause);
    card.causes = Some(CausesCard {
        temperature: 1.0,
        calibrated: true,
        unlike: Some(2.1),
    });
    card
}

#[test]
fn a_label_without_a_number_has_an_empty_cell_and_is_named_in_the_last_column() {
    let (card, assumed) = (withholding(), Prevalences::default());
    let names = ["COVID-19", "COVID-19 given pneumonia"];
    let unlike = Prediction {
        findings: vec![raw("Pneumonia", 0.75)],
        withheld: names.map(|name| Pathology(name.to_owned())).into(),
        ..prediction()
    };
    let cells = |format, outcome: RowOf| {
        let rows = PredictionRows::new(format, &card, &assumed);
        assert_eq!(rows.columns().last().unwrap(), WITHHELD);
        let row = rows.row(Path::new("a.png"), outcome);
        assert_eq!(row.len(), rows.columns().len());
        row
    };
    let row = cells(TableFormat::Csv, read(&unlike));
    let texts: Vec<String> = row.iter().map(Cell::to_csv).collect();
    assert_eq!(texts[3..6], ["0.750000", "", ""]);
    assert_eq!(texts.last().unwrap(), "COVID-19; COVID-19 given pneumonia");
    let row = cells(TableFormat::Jsonl, read(&unlike));
    assert_eq!(json!(row[4]), Value::Null);
    assert_eq!(json!(row.last()), json!(names));
    let mut product = raw("COVID-19", 0.5);
    product.factors = Some(Box::new(Factors {
        presence: Pathology("Pneumonia".to_owned()),
        cause: Pathology(names[1].to_owned()),
    }));
    let told = Prediction {
        findings: vec![raw("Pneumonia", 0.75), product],
        ..prediction()
    };
    let rows = PredictionRows::new(TableFormat::Jsonl, &card, &assumed);
    let at = rows
        .columns()
        .iter()
        .position(|column| column == "findings");
    let findings = json!(rows.row(Path::new("a.png"), read(&told))[at.unwrap()]);
    assert_eq!(findings[0].get("product"), None);
    assert_eq!(findings[1]["product"], json!(["Pneumonia", names[1]]));
    // Nothing is held back of a film like those of training, and there is nothing to hold back of a file without one.
    let like = prediction();
    assert_eq!(
        cells(TableFormat::Csv, read(&like)).last(),
        Some(&Cell::Empty)
    );
    assert_eq!(
        json!(cells(TableFormat::Json, read(&like)).last()),
        json!([])
    );
    let content = ContentId::from_digest([0xc0; 32]);
    let kind = "structured report";
    for outcome in [RowOf::Failed("torn"), RowOf::Skipped { kind, content }] {
        assert_eq!(cells(TableFormat::Csv, outcome).last(), Some(&Cell::Empty));
    }
    let rows = PredictionRows::new(TableFormat::Csv, &card, &assumed);
    let skipped = rows.row(Path::new("a.dcm"), RowOf::Skipped { kind, content });
    let at = rows.columns().iter().position(|column| column == CONTENT);
    assert_eq!(skipped[at.unwrap()].to_csv(), "c0".repeat(32));
}

/// printf %s TEXT | sha256sum | cut -c-16, with
/// {"labels":[{"calibration":null,"conformal":null,"name":"Pneumonia","op_threshold":null,"operating_point":null,
/// "sensitive_point":null},{… "name":"COVID-19" …}],"severity_line":null,"temperature":null,"thresholds":[null,null]}
/// on one line.
#[test]
fn the_digest_of_a_card_without_the_later_parts_stays_and_each_part_changes_it() {
    let of = |change: fn(&mut ModelCard)| {
        let mut card = withholding();
        change(&mut card);
        PredictionRows::new(TableFormat::Csv, &card, &Prevalences::default()).card_digest
    };
    assert_eq!(digest(), "21aa181a5f8a1af8");
    fn group(card: &mut ModelCard) {
        card.labels[0].calibration_for = vec![GroupCalibration {
            view: Some(ViewPosition::Ap),
            age: Some((0.0, 18.0)),
            calibration: Calibration {
                slope: 1.0,
                intercept: 0.0,
                prevalence: Prevalence::new(0.5).unwrap(),
            },
            operating_point: None,
            sensitive_point: None,
            conformal: None,
        }];
    }
    let own = of(|_| {});
    let changes: [fn(&mut ModelCard); 5] = [
        group,
        |card| card.labels[0].is_probability = false,
        |card| card.labels[1].product = None,
        |card| card.causes.as_mut().unwrap().unlike = Some(2.2),
        |card| card.causes.as_mut().unwrap().unlike = None,
    ];
    for change in changes {
        assert_ne!(of(change), own);
    }
}

#[test]
fn pseudonyms_come_last_where_they_are_asked_for_and_another_key_is_another_origin() {
    let (card, assumed) = (withholding(), Prevalences::default());
    let whose = RowPseudonyms {
        patient: Some("CXR-1".to_owned()),
        study: Some("2.25.1".to_owned()),
    };
    for format in [TableFormat::Csv, TableFormat::Jsonl] {
        let plain = PredictionRows::new(format, &card, &assumed);
        let row = plain.row_of(Path::new("a.png"), read(&prediction()), &whose);
        assert_eq!(row, plain.row(Path::new("a.png"), read(&prediction())));
        let key = Some("0a1b2c3d".to_owned());
        let rows = PredictionRows::new(format, &card, &assumed).with_pseudonyms(key);
        let columns = rows.columns();
        let last = columns.len() - PSEUDONYMS.len();
        assert_eq!(columns[last..], PSEUDONYMS);
        assert_eq!(columns[..last], plain.columns());
        for outcome in [
            read(&prediction()),
            RowOf::Failed("no image"),
            RowOf::Skipped {
                kind: "structured report",
                content: ContentId::default(),
            },
        ] {
            let row = rows.row_of(Path::new("a.png"), outcome, &whose);
            let cells: Vec<String> = row.iter().map(Cell::to_csv).collect();
            assert_eq!(cells[last..], ["CXR-1", "2.25.1", "0a1b2c3d"]);
            let mut bare = plain.row(Path::new("a.png"), outcome);
            bare.truncate(last);
            assert_eq!(row[..last], bare);
            let unknown = rows.row_of(Path::new("a.png"), outcome, &RowPseudonyms::default());
            assert_eq!(unknown[last..last + 2], [Cell::Empty, Cell::Empty]);
        }
        // A table that was begun without pseudonyms, or with another key, is not continued.
        assert!(
            rows.earlier_columns()
                .iter()
                .all(|names| names.ends_with(&PSEUDONYMS.map(str::to_owned)))
        );
        let other = PredictionRows::new(format, &card, &assumed);
        let other = other.with_pseudonyms(Some("ffffffff".to_owned()));
        assert!(!rows.origin().agrees_with(&other.origin()));
        assert!(rows.origin().agrees_with(&plain.origin()));
    }
    assert!(PSEUDONYMS.iter().all(|name| !is_label(name)));
}
