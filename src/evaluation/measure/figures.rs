//! The statistics of one sample, each with its interval.

use crate::evaluation::bootstrap;
use crate::evaluation::report::{
    CaseGroup, Estimate, Interval, IntervalMethod, NamedThreshold, Statistic,
};
use crate::evaluation::sample::Sample;
use crate::evaluation::statistics::{
    CalibrationLine, Confusion, area_under_roc, average_precision, brier, calibration_line,
    expected_calibration_error, wilson,
};

/// Every statistic of a sample, each with its interval; nothing of an empty one.
pub fn figures(
    question: &str,
    group: &CaseGroup,
    sample: &Sample,
    points: &[NamedThreshold],
) -> Vec<Estimate> {
    figures_at(question, group, sample, points, None)
}

/// The same, with predictive values at the prevalence that is `assumed`, too.
pub(super) fn figures_at(
    question: &str,
    group: &CaseGroup,
    sample: &Sample,
    points: &[NamedThreshold],
    assumed: Option<f64>,
) -> Vec<Estimate> {
    if sample.is_empty() {
        return Vec::new();
    }
    let own = sample.positives() as f64 / sample.len() as f64;
    let figures = figures_of(sample, points, assumed).into_iter();
    figures
        .map(|(statistic, point, value, interval)| Estimate {
            question: question.to_owned(),
            group: group.clone(),
            prevalence: match statistic {
                Statistic::PositivePredictiveValue | Statistic::NegativePredictiveValue => {
                    Some(own)
                }
                _ if ASSUMED.contains(&statistic) => assumed,
                _ => None,
            },
            statistic,
            operating_point: point,
            value,
            interval,
            n: sample.len(),
            positives: Some(sample.positives()),
            patients: sample.patients(),
        })
        .collect()
}

type GroupFigures = (
    Statistic,
    Option<NamedThreshold>,
    Option<f64>,
    Option<Interval>,
);

/// Statistics that need no threshold.
const WITHOUT_POINT: [Statistic; 6] = [
    Statistic::Auc,
    Statistic::AveragePrecision,
    Statistic::Brier,
    Statistic::CalibrationError,
    Statistic::CalibrationIntercept,
    Statistic::CalibrationSlope,
];

/// The statistics of [`Confusion::rates`], in its order.
const RATES: [Statistic; 4] = [
    Statistic::Sensitivity,
    Statistic::Specificity,
    Statistic::PositivePredictiveValue,
    Statistic::NegativePredictiveValue,
];

/// The statistics of [`Confusion::predictive_values_at`], in its order.
pub(super) const ASSUMED: [Statistic; 2] = [
    Statistic::PositivePredictiveValueAssumed,
    Statistic::NegativePredictiveValueAssumed,
];

/// Every statistic of a sample that is not empty.
fn figures_of(
    sample: &Sample,
    points: &[NamedThreshold],
    assumed: Option<f64>,
) -> Vec<GroupFigures> {
    let once = sample.once();
    let line = calibration_line(sample, &once, CalibrationLine::default());
    let values = values_of(sample, &once, points, assumed, line);
    let draw = |weights: &[f64]| values_of(sample, weights, points, assumed, line);
    let drawn = bootstrap::intervals(sample.owner(), sample.patients(), values.len(), draw);
    let mut drawn = values.into_iter().zip(drawn);
    let of_sample = WITHOUT_POINT.into_iter().zip(drawn.by_ref());
    let of_sample = of_sample.map(|(name, (value, drawn))| {
        let interval = value.zip(drawn).map(|(value, drawn)| match name {
            Statistic::CalibrationError => bootstrap::reflected(value, drawn),
            _ => drawn,
        });
        (name, None, value, interval.map(bootstrapped))
    });
    let mut found: Vec<GroupFigures> = of_sample.collect();
    let mut drawn = drawn.map(|(value, drawn)| (value, value.and(drawn.map(bootstrapped))));
    let tables: Vec<_> = points
        .iter()
        .map(|point| Confusion::at(point.threshold, sample, &once))
        .collect();
    for (point, table) in points.iter().zip(&tables) {
        let rates: Vec<_> = drawn.by_ref().take(RATES.len()).collect();
        let is_drawn = rates[..2].iter().all(|(_, interval)| interval.is_some());
        let wilsons = table.counts().map(|(part, whole)| wilson(part, whole));
        for ((name, (value, interval)), wilson) in RATES.into_iter().zip(rates).zip(wilsons) {
            let interval = interval.or(value.and(wilson.map(of_wilson)));
            found.push((name, Some(point.clone()), value, interval));
        }
        let Some(prevalence) = assumed else { continue };
        // A rate that is the same in every draw has no width there: the bootstrap knows too little.
        let wide = table.predictive_intervals_at(prevalence);
        for ((name, (value, interval)), wide) in ASSUMED.into_iter().zip(drawn.by_ref()).zip(wide) {
            let interval = interval.filter(|_| is_drawn);
            let interval = interval.or(value.and(wide.map(of_wilson)));
            found.push((name, Some(point.clone()), value, interval));
        }
    }
    found.extend(
        points
            .iter()
            .zip(&tables)
            .flat_map(|(p, t)| counts_of(p, t)),
    );
    found
}

fn counts_of(point: &NamedThreshold, table: &Confusion) -> [GroupFigures; 4] {
    [
        (Statistic::TruePositives, table.true_positive),
        (Statistic::FalsePositives, table.false_positive),
        (Statistic::FalseNegatives, table.false_negative),
        (Statistic::TrueNegatives, table.true_negative),
    ]
    .map(|(name, count)| (name, Some(point.clone()), Some(count), None))
}

/// In the order of [`WITHOUT_POINT`], then [`RATES`] for each point and [`ASSUMED`] where a prevalence
/// is. `near` is where the regression begins: the line of the whole sample is close to that of a draw.
fn values_of(
    sample: &Sample,
    weights: &[f64],
    points: &[NamedThreshold],
    assumed: Option<f64>,
    near: Option<CalibrationLine>,
) -> Vec<Option<f64>> {
    // If the whole sample has no regression line, no draw of it has one.
    let line = near.and_then(|near| calibration_line(sample, weights, near));
    let mut values = vec![
        area_under_roc(sample, weights),
        average_precision(sample, weights),
        brier(sample, weights),
        expected_calibration_error(sample, weights),
        line.map(|line| line.intercept),
        line.map(|line| line.slope),
    ];
    for point in points {
        let table = Confusion::at(point.threshold, sample, weights);
        values.extend(table.rates());
        values.extend(
            assumed
                .map(|share| table.predictive_values_at(share))
                .into_iter()
                .flatten(),
        );
    }
    values
}

pub(super) fn bootstrapped((low, high): (f64, f64)) -> Interval {
    Interval {
        low,
        high,
        method: IntervalMethod::Bootstrap,
    }
}

pub(super) fn of_wilson((low, high): (f64, f64)) -> Interval {
    Interval {
        low,
        high,
        method: IntervalMethod::Wilson,
    }
}
