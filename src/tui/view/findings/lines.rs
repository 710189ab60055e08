//! The lines of a prediction: gauges, sets, causes, severity.

use std::ops::Range;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::kinds::{self, Kinds, ONLY_A_SCORE};
use super::{lungs, prognoses};
use crate::domain::{
    Causes, Conformal, Finding, PNEUMONIA, Prediction, PresenceSet, Question, ScoreKind, Severity,
};
use crate::tui::keymap::Action;
use crate::tui::model::Model;
use crate::tui::view::change;
use crate::tui::view::gauge::{self, GaugeMarks, GaugeStyles};
use crate::tui::view::groups::{self, LineGroup};
use crate::tui::view::text::{cells, fit, number, shorten, wrap};
use crate::tui::view::theme::Theme;

/// The most cells for a label; the gauge gets the rest.
const LABEL_WIDTH: usize = 26;
/// The signs before a label that was found, and before one that was not.
const FOUND: &str = "● ";
const NOT_FOUND: &str = "  ";
/// In a narrower pane a number is written closer: `●>99.9 %`.
const NARROW: usize = 30;
/// Stands in place of a number that contradicts another output; the shorter words where there is less room.
const DENIED: [&str; 2] = ["can't tell: no pneumonia found", "can't tell"];
/// Stands in place of causes that contradict other outputs.
const CAUSE_DENIED: &str = "cause: can't tell, the outputs contradict each other";
/// Stands in place of a number for an image that is unlike those of training; the shorter words where there is less room.
const UNLIKE: [&str; 3] = [
    "can't tell: unlike the films it learned from",
    "can't tell: unlike its films",
    "can't tell",
];
/// Stands in place of the causes of such an image.
const CAUSE_UNLIKE: &str = "cause: can't tell, unlike the films it learned from";
/// Stands in place of causes under an assumed prevalence, for which they are not valid.
const CAUSE_ELSEWHERE: &str = "cause: only at the model's own prevalence";
/// How often a conformal set holds the right answer.
const LEVEL: &str = " (90 %)";

/// Makes the lines of a prediction.
pub struct Pane<'a> {
    pub model: &'a Model,
    pub theme: &'a Theme,
    pub width: usize,
}

impl Pane<'_> {
    /// The lines that fit into `height` rows.
    pub fn rows(&self, prediction: &Prediction, height: usize) -> Vec<Line<'static>> {
        let groups = self.groups(prediction);
        let page = self.model.findings_page;
        groups::rows(groups, height, page, |shown| self.rest(prediction, shown))
    }

    /// `1–11 of 18 [f] 2 found: Mass, Hernia`: names what was found on other pages.
    fn rest(&self, prediction: &Prediction, shown: Range<usize>) -> Line<'static> {
        let gauges = prediction.alone(self.model.card());
        let hidden = gauges.iter().enumerate();
        let hidden = hidden.filter(|(i, _)| !shown.contains(i));
        let is_found = |finding: Option<&Finding>| finding.is_some_and(|f| prediction.is_found(f));
        let found = hidden.filter(|(_, (_, finding))| is_found(*finding));
        let found: Vec<&str> = found.map(|(_, (name, _))| *name).collect();
        let end = shown.end.min(gauges.len());
        let key = self.model.keymap.display_key(Action::NextFindings);
        let part = if shown.start < gauges.len() {
            format!("{}–{end} of {} [{key}]", shown.start + 1, gauges.len())
        } else {
            // Only what stands below the gauges is on this page.
            format!("[{key}]")
        };
        let (words, style) = if found.is_empty() {
            (format!("{part} more"), self.theme.dim)
        } else {
            let words = format!("{part} {} found: {}", found.len(), found.join(", "));
            (words, self.theme.positive)
        };
        Line::styled(shorten(&words, self.width), style)
    }

    fn groups(&self, prediction: &Prediction) -> Vec<LineGroup> {
        let rows = prediction.alone(self.model.card());
        let alone: Vec<&Finding> = rows.iter().filter_map(|(_, finding)| *finding).collect();
        let gauges = rows.iter().map(|(name, finding)| match finding {
            None => self.line_without_number(name, &UNLIKE),
            Some(finding) if prediction.is_denied(finding) => {
                self.line_without_number(&self.name(finding), &DENIED)
            }
            Some(finding) => {
                let score = prediction.shown_score(finding);
                self.gauge_line(self.theme.plain, finding, score)
            }
        });
        let group = |rank, lines| LineGroup { rank, lines };
        let mut groups = vec![
            group(0, gauges.collect()),
            group(3, self.prevalence_lines()),
            group(1, self.presence_set_lines(&alone)),
        ];
        groups.extend(self.cause_groups(prediction));
        groups.extend(self.severity_groups(prediction));
        groups.extend(self.lungs_group(prediction));
        if self.model.prognosis {
            // The reader asked for them: they are on another page rather than left out.
            let lines = prognoses::lines(&prediction.prognoses, self.width, self.theme);
            groups.push(group(0, lines));
        }
        groups
    }

    fn cause_groups(&self, prediction: &Prediction) -> Vec<LineGroup> {
        let group = |rank, lines| LineGroup { rank, lines };
        match prediction.causes() {
            Causes::Told(causes) => {
                let style = self.cause_style(&causes);
                vec![
                    group(4, self.cause_lines(&causes, style)),
                    group(5, self.cause_set_lines(&causes, style)),
                ]
            }
            Causes::CantTell => vec![group(4, self.wrapped(CAUSE_DENIED, self.theme.caution))],
            Causes::Unlike => vec![group(4, self.wrapped(CAUSE_UNLIKE, self.theme.caution))],
            Causes::OtherPrevalence => {
                vec![group(4, self.wrapped(CAUSE_ELSEWHERE, self.theme.dim))]
            }
            Causes::Unasked => vec![],
        }
    }

    /// Severity, its change since the patient's image before, and why there may be no comparison.
    fn severity_groups(&self, prediction: &Prediction) -> Vec<LineGroup> {
        let group = |lines| LineGroup { rank: 2, lines };
        // Severity is dim where no pneumonia was found: it describes a pneumonia.
        let found = prediction.finding(PNEUMONIA).and_then(Finding::is_positive) != Some(false);
        let severity = prediction.severity.as_ref();
        let severity = severity.map(|severity| self.severity_lines(severity, found));
        let list = &self.model.worklist;
        let ties = self.model.ties_films();
        let change = list.progression(list.cursor()).filter(|_| ties);
        let change = change.map(|change| {
            let words = change::line(&change, self.width);
            vec![Line::styled(words, self.theme.plain)]
        });
        let sharing = list.sharing(list.cursor()).filter(|_| ties);
        let sharing = sharing.map(change::sharing_words);
        let sharing = sharing.map(|words| self.wrapped(words, self.theme.caution));
        let lines = [severity, change, sharing];
        lines.into_iter().flatten().map(group).collect()
    }

    fn lungs_group(&self, prediction: &Prediction) -> Option<LineGroup> {
        let found = prediction.finding(PNEUMONIA).and_then(Finding::is_positive);
        let measures = prediction.lungs.as_ref()?;
        let lines = lungs::lines(measures, found == Some(true), self.width, self.theme);
        Some(LineGroup { rank: 6, lines })
    }

    fn label_width(&self) -> usize {
        LABEL_WIDTH.min(self.width * 2 / 5).max(self.width.min(11))
    }

    /// `COVID-19       can't tell: no pneumonia found`: a number would claim that there is one. The last of the `words`
    /// are the shortest.
    fn line_without_number(&self, name: &str, words: &[&str]) -> Line<'static> {
        let label_width = self.label_width();
        let left = self.width.saturating_sub(label_width + 1);
        let fits = words.iter().find(|words| words.len() <= left);
        let words = fits.or(words.last()).copied().unwrap_or_default();
        Line::from(vec![
            Span::styled(
                fit(&format!("{NOT_FOUND}{name}"), label_width),
                self.theme.plain,
            ),
            Span::raw(" "),
            Span::styled(shorten(words, left), self.theme.caution),
        ])
    }

    /// `● Pneumonia      ━━━━┷━━━━━━━┿━━────  77.1 %`
    fn gauge_line(&self, plain: Style, finding: &Finding, shown: (f32, bool)) -> Line<'static> {
        let label_width = self.label_width();
        let number = number(finding.score.kind, shown);
        let number = if self.width < NARROW {
            number.replacen(' ', "", 1)
        } else {
            number
        };
        let number = self.theme.words(&number).into_owned();
        let gauge_width = self.width.saturating_sub(label_width + 2 + cells(&number));
        let is_found = finding.is_positive() == Some(true);
        let style = if is_found { self.theme.positive } else { plain };
        let marks = GaugeMarks {
            balanced: finding.operating_point.map(|point| point.0),
            sensitive: finding.sensitive_point.map(|point| point.0),
        };
        // A finding has a sign beside its colour, for screens and readers without colours. Causes have one of their own.
        let sign = match finding.question {
            Question::GivenPneumonia => "",
            Question::Presence if is_found => FOUND,
            Question::Presence => NOT_FOUND,
        };
        let name = format!("{sign}{}", self.name(finding));
        let mut spans = vec![Span::styled(fit(&name, label_width), style), Span::raw(" ")];
        // What is not calibrated must not stand out more than what is.
        let filled = if plain == self.theme.dim {
            plain
        } else {
            self.theme.gauge
        };
        let styles = GaugeStyles {
            filled,
            empty: self.theme.dim,
            tick: self.theme.plain,
            is_light: self.theme.is_light,
        };
        spans.extend(gauge::spans(shown.0, marks, gauge_width, styles));
        spans.push(Span::styled(format!(" {number}"), style));
        Line::from(spans)
    }

    fn name(&self, finding: &Finding) -> String {
        let is_mixed = || self.model.card().map(kinds::of_card) == Some(Kinds::Mixed);
        match finding.question {
            Question::GivenPneumonia => format!("· {}", finding.short_name()),
            Question::Presence if finding.score.kind != ScoreKind::Calibrated && is_mixed() => {
                format!("{ONLY_A_SCORE}{}", finding.label.name())
            }
            Question::Presence => finding.label.name().to_owned(),
        }
    }

    /// `π Pneumonia 50 %, COVID-19 5 %`: the prevalences that the probabilities assume.
    fn prevalence_lines(&self) -> Vec<Line<'static>> {
        let Some(card) = self.model.card() else {
            return Vec::new();
        };
        let shown = self.model.assumed.shown(card);
        let words: Vec<String> = shown.map(|(label, p)| format!("{label} {p}")).collect();
        if words.is_empty() {
            return Vec::new();
        }
        self.wrapped(&format!("π {}", words.join(", ")), self.theme.dim)
    }

    /// `can't tell: COVID-19 (90 %)` where the conformal set holds both answers, and
    /// `COVID-19: unlike the calibration cases` where it holds neither.
    fn presence_set_lines(&self, findings: &[&Finding]) -> Vec<Line<'static>> {
        let names = |set| {
            let names = findings
                .iter()
                .filter(|f| f.conformal == Some(Conformal::Presence(set)))
                .map(|f| f.label.name());
            let names = names.collect::<Vec<_>>().join(", ");
            (!names.is_empty()).then_some(names)
        };
        let either = names(PresenceSet::Either);
        let either = either.map(|names| self.with_level(format!("can't tell: {names}")));
        let neither = names(PresenceSet::Neither);
        let neither = neither.map(|names| format!("{names}: unlike the calibration cases"));
        let words = either.into_iter().chain(neither);
        words
            .flat_map(|words| self.wrapped(&words, self.theme.caution))
            .collect()
    }

    /// Dim where the causes are not calibrated: they must not stand out more than the labels above.
    fn cause_style(&self, causes: &[&Finding]) -> Style {
        if are_calibrated(causes) {
            self.theme.plain
        } else {
            self.theme.dim
        }
    }

    fn cause_lines(&self, causes: &[&Finding], style: Style) -> Vec<Line<'static>> {
        // The title names the kind of the labels above. Causes that are only scores beside probabilities say
        // so here.
        let title_promises = self.model.card().map(kinds::of_card) != Some(Kinds::Scores);
        let heading = if title_promises && !are_calibrated(causes) {
            "given pneumonia (score):"
        } else {
            "given pneumonia:"
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
            [] => "fits no known cause".to_owned(),
            [_] => return Vec::new(),
            [one, other] => format!("can't tell {one} from {other}"),
            _ if members.len() == sets.len() => "can't tell the causes apart".to_owned(),
            _ => format!("can't tell {} apart", members.join(", ")),
        };
        let style = if style == self.theme.plain {
            self.theme.caution
        } else {
            style
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
        let style = if found {
            self.theme.plain
        } else {
            self.theme.dim
        };
        let styled = lines.into_iter().map(|line| Line::styled(line, style));
        styled.collect()
    }

    /// Adds how often a set is right, unless just that would take another row.
    fn with_level(&self, words: String) -> String {
        let cells = words.chars().count();
        if (cells..cells + LEVEL.len()).contains(&self.width) {
            words
        } else {
            words + LEVEL
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
