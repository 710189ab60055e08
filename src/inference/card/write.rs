//! The only writer of cards.

use super::file::{
    AdaptationFile, CardFile, CausesFile, ConformalFile, GroupFile, LabelFile, LineFile, LungsFile,
    MeasurementFile, PlattFile, PrognosisFile, QuestionFile, SeverityFile, SeverityLineFile,
    SoftmaxFile, ThresholdsFile, ViewFile,
};
use super::settings::network_file;
use crate::domain::{
    Adaptation, ConformalThresholds, GroupCalibration, InputThresholds, LabelCard, Measurement,
    ModelCard, PrognosisCard, PrognosisEvidence, Question, RECIPE_1, SeverityLine,
    SeverityLineCard, ViewPosition,
};
use crate::inference::InferenceError;

/// The text of a card's file. [`parse_card`](super::parse_card) reads the same card back.
///
/// # Errors
/// If a count is larger than TOML's numbers.
pub fn write_card(card: &ModelCard) -> Result<String, InferenceError> {
    toml::to_string(&CardFile::from(card)).map_err(|e| InferenceError::Card(e.to_string()))
}

impl From<&ModelCard> for CardFile {
    fn from(card: &ModelCard) -> Self {
        CardFile {
            name: card.name.clone(),
            version: card.version.clone(),
            architecture: card.architecture.clone(),
            input_size: card.input_size,
            // The digest in the name is that of what follows.
            preprocess: match &card.recipe {
                Some(_) => RECIPE_1.to_owned(),
                None => card.preprocess.clone(),
            },
            _calibrated: None,
            licence: card.licence.clone(),
            pretrained: card.pretrained.clone(),
            training_data: card.training_data.clone(),
            limits: card.limits.clone(),
            pulled_from: card.pulled_from.clone(),
            sha256: card.sha256.clone(),
            preprocessing: card.recipe.as_ref().map(Into::into),
            network: card.network.as_ref().map(network_file),
            label: card.labels.iter().map(Into::into).collect(),
            softmax: card.softmax.as_ref().map(|softmax| SoftmaxFile {
                besides: softmax.besides.clone(),
            }),
            causes: card.causes.map(|causes| CausesFile {
                temperature: causes.temperature,
                calibrated: causes.calibrated,
                unlike: causes.unlike,
            }),
            severity: card.severity.map(|severity| SeverityFile {
                geographic_extent_error: severity.geographic_extent_error,
                opacity_error: severity.opacity_error,
                n: severity.n,
            }),
            severity_line: card.severity_line.as_ref().map(Into::into),
            input_head: card.input_head.map(Into::into),
            distance: card.distance.map(Into::into),
            lungs: card.lungs.map(|lungs| LungsFile {
                evidence_inside: lungs.evidence_inside,
            }),
            prognosis: card.prognoses.iter().map(Into::into).collect(),
            measurement: card.measurements.iter().map(Into::into).collect(),
            adaptation: card.adaptations.iter().map(Into::into).collect(),
        }
    }
}

impl From<&LabelCard> for LabelFile {
    fn from(label: &LabelCard) -> Self {
        LabelFile {
            name: label.name.clone(),
            question: match label.question {
                Question::Presence => QuestionFile::Presence,
                Question::GivenPneumonia => QuestionFile::GivenPneumonia,
            },
            calibration: label.calibration.map(|calibration| PlattFile {
                slope: calibration.slope,
                intercept: calibration.intercept,
            }),
            prevalence: label.calibration.map(|c| c.prevalence.share()),
            op_threshold: label.op_threshold,
            // A normalised score has its operating point by definition.
            operating_point: label
                .operating_point
                .filter(|_| label.op_threshold.is_none()),
            sensitive_point: label.sensitive_point,
            probability: (!label.is_probability).then_some(false),
            product: label
                .product
                .as_ref()
                .map(|product| [product.presence.clone(), product.cause.clone()]),
            conformal: label.conformal.map(Into::into),
            calibration_for: label.calibration_for.iter().map(Into::into).collect(),
        }
    }
}

impl From<&GroupCalibration> for GroupFile {
    fn from(group: &GroupCalibration) -> Self {
        GroupFile {
            // A card names no other view.
            view: group.view.and_then(|view| match view {
                ViewPosition::Ap => Some(ViewFile::Ap),
                ViewPosition::Pa => Some(ViewFile::Pa),
                ViewPosition::Lateral | ViewPosition::Unknown => None,
            }),
            age: group.age.map(|(low, high)| [low, high]),
            slope: group.calibration.slope,
            intercept: group.calibration.intercept,
            operating_point: group.operating_point,
            sensitive_point: group.sensitive_point,
            conformal: group.conformal.map(Into::into),
        }
    }
}

impl From<&SeverityLineCard> for SeverityLineFile {
    fn from(card: &SeverityLineCard) -> Self {
        SeverityLineFile {
            label: card.label.clone(),
            geographic_extent: card.geographic_extent.into(),
            opacity: card.opacity.into(),
        }
    }
}

impl From<SeverityLine> for LineFile {
    fn from(line: SeverityLine) -> Self {
        LineFile {
            slope: line.slope,
            intercept: line.intercept,
        }
    }
}

impl From<ConformalThresholds> for ConformalFile {
    fn from(thresholds: ConformalThresholds) -> Self {
        ConformalFile {
            present: thresholds.present,
            absent: thresholds.absent,
        }
    }
}

impl From<InputThresholds> for ThresholdsFile {
    fn from(thresholds: InputThresholds) -> Self {
        ThresholdsFile {
            caution: thresholds.caution,
            refuse: thresholds.refuse,
        }
    }
}

impl From<&PrognosisCard> for PrognosisFile {
    fn from(card: &PrognosisCard) -> Self {
        let PrognosisEvidence {
            on,
            auc,
            interval: (low, high),
            control_auc,
            n,
            patients,
        } = &card.evidence;
        PrognosisFile {
            outcome: card.outcome.clone(),
            on: on.clone(),
            auc: *auc,
            low: *low,
            high: *high,
            control_auc: *control_auc,
            n: *n,
            patients: *patients,
        }
    }
}

impl From<&Measurement> for MeasurementFile {
    fn from(measurement: &Measurement) -> Self {
        MeasurementFile {
            label: measurement.label.clone(),
            on: measurement.on.clone(),
            statistic: measurement.statistic.clone(),
            value: measurement.value,
            low: measurement.interval.map(|(low, _)| low),
            high: measurement.interval.map(|(_, high)| high),
            n: measurement.n,
            positives: measurement.positives,
            patients: measurement.patients,
        }
    }
}

impl From<&Adaptation> for AdaptationFile {
    fn from(adaptation: &Adaptation) -> Self {
        AdaptationFile {
            method: adaptation.method.clone(),
            manifest: adaptation.manifest.clone(),
            date: adaptation.date.clone(),
            labels: adaptation.labels.clone(),
            images: adaptation.images,
            patients: adaptation.patients,
            from_sha256: adaptation.from_sha256.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse_card;
    use super::super::tests::{FULL, NORMALISED, PRODUCT};
    use super::*;
    use crate::domain::text::clean;
    use crate::inference::weights::BUNDLED_CARD;

    fn again(card: &ModelCard) -> ModelCard {
        parse_card(&write_card(card).unwrap()).unwrap()
    }

    #[test]
    fn a_written_card_is_read_back() {
        for text in [BUNDLED_CARD, FULL, NORMALISED, PRODUCT] {
            let card = parse_card(text).unwrap();
            assert_eq!(again(&card), card);
        }
    }

    proptest! {
        #[test]
        fn any_text_and_any_number_are_read_back(
            text in any::<String>(), point in 0.0_f32..=1.0, value in any::<f64>(), n in 0..1_000_000_usize,
            slope in 1e-12_f64..1e12, share in 1e-9_f64..0.999_999_999, intercept in -1e9_f64..1e9,
        ) {
            prop_assume!(value.is_finite());
            // As it is read back: characters that must not be shown are gone.
            let text = format!("L{}", clean(&text));
            let mut card = parse_card(FULL).unwrap();
            card.name = text.clone();
            card.limits = vec![text.clone(), "\"\"\"\\".to_owned()];
            card.labels[0].name = text.clone();
            card.labels[0].operating_point = Some(point);
            card.labels[0].sensitive_point = Some(point / 2.0);
            let calibration = card.labels[0].calibration.as_mut().unwrap();
            (calibration.slope, calibration.intercept) = (slope, intercept);
            calibration.prevalence = crate::domain::Prevalence::new(share).unwrap();
            card.measurements = vec![Measurement {
                label: text.clone(),
                on: text.clone(),
                statistic: "AUC".to_owned(),
                value,
                interval: (n % 2 == 0).then_some((value / 2.0, -value)),
                n,
                positives: (n % 3 == 0).then_some(n),
                patients: None,
            }];
            card.adaptations = vec![Adaptation {
                method: "refit".to_owned(),
                manifest: text.clone(),
                date: "2026-01-31".to_owned(),
                labels: vec![text],
                images: n,
                patients: n / 2,
                from_sha256: "ab".to_owned(),
            }];
            prop_assert_eq!(again(&card), card);
        }
    }
}
