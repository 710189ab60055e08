//! Weighted sums over both axes, across first and then down, in the arithmetic of each library.

use std::ops::Range;

use super::taps::Tap;

/// The taps of both axes of a plane.
pub struct Axes {
    /// Columns of the plane.
    width: usize,
    across: Vec<Tap>,
    down: Vec<Tap>,
}

/// Weights as whole numbers of 2^−bits; sums are rounded to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedPoint {
    bits: u32,
}

impl FixedPoint {
    /// Pillow's `PRECISION_BITS`.
    pub const PILLOW: FixedPoint = FixedPoint { bits: 32 - 8 - 2 };

    /// PyTorch's weights have 16 bits: as many of them are behind the point as the largest weight leaves
    /// (`compute_index_ranges_int16_weights` in `UpSampleKernel.cpp`).
    pub fn of_torch(largest: f64) -> Self {
        let mut bits = 0;
        // The next one would not fit.
        while bits < Self::PILLOW.bits && 0.5 + largest * two_to(bits + 1) < two_to(15) {
            bits += 1;
        }
        FixedPoint { bits }
    }

    /// Halves away from 0.
    fn whole(self, weight: f64) -> i32 {
        let half = if weight < 0.0 { -0.5 } else { 0.5 };
        (weight * two_to(self.bits) + half) as i32
    }

    fn byte(self, sum: i32) -> u8 {
        let half = match self.bits {
            0 => 0,
            bits => 1 << (bits - 1),
        };
        ((sum + half) >> self.bits).clamp(0, 255) as u8
    }
}

fn two_to(bits: u32) -> f64 {
    f64::from(1_u32 << bits)
}

impl Axes {
    pub fn new(width: usize, across: Vec<Tap>, down: Vec<Tap>) -> Self {
        Axes {
            width,
            across,
            down,
        }
    }

    /// Bytes after each axis, across in the first precision and down in the second.
    pub fn fixed(&self, plane: &[u8], [across, down]: [FixedPoint; 2]) -> Vec<u8> {
        let whole = |taps: &[Tap], point: FixedPoint| -> Vec<Vec<i32>> {
            let weights = |tap: &Tap| tap.weights.iter().map(|w| point.whole(*w)).collect();
            taps.iter().map(weights).collect()
        };
        let (weights_across, weights_down) = (whole(&self.across, across), whole(&self.down, down));
        self.convolved(
            plane,
            |row: &[u8], nth: usize| {
                let from = self.across[nth].first;
                let weights = weights_across[nth].iter();
                let products = row[from..]
                    .iter()
                    .zip(weights)
                    .map(|(v, w)| i32::from(*v) * w);
                across.byte(products.sum::<i32>())
            },
            |column: &mut dyn Iterator<Item = u8>, nth: usize| {
                let products = column
                    .zip(&weights_down[nth])
                    .map(|(v, w)| i32::from(v) * w);
                down.byte(products.sum::<i32>())
            },
        )
    }

    /// Sums in double precision, kept in single precision after each axis.
    pub fn double<T: Copy + Into<f64>>(&self, plane: &[T]) -> Vec<f32> {
        self.convolved(
            plane,
            |row: &[T], nth: usize| {
                let tap = &self.across[nth];
                let products = row[tap.first..].iter().zip(&tap.weights).map(|(v, w)| {
                    let value: f64 = (*v).into();
                    value * w
                });
                products.sum::<f64>() as f32
            },
            |column: &mut dyn Iterator<Item = f32>, nth: usize| {
                let pairs = column.zip(&self.down[nth].weights);
                pairs.map(|(v, w)| f64::from(v) * w).sum::<f64>() as f32
            },
        )
    }

    /// Sums and weights in single precision.
    pub fn single<T: Copy + Into<f32>>(&self, plane: &[T]) -> Vec<f32> {
        self.convolved(
            plane,
            |row: &[T], nth: usize| {
                let tap = &self.across[nth];
                let products = row[tap.first..].iter().zip(&tap.weights).map(|(v, w)| {
                    let value: f32 = (*v).into();
                    value * *w as f32
                });
                products.sum::<f32>()
            },
            |column: &mut dyn Iterator<Item = f32>, nth: usize| {
                let pairs = column.zip(&self.down[nth].weights);
                pairs.map(|(v, w)| v * *w as f32).sum::<f32>()
            },
        )
    }

    /// The rows of the plane that the sums down need.
    fn rows(&self) -> Range<usize> {
        let first = self.down.iter().map(|tap| tap.first).min();
        let end = self.down.iter().map(Tap::end).max();
        first.unwrap_or(0)..end.unwrap_or(0)
    }

    /// `across` sums a row for an output column, and `down` a column of those sums for an output row.
    fn convolved<T, U: Copy>(
        &self,
        plane: &[T],
        across: impl Fn(&[T], usize) -> U,
        down: impl Fn(&mut dyn Iterator<Item = U>, usize) -> U,
    ) -> Vec<U> {
        let columns = self.across.len();
        let rows = self.rows();
        let top = rows.start;
        let needed = plane.chunks_exact(self.width).skip(top).take(rows.len());
        let narrow: Vec<U> = needed
            .flat_map(|row| (0..columns).map(|nth| across(row, nth)).collect::<Vec<U>>())
            .collect();
        let mut sums = Vec::with_capacity(columns * self.down.len());
        for (nth, tap) in self.down.iter().enumerate() {
            for x in 0..columns {
                let mut column =
                    (tap.first - top..tap.end() - top).map(|y| narrow[y * columns + x]);
                sums.push(down(&mut column, nth));
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_bits_as_the_largest_weight_leaves() {
        // int(0.5 + w * 2^(p + 1)) >= 2^15
        for (largest, bits) in [
            (1.0, 14),
            (0.75, 15),
            (0.5, 15),
            (0.499, 16),
            (0.01, 21),
            (1e-4, 22),
        ] {
            assert_eq!(FixedPoint::of_torch(largest).bits, bits, "{largest}");
        }
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let point = FixedPoint { bits: 1 };
        assert_eq!(
            [0.25, -0.25, 0.2, 1.0].map(|w| point.whole(w)),
            [1, -1, 0, 2]
        );
        assert_eq!([3, -3, 600, 1].map(|sum| point.byte(sum)), [2, 0, 255, 1]);
    }

    #[test]
    fn only_the_rows_that_are_needed_are_summed() {
        let tap = |first, weights: &[f64]| Tap {
            first,
            weights: weights.to_vec(),
        };
        let axes = Axes::new(3, vec![tap(1, &[0.5, 0.5])], vec![tap(2, &[0.25, 0.75])]);
        assert_eq!(axes.rows(), 2..4);
        let plane = [0, 0, 0, 0, 0, 0, 9, 4, 8, 9, 12, 16];
        assert_eq!(
            axes.double(&plane.map(f64::from)),
            [0.25 * 6.0 + 0.75 * 14.0]
        );
        assert_eq!(axes.single(&plane.map(|v| v as f32)), [12.0]);
        assert_eq!(
            axes.fixed(&plane.map(|v| v as u8), [FixedPoint::PILLOW; 2]),
            [12]
        );
    }
}
