//! Reads a Parquet table from an unknown source.

use std::io::Write;

use super::is_one_line;
use crate::export::{ColumnarRows, FlatRow};

/// More rows of one table teach a fuzzer nothing: some bytes may stand for a thousand million of them.
const MOST_ROWS: usize = 20_000;

/// Checks that every row has a cell for each column, and that a refusal is one line.
pub fn target(data: &[u8]) {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).expect("a temporary file");
    let mut rows = match ColumnarRows::open(file) {
        Ok(rows) => rows,
        Err(error) => return is_one_line(&error),
    };
    let columns = rows.columns().len();
    let _ = (rows.len(), rows.metadata("cxr.part"));
    let mut row = FlatRow::new();
    for _ in 0..MOST_ROWS {
        match rows.next(&mut row) {
            Ok(true) => assert_eq!(row.len(), columns),
            Ok(false) => return,
            Err(error) => return is_one_line(&error),
        }
    }
}
