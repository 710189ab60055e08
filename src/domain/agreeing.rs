//! What of an answer may be shown to people: what agrees with itself.
//!
//! The outputs of a network answer each question by itself, and may contradict each other: COVID-19 far
//! below its operating point, and the likeliest cause all the same. Tables keep every number; a screen
//! or a page shows no number that another one on it denies.

use super::activation::{HeatMap, HeatMapChoice};
use super::finding::{Finding, Question, percent};
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
    /// Another prevalence of pneumonia or COVID-19 is assumed than the card's: the causes rest on its
    /// mix, and no rule moves them along.
    OtherPrevalence,
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

fn is_covid(finding: &Finding) -> bool {
    finding.label.name() == COVID && finding.question == Question::Presence
}

/// `≤ 90.8 %`; `> 99.9 %` and `< 0.1 %` stay what they are.
pub fn at_most(percent: &str) -> String {
    match percent.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("≤ {percent}"),
        false => percent.to_owned(),
    }
}

impl Prediction {
    /// Causes are asked about where pneumonia is at or above its operating point. They are told where
    /// every label that is both a cause and a finding of its own is found just when it is the likeliest
    /// cause, and at the card's own prevalence.
    pub fn causes(&self) -> Causes<'_> {
        let is_cause = |finding: &&Finding| finding.question == Question::GivenPneumonia;
        let causes: Vec<&Finding> = self.findings.iter().filter(is_cause).collect();
        let pneumonia = self.finding(PNEUMONIA).and_then(Finding::is_positive);
        if causes.is_empty() || pneumonia != Some(true) {
            return Causes::Unasked;
        }
        let labels = [PNEUMONIA, COVID].into_iter();
        if labels
            .filter_map(|l| self.finding(l))
            .any(Finding::is_moved)
        {
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
        match causes.iter().all(agrees) {
            true => Causes::Told(causes),
            false => Causes::CantTell,
        }
    }

    /// Whether another finding denies this one: COVID-19 found where no pneumonia is, or where
    /// pneumonia is less probable than COVID-19 would have to be to count as found.
    pub fn is_denied(&self, finding: &Finding) -> bool {
        if !is_covid(finding) || finding.is_positive() != Some(true) {
            return false;
        }
        let pneumonia = self.finding(PNEUMONIA).and_then(Finding::is_positive);
        let point = finding.operating_point.map_or(0.0, |point| point.0);
        pneumonia == Some(false) || self.bound(finding).is_some_and(|bound| bound < point)
    }

    /// The probability of a finding for people, and whether it is only known to be no more than that:
    /// COVID-19 is never more probable than pneumonia, whatever its own output says.
    pub fn shown_score(&self, finding: &Finding) -> (f32, bool) {
        let own = finding.score.value();
        match self.bound(finding) {
            Some(bound) if bound < own => (bound, true),
            _ => (own, false),
        }
    }

    /// [`Score::words`] of that, as `≤ 90.8 %` where it is a bound.
    ///
    /// [`Score::words`]: super::finding::Score::words
    pub fn shown_words(&self, finding: &Finding) -> String {
        match self.shown_score(finding) {
            (bound, true) => at_most(&percent(bound)),
            (_, false) => finding.score.words(),
        }
    }

    /// The number of a finding for people; `None` where it has none: where another denies it, or it is
    /// one of the causes and these are not told.
    pub fn told_score(&self, finding: &Finding) -> Option<f32> {
        let is_told = match finding.question {
            Question::GivenPneumonia => matches!(self.causes(), Causes::Told(_)),
            Question::Presence => !self.is_denied(finding),
        };
        is_told.then(|| self.shown_score(finding).0)
    }

    /// The probability of pneumonia, where that of a finding cannot be more. Only of two probabilities
    /// can this be said, whichever prevalences they assume.
    fn bound(&self, finding: &Finding) -> Option<f32> {
        let pneumonia = self.finding(PNEUMONIA).filter(|_| is_covid(finding))?;
        let are_probabilities = finding.calibrated.is_some() && pneumonia.calibrated.is_some();
        are_probabilities.then(|| pneumonia.score.value())
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
        // A healthy film where 99.9 % are assumed to have COVID-19: odds of 0.018 · 999.
        let mut said = prediction((0.194, 0.37), (0.018, 0.57), [0.0, 0.0, 1.0]);
        said.findings[1] = said.findings[1].assuming(Prevalence::new(0.999).unwrap());
        assert_eq!(said.findings[1].score.words(), "94.8 %");
        assert_eq!(said.shown_words(&said.findings[1]), "≤ 19.4 %");
    }

    /// The figures of a report that said 3.9 % and 98.8 % at once.
    #[test]
    fn causes_are_told_only_at_the_prevalence_that_they_rest_on() {
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
        fn what_is_told_never_contradicts_itself(
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
            // What is found is not drawn below its mark.
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
