//! Heads over the features, in the same forward pass as the labels: severity, and the check that the image is a frontal
//! chest X-ray like those of training. Each head is optional: a model has it if the card has its section and the weights
//! have its tensors.

use super::InferenceError;
use super::distance::{Distance, dot};
use super::input_check::Reasons;
use super::prognosis::{self, FeatureRow, PrognosisHead};
use super::severity::{MAX_EXTENT, MAX_OPACITY};
use super::weights::Tensors;
use crate::domain::{InputThresholds, ModelCard, Prognosis, Severity, SeverityCard};

/// The heads that a model has.
#[derive(Default)]
pub struct Heads {
    severity: Option<(LinearHead<2>, SeverityCard)>,
    input: Option<(LinearHead<4>, InputThresholds)>,
    distance: Option<(Distance, InputThresholds)>,
    prognosis: Option<PrognosisHead>,
}

impl Heads {
    /// `channels` is the number of features.
    ///
    /// # Errors
    /// If a section of the card lacks its tensors, or tensors their section, or a tensor has
    /// another shape.
    pub fn load(
        card: &ModelCard,
        tensors: &Tensors,
        channels: usize,
    ) -> Result<Self, InferenceError> {
        const SEVERITY: [&str; 2] = ["severity.weight", "severity.bias"];
        const INPUT: [&str; 2] = ["input.weight", "input.bias"];
        const DISTANCE: [&str; 3] = ["distance.mean", "distance.components", "distance.precision"];
        go_together("[severity]", card.severity.is_some(), tensors, &SEVERITY)?;
        go_together("[input_head]", card.input_head.is_some(), tensors, &INPUT)?;
        go_together("[distance]", card.distance.is_some(), tensors, &DISTANCE)?;
        let foretells = !card.prognoses.is_empty();
        go_together("[[prognosis]]", foretells, tensors, &prognosis::TENSORS)?;
        let severity = card
            .severity
            .map(|card| {
                Ok::<_, InferenceError>((LinearHead::load(tensors, SEVERITY, channels)?, card))
            })
            .transpose()?;
        let input = card
            .input_head
            .map(|limits| {
                Ok::<_, InferenceError>((LinearHead::load(tensors, INPUT, channels)?, limits))
            })
            .transpose()?;
        let distance = card
            .distance
            .map(|limits| {
                Ok::<_, InferenceError>((Distance::load(tensors, DISTANCE, channels)?, limits))
            })
            .transpose()?;
        Ok(Heads {
            severity,
            input,
            distance,
            prognosis: PrognosisHead::load(tensors, &card.prognoses, channels)?,
        })
    }

    /// Extent and opacity, clamped to their scales; `None` without such a head.
    ///
    /// # Errors
    /// If a result is not a finite number.
    pub fn severity(&self, features: &[f32]) -> Result<Option<Severity>, InferenceError> {
        let Some((head, card)) = &self.severity else {
            return Ok(None);
        };
        let [extent, opacity] = head.apply(features);
        if !(extent + opacity).is_finite() {
            return Err(not_finite("severity"));
        }
        Ok(Some(Severity {
            geographic_extent: extent.clamp(0.0, MAX_EXTENT) as f32,
            opacity: opacity.clamp(0.0, MAX_OPACITY) as f32,
            geographic_extent_error: Some(card.geographic_extent_error),
            opacity_error: Some(card.opacity_error),
        }))
    }

    /// Extent and opacity as functions of the features, before they are clamped; `None` without such a head.
    pub fn severity_rows(&self) -> Option<[FeatureRow; 2]> {
        let (head, _) = self.severity.as_ref()?;
        Some(head.rows())
    }

    /// The outcomes, in the card's order; empty without such a head.
    ///
    /// # Errors
    /// If a result is not a finite number.
    pub fn prognoses(&self, features: &[f32]) -> Result<Vec<Prognosis>, InferenceError> {
        let head = self.prognosis.as_ref();
        head.map_or_else(|| Ok(Vec::new()), |head| head.of(features))
    }

    /// Adds the reasons that the features give to refuse or doubt the input.
    ///
    /// # Errors
    /// If a result is not a finite number.
    pub fn check(
        &self,
        features: &[f32],
        reasons: &mut Reasons,
    ) -> Result<FeatureSigns, InferenceError> {
        let (mut signs, mut distant) = (FeatureSigns::default(), None);
        if let Some((head, limits)) = &self.input {
            let scores = softmax(head.apply(features));
            if !scores.iter().all(|score| score.is_finite()) {
                return Err(not_finite("the input check"));
            }
            check_kind(scores, limits, reasons);
            signs.odd = Some(scores[1]).filter(|&score| score >= limits.caution);
            let [.., upside_down, sideways] = scores;
            signs.is_turned = upside_down.max(sideways) >= limits.caution;
        }
        if let Some((distance, limits)) = &self.distance {
            let d = distance.of(features);
            if !d.is_finite() {
                return Err(not_finite("the distance to the training features"));
            }
            check_distance(d, limits, signs.is_turned, reasons);
            distant = Some(d).filter(|&d| d > limits.caution && !signs.is_turned);
            signs.distance = Some(d);
        }
        if let (Some(score), Some(d)) = (signs.odd, distant) {
            refuse_for_both(score, &format!("d = {d:.1}"), reasons);
        }
        Ok(signs)
    }
}

impl FeatureSigns {
    /// Refuses a film that is doubted for its lungs, if the features doubt it too.
    pub fn and_doubtful_lungs(&self, reasons: &mut Reasons) {
        if let Some(score) = self.odd.filter(|_| !self.is_turned) {
            refuse_for_both(score, "lungs of an unusual shape", reasons);
        }
    }
}

fn not_finite(label: &str) -> InferenceError {
    InferenceError::NotFinite {
        label: label.to_owned(),
    }
}

/// Checks that a section of the card and its tensors are both present or both absent.
fn go_together(
    section: &str,
    has_section: bool,
    tensors: &Tensors,
    names: &[&str],
) -> Result<(), InferenceError> {
    for name in names {
        match (has_section, tensors.has(name)) {
            (true, false) => {
                return Err(InferenceError::Weights(format!(
                    "{name} is absent, and the card has {section}"
                )));
            }
            (false, true) => {
                return Err(InferenceError::Card(format!(
                    "{section} is absent, and the weights have {name}"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// `scores`: upright frontal chest X-ray, something else, upside down, sideways; they sum to 1 and
/// are not calibrated.
fn check_kind(scores: [f64; 4], limits: &InputThresholds, reasons: &mut Reasons) {
    let [_, other, upside_down, sideways] = scores;
    if other >= limits.refuse {
        reasons.refuse(format!(
            "not a frontal chest X-ray (score {other:.2}, refused from {:.2})",
            limits.refuse
        ));
    } else if other >= limits.caution {
        reasons.doubt(format!(
            "perhaps not a frontal chest X-ray (score {other:.2}, doubted from {:.2})",
            limits.caution
        ));
    }
    for (score, words) in [(upside_down, "upside down"), (sideways, "turned sideways")] {
        if score >= limits.caution {
            reasons.doubt(format!(
                "looks {words} (score {score:.2}, doubted from {:.2})",
                limits.caution
            ));
        }
    }
}

/// Features of a film that lies on its side or upside down are far from those of upright ones: it is doubted at most.
fn check_distance(d: f64, limits: &InputThresholds, is_turned: bool, reasons: &mut Reasons) {
    if d > limits.refuse && !is_turned {
        let (d, allowed) = told_apart(d, limits.refuse);
        reasons.refuse(format!(
            "its features are far from everything seen in training (d = {d}, {allowed} allowed)"
        ));
    } else if d > limits.caution {
        let (d, usual) = told_apart(d, limits.caution);
        reasons.doubt(format!(
            "its features are unlike most seen in training (d = {d}, up to {usual} is usual)"
        ));
    }
}

/// Each doubt alone may come from a hospital that training did not see. Two together hardly ever do: the card's
/// thresholds were set on hospitals left out of training.
fn refuse_for_both(score: f64, other: &str, reasons: &mut Reasons) {
    if !reasons.is_refusal() {
        reasons.refuse(format!(
            "not a frontal chest X-ray by two signs (score {score:.2}, {other})"
        ));
    }
}

/// Two numbers with one decimal, or with enough decimals to show which is larger.
pub fn told_apart(a: f64, b: f64) -> (String, String) {
    (1..=6)
        .map(|decimals| (format!("{a:.decimals$}"), format!("{b:.decimals$}")))
        .find(|(a, b)| a != b)
        .unwrap_or_else(|| (a.to_string(), b.to_string()))
}

/// What the features say of the input.
#[derive(Debug, Default)]
pub struct FeatureSigns {
    /// The score of "something else", if it is doubted for it.
    odd: Option<f64>,
    /// From the features of training; `None` for a model without it.
    pub distance: Option<f64>,
    /// Whether the film looks upside down or turned sideways. Unknown, and so `false`, for a model without such a head.
    pub is_turned: bool,
}

/// `N` outputs, linear in the features.
struct LinearHead<const N: usize> {
    /// Row by row, `[N, C]`.
    weight: Vec<f32>,
    bias: [f32; N],
}

impl<const N: usize> LinearHead<N> {
    fn load(
        tensors: &Tensors,
        [weight, bias]: [&str; 2],
        channels: usize,
    ) -> Result<Self, InferenceError> {
        let weight = tensors.values(weight, &[N, channels])?;
        let values = tensors.values(bias, &[N])?;
        let mut bias = [0.0; N];
        bias.copy_from_slice(&values);
        Ok(LinearHead { weight, bias })
    }

    fn rows(&self) -> [FeatureRow; N] {
        let channels = self.weight.len() / N;
        std::array::from_fn(|n| {
            let row = &self.weight[n * channels..][..channels];
            FeatureRow {
                weight: row.iter().copied().map(f64::from).collect(),
                bias: f64::from(self.bias[n]),
            }
        })
    }

    fn apply(&self, features: &[f32]) -> [f64; N] {
        std::array::from_fn(|n| {
            let row = &self.weight[n * features.len()..][..features.len()];
            f64::from(self.bias[n]) + dot(row, features.iter().copied().map(f64::from))
        })
    }
}

fn softmax(logits: [f64; 4]) -> [f64; 4] {
    let max = logits.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let exp = logits.map(|x| (x - max).exp());
    let sum: f64 = exp.iter().sum();
    exp.map(|e| e / sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::InputCheck;

    const LIMITS: InputThresholds = InputThresholds {
        caution: 0.5,
        refuse: 0.9,
    };

    fn verdict(check: impl FnOnce(&mut Reasons)) -> InputCheck {
        let mut reasons = Reasons::default();
        check(&mut reasons);
        reasons.verdict()
    }

    /// `W = np.array([[1, 2, -1], [.5, 0, 3]]); f = np.array([1, 2, .25]); W @ f + [.5, -1]`
    #[test]
    fn a_linear_head_as_numpy_has_it() {
        let head = LinearHead {
            weight: vec![1.0, 2.0, -1.0, 0.5, 0.0, 3.0],
            bias: [0.5, -1.0],
        };
        assert_eq!(head.apply(&[1.0, 2.0, 0.25]), [5.25, 0.25]);
        let [first, second] = head.rows();
        assert_eq!((first.weight, first.bias), (vec![1.0, 2.0, -1.0], 0.5));
        assert_eq!((second.weight, second.bias), (vec![0.5, 0.0, 3.0], -1.0));
    }

    #[test]
    fn severity_stays_on_its_scales_and_nan_is_an_error() {
        let heads = |bias| Heads {
            severity: Some((
                LinearHead {
                    weight: vec![0.0; 2],
                    bias,
                },
                SeverityCard {
                    geographic_extent_error: 1.1,
                    opacity_error: 0.8,
                    n: 51,
                },
            )),
            ..Heads::default()
        };
        let scores = |bias| {
            let severity = heads(bias).severity(&[1.0]).unwrap().unwrap();
            (severity.geographic_extent, severity.opacity)
        };
        assert_eq!(scores([3.0, 2.25]), (3.0, 2.25));
        assert_eq!(scores([9.0, 7.0]), (8.0, 6.0));
        assert_eq!(scores([-1.0, -0.1]), (0.0, 0.0));
        assert!(heads([f32::NAN, 1.0]).severity(&[1.0]).is_err());
        assert_eq!(Heads::default().severity(&[1.0]).unwrap(), None);
    }

    #[test]
    fn the_kind_of_image_decides_with_a_number() {
        let reasons = |scores| match verdict(|r| check_kind(scores, &LIMITS, r)) {
            InputCheck::Accepted => "accepted".to_owned(),
            InputCheck::Caution(reasons) => format!("caution: {}", reasons.join("; ")),
            InputCheck::Refused(reasons) => format!("refused: {}", reasons.join("; ")),
        };
        assert_eq!(reasons([0.8, 0.2, 0.0, 0.0]), "accepted");
        assert_eq!(
            reasons([0.03, 0.95, 0.01, 0.01]),
            "refused: not a frontal chest X-ray (score 0.95, refused from 0.90)"
        );
        assert_eq!(
            reasons([0.3, 0.6, 0.1, 0.0]),
            "caution: perhaps not a frontal chest X-ray (score 0.60, doubted from 0.50)"
        );
        assert!(reasons([0.0, 0.3, 0.7, 0.0]).contains("looks upside down (score 0.70"));
        assert!(reasons([0.0, 0.3, 0.0, 0.7]).contains("looks turned sideways (score 0.70"));
    }

    #[test]
    fn a_film_that_lies_wrong_is_turned_and_another_picture_is_not() {
        let heads = |bias| Heads {
            input: Some((
                LinearHead {
                    weight: vec![0.0; 4],
                    bias,
                },
                LIMITS,
            )),
            ..Heads::default()
        };
        let is_turned = |bias| {
            heads(bias)
                .check(&[1.0], &mut Reasons::default())
                .unwrap()
                .is_turned
        };
        assert!(is_turned([0.0, 0.0, 9.0, 0.0]) && is_turned([0.0, 0.0, 0.0, 9.0]));
        assert!(!is_turned([9.0, 0.0, 0.0, 0.0]) && !is_turned([0.0, 9.0, 0.0, 0.0]));
        let signs = Heads::default().check(&[1.0], &mut Reasons::default());
        assert!(!signs.unwrap().is_turned, "there is no such head");
    }

    #[test]
    fn the_distance_decides_with_two_numbers() {
        let limits = InputThresholds {
            caution: 2.1,
            refuse: 3.4,
        };
        let of = |d| verdict(|r| check_distance(d, &limits, false, r));
        assert_eq!(of(2.1), InputCheck::Accepted);
        let InputCheck::Caution(doubts) = of(2.5) else {
            panic!("2.5 passed")
        };
        assert!(
            doubts[0].ends_with("(d = 2.5, up to 2.1 is usual)"),
            "{doubts:?}"
        );
        assert_eq!(
            of(3.9),
            InputCheck::Refused(vec![
                "its features are far from everything seen in training (d = 3.9, 3.4 allowed)"
                    .into()
            ])
        );
        let InputCheck::Refused(reasons) = of(3.402) else {
            panic!("3.402 passed")
        };
        assert!(
            reasons[0].contains("d = 3.402, 3.400 allowed"),
            "{reasons:?}"
        );
        let turned = verdict(|r| check_distance(9.0, &limits, true, r));
        assert!(matches!(turned, InputCheck::Caution(_)), "{turned:?}");
    }

    #[test]
    fn doubtful_lungs_and_doubtful_features_are_a_refusal_unless_the_film_is_turned() {
        let verdict = |odd, is_turned| {
            let signs = FeatureSigns {
                odd,
                is_turned,
                ..FeatureSigns::default()
            };
            let mut reasons = Reasons::default();
            signs.and_doubtful_lungs(&mut reasons);
            reasons.verdict()
        };
        let both = "not a frontal chest X-ray by two signs (score 0.63, lungs of an unusual shape)";
        assert_eq!(
            verdict(Some(0.63), false),
            InputCheck::Refused(vec![both.to_owned()])
        );
        assert_eq!(verdict(Some(0.63), true), InputCheck::Accepted);
        assert_eq!(verdict(None, false), InputCheck::Accepted);
    }

    #[test]
    fn reasons_of_both_kinds_come_together() {
        let limits = InputThresholds {
            caution: 2.1,
            refuse: 3.4,
        };
        let both = verdict(|r| {
            r.doubt("small (120 × 120 pixels)".into());
            check_kind([0.0, 0.95, 0.05, 0.0], &LIMITS, r);
            check_distance(9.0, &limits, false, r);
        });
        assert!(
            matches!(&both, InputCheck::Refused(reasons) if reasons.len() == 2),
            "{both:?}"
        );
    }
    #[test]
    fn two_doubts_together_are_a_refusal_with_both_numbers() {
        let InputCheck::Refused(reasons) = verdict(|r| {
            r.doubt("perhaps not a frontal chest X-ray".into());
            refuse_for_both(0.63, "d = 2.3", r);
        }) else {
            panic!("passed")
        };
        assert_eq!(
            reasons,
            ["not a frontal chest X-ray by two signs (score 0.63, d = 2.3)"]
        );
        let refused = verdict(|r| {
            r.refuse("far".into());
            refuse_for_both(0.63, "d = 2.3", r);
        });
        assert_eq!(
            refused,
            InputCheck::Refused(vec!["far".into()]),
            "said once"
        );
    }
}
