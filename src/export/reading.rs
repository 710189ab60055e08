//! Reads existing tables line by line, as far as they are whole.
//!
//! A run that was killed leaves a torn last line, or a JSON array without its end. Every whole row
//! before that is read. The caller replaces the rest.

use std::cmp::Ordering;
use std::io::{self, BufRead};

use serde_json::{Map, Value};

use super::TableFormat;

/// A whole row.
#[derive(Debug)]
pub struct Record<'a> {
    /// Names of the columns: in the order of the header, or sorted for a JSON object.
    pub columns: &'a [String],
    /// One text for each column, empty where there is no value.
    pub values: Vec<String>,
    /// The line itself, without its line end and without the comma of a JSON array.
    pub line: &'a [u8],
}

impl Record<'_> {
    /// The value in a column; `None` if the row lacks the column or its cell is empty.
    pub fn value(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name == column)?;
        Some(self.values[at].as_str()).filter(|value| !value.is_empty())
    }
}

/// How much of a table exists.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TableExtent {
    /// Columns of the header; empty for JSON, where each row has its own.
    pub columns: Vec<String>,
    /// Whole rows.
    pub rows: u64,
    /// Bytes up to the end of the last whole row, in a JSON array without the comma after it.
    pub bytes: u64,
    /// The last line if it may have been cut off, otherwise empty.
    pub torn: Vec<u8>,
    /// Whether the last whole row has no line end, so that one must be written before the next row.
    pub lacks_end: bool,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The table could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// This line, counted from 1, is not a row of such a table.
    #[error("line {0} is not a row of this table")]
    Foreign(u64),
}

/// Calls `on` with every whole row, in order.
///
/// # Errors
/// [`ReadError`] as the caller's own error type, or an error of `on`.
pub fn read_table<E: From<ReadError>>(
    format: TableFormat,
    mut from: impl BufRead,
    mut on: impl FnMut(Record) -> Result<(), E>,
) -> Result<TableExtent, E> {
    let mut extent = TableExtent::default();
    let (mut line, mut number, mut begun, mut at) = (Vec::new(), 0, false, 0);
    while from.read_until(b'\n', &mut line).map_err(ReadError::from)? > 0 {
        number += 1;
        let (text, is_whole) = stripped(format, &line);
        // The end of the row itself, without the comma and the line end.
        let end = at + text.len() as u64;
        at += line.len() as u64;
        let foreign = || E::from(ReadError::Foreign(number));
        match format {
            TableFormat::Parquet => return Err(foreign()),
            TableFormat::Json if !begun => {
                if text != b"[" {
                    return Err(foreign());
                }
                (begun, extent.bytes) = (true, end);
            }
            TableFormat::Json if text == b"]" => {}
            _ if !is_whole => extent.torn = text.to_vec(),
            TableFormat::Csv | TableFormat::Tsv if !begun => {
                extent.columns = parse_cells(format, text).ok_or_else(foreign)?;
                (begun, extent.bytes) = (true, at);
            }
            _ => {
                let own;
                let (columns, values) = if format.is_json() {
                    let (names, values) = parse_object(text).ok_or_else(foreign)?;
                    own = names;
                    (&own[..], values)
                } else {
                    let values = parse_cells(format, text);
                    let values = values.filter(|values| values.len() == extent.columns.len());
                    (&extent.columns[..], values.ok_or_else(foreign)?)
                };
                on(Record {
                    columns,
                    values,
                    line: text,
                })?;
                extent.rows += 1;
                extent.lacks_end = format == TableFormat::Jsonl && !line.ends_with(b"\n");
                let is_open = format == TableFormat::Json || extent.lacks_end;
                extent.bytes = if is_open { end } else { at };
            }
        }
        line.clear();
    }
    Ok(extent)
}

/// A table of cells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cells {
    /// Names in the table's order.
    pub columns: Vec<String>,
    /// One text for each column, empty where there is no value.
    pub rows: Vec<Vec<String>>,
    /// Whether the last row has no line end and too few cells: it was cut off and is left out.
    pub is_torn: bool,
}

/// This row, counted from 1 below the header, does not have the columns of the header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {0} has other columns")]
pub struct Uneven(pub u64);

/// Reads a whole table of cells (RFC 4180), as many programs write them: separated by commas, semicolons
/// or tabs (the most frequent of these in the header), with or without carriage returns, and with or
/// without a line end after the last row.
///
/// # Errors
/// [`Uneven`] if a row other than a cut-off last one does not have the columns of the header.
pub fn read_cells(bytes: &[u8]) -> Result<Cells, Uneven> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(bytes))
        .from_reader(bytes);
    let mut cells = Cells::default();
    let mut records = reader.byte_records();
    let text = |record: csv::ByteRecord| -> Vec<String> {
        let cells = record.iter();
        cells
            .map(|cell| String::from_utf8_lossy(cell).into_owned())
            .collect()
    };
    // Reading from memory cannot fail, and a row may have any number of cells.
    if let Some(Ok(header)) = records.next() {
        cells.columns = text(header);
    }
    for record in records.map_while(Result::ok) {
        if cells.is_torn {
            // Only the last row may be cut off.
            return Err(Uneven(cells.rows.len() as u64 + 1));
        }
        match record.len().cmp(&cells.columns.len()) {
            Ordering::Equal => cells.rows.push(text(record)),
            Ordering::Less if !bytes.ends_with(b"\n") => cells.is_torn = true,
            _ => return Err(Uneven(cells.rows.len() as u64 + 1)),
        }
    }
    Ok(cells)
}

/// The sign between cells: the most frequent of comma, semicolon and tab in the first line.
pub fn delimiter(bytes: &[u8]) -> u8 {
    let header = bytes.split(|byte| *byte == b'\n').next();
    let header = header.unwrap_or_default();
    let count = |sign: &u8| header.iter().filter(|byte| *byte == sign).count();
    let signs = [b'\t', b';', b','];
    // `max_by_key` takes the last of equals: the comma.
    let most = signs.into_iter().max_by_key(count);
    most.unwrap_or(b',')
}

/// Names and values of the rows of a whole JSON array, in any layout; `None` if it is not one.
pub fn read_array(bytes: &[u8]) -> Option<Vec<(Vec<String>, Vec<String>)>> {
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(bytes).ok()?;
    Some(rows.into_iter().map(texts).collect())
}

/// A line without its line end, and whether it is whole. A JSON object shows that it is whole even
/// without a line end, which rows of an array and files saved by some editors lack. A line of cells does
/// not: its last cell might go on.
fn stripped(format: TableFormat, line: &[u8]) -> (&[u8], bool) {
    let text = line.strip_suffix(b"\n");
    let is_whole = text.is_some();
    let text = text.unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let text = match format {
        TableFormat::Csv | TableFormat::Tsv | TableFormat::Parquet => return (text, is_whole),
        TableFormat::Jsonl => text,
        TableFormat::Json => text.strip_suffix(b",").unwrap_or(text),
    };
    (text, is_whole || parse_object(text).is_some())
}

/// The cells of one line of a CSV or TSV file.
pub fn parse_cells(format: TableFormat, line: &[u8]) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(format.delimiter())
        .from_reader(line);
    let mut records = reader.records();
    let record = records.next()?.ok()?;
    records
        .next()
        .is_none()
        .then(|| record.iter().map(str::to_owned).collect())
}

/// Names and values of the members of an object.
fn parse_object(line: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
    serde_json::from_slice(line).ok().map(texts)
}

fn texts(object: Map<String, Value>) -> (Vec<String>, Vec<String>) {
    let text = |value: Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    object
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::predictions::tests::{columns, three_rows, written};

    fn read(format: TableFormat, bytes: &[u8]) -> Result<(TableExtent, Vec<String>), ReadError> {
        let mut paths = Vec::new();
        let extent = read_table(format, bytes, |record| {
            paths.push(record.value("path").unwrap_or_default().to_owned());
            Ok::<_, ReadError>(())
        })?;
        Ok((extent, paths))
    }

    const FORMATS: [TableFormat; 4] = [
        TableFormat::Csv,
        TableFormat::Tsv,
        TableFormat::Jsonl,
        TableFormat::Json,
    ];

    #[test]
    fn a_cut_off_table_loses_only_its_torn_row() {
        for format in FORMATS {
            let text = written(format, &three_rows(format));
            let mut ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
            match format {
                // The first line is the bracket, and each row is whole before its line end.
                TableFormat::Json => {
                    ends = ends[1..4]
                        .iter()
                        .map(|end| text[..end - 1].trim_end_matches(',').len())
                        .collect()
                }
                // Each row is whole before its line end.
                TableFormat::Jsonl => ends.iter_mut().for_each(|end| *end -= 1),
                _ => drop(ends.remove(0)),
            }
            for cut in 0..=text.len() {
                let (extent, paths) = read(format, &text.as_bytes()[..cut]).unwrap();
                let whole = ends.iter().filter(|end| **end <= cut).count();
                assert_eq!(
                    (extent.rows, paths.len()),
                    (whole as u64, whole),
                    "{format:?} {cut}"
                );
                assert!(extent.bytes <= cut as u64);
                if whole > 0 {
                    let has_end = format == TableFormat::Jsonl && cut > ends[whole - 1];
                    let bytes = ends[whole - 1] + usize::from(has_end);
                    assert_eq!(extent.bytes, bytes as u64, "{format:?} {cut}");
                    let lacks_end = format == TableFormat::Jsonl && cut == ends[whole - 1];
                    assert_eq!(extent.lacks_end, lacks_end, "{format:?} {cut}");
                    assert_eq!(paths[0], "a.png");
                }
            }
        }
    }

    #[test]
    fn tables_of_many_programs_are_read_alike() {
        let plain = "path,status,x\na.png,ok,0.5\nb.png,ok,0.25\n";
        let expected = read_cells(plain.as_bytes()).unwrap();
        assert_eq!(expected.rows[1], ["b.png", "ok", "0.25"]);
        for text in [
            plain.trim_end().to_owned(),
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\r\n").trim_end().to_owned(),
            plain.replace(',', ";"),
            plain.replace(',', "\t"),
            format!("{plain}\n\r\n"),
            plain.replace("b.png", "\"b.png\""),
        ] {
            assert_eq!(read_cells(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
        let quoted = "path,reasons,x\r\na.png,\"small\r\nand \"\"dark\"\"\",0.5\r\nb.png,,0.25";
        let cells = read_cells(quoted.as_bytes()).unwrap();
        assert_eq!(cells.rows[0], ["a.png", "small\r\nand \"dark\"", "0.5"]);
        assert_eq!((cells.rows.len(), cells.is_torn), (2, false));
    }

    #[test]
    fn only_the_last_row_of_cells_may_be_cut_off() {
        let cells = read_cells(b"path,status,x\na.png,ok,0.5\nb.png,o").unwrap();
        assert_eq!((cells.rows.len(), cells.is_torn), (1, true));
        for (text, row) in [
            (&b"path,x\na.png\nb.png,1\n"[..], 1),
            (b"path,x\na.png\nb.png,1", 1),
            (b"path,x\na.png,1\nb.png\n", 2),
            (b"path,x\na.png,1\nb.png,1,2", 2),
        ] {
            assert_eq!(read_cells(text), Err(Uneven(row)), "{text:?}");
        }
        assert_eq!(read_cells(b""), Ok(Cells::default()));
    }

    #[test]
    fn a_row_reads_back_in_every_format() {
        for format in FORMATS {
            let text = written(format, &three_rows(format));
            let mut rows = 0;
            read_table(format, text.as_bytes(), |record| {
                rows += 1;
                if record.value("path") == Some("b.png") {
                    let mut columns = columns(format);
                    if format.is_json() {
                        columns.sort();
                    }
                    assert_eq!(record.columns, columns);
                    assert_eq!(record.value("reasons"), Some("colour"));
                    assert_eq!(record.value("opacity"), None);
                    assert_eq!(record.value("model_sha256"), Some("ab"));
                }
                Ok::<_, ReadError>(())
            })
            .unwrap();
            assert_eq!(rows, 3);
        }
        let array = written(TableFormat::Json, &three_rows(TableFormat::Json));
        assert_eq!(read_array(array.as_bytes()).unwrap().len(), 3);
        assert!(read_array(&array.as_bytes()[..array.len() - 3]).is_none());
    }

    #[test]
    fn a_foreign_line_is_reported_with_its_number() {
        for (format, text, line) in [
            (TableFormat::Csv, "path,status\na,ok\nb\n", 3),
            (TableFormat::Jsonl, "{\"path\":1}\nx\n", 2),
            (TableFormat::Jsonl, "[\n", 1),
            (TableFormat::Json, "{\"path\":1}\n", 1),
            (TableFormat::Json, "[\n{\n\"path\":1}\n]\n", 2),
        ] {
            match read(format, text.as_bytes()) {
                Err(ReadError::Foreign(found)) => assert_eq!(found, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
