use unicode_width::UnicodeWidthStr;

use super::*;
use crate::evaluation::report::{Images, Interval, IntervalMethod};

fn figure(group: CaseGroup, statistic: Statistic, value: Option<f64>) -> Estimate {
    Estimate {
        question: "COVID-19".to_owned(),
        group,
        statistic,
        operating_point: None,
        prevalence: None,
        value,
        interval: value.map(|value| Interval {
            low: value - 0.05,
            high: value + 0.05,
            method: IntervalMethod::Bootstrap,
        }),
        n: 1672,
        positives: Some(195),
        patients: 1201,
    }
}

fn report() -> EvaluationReport {
    let point = NamedThreshold {
        name: "balanced".to_owned(),
        threshold: 0.1487,
    };
    let other = CaseGroup {
        column: Some("source".to_owned()),
        value: "a very long name of a hospital, 大学病院".to_owned(),
    };
    let mut figures = Vec::new();
    for group in [CaseGroup::all(), other] {
        figures.push(figure(group.clone(), Statistic::Auc, Some(0.9)));
        figures.push(figure(group.clone(), Statistic::AveragePrecision, None));
        figures.push(figure(
            group.clone(),
            Statistic::CalibrationSlope,
            Some(-12.5),
        ));
        let mut rate = figure(group, Statistic::Sensitivity, Some(0.95));
        rate.operating_point = Some(point.clone());
        rate.interval = rate.interval.map(|interval| Interval {
            method: IntervalMethod::Wilson,
            ..interval
        });
        figures.push(rate.clone());
        let mut same = rate.clone();
        same.operating_point = Some(NamedThreshold {
            name: "90 % sensitivity".to_owned(),
            ..point.clone()
        });
        figures.push(same);
        for (statistic, share) in [
            (Statistic::PositivePredictiveValue, 195.0 / 1672.0),
            (Statistic::PositivePredictiveValueAssumed, 0.0005),
        ] {
            figures.push(Estimate {
                statistic,
                prevalence: Some(share),
                ..rate.clone()
            });
        }
    }
    EvaluationReport {
        about: ReportScope {
            model: "cxr-lite0 0.1.0".to_owned(),
            model_sha256: "6b2443b655b773935eee7ba2".to_owned(),
            manifest: "manifest.csv".to_owned(),
            images: Images {
                scored: 1672,
                refused: 3,
                failed: 0,
            },
            notes: vec!["a note ".repeat(40)],
            ..ReportScope::default()
        },
        figures,
        comparisons: vec![Compared {
            question: "COVID-19".to_owned(),
            group: CaseGroup::all(),
            n: 1672,
            positives: 195,
            patients: 1201,
            auc: 0.984,
            auc_against: 0.9,
            difference: 0.084,
            interval: Some(Interval {
                low: -0.01,
                high: 0.1,
                method: IntervalMethod::Bootstrap,
            }),
            delong_low: None,
            delong_high: None,
            delong_z: Some(3.5),
            delong_p: Some(0.000_4),
        }],
    }
}

#[test]
fn it_fits_a_hundred_columns() {
    for line in terminal(&report()).lines() {
        assert!(line.width() <= 100, "{}: {line}", line.width());
    }
}

#[test]
fn values_stand_beside_their_intervals_and_what_is_undefined_says_so() {
    let text = terminal(&report());
    for part in [
        "0.900 (0.850–0.950)",
        "n/a",
        "0.950 (0.900–1.000)w",
        "-12.5 (-12.6 to -12.4)",
        "at the balanced and 90 % sensitivity operating point, score ≥ 0.1487",
        "at positives of",
        "11.7 %, as here      0.950 (0.900–1.000)w",
        "0.05 %, as asked",
        "0.084 (-0.010 to 0.100)",
        "< 0.001",
        "1672 scored of 0 patients, 3 refused, 0 failed",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn where_a_heat_map_looks_stands_apart_and_beside_its_control() {
    let mut report = report();
    let apart = "COVID-19: where the heat map looks";
    assert!(!terminal(&report).contains(apart));
    for (statistic, value) in [
        (Statistic::PointingAccuracy, 0.75),
        (Statistic::ControlPointingAccuracy, 0.5),
        (Statistic::EvidenceInBoxes, 0.41),
        (Statistic::IntersectionOverUnion, 0.33),
        (Statistic::EvidenceInLungsMedian, 0.88),
        (Statistic::EvidenceInLungsLow, 0.52),
    ] {
        let figure = figure(CaseGroup::all(), statistic, Some(value));
        report.figures.push(Estimate {
            positives: None,
            ..figure
        });
    }
    let text = terminal(&report);
    let (scores, map) = text.split_once(apart).expect(apart);
    assert_eq!(scores.matches("\nCOVID-19\n").count(), 1);
    assert!(!scores.contains("pointing accuracy"), "{text}");
    for part in [
        "pointing accuracy    middle of each lung",
        "1672                1201  0.750 (0.700–0.800)  0.500 (0.450–0.550)",
        "evidence in boxes    IoU at half maximum  in lungs, median     in lungs, 5th pct.",
        "0.410 (0.360–0.460)  0.330 (0.280–0.380)  0.880 (0.830–0.930)  0.520 (0.470–0.570)",
    ] {
        assert!(map.contains(part), "{part} in\n{text}");
    }
    for line in text.lines() {
        assert!(line.width() <= 100, "{}: {line}", line.width());
    }
    // Without lung fields there are no columns for them.
    report
        .figures
        .retain(|figure| !figure.statistic.name().contains("in the lungs"));
    assert!(!terminal(&report).contains("in lungs"));
}

#[test]
fn a_zero_has_no_sign_and_a_large_number_fewer_digits() {
    assert_eq!(with_interval(-0.001, None, 2, "–"), "0.00");
    let interval = Some(Interval {
        low: -123.4,
        high: 0.2,
        method: IntervalMethod::Bootstrap,
    });
    assert_eq!(with_interval(-1.4, interval, 2, " to "), "-1 (-123 to 0)");
}

#[test]
fn no_share_is_all_or_none_that_is_not() {
    let within = |low, high| {
        Some(Interval {
            low,
            high,
            method: IntervalMethod::Wilson,
        })
    };
    let words = |value, interval| share_with_interval(value, interval, 3);
    assert_eq!(words(0.99978, None), "> 0.999");
    assert_eq!(words(0.0002, within(0.0, 0.001)), "<0.001 (0.000–0.001)w");
    let all = within(0.99951, 1.0 - 1e-7);
    assert_eq!(words(0.99978, all), ">0.999 (>0.999–>0.999)w");
    assert_eq!(words(1.0, within(0.95, 1.0)), "1.000 (0.950–1.000)w");
    assert_eq!(words(1.0 - 1e-15, None), "1.000");
    assert_eq!(words(0.0, None), "0.000");
    assert_eq!(share_with_interval(0.996, None, 2), "> 0.99");

    let mut report = report();
    for figure in &mut report.figures {
        figure.value = figure.value.map(|_| 0.99978);
        figure.interval = all;
    }
    report.comparisons[0].auc = 0.99978;
    let text = terminal(&report);
    assert!(text.contains(" > 0.999   0.900"), "{text}");
    for line in text.lines() {
        assert!(line.width() <= 100, "{}: {line}", line.width());
    }
}

#[test]
fn a_wide_number_moves_its_whole_column() {
    let mut report = report();
    report.figures.clear();
    for (name, low) in [("all", -0.5), ("ward", -3.5)] {
        let group = CaseGroup {
            column: None,
            value: name.to_owned(),
        };
        report.figures.extend(
            [
                (Statistic::MeanAbsoluteError, 1.0),
                (Statistic::LowerLimitOfAgreement, low),
                (Statistic::UpperLimitOfAgreement, 3.25),
            ]
            .map(|(statistic, value)| figure(group.clone(), statistic, Some(value))),
        );
    }
    let text = terminal(&report);
    let rows = text.split_once("lower limit").unwrap().1;
    let heading = text.lines().find(|line| line.contains("lower limit"));
    let at = heading.unwrap().find("upper limit");
    let found: Vec<_> = rows
        .lines()
        .skip(1)
        .take(2)
        .map(|l| l.find("3.25"))
        .collect();
    assert_eq!(found, [at, at], "{text}");
}

#[test]
fn text_is_cut_to_its_width() {
    assert_eq!(padded("ab", 5), "ab   ");
    assert_eq!(padded("abcdef", 5), "abc… ");
    assert_eq!(padded("大学病院", 6), "大学… ");
}
