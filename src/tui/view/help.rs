//! The boxes of keys and of signs.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::overlay;
use super::text::{cells, fit, wrap};
use super::theme::Theme;
use crate::tui::keymap::Action;
use crate::tui::model::{Model, Search};

/// Cells for the keys.
const KEYS: usize = 14;
/// Before every entry of a group.
const INDENT: &str = "  ";

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

const SIGNS: [&str; 31] = [
    "● at or above an operating point",
    "○ below all",
    "! caution",
    "✗ refused or unreadable",
    "· not scored yet",
    "∅ no picture",
    "✓ you agree",
    "≠ you disagree",
    "? unsure",
    "… not saved yet",
    "* key image",
    "¶ a note",
    "c called",
    "s answer seen before",
    "m verdict on another model's answer",
    "┿ balanced operating point",
    "┷ operating point of 90 % sensitivity",
    "π assumed prevalence",
    "Δ difference of two models",
    "↑ more extent than before",
    "↓ less extent than before",
    "≈ within the model's error",
    "new, changed, gone: the file",
    "marked: beside every film",
    "(shared ID) two patients, one ID",
    "(two issuers) of one ID",
    "(whose ID?) the file does not say",
    "name* rows would move now",
    "name ↑ in reversed order",
    "┏ reviewed, in the grid",
    "╔ selected, in the grid",
];

/// Draws every key, from the keymap itself, and the meaning of the signs; with a search, only the lines that have its
/// text.
pub fn draw(
    model: &Model,
    theme: &Theme,
    (scroll, search): (i32, &Search),
    frame: &mut Frame,
) -> bool {
    let mut groups = vec![("First".to_owned(), first(model))];
    for binding in model.keymap.bindings() {
        // Only a blinded reading asks for calls.
        if binding.action == Action::Call && model.blinded.is_none() {
            continue;
        }
        let entry = (binding.display_keys(), binding.help.clone());
        match groups.last_mut() {
            Some((group, entries)) if *group == binding.group => entries.push(entry),
            _ => groups.push((binding.group.clone(), vec![entry])),
        }
    }
    let width = usize::from(overlay::text_width(frame.area()));
    let wanted = search.text.to_lowercase();
    let has = |words: &str| words.to_lowercase().contains(&wanted);
    let mut lines = Vec::new();
    let mut add = |group: String, of_group: Vec<Line<'static>>| {
        if !of_group.is_empty() {
            lines.push(Line::styled(group, theme.title));
            lines.extend(of_group);
        }
    };
    for (group, entries) in groups {
        let wanted = entries.into_iter();
        let wanted = wanted.filter(|(keys, words)| has(&format!("{keys} {words}")));
        let of_group = wanted.flat_map(|(keys, words)| key_lines(&keys, &words, theme, width));
        add(group, of_group.collect());
    }
    let mouse = MOUSE.into_iter().filter(|words| has(words));
    add(
        "Mouse".to_owned(),
        mouse.flat_map(|words| hanging(words, width)).collect(),
    );
    let signs: Vec<&str> = SIGNS.into_iter().filter(|words| has(words)).collect();
    add("Signs".to_owned(), in_columns(&signs, width));
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
    let width = usize::from(overlay::text_width(frame.area()));
    let lines = in_columns(&SIGNS, width);
    overlay::draw("Signs", lines, scroll, (model, theme), frame)
}

fn first(model: &Model) -> Vec<(String, String)> {
    let entry = |(actions, words): &(&[Action], &str)| {
        let keys = actions
            .iter()
            .map(|action| model.keymap.display_key(*action));
        let keys: Vec<String> = keys.filter(|key| !key.is_empty()).collect();
        (keys.join("  "), (*words).to_owned())
    };
    FIRST.iter().map(entry).collect()
}

/// The keys, and their words beside them in as many rows as they need.
fn key_lines(keys: &str, words: &str, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let rows = wrap(words, width.saturating_sub(INDENT.len() + KEYS)).into_iter();
    let lines = rows.zip(std::iter::once(keys).chain(std::iter::repeat("")));
    let lines = lines.map(|(row, keys)| {
        let keys = fit(&theme.words(keys), KEYS);
        Line::from(vec![
            Span::styled(format!("{INDENT}{keys}"), theme.key),
            Span::styled(row, theme.plain),
        ])
    });
    lines.collect()
}

/// Words in as many rows as they need, those after the first further in.
fn hanging(words: &str, width: usize) -> Vec<Line<'static>> {
    let rows = wrap(words, width.saturating_sub(2 * INDENT.len())).into_iter();
    let lead = std::iter::once("").chain(std::iter::repeat(INDENT));
    let lines = rows.zip(lead);
    let lines = lines.map(|(row, more)| Line::raw(format!("{INDENT}{more}{row}")));
    lines.collect()
}

/// The meanings of signs in two columns, or in one where they are too wide for that.
fn in_columns(signs: &[&str], width: usize) -> Vec<Line<'static>> {
    const BETWEEN: usize = 3;
    let left = signs.iter().step_by(2).map(|words| cells(words)).max();
    let right = signs
        .iter()
        .skip(1)
        .step_by(2)
        .map(|words| cells(words))
        .max();
    let (left, right) = (left.unwrap_or(0), right.unwrap_or(0));
    if INDENT.len() + left + BETWEEN + right > width {
        let lines = signs.iter().flat_map(|words| hanging(words, width));
        return lines.collect();
    }
    let rows = signs.chunks(2).map(|row| match row {
        [one, other] => Line::raw(format!("{INDENT}{}{other}", fit(one, left + BETWEEN))),
        _ => Line::raw(format!("{INDENT}{}", row.concat())),
    });
    rows.collect()
}
