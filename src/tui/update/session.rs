//! Coming back to where the reader was, and remembering where they are.

use super::{Effect, Message, keeping_selection};
use crate::domain::text::clean;
use crate::store::{Bookmark, Request};
use crate::tui::model::{Model, Overlay, ReturnTarget, Session};
use crate::tui::worklist::Sort;

/// Before anything was found. Without a bookmark it begins at the top.
pub fn begin(model: &mut Model, session: Session, mark: Option<Bookmark>) {
    model.session = session;
    let Some(mark) = mark else { return };
    let wanted = mark.selected.map(|path| model.session.given(&path));
    model.session.wanted = wanted.map(|path| ReturnTarget::new(path, mark.row));
    if model.blinded.is_some() {
        // It has an order of its own.
        return;
    }
    let is_arranged = mark.sort != Sort::Name.key() || mark.reversed || !mark.filter.is_empty();
    if let Some(sort) = Sort::of_key(&mark.sort) {
        model.worklist.set_sort(sort);
    }
    if mark.reversed {
        model.worklist.reverse();
    }
    model.worklist.set_filter(mark.filter);
    model.session.unchecked = true;
    if is_arranged {
        model.notice = Some(format!("as you left it: {}", arrangement(model)));
    }
}

/// `by COVID-19, reversed, filter covid>0.5`
fn arrangement(model: &Model) -> String {
    let list = &model.worklist;
    let mut words = format!("by {}", clean(list.sort().word()));
    if list.is_reversed() {
        words += ", reversed";
    }
    if !list.filter().is_empty() {
        words = format!("{words}, filter {}", clean(list.filter()));
    }
    words
}

/// Whoever does anything is taken nowhere else.
pub fn before(model: &mut Model, message: &Message) {
    if matches!(
        message,
        Message::Key(_) | Message::Mouse(_) | Message::Paste(_)
    ) {
        model.session.wanted = None;
    }
}

pub fn after(model: &mut Model) -> Vec<Effect> {
    if !model.session.is_begun() {
        return vec![];
    }
    let mut effects = go_back(model);
    effects.extend(tell(model));
    effects
}

/// A model is there: what it does not understand of the order and the filter is dropped.
pub fn check(model: &mut Model) -> Vec<Effect> {
    if !std::mem::take(&mut model.session.unchecked) {
        return vec![];
    }
    let mut dropped = Vec::new();
    let sorts = Sort::all(model.card(), model.choices.all.len());
    let drops_sort = !sorts.contains(model.worklist.sort());
    if drops_sort {
        let word = clean(model.worklist.sort().word());
        dropped.push(format!("the order by {word}, which is none here"));
    }
    let error = model.worklist.filter_error().map(ToString::to_string);
    if let Some(error) = &error {
        let filter = clean(model.worklist.filter());
        dropped.push(format!("the filter {filter} ({error})"));
    }
    if dropped.is_empty() {
        return vec![];
    }
    model.notice = Some(format!("dropped: {}", dropped.join(", and ")));
    keeping_selection(model, |model| {
        if drops_sort {
            model.worklist.set_sort(Sort::Name);
        }
        if error.is_some() {
            model.worklist.set_filter(String::new());
        }
    })
}

/// To the image that was looked at, as soon as it is in the list; to its row, if it is not there.
fn go_back(model: &mut Model) -> Vec<Effect> {
    let Some(mut wanted) = model.session.wanted.take() else {
        return vec![];
    };
    let looked_up = model.session.looked_up;
    let effects = keeping_selection(model, |model| {
        let list = &mut model.worklist;
        if wanted.index.is_none() {
            wanted.index = list.number_of(&wanted.path, wanted.searched);
            wanted.searched = list.total();
        }
        // The list was sorted before anything was read.
        let is_settled = list.is_settled(looked_up);
        if list.is_stale() && (list.read() >= wanted.sorts_at || is_settled) {
            list.sort_again();
            wanted.sorts_at = list.read() + 1 + list.read() / 4;
        }
        let row = wanted.index.and_then(|at| list.row_of_number(at));
        match row {
            Some(row) => list.go_to(row),
            None if is_settled => list.go_to(wanted.row),
            None => {}
        }
    });
    if !model.worklist.is_settled(looked_up) {
        model.session.wanted = Some(wanted);
    }
    effects
}

/// Where the reader is, if that is not where they were.
fn tell(model: &mut Model) -> Option<Effect> {
    // A filter that is being typed may still be given up.
    let is_typing = matches!(model.overlay, Some(Overlay::Prompt(_)));
    if model.session.wanted.is_some() || is_typing {
        return None;
    }
    let list = &model.worklist;
    let selected = list.selected()?;
    let mark = Bookmark {
        selected: Some(model.session.real(&selected.path)),
        row: list.lasting_row(),
        sort: list.sort().key(),
        reversed: list.is_reversed(),
        filter: list.filter().to_owned(),
    };
    if model.session.told.as_ref() == Some(&mark) {
        return None;
    }
    model.session.told = Some(mark.clone());
    let folders = model.session.folders.clone();
    Some(Effect::Ask(Request::Mark(folders, mark)))
}
