//! The lung fields of a frontal chest radiograph, and what is measured by them.

use super::activation::{HeatMap, HeatMapSubject, Region};

/// Where the lungs are, over the whole picture, of any aspect.
#[derive(Debug, Clone, PartialEq)]
pub struct LungFields {
    /// Cells per side.
    pub side: usize,
    /// The probability that a cell is lung, row by row, `side²` values from 0 to 1.
    pub cells: Vec<f32>,
    /// The whole radiograph, in its stored pixels. The cells divide it evenly.
    pub region: Region,
}

impl LungFields {
    /// A cell is lung from this probability on.
    pub const IS_LUNG: f32 = 0.5;

    /// The outline of the lungs as a map: 1 for cells of probability [`IS_LUNG`](Self::IS_LUNG), and less for others,
    /// to 0 for those that are surely lung or surely none.
    pub fn outline(&self) -> HeatMap {
        let line = |p: &f32| 1.0 - 2.0 * (p - Self::IS_LUNG).abs();
        HeatMap {
            subject: HeatMapSubject::Lungs,
            width: self.side,
            height: self.side,
            values: self.cells.iter().map(line).collect(),
            region: self.region,
        }
    }
}

/// Numbers that the lung fields of one radiograph give.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LungMeasures {
    /// The share, from 0 to 1, of the positive evidence for pneumonia in its class activation map that lies in the
    /// lungs. `None` if there are no two lungs, the model has no map, or the map has no positive evidence.
    pub evidence_inside: Option<f32>,
    /// The greatest width of the heart over the greatest inner width of the thorax (Danzer 1919). `None` if its
    /// borders could not be found, or the film is not frontal.
    pub cardiothoracic_ratio: Option<f32>,
    /// Standard deviation of the ratio between films of one patient; `None` where it is not known, or there is no ratio.
    pub cardiothoracic_error: Option<f32>,
}
