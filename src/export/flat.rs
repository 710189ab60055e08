//! Rows of text, one after another: tables of any length are read and written without being held.
//!
//! Whatever the format, a flat row has the cells of a CSV table: lists are joined by `; `, and prevalences are
//! `LABEL=SHARE; LABEL=SHARE`. JSON lines hold more than that, so a row of theirs also keeps its line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::{Map, Value};

use super::columnar::{ColumnarError, ColumnarRows, ColumnarWriter, is_parquet, prediction_column};
use super::formula::harmless;
use super::reading::delimiter;
use super::{TableFormat, header, header_cells};

/// Bytes that are read and written at once.
const BUFFER: usize = 1 << 16;
/// Bytes of a line of JSON. A row has some thousands.
const LONGEST_LINE: u64 = 64 << 20;

/// The cells of one row.
pub type FlatRow = csv::StringRecord;

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FlatError {
    /// The table could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An array of JSON has to be held to be read.
    #[error("too large for an array of JSON; JSON lines, CSV or Parquet can be read row by row")]
    Array,
    /// Its columns are not those that were expected.
    #[error("its columns are others")]
    Columns,
    /// A Parquet file could not be read.
    #[error(transparent)]
    Columnar(#[from] ColumnarError),
    /// This row, counted from 1, is none of such a table.
    #[error("row {0} is not a row of this table")]
    Row(u64),
}

/// Reads the rows of one table.
pub struct FlatReader {
    columns: usize,
    rows: u64,
    source: FlatSource,
}

enum FlatSource {
    Cells(Box<csv::Reader<Box<dyn Read>>>),
    Lines {
        from: Box<dyn BufRead>,
        columns: Vec<String>,
    },
    Columns(Box<ColumnarRows>),
}

impl FlatReader {
    /// Begins to read a table whose columns, as a table of cells has them, are known.
    ///
    /// # Errors
    /// [`FlatError`], if it has other columns or is an array, which has no rows of its own.
    pub fn new(
        format: TableFormat,
        from: Box<dyn BufRead>,
        columns: &[String],
    ) -> Result<Self, FlatError> {
        let source = match format {
            TableFormat::Csv | TableFormat::Tsv => {
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(format.delimiter())
                    .buffer_capacity(BUFFER)
                    .from_reader(from as Box<dyn Read>);
                let head = reader.headers().map_err(io::Error::from)?;
                if head.iter().ne(header_cells(columns)) {
                    return Err(FlatError::Columns);
                }
                FlatSource::Cells(Box::new(reader))
            }
            TableFormat::Jsonl => FlatSource::Lines {
                from,
                columns: columns.to_vec(),
            },
            _ => return Err(FlatError::Columns),
        };
        Ok(FlatReader {
            columns: columns.len(),
            rows: 0,
            source,
        })
    }

    /// Begins to read a table of any columns, by other programs too: Parquet, JSON lines, or cells between commas,
    /// semicolons or tabs. Returns its columns as well.
    ///
    /// # Errors
    /// [`FlatError`], if it is none of these.
    pub fn open(table: &Path) -> Result<(Vec<String>, Self), FlatError> {
        let mut file = File::open(table)?;
        let mut head = Vec::new();
        (&mut file).take(BUFFER as u64).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        if is_parquet(&head) {
            let rows = ColumnarRows::open(file)?;
            let columns = rows.columns();
            return Ok((columns.clone(), Self::columnar(rows, &columns)?));
        }
        let mut from = BufReader::with_capacity(BUFFER, file);
        match TableFormat::sniffed(&head) {
            TableFormat::Json => Err(FlatError::Array),
            TableFormat::Jsonl => {
                // It may be longer than the head.
                let mut first = Vec::new();
                let mut line = (&mut from).take(LONGEST_LINE);
                line.read_until(b'\n', &mut first)?;
                from.seek(SeekFrom::Start(0))?;
                let first: Map<String, Value> =
                    serde_json::from_slice(&first).map_err(|_| FlatError::Row(1))?;
                let columns: Vec<String> = first.keys().cloned().collect();
                let reader = Self::new(TableFormat::Jsonl, Box::new(from), &columns)?;
                Ok((columns, reader))
            }
            _ => {
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(delimiter(&head))
                    .buffer_capacity(BUFFER)
                    .from_reader(Box::new(from) as Box<dyn Read>);
                let head = reader.headers().map_err(io::Error::from)?;
                let columns: Vec<String> = head.iter().map(str::to_owned).collect();
                let reader = FlatReader {
                    columns: columns.len(),
                    rows: 0,
                    source: FlatSource::Cells(Box::new(reader)),
                };
                Ok((columns, reader))
            }
        }
    }

    /// Begins to read a Parquet file whose columns are known.
    ///
    /// # Errors
    /// [`FlatError`], if it has other columns.
    pub fn columnar(rows: ColumnarRows, columns: &[String]) -> Result<Self, FlatError> {
        if rows.columns() != columns {
            return Err(FlatError::Columns);
        }
        Ok(FlatReader {
            columns: columns.len(),
            rows: 0,
            source: FlatSource::Columns(Box::new(rows)),
        })
    }

    /// Reads the next row, and its line if it is of JSON lines; `false` after the last.
    ///
    /// # Errors
    /// [`FlatError`], if it is no such row.
    pub fn next(&mut self, row: &mut FlatRow, line: &mut Vec<u8>) -> Result<bool, FlatError> {
        self.rows += 1;
        line.clear();
        let rows = self.rows;
        let is_there = match &mut self.source {
            FlatSource::Cells(reader) => {
                reader
                    .read_record(row)
                    .map_err(|error| match error.into_kind() {
                        csv::ErrorKind::Io(error) => FlatError::Io(error),
                        _ => FlatError::Row(rows),
                    })?
            }
            FlatSource::Lines { from, columns } => {
                let read = from.take(LONGEST_LINE).read_until(b'\n', line)?;
                if read as u64 == LONGEST_LINE {
                    return Err(FlatError::Row(rows));
                }
                if line.ends_with(b"\n") {
                    line.pop();
                }
                if read > 0 {
                    let object: Map<String, Value> =
                        serde_json::from_slice(line).map_err(|_| FlatError::Row(rows))?;
                    flatten(&object, columns, row).ok_or(FlatError::Row(rows))?;
                }
                read > 0
            }
            FlatSource::Columns(source) => source.next(row)?,
        };
        if is_there && row.len() != self.columns {
            return Err(FlatError::Row(rows));
        }
        Ok(is_there)
    }

    /// Whether nothing follows.
    pub fn is_over(&mut self) -> bool {
        matches!(self.next(&mut FlatRow::new(), &mut Vec::new()), Ok(false))
    }
}

/// The cells of a JSON row; `None` if it lacks a column.
fn flatten(object: &Map<String, Value>, columns: &[String], row: &mut FlatRow) -> Option<()> {
    row.clear();
    for column in columns {
        match object.get(column)? {
            Value::Null => row.push_field(""),
            Value::String(text) => row.push_field(&harmless(text)),
            Value::Array(values) => row.push_field(&harmless(&joined(values.iter().map(plain)))),
            Value::Object(members) => {
                let pairs = members.iter();
                let pairs = pairs.map(|(name, value)| format!("{name}={}", plain(value)));
                row.push_field(&harmless(&joined(pairs)));
            }
            other => row.push_field(&other.to_string()),
        }
    }
    Some(())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

/// Writes the rows of one table. Rows are not flushed one by one: use it where the file gets its name at the end.
pub struct FlatWriter<W: Write + Send> {
    format: TableFormat,
    rows: u64,
    out: FlatTarget<W>,
}

enum FlatTarget<W: Write + Send> {
    Cells(Box<csv::Writer<W>>),
    Lines(W),
    Columns(Box<ColumnarWriter<W>>),
}

impl<W: Write + Send> FlatWriter<W> {
    /// Begins a table with these columns. JSON takes the lines of rows that were read from JSON lines.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn begin(out: W, format: TableFormat, columns: &[String]) -> io::Result<Self> {
        Self::about(out, format, columns, &[])
    }

    /// The same, with what a Parquet file states about the table; the other formats have no place for it.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn about(
        mut out: W,
        format: TableFormat,
        columns: &[String],
        metadata: &[(String, String)],
    ) -> io::Result<Self> {
        let out = if format == TableFormat::Parquet {
            let typed = columns.iter();
            let typed = typed.map(|name| (name.clone(), prediction_column(name)));
            let typed: Vec<_> = typed.collect();
            FlatTarget::Columns(Box::new(ColumnarWriter::begin(out, &typed, metadata)?))
        } else if format.is_json() {
            if format == TableFormat::Json {
                out.write_all(b"[")?;
            }
            FlatTarget::Lines(out)
        } else {
            out.write_all(&header(format, columns)?)?;
            Self::cells(out, format)
        };
        Ok(FlatWriter {
            format,
            rows: 0,
            out,
        })
    }

    fn cells(out: W, format: TableFormat) -> FlatTarget<W> {
        let mut writer = csv::WriterBuilder::new();
        writer.delimiter(format.delimiter()).buffer_capacity(BUFFER);
        FlatTarget::Cells(Box::new(writer.from_writer(out)))
    }

    /// Writes a row: its cells, or its line where the table is JSON.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn row(&mut self, row: &FlatRow, line: &[u8]) -> io::Result<()> {
        match &mut self.out {
            FlatTarget::Columns(writer) => writer.row(row)?,
            FlatTarget::Cells(writer) => writer.write_record(row.as_byte_record())?,
            FlatTarget::Lines(out) => {
                let (before, after): (&[u8], &[u8]) = match self.format {
                    TableFormat::Json if self.rows == 0 => (b"\n", b""),
                    TableFormat::Json => (b",\n", b""),
                    _ => (b"", b"\n"),
                };
                out.write_all(before)?;
                out.write_all(line)?;
                out.write_all(after)?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Ends the table.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> io::Result<W> {
        let mut out = match self.out {
            FlatTarget::Cells(writer) => writer.into_inner().map_err(|error| error.into_error())?,
            FlatTarget::Lines(out) => out,
            FlatTarget::Columns(writer) => writer.finish()?,
        };
        if self.format == TableFormat::Json {
            out.write_all(b"\n]\n")?;
        }
        out.flush()?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::predictions::tests::{columns, three_rows, written};

    fn copied(format: TableFormat, text: &str, to: TableFormat) -> String {
        let from = Box::new(io::Cursor::new(text.as_bytes().to_vec()));
        let columns = columns(TableFormat::Csv);
        let mut reader = FlatReader::new(format, from, &columns).unwrap();
        let mut writer = FlatWriter::begin(Vec::new(), to, &columns).unwrap();
        let (mut row, mut line) = (FlatRow::new(), Vec::new());
        while reader.next(&mut row, &mut line).unwrap() {
            writer.row(&row, &line).unwrap();
        }
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    #[test]
    fn rows_are_copied_byte_for_byte() {
        for (format, to) in [
            (TableFormat::Csv, TableFormat::Csv),
            (TableFormat::Csv, TableFormat::Tsv),
            (TableFormat::Tsv, TableFormat::Csv),
            (TableFormat::Jsonl, TableFormat::Jsonl),
            (TableFormat::Jsonl, TableFormat::Json),
        ] {
            let text = written(format, &three_rows(format));
            let expected = written(to, &three_rows(to));
            assert_eq!(copied(format, &text, to), expected, "{format:?} {to:?}");
        }
    }

    #[test]
    fn json_lines_become_the_cells_of_the_same_rows() {
        let lines = written(TableFormat::Jsonl, &three_rows(TableFormat::Jsonl));
        let cells = written(TableFormat::Csv, &three_rows(TableFormat::Csv));
        let found = copied(TableFormat::Jsonl, &lines, TableFormat::Csv);
        let parse = |text: &str| -> Vec<Vec<String>> {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let rows = reader.records();
            rows.map(|row| row.unwrap().iter().map(str::to_owned).collect())
                .collect()
        };
        for (found, expected) in parse(&found).iter().zip(parse(&cells)) {
            for (found, expected) in found.iter().zip(&expected) {
                let both = (found.parse::<f64>(), expected.parse::<f64>());
                match both {
                    (Ok(found), Ok(expected)) => assert!((found - expected).abs() < 1e-6),
                    _ => assert_eq!(found, expected),
                }
            }
        }
        assert_eq!(found.lines().count(), cells.lines().count());
    }

    #[test]
    fn other_columns_and_torn_rows_are_no_rows() {
        let columns = ["path", "status"].map(str::to_owned);
        let open = |format, text: &str| {
            let from = Box::new(io::Cursor::new(text.as_bytes().to_vec()));
            FlatReader::new(format, from, &columns)
        };
        let other = open(TableFormat::Csv, "path,statuses\n");
        assert!(matches!(other, Err(FlatError::Columns)));
        for (format, text) in [
            (TableFormat::Csv, "path,status\na,ok\nb\n"),
            (
                TableFormat::Jsonl,
                "{\"path\":\"a\",\"status\":\"ok\"}\n{\"path\":\"b\"}\n",
            ),
            (
                TableFormat::Jsonl,
                "{\"path\":\"a\",\"status\":\"ok\"}\n{\"path\":\n",
            ),
        ] {
            let mut reader = open(format, text).unwrap();
            let (mut row, mut line) = (FlatRow::new(), Vec::new());
            assert!(reader.next(&mut row, &mut line).unwrap());
            let torn = reader.next(&mut row, &mut line);
            assert!(matches!(torn, Err(FlatError::Row(2))), "{text}");
        }
    }

    /// A model of many labels has as long a list of findings.
    #[test]
    fn the_columns_of_a_table_with_long_lines_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.jsonl");
        let long = "x".repeat(2 * BUFFER);
        let line = format!("{{\"path\":\"a.png\",\"findings\":\"{long}\"}}\n");
        std::fs::write(&table, line.repeat(2)).unwrap();
        let (columns, mut reader) = FlatReader::open(&table).unwrap();
        assert_eq!(columns, ["findings", "path"]);
        let (mut row, mut line) = (FlatRow::new(), Vec::new());
        for _ in 0..2 {
            assert!(reader.next(&mut row, &mut line).unwrap());
            assert_eq!(&row[1], "a.png");
        }
        assert!(!reader.next(&mut row, &mut line).unwrap());
    }
}
