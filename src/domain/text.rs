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

/// Letters that may be wrong in a word for it to be taken for another one, and one in three at most.
const MAX_SLIPS: usize = 3;

/// The word that somebody may have meant who wrote `word`: with the fewest letters put in, taken out,
/// changed or swapped with the next (the distance of optimal string alignment). `None` if all are too
/// different.
pub fn nearest_word<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    let nearest = known.into_iter().min_by_key(|other| slips(&word, other))?;
    let most = MAX_SLIPS.min(nearest.chars().count() / 3);
    (slips(&word, nearest) <= most).then_some(nearest)
}

fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{clean, nearest_word, slips};

    #[test]
    fn a_slip_of_the_hand_is_known_and_another_word_is_not() {
        assert_eq!(slips("kitten", "sitting"), 3);
        assert_eq!(slips("", "abc"), 3);
        assert_eq!(slips("drak", "dark"), 1);
        let known = ["theme", "color", "max-memory"];
        assert_eq!(nearest_word("colour", known), Some("color"));
        assert_eq!(nearest_word("Theme", known), Some("theme"));
        assert_eq!(nearest_word("max_memory", known), Some("max-memory"));
        assert_eq!(nearest_word("fonts", known), None);
    }

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
