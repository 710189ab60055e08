//! The first principal directions of features (Pearson 1901), in which few cases suffice to fit something: the others
//! hold little of the spread. By orthogonal iteration with a Ritz step at its end (Golub and Van Loan 2013, *Matrix
//! Computations*, 8.2.4): the matrix of second moments is never stored, since it may be larger than the features.

use super::logistic::LinearModel;
use crate::evaluation::random::SplitMix64;

/// More directions than asked for are followed, because the last ones converge slowly.
const SPARE: usize = 4;
/// Number of iterations.
const STEPS: usize = 30;
/// The most sweeps over a small matrix, of which a few suffice.
const SWEEPS: usize = 50;
/// A variance that is smaller than this share of the largest is rounding.
const FLAT: f64 = 1e-9;
/// So is one that is smaller than this share of the square of the mean: the features are `f32`.
const ROUNDED: f64 = 1e-14;

/// The mean of features, and directions around it.
#[derive(Debug, Clone)]
pub struct Directions {
    /// `[C]`
    mean: Vec<f64>,
    /// `[k][C]`: unit vectors over the deviation along them, the largest deviation first.
    rows: Vec<Vec<f64>>,
}

impl Directions {
    /// At most `most` directions of cases with these features. There are fewer where the cases have no more.
    pub fn of(cases: &[&[f32]], most: usize) -> Self {
        let size = cases.first().map_or(0, |case| case.len());
        let n = cases.len() as f64;
        let mut mean = vec![0.0; size];
        for case in cases {
            for (mean, x) in mean.iter_mut().zip(*case) {
                *mean += f64::from(*x) / n;
            }
        }
        let possible = size.min(cases.len().saturating_sub(1));
        let mut basis = start(size, possible.min(most + SPARE));
        for _ in 0..STEPS {
            basis = spread(cases, &mean, &basis);
            orthonormalise(&mut basis);
        }
        let rows = ritz(cases, &mean, &basis).into_iter().take(most);
        Directions {
            rows: rows.collect(),
            mean,
        }
    }

    /// Number of directions.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// The position of a case along each direction, in deviations from the mean.
    pub fn along(&self, case: &[f32]) -> Vec<f64> {
        let centred = centred(case, &self.mean);
        self.rows.iter().map(|row| inner(row, &centred)).collect()
    }

    /// Adds `weights` of the first directions to a function of the features.
    pub fn add_to(&self, linear: &mut LinearModel, weights: &[f64]) {
        for (row, weight) in self.rows.iter().zip(weights) {
            for (sum, value) in linear.weight.iter_mut().zip(row) {
                *sum += weight * value;
            }
            linear.bias -= weight * inner(row, &self.mean);
        }
    }
}

/// `count` orthonormal vectors that look random and are the same each time.
fn start(size: usize, count: usize) -> Vec<Vec<f64>> {
    let mut random = SplitMix64::new(1);
    let mut number = || (random.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
    let mut vectors: Vec<Vec<f64>> = (0..count)
        .map(|_| (0..size).map(|_| number()).collect())
        .collect();
    orthonormalise(&mut vectors);
    vectors
}

/// The product of the second moments around the mean with each vector.
fn spread(cases: &[&[f32]], mean: &[f64], vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![0.0; mean.len()]; vectors.len()];
    for case in cases {
        let centred = centred(case, mean);
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            let along = inner(vector, &centred);
            for (sum, x) in sum.iter_mut().zip(&centred) {
                *sum += along * x;
            }
        }
    }
    sums
}

/// The principal directions within the span of an orthonormal basis, each over the deviation of the cases along it: the
/// largest deviation first, without those along which there is none.
fn ritz(cases: &[&[f32]], mean: &[f64], basis: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let images = spread(cases, mean, basis);
    let n = cases.len() as f64;
    let moments = basis.iter().map(|one| {
        let products = images.iter().map(|image| inner(one, image) / n);
        products.collect::<Vec<f64>>()
    });
    let (variances, turns) = eigenvectors(moments.collect());
    let mut order: Vec<usize> = (0..variances.len()).collect();
    order.sort_by(|&a, &b| variances[b].total_cmp(&variances[a]));
    let largest = order.first().map_or(0.0, |&first| variances[first]);
    let least = (FLAT * largest).max(ROUNDED * inner(mean, mean));
    order.retain(|&at| variances[at] > least);
    let direction = |at: usize| {
        let mut sum = vec![0.0; mean.len()];
        for (vector, turn) in basis.iter().zip(&turns) {
            let share = turn[at] / variances[at].sqrt();
            for (sum, x) in sum.iter_mut().zip(vector) {
                *sum += share * x;
            }
        }
        sum
    };
    order.into_iter().map(direction).collect()
}

/// Eigenvalues of a small symmetric matrix, and its eigenvectors as columns (Jacobi 1846; Golub and Van Loan, 8.5).
fn eigenvectors(mut matrix: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let size = matrix.len();
    let unit = |at: usize| (0..size).map(move |n| f64::from(u8::from(n == at)));
    let mut vectors: Vec<Vec<f64>> = (0..size).map(|at| unit(at).collect()).collect();
    for _ in 0..SWEEPS {
        let mut is_diagonal = true;
        for (i, j) in (0..size).flat_map(|i| (i + 1..size).map(move |j| (i, j))) {
            let scale = (matrix[i][i] * matrix[j][j]).abs().sqrt();
            if matrix[i][j].abs() <= f64::EPSILON * scale {
                continue;
            }
            is_diagonal = false;
            let ratio = (matrix[j][j] - matrix[i][i]) / (2.0 * matrix[i][j]);
            let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
            let cosine = 1.0 / tangent.hypot(1.0);
            let turn = |a: f64, b: f64| {
                let sine = tangent * cosine;
                (cosine * a - sine * b, sine * a + cosine * b)
            };
            for row in matrix.iter_mut().chain(&mut vectors) {
                (row[i], row[j]) = turn(row[i], row[j]);
            }
            let (upper, lower) = matrix.split_at_mut(j);
            for (a, b) in upper[i].iter_mut().zip(&mut lower[0]) {
                (*a, *b) = turn(*a, *b);
            }
        }
        if is_diagonal {
            break;
        }
    }
    ((0..size).map(|at| matrix[at][at]).collect(), vectors)
}

/// Gram–Schmidt, twice, since once leaves rounding errors. A vector that depends on those before it is dropped.
fn orthonormalise(vectors: &mut Vec<Vec<f64>>) {
    let mut kept: Vec<Vec<f64>> = Vec::with_capacity(vectors.len());
    for mut vector in vectors.drain(..) {
        let before = inner(&vector, &vector);
        for _ in 0..2 {
            for other in &kept {
                let share = inner(&vector, other);
                for (x, y) in vector.iter_mut().zip(other) {
                    *x -= share * y;
                }
            }
        }
        let square = inner(&vector, &vector);
        if square > 1e-24 * before && square > 0.0 {
            vector.iter_mut().for_each(|x| *x /= square.sqrt());
            kept.push(vector);
        }
    }
    *vectors = kept;
}

fn centred(case: &[f32], mean: &[f64]) -> Vec<f64> {
    let pairs = case.iter().zip(mean);
    pairs.map(|(x, mean)| f64::from(*x) - mean).collect()
}

/// With eight partial sums, which the processor can add at once.
fn inner(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let ((parts, rest), (others, last)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (part, other) in parts.iter().zip(others) {
        for lane in 0..8 {
            sums[lane] += part[lane] * other[lane];
        }
    }
    let rest = rest.iter().zip(last).map(|(x, y)| x * y);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<f32>> {
        let value = |i: usize, j: usize| ((i * i * 7 + j * 3 + i * j * j) % 11) as f32;
        (0..9)
            .map(|i| (0..5).map(|j| value(i, j)).collect())
            .collect()
    }

    fn slices(rows: &[Vec<f32>]) -> Vec<&[f32]> {
        rows.iter().map(Vec::as_slice).collect()
    }

    /// ```python
    /// x = np.array([[(i * i * 7 + j * 3 + i * j * j) % 11 for j in range(5)] for i in range(9)], float)
    /// z = x - x.mean(0); u, s, v = np.linalg.svd(z, full_matrices=False)
    /// np.abs(z @ (v[:3] / (s[:3, None] / 3)).T)[[0, 4, 8]]
    /// ```
    #[test]
    fn the_directions_are_numpys() {
        let rows = rows();
        let found = Directions::of(&slices(&rows), 3);
        assert_eq!(found.count(), 3);
        let expected = [
            [1.817_990_076, 0.699_727_578, 0.191_301_170],
            [0.174_576_684, 0.917_029_610, 1.928_789_551],
            [1.243_558_132, 0.133_468_347, 0.997_495_798],
        ];
        for (case, expected) in [0, 4, 8].into_iter().zip(expected) {
            for (value, expected) in found.along(&rows[case]).iter().zip(expected) {
                // The sign of a direction has no meaning.
                assert!((value.abs() - expected).abs() < 1e-6, "{value} {expected}");
            }
        }
    }

    #[test]
    fn a_function_of_the_positions_is_one_of_the_features() {
        let rows = rows();
        let found = Directions::of(&slices(&rows), 3);
        let mut linear = LinearModel {
            weight: vec![0.0; 5],
            bias: 0.25,
        };
        found.add_to(&mut linear, &[0.5, -2.0]);
        for row in &rows {
            let along = found.along(row);
            let expected = 0.25 + 0.5 * along[0] - 2.0 * along[1];
            assert!((linear.apply(row) - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn there_are_no_more_directions_than_the_cases_have() {
        let flat = vec![vec![1.0_f32, 2.0, 3.0]; 6];
        assert_eq!(Directions::of(&slices(&flat), 8).count(), 0);
        let line: Vec<Vec<f32>> = (0..6)
            .map(|n| vec![n as f32, 2.0 * n as f32, 1.0])
            .collect();
        let found = Directions::of(&slices(&line), 8);
        assert_eq!(found.count(), 1);
        // Deviations of the numbers 0 to 5 from their mean, in units of √(35 / 12).
        let ends = (found.along(&line[0])[0] - found.along(&line[5])[0]).abs();
        assert!(
            (ends - 5.0 / (35.0_f64 / 12.0).sqrt()).abs() < 1e-9,
            "{ends}"
        );
        assert_eq!(Directions::of(&[], 8).count(), 0);
        assert_eq!(Directions::of(&slices(&line[..1]), 8).count(), 0);
    }
}
