//! Power of a study of several readers and cases (Hillis, Obuchowski and Berbaum 2011, *Power estimation for
//! multireader ROC methods: an updated and unified approach*, Academic Radiology 18:129, doi:10.1016/j.acra.2010.09.007),
//! from the variance components of a pilot study or of a published one:
//!
//! ```text
//! e  = c₀/c · (σ²ε − Cov₁ + (r − 1) max(Cov₂ − Cov₃, 0))       c₀ cases of the pilot, c and r of the study
//! λ  = r d² / (2 (σ²TR + e))
//! df₂ = (σ²TR + e)² / ((σ²TR + c₀/c · (σ²ε − Cov₁ − max(Cov₂ − Cov₃, 0)))² / (r − 1))
//! power = P(F(1, df₂; λ) > the 1 − α quantile of F(1, df₂))
//! ```
//!
//! Fixed readers: the same with σ²TR = 0 and infinite df₂. The share of positive cases is that of the pilot.

use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::distributions::{
    LARGE_DF, f_quantile, noncentral_f_upper, normal_cdf, normal_quantile,
};
use crate::evaluation::statistics::mrmc::{FactorTypes, OrComponents};

/// Above this no study is planned.
const MOST_CASES: usize = 1_000_000;

/// The largest λ whose power is summed up: the series has as many terms as λ is large.
const LARGEST_NONCENTRALITY: f64 = 1e6;
/// A power that grows no more that could be told: it grows with λ.
const ALL_BUT_CERTAIN: f64 = 1.0 - 1e-6;

/// Variances of a pilot study of two modes, for the area under the ROC curve or another figure of merit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceComponents {
    /// σ²TR; a negative estimate counts as 0.
    pub mode_by_reader: f64,
    /// σ²ε, Cov₁, Cov₂ and Cov₃.
    pub error: f64,
    pub cov1: f64,
    pub cov2: f64,
    pub cov3: f64,
    /// The cases that they are of.
    pub cases: usize,
}

impl VarianceComponents {
    /// Those of an analysis of `cases` cases; `None` if readers were too few for σ²TR.
    pub fn of(components: &OrComponents, cases: usize) -> Option<Self> {
        Some(VarianceComponents {
            mode_by_reader: components.mode_by_reader?,
            error: components.error,
            cov1: components.cov1,
            cov2: components.cov2,
            cov3: components.cov3,
            cases,
        })
    }

    /// From correlations, as they are published.
    pub fn of_correlations(
        mode_by_reader: f64,
        error: f64,
        [r1, r2, r3]: [f64; 3],
        cases: usize,
    ) -> Self {
        VarianceComponents {
            mode_by_reader,
            error,
            cov1: r1 * error,
            cov2: r2 * error,
            cov3: r3 * error,
            cases,
        }
    }
}

/// A study to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedStudy {
    pub readers: usize,
    pub cases: usize,
    /// The difference of the modes that is to be found: between −1 and 1, and not 0.
    pub difference: f64,
    /// Of the two-sided test, 0.05 say.
    pub level: f64,
    pub factors: FactorTypes,
}

/// The power, and what it follows from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerEstimate {
    pub power: f64,
    pub noncentrality: f64,
    /// Infinite for fixed readers.
    pub df2: f64,
}

/// The chance to find the difference.
pub fn mrmc_power(
    pilot: &VarianceComponents,
    study: &PlannedStudy,
) -> Result<PowerEstimate, Undefined> {
    check(pilot, study)?;
    let r = study.readers as f64;
    let share = pilot.cases as f64 / study.cases as f64;
    let between = (pilot.cov2 - pilot.cov3).max(0.0);
    let interaction = pilot.mode_by_reader.max(0.0);
    let own = share * (pilot.error - pilot.cov1 + (r - 1.0) * between);
    let (square, df2) = match study.factors {
        FactorTypes::RandomReadersRandomCases => {
            let square = interaction + own;
            let within = interaction + share * (pilot.error - pilot.cov1 - between);
            (square, (r - 1.0) * (square / within).powi(2))
        }
        FactorTypes::FixedReaders => (own, f64::INFINITY),
        FactorTypes::FixedCases => (
            interaction + share * (pilot.error - pilot.cov1 - between),
            r - 1.0,
        ),
    };
    if square <= 0.0 {
        return Err(Undefined::NegativeVariance);
    }
    let noncentrality = r * study.difference.powi(2) / (2.0 * square);
    let power = if df2 > LARGE_DF {
        let (z, shift) = (
            normal_quantile(1.0 - study.level / 2.0),
            noncentrality.sqrt(),
        );
        normal_cdf(shift - z) + normal_cdf(-shift - z)
    } else {
        let critical = f_quantile(1.0 - study.level, 1.0, df2);
        let summed = noncentrality.min(LARGEST_NONCENTRALITY);
        let power = noncentral_f_upper(critical, 1.0, df2, summed).min(1.0);
        if summed < noncentrality && power < ALL_BUT_CERTAIN {
            return Err(Undefined::OutOfRange);
        }
        power
    };
    Ok(PowerEstimate {
        power,
        noncentrality,
        df2,
    })
}

fn check(pilot: &VarianceComponents, study: &PlannedStudy) -> Result<(), Undefined> {
    let numbers = [
        pilot.mode_by_reader,
        pilot.error,
        pilot.cov1,
        pilot.cov2,
        pilot.cov3,
        study.difference,
    ];
    let is_sound = numbers.iter().all(|number| number.is_finite())
        && pilot.error > 0.0
        && pilot.cases > 0
        && study.difference != 0.0
        // A figure of merit lies between 0 and 1, and so no difference is larger.
        && study.difference.abs() < 1.0
        && study.level > 0.0
        && study.level < 1.0;
    let one = usize::from(study.factors != FactorTypes::FixedReaders);
    match () {
        () if !is_sound => Err(Undefined::OutOfRange),
        () if study.readers <= one => Err(Undefined::OneReader),
        () if study.cases == 0 => Err(Undefined::NoCase),
        () => Ok(()),
    }
}

/// The fewest cases that give this power to the readers of `study`, whose own number of cases does not matter.
/// [`Undefined::NoSize`] where more cases do not help, because readers differ too much.
pub fn cases_for_power(
    pilot: &VarianceComponents,
    study: &PlannedStudy,
    power: f64,
) -> Result<usize, Undefined> {
    let reaches = |cases: usize| -> Result<bool, Undefined> {
        let found = mrmc_power(pilot, &PlannedStudy { cases, ..*study })?;
        Ok(found.power >= power)
    };
    let (mut low, mut high) = (0, MOST_CASES);
    if !reaches(high)? {
        return Err(Undefined::NoSize);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if reaches(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The components of the study of Van Dyke and others, as MRMCaov prints them (jackknife; see
    /// `mrmc::obuchowski_rockette`).
    const VAN_DYKE: VarianceComponents = VarianceComponents {
        mode_by_reader: 0.0002004025,
        error: 0.0008022883,
        cov1: 0.0003466137,
        cov2: 0.0003440748,
        cov3: 0.0002390284,
        cases: 114,
    };

    /// Readers, cases, power and df₂.
    const REFERENCE: [(usize, usize, FactorTypes, f64, f64); 5] = [
        (
            5,
            114,
            FactorTypes::RandomReadersRandomCases,
            0.5070426119800094,
            15.259664254919464,
        ),
        (
            6,
            251,
            FactorTypes::RandomReadersRandomCases,
            0.8005399206685969,
            16.12702841784057,
        ),
        (
            10,
            200,
            FactorTypes::RandomReadersRandomCases,
            0.8610848026840222,
            56.06729984564021,
        ),
        (
            5,
            114,
            FactorTypes::FixedReaders,
            0.6480768669512202,
            f64::INFINITY,
        ),
        (4, 80, FactorTypes::FixedCases, 0.36878142051042606, 3.0),
    ];

    fn study(readers: usize, cases: usize) -> PlannedStudy {
        PlannedStudy {
            readers,
            cases,
            difference: 0.0438003,
            level: 0.05,
            factors: FactorTypes::RandomReadersRandomCases,
        }
    }

    /// The formulas above in Python with SciPy 1.17.1's `ncf` and `f` (no published program could be had here).
    #[test]
    fn known_answers() {
        for (readers, cases, factors, power, df2) in REFERENCE {
            let found = mrmc_power(
                &VAN_DYKE,
                &PlannedStudy {
                    factors,
                    ..study(readers, cases)
                },
            )
            .unwrap();
            assert!(
                (found.power - power).abs() < 1e-8,
                "{readers} {cases}: {found:?}"
            );
            assert!(df2.is_infinite() && found.df2.is_infinite() || (found.df2 - df2).abs() < 1e-6);
        }
    }

    #[test]
    fn the_fewest_cases_are_found() {
        let cases = cases_for_power(&VAN_DYKE, &study(6, 1), 0.8).unwrap();
        let power = |cases| mrmc_power(&VAN_DYKE, &study(6, cases)).unwrap().power;
        assert!(power(cases) >= 0.8 && power(cases - 1) < 0.8, "{cases}");
        let far = PlannedStudy {
            difference: 0.01,
            ..study(5, 1)
        };
        assert_eq!(
            cases_for_power(&VAN_DYKE, &far, 0.8).unwrap_err(),
            Undefined::NoSize
        );
    }

    /// Its series has as many terms as λ is large: 1e200 of them have no end.
    #[test]
    fn a_difference_beyond_what_is_planned_ends_at_once() {
        let of = |difference: f64, readers: usize, cases: usize| PlannedStudy {
            difference,
            ..study(readers, cases)
        };
        for difference in [1.0, -1.0, 2.0, 1e200, -1e300] {
            let found = mrmc_power(&VAN_DYKE, &of(difference, 5, 100));
            assert_eq!(found.unwrap_err(), Undefined::OutOfRange, "{difference}");
        }
        let found = mrmc_power(&VAN_DYKE, &of(0.9, 5, 1_000_000)).unwrap();
        assert!(found.power > 0.999_999 && found.power <= 1.0, "{found:?}");
        // Components so small that λ is 1e9 or no number.
        for error in [1e-12, 1e-300] {
            let exact = VarianceComponents {
                mode_by_reader: 0.0,
                error,
                cov1: 0.0,
                cov2: 0.0,
                cov3: 0.0,
                cases: 100,
            };
            let found = mrmc_power(&exact, &of(0.05, 5, 100)).unwrap();
            assert!(found.power > 0.999_999 && found.power <= 1.0, "{found:?}");
            // Two readers and a level of 1e-9: whether that is reached is not worth a billion terms.
            let strict = PlannedStudy {
                level: 1e-9,
                factors: FactorTypes::FixedCases,
                ..of(0.05, 2, 100)
            };
            assert_eq!(mrmc_power(&exact, &strict), Err(Undefined::OutOfRange));
        }
        // Degrees of freedom as of the normal distribution, without being infinite.
        let alike = VarianceComponents {
            mode_by_reader: 0.0,
            error: 0.001,
            cov1: 0.0,
            cov2: 0.000_999_999_999_999,
            cov3: 0.0,
            cases: 100,
        };
        let found = mrmc_power(&alike, &of(0.05, 5, 100)).unwrap();
        assert!(found.df2 > 1e20, "{found:?}");
        let fixed = PlannedStudy {
            factors: FactorTypes::FixedReaders,
            ..of(0.05, 5, 100)
        };
        let normal = mrmc_power(&alike, &fixed).unwrap();
        assert!(
            (found.power - normal.power).abs() < 1e-9,
            "{found:?} {normal:?}"
        );
    }

    #[test]
    fn what_cannot_be_planned_has_a_reason() {
        let reason = |study| mrmc_power(&VAN_DYKE, &study).unwrap_err();
        assert_eq!(reason(study(1, 100)), Undefined::OneReader);
        assert_eq!(reason(study(5, 0)), Undefined::NoCase);
        assert_eq!(
            reason(PlannedStudy {
                difference: 0.0,
                ..study(5, 9)
            }),
            Undefined::OutOfRange
        );
        assert_eq!(
            reason(PlannedStudy {
                level: 1.0,
                ..study(5, 9)
            }),
            Undefined::OutOfRange
        );
    }
}
