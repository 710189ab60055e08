//! Views in words: *View Position*, the meaning of a view's code, and the cell of a table.

use super::radiograph::ViewPosition;

/// What the words for a view say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ViewWords {
    /// Unknown where they name none, several, or one that is not frontal.
    pub position: ViewPosition,
    /// They name a view that is not frontal and that [`ViewPosition`] has no name for, or a frontal and a lateral one.
    pub is_not_frontal: bool,
}

impl ViewWords {
    /// Of `PA`, `AP SUPINE`, `PA_erect`, `antero-posterior`, `Right Lateral`, `AP LLD` …
    pub fn of(text: &str) -> Self {
        let text = text.to_uppercase();
        let words = text.split(|c: char| !c.is_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        // The long forms are also written as two words.
        let joined = words.concat();
        let pa = words.contains(&"PA") || joined.contains("POSTEROANTERIOR");
        let ap = words.contains(&"AP") || joined.contains("ANTEROPOSTERIOR");
        let lateral = words.iter().any(|word| is_lateral(word));
        let special = words.iter().any(|word| is_special(word));
        let position = match (pa, ap, lateral) {
            _ if special => ViewPosition::Unknown,
            (true, false, false) => ViewPosition::Pa,
            (false, true, false) => ViewPosition::Ap,
            (false, false, true) => ViewPosition::Lateral,
            _ => ViewPosition::Unknown,
        };
        ViewWords {
            position,
            is_not_frontal: special || lateral && (pa || ap),
        }
    }
}

/// `L` and `R` alone are sides and not views.
fn is_lateral(word: &str) -> bool {
    matches!(word, "LL" | "RL" | "LAT" | "LLAT" | "RLAT") || word.starts_with("LATERAL")
}

/// Oblique, decubitus, axial and other views that are not frontal (PS3.3 C.8.7.1.1.2), in the words of common devices.
fn is_special(word: &str) -> bool {
    const EXACT: [&str; 15] = [
        "RLD", "LLD", "RLO", "LLO", "RAO", "LAO", "RPO", "LPO", "OBL", "CC", "ML", "LM", "MLO",
        "SUN", "TAN",
    ];
    const PARTS: [&str; 6] = ["OBLIQ", "DECUB", "AXIAL", "LORDO", "PROFIL", "LATERAL"];
    const STARTS: [&str; 3] = ["SWIM", "SEITL", "LAT"];
    let other_side = word.ends_with("LAT") && word != "FLAT";
    let any = EXACT.contains(&word)
        || PARTS.iter().any(|part| word.contains(part))
        || STARTS.iter().any(|start| word.starts_with(start));
    (any || other_side) && !is_lateral(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_known_by_any_of_its_words() {
        for (text, position) in [
            ("PA", ViewPosition::Pa),
            ("PA ERECT", ViewPosition::Pa),
            ("Chest pa", ViewPosition::Pa),
            ("POSTEROANTERIOR", ViewPosition::Pa),
            ("postero-anterior", ViewPosition::Pa),
            ("AP SUPINE", ViewPosition::Ap),
            ("AP FLAT", ViewPosition::Ap),
            ("ap_inhalation", ViewPosition::Ap),
            ("ANTEROPOSTERIOR", ViewPosition::Ap),
            ("antero posterior", ViewPosition::Ap),
            ("LL", ViewPosition::Lateral),
            ("RLAT", ViewPosition::Lateral),
            ("CHEST LAT.", ViewPosition::Lateral),
            ("LEFT LATERAL", ViewPosition::Lateral),
            ("", ViewPosition::Unknown),
            ("L", ViewPosition::Unknown),
            ("SUPINE", ViewPosition::Unknown),
            ("AP/PA", ViewPosition::Unknown),
        ] {
            let expected = ViewWords {
                position,
                is_not_frontal: false,
            };
            assert_eq!(ViewWords::of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_word_for_another_view_is_not_hidden_by_a_frontal_one() {
        for text in [
            "PA LLD",
            "AP RLD",
            "LLDECUB",
            "AP left lateral decubitus",
            "AP AXIAL",
            "apical lordotic",
            "SWIMMERS",
            "RAO/LAO",
            "PA-OBLIQUE",
            "PROFIL",
            "Profile",
            "LATERO",
            "PA LAT",
        ] {
            let expected = ViewWords {
                position: ViewPosition::Unknown,
                is_not_frontal: true,
            };
            assert_eq!(ViewWords::of(text), expected, "{text}");
        }
    }
}
