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

/// Words for a film, behind such a class.
const FILM_AFTER: [&str; 9] = [
    " chest x ray",
    " chest xray",
    " cxr",
    " film",
    " image",
    " images",
    " radiograph",
    " x ray",
    " xray",
];

/// Words around a condition that say that it is absent.
const ABSENT_BEFORE: [&str; 6] = [
    "no ",
    "non ",
    "not ",
    "without ",
    "absence of ",
    "negative for ",
];
/// Those of them that may also say that there is another disease, where there are more than two classes.
const OTHER_BEFORE: [&str; 2] = ["non ", "not "];
const ABSENT_AFTER: [&str; 2] = [" negative", " absent"];

/// The name of this program for the same condition; `None` where there is none that plainly is.
pub fn known(name: &str) -> Option<&'static str> {
    let name = plain(name);
    let mut pathologies = PATHOLOGIES.into_iter();
    let pathology = pathologies.find(|pathology| plain(pathology) == name);
    let synonym = || SYNONYMS.iter().find(|(other, _)| *other == name);
    pathology.or_else(|| synonym().map(|(_, known)| *known))
}

/// Words of the classes of SIIM-FISABIO-RSNA COVID-19: how typical of COVID-19 the opacities of a pneumonia are.
const APPEARANCES: [&str; 3] = ["typical", "indeterminate", "atypical"];

/// Forms of a pneumonia whose names do not say so.
const PNEUMONIAS: [&str; 3] = [BACTERIAL_PNEUMONIA, VIRAL_PNEUMONIA, COVID];

/// Whether a class is of films without a finding: also by several words for it, as in `No Finding/Normal`.
pub fn is_without_finding(name: &str) -> bool {
    let is_one = |part: &str| {
        let part = plain(part);
        let film = FILM_AFTER.iter().find_map(|film| part.strip_suffix(film));
        WITHOUT_FINDING.contains(&film.unwrap_or(&part))
    };
    is_one(name) || name.split(['/', '|']).all(is_one)
}

/// Whether the first of two classes says that what the second one names is absent: "Non-COVID" of "COVID".
pub fn is_absence_of(name: &str, other: &str) -> bool {
    let name = plain(name);
    absent_condition(&name).is_some_and(|absent| is_condition(absent, &plain(other)))
}

/// Whether a class of several says that what each of the others is a form of is absent: "No pneumonia" beside "Bacterial"
/// and "Viral". "Non-COVID" may be another disease there.
pub fn is_absence_of_all(name: &str, others: &[&str]) -> bool {
    let name = plain(name);
    if OTHER_BEFORE.iter().any(|word| name.starts_with(word)) {
        return false;
    }
    let is_form_of = |absent: &str| others.iter().all(|other| is_form(&plain(other), absent));
    !others.is_empty() && absent_condition(&name).is_some_and(is_form_of)
}

/// The condition that a class says is absent.
fn absent_condition(name: &str) -> Option<&str> {
    let before = ABSENT_BEFORE
        .iter()
        .find_map(|word| name.strip_prefix(word));
    let after = || ABSENT_AFTER.iter().find_map(|word| name.strip_suffix(word));
    before.or_else(after)
}

/// Whether a class is this condition.
fn is_condition(condition: &str, class: &str) -> bool {
    let positive = class.strip_suffix(" positive").unwrap_or(class);
    let is_same = || known(condition).is_some_and(|known_as| known(positive) == Some(known_as));
    condition == positive || is_same()
}

/// Whether a class is this condition or one form of it: its words hold those of the condition.
fn is_form(class: &str, condition: &str) -> bool {
    if absent_condition(class).is_some() || is_without_finding(class) {
        return false;
    }
    let is_of_pneumonia = known(condition) == Some(PNEUMONIA);
    let is_appearance = || {
        let first = class.strip_suffix(" appearance").unwrap_or(class);
        APPEARANCES.contains(&first)
    };
    let is_pneumonia = || known(class).is_some_and(|known| PNEUMONIAS.contains(&known));
    format!(" {class} ").contains(&format!(" {condition} "))
        || is_condition(condition, class)
        || is_of_pneumonia && (is_appearance() || is_pneumonia())
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
            "Normal_CXR",
            "normal chest X-ray",
            "No Finding/Normal",
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
            "/",
            "Normal/Pneumonia",
            "x-ray",
            "Abnormal CXR",
        ] {
            assert!(!is_without_finding(name), "{name}");
        }
    }

    #[test]
    fn the_absence_of_a_condition_is_recognised_beside_its_forms() {
        let siim = [
            "Typical Appearance",
            "Indeterminate Appearance",
            "Atypical Appearance",
        ];
        for (name, others) in [
            ("Negative for Pneumonia", &siim[..]),
            ("negative_for_pneumonia", &["typical", "atypical"]),
            ("No_Pneumonia", &["Bacterial", "Viral"]),
            (
                "No_Pneumonia",
                &["Bacterial_Pneumonia", "COVID-19", "Pneumonia"],
            ),
            ("without effusion", &["small effusion", "large effusion"]),
            ("Tuberculosis absent", &["active tuberculosis", "TB"]),
        ] {
            assert!(is_absence_of_all(name, others), "{name} {others:?}");
        }
        for (name, others) in [
            // A film of another disease.
            ("Non-COVID", &["COVID", "Normal"][..]),
            ("Non-COVID", &["COVID mild", "COVID severe"]),
            ("No Pneumonia", &["Pneumonia", "Effusion"]),
            ("No Pneumonia", &["Pneumonia", "Normal"]),
            ("No Pneumonia", &["Viral", "no viral pneumonia"]),
            ("Negative for COVID", &siim),
            ("Bacterial", &["Viral", "Pneumonia"]),
            ("No Pneumonia", &[]),
        ] {
            assert!(!is_absence_of_all(name, others), "{name} {others:?}");
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
            ("Negative for Pneumonia", "Pneumonia"),
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
