//! What a Parquet file may ask for, checked before the crate that decodes it allocates by what the file says.
//!
//! A file of some hundred bytes may state a schema of 2³¹ columns or of endless depth, a page of 2 GiB, a dictionary of 2³¹
//! entries, or a list of as many. None of that can be caught afterwards: a failed allocation ends the process. So the
//! header of each page is read here first, which costs a look at each page, and the schema is read here alone
//! (see `thrift`): the crate believes what a group states of the number of its columns, and reads a field by its
//! number whatever its type, so that two readers of one footer may see two schemas. Other lists of a footer it
//! compares with the bytes that are left.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use parquet::basic::{Compression, Repetition, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

use super::fault::ColumnarError;
use super::thrift::{Compact, kind};
use crate::domain::text::clean;

/// Bytes of a footer. That of ten million rows in groups of 65,536 takes half a megabyte.
const MOST_FOOTER: u64 = 16 << 20;
/// Columns, and the groups that hold them.
const MOST_ELEMENTS: usize = 10_000;
/// Levels of groups in a schema. A list has two.
const DEEPEST: usize = 8;
/// Bytes of a decompressed page. Most programs write pages of one megabyte, DuckDB of up to a hundred.
const MOST_PAGE: u64 = 128 << 20;
/// Bytes that the pages and dictionaries take which are held at once, one of each for every column.
const MOST_HELD: u64 = 512 << 20;
/// Entries of lists in one column of a group of rows.
const MOST_ENTRIES: u64 = 4 << 20;
/// Bytes that Snappy makes of one: 64 of three in the best case (github.com/google/snappy, `format_description.txt`).
const MOST_SNAPPY: u64 = 22;
/// Bytes that are read for the header of a page, one after another until they are enough: it may have a least and a
/// greatest value.
const PAGE_HEADS: [usize; 2] = [512, 256 << 10];
/// Bytes after the footer: its length and the mark of the file.
const TAIL: u64 = 8;

fn damaged(words: &str) -> ColumnarError {
    ColumnarError::Damaged(words.to_owned())
}

fn too_large(words: String) -> ColumnarError {
    ColumnarError::TooLarge(words)
}

/// The tree of the columns of a file, without what their values mean: texts, numbers, and lists of these.
///
/// # Errors
/// [`ColumnarError`], if the footer asks for too much or ends early, or a column holds decimal fractions.
pub fn schema(file: &File) -> Result<SchemaDescPtr, ColumnarError> {
    let bytes = footer(file)?;
    let mut elements = None;
    let read = Compact::new(&bytes).fields(|text, number, kind| {
        let is_schema = number == 2 && kind == kind::LIST && elements.is_none();
        if is_schema {
            elements = Some(schema_elements(text)?);
        }
        Some(is_schema)
    });
    let (Some(()), Some(elements)) = (read, elements) else {
        return Err(damaged("its footer ends early"));
    };
    let elements = elements.ok_or_else(|| too_large("it has too many columns".to_owned()))?;
    let mut rest = elements.into_iter();
    let root = match rest.next() {
        Some(root) => root.with_children(&mut rest, 0)?,
        None => return Err(damaged("it has no schema")),
    };
    if rest.next().is_some() || !root.is_group() {
        return Err(damaged("its schema is no tree"));
    }
    Ok(Arc::new(SchemaDescriptor::new(root)))
}

/// The bytes of a footer.
fn footer(file: &File) -> Result<Vec<u8>, ColumnarError> {
    let length = file.metadata()?.len();
    let Some(before) = length.checked_sub(TAIL) else {
        return Err(damaged("it is too short"));
    };
    let mut tail = [0; TAIL as usize];
    file.read_exact_at(&mut tail, before)?;
    let [a, b, c, d, mark @ ..] = tail;
    if mark != *b"PAR1" {
        return Err(damaged("it does not end as one"));
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer > before {
        return Err(damaged("it ends within its footer"));
    }
    if footer > MOST_FOOTER {
        return Err(too_large(format!(
            "a footer of {footer} bytes, {MOST_FOOTER} are read"
        )));
    }
    // At most `MOST_FOOTER`.
    let mut bytes = vec![0; footer as usize];
    file.read_exact_at(&mut bytes, before - footer)?;
    Ok(bytes)
}

/// An element of a schema (parquet.thrift, `SchemaElement`): a column, or a group of the elements that follow.
#[derive(Default)]
struct SchemaElement {
    name: String,
    physical: Option<u64>,
    length: u64,
    repetition: Option<u64>,
    children: u64,
    is_decimal: bool,
}

/// `ConvertedType::DECIMAL`, and the field of it in `LogicalType`.
const DECIMAL: u64 = 5;
const DECIMAL_FIELD: i16 = 5;

/// The elements of a schema. `None` inside: they are too many. `None` outside: the bytes end early.
fn schema_elements(text: &mut Compact) -> Option<Option<Vec<SchemaElement>>> {
    let (count, kind) = text.list()?;
    if kind != kind::STRUCT {
        return None;
    }
    if count > MOST_ELEMENTS {
        // What follows is not read.
        for _ in 0..count {
            text.fields(|_, _, _| Some(false))?;
        }
        return Some(None);
    }
    let elements = (0..count).map(|_| schema_element(text));
    elements.collect::<Option<Vec<_>>>().map(Some)
}

fn schema_element(text: &mut Compact) -> Option<SchemaElement> {
    let mut element = SchemaElement::default();
    text.fields(|text, number, kind| {
        match (number, kind) {
            (1, kind::I32) => element.physical = Some(text.count()?),
            (2, kind::I32) => element.length = text.count()?,
            (3, kind::I32) => element.repetition = Some(text.count()?),
            (4, kind::BINARY) => element.name = text.text()?,
            (5, kind::I32) => element.children = text.count()?,
            (6, kind::I32) => element.is_decimal |= text.count()? == DECIMAL,
            (10, kind::STRUCT) => {
                text.fields(|_, number, _| {
                    element.is_decimal |= number == DECIMAL_FIELD;
                    Some(false)
                })?;
            }
            _ => return Some(false),
        }
        Some(true)
    })?;
    Some(element)
}

impl SchemaElement {
    /// The tree of this element and of those that it states to be below it.
    fn with_children(
        self,
        rest: &mut impl Iterator<Item = SchemaElement>,
        depth: usize,
    ) -> Result<TypePtr, ColumnarError> {
        if depth > DEEPEST {
            return Err(too_large("its columns are nested too deep".to_owned()));
        }
        if self.is_decimal {
            return Err(ColumnarError::Nested(clean(&self.name)));
        }
        let repetition = match self.repetition {
            Some(0) => Some(Repetition::REQUIRED),
            Some(1) => Some(Repetition::OPTIONAL),
            Some(2) => Some(Repetition::REPEATED),
            _ => None,
        };
        let repetition = repetition.filter(|_| depth > 0);
        if depth > 0 && repetition.is_none() {
            return Err(damaged("a column does not state how often it comes"));
        }
        let built = match self.physical {
            Some(physical) if self.children == 0 && depth > 0 => {
                self.column(physical, repetition.unwrap_or(Repetition::OPTIONAL))?
            }
            _ => {
                let mut fields = Vec::new();
                for _ in 0..self.children {
                    // There are no more turns than elements.
                    let child = rest
                        .next()
                        .ok_or_else(|| damaged("its schema ends early"))?;
                    fields.push(child.with_children(rest, depth + 1)?);
                }
                let group = Type::group_type_builder(&self.name).with_fields(fields);
                match repetition {
                    Some(repetition) => group.with_repetition(repetition).build()?,
                    None => group.build()?,
                }
            }
        };
        Ok(Arc::new(built))
    }

    fn column(&self, physical: u64, repetition: Repetition) -> Result<Type, ColumnarError> {
        let physical = match physical {
            0 => PhysicalType::BOOLEAN,
            1 => PhysicalType::INT32,
            2 => PhysicalType::INT64,
            3 => PhysicalType::INT96,
            4 => PhysicalType::FLOAT,
            5 => PhysicalType::DOUBLE,
            6 => PhysicalType::BYTE_ARRAY,
            7 => PhysicalType::FIXED_LEN_BYTE_ARRAY,
            _ => return Err(damaged("a column is of no known type")),
        };
        let length = i32::try_from(self.length).map_err(|_| damaged("a column is too wide"))?;
        let built: Result<Type, ParquetError> = Type::primitive_type_builder(&self.name, physical)
            .with_repetition(repetition)
            .with_length(length)
            .build();
        Ok(built?)
    }
}

/// Checks the pages of all columns of a group of rows.
///
/// # Errors
/// [`ColumnarError`], if they ask for too much, contradict the group, or are written in a way that is not read.
pub fn check_group(file: &File, group: &RowGroupMetaData) -> Result<(), ColumnarError> {
    let rows = u64::try_from(group.num_rows()).unwrap_or(0);
    let mut held = 0_u64;
    for column in group.columns() {
        held = held.saturating_add(check_column(file, column, rows)?);
    }
    if held > MOST_HELD {
        return Err(too_large(format!(
            "a group of rows takes {held} bytes to decode, {MOST_HELD} are allowed"
        )));
    }
    Ok(())
}

/// Checks the pages of one column, and returns how many bytes are held while it is read.
fn check_column(
    file: &File,
    column: &ColumnChunkMetaData,
    rows: u64,
) -> Result<u64, ColumnarError> {
    let compression = column.compression();
    let ratio = match compression {
        Compression::UNCOMPRESSED => 1,
        Compression::SNAPPY => MOST_SNAPPY,
        other => {
            return Err(ColumnarError::Compressed(
                format!("{other:?}").to_lowercase(),
            ));
        }
    };
    let is_list = column.column_descr().max_rep_level() > 0;
    let width = width(column.column_type());
    let (mut at, length) = column.byte_range();
    let end = at.saturating_add(length);
    if end > file.metadata()?.len() {
        return Err(damaged("a column lies beyond its end"));
    }
    let (mut values, mut dictionary, mut page) = (0_u64, 0_u64, 0_u64);
    while at < end && (is_list || values < rows) {
        let header = PageHeader::read(file, at, end - at)?;
        let body = at + header.length;
        if header.compressed > end - body || header.uncompressed > MOST_PAGE {
            return Err(damaged(
                "a page is longer than its column, or than any page",
            ));
        }
        if header.uncompressed > header.compressed.saturating_mul(ratio) + 64 {
            return Err(damaged("a page states more bytes than it can hold"));
        }
        if !header.has_known_encoding() {
            return Err(ColumnarError::Encoded);
        }
        let bytes = header.compressed + header.uncompressed;
        if header.is_dictionary() {
            // A value that is written takes a bit at least, and a value of no bytes its place in memory.
            if header.values > header.uncompressed.saturating_mul(8) {
                return Err(damaged("a dictionary states more entries than it can hold"));
            }
            dictionary += bytes + header.values.saturating_mul(width);
        } else {
            values = values.saturating_add(header.values);
            page = page.max(bytes);
        }
        at = body + header.compressed;
    }
    if is_list && values > MOST_ENTRIES {
        return Err(too_large(format!(
            "{values} entries of lists in a group of rows, {MOST_ENTRIES} are read"
        )));
    }
    if values < rows {
        return Err(damaged("a column is too short"));
    }
    Ok(dictionary.saturating_add(page))
}

/// Bytes that a decoded value takes, without its text.
fn width(kind: PhysicalType) -> u64 {
    match kind {
        PhysicalType::BOOLEAN => 1,
        PhysicalType::INT32 | PhysicalType::FLOAT => 4,
        PhysicalType::INT64 | PhysicalType::DOUBLE => 8,
        PhysicalType::INT96 => 12,
        PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY => 40,
    }
}

/// The header of a page (parquet.thrift, `PageHeader`).
#[derive(Debug, Default)]
struct PageHeader {
    /// Its own bytes.
    length: u64,
    kind: u64,
    uncompressed: u64,
    compressed: u64,
    values: u64,
    encoding: u64,
}

/// `PageType`: which of the further headers counts. Others may be there and mean nothing.
const DATA_PAGE: u64 = 0;
const INDEX_PAGE: u64 = 1;
const DICTIONARY_PAGE: u64 = 2;
const DATA_PAGE_2: u64 = 3;
/// `PLAIN`, `PLAIN_DICTIONARY`, `RLE`, `DELTA_BINARY_PACKED`, `RLE_DICTIONARY` and `BYTE_STREAM_SPLIT`. Those of texts as
/// differences state a number of texts within a page, by which the decoder allocates.
const ENCODINGS: [u64; 6] = [0, 2, 3, 5, 8, 9];

/// The number of values and their encoding in one of the further headers.
type PageValues = (u64, u64);

impl PageHeader {
    /// Reads the header at a place of the file, before which `left` bytes of its column are left.
    fn read(file: &File, at: u64, left: u64) -> Result<Self, ColumnarError> {
        for most in PAGE_HEADS {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(most);
            let mut bytes = vec![0; most];
            file.read_exact_at(&mut bytes, at)?;
            if let Some(header) = PageHeader::parse(&bytes) {
                return Ok(header);
            }
        }
        Err(damaged("a page has no header"))
    }

    /// A known field of another type than its own is refused: the crate reads it all the same.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut header = PageHeader::default();
        let (mut data, mut dictionary, mut data_2) = (None, None, None);
        let mut text = Compact::new(bytes);
        text.fields(|text, number, kind| {
            match (number, kind) {
                (1, kind::I32) => header.kind = text.count()?,
                (2, kind::I32) => header.uncompressed = text.count()?,
                (3, kind::I32) => header.compressed = text.count()?,
                (5, kind::STRUCT) => data = Some(page_values(text, 4, 2)?),
                (7, kind::STRUCT) => dictionary = Some(page_values(text, 2, 2)?),
                (8, kind::STRUCT) => data_2 = Some(page_values(text, 6, 4)?),
                // A checksum, and the header of an index.
                (4, kind::I32) | (6, kind::STRUCT) => return Some(false),
                (1..=8, _) => return None,
                _ => return Some(false),
            }
            Some(true)
        })?;
        header.length = (bytes.len() - text.left()) as u64;
        let counting: Option<PageValues> = match header.kind {
            DATA_PAGE => data,
            DICTIONARY_PAGE => dictionary,
            DATA_PAGE_2 => data_2,
            // It is stepped over.
            INDEX_PAGE => Some((0, 0)),
            _ => None,
        };
        (header.values, header.encoding) = counting?;
        Some(header)
    }

    fn is_dictionary(&self) -> bool {
        self.kind == DICTIONARY_PAGE
    }

    fn has_known_encoding(&self) -> bool {
        ENCODINGS.contains(&self.encoding)
    }
}

/// Reads a further header, whose first fields, so many, are numbers, and the encoding is this one.
fn page_values(text: &mut Compact, numbers: i16, encoding: i16) -> Option<PageValues> {
    let (mut values, mut encoded) = (0, 0);
    text.fields(|text, number, kind| {
        match (number, kind) {
            (1, kind::I32) => values = text.count()?,
            (number, kind::I32) if number == encoding => encoded = text.count()?,
            (number, kind) if (1..=numbers).contains(&number) && kind != kind::I32 => return None,
            _ => return Some(false),
        }
        Some(true)
    })?;
    Some((values, encoded))
}

impl From<io::Error> for ColumnarError {
    fn from(error: io::Error) -> Self {
        ColumnarError::Damaged(error.kind().to_string())
    }
}
