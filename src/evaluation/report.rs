//! The result of an evaluation, as plain data: group × question × statistic, each with its interval
//! and with what it was measured on. `report.json` is this, field by field.

use serde::Serialize;

use super::manifest::Skipped;

/// Everything that was measured, and on what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationReport {
    pub about: ReportScope,
    pub figures: Vec<Estimate>,
    /// Empty unless a second model was given.
    pub comparisons: Vec<Compared>,
}

/// The model, the cases and the options behind the figures.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ReportScope {
    pub cxr: String,
    /// Name and version.
    pub model: String,
    pub model_sha256: String,
    /// Name of the second model, if there is one.
    pub against: Option<String>,
    /// As it was given.
    pub manifest: String,
    pub group_columns: Vec<String>,
    pub rows: usize,
    pub skipped: Skipped,
    pub images: Images,
    /// Different patients among the images that were scored.
    pub patients: usize,
    pub bootstrap_draws: usize,
    pub bootstrap_seed: u64,
    /// `None` where no boxes were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boxes: Option<BoxesScope>,
    /// Limitations of the figures.
    pub notes: Vec<String>,
}

/// Counts of cases: scored, refused and missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Images {
    /// Scored, and in the figures.
    pub scored: usize,
    /// Refused by the input check: in no figure.
    pub refused: usize,
    /// Not readable, or without a row in a table of predictions: in no figure.
    pub failed: usize,
}

/// The images on which it was measured where the heat maps look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct BoxesScope {
    /// Images with a box.
    pub images: usize,
    /// Those of them with heat maps; the others were refused, or could not be read.
    pub measured: usize,
    /// Those of them whose lung fields say where the control points. On the others it points at fixed places.
    pub control_by_lung_fields: usize,
}

/// A subgroup of the cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseGroup {
    /// `None` for all cases.
    pub column: Option<String>,
    pub value: String,
}

impl CaseGroup {
    pub fn all() -> Self {
        CaseGroup {
            column: None,
            value: "all".to_owned(),
        }
    }
}

/// A threshold with its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedThreshold {
    pub name: String,
    /// At or above it a case is called positive.
    pub threshold: f64,
}

/// A statistic of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Statistic {
    #[serde(rename = "AUC")]
    Auc,
    #[serde(rename = "average precision")]
    AveragePrecision,
    #[serde(rename = "sensitivity")]
    Sensitivity,
    #[serde(rename = "specificity")]
    Specificity,
    #[serde(rename = "PPV")]
    PositivePredictiveValue,
    #[serde(rename = "NPV")]
    NegativePredictiveValue,
    /// At a prevalence that was asked for, from sensitivity and specificity.
    #[serde(rename = "PPV at prevalence")]
    PositivePredictiveValueAssumed,
    #[serde(rename = "NPV at prevalence")]
    NegativePredictiveValueAssumed,
    #[serde(rename = "true positives")]
    TruePositives,
    #[serde(rename = "false positives")]
    FalsePositives,
    #[serde(rename = "false negatives")]
    FalseNegatives,
    #[serde(rename = "true negatives")]
    TrueNegatives,
    #[serde(rename = "Brier")]
    Brier,
    #[serde(rename = "ECE")]
    CalibrationError,
    #[serde(rename = "calibration intercept")]
    CalibrationIntercept,
    #[serde(rename = "calibration slope")]
    CalibrationSlope,
    #[serde(rename = "MAE")]
    MeanAbsoluteError,
    #[serde(rename = "Pearson r")]
    Pearson,
    /// Of agreement: ICC(A,1) of McGraw and Wong 1996, also called ICC(2,1).
    #[serde(rename = "ICC")]
    IntraclassCorrelation,
    /// The model's less the reference standard's.
    #[serde(rename = "mean difference")]
    MeanDifference,
    /// Bland and Altman 1986.
    #[serde(rename = "lower limit of agreement")]
    LowerLimitOfAgreement,
    /// The same.
    #[serde(rename = "upper limit of agreement")]
    UpperLimitOfAgreement,
    /// How often the strongest point of a heat map lies in a box.
    #[serde(rename = "pointing accuracy")]
    PointingAccuracy,
    /// The same of a control that points at the middle of each lung, where a hit of one of the two counts a half.
    #[serde(rename = "pointing accuracy, control: middle of each lung")]
    ControlPointingAccuracy,
    /// Mean over the images whose map has positive evidence.
    #[serde(rename = "share of evidence in the boxes")]
    EvidenceInBoxes,
    /// Intersection over union of the boxes with the map at half of its maximum.
    #[serde(rename = "IoU at half maximum")]
    IntersectionOverUnion,
    /// Over images, of the map of pneumonia.
    #[serde(rename = "share of evidence in the lungs, median")]
    EvidenceInLungsMedian,
    /// The same; below it are five images in a hundred.
    #[serde(rename = "share of evidence in the lungs, 5th percentile")]
    EvidenceInLungsLow,
}

impl Statistic {
    /// As in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Statistic::Auc => "AUC",
            Statistic::AveragePrecision => "average precision",
            Statistic::Sensitivity => "sensitivity",
            Statistic::Specificity => "specificity",
            Statistic::PositivePredictiveValue => "PPV",
            Statistic::NegativePredictiveValue => "NPV",
            Statistic::PositivePredictiveValueAssumed => "PPV at prevalence",
            Statistic::NegativePredictiveValueAssumed => "NPV at prevalence",
            Statistic::TruePositives => "true positives",
            Statistic::FalsePositives => "false positives",
            Statistic::FalseNegatives => "false negatives",
            Statistic::TrueNegatives => "true negatives",
            Statistic::Brier => "Brier",
            Statistic::CalibrationError => "ECE",
            Statistic::CalibrationIntercept => "calibration intercept",
            Statistic::CalibrationSlope => "calibration slope",
            Statistic::MeanAbsoluteError => "MAE",
            Statistic::Pearson => "Pearson r",
            Statistic::IntraclassCorrelation => "ICC",
            Statistic::MeanDifference => "mean difference",
            Statistic::LowerLimitOfAgreement => "lower limit of agreement",
            Statistic::UpperLimitOfAgreement => "upper limit of agreement",
            Statistic::PointingAccuracy => "pointing accuracy",
            Statistic::ControlPointingAccuracy => "pointing accuracy, control: middle of each lung",
            Statistic::EvidenceInBoxes => "share of evidence in the boxes",
            Statistic::IntersectionOverUnion => "IoU at half maximum",
            Statistic::EvidenceInLungsMedian => "share of evidence in the lungs, median",
            Statistic::EvidenceInLungsLow => "share of evidence in the lungs, 5th percentile",
        }
    }

    /// Whether it says where a heat map looks, not how good a score is.
    pub fn is_of_heat_map(self) -> bool {
        matches!(
            self,
            Statistic::PointingAccuracy
                | Statistic::ControlPointingAccuracy
                | Statistic::EvidenceInBoxes
                | Statistic::IntersectionOverUnion
                | Statistic::EvidenceInLungsMedian
                | Statistic::EvidenceInLungsLow
        )
    }
}

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IntervalMethod {
    /// Bootstrap over patients.
    Bootstrap,
    /// Wilson, over images, where the bootstrap gives no interval.
    Wilson,
}

impl IntervalMethod {
    pub fn name(self) -> &'static str {
        match self {
            IntervalMethod::Bootstrap => "bootstrap",
            IntervalMethod::Wilson => "wilson",
        }
    }
}

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    pub method: IntervalMethod,
}

/// One statistic with its interval and sample sizes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Name of a question, of a scale of severity, or of the label of a heat map.
    pub question: String,
    pub group: CaseGroup,
    pub statistic: Statistic,
    /// For statistics that need a threshold.
    pub operating_point: Option<NamedThreshold>,
    /// The share of positives at which a predictive value stands: that of the sample, or the one that was
    /// asked for.
    pub prevalence: Option<f64>,
    /// `None` is undefined.
    pub value: Option<f64>,
    pub interval: Option<Interval>,
    /// Images of the group that answer the question, those of them with the answer yes (not for
    /// severity and heat maps), and their patients.
    pub n: usize,
    pub positives: Option<usize>,
    pub patients: usize,
}

/// Two models on the same images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    pub question: String,
    pub group: CaseGroup,
    pub n: usize,
    pub positives: usize,
    pub patients: usize,
    pub auc: f64,
    pub auc_against: f64,
    /// `auc` minus `auc_against`.
    pub difference: f64,
    /// Bootstrap over patients.
    pub interval: Option<Interval>,
    /// DeLong's test, with the images of a patient as one cluster (Obuchowski 1997).
    pub delong_low: Option<f64>,
    pub delong_high: Option<f64>,
    pub delong_z: Option<f64>,
    pub delong_p: Option<f64>,
}
