//! Sums of products of wins over pairs of readers and cases: what moments of U-statistics and unbiased covariances
//! of areas are made of (Gallas 2006, doi:10.1016/j.acra.2005.11.030).

use super::ReadingTable;
use super::figures_of_merit::win;

/// Rows of biased sums, such that products give the unbiased ones: pairs of the same are taken off.
pub(super) const UNBIASED: [[f64; 8]; 8] = [
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [-1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [-1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, -1.0, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
    [1.0, -1.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0],
    [1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0, 0.0],
    [-1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0],
];

/// Sums over pairs of wins, for each pair of (mode, reader).
pub(super) struct PairSums {
    pub(super) cells: Vec<(usize, usize)>,
    /// Sum of the wins of each cell, and number of its pairs of cases.
    pub(super) totals: Vec<f64>,
    pub(super) pairs: Vec<f64>,
    /// Of each pair of cells: products of wins of the same pair of cases, of sums for the same positive case, and
    /// of sums for the same negative case.
    products: Vec<[f64; 3]>,
    /// Which of the negative and of the positive cases each cell read.
    negative: Vec<Vec<bool>>,
    positive: Vec<Vec<bool>>,
}

/// The four biased sums of a pair of cells, and of how many products each is.
pub(super) struct PairMoments {
    pub(super) sums: [f64; 4],
    pub(super) counts: [f64; 4],
}

impl PairMoments {
    /// The unbiased covariance of two areas; `None` without two cases of each class that both readers read.
    pub(super) fn covariance(&self) -> Option<f64> {
        let apply = |of: &[f64; 4]| {
            [0, 1, 2, 3].map(|row| (0..4).map(|at| UNBIASED[row][at] * of[at]).sum::<f64>())
        };
        let (sums, counts) = (apply(&self.sums), apply(&self.counts));
        // Readers of different cases are independent.
        if counts[0] == 0.0 && self.counts[1] == 0.0 && self.counts[2] == 0.0 {
            return Some(0.0);
        }
        if counts[3] <= 0.0 {
            return None;
        }
        let mut covariance = 0.0;
        for at in 0..4 {
            let coefficient = counts[at] / self.counts[3] - if at == 3 { 1.0 } else { 0.0 };
            let moment = if counts[at] > 0.0 {
                sums[at] / counts[at]
            } else {
                0.0
            };
            covariance += coefficient * moment;
        }
        Some(covariance)
    }
}

impl PairSums {
    pub(super) fn of(table: &ReadingTable, cells: &[(usize, usize)]) -> Self {
        let ratings = |positive: bool| -> Vec<Vec<Option<f64>>> {
            let class = table.of_class(positive);
            let of = |&(mode, reader): &(usize, usize)| {
                let own = class.iter().map(|&case| table.rating(mode, reader, case));
                own.collect()
            };
            cells.iter().map(of).collect()
        };
        let (low, high) = (ratings(false), ratings(true));
        let mut wins = Wins::of(&high);
        for case in 0..low.first().map_or(0, Vec::len) {
            wins.add(low.iter().map(|row| row[case]), &high);
        }
        let is_read = |class: &[Vec<Option<f64>>]| -> Vec<Vec<bool>> {
            let of = |row: &Vec<Option<f64>>| row.iter().map(Option::is_some).collect();
            class.iter().map(of).collect()
        };
        let (negative, positive) = (is_read(&low), is_read(&high));
        let count = |row: &Vec<bool>| row.iter().filter(|read| **read).count() as f64;
        let pairs = negative.iter().zip(&positive);
        PairSums {
            cells: cells.to_vec(),
            totals: wins.totals(),
            pairs: pairs.map(|(a, b)| count(a) * count(b)).collect(),
            products: wins.products(),
            negative,
            positive,
        }
    }

    pub(super) fn pair(&self, one: usize, other: usize) -> PairMoments {
        let both = |class: &[Vec<bool>]| {
            class[one]
                .iter()
                .zip(&class[other])
                .filter(|(a, b)| **a && **b)
                .count() as f64
        };
        let own = |class: &[Vec<bool>], cell: usize| {
            class[cell].iter().filter(|read| **read).count() as f64
        };
        let (n, m) = (both(&self.negative), both(&self.positive));
        let negatives = own(&self.negative, one) * own(&self.negative, other);
        let positives = own(&self.positive, one) * own(&self.positive, other);
        let [same, of_positive, of_negative] = self.products[one * self.cells.len() + other];
        PairMoments {
            sums: [
                same,
                of_positive,
                of_negative,
                self.totals[one] * self.totals[other],
            ],
            counts: [n * m, negatives * m, positives * n, negatives * positives],
        }
    }

    /// Number of readers, of negative and of positive cases in any of these cells.
    pub(super) fn read(&self, table: &ReadingTable, cells: &[usize]) -> (usize, usize, usize) {
        let any = |class: &[Vec<bool>]| {
            let width = class.first().map_or(0, Vec::len);
            (0..width)
                .filter(|&at| cells.iter().any(|&cell| class[cell][at]))
                .count()
        };
        let has = |reader: &usize| cells.iter().any(|&cell| self.cells[cell].1 == *reader);
        let readers = (0..table.readers().len()).filter(has).count();
        (readers, any(&self.negative), any(&self.positive))
    }
}

/// Sums that grow by one negative case at a time, so that no more than its wins are held. Wins are counted twice, for
/// they are 0, ½ or 1.
struct Wins {
    /// Of the last negative case: by cell and positive case.
    last: Vec<Vec<u8>>,
    /// Over negative cases: by cell and positive case.
    columns: Vec<Vec<u32>>,
    /// By pair of cells: products of wins of the same pair of cases, and of sums for the same negative case.
    same: Vec<f64>,
    of_negative: Vec<f64>,
}

impl Wins {
    fn of(high: &[Vec<Option<f64>>]) -> Self {
        let (size, width) = (high.len(), high.first().map_or(0, Vec::len));
        Wins {
            last: vec![vec![0; width]; size],
            columns: vec![vec![0; width]; size],
            same: vec![0.0; size * size],
            of_negative: vec![0.0; size * size],
        }
    }

    /// Adds a negative case: its rating in each cell.
    fn add(&mut self, low: impl Iterator<Item = Option<f64>>, high: &[Vec<Option<f64>>]) {
        let mut rows = Vec::with_capacity(high.len());
        let own = self.last.iter_mut().zip(&mut self.columns);
        for ((wins, columns), (low, high)) in own.zip(low.zip(high)) {
            fill(wins, low, high);
            rows.push(wins.iter().map(|&win| u64::from(win)).sum::<u64>());
            let sums = columns.iter_mut().zip(wins.iter());
            sums.for_each(|(sum, win)| *sum += u32::from(*win));
        }
        let size = high.len();
        for one in 0..size {
            for other in one..size {
                let place = one * size + other;
                self.same[place] += f64::from(product(&self.last[one], &self.last[other]));
                self.of_negative[place] += (rows[one] * rows[other]) as f64;
            }
        }
    }

    fn totals(&self) -> Vec<f64> {
        let sum = |row: &Vec<u32>| row.iter().map(|sum| f64::from(*sum)).sum::<f64>() / 2.0;
        self.columns.iter().map(sum).collect()
    }

    fn products(&self) -> Vec<[f64; 3]> {
        let size = self.columns.len();
        let of = |place: usize| {
            let (one, other) = (place / size, place % size);
            let upper = one.min(other) * size + one.max(other);
            let of = self.columns[one].iter().zip(&self.columns[other]);
            let of_positive: u64 = of.map(|(a, b)| u64::from(*a) * u64::from(*b)).sum();
            [
                self.same[upper],
                of_positive as f64,
                self.of_negative[upper],
            ]
            .map(|sum| sum / 4.0)
        };
        (0..size * size).map(of).collect()
    }
}

fn fill(wins: &mut [u8], low: Option<f64>, high: &[Option<f64>]) {
    let Some(low) = low else {
        return wins.fill(0);
    };
    for (found, high) in wins.iter_mut().zip(high) {
        *found = high.map_or(0, |high| (2.0 * win(high, low)) as u8);
    }
}

/// Exact up to a billion positive cases.
fn product(one: &[u8], other: &[u8]) -> u32 {
    one.iter().zip(other).map(|(a, b)| u32::from(a * b)).sum()
}
