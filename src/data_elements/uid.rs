//! Unique identifiers (PS3.5 section 9), as far as they may stand in paths and addresses.

/// The most characters of a UID (PS3.5 section 9.1).
const LONGEST: usize = 64;

/// Whether a text is a UID: numbers with dots between them, 64 characters at most. Such a text is also a harmless part of
/// a path.
///
/// Components with a leading zero, which PS3.5 forbids, are let pass: there are devices that write them.
pub fn is_uid(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= LONGEST && text.split('.').all(is_number)
}

/// The text of an identifier or a title as it stands in a data element or a PDU, without its padding: a NUL, or blanks
/// where a writer is wrong.
pub fn trimmed(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches(['\0', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_digits_and_dots() {
        for good in ["1.2.840.10008.1.1", "0", "1.02.3", &"1".repeat(64)] {
            assert!(is_uid(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "1..2",
            "1.2.",
            ".1",
            "../../etc/passwd",
            "1.2/3",
            "1.2\0",
            "1.2 ",
            "1.2\n",
            "1.a",
            "١.٢",
            "１",
            "-1",
            &"1".repeat(65),
        ] {
            assert!(!is_uid(bad), "{bad:?}");
        }
        assert_eq!(trimmed(b"1.2\0"), "1.2");
        assert_eq!(trimmed(b" 1.2  "), "1.2");
        assert!(!is_uid(&trimmed(b"\xff")));
    }
}
