//! Heat maps of a prediction.

use super::activation::{HeatMap, HeatMapChoice, HeatMapSubject};
use super::agreeing::Causes;
use super::finding::{Finding, Question};
use super::prediction::Prediction;

impl Prediction {
    /// The finding that stands out most: the label, causes excluded, with the highest ratio of its odds to
    /// the odds of its operating point (to even odds where it has none).
    pub fn foremost(&self) -> Option<&Finding> {
        let excess = |finding: &Finding| {
            let point = finding.operating_point.map_or(0.5, |point| point.0);
            log_odds(finding.score.value()) - log_odds(point)
        };
        let alone = |finding: &&Finding| finding.question == Question::Presence;
        self.findings
            .iter()
            .filter(alone)
            .max_by(|a, b| excess(a).total_cmp(&excess(b)))
    }

    /// The chosen map. `None` if the input was refused, the model has no maps, or it has no such label.
    pub fn heat_map(&self, choice: &HeatMapChoice) -> Option<HeatMap> {
        let maps = self.activation.as_ref()?;
        let subject = match choice {
            HeatMapChoice::Foremost => HeatMapSubject::Label(self.foremost()?.label.clone()),
            HeatMapChoice::Label(label) => HeatMapSubject::Label(label.clone()),
            HeatMapChoice::Difference => {
                let (first, second) = self.top_two()?;
                HeatMapSubject::Difference(first.label.clone(), second.label.clone())
            }
        };
        let values = match &subject {
            HeatMapSubject::Label(label) => maps.label(label)?.values.clone(),
            HeatMapSubject::Difference(first, second) => {
                let (first, second) = (maps.label(first)?, maps.label(second)?);
                let pairs = first.values.iter().zip(&second.values);
                pairs.map(|(a, b)| a - b).collect()
            }
        };
        Some(HeatMap {
            subject,
            width: maps.width,
            height: maps.height,
            values,
            region: maps.region,
        })
    }

    /// The two likeliest causes where the causes are told, and otherwise the two highest labels.
    fn top_two(&self) -> Option<(&Finding, &Finding)> {
        let sorted = |question| {
            let mut group: Vec<&Finding> = self
                .findings
                .iter()
                .filter(|finding| finding.question == question)
                .collect();
            group.sort_by(|a, b| b.score.value().total_cmp(&a.score.value()));
            match group[..] {
                [first, second, ..] => Some((first, second)),
                _ => None,
            }
        };
        let are_told = matches!(self.causes(), Causes::Told(_));
        let causes = are_told.then(|| sorted(Question::GivenPneumonia)).flatten();
        causes.or_else(|| sorted(Question::Presence))
    }

    /// Whether the chosen heat map is that of a cause, and the causes are not told.
    pub fn hides_heat_map(&self, choice: &HeatMapChoice) -> bool {
        let is_cause = match choice {
            HeatMapChoice::Label(label) => self
                .finding(label.name())
                .is_some_and(|finding| finding.question == Question::GivenPneumonia),
            HeatMapChoice::Foremost | HeatMapChoice::Difference => false,
        };
        is_cause && !matches!(self.causes(), Causes::Told(_))
    }

    /// The heat map to show, if there is one.
    pub fn shown_heat_map(&self, choice: &HeatMapChoice) -> Option<HeatMap> {
        (!self.hides_heat_map(choice)).then(|| self.heat_map(choice))?
    }
}

/// ln(p / (1 − p)); finite even for scores that were rounded to 0 or 1.
fn log_odds(score: f32) -> f32 {
    let score = score.clamp(f32::EPSILON, 1.0 - f32::EPSILON);
    (score / (1.0 - score)).ln()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{
        ClassActivationMap, InputCheck, LabelActivation, OperatingPoint, Pathology, Region, Score,
        ScoreKind,
    };

    fn finding(name: &str, question: Question, score: f32, point: Option<f32>) -> Finding {
        Finding {
            label: Pathology(name.into()),
            question,
            logit: 0.0,
            score: Score::new(score, ScoreKind::Sigmoid).unwrap(),
            operating_point: point.map(OperatingPoint),
            sensitive_point: None,
            calibrated: None,
            conformal: None,
        }
    }

    fn prediction(findings: Vec<Finding>) -> Prediction {
        let labels = findings
            .iter()
            .zip(1..)
            .map(|(finding, n)| LabelActivation {
                label: finding.label.clone(),
                bias: 0.5,
                values: vec![n as f32, (n * n) as f32],
            })
            .collect();
        let region = Region {
            left: 0,
            top: 0,
            width: 2,
            height: 1,
        };
        Prediction {
            content: Default::default(),
            findings,
            severity: None,
            input: InputCheck::Accepted,
            model_sha256: String::new(),
            preprocess: String::new(),
            elapsed_ms: 0.0,
            activation: Some(Arc::new(ClassActivationMap {
                width: 2,
                height: 1,
                labels,
                region,
            })),
        }
    }

    fn four() -> Prediction {
        prediction(vec![
            finding("Pneumonia", Question::Presence, 0.6, Some(0.7)),
            finding("COVID-19", Question::Presence, 0.3, Some(0.1)),
            finding("Bacterial", Question::GivenPneumonia, 0.4, None),
            finding("Viral", Question::GivenPneumonia, 0.6, None),
        ])
    }

    #[test]
    fn the_foremost_label_is_the_highest_relative_to_its_operating_point() {
        assert_eq!(four().foremost().unwrap().label.name(), "COVID-19");
        let certain = prediction(vec![
            finding("A", Question::Presence, 1.0, Some(0.9)),
            finding("B", Question::Presence, 0.0, Some(0.0)),
        ]);
        assert_eq!(certain.foremost().unwrap().label.name(), "A");
        assert!(prediction(vec![]).foremost().is_none());
    }

    #[test]
    fn the_difference_is_between_the_likeliest_causes_or_else_the_highest_labels() {
        let map = four().heat_map(&HeatMapChoice::Difference).unwrap();
        let highest =
            HeatMapSubject::Difference(Pathology("Pneumonia".into()), Pathology("COVID-19".into()));
        assert_eq!(map.subject, highest, "pneumonia was not found");
        let mut ill = four();
        ill.findings[0].score = Score::new(0.8, ScoreKind::Sigmoid).unwrap();
        let map = ill.heat_map(&HeatMapChoice::Difference).unwrap();
        let (viral, bacterial) = (Pathology("Viral".into()), Pathology("Bacterial".into()));
        assert_eq!(map.subject, HeatMapSubject::Difference(viral, bacterial));
        assert_eq!(map.values, [1.0, 7.0], "4 − 3 and 16 − 9");
        assert_eq!(map.range(), 7.0);

        let mut without_causes = four();
        without_causes.findings.truncate(2);
        let map = without_causes.heat_map(&HeatMapChoice::Difference).unwrap();
        assert_eq!(map.values, [-1.0, -3.0]);
        assert_eq!(map.range(), 3.0);
        without_causes.findings.truncate(1);
        assert!(
            without_causes
                .heat_map(&HeatMapChoice::Difference)
                .is_none()
        );
    }

    #[test]
    fn there_is_no_map_without_activation_and_none_of_an_unknown_label() {
        let unknown = HeatMapChoice::Label(Pathology("Fracture".into()));
        assert!(four().heat_map(&unknown).is_none());
        let refused = Prediction {
            activation: None,
            ..four()
        };
        assert!(refused.heat_map(&HeatMapChoice::Foremost).is_none());
    }

    #[test]
    fn the_mean_of_a_map_and_the_bias_are_the_logit() {
        let prediction = four();
        let maps = prediction.activation.as_ref().unwrap();
        assert_eq!(maps.labels[1].logit(), 3.5, "(2 + 4) / 2 + 0.5");
    }
}
