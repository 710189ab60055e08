//! A table of cells, row by row, and its columns by their names.

use csv::ByteRecord;

use super::{MOST_ROWS, ManifestError};
use crate::domain::columns::separator_line;
use crate::domain::text::clean;

/// The names of the columns. They are compared without regard to case.
pub struct ColumnNames(Vec<String>);

impl ColumnNames {
    /// The place of a column; `None` if there is none of this name.
    ///
    /// # Errors
    /// If several columns have the name, and not just one of them in this spelling: one is as likely meant as the other.
    pub fn find(&self, name: &str) -> Result<Option<usize>, ManifestError> {
        let name = name.trim();
        let of = |is_it: &dyn Fn(&str) -> bool| -> Vec<usize> {
            let names = self.0.iter().enumerate();
            names
                .filter(|(_, known)| is_it(known))
                .map(|(at, _)| at)
                .collect()
        };
        let mut found = of(&|known| known.eq_ignore_ascii_case(name));
        if found.len() > 1 {
            found = of(&|known| known == name);
            if found.len() != 1 {
                return Err(ManifestError::Twice {
                    column: shortened(&clean(name)),
                });
            }
        }
        Ok(found.first().copied())
    }

    /// The same.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn need(&self, name: &str) -> Result<usize, ManifestError> {
        self.find(name)?.ok_or_else(|| self.missing(name))
    }

    /// The column that was asked for, or else the first one of the usual names.
    ///
    /// # Errors
    /// If there is none of the name that was asked for, or several of it.
    pub fn asked_or(
        &self,
        asked: Option<&String>,
        usual: &[&str],
    ) -> Result<Option<usize>, ManifestError> {
        match asked {
            Some(name) => self.need(name).map(Some),
            None => {
                let mut found = usual.iter().map(|name| self.find(name));
                found.find_map(Result::transpose).transpose()
            }
        }
    }

    /// The same, where a table is of no use without. `what` says in words what it holds.
    ///
    /// # Errors
    /// If there is none, or several of its name.
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
    ///
    /// # Errors
    /// If there are several.
    pub fn folder_of(&self, path: usize) -> Result<Option<usize>, ManifestError> {
        if self.0[path].eq_ignore_ascii_case("filename") {
            self.find("folder")
        } else {
            Ok(None)
        }
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
/// If the file is empty, too long or no table, if a row has more cells than there are columns, and those of `begin` and
/// `row`.
pub fn read<T>(
    bytes: &[u8],
    begin: impl FnOnce(&ColumnNames) -> Result<T, ManifestError>,
    row: impl Fn(&mut T, u64, &ByteRecord) -> Result<(), ManifestError>,
) -> Result<T, ManifestError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let (sign, table) = separator_line(bytes).unwrap_or_else(|| (delimiter(bytes), bytes));
    if table.trim_ascii().is_empty() {
        return Err(ManifestError::Empty);
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(sign)
        .flexible(true)
        .from_reader(table);
    let header = reader.byte_headers().map_err(|e| malformed(0, &e))?;
    let names = header.iter();
    let names = names.map(|name| String::from_utf8_lossy(name).trim().to_owned());
    let names = ColumnNames(names.collect());
    let mut reading = begin(&names)?;
    for (number, record) in (1..).zip(reader.byte_records()) {
        if number > MOST_ROWS {
            return Err(ManifestError::TooLong);
        }
        let record = record.map_err(|error| malformed(number, &error))?;
        refuse_excess(
            number,
            &record,
            names.0.len(),
            (bytes, bytes.len() - table.len()),
        )?;
        row(&mut reading, number, &record)?;
    }
    Ok(reading)
}

/// Refuses a row that has more cells than there are columns. Most likely one of them holds the separator without quotes,
/// so that those after it stand in the wrong columns. Spreadsheets end rows with empty cells, which are none. `file` is
/// its text, and where the header begins in it.
fn refuse_excess(
    row: u64,
    record: &ByteRecord,
    columns: usize,
    (file, begin): (&[u8], usize),
) -> Result<(), ManifestError> {
    let mut excess = record.iter().skip(columns);
    if excess.all(|cell| cell.trim_ascii().is_empty()) {
        return Ok(());
    }
    let line = record.position().map_or(0, |at| line_at(file, begin, at));
    Err(ManifestError::Malformed {
        row,
        reason: format!(
            "line {line} of the file has {} cells, and the header names {columns} columns; quote a cell that holds the \
             separator",
            record.len()
        ),
    })
}

/// The line that a record begins in, from 1. The position of the reader may lie before line ends that are to come.
fn line_at(bytes: &[u8], begin: usize, at: &csv::Position) -> usize {
    let at = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let at = begin.saturating_add(at);
    let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    let ends = bytes.iter().skip(at).take_while(is_end).count();
    let before = bytes.iter().take(at.saturating_add(ends));
    1 + before.filter(|byte| **byte == b'\n').count()
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
