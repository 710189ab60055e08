//! The calls of blinded reading, as they are kept in the log: JSON.
//!
//! ```text
//! { asked: [label], unaided: { present: [label], took_ms }, aided: null | { present, took_ms },
//!   model_sha256, seed: null | "number", position }
//! ```

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{BlindedReading, Call};

pub fn write(reading: &BlindedReading) -> String {
    let call = |call: &Call| json!({ "present": call.present, "took_ms": milliseconds(call.took) });
    json!({
        "asked": reading.asked,
        "unaided": call(&reading.unaided),
        "aided": reading.aided.as_ref().map(call),
        "model_sha256": reading.model_sha256,
        // As text: not every reader of JSON takes 64 bits.
        "seed": reading.seed.map(|seed| seed.to_string()),
        "position": reading.position,
    })
    .to_string()
}

/// `None` for what was not written by [`write`].
pub fn read(text: &str) -> Option<BlindedReading> {
    let value: Value = serde_json::from_str(text).ok()?;
    Some(BlindedReading {
        asked: labels(&value["asked"])?,
        unaided: call(&value["unaided"])?,
        aided: match &value["aided"] {
            Value::Null => None,
            found => Some(call(found)?),
        },
        model_sha256: value["model_sha256"].as_str()?.to_owned(),
        seed: value["seed"].as_str().and_then(|seed| seed.parse().ok()),
        position: usize::try_from(value["position"].as_u64()?).ok()?,
    })
}

fn call(value: &Value) -> Option<Call> {
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
        assert_eq!(read(&write(&reading)), Some(reading.clone()));
        reading.aided = Some(Call::default());
        reading.seed = None;
        assert_eq!(read(&write(&reading)), Some(reading));
        for text in ["", "{}", "null", r#"{"asked":[1]}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
