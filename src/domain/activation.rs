//! Activation maps: the places in a radiograph that a label's logit comes from. How likely the label is,
//! its score says.

use std::sync::Arc;

use super::content_id::ContentId;
use super::pathology::Pathology;

/// A rectangle of a radiograph, in its stored pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// The first column, from 0.
    pub left: usize,
    /// The first row, from 0.
    pub top: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// For each label a map whose mean, with the label's bias, is its logit (Zhou et al. 2016,
/// arXiv:1512.04150).
#[derive(Debug, Clone, PartialEq)]
pub struct ClassActivationMap {
    /// Cells across.
    pub width: usize,
    /// Cells down.
    pub height: usize,
    /// In the card's order.
    pub labels: Vec<LabelActivation>,
    /// The part of the radiograph that the network saw. The cells divide it evenly.
    pub region: Region,
}

/// The map of one label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelActivation {
    /// The label whose logit the map explains.
    pub label: Pathology,
    /// The logit where the map is zero.
    pub bias: f32,
    /// `height × width` contributions in units of the logit, row by row: positive speaks for the
    /// label, negative against it.
    pub values: Vec<f32>,
}

impl LabelActivation {
    /// The logit: the mean of the map and the bias.
    pub fn logit(&self) -> f32 {
        self.values.iter().sum::<f32>() / self.values.len().max(1) as f32 + self.bias
    }
}

impl ClassActivationMap {
    /// The map of a label; `None` where the model does not have it.
    pub fn label(&self, label: &Pathology) -> Option<&LabelActivation> {
        self.labels.iter().find(|map| map.label == *label)
    }
}

/// One map, to be drawn over a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// What positive values speak for, and negative ones against.
    pub subject: HeatMapSubject,
    /// Cells across.
    pub width: usize,
    /// Cells down.
    pub height: usize,
    /// `height × width` contributions in units of the logit, row by row.
    pub values: Vec<f32>,
    /// The part of the radiograph that the cells divide evenly.
    pub region: Region,
}

impl HeatMap {
    /// The largest contribution for or against: the value of the deepest colour.
    pub fn range(&self) -> f32 {
        self.values.iter().fold(0.0, |most, v| most.max(v.abs()))
    }
}

/// The subject of a heat map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeatMapSubject {
    /// Evidence for and against this label.
    Label(Pathology),
    /// Evidence for the first label rather than for the second.
    Difference(Pathology, Pathology),
    /// No evidence: the outline of the lungs, which is 1 on the line and falls to 0 beside it.
    Lungs,
}

/// The heat map that a reader wants to see, for any image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HeatMapChoice {
    /// The map of the finding that stands out most.
    #[default]
    Foremost,
    /// The map of this label, even if its score is low.
    Label(Pathology),
    /// The difference between the two likeliest causes, or between the two highest labels where the
    /// causes are not told.
    Difference,
    /// The outline of the lungs.
    Lungs,
}

/// A heat map over a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMapLayer {
    /// The image of the map. It is drawn over no other image.
    pub content: ContentId,
    /// Its cells are enlarged to the picture.
    pub map: Arc<HeatMap>,
    /// Opacity of the deepest colour, 0 to 1.
    pub opacity: f32,
}

/// Opacity until the reader chooses another: both tissue and colour can be seen.
pub const DEFAULT_OPACITY: f32 = 0.6;

/// The legend beside a picture with a heat map.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMapLegend {
    /// What positive contributions speak for.
    pub subject: HeatMapSubject,
    /// The contribution, for and against, of the deepest colour, in units of the logit.
    pub range: f32,
    /// Opacity of the deepest colour, 0 to 1.
    pub opacity: f32,
    /// Red, green, blue from `-range` to `+range`, over mid-grey.
    pub ramp: Vec<[u8; 3]>,
}
