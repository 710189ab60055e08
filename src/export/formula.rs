//! Keeps spreadsheets from taking text for a formula (OWASP, *CSV Injection*).
//!
//! A spreadsheet computes a cell that begins with `=`, `+`, `-` or `@`, or with a look-alike. Characters
//! before the sign are no protection: some programs drop blanks, invisible characters or quotes. Nor
//! does every program split a line where it was meant to be split: in countries with a decimal comma,
//! programs split at semicolons. So every place where a cell may begin is checked.

/// The text with an apostrophe inserted before each possible start of a formula.
pub fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len() + 1);
    for (begin, end) in cells(text) {
        if begins_formula(&text[begin..end]) {
            harmless.push('\'');
        }
        harmless.push_str(&text[begin..end]);
    }
    harmless
}

/// Whether a program may compute a cell with this text.
pub fn begins_formula(text: &str) -> bool {
    let mut seen = text.chars().skip_while(|c| is_dropped(*c));
    seen.next().is_some_and(is_sign)
}

/// Byte offsets of signs that could begin a formula, the first cell excepted.
pub fn later_signs(text: &str) -> impl Iterator<Item = usize> + '_ {
    let begins = cells(text)
        .skip(1)
        .filter(|(begin, end)| begins_formula(&text[*begin..*end]));
    begins.map(|(begin, end)| {
        let mut cell = text[begin..end].char_indices();
        let sign = cell.find(|(_, c)| !is_dropped(*c));
        begin + sign.map_or(0, |(at, _)| at)
    })
}

/// Start and end of everything that may be a cell, including the separator at its end.
fn cells(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut begin = 0;
    text.split_inclusive(is_separator).map(move |cell| {
        let cell = (begin, begin + cell.len());
        begin = cell.1;
        cell
    })
}

/// Signs that begin a formula, including their East Asian forms.
fn is_sign(c: char) -> bool {
    matches!(
        c,
        '=' | '+' | '-' | '@'
            | '\u{2212}' // minus
            | '\u{fe62}' | '\u{fe63}' | '\u{fe66}' | '\u{fe6b}' // small + - = @
            | '\u{ff0b}' | '\u{ff0d}' | '\u{ff1d}' | '\u{ff20}' // full-width + - = @
    )
}

/// Characters at which some program splits a line into cells.
fn is_separator(c: char) -> bool {
    matches!(c, ',' | ';' | '|' | '\t' | '\n' | '\r')
}

/// Characters that some program drops at the start of a cell: blanks, controls, quotes and invisible
/// characters.
fn is_dropped(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '"' | '\u{201c}' | '\u{201d}' | '\u{ab}' | '\u{bb}'
                | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hidden_signs_are_found() {
        for formula in [
            "=1+1",
            "+1",
            "-1",
            "@A1",
            "\t=1",
            "\r=1",
            "  =1",
            "\u{a0}=1",
            "\u{200b}=1",
            "\u{feff}=1",
            "\u{e0041}=1",
            "\u{fe0f}-1",
            "\"=1\"",
            "\u{ff1d}1",
            "\u{ff0b}1",
            "\u{ff0d}1",
            "\u{ff20}A1",
            "\u{3000}\u{ff1d}1",
        ] {
            assert_eq!(
                harmless(formula)
                    .trim_start_matches(['\t', '\r'])
                    .chars()
                    .next(),
                Some('\''),
                "{formula:?}"
            );
        }
        assert_eq!(harmless("a;=1"), "a;'=1");
        assert_eq!(harmless(";=1,\u{200b}@x"), ";'=1,'\u{200b}@x");
        assert_eq!(harmless("a\n=1"), "a\n'=1");
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in [
            "",
            "small; dark, \"very\"",
            "a-b + c = d @ e",
            "M\u{fc}ller; J\u{fc}rgen",
            "it's",
            "'=1",
        ] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn signs_after_the_first_cell_are_found() {
        let found = |text| later_signs(text).collect::<Vec<_>>();
        assert!(found("=1;a").is_empty());
        assert_eq!(found("a;=1,\" -2"), [2, 7]);
    }

    /// Splits as known programs do, and reads each cell as the most lenient of them does.
    fn has_formula(text: &str) -> bool {
        let cells = text.split([',', ';', '|', '\t', '\n', '\r']);
        cells.into_iter().any(|cell| {
            let seen: String = cell
                .chars()
                .filter(|c| !c.is_whitespace() && !c.is_control())
                .collect();
            let seen =
                seen.trim_start_matches(['"', '\u{200b}', '\u{feff}', '\u{e0041}', '\u{fe0f}']);
            seen.starts_with([
                '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
            ])
        })
    }

    proptest! {
        #[test]
        fn no_cell_is_left_that_a_spreadsheet_computes(
            text in "[-=+@;,|\t\r\n \"'a1\u{200b}\u{feff}\u{e0041}\u{fe0f}\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}\u{3000}]{0,12}"
        ) {
            let harmless = harmless(&text);
            prop_assert!(!has_formula(&harmless), "{harmless:?}");
            // Only apostrophes were inserted, and a second pass inserts none.
            let without = |text: &str| text.replace('\'', "");
            prop_assert_eq!(without(&harmless), without(&text));
            prop_assert_eq!(super::harmless(&harmless), harmless);
        }

        #[test]
        fn any_text_is_made_harmless(text: String) {
            prop_assert!(!has_formula(&harmless(&text)));
        }
    }
}
