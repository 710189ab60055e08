//! Cases for the external validation of a prediction model with a yes/no outcome (Riley and others 2021, *Minimum
//! sample size for external validation of a clinical prediction model with a binary outcome*, Statistics in Medicine
//! 40:4230, doi:10.1002/sim.9025; Snell and others 2021, doi:10.1016/j.jclinepi.2021.02.011): each of four measures shall
//! have a 95 % interval of the width asked for, and the largest number of cases holds.
//!
//! ```text
//! observed/expected:   n = (1 − φ) / (φ SE²),  SE such that O/E (exp(1.96 SE) − exp(−1.96 SE)) is the width
//! calibration slope:   n = I₀₀ / (SE² (I₀₀ I₁₁ − I₀₁²)),  Iᵢⱼ: means of LPⁱ⁺ʲ p (1 − p), p = 1 / (1 + exp(−LP))
//! c statistic:         SE² = C (1 − C) (1 + (n/2 − 1) (1 − C)/(2 − C) + (n/2 − 1) C/(1 + C)) / (n² φ (1 − φ))
//! net benefit:         n = (Se (1 − Se)/φ + w² Sp (1 − Sp)/(1 − φ) + w² (1 − Sp)²/(φ (1 − φ))) / SE²,
//!                      w = (1 − φ)/φ · t/(1 − t)      standardised, at the threshold t
//! ```
//!
//! The model is assumed to be well calibrated, and φ is the prevalence.

use crate::evaluation::statistics::{Undefined, Z_95};

/// The distribution of the model's linear predictor, ln(p / (1 − p)), among the cases to be.
#[derive(Debug, Clone, PartialEq)]
pub enum LinearPredictor {
    Normal {
        mean: f64,
        deviation: f64,
    },
    /// Of the probabilities p.
    Beta {
        a: f64,
        b: f64,
    },
    /// The predictors of cases that are there.
    Values(Vec<f64>),
}

/// What is expected, and what width is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationAssumptions {
    pub prevalence: f64,
    pub observed_to_expected: f64,
    pub observed_to_expected_width: f64,
    pub linear_predictor: LinearPredictor,
    pub slope_width: f64,
    pub c_statistic: f64,
    pub c_statistic_width: f64,
    /// Sensitivity, specificity, threshold, and width of the standardised net benefit.
    pub net_benefit: Option<(f64, f64, f64, f64)>,
}

impl ValidationAssumptions {
    /// The widths that Riley and others propose as a start: 0.2 for O/E and the slope, 0.1 for c.
    pub fn new(prevalence: f64, c_statistic: f64, linear_predictor: LinearPredictor) -> Self {
        ValidationAssumptions {
            prevalence,
            observed_to_expected: 1.0,
            observed_to_expected_width: 0.2,
            linear_predictor,
            slope_width: 0.2,
            c_statistic,
            c_statistic_width: 0.1,
            net_benefit: None,
        }
    }
}

/// Cases for each measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidationSize {
    pub observed_to_expected: usize,
    pub slope: usize,
    pub c_statistic: usize,
    pub net_benefit: Option<usize>,
}

impl ValidationSize {
    /// The largest, and how many of these will be positive.
    pub fn cases(&self) -> usize {
        let all = [
            Some(self.observed_to_expected),
            Some(self.slope),
            Some(self.c_statistic),
            self.net_benefit,
        ];
        all.into_iter().flatten().max().unwrap_or(0)
    }
}

/// Above this no study is planned.
const MOST_CASES: f64 = 1e9;

/// Cases for each of the four measures.
pub fn validation_size(assumed: &ValidationAssumptions) -> Result<ValidationSize, Undefined> {
    let prevalence = share(assumed.prevalence)?;
    let ratio = assumed.observed_to_expected;
    let width = above_zero(assumed.observed_to_expected_width)? / above_zero(ratio)?;
    // 2 sinh(1.96 SE) is the width relative to O/E.
    let error = (width / 2.0).asinh() / Z_95;
    let net_benefit = assumed
        .net_benefit
        .map(|benefit| net_benefit(prevalence, benefit));
    Ok(ValidationSize {
        observed_to_expected: whole((1.0 - prevalence) / (prevalence * error * error))?,
        slope: slope(assumed)?,
        c_statistic: c_statistic(prevalence, assumed)?,
        net_benefit: net_benefit.transpose()?,
    })
}

fn slope(assumed: &ValidationAssumptions) -> Result<usize, Undefined> {
    let error = above_zero(assumed.slope_width)? / (2.0 * Z_95);
    let [i00, i01, i11] = information(&assumed.linear_predictor)?;
    let determinant = i00 * i11 - i01 * i01;
    if determinant <= 1e-12 * i00 * i11 {
        return Err(Undefined::NoVariance);
    }
    whole(i00 / (error * error * determinant))
}

/// Means of p (1 − p), LP p (1 − p) and LP² p (1 − p).
fn information(predictor: &LinearPredictor) -> Result<[f64; 3], Undefined> {
    let weighed = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        points.fold([0.0; 4], |[sum, i00, i01, i11], (x, weight)| {
            let own = weight / (x.exp() + 2.0 + (-x).exp());
            [sum + weight, i00 + own, i01 + own * x, i11 + own * x * x]
        })
    };
    let [whole, i00, i01, i11] = match predictor {
        LinearPredictor::Normal { mean, deviation } => {
            above_zero(*deviation)?;
            if !mean.is_finite() {
                return Err(Undefined::OutOfRange);
            }
            let density = |z: f64| (mean + deviation * z, (-z * z / 2.0).exp());
            weighed(&mut grid(10.0).map(density))
        }
        LinearPredictor::Beta { a, b } => {
            above_zero(*a)?;
            above_zero(*b)?;
            // The density of x = ln(p / (1 − p)) is pᵃ (1 − p)ᵇ but for a constant.
            let peak = (a / b).ln();
            let logarithm = |x: f64| -a * (-x).exp().ln_1p() - b * x.exp().ln_1p();
            let density = |z: f64| (peak + z, (logarithm(peak + z) - logarithm(peak)).exp());
            weighed(&mut grid(300.0).map(density))
        }
        LinearPredictor::Values(values) if values.iter().all(|value| value.is_finite()) => {
            weighed(&mut values.iter().map(|value| (*value, 1.0)))
        }
        LinearPredictor::Values(_) => return Err(Undefined::OutOfRange),
    };
    match whole > 0.0 {
        true => Ok([i00, i01, i11].map(|sum| sum / whole)),
        false => Err(Undefined::NoCase),
    }
}

/// Equal steps from −`end` to `end`: the trapezoidal rule is exact to rounding for what falls off smoothly.
fn grid(end: f64) -> impl Iterator<Item = f64> {
    const HALF: i32 = 30_000;
    (-HALF..=HALF).map(move |step| end * f64::from(step) / f64::from(HALF))
}

fn c_statistic(prevalence: f64, assumed: &ValidationAssumptions) -> Result<usize, Undefined> {
    let c = assumed.c_statistic;
    let wanted = above_zero(assumed.c_statistic_width)?;
    if !(c > 0.5 && c < 1.0) {
        return Err(Undefined::OutOfRange);
    }
    // Newcombe 2006, doi:10.1002/sim.2324, method 4.
    let width = |n: f64| {
        let half = n / 2.0 - 1.0;
        let sum = 1.0 + half * (1.0 - c) / (2.0 - c) + half * c / (1.0 + c);
        2.0 * Z_95 * (c * (1.0 - c) * sum / (n * n * prevalence * (1.0 - prevalence))).sqrt()
    };
    let (mut low, mut high) = (1.0, MOST_CASES);
    if width(high) > wanted {
        return Err(Undefined::NoSize);
    }
    while high - low > 1.0 {
        let middle = ((low + high) / 2.0_f64).floor();
        if width(middle) <= wanted {
            high = middle;
        } else {
            low = middle;
        }
    }
    whole(high)
}

fn net_benefit(prevalence: f64, benefit: (f64, f64, f64, f64)) -> Result<usize, Undefined> {
    let (sensitivity, specificity, threshold, width) = benefit;
    let is_share = |value: f64| (0.0..=1.0).contains(&value);
    if !is_share(sensitivity) || !is_share(specificity) {
        return Err(Undefined::OutOfRange);
    }
    let threshold = share(threshold)?;
    let error = above_zero(width)? / (2.0 * Z_95);
    let w = (1.0 - prevalence) / prevalence * threshold / (1.0 - threshold);
    let alarms = 1.0 - specificity;
    let variance = sensitivity * (1.0 - sensitivity) / prevalence
        + w * w * specificity * alarms / (1.0 - prevalence)
        + w * w * alarms * alarms / (prevalence * (1.0 - prevalence));
    match variance > 0.0 {
        true => whole(variance / (error * error)),
        false => Err(Undefined::NoVariance),
    }
}

fn share(value: f64) -> Result<f64, Undefined> {
    (value > 0.0 && value < 1.0)
        .then_some(value)
        .ok_or(Undefined::OutOfRange)
}

fn above_zero(value: f64) -> Result<f64, Undefined> {
    (value > 0.0 && value.is_finite())
        .then_some(value)
        .ok_or(Undefined::OutOfRange)
}

fn whole(cases: f64) -> Result<usize, Undefined> {
    (cases <= MOST_CASES)
        .then_some(cases.ceil() as usize)
        .ok_or(Undefined::NoSize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal() -> LinearPredictor {
        LinearPredictor::Normal {
            mean: -5.0,
            deviation: 2.5,
        }
    }

    /// Assumptions, and cases for each measure.
    fn reference() -> [(ValidationAssumptions, usize, usize, usize, Option<usize>); 3] {
        let rare = ValidationAssumptions {
            observed_to_expected_width: 1.0,
            ..ValidationAssumptions::new(0.018, 0.8, normal())
        };
        let beta = LinearPredictor::Beta { a: 1.33, b: 1.75 };
        let common = ValidationAssumptions {
            net_benefit: Some((0.9, 0.6, 0.1, 0.2)),
            ..ValidationAssumptions::new(0.22, 0.82, beta)
        };
        let standard = LinearPredictor::Normal {
            mean: 0.0,
            deviation: 1.0,
        };
        let wide = ValidationAssumptions {
            observed_to_expected: 1.2,
            observed_to_expected_width: 0.3,
            slope_width: 0.3,
            c_statistic_width: 0.08,
            ..ValidationAssumptions::new(0.4, 0.7, standard)
        };
        [
            (rare, 906, 4554, 4252, None),
            (common, 1367, 2135, 400, Some(232)),
            (wide, 371, 1184, 677, None),
        ]
    }

    /// The formulas above in Python, with SciPy 1.17.1's quadrature for the information of the slope. The first row is
    /// the example of pmvalsampsize, which gives 905, 4544 (of a million simulated cases) and 4252 for it.
    #[test]
    fn known_answers() {
        for (assumed, observed_to_expected, slope, c_statistic, net_benefit) in reference() {
            let expected = ValidationSize {
                observed_to_expected,
                slope,
                c_statistic,
                net_benefit,
            };
            assert_eq!(validation_size(&assumed), Ok(expected));
        }
    }

    /// The same predictors as a list and as a distribution.
    #[test]
    fn a_list_of_predictors_is_a_distribution() {
        let points: Vec<f64> = (1..2000)
            .map(|n| {
                -5.0 + 2.5
                    * crate::evaluation::statistics::distributions::normal_quantile(
                        f64::from(n) / 2000.0,
                    )
            })
            .collect();
        let [a, b, c] = information(&LinearPredictor::Values(points)).unwrap();
        let [d, e, f] = information(&normal()).unwrap();
        assert!(
            (a / d - 1.0).abs() < 0.01 && (b / e - 1.0).abs() < 0.01 && (c / f - 1.0).abs() < 0.01
        );
    }

    #[test]
    fn what_cannot_be_planned_has_a_reason() {
        let reason = |prevalence, c, predictor| {
            validation_size(&ValidationAssumptions::new(prevalence, c, predictor)).unwrap_err()
        };
        assert_eq!(reason(0.0, 0.8, normal()), Undefined::OutOfRange);
        assert_eq!(reason(0.1, 0.5, normal()), Undefined::OutOfRange);
        assert_eq!(
            reason(0.1, 0.8, LinearPredictor::Values(vec![])),
            Undefined::NoCase
        );
        assert_eq!(
            reason(0.1, 0.8, LinearPredictor::Values(vec![1.0; 3])),
            Undefined::NoVariance
        );
        assert_eq!(
            reason(
                0.1,
                0.8,
                LinearPredictor::Normal {
                    mean: 0.0,
                    deviation: 0.0
                }
            ),
            Undefined::OutOfRange
        );
        assert_eq!(reason(1e-9, 0.8, normal()), Undefined::NoSize);
    }
}
