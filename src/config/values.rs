//! The kinds of values, and what is wrong with a value of another kind.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeString, DeValue};

use crate::domain::Prevalence;
use crate::domain::text::nearest_word;

/// A key, and its place in the file.
pub type ConfigKey<'a> = Spanned<DeString<'a>>;
/// A value, and its place in the file.
pub type ConfigValue<'a> = Spanned<DeValue<'a>>;

/// The byte of a mistake, and its description, which follows the key in the message.
pub type Wrong = (usize, String);

fn wrong<T>(value: &ConfigValue, reason: impl Into<String>) -> Result<T, Vec<Wrong>> {
    Err(vec![(value.span().start, reason.into())])
}

/// A value as it is written, for a message.
fn shown(value: &ConfigValue) -> String {
    match value.get_ref() {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// One of the words of an option.
pub fn choice<T: ValueEnum>(value: &ConfigValue) -> Result<T, Vec<Wrong>> {
    let said = value.get_ref().as_str();
    if let Some(chosen) = said.and_then(|word| T::from_str(word, false).ok()) {
        return Ok(chosen);
    }
    let values = T::value_variants().iter();
    let values: Vec<_> = values.filter_map(ValueEnum::to_possible_value).collect();
    let words: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
    let near = said.and_then(|word| nearest_word(word, words.iter().copied()));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let words = words.join(", ");
    wrong(
        value,
        format!("is one of {words}, not {}{hint}", shown(value)),
    )
}

/// A word that an option parses by itself.
pub fn parsed<T: FromStr<Err = String>>(value: &ConfigValue) -> Result<T, Vec<Wrong>> {
    match value.get_ref().as_str().map(T::from_str) {
        Some(Ok(parsed)) => Ok(parsed),
        Some(Err(reason)) => wrong(value, format!("is {reason}, not {}", shown(value))),
        None => wrong(value, format!("is a word in quotes, not {}", shown(value))),
    }
}

/// A list of such words: at least one, and none twice.
pub fn choices<T: ValueEnum + PartialEq>(value: &ConfigValue) -> Result<Vec<T>, Vec<Wrong>> {
    let mut chosen = Vec::new();
    for item in items(value)? {
        let one = choice(item)?;
        if chosen.contains(&one) {
            return wrong(item, format!("has {} twice", shown(item)));
        }
        chosen.push(one);
    }
    if chosen.is_empty() {
        return wrong(value, "needs at least one");
    }
    Ok(chosen)
}

fn items<'a, 'b>(value: &'b ConfigValue<'a>) -> Result<Vec<&'b ConfigValue<'a>>, Vec<Wrong>> {
    match value.get_ref().as_array() {
        Some(array) => Ok(array.iter().collect()),
        None => wrong(value, format!("is a list in [], not {}", shown(value))),
    }
}

/// A whole number of at least 0.
pub fn count(value: &ConfigValue) -> Result<u32, Vec<Wrong>> {
    match value.get_ref().as_integer() {
        Some(zero) if zero.as_str() == "0" => Ok(0),
        _ => number(value).map(NonZeroU32::get),
    }
}

/// A whole number of at least 1.
pub fn number(value: &ConfigValue) -> Result<NonZeroU32, Vec<Wrong>> {
    let number = value.get_ref().as_integer();
    let number = number.and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok());
    let most = u32::MAX;
    number.and_then(NonZeroU32::new).map_or_else(
        || {
            wrong(
                value,
                format!("is a whole number from 1 to {most}, not {}", shown(value)),
            )
        },
        Ok,
    )
}

/// `true` or `false`.
pub fn yes(value: &ConfigValue) -> Result<bool, Vec<Wrong>> {
    let yes = value.get_ref().as_bool();
    yes.map_or_else(
        || wrong(value, format!("is true or false, not {}", shown(value))),
        Ok,
    )
}

/// A text that is not empty.
pub fn text(value: &ConfigValue) -> Result<String, Vec<Wrong>> {
    match value.get_ref().as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        Some(_) => wrong(value, "is an empty text: fill it in, or take the line out"),
        None => wrong(value, format!("is a text in \"\", not {}", shown(value))),
    }
}

/// A file, relative to the folder of the configuration; `~/` is the user's home.
pub fn path(value: &ConfigValue, folder: &Path) -> Result<PathBuf, Vec<Wrong>> {
    let text = text(value)?;
    let Some(below) = text.strip_prefix("~/") else {
        return Ok(folder.join(text));
    };
    match std::env::var_os("HOME") {
        Some(home) => Ok(Path::new(&home).join(below)),
        None => wrong(value, "begins with ~/, and HOME is not set"),
    }
}

/// The name of a model, unless there is such a file or the value has a slash.
pub fn model(value: &ConfigValue, folder: &Path) -> Result<PathBuf, Vec<Wrong>> {
    let name = text(value)?;
    let file = path(value, folder)?;
    if name.contains('/') || file.exists() {
        Ok(file)
    } else {
        Ok(name.into())
    }
}

/// Reads each entry of a table with `read` and adds it to `taken`.
///
/// # Errors
/// Every mistake of the table; entries without one are taken nevertheless.
pub fn entries<T>(
    value: &ConfigValue,
    read: impl Fn(&ConfigKey, &ConfigValue) -> Result<T, Vec<Wrong>>,
    taken: &mut Vec<T>,
) -> Result<(), Vec<Wrong>> {
    let Some(table) = value.get_ref().as_table() else {
        return wrong(value, format!("is a table, not {}", shown(value)));
    };
    let mut faults = Vec::new();
    for (key, value) in table {
        let named = |(at, reason)| (at, format!("of {} {reason}", key.get_ref()));
        match read(key, value) {
            Ok(entry) => taken.push(entry),
            Err(wrong) => faults.extend(wrong.into_iter().map(named)),
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// `LABEL=SHARE`
pub fn share(label: &ConfigKey, value: &ConfigValue) -> Result<String, Vec<Wrong>> {
    let share = match value.get_ref() {
        DeValue::String(text) => text.as_ref(),
        DeValue::Float(number) => number.as_str(),
        _ => "",
    };
    match share.parse::<Prevalence>() {
        Ok(_) => Ok(format!("{}={share}", label.get_ref())),
        Err(()) => wrong(
            value,
            format!(
                "is a share, as 0.05 or \"5%\", neither end included, not {}",
                shown(value)
            ),
        ),
    }
}

/// The index of a key among those that a table may have.
pub fn one_of(key: &ConfigKey, known: &[&str]) -> Result<usize, Vec<Wrong>> {
    let name = key.get_ref().as_ref();
    if let Some(at) = known.iter().position(|known| *known == name) {
        return Ok(at);
    }
    let near = nearest_word(name, known.iter().copied());
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let known = known.join(", ");
    Err(vec![(
        key.span().start,
        format!("is none of {known}{hint}"),
    )])
}

/// A program and its arguments: a list of texts, of which the first is not empty.
pub fn program(value: &ConfigValue) -> Result<Vec<String>, Vec<Wrong>> {
    let word = |item: &ConfigValue| match item.get_ref().as_str() {
        Some(word) if !word.contains('\0') => Ok(word.to_owned()),
        _ => wrong(item, format!("has a word that is no text: {}", shown(item))),
    };
    let words = items(value)?.into_iter().map(word);
    let words = words.collect::<Result<Vec<String>, _>>()?;
    match words.first() {
        Some(program) if !program.trim().is_empty() => Ok(words),
        _ => wrong(value, "begins with a program, as [\"weasis\", \"{}\"]"),
    }
}

/// The keys of an action: one, or a list of them. The keymap checks whether they are keys.
pub fn keys(value: &ConfigValue) -> Result<Vec<String>, Vec<Wrong>> {
    if value.get_ref().is_str() {
        return Ok(vec![text(value)?]);
    }
    let items = value.get_ref().as_array();
    let Some(items) = items.filter(|items| items.iter().all(|item| item.get_ref().is_str())) else {
        let said = shown(value);
        return wrong(value, format!("is a key or a list of keys, not {said}"));
    };
    items.iter().map(text).collect()
}
