//! Statistics of reader studies against numbers that other programs made: `tests/data/reader_statistics.py` by the
//! definitions of the papers, irrCAC and krippendorff, and `reader_statistics.R` by lme4.

mod skip;

use std::collections::HashMap;
use std::path::PathBuf;

use cxr::evaluation::statistics::froc::{
    FrocCase, FrocMarks, FrocStudy, LesionWeighting, froc_figures,
};
use cxr::evaluation::statistics::mrmc::{
    CovarianceMatrix, FactorTypes, FigureOfMerit, FiguresOfMerit, MrmcEstimates, ReadingTable,
    StudyCase, area, area_difference, delong, figures_of_merit, jackknife, obuchowski_rockette,
    proportion, proportion_difference, unbiased,
};
use cxr::evaluation::statistics::raters::{
    CategoryDistance, RatedUnits, fleiss_kappa, gwet, krippendorff_alpha,
};
use cxr::evaluation::statistics::reading_time::{ReadingTime, reading_times};
use serde_json::Value;

fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected
        .as_f64()
        .unwrap_or_else(|| panic!("{what} is no number"));
    let apart = (found - expected).abs();
    assert!(
        apart < 1e-9 * expected.abs().max(1e-3),
        "{what}: {found} {expected}"
    );
}

fn reference() -> Value {
    serde_json::from_str(include_str!("data/reader_statistics.json")).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn table(study: &Value) -> ReadingTable {
    let truth = list(&study["truth"]).iter().zip(list(&study["patient"]));
    let cases = truth.enumerate().map(|(at, (truth, patient))| StudyCase {
        name: at.to_string(),
        patient: patient.as_str().unwrap().to_owned(),
        positive: truth.as_bool().unwrap(),
    });
    let mut table = ReadingTable::new(cases.collect()).unwrap();
    for (mode, readers) in list(&study["ratings"]).iter().enumerate() {
        for (reader, ratings) in list(readers).iter().enumerate() {
            for (case, rating) in list(ratings).iter().enumerate() {
                if let Some(rating) = rating.as_f64() {
                    let (reader, mode) = (reader.to_string(), mode.to_string());
                    table
                        .add(&reader, &mode, &case.to_string(), rating)
                        .unwrap();
                }
            }
        }
    }
    table
}

fn check_analysis(
    figures: &FiguresOfMerit,
    covariance: CovarianceMatrix,
    expected: &Value,
    what: &str,
) {
    let estimates = MrmcEstimates::new(figures, covariance);
    let analysis = |factors| obuchowski_rockette(&estimates, factors).unwrap();
    let random = analysis(FactorTypes::RandomReadersRandomCases);
    let components = random.components;
    close(
        components.mean_squares.mode.unwrap(),
        &expected["ms"][0],
        what,
    );
    close(
        components.mean_squares.reader.unwrap(),
        &expected["ms"][1],
        what,
    );
    close(
        components.mean_squares.mode_by_reader.unwrap(),
        &expected["ms"][2],
        what,
    );
    close(components.error, &expected["error"], what);
    close(components.cov1, &expected["cov"][0], what);
    close(components.cov2, &expected["cov"][1], what);
    close(components.cov3, &expected["cov"][2], what);
    let (test, difference) = (random.test.unwrap(), random.differences.unwrap()[0]);
    close(test.statistic, &expected["random"]["F"], what);
    close(test.df2.unwrap(), &expected["random"]["df2"], what);
    close(test.p, &expected["random"]["p"], what);
    close(difference.p, &expected["random"]["p"], what);
    close(difference.value, &expected["random"]["value"], what);
    close(
        difference.interval.0,
        &expected["random"]["interval"][0],
        what,
    );
    close(
        difference.interval.1,
        &expected["random"]["interval"][1],
        what,
    );
    let fixed = analysis(FactorTypes::FixedReaders);
    close(fixed.test.unwrap().p, &expected["fixed_readers"]["p"], what);
    let difference = fixed.differences.unwrap()[0];
    close(
        difference.value / difference.standard_error,
        &expected["fixed_readers"]["z"],
        what,
    );
    let fixed = analysis(FactorTypes::FixedCases).test.unwrap();
    close(fixed.statistic, &expected["fixed_cases"]["F"], what);
    close(fixed.p, &expected["fixed_cases"]["p"], what);
}

#[test]
fn obuchowski_and_rockette_by_three_covariances_and_three_figures() {
    for study in list(&reference()["studies"]) {
        let (table, found) = (table(study), &study["found"]);
        let name = study["name"].as_str().unwrap();
        let figures = figures_of_merit(&table, FigureOfMerit::Auc);
        assert!(figures.left_out.is_empty());
        let cells = list(&found["auc"])
            .iter()
            .flat_map(|mode| list(mode).iter());
        for (cell, expected) in figures.cells.iter().zip(cells) {
            close(cell.value, expected, name);
        }
        check_analysis(
            &figures,
            jackknife(&figures),
            &found["jackknife"],
            &format!("{name}, jackknife"),
        );
        check_analysis(
            &figures,
            unbiased(&table, &figures).unwrap(),
            &found["unbiased"],
            &format!("{name}, unbiased"),
        );
        match delong(&table, &figures) {
            Ok(covariance) => check_analysis(
                &figures,
                covariance,
                &found["delong"],
                &format!("{name}, DeLong"),
            ),
            Err(_) => assert!(found["delong"].is_null(), "{name}"),
        }
        let called = table.called_at(0.5);
        for (figure, key) in [
            (FigureOfMerit::Sensitivity, "sensitivity"),
            (FigureOfMerit::Specificity, "specificity"),
        ] {
            let figures = figures_of_merit(&called, figure);
            check_analysis(
                &figures,
                jackknife(&figures),
                &found[key],
                &format!("{name}, {key}"),
            );
        }
    }
}

#[test]
fn u_statistics_are_those_of_the_definition() {
    for study in list(&reference()["studies"]) {
        let (table, found) = (table(study), &study["found"]);
        let name = study["name"].as_str().unwrap();
        for (mode, key) in [(0, "first"), (1, "second")] {
            let (own, expected) = (area(&table, mode).unwrap(), &found["u"][key]);
            close(own.value, &expected["value"], name);
            close(own.variance, &expected["variance"], name);
            close(own.df, &expected["df"], name);
            close(own.interval.0, &expected["interval"][0], name);
            for at in 0..8 {
                close(own.coefficients[at], &expected["coefficients"][at], name);
                match own.moments[at] {
                    Some(moment) => close(moment, &expected["moments"][at], name),
                    None => assert!(expected["moments"][at].is_null(), "{name} M{}", at + 1),
                }
            }
        }
        let (own, expected) = (
            area_difference(&table, 0, 1).unwrap(),
            &found["u"]["difference"],
        );
        close(own.value, &expected["value"], name);
        close(own.variance, &expected["variance"], name);
        close(own.df, &expected["df"], name);
        close(own.p.unwrap(), &expected["p"], name);
        close(own.interval.1, &expected["interval"][1], name);
        let called = table.called_at(0.5);
        for (figure, key) in [
            (FigureOfMerit::Sensitivity, "u_sensitivity"),
            (FigureOfMerit::Specificity, "u_specificity"),
        ] {
            let (own, expected) = (
                proportion(&called, figure, 0).unwrap(),
                &found[key]["first"],
            );
            close(own.value, &expected["value"], key);
            close(own.variance, &expected["variance"], key);
            close(own.df, &expected["df"], key);
            let (own, expected) = (
                proportion_difference(&called, figure, 0, 1).unwrap(),
                &found[key]["difference"],
            );
            close(own.value, &expected["value"], key);
            close(own.variance, &expected["variance"], key);
            close(own.df, &expected["df"], key);
            close(own.p.unwrap(), &expected["p"], key);
        }
    }
}

#[test]
fn free_response_figures_and_their_analysis() {
    let reference = reference();
    let data = &reference["froc"];
    let numbers = |value: &Value| {
        list(value)
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect::<Vec<f64>>()
    };
    let cases = list(&data["lesions"])
        .iter()
        .enumerate()
        .map(|(at, lesions)| FrocCase {
            patient: at.to_string(),
            lesions: numbers(lesions),
        });
    let mut study = FrocStudy {
        cases: cases.collect(),
        modes: 2,
        readers: 3,
        marks: HashMap::new(),
    };
    for (mode, readers) in list(&data["marks"]).iter().enumerate() {
        for (reader, row) in list(readers).iter().enumerate() {
            let marks = list(row).iter().map(|marks| {
                Some(FrocMarks {
                    lesions: list(&marks["lesions"]).iter().map(Value::as_f64).collect(),
                    false_marks: numbers(&marks["false"]),
                })
            });
            study.marks.insert((mode, reader), marks.collect());
        }
    }
    for (weighting, key) in [
        (LesionWeighting::Lesions, "afroc"),
        (LesionWeighting::Cases, "wafroc"),
    ] {
        let (figures, expected) = (froc_figures(&study, weighting), &data["found"][key]);
        for (cell, theta) in figures.cells.iter().zip(list(&expected["theta"])) {
            close(cell.value, theta, key);
        }
        check_analysis(&figures, jackknife(&figures), expected, key);
    }
}

#[test]
fn agreement_of_raters_is_that_of_irrcac_and_krippendorff() {
    for set in list(&reference()["raters"]) {
        let rows: Vec<Vec<Option<f64>>> = list(&set["rows"])
            .iter()
            .map(|row| list(row).iter().map(Value::as_f64).collect())
            .collect();
        let (rated, once) = (RatedUnits::new(&rows), vec![1.0; rows.len()]);
        let name = set["name"].as_str().unwrap();
        for (distance, ac, key) in [
            (CategoryDistance::Nominal, "ac1", "nominal"),
            (CategoryDistance::Ordinal, "ac2_linear", "ordinal"),
            (CategoryDistance::Interval, "ac2_quadratic", "interval"),
        ] {
            close(
                gwet(&rated, distance, &once).unwrap(),
                &set[ac],
                &format!("{name} {ac}"),
            );
            let alpha = krippendorff_alpha(&rated, distance, &once).unwrap();
            close(alpha, &set["alpha"][key], &format!("{name} α {key}"));
        }
        match fleiss_kappa(&rated, &once) {
            Some(kappa) => close(kappa, &set["fleiss"], name),
            None => assert!(set["fleiss"].is_null()),
        }
    }
}

#[test]
fn the_model_of_reading_times_is_lme4s() {
    let lme4: Value =
        serde_json::from_str(include_str!("data/reader_statistics_lme4.json")).unwrap();
    for (set, expected) in list(&reference()["times"]).iter().zip(list(&lme4)) {
        let readings: Vec<ReadingTime> = list(&set["rows"])
            .iter()
            .map(|row| ReadingTime {
                reader: row[0].as_u64().unwrap() as usize,
                second: row[1] == 1,
                time: row[2].as_f64().unwrap(),
            })
            .collect();
        let found = reading_times(&readings).unwrap();
        // lme4's optimum is that of a numerical search, too.
        let near = |found: f64, key: &str| {
            let expected = expected[key].as_f64().unwrap();
            assert!(
                (found - expected).abs() < 2e-6,
                "{} {key}: {found} {expected}",
                set["name"]
            );
        };
        near(found.log_ratio, "beta");
        near(found.first.ln(), "intercept");
        near(found.standard_error, "error");
        near(found.reader_deviation, "reader");
        near(found.reader_by_mode_deviation, "cell");
        near(found.residual_deviation, "residual");
    }
}

/// The study of Van Dyke and others 1993, whose data the packages MRMCaov and RJafroc hold under a licence of their own:
/// a file in iMRMC's form in the folder of `CXR_CORPORA`. What is expected is printed in MRMCaov's user guide and the
/// vignette of its article (<https://brian-j-smith.github.io/MRMCaov/using.html>), with seven digits.
#[test]
fn the_study_of_van_dyke_is_as_mrmcaov_prints_it() {
    let folder = std::env::var_os("CXR_CORPORA").map(PathBuf::from);
    let file = folder
        .map(|folder| folder.join("mrmc/VanDyke.imrmc"))
        .filter(|file| file.exists());
    let Some(file) = file else {
        return skip::skip_on_this_machine("no mrmc/VanDyke.imrmc in the folder of CXR_CORPORA");
    };
    let table = read_imrmc(&std::fs::read_to_string(file).unwrap());
    let figures = figures_of_merit(&table, FigureOfMerit::Auc);
    let analysis = |figures: &FiguresOfMerit, covariance, factors| {
        obuchowski_rockette(&MrmcEstimates::new(figures, covariance), factors).unwrap()
    };
    let near = |found: f64, expected: f64| {
        assert!(
            (found - expected).abs() < 1e-6 * expected.abs().max(1e-4),
            "{found} {expected}"
        );
    };
    let random = FactorTypes::RandomReadersRandomCases;
    for (covariance, [error, cov1, cov2, cov3, f, df2, p]) in [
        (
            delong(&table, &figures).unwrap(),
            [
                0.0007921325,
                0.0003420090,
                0.0003395265,
                0.0002358497,
                4.484854,
                15.06611,
                0.05123303,
            ],
        ),
        (
            unbiased(&table, &figures).unwrap(),
            [
                0.0007883925,
                0.0003416706,
                0.0003390650,
                0.0002356148,
                4.489614,
                15.03418,
                0.0511618,
            ],
        ),
    ] {
        let found = analysis(&figures, covariance, random);
        let (components, test) = (found.components, found.test.unwrap());
        let pairs = [
            (components.error, error),
            (components.cov1, cov1),
            (components.cov2, cov2),
            (components.cov3, cov3),
        ];
        pairs
            .into_iter()
            .for_each(|(found, expected)| near(found, expected));
        [(test.statistic, f), (test.df2.unwrap(), df2), (test.p, p)]
            .into_iter()
            .for_each(|(found, expected)| near(found, expected));
    }
    let found = analysis(&figures, jackknife(&figures), FactorTypes::FixedReaders);
    near(found.components.error, 0.0008022883);
    near(found.components.mode_by_reader.unwrap(), 0.0002004025);
    near(found.test.unwrap().statistic, 5.475953);
    near(found.test.unwrap().p, 0.01927984);
    near(
        analysis(&figures, jackknife(&figures), FactorTypes::FixedCases)
            .test
            .unwrap()
            .p,
        0.04195875,
    );
    let called = table.called_at(3.0);
    let figures = figures_of_merit(&called, FigureOfMerit::Sensitivity);
    let found = analysis(&figures, jackknife(&figures), random);
    near(found.components.error, 0.0023681257);
    near(found.components.cov2, 0.0010145903);
    let (test, difference, means) = (
        found.test.unwrap(),
        found.differences.unwrap()[0],
        found.means.unwrap(),
    );
    near(test.statistic, 6.689493);
    near(test.df2.unwrap(), 15.71732);
    near(test.p, 0.02008822);
    near(difference.value, -0.09777778);
    near(difference.interval.0, -0.1780371);
    near(means[0].interval.0, 0.6961876);
    near(means[1].interval.1, 1.0);
}

fn read_imrmc(text: &str) -> ReadingTable {
    let rows = text
        .lines()
        .skip_while(|line| *line != "BEGIN DATA:")
        .skip(1);
    let rows: Vec<Vec<&str>> = rows.map(|line| line.split(',').collect()).collect();
    let cases = rows
        .iter()
        .filter(|row| row[0] == "truth")
        .map(|row| StudyCase {
            name: row[1].to_owned(),
            patient: row[1].to_owned(),
            positive: row[3] == "1",
        });
    let mut table = ReadingTable::new(cases.collect()).unwrap();
    for row in rows.iter().filter(|row| row[0] != "truth") {
        table
            .add(row[0], row[2], row[1], row[3].parse().unwrap())
            .unwrap();
    }
    table
}
