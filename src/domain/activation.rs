//! Activation maps: the places in a radiograph that a label's logit comes from. How likely the label is,
//! its score says.

use std::sync::Arc;

use super::content_id::ContentId;
use super::interpolation::CellPair;
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

/// The part of a network's input that shows film, where the rest is padding: from and to, as shares of the columns and
/// of the rows, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilmPart {
    pub columns: (f64, f64),
    pub rows: (f64, f64),
}

/// For each label a map whose mean, with the label's bias, is its logit (Zhou et al. 2016,
/// arXiv:1512.04150). A network that ends in a class token has none, and one attention rollout for all labels instead.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassActivationMap {
    /// Cells across.
    pub width: usize,
    /// Cells down.
    pub height: usize,
    /// In the card's order. Empty if there is an attention rollout.
    pub labels: Vec<LabelActivation>,
    /// Which places attention carries to the answer: `height × width` shares, row by row, with an average of 1 over
    /// what the network sees (Abnar & Zuidema 2020, arXiv:2005.00928). It is the same for every label, and no evidence
    /// for or against one. Empty if the labels have maps of their own.
    pub attention: Vec<f32>,
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

    /// The map of the film alone, in as many cells, where only this part of the network's input shows film. What the
    /// padding adds to a logit goes into the bias, so that the logit stays what it is.
    pub fn on_film(self, part: Option<FilmPart>) -> Self {
        let Some(part) = part else { return self };
        let (width, height) = (self.width, self.height);
        let columns = pairs(part.columns, width);
        let rows = pairs(part.rows, height);
        let stretched = |values: &[f32]| -> Vec<f32> {
            let cells = rows.iter().flat_map(|row| {
                let value = |column: &CellPair| {
                    let line = |y: usize| column.between(|x| values[y * width + x].into());
                    row.between(line) as f32
                };
                columns.iter().map(value).collect::<Vec<f32>>()
            });
            cells.collect()
        };
        let of_film = |map: LabelActivation| {
            let logit = map.logit();
            let map = LabelActivation {
                values: stretched(&map.values),
                bias: 0.0,
                label: map.label.clone(),
            };
            LabelActivation {
                bias: logit - map.logit(),
                ..map
            }
        };
        let attention = if self.attention.is_empty() {
            Vec::new()
        } else {
            stretched(&self.attention)
        };
        ClassActivationMap {
            labels: self.labels.into_iter().map(of_film).collect(),
            attention,
            ..self
        }
    }
}

/// For each of as many cells as a map has along an axis, the cells of the map around its middle, if the new ones divide
/// a part of the axis evenly.
fn pairs((from, to): (f64, f64), cells: usize) -> Vec<CellPair> {
    let middle = |cell: usize| from + (cell as f64 + 0.5) / cells as f64 * (to - from);
    let around = |cell: usize| CellPair::around(middle(cell), (0, 1), cells);
    (0..cells).filter_map(around).collect()
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
    /// `height × width` contributions in units of the logit, row by row; for attention, shares whose average is 1.
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
    /// Which places attention carries to the answer. It is the same for every label, and no evidence for or against one.
    Attention,
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
    /// The contribution, for and against, of the deepest colour, in units of the logit; for attention, its share over
    /// the average.
    pub range: f32,
    /// Opacity of the deepest colour, 0 to 1.
    pub opacity: f32,
    /// Red, green, blue from `-range` to `+range`, over mid-grey.
    pub ramp: Vec<[u8; 3]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four columns and two rows: 0 to 3, and 4 to 7.
    fn map() -> ClassActivationMap {
        ClassActivationMap {
            width: 4,
            height: 2,
            labels: vec![LabelActivation {
                label: Pathology("Pneumonia".to_owned()),
                bias: 0.5,
                values: (0..8_u8).map(f32::from).collect(),
            }],
            attention: Vec::new(),
            region: Region {
                left: 0,
                top: 0,
                width: 10,
                height: 20,
            },
        }
    }

    #[test]
    fn the_part_with_film_is_stretched_and_the_logit_stays() {
        let part = FilmPart {
            columns: (0.25, 0.75),
            rows: (0.0, 1.0),
        };
        let film = map().on_film(Some(part));
        assert_eq!((film.width, film.height, film.region), (4, 2, map().region));
        // np.interp([1.25, 1.75, 2.25, 2.75], [0.5, 1.5, 2.5, 3.5], [0, 1, 2, 3])
        let expected = [0.75, 1.25, 1.75, 2.25, 4.75, 5.25, 5.75, 6.25];
        assert_eq!(film.labels[0].values, expected);
        assert_eq!(film.labels[0].logit(), map().labels[0].logit());
    }

    #[test]
    fn attention_is_stretched_as_maps_are() {
        let part = FilmPart {
            columns: (0.25, 0.75),
            rows: (0.0, 1.0),
        };
        let mut rollout = map();
        rollout.attention = rollout.labels.remove(0).values;
        let film = rollout.on_film(Some(part));
        let expected = [0.75, 1.25, 1.75, 2.25, 4.75, 5.25, 5.75, 6.25];
        assert_eq!(film.attention, expected);
        assert!(film.labels.is_empty());
    }

    #[test]
    fn without_padding_a_map_stays_as_it_is() {
        assert_eq!(map().on_film(None), map());
        let whole = FilmPart {
            columns: (0.0, 1.0),
            rows: (0.0, 1.0),
        };
        assert_eq!(map().on_film(Some(whole)), map());
    }
}
