//! The prevalences that a reader assumes in place of the card's.

use std::fmt;

use super::finding::Question;
use super::label_name::label_named;
use super::model_card::{LabelCard, ModelCard};
use super::pathology::{COVID, PNEUMONIA};
use super::prevalence::Prevalence;

/// Why an assumption was refused.
#[derive(Debug, Clone, PartialEq)]
pub enum AssumptionError {
    /// The text is not `LABEL=SHARE`.
    Malformed,
    /// No label has that name, or several begin with it.
    UnknownLabel {
        /// The labels of the model, in the card's order.
        known: Vec<String>,
    },
    /// The share is not a number between 0 and 1, both excluded.
    NotAShare,
    /// The score is no probability, so it assumes no prevalence.
    NotCalibrated {
        /// The label as the card names it.
        label: String,
        /// Name of the model.
        model: String,
    },
    /// The label is a share of the causes given pneumonia.
    GivenPneumonia {
        /// The label as the card names it.
        label: String,
    },
    /// A product moves with its first factor.
    Product {
        /// The label as the card names it.
        label: String,
        /// Its first factor.
        presence: String,
    },
    /// COVID-19 is one kind of pneumonia, and a part is not more frequent than the whole.
    MoreCovidThanPneumonia {
        /// The share of COVID-19 that would be shown.
        covid: Prevalence,
        /// The share of pneumonia beside it.
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
            Self::Product { label, presence } => write!(
                f,
                "{label} is a share of {presence} in this model, and moves with it: assume a prevalence of {presence}"
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
    /// The prevalence that is assumed for a label; `None` where the card's own holds.
    pub fn of(&self, label: &str) -> Option<Prevalence> {
        let found = self.0.iter().find(|(name, _)| name == label);
        found.map(|(_, prevalence)| *prevalence)
    }

    /// Whether the card's own prevalence holds for every label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Assumes `LABEL=SHARE` from now on. A part of a label is enough, as [`label_named`] says.
    ///
    /// # Errors
    /// If the text cannot be read, the model has no such label, the label assumes no prevalence, or the
    /// share contradicts another one. Nothing changes then.
    pub fn assume(&mut self, card: &ModelCard, text: &str) -> Result<(), AssumptionError> {
        let mut after = self.clone();
        after.take(card, text)?;
        after.agree(card)?;
        *self = after;
        Ok(())
    }

    /// Like [`Prevalences::assume`], but without the check for a contradiction: for a list of assumptions
    /// in any order. Call [`Prevalences::agree`] after the last one.
    ///
    /// # Errors
    /// Those of [`Prevalences::assume`], except a contradiction.
    pub fn take(&mut self, card: &ModelCard, text: &str) -> Result<(), AssumptionError> {
        let (name, share) = text.rsplit_once('=').ok_or(AssumptionError::Malformed)?;
        let label = assuming(card, name.trim())?;
        let prevalence = share.parse().map_err(|()| AssumptionError::NotAShare)?;
        self.0.retain(|(other, _)| *other != label.name);
        self.0.push((label.name.clone(), prevalence));
        Ok(())
    }

    /// Checks that the assumptions fit together. An assumption that contradicts the card is allowed, and
    /// so is a card that contradicts itself: the shown probability of COVID-19 never exceeds that of
    /// pneumonia.
    ///
    /// # Errors
    /// If both COVID-19 and pneumonia are assumed, and COVID-19 would be more frequent.
    pub fn agree(&self, card: &ModelCard) -> Result<(), AssumptionError> {
        let is_assumed = |label| self.of(label).is_some();
        match self.contradiction(card) {
            Some(error) if is_assumed(COVID) && is_assumed(PNEUMONIA) => Err(error),
            _ => Ok(()),
        }
    }

    /// A share of COVID-19 above that of pneumonia, whether assumed or the card's own. `None` where there
    /// is no contradiction.
    pub fn contradiction(&self, card: &ModelCard) -> Option<AssumptionError> {
        let of = |label| self.shown(card).find(|(name, _)| *name == label);
        let ((_, covid), (_, pneumonia)) = (of(COVID)?, of(PNEUMONIA)?);
        (covid > pneumonia).then_some(AssumptionError::MoreCovidThanPneumonia { covid, pneumonia })
    }

    /// Each label that assumes a prevalence, with that prevalence, in the card's order.
    pub fn shown<'a>(
        &'a self,
        card: &'a ModelCard,
    ) -> impl Iterator<Item = (&'a str, Prevalence)> + 'a {
        card.labels.iter().filter_map(|label| {
            let own = label.probability()?.prevalence;
            Some((label.name.as_str(), self.of(&label.name).unwrap_or(own)))
        })
    }
}

/// The label that a name means. One that assumes a prevalence comes before those that assume none.
fn assuming<'a>(card: &'a ModelCard, name: &str) -> Result<&'a LabelCard, AssumptionError> {
    let lower = name.to_lowercase();
    let is_exact = |label: &&LabelCard| label.name.to_lowercase() == lower;
    let is_possible = |label: &&LabelCard| label.probability().is_some() || label.product.is_some();
    let among = |labels: Vec<&'a LabelCard>| {
        let names = labels
            .iter()
            .map(|label| (label.name.as_str(), label.question));
        let meant = label_named(name, names).ok()?;
        labels.iter().copied().find(|label| label.name == meant)
    };
    let exact = card.labels.iter().find(is_exact);
    exact
        .or_else(|| among(card.labels.iter().filter(is_possible).collect()))
        .or_else(|| among(card.labels.iter().collect()))
        .ok_or_else(|| AssumptionError::UnknownLabel {
            known: card.labels.iter().map(|l| l.name.clone()).collect(),
        })
        .and_then(|label| settable(card, label))
}

fn settable<'a>(card: &ModelCard, label: &'a LabelCard) -> Result<&'a LabelCard, AssumptionError> {
    if let Some(product) = &label.product {
        return Err(AssumptionError::Product {
            label: label.name.clone(),
            presence: product.presence.clone(),
        });
    }
    match (label.question, label.probability()) {
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
    use super::*;
    use crate::domain::model_card::{Calibration, ProductCard};

    fn card() -> ModelCard {
        let calibration = Calibration {
            slope: 1.0,
            intercept: 0.0,
            prevalence: Prevalence::new(0.5).unwrap(),
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
    fn a_refused_assumption_has_a_reason() {
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

    #[test]
    fn a_product_assumes_no_prevalence_of_its_own() {
        let mut card = card();
        card.labels[1].calibration = None;
        card.labels[1].product = Some(ProductCard {
            presence: "Pneumonia".into(),
            cause: "COVID-19 given pneumonia".into(),
        });
        let mut assumed = Prevalences::default();
        for text in ["COVID-19=5%", "cov=5%"] {
            let error = assumed.assume(&card, text).unwrap_err().to_string();
            let words = "COVID-19 is a share of Pneumonia in this model, and moves with it: assume a prevalence of \
                         Pneumonia";
            assert_eq!(error, words, "{text}");
        }
        assumed.assume(&card, "Pneumonia=1%").unwrap();
        assert_eq!(assumed.shown(&card).count(), 1);
        assert_eq!(assumed.contradiction(&card), None);
    }

    #[test]
    fn a_calibrated_score_that_is_no_probability_assumes_no_prevalence() {
        let mut card = card();
        card.labels[0].is_probability = false;
        let mut assumed = Prevalences::default();
        let error = assumed.assume(&card, "Pneumonia=5%").unwrap_err();
        assert!(matches!(error, AssumptionError::NotCalibrated { .. }));
        assert!(assumed.shown(&card).all(|(label, _)| label != "Pneumonia"));
    }

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
        // As a list, in any order.
        let mut together = Prevalences::default();
        for text in ["Pneumonia=5%", "COVID-19=1%"] {
            together.take(&card(), text).unwrap();
        }
        assert_eq!(together.agree(&card()), Ok(()));
    }

    /// Such a card comes from `cxr adapt` on 40 cases of COVID-19 and 20 healthy ones.
    #[test]
    fn a_card_that_contradicts_itself_is_accepted() {
        let mut card = card();
        card.labels[1].calibration.as_mut().unwrap().prevalence =
            Prevalence::new(2.0 / 3.0).unwrap();
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
