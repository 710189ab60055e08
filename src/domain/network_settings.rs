//! What a network's own config says of it: `[network]` on a card.
//!
//! Keys and names are those of the config that the network was published with: `hidden_size`, `num_hidden_layers`,
//! `patch_size` of transformers' `config.json`.

use std::collections::BTreeMap;
use std::fmt;

use super::text::clean;

/// One value of a config.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingValue {
    Bool(bool),
    Integer(i64),
    /// Finite.
    Float(f64),
    Text(String),
    List(Vec<SettingValue>),
}

impl SettingValue {
    /// Its kind, with an article, for messages.
    fn kind(&self) -> &'static str {
        match self {
            SettingValue::Bool(_) => "true or false",
            SettingValue::Integer(_) => "a whole number",
            SettingValue::Float(_) => "a fraction",
            SettingValue::Text(_) => "text",
            SettingValue::List(_) => "a list",
        }
    }
}

/// As a config writes it, but for quotation marks.
impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingValue::Bool(value) => value.fmt(f),
            SettingValue::Integer(value) => value.fmt(f),
            // 1e-12, and not eleven zeros.
            SettingValue::Float(value) => write!(f, "{value:?}"),
            SettingValue::Text(value) => f.write_str(value),
            SettingValue::List(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

impl From<bool> for SettingValue {
    fn from(value: bool) -> Self {
        SettingValue::Bool(value)
    }
}

impl From<i64> for SettingValue {
    fn from(value: i64) -> Self {
        SettingValue::Integer(value)
    }
}

impl From<i32> for SettingValue {
    fn from(value: i32) -> Self {
        SettingValue::Integer(value.into())
    }
}

impl From<f64> for SettingValue {
    fn from(value: f64) -> Self {
        SettingValue::Float(value)
    }
}

impl From<&str> for SettingValue {
    fn from(value: &str) -> Self {
        SettingValue::Text(value.to_owned())
    }
}

impl<T: Into<SettingValue>> From<Vec<T>> for SettingValue {
    fn from(values: Vec<T>) -> Self {
        SettingValue::List(values.into_iter().map(Into::into).collect())
    }
}

/// Why a setting cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingError {
    Absent {
        key: String,
    },
    /// The value is of another kind.
    Kind {
        key: String,
        expected: &'static str,
        found: &'static str,
    },
    /// The number is too small or too large.
    Range {
        key: String,
        value: String,
        least: String,
        most: String,
    },
    /// The text is none of those that are understood.
    Choice {
        key: String,
        value: String,
        known: String,
    },
    /// The list has another length.
    Length {
        key: String,
        found: usize,
        expected: usize,
    },
    /// No network has such a setting.
    Unusable {
        key: String,
        reason: &'static str,
    },
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingError::Absent { key } => write!(f, "{key} is absent"),
            SettingError::Kind {
                key,
                expected,
                found,
            } => write!(f, "{key} is {found}, not {expected}"),
            SettingError::Range {
                key,
                value,
                least,
                most,
            } => write!(f, "{key} is {value}, not from {least} to {most}"),
            SettingError::Choice { key, value, known } => {
                write!(f, "{key} is {value:?}, and cxr knows {known}")
            }
            SettingError::Length {
                key,
                found,
                expected,
            } => write!(f, "{key} has {found} values, not {expected}"),
            SettingError::Unusable { key, reason } => write!(f, "{key} {reason}"),
        }
    }
}

impl std::error::Error for SettingError {}

/// The settings of a network, by the names of its own config.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkSettings(BTreeMap<String, SettingValue>);

impl NetworkSettings {
    /// The most settings of a network.
    pub const MOST: usize = 128;
    /// The most characters of a key or a text.
    pub const LONGEST: usize = 128;
    /// The most values of a list. transformers' `num_attention_heads` of a Swin has four.
    pub const MOST_VALUES: usize = 256;
    /// Lists within lists.
    pub const DEEPEST: usize = 3;

    /// Sets a value, in the place of an earlier one.
    pub fn set(&mut self, key: &str, value: impl Into<SettingValue>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// With this value, for settings that are written down in one expression.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<SettingValue>) -> Self {
        self.set(key, value);
        self
    }

    /// The value of a key, of any kind.
    pub fn get(&self, key: &str) -> Option<&SettingValue> {
        self.0.get(key)
    }

    /// All settings, sorted by their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SettingValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Refuses settings that no network has, so that a card stays small and can be shown.
    ///
    /// # Errors
    /// If there are too many, a key or a text is long or holds other characters than it should, a number is not
    /// finite, or a list is long or deep.
    pub fn check(&self) -> Result<(), SettingError> {
        let unusable = |key: &str, reason| SettingError::Unusable {
            key: clean(&key.chars().take(Self::LONGEST).collect::<String>()),
            reason,
        };
        if let Some(key) = self.0.keys().nth(Self::MOST) {
            return Err(unusable(key, "is one setting too many"));
        }
        for (key, value) in &self.0 {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if key.is_empty() || key.len() > Self::LONGEST || !key.chars().all(is_plain) {
                return Err(unusable(key, "is no name of a setting"));
            }
            check_value(value, Self::DEEPEST).map_err(|reason| unusable(key, reason))?;
        }
        Ok(())
    }

    /// Whether there is no setting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// If it is absent, or is no truth value.
    pub fn flag(&self, key: &str) -> Result<bool, SettingError> {
        match self.present(key)? {
            SettingValue::Bool(value) => Ok(*value),
            other => Err(other_kind(key, "true or false", other)),
        }
    }

    /// As [`flag`](Self::flag), or `default` where it is absent.
    ///
    /// # Errors
    /// If it is no truth value.
    pub fn flag_or(&self, key: &str, default: bool) -> Result<bool, SettingError> {
        or(self.flag(key), default)
    }

    /// A count or a length from 1 to `most`.
    ///
    /// # Errors
    /// If it is absent, no whole number, or out of that range.
    pub fn size(&self, key: &str, most: usize) -> Result<usize, SettingError> {
        size_of(key, self.present(key)?, most)
    }

    /// As [`size`](Self::size), or `default` where it is absent.
    ///
    /// # Errors
    /// If it is no whole number, or out of that range.
    pub fn size_or(&self, key: &str, default: usize, most: usize) -> Result<usize, SettingError> {
        or(self.size(key, most), default)
    }

    /// `count` counts or lengths from 1 to `most` each.
    ///
    /// # Errors
    /// If it is absent, no list, of another length, or a value is no whole number of that range.
    pub fn sizes(&self, key: &str, count: usize, most: usize) -> Result<Vec<usize>, SettingError> {
        let SettingValue::List(values) = self.present(key)? else {
            return Err(other_kind(key, "a list", self.present(key)?));
        };
        if values.len() != count {
            return Err(SettingError::Length {
                key: key.to_owned(),
                found: values.len(),
                expected: count,
            });
        }
        let sizes = values.iter().map(|value| size_of(key, value, most));
        sizes.collect()
    }

    /// A number from `least` to `most`. A whole number is one too.
    ///
    /// # Errors
    /// If it is absent, no number, or out of that range.
    pub fn number(&self, key: &str, least: f64, most: f64) -> Result<f64, SettingError> {
        let number = match self.present(key)? {
            SettingValue::Float(value) => *value,
            // Any that is in a sensible range is exact.
            SettingValue::Integer(value) => *value as f64,
            other => return Err(other_kind(key, "a number", other)),
        };
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err(SettingError::Range {
                key: key.to_owned(),
                value: number.to_string(),
                least: least.to_string(),
                most: most.to_string(),
            })
        }
    }

    /// As [`number`](Self::number), or `default` where it is absent.
    ///
    /// # Errors
    /// If it is no number, or out of that range.
    pub fn number_or(
        &self,
        key: &str,
        default: f64,
        least: f64,
        most: f64,
    ) -> Result<f64, SettingError> {
        or(self.number(key, least, most), default)
    }

    /// # Errors
    /// If it is absent, or no text.
    pub fn text(&self, key: &str) -> Result<&str, SettingError> {
        match self.present(key)? {
            SettingValue::Text(value) => Ok(value),
            other => Err(other_kind(key, "text", other)),
        }
    }

    /// One of the texts that are `known`, or `default` where it is absent.
    ///
    /// # Errors
    /// If it is no text, or another one.
    pub fn choice_or<'a>(
        &self,
        key: &str,
        default: &'a str,
        known: &[&'a str],
    ) -> Result<&'a str, SettingError> {
        if self.get(key).is_none() {
            return Ok(default);
        }
        let text = self.text(key)?;
        let found = known.iter().find(|known| **known == text);
        found.copied().ok_or_else(|| SettingError::Choice {
            key: key.to_owned(),
            value: text.chars().take(Self::LONGEST).collect(),
            known: known.join(", "),
        })
    }

    fn present(&self, key: &str) -> Result<&SettingValue, SettingError> {
        self.get(key).ok_or_else(|| SettingError::Absent {
            key: key.to_owned(),
        })
    }
}

impl FromIterator<(String, SettingValue)> for NetworkSettings {
    fn from_iter<I: IntoIterator<Item = (String, SettingValue)>>(values: I) -> Self {
        NetworkSettings(values.into_iter().collect())
    }
}

/// Whether a value may stand on a card, with lists of at most this depth.
fn check_value(value: &SettingValue, deepest: usize) -> Result<(), &'static str> {
    match value {
        SettingValue::Bool(_) | SettingValue::Integer(_) => Ok(()),
        SettingValue::Float(value) if value.is_finite() => Ok(()),
        SettingValue::Float(_) => Err("is not finite"),
        SettingValue::Text(text) if text.len() > NetworkSettings::LONGEST => Err("is a long text"),
        SettingValue::Text(text) if clean(text) != *text => {
            Err("holds characters that cannot be shown")
        }
        SettingValue::Text(_) => Ok(()),
        SettingValue::List(_) if deepest == 0 => Err("has lists in lists in lists"),
        SettingValue::List(values) if values.len() > NetworkSettings::MOST_VALUES => {
            Err("is a long list")
        }
        SettingValue::List(values) => {
            let mut values = values.iter();
            values.try_for_each(|value| check_value(value, deepest - 1))
        }
    }
}

/// The default in the place of a value that is absent.
fn or<T>(value: Result<T, SettingError>, default: T) -> Result<T, SettingError> {
    match value {
        Err(SettingError::Absent { .. }) => Ok(default),
        other => other,
    }
}

fn other_kind(key: &str, expected: &'static str, found: &SettingValue) -> SettingError {
    SettingError::Kind {
        key: key.to_owned(),
        expected,
        found: found.kind(),
    }
}

fn size_of(key: &str, value: &SettingValue, most: usize) -> Result<usize, SettingError> {
    let SettingValue::Integer(integer) = value else {
        return Err(other_kind(key, "a whole number", value));
    };
    let size = usize::try_from(*integer).ok();
    size.filter(|size| (1..=most).contains(size))
        .ok_or_else(|| SettingError::Range {
            key: key.to_owned(),
            value: integer.to_string(),
            least: "1".to_owned(),
            most: most.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> NetworkSettings {
        NetworkSettings::default()
            .with("hidden_size", 768)
            .with("layer_norm_eps", 1e-12)
            .with("depths", vec![2, 2, 6, 2])
            .with("qkv_bias", true)
            .with("hidden_act", "gelu")
    }

    #[test]
    fn each_kind_of_value_is_got_by_its_name() {
        let settings = settings();
        assert_eq!(settings.size("hidden_size", 4096), Ok(768));
        assert_eq!(settings.number("layer_norm_eps", 0.0, 1.0), Ok(1e-12));
        assert_eq!(settings.number("hidden_size", 0.0, 1e4), Ok(768.0));
        assert_eq!(settings.sizes("depths", 4, 64), Ok(vec![2, 2, 6, 2]));
        assert_eq!(settings.flag("qkv_bias"), Ok(true));
        assert_eq!(settings.text("hidden_act"), Ok("gelu"));
        let known = ["gelu", "relu"];
        let choice = settings.choice_or("hidden_act", "relu", &known);
        assert_eq!(choice, Ok("gelu"));
    }

    #[test]
    fn a_value_is_shown_as_a_config_writes_it() {
        let shown: Vec<String> = settings()
            .iter()
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        assert_eq!(
            shown.join("; "),
            "depths = [2, 2, 6, 2]; hidden_act = gelu; hidden_size = 768; layer_norm_eps = 1e-12; qkv_bias = true"
        );
    }

    #[test]
    fn an_absent_value_is_its_default_and_a_wrong_one_never_is() {
        let settings = settings();
        assert_eq!(settings.size_or("patch_size", 16, 64), Ok(16));
        assert_eq!(settings.flag_or("other", false), Ok(false));
        assert_eq!(settings.number_or("other", 0.5, 0.0, 1.0), Ok(0.5));
        assert_eq!(settings.choice_or("other", "a", &["a", "b"]), Ok("a"));
        assert!(settings.size_or("qkv_bias", 16, 64).is_err());
        assert!(settings.flag_or("hidden_size", true).is_err());
        assert!(settings.number_or("hidden_act", 0.5, 0.0, 1.0).is_err());
        assert!(settings.choice_or("hidden_size", "a", &["a"]).is_err());
    }

    #[test]
    fn what_no_network_has_is_refused_by_its_key() {
        assert_eq!(settings().check(), Ok(()));
        let deep = |depth| {
            let one = SettingValue::from(1);
            (0..depth).fold(one, |inner, _| SettingValue::List(vec![inner]))
        };
        assert_eq!(settings().with("deep", deep(3)).check(), Ok(()));
        let long = "x".repeat(NetworkSettings::LONGEST + 1);
        let many = vec![1; NetworkSettings::MOST_VALUES + 1];
        for (key, value, words) in [
            ("deep", deep(4), "deep has lists in lists"),
            ("eps", f64::NAN.into(), "eps is not finite"),
            ("act", "a\u{1b}[2J".into(), "act holds characters"),
            ("act", long.as_str().into(), "act is a long text"),
            ("depths", many.into(), "depths is a long list"),
            ("a b", true.into(), "a b is no name"),
            ("", true.into(), "is no name"),
            ("\u{1b}[2J", true.into(), "[2J is no name"),
            (long.as_str(), true.into(), "x is no name"),
        ] {
            let error = settings().with(key, value).check().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains('\u{1b}') && error.len() < 200, "{error}");
        }
        let mut many = settings();
        (0..NetworkSettings::MOST).for_each(|n| many.set(&format!("n{n}"), 1));
        let error = many.check().unwrap_err().to_string();
        assert!(error.ends_with("is one setting too many"), "{error}");
    }

    #[test]
    fn an_error_names_the_key() {
        let settings = settings().with("negative", -1).with("zero", 0);
        let of_size = |key: &str| settings.size(key, 512).unwrap_err().to_string();
        assert_eq!(of_size("patch_size"), "patch_size is absent");
        assert_eq!(
            of_size("hidden_size"),
            "hidden_size is 768, not from 1 to 512"
        );
        assert_eq!(of_size("negative"), "negative is -1, not from 1 to 512");
        assert_eq!(of_size("zero"), "zero is 0, not from 1 to 512");
        assert_eq!(of_size("depths"), "depths is a list, not a whole number");
        let sizes = |count, most| settings.sizes("depths", count, most).unwrap_err();
        assert_eq!(sizes(3, 64).to_string(), "depths has 4 values, not 3");
        assert_eq!(sizes(4, 5).to_string(), "depths is 6, not from 1 to 5");
        let error = settings.number("layer_norm_eps", 1e-6, 1.0).unwrap_err();
        assert!(error.to_string().starts_with("layer_norm_eps is 0.00"));
        let error = settings.choice_or("hidden_act", "relu", &["relu", "silu"]);
        let words = error.unwrap_err().to_string();
        assert_eq!(words, "hidden_act is \"gelu\", and cxr knows relu, silu");
    }
}
