//! Free-response studies (FROC): readers mark where they see a lesion, each mark with a rating. The figure of
//! merit is the area under the alternative FROC curve (AFROC), with its jackknife values for
//! [`mrmc::obuchowski_rockette`](super::mrmc::obuchowski_rockette) ("JAFROC").
//!
//! - Chakraborty and Berbaum 2004, *Observer studies involving detection and localization: modeling, analysis, and
//!   validation*, Medical Physics 31:2313 (doi:10.1118/1.1769352).
//! - Chakraborty and Zhai 2016, *On the meaning of the weighted alternative free-response operating characteristic
//!   figure of merit*, Medical Physics 43:2548 (doi:10.1118/1.4947125).
//!
//! ```text
//! θ = 1 / N Σ over normal cases i, over lesions l of  wₗ ψ(highest false mark of i, rating of l)
//! ψ(x, y) = 1 where y > x, ½ where y = x; what was not marked is below every rating
//! AFROC: wₗ = 1 / number of all lesions.  wAFROC: wₗ = weight of l in its case / number of cases with lesions
//! ```
//!
//! False marks on cases with lesions are not used, so that a case is in one of the two samples only.

use std::collections::HashMap;

use super::Undefined;
use super::mrmc::{FiguresOfMerit, LeaveOneOut, LeftOutReader};

/// How lesions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LesionWeighting {
    /// Each lesion alike (AFROC).
    Lesions,
    /// Each case with lesions alike, its lesions by their weights, or alike without weights (wAFROC).
    Cases,
}

/// A case: its lesions are those of the reference standard, and a normal case has none.
#[derive(Debug, Clone, PartialEq)]
pub struct FrocCase {
    pub patient: String,
    /// Relative weights within the case, above 0.
    pub lesions: Vec<f64>,
}

/// The marks of one reader on one case in one mode.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FrocMarks {
    /// The rating of the mark on each lesion, in their order; `None` where it was not marked.
    pub lesions: Vec<Option<f64>>,
    /// Ratings of the marks on no lesion.
    pub false_marks: Vec<f64>,
}

/// Marks by (mode, reader): one entry for each case, `None` where the case was not read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FrocStudy {
    pub cases: Vec<FrocCase>,
    pub modes: usize,
    pub readers: usize,
    pub marks: HashMap<(usize, usize), Vec<Option<FrocMarks>>>,
}

impl FrocStudy {
    /// The same study without the other cases than these, which are by number and rise.
    pub fn only_cases(&self, kept: &[usize]) -> Self {
        let of_row =
            |row: &Vec<Option<FrocMarks>>| kept.iter().map(|&case| row[case].clone()).collect();
        FrocStudy {
            cases: kept.iter().map(|&case| self.cases[case].clone()).collect(),
            marks: self
                .marks
                .iter()
                .map(|(key, row)| (*key, of_row(row)))
                .collect(),
            ..*self
        }
    }
}

/// The figure of each reader in each mode, with those of the jackknife over patients.
pub fn froc_figures(study: &FrocStudy, weighting: LesionWeighting) -> FiguresOfMerit {
    let (cluster, clusters) = clusters(&study.cases);
    let mut found = FiguresOfMerit {
        modes: study.modes,
        readers: Vec::new(),
        left_out: Vec::new(),
        cells: Vec::new(),
        cases: Vec::new(),
    };
    let mut by_reader = Vec::new();
    for reader in 0..study.readers {
        let cells = (0..study.modes).map(|mode| {
            let cell = FrocCell::of(study, (mode, reader), &cluster, clusters);
            let cell = cell.and_then(|cell| Ok((cell.leave_one_out(weighting)?, cell.read)));
            cell.map_err(|reason| LeftOutReader {
                reader,
                mode,
                reason,
            })
        });
        match cells.collect::<Result<Vec<_>, _>>() {
            Ok(cells) => {
                found.readers.push(reader);
                by_reader.push(cells);
            }
            Err(reason) => found.left_out.push(reason),
        }
    }
    for mode in 0..study.modes {
        for cells in &by_reader {
            let (cell, read) = &cells[mode];
            found.cells.push(cell.clone());
            found.cases.push(read.clone());
        }
    }
    found
}

fn clusters(cases: &[FrocCase]) -> (Vec<usize>, usize) {
    let mut patients = HashMap::new();
    let mut number = |case| {
        let next = patients.len();
        *patients.entry(case).or_insert(next)
    };
    let cluster = cases
        .iter()
        .map(|case| number(case.patient.as_str()))
        .collect();
    (cluster, patients.len())
}

/// What one reader marked in one mode.
struct FrocCell {
    /// Cases that were read, by number.
    read: Vec<usize>,
    /// The highest false mark of each normal case, with its cluster.
    normal: Vec<(f64, usize)>,
    /// Rating, weight in its case, and cluster of each lesion.
    lesions: Vec<(f64, f64, usize)>,
    /// Cases with lesions, and lesions, of each cluster.
    counts: Vec<(f64, f64)>,
}

impl FrocCell {
    fn of(
        study: &FrocStudy,
        key: (usize, usize),
        cluster: &[usize],
        clusters: usize,
    ) -> Result<Self, Undefined> {
        let mut cell = FrocCell {
            read: Vec::new(),
            normal: Vec::new(),
            lesions: Vec::new(),
            counts: vec![(0.0, 0.0); clusters],
        };
        let marks = study.marks.get(&key).ok_or(Undefined::NoCase)?;
        for (at, (case, marks)) in study.cases.iter().zip(marks).enumerate() {
            let Some(marks) = marks else { continue };
            cell.read.push(at);
            let own = cluster[at];
            if case.lesions.is_empty() {
                let highest = marks
                    .false_marks
                    .iter()
                    .copied()
                    .fold(f64::NEG_INFINITY, f64::max);
                cell.normal.push((highest, own));
                continue;
            }
            let whole: f64 = case.lesions.iter().sum();
            if !(whole.is_finite() && case.lesions.iter().all(|weight| *weight > 0.0)) {
                return Err(Undefined::OutOfRange);
            }
            cell.counts[own].0 += 1.0;
            cell.counts[own].1 += case.lesions.len() as f64;
            for (lesion, weight) in case.lesions.iter().enumerate() {
                let rating = marks.lesions.get(lesion).copied().flatten();
                cell.lesions
                    .push((rating.unwrap_or(f64::NEG_INFINITY), weight / whole, own));
            }
        }
        match () {
            () if cell.normal.is_empty() => Err(Undefined::NoNegative),
            () if cell.lesions.is_empty() => Err(Undefined::NoLesion),
            () => Ok(cell),
        }
    }

    /// The sum over pairs and what it is divided by are both taken without each cluster.
    fn leave_one_out(&self, weighting: LesionWeighting) -> Result<LeaveOneOut, Undefined> {
        let clusters = self.counts.len();
        let weight = |of_case: f64| match weighting {
            LesionWeighting::Lesions => 1.0,
            LesionWeighting::Cases => of_case,
        };
        let (mut whole, mut own) = (0.0, vec![0.0; clusters]);
        for (highest, normal) in &self.normal {
            for (rating, of_case, lesion) in &self.lesions {
                let won = weight(*of_case) * won(*highest, *rating);
                whole += won;
                own[*normal] += won;
                if lesion != normal {
                    own[*lesion] += won;
                }
            }
        }
        let mut normal = vec![0.0; clusters];
        self.normal
            .iter()
            .for_each(|(_, cluster)| normal[*cluster] += 1.0);
        let units = |(cases, lesions): (f64, f64)| match weighting {
            LesionWeighting::Lesions => lesions,
            LesionWeighting::Cases => cases,
        };
        let all: f64 = self.counts.iter().map(|counts| units(*counts)).sum();
        let count = self.normal.len() as f64;
        let mut without = Vec::with_capacity(clusters);
        for cluster in 0..clusters {
            let (rest, lesions) = (count - normal[cluster], all - units(self.counts[cluster]));
            if rest == 0.0 {
                return Err(Undefined::NegativesOfOnePatient);
            }
            if lesions == 0.0 {
                return Err(Undefined::PositivesOfOnePatient);
            }
            without.push((whole - own[cluster]) / (rest * lesions));
        }
        Ok(LeaveOneOut {
            value: whole / (count * all),
            without,
        })
    }
}

/// Two that were not marked are equal.
fn won(highest: f64, rating: f64) -> f64 {
    match () {
        () if rating > highest => 1.0,
        () if rating == highest => 0.5,
        () => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(patient: &str, lesions: &[f64]) -> FrocCase {
        FrocCase {
            patient: patient.to_owned(),
            lesions: lesions.to_vec(),
        }
    }

    fn marks(lesions: &[Option<f64>], false_marks: &[f64]) -> Option<FrocMarks> {
        Some(FrocMarks {
            lesions: lesions.to_vec(),
            false_marks: false_marks.to_vec(),
        })
    }

    fn study() -> FrocStudy {
        let cases = vec![
            case("a", &[]),
            case("b", &[]),
            case("c", &[1.0, 3.0]),
            case("d", &[1.0]),
            case("e", &[]),
        ];
        let row = vec![
            marks(&[], &[2.0, 1.0]),
            marks(&[], &[]),
            marks(&[Some(2.0), Some(5.0)], &[4.0]),
            marks(&[None], &[]),
            None,
        ];
        FrocStudy {
            cases,
            modes: 1,
            readers: 1,
            marks: HashMap::from([((0, 0), row)]),
        }
    }

    /// By hand: against the normal case with a 2, the lesions win ½, 1 and 0; against the one without a mark, 1, 1
    /// and ½. A normal case that was not read is none.
    #[test]
    fn known_answers() {
        let found = |weighting| froc_figures(&study(), weighting).cells[0].value;
        assert!((found(LesionWeighting::Lesions) - 4.0 / 6.0).abs() < 1e-12);
        let weighted = (0.25 * 1.5 + 0.75 * 2.0 + 0.5) / 4.0;
        assert!((found(LesionWeighting::Cases) - weighted).abs() < 1e-12);
    }

    #[test]
    fn without_a_case_it_is_the_figure_of_the_rest() {
        for weighting in [LesionWeighting::Lesions, LesionWeighting::Cases] {
            let whole = froc_figures(&study(), weighting);
            for left in 0..4 {
                let mut rest = study();
                rest.marks.get_mut(&(0, 0)).unwrap()[left] = None;
                // What the jackknife leaves out is not in the study at all.
                let rest = FrocCell::of(&rest, (0, 0), &[0, 1, 2, 3, 4], 5).unwrap();
                let sums = |cell: &FrocCell| {
                    let pairs = cell
                        .normal
                        .iter()
                        .flat_map(|n| cell.lesions.iter().map(move |l| (n, l)));
                    let weight = |w: f64| {
                        if weighting == LesionWeighting::Lesions {
                            1.0
                        } else {
                            w
                        }
                    };
                    let sum: f64 = pairs.map(|(n, l)| weight(l.1) * won(n.0, l.0)).sum();
                    let units: f64 = match weighting {
                        LesionWeighting::Lesions => cell.lesions.len() as f64,
                        LesionWeighting::Cases => cell.lesions.iter().map(|l| l.1).sum(),
                    };
                    sum / (cell.normal.len() as f64 * units)
                };
                assert!((whole.cells[0].without[left] - sums(&rest)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn undefined_figures_have_a_reason() {
        let mut normal = study();
        normal
            .cases
            .iter_mut()
            .for_each(|case| case.lesions.clear());
        let reason =
            |study: &FrocStudy| froc_figures(study, LesionWeighting::Cases).left_out[0].reason;
        assert_eq!(reason(&normal), Undefined::NoLesion);
        let mut ill = study();
        ill.cases
            .iter_mut()
            .for_each(|case| case.lesions = vec![1.0]);
        assert_eq!(reason(&ill), Undefined::NoNegative);
        let mut unread = study();
        unread.marks.clear();
        assert_eq!(reason(&unread), Undefined::NoCase);
        let mut one = study();
        one.cases[3].lesions.clear();
        assert_eq!(reason(&one), Undefined::PositivesOfOnePatient);
        let mut broken = study();
        broken.cases[3].lesions = vec![0.0];
        assert_eq!(reason(&broken), Undefined::OutOfRange);
    }
}
