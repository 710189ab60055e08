//! `[network]`: what the architecture needs beside its name, from and to TOML.

use toml::Value;

use super::file::NetworkFile;
use crate::domain::{NetworkSettings, SettingValue};

/// # Errors
/// If a value is of a kind that no config of a network has, or no network has such settings.
pub fn settings(file: NetworkFile) -> Result<NetworkSettings, String> {
    let of_key = |key: &str, fault: &str| format!("[network] {key}: {fault}");
    let named = file.into_iter().map(|(key, value)| {
        let value = setting(value).map_err(|fault| of_key(&key, fault))?;
        Ok((key, value))
    });
    let settings = named.collect::<Result<NetworkSettings, String>>()?;
    let checked = settings.check();
    checked.map_err(|error| format!("[network] {error}"))?;
    Ok(settings)
}

/// The section of the settings.
pub fn network_file(settings: &NetworkSettings) -> NetworkFile {
    let values = settings.iter();
    values
        .map(|(key, setting)| (key.to_owned(), value(setting)))
        .collect()
}

/// TOML's parser bounds the depth of lists.
fn setting(value: Value) -> Result<SettingValue, &'static str> {
    Ok(match value {
        Value::Boolean(value) => SettingValue::Bool(value),
        Value::Integer(value) => SettingValue::Integer(value),
        Value::Float(value) => SettingValue::Float(value),
        Value::String(value) => SettingValue::Text(value),
        Value::Array(values) => {
            let settings = values.into_iter().map(setting);
            SettingValue::List(settings.collect::<Result<_, _>>()?)
        }
        Value::Datetime(_) => return Err("a date is no setting of a network"),
        Value::Table(_) => return Err("a table is no setting of a network"),
    })
}

fn value(setting: &SettingValue) -> Value {
    match setting {
        SettingValue::Bool(value) => Value::Boolean(*value),
        SettingValue::Integer(value) => Value::Integer(*value),
        SettingValue::Float(value) => Value::Float(*value),
        SettingValue::Text(value) => Value::String(value.clone()),
        SettingValue::List(values) => Value::Array(values.iter().map(self::value).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::FULL;
    use super::super::{parse_card, write_card};

    /// The card with this section.
    fn card(section: &str) -> String {
        FULL.replace("[[label]]\n    name = \"Pneumonia\"", section)
    }

    const NETWORK: &str = r#"
    [network]
    depths = [2, 2, 6, 2]
    hidden_act = "gelu"
    hidden_size = 768
    layer_norm_eps = 1e-12
    qkv_bias = true
    [[label]]
    name = "Pneumonia""#;

    #[test]
    fn the_settings_of_a_network_are_read_and_written() {
        let text = card(NETWORK);
        let parsed = parse_card(&text).unwrap();
        let settings = parsed.network.as_ref().unwrap();
        assert_eq!(settings.size("hidden_size", 4096), Ok(768));
        assert_eq!(settings.number("layer_norm_eps", 0.0, 1.0), Ok(1e-12));
        assert_eq!(settings.sizes("depths", 4, 64), Ok(vec![2, 2, 6, 2]));
        assert_eq!(settings.flag("qkv_bias"), Ok(true));
        assert_eq!(settings.text("hidden_act"), Ok("gelu"));
        assert_eq!(parse_card(&write_card(&parsed).unwrap()).unwrap(), parsed);
        assert_eq!(parse_card(FULL).unwrap().network, None);
    }

    #[test]
    fn a_section_that_no_network_has_is_one_clear_error() {
        for (from, to, words) in [
            ("768", "2026-01-31", "hidden_size: a date is no setting"),
            ("768", "{ a = 1 }", "hidden_size: a table is no setting"),
            ("1e-12", "inf", "layer_norm_eps is not finite"),
            ("\"gelu\"", "\"a\\u001b[2J\"", "hidden_act holds characters"),
            ("qkv_bias", "\"qkv bias\"", "qkv bias is no name"),
        ] {
            let text = card(&NETWORK.replace(from, to));
            let error = parse_card(&text).unwrap_err().to_string();
            assert!(
                error.contains("[network]") && error.contains(words),
                "{error}"
            );
            assert!(!error.contains(['\n', '\u{1b}']), "{error}");
        }
    }
}
