//! Reads Parquet of any program, row by row, as text.

use std::collections::HashSet;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use parquet::schema::types::ColumnDescriptor;

use super::BETWEEN;
use super::bounds::{check_group, schema};
use super::fault::ColumnarError;
use crate::domain::columns::{LUNGS, PROGNOSIS};
use crate::domain::text::clean;
use crate::export::{FlatRow, is_label};

/// How a Parquet file begins and ends.
const MAGIC: &[u8] = b"PAR1";
/// How the file metadata of tables begin that cxr wrote.
const OWN: &str = "cxr.";
/// Rows that are decoded at once.
const BATCH: usize = 1 << 12;
/// Bytes of text in so many rows: a dictionary may have one long text that every row names.
const MOST_TEXT: usize = 128 << 20;

/// Whether a file begins as Parquet does.
pub fn is_parquet(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// The rows of a Parquet file.
pub struct ColumnarRows {
    file: SerializedFileReader<File>,
    /// The same file, for a look at its pages before they are decoded.
    bytes: File,
    columns: Vec<TextColumn>,
    /// The next group of rows.
    group: usize,
    /// Rows of the present group that are not decoded yet.
    left: usize,
    /// Rows that are decoded, and the next of them.
    decoded: usize,
    at: usize,
}

impl ColumnarRows {
    /// Opens a file.
    ///
    /// # Errors
    /// [`ColumnarError`], if it is none, or has columns that are no text.
    pub fn open(file: File) -> Result<Self, ColumnarError> {
        guarded(|| Self::opened(file))
    }

    fn opened(file: File) -> Result<Self, ColumnarError> {
        let options = ReadOptionsBuilder::new().with_parquet_schema(schema(&file)?);
        let bytes = file.try_clone()?;
        let file = SerializedFileReader::new_with_options(file, options.build())?;
        let groups = file.metadata().row_groups().iter();
        let rows = groups.fold(0_i64, |rows, group| {
            rows.saturating_add(group.num_rows().max(0))
        });
        if rows != file.metadata().file_metadata().num_rows() {
            return Err(ColumnarError::Damaged(
                "its groups have other rows than it states".to_owned(),
            ));
        }
        let described = file.metadata().file_metadata().schema_descr_ptr();
        let metadata = file.metadata().file_metadata().key_value_metadata();
        let is_own = metadata.is_some_and(|all| all.iter().any(|one| one.key.starts_with(OWN)));
        let columns = described.columns().iter();
        let columns = columns.map(|column| TextColumn::new(column, is_own));
        let columns: Vec<TextColumn> = columns.collect::<Result<_, _>>()?;
        refuse_shared_names(&columns)?;
        Ok(ColumnarRows {
            file,
            bytes,
            columns,
            group: 0,
            left: 0,
            decoded: 0,
            at: 0,
        })
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    /// The number of rows that the footer states.
    pub fn len(&self) -> u64 {
        let rows = self.file.metadata().file_metadata().num_rows();
        u64::try_from(rows).unwrap_or(0)
    }

    /// Whether the footer states that there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An entry of the file metadata.
    pub fn metadata(&self, key: &str) -> Option<String> {
        let entries = self.file.metadata().file_metadata().key_value_metadata()?;
        entries.iter().find(|entry| entry.key == key)?.value.clone()
    }

    /// Reads the next row; `false` after the last.
    ///
    /// # Errors
    /// [`ColumnarError`], if the file is damaged.
    pub fn next(&mut self, row: &mut FlatRow) -> Result<bool, ColumnarError> {
        while self.at == self.decoded {
            let is_over = guarded(|| {
                if self.left == 0 && !self.open_group()? {
                    return Ok(true);
                }
                self.decode().map(|()| false)
            });
            if is_over? {
                return Ok(false);
            }
        }
        row.clear();
        for column in &self.columns {
            row.push_field(column.cells.get(self.at));
        }
        self.at += 1;
        Ok(true)
    }

    fn open_group(&mut self) -> Result<bool, ColumnarError> {
        if self.group >= self.file.num_row_groups() {
            return Ok(false);
        }
        check_group(&self.bytes, self.file.metadata().row_group(self.group))?;
        let group = self.file.get_row_group(self.group)?;
        for (at, column) in self.columns.iter_mut().enumerate() {
            let compression = group.metadata().column(at).compression();
            column.reader = Some(group.get_column_reader(at).map_err(|error| {
                if matches!(error, ParquetError::NYI(_)) || error.to_string().contains("feature") {
                    ColumnarError::Compressed(format!("{compression:?}").to_lowercase())
                } else {
                    error.into()
                }
            })?);
        }
        self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        self.group += 1;
        Ok(true)
    }

    fn decode(&mut self) -> Result<(), ColumnarError> {
        let wanted = self.left.min(BATCH);
        let mut most = MOST_TEXT;
        for column in &mut self.columns {
            column.decode(wanted, most)?;
            most = most.saturating_sub(column.cells.text.len());
        }
        (self.left, self.decoded, self.at) = (self.left - wanted, wanted, 0);
        Ok(())
    }
}

/// Refuses a name that two columns have. Neighbours of which one is a list are the parts of one structure.
fn refuse_shared_names(columns: &[TextColumn]) -> Result<(), ColumnarError> {
    let mut known = HashSet::new();
    for (at, column) in columns.iter().enumerate() {
        if known.insert(column.name.as_str()) {
            continue;
        }
        let before = &columns[at - 1];
        let is_part = before.name == column.name && (before.is_list || column.is_list);
        let name = clean(&column.name);
        return Err(match is_part {
            true => ColumnarError::Nested(name),
            false => ColumnarError::Twice(name),
        });
    }
    Ok(())
}

/// Makes an error of a panic: the crate that decodes relies on what the file says of itself, and a file may lie.
fn guarded<T>(read: impl FnOnce() -> Result<T, ColumnarError>) -> Result<T, ColumnarError> {
    let read = catch_unwind(AssertUnwindSafe(read));
    let contradiction = || ColumnarError::Damaged("it contradicts itself".to_owned());
    read.unwrap_or_else(|_| Err(contradiction()))
}

/// A column of the file, and the text of its decoded cells.
struct TextColumn {
    name: String,
    /// Levels at which a value, and at which an entry of a list is there.
    most_defined: i16,
    is_list: bool,
    /// Digits after the point of numbers, as a table of cells writes them.
    decimals: Option<usize>,
    reader: Option<ColumnReader>,
    cells: CellTexts,
}

impl TextColumn {
    fn new(column: &ColumnDescriptor, is_own: bool) -> Result<Self, ColumnarError> {
        let parts = column.path().parts();
        let name = parts.first().cloned().unwrap_or_default();
        // A list is `name.list.element` or, by older programs, `name.bag.array_element` and the like.
        let is_list = column.max_rep_level() == 1 && (2..=3).contains(&parts.len());
        if (parts.len() > 1 || column.max_rep_level() > 0) && !is_list {
            return Err(ColumnarError::Nested(clean(&name)));
        }
        Ok(TextColumn {
            most_defined: column.max_def_level(),
            is_list,
            decimals: decimals(&name).filter(|_| is_own),
            name,
            reader: None,
            cells: CellTexts::default(),
        })
    }

    /// Decodes so many cells, of at most so many bytes of text.
    fn decode(&mut self, wanted: usize, most: usize) -> Result<(), ColumnarError> {
        let damaged = || ColumnarError::Damaged("a column is too short".to_owned());
        let mut reader = self.reader.take().ok_or_else(damaged)?;
        let decimals = self.decimals;
        let number = move |value: f64| match decimals {
            _ if !value.is_finite() => String::new(),
            Some(decimals) => format!("{value:.decimals$}"),
            None => value.to_string(),
        };
        let bytes = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        match &mut reader {
            ColumnReader::BoolColumnReader(column) => {
                self.read(column, wanted, most, |value| u8::from(*value).to_string())
            }
            ColumnReader::Int32ColumnReader(column) => {
                self.read(column, wanted, most, i32::to_string)
            }
            ColumnReader::Int64ColumnReader(column) => {
                self.read(column, wanted, most, i64::to_string)
            }
            ColumnReader::FloatColumnReader(column) => {
                self.read(column, wanted, most, |value| match decimals {
                    // As the shorter type writes it: 0.1 and not 0.10000000149011612.
                    None if value.is_finite() => value.to_string(),
                    _ => number(f64::from(*value)),
                })
            }
            ColumnReader::DoubleColumnReader(column) => {
                self.read(column, wanted, most, |value| number(*value))
            }
            ColumnReader::ByteArrayColumnReader(column) => {
                self.read(column, wanted, most, |value| bytes(value.data()))
            }
            ColumnReader::FixedLenByteArrayColumnReader(column) => {
                self.read(column, wanted, most, |value| bytes(value.data()))
            }
            ColumnReader::Int96ColumnReader(_) => Err(ColumnarError::Nested(clean(&self.name))),
        }?;
        self.reader = Some(reader);
        Ok(())
    }

    fn read<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        wanted: usize,
        most: usize,
        text: impl Fn(&T::T) -> String,
    ) -> Result<(), ColumnarError> {
        let (mut defined, mut repeated, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut found = 0;
        // One call may end with a page.
        while found < wanted {
            let (records, ..) = reader.read_records(
                wanted - found,
                (self.most_defined > 0).then_some(&mut defined),
                self.is_list.then_some(&mut repeated),
                &mut values,
            )?;
            if records == 0 {
                return Err(ColumnarError::Damaged("a column is too short".to_owned()));
            }
            found += records;
        }
        self.cells.clear();
        let mut values = values.iter();
        let levels = if self.most_defined > 0 {
            defined
        } else {
            vec![0; found]
        };
        for (at, level) in levels.iter().enumerate() {
            let goes_on = repeated.get(at).is_some_and(|level| *level > 0);
            if !goes_on {
                self.cells.begin();
            }
            if *level == self.most_defined
                && let Some(value) = values.next()
            {
                self.cells.add(&text(value), goes_on);
                if self.cells.text.len() > most {
                    return Err(ColumnarError::TooLarge(format!(
                        "{BATCH} of its rows have more than {MOST_TEXT} bytes of text"
                    )));
                }
            }
        }
        self.cells.end();
        if self.cells.ends.len() == wanted {
            Ok(())
        } else {
            Err(ColumnarError::Damaged("a column is too short".to_owned()))
        }
    }
}

/// The texts of many cells, one after another.
#[derive(Default)]
struct CellTexts {
    text: String,
    ends: Vec<usize>,
    is_begun: bool,
}

impl CellTexts {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.is_begun = false;
    }

    fn begin(&mut self) {
        self.end();
        self.is_begun = true;
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_begun) {
            self.ends.push(self.text.len());
        }
    }

    fn add(&mut self, text: &str, goes_on: bool) {
        if goes_on {
            self.text.push_str(BETWEEN);
        }
        self.text.push_str(text);
    }

    fn get(&self, at: usize) -> &str {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin..self.ends[at]]
    }
}

/// The digits after the point with which a table of predictions writes a column.
fn decimals(name: &str) -> Option<usize> {
    let is_score = ["geographic_extent", "opacity"].contains(&name)
        || name.starts_with(PROGNOSIS)
        || is_label(name);
    match name {
        "elapsed_ms" => Some(3),
        _ if name == LUNGS[0] => Some(3),
        _ if name == LUNGS[1] => Some(2),
        _ if is_score => Some(6),
        _ => None,
    }
}
