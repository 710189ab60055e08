//! Writes tables as CSV, TSV, JSON Lines and JSON. Each row is written as soon as it is finished, so
//! that a later failure cannot lose it.
//!
//! A table is a list of columns and rows of [`Cell`]s. In every format a row is exactly one line, so a
//! file that was cut off in the middle of a row loses that row only and can be continued. [`read_table`]
//! reads a table back.
//!
//! # How paths are written
//!
//! A path in a table must still name its file, and must not harm the program that reads it.
//! [`path_text`] writes it unchanged but for four replacements, which [`path_of`] undoes:
//!
//! - Bytes that are not UTF-8, and dangerous characters ([`is_dangerous`]: controls, marks that reorder
//!   text, invisible characters), become `\xNN`, one for each byte.
//! - A backslash becomes `\\`.
//! - A relative path that begins with `=`, `+`, `-` or `@`, or a look-alike, would be computed by a
//!   spreadsheet. It gets a leading `./`, which names the same file.
//! - Such a sign after a comma, a semicolon or a bar becomes `\xNN`, because another program may split
//!   the cell there.

mod columnar;
mod flat;
mod format;
mod formula;
mod predictions;
mod reading;
mod row_origin;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::domain::text::{clean, is_dangerous};
pub use columnar::{
    ColumnKind, ColumnarError, ColumnarRows, ColumnarWriter, PART, is_parquet, prediction_column,
};
pub use flat::{FlatError, FlatReader, FlatRow, FlatWriter};
pub use format::{TableFormat, UnknownEnding, is_stream};
use formula::harmless;
pub use predictions::{
    CONTENT, PREVALENCE, PredictionRows, RowOf, RowPseudonyms, WITHHELD, is_label,
};
pub use reading::{
    Cells, ReadError, Record, TableExtent, Uneven, parse_cells, read_array, read_cells, read_table,
};
pub use row_origin::RowOrigin;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value: an empty cell, `null` in JSON.
    Empty,
    /// One line of text.
    Text(String),
    /// A finite number.
    Number {
        /// Unrounded.
        value: f64,
        /// Digits after the point when it is written.
        decimals: usize,
    },
    /// Several values in one member of a JSON object.
    Nested(serde_json::Value),
}

impl Cell {
    /// Text on one line, without control characters.
    pub fn text(text: &str) -> Self {
        Cell::Text(clean(text))
    }

    /// What it is in a table of columns; `None` for an empty cell, which is nothing by itself.
    pub fn kind(&self) -> Option<ColumnKind> {
        match self {
            Cell::Empty => None,
            Cell::Number { .. } => Some(ColumnKind::Number),
            Cell::Nested(value) if value.is_i64() => Some(ColumnKind::Integer),
            Cell::Text(_) | Cell::Nested(_) => Some(ColumnKind::Text),
        }
    }

    /// A number rounded to `decimals`; empty if there is none or it is not finite.
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        match value {
            Some(value) if value.is_finite() => Cell::Number { value, decimals },
            _ => Cell::Empty,
        }
    }

    /// The cell in a CSV file, without any text that a spreadsheet would take for a formula.
    pub fn to_csv(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Text(text) => harmless(text),
            Cell::Number { value, decimals } => format!("{value:.decimals$}"),
            Cell::Nested(value) => harmless(&value.to_string()),
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Empty => serializer.serialize_none(),
            Cell::Text(text) => serializer.serialize_str(text),
            Cell::Number { value, decimals } => {
                let unit = 10f64.powi(*decimals as i32);
                serializer.serialize_f64((value * unit).round() / unit)
            }
            Cell::Nested(value) => value.serialize(serializer),
        }
    }
}

/// A path as every table writes it: see the module documentation.
pub fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str(r"\\"),
                c if is_dangerous(c) => escape(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut text),
                c => text.push(c),
            }
        }
        escape(chunk.invalid(), &mut text);
    }
    if formula::begins_formula(&text) {
        text.insert_str(0, "./");
    }
    let signs: Vec<usize> = formula::later_signs(&text).collect();
    for at in signs.into_iter().rev() {
        let mut sign = String::new();
        let end = at + text[at..].chars().next().map_or(0, char::len_utf8);
        escape(&text.as_bytes()[at..end], &mut sign);
        text.replace_range(at..end, &sign);
    }
    text
}

/// Reverses [`path_text`]. A leading `./` is left out, so that one file has the same path in every
/// table. Paths written by earlier versions are understood, too.
pub fn path_of(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match tail {
            [b'\\', after @ ..] if first == b'\\' => (b'\\', after),
            [b'x', high, low, after @ ..] if first == b'\\' => match hexadecimal(*high, *low) {
                Some(byte) => (byte, after),
                None => (first, tail),
            },
            _ => (first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    let bare = bytes.strip_prefix(b"./").filter(|bare| !bare.is_empty());
    PathBuf::from(OsStr::from_bytes(bare.unwrap_or(&bytes)))
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn escape(bytes: &[u8], into: &mut String) {
    for byte in bytes {
        into.push_str(&format!(r"\x{byte:02X}"));
    }
}

/// Writes a table row by row. Each row is written to `out` in one piece and flushed.
pub struct TableWriter<W> {
    out: W,
    format: TableFormat,
    columns: Vec<String>,
    rows: u64,
}

impl<W: Write> TableWriter<W> {
    /// Begins a table: the header of a CSV file, the bracket of an array.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn begin(out: W, format: TableFormat, columns: Vec<String>) -> io::Result<Self> {
        let mut table = Self::resume(out, format, columns, 0);
        match format {
            TableFormat::Csv | TableFormat::Tsv => table.put(&header(format, &table.columns)?)?,
            TableFormat::Json => table.put(b"[")?,
            TableFormat::Jsonl => {}
            TableFormat::Parquet => {
                return Err(io::Error::other("Parquet is not written row by row"));
            }
        }
        Ok(table)
    }

    /// Continues a table that already has its beginning and this number of whole rows.
    pub fn resume(out: W, format: TableFormat, columns: Vec<String>, rows: u64) -> Self {
        TableWriter {
            out,
            format,
            columns,
            rows,
        }
    }

    /// Writes and flushes one row, a cell for each column.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        debug_assert_eq!(cells.len(), self.columns.len());
        let line = match self.format {
            TableFormat::Jsonl | TableFormat::Json => self.json_object(cells)?,
            _ => cells_line(self.format, cells.iter().map(Cell::to_csv))?,
        };
        self.line(&line)
    }

    /// Writes and flushes one row given as a line, without its line end, of another table with the same
    /// columns and format.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let (before, after) = match self.format {
            TableFormat::Json if self.rows == 0 => ("\n", ""),
            TableFormat::Json => (",\n", ""),
            _ => ("", "\n"),
        };
        self.rows += 1;
        self.put(&[before.as_bytes(), line, after.as_bytes()].concat())
    }

    /// The destination.
    pub fn out(&self) -> &W {
        &self.out
    }

    /// The same table, to be continued at another destination.
    pub fn map<V: Write>(self, out: impl FnOnce(W) -> V) -> TableWriter<V> {
        TableWriter::resume(out(self.out), self.format, self.columns, self.rows)
    }

    /// Ends the table: an array is valid from here on.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        if self.format == TableFormat::Json {
            self.put(b"\n]\n")?;
        }
        Ok(self.out)
    }

    fn json_object(&self, cells: &[Cell]) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let members = self.columns.iter().zip(cells);
        serde_json::Serializer::new(&mut line).collect_map(members)?;
        Ok(line)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }
}

/// The first line of a CSV or TSV file with these columns, including its line end. Labels come from
/// model files, so they are made harmless like cells.
///
/// # Errors
/// Never, unless the CSV writer fails in memory.
pub fn header(format: TableFormat, columns: &[String]) -> io::Result<Vec<u8>> {
    let mut line = cells_line(format, header_cells(columns))?;
    line.push(b'\n');
    Ok(line)
}

/// The column names as a CSV or TSV file writes them.
pub fn header_cells(columns: &[String]) -> Vec<String> {
    let cells = columns.iter().map(|column| Cell::text(column).to_csv());
    cells.collect()
}

/// One line of a CSV or TSV file, without its line end.
fn cells_line(
    format: TableFormat,
    fields: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(format.delimiter())
        .from_writer(Vec::new());
    writer.write_record(fields)?;
    let mut line = writer.into_inner().map_err(|error| error.into_error())?;
    if line.ends_with(b"\n") {
        line.pop();
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::export::predictions::tests::{three_rows, written};

    #[test]
    fn a_json_array_is_valid_with_any_number_of_rows() {
        for count in 0..=3 {
            let text = written(TableFormat::Json, &three_rows(TableFormat::Json)[..count]);
            let array: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            assert_eq!(array.len(), count);
        }
    }

    #[test]
    fn labels_in_the_header_are_not_formulas() {
        let columns = ["path", "=cmd", "a,b", "x;@y"].map(str::to_owned);
        let table = TableWriter::begin(Vec::new(), TableFormat::Csv, columns.to_vec()).unwrap();
        let text = String::from_utf8(table.finish().unwrap()).unwrap();
        assert_eq!(text, "path,'=cmd,\"a,b\",x;'@y\n");
        let named = parse_cells(TableFormat::Csv, text.trim_end().as_bytes()).unwrap();
        assert_eq!(named, header_cells(&columns));
    }

    #[test]
    fn harmful_paths_are_written_harmlessly_and_still_name_their_file() {
        let text = |bytes: &[u8]| path_text(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(text(b"a/b c.png"), "a/b c.png");
        assert_eq!(text(b"caf\xc3\xa9.png"), "café.png");
        assert_eq!(text(b"a\x1b[2J\nb"), r"a\x1B[2J\x0Ab");
        assert_eq!(text(b"a\xff\\xFF"), r"a\xFF\\xFF");
        assert_eq!(text("a\u{202e}gnp".as_bytes()), r"a\xE2\x80\xAEgnp");
        // Invisible characters would make two files look like one.
        assert_eq!(text("a\u{200b}.png".as_bytes()), r"a\xE2\x80\x8B.png");
        assert_eq!(text("\u{2800}a".as_bytes()), r"\xE2\xA0\x80a");
        assert_eq!(text("\u{e0041}".as_bytes()), r"\xF3\xA0\x81\x81");
        assert_eq!(text("\u{10eeee}".as_bytes()), r"\xF4\x8E\xBB\xAE");
        for name in ["=1+1", "+1", "-1", "@A1", "\u{ff1d}1", " -1"] {
            assert_eq!(text(name.as_bytes()), format!("./{name}"));
        }
        assert_eq!(text(b"a;=1, -2.png"), r"a;\x3D1, \x2D2.png");
    }

    proptest::proptest! {
        #[test]
        fn every_path_comes_back_and_shows_no_dangerous_character(bytes: Vec<u8>) {
            let text = path_text(Path::new(OsStr::from_bytes(&bytes)));
            proptest::prop_assert!(!text.chars().any(is_dangerous));
            // A cell must not alter it further: another path would be another file.
            proptest::prop_assert_eq!(harmless(&text), &text[..]);
            let path = Path::new(OsStr::from_bytes(&bytes));
            let bare = bytes.strip_prefix(b"./").filter(|bare| !bare.is_empty());
            let back = path_of(&path_text(path));
            proptest::prop_assert_eq!(back.as_os_str().as_bytes(), bare.unwrap_or(&bytes));
        }

        #[test]
        fn paths_with_invisible_characters_come_back(
            name in "[a=;\\\\\u{ad}\u{200b}\u{202e}\u{2800}\u{fe0f}\u{e0041}\u{10eeee}]{1,12}"
        ) {
            let text = path_text(Path::new(&name));
            proptest::prop_assert!(!text.chars().any(is_dangerous));
            proptest::prop_assert_eq!(path_of(&text), Path::new(&name));
        }

        #[test]
        fn paths_with_signs_and_separators_come_back(name in "[-=;,@./ x\u{200b}\u{ff1d}\\\\]{1,12}") {
            let text = path_text(Path::new(&name));
            proptest::prop_assert_eq!(harmless(&text), &text[..]);
            let bare = name.strip_prefix("./").filter(|bare| !bare.is_empty());
            proptest::prop_assert_eq!(path_of(&text), Path::new(bare.unwrap_or(&name)));
        }
    }
}
