//! The part of a prediction that may be shown: findings that do not contradict each other.
//!
//! Each output of a network answers its own question, and the answers may contradict each other: COVID-19
//! may lie far below its operating point and be the likeliest cause. Tables hold every number. A screen or
//! a page shows no number that another number on it denies.

use super::finding::{Finding, Question, percent};
use super::model_card::{LabelCard, ModelCard};
use super::pathology::{COVID, GIVEN_PNEUMONIA, PNEUMONIA, Pathology};
use super::prediction::Prediction;

/// The causes, as far as they may be shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Causes<'a> {
    /// Pneumonia was not found, or the model has no causes.
    Unasked,
    /// The outputs contradict each other.
    CantTell,
    /// The image is unlike those that the causes were learned from, so that they get no numbers.
    Unlike,
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
    ///
    /// A label that is the product of pneumonia and its cause cannot contradict the cause. Where COVID-19 is such a
    /// product, the causes are told at other prevalences of pneumonia too: how they share a pneumonia does not depend
    /// on how frequent it is, and the product rests on just that.
    pub fn causes(&self) -> Causes<'_> {
        let is_cause = |finding: &&Finding| finding.question == Question::GivenPneumonia;
        let causes: Vec<&Finding> = self.findings.iter().filter(is_cause).collect();
        let pneumonia = self.finding(PNEUMONIA).and_then(Finding::is_positive);
        if pneumonia != Some(true) {
            return Causes::Unasked;
        }
        if !self.withheld.is_empty() {
            return Causes::Unlike;
        }
        if causes.is_empty() {
            return Causes::Unasked;
        }
        let is_product = |finding: &Finding| finding.factors.is_some();
        let mut labels = [PNEUMONIA, COVID].into_iter();
        let is_moved = |label| self.finding(label).is_some_and(Finding::is_moved);
        if labels.any(is_moved) && !self.finding(COVID).is_some_and(is_product) {
            return Causes::OtherPrevalence;
        }
        let highest = causes.iter().map(|cause| cause.score.value());
        let highest = highest.fold(0.0, f32::max);
        let agrees = |cause: &&Finding| {
            let own = self.finding(cause.short_name()).filter(|own| own != cause);
            let own = own.filter(|own| !is_product(own));
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

    /// The labels of the card that stand on their own, in its order, each with its finding; without one where it gets no
    /// number.
    pub fn alone<'a>(&'a self, card: Option<&ModelCard>) -> Vec<(&'a str, Option<&'a Finding>)> {
        let is_alone = |finding: &&Finding| finding.question == Question::Presence;
        let found = self.findings.iter().filter(is_alone);
        let mut rows: Vec<_> = found.map(|f| (f.label.name(), Some(f))).collect();
        let labels = card.map_or(&[][..], |card| &card.labels);
        let is_withheld = |label: &&LabelCard| {
            label.question == Question::Presence && self.is_withheld(&label.name)
        };
        if labels.iter().any(|label| is_withheld(&label)) {
            let place = |name: &str| labels.iter().position(|label| label.name == name);
            let on_card = |name: &str| labels.iter().filter(is_withheld).any(|l| l.name == name);
            let withheld = self.withheld.iter().map(Pathology::name);
            rows.extend(
                withheld
                    .filter(|name| on_card(name))
                    .map(|name| (name, None)),
            );
            rows.sort_by_key(|(name, _)| place(name));
        }
        rows
    }

    /// Whether another finding denies this one: COVID-19 is found, and pneumonia is not, or pneumonia is
    /// less probable than the operating point of COVID-19. So is a product that is found without its first factor.
    pub fn is_denied(&self, finding: &Finding) -> bool {
        let Some(whole) = self.whole(finding) else {
            return false;
        };
        if finding.is_positive() != Some(true) {
            return false;
        }
        let point = finding.operating_point.map_or(0.0, |point| point.0);
        let is_below = |bound| bound < point;
        whole.is_positive() == Some(false) || self.bound(finding).is_some_and(is_below)
    }

    /// The finding that this one is a part of: the first factor of a product, and pneumonia for COVID-19.
    fn whole(&self, finding: &Finding) -> Option<&Finding> {
        match &finding.factors {
            Some(factors) => self.finding(factors.presence.name()),
            None if is_covid(finding) => self.finding(PNEUMONIA),
            None => None,
        }
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
        Calibrated, Calibration, Factors, InputCheck, OperatingPoint, Prevalence, Prevalences,
        Score, ScoreKind,
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
            factors: None,
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
            withheld: Vec::new(),
            lung_fields: None,
            lungs: None,
            prognoses: Vec::new(),
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

    /// The same, with COVID-19 as the product of pneumonia and its cause, found from `point` on.
    fn with_product(pneumonia: (f32, f32), point: f32, causes: [f32; 3]) -> Prediction {
        let mut said = prediction(pneumonia, (0.0, point), causes);
        let (value, logit) = Finding::product(&said.findings[0], &said.findings[4]);
        let covid = &mut said.findings[1];
        covid.score = Score::new(value, ScoreKind::Calibrated).unwrap();
        covid.logit = logit;
        covid.calibrated = None;
        covid.factors = Some(Box::new(Factors {
            presence: Pathology(PNEUMONIA.into()),
            cause: Pathology("COVID-19 given pneumonia".into()),
        }));
        said
    }

    /// The film of the report whose answers contradicted each other: pneumonia 95.1 %, COVID-19 given pneumonia
    /// 98.3 %, and COVID-19 2.0 %.
    #[test]
    fn a_product_cannot_contradict_its_cause() {
        let torn = prediction((0.951, 0.37), (0.02, 0.57), [0.01, 0.007, 0.983]);
        assert_eq!(torn.causes(), Causes::CantTell);
        let said = with_product((0.951, 0.37), 0.57, [0.01, 0.007, 0.983]);
        assert!(matches!(said.causes(), Causes::Told(causes) if causes.len() == 3));
        let covid = said.finding(COVID).unwrap();
        assert_eq!(
            (said.shown_words(covid).as_str(), said.is_found(covid)),
            ("93.5 %", true)
        );
        // Not found, and yet the likeliest cause: no number denies another.
        let doubtful = with_product((0.4, 0.37), 0.57, [0.3, 0.1, 0.6]);
        assert!(matches!(doubtful.causes(), Causes::Told(_)));
        assert!(!doubtful.is_found(doubtful.finding(COVID).unwrap()));
    }

    #[test]
    fn a_product_is_not_found_without_its_first_factor() {
        let said = with_product((0.35, 0.37), 0.3, [0.01, 0.01, 0.98]);
        let covid = said.finding(COVID).unwrap();
        assert_eq!(covid.is_positive(), Some(true));
        assert!(said.is_denied(covid) && !said.is_found(covid));
        let mut other = said.clone();
        other.findings[1].label = Pathology("Another part".into());
        assert!(other.is_denied(&other.findings[1]), "under any name");
    }

    /// Odds of 0.951 / 0.049 divided by 19: 1.021482 / 2.021482 = 0.505314, times 0.983.
    #[test]
    fn another_prevalence_of_pneumonia_moves_the_product_and_no_cause() {
        let said = with_product((0.951, 0.37), 0.57, [0.01, 0.007, 0.983]);
        let card = ModelCard {
            labels: vec![LabelCard {
                calibration: Some(Calibration {
                    slope: 1.0,
                    intercept: 0.0,
                    prevalence: Prevalence::new(0.5).unwrap(),
                }),
                ..LabelCard::new(PNEUMONIA, Question::Presence, None)
            }],
            ..ModelCard::default()
        };
        let mut assumed = Prevalences::default();
        assumed.assume(&card, "Pneumonia=5%").unwrap();
        let moved = said.under(&assumed);
        let covid = moved.finding(COVID).unwrap();
        assert!((covid.score.value() - 0.505_314 * 0.983).abs() < 1e-5);
        assert!(moved.is_found(covid) && moved.finding(PNEUMONIA).unwrap().is_moved());
        assert!(matches!(moved.causes(), Causes::Told(_)));
        assert_eq!(moved.findings[2..], said.findings[2..]);
        assert_eq!(*said.under(&Prevalences::default()), said);
    }

    #[test]
    fn causes_that_get_no_number_are_said_only_where_there_is_a_pneumonia() {
        let withheld = |pneumonia| {
            let mut said = with_product((pneumonia, 0.37), 0.57, [0.01, 0.007, 0.983]);
            said.findings.truncate(1);
            let names = [COVID, "Bacterial", "Viral", "COVID-19 given pneumonia"];
            said.withheld = names.map(|name| Pathology(name.into())).into();
            said
        };
        assert_eq!(withheld(0.951).causes(), Causes::Unlike);
        assert_eq!(withheld(0.2).causes(), Causes::Unasked);
        assert!(withheld(0.2).is_withheld(COVID) && !withheld(0.2).is_withheld(PNEUMONIA));
        // The cards of other models have other orders, and this one no causes among the labels on their own.
        let label = |name| LabelCard::new(name, Question::Presence, None);
        let cause = LabelCard::new("Viral", Question::GivenPneumonia, None);
        let card = ModelCard {
            labels: vec![label(COVID), label(PNEUMONIA), cause],
            ..ModelCard::default()
        };
        let said = withheld(0.951);
        let rows = said.alone(Some(&card));
        assert_eq!(rows, [(COVID, None), (PNEUMONIA, said.finding(PNEUMONIA))]);
        assert_eq!(said.alone(None).len(), 1);
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
