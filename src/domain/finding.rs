//! What a classifier says of a radiograph, one label at a time.

/// What a label is about. torchxrayvision's spellings where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pathology(pub String);

impl Pathology {
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Which question a label answers. Scores of one [`Question::GivenPneumonia`] group sum to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Present or absent, on its own.
    Presence,
    /// Which cause, given that there is a pneumonia.
    GivenPneumonia,
}

/// What kind of number a score is. Only `Calibrated` may be called a probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreKind {
    /// A raw sigmoid or softmax output.
    Sigmoid,
    /// torchxrayvision's `op_threshs` normalisation: 0.5 is the operating point.
    OperatingPointNormalised,
    /// Calibrated on held-out patients, as the card says.
    Calibrated,
}

impl ScoreKind {
    /// The word that a screen or a table may use for it.
    pub fn word(self) -> &'static str {
        match self {
            ScoreKind::Sigmoid => "score",
            ScoreKind::OperatingPointNormalised => "op-normalised score",
            ScoreKind::Calibrated => "probability",
        }
    }
}

/// A number from 0 to 1, and what kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    value: f32,
    pub kind: ScoreKind,
}

impl Score {
    /// `None` unless the value is finite and within [0, 1]: a screen must never have to ask.
    pub fn new(value: f32, kind: ScoreKind) -> Option<Self> {
        (0.0..=1.0)
            .contains(&value)
            .then_some(Score { value, kind })
    }

    /// From 0 to 1, finite.
    pub fn value(self) -> f32 {
        self.value
    }
}

/// Score at or above which a label counts as found, fixed on validation data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint(pub f32);

/// One label, its score, and where the line is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub label: Pathology,
    pub question: Question,
    /// The network's raw output, before sigmoid or softmax.
    pub logit: f32,
    pub score: Score,
    pub operating_point: Option<OperatingPoint>,
}

impl Finding {
    /// Whether the score is at or above the operating point; `None` where there is none.
    pub fn is_positive(&self) -> Option<bool> {
        self.operating_point.map(|p| self.score.value() >= p.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_finite_and_within_the_unit_interval_or_is_not() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.001, 1.001] {
            assert!(Score::new(bad, ScoreKind::Sigmoid).is_none(), "{bad}");
        }
        for good in [0.0, 0.5, 1.0] {
            assert_eq!(Score::new(good, ScoreKind::Sigmoid).unwrap().value(), good);
        }
    }

    #[test]
    fn only_a_calibrated_score_is_called_a_probability() {
        assert_eq!(ScoreKind::Calibrated.word(), "probability");
        assert_ne!(ScoreKind::Sigmoid.word(), "probability");
        assert_ne!(ScoreKind::OperatingPointNormalised.word(), "probability");
    }
}
