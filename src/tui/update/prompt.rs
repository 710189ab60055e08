//! A line that is typed in the footer: a filter, a row number, a prevalence or a note.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, keeping_selection, marks, open_prompt, review, say};
use crate::domain::text::{Printable, is_dangerous};
use crate::domain::{Prevalences, read_label};
use crate::tui::model::{ClassifierState, LONGEST_NOTE, Model, Overlay, Prompt, PromptKind};
use crate::tui::worklist::FilterTerms;

const NO_MODEL: &str = "the model is still loading";

/// Asks for a prevalence, if the scores of a label depend on one.
pub fn ask_for_prevalence(model: &mut Model) -> Vec<Effect> {
    let Some(card) = model.card() else {
        return say(model, NO_MODEL);
    };
    if model.assumed.shown(card).next().is_none() {
        let notice = format!(
            "no label of {} is calibrated, so none assumes a prevalence",
            card.name
        );
        return say(model, &notice);
    }
    open_prompt(model, PromptKind::Prevalence, String::new())
}

/// Edits the line, accepts it with Enter, or abandons it.
pub fn on_key(model: &mut Model, mut prompt: Prompt, key: KeyEvent) -> Vec<Effect> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => return abandon(model, prompt),
        KeyCode::Char('u') if control => prompt.text.clear(),
        KeyCode::Char(c) if !control && !is_dangerous(c) => prompt.text.push(c),
        KeyCode::Backspace if prompt.text.is_empty() => return abandon(model, prompt),
        KeyCode::Backspace => {
            prompt.text.pop();
        }
        KeyCode::Esc => return abandon(model, prompt),
        KeyCode::Enter => return accept(model, prompt),
        KeyCode::Tab if prompt.kind == PromptKind::Filter => {
            if let Some(completion) = model.worklist.complete(&prompt.text) {
                prompt.text = completion.text;
            }
        }
        _ => {}
    }
    let effects = preview_prompt(model, &prompt);
    model.overlay = Some(Overlay::Prompt(prompt));
    effects
}

/// Applies a filter already while it is typed.
fn preview_prompt(model: &mut Model, prompt: &Prompt) -> Vec<Effect> {
    match prompt.kind {
        PromptKind::Filter => {
            let text = prompt.text.clone();
            keeping_selection(model, |model| model.worklist.set_filter(text))
        }
        PromptKind::Jump | PromptKind::Prevalence | PromptKind::Note | PromptKind::MarkLabel => {
            vec![]
        }
    }
}

fn abandon(model: &mut Model, prompt: Prompt) -> Vec<Effect> {
    match prompt.kind {
        PromptKind::Filter => {
            keeping_selection(model, |model| model.worklist.restore(prompt.before))
        }
        PromptKind::Jump | PromptKind::Prevalence | PromptKind::Note | PromptKind::MarkLabel => {
            vec![]
        }
    }
}

fn accept(model: &mut Model, prompt: Prompt) -> Vec<Effect> {
    match prompt.kind {
        PromptKind::Filter => {
            if model.worklist.check(&prompt.text).is_err() {
                // The prompt stays open: it shows the error, and the reader can correct it.
                model.overlay = Some(Overlay::Prompt(prompt));
            } else {
                let reading = model.worklist.understood_filter();
                model.notice = reading.map(|reading| format!("filter: {reading}"));
            }
            vec![]
        }
        PromptKind::Jump => jump(model, &prompt.text),
        PromptKind::Note if prompt.text.chars().count() > LONGEST_NOTE => {
            // The prompt stays open: it shows that the note is too long, and the reader can shorten it.
            model.overlay = Some(Overlay::Prompt(prompt));
            vec![]
        }
        PromptKind::Note => review::note(model, &prompt.text),
        PromptKind::MarkLabel if read_label(&model.label_typed(&prompt.text)).is_err() => {
            // The prompt stays open: it says what is wrong, and the reader can mend it.
            model.overlay = Some(Overlay::Prompt(prompt));
            vec![]
        }
        PromptKind::MarkLabel => marks::label(model, &prompt.text),
        PromptKind::Prevalence => {
            model.notice = Some(assume(model, prompt.text.trim()));
            vec![]
        }
    }
}

fn jump(model: &mut Model, text: &str) -> Vec<Effect> {
    match text.trim().parse::<usize>() {
        Ok(row) if row >= 1 => keeping_selection(model, |model| model.worklist.go_to(row - 1)),
        _ => say(model, &format!("{text:?} is not a row number")),
    }
}

/// Assumes the prevalence that was typed; returns a line about the prevalences in force or about the error. No
/// image is scored again: probabilities follow from the stored ones by their odds.
fn assume(model: &mut Model, text: &str) -> String {
    let ClassifierState::Ready(card) = &model.engine else {
        return NO_MODEL.to_owned();
    };
    if text.is_empty() {
        model.assumed = Prevalences::default();
    } else if let Err(error) = model.assumed.assume(card, text) {
        return error.to_string();
    }
    model
        .worklist
        .set_terms(FilterTerms::new(card, &model.assumed));
    let shown = model.assumed.shown(card);
    let words: Vec<String> = shown.map(|(label, p)| format!("{label} {p}")).collect();
    format!("prevalence: {}", words.join(", "))
}

/// Adds pasted text to the prompt. Anything else that is open takes keys only, and stays as it is.
pub fn on_paste(model: &mut Model, text: &str) -> Vec<Effect> {
    let mut prompt = match model.overlay.take() {
        Some(Overlay::Prompt(prompt)) => prompt,
        other => {
            model.overlay = other;
            return vec![];
        }
    };
    // The text may come from anywhere: control characters are removed, and it becomes one line.
    prompt.text += Printable::page(&text.replace(['\r', '\n'], " ")).as_str();
    let effects = preview_prompt(model, &prompt);
    model.overlay = Some(Overlay::Prompt(prompt));
    effects
}
