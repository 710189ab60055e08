//! From logits to findings: a probability or else a sigmoid for each independent label, a softmax over the causes
//! given pneumonia, and the products of one of each. Where all outputs are one question, the logits are the log-odds of
//! their softmax.

use super::InferenceError;
use super::calibration::{op_normalised, platt, presence_set, sigmoid, softmax};
use super::softmax::log_odds;
use crate::domain::{
    Calibrated, Conformal, Factors, FilmFacts, Finding, LabelCard, ModelCard, OperatingPoint,
    Pathology, ProductCard, Question, Score, ScoreKind,
};

/// One finding for each label of the card, in its order, at the card's own prevalences. `logits` are the outputs of the
/// network, in its order; a product has none.
///
/// # Errors
/// If a logit is missing or is not a number.
pub fn findings(
    card: &ModelCard,
    logits: &[f32],
    film: &FilmFacts,
) -> Result<Vec<Finding>, InferenceError> {
    let against_others = card.softmax.as_ref().map(|_| log_odds(logits));
    let logits = against_others.as_deref().unwrap_or(logits);
    let outputs = of_outputs(card, logits, film)?;
    let named = |name: &str| outputs.iter().find(|output| output.label.name() == name);
    let mut own = outputs.iter();
    card.labels
        .iter()
        .map(|label| match &label.product {
            None => own.next().cloned().ok_or_else(|| not_finite(label)),
            Some(ProductCard { presence, cause }) => match (named(presence), named(cause)) {
                (Some(presence), Some(cause)) => product(card, label, presence, cause),
                _ => Err(not_finite(label)),
            },
        })
        .collect()
}

/// Takes the causes out of the findings, and the products of one; returns their labels, in the same order.
pub fn withhold(findings: &mut Vec<Finding>) -> Vec<Pathology> {
    let rests_on_no_cause =
        |finding: &Finding| finding.question == Question::Presence && finding.factors.is_none();
    let all = std::mem::take(findings);
    let (kept, withheld): (Vec<_>, Vec<_>) = all.into_iter().partition(rests_on_no_cause);
    *findings = kept;
    withheld.into_iter().map(|finding| finding.label).collect()
}

fn not_finite(label: &LabelCard) -> InferenceError {
    InferenceError::NotFinite {
        label: label.name.clone(),
    }
}

/// One finding for each output of the network.
fn of_outputs(
    card: &ModelCard,
    logits: &[f32],
    film: &FilmFacts,
) -> Result<Vec<Finding>, InferenceError> {
    let temperature = card.causes.map_or(1.0, |causes| causes.temperature);
    let causes = softmax(
        card.outputs()
            .zip(logits)
            .filter(|(label, _)| label.question == Question::GivenPneumonia)
            .map(|(_, logit)| *logit)
            .collect::<Vec<_>>()
            .into_iter(),
        temperature,
    );
    let mut causes = causes.into_iter();
    card.outputs()
        .enumerate()
        .map(|(i, label)| {
            let label = label.for_film(film);
            let label = &*label;
            let logit = logits.get(i).copied().unwrap_or(f32::NAN);
            let (value, calibrated) = match (label.question, &label.calibration) {
                (Question::GivenPneumonia, _) => (causes.next().unwrap_or(f32::NAN), None),
                (Question::Presence, None) => (sigmoid(logit), None),
                (Question::Presence, Some(calibration)) => {
                    let (p, calibrated) = platt(calibration, logit);
                    // A score that is no probability assumes no prevalence.
                    (p, Some(calibrated).filter(|_| label.is_probability))
                }
            };
            let value = match label.op_threshold {
                Some(threshold) => op_normalised(value, threshold),
                None => value,
            };
            let kind = match (card.is_calibrated(label), label.op_threshold) {
                (true, _) => ScoreKind::Calibrated,
                (false, Some(_)) => ScoreKind::OperatingPointNormalised,
                (false, None) => ScoreKind::Sigmoid,
            };
            let score = Score::new(value, kind).ok_or_else(|| not_finite(label))?;
            Ok(finding(label, logit, score, calibrated))
        })
        .collect()
}

/// The finding of a product, which is never above its first factor.
fn product(
    card: &ModelCard,
    label: &LabelCard,
    presence: &Finding,
    cause: &Finding,
) -> Result<Finding, InferenceError> {
    let kind = if card.is_calibrated(label) {
        ScoreKind::Calibrated
    } else {
        ScoreKind::Sigmoid
    };
    let (value, logit) = Finding::product(presence, cause);
    let score = Score::new(value, kind).ok_or_else(|| not_finite(label))?;
    Ok(Finding {
        factors: Some(Box::new(Factors {
            presence: presence.label.clone(),
            cause: cause.label.clone(),
        })),
        ..finding(label, logit, score, None)
    })
}

fn finding(label: &LabelCard, logit: f32, score: Score, calibrated: Option<Calibrated>) -> Finding {
    let value = score.value();
    let conformal = label.conformal.map(|thresholds| match label.question {
        Question::Presence => Conformal::Presence(presence_set(&thresholds, value)),
        Question::GivenPneumonia => Conformal::Cause(value >= thresholds.present),
    });
    Finding {
        label: Pathology(label.name.clone()),
        question: label.question,
        logit,
        score,
        operating_point: label.operating_point.map(OperatingPoint),
        sensitive_point: label.sensitive_point.map(OperatingPoint),
        calibrated,
        conformal,
        factors: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Calibration, CausesCard, ConformalThresholds, GroupCalibration, PresenceSet, Prevalence,
        SoftmaxCard, ViewPosition,
    };

    /// The findings of a film of which nothing but the pixels is known.
    fn findings(card: &ModelCard, logits: &[f32]) -> Result<Vec<Finding>, InferenceError> {
        super::findings(card, logits, &FilmFacts::default())
    }

    fn calibration(slope: f64, intercept: f64) -> Calibration {
        Calibration {
            slope,
            intercept,
            prevalence: Prevalence::new(0.5).unwrap(),
        }
    }

    fn card() -> ModelCard {
        ModelCard {
            labels: vec![
                LabelCard::new("Pneumonia", Question::Presence, Some(0.4)),
                LabelCard::new("Bacterial", Question::GivenPneumonia, None),
                LabelCard::new("Viral", Question::GivenPneumonia, None),
            ],
            ..ModelCard::default()
        }
    }

    #[test]
    fn presence_is_a_sigmoid_and_causes_sum_to_one() {
        let found = findings(&card(), &[0.0, 3.0, 1.0]).unwrap();
        assert_eq!(found[0].score.value(), 0.5);
        assert_eq!(found[0].is_positive(), Some(true));
        let sum: f32 = found[1..].iter().map(|f| f.score.value()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        // e² / (1 + e²)
        assert!((found[1].score.value() - 0.880_797).abs() < 1e-5);
        assert_eq!(found[1].is_positive(), None);
        assert!(found.iter().all(|f| f.score.kind == ScoreKind::Sigmoid));
    }

    #[test]
    fn a_calibrated_card_gives_probabilities_and_sets() {
        let mut card = card();
        let absent = |absent| ConformalThresholds {
            present: 0.3,
            absent,
        };
        card.labels[0].calibration = Some(Calibration {
            slope: 2.0,
            intercept: -1.0,
            prevalence: Prevalence::new(0.5).unwrap(),
        });
        card.labels[0].conformal = Some(absent(Some(0.2)));
        card.labels[1].conformal = Some(absent(None));
        card.labels[2].conformal = Some(absent(None));
        card.causes = Some(CausesCard {
            temperature: 2.0,
            calibrated: true,
            unlike: None,
        });
        let found = findings(&card, &[1.0, 3.0, 1.0]).unwrap();
        assert!(found.iter().all(|f| f.score.kind == ScoreKind::Calibrated));
        // σ(2 · 1 − 1)
        assert!((found[0].score.value() - 0.731_059).abs() < 1e-6);
        assert_eq!(
            found[0].conformal,
            Some(Conformal::Presence(PresenceSet::Either))
        );
        // e / (1 + e)
        assert!((found[1].score.value() - 0.731_059).abs() < 1e-6);
        assert_eq!(found[1].conformal, Some(Conformal::Cause(true)));
        assert_eq!(found[2].conformal, Some(Conformal::Cause(false)));
        assert_eq!(found[1].calibrated, None, "a cause assumes no prevalence");
    }

    /// With Python: `scipy.special.softmax([1.5, -0.25, 3.0])`, whose last class is no finding.
    #[test]
    fn a_softmax_is_the_score_of_each_label_and_its_log_odds_are_calibrated() {
        let mut card = ModelCard {
            labels: vec![
                LabelCard::new("Pneumonia", Question::Presence, None),
                LabelCard::new("COVID-19", Question::Presence, None),
            ],
            softmax: Some(SoftmaxCard {
                besides: vec!["NORMAL".to_owned()],
            }),
            ..ModelCard::default()
        };
        let found = findings(&card, &[1.5, -0.25, 3.0]).unwrap();
        assert_eq!(found.len(), 2);
        for (finding, expected) in found.iter().zip([0.176_820, 0.030_727]) {
            let value = finding.score.value();
            assert!((value - expected).abs() < 1e-5, "{finding:?}");
            assert_eq!(finding.score.kind, ScoreKind::Sigmoid);
        }
        // z − ln(e^−0.25 + e^3)
        assert!((found[0].logit + 1.538_041).abs() < 1e-5, "{found:?}");
        card.labels[0].calibration = Some(calibration(2.0, 0.5));
        let found = findings(&card, &[1.5, -0.25, 3.0]).unwrap();
        // σ(2 · −1.538041 + 0.5)
        assert!((found[0].score.value() - 0.070_694).abs() < 1e-5);
        assert_eq!(found[0].score.kind, ScoreKind::Calibrated);
        assert!(findings(&card, &[1.5, -0.25, f32::NAN]).is_err());
    }

    #[test]
    fn an_operating_point_becomes_a_half() {
        let mut card = card();
        card.labels[0].op_threshold = Some(0.074_228_72);
        card.labels[0].operating_point = Some(0.5);
        let first = |logit| findings(&card, &[logit, 0.0, 0.0]).unwrap().swap_remove(0);
        // op_norm(torch.sigmoid(torch.tensor([[z]])), torch.tensor([0.07422872])) of torchxrayvision
        for (logit, expected) in [
            (-4.0, 0.121_153_98),
            (-2.5, 0.500_880_06),
            (0.0, 0.729_954_9),
            (3.0, 0.974_385_74),
        ] {
            let finding = first(logit);
            assert!(
                (finding.score.value() - expected).abs() < 1e-6,
                "{logit}: {finding:?}"
            );
            assert_eq!(finding.score.kind, ScoreKind::OperatingPointNormalised);
            assert_eq!(finding.is_positive(), Some(expected >= 0.5));
            assert_eq!((finding.logit, finding.calibrated), (logit, None));
        }
        for logit in [-200.0, 200.0] {
            assert!((0.0..=1.0).contains(&first(logit).score.value()));
        }
    }

    /// The card with a product between its first label and its causes, and one after them.
    fn with_products() -> ModelCard {
        let mut card = card();
        card.labels[0].calibration = Some(calibration(1.0, 0.0));
        card.causes = Some(CausesCard {
            temperature: 1.0,
            calibrated: true,
            unlike: None,
        });
        let product = |name: &str, cause: &str| LabelCard {
            product: Some(ProductCard {
                presence: "Pneumonia".into(),
                cause: cause.into(),
            }),
            conformal: Some(ConformalThresholds {
                present: 0.3,
                absent: Some(0.5),
            }),
            ..LabelCard::new(name, Question::Presence, Some(0.375))
        };
        card.labels.insert(1, product("Viral pneumonia", "Viral"));
        card.labels
            .push(product("Bacterial pneumonia", "Bacterial"));
        card
    }

    /// `p = 1 / (1 + np.exp(-1.)); s = np.exp(2.) / (np.exp(2.) + 1); p * s, p * (1 - s)` for the logits 1, 3 and 1.
    #[test]
    fn a_product_has_no_logit_of_the_network_and_multiplies_its_factors() {
        let found = findings(&with_products(), &[1.0, 3.0, 1.0]).unwrap();
        let names: Vec<&str> = found.iter().map(|f| f.label.name()).collect();
        let expected = [
            "Pneumonia",
            "Viral pneumonia",
            "Bacterial",
            "Viral",
            "Bacterial pneumonia",
        ];
        assert_eq!(names, expected);
        assert_eq!(
            [found[0].logit, found[2].logit, found[3].logit],
            [1.0, 3.0, 1.0]
        );
        for (at, p, is_positive) in [(1, 0.087_144_5, false), (4, 0.643_914_1, true)] {
            let product = &found[at];
            assert!((product.score.value() - p).abs() < 1e-6, "{product:?}");
            assert!((product.logit - (p / (1.0 - p)).ln()).abs() < 1e-5);
            assert_eq!(product.score.kind, ScoreKind::Calibrated);
            assert_eq!(product.is_positive(), Some(is_positive));
            assert_eq!(product.calibrated, None);
        }
        let factors = found[1].factors.as_ref().unwrap();
        assert_eq!(
            (factors.presence.name(), factors.cause.name()),
            ("Pneumonia", "Viral")
        );
        let sets = [1, 4].map(|at: usize| found[at].conformal);
        assert_eq!(sets[0], Some(Conformal::Presence(PresenceSet::Absent)));
        assert_eq!(sets[1], Some(Conformal::Presence(PresenceSet::Present)));
    }

    #[test]
    fn a_product_is_finite_at_both_ends_and_a_score_where_a_factor_is_one() {
        let mut card = with_products();
        for logits in [[900.0, 900.0, -900.0], [-900.0, -900.0, 900.0]] {
            for product in findings(&card, &logits).unwrap() {
                assert!(
                    product.logit.is_finite() && product.score.value() < 1.0
                        || product.factors.is_none()
                );
            }
        }
        card.labels[0].calibration = None;
        let found = findings(&card, &[0.0, 3.0, 1.0]).unwrap();
        assert_eq!(
            (found[1].score.kind, found[4].score.kind),
            (ScoreKind::Sigmoid, ScoreKind::Sigmoid)
        );
        // 0.5 · 0.880797
        assert!((found[4].score.value() - 0.440_398_5).abs() < 1e-6);
        assert!(
            findings(&card, &[0.0, 3.0]).is_err(),
            "one output for each label without a product"
        );
        let error = findings(&card, &[0.0, f32::NAN, 1.0]).unwrap_err();
        assert!(error.to_string().contains("Bacterial"), "{error}");
    }

    #[test]
    fn causes_and_their_products_are_withheld_together() {
        let mut found = findings(&with_products(), &[1.0, 3.0, 1.0]).unwrap();
        let withheld = withhold(&mut found);
        let names: Vec<&str> = withheld.iter().map(Pathology::name).collect();
        assert_eq!(
            names,
            [
                "Viral pneumonia",
                "Bacterial",
                "Viral",
                "Bacterial pneumonia"
            ]
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].label.name(), "Pneumonia");
    }

    #[test]
    fn a_film_is_read_by_the_calibration_of_its_view_and_age() {
        let mut card = card();
        card.labels[0].calibration = Some(calibration(1.0, 0.0));
        card.labels[0].calibration_for = vec![GroupCalibration {
            view: Some(ViewPosition::Ap),
            age: Some((0.0, 18.0)),
            calibration: calibration(2.0, -1.0),
            operating_point: Some(0.75),
            sensitive_point: None,
            conformal: None,
        }];
        let first = |view, years| {
            let film = FilmFacts { view, years };
            let found = super::findings(&card, &[1.0, 0.0, 0.0], &film).unwrap();
            let point = found[0].operating_point.unwrap().0;
            (
                found[0].score.value(),
                point,
                found[0].calibrated.unwrap().log_odds,
            )
        };
        // σ(1) for both: 2 · 1 − 1.
        let (p, point, log_odds) = first(ViewPosition::Ap, Some(3.0));
        assert!((p - 0.731_058_6).abs() < 1e-6);
        assert_eq!((point, log_odds), (0.75, 1.0));
        assert_eq!(first(ViewPosition::Pa, Some(3.0)).1, 0.4);
        assert_eq!(first(ViewPosition::Ap, None).1, 0.4);
    }

    #[test]
    fn a_calibrated_score_that_is_no_probability_stays_a_score() {
        let mut card = with_products();
        card.labels[0].is_probability = false;
        let found = findings(&card, &[1.0, 3.0, 1.0]).unwrap();
        let (pneumonia, product) = (&found[0], &found[4]);
        assert!(
            (pneumonia.score.value() - 0.731_058_6).abs() < 1e-6,
            "calibrated all the same"
        );
        assert_eq!(pneumonia.score.kind.word(), "score");
        assert_eq!(
            (pneumonia.calibrated, product.score.kind),
            (None, ScoreKind::Sigmoid)
        );
        assert_eq!(found[2].score.kind, ScoreKind::Calibrated);
    }

    #[test]
    fn huge_logits_stay_finite_and_nan_is_an_error_that_names_the_label() {
        assert!(findings(&card(), &[1e30, -1e30, 1e30]).is_ok());
        let error = findings(&card(), &[f32::NAN, 0.0, 0.0]).unwrap_err();
        assert!(error.to_string().contains("Pneumonia"), "{error}");
        assert!(
            findings(&card(), &[0.0]).is_err(),
            "a missing logit is an error, not a zero"
        );
    }
}
