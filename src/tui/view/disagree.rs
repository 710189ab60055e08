//! The question after *disagree*: with which label?

use ratatui::Frame;

use super::choices::{self, PromptChoice};
use super::layout::PaneLayout;
use super::theme::Theme;
use crate::tui::model::{LABEL_KEYS, NONE_KEY};

/// Draws the labels with their keys, and the key for the answer in general.
pub fn draw(labels: &[String], theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let choice = |(key, words)| PromptChoice {
        key,
        mark: "",
        words,
        style: theme.plain,
    };
    let general = (NONE_KEY, "in general".to_owned());
    let labels = LABEL_KEYS.chars().zip(labels.iter().cloned());
    let choices: Vec<PromptChoice> = labels.chain([general]).map(choice).collect();
    let question = "Disagree with which? Esc: cancel";
    choices::draw(question, &choices, theme, layout, frame);
}
