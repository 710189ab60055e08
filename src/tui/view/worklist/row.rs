//! A row of the worklist.

use std::ops::Range;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::answer::{Answer, AnswerColumns};
use crate::domain::text::clean;
use crate::domain::{Finding, InputCheck, Prediction, Question, Verdict, ViewPosition};
use crate::tui::look::WorklistColumns;
use crate::tui::model::Model;
use crate::tui::view::change;
use crate::tui::view::radiograph;
use crate::tui::view::text::{cells, fit, shorten, shorten_name};
use crate::tui::view::theme::Theme;
use crate::tui::worklist::{Disk, EntryState, Sort, WorklistEntry, nearest};

/// A row of at least this many cells has room for a date, and one of at least the second number for view and age too.
const WIDE: usize = 52;
const WIDER: usize = 58;
/// Cursor, verdict, sign, and a space on both sides of the name.
const FIXED: usize = 5;
/// The fewest cells of a name beside an answer, and beside facts too.
const NAME: usize = 10;
const NAME_BESIDE_FACTS: usize = 14;

/// The lines of the rows in a list of `width` cells, with their columns at the same places. Rows below the last one have
/// none.
pub fn lines(model: &Model, theme: &Theme, rows: Range<usize>, width: usize) -> Vec<Line<'static>> {
    let rows = rows.map_while(|row| WorklistRow::new(model, theme, row, width));
    let rows: Vec<WorklistRow> = rows.collect();
    let answers: Vec<&Answer> = rows.iter().map(|row| &row.answer).collect();
    let places = AnswerColumns::new(&answers, width, FIXED + NAME);
    let lines = rows.iter().map(|row| row.line(theme, &places));
    lines.collect()
}

/// The summary of the model in use, or of another model where that one has not scored the image.
fn row_summary(model: &Model, theme: &Theme, row: usize, entry: &WorklistEntry) -> RowSummary {
    let list = &model.worklist;
    match (&entry.state, list.other_prediction(row)) {
        (EntryState::Unread | EntryState::Read(_), _) if list.is_hidden(entry) => {
            RowSummary::nothing(theme)
        }
        (EntryState::Unread, Some((name, prediction))) => {
            other_model(model, theme, name, prediction)
        }
        (EntryState::Read(_), Some(_)) if *list.sort() == Sort::Disagreement => {
            disagreement(model, theme, row).unwrap_or_else(|| state(model, theme, entry))
        }
        _ => state(model, theme, entry),
    }
}

/// The row in a few words, without its name: `● 0.935 Pneumonia`. Empty without a row.
pub fn words(model: &Model, theme: &Theme, row: usize) -> (String, Style) {
    let Some(entry) = model.worklist.row(row) else {
        return (String::new(), theme.plain);
    };
    let RowSummary {
        sign,
        style,
        score,
        words,
        ..
    } = row_summary(model, theme, row, entry);
    let (mark, flag) = marks(model, row);
    let mark = String::from(mark);
    let parts = [mark.trim(), flag.trim(), &sign.to_string(), &score, &words];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    (parts.collect::<Vec<_>>().join(" "), style)
}

/// A row as a tile of the grid says it.
pub struct TileWords {
    /// `✓●`: the reader's, and the model's.
    pub signs: String,
    pub style: Style,
    /// In place of a picture: why there is none.
    pub reason: Option<String>,
    /// `0.935 Pneumonia`
    pub words: String,
    /// The reader has given a verdict, or made a call, that may be shown.
    pub is_reviewed: bool,
}

/// The words of a tile; `None` below the last row.
pub fn tile(model: &Model, theme: &Theme, row: usize) -> Option<TileWords> {
    let entry = model.worklist.row(row)?;
    let RowSummary {
        sign,
        style,
        score,
        words,
        ..
    } = row_summary(model, theme, row, entry);
    let (mark, flag) = marks(model, row);
    let has_no_picture = matches!(
        entry.state,
        EntryState::Failed(_) | EntryState::NoPicture(_)
    );
    let (reason, words) = match has_no_picture {
        true if words.is_empty() => (Some("no picture".to_owned()), words),
        true => (Some(words), String::new()),
        false => (None, words),
    };
    let parts = [disk(entry.disk).trim(), &score, &words];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    Some(TileWords {
        signs: format!("{mark}{sign}{}", flag.trim_end()),
        style,
        reason,
        words: parts.collect::<Vec<_>>().join(" "),
        is_reviewed: is_reviewed(model, row),
    })
}

/// The sign of a row, and the words behind the name.
struct RowSummary {
    sign: char,
    style: Style,
    score: String,
    words: String,
    /// Whether the words are the reason why there is no answer.
    is_reason: bool,
}

impl RowSummary {
    fn nothing(theme: &Theme) -> Self {
        RowSummary {
            sign: '·',
            style: theme.dim,
            score: String::new(),
            words: String::new(),
            is_reason: false,
        }
    }
}

struct WorklistRow {
    sign: char,
    style: Style,
    /// The sign of the reader's verdict.
    mark: char,
    /// Behind the name: a key image, a note, a change of the file, the patient.
    lead: String,
    answer: Answer,
    is_selected: bool,
    /// Its file name, with as much of its folder as it needs to be told apart.
    name: String,
    /// When the image was taken, its view, and the age of the patient.
    facts: String,
    columns: WorklistColumns,
}

impl WorklistRow {
    /// `None` below the last row.
    fn new(model: &Model, theme: &Theme, row: usize, width: usize) -> Option<Self> {
        let list = &model.worklist;
        let entry = list.row(row)?;
        let marked = model.comparison.marked;
        let is_marked = marked.is_some() && marked == list.index_at(row);
        let columns = model.columns;
        let (mark, flag) = match columns.mark {
            true => marks(model, row),
            false => (' ', ""),
        };
        let summary = row_summary(model, theme, row, entry);
        let shown = |is, text| if is { text } else { String::new() };
        let mut answer = Answer {
            score: shown(columns.score, summary.score),
            words: shown(columns.words, summary.words),
            is_reason: summary.is_reason,
        };
        let patient = change::of_row(model, row);
        let (patient, change) = patient.unwrap_or_default();
        if let Some(change) = change {
            answer = Answer {
                score: String::new(),
                words: change,
                is_reason: true,
            };
        }
        let marked = if is_marked { "marked" } else { "" };
        let lead = [flag.trim(), marked, disk(entry.disk).trim(), &patient];
        let lead = lead.into_iter().filter(|part| !part.is_empty());
        Some(WorklistRow {
            sign: summary.sign,
            style: summary.style,
            mark,
            lead: lead.collect::<Vec<_>>().join(" "),
            answer,
            is_selected: row == list.cursor(),
            name: list.name(row),
            facts: facts(model, row, width),
            columns,
        })
    }

    /// ` ✓● IM-0041.png ¶   0.935 Pneumonia`
    fn line(&self, theme: &Theme, places: &AnswerColumns) -> Line<'static> {
        let (name_width, answer_width, facts) = self.widths(places);
        let cursor = if self.is_selected { '▸' } else { ' ' };
        let (mark, sign) = (self.mark, self.sign);
        let answer = fit(&self.answer.text(places, answer_width), answer_width);
        let (style, plain, dim) = match self.is_selected {
            true => (theme.selected, theme.selected, theme.selected),
            false => (self.style, theme.plain, theme.dim),
        };
        let (name, lead) = self.name_and_lead(name_width);
        Line::from(vec![
            Span::styled(format!("{cursor}{mark}{sign} "), style),
            Span::styled(name, plain),
            Span::styled(lead, style),
            Span::styled(format!(" {facts}"), dim),
            Span::styled(answer, style),
        ])
    }

    /// The cells of the name with the lead, those of the answer, and the facts between them.
    fn widths(&self, places: &AnswerColumns) -> (usize, usize, &str) {
        let lead = match cells(&self.lead) {
            0 => 0,
            cells => cells + 1,
        };
        let name = if self.columns.name {
            cells(&self.name)
        } else {
            0
        };
        let has_no_facts = self.facts.trim().is_empty();
        let is_free = self.answer.is_reason || self.answer.is_empty() || lead > 0;
        let facts = match has_no_facts && is_free {
            true => "",
            false => self.facts.as_str(),
        };
        let left = places.width.saturating_sub(FIXED + cells(facts));
        let answer = match self.answer.is_reason {
            // Beside a name in half of the row, or all of it where it is shorter.
            true => {
                let most = left.saturating_sub(lead + name.min(places.width / 3));
                let words = cells(&self.answer.words).min(most);
                words.max(places.answer.min(left))
            }
            // The name may need the room.
            false if self.answer.is_empty() && facts.is_empty() => {
                places.answer.min(left.saturating_sub(lead + name))
            }
            false => {
                let name_least = match facts.is_empty() {
                    true => NAME,
                    false => NAME_BESIDE_FACTS,
                };
                let least = lead + name.min(name_least);
                places.answer.min(left.saturating_sub(least))
            }
        };
        let answer = if self.columns.name { answer } else { left };
        (left - answer, answer, facts)
    }

    /// The name, and the lead at the right end of `width` cells.
    fn name_and_lead(&self, width: usize) -> (String, String) {
        let lead = shorten(&self.lead, width);
        let left = width.saturating_sub(cells(&lead) + usize::from(!lead.is_empty()));
        let name = match self.columns.name {
            true => shorten_name(&self.name, left),
            false => String::new(),
        };
        (fit(&name, width - cells(&lead)), lead)
    }
}

/// `2024-03-02 PA   54y `, each at its place, where the row has room and any file says whose it is.
fn facts(model: &Model, row: usize, width: usize) -> String {
    const DAY: usize = 10;
    const VIEW: usize = 3;
    const AGE: usize = 4;
    let (list, columns) = (&model.worklist, model.columns);
    let is_shown = list.has_patients() && model.ties_films();
    if width < WIDE || !is_shown {
        return String::new();
    }
    let (view, age) = list.view_and_age(row);
    let view = match view {
        ViewPosition::Pa => "PA",
        ViewPosition::Ap => "AP",
        ViewPosition::Lateral => "LAT",
        ViewPosition::Unknown => "",
    };
    let age = age.map_or_else(String::new, |age| clean(&radiograph::age(age)));
    let all = [
        (columns.date, list.day_taken(row).unwrap_or_default(), DAY),
        (columns.view && width >= WIDER, view.to_owned(), VIEW),
        (columns.age && width >= WIDER, age, AGE),
    ];
    let shown = all.into_iter().filter(|(is, ..)| *is);
    shown
        .map(|(_, text, width)| fit(&text, width) + " ")
        .collect()
}

/// The word for a change of the file.
fn disk(disk: Disk) -> &'static str {
    match disk {
        Disk::Same => "",
        Disk::New => "new ",
        Disk::Changed => "changed ",
        Disk::Gone => "gone ",
    }
}

/// Whether the reader's verdict or own call of a row is known and may be shown.
fn is_reviewed(model: &Model, row: usize) -> bool {
    let state = model.worklist.shown_opinion(row);
    state.is_some_and(|state| {
        let is_judged = state.opinion.verdict.is_some() && !state.is_of_other_model();
        is_judged || state.opinion.blinded.is_some()
    })
}

/// The sign of the verdict once it is saved, and those of a key image and a note. While those are hidden, a sign says
/// whether the reader saw the answer before.
fn marks(model: &Model, row: usize) -> (char, &'static str) {
    let list = &model.worklist;
    let Some(state) = list.shown_opinion(row) else {
        return (if list.was_answer_seen(row) { 's' } else { ' ' }, "");
    };
    let mark = match state.opinion.verdict {
        _ if !state.is_saved() => '…',
        Some(_) if state.is_of_other_model() => 'm',
        Some(Verdict::Agree) => '✓',
        Some(Verdict::Disagree) => '≠',
        Some(Verdict::Unsure) => '?',
        None if state.opinion.blinded.is_some() => 'c',
        None => ' ',
    };
    let is_noted = state.is_saved() && !state.opinion.note.is_empty();
    let is_key = state.is_saved() && state.opinion.key_image;
    let flag = match (is_key, is_noted) {
        (true, true) => "*¶ ",
        (true, false) => "* ",
        (false, true) => "¶ ",
        (false, false) => "",
    };
    (mark, flag)
}

fn state(model: &Model, theme: &Theme, entry: &WorklistEntry) -> RowSummary {
    let unscored = |sign, style, words: String| RowSummary {
        sign,
        style,
        score: String::new(),
        is_reason: !words.is_empty(),
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

/// The prediction of another model for a row that the current one has not scored: with the model's name, and
/// dim.
fn other_model(model: &Model, theme: &Theme, name: &str, prediction: &Prediction) -> RowSummary {
    let (sign, style) = ('·', theme.dim);
    match &prediction.input {
        InputCheck::Refused(_) => RowSummary {
            sign,
            style,
            score: String::new(),
            words: format!("{name}: refused"),
            is_reason: false,
        },
        _ => {
            let RowSummary { score, words, .. } = summary(model, theme, prediction);
            let score = if score.is_empty() {
                format!("{name}:")
            } else {
                format!("{name}: {score}")
            };
            RowSummary {
                sign,
                style,
                score,
                words,
                is_reason: false,
            }
        }
    }
}

/// The label on which two models differ most, and by how much.
fn disagreement(model: &Model, theme: &Theme, row: usize) -> Option<RowSummary> {
    let (finding, difference) = model.worklist.disagreement(row)?;
    Some(RowSummary {
        sign: 'Δ',
        style: theme.plain,
        score: format!("Δ {difference:.2}"),
        words: finding.label.name().to_owned(),
        is_reason: false,
    })
}

/// The label that the list is sorted by, or else the highest label that was found, or else that none was
/// found. Where no label has an operating point nothing can be found: then it is the label with the highest score. The last has no number: it would be taken for the probability of no finding. A product that was found stands
/// for its first factor, which is never less probable and says less.
fn summary(model: &Model, theme: &Theme, prediction: &Prediction) -> RowSummary {
    let prediction = &*model.shown(prediction);
    if let Sort::Score(label) = model.worklist.sort()
        && prediction.is_withheld(label)
    {
        return RowSummary {
            sign: '○',
            style: theme.caution,
            score: String::new(),
            words: format!("{label}: can't tell"),
            is_reason: false,
        };
    }
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
    let all_found: Vec<&Finding> = alone().filter(|f| prediction.is_found(f)).collect();
    let is_first_factor = |finding: &&Finding| {
        let mut factors = all_found.iter().filter_map(|other| other.factors.as_ref());
        factors.any(|factors| factors.presence == finding.label)
    };
    let found = all_found.iter().copied();
    let found = found.filter(|f| !is_first_factor(f)).max_by(highest);
    let denied = alone().find(|f| prediction.is_denied(f));
    let number = |finding: &Finding| theme.words(&prediction.shown_words(finding)).into_owned();
    let name = |finding: &Finding| finding.label.name().to_owned();
    let is_judged = alone().any(|f| f.operating_point.is_some());
    let unjudged = alone().filter(|_| !is_judged).max_by(highest);
    let (sign, style, score, words) = match (wanted.or(found).or(unjudged), denied) {
        (Some(finding), _) if prediction.is_found(finding) => {
            ('●', theme.found, number(finding), name(finding))
        }
        (Some(finding), _) if !prediction.is_denied(finding) => {
            let style = if is_judged {
                theme.negative
            } else {
                theme.plain
            };
            ('○', style, number(finding), name(finding))
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
        is_reason: false,
    }
}
