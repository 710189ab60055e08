//! The question of blinded reading over the worklist: which labels does the reader see?

use ratatui::Frame;

use super::choices::{self, PromptChoice};
use super::layout::PaneLayout;
use super::theme::Theme;
use crate::tui::model::{Asking, LABEL_KEYS, NONE_KEY};
use crate::tui::rating::{Rating, TYPE_KEY};

/// Draws each label with its key and a box, then "none of these"; the first row says what Enter records.
pub fn draw(asking: &Asking, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let rating = asking.rating.as_ref();
    let typed = rating.and_then(Rating::typed);
    let is_rating = rating.is_some_and(Rating::is_used);
    let question = match asking.chosen() {
        _ if typed.is_some() => {
            let digits = typed.unwrap_or_default();
            format!("How sure, 0 to 100? {digits}▏ Enter ends the number")
        }
        None if is_rating => {
            format!("How sure? ←→ by ten, {TYPE_KEY} types · then choose · Esc goes back")
        }
        None => "Your call? Choose · Esc goes back".to_owned(),
        Some(present) if present.is_empty() => "Your call? Enter: none · Esc goes back".to_owned(),
        Some(present) => format!("Your call? Enter: {} · Esc goes back", present.join(" + ")),
    };
    let rated = |at: usize, label: &str| {
        let sign = if rating.is_some_and(|rating| rating.is_at(at)) {
            " ◂"
        } else {
            ""
        };
        match rating.and_then(|rating| rating.of(at)) {
            Some(value) => format!("{label} · {value}{sign}"),
            None => format!("{label}{sign}"),
        }
    };
    let choice = |(key, words, is_chosen)| PromptChoice {
        key,
        mark: if is_chosen { "[x] " } else { "[ ] " },
        words,
        style: if is_chosen {
            theme.positive
        } else {
            theme.plain
        },
    };
    let none = (NONE_KEY, "none of these".to_owned(), asking.none);
    let labels = LABEL_KEYS.chars().zip(asking.labels.iter().enumerate());
    let labels = labels.map(|(key, (at, (label, present)))| (key, rated(at, label), *present));
    let choices: Vec<PromptChoice> = labels.chain([none]).map(choice).collect();
    choices::draw(&question, &choices, theme, layout, frame);
}
