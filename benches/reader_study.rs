//! The time and the memory of every statistic of a reader study: 20 readers, 1,000 cases and 2 modes.
//!
//! `cargo bench --bench reader_study`. This is a measurement, not a test: no limit can fail. The memory is the most that
//! the process held so far, as Linux counts it.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use cxr::evaluation::bootstrap;
use cxr::evaluation::reader_study::{StudyReading, reader_study};
use cxr::evaluation::readers::ReaderCall;
use cxr::evaluation::statistics::bland_altman::limits_of_agreement;
use cxr::evaluation::statistics::call_changes::{CallPair, automation_bias, call_changes};
use cxr::evaluation::statistics::froc::{
    FrocCase, FrocMarks, FrocStudy, LesionWeighting, froc_figures,
};
use cxr::evaluation::statistics::intraclass::intraclass_correlations;
use cxr::evaluation::statistics::mrmc::{
    FactorTypes, FigureOfMerit, MrmcEstimates, ReadingTable, StudyCase, area_difference, delong,
    figures_of_merit, imrmc_file, jackknife, obuchowski_rockette, proportion_difference, unbiased,
};
use cxr::evaluation::statistics::paired_calls::{PairedCounts, clustered_comparison, mcnemar};
use cxr::evaluation::statistics::raters::{
    CategoryDistance, RatedUnits, fleiss_kappa, gwet, krippendorff_alpha,
};
use cxr::evaluation::statistics::reading_time::{ReadingTime, reading_times};

const READERS: usize = 20;
const CASES: usize = 1000;
const MODES: usize = 2;

fn main() {
    let start = Instant::now();
    let mut random = Random(7);
    let truth: Vec<bool> = (0..CASES).map(|_| random.next() < 0.4).collect();
    let mut ratings = vec![vec![vec![0.0; CASES]; READERS]; MODES];
    for (mode, readers) in ratings.iter_mut().enumerate() {
        for row in readers {
            for (rating, truth) in row.iter_mut().zip(&truth) {
                let signal = if *truth {
                    0.25 + 0.05 * mode as f64
                } else {
                    0.0
                };
                *rating = (100.0 * (0.6 * random.next() + signal)).round();
            }
        }
    }
    let mut table = table(&truth);
    timed("the table", || {
        for (mode, readers) in ratings.iter().enumerate() {
            for (reader, row) in readers.iter().enumerate() {
                for (case, rating) in row.iter().enumerate() {
                    let added = table.add(
                        &reader.to_string(),
                        &mode.to_string(),
                        &case.to_string(),
                        *rating,
                    );
                    added.expect("a reading");
                }
            }
        }
    });
    let random_factors = FactorTypes::RandomReadersRandomCases;
    timed("OR of areas, three covariances", || {
        let figures = figures_of_merit(&table, FigureOfMerit::Auc);
        let covariances = [
            jackknife(&figures),
            delong(&table, &figures).expect("fully crossed"),
            unbiased(&table, &figures).expect("enough cases"),
        ];
        covariances.map(|covariance| {
            let estimates = MrmcEstimates::new(&figures, covariance);
            obuchowski_rockette(&estimates, random_factors)
        })
    });
    let called = table.called_at(50.0);
    timed("OR of sensitivity and specificity", || {
        [FigureOfMerit::Sensitivity, FigureOfMerit::Specificity].map(|figure| {
            let figures = figures_of_merit(&called, figure);
            obuchowski_rockette(
                &MrmcEstimates::new(&figures, jackknife(&figures)),
                random_factors,
            )
        })
    });
    timed("U-statistics of the area", || area_difference(&table, 0, 1));
    timed("U-statistics of sensitivity and specificity", || {
        [FigureOfMerit::Sensitivity, FigureOfMerit::Specificity]
            .map(|figure| proportion_difference(&called, figure, 0, 1))
    });
    timed("iMRMC's file", || imrmc_file(&table, "bench"));
    timed("FROC, AFROC and wAFROC", || froc(&ratings, &truth));
    agreement(&ratings);
    calls(&ratings, &truth, &mut random);
    println!(
        "all: {:.2} s, at most {} MiB",
        start.elapsed().as_secs_f64(),
        most_memory()
    );
}

fn table(truth: &[bool]) -> ReadingTable {
    let cases = truth.iter().enumerate().map(|(at, positive)| StudyCase {
        name: at.to_string(),
        patient: (at / 2).to_string(),
        positive: *positive,
    });
    ReadingTable::new(cases.collect()).expect("cases")
}

fn froc(ratings: &[Vec<Vec<f64>>], truth: &[bool]) {
    let case = |(at, positive): (usize, &bool)| FrocCase {
        patient: at.to_string(),
        lesions: if *positive {
            vec![1.0, 2.0]
        } else {
            Vec::new()
        },
    };
    let mut marks = HashMap::new();
    for (mode, readers) in ratings.iter().enumerate() {
        for (reader, row) in readers.iter().enumerate() {
            let row = row.iter().zip(truth).map(|(rating, positive)| {
                let lesions = if *positive {
                    vec![Some(*rating), None]
                } else {
                    Vec::new()
                };
                Some(FrocMarks {
                    lesions,
                    false_marks: vec![*rating],
                })
            });
            marks.insert((mode, reader), row.collect());
        }
    }
    let cases = truth.iter().enumerate().map(case).collect();
    let study = FrocStudy {
        cases,
        modes: MODES,
        readers: READERS,
        marks,
    };
    for weighting in [LesionWeighting::Lesions, LesionWeighting::Cases] {
        let figures = froc_figures(&study, weighting);
        let estimates = MrmcEstimates::new(&figures, jackknife(&figures));
        black_box(obuchowski_rockette(
            &estimates,
            FactorTypes::RandomReadersRandomCases,
        ))
        .expect("a result");
    }
}

/// Of all readers, with bootstrap intervals.
fn agreement(ratings: &[Vec<Vec<f64>>]) {
    let scale = |rating: f64| (rating / 20.0).floor();
    let rows: Vec<Vec<Option<f64>>> = (0..CASES)
        .map(|case| {
            ratings[0]
                .iter()
                .map(|row| Some(scale(row[case])))
                .collect()
        })
        .collect();
    let rated = RatedUnits::new(&rows);
    let each: Vec<usize> = (0..CASES).collect();
    let distances = [
        CategoryDistance::Nominal,
        CategoryDistance::Ordinal,
        CategoryDistance::Interval,
    ];
    timed("κ, AC and α with intervals of 2,000 draws", || {
        let all = |weights: &[f64]| -> Vec<Option<f64>> {
            let mut found = vec![fleiss_kappa(&rated, weights)];
            for distance in distances {
                found.push(gwet(&rated, distance, weights));
                found.push(krippendorff_alpha(&rated, distance, weights));
            }
            found
        };
        bootstrap::intervals(&each, CASES, 7, all)
    });
    let severity: Vec<Vec<Option<f64>>> = (0..CASES)
        .map(|case| ratings[0].iter().map(|row| Some(row[case])).collect())
        .collect();
    timed("ICC", || intraclass_correlations(&severity));
    let pairs: Vec<(f64, f64)> = ratings[0][0]
        .iter()
        .copied()
        .zip(ratings[1][0].iter().copied())
        .collect();
    timed("limits of agreement", || limits_of_agreement(&pairs));
}

fn calls(ratings: &[Vec<Vec<f64>>], truth: &[bool], random: &mut Random) {
    let yes = |rating: f64| rating >= 50.0;
    let patients: Vec<String> = (0..CASES).map(|case| (case / 2).to_string()).collect();
    timed("McNemar and Obuchowski 1998, each reader", || {
        for (unaided, aided) in ratings[0].iter().zip(&ratings[1]) {
            let pairs = || {
                let both = unaided.iter().zip(aided);
                both.map(|(a, b)| (yes(*a), yes(*b)))
            };
            black_box(mcnemar(PairedCounts::of(pairs()))).expect("a result");
            let calls = pairs()
                .zip(&patients)
                .map(|((a, b), patient)| (patient.as_str(), a, b));
            black_box(clustered_comparison(calls)).expect("a result");
        }
    });
    let model: Vec<bool> = truth
        .iter()
        .map(|truth| *truth != (random.next() < 0.2))
        .collect();
    let mut pairs = Vec::new();
    let mut times = Vec::new();
    for (reader, (unaided, aided)) in ratings[0].iter().zip(&ratings[1]).enumerate() {
        for case in 0..CASES {
            pairs.push(CallPair {
                unaided: yes(unaided[case]),
                aided: yes(aided[case]),
                model: Some(model[case]),
                truth: truth[case],
            });
            for second in [false, true] {
                let gain = if second { 0.8 } else { 1.0 };
                times.push(ReadingTime {
                    reader,
                    second,
                    time: (1.0 + 20.0 * random.next()) * gain,
                });
            }
        }
    }
    let owner: Vec<usize> = (0..pairs.len()).map(|at| at % CASES / 2).collect();
    timed(
        "changes of calls, automation bias with its interval",
        || {
            black_box(call_changes(&pairs));
            let bias =
                |weights: &[f64]| vec![automation_bias(&pairs, weights).map(|found| found.bias)];
            bootstrap::intervals(&owner, CASES / 2, 1, bias)
        },
    );
    timed("the model of reading times", || reading_times(&times));
    let readings: Vec<StudyReading> = pairs
        .iter()
        .enumerate()
        .map(|(at, pair)| StudyReading {
            reader: (at / CASES).to_string(),
            image: (at % CASES).to_string(),
            call: ReaderCall {
                patient: patients[at % CASES].clone(),
                unaided: Some(pair.unaided),
                aided: Some(pair.aided),
                ratings: [pair.aided, pair.unaided].map(|call| Some(rating(call, at))),
                model: pair.model,
                truth: Some(pair.truth),
            },
        })
        .collect();
    timed(
        "all readers together, as `cxr agreement` prints them",
        || reader_study("bench", &readings),
    );
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) {
    let start = Instant::now();
    black_box(work());
    println!("{what}: {:.3} s", start.elapsed().as_secs_f64());
}

/// MiB; 0 where there is no such file.
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.unwrap_or(0) / 1024
}

/// Numbers from 0 to 1 (xorshift64*, Vigna 2016, doi:10.1145/2845077).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A confidence on the side of the call, with ties.
fn rating(call: bool, at: usize) -> u8 {
    let away = [5, 15, 25, 35, 45][at * 7 % 5];
    if call { 50 + away } else { 50 - away }
}
