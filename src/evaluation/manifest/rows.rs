//! A table of cells, row by row, and its columns by their names.

use csv::ByteRecord;

use super::{MOST_ROWS, ManifestError};
use crate::domain::text::clean;

/// The names of the columns. They are compared without regard to case.
pub struct ColumnNames(Vec<String>);

impl ColumnNames {
    /// The place of a column; `None` if there is none of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        let is_it = |known: &String| known.eq_ignore_ascii_case(name.trim());
        self.0.iter().position(is_it)
    }

    /// The same.
    ///
    /// # Errors
    /// If there is none.
    pub fn need(&self, name: &str) -> Result<usize, ManifestError> {
        self.find(name).ok_or_else(|| self.missing(name))
    }

    /// The column that was asked for, or else the first one of the usual names.
    ///
    /// # Errors
    /// If there is none of the name that was asked for.
    pub fn asked_or(
        &self,
        asked: Option<&String>,
        usual: &[&str],
    ) -> Result<Option<usize>, ManifestError> {
        match asked {
            Some(name) => self.need(name).map(Some),
            None => Ok(usual.iter().find_map(|name| self.find(name))),
        }
    }

    /// The same, where a table is of no use without. `what` says in words what it holds.
    ///
    /// # Errors
    /// If there is none.
    pub fn needed(
        &self,
        asked: Option<&String>,
        usual: &[&str],
        what: &str,
    ) -> Result<usize, ManifestError> {
        let found = self.asked_or(asked, usual)?;
        found.ok_or_else(|| self.missing(&format!("of {what} ({})", usual.join(", "))))
    }

    /// The column of the folders of the files in the column `path`: some tables have both apart.
    pub fn folder_of(&self, path: usize) -> Option<usize> {
        let is_apart = self.0[path].eq_ignore_ascii_case("filename");
        self.find("folder").filter(|_| is_apart)
    }

    /// The fault that a column is missing.
    pub fn missing(&self, wanted: &str) -> ManifestError {
        ManifestError::NoColumn {
            wanted: clean(wanted),
            present: list(self.0.iter().map(String::as_str)),
        }
    }
}

/// Names for a message of one line, shortened where there are many.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<_> = names
        .take(SHOWN)
        .map(|name| shortened(&clean(name)))
        .collect();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    shown.join(", ") + &more
}

/// The beginning of a text for a message.
pub fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Reads the text of a CSV file: `begin` gets the names of its columns, and `row` each row with its number, from 1 below
/// the header.
///
/// # Errors
/// If the file is empty, too long or no table, and those of `begin` and `row`.
pub fn read<T>(
    bytes: &[u8],
    begin: impl FnOnce(&ColumnNames) -> Result<T, ManifestError>,
    row: impl Fn(&mut T, u64, &ByteRecord) -> Result<(), ManifestError>,
) -> Result<T, ManifestError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(ManifestError::Empty);
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(bytes))
        .flexible(true)
        .from_reader(bytes);
    let header = reader.byte_headers().map_err(|e| malformed(0, &e))?;
    let names = header.iter();
    let names = names.map(|name| String::from_utf8_lossy(name).trim().to_owned());
    let mut reading = begin(&ColumnNames(names.collect()))?;
    for (number, record) in (1..).zip(reader.byte_records()) {
        if number > MOST_ROWS {
            return Err(ManifestError::TooLong);
        }
        let record = record.map_err(|error| malformed(number, &error))?;
        row(&mut reading, number, &record)?;
    }
    Ok(reading)
}

fn malformed(row: u64, error: &csv::Error) -> ManifestError {
    ManifestError::Malformed {
        row,
        reason: clean(&error.to_string()),
    }
}

/// The separator: the most frequent of comma, semicolon and tab in the first line.
fn delimiter(bytes: &[u8]) -> u8 {
    let line = bytes
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let count = |sign: u8| line.iter().filter(|&&byte| byte == sign).count();
    // `max_by_key` takes the last of equals: the comma.
    *[b'\t', b';', b',']
        .iter()
        .max_by_key(|&&sign| count(sign))
        .unwrap_or(&b',')
}
