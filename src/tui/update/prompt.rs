//! A line that is typed in the footer: a filter, a row, a prevalence, a note.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, keeping_selection, review};
use crate::domain::Prevalences;
use crate::domain::text::{Printable, is_dangerous};
use crate::tui::model::{ClassifierState, LONGEST_NOTE, Model, Overlay, Prompt, PromptKind};
use crate::tui::worklist::FilterTerms;

const NO_MODEL: &str = "the model is not there yet";

pub fn open(model: &mut Model, kind: PromptKind, text: String) -> Vec<Effect> {
    let place = model.worklist.place();
    model.overlay = Some(Overlay::Prompt(Prompt { kind, text, place }));
    vec![]
}

/// Asks for a prevalence, where some label assumes one.
pub fn ask_for_prevalence(model: &mut Model) -> Vec<Effect> {
    let Some(card) = model.card() else {
        model.notice = Some(NO_MODEL.to_owned());
        return vec![];
    };
    if model.assumed.shown(card).next().is_none() {
        model.notice = Some(format!(
            "no label of {} is calibrated, so none assumes a prevalence",
            card.name
        ));
        return vec![];
    }
    open(model, PromptKind::Prevalence, String::new())
}

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

/// A filter shows what it does while it is typed.
fn preview_prompt(model: &mut Model, prompt: &Prompt) -> Vec<Effect> {
    match prompt.kind {
        PromptKind::Filter => {
            let text = prompt.text.clone();
            keeping_selection(model, |model| model.worklist.set_filter(text))
        }
        PromptKind::Jump | PromptKind::Prevalence | PromptKind::Note => vec![],
    }
}

fn abandon(model: &mut Model, prompt: Prompt) -> Vec<Effect> {
    match prompt.kind {
        PromptKind::Filter => {
            keeping_selection(model, |model| model.worklist.restore(prompt.place))
        }
        PromptKind::Jump | PromptKind::Prevalence | PromptKind::Note => vec![],
    }
}

fn accept(model: &mut Model, prompt: Prompt) -> Vec<Effect> {
    match prompt.kind {
        PromptKind::Filter => {
            if model.worklist.check(&prompt.text).is_err() {
                // The prompt says what is wrong, and is the place to put it right.
                model.overlay = Some(Overlay::Prompt(prompt));
            } else {
                let reading = model.worklist.filter_reading();
                model.notice = reading.map(|reading| format!("filter: {reading}"));
            }
            vec![]
        }
        PromptKind::Jump => jump(model, &prompt.text),
        PromptKind::Note if prompt.text.chars().count() > LONGEST_NOTE => {
            // The prompt says so, and is the place to make it shorter.
            model.overlay = Some(Overlay::Prompt(prompt));
            vec![]
        }
        PromptKind::Note => review::note(model, &prompt.text),
        PromptKind::Prevalence => {
            model.notice = Some(assume(model, prompt.text.trim()));
            vec![]
        }
    }
}

fn jump(model: &mut Model, text: &str) -> Vec<Effect> {
    match text.trim().parse::<usize>() {
        Ok(row) if row >= 1 => keeping_selection(model, |model| model.worklist.go_to(row - 1)),
        _ => {
            model.notice = Some(format!("{text:?} is not a row number"));
            vec![]
        }
    }
}

/// Assumes what was typed, and says what holds now or what is wrong with it. No image is read again:
/// what the classifier said of it is moved by the odds.
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

pub fn on_paste(model: &mut Model, text: &str) -> Vec<Effect> {
    // What is pasted is text: whatever asks for a key is left as it is.
    let mut prompt = match model.overlay.take() {
        Some(Overlay::Prompt(prompt)) => prompt,
        other => {
            model.overlay = other;
            return vec![];
        }
    };
    // What is pasted comes from anywhere, and is a line once it is here.
    prompt.text += Printable::page(&text.replace(['\r', '\n'], " ")).as_str();
    let effects = preview_prompt(model, &prompt);
    model.overlay = Some(Overlay::Prompt(prompt));
    effects
}
