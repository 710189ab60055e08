//! The folder of results: `report.json`, `report.csv`, `predictions.csv`, `plots/*.svg`. Only their owner
//! may read them.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::Usage;
use crate::commands::shared::output_file::{
    ALREADY_EXISTS, OutputFile, is_same_file, owner_only, refuse_input, refuse_to_replace,
    write_whole,
};
use crate::domain::{ModelCard, Prediction, Prevalences};
use crate::evaluation::measure::{PlotPanel, SeverityPanel};
use crate::evaluation::plots;
use crate::evaluation::report::{Compared, Estimate, EvaluationReport, Interval};
use crate::export::{self, Cell, RowOf, TableFormat, TableWriter, path_text};

/// The table that a run writes first.
const PREDICTIONS: &str = "predictions.csv";
/// What it makes of all of its answers, beside the plots.
const REPORTS: [&str; 2] = ["report.json", "report.csv"];
/// The folder of the plots.
const PLOTS: &str = "plots";

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

/// The files that the figures are made of.
#[derive(Default)]
pub struct EvaluationInputs<'a> {
    /// The table of `--predictions`.
    pub table: Option<&'a Path>,
    pub others: Vec<&'a Path>,
}

/// The folder of `-o`.
pub struct ResultsFolder {
    path: PathBuf,
    /// Whether results may be replaced.
    force: bool,
    /// The table that is measured; `None` if the run writes its own.
    table: Option<PathBuf>,
}

impl ResultsFolder {
    /// Makes the folder, if it does not exist, before an hour of work and not after it.
    ///
    /// # Errors
    /// [`Usage`], if it cannot be made or written, or has results that may not be replaced.
    pub fn make(path: &Path, force: bool, inputs: &EvaluationInputs) -> Result<Self> {
        let folder = ResultsFolder {
            path: path.to_owned(),
            force,
            table: inputs.table.map(Path::to_owned),
        };
        folder.refuse_inputs(inputs)?;
        let mut there = folder.reports();
        there.push(path.join(PREDICTIONS));
        there.retain(|file| file.symlink_metadata().is_ok());
        if let Some(there) = there.first()
            && !force
        {
            return Err(Usage::error(format!(
                "-o {}: {} {ALREADY_EXISTS}",
                path_text(path),
                path_text(there)
            )));
        }
        for folder in [path, &path.join(PLOTS)] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| {
                Usage::error(format!("-o {}: {}", path_text(path), error.kind()))
            })?;
        }
        let probed = OutputFile::beside(&path.join(PREDICTIONS));
        probed
            .map_err(|error| Usage::error(format!("-o {}: {}", path_text(path), error.kind())))?;
        Ok(folder)
    }

    /// Refuses to replace what the figures are made of. Only the table that is measured may lie here: it stays.
    fn refuse_inputs(&self, inputs: &EvaluationInputs) -> Result<()> {
        let others = || inputs.others.iter().copied();
        for report in self.reports() {
            refuse_input("-o", &report, others().chain(inputs.table))?;
        }
        refuse_input("-o", &self.path.join(PREDICTIONS), others())
    }

    /// The reports and plots that are there, or may be.
    fn reports(&self) -> Vec<PathBuf> {
        let mut reports = REPORTS.map(|name| self.path.join(name)).to_vec();
        let plots = fs::read_dir(self.path.join(PLOTS)).into_iter().flatten();
        let plots = plots.flatten().filter(|plot| is_plot(&plot.file_name()));
        reports.extend(plots.map(|plot| plot.path()));
        reports
    }

    /// Begins the table of the predictions, which `--predictions` can read. It grows with each image, so
    /// that an interrupted run leaves the images read so far. Reports and plots of an earlier table go first: they would
    /// pass for those of this one.
    ///
    /// # Errors
    /// [`Usage`], if one has come since the folder was made, and may not be replaced; or if it cannot be written.
    pub fn predictions(&self, card: &ModelCard) -> Result<PredictionsFile> {
        let path = self.path.join(PREDICTIONS);
        refuse_to_replace(&path, self.force)?;
        if self.force {
            let mut earlier = self.reports();
            earlier.push(path.clone());
            remove(&earlier)?;
        }
        // A new file: a link that has come meanwhile is not followed.
        let file = owner_only().create_new(true).open(&path);
        let file = file.with_context(|| format!("writing {}", path_text(&path)))?;
        let assumed = Prevalences::default();
        let columns = export::PredictionRows::new(TableFormat::Csv, card, &assumed).columns();
        let table = TableWriter::begin(file, TableFormat::Csv, columns);
        Ok(PredictionsFile(table.context("writing predictions.csv")?))
    }

    /// Writes the report, as JSON and as CSV, a page of plots for each question, and a chart for each scale of severity.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(
        &self,
        report: &EvaluationReport,
        panels: &[PlotPanel],
        severities: &[SeverityPanel],
    ) -> Result<()> {
        self.remove_other_predictions()?;
        let mut json = serde_json::to_vec_pretty(report)?;
        json.push(b'\n');
        write_whole(&self.path.join("report.json"), &json, self.force)?;
        self.csv(report).context("writing report.csv")?;
        let mut surplus = self.reports();
        surplus.retain(|file| !REPORTS.iter().any(|name| file.ends_with(name)));
        let pages = panels
            .iter()
            .map(|panel| (panel.question.name(), plots::page(panel)));
        let charts = severities
            .iter()
            .map(|panel| (panel.scale.name(), plots::severity(panel)));
        for (number, (of, drawn)) in pages.chain(charts).enumerate() {
            let name = format!("{PLOTS}/{}-{}.svg", number + 1, slug(of));
            surplus.retain(|file| !file.ends_with(&name));
            // An error of a plot may not cross threads, so its text is kept.
            let svg = drawn.map_err(|error| anyhow!("drawing {name}: {error}"))?;
            write_whole(&self.path.join(name), svg.as_bytes(), self.force)?;
        }
        // A report about fewer questions has fewer plots.
        if self.force {
            remove(&surplus)?;
        }
        Ok(())
    }

    /// Removes the predictions of an earlier run beside a report that is not of them.
    fn remove_other_predictions(&self) -> Result<()> {
        let earlier = self.path.join(PREDICTIONS);
        match &self.table {
            Some(table) if self.force && !is_same_file(&earlier, table) => remove(&[earlier]),
            _ => Ok(()),
        }
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
        write_whole(&self.path.join("report.csv"), &table.finish()?, self.force)
    }
}

/// Whether a file in the folder of plots has the name of one: a number, and the question in [`slug`]'s characters.
fn is_plot(name: &OsStr) -> bool {
    let stem = name.to_str().and_then(|name| name.strip_suffix(".svg"));
    let parts = stem.and_then(|stem| stem.split_once('-'));
    parts.is_some_and(|(number, question)| {
        let is_slug = |c: char| c.is_ascii_alphanumeric() || c == '-';
        number.parse::<usize>().is_ok() && question.chars().all(is_slug)
    })
}

/// Removes files, some of which may not be there. A link is removed itself.
fn remove(files: &[PathBuf]) -> Result<()> {
    for file in files {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", path_text(file)));
            }
            _ => {}
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::evaluation::report::ReportScope;

    fn report() -> EvaluationReport {
        EvaluationReport {
            about: ReportScope::default(),
            figures: Vec::new(),
            comparisons: Vec::new(),
        }
    }

    fn made(path: &Path, force: bool) -> Result<ResultsFolder> {
        ResultsFolder::make(path, force, &EvaluationInputs::default())
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn plots_alone_are_results_that_only_force_replaces() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("plots")).unwrap();
        let plot = place.path().join("plots/1-pneumonia.svg");
        fs::write(place.path().join("plots/notes.txt"), "mine").unwrap();
        assert!(made(place.path(), false).is_ok());
        fs::write(&plot, "theirs").unwrap();
        let refused = made(place.path(), false).err().unwrap();
        assert!(refused.is::<Usage>());
        assert!(refused.to_string().ends_with(ALREADY_EXISTS), "{refused}");
        assert_eq!(text(&plot), "theirs");
    }

    /// The check was hours ago.
    #[test]
    fn what_came_meanwhile_stays_and_no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let folder = made(place.path(), false).unwrap();
        let theirs = place.path().join("report.json");
        fs::write(&theirs, "theirs").unwrap();
        assert!(folder.write(&report(), &[], &[]).is_err());
        assert_eq!(text(&theirs), "theirs");

        let precious = place.path().join("precious");
        let table = place.path().join("predictions.csv");
        fs::write(&precious, "precious").unwrap();
        symlink(&precious, &table).unwrap();
        let card = ModelCard::default();
        assert!(folder.predictions(&card).is_err());
        assert_eq!(text(&precious), "precious");
        let folder = made(place.path(), true).unwrap();
        drop(folder.predictions(&card).unwrap());
        assert_eq!(text(&precious), "precious");
        assert!(table.symlink_metadata().unwrap().is_file());
        let mode = fs::metadata(&table).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// An interrupted run would leave them beside a table that they are not of.
    #[test]
    fn new_predictions_leave_no_report_and_no_plot_of_the_earlier_ones() {
        let place = tempfile::tempdir().unwrap();
        let folder = made(place.path(), false).unwrap();
        drop(folder.predictions(&ModelCard::default()).unwrap());
        folder.write(&report(), &[], &[]).unwrap();
        let plots = place.path().join("plots");
        fs::write(plots.join("2-viral.svg"), "an earlier plot").unwrap();
        fs::write(plots.join("notes.txt"), "mine").unwrap();
        let folder = made(place.path(), true).unwrap();
        assert!(
            place.path().join("report.json").exists(),
            "nothing is new yet"
        );
        drop(folder.predictions(&ModelCard::default()).unwrap());
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(place.path()), ["plots", "predictions.csv"]);
        assert_eq!(names(&plots), ["notes.txt"]);
        // A table that was given is measured: its report replaces the plots too.
        fs::write(plots.join("2-viral.svg"), "an earlier plot").unwrap();
        folder.write(&report(), &[], &[]).unwrap();
        assert_eq!(names(&plots), ["notes.txt"]);
    }
}
