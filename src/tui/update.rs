//! (Model, Message) → effects. No input or output happens here, so that every rule of the screen
//! can be tested with keys in and state out.

mod background;
mod blinded;
mod disk;
mod heat_map;
mod image;
mod left_out;
mod models;
mod prompt;
mod review;
pub mod session;
mod shown;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossterm::event::{
    KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Size};

use super::keymap::{Action, KeyMode, Lookup};
use super::model::{ClassifierState, Model, Overlay, Panes, PromptKind};
use super::terminal::Tmux;
use super::worklist::{EntryState, FilterTerms, Sort, Undated};
use crate::domain::{Canvas, Prediction};
use crate::library::{KnownFile, Touched, UnreadFormat};
use crate::store::{News, Request};
use crate::worker::{BackgroundJob, Generation, ImageJob, JobOutcome, Shown};

/// Everything that can happen.
pub enum Message {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(Size),
    /// Images and problems, in batches as the folder is walked.
    Found {
        images: Vec<Arc<Path>>,
        problems: Vec<String>,
    },
    /// Files of formats that are not read, from the same walk.
    LeftOut(Vec<(Arc<Path>, UnreadFormat)>),
    ScanFinished,
    /// What became of files since: because it was asked for, or because the system told.
    Touched {
        touched: Vec<Touched>,
        asked: bool,
    },
    /// When files were changed last, in seconds since 1970, from the one of that number on.
    Dated {
        first: usize,
        times: Vec<Option<f64>>,
    },
    Worker(JobOutcome),
    Review(News),
    /// The screen was laid out: where its panes are, and how many pixels the image may have.
    LaidOut {
        panes: Panes,
        canvas: Canvas,
    },
    /// What came together: nothing is drawn before all of it is taken in.
    Several(Vec<Message>),
    /// What the last message led to is on the screen.
    Drawn,
    /// A moment has passed while something is under way.
    Tick,
    /// Another terminal is attached to tmux.
    Attached(Box<Tmux>),
    /// Back from a suspension, or asked to draw everything anew.
    Refresh,
    Suspend,
    Quit(u8),
}

/// What the loop has to do.
#[derive(Debug)]
pub enum Effect {
    Select(ImageJob),
    Redraw(ImageJob),
    /// Once nobody waits for another image.
    ReadBehind(BackgroundJob),
    /// Take back what was sent for and not begun.
    PutOff,
    /// Classify with the model of that number from now on.
    UseModel(Generation, usize),
    /// Of the review log.
    Ask(Request),
    /// Walk the folders again, and compare with these files.
    Rescan(Vec<KnownFile>),
    /// Find out when these files were changed last.
    Date(Undated),
    /// Paint every cell anew.
    Repaint,
    Suspend,
    /// With this exit code.
    Quit(u8),
}

/// Rows that a turn of the mouse wheel moves.
const WHEEL_ROWS: isize = 1;
/// Lines of an overlay.
const WHEEL_LINES: u16 = 3;
const WHEEL_ZOOM: f64 = 1.15;

pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    session::before(model, &message);
    let mut effects = on_message(model, message);
    effects.extend(disk::refresh(model));
    effects.extend(session::after(model));
    effects.extend(shown::after(model));
    effects.extend(background::next(model));
    blinded::clock(model);
    effects
}

fn on_message(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Key(key) if key.kind == KeyEventKind::Release => vec![],
        Message::Key(key) => on_key(model, key),
        Message::Mouse(mouse) => on_mouse(model, mouse),
        Message::Paste(text) => prompt::on_paste(model, &text),
        Message::Resize(size) => {
            model.size = size;
            vec![Effect::Repaint]
        }
        Message::Found { images, problems } => {
            problems
                .into_iter()
                .for_each(|p| model.worklist.add_problem(p));
            let mut effects = keeping_selection(model, |model| model.worklist.add(images));
            effects.extend(ask_for_times(model));
            effects
        }
        Message::LeftOut(files) => {
            model.worklist.leave_out(files);
            vec![]
        }
        Message::Dated { first, times } => {
            keeping_selection(model, |model| model.worklist.date(first, times))
        }
        Message::ScanFinished => {
            model.worklist.finish_scan();
            if let Some(words) = left_out::words(model) {
                model.notice = Some(words);
            }
            keeping_selection(model, blinded::on_all_found)
        }
        Message::Touched { touched, asked } => disk::on_touched(model, touched, asked),
        Message::Worker(outcome) => on_outcome(model, outcome),
        Message::Review(news) => review::on_news(model, news),
        Message::LaidOut { panes, canvas } => {
            model.panes = panes;
            image::set_canvas(model, canvas)
        }
        Message::Tick => {
            model.ticks += 1;
            vec![]
        }
        Message::Several(messages) => {
            let messages = messages.into_iter();
            messages
                .flat_map(|message| update(model, message))
                .collect()
        }
        Message::Drawn => {
            blinded::on_drawn(model);
            vec![]
        }
        // The loop chooses a painter for it.
        Message::Attached(_) => vec![],
        Message::Refresh => vec![Effect::Repaint],
        Message::Suspend => vec![Effect::Suspend],
        Message::Quit(code) => vec![Effect::Quit(code)],
    }
}

/// Runs a change of the worklist; if another image is selected after it, asks for that one.
fn keeping_selection(model: &mut Model, change: impl FnOnce(&mut Model)) -> Vec<Effect> {
    change(model);
    let selected = model.worklist.selected().map(|entry| entry.path.clone());
    if selected == model.viewer.source {
        vec![]
    } else {
        image::select(model)
    }
}

fn on_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    model.notice = None;
    if model.overlay.is_none() {
        model.about = None;
    }
    if let Some(blinded) = &mut model.blinded {
        blinded.begun = true;
    }
    match model.overlay.take() {
        Some(Overlay::Prompt(prompt)) => prompt::on_key(model, prompt, key),
        Some(Overlay::Disagree { labels }) => review::on_label_key(model, &labels, key),
        Some(Overlay::Call(asking)) => blinded::on_key(model, asking, key),
        Some(overlay) => on_overlay_key(model, overlay, key),
        None => {
            model.pending.push(key);
            let found = model.keymap.lookup(model.mode, &model.pending);
            if found != Lookup::Pending {
                model.pending.clear();
            }
            match found {
                Lookup::Action(action) => act(model, action),
                Lookup::Pending | Lookup::Nothing => vec![],
            }
        }
    }
}

/// In a text overlay, moving scrolls, quitting quits, and any other key closes it.
fn on_overlay_key(model: &mut Model, mut overlay: Overlay, key: KeyEvent) -> Vec<Effect> {
    let (Overlay::Help { scroll } | Overlay::About { scroll } | Overlay::LeftOut { scroll }) =
        &mut overlay
    else {
        return vec![];
    };
    match model.keymap.lookup(KeyMode::Browse, &[key]) {
        Lookup::Action(Action::Next) => *scroll = scroll.saturating_add(1),
        Lookup::Action(Action::Previous) => *scroll = scroll.saturating_sub(1),
        Lookup::Action(Action::HalfPageDown) => *scroll = scroll.saturating_add(10),
        Lookup::Action(Action::HalfPageUp) => *scroll = scroll.saturating_sub(10),
        Lookup::Action(Action::Quit) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            return review::quit(model);
        }
        _ => return vec![],
    }
    model.overlay = Some(overlay);
    vec![]
}

fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    model.reviews.leaving &= action == Action::Quit;
    let half_page = (isize::try_from(model.panes.worklist.height).unwrap_or(0) / 2).max(1);
    match action {
        Action::Next => move_by(model, 1),
        Action::Previous => move_by(model, -1),
        Action::HalfPageDown => move_by(model, half_page),
        Action::HalfPageUp => move_by(model, -half_page),
        Action::First => keeping_selection(model, |model| model.worklist.go_to(0)),
        Action::Last => keeping_selection(model, |model| model.worklist.go_to(usize::MAX)),
        Action::NextMatch => to_match(model, 1),
        Action::PreviousMatch => to_match(model, -1),
        Action::Filter => {
            let text = model.worklist.filter().to_owned();
            prompt::open(model, PromptKind::Filter, text)
        }
        Action::Jump => prompt::open(model, PromptKind::Jump, String::new()),
        Action::Prevalence => prompt::ask_for_prevalence(model),
        Action::Sort | Action::Reverse if model.worklist.fixed_order().is_some() => review::say(
            model,
            "the order is fixed: you read blinded in a random one (--shuffle)",
        ),
        Action::Sort => {
            let sort = next_sort(model);
            let mut effects = keeping_selection(model, |model| model.worklist.set_sort(sort));
            effects.extend(ask_for_times(model));
            effects
        }
        Action::Reverse => keeping_selection(model, |model| model.worklist.reverse()),
        Action::Rescan => disk::rescan(model),
        Action::LeftOut => left_out::show(model),
        Action::Window => {
            model.mode = KeyMode::Window;
            vec![]
        }
        Action::WindowDone => {
            model.mode = KeyMode::Browse;
            vec![]
        }
        Action::Identity => {
            model.identity = !model.identity;
            vec![]
        }
        Action::NextModel => models::next(model),
        Action::Background => background::pause(model),
        Action::About => {
            model.overlay = Some(Overlay::About { scroll: 0 });
            vec![]
        }
        Action::Help => {
            model.overlay = Some(Overlay::Help { scroll: 0 });
            vec![]
        }
        Action::Redraw => vec![Effect::Repaint],
        Action::Suspend => vec![Effect::Suspend],
        Action::Quit => review::quit(model),
        Action::Call => blinded::ask(model),
        Action::Agree
        | Action::Disagree
        | Action::Unsure
        | Action::KeyImage
        | Action::Note
        | Action::Undo
        | Action::Redo
        | Action::NextUnreviewed => review::act(model, action),
        Action::NextFindings => turn_findings(model, 1),
        Action::PreviousFindings => turn_findings(model, -1),
        Action::HeatMap
        | Action::NextHeatMap
        | Action::FainterHeatMap
        | Action::StrongerHeatMap => heat_map::act(model, action),
        look => image::act(model, look),
    }
}

fn move_by(model: &mut Model, rows: isize) -> Vec<Effect> {
    keeping_selection(model, |model| model.worklist.move_by(rows))
}

/// The pane has as many pages as it needs, and after the last comes the first.
fn turn_findings(model: &mut Model, pages: isize) -> Vec<Effect> {
    model.findings_page = model.findings_page.wrapping_add(pages);
    vec![]
}

fn to_match(model: &mut Model, rows: isize) -> Vec<Effect> {
    if model.worklist.filter().is_empty() {
        let key = model.keymap.key_for_people(Action::Filter);
        model.notice = Some(format!("no filter yet: {key} sets one"));
        return vec![];
    }
    move_by(model, rows)
}

fn next_sort(model: &Model) -> Sort {
    let mut sorts = Sort::all(model.card(), model.choices.all.len());
    sorts.retain(|sort| model.worklist.may_sort_by(sort));
    sorts.retain(|sort| *sort != Sort::Patient || model.worklist.has_patients());
    let now = sorts.iter().position(|sort| sort == model.worklist.sort());
    let next = (now.unwrap_or(0) + 1) % sorts.len();
    sorts.swap_remove(next)
}

/// Times of files are asked of the disk only where the list is sorted by them.
fn ask_for_times(model: &mut Model) -> Option<Effect> {
    model.worklist.ask_for_times().map(Effect::Date)
}

fn on_mouse(model: &mut Model, mouse: MouseEvent) -> Vec<Effect> {
    let at = Position::new(mouse.column, mouse.row);
    let on_image = model.panes.image.contains(at);
    if model.overlay.is_some() {
        return on_overlay_mouse(model, mouse.kind);
    }
    match mouse.kind {
        MouseEventKind::ScrollDown if model.panes.findings.contains(at) => turn_findings(model, 1),
        MouseEventKind::ScrollUp if model.panes.findings.contains(at) => turn_findings(model, -1),
        MouseEventKind::ScrollDown if on_image => image::zoom(model, 1.0 / WHEEL_ZOOM),
        MouseEventKind::ScrollUp if on_image => image::zoom(model, WHEEL_ZOOM),
        MouseEventKind::ScrollDown => move_by(model, WHEEL_ROWS),
        MouseEventKind::ScrollUp => move_by(model, -WHEEL_ROWS),
        MouseEventKind::Down(MouseButton::Left) if model.panes.worklist.contains(at) => {
            let pane = model.panes.worklist;
            let first = model.worklist.first_visible(usize::from(pane.height));
            let row = first + usize::from(at.y - pane.y);
            if row < model.worklist.len() {
                keeping_selection(model, |model| model.worklist.go_to(row))
            } else {
                vec![]
            }
        }
        _ => vec![],
    }
}

/// The wheel scrolls a text overlay, and a click closes it; what asks for something is answered by
/// keys.
fn on_overlay_mouse(model: &mut Model, kind: MouseEventKind) -> Vec<Effect> {
    let Some(Overlay::Help { scroll } | Overlay::About { scroll } | Overlay::LeftOut { scroll }) =
        &mut model.overlay
    else {
        return vec![];
    };
    match kind {
        MouseEventKind::ScrollDown => *scroll = scroll.saturating_add(WHEEL_LINES),
        MouseEventKind::ScrollUp => *scroll = scroll.saturating_sub(WHEEL_LINES),
        MouseEventKind::Down(MouseButton::Left) => model.overlay = None,
        _ => {}
    }
    vec![]
}

/// Takes in a result, unless it answers an older question or is about another image.
fn on_outcome(model: &mut Model, outcome: JobOutcome) -> Vec<Effect> {
    if let Some((source, generation)) = outcome.answers() {
        let current =
            generation == model.viewer.generation && model.viewer.source.as_ref() == Some(source);
        if !current {
            return vec![];
        }
    }
    match outcome {
        // Two presses load two models, and the first one's news is old.
        JobOutcome::Model(Ok(card)) if !model.choices.is_current(&card) => {}
        JobOutcome::Model(Ok(card)) => {
            model
                .worklist
                .set_terms(FilterTerms::new(&card, &model.assumed));
            model.engine = ClassifierState::Ready(card);
            return session::check(model);
        }
        JobOutcome::Model(Err(reason)) => {
            model.engine = ClassifierState::Failed(reason);
            model.viewer.classifying = None;
        }
        JobOutcome::Opened {
            source,
            result: Ok(facts),
            stamp,
            ..
        } => {
            if model.worklist.identify(&source, facts.content, stamp) {
                model.notice = Some(image::REPLACED.to_owned());
            }
            // A picture of another image under these facts would be a fault.
            let is_other = |shown: &Shown| shown.content != facts.content;
            model.viewer.shown.take_if(|shown| is_other(shown));
            model.worklist.set_origin(&source, facts.origin());
            model.viewer.facts = Some(*facts);
            model.viewer.opening = None;
            let is_asked = !model.is_answered() || model.viewer.map_asked;
            if is_asked && !matches!(model.engine, ClassifierState::Failed(_)) {
                model.viewer.classifying = Some(Instant::now());
            }
        }
        JobOutcome::Opened {
            source,
            result: Err(reason),
            ..
        } => {
            model.viewer.opening = None;
            model.worklist.record(&source, reason.into());
        }
        JobOutcome::Background {
            errand,
            result,
            origin,
            stamp,
        } => {
            return background::on_read(model, &errand, result, origin, stamp);
        }
        JobOutcome::CacheDisabled(reason) => {
            model.notice = Some(format!("scores are not kept: {reason}"));
            model.background.forgetful = Some(reason);
        }
        // A view older than the newest is better than none: the newest follows it.
        JobOutcome::Shown { source, shown, .. } => {
            let opened = model.content_of(&source);
            if opened.is_none_or(|content| content == shown.content) {
                model.viewer.shown = Some(shown);
            }
        }
        JobOutcome::Classified { source, result, .. } => {
            let opened = model.content_of(&source);
            let is_other =
                |said: &Prediction| opened.is_some_and(|content| content != said.content);
            if result.as_ref().is_ok_and(|said| is_other(said)) {
                return vec![];
            }
            model.viewer.classifying = None;
            let state = match result {
                Ok(prediction) => EntryState::Read(prediction),
                Err(reason) => reason.into(),
            };
            model.worklist.record(&source, state);
            return heat_map::on_prediction(model);
        }
    }
    vec![]
}

#[cfg(test)]
mod tests;
