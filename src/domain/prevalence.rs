//! What share of the images is assumed to show a disease, and what a calibrated probability becomes
//! under another share.
//!
//! A probability is calibrated for the share of positives that it was fitted on. Where that share
//! alone differs, the odds change by one factor (Saerens, Latinne & Decaestecker 2002, *Neural
//! Computation* 14:21, eq. 2.4 for two classes):
//!
//! ```text
//! odds' = odds · (π' / (1 − π')) / (π / (1 − π))
//! ```

use std::fmt;
use std::str::FromStr;

use super::agreeing::{COVID, PNEUMONIA};
use super::finding::Question;
use super::model_card::{LabelCard, ModelCard};

/// A share of positives, strictly between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Prevalence(f64);

impl Prevalence {
    /// `None` unless it is strictly between 0 and 1: at the ends there is nothing to ask.
    pub fn new(share: f64) -> Option<Self> {
        (share > 0.0 && share < 1.0).then_some(Prevalence(share))
    }

    /// Strictly between 0 and 1.
    pub fn share(self) -> f64 {
        self.0
    }

    /// What is added to log-odds that assume `self` so that they assume `other`.
    pub fn log_odds_to(self, other: Prevalence) -> f64 {
        log_odds(other.0) - log_odds(self.0)
    }
}

/// ln(p / (1 − p)); infinite at 0 and 1.
pub fn log_odds(p: f64) -> f64 {
    p.ln() - (-p).ln_1p()
}

/// The probability of these log-odds: the logistic sigmoid.
pub fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// `5 %`, `0.05 %`, `99.99 %`: as many decimals as three digits away from the nearer end need.
impl fmt::Display for Prevalence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let magnitude = percent.min(100.0 - percent).log10().floor();
        let decimals = (2.0 - magnitude).clamp(1.0, 12.0) as usize;
        let digits = format!("{percent:.decimals$}");
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{digits} %")
    }
}

/// From `0.05`, `5%` or `5 %`.
impl FromStr for Prevalence {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let (number, unit) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), 100.0),
            None => (text, 1.0),
        };
        let value: f64 = number.parse().map_err(drop)?;
        Prevalence::new(value / unit).ok_or(())
    }
}

/// Why an assumption could not be taken.
#[derive(Debug, Clone, PartialEq)]
pub enum AssumptionError {
    Malformed,
    UnknownLabel {
        known: Vec<String>,
    },
    NotAShare,
    NotCalibrated {
        label: String,
        model: String,
    },
    GivenPneumonia {
        label: String,
    },
    /// More of a part than of the whole.
    MoreCovidThanPneumonia {
        covid: Prevalence,
        pneumonia: Prevalence,
    },
}

impl fmt::Display for AssumptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("write LABEL=SHARE, as in COVID-19=0.05 or COVID-19=5%"),
            Self::UnknownLabel { known } => {
                write!(f, "no such label; the model has {}", known.join(", "))
            }
            Self::NotAShare => f.write_str(
                "the share is a number between 0 and 1 (0.05) or a percentage (5%), neither end included",
            ),
            Self::NotCalibrated { label, model } => write!(
                f,
                "{label} is not calibrated in {model}: its score is no probability and assumes no prevalence"
            ),
            Self::GivenPneumonia { label } => write!(
                f,
                "{label} is one of the causes given a pneumonia, and they assume no prevalence that can be set"
            ),
            Self::MoreCovidThanPneumonia { covid, pneumonia } => write!(
                f,
                "{COVID} is a pneumonia here: its share ({covid}) cannot be above that of {PNEUMONIA} ({pneumonia})"
            ),
        }
    }
}

impl std::error::Error for AssumptionError {}

/// The prevalences that a reader assumes instead of the card's, by label.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prevalences(Vec<(String, Prevalence)>);

impl Prevalences {
    /// The one that is assumed for a label; `None` leaves the card's own.
    pub fn of(&self, label: &str) -> Option<Prevalence> {
        let found = self.0.iter().find(|(name, _)| name == label);
        found.map(|(_, prevalence)| *prevalence)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Assumes `LABEL=SHARE` from now on. Upper and lower case are one, and the beginning of a
    /// label is enough where only one calibrated label begins so.
    ///
    /// # Errors
    /// If that cannot be read, or the model has no such label, or none that assumes a prevalence, or it
    /// would contradict another; nothing changes then.
    pub fn assume(&mut self, card: &ModelCard, text: &str) -> Result<(), AssumptionError> {
        let mut after = self.clone();
        after.take(card, text)?;
        after.agree(card)?;
        *self = after;
        Ok(())
    }

    /// The same where more are to come, in any order: [`Prevalences::agree`] is to be asked after the
    /// last.
    ///
    /// # Errors
    /// As [`Prevalences::assume`], but for a contradiction.
    pub fn take(&mut self, card: &ModelCard, text: &str) -> Result<(), AssumptionError> {
        let (name, share) = text.rsplit_once('=').ok_or(AssumptionError::Malformed)?;
        let label = label_named(card, name.trim())?;
        let prevalence = share.parse().map_err(|()| AssumptionError::NotAShare)?;
        self.0.retain(|(other, _)| *other != label.name);
        self.0.push((label.name.clone(), prevalence));
        Ok(())
    }

    /// Whether what is assumed here can be. One share beside the card's other one is left to be, as is a
    /// card that contradicts itself: what is shown of COVID-19 is bounded by pneumonia.
    ///
    /// # Errors
    /// If COVID-19 and pneumonia are both among them, and COVID-19 would be more frequent.
    pub fn agree(&self, card: &ModelCard) -> Result<(), AssumptionError> {
        let is_assumed = |label| self.of(label).is_some();
        match self.contradiction(card) {
            Some(error) if is_assumed(COVID) && is_assumed(PNEUMONIA) => Err(error),
            _ => Ok(()),
        }
    }

    /// A share of COVID-19 above that of pneumonia, of which it is one, whoever assumes them.
    pub fn contradiction(&self, card: &ModelCard) -> Option<AssumptionError> {
        let of = |label| self.shown(card).find(|(name, _)| *name == label);
        let ((_, covid), (_, pneumonia)) = (of(COVID)?, of(PNEUMONIA)?);
        (covid > pneumonia).then_some(AssumptionError::MoreCovidThanPneumonia { covid, pneumonia })
    }

    /// Each label that assumes a prevalence, in the card's order, and which.
    pub fn shown<'a>(
        &'a self,
        card: &'a ModelCard,
    ) -> impl Iterator<Item = (&'a str, Prevalence)> + 'a {
        card.labels.iter().filter_map(|label| {
            let own = label.calibration?.prevalence;
            Some((label.name.as_str(), self.of(&label.name).unwrap_or(own)))
        })
    }
}

fn label_named<'a>(card: &'a ModelCard, name: &str) -> Result<&'a LabelCard, AssumptionError> {
    let lower = name.to_lowercase();
    let exact = card.labels.iter().find(|l| l.name.to_lowercase() == lower);
    if let Some(label) = exact {
        return settable(card, label);
    }
    let mut begin_so = card.labels.iter().filter(|label| {
        label.calibration.is_some() && label.name.to_lowercase().starts_with(&lower)
    });
    match (begin_so.next(), begin_so.next()) {
        (Some(label), None) if !name.is_empty() => Ok(label),
        _ => Err(AssumptionError::UnknownLabel {
            known: card.labels.iter().map(|l| l.name.clone()).collect(),
        }),
    }
}

fn settable<'a>(card: &ModelCard, label: &'a LabelCard) -> Result<&'a LabelCard, AssumptionError> {
    match (label.question, label.calibration) {
        (Question::GivenPneumonia, _) => Err(AssumptionError::GivenPneumonia {
            label: label.name.clone(),
        }),
        (Question::Presence, None) => Err(AssumptionError::NotCalibrated {
            label: label.name.clone(),
            model: format!("{} {}", card.name, card.version),
        }),
        (Question::Presence, Some(_)) => Ok(label),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::model_card::Calibration;

    fn shifted(p: f64, from: f64, to: f64) -> f64 {
        let delta = Prevalence(from).log_odds_to(Prevalence(to));
        probability(log_odds(p) + delta)
    }

    /// Bayes by counting: of 10,000 images at π = 0.5, p = 0.9 stands for a likelihood ratio of 9.
    /// At π = 0.05 there are 500 ill and 9,500 well: 9 · 500 / (9 · 500 + 9,500) = 4,500 / 14,000.
    #[test]
    fn the_shift_is_bayes_rule() {
        assert!((shifted(0.9, 0.5, 0.05) - 4_500.0 / 14_000.0).abs() < 1e-12);
        // odds 1/4 at π = 1/5 say nothing: at any other π the probability is that π.
        assert!((shifted(0.2, 0.2, 0.7) - 0.7).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_identity(
            p in 1e-6_f64..0.999_999, a in 1e-6_f64..0.999_999, b in 1e-6_f64..0.999_999,
        ) {
            let back = shifted(shifted(p, a, b), b, a);
            // What is left of 1 − p in double precision bounds what can come back.
            prop_assert!((back - p).abs() < 1e-6, "{back} {p}");
        }

        #[test]
        fn more_prevalence_or_more_probability_is_more(
            p in 0.01_f64..0.98, a in 0.01_f64..0.98, more in 1e-4_f64..0.01,
        ) {
            prop_assert!(shifted(p + more, 0.5, a) > shifted(p, 0.5, a));
            prop_assert!(shifted(p, 0.5, a + more) > shifted(p, 0.5, a));
        }
    }

    #[test]
    fn shares_are_read_and_written_as_people_do() {
        for (text, share, shown) in [
            ("0.05", 0.05, "5 %"),
            ("5%", 0.05, "5 %"),
            (" 12.5 % ", 0.125, "12.5 %"),
            ("0.0005", 0.0005, "0.05 %"),
            ("99.99%", 0.9999, "99.99 %"),
            ("1e-3", 0.001, "0.1 %"),
        ] {
            let prevalence: Prevalence = text.parse().unwrap();
            assert!((prevalence.share() - share).abs() < 1e-12, "{text}");
            assert_eq!(prevalence.to_string(), shown, "{text}");
        }
        for bad in [
            "0", "1", "0%", "100%", "5", "-0.1", "NaN", "inf", "", "%", "a",
        ] {
            assert!(bad.parse::<Prevalence>().is_err(), "{bad}");
        }
    }

    fn card() -> ModelCard {
        let calibration = Calibration {
            slope: 1.0,
            intercept: 0.0,
            prevalence: Prevalence(0.5),
        };
        let calibrated = |name: &str| LabelCard {
            calibration: Some(calibration),
            ..LabelCard::new(name, Question::Presence, None)
        };
        ModelCard {
            name: "double".into(),
            version: "1".into(),
            labels: vec![
                calibrated("Pneumonia"),
                calibrated("COVID-19"),
                LabelCard::new("Edema", Question::Presence, None),
                LabelCard::new("COVID-19 given pneumonia", Question::GivenPneumonia, None),
            ],
            ..ModelCard::default()
        }
    }

    #[test]
    fn an_assumption_names_a_label_or_its_beginning_and_the_last_one_counts() {
        let mut assumed = Prevalences::default();
        for text in ["COVID-19=0.2", "cov=5%"] {
            assumed.assume(&card(), text).unwrap();
        }
        let card = card();
        let shown: Vec<_> = assumed
            .shown(&card)
            .map(|(label, p)| format!("{label} {p}"))
            .collect();
        assert_eq!(shown, ["Pneumonia 50 %", "COVID-19 5 %"]);
    }

    #[test]
    fn what_cannot_be_assumed_says_why() {
        for (text, words) in [
            ("COVID-19", "LABEL=SHARE"),
            ("Flu=0.1", "the model has Pneumonia, COVID-19, Edema"),
            ("=0.1", "no such label"),
            ("COVID-19=1", "neither end included"),
            ("COVID-19=NaN", "neither end included"),
            ("Edema=0.1", "Edema is not calibrated in double 1"),
            ("COVID-19 given pneumonia=0.1", "given a pneumonia"),
        ] {
            let mut assumed = Prevalences::default();
            let error = assumed.assume(&card(), text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(assumed.is_empty());
        }
    }

    /// Each step must be possible, and so must every pair that is.
    #[test]
    fn covid_19_is_never_more_frequent_than_pneumonia() {
        let mut assumed = Prevalences::default();
        for text in ["Pneumonia=5%", "COVID-19=1%", "COVID-19=5%"] {
            assumed.assume(&card(), text).unwrap();
        }
        let error = assumed.assume(&card(), "COVID-19=6%").unwrap_err();
        let words = "its share (6 %) cannot be above that of Pneumonia (5 %)";
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(assumed.of("COVID-19"), Prevalence::new(0.05));
        // Together, in any order.
        let mut together = Prevalences::default();
        for text in ["Pneumonia=5%", "COVID-19=1%"] {
            together.take(&card(), text).unwrap();
        }
        assert_eq!(together.agree(&card()), Ok(()));
    }

    /// `cxr adapt` on 40 cases of COVID-19 and 20 healthy ones.
    #[test]
    fn a_card_that_contradicts_itself_is_left_to_be() {
        let mut card = card();
        card.labels[1].calibration.as_mut().unwrap().prevalence = Prevalence(2.0 / 3.0);
        card.labels[2].calibration = card.labels[0].calibration;
        let mut assumed = Prevalences::default();
        let said = assumed.contradiction(&card).unwrap().to_string();
        assert!(said.contains("(66.7 %)"), "{said}");
        assumed.assume(&card, "Edema=10%").unwrap();
        assumed.assume(&card, "Pneumonia=60%").unwrap();
        assert!(assumed.assume(&card, "COVID-19=65%").is_err());
        assumed.assume(&card, "Pneumonia=70%").unwrap();
        assert_eq!(assumed.contradiction(&card), None);
    }
}
