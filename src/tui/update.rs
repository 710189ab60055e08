//! (model, message) → effects. No input or output happens here, so every rule of the screen can be tested
//! with keys in, and state and effects out.

mod background;
mod blinded;
pub mod comparison;
mod disk;
mod elsewhere;
mod grid;
mod header;
mod heat_map;
mod image;
mod left_out;
mod marks;
mod message;
mod models;
mod mouse;
mod outcome;
mod panes;
mod prompt;
mod review;
pub mod session;
mod shown;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::keymap::{Action, KeyMode, Lookup};
use super::model::{Model, Overlay, Prompt, PromptKind, Search};
use super::worklist::Sort;
use crate::library::whole_path;
pub use blinded::away;
pub use message::{Effect, Message};

/// Other films beside this one, a report and other programs would show what the study hides.
const ONLY_HERE: &str = "a study shows its films one at a time, and only here";
/// The notice where the reader would change what the study says.
const FIXED_BY_STUDY: &str = "the study fixes order, model and prevalence";

/// Lines that half a page moves the text of an overlay.
const HALF_PAGE_LINES: i32 = 10;

/// Applies a message to the model; returns the work that it leads to.
pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    session::before(model, &message);
    let mut effects = on_message(model, message);
    effects.extend(disk::refresh(model));
    effects.extend(session::after(model));
    effects.extend(headers(model));
    effects.extend(comparison::after(model));
    effects.extend(shown::after(model));
    effects.extend(background::next(model));
    effects.extend(grid::after(model));
    effects.extend(marks::refresh(model));
    blinded::clock(model);
    effects
}

fn on_message(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Key(key) if key.kind == KeyEventKind::Release => vec![],
        Message::Key(key) => on_key(model, key),
        Message::Mouse(mouse) if model.grid.is_open && model.overlay.is_none() => {
            grid::on_mouse(model, mouse)
        }
        Message::Mouse(mouse) => mouse::on_mouse(model, mouse),
        Message::Paste(text) => prompt::on_paste(model, &text),
        Message::Resize(size) => {
            model.size = size;
            vec![Effect::Repaint]
        }
        Message::Found { images, problems } => {
            for problem in problems {
                model.worklist.add_problem(problem);
            }
            let mut effects = keeping_selection(model, |model| model.worklist.add(images));
            effects.extend(request_times(model));
            effects
        }
        Message::LeftOut(files) => {
            model.worklist.leave_out(files);
            vec![]
        }
        Message::Dated(times) => keeping_selection(model, |model| model.worklist.set_times(times)),
        Message::ScanFinished => {
            model.worklist.finish_scan();
            let words = [
                disk::unwatched(model),
                model.worklist.table_fault(),
                left_out::words(model),
            ];
            let words: Vec<String> = words.into_iter().flatten().collect();
            if !words.is_empty() {
                model.notice = Some(words.join(" · "));
            }
            let mut effects = keeping_selection(model, blinded::on_all_found);
            effects.extend(disk::look_if_due(model));
            effects
        }
        Message::Touched { touched, asked } => disk::on_touched(model, touched, asked),
        Message::LookAgain => disk::look_again(model),
        Message::LookedAgain => disk::on_looked_again(model),
        Message::Unwatched(reason) => disk::on_unwatched(model, reason),
        Message::Worker(outcome) => outcome::on_outcome(model, outcome),
        Message::Headers(batch) => {
            model.worklist.take_headers(batch);
            vec![]
        }
        Message::Contents(files) => {
            disk::on_contents(model, files);
            vec![]
        }
        Message::Finished(words) => {
            model.notice = Some(words);
            vec![]
        }
        Message::Header { source, read } => {
            header::on_read(model, &source, read);
            vec![]
        }
        Message::Review(news) => review::on_news(model, news),
        Message::LaidOut {
            panes,
            canvas,
            compared,
        } => {
            model.panes = panes;
            model.comparison.canvas = compared;
            image::set_canvas(model, canvas)
        }
        Message::GridLaidOut(canvas) => grid::set_canvas(model, canvas),
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
        // The loop handles them: it chooses a painter for the terminal.
        Message::Attached(_) | Message::HasKitty => vec![],
        Message::Refresh => vec![Effect::Repaint],
        Message::Suspend => vec![Effect::Suspend],
        Message::Quit(code) => vec![Effect::Quit(code)],
    }
}

/// Runs a change of the worklist. If another image is selected after it, requests that image, unless the grid is on the
/// screen.
fn keeping_selection(model: &mut Model, change: impl FnOnce(&mut Model)) -> Vec<Effect> {
    change(model);
    if model.grid.is_open {
        return vec![];
    }
    let selected = model.worklist.selected().map(|entry| entry.path.clone());
    if selected == model.viewer.source {
        vec![]
    } else {
        image::select(model)
    }
}

fn on_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let is_first = ends_first_time(model);
    model.notice = None;
    if let Some(coarse) = &mut model.coarse {
        coarse.is_read = true;
    }
    if model.overlay.is_none() {
        model.about = None;
    }
    if let Some(blinded) = &mut model.blinded {
        blinded.begun = true;
    }
    let mut effects = on_any_key(model, key);
    if is_first {
        effects.extend(panes::remember(model));
    }
    effects
}

/// Whether this key ends the words for a first time. It ends only what was on the screen: another message may have had
/// their place until now.
fn ends_first_time(model: &mut Model) -> bool {
    let is_covered = model.notice.is_some()
        || model.reviews.waiting.is_some()
        || model.coarse.as_ref().is_some_and(|coarse| !coarse.is_read);
    !is_covered && std::mem::take(&mut model.is_first_time)
}

fn on_any_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    match model.overlay.take() {
        Some(Overlay::Prompt(prompt)) => prompt::on_key(model, prompt, key),
        Some(Overlay::Disagree { labels }) => review::on_label_key(model, &labels, key),
        Some(Overlay::Call(asking)) => blinded::on_key(model, asking, key),
        Some(Overlay::Header(header)) => header::on_key(model, header, key),
        Some(overlay) => on_overlay_key(model, overlay, key),
        None => {
            model.pending.push(key);
            let modes = model.key_modes();
            let found = model.keymap.lookup_in(&modes, &model.pending);
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

/// The scroll of a text overlay.
fn scroll_of(overlay: &mut Overlay) -> Option<&mut i32> {
    match overlay {
        Overlay::Help { scroll, .. }
        | Overlay::Legend { scroll }
        | Overlay::Path { scroll }
        | Overlay::About { scroll }
        | Overlay::LeftOut { scroll } => Some(scroll),
        Overlay::Prompt(_) | Overlay::Disagree { .. } | Overlay::Call(_) | Overlay::Header(_) => {
            None
        }
    }
}

/// A scroll after so many lines, from the top or from the end: see [`Overlay`].
fn scrolled(scroll: i32, lines: i32) -> i32 {
    let moved = scroll.saturating_add(lines);
    if scroll < 0 {
        moved.min(-1)
    } else {
        moved.max(0)
    }
}

/// A key while the text of a search is typed: it becomes a part of it, or ends it.
fn on_search_key(search: &mut Search, key: KeyEvent) {
    match key.code {
        KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => search.text.push(c),
        KeyCode::Backspace if search.text.pop().is_none() => search.is_typed = false,
        KeyCode::Esc => *search = Search::default(),
        KeyCode::Enter => search.is_typed = false,
        _ => {}
    }
}

/// In a text overlay, moving scrolls, quitting quits, and any other key closes it. The help can be searched.
fn on_overlay_key(model: &mut Model, mut overlay: Overlay, key: KeyEvent) -> Vec<Effect> {
    if let Overlay::Help { search, scroll } = &mut overlay
        && search.is_typed
    {
        on_search_key(search, key);
        *scroll = 0;
        model.overlay = Some(overlay);
        return vec![];
    }
    let action = model.keymap.lookup(KeyMode::Browse, &[key]);
    if let Overlay::Help { search, scroll } = &mut overlay
        && action == Lookup::Action(Action::Filter)
    {
        search.is_typed = true;
        *scroll = 0;
        model.overlay = Some(overlay);
        return vec![];
    }
    let Some(scroll) = scroll_of(&mut overlay) else {
        return vec![];
    };
    match action {
        Lookup::Action(Action::Next) => *scroll = scrolled(*scroll, 1),
        Lookup::Action(Action::Previous) => *scroll = scrolled(*scroll, -1),
        Lookup::Action(Action::HalfPageDown) => *scroll = scrolled(*scroll, HALF_PAGE_LINES),
        Lookup::Action(Action::HalfPageUp) => *scroll = scrolled(*scroll, -HALF_PAGE_LINES),
        Lookup::Action(Action::Last) => *scroll = -1,
        // The first key of a longer one, `g g`: it must not close the box.
        Lookup::Action(Action::First) | Lookup::Pending => *scroll = 0,
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
    if model.grid.is_open
        && let Some(effects) = grid::act(model, action)
    {
        return effects;
    }
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
            open_prompt(model, PromptKind::Filter, text)
        }
        Action::Jump => open_prompt(model, PromptKind::Jump, String::new()),
        Action::Prevalence if model.study_sitting().is_some() => say(model, FIXED_BY_STUDY),
        Action::Prevalence => prompt::ask_for_prevalence(model),
        Action::Sort | Action::Reverse if model.study_sitting().is_some() => {
            say(model, FIXED_BY_STUDY)
        }
        Action::Sort | Action::Reverse if model.worklist.is_order_fixed() => say(
            model,
            "the order is fixed: blinded reading in random order (--shuffle)",
        ),
        Action::Sort => {
            let sort = next_sort(model);
            let mut effects = keeping_selection(model, |model| model.worklist.set_sort(sort));
            effects.extend(request_times(model));
            effects
        }
        Action::Reverse => keeping_selection(model, |model| model.worklist.reverse()),
        Action::Rescan => disk::rescan(model),
        Action::LeftOut => left_out::show(model),
        Action::Window => {
            model.enter_mode(KeyMode::Window);
            vec![]
        }
        Action::WindowDone => {
            model.end_mode(KeyMode::Window);
            vec![]
        }
        Action::Header if model.hides_header() => {
            say(model, "hidden in this study: the DICOM header")
        }
        Action::NextModel if model.study_sitting().is_some() => say(model, FIXED_BY_STUDY),
        Action::Identity => match model.turn_identity() {
            Ok(()) => vec![],
            Err(reason) => say(model, reason),
        },
        Action::Header => header::show(model),
        Action::NextModel => models::next(model),
        Action::Background => background::pause(model),
        Action::About => {
            model.overlay = Some(Overlay::About { scroll: 0 });
            vec![]
        }
        Action::Help => {
            model.overlay = Some(Overlay::Help {
                scroll: 0,
                search: Search::default(),
            });
            vec![]
        }
        Action::Legend => {
            model.overlay = Some(Overlay::Legend { scroll: 0 });
            vec![]
        }
        Action::Path => show_path(model),
        Action::Back => back(model),
        Action::WholeScreen
        | Action::HideWorklist
        | Action::HideFindings
        | Action::WiderPanes
        | Action::NarrowerPanes
        | Action::TallerFindings
        | Action::ShorterFindings => panes::act(model, action),
        Action::Redraw => vec![Effect::ProbeAgain, Effect::Repaint],
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
        Action::Prognosis => turn_prognosis(model),
        Action::HeatMap
        | Action::NextHeatMap
        | Action::FainterHeatMap
        | Action::StrongerHeatMap => heat_map::act(model, action),
        Action::Grid
        | Action::Compare
        | Action::EarlierFilm
        | Action::LaterFilm
        | Action::MarkFilm
        | Action::LinkFilms
        | Action::Report
        | Action::OpenFilm
        | Action::OpenFolder
            if model.study_sitting().is_some() =>
        {
            say(model, ONLY_HERE)
        }
        Action::Grid => grid::turn(model),
        Action::Compare
        | Action::EarlierFilm
        | Action::LaterFilm
        | Action::MarkFilm
        | Action::LinkFilms => comparison::act(model, action),
        Action::Mark
        | Action::ShowMarks
        | Action::MarkLeft
        | Action::MarkRight
        | Action::MarkUp
        | Action::MarkDown
        | Action::MarkStep
        | Action::MarkRuler
        | Action::MarkRatio
        | Action::MarkAngle
        | Action::MarkPoint
        | Action::MarkBox
        | Action::MarkSet
        | Action::MarkNext
        | Action::MarkLabel
        | Action::MarkDelete
        | Action::MarkDone => marks::act(model, action),
        Action::SavePicture | Action::Report | Action::OpenFilm | Action::OpenFolder => {
            elsewhere::act(model, action)
        }
        view => image::act(model, view),
    }
}

/// Shows the whole path of the selected image, and copies it.
fn show_path(model: &mut Model) -> Vec<Effect> {
    let Some(entry) = model.worklist.selected() else {
        return vec![];
    };
    // From the root: it may be pasted into a shell of another folder.
    let path = whole_path(&entry.path);
    let path = path.to_string_lossy();
    // Pasted into a shell, a line break would end the command.
    if path
        .chars()
        .any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER)
    {
        return say(
            model,
            "not copied: this path has characters that no shell takes from a clipboard",
        );
    }
    let copy = Effect::Copy(path.into_owned());
    model.overlay = Some(Overlay::Path { scroll: 0 });
    vec![copy]
}

/// Goes back by what lies on top: a mark that is being made, a mode, a filter, the grid, the whole screen for the image,
/// the view.
fn back(model: &mut Model) -> Vec<Effect> {
    if model.mode == KeyMode::Mark {
        marks::back(model);
        return vec![];
    }
    let is_filtered = !model.worklist.filter().is_empty();
    if model.mode != KeyMode::Window && is_filtered {
        return keeping_selection(model, |model| model.worklist.set_filter(String::new()));
    }
    if model.grid.is_open {
        return grid::back(model);
    }
    if model.mode == KeyMode::Browse && model.sizes.is_image_alone() {
        return panes::act(model, Action::WholeScreen);
    }
    image::act(model, Action::Reset)
}

fn move_by(model: &mut Model, rows: isize) -> Vec<Effect> {
    keeping_selection(model, |model| model.worklist.move_by(rows))
}

/// Turns the pages of the findings. After the last page comes the first.
fn turn_findings(model: &mut Model, pages: isize) -> Vec<Effect> {
    model.findings_page = model.findings_page.wrapping_add(pages);
    vec![]
}

/// Shows or hides the outcomes, where the model has some.
fn turn_prognosis(model: &mut Model) -> Vec<Effect> {
    if model.card().is_some_and(|card| card.prognoses.is_empty()) {
        return say(model, "this model foretells no outcome: cxr adapt fits one");
    }
    model.prognosis = !model.prognosis;
    vec![]
}

fn to_match(model: &mut Model, rows: isize) -> Vec<Effect> {
    if model.worklist.filter().is_empty() {
        let key = model.keymap.display_key(Action::Filter);
        return say(model, &format!("no filter yet: {key} sets one"));
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

/// Asks the disk when files were last modified, but only while the list is sorted by that.
fn request_times(model: &mut Model) -> Option<Effect> {
    model.worklist.request_times().map(Effect::Date)
}

/// Has the headers of new and of changed files read.
fn headers(model: &mut Model) -> Option<Effect> {
    let jobs = model.worklist.headers_to_read();
    (!jobs.is_empty()).then_some(Effect::ReadHeaders(jobs))
}

/// Opens a prompt in the footer that already holds `text`.
fn open_prompt(model: &mut Model, kind: PromptKind, text: String) -> Vec<Effect> {
    let before = model.worklist.position();
    model.overlay = Some(Overlay::Prompt(Prompt { kind, text, before }));
    vec![]
}

/// Shows one line in the footer until the next key, and does nothing else.
fn say(model: &mut Model, notice: &str) -> Vec<Effect> {
    model.notice = Some(notice.to_owned());
    vec![]
}

#[cfg(test)]
mod tests;
