//! Which side the heart is on. A film that was mirrored shows it on the other one, and only its own marker (L or R)
//! says so.
//!
//! The film is cut into cells over the box around its lungs, and the differences between cells that mirror each other
//! are weighed. A mirrored film gets the opposite score. `training/lung_sides.py` is the same in Python.

use std::ops::Range;

use super::region::around;
use crate::domain::{LungPart, Region};
use crate::inference::InferenceError;
use crate::inference::input_check::Reasons;
use crate::inference::weights::Tensors;

/// Cells over the box, across and down.
const GRID: usize = 16;
const HALF: usize = GRID / 2;
/// Name of the weights' tensor.
const WEIGHT: &str = "side.weight";

/// The weights of a cell's difference to its mirror image, for the left half of the cells, row by row.
pub struct HeartSide(Vec<f32>);

impl HeartSide {
    /// # Errors
    /// If the tensor is absent or of another shape.
    pub fn load(tensors: &Tensors) -> Result<Self, InferenceError> {
        let weight = tensors.get(WEIGHT, &[GRID, HALF])?;
        Ok(HeartSide(weight.flatten_all()?.to_vec1()?))
    }

    /// The score of a film: above 0 if its heart seems to be on the right. `picture` is the film as the network saw
    /// it, `side` × `side`. `None` if the box is too small, or the film is flat.
    pub fn score(&self, picture: &[f32], side: usize, lungs: [&LungPart; 2]) -> Option<f64> {
        let film = Region {
            left: 0,
            top: 0,
            width: side,
            height: side,
        };
        let region = around(lungs, film);
        if region.width.min(region.height) < GRID {
            return None;
        }
        let cells = cells(picture, side, region);
        let mean = cells.iter().sum::<f64>() / cells.len() as f64;
        let variance = cells.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / cells.len() as f64;
        let pairs = cells
            .chunks_exact(GRID)
            .flat_map(|row| (0..HALF).map(move |column| row[column] - row[GRID - 1 - column]));
        let weighed = pairs.zip(&self.0).map(|(d, w)| d * f64::from(*w));
        (variance > 0.0).then(|| weighed.sum::<f64>() / variance.sqrt())
    }
}

/// Doubts a film whose score reaches the limit.
pub fn check(score: f64, limit: f64, reasons: &mut Reasons) {
    if score >= limit {
        reasons.doubt(format!(
            "looks mirrored: the heart on the right (score {score:.2}, doubted from {limit:.2})"
        ));
    }
}

/// The mean of each cell, row by row.
fn cells(picture: &[f32], side: usize, region: Region) -> Vec<f64> {
    let mean = |rows: Range<usize>, columns: Range<usize>| {
        let sum: f64 = rows
            .clone()
            .flat_map(|y| &picture[y * side..][columns.clone()])
            .map(|v| f64::from(*v))
            .sum();
        sum / (rows.len() * columns.len()) as f64
    };
    // The borders of the cells mirror each other.
    let edge = |length: usize, i: usize| match i {
        ..=HALF => i * length / GRID,
        _ => length - (GRID - i) * length / GRID,
    };
    let part = |first: usize, length: usize, i: usize| {
        first + edge(length, i)..first + edge(length, i + 1)
    };
    let every = (0..GRID).flat_map(|row| (0..GRID).map(move |column| (row, column)));
    let cell = |(row, column)| {
        mean(
            part(region.top, region.height, row),
            part(region.left, region.width, column),
        )
    };
    every.map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::InputCheck;
    use crate::domain::lung_parts::tests::fields;
    use crate::domain::{largest_parts, two_lungs};

    const SIDE: usize = 128;

    /// Two lungs, with a bright heart at these columns.
    fn score(heart: Range<usize>) -> Option<f64> {
        let is_lung = |x: usize, y: usize| {
            ((20..58).contains(&x) || (70..108).contains(&x)) && (20..100).contains(&y)
        };
        let fields = fields(SIDE, |x, y| if is_lung(x, y) { 0.9 } else { 0.1 });
        let picture = |i: usize| {
            let (x, y) = (i % SIDE, i / SIDE);
            let is_heart = heart.contains(&x) && (60..95).contains(&y);
            if is_lung(x, y) && !is_heart {
                -1.0
            } else {
                1.0
            }
        };
        let picture: Vec<f32> = (0..SIDE * SIDE).map(picture).collect();
        // Each row: bright on the left of the middle counts for a mirrored film.
        let weights = HeartSide(vec![0.1; GRID * HALF]);
        let parts = largest_parts(&fields);
        weights.score(&picture, SIDE, two_lungs(&parts).unwrap())
    }

    #[test]
    fn a_mirrored_film_has_the_opposite_score() {
        let (right, mirrored) = (score(58..90).unwrap(), score(38..70).unwrap());
        assert!(right < -0.1, "{right}");
        assert!((right + mirrored).abs() < 1e-9, "{right} {mirrored}");
        assert_eq!(score(58..70).map(|s| s.abs() < 1e-9), Some(true));
    }

    #[test]
    fn the_doubt_has_its_numbers() {
        let verdict = |score| {
            let mut reasons = Reasons::default();
            check(score, 0.8, &mut reasons);
            reasons.verdict()
        };
        assert_eq!(verdict(0.79), InputCheck::Accepted);
        let words = "looks mirrored: the heart on the right (score 1.31, doubted from 0.80)";
        assert_eq!(verdict(1.31), InputCheck::Caution(vec![words.to_owned()]));
    }
}
