//! From the names that authors give to classes to those of this program, where they plainly mean the same.

use crate::domain::{COVID, PNEUMONIA};
use crate::inference::family::PATHOLOGIES;

const BACTERIAL_PNEUMONIA: &str = "Bacterial pneumonia";
const VIRAL_PNEUMONIA: &str = "Viral pneumonia";

/// Other ways to write a condition, as [`plain`] makes them.
const SYNONYMS: [(&str, &str); 23] = [
    ("covid", COVID),
    ("covid 19", COVID),
    ("covid19", COVID),
    ("covid pneumonia", COVID),
    ("covid 19 pneumonia", COVID),
    ("covid19 pneumonia", COVID),
    ("sars cov 2", COVID),
    ("pneumonia positive", PNEUMONIA),
    ("pleural effusion", "Effusion"),
    ("oedema", "Edema"),
    ("pulmonary edema", "Edema"),
    ("tb", "Tuberculosis"),
    ("tuberculosis", "Tuberculosis"),
    // Not "Bacterial" and "Viral": these are causes, given that there is a pneumonia.
    ("bacteria", BACTERIAL_PNEUMONIA),
    ("bacterial", BACTERIAL_PNEUMONIA),
    ("bacterial pneumonia", BACTERIAL_PNEUMONIA),
    ("pneumonia bacteria", BACTERIAL_PNEUMONIA),
    ("pneumonia bacterial", BACTERIAL_PNEUMONIA),
    ("viral", VIRAL_PNEUMONIA),
    ("viral pneumonia", VIRAL_PNEUMONIA),
    ("virus", VIRAL_PNEUMONIA),
    ("pneumonia viral", VIRAL_PNEUMONIA),
    ("pneumonia virus", VIRAL_PNEUMONIA),
];

/// Classes of films without a finding, as [`plain`] makes them.
const WITHOUT_FINDING: [&str; 13] = [
    "healthy",
    "healthy lung",
    "healthy lungs",
    "negative",
    "no abnormality",
    "no disease",
    "no finding",
    "no findings",
    "nofinding",
    "normal",
    "normal chest",
    "normal lung",
    "normal lungs",
];

/// Words around a condition that say that it is absent.
const ABSENT_BEFORE: [&str; 5] = ["no ", "non ", "not ", "without ", "absence of "];
const ABSENT_AFTER: [&str; 2] = [" negative", " absent"];

/// The name of this program for the same condition; `None` where there is none that plainly is.
pub fn known(name: &str) -> Option<&'static str> {
    let name = plain(name);
    let mut pathologies = PATHOLOGIES.into_iter();
    let pathology = pathologies.find(|pathology| plain(pathology) == name);
    let synonym = || SYNONYMS.iter().find(|(other, _)| *other == name);
    pathology.or_else(|| synonym().map(|(_, known)| *known))
}

/// Whether a class is of films without a finding.
pub fn is_without_finding(name: &str) -> bool {
    let name = plain(name);
    WITHOUT_FINDING.contains(&name.as_str())
}

/// Whether the first of two classes says that what the second one names is absent: "Non-COVID" of "COVID". Where there
/// are more classes, it may be another disease.
pub fn is_absence_of(name: &str, other: &str) -> bool {
    let (name, other) = (plain(name), plain(other));
    let before = ABSENT_BEFORE
        .iter()
        .find_map(|word| name.strip_prefix(word));
    let after = ABSENT_AFTER.iter().find_map(|word| name.strip_suffix(word));
    let Some(absent) = before.or(after) else {
        return false;
    };
    let positive = other.strip_suffix(" positive").unwrap_or(&other);
    let is_same_condition =
        || known(absent).is_some_and(|condition| known(positive) == Some(condition));
    absent == positive || is_same_condition()
}

/// Lower case, with one space between words.
fn plain(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| c.is_whitespace() || matches!(c, '_' | '-' | '.' | '/'));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plainly_means_a_condition_gets_its_name() {
        for (written, name) in [
            ("PNEUMONIA", Some("Pneumonia")),
            ("pneumonia", Some("Pneumonia")),
            ("covid", Some("COVID-19")),
            ("COVID19", Some("COVID-19")),
            ("Covid-19", Some("COVID-19")),
            ("Pleural Effusion", Some("Effusion")),
            ("pleural_thickening", Some("Pleural_Thickening")),
            ("Lung_Opacity", Some("Lung Opacity")),
            (
                "Enlarged Cardiomediastinum",
                Some("Enlarged Cardiomediastinum"),
            ),
            ("TUBERCULOSIS", Some("Tuberculosis")),
            ("Viral Pneumonia", Some("Viral pneumonia")),
            ("PNEUMONIA_VIRUS", Some("Viral pneumonia")),
            ("Bacterial", Some("Bacterial pneumonia")),
            ("Opacity", None),
            ("LABEL_1", None),
            ("", None),
        ] {
            assert_eq!(known(written), name, "{written}");
        }
    }

    #[test]
    fn a_class_without_a_finding_is_none() {
        for name in [
            "NORMAL",
            "Normal",
            "No Finding",
            "no_finding",
            "No findings",
            "healthy",
            "negative",
        ] {
            assert!(is_without_finding(name), "{name}");
        }
        for name in [
            "Abnormal",
            "Non-COVID",
            "PNEUMONIA",
            "0",
            "LABEL_0",
            "none",
            "",
        ] {
            assert!(!is_without_finding(name), "{name}");
        }
    }

    #[test]
    fn the_absence_of_a_condition_is_recognised_beside_it() {
        for (name, other) in [
            ("no pneumonia", "pneumonia"),
            ("Non-COVID", "COVID-19"),
            ("COVID negative", "COVID positive"),
            ("not_tb", "Tuberculosis"),
            ("Pneumonia absent", "PNEUMONIA"),
            ("no cancer", "cancer"),
        ] {
            assert!(is_absence_of(name, other), "{name} {other}");
        }
        for (name, other) in [
            ("pneumonia", "no pneumonia"),
            ("no pneumonia", "COVID"),
            ("nodule", "dule"),
            ("normal", "pneumonia"),
        ] {
            assert!(!is_absence_of(name, other), "{name} {other}");
        }
    }
}
