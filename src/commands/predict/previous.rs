//! Continuing a table that an earlier run left, perhaps in the middle of a row.
//!
//! The table is changed only after all of its rows are known to be made by the same model in the same way.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::done::{Check, Checked, Done, DoneRows};
use super::mode::WriteMode;
use crate::commands::shared::output_file::OutputFile;
use crate::commands::shared::{Usage, complain};
use crate::export::{
    PredictionRows, ReadError, Record, RowOrigin, TableExtent, TableFormat, TableWriter, header,
    header_cells, parse_cells, path_text, read_table,
};

/// How many ways of making rows are named in one message.
const NAMED: usize = 4;

/// A table that is ready for its next row.
pub type ResumedTable = TableWriter<Box<dyn Write>>;

/// An existing table, and the predictions that continue it.
pub struct Previous<'a> {
    pub path: &'a Path,
    pub format: TableFormat,
    pub mode: WriteMode,
    pub predictions: &'a PredictionRows<'a>,
}

/// The contents of such a table.
#[derive(Default)]
struct Survey {
    extent: TableExtent,
    rows: DoneRows,
    /// How many rows were made in each way.
    origins: BTreeMap<RowOrigin, u64>,
    /// The first line of a row with other columns.
    other_columns: Option<u64>,
    /// Whether the header is the one of an earlier version, with fewer columns.
    is_earlier: bool,
}

impl Previous<'_> {
    /// Returns the table, ready for its next row, and the files that need no row. `None` after a signal.
    ///
    /// # Errors
    /// [`Usage`], if it is no such table, or was made by another model or in another way.
    pub fn resume(&self, mut file: File, check: &Check) -> Result<Option<(ResumedTable, Done)>> {
        let survey = self.survey(&file, check)?;
        self.refuse_others(&survey)?;
        self.report_unknown(&survey);
        let Some(checked) = survey.rows.checked(self.mode, check) else {
            return Ok(None);
        };
        self.refuse_other_folder(&survey, &checked)?;
        self.refuse_other_run(&checked)?;
        self.report_torn_row(&survey);
        let name = path_text(self.path);
        let columns = self.predictions.columns();
        let table = if survey.extent.bytes == 0 {
            // Only a part of the first line is there.
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            TableWriter::begin(boxed(file), self.format, columns)
                .with_context(|| format!("writing {name}"))?
        } else if survey.is_earlier || !checked.dropped.is_empty() {
            let table = self.rewritten(&file, &survey, &checked);
            table.with_context(|| format!("rewriting {name}"))?
        } else {
            file.set_len(survey.extent.bytes)
                .with_context(|| format!("shortening {name}"))?;
            file.seek(SeekFrom::End(0))?;
            if survey.extent.lacks_end {
                file.write_all(b"\n")
                    .with_context(|| format!("writing {name}"))?;
            }
            TableWriter::resume(boxed(file), self.format, columns, survey.extent.rows)
        };
        Ok(Some((table, checked.done)))
    }

    fn survey(&self, file: &File, check: &Check) -> Result<Survey> {
        let mut survey = Survey {
            rows: DoneRows::of(check.selection),
            ..Survey::default()
        };
        let columns = self.predictions.columns();
        let earlier = self.predictions.earlier_columns();
        // The members of a JSON object may come in any order.
        let sorted = |columns: &Vec<String>| {
            let mut names = columns.clone();
            names.sort();
            names
        };
        let known: Vec<Vec<String>> = earlier.iter().chain([&columns]).map(sorted).collect();
        let read = read_table(self.format, from_start(file)?, |row| {
            let is_known = known.iter().any(|names| row.columns == *names);
            self.note(&row, is_known || !self.format.is_json(), &mut survey)
        });
        survey.extent = read.map_err(|error| match error.downcast_ref::<ReadError>() {
            Some(ReadError::Foreign(line)) => self.foreign(*line),
            _ => error.context(format!("reading {}", path_text(self.path))),
        })?;
        if survey.extent.bytes == 0 && !self.is_torn_beginning(file)? {
            return Err(self.foreign(1));
        }
        let head = &survey.extent.columns;
        if !self.format.is_json() && survey.extent.bytes > 0 && *head != header_cells(&columns) {
            survey.is_earlier = earlier.iter().any(|names| *head == header_cells(names));
            if !survey.is_earlier && !is_of_predictions(head) {
                return Err(self.foreign(1));
            }
            if !survey.is_earlier {
                survey.other_columns = Some(1);
            }
        }
        Ok(survey)
    }

    fn note(&self, row: &Record, is_known: bool, survey: &mut Survey) -> Result<()> {
        if !is_known {
            let line = survey.rows.len() as u64
                + if self.format == TableFormat::Json {
                    2
                } else {
                    1
                };
            if !is_of_predictions(row.columns) {
                return Err(ReadError::Foreign(line).into());
            }
            survey.other_columns.get_or_insert(line);
        }
        if let Some(origin) = RowOrigin::of(row) {
            *survey.origins.entry(origin).or_default() += 1;
        }
        survey.rows.add(row);
        Ok(())
    }

    fn foreign(&self, line: u64) -> anyhow::Error {
        let card = self.predictions.card();
        // The table may be of this model, and differ only in an option.
        let hint = if card.prognoses.is_empty() {
            "; with --pseudonym-key a table has more columns than without"
        } else {
            "; with --prognosis and with --pseudonym-key a table has more columns than without"
        };
        Usage::error(format!(
            "{} cannot be resumed: line {line} is not of a table with the columns of {} {}{hint}",
            path_text(self.path),
            card.name,
            card.version
        ))
    }

    /// Refuses a table with rows of another model, or made in another way. Removing such rows would lose
    /// them, and adding to them would mix both.
    fn refuse_others(&self, survey: &Survey) -> Result<()> {
        let ours = self.predictions.origin();
        let others: u64 = survey
            .origins
            .iter()
            .filter(|(origin, _)| !origin.agrees_with(&ours))
            .map(|(_, rows)| rows)
            .sum();
        let name = path_text(self.path);
        if others > 0 {
            return Err(Usage::error(format!(
                "{name} cannot be continued: this run is by {ours}, and {others} of its {} rows \
                 are not ({}). Nothing was changed: give that model and those options, or another file",
                survey.rows.len(),
                self.named(&survey.origins),
            )));
        }
        if let Some(line) = survey.other_columns {
            return Err(self.foreign(line));
        }
        let unsaid = survey.origins.iter();
        let unsaid: u64 = unsaid
            .filter(|(origin, _)| origin.prevalence.is_none())
            .map(|(_, rows)| rows)
            .sum();
        if unsaid > 0 && self.predictions.assumes_others() {
            return Err(Usage::error(format!(
                "{name} cannot be continued: {unsaid} of its rows do not say which prevalence \
                 they assume, and --prevalence may be another. Give another file"
            )));
        }
        Ok(())
    }

    fn named(&self, origins: &BTreeMap<RowOrigin, u64>) -> String {
        let mut ways: Vec<_> = origins.iter().collect();
        ways.sort_by_key(|(_, rows)| std::cmp::Reverse(**rows));
        let named = ways.iter().take(NAMED);
        let mut words: Vec<String> = named
            .map(|(origin, rows)| format!("{rows} by {origin}"))
            .collect();
        if ways.len() > NAMED {
            words.push(format!("and {} others", ways.len() - NAMED));
        }
        words.join("; ")
    }

    /// Reports values that a table of an earlier version lacks, and that could not be compared.
    fn report_unknown(&self, survey: &Survey) {
        let name = path_text(self.path);
        if survey.rows.without_content > 0 {
            complain(&format!(
                "{name}: {} rows do not name the content of their files: whether these have \
                 changed could not be checked",
                survey.rows.without_content
            ));
        }
        let unsaid = |is: fn(&RowOrigin) -> bool| survey.origins.keys().any(is);
        let what = match (
            unsaid(|origin| origin.card_digest.is_none()),
            unsaid(|origin| origin.prevalence.is_none()),
        ) {
            (false, false) => return,
            (true, false) => "calibration",
            (false, true) => "prevalence",
            (true, true) => "calibration and prevalence",
        };
        complain(&format!(
            "{name}: not every row has its {what}: that could not be compared"
        ));
    }

    /// Refuses a table that seems to belong to another folder. A row that differs from its file may be
    /// older than the file, or belong to a file of the same name in the folder where the run was started.
    /// Only a row that still holds here shows that the table belongs to this folder.
    fn refuse_other_folder(&self, survey: &Survey, checked: &Checked) -> Result<()> {
        if !checked.is_elsewhere {
            return Ok(());
        }
        Err(Usage::error(format!(
            "{} cannot be continued: none of its {} rows belongs to a file that is here unchanged, \
             and some belong to other files of the same names. It was made in another folder, or \
             every file has changed. Nothing was changed: go to that folder, or give another file",
            path_text(self.path),
            survey.rows.len()
        )))
    }

    /// Refuses the rows of a run of other folders, another unit or another shard. They would be counted among those of
    /// other films, or stand in a part that does not name their folder.
    fn refuse_other_run(&self, checked: &Checked) -> Result<()> {
        let Some(film) = &checked.path_of_other else {
            return Ok(());
        };
        Err(Usage::error(format!(
            "{} cannot be continued: its row of {} is not of this run, but of other files and folders, another order of \
             them, another --unit or another --shard. Give those, or another file; --force begins anew",
            path_text(self.path),
            path_text(film)
        )))
    }

    /// Reports a last row without a line end, which is removed: it may be cut off within a number.
    fn report_torn_row(&self, survey: &Survey) {
        let extent = &survey.extent;
        if extent.bytes == 0 || extent.torn.is_empty() || self.format.is_json() {
            return;
        }
        // A path is complete if another cell follows it.
        let cells = parse_cells(self.format, &extent.torn).filter(|cells| cells.len() > 1);
        let at = extent.columns.iter().position(|column| column == "path");
        let path = cells.zip(at).and_then(|(cells, at)| cells.get(at).cloned());
        complain(&format!(
            "{}: its last row{} has no line end and may be cut off: it was removed, and its file \
             is read again if it is given",
            path_text(self.path),
            path.map(|path| format!(", of {path},")).unwrap_or_default()
        ));
    }

    /// Whether a file without a complete line is the beginning of such a table.
    fn is_torn_beginning(&self, mut file: &File) -> Result<bool> {
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.take(1 << 16).read_to_end(&mut head)?;
        Ok(match self.format {
            TableFormat::Csv | TableFormat::Tsv | TableFormat::Parquet => {
                let is_of = |columns: Vec<String>| {
                    header(self.format, &columns).is_ok_and(|header| header.starts_with(&head))
                };
                let earlier = self.predictions.earlier_columns();
                is_of(self.predictions.columns()) || earlier.into_iter().any(is_of)
            }
            TableFormat::Jsonl | TableFormat::Json => {
                let first = b"{\"path\":";
                first.starts_with(&head[..]) || head.starts_with(first)
            }
        })
    }

    /// Replaces the table, in one step, by one without the dropped rows and with today's columns. After an
    /// interruption, one of the two is there.
    fn rewritten(&self, old: &File, survey: &Survey, checked: &Checked) -> Result<ResumedTable> {
        // The target of a link is replaced, so that the link stays.
        let path = fs::canonicalize(self.path)?;
        let new = OutputFile::beside(&path)?;
        let table = self.refilled(new.handle()?, old, survey, checked)?;
        new.publish(&path, true)?;
        Ok(table.map(boxed))
    }

    /// Copies the rows that stay to the new file, and syncs it to the disk.
    fn refilled(
        &self,
        new: File,
        old: &File,
        survey: &Survey,
        checked: &Checked,
    ) -> Result<TableWriter<File>> {
        // Once it has its name, no other run may write it.
        new.try_lock().map_err(|_| anyhow!("it is being written"))?;
        let columns = self.predictions.columns();
        let missing = if survey.is_earlier {
            columns.len() - survey.extent.columns.len()
        } else {
            0
        };
        let empty = vec![self.format.delimiter(); missing];
        let mut table = TableWriter::begin(new, self.format, columns)?;
        let mut number = 0;
        read_table(self.format, from_start(old)?, |row| {
            if !checked.dropped.contains(&number) {
                table
                    .line(&[row.line, &empty].concat())
                    .map_err(ReadError::from)?;
            }
            number += 1;
            Ok::<_, ReadError>(())
        })?;
        let new = table.out();
        new.set_permissions(old.metadata()?.permissions())?;
        new.sync_all()?;
        Ok(table)
    }
}

/// A larger table has rows.
const HEADER_AT_MOST: u64 = 1 << 16;

/// Whether a file is a table without rows, as a run leaves it that found no image or was stopped before
/// its first row.
pub fn holds_no_row(path: &Path, format: TableFormat) -> bool {
    let read = || -> Result<bool> {
        let mut head = Vec::new();
        File::open(path)?
            .take(HEADER_AT_MOST + 1)
            .read_to_end(&mut head)?;
        if head.len() as u64 > HEADER_AT_MOST {
            return Ok(false);
        }
        if format == TableFormat::Json {
            head.retain(|byte| !byte.is_ascii_whitespace());
            return Ok(head == b"[" || head == b"[]");
        }
        let extent = read_table(format, &head[..], |_| Ok::<_, ReadError>(()))?;
        Ok(extent.rows == 0 && extent.torn.is_empty() && is_of_predictions(&extent.columns))
    };
    read().unwrap_or(false)
}

/// Whether a table with these columns is one of `cxr predict`, of any model.
fn is_of_predictions(columns: &[String]) -> bool {
    let has = |name: &str| columns.iter().any(|column| column == name);
    has("path") && has("status") && has("model_sha256")
}

fn from_start(mut file: &File) -> Result<BufReader<&File>> {
    file.seek(SeekFrom::Start(0))?;
    Ok(BufReader::new(file))
}

fn boxed(file: File) -> Box<dyn Write> {
    Box::new(file)
}
