//! A clinical outcome that a model was fitted to foretell, beside the evidence that it can.

use super::finding::Score;

/// One outcome for one radiograph.
#[derive(Debug, Clone, PartialEq)]
pub struct Prognosis {
    /// `admission to intensive care`
    pub outcome: String,
    /// `None` if the evidence does not bear a number.
    pub score: Option<Score>,
    /// From the card.
    pub evidence: PrognosisEvidence,
}

/// An outcome on the card of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct PrognosisCard {
    /// `admission to intensive care`
    pub outcome: String,
    /// Decides whether a number is shown at all.
    pub evidence: PrognosisEvidence,
}

impl PrognosisCard {
    /// The prognosis of one radiograph with this score. Where the evidence does not bear a number, it has none.
    pub fn with(&self, score: Score) -> Prognosis {
        Prognosis {
            outcome: self.outcome.clone(),
            score: Some(score).filter(|_| self.evidence.bears_a_number()),
            evidence: self.evidence.clone(),
        }
    }
}

/// How well an outcome was foretold on data that the fit did not see.
#[derive(Debug, Clone, PartialEq)]
pub struct PrognosisEvidence {
    /// The data: `hannover, within AP`.
    pub on: String,
    /// Area under the ROC curve.
    pub auc: f64,
    /// 95 % interval of the area.
    pub interval: (f64, f64),
    /// The area of a control that knows only the view and the severity.
    pub control_auc: f64,
    /// Number of images.
    pub n: usize,
    /// Number of patients.
    pub patients: usize,
}

impl PrognosisEvidence {
    /// Whether the lower bound is above chance and above the control.
    pub fn bears_a_number(&self) -> bool {
        self.interval.0 > 0.5 && self.interval.0 > self.control_auc
    }

    /// `AUC 0.71, 0.60–0.80, n 72`
    pub fn words(&self) -> String {
        let (low, high) = self.interval;
        format!(
            "AUC {}, {}–{}, n {}",
            area(self.auc),
            area(low),
            area(high),
            self.n
        )
    }

    /// `no evidence (AUC 0.58, 0.44–0.71, n 32)`: stands in place of a score.
    pub fn absence_words(&self) -> String {
        format!("no evidence ({})", self.words())
    }
}

/// An area from 0 to 1 with two decimals. One that would be rounded to 0 or 1 and is neither is shown as the bound that
/// it lies below or above.
pub fn area(value: f64) -> String {
    match format!("{value:.2}").as_str() {
        "1.00" if value < 1.0 => ">0.99".to_owned(),
        "0.00" if value > 0.0 => "<0.01".to_owned(),
        words => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ScoreKind;

    fn evidence(low: f64, control_auc: f64) -> PrognosisEvidence {
        PrognosisEvidence {
            on: "hannover, within AP".to_owned(),
            auc: 0.714,
            interval: (low, 0.803),
            control_auc,
            n: 72,
            patients: 40,
        }
    }

    #[test]
    fn a_number_needs_a_lower_bound_above_chance_and_above_the_control() {
        for (low, control, bears) in [
            (0.6, 0.55, true),
            (0.51, 0.4, true),
            (0.5, 0.4, false),
            (0.49, 0.3, false),
            (0.6, 0.6, false),
            (0.6, 0.65, false),
        ] {
            let card = PrognosisCard {
                outcome: "intubation".to_owned(),
                evidence: evidence(low, control),
            };
            assert_eq!(card.evidence.bears_a_number(), bears, "{low} {control}");
            let prognosis = card.with(Score::new(0.4, ScoreKind::Sigmoid).unwrap());
            assert_eq!(prognosis.score.is_some(), bears);
            assert_eq!(prognosis.evidence, card.evidence);
        }
    }

    #[test]
    fn the_evidence_is_said_in_few_words() {
        let words = evidence(0.6, 0.55).words();
        assert_eq!(words, "AUC 0.71, 0.60–0.80, n 72");
        let none = PrognosisEvidence {
            auc: 0.58,
            interval: (0.44, 0.997),
            n: 32,
            ..evidence(0.44, 0.5)
        };
        assert_eq!(
            none.absence_words(),
            "no evidence (AUC 0.58, 0.44–>0.99, n 32)"
        );
        assert_eq!(area(1.0), "1.00");
        assert_eq!(
            (area(0.0), area(0.002)),
            ("0.00".to_owned(), "<0.01".to_owned())
        );
    }
}
