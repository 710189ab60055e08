//! The calls of blinded reading, as they are kept in the log: JSON.
//!
//! ```text
//! { asked: [label], unaided: { present: [label], took_ms }, aided: null | { present, took_ms },
//!   model_sha256, seed: null | "number", position, answer: null | "JSON" }
//! ```
//!
//! `answer` is what that model said of the image, as `seen` has a prediction, at the card's own
//! prevalence, and text, so that no number changes from row to row. It is there from the first row on that was made when it was known, though the reader had
//! not seen it yet, so that the chain holds it. Rows of older versions have none.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{BlindedReading, Call};

const ANSWER: &str = "answer";

/// A reading, and what the model said of the image, if that is known.
pub fn write(reading: &BlindedReading, answer: Option<&str>) -> String {
    let mut value = value(reading);
    value[ANSWER] = answer.into();
    value.to_string()
}

/// What the model said, if the log knows.
pub fn answer(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    value[ANSWER].as_str().map(str::to_owned)
}

pub fn value(reading: &BlindedReading) -> Value {
    json!({
        "asked": reading.asked,
        "unaided": call_value(&reading.unaided),
        "aided": reading.aided.as_ref().map(call_value),
        "model_sha256": reading.model_sha256,
        // As text: not every reader of JSON takes 64 bits.
        "seed": reading.seed.map(|seed| seed.to_string()),
        "position": reading.position,
    })
}

pub fn call_value(call: &Call) -> Value {
    json!({ "present": call.present, "took_ms": milliseconds(call.took) })
}

/// `None` for what was not written by [`write`].
pub fn read(text: &str) -> Option<BlindedReading> {
    from_value(&serde_json::from_str(text).ok()?)
}

pub fn from_value(value: &Value) -> Option<BlindedReading> {
    Some(BlindedReading {
        asked: labels(&value["asked"])?,
        unaided: call_of(&value["unaided"])?,
        aided: match &value["aided"] {
            Value::Null => None,
            found => Some(call_of(found)?),
        },
        model_sha256: value["model_sha256"].as_str()?.to_owned(),
        seed: value["seed"].as_str().and_then(|seed| seed.parse().ok()),
        position: usize::try_from(value["position"].as_u64()?).ok()?,
    })
}

pub fn call_of(value: &Value) -> Option<Call> {
    Some(Call {
        present: labels(&value["present"])?,
        took: Duration::from_millis(value["took_ms"].as_u64()?),
    })
}

fn labels(value: &Value) -> Option<Vec<String>> {
    let all = value.as_array()?.iter();
    all.map(|label| label.as_str().map(str::to_owned)).collect()
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is() {
        let mut reading = BlindedReading {
            asked: vec!["Pneumonia".into(), "COVID-19".into()],
            unaided: Call {
                present: vec!["Pneumonia".into()],
                took: Duration::from_millis(5_321),
            },
            aided: None,
            model_sha256: "ab".repeat(32),
            seed: Some(u64::MAX),
            position: 17,
        };
        assert_eq!(read(&write(&reading, None)), Some(reading.clone()));
        reading.aided = Some(Call::default());
        reading.seed = None;
        assert_eq!(read(&write(&reading, None)), Some(reading.clone()));
        assert_eq!(answer(&write(&reading, None)), None);
        let said = r#"{"score":0.30000001192092896}"#;
        assert_eq!(answer(&write(&reading, Some(said))).as_deref(), Some(said));
        for text in ["", "{}", "null", r#"{"asked":[1]}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
