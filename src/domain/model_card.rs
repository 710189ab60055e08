//! The card of a model: `NAME.toml` beside `NAME.safetensors`.

use std::borrow::Cow;

use super::finding::Question;
use super::network_settings::NetworkSettings;
use super::prevalence::Prevalence;
use super::prognosis::PrognosisCard;
use super::radiograph::{FilmFacts, ViewPosition};
use super::recipe::PreprocessRecipe;

/// One measured figure. Poor figures are listed too.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The label.
    pub label: String,
    /// The data: `nih test split`.
    pub on: String,
    /// The statistic: `AUC`.
    pub statistic: String,
    /// The statistic itself; a share or an area lies between 0 and 1.
    pub value: f64,
    /// 95 % interval, if one was computed.
    pub interval: Option<(f64, f64)>,
    /// Number of images.
    pub n: usize,
    /// Number of positive images.
    pub positives: Option<usize>,
    /// Number of patients.
    pub patients: Option<usize>,
}

/// Platt scaling (Platt 1999) fitted on held-out patients: p = σ(slope · logit + intercept).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// More than 0.
    pub slope: f64,
    /// In units of the log odds.
    pub intercept: f64,
    /// The share of positives that `p` assumes.
    pub prevalence: Prevalence,
}

/// Class-conditional split-conformal thresholds at 90 %, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConformalThresholds {
    /// The set holds "present", or this cause, if p is at or above it.
    pub present: f32,
    /// The set holds "absent" if 1 − p is at or above it; `None` for a cause.
    pub absent: Option<f32>,
}

/// The calibration of a label for a part of the films.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupCalibration {
    /// `None` for films of every view.
    pub view: Option<ViewPosition>,
    /// In years, the first included and the second not; `None` for patients of every age.
    pub age: Option<(f64, f64)>,
    /// At the same prevalence as the label's general calibration.
    pub calibration: Calibration,
    /// `None` where the label's general one holds.
    pub operating_point: Option<f32>,
    /// `None` where the label's general one holds.
    pub sensitive_point: Option<f32>,
    /// `None` where the label's general ones hold.
    pub conformal: Option<ConformalThresholds>,
}

impl GroupCalibration {
    /// Whether a film is one of them. A film of unknown view or age is in no group that asks for it.
    pub fn holds_for(&self, film: &FilmFacts) -> bool {
        let is_of_age = |(low, high): (f64, f64)| {
            let years = film.years;
            years.is_some_and(|years| (low..high).contains(&years))
        };
        self.view.is_none_or(|view| view == film.view) && self.age.is_none_or(is_of_age)
    }
}

/// The names of the two labels whose probabilities a product multiplies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductCard {
    /// A label that is present or absent.
    pub presence: String,
    /// One of the causes given pneumonia.
    pub cause: String,
}

/// One label: an output of the network, in order, or a product of two that are.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelCard {
    /// The condition, in torchxrayvision's spelling where it has one.
    pub name: String,
    /// Decides between sigmoid and softmax; for a product, what it answers.
    pub question: Question,
    /// Balanced operating point (Youden) from validation data, on the scale of the shown score at the card's
    /// own prevalence; `None` where there is none.
    pub operating_point: Option<f32>,
    /// The point with a sensitivity of at least 90 % on validation data, on the same scale; never above the
    /// balanced point.
    pub sensitive_point: Option<f32>,
    /// Only with a calibration may the score be called a probability.
    pub calibration: Option<Calibration>,
    /// torchxrayvision's `op_threshs`: the sigmoid at which an operating-point-normalised score is 0.5.
    pub op_threshold: Option<f32>,
    /// `None` where no sets were calibrated.
    pub conformal: Option<ConformalThresholds>,
    /// Calibrations for a part of the films. The first that holds for a film takes the place of `calibration`.
    pub calibration_for: Vec<GroupCalibration>,
    /// `false` where the calibrated score was not right on data that the fit did not see: it stays a score.
    pub is_probability: bool,
    /// `None` for an output of the network.
    pub product: Option<ProductCard>,
}

impl LabelCard {
    /// A label that is not calibrated.
    pub fn new(name: &str, question: Question, operating_point: Option<f32>) -> Self {
        LabelCard {
            name: name.to_owned(),
            question,
            operating_point,
            sensitive_point: None,
            calibration: None,
            op_threshold: None,
            conformal: None,
            calibration_for: Vec::new(),
            is_probability: true,
            product: None,
        }
    }

    /// The calibration that makes the score a probability; `None` where the score is none, and for a product.
    pub fn probability(&self) -> Option<Calibration> {
        self.calibration.filter(|_| self.is_probability)
    }

    /// The label with the numbers that hold for a film: those of the first group that the film is in, or else its own.
    pub fn for_film(&self, film: &FilmFacts) -> Cow<'_, LabelCard> {
        let mut groups = self.calibration_for.iter();
        let Some(group) = groups.find(|group| group.holds_for(film)) else {
            return Cow::Borrowed(self);
        };
        Cow::Owned(LabelCard {
            calibration: Some(group.calibration),
            operating_point: group.operating_point.or(self.operating_point),
            sensitive_point: group.sensitive_point.or(self.sensitive_point),
            conformal: group.conformal.or(self.conformal),
            ..self.clone()
        })
    }
}

/// All outputs of the network answer one question: the scores are a softmax over them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SoftmaxCard {
    /// Outputs of the network after those of the labels: classes that are no finding, such as `NORMAL`.
    pub besides: Vec<String>,
}

/// The scores of the causes given pneumonia: softmax(logit / temperature) (Guo et al. 2017,
/// arXiv:1706.04599).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CausesCard {
    /// More than 0.
    pub temperature: f64,
    /// Whether the shares may be called probabilities.
    pub calibrated: bool,
    /// Where the features are farther than this from those of training, no cause gets a number, and no product of one;
    /// `None` where each does.
    pub unlike: Option<f64>,
}

/// Mean absolute errors of the severity head, by patient-grouped cross-validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeverityCard {
    /// On the scale of 0 to 8.
    pub geographic_extent_error: f32,
    /// On the scale of 0 to 6.
    pub opacity_error: f32,
    /// Images.
    pub n: usize,
}

/// Severity as two lines over the logit z of one label: slope · z + intercept, clamped to the scale. Its
/// error is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct SeverityLineCard {
    /// The label whose logit is z.
    pub label: String,
    /// Clamped to 0 to 8.
    pub geographic_extent: SeverityLine,
    /// Clamped to 0 to 6.
    pub opacity: SeverityLine,
}

/// One of the two lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeverityLine {
    /// In units of the score for each unit of the logit.
    pub slope: f64,
    /// The score at a logit of 0.
    pub intercept: f64,
}

/// The values from which an input is doubted, and from which it is refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputThresholds {
    /// From here on the input is doubted.
    pub caution: f64,
    /// From here on it is refused; not below `caution`.
    pub refuse: f64,
}

/// Limits on the place of a model's evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LungsCard {
    /// Below this share of the evidence for pneumonia in the lungs, from 0 to 1, a found pneumonia is doubted.
    pub evidence_inside: f32,
}

/// One fit of a model to local cases (`cxr adapt`).
#[derive(Debug, Clone, PartialEq)]
pub struct Adaptation {
    /// `recalibrate`, `refit` or `outcome`.
    pub method: String,
    /// Name of the table of cases.
    pub manifest: String,
    /// Year, month and day: `2026-01-31`.
    pub date: String,
    /// The labels that were fitted, or the outcomes.
    pub labels: Vec<String>,
    /// Number of images that were scored.
    pub images: usize,
    /// Number of their patients.
    pub patients: usize,
    /// SHA-256 of the model before the fit.
    pub from_sha256: String,
}

/// The card of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelCard {
    /// Shown beside every answer: `cxr-lite0`.
    pub name: String,
    /// The version of the weights: `0.2.0`.
    pub version: String,
    /// Name of a network of `inference/network/`: `efficientnet-lite0`.
    pub architecture: String,
    /// Side of the square input in pixels.
    pub input_size: usize,
    /// Name and version of the preprocessing: `cxr-1`, or `recipe-1-` and the digest of `recipe`.
    pub preprocess: String,
    /// `None` where the name of the preprocessing says all.
    pub recipe: Option<PreprocessRecipe>,
    /// What the architecture needs beside its name, as its own config says it; `None` where the name says all.
    pub network: Option<NetworkSettings>,
    /// The outputs of the network in their order, and products of them.
    pub labels: Vec<LabelCard>,
    /// `None` where each label is a question of its own.
    pub softmax: Option<SoftmaxCard>,
    /// `None` for a plain softmax over the causes, uncalibrated.
    pub causes: Option<CausesCard>,
    /// Errors of the severity head; `None` where the network has none.
    pub severity: Option<SeverityCard>,
    /// Never together with `severity`.
    pub severity_line: Option<SeverityLineCard>,
    /// Thresholds for the head that recognises frontal chest X-rays, from 0 to 1.
    pub input_head: Option<InputThresholds>,
    /// Thresholds for the shrunk Mahalanobis distance to the training features.
    pub distance: Option<InputThresholds>,
    /// `None` if it was not measured where the model looks.
    pub lungs: Option<LungsCard>,
    /// The outcomes that the model foretells, with their evidence. Empty where it foretells none.
    pub prognoses: Vec<PrognosisCard>,
    /// Licence of the weights.
    pub licence: String,
    /// The sources of the images, and how many.
    pub training_data: String,
    /// The weights that the training began with.
    pub pretrained: String,
    /// Where the weights were fetched from, before any adaptation: `hf:OWNER/NAME@COMMIT`. `None` if they were not.
    pub pulled_from: Option<String>,
    /// What the model is not meant for, and the limits of its figures.
    pub limits: Vec<String>,
    /// Figures on data that the training did not see.
    pub measurements: Vec<Measurement>,
    /// Oldest first; empty for a model that was not adapted.
    pub adaptations: Vec<Adaptation>,
    /// SHA-256 of the safetensors file, lower-case hexadecimal.
    pub sha256: String,
}

/// The architecture of models that do not end with an average and one linear layer.
pub const KERAS_SEQUENTIAL: &str = "keras-sequential";

/// The architecture of a network from a graph (ONNX) with layers between the average and the last one.
pub const ONNX_HIDDEN: &str = "onnx-hidden";

/// The architecture of a network from a graph (ONNX) whose operators are kept, because cxr's layers cannot say it.
pub const ONNX_GRAPH: &str = "onnx-graph";

/// The architectures whose last layer does not read averages of maps, nor a class token.
const WITHOUT_MAPS: [&str; 5] = [
    KERAS_SEQUENTIAL,
    ONNX_HIDDEN,
    ONNX_GRAPH,
    "mobilenet_v3_small",
    "mobilenet_v3_large",
];

/// The architectures that end in a class token. Their labels have no maps; an attention rollout shows which places the
/// answer is gathered from.
pub const ATTENTIVE: [&str; 4] = ["vit", "deit", "dinov2", "dinov2-registers"];

impl ModelCard {
    /// Whether the network has a heat map: an exact class activation map of each label, or an attention rollout.
    pub fn has_heat_maps(&self) -> bool {
        !WITHOUT_MAPS.contains(&self.architecture.as_str())
    }

    /// Whether each label has a map of its own, and not all of them one attention rollout.
    pub fn has_label_maps(&self) -> bool {
        self.has_heat_maps() && !ATTENTIVE.contains(&self.architecture.as_str())
    }

    /// The names of all labels with their questions, in the card's order.
    pub fn label_names(&self) -> impl Iterator<Item = (&str, Question)> + Clone {
        let labels = self.labels.iter();
        labels.map(|label| (label.name.as_str(), label.question))
    }

    /// The labels that are outputs of the network, in the order of the outputs: all but the products.
    pub fn outputs(&self) -> impl Iterator<Item = &LabelCard> {
        self.labels.iter().filter(|label| label.product.is_none())
    }

    /// The number of outputs of the network: one for each label but the products, then those of no finding.
    pub fn output_count(&self) -> usize {
        let besides = self.softmax.as_ref().map(|softmax| softmax.besides.len());
        self.outputs().count() + besides.unwrap_or(0)
    }

    /// Which output of the network a label is, by its place on the card; `None` for a product, and if there is no such
    /// label.
    pub fn output_of(&self, label: usize) -> Option<usize> {
        let is_output = |label: &&LabelCard| label.product.is_none();
        self.labels.get(label).filter(is_output)?;
        Some(self.labels[..label].iter().filter(is_output).count())
    }

    /// Whether the score of this label may be called a probability. That of a product may if those of both factors may.
    pub fn is_calibrated(&self, label: &LabelCard) -> bool {
        if let Some(ProductCard { presence, cause }) = &label.product {
            let is_calibrated = |factor: &String| {
                let mut outputs = self.outputs();
                let factor = outputs.find(|label| label.name == *factor);
                factor.is_some_and(|factor| self.is_calibrated(factor))
            };
            return label.is_probability && is_calibrated(presence) && is_calibrated(cause);
        }
        match label.question {
            Question::Presence => label.probability().is_some(),
            Question::GivenPneumonia => self.causes.is_some_and(|causes| causes.calibrated),
        }
    }

    /// Whether some images get no number for the causes, because they are unlike those of training.
    pub fn can_withhold(&self) -> bool {
        self.causes.is_some_and(|causes| causes.unlike.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platt(slope: f64) -> Calibration {
        Calibration {
            slope,
            intercept: 0.0,
            prevalence: Prevalence::new(0.5).unwrap(),
        }
    }

    /// Pneumonia, then COVID-19 as a product, then the causes.
    fn card() -> ModelCard {
        let mut pneumonia = LabelCard::new("Pneumonia", Question::Presence, Some(0.5));
        pneumonia.calibration = Some(platt(1.0));
        let mut covid = LabelCard::new("COVID-19", Question::Presence, Some(0.3));
        covid.product = Some(ProductCard {
            presence: "Pneumonia".into(),
            cause: "COVID-19 given pneumonia".into(),
        });
        let cause = |name| LabelCard::new(name, Question::GivenPneumonia, None);
        ModelCard {
            labels: vec![
                pneumonia,
                covid,
                cause("Bacterial"),
                cause("COVID-19 given pneumonia"),
            ],
            causes: Some(CausesCard {
                temperature: 1.0,
                calibrated: true,
                unlike: None,
            }),
            ..ModelCard::default()
        }
    }

    #[test]
    fn a_product_is_no_output_of_the_network() {
        let card = card();
        let names: Vec<&str> = card.outputs().map(|label| label.name.as_str()).collect();
        assert_eq!(
            names,
            ["Pneumonia", "Bacterial", "COVID-19 given pneumonia"]
        );
        let places = [0, 1, 2, 3, 4].map(|label| card.output_of(label));
        assert_eq!(places, [Some(0), None, Some(1), Some(2), None]);
        assert_eq!(card.output_count(), 3);
    }

    #[test]
    fn a_network_with_a_class_token_has_heat_maps_and_none_of_its_labels() {
        let of = |architecture: &str| {
            let card = ModelCard {
                architecture: architecture.to_owned(),
                ..ModelCard::default()
            };
            (card.has_heat_maps(), card.has_label_maps())
        };
        assert_eq!(of("swin"), (true, true));
        assert_eq!(of("dinov2-registers"), (true, false));
        assert_eq!(of(KERAS_SEQUENTIAL), (false, false));
        assert_eq!(of(ONNX_HIDDEN), (false, false));
        assert_eq!(of(ONNX_GRAPH), (false, false));
        assert_eq!(of("mobilenet_v3_small"), (false, false));
        assert_eq!(of("onnx"), (true, true));
    }

    #[test]
    fn classes_without_a_finding_are_outputs_and_no_labels() {
        let besides = vec!["NORMAL".to_owned()];
        let card = ModelCard {
            labels: vec![LabelCard::new("Pneumonia", Question::Presence, None)],
            softmax: Some(SoftmaxCard { besides }),
            ..ModelCard::default()
        };
        assert_eq!((card.outputs().count(), card.output_count()), (1, 2));
    }

    #[test]
    fn a_product_is_a_probability_if_both_factors_are() {
        let is = |change: fn(&mut ModelCard)| {
            let mut card = card();
            change(&mut card);
            card.is_calibrated(&card.labels[1])
        };
        assert!(is(|_| {}));
        assert!(!is(|card| card.labels[0].calibration = None));
        assert!(!is(|card| card.labels[0].is_probability = false));
        assert!(!is(|card| card.labels[1].is_probability = false));
        assert!(!is(|card| card.causes.as_mut().unwrap().calibrated = false));
        assert!(!is(|card| card.labels[3].name = "Viral".into()));
    }

    #[test]
    fn the_first_group_that_a_film_is_in_holds() {
        let group = |view, age, slope| GroupCalibration {
            view,
            age,
            calibration: platt(slope),
            operating_point: (slope == 2.0).then_some(0.25),
            sensitive_point: None,
            conformal: None,
        };
        let mut label = LabelCard::new("Pneumonia", Question::Presence, Some(0.5));
        label.sensitive_point = Some(0.125);
        label.calibration = Some(platt(1.0));
        label.calibration_for = vec![
            group(Some(ViewPosition::Ap), Some((0.0, 18.0)), 2.0),
            group(None, Some((0.0, 18.0)), 3.0),
            group(Some(ViewPosition::Ap), None, 4.0),
        ];
        let of = |view, years| {
            let film = FilmFacts { view, years };
            let label = label.for_film(&film).into_owned();
            let points = (label.operating_point, label.sensitive_point);
            (label.calibration.unwrap().slope, points)
        };
        let general = (Some(0.5), Some(0.125));
        for (view, years, slope) in [
            (ViewPosition::Ap, Some(18.0), 4.0),
            (ViewPosition::Ap, None, 4.0),
            (ViewPosition::Pa, Some(3.0), 3.0),
            (ViewPosition::Unknown, Some(0.0), 3.0),
            (ViewPosition::Pa, Some(60.0), 1.0),
            (ViewPosition::Unknown, None, 1.0),
        ] {
            assert_eq!(of(view, years), (slope, general), "{view} {years:?}");
        }
        let child = of(ViewPosition::Ap, Some(17.9));
        assert_eq!(child, (2.0, (Some(0.25), Some(0.125))));
    }
}
