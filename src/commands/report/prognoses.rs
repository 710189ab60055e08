//! The outcomes that a model foretells, each beside the evidence that it can.

use crate::commands::shared::html::Html;
use crate::domain::prognosis::area;
use crate::domain::{Prognosis, PrognosisEvidence};

/// Writes the outcomes that were asked for.
pub fn prognoses(html: &mut Html, prognoses: &[Prognosis]) {
    html.markup("<h2>Outcomes</h2>\n");
    if prognoses.is_empty() {
        html.markup("<p>This model foretells no outcome.</p>\n");
        return;
    }
    html.markup(
        "<table><thead><tr><th>Outcome<th>Score<th>AUC (95 %)<th>AUC of the control<th>Images\
         <th>Patients<th>Measured on</tr></thead><tbody>\n",
    );
    for prognosis in prognoses {
        row(html, prognosis);
    }
    html.markup("</tbody></table>\n");
    html.markup(
        "<p class=\"small\">A score is no probability. There is none where the lower end of the interval is not \
         above 0.5 and above the control, which knows only the view and the severity.</p>\n",
    );
}

fn row(html: &mut Html, prognosis: &Prognosis) {
    let PrognosisEvidence {
        on,
        auc,
        interval: (low, high),
        control_auc,
        n,
        patients,
    } = &prognosis.evidence;
    let auc = format!("{} ({}–{})", area(*auc), area(*low), area(*high));
    html.element("<tr><td>", &prognosis.outcome, "");
    match prognosis.score {
        Some(score) => html.element("<td class=\"number\">", &score.words(), ""),
        None => html.element("<td>", &prognosis.evidence.absence_words(), ""),
    };
    html.element("<td class=\"number\">", &auc, "");
    html.element("<td class=\"number\">", &area(*control_auc), "");
    html.element("<td class=\"number\">", &n.to_string(), "");
    html.element("<td class=\"number\">", &patients.to_string(), "");
    html.element("<td>", on, "</tr>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PrognosisCard, Score, ScoreKind};

    fn page(found: &[Prognosis]) -> String {
        let mut html = Html::default();
        prognoses(&mut html, found);
        html.finish()
    }

    #[test]
    fn each_outcome_has_its_evidence_and_a_number_only_where_that_bears_one() {
        let card = |outcome: &str, auc, low, n| PrognosisCard {
            outcome: outcome.to_owned(),
            evidence: PrognosisEvidence {
                on: "hannover, <b>within AP".to_owned(),
                auc,
                interval: (low, 0.8),
                control_auc: 0.55,
                n,
                patients: 16,
            },
        };
        let score = Score::new(0.412_3, ScoreKind::Sigmoid).unwrap();
        let found = [
            card("intubation", 0.714, 0.6, 72).with(score),
            card("death", 0.58, 0.44, 32).with(score),
        ];
        let text = page(&found);
        for words in [
            "<tr><td>intubation<td class=\"number\">0.412<td class=\"number\">0.71 (0.60–0.80)\
             <td class=\"number\">0.55<td class=\"number\">72<td class=\"number\">16\
             <td>hannover, &lt;b&gt;within AP</tr>",
            "<tr><td>death<td>no evidence (AUC 0.58, 0.44–0.80, n 32)<td",
            "A score is no probability.",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("41.2"), "{text}");
        assert_eq!(text.matches("0.412").count(), 1, "{text}");
        assert!(page(&[]).contains("foretells no outcome"));
    }
}
