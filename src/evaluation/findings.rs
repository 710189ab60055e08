//! The reference standard of a case, from the finding words of public collections.
//!
//! - The COVID-19 image data collection (ieee8023): a slash hierarchy, `Pneumonia/Viral/COVID-19`, and
//!   before that flat names, `COVID-19, ARDS`, `SARS`, `Streptococcus`.
//! - ChestX-ray14 (`nih`): names joined with a bar. Its images were taken before 2020, so all of them
//!   are negative for COVID-19; findings other than pneumonia share its look and answer nothing else.
//! - The RSNA Pneumonia Detection Challenge 2018 (`rsna`), films of the same archive: `Lung Opacity` is an opacity that
//!   looks like pneumonia, `Normal` is none, and `No Lung Opacity / Not Normal` answers nothing.
//!
//! A word that is not known answers nothing. `ARDS` alone does not either: it has other causes.

use super::question::{Cause, ReferenceStandard};

const COVID: [&str; 4] = ["covid-19", "covid19", "covid", "sars-cov-2"];

const BACTERIAL: [&str; 15] = [
    "bacterial",
    "bacteria",
    "bacterial pneumonia",
    "streptococcus",
    "klebsiella",
    "legionella",
    "mycoplasma",
    "mycoplasma bacterial pneumonia",
    "chlamydophila",
    "e.coli",
    "nocardia",
    "staphylococcus",
    "mrsa",
    "pseudomonas",
    "haemophilus",
];

const VIRAL: [&str; 12] = [
    "viral",
    "virus",
    "viral pneumonia",
    "sars",
    "mers",
    "mers-cov",
    "influenza",
    "h1n1",
    "varicella",
    "herpes",
    "rsv",
    "adenovirus",
];

/// Pneumonia of another cause.
const OTHER: [&str; 6] = [
    "fungal",
    "pneumocystis",
    "aspergillosis",
    "lipoid",
    "aspiration",
    "pcp",
];

/// A pneumonia of a cause that is not named.
const PNEUMONIA: [&str; 2] = ["pneumonia", "lung opacity"];

const HEALTHY: [&str; 4] = ["no finding", "no findings", "normal", "healthy"];

/// The reference standard in a cell of findings, from the archive named `source` (may be empty).
pub fn truth(source: &str, finding: &str) -> ReferenceStandard {
    let finding = finding.trim().to_lowercase();
    let words: Vec<&str> = finding
        .split(['/', ',', '|', ';', '+'])
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    if ["nih", "rsna"].contains(&source.trim().to_lowercase().as_str()) {
        return before_2020(&words);
    }
    let has = |names: &[&str]| words.iter().any(|word| names.contains(word));
    let (covid, bacterial, viral) = (has(&COVID), has(&BACTERIAL), has(&VIRAL));
    let pneumonia = has(&PNEUMONIA);
    if covid {
        return known(true, Some(true), Some(Cause::Covid19));
    }
    let cause = match (bacterial, viral) {
        (true, false) => Some(Cause::Bacterial),
        (false, true) => Some(Cause::Viral),
        _ => None,
    };
    if bacterial || viral || has(&OTHER) || finding.starts_with("pneumonia/") {
        return known(true, Some(false), cause);
    }
    if pneumonia {
        return known(true, None, None);
    }
    if !words.is_empty() && words.iter().all(|word| HEALTHY.contains(word)) {
        return known(false, Some(false), None);
    }
    ReferenceStandard::default()
}

fn before_2020(words: &[&str]) -> ReferenceStandard {
    let has = |names: &[&str]| words.iter().any(|word| names.contains(word));
    let pneumonia = if has(&PNEUMONIA) {
        Some(true)
    } else {
        has(&HEALTHY).then_some(false)
    };
    ReferenceStandard {
        pneumonia,
        covid: Some(false),
        ..ReferenceStandard::default()
    }
}

fn known(pneumonia: bool, covid: Option<bool>, cause: Option<Cause>) -> ReferenceStandard {
    ReferenceStandard {
        pneumonia: Some(pneumonia),
        covid,
        cause,
        ..ReferenceStandard::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pneumonia, COVID-19 and cause, `y`, `n`, `?`, and `B`, `V`, `C`.
    fn code(source: &str, finding: &str) -> String {
        let truth = truth(source, finding);
        let word = |known: Option<bool>| known.map_or('?', |yes| if yes { 'y' } else { 'n' });
        let cause = match truth.cause {
            None => '?',
            Some(Cause::Bacterial) => 'B',
            Some(Cause::Viral) => 'V',
            Some(Cause::Covid19) => 'C',
        };
        [word(truth.pneumonia), word(truth.covid), cause]
            .iter()
            .collect()
    }

    #[test]
    fn the_slash_hierarchy() {
        for (finding, expected) in [
            ("Pneumonia/Viral/COVID-19", "yyC"),
            ("Pneumonia/Viral/SARS", "ynV"),
            ("Pneumonia/Viral", "ynV"),
            ("Pneumonia/Bacterial/Klebsiella", "ynB"),
            ("Pneumonia/Bacterial/Staphylococcus/MRSA", "ynB"),
            ("Pneumonia/Fungal/Pneumocystis", "yn?"),
            ("Pneumonia/ARDS", "yn?"),
            ("Pneumonia", "y??"),
            ("No Finding", "nn?"),
            ("Tuberculosis", "???"),
            ("Unknown", "???"),
            ("todo", "???"),
            ("", "???"),
        ] {
            assert_eq!(code("ieee8023", finding), expected, "{finding}");
            assert_eq!(code("", finding), expected, "{finding}");
        }
    }

    #[test]
    fn the_older_flat_names() {
        for (finding, expected) in [
            ("COVID-19", "yyC"),
            ("COVID-19, ARDS", "yyC"),
            ("SARS", "ynV"),
            ("Streptococcus", "ynB"),
            ("Pneumocystis", "yn?"),
            ("Influenza", "ynV"),
            ("ARDS", "???"),
            ("no finding", "nn?"),
        ] {
            assert_eq!(code("", finding), expected, "{finding}");
        }
    }

    #[test]
    fn chest_xray14_answers_covid_with_no_and_other_findings_with_nothing() {
        for (finding, expected) in [
            ("No Finding", "nn?"),
            ("Pneumonia", "yn?"),
            ("Edema|Infiltration|Pneumonia", "yn?"),
            ("Effusion|Infiltration", "?n?"),
        ] {
            assert_eq!(code("nih", finding), expected, "{finding}");
        }
        for (class, expected) in [
            ("Lung Opacity", "yn?"),
            ("Normal", "nn?"),
            ("No Lung Opacity / Not Normal", "?n?"),
        ] {
            assert_eq!(code("rsna", class), expected, "{class}");
        }
        assert_eq!(code("elsewhere", "Lung Opacity"), "y??");
        assert_eq!(code("elsewhere", "Pneumonia|Effusion"), "y??");
        assert_eq!(code("elsewhere", "No Finding|Effusion"), "???");
    }
}
