//! The boxes of keys and of signs.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::overlay;
use super::text::fit;
use super::theme::Theme;
use crate::tui::keymap::Action;
use crate::tui::model::{Model, Search};

/// Cells for the keys.
const KEYS: usize = 14;

/// What a reader needs in the first minute, by the actions whose keys do it.
const FIRST: [(&[Action], &str); 6] = [
    (
        &[Action::Next, Action::Previous],
        "the next and the previous image",
    ),
    (
        &[Action::Agree, Action::Disagree, Action::Unsure],
        "your verdict: agree, disagree, unsure; it is kept",
    ),
    (
        &[Action::HeatMap],
        "the heat map: it shows where, not how likely",
    ),
    (
        &[Action::WholeScreen],
        "the whole screen for the image, and back",
    ),
    (
        &[Action::Filter, Action::Back],
        "show only some images, and all again",
    ),
    (
        &[Action::Legend, Action::Help],
        "what the signs mean, and all keys",
    ),
];

const MOUSE: [&str; 6] = [
    "wheel: the list moves, findings turn pages, the image zooms under the pointer",
    "drag the image: pan; with the right button: window (across) and level (up, down)",
    "drag a border: the size of the panes",
    "while a mark is made: a click sets a point, a drag both ends of a line",
    "click: select",
    "in the grid a second click opens, and the wheel scrolls",
];

const SIGNS: [&str; 5] = [
    "● at or above an operating point   ○ below all   ! caution",
    "✗ refused or unreadable   · not scored yet   ∅ no picture",
    "✓ you agree   ≠ disagree   ? unsure   … not saved yet",
    "* key image   ¶ a note   c called   s answer seen before",
    "┿ balanced operating point   ┷ that of 90 % sensitivity   π assumed prevalence",
];

/// Draws every key, from the keymap itself, and the meaning of the signs; with a search, only the lines that have its
/// text.
pub fn draw(
    model: &Model,
    theme: &Theme,
    (scroll, search): (i32, &Search),
    frame: &mut Frame,
) -> bool {
    let mut groups = vec![("First".to_owned(), first(model, theme))];
    for binding in model.keymap.bindings() {
        let line = key_line(&binding.display_keys(), &binding.help, theme);
        match groups.last_mut() {
            Some((group, lines)) if *group == binding.group => lines.push(line),
            _ => groups.push((binding.group.clone(), vec![line])),
        }
    }
    groups.push(("Mouse".to_owned(), plain(&MOUSE)));
    groups.push(("Signs".to_owned(), plain(&SIGNS)));
    let wanted = search.text.to_lowercase();
    let mut lines = Vec::new();
    for (group, mut of_group) in groups {
        of_group.retain(|line| line.to_string().to_lowercase().contains(&wanted));
        if !of_group.is_empty() {
            lines.push(Line::styled(group, theme.title));
            lines.extend(of_group);
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled("nothing here has that text", theme.dim));
    }
    let cursor = if search.is_typed { "▏" } else { "" };
    let title = match (search.is_typed, wanted.as_str()) {
        (false, "") => "Keys".to_owned(),
        _ => format!("Keys with /{}{cursor}", search.text),
    };
    overlay::draw(&title, lines, scroll, (model, theme), frame)
}

/// Draws the meaning of the signs.
pub fn draw_signs(model: &Model, theme: &Theme, scroll: i32, frame: &mut Frame) -> bool {
    overlay::draw("Signs", plain(&SIGNS), scroll, (model, theme), frame)
}

fn first(model: &Model, theme: &Theme) -> Vec<Line<'static>> {
    let line = |(actions, words): &(&[Action], &str)| {
        let keys = actions
            .iter()
            .map(|action| model.keymap.display_key(*action));
        let keys: Vec<String> = keys.filter(|key| !key.is_empty()).collect();
        key_line(&keys.join("  "), words, theme)
    };
    FIRST.iter().map(line).collect()
}

fn key_line(keys: &str, words: &str, theme: &Theme) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!("  {}", fit(&theme.words(keys), KEYS)), theme.key),
        Span::styled(words.to_owned(), theme.plain),
    ])
}

fn plain(lines: &[&str]) -> Vec<Line<'static>> {
    let lines = lines.iter();
    lines.map(|words| Line::raw(format!("  {words}"))).collect()
}
