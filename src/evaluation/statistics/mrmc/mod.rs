//! Multi-reader multi-case (MRMC) studies: whether readers do better in one mode than in another (aided and
//! unaided, say), for other readers and other cases than those of the study.
//!
//! ```text
//! ReadingTable ─► figures_of_merit ─► jackknife, delong, unbiased ─► obuchowski_rockette: F, df, p, intervals
//!      └───────► u_statistics: AUC, moments, variance, df, p      └─► sample_size
//! ```
//!
//! Two analyses, each with its published software: that of Obuchowski and Rockette with the degrees of freedom
//! of Hillis (MRMCaov), and the U-statistics of Gallas (iMRMC). A reader need not have read every case.

mod covariance;
mod figures_of_merit;
mod imrmc_file;
mod obuchowski_rockette;
mod pair_sums;
mod proportion_moments;
mod u_statistics;

use std::collections::HashMap;

use thiserror::Error;

pub use covariance::{CovarianceMatrix, delong, jackknife, unbiased};
pub use figures_of_merit::{
    FigureOfMerit, FiguresOfMerit, LeaveOneOut, LeftOutReader, figures_of_merit,
};
pub use imrmc_file::imrmc_file;
pub use obuchowski_rockette::{
    FactorTypes, MeanSquares, ModeDifference, ModeMean, MrmcEstimates, MrmcTest, OrAnalysis,
    OrComponents, obuchowski_rockette,
};
pub use proportion_moments::{ProportionEstimate, proportion, proportion_difference};
pub use u_statistics::{UEstimate, area, area_difference};

/// A case of a reader study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyCase {
    pub name: String,
    /// Its patient: cases of one patient are one cluster of the jackknife.
    pub patient: String,
    /// The reference standard.
    pub positive: bool,
}

/// Why a reading cannot be in a [`ReadingTable`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadingFault {
    #[error("case {0} is twice in the list of cases")]
    CaseTwice(String),
    #[error("reader {reader} read case {case}, which is not in the list of cases")]
    UnknownCase { reader: String, case: String },
    #[error("reader {reader} read case {case} twice in mode {mode}")]
    ReadTwice {
        reader: String,
        mode: String,
        case: String,
    },
    #[error("the rating of case {case} by reader {reader} in mode {mode} is not a number")]
    NotANumber {
        reader: String,
        mode: String,
        case: String,
    },
}

/// Ratings of cases by readers in modes. Readers and modes come in the order in which they first read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadingTable {
    cases: Vec<StudyCase>,
    places: HashMap<String, usize>,
    /// The cluster of each case, from 0.
    cluster: Vec<usize>,
    clusters: usize,
    modes: Vec<String>,
    readers: Vec<String>,
    /// By (mode, reader): a rating for each case that was read.
    ratings: HashMap<(usize, usize), Vec<Option<f64>>>,
}

/// How many cases one reader read in one mode: `positives + negatives + unread` are all cases of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadCounts {
    pub positives: usize,
    pub negatives: usize,
    pub unread: usize,
}

impl ReadingTable {
    pub fn new(cases: Vec<StudyCase>) -> Result<Self, ReadingFault> {
        let mut table = ReadingTable::default();
        let mut patients = HashMap::new();
        for (at, case) in cases.iter().enumerate() {
            if table.places.insert(case.name.clone(), at).is_some() {
                return Err(ReadingFault::CaseTwice(case.name.clone()));
            }
            let next = patients.len();
            let cluster = *patients.entry(case.patient.clone()).or_insert(next);
            table.cluster.push(cluster);
        }
        table.clusters = patients.len();
        table.cases = cases;
        Ok(table)
    }

    /// Adds a rating: the higher, the more the reader believes the case to be positive. For sensitivity and
    /// specificity a rating is a call, 1 or 0.
    pub fn add(
        &mut self,
        reader: &str,
        mode: &str,
        case: &str,
        rating: f64,
    ) -> Result<(), ReadingFault> {
        let owned = || (reader.to_owned(), mode.to_owned(), case.to_owned());
        let Some(&place) = self.places.get(case) else {
            let (reader, _, case) = owned();
            return Err(ReadingFault::UnknownCase { reader, case });
        };
        if rating.is_nan() {
            let (reader, mode, case) = owned();
            return Err(ReadingFault::NotANumber { reader, mode, case });
        }
        let key = (
            number(&mut self.modes, mode),
            number(&mut self.readers, reader),
        );
        let row = self.ratings.entry(key);
        let row = row.or_insert_with(|| vec![None; self.cases.len()]);
        if row[place].is_some() {
            let (reader, mode, case) = owned();
            return Err(ReadingFault::ReadTwice { reader, mode, case });
        }
        row[place] = Some(rating);
        Ok(())
    }

    pub fn cases(&self) -> &[StudyCase] {
        &self.cases
    }

    pub fn modes(&self) -> &[String] {
        &self.modes
    }

    pub fn readers(&self) -> &[String] {
        &self.readers
    }

    /// Number of patients.
    pub fn patients(&self) -> usize {
        self.clusters
    }

    /// The rating of a case, all three by number; `None` where it was not read.
    pub fn rating(&self, mode: usize, reader: usize, case: usize) -> Option<f64> {
        self.ratings.get(&(mode, reader))?[case]
    }

    pub fn counts(&self, mode: usize, reader: usize) -> ReadCounts {
        let mut counts = ReadCounts {
            positives: 0,
            negatives: 0,
            unread: 0,
        };
        for (at, case) in self.cases.iter().enumerate() {
            *match (self.rating(mode, reader, at), case.positive) {
                (None, _) => &mut counts.unread,
                (Some(_), true) => &mut counts.positives,
                (Some(_), false) => &mut counts.negatives,
            } += 1;
        }
        counts
    }

    /// Whether every reader read every case in every mode.
    pub fn is_fully_crossed(&self) -> bool {
        let cells = self.modes.len() * self.readers.len();
        let is_whole = |row: &Vec<Option<f64>>| row.iter().all(Option::is_some);
        self.ratings.len() == cells && self.ratings.values().all(is_whole)
    }

    /// The same table with calls in place of ratings: 1 for a rating of `threshold` or more, else 0.
    pub fn called_at(&self, threshold: f64) -> Self {
        let call =
            |rating: &Option<f64>| rating.map(|rating| f64::from(u8::from(rating >= threshold)));
        let rows = self.ratings.iter();
        ReadingTable {
            ratings: rows
                .map(|(key, row)| (*key, row.iter().map(call).collect()))
                .collect(),
            ..self.clone()
        }
    }

    /// The same table without the other readers and cases than these, which are by number and rise. Both are numbered anew; modes
    /// keep their numbers.
    pub fn only(&self, readers: &[usize], cases: &[usize]) -> Self {
        let own = cases.iter().map(|&case| self.cases[case].clone());
        // Names that are different stay so.
        let table = ReadingTable::new(own.collect()).unwrap_or_default();
        let of_row = |row: &Vec<Option<f64>>| cases.iter().map(|&case| row[case]).collect();
        let rows = self.ratings.iter().filter_map(|((mode, reader), row)| {
            let place = readers.iter().position(|kept| kept == reader)?;
            Some(((*mode, place), of_row(row)))
        });
        ReadingTable {
            modes: self.modes.clone(),
            readers: readers
                .iter()
                .map(|&reader| self.readers[reader].clone())
                .collect(),
            ratings: rows.collect(),
            ..table
        }
    }

    /// The cases of a class, by number.
    fn of_class(&self, positive: bool) -> Vec<usize> {
        let cases = self.cases.iter().enumerate();
        let own = cases.filter(|(_, case)| case.positive == positive);
        own.map(|(at, _)| at).collect()
    }
}

/// The number of a name, which is added if it is new.
fn number(names: &mut Vec<String>, name: &str) -> usize {
    let found = names.iter().position(|known| known == name);
    found.unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, positive: bool) -> StudyCase {
        StudyCase {
            name: name.to_owned(),
            patient: name.to_owned(),
            positive,
        }
    }

    #[test]
    fn what_cannot_be_in_the_table_is_named() {
        let twice = ReadingTable::new(vec![case("a", true), case("a", false)]);
        assert_eq!(
            twice.unwrap_err().to_string(),
            "case a is twice in the list of cases"
        );
        let mut table = ReadingTable::new(vec![case("a", true), case("b", false)]).unwrap();
        table.add("ann", "aided", "a", 3.0).unwrap();
        let said = |found: Result<(), ReadingFault>| found.unwrap_err().to_string();
        assert_eq!(
            said(table.add("ann", "aided", "a", 2.0)),
            "reader ann read case a twice in mode aided"
        );
        assert_eq!(
            said(table.add("ann", "aided", "c", 2.0)),
            "reader ann read case c, which is not in the list of cases"
        );
        assert!(said(table.add("ann", "aided", "b", f64::NAN)).contains("is not a number"));
        assert_eq!(table.rating(0, 0, 0), Some(3.0));
    }

    #[test]
    fn counts_add_up() {
        let mut table =
            ReadingTable::new(vec![case("a", true), case("b", false), case("c", false)]).unwrap();
        table.add("ann", "aided", "a", 3.0).unwrap();
        table.add("ann", "aided", "c", 1.0).unwrap();
        let expected = ReadCounts {
            positives: 1,
            negatives: 1,
            unread: 1,
        };
        assert_eq!(table.counts(0, 0), expected);
        assert!(!table.is_fully_crossed());
        table.add("ann", "aided", "b", 1.0).unwrap();
        assert!(table.is_fully_crossed());
        table.add("bob", "unaided", "b", 1.0).unwrap();
        assert!(!table.is_fully_crossed());
        let none = ReadCounts {
            positives: 0,
            negatives: 0,
            unread: 3,
        };
        assert_eq!(table.counts(0, 1), none);
        assert_eq!(table.called_at(3.0).rating(0, 0, 0), Some(1.0));
        assert_eq!(table.called_at(3.0).rating(0, 0, 2), Some(0.0));
    }
}
