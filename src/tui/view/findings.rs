use std::ops::Range;

use ratatui::Frame;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::change;
use super::gauge::{self, GaugeMarks};
use super::groups::{self, LineGroup};
use super::layout::PaneLayout;
use super::text::{cells, fit, number, shorten, wrap};
use super::theme::Theme;
use crate::domain::{
    Causes, Conformal, Finding, InputCheck, ModelCard, PNEUMONIA, Prediction, PresenceSet,
    Question, ScoreKind, Severity,
};
use crate::tui::model::{ClassifierState, Model};
use crate::tui::worklist::EntryState;

/// Cells for a label, at most; the gauge gets the rest.
const LABEL_WIDTH: usize = 24;
/// Before the number of a label that was found.
const FOUND: char = '●';
/// In fewer cells a number is written closer: `●>99.9 %`.
const NARROW: usize = 30;
/// In place of the number of a label that another one denies, and where there is less room.
const DENIED: [&str; 2] = ["can't tell: no pneumonia found", "can't tell"];
/// In place of causes that other outputs deny.
const CAUSE_DENIED: &str = "cause: can't tell, the outputs contradict each other";
/// In place of causes under a prevalence that they do not rest on.
const CAUSE_ELSEWHERE: &str = "cause: only at the model's own prevalence";
/// How often a conformal set holds the right answer.
const LEVEL: &str = " (90 %)";
/// Before a label whose number is only a score, where others are probabilities.
const ONLY_A_SCORE: &str = "~";

pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let mut area = layout.findings;
    if !layout.compact {
        let block = Block::bordered().border_style(theme.border).title(title(
            model,
            theme,
            usize::from(area.width),
        ));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        area = inner;
    }
    // Where there is no border to say it on, a line says what kind of number it is.
    let kind = layout.compact.then(|| {
        Line::styled(
            format!("{}:", kind(model, usize::from(area.width))),
            theme.dim,
        )
    });
    let height = usize::from(area.height).saturating_sub(usize::from(layout.compact));
    let lines = match model.prediction() {
        Some(prediction) => match &prediction.input {
            InputCheck::Refused(reasons) => refusal(reasons, layout.compact, theme),
            _ => {
                let pane = Pane {
                    model,
                    theme,
                    width: usize::from(area.width),
                };
                pane.rows(&model.shown(prediction), height)
            }
        },
        None => vec![Line::from(waiting(model, theme))],
    };
    let lines: Vec<Line> = kind.into_iter().chain(lines).collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}

fn title(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    const TITLE: &str = " Findings";
    // Corners, and what stands around the words.
    let words = kind(model, width.saturating_sub(TITLE.len() + 6));
    Line::from(vec![
        Span::styled(TITLE, theme.title),
        Span::styled(format!(" · {words} "), theme.plain),
    ])
}

/// What kind of number the gauges show, by its right name; shorter if it has not so many cells.
fn kind(model: &Model, width: usize) -> String {
    let normalised = ScoreKind::OperatingPointNormalised;
    let probability = ScoreKind::Calibrated.word();
    let score = ScoreKind::Sigmoid.word();
    match model.card().map(presence_kinds) {
        Some(Kinds::Probabilities) => probability.to_owned(),
        Some(Kinds::Mixed) => format!("{probability}, {ONLY_A_SCORE} {score}"),
        Some(Kinds::Normalised) if normalised.word().len() > width => {
            normalised.short_word().to_owned()
        }
        Some(Kinds::Normalised) => normalised.word().to_owned(),
        Some(Kinds::Scores) | None => format!("{score}, uncalibrated"),
    }
}

/// What the labels that stand on their own have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Probabilities,
    Normalised,
    Scores,
    Mixed,
}

fn presence_kinds(card: &ModelCard) -> Kinds {
    let alone = card
        .labels
        .iter()
        .filter(|label| label.question == Question::Presence);
    if alone.clone().next().is_some() && alone.clone().all(|label| label.op_threshold.is_some()) {
        return Kinds::Normalised;
    }
    let mut calibrated = alone.map(|label| card.is_calibrated(label));
    match calibrated.next() {
        Some(true) if calibrated.all(|is| is) => Kinds::Probabilities,
        Some(false) | None if !calibrated.any(|is| is) => Kinds::Scores,
        _ => Kinds::Mixed,
    }
}

/// Rows that the findings of this model may take, so that panes keep their places from image to
/// image.
pub fn rows(card: Option<&ModelCard>) -> u16 {
    let Some(card) = card else { return 3 };
    let is_cause = |question| question == Question::GivenPneumonia;
    let labels = || card.labels.iter();
    let has_sets = |of_causes: bool| {
        labels().any(|l| is_cause(l.question) == of_causes && l.conformal.is_some())
    };
    let extra = [
        labels().any(|label| is_cause(label.question)),
        labels().any(|label| label.calibration.is_some()),
        has_sets(false),
        has_sets(true),
        card.severity.is_some() || card.severity_line.is_some(),
    ];
    let extra = extra.into_iter().filter(|is| *is).count();
    u16::try_from(labels().count().max(3) + extra).unwrap_or(u16::MAX)
}

/// What is needed to make the lines of a prediction.
struct Pane<'a> {
    model: &'a Model,
    theme: &'a Theme,
    width: usize,
}

impl Pane<'_> {
    fn rows(&self, prediction: &Prediction, height: usize) -> Vec<Line<'static>> {
        let groups = self.groups(prediction);
        let page = self.model.findings_page;
        groups::rows(groups, height, page, |shown| self.rest(prediction, shown))
    }

    /// `1–11 of 18 [f] 2 found: Mass, Hernia`: what is found must not hide.
    fn rest(&self, prediction: &Prediction, shown: Range<usize>) -> Line<'static> {
        let alone = |finding: &&Finding| finding.question == Question::Presence;
        let gauges: Vec<&Finding> = prediction.findings.iter().filter(alone).collect();
        let hidden = gauges
            .iter()
            .enumerate()
            .filter(|(i, _)| !shown.contains(i));
        let found = hidden.filter(|(_, finding)| prediction.is_found(finding));
        let found: Vec<&str> = found.map(|(_, finding)| finding.label.name()).collect();
        let end = shown.end.min(gauges.len());
        let place = format!("{}–{end} of {} [f]", shown.start + 1, gauges.len());
        match found.is_empty() {
            true => Line::styled(
                shorten(&format!("{place} more"), self.width),
                self.theme.dim,
            ),
            false => {
                let words = format!("{place} {} found: {}", found.len(), found.join(", "));
                Line::styled(shorten(&words, self.width), self.theme.positive)
            }
        }
    }

    fn groups(&self, prediction: &Prediction) -> Vec<LineGroup> {
        let is_alone = |finding: &&Finding| finding.question == Question::Presence;
        let alone: Vec<&Finding> = prediction.findings.iter().filter(is_alone).collect();
        let gauges = alone.iter().map(|f| match prediction.is_denied(f) {
            true => self.denied_line(f),
            false => self.gauge_line(self.theme.plain, f, prediction.shown_score(f)),
        });
        let group = |rank, lines| LineGroup { rank, lines };
        let mut groups = vec![
            group(0, gauges.collect()),
            group(3, self.prevalence_lines()),
            group(1, self.presence_set_lines(&alone)),
        ];
        match prediction.causes() {
            Causes::Told(causes) => {
                let style = self.cause_style(&causes);
                groups.push(group(4, self.cause_lines(&causes, style)));
                groups.push(group(5, self.cause_set_lines(&causes, style)));
            }
            Causes::CantTell => {
                let lines = self.wrapped(CAUSE_DENIED, self.theme.caution);
                groups.push(group(4, lines));
            }
            Causes::OtherPrevalence => {
                let lines = self.wrapped(CAUSE_ELSEWHERE, self.theme.dim);
                groups.push(group(4, lines));
            }
            Causes::Unasked => {}
        }
        // How far it extends is an answer to nobody's question where no pneumonia was found.
        let found = prediction.finding(PNEUMONIA).and_then(Finding::is_positive) != Some(false);
        let severity = prediction.severity.as_ref();
        let severity = severity.map(|severity| self.severity_lines(severity, found));
        groups.extend(severity.map(|lines| group(2, lines)));
        let list = &self.model.worklist;
        let change = list.progression(list.cursor());
        let change = change.map(|change| shorten(&change::line(&change), self.width));
        groups.extend(change.map(|words| group(2, vec![Line::styled(words, self.theme.plain)])));
        let sharing = list.sharing(list.cursor()).map(change::sharing_words);
        groups.extend(sharing.map(|words| group(2, self.wrapped(words, self.theme.caution))));
        groups
    }

    fn label_width(&self) -> usize {
        LABEL_WIDTH.min(self.width * 2 / 5).max(self.width.min(11))
    }

    /// `COVID-19       can't tell: no pneumonia found`: a number would say that one was.
    fn denied_line(&self, finding: &Finding) -> Line<'static> {
        let label_width = self.label_width();
        let left = self.width.saturating_sub(label_width + 1);
        let fits = DENIED.into_iter().find(|words| words.len() <= left);
        let words = fits.unwrap_or(DENIED[1]);
        Line::from(vec![
            Span::styled(fit(&self.name(finding), label_width), self.theme.plain),
            Span::raw(" "),
            Span::styled(shorten(words, left), self.theme.caution),
        ])
    }

    /// `Pneumonia      ██╎████████▊──┃────  77.1 %`
    fn gauge_line(&self, plain: Style, finding: &Finding, shown: (f32, bool)) -> Line<'static> {
        let label_width = self.label_width();
        let number = number(finding.score.kind, shown);
        let number = match self.width < NARROW {
            true => number.replacen(' ', "", 1),
            false => number,
        };
        let number = self.theme.words(&number).into_owned();
        let gauge_width = self.width.saturating_sub(label_width + 2 + cells(&number));
        let style = match finding.is_positive() {
            Some(true) => self.theme.positive,
            _ => plain,
        };
        let marks = GaugeMarks {
            balanced: finding.operating_point.map(|point| point.0),
            sensitive: finding.sensitive_point.map(|point| point.0),
        };
        let mut spans = vec![
            Span::styled(fit(&self.name(finding), label_width), style),
            Span::raw(" "),
        ];
        spans.extend(gauge::spans(
            shown.0,
            marks,
            gauge_width,
            style,
            self.theme.dim,
        ));
        // A colour alone would not say that it was found.
        let sign = match finding.is_positive() {
            Some(true) => FOUND,
            _ => ' ',
        };
        spans.push(Span::styled(format!("{sign}{number}"), style));
        Line::from(spans)
    }

    fn name(&self, finding: &Finding) -> String {
        let is_mixed = || self.model.card().map(presence_kinds) == Some(Kinds::Mixed);
        match finding.question {
            Question::GivenPneumonia => format!("· {}", finding.short_name()),
            Question::Presence if finding.score.kind != ScoreKind::Calibrated && is_mixed() => {
                format!("{ONLY_A_SCORE}{}", finding.label.name())
            }
            Question::Presence => finding.label.name().to_owned(),
        }
    }

    /// `π Pneumonia 50 %, COVID-19 5 %`: what the probabilities assume.
    fn prevalence_lines(&self) -> Vec<Line<'static>> {
        let Some(card) = self.model.card() else {
            return Vec::new();
        };
        let shown = self.model.assumed.shown(card);
        let words: Vec<String> = shown.map(|(label, p)| format!("{label} {p}")).collect();
        match words.is_empty() {
            true => Vec::new(),
            false => self.wrapped(&format!("π {}", words.join(", ")), self.theme.dim),
        }
    }

    fn presence_set_lines(&self, findings: &[&Finding]) -> Vec<Line<'static>> {
        let with = |set| {
            let names = findings
                .iter()
                .filter(|f| f.conformal == Some(Conformal::Presence(set)))
                .map(|f| f.label.name());
            names.collect::<Vec<_>>().join(", ")
        };
        [
            ("can't tell", with(PresenceSet::Either)),
            ("like neither", with(PresenceSet::Neither)),
        ]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .flat_map(|(words, names)| {
            self.wrapped(
                &self.with_level(format!("{words}: {names}")),
                self.theme.caution,
            )
        })
        .collect()
    }

    /// Never more than a hint where the causes are not calibrated: it must not shout louder than the
    /// labels above.
    fn cause_style(&self, causes: &[&Finding]) -> Style {
        match are_calibrated(causes) {
            true => self.theme.plain,
            false => self.theme.dim,
        }
    }

    fn cause_lines(&self, causes: &[&Finding], style: Style) -> Vec<Line<'static>> {
        // The title speaks of the labels above: what is less than a probability says so here.
        let title_promises = self.model.card().map(presence_kinds) != Some(Kinds::Scores);
        let heading = match title_promises && !are_calibrated(causes) {
            false => "given pneumonia:",
            true => "given pneumonia (score):",
        };
        let mut lines = self.wrapped(heading, self.theme.dim);
        lines.extend(causes.iter().map(|finding| {
            let shown = (finding.score.value(), false);
            self.gauge_line(style, finding, shown)
        }));
        lines
    }

    fn cause_set_lines(&self, causes: &[&Finding], style: Style) -> Vec<Line<'static>> {
        let sets: Vec<(&Finding, bool)> = causes
            .iter()
            .filter_map(|cause| match cause.conformal {
                Some(Conformal::Cause(is_in)) => Some((*cause, is_in)),
                _ => None,
            })
            .collect();
        let members = sets.iter().filter(|(_, is_in)| *is_in);
        let members: Vec<&str> = members.map(|(cause, _)| cause.short_name()).collect();
        let words = match members[..] {
            _ if sets.is_empty() => return Vec::new(),
            [] => "like none of the causes".to_owned(),
            [_] => return Vec::new(),
            [one, other] => format!("can't tell {one} from {other}"),
            _ if members.len() == sets.len() => "can't tell the causes apart".to_owned(),
            _ => format!("can't tell {} apart", members.join(", ")),
        };
        let style = match style == self.theme.plain {
            true => self.theme.caution,
            false => style,
        };
        self.wrapped(&self.with_level(words), style)
    }

    /// `Extent 3.1/8 ±1.1 · Opacity 2.2/6 ±0.8`, or tighter where that is too long.
    fn severity_lines(&self, severity: &Severity, found: bool) -> Vec<Line<'static>> {
        let Severity {
            geographic_extent: extent,
            opacity,
            geographic_extent_error: extent_error,
            opacity_error,
        } = severity;
        let error = |error: &Option<f32>| {
            error.map_or(String::new(), |e| {
                self.theme.words(&format!("±{e:.1}")).into()
            })
        };
        let (extent_error, opacity_error) = (error(extent_error), error(opacity_error));
        let with = |words: String, error: &str| match error {
            "" => words,
            error => format!("{words} {error}"),
        };
        let extent_words = with(format!("Extent {extent:.1}/8"), &extent_error);
        let opacity_words = with(format!("Opacity {opacity:.1}/6"), &opacity_error);
        let one_line = format!("{extent_words} · {opacity_words}");
        let tight =
            format!("Extent {extent:.1}{extent_error}/8 Opacity {opacity:.1}{opacity_error}/6");
        let lines = match self.width {
            width if one_line.chars().count() <= width => vec![one_line],
            width if tight.chars().count() <= width => vec![tight],
            _ => vec![extent_words, opacity_words],
        };
        let style = match found {
            true => self.theme.plain,
            false => self.theme.dim,
        };
        let styled = lines.into_iter().map(|line| Line::styled(line, style));
        styled.collect()
    }

    /// Says how often a set is right, unless just that would take another row.
    fn with_level(&self, words: String) -> String {
        let cells = words.chars().count();
        match (cells + 1..cells + LEVEL.len()).contains(&(self.width + 1)) {
            true => words,
            false => words + LEVEL,
        }
    }

    fn wrapped(&self, text: &str, style: Style) -> Vec<Line<'static>> {
        let lines = wrap(text, self.width).into_iter();
        lines.map(|line| Line::styled(line, style)).collect()
    }
}

fn are_calibrated(causes: &[&Finding]) -> bool {
    causes.iter().all(|c| c.score.kind == ScoreKind::Calibrated)
}

/// The reasons are in the pane of the input check where that has room for them.
fn refusal(reasons: &[String], compact: bool, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(
        "✗ refused, so no scores are shown",
        theme.refused,
    )];
    if compact {
        let reasons = reasons.iter();
        lines.extend(reasons.map(|reason| Line::styled(format!("  {reason}"), theme.plain)));
    }
    lines
}

/// Why there is no prediction yet.
fn waiting(model: &Model, theme: &Theme) -> Vec<Span<'static>> {
    match model.worklist.selected().map(|entry| &entry.state) {
        Some(EntryState::Failed(reason)) => {
            return vec![Span::styled(format!("✗ {reason}"), theme.refused)];
        }
        Some(EntryState::NoPicture(kind)) => {
            return vec![Span::styled(format!("no picture: {kind}"), theme.dim)];
        }
        _ => {}
    }
    if model.is_hidden() && !matches!(model.engine, ClassifierState::Failed(_)) {
        return vec![Span::styled(
            "hidden: Enter makes your own call first",
            theme.key,
        )];
    }
    match &model.engine {
        ClassifierState::Failed(reason) => {
            vec![Span::styled(format!("✗ no model: {reason}"), theme.refused)]
        }
        ClassifierState::Loading => {
            let name = model.choices.name().unwrap_or("the model");
            vec![Span::styled(format!("loading {name} …"), theme.dim)]
        }
        ClassifierState::Ready(_) => {
            let sign = model.progress_sign(model.viewer.classifying);
            let words = if sign.is_empty() {
                ""
            } else {
                " classifying …"
            };
            vec![Span::styled(format!("{sign}{words}"), theme.dim)]
        }
    }
}
