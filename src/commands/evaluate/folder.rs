//! The folder of results: `report.json`, `report.csv`, `predictions.csv`, `plots/*.svg`. Only their
//! owner may read them.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::Usage;
use crate::commands::owner_only;
use crate::domain::{ModelCard, Prediction, Prevalences};
use crate::evaluation::measure::PlotPanel;
use crate::evaluation::plots;
use crate::evaluation::report::{Compared, Estimate, EvaluationReport, Interval};
use crate::export::{self, Cell, RowOf, TableFormat, TableWriter, path_text};

/// What an earlier run leaves.
const RESULTS: [&str; 3] = ["report.json", "report.csv", "predictions.csv"];

/// The columns of `report.csv`.
const COLUMNS: [&str; 14] = [
    "question",
    "group_column",
    "group",
    "statistic",
    "operating_point",
    "threshold",
    "value",
    "low",
    "high",
    "interval",
    "images",
    "positives",
    "patients",
    "prevalence",
];

/// Of values in `report.csv`.
const DECIMALS: usize = 6;

/// Where the results go.
pub struct ResultsFolder(PathBuf);

impl ResultsFolder {
    /// Makes it, if it is not there.
    ///
    /// # Errors
    /// [`Usage`], if it cannot be made, or holds results that are not to be replaced: before an hour
    /// of work, not after.
    pub fn make(path: &Path, force: bool) -> Result<Self> {
        let results = RESULTS.map(|name| path.join(name));
        if let Some(there) = results.iter().find(|file| file.symlink_metadata().is_ok())
            && !force
        {
            return Err(Usage::error(format!(
                "-o {}: {} is there already; --force replaces it",
                path_text(path),
                path_text(there)
            )));
        }
        for folder in [path, &path.join("plots")] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| {
                Usage::error(format!("-o {}: {}", path_text(path), error.kind()))
            })?;
        }
        let report = path.join("report.json");
        let is_new = !report.exists();
        let probed = owner_only().create(true).open(&report);
        probed
            .map_err(|error| Usage::error(format!("-o {}: {}", path_text(path), error.kind())))?;
        if is_new {
            // An interrupted run leaves no report, not an empty one.
            fs::remove_file(&report)?;
        }
        Ok(ResultsFolder(path.to_owned()))
    }

    /// An empty file of the owner's.
    fn file(&self, name: &str) -> Result<File> {
        let path = self.0.join(name);
        let file = owner_only().create(true).truncate(true).open(&path);
        let file = file.with_context(|| format!("writing {}", path_text(&path)))?;
        // One that was there before may have been everybody's.
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(file)
    }

    /// Begins the table of what is said of each image, which `--predictions` reads again.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn predictions(&self, card: &ModelCard) -> Result<PredictionsFile> {
        let file = self.file("predictions.csv")?;
        let assumed = Prevalences::default();
        let columns = export::PredictionRows::new(TableFormat::Csv, card, &assumed).columns();
        let table = TableWriter::begin(file, TableFormat::Csv, columns);
        Ok(PredictionsFile(table.context("writing predictions.csv")?))
    }

    /// Writes the report, as JSON and as CSV, and a page of plots for each question.
    ///
    /// # Errors
    /// If something cannot be written.
    pub fn write(&self, report: &EvaluationReport, panels: &[PlotPanel]) -> Result<()> {
        let mut json = serde_json::to_vec_pretty(report)?;
        json.push(b'\n');
        self.file("report.json")?
            .write_all(&json)
            .context("writing report.json")?;
        self.csv(report).context("writing report.csv")?;
        for (number, panel) in panels.iter().enumerate() {
            let name = format!("plots/{}-{}.svg", number + 1, slug(panel.question.name()));
            // Not every error of a plot may cross threads.
            let svg = plots::page(panel).map_err(|error| anyhow!("drawing {name}: {error}"))?;
            let mut file = self.file(&name)?;
            file.write_all(svg.as_bytes())
                .with_context(|| format!("writing {name}"))?;
        }
        Ok(())
    }

    fn csv(&self, report: &EvaluationReport) -> Result<()> {
        let columns = COLUMNS.map(str::to_owned).to_vec();
        let mut table = TableWriter::begin(self.file("report.csv")?, TableFormat::Csv, columns)?;
        for figure in &report.figures {
            table.row(&row(figure))?;
        }
        for compared in &report.comparisons {
            for row in comparison(compared) {
                table.row(&row)?;
            }
        }
        table.finish()?;
        Ok(())
    }
}

/// The table of what is said of each image, written as they are read.
pub struct PredictionsFile(TableWriter<File>);

impl PredictionsFile {
    /// # Errors
    /// If it cannot be written.
    pub fn add(
        &mut self,
        card: &ModelCard,
        path: &Path,
        outcome: Result<&Prediction, &str>,
    ) -> io::Result<()> {
        let assumed = Prevalences::default();
        let rows = export::PredictionRows::new(TableFormat::Csv, card, &assumed);
        let row = match outcome {
            Ok(said) => RowOf::Read(said),
            Err(reason) => RowOf::Failed(reason),
        };
        self.0.row(&rows.row(path, row))
    }
}

fn number(value: Option<f64>) -> Cell {
    Cell::number(value, DECIMALS)
}

fn count(value: Option<usize>) -> Cell {
    Cell::number(value.map(|value| value as f64), 0)
}

fn text(value: Option<&str>) -> Cell {
    value.map_or(Cell::Empty, Cell::text)
}

fn interval_cells(interval: Option<Interval>) -> [Cell; 3] {
    [
        number(interval.map(|interval| interval.low)),
        number(interval.map(|interval| interval.high)),
        text(interval.map(|interval| interval.method.name())),
    ]
}

fn row(figure: &Estimate) -> Vec<Cell> {
    let point = figure.operating_point.as_ref();
    let mut row = vec![
        Cell::text(&figure.question),
        text(figure.group.column.as_deref()),
        Cell::text(&figure.group.value),
        Cell::text(figure.statistic.name()),
        text(point.map(|point| point.name.as_str())),
        number(point.map(|point| point.threshold)),
        number(figure.value),
    ];
    row.extend(interval_cells(figure.interval));
    row.extend([
        count(Some(figure.n)),
        count(figure.positives),
        count(Some(figure.patients)),
        number(figure.prevalence),
    ]);
    row
}

/// A comparison as rows beside the figures.
fn comparison(compared: &Compared) -> [Vec<Cell>; 3] {
    [
        ("AUC of the other model", Some(compared.auc_against), None),
        (
            "AUC difference",
            Some(compared.difference),
            compared.interval,
        ),
        ("DeLong p", compared.delong_p, None),
    ]
    .map(|(statistic, value, interval)| {
        let mut row = vec![
            Cell::text(&compared.question),
            text(compared.group.column.as_deref()),
            Cell::text(&compared.group.value),
            Cell::text(statistic),
            Cell::Empty,
            Cell::Empty,
            number(value),
        ];
        row.extend(interval_cells(interval));
        row.extend([compared.n, compared.positives, compared.patients].map(|n| count(Some(n))));
        row.push(Cell::Empty);
        row
    })
}

/// Letters, digits and single dashes.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches('-').to_owned()
}
