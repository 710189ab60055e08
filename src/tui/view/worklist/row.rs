//! A row of the worklist.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::text::clean;
use crate::domain::{Finding, InputCheck, Prediction, Question, Verdict, ViewPosition};
use crate::tui::look::WorklistColumns;
use crate::tui::model::Model;
use crate::tui::view::change;
use crate::tui::view::radiograph;
use crate::tui::view::text::{cells, fit, shorten_name};
use crate::tui::view::theme::Theme;
use crate::tui::worklist::{Disk, EntryState, Sort, WorklistEntry, nearest};

/// A row of at least this many cells has room for a date, and one of at least the second number for view and age too.
const WIDE: usize = 52;
const WIDER: usize = 58;
/// Names get at least so many cells beside those.
const NAME: usize = 14;

/// The line of a row in `width` cells; `None` below the last row.
pub fn line(model: &Model, theme: &Theme, row: usize, width: usize) -> Option<Line<'static>> {
    let entry = model.worklist.row(row)?;
    let row = WorklistRow {
        entry,
        is_marked: model.comparison.marked.is_some()
            && model.comparison.marked == model.worklist.index_at(row),
        marks: marks(model, row),
        patient: change::of_row(model, row),
        summary: row_summary(model, theme, row, entry),
        selected: row == model.worklist.cursor(),
        name: model.worklist.name(row),
        facts: facts(model, row, width),
        columns: model.columns,
    };
    Some(row.line(theme, width))
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
}

/// The words of a tile; `None` below the last row.
pub fn tile(model: &Model, theme: &Theme, row: usize) -> Option<TileWords> {
    let entry = model.worklist.row(row)?;
    let RowSummary {
        sign,
        style,
        score,
        words,
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
    })
}

/// The sign of a row, and the words behind the name.
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
    /// It stands beside every other film.
    is_marked: bool,
    /// The sign of the reader's verdict, and that of a key image.
    marks: (char, &'static str),
    /// In the order of patients: the patient, and the change since the patient's image before.
    patient: Option<(String, Option<String>)>,
    summary: RowSummary,
    selected: bool,
    /// Its file name, with as much of its folder as it needs to be told apart.
    name: String,
    /// When the image was taken, its view, and the age of the patient.
    facts: String,
    columns: WorklistColumns,
}

impl WorklistRow<'_> {
    /// ` ✓● IM-0041.png   91.0 %  COVID-19`
    fn line(&self, theme: &Theme, width: usize) -> Line<'static> {
        let cursor = if self.selected { '▸' } else { ' ' };
        let sign = self.summary.sign;
        let (mark, flag) = if self.columns.mark {
            self.marks
        } else {
            (' ', "")
        };
        let marked = if self.is_marked { "marked " } else { "" };
        let words = format!("{flag}{marked}{}{}", disk(self.entry.disk), self.words());
        let left = width.saturating_sub(5 + cells(&self.facts));
        // Names get the cells that the words leave, and never less than half, or than they need beside facts.
        let most = match self.facts.as_str() {
            "" => width / 2,
            _ => (left / 2).max(left.saturating_sub(NAME)),
        };
        let words_width = if self.columns.name {
            cells(&words).min(most)
        } else {
            left
        };
        let name_width = left.saturating_sub(words_width);
        let name = if self.columns.name {
            fit(&shorten_name(&self.name, name_width), name_width)
        } else {
            String::new()
        };
        let words = fit(&words, words_width);
        let (style, plain) = if self.selected {
            (theme.selected, theme.selected)
        } else {
            (self.summary.style, theme.plain)
        };
        Line::from(vec![
            Span::styled(format!("{cursor}{mark}{sign} "), style),
            Span::styled(format!("{name} "), plain),
            Span::styled(
                self.facts.clone(),
                if self.selected { plain } else { theme.dim },
            ),
            Span::styled(words, style),
        ])
    }

    fn words(&self) -> String {
        let RowSummary { score, words, .. } = &self.summary;
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

/// `2024-03-02 PA   54y `, each at its place, where the row has room and any file says whose it is.
fn facts(model: &Model, row: usize, width: usize) -> String {
    const DAY: usize = 10;
    const VIEW: usize = 3;
    const AGE: usize = 4;
    let (list, columns) = (&model.worklist, model.columns);
    // A study may hide whose films they are.
    let is_shown = list.has_patients() && model.study_sitting().is_none();
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

/// The sign of the verdict once it is saved, and those of a key image and a note. While those are hidden, a sign says
/// whether the reader saw the answer before.
fn marks(model: &Model, row: usize) -> (char, &'static str) {
    let list = &model.worklist;
    let Some(state) = list.shown_opinion(row) else {
        return (if list.was_answer_seen(row) { 's' } else { ' ' }, "");
    };
    let mark = match state.opinion.verdict {
        _ if !state.is_saved() => '…',
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
    }
}
