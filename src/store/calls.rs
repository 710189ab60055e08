//! The calls of blinded reading, as they stand in the log: JSON.
//!
//! ```text
//! { asked: [label], unaided: null | { present: [label], took_ms, ratings }, aided: null | { present, took_ms, ratings },
//!   model_sha256, seed: null | "number", position, mode: "unaided" | "aided", study: "SHA-256", answer: null | "JSON" }
//! ```
//!
//! `ratings` ({ label: 0 to 100 }), `mode` and `study` are left out where there are none: a sequential reading outside of
//! a study has the text that earlier versions wrote.
//!
//! `answer` is that model's prediction for the image, as JSON of `seen`, at the card's own prevalence. It is
//! text, so that no number changes from row to row. It stands in every row that was written after the
//! prediction was known, even before the reader saw it, so that the chain covers it. Rows of older versions
//! have none.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::stored::StoredMode;
use crate::domain::{BlindedReading, Call, HIGHEST_RATING, ReadingMode};

const ANSWER: &str = "answer";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredReading {
    aided: Option<StoredCall>,
    asked: Vec<String>,
    model_sha256: String,
    position: usize,
    /// As text: some readers of JSON cannot hold 64 bits.
    seed: Option<String>,
    unaided: Option<StoredCall>,
    /// Nothing is the sequential mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<StoredMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    study: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredCall {
    present: Vec<String>,
    took_ms: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ratings: BTreeMap<String, u8>,
}

impl From<&BlindedReading> for StoredReading {
    fn from(reading: &BlindedReading) -> Self {
        StoredReading {
            asked: reading.asked.clone(),
            unaided: reading.unaided.as_ref().map(Into::into),
            aided: reading.aided.as_ref().map(Into::into),
            model_sha256: reading.model_sha256.clone(),
            seed: reading.seed.map(|seed| seed.to_string()),
            position: reading.position,
            mode: StoredMode::of(reading.mode),
            study: reading.study.clone(),
        }
    }
}

impl From<StoredReading> for BlindedReading {
    fn from(stored: StoredReading) -> Self {
        BlindedReading {
            asked: stored.asked,
            unaided: stored.unaided.map(Into::into),
            aided: stored.aided.map(Into::into),
            model_sha256: stored.model_sha256,
            seed: stored.seed.and_then(|seed| seed.parse().ok()),
            position: stored.position,
            mode: stored.mode.map_or(ReadingMode::Sequential, Into::into),
            study: stored.study,
        }
    }
}

impl From<&Call> for StoredCall {
    fn from(call: &Call) -> Self {
        StoredCall {
            present: call.present.clone(),
            took_ms: u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX),
            ratings: call.ratings.clone(),
        }
    }
}

impl From<StoredCall> for Call {
    fn from(stored: StoredCall) -> Self {
        Call {
            present: stored.present,
            took: Duration::from_millis(stored.took_ms),
            // A higher one was not written by this program.
            ratings: stored
                .ratings
                .into_iter()
                .filter(|(_, rating)| *rating <= HIGHEST_RATING)
                .collect(),
        }
    }
}

/// The text of a reading, with the model's answer if it is known.
pub fn write(reading: &BlindedReading, answer: Option<&str>) -> String {
    let mut value = json!(StoredReading::from(reading));
    value[ANSWER] = answer.into();
    value.to_string()
}

/// The model's answer in the text of a reading, if it is there.
pub fn answer(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    value[ANSWER].as_str().map(str::to_owned)
}

/// `None` for a text that [`write()`] did not make.
pub fn read(text: &str) -> Option<BlindedReading> {
    let stored: StoredReading = serde_json::from_str(text).ok()?;
    Some(stored.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_read_back_and_no_other_text_is() {
        let mut reading = BlindedReading {
            asked: vec!["Pneumonia".into(), "COVID-19".into()],
            unaided: Some(Call {
                present: vec!["Pneumonia".into()],
                took: Duration::from_millis(5_321),
                ..Call::default()
            }),
            aided: None,
            model_sha256: "ab".repeat(32),
            seed: Some(u64::MAX),
            position: 17,
            ..BlindedReading::default()
        };
        assert_eq!(read(&write(&reading, None)), Some(reading.clone()));
        reading.aided = Some(Call::default());
        reading.seed = None;
        assert_eq!(read(&write(&reading, None)), Some(reading.clone()));
        assert_eq!(answer(&write(&reading, None)), None);
        let given = r#"{"score":0.30000001192092896}"#;
        assert_eq!(
            answer(&write(&reading, Some(given))).as_deref(),
            Some(given)
        );
        let text = concat!(
            r#"{"aided":{"present":[],"took_ms":0},"answer":null,"asked":["Pneumonia","COVID-19"],"#,
            r#""model_sha256":"@","position":17,"seed":null,"#,
            r#""unaided":{"present":["Pneumonia"],"took_ms":5321}}"#,
        );
        let text = text.replace('@', &reading.model_sha256);
        assert_eq!(
            write(&reading, None),
            text,
            "the hash of a review covers it"
        );
        for text in ["", "{}", "null", r#"{"asked":[1]}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn ratings_mode_and_study_are_read_back() {
        let reading = BlindedReading {
            mode: ReadingMode::Aided,
            asked: vec!["Pneumonia".into(), "COVID-19".into()],
            aided: Some(Call {
                present: vec!["Pneumonia".into()],
                took: Duration::from_millis(5),
                ratings: BTreeMap::from([("COVID-19".into(), 0), ("Pneumonia".into(), 100)]),
            }),
            study: Some("cd".repeat(32)),
            position: 1,
            ..BlindedReading::default()
        };
        let text = write(&reading, None);
        assert_eq!(read(&text), Some(reading));
        let calls = r#"{"aided":{"present":["Pneumonia"],"ratings":{"COVID-19":0,"Pneumonia":100},"took_ms":5},"#;
        assert!(text.starts_with(calls), "{text}");
        assert!(text.contains(r#""mode":"aided""#) && text.contains(r#""unaided":null"#));
        let higher = text.replace(":100}", ":101}");
        let ratings = read(&higher).unwrap().aided.unwrap().ratings;
        assert_eq!(ratings, BTreeMap::from([("COVID-19".into(), 0)]));
    }
}
