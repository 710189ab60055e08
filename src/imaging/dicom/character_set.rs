//! *Specific Character Set* (0008,0005), in the spellings of the standard and of devices.

/// UTF-8.
pub(super) const UTF_8: &str = "ISO_IR 192";
/// ISO 8859-1, in which every byte is a letter.
pub(super) const LATIN_1: &str = "ISO_IR 100";

/// Registration numbers of ISO 2375 and their defined terms without code extensions (PS3.3
/// C.12.1.1.2), as far as dicom-rs decodes them.
const REGISTERED: [(&str, &str); 15] = [
    ("6", "ISO_IR 6"),
    ("13", "ISO_IR 13"),
    ("58", "GB2312"),
    ("87", "ISO_IR 87"),
    ("100", LATIN_1),
    ("101", "ISO_IR 101"),
    ("109", "ISO_IR 109"),
    ("110", "ISO_IR 110"),
    ("126", "ISO_IR 126"),
    ("127", "ISO_IR 127"),
    ("138", "ISO_IR 138"),
    ("144", "ISO_IR 144"),
    ("149", "ISO_IR 149"),
    ("166", "ISO_IR 166"),
    ("192", UTF_8),
];

/// Names outside the standard, in capitals without separators.
const OTHERS: [(&str, &str); 15] = [
    ("GB18030", "GB18030"),
    ("GBK", "GBK"),
    ("GB2312", "GB2312"),
    ("UTF8", UTF_8),
    ("UNICODE", UTF_8),
    ("LATIN1", LATIN_1),
    ("ISO88591", LATIN_1),
    ("ISO88592", "ISO_IR 101"),
    ("ISO88593", "ISO_IR 109"),
    ("ISO88594", "ISO_IR 110"),
    ("ISO88595", "ISO_IR 144"),
    ("ISO88596", "ISO_IR 127"),
    ("ISO88597", "ISO_IR 126"),
    ("ISO88598", "ISO_IR 138"),
    ("SHIFTJIS", "ISO_IR 13"),
];

/// The defined term for a value, with any separators and in small or capital letters. If the value
/// names several sets, all of which contain ASCII, the first that has other letters counts. `None` if
/// no set is known, or ASCII only: then bytes outside ASCII may be anything.
pub(super) fn defined_term(value: &[u8]) -> Option<&'static str> {
    let value = String::from_utf8_lossy(value);
    let terms = value.split('\\').filter_map(one_term);
    terms.into_iter().find(|&term| term != "ISO_IR 6")
}

fn one_term(name: &str) -> Option<&'static str> {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let letters = letters.collect::<String>().to_ascii_uppercase();
    let number = letters
        .strip_prefix("ISO2022IR")
        .or_else(|| letters.strip_prefix("ISOIR"));
    let known = match number {
        Some(number) => REGISTERED.iter().find(|(of, _)| *of == number),
        None => OTHERS.iter().find(|(of, _)| *of == letters),
    };
    known.map(|(_, term)| *term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_set_is_known_in_all_its_spellings() {
        for (written, term) in [
            ("ISO_IR 192", Some(UTF_8)),
            ("ISO IR 192", Some(UTF_8)),
            ("ISO_IR_192", Some(UTF_8)),
            ("iso-ir 192\0", Some(UTF_8)),
            (" ISO_IR 192  ", Some(UTF_8)),
            ("ISOIR192", Some(UTF_8)),
            ("UTF-8", Some(UTF_8)),
            ("utf8", Some(UTF_8)),
            ("ISO 2022 IR 100", Some(LATIN_1)),
            ("ISO-8859-5", Some("ISO_IR 144")),
            ("\\ISO 2022 IR 87", Some("ISO_IR 87")),
            ("ISO 2022 IR 6\\ISO 2022 IR 149", Some("ISO_IR 149")),
            ("ISO_IR 6", None),
            ("ISO_IR 1920", None),
            ("ISO_IR 999", None),
            ("", None),
        ] {
            assert_eq!(defined_term(written.as_bytes()), term, "{written:?}");
        }
    }
}
