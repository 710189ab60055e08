//! A card's numbers in words, for `cxr models show` and for the screen.

use super::finding::Question;
use super::model_card::{
    Adaptation, GroupCalibration, InputThresholds, LabelCard, LungsCard, ModelCard, ProductCard,
    SeverityCard, SeverityLineCard,
};
use super::prognosis::{PrognosisCard, area};

/// Shown beside conformal thresholds, in every place that has them.
const ONLY_LIKE_CALIBRATION: &str = "Sets hold the right answer in 90 % of cases only for data \
                                     like the calibration data: the same kind of patients, \
                                     devices and hospitals.";

/// One line for each label: its question, its kind of score, and its thresholds.
pub fn labels(card: &ModelCard) -> Vec<String> {
    let one = |label| label_words(card, label);
    card.labels.iter().map(one).collect()
}

/// The reliability of the scores: one line for each part of the card that describes it.
pub fn trust(card: &ModelCard) -> Vec<String> {
    let mut lines: Vec<_> = card.adaptations.iter().map(adaptation_words).collect();
    if let Some(softmax) = &card.softmax {
        lines.push(match &softmax.besides[..] {
            [] => "Scores: a softmax over the labels.".to_owned(),
            besides => format!(
                "Scores: a softmax over the labels and {}, which is no finding.",
                besides.join(", ")
            ),
        });
    }
    if let Some(causes) = card.causes {
        let kind = if causes.calibrated {
            "calibrated"
        } else {
            "not calibrated"
        };
        lines.push(format!(
            "Causes: softmax at temperature {:.2}, {kind}.",
            causes.temperature
        ));
        lines.extend(causes.unlike.map(|unlike| {
            format!(
                "Causes get no number, nor do products of one, where the features are farther than \
                 {unlike:.2} from those of training: can't tell."
            )
        }));
    }
    if card.labels.iter().any(|label| label.conformal.is_some()) {
        lines.push(ONLY_LIKE_CALIBRATION.to_owned());
    }
    lines.extend(card.severity.map(severity_words));
    lines.extend(card.severity_line.as_ref().map(severity_line_words));
    if let Some(InputThresholds { caution, refuse }) = card.input_head {
        lines.push(format!(
            "Input: refused as no frontal chest X-ray from a score of {refuse:.2}; doubted from \
             {caution:.2}, and so if it looks upside down or sideways."
        ));
    }
    if let Some(InputThresholds { caution, refuse }) = card.distance {
        lines.push(format!(
            "Distance of the features to those of training: doubted beyond {caution:.2}, refused \
             beyond {refuse:.2}."
        ));
    }
    if let Some(LungsCard { evidence_inside }) = card.lungs {
        let share = 100.0 * evidence_inside;
        lines.push(format!(
            "Evidence: a pneumonia is doubted if less than {share:.0} % of the evidence for it lies in the lungs."
        ));
    }
    lines
}

/// One line for each outcome that the model foretells: whether it has a number, and the evidence.
pub fn outcomes(card: &ModelCard) -> Vec<String> {
    card.prognoses.iter().map(outcome_words).collect()
}

fn outcome_words(card: &PrognosisCard) -> String {
    let evidence = &card.evidence;
    let what = if evidence.bears_a_number() {
        "a score, no probability"
    } else {
        "no evidence, so no number"
    };
    format!(
        "{}: {what}; {} of {} patients on {}; a control that knows only the view and the severity \
         has {}.",
        card.outcome,
        evidence.words(),
        evidence.patients,
        evidence.on,
        area(evidence.control_auc)
    )
}

fn adaptation_words(adaptation: &Adaptation) -> String {
    let how = match adaptation.method.as_str() {
        "refit" => "refitted",
        "outcome" => "fitted",
        _ => "recalibrated",
    };
    let digest = &adaptation.from_sha256;
    format!(
        "Adapted: {how} for {} on {}, {}: {} images of {} patients; from the model {}.",
        adaptation.labels.join(", "),
        adaptation.manifest,
        adaptation.date,
        adaptation.images,
        adaptation.patients,
        digest.get(..12).unwrap_or(digest),
    )
}

fn severity_words(severity: SeverityCard) -> String {
    format!(
        "Severity: geographic extent 0 to 8, ±{:.2}; opacity 0 to 6, ±{:.2} (mean absolute error by \
         patient-grouped cross-validation, n = {}).",
        severity.geographic_extent_error, severity.opacity_error, severity.n
    )
}

fn severity_line_words(card: &SeverityLineCard) -> String {
    let SeverityLineCard {
        label,
        geographic_extent: extent,
        opacity,
    } = card;
    format!(
        "Severity from the logit z of {label}: geographic extent {:.3}·z + {:.3}, 0 to 8; opacity \
         {:.3}·z + {:.3}, 0 to 6; how far off is not known.",
        extent.slope, extent.intercept, opacity.slope, opacity.intercept
    )
}

fn label_words(card: &ModelCard, label: &LabelCard) -> String {
    let mut parts = vec![
        match label.question {
            Question::Presence => "present or absent".to_owned(),
            Question::GivenPneumonia => "which cause, given a pneumonia".to_owned(),
        },
        number_words(card, label),
    ];
    parts.extend(label.calibration_for.iter().map(group_words));
    parts.push(match (label.operating_point, label.sensitive_point) {
        (None, None) => "no operating point".to_owned(),
        (Some(point), None) => format!("operating point {point:.3}"),
        (None, Some(point)) => format!("operating point {point:.3} (90 % sensitivity)"),
        (Some(balanced), Some(sensitive)) if sensitive >= balanced => {
            format!("operating point {balanced:.3} (balanced, and of 90 % sensitivity or more)")
        }
        (Some(balanced), Some(sensitive)) => {
            format!("operating points {balanced:.3} (balanced), {sensitive:.3} (90 % sensitivity)")
        }
    });
    parts.extend(label.conformal.map(|set| match set.absent {
        Some(absent) => format!(
            "90 % set holds present from {:.3} on, absent from 1 − p = {absent:.3} on",
            set.present
        ),
        None => format!("in the 90 % set from {:.3} on", set.present),
    }));
    format!("{}: {}", label.name, parts.join("; "))
}

/// `AP, from 0 to 18 years: slope 0.900, intercept -0.200, operating point 0.400`
fn group_words(group: &GroupCalibration) -> String {
    let view = group.view.map(|view| view.to_string());
    let age = group
        .age
        .map(|(low, high)| format!("from {low} to {high} years"));
    let films: Vec<String> = view.into_iter().chain(age).collect();
    let mut words = format!(
        "{}: slope {:.3}, intercept {:.3}",
        films.join(", "),
        group.calibration.slope,
        group.calibration.intercept
    );
    for (name, point) in [
        ("operating point", group.operating_point),
        ("point of 90 % sensitivity", group.sensitive_point),
    ] {
        words.extend(point.map(|point| format!(", {name} {point:.3}")));
    }
    if group.conformal.is_some() {
        words.push_str(", a 90 % set of its own");
    }
    words
}

fn number_words(card: &ModelCard, label: &LabelCard) -> String {
    if let Some(ProductCard { presence, cause }) = &label.product {
        let kind = if card.is_calibrated(label) {
            "probability"
        } else {
            "score, not a probability"
        };
        return format!("{kind}: {presence} times {cause}");
    }
    match label.calibration {
        Some(c) if !label.is_probability => format!(
            "score, not a probability: calibrated (Platt: slope {:.3}, intercept {:.3}), and not \
             right on data that the fit did not see",
            c.slope, c.intercept
        ),
        Some(c) => format!(
            "probability at a prevalence π of {} (Platt: slope {:.3}, intercept {:.3})",
            c.prevalence, c.slope, c.intercept
        ),
        None if card.is_calibrated(label) => "probability".to_owned(),
        None => match label.op_threshold {
            Some(threshold) => format!(
                "operating-point-normalised score, not a probability: a sigmoid of {threshold:.4} \
                 becomes 0.5"
            ),
            None => "score, not a probability".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Calibration, CausesCard, ConformalThresholds, Prevalence, PrognosisEvidence, SeverityLine,
        SoftmaxCard, ViewPosition,
    };

    #[test]
    fn a_softmax_names_the_classes_that_are_no_finding() {
        let words = |besides: &[&str]| {
            let besides = besides.iter().map(|&class| class.to_owned()).collect();
            let card = ModelCard {
                softmax: Some(SoftmaxCard { besides }),
                ..ModelCard::default()
            };
            trust(&card).join("\n")
        };
        assert_eq!(words(&[]), "Scores: a softmax over the labels.");
        let normal = "Scores: a softmax over the labels and NORMAL, which is no finding.";
        assert_eq!(words(&["NORMAL"]), normal);
        assert!(trust(&ModelCard::default()).is_empty());
    }

    #[test]
    fn the_limit_of_the_evidence_in_the_lungs_is_told() {
        let words = |lungs| {
            let card = ModelCard {
                lungs,
                ..ModelCard::default()
            };
            trust(&card).join("\n")
        };
        let evidence_inside = 0.35;
        let limited = words(Some(LungsCard { evidence_inside }));
        assert!(
            limited.contains("less than 35 % of the evidence"),
            "{limited}"
        );
        assert!(!words(None).contains("evidence"));
    }

    #[test]
    fn a_calibrated_label_has_its_prevalence_and_its_thresholds() {
        let mut label = LabelCard::new("COVID-19", Question::Presence, Some(0.47));
        label.sensitive_point = Some(0.21);
        label.calibration = Some(Calibration {
            slope: 0.81,
            intercept: -0.3,
            prevalence: Prevalence::new(0.05).unwrap(),
        });
        label.conformal = Some(ConformalThresholds {
            present: 0.12,
            absent: Some(0.09),
        });
        let card = ModelCard {
            labels: vec![label, LabelCard::new("Edema", Question::Presence, None)],
            causes: Some(CausesCard {
                temperature: 1.7,
                calibrated: false,
                unlike: None,
            }),
            ..ModelCard::default()
        };
        assert_eq!(
            labels(&card),
            [
                "COVID-19: present or absent; probability at a prevalence π of 5 % (Platt: slope \
                 0.810, intercept -0.300); operating points 0.470 (balanced), 0.210 (90 % \
                 sensitivity); 90 % set holds present from 0.120 on, absent from 1 − p = 0.090 on",
                "Edema: present or absent; score, not a probability; no operating point",
            ]
        );
        let trust = trust(&card);
        assert!(trust[0].contains("temperature 1.70, not calibrated"));
        assert!(trust[1].contains("only for data like the calibration data"));
        assert_eq!(trust.len(), 2);
    }

    #[test]
    fn products_groups_and_films_unlike_those_of_training_are_in_words() {
        let calibration = Calibration {
            slope: 0.81,
            intercept: -0.3,
            prevalence: Prevalence::new(0.5).unwrap(),
        };
        let mut pneumonia = LabelCard::new("Pneumonia", Question::Presence, Some(0.47));
        pneumonia.calibration = Some(calibration);
        let group = GroupCalibration {
            view: Some(ViewPosition::Ap),
            age: Some((0.0, 18.0)),
            calibration,
            operating_point: Some(0.4),
            sensitive_point: None,
            conformal: None,
        };
        pneumonia.calibration_for = vec![
            group.clone(),
            GroupCalibration {
                view: None,
                operating_point: None,
                ..group
            },
        ];
        let mut covid = LabelCard::new("COVID-19", Question::Presence, Some(0.3));
        covid.product = Some(ProductCard {
            presence: "Pneumonia".to_owned(),
            cause: "COVID-19 given pneumonia".to_owned(),
        });
        let cause = LabelCard::new("COVID-19 given pneumonia", Question::GivenPneumonia, None);
        let mut card = ModelCard {
            labels: vec![pneumonia, covid, cause],
            causes: Some(CausesCard {
                temperature: 1.7,
                calibrated: true,
                unlike: Some(2.1),
            }),
            ..ModelCard::default()
        };
        assert_eq!(
            labels(&card)[..2],
            [
                "Pneumonia: present or absent; probability at a prevalence π of 50 % (Platt: slope 0.810, intercept -0.300); AP, from 0 to 18 years: slope 0.810, intercept -0.300, operating point 0.400; from 0 to 18 years: slope 0.810, intercept -0.300; operating point 0.470",
                "COVID-19: present or absent; probability: Pneumonia times COVID-19 given pneumonia; operating point 0.300",
            ]
        );
        assert_eq!(
            trust(&card)[1],
            "Causes get no number, nor do products of one, where the features are farther than 2.10 from those of training: can't tell."
        );
        card.labels[0].is_probability = false;
        let words = labels(&card);
        assert!(words[0].contains("score, not a probability: calibrated (Platt: slope 0.810"));
        assert!(words[1].contains("score, not a probability: Pneumonia times"));
    }

    #[test]
    fn an_adapted_model_names_its_cases() {
        let adaptation = Adaptation {
            method: "refit".to_owned(),
            manifest: "ours.csv".to_owned(),
            date: "2026-01-31".to_owned(),
            labels: vec!["Pneumonia".to_owned(), "COVID-19".to_owned()],
            images: 1000,
            patients: 700,
            from_sha256: "6b2443b655b773935eee".to_owned(),
        };
        let card = ModelCard {
            adaptations: vec![adaptation],
            ..ModelCard::default()
        };
        assert_eq!(
            trust(&card),
            [
                "Adapted: refitted for Pneumonia, COVID-19 on ours.csv, 2026-01-31: 1000 images of \
                 700 patients; from the model 6b2443b655b7."
            ]
        );
    }

    #[test]
    fn an_outcome_has_its_evidence_and_its_control() {
        let outcome = |outcome: &str, low| PrognosisCard {
            outcome: outcome.to_owned(),
            evidence: PrognosisEvidence {
                on: "hannover, within AP".to_owned(),
                auc: 0.714,
                interval: (low, 0.803),
                control_auc: 0.55,
                n: 72,
                patients: 40,
            },
        };
        let card = ModelCard {
            prognoses: vec![outcome("intubation", 0.6), outcome("death", 0.49)],
            ..ModelCard::default()
        };
        assert_eq!(
            outcomes(&card),
            [
                "intubation: a score, no probability; AUC 0.71, 0.60–0.80, n 72 of 40 patients on \
                 hannover, within AP; a control that knows only the view and the severity has 0.55.",
                "death: no evidence, so no number; AUC 0.71, 0.49–0.80, n 72 of 40 patients on \
                 hannover, within AP; a control that knows only the view and the severity has 0.55.",
            ]
        );
        assert!(outcomes(&ModelCard::default()).is_empty());
    }

    #[test]
    fn a_normalised_label_and_a_severity_line_are_described_as_such() {
        let mut label = LabelCard::new("Lung Opacity", Question::Presence, Some(0.5));
        label.op_threshold = Some(0.202);
        let line = |slope, intercept| SeverityLine { slope, intercept };
        let card = ModelCard {
            labels: vec![label],
            severity_line: Some(SeverityLineCard {
                label: "Lung Opacity".to_owned(),
                geographic_extent: line(0.87, 3.41),
                opacity: line(0.55, 2.55),
            }),
            ..ModelCard::default()
        };
        assert_eq!(
            labels(&card),
            [
                "Lung Opacity: present or absent; operating-point-normalised score, not a \
                 probability: a sigmoid of 0.2020 becomes 0.5; operating point 0.500"
            ]
        );
        assert_eq!(
            trust(&card),
            [
                "Severity from the logit z of Lung Opacity: geographic extent 0.870·z + 3.410, 0 to \
                 8; opacity 0.550·z + 2.550, 0 to 6; how far off is not known."
            ]
        );
    }
}
