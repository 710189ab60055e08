//! Agreement of two or more raters on a scale of categories, each with a weight for every unit so that a bootstrap
//! over patients gives the interval. A rater need not have rated every unit.
//!
//! - Fleiss' κ: Fleiss 1971 (doi:10.1037/h0031619); its units have the same number of ratings.
//! - Gwet's AC₁, and AC₂ with weights: Gwet 2008 (doi:10.1348/000711006X126600), with missing ratings as in Gwet
//!   2014, *Handbook of Inter-Rater Reliability*, 4th edition, chapter 2.
//! - Krippendorff's α: Krippendorff 2011, *Computing Krippendorff's Alpha-Reliability*
//!   (<https://repository.upenn.edu/asc_papers/43>), from the matrix of coincidences.

use super::ratio;

/// How far apart two categories are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CategoryDistance {
    /// Equal or not.
    Nominal,
    /// By rank: of α, by how many ratings lie between; of AC, by the number of categories between.
    Ordinal,
    /// By the square of the difference of the values.
    Interval,
}

/// Ratings of units by raters. Every row has an entry for each rater.
#[derive(Debug, Clone, PartialEq)]
pub struct RatedUnits {
    /// The values of the categories, rising.
    categories: Vec<f64>,
    /// By unit and rater, the number of the category.
    rows: Vec<Vec<Option<usize>>>,
    /// By unit and category, the number of ratings: counted once, for a bootstrap asks thousands of times.
    tallies: Vec<Vec<f64>>,
}

impl RatedUnits {
    /// From values; the categories are those that occur. NaN counts as no rating.
    pub fn new(rows: &[Vec<Option<f64>>]) -> Self {
        let values = rows.iter().flatten().flatten().copied();
        RatedUnits::with_categories(rows, values.collect())
    }

    /// With categories that may not all occur: they count in AC and in the linear weights. A value that is none of
    /// them counts as no rating.
    pub fn with_categories(rows: &[Vec<Option<f64>>], mut categories: Vec<f64>) -> Self {
        categories.retain(|value| !value.is_nan());
        categories.sort_by(f64::total_cmp);
        categories.dedup();
        let number = |value: &Option<f64>| {
            value.and_then(|value| categories.iter().position(|known| *known == value))
        };
        let numbers = |row: &Vec<Option<f64>>| row.iter().map(number).collect();
        let rows: Vec<Vec<Option<usize>>> = rows.iter().map(numbers).collect();
        let tally = |row: &Vec<Option<usize>>| {
            let mut tally = vec![0.0; categories.len()];
            row.iter()
                .flatten()
                .for_each(|&category| tally[category] += 1.0);
            tally
        };
        let tallies = rows.iter().map(tally).collect();
        RatedUnits {
            categories,
            rows,
            tallies,
        }
    }

    pub fn units(&self) -> usize {
        self.rows.len()
    }

    /// Units that at least two raters rated.
    pub fn pairable(&self) -> usize {
        self.rows
            .iter()
            .filter(|row| row.iter().flatten().count() > 1)
            .count()
    }

    /// The least and the largest number of ratings of a unit; `None` without units.
    pub fn raters_per_unit(&self) -> Option<(usize, usize)> {
        let counts = || self.rows.iter().map(|row| row.iter().flatten().count());
        counts().min().zip(counts().max())
    }

    /// Agreement of two categories, from 0 to 1.
    fn closeness(&self, distance: CategoryDistance, one: usize, other: usize) -> f64 {
        let last = self.categories.len().saturating_sub(1).max(1);
        let span = self.categories[self.categories.len() - 1] - self.categories[0];
        match distance {
            _ if one == other => 1.0,
            CategoryDistance::Nominal => 0.0,
            CategoryDistance::Ordinal => 1.0 - one.abs_diff(other) as f64 / last as f64,
            CategoryDistance::Interval => {
                1.0 - ((self.categories[one] - self.categories[other]) / span).powi(2)
            }
        }
    }
}

/// Fleiss' κ of all raters. `None` unless every unit has the same number of ratings, two or more; and where chance
/// alone would always agree.
pub fn fleiss_kappa(rated: &RatedUnits, weights: &[f64]) -> Option<f64> {
    let count = rated.rows.first()?.iter().flatten().count() as f64;
    let (mut shares, mut observed, mut whole) = (vec![0.0; rated.categories.len()], 0.0, 0.0);
    for (tally, weight) in rated.tallies.iter().zip(weights) {
        if tally.iter().sum::<f64>() != count || count < 2.0 {
            return None;
        }
        observed +=
            weight * tally.iter().map(|n| n * (n - 1.0)).sum::<f64>() / (count * (count - 1.0));
        shares
            .iter_mut()
            .zip(tally)
            .for_each(|(share, n)| *share += weight * n / count);
        whole += weight;
    }
    let observed = ratio(observed, whole)?;
    let chance: f64 = shares.iter().map(|share| (share / whole).powi(2)).sum();
    beyond_chance(observed, chance)
}

/// Gwet's AC₁ (`Nominal`) or AC₂ of all raters: agreement beyond chance that does not collapse where nearly all
/// units are of one category. `None` without a unit that two raters rated, and with one category.
pub fn gwet(rated: &RatedUnits, distance: CategoryDistance, weights: &[f64]) -> Option<f64> {
    let size = rated.categories.len();
    if size < 2 {
        return None;
    }
    let (mut shares, mut rated_units) = (vec![0.0; size], 0.0);
    let (mut observed, mut pairable) = (0.0, 0.0);
    let close = |one: usize| (0..size).map(move |other| rated.closeness(distance, one, other));
    let close: Vec<Vec<f64>> = (0..size).map(|one| close(one).collect()).collect();
    for (tally, weight) in rated.tallies.iter().zip(weights) {
        let count: f64 = tally.iter().sum();
        if count < 1.0 || *weight == 0.0 {
            continue;
        }
        shares
            .iter_mut()
            .zip(tally)
            .for_each(|(share, n)| *share += weight * n / count);
        rated_units += weight;
        if count < 2.0 {
            continue;
        }
        let with_others = |(own, close): (&f64, &Vec<f64>)| {
            let sum: f64 = close.iter().zip(tally).map(|(close, n)| close * n).sum();
            own * (sum - 1.0)
        };
        let agreeing: f64 = tally.iter().zip(&close).map(with_others).sum();
        observed += weight * agreeing / (count * (count - 1.0));
        pairable += weight;
    }
    let closeness: f64 = close.iter().flatten().sum();
    let spread: f64 = shares
        .iter()
        .map(|share| (share / rated_units) * (1.0 - share / rated_units))
        .sum();
    let chance = closeness / (size * (size - 1)) as f64 * spread;
    beyond_chance(ratio(observed, pairable)?, chance)
}

/// Krippendorff's α of all raters. `None` without a unit that two raters rated, and where all ratings are alike.
pub fn krippendorff_alpha(
    rated: &RatedUnits,
    distance: CategoryDistance,
    weights: &[f64],
) -> Option<f64> {
    let size = rated.categories.len();
    let mut coincidences = vec![vec![0.0; size]; size];
    for (tally, weight) in rated.tallies.iter().zip(weights) {
        let count: f64 = tally.iter().sum();
        if count < 2.0 || *weight == 0.0 {
            continue;
        }
        let share = weight / (count - 1.0);
        for (one, row) in coincidences.iter_mut().enumerate() {
            let own = tally[one] * share;
            row.iter_mut()
                .zip(tally)
                .for_each(|(sum, n)| *sum += own * n);
            row[one] -= own;
        }
    }
    let totals: Vec<f64> = coincidences.iter().map(|row| row.iter().sum()).collect();
    let whole: f64 = totals.iter().sum();
    let apart = |one: usize, other: usize| match distance {
        CategoryDistance::Nominal => f64::from(u8::from(one != other)),
        CategoryDistance::Ordinal => {
            let (low, high) = (one.min(other), one.max(other));
            let between: f64 = totals[low..=high].iter().sum();
            (between - (totals[low] + totals[high]) / 2.0).powi(2)
        }
        CategoryDistance::Interval => (rated.categories[one] - rated.categories[other]).powi(2),
    };
    let (mut observed, mut expected) = (0.0, 0.0);
    for one in 0..size {
        for other in (0..size).filter(|other| *other != one) {
            observed += coincidences[one][other] * apart(one, other);
            expected += totals[one] * totals[other] * apart(one, other);
        }
    }
    Some(1.0 - ratio(observed * (whole - 1.0), expected)?)
}

fn beyond_chance(observed: f64, chance: f64) -> Option<f64> {
    ratio(observed - chance, 1.0 - chance)
}

#[cfg(test)]
mod tests {
    use super::super::cohens_kappa;
    use super::*;

    fn rated(rows: &[&[f64]]) -> RatedUnits {
        let value = |value: &f64| (*value >= 0.0).then_some(*value);
        RatedUnits::new(
            &rows
                .iter()
                .map(|row| row.iter().map(value).collect())
                .collect::<Vec<_>>(),
        )
    }

    fn close(found: Option<f64>, expected: f64, tolerance: f64) {
        assert!(
            (found.unwrap() - expected).abs() < tolerance,
            "{found:?} {expected}"
        );
    }

    /// Krippendorff 2011, section C: four observers, twelve units with gaps: 0.743 nominal, 0.815 ordinal, 0.849
    /// interval.
    #[test]
    fn alpha_is_krippendorffs_own() {
        const NO: f64 = -1.0;
        let observers = [
            [1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 4.0, 1.0, 2.0, NO, NO, NO],
            [1.0, 2.0, 3.0, 3.0, 2.0, 2.0, 4.0, 1.0, 2.0, 5.0, NO, 3.0],
            [NO, 3.0, 3.0, 3.0, 2.0, 3.0, 4.0, 2.0, 2.0, 5.0, 1.0, NO],
            [1.0, 2.0, 3.0, 3.0, 2.0, 4.0, 4.0, 1.0, 2.0, 5.0, 1.0, NO],
        ];
        let rows: Vec<Vec<f64>> = (0..12)
            .map(|unit| observers.iter().map(|row| row[unit]).collect())
            .collect();
        let units = rated(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert_eq!((units.units(), units.pairable()), (12, 11));
        let alpha = |distance| krippendorff_alpha(&units, distance, &[1.0; 12]);
        close(alpha(CategoryDistance::Nominal), 0.743, 5e-4);
        close(alpha(CategoryDistance::Ordinal), 0.815, 5e-4);
        close(alpha(CategoryDistance::Interval), 0.849, 5e-4);
    }

    /// Fleiss 1971, as in Wikipedia's example: fourteen raters, ten subjects, five categories: 0.210.
    #[test]
    fn kappa_is_fleiss_own() {
        let counts = [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ];
        let row = |counts: &[usize; 5]| -> Vec<f64> {
            counts
                .iter()
                .enumerate()
                .flat_map(|(at, n)| vec![at as f64; *n])
                .collect()
        };
        let rows: Vec<Vec<f64>> = counts.iter().map(row).collect();
        let units = rated(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        close(fleiss_kappa(&units, &[1.0; 10]), 0.210, 5e-4);
        // A unit that counts twice is one that is there twice.
        let twice = rated(&[&[0.0, 1.0], &[1.0, 1.0], &[0.0, 0.0], &[0.0, 1.0]]);
        let weighted = rated(&[&[0.0, 1.0], &[1.0, 1.0], &[0.0, 0.0]]);
        close(
            fleiss_kappa(&weighted, &[2.0, 1.0, 1.0]),
            fleiss_kappa(&twice, &[1.0; 4]).unwrap(),
            1e-12,
        );
    }

    /// Gwet 2008, on the paradox of κ: 118 yes/yes, 5 yes/no, 2 no/yes, 0 no/no: κ is −0.02, AC₁ 0.94.
    #[test]
    fn ac1_does_not_collapse_where_nearly_all_say_yes() {
        let cells = [(118, [1.0, 1.0]), (5, [1.0, 0.0]), (2, [0.0, 1.0])];
        let rows: Vec<&[f64]> = cells
            .iter()
            .flat_map(|(n, row)| vec![row.as_slice(); *n])
            .collect();
        let (units, once) = (rated(&rows), vec![1.0; 125]);
        let pairs: Vec<(bool, bool)> = rows
            .iter()
            .map(|row| (row[0] > 0.0, row[1] > 0.0))
            .collect();
        close(cohens_kappa(&pairs, &once), -0.0234, 5e-4);
        close(gwet(&units, CategoryDistance::Nominal, &once), 0.9408, 5e-4);
    }

    #[test]
    fn what_is_undefined_is_absent() {
        let alike = rated(&[&[1.0, 1.0], &[1.0, 1.0]]);
        let nominal = CategoryDistance::Nominal;
        assert_eq!(fleiss_kappa(&alike, &[1.0; 2]), None);
        assert_eq!(gwet(&alike, nominal, &[1.0; 2]), None);
        assert_eq!(krippendorff_alpha(&alike, nominal, &[1.0; 2]), None);
        let apart = rated(&[&[1.0, -1.0], &[-1.0, 2.0]]);
        assert_eq!(apart.pairable(), 0);
        assert_eq!(gwet(&apart, nominal, &[1.0; 2]), None);
        assert_eq!(krippendorff_alpha(&apart, nominal, &[1.0; 2]), None);
        assert_eq!(
            fleiss_kappa(&rated(&[&[1.0, 2.0], &[1.0, -1.0]]), &[1.0; 2]),
            None
        );
        assert_eq!(fleiss_kappa(&rated(&[]), &[]), None);
        // Known categories that nobody used still count.
        let rows = [vec![Some(1.0), Some(1.0)], vec![Some(1.0), Some(7.0)]];
        let known = RatedUnits::with_categories(&rows, vec![0.0, 1.0]);
        assert_eq!(
            (known.pairable(), gwet(&known, nominal, &[1.0; 2])),
            (1, Some(1.0))
        );
    }
}
