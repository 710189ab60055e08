//! Tiles: the portable model against plain sums, and the instructions against the model.

use super::passes::numbers;
use crate::microkernels::bf16;
use crate::tiles::{AT_ONCE, COLUMNS, DEPTH, ROWS, SUMS, TILE, TilePanel, TileUnit};

/// Positions of a panel: two whole tiles, and a part of a third.
const POSITIONS: usize = if cfg!(miri) { 5 } else { 2 * ROWS + 5 };
/// Taps of a neighbourhood, and tiles of inputs of each.
const TAPS: usize = 2;
const STEPS: usize = if cfg!(miri) { 1 } else { 2 };
/// Numbers of a position, with a gap after it.
const POSITION: usize = TAPS * STEPS * DEPTH + DEPTH;

/// Inputs and weights, and what their rounding left.
struct Factors {
    inputs: Vec<f32>,
    /// `[tap · inputs][channel]`
    weights: Vec<f32>,
    wide: usize,
    split: bool,
}

impl Factors {
    fn new(wide: usize, split: bool, scale: f32) -> Self {
        let scaled = |count, seed| {
            numbers(count, seed)
                .into_iter()
                .map(|x| scale * x)
                .collect()
        };
        Factors {
            inputs: scaled(POSITIONS * POSITION, 1),
            weights: scaled(TAPS * STEPS * DEPTH * wide * COLUMNS, 2),
            wide,
            split,
        }
    }

    /// What a unit makes of them: `[position][channel]`.
    fn product(&self, unit: &TileUnit) -> Vec<f32> {
        let rows = POSITIONS.next_multiple_of(AT_ONCE * ROWS);
        let low = rows * POSITION;
        let mut inputs = vec![0; 2 * low];
        for (at, value) in self.inputs.iter().enumerate() {
            [inputs[at], inputs[low + at]] = halves(*value);
        }
        let weights = self.tiles();
        let mut sums = vec![0.0; AT_ONCE * ROWS * SUMS];
        let panel = TilePanel {
            input: inputs.as_ptr(),
            low,
            position: POSITION,
            positions: POSITIONS,
            taps: &[0, STEPS * DEPTH],
            depth: STEPS,
            weights: weights.as_ptr(),
            sums: sums.as_mut_ptr(),
        };
        let channels = self.wide * COLUMNS;
        let mut product = Vec::new();
        let made = panel.sums.cast_const();
        let mut take = |first: usize, count: usize| {
            assert_eq!(first * channels, product.len());
            for position in 0..count {
                // SAFETY: the sums of a position, which nothing writes now.
                let row =
                    unsafe { std::slice::from_raw_parts(made.add(position * SUMS), channels) };
                product.extend_from_slice(row);
            }
        };
        // SAFETY: whole tiles of inputs, the weights of all taps, and room for the sums. The unit is this processor's.
        unsafe { unit.multiply[self.wide - 1][usize::from(self.split)](&panel, &mut take) };
        product
    }

    /// The weights as a panel reads them.
    fn tiles(&self) -> Vec<u16> {
        let mut tiles = Vec::new();
        let parts = if self.split { 2 } else { 1 };
        for step in 0..TAPS * STEPS {
            for (part, wide) in (0..parts).flat_map(|p| (0..self.wide).map(move |w| (p, w))) {
                for at in 0..TILE {
                    let (row, column, odd) = (at / DEPTH, at % DEPTH / 2, at % 2);
                    let input = step * DEPTH + 2 * row + odd;
                    let channel = wide * COLUMNS + column;
                    tiles.push(halves(self.weights[input * self.wide * COLUMNS + channel])[part]);
                }
            }
        }
        tiles
    }

    /// The sum of a position and a channel.
    fn sum(&self, position: usize, channel: usize) -> f64 {
        let channels = self.wide * COLUMNS;
        let of = |input: usize| {
            let value = self.inputs[position * POSITION + input];
            f64::from(value) * f64::from(self.weights[input * channels + channel])
        };
        (0..TAPS * STEPS * DEPTH).map(of).sum()
    }
}

/// A number rounded to `bf16`, and what the rounding left.
fn halves(value: f32) -> [u16; 2] {
    let high = bf16(value);
    let left = value - f32::from_bits(u32::from(high) << 16);
    [high, bf16(left)]
}

/// Tiles of channels, and whether factors are split. Miri takes a second for a product of two tiles.
const KINDS: &[(usize, bool)] = if cfg!(miri) {
    &[(2, true)]
} else {
    &[(1, false), (1, true), (2, false), (2, true)]
};

#[test]
fn the_model_is_the_sum_of_products() {
    for &(wide, split) in KINDS {
        let factors = Factors::new(wide, split, 1.0);
        let product = factors.product(TileUnit::model());
        let channels = wide * COLUMNS;
        assert_eq!(product.len(), POSITIONS * channels);
        // A rounded factor is off by 2⁻⁹ of itself, and a split one by 2⁻¹⁷.
        let tolerance = if split { 1e-4 } else { 5e-2 };
        let mut most = 0.0_f64;
        for (at, found) in product.iter().enumerate() {
            let expected = factors.sum(at / channels, at % channels);
            most = most.max((f64::from(*found) - expected).abs() / expected.abs().max(1.0));
        }
        assert!(most < tolerance, "{wide} {split}: {most}");
        // Rounded factors do not keep the bound of split ones.
        assert!(split || most > 1e-3, "{wide}: {most}");
    }
}

#[test]
fn the_model_takes_subnormal_numbers_for_zero() {
    let factors = Factors::new(1, false, 1e-20);
    assert!(
        factors
            .product(TileUnit::model())
            .iter()
            .all(|sum| *sum == 0.0)
    );
}

/// On a processor with tiles only; elsewhere the model has the same order and rounding by the manual's words alone.
#[test]
fn the_instructions_give_the_bits_of_the_model() {
    let Some(unit) = TileUnit::here().filter(|unit| !unit.is_model) else {
        return eprintln!(
            "no comparison: this processor has no tiles, or the system keeps them away"
        );
    };
    for &(wide, split) in KINDS {
        for scale in [1.0, 1e-20, 1e15] {
            let factors = Factors::new(wide, split, scale);
            let bits = |unit| {
                factors
                    .product(unit)
                    .into_iter()
                    .map(f32::to_bits)
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                bits(unit),
                bits(TileUnit::model()),
                "{wide} {split} {scale}"
            );
        }
    }
}
