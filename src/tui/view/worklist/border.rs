//! The border of the worklist: the counts above, the reader's opinion and the progress below.

use std::time::Duration;

use ratatui::text::{Line, Span};

use crate::domain::Opinion;
use crate::tui::model::{BackgroundState, Model};
use crate::tui::view::text::{cells, count, shorten};
use crate::tui::view::theme::Theme;

/// The words about an image whose answer the reader saw before the blinded reading: its calls do not count as
/// unaided.
const SEEN_BEFORE: &str = "answer seen before: not counted";

/// The words about paused background scoring: the first where they fit, otherwise the second.
const PAUSED: [&str; 2] = ["background scoring paused ", "scoring paused "];

/// The number of images, the number that are scored, and the order. Parts that do not fit are left out as a
/// whole, so that no number is cut.
pub fn title(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    const NAME: &str = " Worklist";
    let list = &model.worklist;
    let shown = match list.filter() {
        "" => count(list.total()),
        _ => format!("{} of {}", count(list.len()), count(list.total())),
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
    let scored = count(list.read());
    let sort = list.sort().word();
    let text = |by: &str, problems: &str| {
        format!(" {shown}{found} · {scored} scored{by} · {sort}{star}{arrow}{problems}{left_out} ")
    };
    // From the longest; the first that fits is shown.
    let texts = [
        text(&by, &problems),
        text("", &problems),
        text("", ""),
        format!(" {shown}{found} · {scored} scored{star}{arrow}{left_out} "),
        format!(" {shown}{found}{left_out} "),
    ];
    let fits = |text: &String| cells(NAME) + cells(text) <= width;
    let text = texts.into_iter().find(fits);
    let text = text.unwrap_or_else(|| format!(" {shown}{found} "));
    Line::from(vec![
        Span::styled(NAME, theme.title),
        Span::styled(text, theme.plain),
    ])
}

/// The reader's opinion on the selected image on the left, and on the right the state of background scoring
/// and the counts, as far as they fit.
pub fn bottom(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    // One cell before the words on the right, and one more that separates them from the opinion.
    let separators = 2;
    let opinion = opinion_words(model);
    let background = background(model, width.saturating_sub(cells(&opinion) + separators));
    // A pause has to stay visible, so the opinion makes room for it.
    let reserved = match &background {
        Some(words) if model.is_paused() => cells(words) + separators,
        _ => 0,
    };
    let opinion = shorten(&opinion, width.saturating_sub(reserved));
    let list = &model.worklist;
    let counts = list.counts();
    let (done, refused) = if list.is_blinded() {
        ("called", 0)
    } else {
        ("reviewed", counts.refused)
    };
    let counted = [
        (list.reviewed(), done),
        (refused, "refused"),
        (counts.failed, "failed"),
        (counts.skipped, "without picture"),
    ];
    let counted = counted.into_iter().filter(|(n, _)| *n > 0);
    let words = counted.map(|(n, word)| format!("{} {word} ", count(n)));
    let mut right = String::new();
    for words in background.into_iter().chain(words) {
        let more = if right.is_empty() {
            words
        } else {
            format!("· {words}")
        };
        if cells(&opinion) + cells(&right) + cells(&more) + separators <= width {
            right += &more;
        }
    }
    if right.is_empty() {
        return Line::styled(opinion, theme.plain);
    }
    let gap = width - cells(&opinion) - cells(&right) - 1;
    Line::from(vec![
        Span::styled(opinion, theme.plain),
        Span::styled("─".repeat(gap), theme.border),
        Span::styled(format!(" {right}"), theme.plain),
    ])
}

/// The time that background scoring will take for the rest, or that it is paused, in at most `width` cells
/// where that is possible.
fn background(model: &Model, width: usize) -> Option<String> {
    if model.is_paused() {
        let words = PAUSED.into_iter().find(|words| words.len() <= width);
        return Some(words.unwrap_or(PAUSED[1]).to_owned());
    }
    let list = &model.worklist;
    let unscored = list.total().saturating_sub(list.read());
    if unscored == 0 || model.background.state != BackgroundState::On {
        return None;
    }
    let left = model.background.pace.left(unscored)?;
    Some(format!("{} ", time_left(left)))
}

fn time_left(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..60 => format!("{} s left", seconds.max(1)),
        seconds @ 60..5_400 => format!("{} min left", (seconds + 30) / 60),
        seconds => format!("{} h left", (seconds + 1_800) / 3_600),
    }
}

/// The reader's opinion on the selected image.
fn opinion_words(model: &Model) -> String {
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
    } = &state.opinion;
    let call = blinded.as_ref().map(|reading| match &reading.aided {
        Some(aided) => format!("called {}, then {}", reading.unaided.words(), aided.words()),
        None => format!("called {}", reading.unaided.words()),
    });
    let verdict = verdict.map(|verdict| match label {
        Some(label) => format!("{}: {label}", verdict.word()),
        None => verdict.word().to_owned(),
    });
    let key_image = key_image.then(|| "key image".to_owned());
    let note = (!note.is_empty()).then(|| format!("“{note}”"));
    let words: Vec<String> = [call, verdict, key_image, note, seen]
        .into_iter()
        .flatten()
        .collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" {} ", words.join(" · "))
    }
}
