//! The question of blinded reading over the worklist: which labels does the reader see?

use ratatui::Frame;

use super::choices::{self, PromptChoice};
use super::layout::PaneLayout;
use super::theme::Theme;
use crate::tui::model::{Asking, LABEL_KEYS, NONE_KEY};

/// Draws each label with its key and a box, then "none of these"; the first row says what Enter records.
pub fn draw(asking: &Asking, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let question = match asking.chosen() {
        None => "Your call? Choose · Esc goes back".to_owned(),
        Some(present) if present.is_empty() => "Your call? Enter: none · Esc goes back".to_owned(),
        Some(present) => format!("Your call? Enter: {} · Esc goes back", present.join(" + ")),
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
    let labels = LABEL_KEYS.chars().zip(&asking.labels);
    let labels = labels.map(|(key, (label, present))| (key, label.clone(), *present));
    let choices: Vec<PromptChoice> = labels.chain([none]).map(choice).collect();
    choices::draw(&question, &choices, theme, layout, frame);
}
