//! Rows of studies or folders, made of the rows of their films.
//!
//! The films' rows are a table of their own beside the table of studies, `FILE.films`, which is written as films are
//! scored and continued like any table. Only when it is whole are the rows of studies made: a row needs all of its films.
//! About half a kilobyte is held for each film of the shard meanwhile.

mod identity;
mod row;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use self::identity::judge;
use self::row::{FilmPositions, FilmStatus, StudyFilms, StudyRow};
use super::journal::{NamedTable, TableRun};
use crate::commands::shared::output_file::OutputFile;
use crate::commands::shared::shard::group::shard_of_name;
use crate::commands::shared::shard::part::{
    BUFFER, PartContent, PartEnd, UnreadHeaders, content_of_rows,
};
use crate::commands::shared::shard::root_number;
use crate::commands::shared::{Usage, complain};
use crate::domain::ModelCard;
use crate::domain::columns::{CONTENT, FILM_COUNTS, FILM_OF, HIGHEST, LUNGS, STUDY, is_reserved};
use crate::evaluation::tables::counted;
use crate::export::{
    FlatError, FlatReader, FlatRow, FlatWriter, PART, ReadError, TableFormat, json_line, path_of,
    path_text, read_table,
};
use crate::imaging::DecodeLimits;
use crate::library::walk_order;

/// The columns of a table of studies, from those of its films.
pub fn study_columns(films: &[String]) -> Vec<String> {
    let is_of_film = |name: &String| name == CONTENT || LUNGS.contains(&name.as_str());
    let kept = films.iter().filter(|name| !is_of_film(name)).cloned();
    let more = [HIGHEST].into_iter().chain(FILM_COUNTS).map(str::to_owned);
    let labels = films.iter().filter(|name| !is_reserved(name));
    let of = labels.map(|label| format!("{FILM_OF}{label}"));
    kept.chain(more).chain(of).collect()
}

/// Whether a file is a table of studies or folders, by any model and in any format.
pub fn is_study_table(file: &Path) -> bool {
    let columns = match FlatReader::open(file) {
        Ok((columns, _)) => columns,
        Err(FlatError::Array) => columns_of_array(file).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let needed = ["path", "status", STUDY, FILM_COUNTS[0]];
    let has = |name: &&str| columns.iter().any(|column| column == name);
    needed.iter().all(has)
}

/// The members of the first row of an array of JSON, as a table of predictions is written.
fn columns_of_array(file: &Path) -> io::Result<Vec<String>> {
    let from = BufReader::with_capacity(BUFFER, File::open(file)?);
    let mut columns = Vec::new();
    let read = read_table(TableFormat::Json, from, |row| {
        columns = row.columns.to_vec();
        // One row is enough.
        Err(ReadError::Foreign(0))
    });
    match read {
        Err(ReadError::Io(error)) => Err(error),
        _ => Ok(columns),
    }
}

/// What a table of studies is made with, beside the rows of the films.
pub struct StudyTable<'a> {
    pub card: &'a ModelCard,
    pub film_columns: Vec<String>,
    pub limits: &'a DecodeLimits,
    /// How many threads read headers.
    pub threads: usize,
    pub stop: &'a AtomicBool,
    /// `None` where no header tells where a film belongs.
    pub unread_headers: Option<&'a UnreadHeaders>,
}

/// Makes the table of studies of the rows of their films, and gives it its name in one step; `false` after a signal.
///
/// # Errors
/// If the films cannot be read, are of another shard, or the table cannot be written. What was there stays.
pub fn publish(
    films: &Path,
    table: &NamedTable,
    run: &TableRun,
    of: &StudyTable,
    replaces: bool,
) -> Result<bool> {
    let studies = of.films_by_study(films, run).map_err(|error| {
        // A usage error names its file itself.
        if error.is::<Usage>() {
            error
        } else {
            error.context(format!("reading {}", path_text(films)))
        }
    })?;
    let judged = judge(&studies, of);
    if of.stop.load(Ordering::Relaxed) {
        return Ok(false);
    }
    let mut studies = studies;
    let left_out = judged.leave_out(&mut studies);
    if left_out > 0 {
        complain(&format!(
            "left out of their studies or folders: {}, because nothing can be read there any more",
            counted(left_out, "film")
        ));
    }
    let roots: Vec<PathBuf> = run.about.roots.iter().map(|root| path_of(root)).collect();
    let mut rows: Vec<StudyRow> = Vec::with_capacity(studies.len());
    for (study, films) in studies {
        let is_mixed = judged.is_mixed(&study);
        rows.push(of.row(&study, films, is_mixed, &roots, run, table.format)?);
    }
    rows.sort_by(|a, b| {
        let place = |row: &StudyRow| root_number(&roots, &row.path);
        let by_root = place(a).cmp(&place(b));
        by_root.then_with(|| walk_order(&a.path, &b.path))
    });
    let written = of.write(&rows, table, run, replaces);
    written.with_context(|| format!("writing {}", path_text(table.path)))?;
    Ok(true)
}

impl StudyTable<'_> {
    fn films_by_study(&self, films: &Path, run: &TableRun) -> Result<HashMap<String, StudyFilms>> {
        let from = Box::new(BufReader::with_capacity(BUFFER, File::open(films)?));
        let mut reader = FlatReader::new(TableFormat::Csv, from, &self.film_columns)?;
        let at = FilmPositions::of(&self.film_columns, self.card);
        let mut studies: HashMap<String, StudyFilms> = HashMap::new();
        let (mut row, mut line) = (FlatRow::new(), Vec::new());
        while reader.next(&mut row, &mut line)? {
            let name = &row[at.study];
            let is_here = run.shard.is_none_or(|shard| {
                let found = shard_of_name(name, shard.of);
                found == Some(shard.number)
            });
            if !is_here || name.is_empty() {
                return Err(Usage::error(format!(
                    "{}: the film {} is not of this run; give another file, or --force to begin anew",
                    path_text(films),
                    &row[at.path]
                )));
            }
            if !studies.contains_key(name) {
                studies.insert(name.to_owned(), StudyFilms::default());
            }
            if let Some(study) = studies.get_mut(name) {
                study.add(&row, &at);
            }
        }
        Ok(studies)
    }

    /// The row of a study, in the form in which the table takes it.
    fn row(
        &self,
        study: &str,
        mut films: StudyFilms,
        is_mixed: bool,
        roots: &[PathBuf],
        run: &TableRun,
        format: TableFormat,
    ) -> Result<StudyRow> {
        // Of films with the same number, the first one in the order of the walk is named.
        films.films.sort_by(|a, b| {
            let (a, b) = (path_of(&a.path), path_of(&b.path));
            let by_root = root_number(roots, &a).cmp(&root_number(roots, &b));
            by_root.then_with(|| walk_order(&a, &b))
        });
        let (main, status, cells) = films.row(study, is_mixed, self.card, &run.about, format);
        let mut row = StudyRow {
            path: main,
            status,
            row: FlatRow::new(),
            line: Vec::new(),
        };
        if format.is_json() {
            row.line = json_line(&run.about.columns, &cells)?;
        } else {
            row.row = cells.iter().map(|cell| cell.to_csv()).collect();
        }
        Ok(row)
    }

    fn write(
        &self,
        rows: &[StudyRow],
        table: &NamedTable,
        run: &TableRun,
        replaces: bool,
    ) -> Result<()> {
        let mut metadata = run.about.metadata();
        if table.format == TableFormat::Parquet {
            let end = self.end(run, count(rows));
            metadata.extend(end.map(|end| (PART.to_owned(), end.json())));
        }
        let file = OutputFile::beside(table.path)?;
        let out = BufWriter::with_capacity(BUFFER, file.handle()?);
        let mut writer = FlatWriter::about(out, table.format, &run.about.columns, &metadata)?;
        for row in rows {
            writer.row(&row.row, &row.line)?;
        }
        let out = writer.finish()?.into_inner();
        let mut out = out.map_err(|error| error.into_error())?;
        if run.shard.is_some() && table.format != TableFormat::Parquet {
            let content = content_of_rows(&out, table.format)?;
            let end = self.end(run, content).map(|end| end.line(table.format));
            out.seek(SeekFrom::End(0))?;
            out.write_all(end.unwrap_or_default().as_bytes())?;
        }
        out.sync_all()?;
        Ok(file.publish(table.path, replaces)?)
    }

    /// The end of a part; `None` if the table is none.
    fn end(&self, run: &TableRun, content: PartContent) -> Option<PartEnd> {
        let content = PartContent {
            unread_headers: self.unread_headers.cloned(),
            ..content
        };
        let shard = run.shard?;
        Some(PartEnd::new(run.about.clone(), shard.number, content))
    }
}

fn count(rows: &[StudyRow]) -> PartContent {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.status.to_owned()).or_default() += 1;
    }
    PartContent {
        rows: rows.len() as u64,
        counts,
        ..PartContent::default()
    }
}

#[cfg(test)]
mod tests;
