//! What a cached answer rests on beside the image and the weights.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::hex::hex;
use crate::domain::{
    GroupCalibration, LabelCard, ModelCard, NetworkSettings, ProductCard, PrognosisCard,
    PrognosisEvidence, Question, SettingValue, SeverityLine, ViewPosition,
};

/// Version of the text that is hashed. Raise it with every change of [`text`].
///
/// Until the first version the digest was made of Rust's debug text of the whole card. Such rows fit no
/// fingerprint: their images are scored again, and the new answer takes the place of the old one under
/// the same image, model and preprocessing. Reviews, and answers of other models, stay as they are.
const VERSION: u32 = 1;

/// SHA-256, in hexadecimal digits, of everything in a card that an answer depends on, with the version of
/// the program and of its rules for the input check. Two cards may share their weights and differ in
/// this, as before and after `cxr adapt`.
///
/// Descriptions, licence, figures and history are left out: they change no answer.
pub fn fingerprint(card: &ModelCard, program: &str, rules: u32) -> String {
    let text = text(card, program, rules).to_string();
    hex(&Sha256::digest(text.as_bytes()))
}

/// The members of an object are sorted by their names when it is written.
fn text(card: &ModelCard, program: &str, rules: u32) -> Value {
    // Every field is named, so that a new one has to be decided on here.
    let ModelCard {
        name,
        version,
        architecture,
        input_size,
        preprocess,
        recipe,
        network,
        labels,
        softmax,
        causes,
        severity,
        severity_line,
        input_head,
        distance,
        lungs,
        prognoses,
        licence: _,
        training_data: _,
        pretrained: _,
        pulled_from: _,
        limits: _,
        measurements: _,
        adaptations: _,
        sha256,
    } = card;
    let unlike = causes.and_then(|causes| causes.unlike);
    let causes = causes.map(|causes| (causes.temperature, causes.calibrated));
    let severity = severity.map(|errors| {
        let extent = errors.geographic_extent_error;
        (extent, errors.opacity_error, errors.n)
    });
    let severity_line = severity_line.as_ref().map(|lines| {
        let line = |line: SeverityLine| [line.slope, line.intercept];
        let opacity = line(lines.opacity);
        (&lines.label, line(lines.geographic_extent), opacity)
    });
    let [input_head, distance] =
        [input_head, distance].map(|part| part.map(|part| [part.caution, part.refuse]));
    let mut text = json!({
        "fingerprint": VERSION,
        "program": program,
        "rules": rules,
        "name": name,
        "version": version,
        "architecture": architecture,
        "input_size": input_size,
        "preprocess": preprocess,
        "sha256": sha256,
        "labels": labels.iter().map(label).collect::<Vec<_>>(),
        "causes": causes,
        "severity": severity,
        "severity_line": severity_line,
        "input_head": input_head,
        "distance": distance,
    });
    // Where a card lacks a later part, the text stays as it was before there was such a part.
    if let Some(lungs) = lungs {
        text["lungs"] = json!({ "evidence_inside": lungs.evidence_inside });
    }
    if !prognoses.is_empty() {
        text["prognoses"] = prognoses.iter().map(prognosis).collect();
    }
    if let Some(unlike) = unlike {
        text["unlike"] = json!(unlike);
    }
    if let Some(recipe) = recipe {
        text["recipe"] = json!(recipe.digest_text());
    }
    if let Some(network) = network {
        text["network"] = settings(network);
    }
    if let Some(softmax) = softmax {
        text["softmax"] = json!({ "besides": softmax.besides });
    }
    text
}

fn settings(settings: &NetworkSettings) -> Value {
    let values = settings.iter();
    values
        .map(|(key, value)| (key.to_owned(), setting(value)))
        .collect()
}

fn setting(value: &SettingValue) -> Value {
    match value {
        SettingValue::Bool(value) => json!(value),
        SettingValue::Integer(value) => json!(value),
        SettingValue::Float(value) => json!(value),
        SettingValue::Text(value) => json!(value),
        SettingValue::List(values) => values.iter().map(setting).collect(),
    }
}

fn prognosis(card: &PrognosisCard) -> Value {
    let PrognosisEvidence {
        on,
        auc,
        interval,
        control_auc,
        n,
        patients,
    } = &card.evidence;
    json!({
        "outcome": card.outcome,
        "on": on,
        "auc": auc,
        "interval": interval,
        "control_auc": control_auc,
        "n": n,
        "patients": patients,
    })
}

fn label(card: &LabelCard) -> Value {
    let LabelCard {
        name,
        question,
        operating_point,
        sensitive_point,
        calibration,
        op_threshold,
        conformal,
        calibration_for,
        is_probability,
        product,
    } = card;
    let question = match question {
        Question::Presence => "presence",
        Question::GivenPneumonia => "given pneumonia",
    };
    let mut text = json!({
        "name": name,
        "question": question,
        "operating_point": operating_point,
        "sensitive_point": sensitive_point,
        "calibration": calibration.map(|c| [c.slope, c.intercept, c.prevalence.share()]),
        "op_threshold": op_threshold,
        "conformal": conformal.map(|c| (c.present, c.absent)),
    });
    // As above: a later part is written only where it is there.
    if !calibration_for.is_empty() {
        text["calibration_for"] = calibration_for.iter().map(group).collect();
    }
    if !is_probability {
        text["probability"] = json!(false);
    }
    if let Some(ProductCard { presence, cause }) = product {
        text["product"] = json!([presence, cause]);
    }
    text
}

fn group(card: &GroupCalibration) -> Value {
    let GroupCalibration {
        view,
        age,
        calibration,
        operating_point,
        sensitive_point,
        conformal,
    } = card;
    json!({
        "view": view.map(ViewPosition::code),
        "age": age,
        "calibration": [calibration.slope, calibration.intercept, calibration.prevalence.share()],
        "operating_point": operating_point,
        "sensitive_point": sensitive_point,
        "conformal": conformal.map(|c| (c.present, c.absent)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Adaptation, Calibration, CausesCard, ConformalThresholds, FilmReading, InputThresholds,
        LungsCard, PreprocessRecipe, Prevalence, ResizeFilter, SeverityCard, SeverityLineCard,
        SoftmaxCard,
    };

    fn full() -> ModelCard {
        let label = LabelCard {
            sensitive_point: Some(0.25),
            calibration: Some(Calibration {
                slope: 1.5,
                intercept: -0.5,
                prevalence: Prevalence::new(0.125).unwrap(),
            }),
            op_threshold: Some(0.75),
            conformal: Some(ConformalThresholds {
                present: 0.0625,
                absent: None,
            }),
            ..LabelCard::new("Pneumonia", Question::Presence, Some(0.5))
        };
        let line = |slope| SeverityLine {
            slope,
            intercept: 0.5,
        };
        let thresholds = |caution| InputThresholds {
            caution,
            refuse: 4.5,
        };
        ModelCard {
            name: "double".into(),
            version: "1".into(),
            architecture: "densenet121".into(),
            input_size: 224,
            preprocess: "cxr-1".into(),
            labels: vec![
                label,
                LabelCard::new("Viral", Question::GivenPneumonia, None),
            ],
            causes: Some(CausesCard {
                temperature: 1.25,
                calibrated: true,
                unlike: None,
            }),
            severity: Some(SeverityCard {
                geographic_extent_error: 1.5,
                opacity_error: 0.5,
                n: 94,
            }),
            severity_line: Some(SeverityLineCard {
                label: "Pneumonia".into(),
                geographic_extent: line(2.5),
                opacity: line(3.5),
            }),
            input_head: Some(thresholds(0.5)),
            distance: Some(thresholds(1.5)),
            sha256: "ab".into(),
            ..ModelCard::default()
        }
    }

    /// With Python: `hashlib.sha256(text.encode()).hexdigest()` of the text in this test. Another digest
    /// means that every store's answers are computed again.
    #[test]
    fn the_fingerprint_of_a_card_stays_what_it_is() {
        let expected = concat!(
            r#"{"architecture":"densenet121","causes":[1.25,true],"distance":[1.5,4.5],"#,
            r#""fingerprint":1,"input_head":[0.5,4.5],"input_size":224,"labels":["#,
            r#"{"calibration":[1.5,-0.5,0.125],"conformal":[0.0625,null],"name":"Pneumonia","#,
            r#""op_threshold":0.75,"operating_point":0.5,"question":"presence","#,
            r#""sensitive_point":0.25},{"calibration":null,"conformal":null,"name":"Viral","#,
            r#""op_threshold":null,"operating_point":null,"question":"given pneumonia","#,
            r#""sensitive_point":null}],"name":"double","preprocess":"cxr-1","program":"0.1.0","#,
            r#""rules":4,"severity":[1.5,0.5,94],"severity_line":["Pneumonia",[2.5,0.5],[3.5,0.5]],"#,
            r#""sha256":"ab","version":"1"}"#,
        );
        assert_eq!(text(&full(), "0.1.0", 4).to_string(), expected);
        assert_eq!(
            fingerprint(&full(), "0.1.0", 4),
            "9d2f5cdd7e9d126222a390df6924cfeb9b51ae5748201a5355d2ce840d47f773"
        );
    }

    fn foretelling() -> ModelCard {
        ModelCard {
            prognoses: vec![PrognosisCard {
                outcome: "intubation".into(),
                evidence: PrognosisEvidence {
                    on: "ieee8023".into(),
                    auc: 0.75,
                    interval: (0.625, 0.875),
                    control_auc: 0.5,
                    n: 110,
                    patients: 47,
                },
            }],
            ..full()
        }
    }

    #[test]
    fn an_outcome_and_its_evidence_are_part_of_the_fingerprint() {
        let expected = concat!(
            r#""prognoses":[{"auc":0.75,"control_auc":0.5,"interval":[0.625,0.875],"n":110,"#,
            r#""on":"ieee8023","outcome":"intubation","patients":47}],"#,
        );
        let text = text(&foretelling(), "0.1.0", 4).to_string();
        assert!(text.contains(expected), "{text}");
        let of = |card: &ModelCard| fingerprint(card, "1", 1);
        assert_ne!(of(&foretelling()), of(&full()));
        let changes: [fn(&mut PrognosisCard); 7] = [
            |card| card.outcome = "death".into(),
            |card| card.evidence.on = "hannover".into(),
            |card| card.evidence.auc = 0.7,
            |card| card.evidence.interval.0 = 0.5,
            |card| card.evidence.control_auc = 0.7,
            |card| card.evidence.n = 111,
            |card| card.evidence.patients = 46,
        ];
        for change in changes {
            let mut card = foretelling();
            change(&mut card.prognoses[0]);
            assert_ne!(of(&card), of(&foretelling()), "{card:?}");
        }
    }

    #[test]
    fn products_groups_and_what_gets_no_number_are_part_of_the_fingerprint() {
        let with_parts = || {
            let mut card = full();
            let conformal = card.labels[0].conformal;
            card.labels[0].calibration_for = vec![GroupCalibration {
                view: Some(ViewPosition::Ap),
                age: Some((0.0, 18.0)),
                calibration: card.labels[0].calibration.unwrap(),
                operating_point: Some(0.5),
                sensitive_point: Some(0.25),
                conformal,
            }];
            card.labels[1].product = Some(ProductCard {
                presence: "Pneumonia".into(),
                cause: "Viral".into(),
            });
            card.causes.as_mut().unwrap().unlike = Some(2.5);
            card
        };
        let text = text(&with_parts(), "0.1.0", 4).to_string();
        for expected in [
            concat!(
                r#""calibration_for":[{"age":[0.0,18.0],"calibration":[1.5,-0.5,0.125],"#,
                r#""conformal":[0.0625,null],"operating_point":0.5,"sensitive_point":0.25,"view":"AP"}]"#,
            ),
            r#""product":["Pneumonia","Viral"]"#,
            r#""unlike":2.5"#,
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        let of = |card: &ModelCard| fingerprint(card, "1", 1);
        assert_ne!(of(&with_parts()), of(&full()));
        let changes: [fn(&mut ModelCard); 6] = [
            |card| card.labels[0].is_probability = false,
            |card| card.labels[1].product = None,
            |card| card.labels[1].product.as_mut().unwrap().cause = "Fungal".into(),
            |card| card.causes.as_mut().unwrap().unlike = None,
            |card| card.causes.as_mut().unwrap().unlike = Some(2.25),
            |card| card.labels[0].calibration_for.clear(),
        ];
        let of_group: [fn(&mut GroupCalibration); 6] = [
            |group| group.view = Some(ViewPosition::Pa),
            |group| group.age = None,
            |group| group.calibration.slope = 2.0,
            |group| group.operating_point = None,
            |group| group.sensitive_point = None,
            |group| group.conformal = None,
        ];
        for change in changes {
            let mut card = with_parts();
            change(&mut card);
            assert_ne!(of(&card), of(&with_parts()), "{card:?}");
        }
        for change in of_group {
            let mut card = with_parts();
            change(&mut card.labels[0].calibration_for[0]);
            assert_ne!(of(&card), of(&with_parts()), "{card:?}");
        }
    }

    #[test]
    fn the_settings_of_a_network_and_a_softmax_are_part_of_the_fingerprint() {
        let with_parts = || ModelCard {
            network: Some(
                NetworkSettings::default()
                    .with("hidden_size", 768)
                    .with("layer_norm_eps", 0.5)
                    .with("hidden_act", "gelu")
                    .with("qkv_bias", true)
                    .with("depths", vec![2, 6]),
            ),
            softmax: Some(SoftmaxCard {
                besides: vec!["NORMAL".into()],
            }),
            ..full()
        };
        let text = text(&with_parts(), "0.1.0", 4).to_string();
        for expected in [
            concat!(
                r#""network":{"depths":[2,6],"hidden_act":"gelu","hidden_size":768,"#,
                r#""layer_norm_eps":0.5,"qkv_bias":true}"#,
            ),
            r#""softmax":{"besides":["NORMAL"]}"#,
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        let of = |card: &ModelCard| fingerprint(card, "1", 1);
        let changes: [fn(&mut ModelCard); 4] = [
            |card| card.network = None,
            |card| card.network.as_mut().unwrap().set("hidden_size", 384),
            |card| card.softmax = None,
            |card| card.softmax.as_mut().unwrap().besides.clear(),
        ];
        for change in changes {
            let mut card = with_parts();
            change(&mut card);
            assert_ne!(of(&card), of(&with_parts()), "{card:?}");
        }
    }

    #[test]
    fn the_steps_of_the_preprocessing_are_part_of_the_fingerprint() {
        let with = |side| ModelCard {
            recipe: Some(PreprocessRecipe::squeezed(
                FilmReading::PICTURE,
                side,
                ResizeFilter::PillowBilinear,
                None,
            )),
            ..full()
        };
        let expected = concat!(
            r#""recipe":"recipe-1\nfilm window bytes rgb 3\n"#,
            r#"resize square 224 pillow-bilinear\nrange 0 1","rules":4"#,
        );
        let text = text(&with(224), "0.1.0", 4).to_string();
        assert!(text.contains(expected), "{text}");
        let of = |card: &ModelCard| fingerprint(card, "1", 1);
        assert_ne!(of(&with(224)), of(&full()));
        assert_ne!(of(&with(224)), of(&with(256)));
    }

    #[test]
    fn what_changes_no_answer_changes_no_fingerprint() {
        let mut described = full();
        described.licence = "CC0".into();
        described.limits = vec!["not for children".into()];
        described.pulled_from = Some("hf:a/b@6f3c415e".into());
        described.adaptations = vec![Adaptation {
            method: "refit".into(),
            manifest: "ours.csv".into(),
            date: "2026-01-31".into(),
            labels: vec![],
            images: 1,
            patients: 1,
            from_sha256: "cd".into(),
        }];
        let of = |card: &ModelCard| fingerprint(card, "1", 1);
        assert_eq!(of(&described), of(&full()));
    }

    #[test]
    fn what_may_change_an_answer_changes_the_fingerprint() {
        let of = |card: &ModelCard| fingerprint(card, "1", 1);
        let changes: [fn(&mut ModelCard); 10] = [
            |card| card.version = "2".into(),
            |card| card.labels[0].operating_point = Some(0.5625),
            |card| card.labels[0].calibration.as_mut().unwrap().slope = 2.0,
            |card| card.labels.swap(0, 1),
            |card| card.causes = None,
            |card| card.severity_line = None,
            |card| card.distance.as_mut().unwrap().refuse = 5.0,
            |card| {
                card.lungs = Some(LungsCard {
                    evidence_inside: 0.25,
                });
            },
            |card| {
                card.lungs = Some(LungsCard {
                    evidence_inside: 0.5,
                });
            },
            |card| card.sha256 = "cd".into(),
        ];
        for change in changes {
            let mut card = full();
            change(&mut card);
            assert_ne!(of(&card), of(&full()), "{card:?}");
        }
        assert_ne!(fingerprint(&full(), "2", 1), of(&full()));
        assert_ne!(fingerprint(&full(), "1", 2), of(&full()));
    }
}
