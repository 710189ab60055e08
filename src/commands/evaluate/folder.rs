//! The folder of results: `report.json`, `report.csv`, `predictions.csv`, `plots/*.svg`. Only their owner
//! may read them.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::Usage;
use crate::commands::shared::output_file::{ALREADY_EXISTS, OutputFile, owner_only, write_whole};
use crate::domain::{ModelCard, Prediction, Prevalences};
use crate::evaluation::measure::PlotPanel;
use crate::evaluation::plots;
use crate::evaluation::report::{Compared, Estimate, EvaluationReport, Interval};
use crate::export::{self, Cell, RowOf, TableFormat, TableWriter, path_text};

/// The files that an earlier run leaves.
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

/// Decimals of values in `report.csv`.
const DECIMALS: usize = 6;

/// The folder of `-o`.
pub struct ResultsFolder(PathBuf);

impl ResultsFolder {
    /// Makes the folder, if it does not exist, before an hour of work and not after it.
    ///
    /// # Errors
    /// [`Usage`], if it cannot be made or written, or has results that may not be replaced.
    pub fn make(path: &Path, force: bool) -> Result<Self> {
        let results = RESULTS.map(|name| path.join(name));
        if let Some(there) = results.iter().find(|file| file.symlink_metadata().is_ok())
            && !force
        {
            return Err(Usage::error(format!(
                "-o {}: {} {ALREADY_EXISTS}",
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
        let probed = OutputFile::beside(&results[0]);
        probed
            .map_err(|error| Usage::error(format!("-o {}: {}", path_text(path), error.kind())))?;
        Ok(ResultsFolder(path.to_owned()))
    }

    /// Begins the table of the predictions, which `--predictions` can read. It grows with each image, so
    /// that an interrupted run leaves the images read so far.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn predictions(&self, card: &ModelCard) -> Result<PredictionsFile> {
        let path = self.0.join("predictions.csv");
        let file = owner_only().create(true).truncate(true).open(&path);
        let file = file.with_context(|| format!("writing {}", path_text(&path)))?;
        // An earlier file may have had other permissions.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let assumed = Prevalences::default();
        let columns = export::PredictionRows::new(TableFormat::Csv, card, &assumed).columns();
        let table = TableWriter::begin(file, TableFormat::Csv, columns);
        Ok(PredictionsFile(table.context("writing predictions.csv")?))
    }

    /// Writes the report, as JSON and as CSV, and a page of plots for each question.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, report: &EvaluationReport, panels: &[PlotPanel]) -> Result<()> {
        let mut json = serde_json::to_vec_pretty(report)?;
        json.push(b'\n');
        write_whole(&self.0.join("report.json"), &json, true)?;
        self.csv(report).context("writing report.csv")?;
        for (number, panel) in panels.iter().enumerate() {
            let name = format!("plots/{}-{}.svg", number + 1, slug(panel.question.name()));
            // An error of a plot may not cross threads, so its text is kept.
            let svg = plots::page(panel).map_err(|error| anyhow!("drawing {name}: {error}"))?;
            write_whole(&self.0.join(name), svg.as_bytes(), true)?;
        }
        Ok(())
    }

    fn csv(&self, report: &EvaluationReport) -> Result<()> {
        let columns = COLUMNS.map(str::to_owned).to_vec();
        let mut table = TableWriter::begin(Vec::new(), TableFormat::Csv, columns)?;
        for figure in &report.figures {
            table.row(&row(figure))?;
        }
        for compared in &report.comparisons {
            for row in comparison(compared) {
                table.row(&row)?;
            }
        }
        write_whole(&self.0.join("report.csv"), &table.finish()?, true)
    }
}

/// The table of predictions, written as the images are read.
pub struct PredictionsFile(TableWriter<File>);

impl PredictionsFile {
    /// Adds the row of an image, which has a prediction or a reason.
    ///
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
            Ok(prediction) => RowOf::Read(prediction),
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

/// The rows of a comparison with another model.
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

/// A name in letters, digits and single dashes.
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
