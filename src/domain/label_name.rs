//! Which label a reader means by a part of its name: one rule for options, the prompt and the filter.

use std::fmt;

use super::finding::Question;

/// Why a name means no label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelNameError {
    /// No label has the name, or there is none.
    Unknown,
    /// Two of the labels that fit.
    Ambiguous(String, String),
}

impl fmt::Display for LabelNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no such label"),
            Self::Ambiguous(first, second) => write!(f, "it may be {first} or {second}"),
        }
    }
}

/// The label that a name means: the label itself, or the one label that starts with the name, or else has it as a part,
/// in upper or lower case. Labels that stand on their own come before causes given pneumonia. A label that
/// begins all others that fit, as *Effusion* of *Effusion, left*, is meant rather than those.
///
/// # Errors
/// [`LabelNameError`], if there is no such label or more than one.
pub fn label_named<'a>(
    name: &str,
    labels: impl Iterator<Item = (&'a str, Question)> + Clone,
) -> Result<&'a str, LabelNameError> {
    let wanted = name.trim().to_lowercase();
    if wanted.is_empty() {
        return Err(LabelNameError::Unknown);
    }
    let ways: [&dyn Fn(&str) -> bool; 3] = [
        &|label| label == wanted,
        &|label| label.starts_with(&wanted),
        &|label| label.contains(&wanted),
    ];
    for fits in ways {
        for question in [Question::Presence, Question::GivenPneumonia] {
            let of_question = labels.clone().filter(|(_, asked)| *asked == question);
            let fitting: Vec<&str> = of_question
                .map(|(label, _)| label)
                .filter(|label| fits(&label.to_lowercase()))
                .collect();
            if let Some(meant) = only(&fitting) {
                return meant;
            }
        }
    }
    Err(LabelNameError::Unknown)
}

/// The one that is meant of labels that fit a name; `None` if there are none.
fn only<'a>(fitting: &[&'a str]) -> Option<Result<&'a str, LabelNameError>> {
    let shortest = fitting.iter().min_by_key(|label| label.len())?;
    let other = fitting.iter().find(|label| !label.starts_with(shortest));
    Some(match other {
        None => Ok(shortest),
        Some(_) => Err(LabelNameError::Ambiguous(
            fitting[0].to_owned(),
            fitting[1].to_owned(),
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_label_is_enough_if_only_one_label_has_it() {
        let labels = [
            ("Pneumonia", Question::Presence),
            ("COVID-19", Question::Presence),
            ("Viral", Question::GivenPneumonia),
            ("COVID-19 given pneumonia", Question::GivenPneumonia),
            ("Pneumothorax", Question::Presence),
            ("Effusion, left", Question::Presence),
            ("Effusion", Question::Presence),
        ];
        let of = |name| label_named(name, labels.iter().copied());
        for (name, label) in [
            ("COVID-19", "COVID-19"),
            ("covid", "COVID-19"),
            (" covid-19 given", "COVID-19 given pneumonia"),
            ("given", "COVID-19 given pneumonia"),
            ("pneumoni", "Pneumonia"),
            ("thorax", "Pneumothorax"),
            ("vir", "Viral"),
            ("eff", "Effusion"),
            ("left", "Effusion, left"),
        ] {
            assert_eq!(of(name), Ok(label), "{name}");
        }
        let several = of("pneumo").unwrap_err();
        assert_eq!(several.to_string(), "it may be Pneumonia or Pneumothorax");
        for name in ["flu", "", " "] {
            assert_eq!(of(name), Err(LabelNameError::Unknown), "{name:?}");
        }
    }
}
