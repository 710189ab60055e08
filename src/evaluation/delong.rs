//! Two models on the same cases: whether their areas under the ROC curve differ. The structural
//! components are those of DeLong, DeLong and Clarke-Pearson 1988 (doi:10.2307/2531595), by midranks (Sun
//! and Xu 2014, doi:10.1109/LSP.2014.2337313). Their variance is that of Obuchowski 1997
//! (*Nonparametric analysis of clustered ROC curve data*, Biometrics 53:567, doi:10.2307/2533958):
//! components are summed within a patient before they are squared, for images of one patient are not
//! independent. Where every patient has one image, it is DeLong's test.
//!
//! ```text
//! S₁₀ = I₁₀ / ((I₁₀ − 1) M) · Σᵢ (V₁₀(Xᵢ.) − mᵢ θ)²     I₁₀: patients with a positive image, M: such images
//! S₀₁ = I₀₁ / ((I₀₁ − 1) N) · Σᵢ (V₀₁(Yᵢ.) − nᵢ θ)²     I₀₁, N: the same of negative ones
//! S₁₁ = I / (I − 1) · Σᵢ (V₁₀(Xᵢ.) − mᵢ θ) (V₀₁(Yᵢ.) − nᵢ θ)
//! var θ = S₁₀ / M + S₀₁ / N + 2 S₁₁ / (M N)
//! ```
//!
//! All of it is linear in the components, so that the variance of a difference of two areas is the same
//! formula of the differences of their components.

use super::statistics::Z_95;

/// One case as both models saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    pub first: f64,
    pub second: f64,
    pub positive: bool,
    /// Its patient: a number below the number of cases.
    pub patient: usize,
}

/// The two areas and their difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AucComparison {
    pub first: f64,
    pub second: f64,
    /// First minus second, and its 95 % interval.
    pub difference: f64,
    pub interval: Option<(f64, f64)>,
    /// The standardised difference, and its two-sided p-value. `None` where the difference has no variance, as that of a model and itself, or where a
    /// class is of one patient.
    pub z: Option<f64>,
    pub p: Option<f64>,
}

/// Components that differ by rounding alone have a variance of 1e-32; that of a single pair of images
/// among a million of each class is above this.
const ROUNDING: f64 = 1e-26;

/// `None` without a case of each class.
pub fn compare(cases: &[Paired]) -> Option<AucComparison> {
    let first = Components::of(cases, |c| c.first)?;
    let second = Components::of(cases, |c| c.second)?;
    let difference = first.minus(&second);
    let variance = difference.variance(cases);
    let variance = variance.filter(|&variance| variance > ROUNDING);
    let (difference, error) = (difference.area, variance.map(f64::sqrt));
    let z = error.map(|error| difference / error);
    Some(AucComparison {
        first: first.area,
        second: second.area,
        difference,
        interval: error.map(|e| (difference - Z_95 * e, difference + Z_95 * e)),
        z,
        p: z.map(|z| libm::erfc(z.abs() / std::f64::consts::SQRT_2)),
    })
}

/// An area, and its structural components.
struct Components {
    area: f64,
    /// One for each case, in order: for a positive case the share of negative cases below it, for a
    /// negative case the share of positive cases above it.
    parts: Vec<f64>,
}

impl Components {
    fn of(cases: &[Paired], score: fn(&Paired) -> f64) -> Option<Self> {
        let of = |class: bool| -> Vec<f64> {
            let own = cases.iter().filter(|case| case.positive == class);
            own.map(score).collect()
        };
        let (positive, negative) = (of(true), of(false));
        let (m, n) = (positive.len() as f64, negative.len() as f64);
        if m * n == 0.0 {
            return None;
        }
        let all = midranks(&cases.iter().map(score).collect::<Vec<_>>());
        let mut own_positive = midranks(&positive).into_iter();
        let mut own_negative = midranks(&negative).into_iter();
        let parts: Vec<f64> = cases
            .iter()
            .zip(all)
            .filter_map(|(case, rank)| {
                Some(match case.positive {
                    true => (rank - own_positive.next()?) / n,
                    false => 1.0 - (rank - own_negative.next()?) / m,
                })
            })
            .collect();
        let of_positive = cases.iter().zip(&parts).filter(|(case, _)| case.positive);
        Some(Components {
            area: of_positive.map(|(_, part)| part).sum::<f64>() / m,
            parts,
        })
    }

    /// The covariance of two areas over the same cases.
    fn minus(&self, other: &Components) -> Components {
        let parts = self.parts.iter().zip(&other.parts);
        Components {
            area: self.area - other.area,
            parts: parts.map(|(one, other)| one - other).collect(),
        }
    }

    /// The variance of the area; `None` if the positive cases, or the negative ones, are of one patient.
    fn variance(&self, cases: &[Paired]) -> Option<f64> {
        let patients = cases.iter().map(|case| case.patient + 1).max()?;
        let mut clusters = vec![Cluster::default(); patients];
        for (case, part) in cases.iter().zip(&self.parts) {
            let cluster = &mut clusters[case.patient];
            let (count, sum) = match case.positive {
                true => (&mut cluster.positives, &mut cluster.positive),
                false => (&mut cluster.negatives, &mut cluster.negative),
            };
            *count += 1.0;
            *sum += part - self.area;
        }
        clusters.retain(|cluster| cluster.positives + cluster.negatives > 0.0);
        let with = |has: fn(&Cluster) -> bool| clusters.iter().filter(|c| has(c)).count();
        let correction = |count: usize| {
            let count = count as f64;
            (count > 1.0).then(|| count / (count - 1.0))
        };
        let sum = |of: fn(&Cluster) -> f64| clusters.iter().map(of).sum::<f64>();
        let (m, n) = (sum(|c| c.positives), sum(|c| c.negatives));
        let s10 = correction(with(|c| c.positives > 0.0))? * sum(|c| c.positive * c.positive) / m;
        let s01 = correction(with(|c| c.negatives > 0.0))? * sum(|c| c.negative * c.negative) / n;
        let s11 = correction(clusters.len())? * sum(|c| c.positive * c.negative);
        Some(s10 / m + s01 / n + 2.0 * s11 / (m * n))
    }
}

/// One patient's images: their number, and the sums of their components minus the area.
#[derive(Debug, Clone, Copy, Default)]
struct Cluster {
    positives: f64,
    negatives: f64,
    positive: f64,
    negative: f64,
}

/// Rank of each value from 1, equal values sharing the mean of theirs.
fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for run in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = start as f64 + (run.len() as f64 + 1.0) / 2.0;
        run.iter().for_each(|&at| ranks[at] = rank);
        start += run.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::evaluation::random::SplitMix64;

    fn swapped(cases: &[Paired]) -> Vec<Paired> {
        let swap = |c: &Paired| Paired {
            first: c.second,
            second: c.first,
            ..*c
        };
        cases.iter().map(swap).collect()
    }

    #[test]
    fn ranks_are_shared() {
        assert_eq!(midranks(&[3.0, 1.0, 3.0, 0.5]), [3.5, 2.0, 3.5, 1.0]);
        assert!(midranks(&[]).is_empty());
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let cases: Vec<Paired> = [0.9, 0.2, 0.5, 0.1]
            .into_iter()
            .zip([true, true, false, false])
            .enumerate()
            .map(|(patient, (s, positive))| Paired {
                first: s,
                second: s,
                positive,
                patient,
            })
            .collect();
        let found = compare(&cases).unwrap();
        assert_eq!((found.first, found.difference), (0.75, 0.0));
        assert_eq!((found.z, found.p, found.interval), (None, None, None));
        assert_eq!(compare(&cases[..2]), None, "one class");
    }

    /// Two models that are equally good, and patients with six images each that look alike: of 300 such
    /// studies, a test at 5 % should call about fifteen different. One that takes the images as
    /// independent calls far more.
    #[test]
    fn patients_with_several_images_do_not_make_a_difference() {
        let mut random = SplitMix64::new(3);
        let mut normal = move || -> f64 {
            let sum: f64 = (0..12)
                .map(|_| random.below(1 << 30) as f64 / f64::from(1 << 30))
                .sum();
            sum - 6.0
        };
        let (mut clustered, mut independent) = (0, 0);
        for _ in 0..300 {
            let mut cases = Vec::new();
            for patient in 0..40 {
                let (one, other) = (normal(), normal());
                for _ in 0..6 {
                    let positive = patient % 2 == 0;
                    let truth = f64::from(u8::from(positive));
                    cases.push(Paired {
                        first: truth + one + 0.5 * normal(),
                        second: truth + other + 0.5 * normal(),
                        positive,
                        patient,
                    });
                }
            }
            let is_called = |cases: &[Paired]| compare(cases).unwrap().p.unwrap() < 0.05;
            clustered += u32::from(is_called(&cases));
            for (at, case) in cases.iter_mut().enumerate() {
                case.patient = at;
            }
            independent += u32::from(is_called(&cases));
        }
        assert!((6..=30).contains(&clustered), "{clustered}");
        assert!(independent > 80, "{independent}");
    }

    proptest! {
        #[test]
        fn it_is_symmetric(scores in vec((0_u8..12, 0_u8..12, any::<bool>()), 4..50)) {
            let cases: Vec<Paired> = scores.iter().enumerate().map(|(n, &(a, b, positive))| Paired {
                first: f64::from(a) / 11.0,
                second: f64::from(b) / 11.0,
                positive,
                patient: n / 3,
            }).collect();
            match (compare(&cases), compare(&swapped(&cases))) {
                (Some(one), Some(other)) => {
                    prop_assert_eq!(one.first, other.second);
                    prop_assert_eq!(one.difference, -other.difference);
                    prop_assert_eq!(one.p, other.p);
                    prop_assert!(one.p.is_none_or(|p| (0.0..=1.0).contains(&p)));
                }
                both => prop_assert_eq!(both, (None, None)),
            }
        }
    }
}
