//! The border of the worklist: the counts above, the reader's opinion and the progress below.

use std::time::Duration;

use ratatui::text::{Line, Span};

use crate::domain::Opinion;
use crate::domain::text::clean;
use crate::tui::model::{BackgroundState, Model};
use crate::tui::view::text::{cells, count, shorten};
use crate::tui::view::theme::Theme;

/// The words about an image whose answer the reader saw before the blinded reading: its calls do not count as
/// unaided.
const SEEN_BEFORE: &str = "answer seen before: not counted";

/// The most cells of the filter in the title.
const LONGEST_FILTER: usize = 24;

/// The number of images, the filter, the number that are scored, and the order. Parts that do not fit are left out as a
/// whole, so that no number is cut.
pub fn title(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    titled(" Worklist", model, theme, width)
}

/// The same after another name.
pub fn titled(name: &'static str, model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    let list = &model.worklist;
    let shown = match list.filter() {
        "" => count(list.total()),
        _ => format!("{} of {}", count(list.len()), count(list.total())),
    };
    let filter = match list.filter() {
        "" => String::new(),
        filter => format!(" · /{}", shorten(filter, LONGEST_FILTER)),
    };
    let found = if list.is_scanning() { "…" } else { "" };
    let arrow = if list.is_reversed() { " ↑" } else { "" };
    // Rows stay in place while images are scored: a star says that sorting again would move some.
    let star = if list.is_stale() { "*" } else { "" };
    let problems = match list.problems().len() {
        0 => String::new(),
        1 => " · 1 problem".to_owned(),
        n => format!(" · {n} problems"),
    };
    let left_out = match list.left_out().count() {
        0 => String::new(),
        n => format!(" · {} not read", count(n)),
    };
    let by = model.choices.name().map(|name| format!(" by {name}"));
    let by = by.unwrap_or_default();
    let paused = if model.is_paused() { ", paused" } else { "" };
    let scored = format!("{} scored", count(list.read()));
    let sort = list.sort().word();
    let text = |by: &str, problems: &str| {
        format!(
            " {shown}{found}{filter} · {scored}{by}{paused} · {sort}{star}{arrow}{problems}{left_out} "
        )
    };
    // From the longest; the first that fits is shown.
    let texts = [
        text(&by, &problems),
        text("", &problems),
        text("", ""),
        format!(" {shown}{found}{filter} · {scored}{paused}{star}{arrow}{left_out} "),
        format!(" {shown}{found}{filter}{paused}{left_out} "),
        format!(" {shown}{found}{filter} · {scored}{paused} "),
        format!(" {shown}{found}{filter}{paused} "),
        format!(" {shown}{found}{paused} "),
    ];
    let fits = |text: &String| cells(name) + cells(text) <= width;
    let text = texts.into_iter().find(fits);
    let text = text.unwrap_or_else(|| format!(" {shown}{found} "));
    Line::from(vec![
        Span::styled(name, theme.title),
        Span::styled(text, theme.plain),
    ])
}

/// The time that is left and the counts, as far as they fit into `width` cells. What went wrong stays longest, and `…`
/// stands for what is left out.
pub fn counts(model: &Model, width: usize) -> String {
    let list = &model.worklist;
    let counts = list.counts();
    let (done, refused) = if list.is_blinded() {
        ("called", 0)
    } else {
        ("reviewed", counts.refused)
    };
    // With the order in which they are left out.
    let counted = [
        (2, list.reviewed(), done),
        (4, refused, "refused"),
        (3, counts.failed, "failed"),
        (0, counts.skipped, "without picture"),
    ];
    let counted = counted.into_iter().filter(|(_, n, _)| *n > 0);
    let counted = counted.map(|(rank, n, word)| (rank, format!("{} {word} ", count(n))));
    let left = time_left(model).map(|left| (1, left));
    let mut parts: Vec<(usize, String)> = left.into_iter().chain(counted).collect();
    let mut is_cut = false;
    while let Some(least) = parts.iter().map(|(rank, _)| *rank).min() {
        let words = parts.iter().map(|(_, words)| words.as_str());
        let shown = words.chain(is_cut.then_some("… ")).collect::<Vec<_>>();
        let shown = format!(" {}", shown.join("· "));
        if cells(&shown) <= width {
            return shown;
        }
        is_cut = true;
        parts.retain(|(rank, _)| *rank != least);
    }
    String::new()
}

/// The time that background scoring will take for the rest.
fn time_left(model: &Model) -> Option<String> {
    let list = &model.worklist;
    let unscored = list.total().saturating_sub(list.read());
    if unscored == 0 || model.background.state != BackgroundState::On {
        return None;
    }
    let left = model.background.pace.left(unscored)?;
    Some(format!("{} ", time_words(left)))
}

fn time_words(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..60 => format!("{} s left", seconds.max(1)),
        seconds @ 60..5_400 => format!("{} min left", (seconds + 30) / 60),
        seconds => format!("{} h left", (seconds + 1_800) / 3_600),
    }
}

/// The reader's opinion on the selected image.
pub fn opinion_words(model: &Model) -> String {
    let list = &model.worklist;
    let was_seen = list.was_answer_seen(list.cursor());
    let seen = was_seen.then(|| SEEN_BEFORE.to_owned());
    let Some(state) = list.shown_opinion(list.cursor()) else {
        return seen.map_or_else(String::new, |words| format!(" {words} "));
    };
    if !state.is_saved() {
        return " … not saved yet ".to_owned();
    }
    let Opinion {
        verdict,
        label,
        key_image,
        note,
        blinded,
        marks,
    } = &state.opinion;
    let call = blinded
        .as_ref()
        .map(|reading| match (&reading.unaided, &reading.aided) {
            (Some(unaided), Some(aided)) => {
                format!("called {}, then {}", unaided.words(), aided.words())
            }
            (Some(call), None) | (None, Some(call)) => format!("called {}", call.words()),
            (None, None) => String::new(),
        });
    let verdict = verdict.map(|verdict| match label {
        Some(label) => format!("{}: {label}", verdict.word()),
        None => verdict.word().to_owned(),
    });
    // A verdict must not seem to be about the answer that it stands beside.
    let verdict = verdict.map(|words| match list.other_judged_model(state) {
        Some(sha256) => format!("{words} (with {})", clean(model.choices.name_of(sha256))),
        None => words,
    });
    let key_image = key_image.then(|| "key image".to_owned());
    let note = (!note.is_empty()).then(|| format!("“{note}”"));
    let marks = match marks.len() {
        0 => None,
        1 => Some("1 mark".to_owned()),
        count => Some(format!("{count} marks")),
    };
    let words: Vec<String> = [call, verdict, key_image, marks, note, seen]
        .into_iter()
        .flatten()
        .collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" {} ", words.join(" · "))
    }
}
