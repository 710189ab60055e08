//! The findings of an accepted image, each number under its right name.

use crate::commands::shared::html::Html;
use crate::domain::{
    Causes, Conformal, Finding, ModelCard, OperatingPoint, PNEUMONIA, Prediction, PresenceSet,
    Score, ScoreKind, Severity,
};

/// In place of the numbers of a label that another label contradicts.
const DENIED: &str =
    "<td colspan=\"7\">can't tell: above its point, where no pneumonia was found</tr>\n";
/// In place of the numbers of a label that gets none for this image.
const UNLIKE: &str =
    "<td colspan=\"7\">can't tell: the image is unlike those that it was learned from</tr>\n";
/// In place of a missing value.
const NONE: &str = "n/a";

/// Writes the findings of a model, the causes and severity.
pub fn findings(html: &mut Html, prediction: &Prediction, card: &ModelCard) {
    let alone = prediction.alone(Some(card));
    if !alone.is_empty() {
        html.markup("<h2>Findings</h2>\n");
        table(html, prediction, &alone);
    }
    causes(html, prediction);
    if let Some(severity) = &prediction.severity {
        let found = prediction.finding(PNEUMONIA).and_then(Finding::is_positive) != Some(false);
        html.markup(if found {
            "<h2>Severity</h2>\n"
        } else {
            "<h2>Severity, if it were pneumonia after all</h2>\n"
        });
        html.element("<p>", &severity_words(severity), "</p>\n");
    }
    lungs(html, prediction);
}

/// Writes what was measured by the lungs. The share of the evidence says nothing where no pneumonia was found.
fn lungs(html: &mut Html, prediction: &Prediction) {
    let found = prediction.finding(PNEUMONIA).and_then(Finding::is_positive) == Some(true);
    let measures = prediction.lungs.unwrap_or_default();
    let share = measures.evidence_inside.filter(|_| found);
    let ratio = measures.cardiothoracic_ratio;
    if share.is_none() && ratio.is_none() {
        return;
    }
    html.markup("<h2>Lungs and heart</h2>\n");
    if let Some(share) = share {
        let share = format!("{:.0} %", 100.0 * share);
        let rest = " of the evidence for pneumonia lies in the lungs.</p>\n";
        html.element("<p>", &share, rest);
    }
    if let Some(ratio) = ratio {
        let words = match measures.cardiothoracic_error {
            Some(error) => format!(
                "{ratio:.2} ± {error:.2}; ± is the standard deviation between films of one patient."
            ),
            None => format!("{ratio:.2} (error not known)."),
        };
        html.element("<p>Cardiothoracic ratio ", &words, "</p>\n");
    }
}

/// Writes the causes, unless no pneumonia was found.
fn causes(html: &mut Html, prediction: &Prediction) {
    const HEADING: &str = "<h2>Cause, given pneumonia</h2>\n";
    match prediction.causes() {
        Causes::Unasked => {}
        Causes::CantTell => {
            html.markup(HEADING);
            html.markup(
                "<p><b>Can't tell:</b> the model's outputs contradict each other, so none of them is \
                 shown.</p>\n",
            );
        }
        Causes::Unlike => {
            html.markup(HEADING);
            html.markup(
                "<p><b>Can't tell:</b> the image is unlike those that the causes were learned from, so none \
                 of them has a number.</p>\n",
            );
        }
        Causes::OtherPrevalence => {
            html.markup(HEADING);
            html.markup(
                "<p><b>Can't tell:</b> the causes rest on the model's own prevalences, and another is \
                 assumed here.</p>\n",
            );
        }
        Causes::Told(causes) => {
            html.markup(HEADING);
            cause_table(html, &causes);
            if let Some(words) = cause_set(&causes) {
                html.element("<p><b>", &words, "</b> (90 % set)</p>\n");
            }
        }
    }
}

/// Writes the labels that stand on their own; those without a finding get no number.
fn table(html: &mut Html, prediction: &Prediction, rows: &[(&str, Option<&Finding>)]) {
    html.markup(
        "<table><thead><tr><th>Label<th>Value<th>What it is<th>Balanced point\
         <th>Point of 90 % sensitivity<th>Against them<th>90 % set<th>Assumes</tr></thead><tbody>\n",
    );
    for (name, finding) in rows {
        let is_told = |finding: &&Finding| !prediction.is_denied(finding);
        let Some(finding) = finding.filter(is_told) else {
            html.element("<tr><td>", name, "");
            html.markup(if finding.is_some() { DENIED } else { UNLIKE });
            continue;
        };
        html.markup(match finding.is_positive() {
            Some(true) => "<tr class=\"found\">",
            _ => "<tr>",
        });
        let kind = finding.score.kind;
        let assumes = assumption(finding);
        number(html, finding, &prediction.shown_words(finding));
        for point in [finding.operating_point, finding.sensitive_point] {
            html.element("<td class=\"number\">", &point_words(point, kind), "");
        }
        html.element("<td>", against(finding), "");
        html.element("<td>", finding.conformal.map_or(NONE, set), "");
        html.element("<td>", assumes.as_deref().unwrap_or(NONE), "</tr>\n");
    }
    html.markup("</tbody></table>\n");
    let mut findings = rows.iter().filter_map(|(_, finding)| *finding);
    if findings.any(|finding| prediction.shown_score(finding).1) {
        html.markup(
            "<p class=\"small\">≤: at most the probability of pneumonia, since COVID-19 is one; the model's \
             own output is higher.</p>\n",
        );
    }
}

/// Writes the causes. Their shares sum to one, and have no operating points.
fn cause_table(html: &mut Html, causes: &[&Finding]) {
    html.markup(
        "<table><thead><tr><th>Cause<th>Value<th>What it is<th>90 % set</tr></thead><tbody>\n",
    );
    for cause in causes {
        html.markup("<tr>");
        number(html, cause, &cause.score.words());
        html.element("<td>", cause.conformal.map_or(NONE, set), "</tr>\n");
    }
    html.markup("</tbody></table>\n");
}

fn number(html: &mut Html, finding: &Finding, value: &str) {
    html.element("<td>", finding.label.name(), "");
    html.element("<td class=\"number\">", value, "");
    html.element("<td>", finding.score.kind.word(), "");
}

/// The prevalence that a probability assumes, or the label that a product moves with.
fn assumption(finding: &Finding) -> Option<String> {
    if let Some(factors) = &finding.factors {
        return Some(format!("as {}", factors.presence.name()));
    }
    let calibrated = finding.calibrated;
    calibrated.map(|calibrated| format!("π {}", calibrated.prevalence))
}

fn point_words(point: Option<OperatingPoint>, kind: ScoreKind) -> String {
    let point = point.and_then(|point| Score::new(point.0, kind));
    point.map_or(NONE.to_owned(), Score::words)
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
        Conformal::Presence(PresenceSet::Neither) => "unlike the calibration cases",
        Conformal::Cause(true) => "in it",
        Conformal::Cause(false) => "not in it",
    }
}

/// The set of causes as a sentence; `None` if the model has none.
fn cause_set(causes: &[&Finding]) -> Option<String> {
    let is_in = |cause: &&&Finding| cause.conformal == Some(Conformal::Cause(true));
    let members: Vec<&str> = causes
        .iter()
        .filter(is_in)
        .map(|c| c.short_name())
        .collect();
    let has_sets = causes.iter().any(|cause| cause.conformal.is_some());
    has_sets.then(|| match members[..] {
        [] => "fits no known cause".to_owned(),
        [one] => one.to_owned(),
        [one, other] => format!("can't tell {one} from {other}"),
        _ if members.len() == causes.len() => "can't tell the causes apart".to_owned(),
        _ => format!("can't tell {} apart", members.join(", ")),
    })
}

fn severity_words(severity: &Severity) -> String {
    let one = |name: &str, value: f32, most: u8, error: Option<f32>| match error {
        Some(error) => format!("{name} {value:.1} ± {error:.1} of {most}"),
        None => format!("{name} {value:.1} of {most} (error not known)"),
    };
    let extent = one(
        "Geographic extent",
        severity.geographic_extent,
        8,
        severity.geographic_extent_error,
    );
    let opacity = one("opacity", severity.opacity, 6, severity.opacity_error);
    let has_error = severity.geographic_extent_error.is_some() || severity.opacity_error.is_some();
    let note = if has_error {
        "; ± is the mean absolute error."
    } else {
        "."
    };
    format!("{extent}; {opacity}{note}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Calibrated, Factors, InputCheck, LabelCard, LungMeasures, Pathology, Prevalence, Question,
    };

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
            factors: None,
        }
    }

    fn page(findings: Vec<Finding>, severity: Option<Severity>) -> String {
        written(&prediction(findings, severity))
    }

    fn prediction(findings: Vec<Finding>, severity: Option<Severity>) -> Prediction {
        Prediction {
            content: Default::default(),
            findings,
            severity,
            input: InputCheck::Accepted,
            model_sha256: "ab".into(),
            preprocess: "p".into(),
            elapsed_ms: 1.0,
            activation: None,
            withheld: Vec::new(),
            lung_fields: None,
            lungs: None,
            prognoses: Vec::new(),
        }
    }

    fn written(prediction: &Prediction) -> String {
        let mut html = Html::default();
        super::findings(&mut html, prediction, &card());
        html.finish()
    }

    fn card() -> ModelCard {
        let label = |name| LabelCard::new(name, Question::Presence, None);
        let cause = |name| LabelCard::new(name, Question::GivenPneumonia, None);
        ModelCard {
            labels: vec![
                label("Pneumonia"),
                label("COVID-19"),
                cause("Viral"),
                cause("COVID-19 given pneumonia"),
            ],
            ..ModelCard::default()
        }
    }

    #[test]
    fn a_label_without_a_number_says_so_and_causes_only_where_there_is_a_pneumonia() {
        let withheld = |pneumonia| {
            let first = finding(
                "Pneumonia",
                Question::Presence,
                pneumonia,
                ScoreKind::Calibrated,
            );
            let mut prediction = prediction(vec![first], None);
            let names = ["COVID-19", "Viral", "COVID-19 given pneumonia"];
            prediction.withheld = names.map(|name| Pathology(name.into())).into();
            written(&prediction)
        };
        let row = "<tr><td>COVID-19<td colspan=\"7\">can't tell: the image is unlike those";
        let ill = withheld(0.951);
        assert!(ill.contains(row) && ill.contains("95.1 %"), "{ill}");
        let causes =
            "<b>Can't tell:</b> the image is unlike those that the causes were learned from";
        assert!(ill.contains(causes) && !ill.contains("Viral"), "{ill}");
        let healthy = withheld(0.1);
        assert!(
            healthy.contains(row) && !healthy.contains("Cause"),
            "{healthy}"
        );
    }

    /// The report whose answers contradicted each other, with COVID-19 as a product.
    #[test]
    fn a_product_and_its_cause_stand_side_by_side() {
        let score = |name, question, value| finding(name, question, value, ScoreKind::Calibrated);
        let mut covid = score("COVID-19", Question::Presence, 0.935);
        covid.factors = Some(Box::new(Factors {
            presence: Pathology("Pneumonia".into()),
            cause: Pathology("COVID-19 given pneumonia".into()),
        }));
        let findings = vec![
            score("Pneumonia", Question::Presence, 0.951),
            covid,
            score("Viral", Question::GivenPneumonia, 0.017),
            score("COVID-19 given pneumonia", Question::GivenPneumonia, 0.983),
        ];
        let text = page(findings, None);
        for words in ["95.1 %", "93.5 %", "98.3 %", "as Pneumonia"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("tell"), "{text}");
    }

    /// Outputs of their own: COVID-19 is not found, and the likeliest cause is COVID-19.
    #[test]
    fn causes_that_contradict_a_label_are_not_on_the_page() {
        let score = |name, question, value| finding(name, question, value, ScoreKind::Calibrated);
        let text = page(
            vec![
                score("Pneumonia", Question::Presence, 0.951),
                score("COVID-19", Question::Presence, 0.02),
                score("Viral", Question::GivenPneumonia, 0.017),
                score("COVID-19 given pneumonia", Question::GivenPneumonia, 0.983),
            ],
            None,
        );
        let words = "<b>Can't tell:</b> the model's outputs contradict each other";
        assert!(text.contains(words), "{text}");
        for hidden in ["Viral", "98.3", "1.7 %"] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
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
        for (value, words) in [(0.0, "&lt; 0.1 %"), (1.0, "&gt; 99.9 %")] {
            let extreme = finding(
                "Pneumonia",
                Question::Presence,
                value,
                ScoreKind::Calibrated,
            );
            let text = page(vec![extreme], None);
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn causes_are_told_apart_only_as_far_as_the_set_does() {
        let cause = |name: &str, is_in| Finding {
            conformal: Some(Conformal::Cause(is_in)),
            ..finding(name, Question::GivenPneumonia, 0.4, ScoreKind::Sigmoid)
        };
        let text = |pneumonia, covid| {
            let alone = |name, value| finding(name, Question::Presence, value, ScoreKind::Sigmoid);
            let mut last = cause("COVID-19 given pneumonia", true);
            last.score = Score::new(0.983, ScoreKind::Sigmoid).unwrap();
            let findings = vec![
                alone("Pneumonia", pneumonia),
                alone("COVID-19", covid),
                cause("Bacterial", false),
                cause("Viral", true),
                last,
            ];
            page(findings, None)
        };
        let ill = text(0.9, 0.9);
        assert!(
            ill.contains("can&#39;t tell Viral from COVID-19</b>") && ill.contains("0.983"),
            "{ill}"
        );
        let healthy = text(0.1, 0.02);
        assert!(
            !healthy.contains("Cause") && !healthy.contains("0.983"),
            "{healthy}"
        );
        let torn = text(0.9, 0.02);
        assert!(
            torn.contains("<b>Can't tell:</b>") && !torn.contains("0.983"),
            "{torn}"
        );
        // Nor is there a COVID-19 without a pneumonia.
        let torn = text(0.1, 0.9);
        assert!(
            torn.contains("can't tell") && !torn.contains("0.900"),
            "{torn}"
        );
    }

    #[test]
    fn the_lungs_have_their_numbers_as_far_as_they_are_known() {
        let text = |value, lungs| {
            let pneumonia = finding("Pneumonia", Question::Presence, value, ScoreKind::Sigmoid);
            let prediction = Prediction {
                lungs,
                ..prediction(vec![pneumonia], None)
            };
            written(&prediction)
        };
        let lungs = LungMeasures {
            evidence_inside: Some(0.834),
            cardiothoracic_ratio: Some(0.516),
            cardiothoracic_error: Some(0.04),
        };
        let found = text(0.9, Some(lungs));
        assert!(
            found.contains("83 % of the evidence for pneumonia"),
            "{found}"
        );
        assert!(found.contains("ratio 0.52 ± 0.04; ± is"), "{found}");
        let healthy = text(0.1, Some(lungs));
        assert!(!healthy.contains("of the evidence") && healthy.contains("0.52"));
        let without_error = LungMeasures {
            cardiothoracic_error: None,
            ..lungs
        };
        assert!(text(0.9, Some(without_error)).contains("ratio 0.52 (error not known)"));
        for none in [None, Some(LungMeasures::default())] {
            assert!(!text(0.9, none).contains("Lungs and heart"));
        }
    }

    #[test]
    fn severity_has_its_error_or_says_that_it_is_not_known() {
        let severity = |error| Severity {
            geographic_extent: 3.12,
            opacity: 2.2,
            geographic_extent_error: error,
            opacity_error: error,
        };
        let known = page(Vec::new(), Some(severity(Some(1.06))));
        assert!(known.contains("Geographic extent 3.1 ± 1.1 of 8; opacity 2.2 ± 1.1 of 6"));
        let unknown = page(Vec::new(), Some(severity(None)));
        assert!(unknown.contains("3.1 of 8 (error not known)"));
        assert!(!unknown.contains('±'));
    }
}
