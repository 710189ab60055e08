//! The part of a prediction that may be shown: findings that do not contradict each other.
//!
//! Each output of a network answers its own question, and the answers may contradict each other: COVID-19
//! may lie far below its operating point and be the likeliest cause. Tables hold every number. A screen or
//! a page shows no number that another number on it denies.

use super::finding::{Finding, Question, percent};
use super::pathology::{COVID, GIVEN_PNEUMONIA, PNEUMONIA};
use super::prediction::Prediction;

/// The causes, as far as they may be shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Causes<'a> {
    /// Pneumonia was not found, or the model has no causes.
    Unasked,
    /// The outputs contradict each other.
    CantTell,
    /// The reader assumes another prevalence of pneumonia or COVID-19 than the card. The causes depend
    /// on the mix of the card's data, and no rule adapts them to another mix.
    OtherPrevalence,
    /// The causes, in the card's order.
    Told(Vec<&'a Finding>),
}

impl Finding {
    /// The name of a cause without [`GIVEN_PNEUMONIA`].
    pub fn short_name(&self) -> &str {
        let name = self.label.name();
        name.strip_suffix(GIVEN_PNEUMONIA).unwrap_or(name)
    }
}

fn is_covid(finding: &Finding) -> bool {
    finding.label.name() == COVID && finding.question == Question::Presence
}

/// `≤ 90.8 %`; `> 99.9 %` and `< 0.1 %` stay what they are.
pub fn at_most(percent: &str) -> String {
    if percent.starts_with(|c: char| c.is_ascii_digit()) {
        format!("≤ {percent}")
    } else {
        percent.to_owned()
    }
}

impl Prediction {
    /// The causes matter where pneumonia is at or above its operating point. They are told at the card's own
    /// prevalence only, and only if each cause that is also a label of its own agrees with that label: the
    /// label is found if, and only if, the cause is the likeliest one.
    pub fn causes(&self) -> Causes<'_> {
        let is_cause = |finding: &&Finding| finding.question == Question::GivenPneumonia;
        let causes: Vec<&Finding> = self.findings.iter().filter(is_cause).collect();
        let pneumonia = self.finding(PNEUMONIA).and_then(Finding::is_positive);
        if causes.is_empty() || pneumonia != Some(true) {
            return Causes::Unasked;
        }
        let mut labels = [PNEUMONIA, COVID].into_iter();
        let is_moved = |label| self.finding(label).is_some_and(Finding::is_moved);
        if labels.any(is_moved) {
            return Causes::OtherPrevalence;
        }
        let highest = causes.iter().map(|cause| cause.score.value());
        let highest = highest.fold(0.0, f32::max);
        let agrees = |cause: &&Finding| {
            let own = self.finding(cause.short_name()).filter(|own| own != cause);
            let found = own.filter(|own| own.operating_point.is_some());
            let found = found.map(|own| self.is_found(own));
            found.is_none_or(|found| found == (cause.score.value() >= highest))
        };
        if causes.iter().all(agrees) {
            Causes::Told(causes)
        } else {
            Causes::CantTell
        }
    }

    /// Whether another finding denies this one: COVID-19 is found, and pneumonia is not, or pneumonia is
    /// less probable than the operating point of COVID-19.
    pub fn is_denied(&self, finding: &Finding) -> bool {
        if !is_covid(finding) || finding.is_positive() != Some(true) {
            return false;
        }
        let pneumonia = self.finding(PNEUMONIA).and_then(Finding::is_positive);
        let point = finding.operating_point.map_or(0.0, |point| point.0);
        pneumonia == Some(false) || self.bound(finding).is_some_and(|bound| bound < point)
    }

    /// The score to show for a finding, and whether it is an upper bound: COVID-19 is never more probable
    /// than pneumonia, even if its own output is higher.
    pub fn shown_score(&self, finding: &Finding) -> (f32, bool) {
        let own = finding.score.value();
        match self.bound(finding) {
            Some(bound) if bound < own => (bound, true),
            _ => (own, false),
        }
    }

    /// [`Prediction::shown_score`] in the words of [`Score::words`]; an upper bound as `≤ 90.8 %`.
    ///
    /// [`Score::words`]: super::finding::Score::words
    pub fn shown_words(&self, finding: &Finding) -> String {
        match self.shown_score(finding) {
            (bound, true) => at_most(&percent(bound)),
            (_, false) => finding.score.words(),
        }
    }

    /// The score to show for a finding. `None` where another finding denies it, and for a cause that is not
    /// told.
    pub fn told_score(&self, finding: &Finding) -> Option<f32> {
        let is_told = match finding.question {
            Question::GivenPneumonia => matches!(self.causes(), Causes::Told(_)),
            Question::Presence => !self.is_denied(finding),
        };
        is_told.then(|| self.shown_score(finding).0)
    }

    /// The upper bound of a finding's probability: that of pneumonia for COVID-19. `None` for other
    /// findings, and unless both scores are probabilities.
    fn bound(&self, finding: &Finding) -> Option<f32> {
        let pneumonia = self.finding(PNEUMONIA).filter(|_| is_covid(finding))?;
        let are_probabilities = finding.calibrated.is_some() && pneumonia.calibrated.is_some();
        are_probabilities.then(|| pneumonia.score.value())
    }

    /// Whether a finding is at or above its operating point, and no other finding denies it.
    pub fn is_found(&self, finding: &Finding) -> bool {
        finding.is_positive() == Some(true) && !self.is_denied(finding)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::prevalence::log_odds;
    use crate::domain::{
        Calibrated, InputCheck, OperatingPoint, Pathology, Prevalence, Score, ScoreKind,
    };

    fn prediction(pneumonia: (f32, f32), covid: (f32, f32), causes: [f32; 3]) -> Prediction {
        let finding = |name: &str, question, value, point: Option<f32>| Finding {
            label: Pathology(name.into()),
            question,
            logit: 0.0,
            score: Score::new(value, ScoreKind::Calibrated).unwrap(),
            operating_point: point.map(OperatingPoint),
            sensitive_point: None,
            calibrated: (question == Question::Presence).then(|| Calibrated {
                log_odds: log_odds(value.into()),
                prevalence: Prevalence::new(0.5).unwrap(),
            }),
            conformal: None,
        };
        let alone = |name, (value, point)| finding(name, Question::Presence, value, Some(point));
        let cause = |name, value| finding(name, Question::GivenPneumonia, value, None);
        Prediction {
            content: Default::default(),
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

    /// The scores of a healthy film, and of a report whose numbers contradicted each other.
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
    fn covid_19_without_pneumonia_is_not_found() {
        let torn = prediction((0.2, 0.37), (0.9, 0.57), [0.0, 0.0, 1.0]);
        let covid = torn.finding(COVID).unwrap();
        assert!(torn.is_denied(covid) && !torn.is_found(covid));
        let ill = prediction((0.9, 0.37), (0.9, 0.57), [0.0, 0.0, 1.0]);
        assert!(ill.is_found(ill.finding(COVID).unwrap()));
        let doubtful = prediction((0.45, 0.37), (0.9, 0.57), [0.0, 0.0, 1.0]);
        assert!(doubtful.is_denied(doubtful.finding(COVID).unwrap()));
    }

    #[test]
    fn covid_19_is_at_most_as_probable_as_pneumonia() {
        let words = |pneumonia, covid| {
            let said = prediction((pneumonia, 0.37), (covid, 0.57), [0.0, 0.0, 1.0]);
            said.shown_words(said.finding(COVID).unwrap())
        };
        assert_eq!(words(0.908, 0.998), "≤ 90.8 %");
        assert_eq!(words(0.908, 0.771), "77.1 %");
        assert_eq!(words(0.9999, 1.0), "> 99.9 %");
        // A healthy film at an assumed prevalence of 99.9 %: odds of 0.018 · 999.
        let mut said = prediction((0.194, 0.37), (0.018, 0.57), [0.0, 0.0, 1.0]);
        said.findings[1] = said.findings[1].assuming(Prevalence::new(0.999).unwrap());
        assert_eq!(said.findings[1].score.words(), "94.8 %");
        assert_eq!(said.shown_words(&said.findings[1]), "≤ 19.4 %");
    }

    /// The scores of a report that showed both 3.9 % and 98.8 %.
    #[test]
    fn causes_are_told_only_at_the_prevalence_of_the_card() {
        let said = prediction((0.908, 0.37), (0.998, 0.57), [0.005, 0.007, 0.988]);
        assert!(matches!(said.causes(), Causes::Told(_)));
        for at in [0, 1] {
            let mut moved = said.clone();
            moved.findings[at] = said.findings[at].assuming(Prevalence::new(0.4).unwrap());
            assert_eq!(moved.causes(), Causes::OtherPrevalence);
            assert_eq!(moved.told_score(&moved.findings[4]), None);
            moved.findings[at] = said.findings[at].assuming(Prevalence::new(0.5).unwrap());
            assert!(matches!(moved.causes(), Causes::Told(_)));
        }
    }

    proptest! {
        #[test]
        fn shown_scores_never_contradict_each_other(
            scores in prop::array::uniform2(0.0_f32..=1.0), points in prop::array::uniform2(0.01_f32..0.99),
            parts in prop::array::uniform3(0.001_f32..1.0),
            assumed in prop::array::uniform2(prop::option::of(1e-6_f64..0.999_999)),
        ) {
            let sum: f32 = parts.iter().sum();
            let shares = parts.map(|part| part / sum);
            let mut said = prediction((scores[0], points[0]), (scores[1], points[1]), shares);
            for (finding, assumed) in said.findings.iter_mut().zip(assumed) {
                let assumed = assumed.and_then(Prevalence::new);
                *finding = assumed.map_or(finding.clone(), |assumed| finding.assuming(assumed));
            }
            let [pneumonia, covid] = [PNEUMONIA, COVID].map(|label| said.finding(label).unwrap());
            prop_assert!(!said.is_found(covid) || said.is_found(pneumonia));
            let (shown, _) = said.shown_score(covid);
            prop_assert!(shown <= said.shown_score(pneumonia).0);
            // A label that is found is not drawn below its operating point.
            let line = covid.operating_point.unwrap().0;
            prop_assert!(!said.is_found(covid) || shown >= line);
            let told = said.told_score(covid);
            prop_assert!(told.is_none_or(|told| told == shown && (told < line || said.is_found(covid))));
            prop_assert_eq!(told.is_none(), said.is_denied(covid));
            if let Causes::Told(causes) = said.causes() {
                prop_assert!(said.is_found(pneumonia));
                prop_assert_eq!(assumed, [None, None]);
                let share = causes[2].score.value();
                let is_likeliest = causes.iter().all(|cause| cause.score.value() <= share);
                prop_assert_eq!(is_likeliest, said.is_found(covid));
                prop_assert!(share < 0.5 || said.is_found(covid));
            }
        }
    }
}
