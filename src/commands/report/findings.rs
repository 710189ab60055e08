//! What the model says of an image it may speak about, each number under its right name.

use super::html::Html;
use crate::domain::{
    Conformal, Finding, OperatingPoint, Prediction, PresenceSet, Question, Score, ScoreKind,
    Severity,
};

/// The label whose causes and severity the others are about.
const PNEUMONIA: &str = "Pneumonia";
/// What labels of the causes end in.
const GIVEN_PNEUMONIA: &str = " given pneumonia";
/// Said where there is none.
const NONE: &str = "n/a";

pub fn findings(html: &mut Html, prediction: &Prediction) {
    let is_cause = |finding: &&Finding| finding.question == Question::GivenPneumonia;
    let (causes, alone): (Vec<&Finding>, Vec<&Finding>) =
        prediction.findings.iter().partition(is_cause);
    // An answer to a question that nobody asked if no pneumonia was found.
    let found = prediction.finding(PNEUMONIA).and_then(Finding::is_positive) != Some(false);
    if !alone.is_empty() {
        html.markup("<h2>Findings</h2>\n");
        table(html, &alone);
    }
    if !causes.is_empty() {
        html.element("<h2>", if_found("Cause, given pneumonia", found), "</h2>\n");
        cause_table(html, &causes);
        if let Some(words) = cause_set(&causes) {
            html.element("<p><b>", &words, "</b> (90 % set)</p>\n");
        }
    }
    if let Some(severity) = &prediction.severity {
        html.element("<h2>", if_found("Severity", found), "</h2>\n");
        html.element("<p>", &severity_words(severity), "</p>\n");
    }
}

fn if_found(heading: &'static str, found: bool) -> &'static str {
    match (heading, found) {
        (heading, true) => heading,
        ("Severity", false) => "Severity, if it were pneumonia after all",
        (_, false) => "Cause, if it were pneumonia after all",
    }
}

/// Labels that stand on their own: each has lines of its own, or says that it has none.
fn table(html: &mut Html, findings: &[&Finding]) {
    html.markup(
        "<table><thead><tr><th>Label<th>Value<th>What it is<th>Balanced point\
         <th>Point of 90 % sensitivity<th>Against them<th>90 % set<th>Assumes</tr></thead><tbody>\n",
    );
    for finding in findings {
        html.markup(match finding.is_positive() {
            Some(true) => "<tr class=\"found\">",
            _ => "<tr>",
        });
        let kind = finding.score.kind;
        let assumes = finding.calibrated.map(|c| format!("π {}", c.prevalence));
        number(html, finding);
        for point in [finding.operating_point, finding.sensitive_point] {
            html.element("<td class=\"number\">", &point_words(point, kind), "");
        }
        html.element("<td>", against(finding), "");
        html.element("<td>", finding.conformal.map_or(NONE, set), "");
        html.element("<td>", assumes.as_deref().unwrap_or(NONE), "</tr>\n");
    }
    html.markup("</tbody></table>\n");
}

/// Shares that sum to one: no lines are drawn through them.
fn cause_table(html: &mut Html, causes: &[&Finding]) {
    html.markup(
        "<table><thead><tr><th>Cause<th>Value<th>What it is<th>90 % set</tr></thead><tbody>\n",
    );
    for cause in causes {
        html.markup("<tr>");
        number(html, cause);
        html.element("<td>", cause.conformal.map_or(NONE, set), "</tr>\n");
    }
    html.markup("</tbody></table>\n");
}

fn number(html: &mut Html, finding: &Finding) {
    html.element("<td>", finding.label.name(), "");
    html.element("<td class=\"number\">", &value(finding.score), "");
    html.element("<td>", finding.score.kind.word(), "");
}

/// Per cent of a probability; a score as a bare number, so that nobody takes it for one.
fn value(score: Score) -> String {
    let value = score.value();
    match score.kind {
        ScoreKind::Calibrated if value > 0.0 && value < 0.0005 => "< 0.1 %".to_owned(),
        ScoreKind::Calibrated if (0.9995..1.0).contains(&value) => "> 99.9 %".to_owned(),
        ScoreKind::Calibrated => format!("{:.1} %", value * 100.0),
        ScoreKind::Sigmoid | ScoreKind::OperatingPointNormalised => format!("{value:.3}"),
    }
}

fn point_words(point: Option<OperatingPoint>, kind: ScoreKind) -> String {
    let point = point.and_then(|point| Score::new(point.0, kind));
    point.map_or(NONE.to_owned(), value)
}

fn against(finding: &Finding) -> &'static str {
    let reaches = |point: Option<OperatingPoint>| point.map(|p| finding.score.value() >= p.0);
    match (
        reaches(finding.operating_point),
        reaches(finding.sensitive_point),
    ) {
        (None, None) => NONE,
        (Some(true), Some(true)) => "at or above both",
        (Some(false), Some(false)) => "below both",
        (Some(true), Some(false)) => "above the balanced one only",
        (Some(false), Some(true)) => "above the sensitive one only",
        (Some(true), None) | (None, Some(true)) => "at or above",
        (Some(false), None) | (None, Some(false)) => "below",
    }
}

fn set(conformal: Conformal) -> &'static str {
    match conformal {
        Conformal::Presence(PresenceSet::Present) => "present",
        Conformal::Presence(PresenceSet::Absent) => "absent",
        Conformal::Presence(PresenceSet::Either) => "can't tell present from absent",
        Conformal::Presence(PresenceSet::Neither) => "like neither present nor absent",
        Conformal::Cause(true) => "in it",
        Conformal::Cause(false) => "not in it",
    }
}

/// The set of causes as a sentence; `None` if the model has none.
fn cause_set(causes: &[&Finding]) -> Option<String> {
    let is_in = |cause: &&&Finding| cause.conformal == Some(Conformal::Cause(true));
    let members: Vec<&str> = causes.iter().filter(is_in).map(|c| short_name(c)).collect();
    let has_sets = causes.iter().any(|cause| cause.conformal.is_some());
    has_sets.then(|| match members[..] {
        [] => "like none of the causes".to_owned(),
        [one] => one.to_owned(),
        [one, other] => format!("can't tell {one} from {other}"),
        _ if members.len() == causes.len() => "can't tell the causes apart".to_owned(),
        _ => format!("can't tell {} apart", members.join(", ")),
    })
}

fn short_name(cause: &Finding) -> &str {
    let name = cause.label.name();
    name.strip_suffix(GIVEN_PNEUMONIA).unwrap_or(name)
}

fn severity_words(severity: &Severity) -> String {
    let one = |name: &str, value: f32, most: u8, error: Option<f32>| match error {
        Some(error) => format!("{name} {value:.1} ± {error:.1} of {most}"),
        None => format!("{name} {value:.1} of {most} (how far off is not known)"),
    };
    let extent = one(
        "Geographic extent",
        severity.geographic_extent,
        8,
        severity.geographic_extent_error,
    );
    let opacity = one("opacity", severity.opacity, 6, severity.opacity_error);
    let has_error = severity.geographic_extent_error.is_some() || severity.opacity_error.is_some();
    let note = match has_error {
        true => "; ± is the mean absolute error.",
        false => ".",
    };
    format!("{extent}; {opacity}{note}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Calibrated, InputCheck, Pathology, Prevalence};

    fn finding(name: &str, question: Question, value: f32, kind: ScoreKind) -> Finding {
        Finding {
            label: Pathology(name.into()),
            question,
            logit: 0.0,
            score: Score::new(value, kind).unwrap(),
            operating_point: Some(OperatingPoint(0.5)),
            sensitive_point: Some(OperatingPoint(0.2)),
            calibrated: None,
            conformal: None,
        }
    }

    fn page(findings: Vec<Finding>, severity: Option<Severity>) -> String {
        let prediction = Prediction {
            content: Default::default(),
            findings,
            severity,
            input: InputCheck::Accepted,
            model_sha256: "ab".into(),
            preprocess: "p".into(),
            elapsed_ms: 1.0,
            activation: None,
        };
        let mut html = Html::default();
        super::findings(&mut html, &prediction);
        html.finish()
    }

    #[test]
    fn a_score_is_never_called_a_probability_nor_written_as_per_cent() {
        for kind in [ScoreKind::Sigmoid, ScoreKind::OperatingPointNormalised] {
            let text = page(vec![finding("Mass", Question::Presence, 0.7, kind)], None);
            assert!(text.contains("<td class=\"number\">0.700<td>"), "{text}");
            assert!(text.contains(kind.word()), "{text}");
            assert!(!text.contains("probability"), "{text}");
            assert!(!text.contains("70.0 %"), "{text}");
        }
    }

    #[test]
    fn a_probability_says_what_it_assumes_and_where_its_lines_are() {
        let mut likely = finding("Pneumonia", Question::Presence, 0.3, ScoreKind::Calibrated);
        likely.calibrated = Some(Calibrated {
            log_odds: 0.0,
            prevalence: Prevalence::new(0.05).unwrap(),
        });
        likely.conformal = Some(Conformal::Presence(PresenceSet::Either));
        let text = page(vec![likely], None);
        for words in [
            "30.0 %<td>probability",
            "50.0 %",
            "20.0 %",
            "above the sensitive one only",
            "can&#39;t tell present from absent",
            "π 5 %",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(
            value(Score::new(1e-4, ScoreKind::Calibrated).unwrap()),
            "< 0.1 %"
        );
        let nearly = Score::new(0.9999, ScoreKind::Calibrated).unwrap();
        assert_eq!(value(nearly), "> 99.9 %");
    }

    #[test]
    fn causes_are_told_apart_only_as_far_as_the_set_does() {
        let cause = |name: &str, is_in| Finding {
            conformal: Some(Conformal::Cause(is_in)),
            ..finding(name, Question::GivenPneumonia, 0.4, ScoreKind::Sigmoid)
        };
        let absent = finding("Pneumonia", Question::Presence, 0.1, ScoreKind::Sigmoid);
        let causes = vec![
            absent,
            cause("Bacterial", false),
            cause("Viral", true),
            cause("COVID-19 given pneumonia", true),
        ];
        let text = page(causes, None);
        assert!(
            text.contains("can&#39;t tell Viral from COVID-19</b>"),
            "{text}"
        );
        assert!(
            text.contains("Cause, if it were pneumonia after all"),
            "{text}"
        );
    }

    #[test]
    fn severity_says_how_far_off_it_is_or_that_nobody_knows() {
        let severity = |error| Severity {
            geographic_extent: 3.12,
            opacity: 2.2,
            geographic_extent_error: error,
            opacity_error: error,
        };
        let known = page(Vec::new(), Some(severity(Some(1.06))));
        assert!(known.contains("Geographic extent 3.1 ± 1.1 of 8; opacity 2.2 ± 1.1 of 6"));
        let unknown = page(Vec::new(), Some(severity(None)));
        assert!(unknown.contains("3.1 of 8 (how far off is not known)"));
        assert!(!unknown.contains('±'));
    }
}
