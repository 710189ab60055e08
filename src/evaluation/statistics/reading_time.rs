//! Reading time in two modes. Times are skewed, so their logarithms are compared: the result is a ratio of geometric
//! means. Readers differ, in speed and in what a mode does to it; both are random (Laird and Ware 1982,
//! doi:10.2307/2529876):
//!
//! ```text
//! ln tⱼₘₖ = μ + β [m is the second mode] + uⱼ + wⱼₘ + eⱼₘₖ      lme4: log(t) ~ mode + (1 | reader) + (1 | reader:mode)
//! ```
//!
//! Variances are those of greatest restricted likelihood (Patterson and Thompson 1971, doi:10.1093/biomet/58.3.545),
//! found by the simplex method of Nelder and Mead 1965 (doi:10.1093/comjnl/7.4.308). β is judged by Student's
//! distribution with readers − 1 degrees of freedom, which is exact where every reader read as many cases in both modes.

use super::Undefined;
use super::distributions::{student_quantile, student_two_sided};

/// Iterations of the simplex, and how small it becomes.
const STEPS: usize = 2_000;
const CLOSE: f64 = 1e-11;

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadingTime {
    /// The reader, from 0.
    pub reader: usize,
    /// Whether it was in the second mode (aided, say).
    pub second: bool,
    /// Above 0, in any unit.
    pub time: f64,
}

/// Times of the second mode against those of the first.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingTimes {
    /// Readings that were used, and those without a time above 0.
    pub readings: usize,
    pub without_time: usize,
    /// Readers with readings in both modes, and those with readings in one only, whose readings are not used.
    pub readers: usize,
    pub one_mode_only: usize,
    /// Geometric means, in the unit of the times, for a reader between all others.
    pub first: f64,
    pub second: f64,
    /// `second / first`, and its 95 % interval.
    pub ratio: f64,
    pub interval: (f64, f64),
    /// β, its standard error and degrees of freedom.
    pub log_ratio: f64,
    pub standard_error: f64,
    pub df: f64,
    /// Two-sided, of no difference.
    pub p: f64,
    /// Standard deviations of the logarithm: of readers, of readers by modes, and the rest.
    pub reader_deviation: f64,
    pub reader_by_mode_deviation: f64,
    pub residual_deviation: f64,
}

/// The model, from all readings.
pub fn reading_times(readings: &[ReadingTime]) -> Result<ReadingTimes, Undefined> {
    let timed: Vec<&ReadingTime> = readings
        .iter()
        .filter(|reading| reading.time > 0.0 && reading.time.is_finite())
        .collect();
    let count = readings
        .iter()
        .map(|reading| reading.reader + 1)
        .max()
        .unwrap_or(0);
    let mut readers = vec![[Block::default(); 2]; count];
    for reading in &timed {
        readers[reading.reader][usize::from(reading.second)].add(reading.time.ln());
    }
    let is_read = |reader: &[Block; 2]| reader.iter().filter(|block| block.count > 0.0).count();
    let one_mode_only = readers.iter().filter(|reader| is_read(reader) == 1).count();
    readers.retain(|reader| is_read(reader) == 2);
    if timed.is_empty() {
        return Err(Undefined::NoCase);
    }
    match readers.len() {
        0 => return Err(Undefined::NoReader),
        1 => return Err(Undefined::OneReader),
        _ => {}
    }
    let data = Data::of(&readers)?;
    let ratios = data.best();
    let fit = data.fit(ratios).ok_or(Undefined::NotConverged)?;
    let residual = fit.square / (data.count - 2.0);
    let df = readers.len() as f64 - 1.0;
    let error = (residual * fit.slope_variance).sqrt();
    if error < 1e-12 {
        return Err(Undefined::NoVariance);
    }
    let half = student_quantile(0.975, df) * error;
    Ok(ReadingTimes {
        readings: data.count as usize,
        without_time: readings.len() - timed.len(),
        readers: readers.len(),
        one_mode_only,
        first: fit.intercept.exp(),
        second: (fit.intercept + fit.slope).exp(),
        ratio: fit.slope.exp(),
        interval: ((fit.slope - half).exp(), (fit.slope + half).exp()),
        log_ratio: fit.slope,
        standard_error: error,
        df,
        p: student_two_sided(fit.slope / error, df),
        reader_deviation: (residual * ratios[0]).sqrt(),
        reader_by_mode_deviation: (residual * ratios[1]).sqrt(),
        residual_deviation: residual.sqrt(),
    })
}

/// Readings of one reader in one mode.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    count: f64,
    mean: f64,
    /// Sum of squares around the mean (Welford 1962).
    squares: f64,
}

impl Block {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let step = value - self.mean;
        self.mean += step / self.count;
        self.squares += step * (value - self.mean);
    }
}

struct Data {
    readers: Vec<[Block; 2]>,
    count: f64,
    /// Within blocks.
    squares: f64,
}

/// The fixed effects for given ratios of variances.
#[derive(Debug, Clone, Copy)]
struct Fit {
    intercept: f64,
    slope: f64,
    /// Of the slope, over that of the residuals.
    slope_variance: f64,
    /// Weighted sum of squares of the residuals.
    square: f64,
    /// Minus twice the restricted log-likelihood, but for a constant.
    deviance: f64,
}

impl Data {
    fn of(readers: &[[Block; 2]]) -> Result<Self, Undefined> {
        let blocks = || readers.iter().flatten();
        let data = Data {
            count: blocks().map(|block| block.count).sum(),
            squares: blocks().map(|block| block.squares).sum(),
            readers: readers.to_vec(),
        };
        // With one reading a block, the residuals are those of readers by modes.
        if data.count as usize <= 2 * readers.len() || data.squares <= 0.0 {
            return Err(Undefined::FewCases);
        }
        Ok(data)
    }

    /// The ratios of the variances of readers and of readers by modes to that of the residuals.
    fn best(&self) -> [f64; 2] {
        let deviance = |at: [f64; 2]| {
            let fit = self.fit(at.map(|root| root * root));
            fit.map_or(f64::INFINITY, |fit| fit.deviance)
        };
        let mut found = nelder_mead([1.0, 0.5], 0.5, &deviance);
        // A second start at the first end: a flat simplex may stop early.
        found = nelder_mead(found, 0.1, &deviance);
        let mut candidates = [found, [found[0], 0.0], [0.0, found[1]], [0.0, 0.0]];
        candidates.sort_by(|a, b| deviance(*a).total_cmp(&deviance(*b)));
        candidates[0].map(|root| root * root)
    }

    /// A reader's covariance is I + b·blocks + a·ones, times that of the residuals; its inverse and determinant have
    /// closed forms, twice by Sherman and Morrison 1950 (doi:10.1214/aoms/1177729893).
    fn fit(&self, [a, b]: [f64; 2]) -> Option<Fit> {
        let (mut x, mut xy, mut y) = ([[0.0; 2]; 2], [0.0; 2], self.squares);
        let mut logarithm = 0.0;
        for reader in &self.readers {
            // 1'B⁻¹1 and 1'B⁻¹y of each block.
            let weight = reader.map(|block| block.count / (1.0 + b * block.count));
            let sums = [0, 1].map(|mode| weight[mode] * reader[mode].mean);
            let (whole, total) = (weight[0] + weight[1], sums[0] + sums[1]);
            let shrink = a / (1.0 + a * whole);
            // Columns: one, and whether it is the second mode.
            let columns = [whole, weight[1]];
            let inner = [[whole, weight[1]], [weight[1], weight[1]]];
            for row in 0..2 {
                for column in 0..2 {
                    x[row][column] += inner[row][column] - shrink * columns[row] * columns[column];
                }
                xy[row] += [total, sums[1]][row] - shrink * columns[row] * total;
            }
            y += (0..2)
                .map(|mode| weight[mode] * reader[mode].mean.powi(2))
                .sum::<f64>()
                - shrink * total * total;
            logarithm += reader
                .iter()
                .map(|block| (b * block.count).ln_1p())
                .sum::<f64>()
                + (a * whole).ln_1p();
        }
        let determinant = x[0][0] * x[1][1] - x[0][1] * x[1][0];
        if determinant.is_nan() || determinant <= 0.0 {
            return None;
        }
        let intercept = (x[1][1] * xy[0] - x[0][1] * xy[1]) / determinant;
        let slope = (x[0][0] * xy[1] - x[1][0] * xy[0]) / determinant;
        let square = y - intercept * xy[0] - slope * xy[1];
        let deviance =
            logarithm + determinant.ln() + (self.count - 2.0) * square.max(f64::MIN_POSITIVE).ln();
        let found = Fit {
            intercept,
            slope,
            slope_variance: x[0][0] / determinant,
            square,
            deviance,
        };
        deviance.is_finite().then_some(found)
    }
}

/// Where a function of two numbers is least, near `start`.
fn nelder_mead(start: [f64; 2], step: f64, function: &impl Fn([f64; 2]) -> f64) -> [f64; 2] {
    let corner = |at: [f64; 2]| (at, function(at));
    let mut simplex = [
        corner(start),
        corner([start[0] + step, start[1]]),
        corner([start[0], start[1] + step]),
    ];
    let between = |one: [f64; 2], other: [f64; 2], share: f64| {
        [0, 1].map(|at| one[at] + share * (other[at] - one[at]))
    };
    for _ in 0..STEPS {
        simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
        let [best, middle, worst] = simplex;
        let size = (0..2)
            .map(|at| {
                (worst.0[at] - best.0[at])
                    .abs()
                    .max((middle.0[at] - best.0[at]).abs())
            })
            .fold(0.0, f64::max);
        if size < CLOSE {
            break;
        }
        let centre = between(best.0, middle.0, 0.5);
        let reflected = corner(between(centre, worst.0, -1.0));
        simplex[2] = match () {
            () if reflected.1 < best.1 => {
                let expanded = corner(between(centre, worst.0, -2.0));
                if expanded.1 < reflected.1 {
                    expanded
                } else {
                    reflected
                }
            }
            () if reflected.1 < middle.1 => reflected,
            () => {
                let share = if reflected.1 < worst.1 { -0.5 } else { 0.5 };
                let contracted = corner(between(centre, worst.0, share));
                if contracted.1 >= worst.1.min(reflected.1) {
                    simplex[1] = corner(between(best.0, middle.0, 0.5));
                    corner(between(best.0, worst.0, 0.5))
                } else {
                    contracted
                }
            }
        };
    }
    simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
    simplex[0].0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(reader: usize, second: bool, time: f64) -> ReadingTime {
        ReadingTime {
            reader,
            second,
            time,
        }
    }

    /// Where every reader read as many cases in both modes, it is the paired t-test of the readers' mean logarithms.
    #[test]
    fn a_balanced_study_is_a_paired_test_of_readers() {
        let effects = [(3.0, 0.1), (3.4, 0.4), (2.9, 0.3), (3.1, 0.6)];
        let mut readings = Vec::new();
        for (reader, (speed, gain)) in effects.into_iter().enumerate() {
            for deviation in [-0.2, -0.1, 0.0, 0.3] {
                readings.push(reading(reader, false, f64::exp(speed + deviation)));
                readings.push(reading(
                    reader,
                    true,
                    f64::exp(speed - gain - deviation / 2.0),
                ));
            }
        }
        let found = reading_times(&readings).unwrap();
        // The deviations have a mean of 0, so that the gains are the differences of the means.
        let gains = effects.map(|(_, gain)| gain);
        let mean = gains.iter().sum::<f64>() / 4.0;
        let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / 3.0;
        assert!((found.log_ratio + mean).abs() < 1e-9, "{found:?}");
        assert!(
            (found.standard_error - (variance / 4.0).sqrt()).abs() < 1e-6,
            "{found:?}"
        );
        assert!(
            (found.ratio - (-mean).exp()).abs() < 1e-9 && (found.df, found.readers) == (3.0, 4)
        );
        assert!(found.interval.0 < found.ratio && found.ratio < found.interval.1 && found.p < 0.1);
    }

    #[test]
    fn what_cannot_be_used_is_counted() {
        let mut readings = Vec::new();
        for reader in 0..3 {
            for second in [false, true] {
                for step in [1.0, 2.0, 4.0] {
                    readings.push(reading(
                        reader,
                        second,
                        step + reader as f64 + f64::from(u8::from(second)) * step * 0.1,
                    ));
                }
            }
        }
        readings.extend([
            reading(0, true, 0.0),
            reading(1, false, f64::NAN),
            reading(7, true, 5.0),
        ]);
        let found = reading_times(&readings).unwrap();
        assert_eq!(
            (
                found.readings,
                found.without_time,
                found.one_mode_only,
                found.readers
            ),
            (18, 2, 1, 3)
        );
        assert_eq!(found.readings + found.without_time + 1, readings.len());
    }

    #[test]
    fn undefined_comparisons_have_a_reason() {
        assert_eq!(reading_times(&[]).unwrap_err(), Undefined::NoCase);
        assert_eq!(
            reading_times(&[reading(0, true, 1.0)]).unwrap_err(),
            Undefined::NoReader
        );
        let one = [reading(0, true, 1.0), reading(0, false, 2.0)];
        assert_eq!(reading_times(&one).unwrap_err(), Undefined::OneReader);
        let few = [reading(1, true, 1.5), reading(1, false, 2.5)];
        assert_eq!(
            reading_times(&[one, few].concat()).unwrap_err(),
            Undefined::FewCases
        );
    }
}
