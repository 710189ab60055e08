//! Where in a radiograph a label's logit comes from. Where, not whether: the score says whether.

use std::sync::Arc;

use super::agreeing::Causes;
use super::content_id::ContentId;
use super::finding::{Finding, Pathology, Question};
use super::prediction::Prediction;

/// A rectangle of a radiograph, in its stored pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

/// For each label a map whose mean, with the label's bias, is its logit (Zhou et al. 2016,
/// arXiv:1512.04150).
#[derive(Debug, Clone, PartialEq)]
pub struct ClassActivationMap {
    /// Cells across and down.
    pub width: usize,
    pub height: usize,
    /// In the card's order.
    pub labels: Vec<LabelActivation>,
    /// What the cells lie over, evenly and without a gap: all that the network saw.
    pub region: Region,
}

/// The map of one label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelActivation {
    pub label: Pathology,
    /// What the logit would be without any image.
    pub bias: f32,
    /// `height × width` contributions in units of the logit, row by row: positive speaks for the
    /// label, negative against it.
    pub values: Vec<f32>,
}

impl LabelActivation {
    /// The logit that the map adds up to.
    pub fn logit(&self) -> f32 {
        self.values.iter().sum::<f32>() / self.values.len().max(1) as f32 + self.bias
    }
}

impl ClassActivationMap {
    pub fn label(&self, label: &Pathology) -> Option<&LabelActivation> {
        self.labels.iter().find(|map| map.label == *label)
    }
}

/// One map, ready to be laid over a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    pub subject: HeatMapSubject,
    /// Cells across and down.
    pub width: usize,
    pub height: usize,
    /// `height × width` contributions in units of the logit, row by row.
    pub values: Vec<f32>,
    pub region: Region,
}

impl HeatMap {
    /// The largest contribution for or against: what the deepest colour stands for.
    pub fn range(&self) -> f32 {
        self.values.iter().fold(0.0, |most, v| most.max(v.abs()))
    }
}

/// What a heat map is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeatMapSubject {
    Label(Pathology),
    /// What speaks for the first rather than for the second.
    Difference(Pathology, Pathology),
}

/// Which heat map a reader wants, whatever the image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HeatMapChoice {
    /// That of [`Prediction::foremost`].
    #[default]
    Foremost,
    Label(Pathology),
    /// Of the two likeliest causes, or of the two highest labels where no cause is told.
    Difference,
}

/// A heat map over a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMapLayer {
    /// Of which image the map is: it is laid over no other.
    pub content: ContentId,
    pub map: Arc<HeatMap>,
    /// Opacity of the deepest colour, 0 to 1.
    pub opacity: f32,
}

/// Opacity until somebody chooses another: tissue shows through, and so does the colour.
pub const DEFAULT_OPACITY: f32 = 0.6;

/// What a picture with a heat map has to say beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMapLegend {
    pub subject: HeatMapSubject,
    /// The contribution, for and against, of the deepest colour, in units of the logit.
    pub range: f32,
    pub opacity: f32,
    /// Red, green, blue from `-range` to `+range`, over mid-grey.
    pub ramp: Vec<[u8; 3]>,
}

impl Prediction {
    /// The finding that stands out: of the labels that stand on their own, the one whose odds are
    /// highest over those of its operating point (over even odds where it has none).
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

    /// The map that was chosen; `None` if the input was refused, or the model gives no maps or has
    /// no such label.
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

    /// The two likeliest causes where they may be told, or else the two highest labels.
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
}

/// ln(p / (1 − p)), finite also for scores that were rounded to 0 or 1.
fn log_odds(score: f32) -> f32 {
    let score = score.clamp(f32::EPSILON, 1.0 - f32::EPSILON);
    (score / (1.0 - score)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InputCheck, OperatingPoint, Score, ScoreKind};

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
    fn the_foremost_label_is_highest_over_its_own_operating_point() {
        assert_eq!(four().foremost().unwrap().label.name(), "COVID-19");
        let certain = prediction(vec![
            finding("A", Question::Presence, 1.0, Some(0.9)),
            finding("B", Question::Presence, 0.0, Some(0.0)),
        ]);
        assert_eq!(certain.foremost().unwrap().label.name(), "A");
        assert!(prediction(vec![]).foremost().is_none());
    }

    #[test]
    fn the_difference_is_of_the_likeliest_causes_or_else_of_the_highest_labels() {
        let map = four().heat_map(&HeatMapChoice::Difference).unwrap();
        let highest =
            HeatMapSubject::Difference(Pathology("Pneumonia".into()), Pathology("COVID-19".into()));
        assert_eq!(map.subject, highest, "no pneumonia was found");
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
    fn there_is_no_map_without_activation_or_of_a_label_that_is_not_there() {
        let unknown = HeatMapChoice::Label(Pathology("Fracture".into()));
        assert!(four().heat_map(&unknown).is_none());
        let refused = Prediction {
            activation: None,
            ..four()
        };
        assert!(refused.heat_map(&HeatMapChoice::Foremost).is_none());
    }

    #[test]
    fn a_map_adds_up_to_its_logit() {
        let prediction = four();
        let maps = prediction.activation.as_ref().unwrap();
        assert_eq!(maps.labels[1].logit(), 3.5, "(2 + 4) / 2 + 0.5");
    }
}
