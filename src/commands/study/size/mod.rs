//! `cxr study size`: how many readers and cases a study needs.

mod pilot;
mod power;

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{PrecisionArguments, StudySizeAction, ValidationArguments};
use crate::commands::shared::{Usage, print};
use crate::domain::text::Printable;
use crate::evaluation::statistics::sample_size::{
    LinearPredictor, ProportionInterval, ValidationAssumptions, cases_for_half_width,
    validation_size,
};

pub fn run(action: &StudySizeAction) -> Result<ExitCode> {
    match action {
        StudySizeAction::Power(arguments) => power::run(arguments),
        StudySizeAction::Precision(arguments) => precision(arguments),
        StudySizeAction::Validation(arguments) => validation(arguments),
    }
}

/// A number of cases, or why there is none.
fn cases_words<E: ToString>(found: Result<usize, E>) -> String {
    found.map_or_else(
        |reason| format!("n/a: {}", reason.to_string()),
        |n| n.to_string(),
    )
}

fn precision(arguments: &PrecisionArguments) -> Result<ExitCode> {
    refuse_no_share("--share", arguments.share)?;
    if let Some(share) = arguments.class_share {
        refuse_no_share("--class-share", share)?;
    }
    let mut page = format!(
        "cases of the class for a share of {} and a 95 % interval of each half width\n  {:<14}{:<12}{:<20}{}\n",
        arguments.share,
        "half width",
        "Wilson",
        "Clopper-Pearson",
        if arguments.class_share.is_some() {
            "all cases (the larger)"
        } else {
            ""
        }
    );
    for half_width in &arguments.half_width {
        let intervals = [
            ProportionInterval::Wilson,
            ProportionInterval::ClopperPearson,
        ];
        let found =
            intervals.map(|interval| cases_for_half_width(arguments.share, *half_width, interval));
        let larger = found.iter().filter_map(|n| n.as_ref().ok()).max();
        let all = arguments.class_share.zip(larger);
        let all = all.map_or_else(String::new, |(share, n)| {
            format!("{:.0}", (*n as f64 / share).ceil())
        });
        let [wilson, exact] = found.map(cases_words);
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "  {:<14}{wilson:<12}{exact:<20}{all}",
            half_width.to_string()
        );
    }
    page = page
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    print(&Printable::page(&page))
}

fn refuse_no_share(option: &str, share: f64) -> Result<()> {
    if share > 0.0 && share < 1.0 {
        return Ok(());
    }
    Err(Usage::error(format!(
        "{option} {share}: a share between 0 and 1, please"
    )))
}

fn validation(arguments: &ValidationArguments) -> Result<ExitCode> {
    let benefit = arguments
        .threshold
        .zip(arguments.sensitivity.zip(arguments.specificity));
    let assumed = ValidationAssumptions {
        observed_to_expected_width: arguments.ratio_width,
        slope_width: arguments.slope_width,
        c_statistic_width: arguments.c_width,
        net_benefit: benefit.map(|(threshold, (sensitivity, specificity))| {
            (sensitivity, specificity, threshold, arguments.benefit_width)
        }),
        ..ValidationAssumptions::new(
            arguments.prevalence,
            arguments.c_statistic,
            LinearPredictor::Normal {
                mean: arguments.predictor_mean,
                deviation: arguments.predictor_deviation,
            },
        )
    };
    let size = validation_size(&assumed)
        .map_err(|reason| Usage::error(format!("no size for these assumptions: {reason}")))?;
    let mut rows = vec![
        (
            "observed/expected",
            arguments.ratio_width,
            size.observed_to_expected,
        ),
        ("calibration slope", arguments.slope_width, size.slope),
        ("c statistic", arguments.c_width, size.c_statistic),
    ];
    rows.extend(
        size.net_benefit
            .map(|n| ("net benefit", arguments.benefit_width, n)),
    );
    let mut page = String::from("cases for a 95 % interval of each width\n");
    for (name, width, n) in rows {
        let _ = writeln!(page, "  {name:<20}width {width:<8}{n}");
    }
    let cases = size.cases();
    let _ = writeln!(
        page,
        "all of them: {cases} cases, of which {:.0} will be positive",
        cases as f64 * arguments.prevalence
    );
    print(&Printable::page(&page))
}
