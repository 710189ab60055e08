//! A heat map over a picture of a radiograph. Its [`colours`] show how much each place contributes to
//! the score of a label: vermilion for it, blue against it.

mod colours;

use super::render::Viewport;
use super::values::luma;
use crate::domain::{CellPair, HeatMap, HeatMapLayer, HeatMapLegend, PreviewImage, Region};
use colours::tinted;

/// The edge of the region that the network saw is lighter by this much, or darker on a light pixel.
const EDGE: u8 = 56;
/// A map whose range is smaller than this, in logits, is not painted.
const FLAT: f32 = 1e-6;
/// Number of colours in a legend.
const RAMP: usize = 33;

/// Draws the heat map over a picture and returns it in colour. `seen` is the part of the radiograph that
/// the picture shows ([`super::seen`]). Pixels beyond the map's region keep their grey, and a thin line
/// marks its edge.
pub fn overlay(picture: &PreviewImage, seen: Viewport, layer: &HeatMapLayer) -> PreviewImage {
    let map = &*layer.map;
    let Region {
        left,
        top,
        width,
        height,
    } = map.region;
    let columns = AxisCells::new(
        picture.width,
        (seen.x, seen.width),
        (left, width),
        map.width,
    );
    let rows = AxisCells::new(
        picture.height,
        (seen.y, seen.height),
        (top, height),
        map.height,
    );
    let scale = scale(map, layer.opacity);
    let mut pixels = Vec::with_capacity(picture.width * picture.height * 3);
    for (y, row) in rows.pairs.iter().enumerate() {
        let line = row.map(|pair| between_rows(map, pair));
        for (x, column) in columns.pairs.iter().enumerate() {
            let rgb = picture.rgb(x, y);
            pixels.extend(match (&line, column) {
                (Some(line), Some(pair)) => {
                    let grey = luma(&rgb).round() as u8;
                    tinted(grey, pair.between(|i| line[i]) as f32 * scale)
                }
                _ if columns.is_edge(x) && (row.is_some() || rows.is_edge(y)) => edge(rgb),
                _ if rows.is_edge(y) && column.is_some() => edge(rgb),
                _ => rgb,
            });
        }
    }
    PreviewImage {
        width: picture.width,
        height: picture.height,
        pixels,
        colour: true,
    }
}

/// The legend that belongs beside a picture with this heat map.
pub fn legend(layer: &HeatMapLayer) -> HeatMapLegend {
    const MID_GREY: u8 = 119;
    let strength = |i: usize| (2.0 * i as f32 / (RAMP - 1) as f32 - 1.0) * layer.opacity;
    HeatMapLegend {
        subject: layer.map.subject.clone(),
        range: layer.map.range(),
        opacity: layer.opacity,
        ramp: (0..RAMP).map(|i| tinted(MID_GREY, strength(i))).collect(),
    }
}

/// The factor from a contribution to a strength of colour, −1 to 1.
fn scale(map: &HeatMap, opacity: f32) -> f32 {
    let range = map.range();
    if range < FLAT { 0.0 } else { opacity / range }
}

/// The cells around each pixel of one axis of a picture; `None` beyond the map.
struct AxisCells {
    pairs: Vec<Option<CellPair>>,
}

impl AxisCells {
    /// `pixels` is how many pixels of the picture show `seen` of an axis. `cells` cells of the map lie
    /// over `region`. Both ranges are start and length in stored pixels. Positions are those of the
    /// middles of cells and pixels.
    fn new(pixels: usize, seen: (f64, f64), region: (usize, usize), cells: usize) -> Self {
        let pair = |pixel: usize| {
            let stored = seen.0 + (pixel as f64 + 0.5) / pixels as f64 * seen.1;
            CellPair::around(stored, region, cells)
        };
        AxisCells {
            pairs: (0..pixels).map(pair).collect(),
        }
    }

    /// Whether this is the first pixel beyond the map.
    fn is_edge(&self, pixel: usize) -> bool {
        let inside = |i: Option<usize>| {
            i.and_then(|i| self.pairs.get(i))
                .is_some_and(Option::is_some)
        };
        !inside(Some(pixel)) && (inside(pixel.checked_sub(1)) || inside(pixel.checked_add(1)))
    }
}

/// The values of the map between two of its rows, one for each column.
fn between_rows(map: &HeatMap, pair: CellPair) -> Vec<f64> {
    let value = |row: usize, column: usize| {
        let value = map.values.get(row * map.width + column);
        f64::from(value.copied().unwrap_or(0.0))
    };
    (0..map.width)
        .map(|column| pair.between(|row| value(row, column)))
        .collect()
}

fn edge(rgb: [u8; 3]) -> [u8; 3] {
    rgb.map(|v| if v < 128 { v + EDGE } else { v - EDGE })
}

#[cfg(test)]
mod tests;
