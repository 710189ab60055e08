//! The last row of the screen.

use ratatui::Frame;
use ratatui::layout::Position;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::layout::PaneLayout;
use super::text::{cells, count, end_of, shorten, shorten_name};
use super::theme::Theme;
use super::worklist::row;
use super::{legend, marks, radiograph};
use crate::tui::keymap::{Action, KeyMode, Keymap};
use crate::tui::model::{LONGEST_NOTE, Model, Overlay, Prompt, PromptKind};
use crate::tui::worklist::{EntryState, FilterError};

/// Cells for hints, from which on there is room for all verdicts, notes and orders.
const WIDE: usize = 80;
const WARNING: &str = " not for diagnosis ";
/// The words about paused background scoring, from the longest; the first that fits is shown.
const PAUSED: [&str; 3] = ["background scoring paused ", "scoring paused ", "paused "];

/// Draws the last row: a prompt, a notice, or the most useful keys, and the warning on the right.
pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let area = layout.footer;
    if area.is_empty() {
        return;
    }
    let width = usize::from(area.width);
    let beside = match width > 2 * WARNING.len() {
        true => width - WARNING.len(),
        false => width,
    };
    // A message that would be cut has the whole row, until the next key.
    let says_something = says_something(model) || marks::needs_row(model, beside);
    let is_long = says_something && words(model, theme, layout, width).width() > beside;
    let left = if is_long { width } else { beside };
    let line = words(model, theme, layout, left);
    if let Some(Overlay::Prompt(prompt)) = &model.overlay {
        let typed = cells(question(prompt.kind)) + cells(&typed(model, prompt, left));
        let x = u16::try_from(typed).unwrap_or(u16::MAX).min(area.width - 1);
        frame.set_cursor_position(Position::new(area.x + x, area.y));
    }
    frame.render_widget(line, area);
    if left < width {
        // The style of a line is that of its whole area, the words before it included.
        let warning = Line::from(Span::styled(WARNING, theme.title)).right_aligned();
        frame.render_widget(warning, area);
    }
}

/// Whether the row has a message or takes words, rather than hints.
fn says_something(model: &Model) -> bool {
    matches!(model.overlay, Some(Overlay::Prompt(_)))
        || model.notice.is_some()
        || model.reviews.waiting.is_some()
        || model.mode == KeyMode::Window
}

/// The words of the row in `left` cells.
fn words(model: &Model, theme: &Theme, layout: &PaneLayout, left: usize) -> Line<'static> {
    match (&model.overlay, &model.notice) {
        (Some(Overlay::Prompt(prompt)), _) => prompt_line(model, theme, prompt, left),
        (_, Some(notice)) => Line::styled(shorten(notice, left), theme.caution),
        _ if model.reviews.waiting.is_some() => {
            Line::styled(shorten(&waiting(model), left), theme.refused)
        }
        _ if model.coarse.as_ref().is_some_and(|coarse| !coarse.is_read) => {
            let coarse = model.coarse.as_ref().map(|coarse| coarse.words.as_str());
            let words = with_way_out(coarse.unwrap_or_default(), left);
            Line::styled(words, theme.caution)
        }
        _ if model.mode == KeyMode::Window => {
            let words = window_words(&model.keymap);
            Line::styled(shorten(&theme.words(&words), left), theme.key)
        }
        _ if model.grid.is_open => grid_hints(model, theme, left),
        _ if model.is_marking() => {
            let words = marks::footer_words(model, left);
            Line::styled(shorten(&theme.words(&words), left), theme.key)
        }
        _ if model.is_first_time => first_time(model, theme, left),
        _ if model.sizes.is_image_alone() && !has_heat_map(model) => {
            whole_screen(model, theme, left)
        }
        // A compact layout has no border for the limit of the heat map.
        _ if layout.compact && has_heat_map(model) => {
            Line::styled(heat_map_words(model, left), theme.plain)
        }
        // Nor has it one for a pause, which has to stay visible.
        _ if layout.compact && model.is_paused() => paused_hints(model, theme, left),
        _ => hints(model, theme, left),
    }
}

/// A reason and what to do about it, after the last dot: that stays where the reason is cut, and alone where nothing of the
/// reason would be read.
fn with_way_out(words: &str, width: usize) -> String {
    const LEAST: usize = 8;
    let way_out = words.rfind(" · ").map_or("", |at| &words[at..]);
    let alone = way_out.trim_start_matches(" · ");
    if cells(words) <= width || alone.is_empty() || cells(alone) > width {
        return shorten(words, width);
    }
    if cells(way_out) + LEAST > width {
        return alone.to_owned();
    }
    let reason = words.strip_suffix(way_out).unwrap_or(words);
    shorten(reason, width - cells(way_out)) + way_out
}

/// The words about reviews that could not be saved: they are shown until the reviews are saved.
fn waiting(model: &Model) -> String {
    let waiting = model.reviews.waiting.as_ref();
    waiting.map_or_else(String::new, |(count, reason)| {
        let reviews = if *count == 1 { "review" } else { "reviews" };
        format!("{count} {reviews} not saved yet, retrying: {reason}")
    })
}

/// The keys of the window mode: they are shown as long as it is on.
fn window_words(keymap: &Keymap) -> String {
    let key = |action| keymap.display_key(action);
    format!(
        "window: {}{} width {}{} level {} done",
        key(Action::Narrower),
        key(Action::Wider),
        key(Action::LevelUp),
        key(Action::LevelDown),
        key(Action::WindowDone)
    )
}

/// The most useful keys of the grid, as many as fit; help and quit are always there.
fn grid_hints(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    let mut last = hints(model, theme, 0);
    let key = |action| model.keymap.display_key(action);
    let mut left = width.saturating_sub(last.width());
    let mut spans = Vec::new();
    for (action, word) in [
        (Action::GridOpen, "open"),
        (Action::Grid, "back"),
        (Action::Filter, "filter"),
        (Action::Sort, "sort"),
        (Action::ZoomIn, "larger"),
        (Action::ZoomOut, "smaller"),
    ] {
        let key = key(action);
        // As `[s]ort`, where the key is the first letter.
        let word = word.strip_prefix(&key).unwrap_or(word);
        let hint = format!("[{}]{word}", theme.words(&key));
        if key.is_empty() || !is_of_use(model, action) || cells(&hint) + 1 > left {
            continue;
        }
        left -= cells(&hint) + 1;
        spans.extend(hint_spans(&hint, theme));
    }
    spans.append(&mut last.spans);
    Line::from(spans)
}

/// Five keys for a reader who is here for the first time, and how to get help and to leave.
fn first_time(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    let keys = |actions: &[Action]| {
        let keys = actions.iter().map(|a| model.keymap.display_key(*a));
        keys.filter(|key| !key.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let walk = keys(&[Action::Next, Action::Previous]);
    let alone = keys(&[Action::WholeScreen]);
    let filter = keys(&[Action::Filter]);
    // Before a call there is no answer, no verdict and no heat map.
    let five = if model.is_hidden() {
        let call = keys(&[Action::Call]);
        let next = keys(&[Action::NextUnreviewed]);
        let window = keys(&[Action::Window]);
        [
            format!(
                "first time? {call} your call · {next} next · {window} window · {alone} image alone · {filter} filter · "
            ),
            format!("{call} your call · {next} next · {filter} filter · "),
            String::new(),
        ]
    } else {
        let verdict = keys(&[Action::Agree, Action::Disagree, Action::Unsure]);
        let map = keys(&[Action::HeatMap]);
        [
            format!(
                "first time? {walk} walk · {verdict} your verdict · {map} heat map · {alone} image alone · {filter} filter · "
            ),
            format!("{walk} walk · {verdict} verdict · {map} map · {filter} filter · "),
            String::new(),
        ]
    };
    let mut line = hints(model, theme, 0);
    let room = width.saturating_sub(line.width());
    let five = five.into_iter().find(|five| cells(five) <= room);
    line.spans
        .insert(0, Span::styled(five.unwrap_or_default(), theme.key));
    line
}

/// What the borders say elsewhere, while the image has the whole screen: its place in the list, its name, what was found,
/// and the view.
fn whole_screen(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    let list = &model.worklist;
    let place = format!("{}/{} ", count(list.cursor() + 1), count(list.len()));
    let (words, style) = row::words(model, theme, list.cursor());
    let paused = if model.is_paused() { " · paused" } else { "" };
    let view = radiograph::view_words(model, width);
    let name = list.name(list.cursor());
    // The finding is worth more than the place.
    let place = match cells(&place) + cells(&words) + cells(paused) <= width {
        true => place,
        false => String::new(),
    };
    let left = width.saturating_sub(cells(&place) + cells(&words) + cells(paused) + 1);
    let name = shorten_name(&name, left.min(width / 3));
    let name = if name.is_empty() {
        name
    } else {
        format!("{name} ")
    };
    let words = shorten(&words, width.saturating_sub(cells(&place) + cells(&name)));
    let mut spans = vec![
        Span::styled(place, theme.plain),
        Span::styled(name, theme.title),
        Span::styled(words, style),
        Span::styled(paused, theme.caution),
    ];
    let used: usize = spans.iter().map(Span::width).sum();
    if used + cells(&view) + 2 <= width {
        spans.push(Span::styled(format!(" ·{view}"), theme.dim));
    }
    Line::from(spans)
}

/// The limit of the heat map, and that background scoring is paused, if that fits.
fn heat_map_words(model: &Model, width: usize) -> String {
    const PAUSED_TOO: &str = " · paused";
    let limit = legend::limit(width);
    if model.is_paused() && cells(&limit) + cells(PAUSED_TOO) <= width {
        limit + PAUSED_TOO
    } else {
        limit
    }
}

fn has_heat_map(model: &Model) -> bool {
    let shown = model.viewer.shown.as_ref();
    shown.is_some_and(|shown| shown.legend.is_some())
}

fn question(kind: PromptKind) -> &'static str {
    match kind {
        PromptKind::Filter => "/",
        PromptKind::Jump => "row: ",
        PromptKind::Prevalence => "prevalence: ",
        PromptKind::Note => "note: ",
        PromptKind::MarkLabel => "label: ",
    }
}

/// The question, or that for a rating where the mark needs one.
fn question_of(model: &Model, kind: PromptKind) -> &'static str {
    if kind == PromptKind::MarkLabel && model.asks_for_rating() {
        "rating: "
    } else {
        question(kind)
    }
}

fn prompt_line(model: &Model, theme: &Theme, prompt: &Prompt, width: usize) -> Line<'static> {
    if let Some(error) = error(model, prompt) {
        return wrong_line(model, theme, prompt, &error, width);
    }
    if prompt.kind == PromptKind::Note {
        return note_line(model, theme, prompt, width);
    }
    let matches = match prompt.kind {
        PromptKind::Filter => format!("   {}", filter_hint(model, &prompt.text)),
        PromptKind::Jump => format!("   of {}", count(model.worklist.len())),
        PromptKind::Note => note_hint(&prompt.text),
        PromptKind::MarkLabel => format!("   {}", marks::label_hint(model, &prompt.text)),
        PromptKind::Prevalence => format!("   {}", prevalence_hint(model, &prompt.text)),
    };
    Line::raw(shorten(
        &format!(
            "{}{}{matches}",
            question_of(model, prompt.kind),
            prompt.text
        ),
        width,
    ))
}

/// A note while it is typed: its end, where it is longer than the line.
fn note_line(model: &Model, theme: &Theme, prompt: &Prompt, width: usize) -> Line<'static> {
    let typed = format!("{}{}", question(prompt.kind), typed(model, prompt, width));
    let style = if is_too_long(&prompt.text) {
        theme.refused
    } else {
        theme.plain
    };
    let left = width.saturating_sub(cells(&typed));
    let hint = shorten(&note_hint(&prompt.text), left);
    Line::from(vec![Span::raw(typed), Span::styled(hint, style)])
}

fn is_too_long(note: &str) -> bool {
    note.chars().count() > LONGEST_NOTE
}

/// The length of a note, once it comes near to the limit.
fn note_hint(note: &str) -> String {
    let length = note.chars().count();
    match length {
        _ if is_too_long(note) => format!(
            "   {} characters, {} too many",
            count(length),
            count(length - LONGEST_NOTE)
        ),
        _ if length > LONGEST_NOTE * 3 / 4 => {
            format!("   {} of {} characters", count(length), count(LONGEST_NOTE))
        }
        _ => String::new(),
    }
}

fn error(model: &Model, prompt: &Prompt) -> Option<FilterError> {
    let is_filter = prompt.kind == PromptKind::Filter;
    is_filter.then(|| model.worklist.check(&prompt.text).err())?
}

/// A filter with an error: the wrong part is underlined, and the error stands beside the text, however long
/// that is.
fn wrong_line(
    model: &Model,
    theme: &Theme,
    prompt: &Prompt,
    error: &FilterError,
    width: usize,
) -> Line<'static> {
    let typed = typed(model, prompt, width);
    let cut = if typed == prompt.text {
        error.at
    } else {
        // The shown text is the end of the whole, after an ellipsis.
        (error.at + typed.len()).saturating_sub(prompt.text.len())
    };
    let mut places = (0..=cut.min(typed.len())).rev();
    let cut = places.find(|at| typed.is_char_boundary(*at)).unwrap_or(0);
    let (right, wrong) = typed.split_at(cut);
    let question = question(prompt.kind);
    let left = width.saturating_sub(cells(question) + cells(&typed));
    Line::from(vec![
        Span::raw(format!("{question}{right}")),
        // Underlined, for screens and readers without colours.
        Span::styled(
            wrong.to_owned(),
            theme.refused.add_modifier(Modifier::UNDERLINED),
        ),
        Span::styled(shorten(&format!("   {error}"), left), theme.caution),
    ])
}

/// The shown part of the typed text: its end, where an error or a long note needs room.
fn typed(model: &Model, prompt: &Prompt, width: usize) -> String {
    let words = match (prompt.kind, error(model, prompt)) {
        (PromptKind::Note, _) => note_hint(&prompt.text).width(),
        (_, Some(error)) => error.to_string().width() + 3,
        (_, None) => return prompt.text.clone(),
    };
    let left = width.saturating_sub(question(prompt.kind).width() + words);
    end_of(&prompt.text, left.max(width / 3))
}

/// The number of matches, and the completions of the word that is being typed.
fn filter_hint(model: &Model, text: &str) -> String {
    let matches = match model.worklist.len() {
        0 => "no matches".to_owned(),
        1 => "1 match".to_owned(),
        n => format!("{} matches", count(n)),
    };
    match model.worklist.complete(text) {
        Some(completion) => format!("{matches} · Tab: {}", completion.candidates.join(", ")),
        None => matches,
    }
}

/// The prevalences in force while nothing is typed; otherwise what Enter does.
fn prevalence_hint(model: &Model, typed: &str) -> String {
    match model.card() {
        Some(card) if typed.is_empty() => {
            let shown = model.assumed.shown(card);
            let words: Vec<String> = shown.map(|(label, p)| format!("{label}={p}")).collect();
            format!("now {}", words.join(", "))
        }
        _ => "Enter assumes it; leave empty for the model's default".to_owned(),
    }
}

/// The words about paused background scoring, and the hints that fit beside them.
fn paused_hints(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    // The space after the last hint may lie below the one before the warning.
    let room = (width + 1).saturating_sub(hints(model, theme, 0).width());
    let words = PAUSED.into_iter().find(|words| words.len() <= room);
    let words = words.unwrap_or_default();
    let mut line = hints(model, theme, width.saturating_sub(words.len()));
    line.spans.insert(0, Span::styled(words, theme.caution));
    line
}

/// As many of the keymap's hints as fit into `width` cells. The last two, `[?]help` and `[q]uit`, are always
/// there.
fn hints(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    let hints: Vec<&str> = model
        .keymap
        .bindings()
        .iter()
        .filter(|binding| is_of_use(model, binding.action))
        .filter(|binding| width >= WIDE || !is_for_wide(binding.action))
        .filter_map(|binding| binding.hint.as_deref())
        .collect();
    let (rest, last) = hints.split_at(hints.len().saturating_sub(2));
    let mut left = width.saturating_sub(last.iter().map(|hint| hint.width() + 1).sum());
    let mut shown = Vec::new();
    for hint in rest {
        let Some(remaining) = left.checked_sub(hint.width() + 1) else {
            break;
        };
        left = remaining;
        shown.push(*hint);
    }
    let spans = shown
        .iter()
        .chain(last)
        .flat_map(|hint| hint_spans(hint, theme));
    Line::from_iter(spans)
}

/// Whether its hint makes room for others where the screen is not wide.
fn is_for_wide(action: Action) -> bool {
    matches!(action, Action::Note | Action::NextUnreviewed)
}

/// Whether the action can do something now: only a blinded reading has calls, a verdict needs a visible
/// answer, and a study or a drawn order leaves nothing to sort.
fn is_of_use(model: &Model, action: Action) -> bool {
    match action {
        Action::Call => model.blinded.is_some(),
        Action::Sort | Action::Reverse => !model.worklist.is_order_fixed(),
        Action::Agree | Action::Disagree | Action::Unsure => {
            let entry = model.worklist.selected();
            let has_none = entry.is_none_or(|entry| {
                matches!(
                    entry.state,
                    EntryState::Failed(_) | EntryState::NoPicture(_)
                )
            });
            !model.is_hidden() && !has_none
        }
        _ => true,
    }
}

/// `[w]indow` with its key in another style.
fn hint_spans(hint: &str, theme: &Theme) -> [Span<'static>; 2] {
    let end = hint.find(']').map_or(0, |at| at + 1);
    [
        Span::styled(hint[..end].to_owned(), theme.key),
        Span::styled(format!("{} ", &hint[end..]), theme.plain),
    ]
}
