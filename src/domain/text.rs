//! File names, DICOM text and cards are hostile input: this module makes them safe to show.

use std::fmt::{self, Display};

/// Text that may be shown: on a terminal, in a page, in the header of a table. Cleaning is the only way to
/// make one, so a function that takes this type never receives other text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printable(String);

impl Printable {
    /// One line, as [`clean`] makes it.
    pub fn line(text: &str) -> Self {
        Printable(clean(text))
    }

    /// Lines that this program laid out: line feeds and runs of spaces stay. Text from files must have been
    /// cleaned before, where it belongs on one line.
    pub fn page(text: &str) -> Self {
        let mut marks = CombiningMarks::default();
        let shown = text.chars().filter(|c| marks.admit(*c));
        let shown = shown.map(|c| if c != '\n' && is_dangerous(c) { ' ' } else { c });
        Printable(shown.collect())
    }

    /// The cleaned text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One line of printable text: control characters, line separators and the Unicode characters that reorder
/// or hide text become spaces, runs of spaces become one, and the ends are trimmed. At most four combining
/// marks stay on each letter.
///
/// An escape sequence in a patient's name must not reach a terminal.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut marks = CombiningMarks::default();
    for word in text.split(|c: char| c.is_whitespace() || is_dangerous(c)) {
        if !word.is_empty() {
            if !clean.is_empty() {
                clean.push(' ');
                marks.admit(' ');
            }
            clean.extend(word.chars().filter(|c| marks.admit(*c)));
        }
    }
    clean
}

/// Characters of a reason that are kept. Decoders, archives and servers may quote anything of any length.
const LONGEST_REASON: usize = 300;

/// The reason of a fault: one line without control characters, and cut where it is long.
pub fn reason(words: impl Display) -> String {
    let line = clean(&words.to_string());
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Whether a character must not be shown: control characters, invisible characters, and characters that
/// change the appearance of their neighbours or have a meaning for a terminal.
///
/// These are Unicode's *Default_Ignorable_Code_Point* (DerivedCoreProperties.txt), the bidirectional controls
/// (UAX #9, most of them ignorable too), line and paragraph separators, and the characters of interlinear
/// annotation. Two more are the empty braille pattern, which is as invisible as the Hangul fillers (UTR #36,
/// section 2), and the placeholder character that kitty replaces by a part of a picture.
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}' | '\u{10EEEE}')
}

/// The most combining marks on one letter. More would reach into the rows above and below, and UTS #39,
/// section 5.4, forbids them.
const MAX_MARKS: usize = 4;

/// Counts successive combining marks.
#[derive(Default)]
struct CombiningMarks(usize);

impl CombiningMarks {
    /// Whether this character may stay.
    fn admit(&mut self, c: char) -> bool {
        self.0 = if is_mark(c) { self.0 + 1 } else { 0 };
        self.0 <= MAX_MARKS
    }
}

/// Whether a character is a nonspacing or enclosing mark: Combining Diacritical Marks with their extensions,
/// and the Cyrillic, Hebrew, Arabic, Thai and Lao ones.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05BD}'
        | '\u{0610}'..='\u{061A}' | '\u{064B}'..='\u{065F}' | '\u{06D6}'..='\u{06DC}'
        | '\u{0E31}' | '\u{0E34}'..='\u{0E3A}' | '\u{0E47}'..='\u{0E4E}' | '\u{0EB1}'
        | '\u{0EB4}'..='\u{0EBC}' | '\u{0EC8}'..='\u{0ECE}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// The most typing errors in a word that is still recognised; in short words, one for every three letters.
const MAX_SLIPS: usize = 3;

/// The known word that `word` was probably meant to be: the one with the fewest letters inserted, deleted,
/// changed or swapped with the next one (optimal string alignment distance). `None` if all are too
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
    use proptest::prelude::*;

    use super::{Printable, clean, is_dangerous, nearest_word, slips};

    #[test]
    fn a_mistyped_word_is_recognised_and_another_word_is_not() {
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

    #[test]
    fn invisible_and_reordering_characters_are_removed() {
        // One of each range of Default_Ignorable_Code_Point, and the other characters of `is_dangerous`.
        for c in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180e}',
            '\u{180f}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff0}',
            '\u{fff9}',
            '\u{1bca0}',
            '\u{1d173}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{10eeee}',
            '\u{85}',
            '\u{7f}',
        ] {
            assert!(is_dangerous(c), "{c:?}");
            assert_eq!(clean(&format!("a{c}b")), "a b", "{c:?}");
            assert_eq!(Printable::page(&format!("a{c}b")).as_str(), "a b", "{c:?}");
        }
    }

    #[test]
    fn a_letter_keeps_four_marks_at_most() {
        let tower = format!("e{}x", "\u{301}".repeat(40));
        assert_eq!(clean(&tower), "e\u{301}\u{301}\u{301}\u{301}x");
        assert_eq!(Printable::page(&tower).as_str(), clean(&tower));
        for text in ["e\u{301}tude", "שָׁלוֹם", "ที่นี่", "Việt"] {
            assert_eq!(clean(text), text);
        }
    }

    proptest! {
        #[test]
        fn cleaning_leaves_nothing_to_clean(text in "[ -~\u{300}-\u{310}\u{200b}-\u{2030}\u{85}\\n]{0,40}") {
            let once = clean(&text);
            prop_assert!(!once.contains(is_dangerous), "{once:?}");
            prop_assert_eq!(clean(&once), once.clone());
            let page = Printable::page(&text);
            let is_shown = |c: char| c == '\n' || !is_dangerous(c);
            prop_assert!(page.as_str().chars().all(is_shown), "{page:?}");
            prop_assert_eq!(Printable::page(page.as_str()), page.clone());
        }
    }

    #[test]
    fn a_page_keeps_its_lines_and_columns_and_no_control_characters() {
        let page = Printable::page("name        cxr\n  a\u{202e}b\u{9b}2J\tc\r\n");
        assert_eq!(page.as_str(), "name        cxr\n  a b 2J c \n");
        assert_eq!(Printable::line(" a\nb ").as_str(), "a b");
    }
}
