//! How a row of a table was made: the model, the preprocessing, the card and the assumed prevalences.

use std::fmt;

use super::Record;
use crate::domain::columns::{CARD, PREVALENCE, PSEUDONYM_KEY};

/// How a row was made. All rows of one table share this. `None` means unknown, as in a row of an earlier
/// version of cxr.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowOrigin {
    /// SHA-256 of the model's weights, in hexadecimal digits.
    pub model_sha256: String,
    /// Version of the preprocessing, with the precision if it is not f32.
    pub preprocess: String,
    /// Digest of what the card adds to the weights.
    pub card_digest: Option<String>,
    /// The assumed prevalences as the row writes them; empty if none are assumed.
    pub prevalence: Option<String>,
    /// The name of the key of the row's pseudonyms; `None` if it has none.
    pub pseudonym_key: Option<String>,
}

impl RowOrigin {
    /// Reads the origin from a row; `None` if no model made the row, because the file could not be read.
    pub fn of(row: &Record) -> Option<Self> {
        let optional = |column| row.value(column).map(str::to_owned);
        let card_digest = optional(CARD);
        // An empty cell means that no prevalence is assumed. Rows of earlier versions have no such
        // cell and no digest of the card either: their prevalences are unknown.
        let prevalence =
            optional(PREVALENCE).or_else(|| card_digest.as_ref().map(|_| String::new()));
        Some(RowOrigin {
            model_sha256: optional("model_sha256")?,
            preprocess: optional("preprocess")?,
            card_digest,
            prevalence,
            pseudonym_key: optional(PSEUDONYM_KEY),
        })
    }

    /// Whether rows of both origins may share a table: all parts that are known of both are equal.
    pub fn agrees_with(&self, other: &RowOrigin) -> bool {
        let agree = |one: &Option<String>, other: &Option<String>| {
            one.is_none() || other.is_none() || one == other
        };
        self.model_sha256 == other.model_sha256
            && self.preprocess == other.preprocess
            && agree(&self.card_digest, &other.card_digest)
            && agree(&self.prevalence, &other.prevalence)
            && agree(&self.pseudonym_key, &other.pseudonym_key)
    }
}

/// Leading digits of a model's digest that messages show.
const SHORT_DIGEST: usize = 12;

impl fmt::Display for RowOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model: String = self.model_sha256.chars().take(SHORT_DIGEST).collect();
        write!(f, "model {model} {}", self.preprocess)?;
        if let Some(card) = &self.card_digest {
            write!(f, " card {card}")?;
        }
        if let Some(key) = &self.pseudonym_key {
            write!(f, " pseudonyms by key {key}")?;
        }
        match self.prevalence.as_deref() {
            None => write!(f, " prevalence not stated"),
            Some("" | "{}") => Ok(()),
            Some(prevalence) => {
                // JSON rows write an object; CSV rows write `LABEL=SHARE; …`. Both are shown as the
                // latter.
                let plain = prevalence.replace(['{', '}', '"'], "");
                write!(
                    f,
                    " prevalence {}",
                    plain.replace(':', "=").replace(',', "; ")
                )
            }
        }
    }
}
