//! Heat maps of a prediction.

use super::activation::{HeatMap, HeatMapChoice, HeatMapSubject};
use super::agreeing::Causes;
use super::finding::{Finding, Question};
use super::pathology::Pathology;
use super::prediction::Prediction;

impl Prediction {
    /// The finding that stands out most: the label, causes excluded, with the highest ratio of its odds to
    /// the odds of its operating point (to even odds where it has none).
    pub fn foremost(&self) -> Option<&Finding> {
        let excess = |finding: &Finding| {
            let point = finding.operating_point.map(|point| point.0);
            excess(finding.score.value(), point)
        };
        let alone = |finding: &&Finding| finding.question == Question::Presence;
        self.findings
            .iter()
            .filter(alone)
            .max_by(|a, b| excess(a).total_cmp(&excess(b)))
    }

    /// The chosen map. `None` if the input was refused, the model has no maps, it has no such label, or the label gets
    /// no number here.
    ///
    /// A product has no map of its own: its logit is no mean over places, because it is no sum of those of its factors.
    /// Its map is that of its first factor, under the name of that label: where the evidence for a pneumonia is. The
    /// map of its second factor would show what tells one cause from another, also where there is no pneumonia.
    ///
    /// Where labels have no maps of their own, each choice but the lungs is the attention rollout.
    pub fn heat_map(&self, choice: &HeatMapChoice) -> Option<HeatMap> {
        let maps = self.activation.as_ref();
        let is_attention = maps.is_some_and(|maps| !maps.attention.is_empty());
        let subject = match choice {
            HeatMapChoice::Lungs => HeatMapSubject::Lungs,
            HeatMapChoice::Label(label) if self.is_withheld(label.name()) => return None,
            _ if is_attention => HeatMapSubject::Attention,
            HeatMapChoice::Foremost => HeatMapSubject::Label(mapped(self.foremost()?).clone()),
            HeatMapChoice::Label(label) => {
                let finding = self.finding(label.name());
                HeatMapSubject::Label(finding.map_or(label, mapped).clone())
            }
            HeatMapChoice::Difference => {
                let (first, second) = self.top_two()?;
                HeatMapSubject::Difference(first.label.clone(), second.label.clone())
            }
        };
        let values = match &subject {
            HeatMapSubject::Lungs => return Some(self.lung_fields.as_ref()?.outline()),
            HeatMapSubject::Attention => maps?.attention.clone(),
            HeatMapSubject::Label(label) => maps?.label(label)?.values.clone(),
            HeatMapSubject::Difference(first, second) => {
                let (first, second) = (maps?.label(first)?, maps?.label(second)?);
                let pairs = first.values.iter().zip(&second.values);
                pairs.map(|(a, b)| a - b).collect()
            }
        };
        let maps = maps?;
        Some(HeatMap {
            subject,
            width: maps.width,
            height: maps.height,
            values,
            region: maps.region,
        })
    }

    /// The two likeliest causes where the causes are told, and otherwise the two highest labels with maps of their own.
    fn top_two(&self) -> Option<(&Finding, &Finding)> {
        let sorted = |question| {
            let mut group: Vec<&Finding> = self
                .findings
                .iter()
                .filter(|finding| finding.question == question && finding.factors.is_none())
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

    /// Whether the chosen heat map is that of a cause, and the causes are not told, or that of a label that gets no
    /// number here.
    pub fn hides_heat_map(&self, choice: &HeatMapChoice) -> bool {
        let HeatMapChoice::Label(label) = choice else {
            return false;
        };
        let is_cause = |finding: &Finding| finding.question == Question::GivenPneumonia;
        let is_cause = self.finding(label.name()).is_some_and(is_cause);
        let are_told = || matches!(self.causes(), Causes::Told(_));
        self.is_withheld(label.name()) || is_cause && !are_told()
    }

    /// The heat map to show, if there is one.
    pub fn shown_heat_map(&self, choice: &HeatMapChoice) -> Option<HeatMap> {
        (!self.hides_heat_map(choice)).then(|| self.heat_map(choice))?
    }
}

/// The label whose map is drawn for a finding.
fn mapped(finding: &Finding) -> &Pathology {
    let factors = finding.factors.as_ref();
    factors.map_or(&finding.label, |factors| &factors.presence)
}

/// By how much a score stands out: the logarithm of the ratio of its odds to those of the operating point, or to even odds
/// where there is none.
pub fn excess(score: f32, operating_point: Option<f32>) -> f32 {
    log_odds(score) - log_odds(operating_point.unwrap_or(0.5))
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
        ClassActivationMap, Factors, InputCheck, LabelActivation, LungFields, OperatingPoint,
        Region, Score, ScoreKind,
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
            factors: None,
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
                attention: Vec::new(),
                region,
            })),
            withheld: Vec::new(),
            lung_fields: None,
            lungs: None,
            prognoses: Vec::new(),
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

    /// COVID-19 as the product of pneumonia and a cause. The network has no output for it, and so no map.
    fn with_product() -> Prediction {
        let mut said = four();
        said.findings[1].factors = Some(Box::new(Factors {
            presence: Pathology("Pneumonia".into()),
            cause: Pathology("Viral".into()),
        }));
        let mut maps = said.activation.as_deref().cloned().unwrap();
        maps.labels.remove(1);
        said.activation = Some(Arc::new(maps));
        said
    }

    #[test]
    fn a_product_has_the_map_of_its_first_factor_under_that_name() {
        let said = with_product();
        let pneumonia = HeatMapSubject::Label(Pathology("Pneumonia".into()));
        assert_eq!(said.foremost().unwrap().label.name(), "COVID-19");
        let covid = HeatMapChoice::Label(Pathology("COVID-19".into()));
        for choice in [HeatMapChoice::Foremost, covid] {
            let map = said.heat_map(&choice).unwrap();
            assert_eq!(
                (&map.subject, &map.values[..]),
                (&pneumonia, &[1.0, 1.0][..])
            );
            assert!(!said.hides_heat_map(&choice));
        }
        // Minus itself it would be blank.
        assert_eq!(said.heat_map(&HeatMapChoice::Difference), None);
    }

    #[test]
    fn attention_is_no_map_of_a_label_whatever_is_chosen() {
        let mut said = four();
        let mut maps = said.activation.as_deref().cloned().unwrap();
        maps.labels.clear();
        maps.attention = vec![0.5, 1.5];
        said.activation = Some(Arc::new(maps));
        let label = HeatMapChoice::Label(Pathology("COVID-19".into()));
        for choice in [
            HeatMapChoice::Foremost,
            label.clone(),
            HeatMapChoice::Difference,
        ] {
            let map = said.heat_map(&choice).unwrap();
            assert_eq!(map.subject, HeatMapSubject::Attention, "{choice:?}");
            assert_eq!(map.values, [0.5, 1.5]);
        }
        assert!(
            said.heat_map(&HeatMapChoice::Lungs).is_none(),
            "no lung fields"
        );
        said.withheld = vec![Pathology("COVID-19".into())];
        assert!(said.heat_map(&label).is_none());
    }

    #[test]
    fn a_label_without_a_number_has_no_map() {
        let mut said = with_product();
        let names = ["COVID-19", "Bacterial", "Viral"].map(|name| Pathology(name.into()));
        said.findings.truncate(1);
        said.findings[0].score = Score::new(0.9, ScoreKind::Sigmoid).unwrap();
        said.withheld = names.clone().into();
        for label in names {
            let choice = HeatMapChoice::Label(label);
            assert!(said.heat_map(&choice).is_none() && said.hides_heat_map(&choice));
        }
        assert!(said.shown_heat_map(&HeatMapChoice::Foremost).is_some());
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
    fn the_outline_of_the_lungs_is_a_map_of_the_whole_film() {
        let mut said = four();
        assert_eq!(said.heat_map(&HeatMapChoice::Lungs), None);
        let region = Region {
            left: 0,
            top: 0,
            width: 300,
            height: 200,
        };
        said.lung_fields = Some(Arc::new(LungFields {
            side: 2,
            cells: vec![0.0, 0.5, 0.75, 1.0],
            region,
            heart: None,
        }));
        // Models without maps have lungs as well.
        said.activation = None;
        let map = said.shown_heat_map(&HeatMapChoice::Lungs).unwrap();
        assert_eq!((&map.subject, map.region), (&HeatMapSubject::Lungs, region));
        assert_eq!((map.width, map.height), (2, 2));
        assert_eq!(map.values, [0.0, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn the_mean_of_a_map_and_the_bias_are_the_logit() {
        let prediction = four();
        let maps = prediction.activation.as_ref().unwrap();
        assert_eq!(maps.labels[1].logit(), 3.5, "(2 + 4) / 2 + 0.5");
    }
}
