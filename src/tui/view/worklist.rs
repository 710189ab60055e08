use std::time::Duration;

use ratatui::Frame;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use super::change;
use super::layout::PaneLayout;
use super::text::{cells, count, fit, shorten, shorten_name};
use super::theme::Theme;
use crate::domain::{Finding, InputCheck, Opinion, Prediction, Question, Verdict};
use crate::tui::look::WorklistColumns;
use crate::tui::model::{BackgroundState, Model};
use crate::tui::worklist::{Disk, EntryState, Sort, WorklistEntry, nearest};

/// Of an image that is read blinded and counts in no unaided figure.
const SEEN_BEFORE: &str = "answer seen before: not counted";

pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    if !layout.compact {
        let block = Block::bordered()
            .border_style(theme.border)
            .title(title(model, theme, usize::from(layout.list.width)))
            .title_bottom(bottom(model, theme, usize::from(layout.list.width)));
        frame.render_widget(block, layout.worklist);
    }
    let area = layout.list;
    if model.worklist.is_empty() {
        let line = Line::styled(nothing(model), theme.dim);
        return frame.render_widget(Paragraph::new(line), area);
    }
    let height = usize::from(area.height);
    let first = model.worklist.first_visible(height);
    let lines: Vec<Line> = (first..first + height)
        .map_while(|row| {
            let entry = model.worklist.row(row)?;
            let selected = row == model.worklist.cursor();
            let said = match (&entry.state, model.worklist.said_elsewhere(row)) {
                (EntryState::Unread | EntryState::Read(_), _)
                    if model.worklist.is_hidden(entry) =>
                {
                    RowSummary::nothing(theme)
                }
                (EntryState::Unread, Some((name, said))) => elsewhere(model, theme, name, said),
                (EntryState::Read(_), Some(_)) if *model.worklist.sort() == Sort::Disagreement => {
                    disagreement(model, theme, row).unwrap_or_else(|| state(model, theme, entry))
                }
                _ => state(model, theme, entry),
            };
            let row = WorklistRow {
                entry,
                marks: marks(model, row),
                patient: change::of_row(model, row),
                said,
                selected,
                columns: model.columns,
            };
            Some(row.line(theme, usize::from(area.width)))
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// How many, how many of them are read, and in which order. What there is no room for is left out
/// whole, so that no number is cut.
fn title(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    const NAME: &str = " Worklist";
    let list = &model.worklist;
    let shown = match list.filter() {
        "" => count(list.total()),
        _ => format!("{} of {}", count(list.len()), count(list.total())),
    };
    let found = if list.is_scanning() { "…" } else { "" };
    let arrow = if list.is_reversed() { " ↑" } else { "" };
    // Rows stay in place while they are read: a star says that sorting again would move some.
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
    let read = count(list.read());
    let sort = list.sort().word();
    let text = |by: &str, problems: &str| {
        format!(" {shown}{found} · {read} read{by} · {sort}{star}{arrow}{problems}{left_out} ")
    };
    let ways = [
        text(&by, &problems),
        text("", &problems),
        text("", ""),
        format!(" {shown}{found} · {read} read{star}{arrow}{left_out} "),
        format!(" {shown}{found}{left_out} "),
    ];
    let fits = |way: &String| cells(NAME) + cells(way) <= width;
    let text = ways.into_iter().find(fits);
    let text = text.unwrap_or_else(|| format!(" {shown}{found} "));
    Line::from(vec![
        Span::styled(NAME, theme.title),
        Span::styled(text, theme.plain),
    ])
}

/// What is held of the selected image, and on the right how long the rest will take and what became
/// of all of them, as far as there is room.
fn bottom(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    let held = shorten(&held(model), width);
    let list = &model.worklist;
    let tally = list.tally();
    let (done, refused) = match list.is_blinded() {
        true => ("called", 0),
        false => ("reviewed", tally.refused),
    };
    let counted = [
        (list.reviewed(), done),
        (refused, "refused"),
        (tally.failed, "failed"),
        (tally.skipped, "without picture"),
    ];
    let counted = counted.into_iter().filter(|(n, _)| *n > 0);
    let words = counted.map(|(n, word)| format!("{} {word} ", count(n)));
    let mut right = String::new();
    for words in behind(model).into_iter().chain(words) {
        let more = if right.is_empty() {
            words
        } else {
            format!("· {words}")
        };
        // One cell before it, and one more that keeps it from what is held.
        if cells(&held) + cells(&right) + cells(&more) + 2 <= width {
            right += &more;
        }
    }
    if right.is_empty() {
        return Line::styled(held, theme.plain);
    }
    let gap = width - cells(&held) - cells(&right) - 1;
    Line::from(vec![
        Span::styled(held, theme.plain),
        Span::styled("─".repeat(gap), theme.border),
        Span::styled(format!(" {right}"), theme.plain),
    ])
}

fn nothing(model: &Model) -> String {
    let list = &model.worklist;
    if let Some(error) = list.filter_error() {
        format!("filter {}: {error}", list.filter())
    } else if !list.filter().is_empty() && list.total() > 0 {
        format!("nothing matches {:?}", list.filter())
    } else if list.is_scanning() {
        "looking for images …".to_owned()
    } else {
        "no images here".to_owned()
    }
}

/// What a row says behind the name, and with which sign.
struct RowSummary {
    sign: char,
    style: Style,
    score: String,
    words: String,
}

impl RowSummary {
    fn nothing(theme: &Theme) -> Self {
        RowSummary {
            sign: '·',
            style: theme.dim,
            score: String::new(),
            words: String::new(),
        }
    }
}

struct WorklistRow<'a> {
    entry: &'a WorklistEntry,
    /// The sign of what the reader holds of it, and of a key image.
    marks: (char, &'static str),
    /// In the order of patients: whose image it is, and what has changed since the one before.
    patient: Option<(String, Option<String>)>,
    said: RowSummary,
    selected: bool,
    columns: WorklistColumns,
}

impl WorklistRow<'_> {
    /// ` ● IM-0041.png   91.0 %  COVID-19`
    fn line(&self, theme: &Theme, width: usize) -> Line<'static> {
        let cursor = if self.selected { '▸' } else { ' ' };
        let sign = self.said.sign;
        let (mark, flag) = match self.columns.mark {
            true => self.marks,
            false => (' ', ""),
        };
        let words = format!("{flag}{}{}", disk(self.entry.disk), self.words());
        let left = width.saturating_sub(4);
        // Names get what the words leave, and never less than half.
        let words_width = match self.columns.name {
            true => cells(&words).min(width / 2),
            false => left,
        };
        let name_width = left.saturating_sub(words_width);
        let name = match self.columns.name {
            true => fit(&shorten_name(&self.entry.name(), name_width), name_width),
            false => String::new(),
        };
        let words = fit(&words, words_width);
        let (style, plain) = match self.selected {
            true => (theme.selected, theme.selected),
            false => (self.said.style, theme.plain),
        };
        Line::from(vec![
            Span::styled(format!("{cursor}{sign}{mark}"), style),
            Span::styled(format!("{name} "), plain),
            Span::styled(words, style),
        ])
    }

    fn words(&self) -> String {
        let RowSummary { score, words, .. } = &self.said;
        let (lead, change) = match &self.patient {
            Some((lead, change)) => (lead.as_str(), change.as_deref()),
            None => ("", None),
        };
        let columns = match change {
            Some(change) => [(true, lead), (true, change), (false, "")],
            None => [
                (true, lead),
                (self.columns.score, score.as_str()),
                (self.columns.words, words.as_str()),
            ],
        };
        let shown = columns
            .into_iter()
            .filter(|(is, text)| *is && !text.is_empty());
        shown.map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    }
}

/// What became of its file.
fn disk(disk: Disk) -> &'static str {
    match disk {
        Disk::Same => "",
        Disk::New => "new ",
        Disk::Changed => "changed ",
        Disk::Gone => "gone ",
    }
}

/// The verdict once it is on the disk, and whether it is a key image; while those are hidden, whether the
/// answer was seen before.
fn marks(model: &Model, row: usize) -> (char, &'static str) {
    let list = &model.worklist;
    let Some(held) = list.shown_held(row) else {
        return (if list.was_answer_seen(row) { 's' } else { ' ' }, "");
    };
    let mark = match held.opinion.verdict {
        _ if !held.is_saved() => '…',
        Some(Verdict::Agree) => '✓',
        Some(Verdict::Disagree) => '≠',
        Some(Verdict::Unsure) => '?',
        None if held.opinion.blinded.is_some() => 'c',
        None => ' ',
    };
    let is_key = held.is_saved() && held.opinion.key_image;
    (mark, if is_key { "* " } else { "" })
}

/// How long the background will take for what is unread.
fn behind(model: &Model) -> Option<String> {
    let list = &model.worklist;
    let unread = list.total().saturating_sub(list.read());
    let words = match model.background.reading {
        BackgroundState::Paused => "paused".to_owned(),
        BackgroundState::On => time_left(model.background.pace.left(unread)?),
        BackgroundState::Off => return None,
    };
    (unread > 0).then(|| format!("{words} "))
}

fn time_left(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..60 => format!("{} s left", seconds.max(1)),
        seconds @ 60..5_400 => format!("{} min left", (seconds + 30) / 60),
        seconds => format!("{} h left", (seconds + 1_800) / 3_600),
    }
}

/// What the reader holds of the selected image.
fn held(model: &Model) -> String {
    let list = &model.worklist;
    let was_seen = list.was_answer_seen(list.cursor());
    let seen = was_seen.then(|| SEEN_BEFORE.to_owned());
    let Some(held) = list.shown_held(list.cursor()) else {
        return seen.map_or_else(String::new, |words| format!(" {words} "));
    };
    if !held.is_saved() {
        return " … not on the disk yet ".to_owned();
    }
    let Opinion {
        verdict,
        label,
        key_image,
        note,
        blinded,
    } = &held.opinion;
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
    match words.is_empty() {
        true => String::new(),
        false => format!(" {} ", words.join(" · ")),
    }
}

fn state(model: &Model, theme: &Theme, entry: &WorklistEntry) -> RowSummary {
    let unscored = |sign, style, words| RowSummary {
        sign,
        style,
        score: String::new(),
        words,
    };
    match &entry.state {
        EntryState::Unread => unscored('·', theme.dim, String::new()),
        EntryState::Failed(reason) => unscored('✗', theme.refused, reason.to_string()),
        EntryState::NoPicture(kind) => unscored('∅', theme.dim, format!("no picture: {kind}")),
        EntryState::Read(prediction) => match &prediction.input {
            InputCheck::Refused(reasons) => {
                let words = format!("refused: {}", reasons.join("; "));
                unscored('✗', theme.refused, words)
            }
            InputCheck::Caution(_) => RowSummary {
                sign: '!',
                style: theme.caution,
                ..summary(model, theme, prediction)
            },
            InputCheck::Accepted => summary(model, theme, prediction),
        },
    }
}

/// What another model said of a row that this one has not read: with its name, and dim.
fn elsewhere(model: &Model, theme: &Theme, name: &str, said: &Prediction) -> RowSummary {
    let (sign, style) = ('·', theme.dim);
    match &said.input {
        InputCheck::Refused(_) => RowSummary {
            sign,
            style,
            score: String::new(),
            words: format!("{name}: refused"),
        },
        _ => {
            let RowSummary { score, words, .. } = summary(model, theme, said);
            RowSummary {
                sign,
                style,
                score: match score.is_empty() {
                    true => format!("{name}:"),
                    false => format!("{name}: {score}"),
                },
                words,
            }
        }
    }
}

/// The label over which two models differ most, and by how much.
fn disagreement(model: &Model, theme: &Theme, row: usize) -> Option<RowSummary> {
    let (finding, difference) = model.worklist.disagreement(row)?;
    Some(RowSummary {
        sign: 'Δ',
        style: theme.plain,
        score: format!("Δ {difference:.2}"),
        words: finding.label.name().to_owned(),
    })
}

/// The label that the list is sorted by, or else the highest that was found, or that none was: without
/// a number, which would be taken for the probability of that.
fn summary(model: &Model, theme: &Theme, prediction: &Prediction) -> RowSummary {
    let prediction = &*model.shown(prediction);
    let wanted = match model.worklist.sort() {
        Sort::Score(label) => prediction.finding(label),
        Sort::Uncertainty => nearest(prediction).map(|(finding, _)| finding),
        _ => None,
    };
    let alone = || {
        prediction
            .findings
            .iter()
            .filter(|f| f.question == Question::Presence)
    };
    let highest = |a: &&Finding, b: &&Finding| a.score.value().total_cmp(&b.score.value());
    let found = alone().filter(|f| prediction.is_found(f)).max_by(highest);
    let denied = alone().find(|f| prediction.is_denied(f));
    let number = |finding: &Finding| theme.words(&prediction.shown_words(finding)).into_owned();
    let name = |finding: &Finding| finding.label.name().to_owned();
    let (sign, style, score, words) = match (wanted.or(found), denied) {
        (Some(finding), _) if prediction.is_found(finding) => {
            ('●', theme.positive, number(finding), name(finding))
        }
        (Some(finding), _) if !prediction.is_denied(finding) => {
            ('○', theme.negative, number(finding), name(finding))
        }
        (_, Some(denied)) => {
            let words = format!("{}: can't tell", name(denied));
            ('○', theme.caution, String::new(), words)
        }
        _ if alone().next().is_some() => {
            ('○', theme.negative, String::new(), "no finding".to_owned())
        }
        _ => ('○', theme.plain, String::new(), String::new()),
    };
    RowSummary {
        sign,
        style,
        score,
        words,
    }
}
