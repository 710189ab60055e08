//! `--since TABLE`: content that earlier tables have rows for, which is not scored again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::commands::shared::shard::part::{IS_PART, is_part};
use crate::commands::shared::{Usage, complain};
use crate::domain::ContentId;
use crate::export::{
    CONTENT, ColumnarRows, FlatRow, PredictionRows, ReadError, Record, RowOrigin, TableFormat,
    is_parquet, path_text, read_table,
};

/// Bytes by which the format of a table is recognised.
const HEAD: u64 = 1 << 16;
/// Contents that are held before repeated ones are looked for.
const AT_ONCE: usize = 1 << 20;
/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// The contents of files that have a row already, in order: 32 bytes for each.
#[derive(Debug, Default)]
pub struct EarlierContents(Vec<ContentId>);

impl EarlierContents {
    /// Reads the tables. They must be by the same model, in the same way, as these predictions.
    ///
    /// # Errors
    /// [`Usage`], if a table is none, or has rows by another model or way.
    pub fn read(tables: &[PathBuf], predictions: &PredictionRows) -> Result<Self> {
        let mut contents = Vec::new();
        for table in tables {
            let found = one(table, predictions)?;
            contents.extend(found);
        }
        contents.sort_unstable();
        contents.dedup();
        Ok(EarlierContents(contents))
    }

    /// Whether a table has a row for this content.
    pub fn has(&self, content: ContentId) -> bool {
        self.0.binary_search(&content).is_ok()
    }
}

fn one(table: &Path, predictions: &PredictionRows) -> Result<Vec<ContentId>> {
    let name = path_text(table);
    let fail = |reason: String| Usage::error(format!("--since {name}: {reason}"));
    let mut file = File::open(table).map_err(|error| fail(error.kind().to_string()))?;
    let mut head = Vec::new();
    let read = (&mut file).take(HEAD).read_to_end(&mut head);
    read.map_err(|error| fail(error.kind().to_string()))?;
    file.seek(SeekFrom::Start(0))
        .with_context(|| name.clone())?;
    let format = TableFormat::sniffed(&head);
    let mut rows = SinceTable {
        // Content is compared, and never whose it is.
        ours: RowOrigin {
            pseudonym_key: None,
            ..predictions.in_format(format).origin()
        },
        contents: Vec::new(),
        sorted: 0,
        others: BTreeMap::new(),
        unnamed: 0,
        is_table: false,
    };
    if is_parquet(&head) {
        rows.columns(file)
            .map_err(|error| fail(error.to_string()))?;
    } else {
        let from = BufReader::with_capacity(BUFFER, file);
        let read = read_table(format, from, |row| {
            rows.note(&row);
            Ok::<_, ReadError>(())
        });
        let extent = read.map_err(|error| match is_part(table) {
            true => fail(IS_PART.to_owned()),
            false => fail(error.to_string()),
        })?;
        rows.is_table |= extent.columns.iter().any(|column| column == CONTENT);
    }
    if !rows.is_table {
        return Err(fail(format!("it has no column {CONTENT}")));
    }
    if let Some((origin, count)) = rows.others.first_key_value() {
        let ours = &rows.ours;
        return Err(fail(format!(
            "this run is by {ours}, and {count} of its rows by {origin}"
        )));
    }
    if rows.unnamed > 0 {
        complain(&format!(
            "{name}: {} rows do not name the content of their files, which are scored again",
            rows.unnamed
        ));
    }
    Ok(rows.contents)
}

/// What is taken from the rows of one table.
struct SinceTable {
    ours: RowOrigin,
    contents: Vec<ContentId>,
    /// How many of them were left when they were last sorted.
    sorted: usize,
    /// How many rows were made in each other way.
    others: BTreeMap<RowOrigin, u64>,
    unnamed: u64,
    is_table: bool,
}

impl SinceTable {
    fn note(&mut self, row: &Record) {
        self.is_table |= row.columns.iter().any(|column| column == CONTENT);
        if matches!(row.value("status"), None | Some("error" | "unread")) {
            return;
        }
        if let Some(origin) = RowOrigin::of(row).filter(|origin| !origin.agrees_with(&self.ours)) {
            *self.others.entry(origin).or_default() += 1;
        }
        match row.value(CONTENT).and_then(|text| text.parse().ok()) {
            Some(content) => self.hold(content),
            None => self.unnamed += 1,
        }
    }

    /// Holds a content once, however often a table repeats it.
    fn hold(&mut self, content: ContentId) {
        if self.contents.len() >= self.sorted.saturating_mul(2).max(AT_ONCE) {
            self.contents.sort_unstable();
            self.contents.dedup();
            self.sorted = self.contents.len();
        }
        self.contents.push(content);
    }

    fn columns(&mut self, file: File) -> Result<()> {
        let mut rows = ColumnarRows::open(file)?;
        let columns = rows.columns();
        let mut row = FlatRow::new();
        while rows.next(&mut row)? {
            self.note(&Record {
                columns: &columns,
                values: row.iter().map(str::to_owned).collect(),
                line: &[],
            });
        }
        self.is_table |= columns.iter().any(|column| column == CONTENT);
        Ok(())
    }
}
