//! Text measured in terminal cells: a letter takes two, one or none.

use ratatui::buffer::Buffer;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::domain::text::{Printable, is_dangerous};
use crate::domain::{self, Score, ScoreKind};

/// Removes dangerous characters from every cell. All text of the screen passes here after it is drawn, from
/// any source, so no text can bypass it: even a mark that hides behind a letter is in that letter's cell.
/// Pictures are placed later, with signs of their own.
pub fn harmless(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        // One printable ASCII character, as in nearly all cells.
        if matches!(symbol.as_bytes(), [b' '..=b'~']) {
            continue;
        }
        let safe: String = symbol.chars().filter(|c| !is_dangerous(*c)).collect();
        let safe = Printable::page(&safe);
        if safe.as_str() == symbol {
            continue;
        }
        match safe.as_str() {
            "" => cell.set_symbol(" "),
            safe => cell.set_symbol(safe),
        };
    }
}

/// The cells that `text` takes. As ratatui does, it measures one letter with its marks at a time; the width of
/// the whole text can be less, since an Arabic lam and alef can become one sign.
pub fn cells(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// `text` in exactly `width` cells: cut with an ellipsis, or filled with spaces.
pub fn fit(text: &str, width: usize) -> String {
    let mut fitted = shorten(text, width);
    let missing = width.saturating_sub(cells(&fitted));
    fitted.extend(std::iter::repeat_n(' ', missing));
    fitted
}

/// `text` in at most `width` cells, cut with an ellipsis.
pub fn shorten(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let head = within(text.graphemes(true), width - 1);
    text[..head].to_owned() + "…"
}

/// The end of `text` in at most `width` cells, after an ellipsis where that is not all of it.
pub fn end_of(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    let tail = within(text.graphemes(true).rev(), width.saturating_sub(1));
    format!("…{}", &text[text.len() - tail..])
}

/// The length in bytes of the letters that fit into `width` cells.
fn within<'a>(letters: impl Iterator<Item = &'a str>, width: usize) -> usize {
    let mut used = 0;
    let fitting = letters.take_while(|letter| {
        used += letter.width();
        used <= width
    });
    fitting.map(str::len).sum()
}

/// A file name, or some of its folders and the name, in at most `width` cells. Its ending goes first. Then a folder is
/// cut at its beginning, and a name in the middle: names often differ at their ends.
pub fn shorten_name(name: &str, width: usize) -> String {
    // Enough of a folder to be worth its place, with the ellipsis before it.
    const FOLDER: usize = 3;
    if cells(name) <= width || width < 8 {
        return shorten(name, width);
    }
    let stem = without_ending(name);
    if stem.len() < name.len() && cells(stem) < width {
        return format!("{stem}…");
    }
    let file = stem.rsplit('/').next().unwrap_or(stem);
    if file.len() < stem.len() && cells(file) + FOLDER <= width {
        let tail = within(stem.graphemes(true).rev(), width - 1);
        return format!("…{}", &stem[stem.len() - tail..]);
    }
    let tail = within(stem.graphemes(true).rev(), (width - 1) / 2);
    let tail = &stem[stem.len() - tail..];
    shorten(stem, width - cells(tail)) + tail
}

/// `IM-0042.dcm` → `IM-0042`. The numbers of an identifier are no ending.
fn without_ending(name: &str) -> &str {
    const LONGEST: usize = 5;
    match name.rsplit_once('.') {
        Some((stem, ending))
            if !stem.is_empty()
                && (1..=LONGEST).contains(&ending.len())
                && ending.chars().all(|c| c.is_ascii_alphanumeric())
                && ending.contains(|c: char| c.is_ascii_alphabetic()) =>
        {
            stem
        }
        _ => name,
    }
}

/// `text` in rows of at most `width` cells, broken between words; a longer word is cut.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match rows.last_mut() {
            Some(row) if cells(row) + 1 + cells(word) <= width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(shorten(word, width)),
        }
    }
    rows
}

/// The same as [`wrap`], but a longer word goes on in the next row: none of it is lost.
pub fn fold(text: &str, width: usize) -> Vec<String> {
    let mut rows: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let last = rows.last().map_or(0, |row| cells(row));
        if last > 0 && last + 1 + cells(word) > width {
            rows.push(String::new());
        }
        let separator = if rows.last().is_some_and(|row| !row.is_empty()) {
            " "
        } else {
            ""
        };
        for letter in std::iter::once(separator).chain(word.graphemes(true)) {
            if rows
                .last()
                .is_some_and(|row| cells(row) + letter.width() > width.max(1))
            {
                rows.push(String::new());
            }
            if let Some(row) = rows.last_mut() {
                row.push_str(letter);
            }
        }
    }
    rows
}

/// 12345 → `12 345`: digits in groups of three.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A score from 0 to 1, or an upper bound of it, in eight cells: a probability as `  77.1 %`, `> 99.9 %` or
/// `≤ 90.8 %`, any other score as `   0.771`.
pub fn number(kind: ScoreKind, (score, is_bound): (f32, bool)) -> String {
    let words = Score::new(score, kind).map_or_else(String::new, Score::words);
    if is_bound {
        format!("{:>8}", domain::at_most(&words))
    } else {
        format!("{words:>8}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_keeps_dangerous_characters() {
        let mut buffer = Buffer::with_lines(["abcdef"]);
        let marks = format!("e{}", "\u{301}".repeat(9));
        for (x, symbol) in [
            (0, "\u{202e}"),
            (1, "b\u{e0041}"),
            (2, "\u{10eeee}\u{305}"),
            (3, "\u{1b}"),
            (4, &marks),
        ] {
            buffer[(x, 0)].set_symbol(symbol);
        }
        harmless(&mut buffer);
        let symbols: Vec<&str> = buffer.content.iter().map(|cell| cell.symbol()).collect();
        let e = "e\u{301}\u{301}\u{301}\u{301}";
        assert_eq!(symbols, [" ", "b", "\u{305}", " ", e, "f"]);
    }

    #[test]
    fn text_is_cut_and_padded_by_cells_not_by_letters() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("山田太郎", 5), "山田…");
        assert_eq!(fit("山田太郎", 6), "山田… ");
        assert_eq!(fit("e\u{301}tude", 5), "e\u{301}tude");
        assert_eq!(fit("x", 0), "");
    }

    #[test]
    fn a_letter_is_cut_with_its_marks_and_counted_as_it_is_drawn() {
        // Base and marks stay together at both ends.
        assert_eq!(shorten("ae\u{301}xyz", 3), "ae\u{301}…");
        assert_eq!(end_of("xyze\u{301}", 3), "…ze\u{301}");
        assert_eq!(end_of("ab\u{301}", 1), "…");
        let name = shorten_name("0123456789abcdefe\u{301}.png", 12);
        assert_eq!(name, "012345…cdefe\u{301}");
        // A lam and an alef take two cells of a terminal, though they become one sign in print.
        assert_eq!((cells("لا"), "لا".width()), (2, 1));
        assert_eq!(cells(&fit("لالا", 6)), 6);
        // A flag is one letter of two parts.
        assert_eq!(
            shorten("\u{1f1eb}\u{1f1f7}\u{1f1eb}\u{1f1f7}", 3),
            "\u{1f1eb}\u{1f1f7}…"
        );
    }

    #[test]
    fn text_is_broken_between_words_and_no_row_is_too_wide() {
        assert_eq!(wrap("can't tell this", 10), ["can't tell", "this"]);
        assert_eq!(wrap("a 山田太郎 b", 6), ["a", "山田…", "b"]);
        assert_eq!(wrap("", 10), [""; 0]);
    }

    #[test]
    fn folded_text_loses_nothing() {
        assert_eq!(fold("one two abcdefghij", 7), ["one two", "abcdefg", "hij"]);
        assert_eq!(fold("", 7), [""]);
    }

    #[test]
    fn names_keep_their_ends() {
        let name = "1.2.840.113654.2.55.0042.dcm";
        assert_eq!(shorten_name(name, 15), "1.2.840…55.0042");
        assert_eq!(shorten_name("short.png", 15), "short.png");
        assert_eq!(shorten_name("1.2.840.113654.2.55", 12), "1.2.84….2.55");
    }

    #[test]
    fn a_name_loses_its_ending_first_and_keeps_the_end_of_its_folder() {
        let name = "ieee8023-178/IM-0003.dcm";
        for (width, words) in [
            (24, "ieee8023-178/IM-0003.dcm"),
            (23, "ieee8023-178/IM-0003…"),
            (20, "…eee8023-178/IM-0003"),
            (13, "…-178/IM-0003"),
            (11, "…78/IM-0003"),
            (10, "…8/IM-0003"),
            (9, "ieee…0003"),
        ] {
            assert_eq!(shorten_name(name, width), words, "{width}");
        }
    }

    #[test]
    fn numbers_are_grouped_and_never_certain() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_284), "1 284");
        assert_eq!(count(1_000_000), "1 000 000");
        assert_eq!(number(ScoreKind::Calibrated, (0.7713, false)), "  77.1 %");
        assert_eq!(number(ScoreKind::Calibrated, (1.0, false)), "> 99.9 %");
        assert_eq!(number(ScoreKind::Calibrated, (0.0, false)), " < 0.1 %");
        assert_eq!(number(ScoreKind::Calibrated, (0.9, true)), "≤ 90.0 %");
        assert_eq!(number(ScoreKind::Calibrated, (0.9999, true)), "> 99.9 %");
        for kind in [ScoreKind::Sigmoid, ScoreKind::OperatingPointNormalised] {
            assert_eq!(number(kind, (0.859, false)), "   0.859");
            assert_eq!(number(kind, (1.0, false)), " > 0.999");
        }
    }
}
