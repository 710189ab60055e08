//! Returning to the place where the reader left off, and saving the place where they are.

use super::{Effect, Message, keeping_selection};
use crate::domain::text::clean;
use crate::store::{Bookmark, Request};
use crate::tui::model::{Model, Overlay, ReturnTarget, Session};
use crate::tui::worklist::Sort;

/// Begins a session before any image is found. Without a bookmark it begins at the top.
pub fn begin(model: &mut Model, session: Session, bookmark: Option<Bookmark>) {
    model.session = session;
    let Some(bookmark) = bookmark else { return };
    let wanted = bookmark.selected.map(|path| model.session.given(&path));
    model.session.wanted = wanted.map(|path| ReturnTarget::new(path, bookmark.row));
    if model.blinded.is_some() {
        // Blinded reading has an order of its own.
        return;
    }
    let is_arranged =
        bookmark.sort != Sort::Name.key() || bookmark.reversed || !bookmark.filter.is_empty();
    if let Some(sort) = Sort::of_key(&bookmark.sort) {
        model.worklist.set_sort(sort);
    }
    if bookmark.reversed {
        model.worklist.reverse();
    }
    model.worklist.set_filter(bookmark.filter);
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

/// Called before each message: a reader who presses a key or uses the mouse stays where they are.
pub fn before(model: &mut Model, message: &Message) {
    if matches!(
        message,
        Message::Key(_) | Message::Mouse(_) | Message::Paste(_)
    ) {
        model.session.wanted = None;
    }
}

/// Called after each message: returns to the image that is wanted, and saves the place.
pub fn after(model: &mut Model) -> Vec<Effect> {
    if !model.session.is_begun() {
        return vec![];
    }
    let mut effects = go_back(model);
    effects.extend(save(model));
    effects
}

/// Checks the order and filter of the bookmark against a model that was loaded; drops those that the model
/// does not understand.
pub fn check(model: &mut Model) -> Vec<Effect> {
    if !std::mem::take(&mut model.session.unchecked) {
        return vec![];
    }
    let mut dropped = Vec::new();
    let sorts = Sort::all(model.card(), model.choices.all.len());
    let drops_sort = !sorts.contains(model.worklist.sort());
    if drops_sort {
        let word = clean(model.worklist.sort().word());
        dropped.push(format!(
            "the order by {word}, which this model does not have"
        ));
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

/// Selects the image of the bookmark as soon as it is in the list, or its row once it is clear that the image
/// is gone.
fn go_back(model: &mut Model) -> Vec<Effect> {
    let Some(mut wanted) = model.session.wanted.take() else {
        return vec![];
    };
    let looked_up = model.session.looked_up;
    let effects = keeping_selection(model, |model| {
        let list = &mut model.worklist;
        if wanted.index.is_none() {
            wanted.index = list.index_from(&wanted.path, wanted.searched);
            wanted.searched = list.total();
        }
        // The list was sorted before there were answers; they arrive from the prediction cache.
        let is_settled = list.is_settled(looked_up);
        if list.is_stale() && (list.read() >= wanted.sorts_at || is_settled) {
            list.sort_again();
            wanted.sorts_at = list.read() + 1 + list.read() / 4;
        }
        let row = wanted.index.and_then(|at| list.row_of_index(at));
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

/// Saves the place of the reader, if it has changed.
fn save(model: &mut Model) -> Option<Effect> {
    // A filter that is being typed may still be abandoned.
    let is_typing = matches!(model.overlay, Some(Overlay::Prompt(_)));
    if model.session.wanted.is_some() || is_typing {
        return None;
    }
    let list = &model.worklist;
    let selected = list.selected()?;
    let bookmark = Bookmark {
        selected: Some(model.session.real(&selected.path)),
        row: list.lasting_row(),
        sort: list.sort().key(),
        reversed: list.is_reversed(),
        filter: list.filter().to_owned(),
    };
    if model.session.saved.as_ref() == Some(&bookmark) {
        return None;
    }
    model.session.saved = Some(bookmark.clone());
    let folders = model.session.folders.clone();
    Some(Effect::Ask(Request::Mark(folders, bookmark)))
}
