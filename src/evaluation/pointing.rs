//! Where a heat map looks, against the boxes that readers drew: the pointing game (Zhang et al. 2018,
//! *Top-down neural attention by excitation backprop*, doi:10.1007/s11263-017-1059-x), without their margin of 15
//! pixels, and the overlap of the evidence with the boxes.
//!
//! The map is taken as the screen draws it: between the middles of its cells its values are interpolated, and
//! beyond the region that the network saw there is none.

use super::boxes::{FilmBox, FilmPoint};
use crate::domain::{CellPair, HeatMap, LungFields, LungPart, largest_parts, two_lungs};

/// Places on each side of the film at which map and boxes are compared.
const PLACES: usize = 256;
/// Where the control points if the lung fields are not known: the middles of the lungs of a usual frontal film.
const USUAL_MIDDLES: [FilmPoint; 2] = [FilmPoint { x: 0.3, y: 0.5 }, FilmPoint { x: 0.7, y: 0.5 }];

/// A heat map, and the film that it lies over.
#[derive(Debug, Clone, Copy)]
pub struct MapOnFilm<'a> {
    map: &'a HeatMap,
    /// Width and height in stored pixels.
    film: (usize, usize),
}

/// How much of a heat map lies in the boxes of its film. All shares are from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapOverlap {
    /// The share of the positive evidence that lies in the boxes; `None` without positive evidence.
    pub evidence_in_boxes: Option<f64>,
    /// Intersection over union of the boxes with the part of the map that has at least half of its greatest
    /// evidence; 0 without positive evidence. `None` if neither covers a place.
    pub intersection_over_union: Option<f64>,
}

impl<'a> MapOnFilm<'a> {
    /// `film` is width and height in stored pixels, which the region of the map counts too. `None` if film, region
    /// or map have no area, or the map has not as many values as cells.
    pub fn new(map: &'a HeatMap, film: (usize, usize)) -> Option<Self> {
        let sides = [map.width, map.height, map.region.width, map.region.height];
        let has_area = sides
            .into_iter()
            .chain([film.0, film.1])
            .all(|side| side > 0);
        let is_whole = map.width.checked_mul(map.height) == Some(map.values.len());
        (has_area && is_whole).then_some(MapOnFilm { map, film })
    }

    /// The point with the most evidence for the label. It is the middle of a cell, because an interpolated value is
    /// never above those of the cells round it; of equal cells the first in rows. `None` without positive evidence.
    pub fn strongest_point(&self) -> Option<FilmPoint> {
        let mut strongest = None;
        let mut most = 0.0;
        for cell in 0..self.map.values.len() {
            let evidence = self.cell(cell);
            if evidence > most {
                (strongest, most) = (Some(cell), evidence);
            }
        }
        let (row, column) = strongest.map(|cell| (cell / self.map.width, cell % self.map.width))?;
        let region = self.map.region;
        let middle = |cell: usize, cells: usize, start: usize, length: usize, film: usize| {
            (start as f64 + (cell as f64 + 0.5) / cells as f64 * length as f64) / film as f64
        };
        Some(FilmPoint {
            x: middle(
                column,
                self.map.width,
                region.left,
                region.width,
                self.film.0,
            ),
            y: middle(row, self.map.height, region.top, region.height, self.film.1),
        })
    }

    /// The overlap with the boxes, counted over places that lie evenly on the film.
    pub fn overlap(&self, boxes: &[FilmBox]) -> MapOverlap {
        let region = self.map.region;
        let columns = axis(self.film.0, (region.left, region.width), self.map.width);
        let rows = axis(self.film.1, (region.top, region.height), self.map.height);
        let half = self.largest() / 2.0;
        let (mut evidence_inside, mut evidence) = (0.0, 0.0);
        let (mut both, mut either) = (0_u32, 0_u32);
        for (y, row) in rows.iter().enumerate() {
            let reached: Vec<&FilmBox> = boxes
                .iter()
                .filter(|drawn| drawn.reaches_row(place(y)))
                .collect();
            let line = row.map(|row| self.line(row));
            for (x, column) in columns.iter().enumerate() {
                let point = FilmPoint {
                    x: place(x),
                    y: place(y),
                };
                let is_boxed = reached.iter().any(|drawn| drawn.contains(point));
                let here = line.as_ref().zip(*column).map_or(0.0, |(line, column)| {
                    column.between(|cell| line[cell]).max(0.0)
                });
                let is_marked = here > 0.0 && here >= half;
                evidence += here;
                evidence_inside += if is_boxed { here } else { 0.0 };
                both += u32::from(is_boxed && is_marked);
                either += u32::from(is_boxed || is_marked);
            }
        }
        MapOverlap {
            evidence_in_boxes: (evidence > 0.0).then(|| evidence_inside / evidence),
            intersection_over_union: (either > 0).then(|| f64::from(both) / f64::from(either)),
        }
    }

    /// The contribution of a cell. One that is not finite counts as none.
    fn cell(&self, at: usize) -> f64 {
        let value = f64::from(self.map.values[at]);
        if value.is_finite() { value } else { 0.0 }
    }

    /// The greatest evidence for the label; 0 without positive evidence.
    fn largest(&self) -> f64 {
        let cells = 0..self.map.values.len();
        cells.fold(0.0, |most, at| self.cell(at).max(most))
    }

    /// The values between two rows of the map, one for each of its columns.
    fn line(&self, row: CellPair) -> Vec<f64> {
        let width = self.map.width;
        (0..width)
            .map(|column| row.between(|row| self.cell(row * width + column)))
            .collect()
    }
}

/// The middle of a place, in fractions of the film.
fn place(at: usize) -> f64 {
    (at as f64 + 0.5) / PLACES as f64
}

/// For each place of one axis of the film, the cells of the map around it; `None` beyond the map. `region` is start and
/// length in stored pixels.
fn axis(film: usize, region: (usize, usize), cells: usize) -> Vec<Option<CellPair>> {
    (0..PLACES)
        .map(|at| CellPair::around(place(at) * film as f64, region, cells))
        .collect()
}

/// Whether a point lies in one of the boxes.
pub fn is_in_a_box(point: FilmPoint, boxes: &[FilmBox]) -> bool {
    boxes.iter().any(|drawn| drawn.contains(point))
}

/// The control: a reader who looks at no film, and points at the middle of each lung.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LungMiddles {
    points: [FilmPoint; 2],
    /// Whether the lung fields of the film gave the points. Else they are those of a usual film.
    pub are_of_this_film: bool,
}

impl LungMiddles {
    /// The centroids of the two lungs, where there are two; else fixed points.
    pub fn of(fields: Option<&LungFields>) -> Self {
        let found = fields.and_then(middles);
        LungMiddles {
            points: found.unwrap_or(USUAL_MIDDLES),
            are_of_this_film: found.is_some(),
        }
    }

    /// The share of the two points that lie in a box: 0, 0.5 or 1.
    pub fn hits(&self, boxes: &[FilmBox]) -> f64 {
        let hits = self
            .points
            .iter()
            .filter(|point| is_in_a_box(**point, boxes));
        hits.count() as f64 / self.points.len() as f64
    }
}

/// The centroids of the two lungs; `None` if there are no two.
fn middles(fields: &LungFields) -> Option<[FilmPoint; 2]> {
    if fields.side.checked_mul(fields.side) != Some(fields.cells.len()) {
        return None;
    }
    let parts = largest_parts(fields);
    let centre = |lung: &LungPart| {
        let (x, y) = lung.centre();
        FilmPoint { x, y }
    };
    two_lungs(&parts).map(|lungs| lungs.map(centre))
}

/// Where the heat map of one label looks on one film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelPointing {
    /// Whether the strongest point is in a box. A map without positive evidence points nowhere, and so at no box.
    pub is_hit: bool,
    /// How much of the evidence lies in the boxes.
    pub overlap: MapOverlap,
}

impl LabelPointing {
    /// Compares a map with the boxes of its film.
    pub fn of(map: MapOnFilm, boxes: &[FilmBox]) -> Self {
        let strongest = map.strongest_point();
        LabelPointing {
            is_hit: strongest.is_some_and(|point| is_in_a_box(point, boxes)),
            overlap: map.overlap(boxes),
        }
    }
}

/// Where the heat maps of one film with boxes look.
#[derive(Debug, Clone, PartialEq)]
pub struct FilmPointing {
    /// For each of the labels; `None` where it has no map.
    pub labels: Vec<Option<LabelPointing>>,
    /// The share of the control's two points that lie in a box.
    pub control: f64,
    /// Whether the control's points are from the lung fields of this film.
    pub is_control_of_this_film: bool,
    /// The share of the positive evidence for pneumonia that lies in the lungs; `None` if it is not known.
    pub evidence_in_lungs: Option<f64>,
}

/// Where the heat maps of a model look.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PointingAnswers {
    /// The labels that have a map.
    pub labels: Vec<String>,
    /// One for each case; `None` for a case without boxes, or without maps. Empty where no boxes were asked for.
    pub films: Vec<Option<FilmPointing>>,
}

#[cfg(test)]
mod tests;
