//! The screen in ASCII, for terminals and screen readers that support nothing else. The screen is drawn as
//! usual; at the end each sign becomes a letter in its own cell, so that nothing moves. Running text, which has
//! room, gets words instead ([`words`]).

use ratatui::buffer::Buffer;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// Stands for every sign that has no letter.
const UNKNOWN: char = '?';

/// Signs that are clearer as words, where there is room.
const WORDS: [(char, &str); 15] = [
    ('±', "+-"),
    ('≥', ">="),
    ('≤', "<="),
    ('…', "..."),
    ('←', "Left"),
    ('→', "Right"),
    ('↑', "Up"),
    ('↓', "Down"),
    ('π', "pi"),
    ('σ', "sigma"),
    ('λ', "lambda"),
    ('Δ', "D"),
    ('ß', "ss"),
    ('Æ', "AE"),
    ('æ', "ae"),
];

/// Signs and their letters. Signs of the worklist with different meanings have different letters.
const SIGNS: [(&str, char); 40] = [
    ("─╾", '-'),
    ("━═", '='),
    ("│", '|'),
    // The frame of a film that is reviewed.
    ("┃┏┓┗┛", '%'),
    ("║╔╗╚╝╒╕╘╛", '#'),
    ("╎┷┴", ':'),
    ("┌┐└┘├┤┬┼┿", '+'),
    ("¶", '"'),
    // Gauges: more than half of a cell becomes a whole cell.
    ("█▉▊▋▌", '#'),
    ("▍▎▏", '-'),
    ("●", '@'),
    ("○", 'o'),
    ("✗", 'x'),
    ("∅", '0'),
    ("✓", '+'),
    ("≠", '/'),
    ("≈", '='),
    ("▸→⏎", '>'),
    ("←", '<'),
    ("↑", '^'),
    ("↓", 'v'),
    ("…", '~'),
    ("·–—−", '-'),
    ("×", 'x'),
    ("±", '+'),
    ("“”„", '"'),
    ("‘’", '\''),
    ("Δ", 'D'),
    ("π", 'p'),
    ("≥", '>'),
    ("≤", '<'),
    // The sign of progress, in eight positions.
    ("⣷⢿", '|'),
    ("⣯⣻", '/'),
    ("⣟⣽", '-'),
    ("⡿⣾", '\\'),
    ("ÀÁÂÃÄÅ", 'A'),
    ("àáâãäå", 'a'),
    ("ÈÉÊËèéêë", 'e'),
    ("ÌÍÎÏìíîï", 'i'),
    ("ÒÓÔÕÖØòóôõöø", 'o'),
];
/// Further letters of names.
const LETTERS: [(&str, char); 5] = [
    ("ÙÚÛÜùúûü", 'u'),
    ("Çç", 'c'),
    ("Ññ", 'n'),
    ("ÝýŸÿ", 'y'),
    ("ß", 's'),
];

/// The letter for a sign.
fn letter(sign: char) -> char {
    if sign.is_ascii() {
        return sign;
    }
    let mut known = SIGNS.iter().chain(&LETTERS);
    let found = known.find(|(signs, _)| signs.contains(sign));
    found.map_or(UNKNOWN, |(_, letter)| *letter)
}

/// Running text in ASCII; it may become longer.
pub fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match WORDS.iter().find(|(known, _)| *known == sign) {
            Some((_, words)) => out.push_str(words),
            None => out.push(letter(sign)),
        }
    }
    out
}

/// A line of running text in ASCII; it may become longer.
pub fn line(line: Line<'static>) -> Line<'static> {
    let spans = line.spans.into_iter();
    let spans = spans.map(|span| Span::styled(words(&span.content), span.style));
    Line {
        spans: spans.collect(),
        ..line
    }
}

/// Turns every cell of a screen into ASCII. For a sign of two cells, both are filled.
pub fn cells(buffer: &mut Buffer) {
    let mut after_wide = false;
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        let is_wide = symbol.width() > 1;
        if after_wide && symbol == " " {
            cell.set_char(UNKNOWN);
        } else if !symbol.is_ascii() {
            let first = symbol.chars().next().unwrap_or(UNKNOWN);
            cell.set_char(letter(first));
        }
        after_wide = is_wide;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_become_letters_in_their_own_cells() {
        let mut buffer = Buffer::with_lines(["│▸●✓ 胸部_é.png ██▍──┃ 77.1 ±…│"]);
        cells(&mut buffer);
        let expected = Buffer::with_lines(["|>@+ ????_e.png ##---% 77.1 +~|"]);
        assert_eq!(buffer, expected);
    }

    #[test]
    fn running_text_gets_words() {
        assert_eq!(words("Extent 3.1/8 ±1.1 …"), "Extent 3.1/8 +-1.1 ...");
        assert_eq!(words("←/→ width, n ≥ 20"), "Left/Right width, n >= 20");
        let line = line(Line::raw("π 5 % · e\u{301}"));
        assert_eq!(line.to_string(), "pi 5 % - e?");
    }

    /// Two states of a row that have different signs have different letters.
    #[test]
    fn signs_of_the_worklist_stay_different() {
        for signs in ["·●○!✗Δ", " …✓≠?"] {
            let mut letters: Vec<char> = signs.chars().map(letter).collect();
            letters.sort_unstable();
            letters.dedup();
            assert_eq!(letters.len(), signs.chars().count(), "{signs}");
        }
        assert_ne!(letter('┃'), letter('╎'));
        assert_ne!(letter('█'), letter('─'));
    }
}
