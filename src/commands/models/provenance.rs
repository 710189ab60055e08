//! Where a fetched model is from, and what of it stands on its card.

use anyhow::Result;

use crate::domain::ModelCard;
use crate::inference::family::Published;
use crate::inference::{ModelFiles, write_card};

/// The digits of a commit that stand for the version of the weights.
const SHORT: usize = 12;

/// What is known of a model before its files are read. Nothing, if it was not fetched.
#[derive(Debug, Default)]
pub struct Provenance {
    /// The published weights that it is, because the place where these are published has it under their name.
    pub known: Option<&'static Published>,
    pub hub: Option<HubFacts>,
}

/// What the hub says of a model.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(feature = "pull"),
    allow(dead_code, reason = "without the network, nothing is fetched")
)]
pub struct HubFacts {
    /// `hf:OWNER/NAME`
    pub place: String,
    /// Its address, for people.
    pub page: String,
    /// The hash of the commit, 40 hexadecimal digits.
    pub commit: String,
    /// As its authors state it, if they do.
    pub licence: Option<String>,
    /// The data sets that its authors name.
    pub data_sets: Option<String>,
}

impl Provenance {
    /// The text of a card with what is known of the model's origin.
    ///
    /// # Errors
    /// If the card cannot be read or written.
    pub fn noted_on(&self, card: String) -> Result<String> {
        let Some(hub) = &self.hub else {
            return Ok(card);
        };
        let mut card = ModelFiles::parse_card(&card)?;
        card.pulled_from = Some(format!("{}@{}", hub.place, hub.commit));
        // cxr knows more of published weights than their page says.
        if self.known.is_none() {
            hub.describe(&mut card);
        }
        Ok(write_card(&card)?)
    }
}

impl HubFacts {
    fn describe(&self, card: &mut ModelCard) {
        card.version = self.commit.chars().take(SHORT).collect();
        card.licence = match &self.licence {
            Some(licence) => format!("{licence}, as its authors state at {}", self.page),
            None => format!("not stated at {}: ask its authors", self.page),
        };
        if let Some(data_sets) = &self.data_sets {
            card.training_data = format!("{data_sets}, as its authors state at {}", self.page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::family::PUBLISHED;

    fn facts(licence: Option<&str>, data_sets: Option<&str>) -> HubFacts {
        HubFacts {
            place: "hf:a/b".to_owned(),
            page: "https://huggingface.co/a/b".to_owned(),
            commit: "6f3c415eaa41bf7b6e53d42e41aaf1467ed87c1e".to_owned(),
            licence: licence.map(str::to_owned),
            data_sets: data_sets.map(str::to_owned),
        }
    }

    fn bundled() -> String {
        ModelFiles::bundled().card_text().to_owned()
    }

    fn noted(provenance: &Provenance) -> ModelCard {
        let text = provenance.noted_on(bundled()).unwrap();
        ModelFiles::parse_card(&text).unwrap()
    }

    #[test]
    fn a_card_names_the_commit_and_what_the_authors_state() {
        let card = noted(&Provenance {
            known: None,
            hub: Some(facts(Some("mit"), Some("nih"))),
        });
        let from = "hf:a/b@6f3c415eaa41bf7b6e53d42e41aaf1467ed87c1e";
        assert_eq!(card.pulled_from.as_deref(), Some(from));
        assert_eq!(card.version, "6f3c415eaa41");
        assert!(
            card.licence
                .starts_with("mit, as its authors state at https://")
        );
        assert!(card.training_data.starts_with("nih, as its authors"));

        let card = noted(&Provenance {
            known: None,
            hub: Some(facts(None, None)),
        });
        assert!(card.licence.starts_with("not stated at https://"));
        let before = ModelFiles::bundled().card().unwrap();
        assert_eq!(card.training_data, before.training_data);
    }

    #[test]
    fn published_weights_keep_what_cxr_knows_of_them() {
        let before = ModelFiles::bundled().card().unwrap();
        let card = noted(&Provenance {
            known: Some(&PUBLISHED[0]),
            hub: Some(facts(Some("mit"), None)),
        });
        assert_eq!(
            (&card.licence, &card.version),
            (&before.licence, &before.version)
        );
        assert!(card.pulled_from.is_some());
    }

    #[test]
    fn a_model_that_was_not_fetched_keeps_its_card() {
        let same = Provenance::default().noted_on(bundled()).unwrap();
        assert_eq!(same, bundled());
    }
}
