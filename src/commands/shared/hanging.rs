//! Text in columns: a name on the left, and beside it a text whose lines are broken between words.

use unicode_width::UnicodeWidthStr;

use crate::tui::terminal;

/// The fewest columns in which text is broken; below them a terminal breaks it as it likes.
const NARROWEST: usize = 40;
/// The most: longer lines are hard to read.
const WIDEST: usize = 120;

/// The columns of the terminal; `None` where standard output is none, so that other programs get whole lines.
pub fn columns() -> Option<usize> {
    let columns = terminal::columns()?;
    Some(usize::from(columns).min(WIDEST)).filter(|columns| *columns >= NARROWEST)
}

/// `text` after `name`, which has `indent` columns; the further lines of the text begin below its first one. A word that
/// is longer than a line has one of its own.
pub fn hanging(name: &str, text: &str, indent: usize, columns: Option<usize>) -> String {
    let mut page = String::new();
    let mut line = format!("{name}{}", " ".repeat(indent.saturating_sub(name.width())));
    let Some(columns) = columns else {
        return format!("{line}{text}\n").trim_end_matches(' ').to_owned();
    };
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.width() + 1 + word.width() > columns {
            page += line.trim_end();
            page.push('\n');
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    page + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::hanging;

    #[test]
    fn lines_are_broken_between_words_and_hang() {
        let text = "one two three four";
        assert_eq!(hanging("name", text, 6, None), "name  one two three four\n");
        assert_eq!(
            hanging("name", text, 6, Some(14)),
            "name  one two\n      three\n      four\n"
        );
        assert_eq!(
            hanging("", "averyveryverylongword b", 2, Some(10)),
            "  averyveryverylongword\n  b\n"
        );
    }
}
