use super::super::{Answers, Case, CaseOutcome, EvaluationResult, MeasuredModel, measure};
use super::*;
use crate::evaluation::pointing::{MapOverlap, PointingAnswers};
use crate::evaluation::question::ReferenceStandard;
use crate::evaluation::report::IntervalMethod;

/// Two films of each patient, the first twenty in one house.
fn cases(count: usize) -> Vec<Case> {
    let case = |n: usize| Case {
        path: n.to_string().into(),
        patient: format!("p{}", n / 2),
        groups: vec![if n < 20 { "a" } else { "b" }.to_owned()],
        truth: ReferenceStandard::default(),
        ..Case::default()
    };
    (0..count).map(case).collect()
}

fn label(is_hit: bool, evidence: Option<f64>) -> Option<LabelPointing> {
    Some(LabelPointing {
        is_hit,
        overlap: MapOverlap {
            evidence_in_boxes: evidence,
            intersection_over_union: Some(0.25),
        },
    })
}

fn film(labels: Vec<Option<LabelPointing>>, control: f64, in_lungs: Option<f64>) -> FilmPointing {
    FilmPointing {
        labels,
        control,
        is_control_of_this_film: true,
        evidence_in_lungs: in_lungs,
    }
}

fn measured(cases: &[Case], labels: &[&str], films: Vec<Option<FilmPointing>>) -> EvaluationResult {
    let labels = labels.iter().map(|label| (*label).to_owned());
    let model = MeasuredModel {
        answers: Answers {
            labels: Vec::new(),
            outcomes: vec![CaseOutcome::Failed; cases.len()],
        },
        pointing: PointingAnswers {
            labels: labels.collect(),
            films,
        },
        ..MeasuredModel::default()
    };
    measure(&EvaluationStudy {
        cases,
        group_columns: &["house".to_owned()],
        model: &model,
        against: None,
        prevalences: &[],
        jobs: 2,
    })
}

fn find<'a>(
    measured: &'a EvaluationResult,
    label: &str,
    group: &str,
    statistic: Statistic,
) -> Option<&'a Estimate> {
    let mut figures = measured.figures.iter();
    figures.find(|figure| {
        figure.question == label && figure.group.value == group && figure.statistic == statistic
    })
}

#[test]
fn means_are_over_the_films_with_a_map_in_each_group() {
    let cases = cases(40);
    // Three of four hit in a, one of four in b; the last two films have no map.
    let films = (0..40).map(|n| {
        let is_hit = if n < 20 { n % 4 != 0 } else { n % 4 == 0 };
        let evidence = (n % 2 == 0).then_some(0.5);
        let control = [0.0, 0.5, 1.0, 0.5][n % 4];
        (n < 38).then(|| film(vec![label(is_hit, evidence)], control, None))
    });
    let found = measured(&cases, &["Pneumonia"], films.collect());
    let of = |group, statistic| find(&found, "Pneumonia", group, statistic).unwrap();
    let all = of("all", Statistic::PointingAccuracy);
    assert_eq!((all.n, all.patients, all.positives), (38, 19, None));
    assert!((all.value.unwrap() - 20.0 / 38.0).abs() < 1e-12);
    let interval = all.interval.unwrap();
    assert_eq!(interval.method, IntervalMethod::Bootstrap);
    assert!(interval.low < 20.0 / 38.0 && 20.0 / 38.0 < interval.high);
    assert_eq!(of("a", Statistic::PointingAccuracy).value, Some(0.75));
    assert_eq!(of("b", Statistic::PointingAccuracy).n, 18);
    assert_eq!(of("a", Statistic::ControlPointingAccuracy).value, Some(0.5));
    // A map without positive evidence has no share of it.
    let evidence = of("all", Statistic::EvidenceInBoxes);
    assert_eq!(
        (evidence.n, evidence.value, evidence.interval),
        (19, Some(0.5), None)
    );
    assert_eq!(of("b", Statistic::IntersectionOverUnion).value, Some(0.25));
    // No film has lung fields.
    let lungs = find(&found, "Pneumonia", "all", Statistic::EvidenceInLungsMedian);
    assert_eq!(lungs, None);
}

#[test]
fn a_share_of_all_hits_has_wilsons_interval() {
    let cases = cases(20);
    let films = (0..20).map(|_| Some(film(vec![label(true, None)], 1.0, None)));
    let found = measured(&cases, &["Pneumonia"], films.collect());
    let all = find(&found, "Pneumonia", "all", Statistic::PointingAccuracy).unwrap();
    let interval = all.interval.unwrap();
    assert_eq!(
        (all.value, interval.method),
        (Some(1.0), IntervalMethod::Wilson)
    );
    assert!((interval.low - 0.8389).abs() < 5e-5, "{interval:?}");
    // A mean of halves is no share of films, so it has none.
    let control = find(
        &found,
        "Pneumonia",
        "all",
        Statistic::ControlPointingAccuracy,
    );
    assert_eq!(control.unwrap().interval, None);
    assert_eq!(
        find(&found, "Pneumonia", "all", Statistic::EvidenceInBoxes),
        None
    );
}

/// numpy.percentile(numpy.arange(40) / 39, [5, 50]) is 0.05 and 0.5.
#[test]
fn the_share_in_the_lungs_is_that_of_pneumonia() {
    let cases = cases(40);
    let films = (0..40_u32).map(|n| {
        let share = f64::from(39 - n) / 39.0;
        Some(film(vec![label(true, Some(share)); 2], 0.5, Some(share)))
    });
    let found = measured(&cases, &["Effusion", "Pneumonia"], films.collect());
    for (statistic, expected) in [
        (Statistic::EvidenceInLungsMedian, 0.5),
        (Statistic::EvidenceInLungsLow, 0.05),
    ] {
        let figure = find(&found, "Pneumonia", "all", statistic).unwrap();
        let (value, interval) = (figure.value.unwrap(), figure.interval.unwrap());
        assert!((value - expected).abs() < 1e-12, "{value}");
        assert!(
            interval.low <= value && value <= interval.high,
            "{interval:?}"
        );
        assert_eq!((figure.n, figure.patients), (40, 20));
        assert_eq!(find(&found, "Effusion", "all", statistic), None);
    }
    assert!(find(&found, "Effusion", "all", Statistic::PointingAccuracy).is_some());
}

#[test]
fn without_boxes_nothing_is_measured() {
    let found = measured(&cases(4), &[], Vec::new());
    assert!(found.figures.is_empty());
    let found = measured(&cases(4), &["Pneumonia"], vec![None; 4]);
    assert!(found.figures.is_empty());
}
