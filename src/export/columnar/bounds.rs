//! What a Parquet file may ask for, checked before the crate that decodes it allocates by what the file says.
//!
//! A file of some hundred bytes may state a schema of 2³¹ columns or of endless depth, a page of 2 GiB, a dictionary of 2³¹
//! entries, or a list of as many. None of that can be caught afterwards: a failed allocation ends the process. So the
//! footer and the header of each page are read here first, which costs a look at each page (see `thrift`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use parquet::basic::{Compression, Type as PhysicalType};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::read::ColumnarError;
use super::thrift::{Compact, kind};

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

/// Checks the footer of a file: its length, and the tree of its columns.
///
/// # Errors
/// [`ColumnarError`], if it asks for too much or ends early.
pub fn check_footer(file: &File) -> Result<(), ColumnarError> {
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
    let mut is_possible = true;
    let read = Compact::new(&bytes).fields(|text, number, kind| {
        if number != 2 || kind != kind::LIST {
            return Some(false);
        }
        is_possible &= is_possible_schema(text)?;
        Some(true)
    });
    match read {
        Some(()) if is_possible => Ok(()),
        Some(()) => Err(too_large(
            "its columns are too many, or nested too deep".to_owned(),
        )),
        None => Err(damaged("its footer ends early")),
    }
}

/// Whether a list of the elements of a schema is a tree of moderate size. Each element states how many of the following
/// are below it (parquet.thrift, `SchemaElement`).
fn is_possible_schema(text: &mut Compact) -> Option<bool> {
    let (elements, element) = text.list()?;
    if element != kind::STRUCT || elements > MOST_ELEMENTS {
        return Some(false);
    }
    // How many elements are still to come at each level.
    let mut open: Vec<u64> = Vec::new();
    for at in 0..elements {
        let mut children = 0;
        text.fields(|text, number, _| {
            if number != 5 {
                return Some(false);
            }
            children = text.count()?;
            Some(true)
        })?;
        if children > (elements - at) as u64 || open.len() > DEEPEST {
            return Some(false);
        }
        if let Some(level) = open.last_mut() {
            *level = level.saturating_sub(1);
        }
        open.push(children);
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    Some(true)
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

/// `PageType::DICTIONARY_PAGE`.
const DICTIONARY_PAGE: u64 = 2;
/// `PLAIN`, `PLAIN_DICTIONARY`, `RLE`, `DELTA_BINARY_PACKED`, `RLE_DICTIONARY` and `BYTE_STREAM_SPLIT`. Those of texts as
/// differences state a number of texts within a page, by which the decoder allocates.
const ENCODINGS: [u64; 6] = [0, 2, 3, 5, 8, 9];

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

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut header = PageHeader::default();
        let mut text = Compact::new(bytes);
        text.fields(|text, number, kind| {
            match (number, kind) {
                (1, kind::I32) => header.kind = text.count()?,
                (2, kind::I32) => header.uncompressed = text.count()?,
                (3, kind::I32) => header.compressed = text.count()?,
                // Of data, of a dictionary, and of data in the second version.
                (5 | 7 | 8, kind::STRUCT) => {
                    let encoding = if number == 8 { 4 } else { 2 };
                    text.fields(|text, number, kind| {
                        match (number, kind) {
                            (1, kind::I32) => header.values = text.count()?,
                            (n, kind::I32) if n == encoding => header.encoding = text.count()?,
                            _ => return Some(false),
                        }
                        Some(true)
                    })?;
                }
                _ => return Some(false),
            }
            Some(true)
        })?;
        header.length = (bytes.len() - text.left()) as u64;
        Some(header)
    }

    fn is_dictionary(&self) -> bool {
        self.kind == DICTIONARY_PAGE
    }

    fn has_known_encoding(&self) -> bool {
        ENCODINGS.contains(&self.encoding)
    }
}

impl From<io::Error> for ColumnarError {
    fn from(error: io::Error) -> Self {
        ColumnarError::Damaged(error.kind().to_string())
    }
}
