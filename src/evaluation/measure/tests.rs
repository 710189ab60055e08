use super::figures::ASSUMED;
use super::*;
use crate::evaluation::question::ReferenceStandard;
use crate::evaluation::report::{IntervalMethod, Statistic};
use crate::evaluation::statistics::expected_calibration_error;

fn case(name: &str, patient: &str, source: &str, ill: Option<bool>) -> Case {
    Case {
        path: name.into(),
        patient: patient.to_owned(),
        groups: vec![source.to_owned()],
        truth: ReferenceStandard {
            pneumonia: ill,
            geographic_extent: Some(4.0),
            ..ReferenceStandard::default()
        },
        ..Case::default()
    }
}

fn scored(score: f64) -> CaseOutcome {
    CaseOutcome::Scored {
        labels: vec![Some(score)],
        geographic_extent: Some(score * 8.0),
        opacity: None,
    }
}

fn model(outcomes: Vec<CaseOutcome>) -> MeasuredModel {
    let point = NamedThreshold {
        name: "balanced".to_owned(),
        threshold: 0.5,
    };
    MeasuredModel {
        answers: Answers {
            labels: vec!["Pneumonia".to_owned()],
            outcomes,
        },
        points: vec![("Pneumonia".to_owned(), point)],
        pointing: PointingAnswers::default(),
    }
}

/// Forty patients in two sources, the second all ill; scores that are mostly right.
fn forty() -> (Vec<Case>, MeasuredModel) {
    let cases = (0..40).map(|n| {
        let source = if n < 20 { "a" } else { "b" };
        case(
            &n.to_string(),
            &format!("p{n}"),
            source,
            Some(n % 2 == 0 || n >= 20),
        )
    });
    let scores = (0..40).map(|n| scored(f64::from((n * 7 + (n % 2) * 3) % 40) / 40.0));
    (cases.collect(), model(scores.collect()))
}

fn run(
    cases: &[Case],
    model: &MeasuredModel,
    against: Option<&Answers>,
    jobs: usize,
) -> EvaluationResult {
    measure(&EvaluationStudy {
        cases,
        group_columns: &["source".to_owned()],
        model,
        against,
        prevalences: &[],
        jobs,
    })
}

fn find<'a>(measured: &'a EvaluationResult, group: &str, statistic: Statistic) -> &'a Estimate {
    let found = measured.figures.iter();
    let mut found = found.filter(|f| f.group.value == group && f.statistic == statistic);
    found.next().unwrap()
}

#[test]
fn what_is_undefined_stays_undefined_and_the_rest_has_its_interval() {
    let (cases, model) = forty();
    let measured = run(&cases, &model, None, 2);
    let all = find(&measured, "all", Statistic::Auc);
    assert_eq!((all.n, all.positives, all.patients), (40, Some(30), 40));
    let interval = all.interval.unwrap();
    assert!(interval.low < all.value.unwrap() && all.value.unwrap() < interval.high);
    assert_eq!(interval.method, IntervalMethod::Bootstrap);
    let one_class = find(&measured, "b", Statistic::Auc);
    assert_eq!((one_class.value, one_class.interval), (None, None));
    assert_eq!(find(&measured, "b", Statistic::Specificity).value, None);
    for by_design in [
        Statistic::PositivePredictiveValue,
        Statistic::NegativePredictiveValue,
    ] {
        let found = find(&measured, "b", by_design);
        assert_eq!((found.value, found.interval), (None, None));
    }
    assert_eq!(measured.panels.len(), 1);
    assert_eq!(measured.panels[0].groups.len(), 1, "b has but one class");
}

/// A draw has chance added to the chance of its sample, so that its calibration error is larger: all draws may lie above
/// the value.
#[test]
fn a_calibration_error_lies_within_its_interval() {
    let names: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    // The share of positives in each bin is its score, but for a case or none.
    let rows = names.iter().enumerate().map(|(n, name)| {
        let bin = n % 10;
        (
            bin as f64 / 10.0 + 0.05,
            n / 10 * 10 + 5 < bin * 6,
            name.as_str(),
        )
    });
    let sample = Sample::new(rows);
    let found = figures("q", &CaseGroup::all(), &sample, &[]).into_iter();
    let mut found = found.filter(|figure| figure.statistic == Statistic::CalibrationError);
    let error = found.next().unwrap();
    let (value, interval) = (error.value.unwrap(), error.interval.unwrap());
    let draw = |weights: &[f64]| vec![expected_calibration_error(&sample, weights)];
    let drawn = bootstrap::intervals(sample.owner(), sample.patients(), 1, draw);
    assert!(value < drawn[0].unwrap().0, "{value} {drawn:?}");
    assert_eq!((interval.low, interval.high), (0.0, value));
}

#[test]
fn a_predictive_value_says_its_prevalence_and_is_given_at_another() {
    let (cases, model) = forty();
    let prevalences = [("Pneumonia".to_owned(), Prevalence::new(0.05).unwrap())];
    let measured = measure(&EvaluationStudy {
        cases: &cases,
        group_columns: &["source".to_owned()],
        model: &model,
        against: None,
        prevalences: &prevalences,
        jobs: 2,
    });
    let all = |statistic| find(&measured, "all", statistic);
    let (own, assumed) = (
        all(Statistic::PositivePredictiveValue),
        all(Statistic::PositivePredictiveValueAssumed),
    );
    assert_eq!(
        (own.prevalence, assumed.prevalence),
        (Some(0.75), Some(0.05))
    );
    assert_eq!(all(Statistic::Sensitivity).prevalence, None);
    let rate = |statistic| all(statistic).value.unwrap();
    let (sensitivity, specificity) = (rate(Statistic::Sensitivity), rate(Statistic::Specificity));
    let bayes = sensitivity * 0.05 / (sensitivity * 0.05 + (1.0 - specificity) * 0.95);
    assert!((assumed.value.unwrap() - bayes).abs() < 1e-12);
    assert!(assumed.value.unwrap() < own.value.unwrap() / 2.0);
    let interval = assumed.interval.unwrap();
    assert_eq!(interval.method, IntervalMethod::Bootstrap);
    assert!(interval.low < bayes && bayes < interval.high);
    // Without the other class nothing can be said of a clinic, though the sample has a PPV of 1.
    let one_class = find(&measured, "b", Statistic::PositivePredictiveValueAssumed);
    assert_eq!((one_class.value, one_class.interval), (None, None));
    // What was there before is as it was.
    let without = run(&cases, &model, None, 1);
    let kept = measured
        .figures
        .iter()
        .filter(|f| !ASSUMED.contains(&f.statistic));
    assert!(kept.eq(without.figures.iter()));
}

#[test]
fn a_perfect_sample_gets_a_wide_interval_at_another_prevalence() {
    let cases: Vec<Case> = (0..40)
        .map(|n| case(&n.to_string(), &format!("p{n}"), "a", Some(n % 2 == 0)))
        .collect();
    let scores = (0..40).map(|n| scored(if n % 2 == 0 { 0.9 } else { 0.1 }));
    let model = model(scores.collect());
    let prevalences = [("Pneumonia".to_owned(), Prevalence::new(0.01).unwrap())];
    let measured = measure(&EvaluationStudy {
        cases: &cases,
        group_columns: &[],
        model: &model,
        against: None,
        prevalences: &prevalences,
        jobs: 1,
    });
    let assumed = find(&measured, "all", Statistic::PositivePredictiveValueAssumed);
    let interval = assumed.interval.unwrap();
    assert_eq!(
        (assumed.value, interval.method),
        (Some(1.0), IntervalMethod::Wilson)
    );
    assert!(interval.low < 0.05, "{interval:?}");
}

#[test]
fn the_four_cells_add_up() {
    let (cases, model) = forty();
    let measured = run(&cases, &model, None, 1);
    let cell = |statistic| find(&measured, "all", statistic).value.unwrap();
    let positive = cell(Statistic::TruePositives) + cell(Statistic::FalseNegatives);
    let negative = cell(Statistic::FalsePositives) + cell(Statistic::TrueNegatives);
    assert_eq!((positive, negative), (30.0, 10.0));
    let rate = cell(Statistic::TruePositives) / positive;
    assert_eq!(
        find(&measured, "all", Statistic::Sensitivity).value,
        Some(rate)
    );
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (cases, model) = forty();
    let (one, three) = (run(&cases, &model, None, 1), run(&cases, &model, None, 3));
    assert_eq!(one.figures, three.figures);
}

#[test]
fn refused_and_failed_images_and_unknown_truths_are_in_no_figure() {
    let cases = [
        case("a", "p", "s", Some(true)),
        case("b", "q", "s", Some(false)),
        case("c", "r", "s", None),
        case("d", "t", "s", Some(true)),
        case("e", "u", "s", Some(true)),
    ];
    let model = model(vec![
        scored(0.9),
        scored(0.1),
        scored(0.5),
        CaseOutcome::Refused,
        CaseOutcome::Failed,
    ]);
    let measured = run(&cases, &model, None, 1);
    assert_eq!(find(&measured, "all", Statistic::Auc).n, 2);
    let images = Images {
        scored: 3,
        refused: 1,
        failed: 1,
    };
    assert_eq!(model.answers.images(), images);
    assert_eq!(patients(&cases, &model.answers), 3);
}

#[test]
fn severity_is_measured_where_both_have_it() {
    let (cases, model) = forty();
    let measured = run(&cases, &model, None, 1);
    let error = find(&measured, "all", Statistic::MeanAbsoluteError);
    assert_eq!(error.question, "geographic_extent");
    assert!(error.interval.is_some() && error.positives.is_none());
    // The truth is 4 everywhere.
    assert_eq!(find(&measured, "all", Statistic::Pearson).value, None);
    assert!(measured.figures.iter().all(|f| f.question != "opacity"));
    let value = |of| find(&measured, "all", of).value.unwrap();
    let bias = value(Statistic::MeanDifference);
    let [low, high] = [
        Statistic::LowerLimitOfAgreement,
        Statistic::UpperLimitOfAgreement,
    ]
    .map(value);
    assert!(low < bias && bias < high && (low + high - 2.0 * bias).abs() < 1e-9);
    let [panel] = &measured.severities[..] else {
        panic!("one scale")
    };
    assert_eq!(panel.pairs.len(), error.n);
}

#[test]
fn a_second_model_is_compared_on_what_both_scored() {
    let (cases, model) = forty();
    let mut against = model.answers.clone();
    against.outcomes[1] = CaseOutcome::Refused;
    let same = run(&cases, &model, Some(&against), 2);
    assert_eq!(
        same.comparisons.len(),
        2,
        "all, and the source with both classes"
    );
    let all = &same.comparisons[0];
    assert_eq!((all.n, all.difference, all.delong_p), (39, 0.0, None));
    for (n, outcome) in against.outcomes.iter_mut().enumerate() {
        *outcome = scored(f64::from(u32::try_from(n).unwrap() * 3 % 40) / 40.0);
    }
    let other = run(&cases, &model, Some(&against), 2);
    let all = &other.comparisons[0];
    assert!(all.delong_p.is_some() && all.interval.is_some());
    assert!((all.auc - all.auc_against - all.difference).abs() < 1e-12);
}

#[test]
fn nothing_at_all_is_measured_as_nothing() {
    let measured = run(&[], &model(Vec::new()), None, 2);
    assert!(measured.figures.is_empty() && measured.panels.is_empty());
    assert_eq!(measured.unanswered, ["Pneumonia"]);
}

/// Two folds that rank their own cases well, on scales of their own: together they look worse.
#[test]
fn an_area_within_strata_compares_no_two_scales() {
    let sample = |rows: &[(f64, bool, &str)]| Sample::new(rows.iter().copied());
    let high = [(0.9, true, "a"), (0.8, false, "b"), (0.7, false, "c")];
    let low = [(0.2, true, "d"), (0.1, false, "e")];
    let (area, _) = area_within(&[sample(&high), sample(&low)]).unwrap();
    assert_eq!(area, 1.0);
    let pooled = sample(&[&high[..], &low[..]].concat());
    let pooled = area_under_roc(&pooled, &pooled.once()).unwrap();
    assert!((pooled - 4.0 / 6.0).abs() < 1e-12, "{pooled}");
    // Each fold counts by its pairs: one of two right, and one of one.
    let torn = [(0.75, true, "a"), (0.8, false, "b"), (0.7, false, "c")];
    let (area, _) = area_within(&[sample(&torn), sample(&low)]).unwrap();
    assert!((area - 2.0 / 3.0).abs() < 1e-12, "{area}");
    let one_class = [(0.5, true, "f")];
    let (same, _) = area_within(&[sample(&torn), sample(&low), sample(&one_class)]).unwrap();
    assert_eq!(same, area);
    assert_eq!(area_within(&[sample(&one_class)]), None);
}

/// Two folds that rank their own cases as the other model does, on scales of their own: together they
/// look worse, fold by fold they are as good.
#[test]
fn a_difference_within_strata_does_not_compare_two_scales() {
    let names: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    let sample = |fold: usize, scale: f64| {
        let cases = (0..20).map(|n| {
            let score = (n * 7 % 20) as f64 / 20.0;
            let positive = score > 0.3 && n % 4 != 0;
            (score * scale, positive, names[fold * 20 + n].as_str())
        });
        Sample::new(cases)
    };
    let strata = [
        (sample(0, 1.0), sample(0, 1.0)),
        (sample(1, 0.1), sample(1, 1.0)),
    ];
    let (difference, _) = difference_within(&strata).unwrap();
    assert!(difference.abs() < 1e-12, "{difference}");

    // All pairs are turned around in one of two folds of the same size.
    let turned = |fold: usize| {
        let sample = sample(fold, 1.0);
        let rows = sample
            .scores()
            .iter()
            .zip(sample.positive())
            .zip(sample.owner());
        let rows: Vec<_> = rows
            .map(|((score, positive), who)| {
                (1.0 - score, *positive, names[fold * 20 + who].as_str())
            })
            .collect();
        (
            Sample::new(rows.clone()),
            Sample::new(rows.iter().map(|row| (1.0 - row.0, row.1, row.2))),
        )
    };
    let one = turned(0);
    let once = sample(0, 1.0).once();
    let area = area_under_roc(&one.1, &once).unwrap();
    let (difference, interval) =
        difference_within(&[one, (sample(1, 1.0), sample(1, 1.0))]).unwrap();
    assert!(
        (difference - ((1.0 - area) - area) / 2.0).abs() < 1e-12,
        "{difference} {area}"
    );
    let (low, high) = interval.unwrap();
    assert!(low < difference && difference < high);
    assert_eq!(difference_within(&[]), None);
}
