//! A classifier's answer for one label of a radiograph.

use super::pathology::Pathology;
use super::prevalence::{Prevalence, log_odds, probability};

/// The question that a label answers. The scores of all [`Question::GivenPneumonia`] labels sum to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Present or absent, independently of the other labels.
    Presence,
    /// Which cause, given pneumonia.
    GivenPneumonia,
}

/// The kind of number that a score is. Only `Calibrated` may be called a probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreKind {
    /// A raw sigmoid or softmax output.
    Sigmoid,
    /// torchxrayvision's `op_threshs` normalisation: 0.5 is the operating point.
    OperatingPointNormalised,
    /// Calibrated on held-out patients, according to the card.
    Calibrated,
}

impl ScoreKind {
    /// The word for it on the screen and in tables. The store has words of its own.
    pub fn word(self) -> &'static str {
        match self {
            ScoreKind::Sigmoid => "score",
            ScoreKind::OperatingPointNormalised => "operating-point-normalised score",
            ScoreKind::Calibrated => "probability",
        }
    }

    /// A shorter word, for narrow screens.
    pub fn short_word(self) -> &'static str {
        match self {
            ScoreKind::OperatingPointNormalised => "op-normalised score",
            other => other.word(),
        }
    }
}

/// A number from 0 to 1, and what kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    value: f32,
    /// What the value may be called.
    pub kind: ScoreKind,
    /// Whether it assumes another prevalence than the classifier's own.
    is_moved: bool,
}

impl Score {
    /// `None` unless the value is finite and within [0, 1], so that no screen has to check it.
    pub fn new(value: f32, kind: ScoreKind) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Score {
            value,
            kind,
            is_moved: false,
        })
    }

    /// From 0 to 1, finite.
    pub fn value(self) -> f32 {
        self.value
    }
}

/// A share from 0 to 1 as per cent with one decimal, for display. Nothing is certain, so a value that
/// would be rounded to 0 or 100 is shown as `< 0.1 %` or `> 99.9 %`.
pub fn percent(share: f32) -> String {
    format!("{} %", within(f64::from(share) * 100.0, 1))
}

/// `value` with `decimals`; at the ends of the scale, the bound that it lies below or above.
fn within(value: f64, decimals: usize) -> String {
    let (least, most, end) = if decimals == 1 {
        ("< 0.1", "> 99.9", 100.0)
    } else {
        ("< 0.001", "> 0.999", 1.0)
    };
    let words = format!("{value:.decimals$}");
    if words == format!("{:.decimals$}", 0.0) {
        least.to_owned()
    } else if words == format!("{end:.decimals$}") {
        most.to_owned()
    } else {
        words
    }
}

impl Score {
    /// For pages that show both kinds: a probability in per cent, any other score as a bare number, so that
    /// it is not taken for a probability.
    pub fn words(self) -> String {
        match self.kind {
            ScoreKind::Calibrated => percent(self.value),
            ScoreKind::Sigmoid | ScoreKind::OperatingPointNormalised => {
                within(self.value.into(), 3)
            }
        }
    }
}

/// The score from which a label counts as found, fixed on validation data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint(pub f32);

/// The calibrated probability before rounding, and its assumption.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrated {
    /// ln(p / (1 − p)) of the calibrated probability: more precise than `p` near 0 and 1.
    pub log_odds: f64,
    /// The assumed share of positives.
    pub prevalence: Prevalence,
}

/// The answers in a class-conditional split-conformal set (Vovk 2012, arXiv:1209.2673). For data like
/// the calibration data, the set holds the right answer in 90 % of the cases of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceSet {
    /// The set holds "present" only.
    Present,
    /// The set holds "absent" only.
    Absent,
    /// The set holds both answers.
    Either,
    /// Unlike either class of the calibration data.
    Neither,
}

impl PresenceSet {
    /// The set by the answers that it holds.
    pub fn new(holds_present: bool, holds_absent: bool) -> Self {
        match (holds_present, holds_absent) {
            (true, true) => PresenceSet::Either,
            (true, false) => PresenceSet::Present,
            (false, true) => PresenceSet::Absent,
            (false, false) => PresenceSet::Neither,
        }
    }
}

/// The conformal prediction for one label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conformal {
    /// Of a label that is present or absent.
    Presence(PresenceSet),
    /// Whether this cause is in the set of causes.
    Cause(bool),
}

/// The two findings whose probabilities a product multiplies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors {
    /// Present or absent.
    pub presence: Pathology,
    /// One of the causes, given that the first is present.
    pub cause: Pathology,
}

/// One label, its score and its operating points.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The label as the card names it.
    pub label: Pathology,
    /// Whether the score is against the label's absence or against the other causes.
    pub question: Question,
    /// The network's raw output, before sigmoid or softmax. For a product, which has no output of its own, the log-odds
    /// of its score.
    pub logit: f32,
    /// From 0 to 1, at the prevalence in `calibrated`.
    pub score: Score,
    /// The balanced point (Youden), on the scale of `score`.
    pub operating_point: Option<OperatingPoint>,
    /// The point with 90 % sensitivity, on the scale of `score`.
    pub sensitive_point: Option<OperatingPoint>,
    /// `None` where `score` is not a calibrated probability, is a share of the causes, or is a product.
    pub calibrated: Option<Calibrated>,
    /// At the card's own prevalence, even where `score` assumes another one; `None` where the card has
    /// no thresholds.
    pub conformal: Option<Conformal>,
    /// What the score is the product of; `None` for a label with an output of its own.
    pub factors: Option<Box<Factors>>,
}

impl Finding {
    /// Whether the score is at or above the operating point; `None` where there is none.
    pub fn is_positive(&self) -> Option<bool> {
        self.operating_point.map(|p| self.score.value() >= p.0)
    }

    /// Whether it assumes another prevalence than the classifier's own.
    pub fn is_moved(&self) -> bool {
        self.score.is_moved
    }

    /// The same finding at another prevalence. Probability and operating points move by the same odds
    /// ratio, so the probability stays on its side of both points. Without calibration nothing changes.
    ///
    /// Apply it to the classifier's own finding, not to a result of this function: points are rounded.
    pub fn assuming(&self, prevalence: Prevalence) -> Self {
        let Some(calibrated) = self.calibrated else {
            return self.clone();
        };
        let shift = calibrated.prevalence.log_odds_to(prevalence);
        let is_moved = self.score.is_moved || calibrated.prevalence != prevalence;
        let move_point = |point: OperatingPoint| {
            OperatingPoint(probability(log_odds(point.0.into()) + shift) as f32)
        };
        let calibrated = Calibrated {
            log_odds: calibrated.log_odds + shift,
            prevalence,
        };
        let mut value = probability(calibrated.log_odds) as f32;
        // Rounding to single precision may move it across a point.
        for point in [self.sensitive_point, self.operating_point]
            .into_iter()
            .flatten()
        {
            let line = move_point(point).0;
            value = if self.score.value() >= point.0 {
                value.max(line)
            } else {
                value.min(line.next_down()).max(0.0)
            };
        }
        Finding {
            score: Score {
                value,
                is_moved,
                ..self.score
            },
            operating_point: self.operating_point.map(move_point),
            sensitive_point: self.sensitive_point.map(move_point),
            calibrated: Some(calibrated),
            ..self.clone()
        }
    }
}

/// Products.
impl Finding {
    /// P(presence) · P(cause | presence), and ln(p / (1 − p)) of it, which is finite. The first is never above the
    /// score of `presence`.
    pub fn product(presence: &Finding, cause: &Finding) -> (f32, f32) {
        let whole = match presence.calibrated {
            // More precise than the score where that is nearly 0 or 1.
            Some(calibrated) => probability(calibrated.log_odds),
            None => presence.score.value().into(),
        };
        let p = whole * f64::from(cause.score.value());
        let value = (p as f32).min(presence.score.value());
        let within = p.clamp(f32::MIN_POSITIVE.into(), 1.0 - f64::EPSILON);
        (value.min(1.0_f32.next_down()), log_odds(within) as f32)
    }

    /// This product where `presence`, its first factor, assumes another prevalence. How the causes share a case is
    /// taken to stay, so that only the first factor moves. The points move so that the product stays on its side of
    /// each: such a point stands where the product would be if its first factor stood where it puts the product on the
    /// point today.
    ///
    /// Apply it to the classifier's own findings, like [`Finding::assuming`].
    pub fn moved_with(&self, presence: &Finding, cause: &Finding, prevalence: Prevalence) -> Self {
        let Some(calibrated) = presence.calibrated else {
            return self.clone();
        };
        let shift = calibrated.prevalence.log_odds_to(prevalence);
        let (value, logit) = Finding::product(&presence.assuming(prevalence), cause);
        let share = f64::from(cause.score.value());
        let move_point = |point: OperatingPoint| {
            let own = f64::from(point.0);
            let line = if own < share {
                share * probability(log_odds(own / share) + shift)
            } else {
                // No first factor takes the product as far as its second one.
                own
            };
            // Rounding to single precision may move it across the product.
            OperatingPoint(if self.score.value() >= point.0 {
                (line as f32).min(value)
            } else {
                (line as f32).max(value.next_up())
            })
        };
        let is_moved = self.score.is_moved || calibrated.prevalence != prevalence;
        Finding {
            logit,
            score: Score {
                value,
                is_moved,
                ..self.score
            },
            operating_point: self.operating_point.map(move_point),
            sensitive_point: self.sensitive_point.map(move_point),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finding(log_odds: f64, balanced: f32, sensitive: f32) -> Finding {
        let value = probability(log_odds) as f32;
        Finding {
            label: Pathology("COVID-19".into()),
            question: Question::Presence,
            logit: 0.0,
            score: Score::new(value, ScoreKind::Calibrated).unwrap(),
            operating_point: Some(OperatingPoint(balanced)),
            sensitive_point: Some(OperatingPoint(sensitive)),
            calibrated: Some(Calibrated {
                log_odds,
                prevalence: Prevalence::new(0.5).unwrap(),
            }),
            conformal: Some(Conformal::Presence(PresenceSet::Either)),
            factors: None,
        }
    }

    /// A cause with this share.
    fn cause(share: f32) -> Finding {
        Finding {
            label: Pathology("COVID-19 given pneumonia".into()),
            question: Question::GivenPneumonia,
            score: Score::new(share, ScoreKind::Calibrated).unwrap(),
            calibrated: None,
            operating_point: None,
            sensitive_point: None,
            ..finding(0.0, 0.5, 0.2)
        }
    }

    /// The product of both, with these points.
    fn product(presence: &Finding, cause: &Finding, balanced: f32, sensitive: f32) -> Finding {
        let (value, logit) = Finding::product(presence, cause);
        Finding {
            logit,
            score: Score::new(value, ScoreKind::Calibrated).unwrap(),
            operating_point: Some(OperatingPoint(balanced)),
            sensitive_point: Some(OperatingPoint(sensitive)),
            calibrated: None,
            factors: Some(Box::new(Factors {
                presence: presence.label.clone(),
                cause: cause.label.clone(),
            })),
            ..presence.clone()
        }
    }

    /// 0.9 · 0.25 = 0.225. At 5 % the odds of 9 are 9/19, and 9/28 · 0.25 = 0.080357. A point at 0.125, where
    /// P(pneumonia) is a half, moves to 0.25/20; one at 0.3 is above what this film can reach, and stays.
    #[test]
    fn a_product_moves_with_its_first_factor() {
        let presence = finding(9_f64.ln(), 0.5, 0.25);
        let share = cause(0.25);
        let before = product(&presence, &share, 0.3, 0.125);
        assert!((before.score.value() - 0.225).abs() < 1e-6);
        assert!((before.logit - (0.225_f32 / 0.775).ln()).abs() < 1e-5);
        let after = before.moved_with(&presence, &share, Prevalence::new(0.05).unwrap());
        assert!((after.score.value() - 0.080_357).abs() < 1e-6);
        assert!((after.sensitive_point.unwrap().0 - 0.0125).abs() < 1e-6);
        assert_eq!(after.operating_point, Some(OperatingPoint(0.3)));
        assert!(after.is_moved() && !before.is_moved());
        let raw = Finding {
            calibrated: None,
            ..presence
        };
        let unmoved = before.moved_with(&raw, &share, Prevalence::new(0.05).unwrap());
        assert_eq!(unmoved, before, "its first factor is no probability");
    }

    proptest! {
        #[test]
        fn a_product_never_exceeds_its_first_factor_and_never_changes_sides(
            log_odds in -60.0_f64..60.0, share in 0.0_f32..=1.0, assumed in 1e-9_f64..0.999_999_999,
            balanced in 0.0_f32..=1.0, part in 0.0_f32..=1.0, on_the_line in any::<bool>(),
        ) {
            let (presence, cause) = (finding(log_odds, 0.5, 0.2), cause(share));
            let own = Finding::product(&presence, &cause).0;
            let balanced = if on_the_line { own } else { balanced };
            let before = product(&presence, &cause, balanced, balanced * part);
            let prevalence = Prevalence::new(assumed).unwrap();
            let after = before.moved_with(&presence, &cause, prevalence);
            let whole = presence.assuming(prevalence);
            prop_assert!(before.score.value() <= presence.score.value());
            prop_assert!(after.score.value() <= whole.score.value());
            prop_assert!(before.logit.is_finite() && after.logit.is_finite());
            prop_assert_eq!(before.is_positive(), after.is_positive());
            let sensitive = |f: &Finding| f.score.value() >= f.sensitive_point.unwrap().0;
            prop_assert_eq!(sensitive(&before), sensitive(&after));
            for point in [after.operating_point, after.sensitive_point] {
                prop_assert!((0.0..=1.0).contains(&point.unwrap().0));
            }
        }
    }

    proptest! {
        #[test]
        fn a_finding_never_changes_sides_and_comes_back(
            log_odds in -40.0_f64..40.0, balanced in 0.01_f32..0.99, share in 1e-9_f64..0.999_999_999,
            on_the_line in any::<bool>(), on_the_other in any::<bool>(),
        ) {
            let sensitive = balanced / 3.0;
            let log_odds = match (on_the_line, on_the_other) {
                (true, false) => super::log_odds(balanced.into()),
                (true, true) => super::log_odds(sensitive.next_down().into()),
                _ => log_odds,
            };
            let before = finding(log_odds, balanced, sensitive);
            let after = before.assuming(Prevalence::new(share).unwrap());
            prop_assert_eq!(before.is_positive(), after.is_positive());
            let sensitive = |f: &Finding| f.score.value() >= f.sensitive_point.unwrap().0;
            prop_assert_eq!(sensitive(&before), sensitive(&after));
            prop_assert_eq!(before.conformal, after.conformal);
            prop_assert!((0.0..=1.0).contains(&after.score.value()));

            let back = after.assuming(Prevalence::new(0.5).unwrap());
            // The scores may differ: the points that bound them were rounded twice.
            let log_odds = |f: &Finding| f.calibrated.unwrap().log_odds;
            prop_assert!((log_odds(&back) - log_odds(&before)).abs() < 1e-9);
        }
    }

    /// Odds of 9 at 50 % are odds of 9/19 at 5 %, and an operating point with odds of 1 moves to 1/20.
    #[test]
    fn probability_and_operating_points_move_by_the_same_odds() {
        let moved = finding(9_f64.ln(), 0.5, 0.25).assuming(Prevalence::new(0.05).unwrap());
        assert!((moved.score.value() - 9.0 / 28.0).abs() < 1e-6);
        assert!((moved.operating_point.unwrap().0 - 0.05).abs() < 1e-6);
        // Odds of 1/3 become 1/57.
        assert!((moved.sensitive_point.unwrap().0 - 1.0 / 58.0).abs() < 1e-6);
    }

    /// In single precision σ(25) is 1, and an odds ratio could not move it.
    #[test]
    fn a_probability_that_rounds_to_one_moves_too() {
        let moved = finding(25.0, 0.5, 0.2).assuming(Prevalence::new(1e-9).unwrap());
        // 1 / (1 + e^-25 · 1e9)
        assert!(
            (moved.score.value() - 0.986_302).abs() < 1e-5,
            "{:?}",
            moved.score
        );
    }

    #[test]
    fn an_uncalibrated_score_does_not_move() {
        let raw = Finding {
            calibrated: None,
            ..finding(1.0, 0.5, 0.2)
        };
        assert_eq!(raw.assuming(Prevalence::new(0.01).unwrap()), raw);
    }

    #[test]
    fn a_score_is_finite_and_within_the_unit_interval() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.001, 1.001] {
            assert!(Score::new(bad, ScoreKind::Sigmoid).is_none(), "{bad}");
        }
        for good in [0.0, 0.5, 1.0] {
            assert_eq!(Score::new(good, ScoreKind::Sigmoid).unwrap().value(), good);
        }
    }

    #[test]
    fn no_shown_number_is_certain() {
        for (share, words) in [
            (0.0, "< 0.1 %"),
            (4e-4, "< 0.1 %"),
            (6e-4, "0.1 %"),
            (0.771_3, "77.1 %"),
            (0.999_4, "99.9 %"),
            (0.999_6, "> 99.9 %"),
            (1.0, "> 99.9 %"),
        ] {
            assert_eq!(percent(share), words, "{share}");
        }
        let words = |value, kind| Score::new(value, kind).unwrap().words();
        assert_eq!(words(1.0, ScoreKind::Sigmoid), "> 0.999");
        assert_eq!(words(0.0, ScoreKind::OperatingPointNormalised), "< 0.001");
        assert_eq!(words(0.7, ScoreKind::Sigmoid), "0.700");
        assert_eq!(words(1.0, ScoreKind::Calibrated), "> 99.9 %");
    }

    proptest! {
        #[test]
        fn no_share_is_shown_as_none_or_all(share in 0.0_f32..=1.0) {
            let words = percent(share);
            prop_assert!(words != "0.0 %" && words != "100.0 %", "{}", words);
        }
    }

    #[test]
    fn only_a_calibrated_score_is_called_a_probability() {
        assert_eq!(ScoreKind::Calibrated.word(), "probability");
        assert_ne!(ScoreKind::Sigmoid.word(), "probability");
        assert_ne!(ScoreKind::OperatingPointNormalised.word(), "probability");
        assert_ne!(
            ScoreKind::OperatingPointNormalised.short_word(),
            "probability"
        );
    }
}
