//! The cells of a table of predictions, in any of its formats.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::commands::shared::shard::part::{IS_PART, begins_end};
use crate::domain::columns::separator_line;
use crate::export::{Cells, ReadError, TableFormat, is_label, read_array, read_cells, read_table};

/// The columns of a table, and its rows with a value for each. The format is recognised by the content,
/// and not by the name of the file.
///
/// # Errors
/// Why it is no table, in a few words.
pub fn cells(bytes: &[u8]) -> Result<Cells, String> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let bytes = separator_line(bytes).map_or(bytes, |(_, table)| table);
    let format = TableFormat::sniffed(bytes);
    if is_part(bytes) {
        return Err(IS_PART.to_owned());
    }
    if !format.is_json() {
        return read_cells(bytes).map_err(|error| error.to_string());
    }
    let bytes = &without_nan(bytes);
    let mut all = match format {
        TableFormat::Json => read_array(bytes).unwrap_or_default(),
        _ => Vec::new(),
    };
    if all.is_empty() {
        let read = read_table(format, &bytes[..], |record| {
            all.push((record.columns.to_vec(), record.values));
            Ok::<_, ReadError>(())
        });
        match read {
            Ok(_) | Err(ReadError::Foreign(1)) => {}
            Err(ReadError::Foreign(line)) => {
                // The first line of an array is its bracket.
                let row = line - u64::from(format == TableFormat::Json);
                return Err(format!("row {row} has other columns"));
            }
            Err(ReadError::Io(error)) => return Err(error.to_string()),
        }
    }
    let columns = all.first().map(|(columns, _)| columns.clone());
    let columns = columns.unwrap_or_default();
    let mut rows = Vec::with_capacity(all.len());
    for (number, (names, values)) in all.into_iter().enumerate() {
        let row = in_order(&columns, &names, values);
        rows.push(row.ok_or_else(|| format!("row {} has other columns", number + 1))?);
    }
    Ok(Cells {
        columns,
        rows,
        is_torn: false,
    })
}

/// Whether the last line says that this is a part of a sharded run.
fn is_part(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_end();
    let begin = bytes.iter().rposition(|byte| *byte == b'\n');
    begins_end(&bytes[begin.map_or(0, |at| at + 1)..])
}

/// Replaces `NaN` and `Infinity` by `null`: Python writes them, but JSON does not have them.
fn without_nan(json: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let (mut out, mut at, mut is_quoted) = (Vec::new(), 0, false);
    let mut kept = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => at += 1,
            b'N' | b'I' | b'-' if !is_quoted => {
                let begins = |word: &&&[u8]| json[at..].starts_with(word);
                if let Some(word) = WORDS.iter().find(begins) {
                    out.extend_from_slice(&json[kept..at]);
                    out.extend_from_slice(b"null");
                    at += word.len();
                    kept = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    out.extend_from_slice(&json[kept..]);
    Cow::Owned(out)
}

/// The values in the order of these columns; `None` if the labels differ. Other columns may differ, because
/// earlier versions of cxr wrote fewer.
fn in_order(columns: &[String], names: &[String], values: Vec<String>) -> Option<Vec<String>> {
    if columns == names {
        return Some(values);
    }
    let labels = |names: &[String]| -> HashSet<String> {
        let labels = names.iter().filter(|name| is_label(name));
        labels.cloned().collect()
    };
    if labels(columns) != labels(names) {
        return None;
    }
    let value = |column: &String| {
        let at = names.iter().position(|name| name == column);
        at.map(|at| values[at].clone()).unwrap_or_default()
    };
    Some(columns.iter().map(value).collect())
}

/// Some spreadsheets write this before the text of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
