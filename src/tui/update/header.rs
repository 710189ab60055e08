//! The keys of the box that shows a DICOM header.

use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, HALF_PAGE_LINES, review, say};
use crate::domain::ContentId;
use crate::domain::text::is_dangerous;
use crate::tui::keymap::{Action, KeyMode, Lookup};
use crate::tui::model::{HeaderBox, HeaderRead, Model, Overlay};

/// The letters of a search. No keyword is longer.
const LONGEST_SEARCH: usize = 100;
/// In place of the header of an image that is no longer there.
const ANOTHER: &str = "the file holds another image now: select it again";

/// Opens the box, and has the header read.
pub fn show(model: &mut Model) -> Vec<Effect> {
    let Some(source) = model.viewer.source.clone() else {
        return say(model, "no image is selected");
    };
    model.overlay = Some(Overlay::Header(HeaderBox::new(source.clone())));
    vec![Effect::ReadHeader(source)]
}

/// Takes in a header that was read, if its box is still open.
pub fn on_read(model: &mut Model, of: &Path, read: Result<HeaderRead, String>) {
    let on_screen = model.content_of(of);
    let Some(Overlay::Header(header)) = &mut model.overlay else {
        return;
    };
    if header.source.as_deref() != Some(of) {
        return;
    }
    let is_another = |read: &HeaderRead| on_screen.is_some_and(|content| content != read.content);
    header.read = Some(match read {
        Ok(read) if is_another(&read) => Err(ANOTHER.to_owned()),
        read => read,
    });
}

/// The image on the screen was opened: the header of another one must not stand over it.
pub fn on_opened(model: &mut Model, source: &Path, content: ContentId) {
    let Some(Overlay::Header(header)) = &mut model.overlay else {
        return;
    };
    let is_another = matches!(&header.read, Some(Ok(read)) if read.content != content);
    if is_another && header.source.as_deref() == Some(source) {
        header.read = Some(Err(ANOTHER.to_owned()));
    }
}

/// Moves, searches, opens sequences; any other key closes the box.
pub fn on_key(model: &mut Model, mut header: HeaderBox, key: KeyEvent) -> Vec<Effect> {
    let reveals = model.reveals_header();
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if header.is_typing {
        type_search(&mut header, key, control);
        model.overlay = Some(Overlay::Header(header));
        return vec![];
    }
    let half_page = isize::try_from(HALF_PAGE_LINES).unwrap_or(1);
    match (model.keymap.lookup(KeyMode::Browse, &[key]), key.code) {
        (Lookup::Action(Action::Quit), _) if control => return review::quit(model),
        (Lookup::Action(Action::Next), _) => header.move_by(1, reveals),
        (Lookup::Action(Action::Previous), _) => header.move_by(-1, reveals),
        (Lookup::Action(Action::HalfPageDown), _) => header.move_by(half_page, reveals),
        (Lookup::Action(Action::HalfPageUp), _) => header.move_by(-half_page, reveals),
        (Lookup::Action(Action::Last), _) => header.move_by(isize::MAX, reveals),
        (_, KeyCode::Home | KeyCode::Char('g')) => header.cursor = 0,
        (Lookup::Action(Action::Filter), _) => {
            header.is_typing = true;
            header.cursor = 0;
        }
        (Lookup::Action(Action::Identity), _) => {
            if let Err(reason) = model.turn_identity() {
                model.notice = Some(reason.to_owned());
            }
            header.move_by(0, model.reveals_header());
        }
        (_, KeyCode::Enter | KeyCode::Char(' ' | 'l' | 'h') | KeyCode::Left | KeyCode::Right) => {
            header.fold(reveals);
        }
        (_, KeyCode::Esc) if !header.search.is_empty() => {
            header.search.clear();
            header.cursor = 0;
        }
        _ => return vec![],
    }
    model.overlay = Some(Overlay::Header(header));
    vec![]
}

fn type_search(header: &mut HeaderBox, key: KeyEvent, control: bool) {
    header.cursor = 0;
    let is_full = header.search.chars().count() >= LONGEST_SEARCH;
    match key.code {
        KeyCode::Char('u') if control => header.search.clear(),
        KeyCode::Char('c') if control => {
            header.search.clear();
            header.is_typing = false;
        }
        KeyCode::Char(c) if !control && !is_dangerous(c) && !is_full => header.search.push(c),
        KeyCode::Backspace if header.search.is_empty() => header.is_typing = false,
        KeyCode::Backspace => {
            header.search.pop();
        }
        KeyCode::Esc => {
            header.search.clear();
            header.is_typing = false;
        }
        KeyCode::Enter => header.is_typing = false,
        _ => {}
    }
}
