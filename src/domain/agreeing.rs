//! What of an answer may be shown to people: what agrees with itself.
//!
//! The outputs of a network answer each question by itself, and may contradict each other: COVID-19 far
//! below its operating point, and the likeliest cause all the same. Tables keep every number; a screen
//! or a page shows no number that another one on it denies.

use super::activation::{HeatMap, HeatMapChoice};
use super::finding::{Finding, Question};
use super::prediction::Prediction;

/// The label that the causes are asked about.
pub const PNEUMONIA: &str = "Pneumonia";
/// A pneumonia by its cause: where there is none, there is no such pneumonia either.
pub const COVID: &str = "COVID-19";
/// What labels of the causes end in, where another label has the same name.
pub const GIVEN_PNEUMONIA: &str = " given pneumonia";

/// What may be said of the causes.
#[derive(Debug, Clone, PartialEq)]
pub enum Causes<'a> {
    /// Nothing: no pneumonia was found, or the model knows no causes.
    Unasked,
    /// The outputs contradict each other.
    CantTell,
    /// In the card's order.
    Told(Vec<&'a Finding>),
}

impl Finding {
    /// The name of a cause without the words that say that it is one.
    pub fn short_name(&self) -> &str {
        let name = self.label.name();
        name.strip_suffix(GIVEN_PNEUMONIA).unwrap_or(name)
    }
}

impl Prediction {
    /// Causes are asked about where pneumonia is at or above its operating point. They are told where
    /// every label that is both a cause and a finding of its own is found just when it is the likeliest
    /// cause. Neither moves with an assumed prevalence.
    pub fn causes(&self) -> Causes<'_> {
        let is_cause = |finding: &&Finding| finding.question == Question::GivenPneumonia;
        let causes: Vec<&Finding> = self.findings.iter().filter(is_cause).collect();
        let pneumonia = self.finding(PNEUMONIA).and_then(Finding::is_positive);
        if causes.is_empty() || pneumonia != Some(true) {
            return Causes::Unasked;
        }
        let highest = causes.iter().map(|cause| cause.score.value());
        let highest = highest.fold(0.0, f32::max);
        let agrees = |cause: &&Finding| {
            let own = self.finding(cause.short_name()).filter(|own| own != cause);
            let found = own.and_then(Finding::is_positive);
            found.is_none_or(|found| found == (cause.score.value() >= highest))
        };
        match causes.iter().all(agrees) {
            true => Causes::Told(causes),
            false => Causes::CantTell,
        }
    }

    /// Whether a finding denies another one: COVID-19 found where no pneumonia is.
    pub fn is_denied(&self, finding: &Finding) -> bool {
        let pneumonia = self.finding(PNEUMONIA).and_then(Finding::is_positive);
        finding.label.name() == COVID
            && finding.question == Question::Presence
            && finding.is_positive() == Some(true)
            && pneumonia == Some(false)
    }

    /// Whether a finding is at or above its operating point, and no other denies it.
    pub fn is_found(&self, finding: &Finding) -> bool {
        finding.is_positive() == Some(true) && !self.is_denied(finding)
    }

    /// Whether a heat map would be of a cause that may not be told.
    pub fn hides_heat_map(&self, choice: &HeatMapChoice) -> bool {
        let is_cause = match choice {
            HeatMapChoice::Label(label) => self
                .finding(label.name())
                .is_some_and(|finding| finding.question == Question::GivenPneumonia),
            HeatMapChoice::Foremost | HeatMapChoice::Difference => false,
        };
        is_cause && !matches!(self.causes(), Causes::Told(_))
    }

    /// The heat map to show, if there is one.
    pub fn shown_heat_map(&self, choice: &HeatMapChoice) -> Option<HeatMap> {
        (!self.hides_heat_map(choice)).then(|| self.heat_map(choice))?
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{InputCheck, OperatingPoint, Pathology, Score, ScoreKind};

    fn prediction(pneumonia: (f32, f32), covid: (f32, f32), causes: [f32; 3]) -> Prediction {
        let finding = |name: &str, question, value, point: Option<f32>| Finding {
            label: Pathology(name.into()),
            question,
            logit: 0.0,
            score: Score::new(value, ScoreKind::Calibrated).unwrap(),
            operating_point: point.map(OperatingPoint),
            sensitive_point: None,
            calibrated: None,
            conformal: None,
        };
        let alone = |name, (value, point)| finding(name, Question::Presence, value, Some(point));
        let cause = |name, value| finding(name, Question::GivenPneumonia, value, None);
        Prediction {
            findings: vec![
                alone(PNEUMONIA, pneumonia),
                alone(COVID, covid),
                cause("Bacterial", causes[0]),
                cause("Viral", causes[1]),
                cause("COVID-19 given pneumonia", causes[2]),
            ],
            severity: None,
            input: InputCheck::Accepted,
            model_sha256: String::new(),
            preprocess: String::new(),
            elapsed_ms: 0.0,
            activation: None,
        }
    }

    /// The figures of the issue: a healthy film, and a report that said two things at once.
    #[test]
    fn a_cause_is_told_only_where_the_other_outputs_agree() {
        let causes = [0.02, 0.021, 0.959];
        let healthy = prediction((0.194, 0.37), (0.02, 0.57), causes);
        assert_eq!(healthy.causes(), Causes::Unasked);
        let torn = prediction((0.9, 0.37), (0.02, 0.57), [0.01, 0.007, 0.983]);
        assert_eq!(torn.causes(), Causes::CantTell);
        let other_way = prediction((0.9, 0.37), (0.9, 0.57), [0.9, 0.05, 0.05]);
        assert_eq!(other_way.causes(), Causes::CantTell);
        let ill = prediction((0.9, 0.37), (0.9, 0.57), causes);
        assert!(matches!(ill.causes(), Causes::Told(causes) if causes.len() == 3));
        let bacterial = prediction((0.9, 0.37), (0.02, 0.57), [0.9, 0.05, 0.05]);
        assert!(matches!(bacterial.causes(), Causes::Told(_)));
    }

    #[test]
    fn a_covid_19_without_a_pneumonia_is_not_found() {
        let torn = prediction((0.2, 0.37), (0.9, 0.57), [0.0, 0.0, 1.0]);
        let covid = torn.finding(COVID).unwrap();
        assert!(torn.is_denied(covid) && !torn.is_found(covid));
        let ill = prediction((0.9, 0.37), (0.9, 0.57), [0.0, 0.0, 1.0]);
        assert!(ill.is_found(ill.finding(COVID).unwrap()));
    }

    proptest! {
        #[test]
        fn what_is_told_never_contradicts_itself(
            scores in prop::array::uniform2(0.0_f32..=1.0), points in prop::array::uniform2(0.01_f32..0.99),
            parts in prop::array::uniform3(0.001_f32..1.0),
        ) {
            let sum: f32 = parts.iter().sum();
            let shares = parts.map(|part| part / sum);
            let said = prediction((scores[0], points[0]), (scores[1], points[1]), shares);
            let [pneumonia, covid] = [PNEUMONIA, COVID].map(|label| said.finding(label).unwrap());
            prop_assert!(!said.is_found(covid) || said.is_found(pneumonia));
            if let Causes::Told(causes) = said.causes() {
                prop_assert!(said.is_found(pneumonia));
                let share = causes[2].score.value();
                let is_likeliest = causes.iter().all(|cause| cause.score.value() <= share);
                prop_assert_eq!(is_likeliest, said.is_found(covid));
                prop_assert!(share < 0.5 || said.is_found(covid));
            }
        }
    }
}
