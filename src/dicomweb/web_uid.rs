//! DICOM unique identifiers in addresses and answers.

/// The most characters of a UID (DICOM PS3.5, section 9.1).
const LONGEST: usize = 64;

/// Whether this is a UID: digits and single dots. Such a text is also a harmless part of a path.
///
/// Components with a leading zero, which PS3.5 forbids, are let pass: scanners write them.
pub fn is_uid(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A UID as files hold it: padded to an even length by a NUL, or by blanks where a writer is wrong.
pub fn trimmed(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.trim_matches(['\0', ' ']);
    is_uid(text).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_digits_and_dots() {
        for uid in ["1", "1.2.840.10008", "2.25.0123"] {
            assert!(is_uid(uid), "{uid}");
        }
        let long = "1".repeat(65);
        for text in [
            "", ".", "..", "1.", ".1", "1..2", "1/2", "a", "1.2\n", "１", &long,
        ] {
            assert!(!is_uid(text), "{text:?}");
        }
        assert_eq!(trimmed(b"1.2\0"), Some("1.2"));
        assert_eq!(trimmed(b"1.2 "), Some("1.2"));
        assert_eq!(trimmed(b"\xff"), None);
    }
}
