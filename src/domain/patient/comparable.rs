//! Patient identifiers, names and birth dates in a form that can be compared, and the placeholders among
//! them.

use crate::domain::date::taken;

/// Words that stand in *Patient ID* or *Patient's Name* in place of a real one.
const PLACEHOLDERS: [&str; 28] = [
    "ANON",
    "ANONYM",
    "ANONYMOUS",
    "ANONYMISED",
    "ANONYMIZED",
    "DEIDENTIFIED",
    "DEFAULT",
    "DUMMY",
    "EMPTY",
    "NA",
    "NAME",
    "NIL",
    "NOID",
    "NONAME",
    "NONE",
    "NOTKNOWN",
    "NULL",
    "PATIENT",
    "PATIENTID",
    "PATIENTNAME",
    "PSEUDONYM",
    "PSEUDONYMISED",
    "PSEUDONYMIZED",
    "REMOVED",
    "TEST",
    "UNKNOWN",
    "UNNAMED",
    "UNSPECIFIED",
];

/// Whether a *Patient ID* is a placeholder: `ANON`, `N/A`, `0000`.
pub fn is_placeholder(id: &str) -> bool {
    let letters: String = id.chars().filter(|c| c.is_alphanumeric()).collect();
    let letters = letters.to_uppercase();
    // `0000`, `XXXX`, `----`: one repeated character identifies no patient.
    let first = letters.chars().next();
    let is_one = first.is_none_or(|first| letters.chars().all(|c| c == first));
    let is_filler = letters.len() != 1 || first == Some('0') || first == Some('X');
    is_one && is_filler || PLACEHOLDERS.contains(&letters.as_str())
}

/// A *Patient's Name* (PS3.5 6.2.1) in a form that can be compared: family, given and middle name of the
/// first component group that is not empty, in capitals, with one space between the words. Prefix and
/// suffix are left out, since they are often titles. `None` if nothing is left, and for a placeholder such as
/// `ANONYMOUS` or `XXXX`.
pub fn comparable_name(name: &str) -> Option<String> {
    let group = name
        .split('=')
        .find(|group| group.chars().any(char::is_alphanumeric))?;
    let name: Vec<String> = group
        .split('^')
        .take(3)
        .flat_map(|component| component.split(|c: char| c.is_whitespace() || c == ','))
        .filter(|word| !word.is_empty())
        .map(str::to_uppercase)
        .collect();
    let name = name.join(" ");
    (!name.is_empty() && !is_placeholder_name(&name)).then_some(name)
}

/// Whether the whole name is a placeholder: `ANONYMOUS`, `TEST PATIENT`, `NO NAME`, `XXXX`, `0`.
fn is_placeholder_name(name: &str) -> bool {
    let letters: Vec<char> = name.chars().filter(|c| c.is_alphanumeric()).collect();
    // Aa and Ng are real names, and in other scripts one letter can be a name.
    let is_run = letters.iter().all(|letter| *letter == letters[0]);
    let first = letters.first().copied().unwrap_or('0');
    let is_filler = first == 'X' || first.is_ascii_digit() || first.is_ascii() && letters.len() > 2;
    let whole: String = letters.iter().collect();
    let is_word = |word: &str| PLACEHOLDERS.contains(&word);
    is_run && is_filler || is_word(&whole) || name.split(' ').all(is_word)
}

/// Dates that are written where the birth date is unknown: the first days of calendars and of computer
/// clocks, and one repeated digit.
const PLACEHOLDER_BIRTH_DATES: [&str; 6] = [
    "1900-01-01",
    "1901-01-01",
    "1970-01-01",
    // Day zero of spreadsheets.
    "1899-12-30",
    "1899-12-31",
    "1111-11-11",
];

/// A *Patient's Birth Date* in a form that can be compared: `1950-01-02`. `None` if it is not a date, if it
/// is a placeholder such as 1900-01-01, and before 1880, since no patient of a digital archive is so old.
pub fn comparable_birth_date(date: &str) -> Option<String> {
    let date = taken(date, None)?;
    let is_known = date.as_str() >= "1880" && !PLACEHOLDER_BIRTH_DATES.contains(&date.as_str());
    is_known.then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_not_a_name() {
        for name in [
            "ANONYMOUS",
            "Anonymized",
            "anonymous^anonymous",
            "UNKNOWN",
            "Unknown^Unknown^",
            "NONAME",
            "No^Name",
            "XXXX",
            "xx^xx",
            "0",
            "AAAA",
            "Test^Patient",
            "N/A",
        ] {
            assert_eq!(comparable_name(name), None, "{name}");
        }
        for name in [
            "DOE^JOHN",
            "Test^John",
            "Aa^",
            "Ng",
            "王",
            "林^林",
            "ANON-0042",
            "Patient^Zero",
        ] {
            assert!(comparable_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_placeholder_is_not_a_birth_date() {
        for date in [
            "19000101",
            "19010101",
            "19700101",
            "00010101",
            "00000000",
            "11111111",
            "99999999",
            "1900.01.01",
            "18581117",
            "",
            "unknown",
        ] {
            assert_eq!(comparable_birth_date(date), None, "{date}");
        }
        for (date, shown) in [
            ("19500102", "1950-01-02"),
            ("1950.01.02", "1950-01-02"),
            ("19000102", "1900-01-02"),
            ("19690101", "1969-01-01"),
            ("20000101", "2000-01-01"),
        ] {
            assert_eq!(comparable_birth_date(date).as_deref(), Some(shown));
        }
    }

    #[test]
    fn names_are_compared_without_case_padding_and_titles() {
        let doe = comparable_name("Doe^John^^Dr^Jr").unwrap();
        for name in [
            "DOE^JOHN",
            " doe ^ john^^^",
            "Doe, John",
            "Doe^John=山田^太郎",
        ] {
            assert_eq!(comparable_name(name).as_ref(), Some(&doe), "{name}");
        }
        for name in ["DOE^JANE", "DOE^JOHN^A", "DOE"] {
            assert_ne!(comparable_name(name).as_ref(), Some(&doe), "{name}");
        }
        assert_eq!(comparable_name("=山田^太郎").as_deref(), Some("山田 太郎"));
        for name in ["", "^^", " ^ = ^ ", "-"] {
            assert_eq!(comparable_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn placeholder_identifiers_are_recognised() {
        for id in [
            "ANON",
            "anonymous",
            "N/A",
            "0",
            "0000",
            "XXXX",
            "--",
            "Patient ID",
        ] {
            assert!(is_placeholder(id), "{id}");
        }
        for id in ["1", "7", "MRN-0001", "P1", "ANON-0042", "TEST17", "1000"] {
            assert!(!is_placeholder(id), "{id}");
        }
    }
}
