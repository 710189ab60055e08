//! A JSON file of a folder, with errors that name it.

use serde_json::{Map, Value};

use crate::domain::SettingValue;
use crate::domain::text::clean;

/// Why a folder is not imported, in one line: the file, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct FolderError {
    file: &'static str,
    reason: String,
    is_mendable: bool,
}

impl FolderError {
    /// The reason is cleaned, and a long one cut: it may quote the file.
    pub fn new(file: &'static str, reason: &str) -> Self {
        let whole = clean(reason);
        let mut reason: String = whole.chars().take(LONGEST).collect();
        if reason.len() < whole.len() {
            reason.push('…');
        }
        FolderError {
            file,
            reason,
            is_mendable: false,
        }
    }

    /// The same, where an option that the reason names would help.
    #[must_use]
    pub fn mendable(self) -> Self {
        FolderError {
            is_mendable: true,
            ..self
        }
    }

    /// Whether an option would help.
    pub fn is_mendable(&self) -> bool {
        self.is_mendable
    }
}

/// The most characters of a reason.
const LONGEST: usize = 400;
/// The most characters of a value that a message quotes.
const QUOTED: usize = 60;

/// A value from a file, no longer than a part of a line.
pub fn quoted(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    if text.chars().count() <= QUOTED {
        return clean(&text);
    }
    let start: String = text.chars().take(QUOTED).collect();
    format!("{}…", clean(&start))
}

/// The members of a JSON object. `null` counts as absent, as in transformers.
#[derive(Debug, Clone, Copy)]
pub struct JsonMembers<'a> {
    file: &'static str,
    members: &'a Map<String, Value>,
}

/// The object that a file holds.
///
/// # Errors
/// If it is no JSON, or no object.
pub fn object(file: &'static str, text: &str) -> Result<Map<String, Value>, FolderError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(FolderError::new(file, "it holds no object")),
        Err(error) => Err(FolderError::new(file, &format!("it is no JSON: {error}"))),
    }
}

impl<'a> JsonMembers<'a> {
    pub fn new(file: &'static str, members: &'a Map<String, Value>) -> Self {
        JsonMembers { file, members }
    }

    /// An error of this file.
    pub fn fault(&self, reason: &str) -> FolderError {
        FolderError::new(self.file, reason)
    }

    /// All keys, also those of `null`.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.members.keys().map(String::as_str)
    }

    /// The value of a key; `None` where it is absent or `null`.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.members.get(key).filter(|value| !value.is_null())
    }

    /// # Errors
    /// If it is there, and no text.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, FolderError> {
        self.of_kind(key, "text", Value::as_str)
    }

    /// # Errors
    /// If it is there, and neither true nor false.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, FolderError> {
        self.of_kind(key, "true or false", Value::as_bool)
    }

    /// # Errors
    /// If it is there, and no number.
    pub fn number(&self, key: &str) -> Result<Option<f64>, FolderError> {
        self.of_kind(key, "a number", Value::as_f64)
    }

    /// # Errors
    /// If it is there, and no count.
    pub fn count(&self, key: &str) -> Result<Option<usize>, FolderError> {
        self.of_kind(key, "a count", count)
    }

    /// The members of an object within it.
    ///
    /// # Errors
    /// If it is there, and no object.
    pub fn inner(&self, key: &str) -> Result<Option<JsonMembers<'a>>, FolderError> {
        let members = self.of_kind(key, "an object", Value::as_object)?;
        Ok(members.map(|members| JsonMembers::new(self.file, members)))
    }

    /// # Errors
    /// If it is there, and no list.
    pub fn list(&self, key: &str) -> Result<Option<&'a [Value]>, FolderError> {
        self.of_kind(key, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    /// One number for all channels, or a list with one for each.
    ///
    /// # Errors
    /// If it is there, and neither.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, FolderError> {
        self.of_kind(key, "a number or a list of numbers", |value| match value {
            Value::Array(values) => values.iter().map(Value::as_f64).collect(),
            value => value.as_f64().map(|number| vec![number]),
        })
    }

    /// The side of a square: one count, or a list of two that are the same.
    ///
    /// # Errors
    /// If it is there, and neither.
    pub fn side(&self, key: &str) -> Result<Option<usize>, FolderError> {
        self.of_kind(key, "the side of a square", |value| {
            match value.as_array().map(Vec::as_slice) {
                Some([height, width]) if height == width => count(height),
                Some(_) => None,
                None => count(value),
            }
        })
    }

    /// The value of a key as a setting of a network.
    ///
    /// # Errors
    /// If it is there, and is an object, or a number that is no setting.
    pub fn setting(&self, key: &str) -> Result<Option<SettingValue>, FolderError> {
        self.of_kind(key, "a setting of a network", setting)
    }

    fn of_kind<T>(
        &self,
        key: &str,
        kind: &str,
        as_kind: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, FolderError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match as_kind(value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.fault(&format!("{key} is {}, not {kind}", quoted(value)))),
        }
    }
}

fn count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|count| usize::try_from(count).ok())
}

fn setting(value: &Value) -> Option<SettingValue> {
    Some(match value {
        Value::Bool(value) => SettingValue::Bool(*value),
        Value::String(text) => SettingValue::Text(text.clone()),
        Value::Array(values) => {
            SettingValue::List(values.iter().map(setting).collect::<Option<_>>()?)
        }
        Value::Number(number) => match number.as_i64() {
            Some(integer) => SettingValue::Integer(integer),
            None => SettingValue::Float(number.as_f64()?),
        },
        Value::Null | Value::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "config.json";

    #[test]
    fn each_kind_of_value_is_got_and_another_kind_names_the_key() {
        let text = r#"{"a": 1, "b": true, "c": "x", "d": [224, 224], "e": [0.5, 1], "f": null, "g": {"h": 2},
            "i": [224, 256], "j": -1, "k": 1e-12}"#;
        let members = object(FILE, text).unwrap();
        let members = JsonMembers::new(FILE, &members);
        assert_eq!(members.count("a"), Ok(Some(1)));
        assert_eq!(members.flag("b"), Ok(Some(true)));
        assert_eq!(members.text("c"), Ok(Some("x")));
        assert_eq!(members.side("a"), Ok(Some(1)));
        assert_eq!(members.side("d"), Ok(Some(224)));
        assert_eq!(members.numbers("e"), Ok(Some(vec![0.5, 1.0])));
        assert_eq!(members.numbers("k"), Ok(Some(vec![1e-12])));
        assert_eq!(members.text("f"), Ok(None));
        assert_eq!(members.count("absent"), Ok(None));
        let inner = members.inner("g").unwrap().unwrap();
        assert_eq!(inner.count("h"), Ok(Some(2)));
        assert_eq!(members.setting("k"), Ok(Some(SettingValue::Float(1e-12))));
        assert_eq!(members.setting("a"), Ok(Some(SettingValue::Integer(1))));
        for (error, words) in [
            (
                members.count("j").map(drop),
                "config.json: j is -1, not a count",
            ),
            (
                members.side("i").map(drop),
                "i is [224,256], not the side of a square",
            ),
            (members.text("a").map(drop), "a is 1, not text"),
            (members.flag("c").map(drop), "c is \"x\", not true or false"),
            (
                members.setting("g").map(drop),
                "g is {\"h\":2}, not a setting",
            ),
            (members.inner("a").map(drop), "a is 1, not an object"),
            (members.list("a").map(drop), "a is 1, not a list"),
        ] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_object_is_one_short_clean_line() {
        let long = format!("{{\"a\": \"{}\"}}", "x\\u001b".repeat(1000));
        let members = object(FILE, &long).unwrap();
        let error = JsonMembers::new(FILE, &members).count("a").unwrap_err();
        for error in [
            error,
            object(FILE, "[]").unwrap_err(),
            object(FILE, "{").unwrap_err(),
            object(FILE, &"[".repeat(100_000)).unwrap_err(),
            FolderError::new(FILE, &"é".repeat(10_000)),
        ] {
            let text = error.to_string();
            assert!(
                text.starts_with("config.json: ") && text.len() < 900,
                "{text}"
            );
            assert!(!text.contains(['\n', '\u{1b}']), "{text:?}");
        }
    }
}
