//! Logistic regression with an L2 penalty, on standardised features and a fixed offset. Newton's method, with
//! each step by conjugate gradients (Nocedal and Wright 2006, *Numerical Optimization*, algorithm 7.1): the
//! matrix of second derivatives is never stored, and the features stay the `f32` of the network, so memory
//! does not limit the number of cases.
//!
//! ```text
//! minimise  mean ln(1 + e^∓z) + λ/2 · |w|²,   z = offset + b + w · (x − mean) / deviation
//! ```
//!
//! The result is that of scikit-learn's `LogisticRegression(C = 1 / (λ n))` after a `StandardScaler`.

use crate::domain::prevalence::probability;

/// The most Newton steps.
const STEPS: usize = 100;
/// The most conjugate gradients in one step.
const INNER: usize = 250;
/// A gradient this small ends the search.
const CLOSE: f64 = 1e-9;
/// The share of the predicted gain that a step must bring (Armijo 1966).
const GAIN: f64 = 1e-4;

/// The cases of a regression.
pub struct Problem<'a> {
    /// The features of each case.
    rows: Vec<&'a [f32]>,
    positive: Vec<bool>,
    offset: Vec<f64>,
    mean: Vec<f64>,
    /// 1 ÷ deviation of each feature; 0 for a constant feature.
    inverse: Vec<f64>,
}

/// A linear function of raw features.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    /// `[C]`
    pub weight: Vec<f64>,
    /// The value where all features are 0.
    pub bias: f64,
}

impl LinearModel {
    /// The value for these features, `[C]`.
    pub fn apply(&self, features: &[f32]) -> f64 {
        self.bias + dot(features, &self.weight)
    }
}

impl<'a> Problem<'a> {
    /// From features `[C]`, class (positive or not) and offset of each case.
    pub fn new(cases: impl IntoIterator<Item = (&'a [f32], bool, f64)>) -> Self {
        let (mut rows, mut positive, mut offset) = (Vec::new(), Vec::new(), Vec::new());
        for (row, is_positive, number) in cases {
            rows.push(row);
            positive.push(is_positive);
            offset.push(number);
        }
        let (mean, inverse) = moments(&rows);
        Problem {
            rows,
            positive,
            offset,
            mean,
            inverse,
        }
    }

    /// The first point of a path: one weight for each feature, and the intercept, all 0.
    pub fn start(&self) -> Vec<f64> {
        vec![0.0; self.mean.len() + 1]
    }

    /// The solution at this `shrinkage` (λ, more than 0): the standardised weights, then the intercept.
    pub fn solve(&self, shrinkage: f64, start: Vec<f64>) -> Vec<f64> {
        let mut at = start;
        let mut margins = self.margins(&at, Some(&self.offset));
        for _ in 0..STEPS {
            let gradient = self.gradient(&margins, &at, shrinkage);
            if gradient.iter().all(|g| g.abs() < CLOSE) {
                break;
            }
            let step = self.step(&margins, &gradient, shrinkage);
            let along = self.margins(&step, None);
            let Some(share) = self.shorten(&at, &margins, &step, &along, &gradient, shrinkage)
            else {
                break;
            };
            add(&mut at, share, &step);
            add(&mut margins, share, &along);
        }
        at
    }

    /// The solution as a function of raw features, without the offset.
    pub fn linear(&self, solution: &[f64]) -> LinearModel {
        let (weights, intercept) = split(solution);
        let scaled = weights.iter().zip(&self.inverse);
        let weight: Vec<f64> = scaled.map(|(w, inverse)| w * inverse).collect();
        let shift: f64 = weight
            .iter()
            .zip(&self.mean)
            .map(|(w, mean)| w * mean)
            .sum();
        LinearModel {
            weight,
            bias: intercept - shift,
        }
    }

    /// The logit of each case: the linear function, and `offset` if it is given.
    fn margins(&self, parameters: &[f64], offset: Option<&[f64]>) -> Vec<f64> {
        let linear = self.linear(parameters);
        let apply = |(at, row): (usize, &&[f32])| {
            linear.apply(row) + offset.map_or(0.0, |offset| offset[at])
        };
        self.rows.iter().enumerate().map(apply).collect()
    }

    /// Σ r·(x − mean) / deviation over the cases, then Σ r; the transpose of `margins`.
    fn gathered(&self, residual: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.mean.len()];
        for (row, r) in self.rows.iter().zip(residual) {
            for (sum, x) in sums.iter_mut().zip(*row) {
                *sum += r * f64::from(*x);
            }
        }
        let whole: f64 = residual.iter().sum();
        for ((sum, mean), inverse) in sums.iter_mut().zip(&self.mean).zip(&self.inverse) {
            *sum = (*sum - mean * whole) * inverse;
        }
        sums.push(whole);
        sums
    }

    fn gradient(&self, margins: &[f64], at: &[f64], shrinkage: f64) -> Vec<f64> {
        let n = margins.len() as f64;
        let miss =
            |(z, &positive): (&f64, &bool)| (probability(*z) - f64::from(u8::from(positive))) / n;
        let residual: Vec<f64> = margins.iter().zip(&self.positive).map(miss).collect();
        let mut gradient = self.gathered(&residual);
        penalise(&mut gradient, shrinkage, at);
        gradient
    }

    /// Newton's step, approximated by conjugate gradients.
    fn step(&self, margins: &[f64], gradient: &[f64], shrinkage: f64) -> Vec<f64> {
        let n = margins.len() as f64;
        let curve: Vec<f64> = margins
            .iter()
            .map(|z| probability(*z) * probability(-z) / n)
            .collect();
        let mut step = vec![0.0; gradient.len()];
        let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut direction = residual.clone();
        let mut size = inner(&residual, &residual);
        // The precision grows as the gradient shrinks, so that the last steps are full Newton steps.
        let enough = size * (size.sqrt()).min(0.25);
        for _ in 0..INNER {
            if size <= enough {
                break;
            }
            let along = self.margins(&direction, None);
            let bent: Vec<f64> = along.iter().zip(&curve).map(|(a, c)| a * c).collect();
            let mut image = self.gathered(&bent);
            penalise(&mut image, shrinkage, &direction);
            let bend = inner(&direction, &image);
            if bend <= 0.0 {
                break;
            }
            let share = size / bend;
            add(&mut step, share, &direction);
            add(&mut residual, -share, &image);
            let next = inner(&residual, &residual);
            for (d, r) in direction.iter_mut().zip(&residual) {
                *d = r + next / size * *d;
            }
            size = next;
        }
        step
    }

    /// The share of the step to take; `None` if no share lowers the cost.
    fn shorten(
        &self,
        at: &[f64],
        margins: &[f64],
        step: &[f64],
        along: &[f64],
        gradient: &[f64],
        shrinkage: f64,
    ) -> Option<f64> {
        let cost = |share: f64| {
            let losses = margins.iter().zip(along).zip(&self.positive);
            let loss: f64 = losses
                .map(|((z, d), &positive)| log_loss(z + share * d, positive))
                .sum();
            let weights = split(at).0.iter().zip(split(step).0);
            let size: f64 = weights.map(|(w, s)| (w + share * s).powi(2)).sum();
            loss / margins.len() as f64 + shrinkage / 2.0 * size
        };
        let (before, promised) = (cost(0.0), inner(gradient, step));
        let mut share = 1.0;
        while share > 1e-10 {
            // The last gains are smaller than rounding errors.
            if cost(share) <= before + GAIN * share * promised + 1e-15 {
                return Some(share);
            }
            share /= 2.0;
        }
        None
    }
}

/// −ln of the probability of the true class.
pub fn log_loss(margin: f64, positive: bool) -> f64 {
    let against = if positive { -margin } else { margin };
    // ln(1 + eᶻ) without overflow.
    against.max(0.0) + (-against.abs()).exp().ln_1p()
}

/// The mean of each feature, and 1 ÷ its deviation.
fn moments(rows: &[&[f32]]) -> (Vec<f64>, Vec<f64>) {
    let (n, size) = (rows.len() as f64, rows.first().map_or(0, |row| row.len()));
    let (mut mean, mut square) = (vec![0.0; size], vec![0.0; size]);
    for row in rows {
        for (mean, x) in mean.iter_mut().zip(*row) {
            *mean += f64::from(*x) / n;
        }
    }
    for row in rows {
        for ((square, mean), x) in square.iter_mut().zip(&mean).zip(*row) {
            *square += (f64::from(*x) - mean).powi(2) / n;
        }
    }
    let inverse = square.iter().zip(&mean).map(|(square, mean)| {
        // `f32` cannot tell smaller deviations from a constant.
        let is_constant = square.sqrt() <= 1e-7 * mean.abs();
        if is_constant {
            0.0
        } else {
            1.0 / square.sqrt()
        }
    });
    let inverse = inverse.collect();
    (mean, inverse)
}

fn penalise(gradient: &mut [f64], shrinkage: f64, at: &[f64]) {
    let weights = at.len() - 1;
    add(&mut gradient[..weights], shrinkage, &at[..weights]);
}

fn split(parameters: &[f64]) -> (&[f64], f64) {
    match parameters.split_last() {
        Some((intercept, weights)) => (weights, *intercept),
        None => (&[], 0.0),
    }
}

/// `to += share · of`
fn add(to: &mut [f64], share: f64, of: &[f64]) {
    for (to, of) in to.iter_mut().zip(of) {
        *to += share * of;
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// With eight partial sums, which the processor can add at once.
fn dot(x: &[f32], weight: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (parts, rest) = x.as_chunks::<8>();
    let (weights, last) = weight.as_chunks::<8>();
    for (part, weights) in parts.iter().zip(weights) {
        for lane in 0..8 {
            sums[lane] += f64::from(part[lane]) * weights[lane];
        }
    }
    let rest = rest.iter().zip(last).map(|(x, w)| f64::from(*x) * w);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dot_product_includes_the_remainder() {
        let x: Vec<f32> = (0..19).map(|n| n as f32).collect();
        let weight: Vec<f64> = (0..19).map(|n| f64::from(n) / 2.0).collect();
        assert_eq!(
            dot(&x, &weight),
            (0..19).map(|n| n * n).sum::<i32>() as f64 / 2.0
        );
    }

    #[test]
    fn a_constant_feature_has_no_weight() {
        let rows = [[1.0_f32, 0.3], [2.0, 0.3], [0.5, 0.3], [1.7, 0.3]];
        let positive = [true, false, false, true];
        let cases = rows.iter().zip(positive).map(|(row, p)| (&row[..], p, 0.0));
        let problem = Problem::new(cases);
        let found = problem.linear(&problem.solve(0.1, problem.start()));
        assert!(
            found.weight[0] != 0.0 && found.weight[1] == 0.0,
            "{found:?}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// The gradient is zero at the minimum, for any offset.
        #[test]
        fn every_start_leads_to_the_same_minimum(
            values in prop::collection::vec((prop::array::uniform5(-4.0_f32..4.0), any::<bool>(), -2.0_f64..2.0), 8..30),
            shrinkage in 0.001_f64..10.0, begin in -2.0_f64..2.0,
        ) {
            let positives = values.iter().filter(|case| case.1).count();
            prop_assume!(positives > 0 && positives < values.len());
            let problem = Problem::new(values.iter().map(|(row, p, o)| (&row[..], *p, *o)));
            let found = problem.solve(shrinkage, problem.start());
            let margins = problem.margins(&found, Some(&problem.offset));
            for slope in problem.gradient(&margins, &found, shrinkage) {
                prop_assert!(slope.abs() < 1e-7, "{slope}");
            }
            let other = problem.solve(shrinkage, vec![begin; 6]);
            for (a, b) in found.iter().zip(&other) {
                prop_assert!((a - b).abs() < 1e-3 * (1.0 + a.abs()), "{a} {b}");
            }
        }
    }
}
