//! File names and DICOM text are hostile input: this makes them fit to be shown.

/// One line of printable text: control characters, line separators and the Unicode marks that
/// reorder or hide text become spaces, runs of spaces become one, and the ends are trimmed.
///
/// An escape sequence in a patient's name must not reach a terminal.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || is_dangerous(c)) {
        if !word.is_empty() {
            if !clean.is_empty() {
                clean.push(' ');
            }
            clean.push_str(word);
        }
    }
    clean
}

/// Control characters, and format characters that change what its neighbours look like.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn escape_sequences_lose_their_escape() {
        assert_eq!(clean("a\x1b[2Jb\r\n\tc\u{9b}d"), "a [2Jb c d");
        assert_eq!(clean("\u{202e}gnp.exe \0"), "gnp.exe");
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        for text in ["Müller Jürgen", "山田 太郎", "IM-0042.dcm"] {
            assert_eq!(clean(text), text);
        }
    }
}
