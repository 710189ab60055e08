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
    /// The lines of the cardiothoracic ratio. `None` if its borders could not be found.
    pub heart: Option<HeartLines>,
}

/// The lines of a cardiothoracic ratio in lung fields, in cells: 0 is the left or upper edge of the first one. Both lines
/// lie across the film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeartLines {
    /// From the left border of the heart to the right one, as they lie in the picture. Each is where the heart reaches
    /// farthest from the midline.
    pub heart: (f64, f64),
    /// The middle between the rows of the two borders.
    pub heart_row: f64,
    /// The greatest inner width of the thorax.
    pub thorax: (f64, f64),
    /// Its row.
    pub thorax_row: f64,
}

impl HeartLines {
    /// The width of the heart over that of the thorax.
    pub fn ratio(&self) -> f64 {
        (self.heart.1 - self.heart.0) / (self.thorax.1 - self.thorax.0)
    }
}

impl LungFields {
    /// A cell is lung from this probability on.
    pub const IS_LUNG: f32 = 0.5;

    /// The ends of the lines of the cardiothoracic ratio in the film's stored pixels: those of the heart first, each from
    /// left to right.
    pub fn heart_points(&self) -> Option<[(f64, f64); 4]> {
        let lines = self.heart?;
        let side = self.side as f64;
        let Region {
            left,
            top,
            width,
            height,
        } = self.region;
        let point = |x: f64, y: f64| {
            let x = left as f64 + x / side * width as f64;
            (x, top as f64 + y / side * height as f64)
        };
        Some([
            point(lines.heart.0, lines.heart_row),
            point(lines.heart.1, lines.heart_row),
            point(lines.thorax.0, lines.thorax_row),
            point(lines.thorax.1, lines.thorax_row),
        ])
    }

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
