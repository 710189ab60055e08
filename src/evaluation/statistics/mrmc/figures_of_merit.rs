//! The figure of merit of each reader in each mode, and the same with one patient left out at a time (Quenouille
//! 1956; Efron 1982, *The Jackknife, the Bootstrap and Other Resampling Plans*).

use std::collections::BTreeSet;

use super::ReadingTable;
use crate::evaluation::statistics::Undefined;

/// What is measured of a reader in a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FigureOfMerit {
    /// Area under the empirical ROC curve; ties count one half.
    Auc,
    /// Share of the positive cases called positive; ratings are calls, 1 or 0.
    Sensitivity,
    /// Share of the negative cases called negative; ratings are calls, 1 or 0.
    Specificity,
}

/// A figure, and the figure without each cluster of cases in turn.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaveOneOut {
    pub value: f64,
    pub without: Vec<f64>,
}

/// A reader who enters no comparison, with the mode whose figure is undefined and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutReader {
    pub reader: usize,
    pub mode: usize,
    pub reason: Undefined,
}

/// The figures of all readers who have one in every mode.
#[derive(Debug, Clone, PartialEq)]
pub struct FiguresOfMerit {
    pub modes: usize,
    /// Readers, by number; with those of `left_out` they are all of the study.
    pub readers: Vec<usize>,
    pub left_out: Vec<LeftOutReader>,
    /// Mode by mode, and within a mode reader by reader.
    pub cells: Vec<LeaveOneOut>,
    /// Cases that each cell is of, by number, in the order of the cells.
    pub cases: Vec<Vec<usize>>,
}

impl FiguresOfMerit {
    /// The cases that any of the cells is of, by number, rising. Without a reader there are none.
    pub fn all_cases(&self) -> Vec<usize> {
        let all: BTreeSet<usize> = self.cases.iter().flatten().copied().collect();
        all.into_iter().collect()
    }
}

/// The figure of each reader in each mode.
pub fn figures_of_merit(table: &ReadingTable, figure: FigureOfMerit) -> FiguresOfMerit {
    let modes = table.modes().len();
    let clusters = Clusters::of(table, figure);
    let mut found = FiguresOfMerit {
        modes,
        readers: Vec::new(),
        left_out: Vec::new(),
        cells: Vec::new(),
        cases: Vec::new(),
    };
    let mut by_reader = Vec::new();
    for reader in 0..table.readers().len() {
        let cells: Result<Vec<_>, _> = (0..modes)
            .map(|mode| {
                let cell = cell(table, figure, &clusters, (mode, reader));
                cell.map_err(|reason| LeftOutReader {
                    reader,
                    mode,
                    reason,
                })
            })
            .collect();
        match cells {
            Ok(cells) => {
                found.readers.push(reader);
                by_reader.push(cells);
            }
            Err(reason) => found.left_out.push(reason),
        }
    }
    for mode in 0..modes {
        for cells in &by_reader {
            found.cells.push(cells[mode].clone());
        }
    }
    for mode in 0..modes {
        let read = |reader: &usize| {
            clusters
                .cases
                .iter()
                .copied()
                .filter(|&case| table.rating(mode, *reader, case).is_some())
                .collect()
        };
        found.cases.extend(found.readers.iter().map(read));
    }
    found
}

/// The clusters of the cases that a figure is about: those of one class for sensitivity and specificity.
struct Clusters {
    /// The cases, by number.
    cases: Vec<usize>,
    /// The cluster of each of them.
    own: Vec<usize>,
    count: usize,
}

impl Clusters {
    fn of(table: &ReadingTable, figure: FigureOfMerit) -> Self {
        let cases: Vec<usize> = match figure {
            FigureOfMerit::Auc => (0..table.cases.len()).collect(),
            FigureOfMerit::Sensitivity => table.of_class(true),
            FigureOfMerit::Specificity => table.of_class(false),
        };
        let mut numbers = vec![None; table.clusters];
        let mut count = 0;
        let own = cases
            .iter()
            .map(|&case| {
                *numbers[table.cluster[case]].get_or_insert_with(|| {
                    count += 1;
                    count - 1
                })
            })
            .collect();
        Clusters { cases, own, count }
    }
}

fn cell(
    table: &ReadingTable,
    figure: FigureOfMerit,
    clusters: &Clusters,
    (mode, reader): (usize, usize),
) -> Result<LeaveOneOut, Undefined> {
    let read = |&(case, cluster): &(usize, usize)| {
        Some((case, cluster, table.rating(mode, reader, case)?))
    };
    let pairs = clusters
        .cases
        .iter()
        .copied()
        .zip(clusters.own.iter().copied());
    let rated: Vec<_> = pairs.filter_map(|pair| read(&pair)).collect();
    match figure {
        FigureOfMerit::Auc => {
            let class = |positive: bool| -> Vec<(usize, f64)> {
                let own = rated
                    .iter()
                    .filter(|(case, ..)| table.cases[*case].positive == positive);
                own.map(|(_, cluster, rating)| (*cluster, *rating))
                    .collect()
            };
            area(&class(true), &class(false), clusters.count)
        }
        FigureOfMerit::Sensitivity => {
            let calls: Vec<_> = rated
                .iter()
                .map(|(_, cluster, call)| (*cluster, *call))
                .collect();
            share(
                &calls,
                clusters.count,
                Undefined::NoPositive,
                Undefined::PositivesOfOnePatient,
            )
        }
        FigureOfMerit::Specificity => {
            let calls: Vec<_> = rated
                .iter()
                .map(|(_, cluster, call)| (*cluster, 1.0 - *call))
                .collect();
            share(
                &calls,
                clusters.count,
                Undefined::NoNegative,
                Undefined::NegativesOfOnePatient,
            )
        }
    }
}

/// The mean of calls, each with its cluster.
fn share(
    calls: &[(usize, f64)],
    clusters: usize,
    none: Undefined,
    one: Undefined,
) -> Result<LeaveOneOut, Undefined> {
    if calls.is_empty() {
        return Err(none);
    }
    let (mut sums, mut counts) = (vec![0.0; clusters], vec![0.0; clusters]);
    for (cluster, call) in calls {
        sums[*cluster] += call;
        counts[*cluster] += 1.0;
    }
    let (sum, count) = (sums.iter().sum::<f64>(), calls.len() as f64);
    let without: Vec<f64> = sums
        .iter()
        .zip(&counts)
        .map(|(own, of)| (sum - own) / (count - of))
        .collect();
    if without.iter().any(|value| !value.is_finite()) {
        return Err(one);
    }
    Ok(LeaveOneOut {
        value: sum / count,
        without,
    })
}

/// The area, from the rating and the cluster of each positive and each negative case.
fn area(
    positive: &[(usize, f64)],
    negative: &[(usize, f64)],
    clusters: usize,
) -> Result<LeaveOneOut, Undefined> {
    if positive.is_empty() {
        return Err(Undefined::NoPositive);
    }
    if negative.is_empty() {
        return Err(Undefined::NoNegative);
    }
    let (m, n) = (positive.len() as f64, negative.len() as f64);
    let sorted = |class: &[(usize, f64)]| {
        let mut ratings: Vec<f64> = class.iter().map(|(_, rating)| *rating).collect();
        ratings.sort_by(f64::total_cmp);
        ratings
    };
    let (high, low) = (sorted(positive), sorted(negative));
    let mut parts = vec![Part::default(); clusters];
    let mut wins = 0.0;
    for (cluster, rating) in positive {
        let own = below(&low, *rating);
        wins += own;
        parts[*cluster].wins += own;
        parts[*cluster].positive.push(*rating);
    }
    for (cluster, rating) in negative {
        parts[*cluster].wins += m - below(&high, *rating);
        parts[*cluster].negative.push(*rating);
    }
    let mut without = Vec::with_capacity(clusters);
    for part in &parts {
        let (own_m, own_n) = (part.positive.len() as f64, part.negative.len() as f64);
        if own_m == m {
            return Err(Undefined::PositivesOfOnePatient);
        }
        if own_n == n {
            return Err(Undefined::NegativesOfOnePatient);
        }
        // Pairs within the cluster were taken off twice.
        let rest = wins - part.wins + part.wins_within();
        without.push(rest / ((m - own_m) * (n - own_n)));
    }
    Ok(LeaveOneOut {
        value: wins / (m * n),
        without,
    })
}

/// What one cluster has to do with the area.
#[derive(Debug, Clone, Default)]
struct Part {
    positive: Vec<f64>,
    negative: Vec<f64>,
    /// Of the pairs that one of its cases is in.
    wins: f64,
}

impl Part {
    fn wins_within(&self) -> f64 {
        let pairs = self
            .positive
            .iter()
            .flat_map(|high| self.negative.iter().map(move |low| (high, low)));
        pairs.map(|(high, low)| win(*high, *low)).sum()
    }
}

/// 1 where the positive case has the higher rating, ½ where both have the same.
pub(super) fn win(positive: f64, negative: f64) -> f64 {
    match positive.total_cmp(&negative) {
        _ if positive == negative => 0.5,
        std::cmp::Ordering::Greater => 1.0,
        _ => 0.0,
    }
}

/// How many of the sorted ratings are below `rating`, those equal to it counting one half.
pub(super) fn below(sorted: &[f64], rating: f64) -> f64 {
    let less = sorted.partition_point(|other| *other < rating);
    let equal = sorted[less..].partition_point(|other| *other <= rating);
    less as f64 + equal as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::super::StudyCase;
    use super::*;

    fn table(rows: &[(&str, bool, f64)]) -> ReadingTable {
        let case = |(at, (patient, positive, _)): (usize, &(&str, bool, f64))| StudyCase {
            name: at.to_string(),
            patient: (*patient).to_owned(),
            positive: *positive,
        };
        let mut table = ReadingTable::new(rows.iter().enumerate().map(case).collect()).unwrap();
        for (at, (.., rating)) in rows.iter().enumerate() {
            table.add("ann", "aided", &at.to_string(), *rating).unwrap();
        }
        table
    }

    /// Each value without a patient is that of a table without that patient's cases.
    #[test]
    fn a_patient_is_left_out_with_all_cases() {
        let rows = [
            ("a", true, 3.0),
            ("a", false, 1.0),
            ("b", true, 1.0),
            ("b", true, 2.0),
            ("c", false, 2.0),
            ("c", false, 0.0),
            ("d", true, 0.0),
            ("e", false, 3.0),
            ("f", false, 1.0),
        ];
        let whole = figures_of_merit(&table(&rows), FigureOfMerit::Auc);
        // 3 beats all but a tie with 3: 4.5; 1: ties with two, beats one: 2; 2: 3.5; 0: 0.5; of 20.
        assert_eq!(whole.cells[0].value, 10.5 / 20.0);
        for (at, who) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
            let rest: Vec<_> = rows.iter().copied().filter(|row| row.0 != who).collect();
            let rest = figures_of_merit(&table(&rest), FigureOfMerit::Auc);
            assert_eq!(whole.cells[0].without[at], rest.cells[0].value, "{who}");
        }
    }

    #[test]
    fn an_undefined_figure_leaves_the_reader_out_with_the_reason() {
        let reason = |rows: &[(&str, bool, f64)], figure| {
            let found = figures_of_merit(&table(rows), figure);
            assert!(found.readers.is_empty() && found.cells.is_empty());
            found.left_out[0].reason
        };
        let ill = [("a", true, 1.0), ("b", true, 0.0)];
        assert_eq!(reason(&ill, FigureOfMerit::Auc), Undefined::NoNegative);
        assert_eq!(
            reason(&ill, FigureOfMerit::Specificity),
            Undefined::NoNegative
        );
        let well = [("a", false, 1.0), ("b", false, 0.0)];
        assert_eq!(reason(&well, FigureOfMerit::Auc), Undefined::NoPositive);
        assert_eq!(
            reason(&well, FigureOfMerit::Sensitivity),
            Undefined::NoPositive
        );
        let one = [
            ("a", true, 1.0),
            ("a", true, 0.0),
            ("b", false, 0.0),
            ("c", false, 0.0),
        ];
        assert_eq!(
            reason(&one, FigureOfMerit::Auc),
            Undefined::PositivesOfOnePatient
        );
        assert_eq!(
            reason(&one, FigureOfMerit::Sensitivity),
            Undefined::PositivesOfOnePatient
        );
        let specificity = figures_of_merit(&table(&one), FigureOfMerit::Specificity);
        assert_eq!(specificity.cells[0].value, 1.0);
    }
}
