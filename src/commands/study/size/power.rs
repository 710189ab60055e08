//! The table and the plot of power.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{Result, anyhow};

use super::cases_words;
use super::pilot::{PilotStudy, components};
use crate::cli::PowerArguments;
use crate::commands::shared::output_file::{refuse_to_replace, write_whole};
use crate::commands::shared::{Usage, print};
use crate::domain::text::Printable;
use crate::evaluation::plots::lines::{ChartLine, LineChart, line_chart};
use crate::evaluation::statistics::mrmc::FactorTypes;
use crate::evaluation::statistics::sample_size::{
    PlannedStudy, VarianceComponents, cases_for_power, mrmc_power,
};
use crate::export::path_text;

/// Points of a line of the plot.
const POINTS: usize = 60;

pub fn run(arguments: &PowerArguments) -> Result<ExitCode> {
    if !(arguments.power > 0.0 && arguments.power < 1.0) {
        return Err(Usage::error(format!(
            "--power {}: between 0 and 1, please",
            arguments.power
        )));
    }
    if arguments.readers.is_empty() || arguments.cases.is_empty() {
        return Err(Usage::error(
            "--readers and --cases: a number each, at least",
        ));
    }
    if let Some(output) = &arguments.output {
        if output.extension().is_none_or(|ending| ending != "svg") {
            return Err(Usage::error(format!(
                "-o {}: a .svg file, please",
                path_text(output)
            )));
        }
        refuse_to_replace(output, arguments.force)?;
    }
    let plan = PowerPlan {
        arguments,
        pilot: components(arguments)?,
    };
    // An assumption that cannot be is one line, and not a table of n/a.
    let most = arguments.readers.iter().max().copied().unwrap_or(2);
    plan.power(most.max(2), 100)
        .map_err(|reason| Usage::error(format!("no power for these assumptions: {reason}")))?;
    print(&Printable::page(&plan.page()))?;
    if let Some(output) = &arguments.output {
        let svg = plan.plot().map_err(|error| anyhow!("the plot: {error}"))?;
        write_whole(output, svg.as_bytes(), arguments.force)?;
    }
    Ok(ExitCode::SUCCESS)
}

struct PowerPlan<'a> {
    arguments: &'a PowerArguments,
    pilot: PilotStudy,
}

impl PowerPlan<'_> {
    fn study(&self, readers: u32, cases: u32) -> PlannedStudy {
        PlannedStudy {
            readers: readers as usize,
            cases: cases as usize,
            difference: self.arguments.difference,
            level: self.arguments.level,
            factors: match (self.arguments.fixed_readers, self.arguments.fixed_cases) {
                (true, _) => FactorTypes::FixedReaders,
                (_, true) => FactorTypes::FixedCases,
                _ => FactorTypes::RandomReadersRandomCases,
            },
        }
    }

    fn power(&self, readers: u32, cases: u32) -> Result<f64, String> {
        let found = mrmc_power(&self.pilot.components, &self.study(readers, cases));
        found
            .map(|found| found.power)
            .map_err(|reason| reason.to_string())
    }

    fn page(&self) -> String {
        let PilotWords { random, components } = self.words();
        let (unit, kind, width) = match &self.pilot.class {
            Some(class) => (class.name, format!("{} cases", class.name), 14),
            None => ("cases", "cases".to_owned(), 12),
        };
        let mut page = format!(
            "power to find a difference of {} at the level {}, {random}\ncomponents of {}:\n  {components}\n  {:<10}",
            self.arguments.difference, self.arguments.level, self.pilot.from, "readers"
        );
        for cases in &self.arguments.cases {
            // Writing to a string cannot fail.
            let _ = write!(page, "{:<width$}", format!("{cases} {unit}"));
        }
        let share = self.arguments.power * 100.0;
        let _ = writeln!(page, "{kind} for {share:.0} %");
        for readers in &self.arguments.readers {
            let _ = write!(page, "  {readers:<10}");
            for cases in &self.arguments.cases {
                let power = self.power(*readers, *cases);
                let power = power.map_or_else(|_| "n/a".to_owned(), power_words);
                let _ = write!(page, "{power:<width$}");
            }
            let study = self.study(*readers, 1);
            let needed = cases_for_power(&self.pilot.components, &study, self.arguments.power);
            let in_all = self.pilot.class.as_ref().zip(needed.as_ref().ok());
            let in_all = in_all.map(|(class, n)| format!(" ({} in all)", class.in_all(*n)));
            let _ = writeln!(
                page,
                "{}{}",
                cases_words(needed),
                in_all.unwrap_or_default()
            );
        }
        self.in_all(&mut page, width);
        page
    }

    /// The cases of both classes that the columns stand for: a figure of one class is planned by its own cases.
    fn in_all(&self, page: &mut String, width: usize) {
        let Some(class) = &self.pilot.class else {
            return;
        };
        let _ = write!(page, "  {:<10}", "in all");
        for cases in &self.arguments.cases {
            let _ = write!(
                page,
                "{:<width$}",
                format!("{} cases", class.in_all(*cases as usize))
            );
        }
        let _ = write!(
            page,
            "\n  in all: cases of both classes, if {:.0} % are {}, as in the pilot ({} of {})\n",
            100.0 * class.cases as f64 / class.all as f64,
            class.name,
            class.cases,
            class.all
        );
    }

    fn words(&self) -> PilotWords {
        let random = match (self.arguments.fixed_readers, self.arguments.fixed_cases) {
            (true, _) => "for these readers, cases at random",
            (_, true) => "for these cases, readers at random",
            _ => "readers and cases at random",
        };
        let VarianceComponents {
            mode_by_reader,
            error,
            cov1,
            cov2,
            cov3,
            cases,
        } = self.pilot.components;
        let class = self.pilot.class.as_ref();
        let class = class.map_or_else(String::new, |class| format!("{} ", class.name));
        PilotWords {
            random,
            components: format!(
                "error {error:.3e}, modes by readers {mode_by_reader:.3e}, covariances {cov1:.3e}, {cov2:.3e}, {cov3:.3e}, \
                 of {cases} {class}cases"
            ),
        }
    }

    fn plot(&self) -> Result<String, Box<dyn std::error::Error>> {
        let most = self
            .arguments
            .cases
            .iter()
            .max()
            .copied()
            .unwrap_or(1)
            .max(2);
        let end = f64::from(most);
        let lines = self.arguments.readers.iter().enumerate();
        let lines = lines.map(|(at, readers)| {
            let cases = (1..=POINTS).map(|step| (end * step as f64 / POINTS as f64).round());
            let points = cases.filter_map(|cases| {
                let power = self.power(*readers, cases as u32).ok()?;
                Some((cases, power))
            });
            ChartLine {
                name: format!("{readers} readers"),
                is_thin: false,
                colour: at,
                points: points.collect(),
            }
        });
        let power = self.arguments.power;
        let class = self.pilot.class.as_ref();
        let x = class.map_or_else(
            || "cases".to_owned(),
            |class| format!("{} cases", class.name),
        );
        line_chart(&LineChart {
            title: &format!(
                "Power to find a difference of {}",
                self.arguments.difference
            ),
            x: &x,
            y: "power",
            xs: 0.0..end,
            guide: Some([(0.0, power), (end, power)]),
            lines: lines.collect(),
        })
    }
}

struct PilotWords {
    random: &'static str,
    components: String,
}

/// Two digits; never 1 or 0, which no study has.
fn power_words(power: f64) -> String {
    match power {
        power if power > 0.99 => "> 0.99".to_owned(),
        power if power < 0.01 => "< 0.01".to_owned(),
        power => format!("{power:.2}"),
    }
}
