//! Parquet: tables that programs load by columns, with types and nulls.
//!
//! Its footer is written last, and a file without one is no table at all: a run keeps its rows elsewhere until it is
//! over. Rows go in and come out as the cells of a CSV table ([`FlatRow`](super::FlatRow)):
//!
//! | cell | in the file |
//! |---|---|
//! | score, severity, share, time | `DOUBLE`, the number as CSV writes it |
//! | `reasons`, `withheld` | `LIST` of strings |
//! | all else | string |
//! | empty | null |
//!
//! The names of columns and the file metadata (`cxr.…`) are part of what other programs rely on.

mod bounds;
mod fault;
mod read;
mod thrift;
mod write;

pub use fault::ColumnarError;
pub use read::{ColumnarRows, is_parquet};
pub use write::ColumnarWriter;

use super::is_label;
use crate::domain::columns::{FILM_COUNTS, LUNGS, PROGNOSES, PROGNOSIS, WITHHELD};

/// The file metadata that says which run a part belongs to.
pub const PART: &str = "cxr.part";

/// Between the parts of a cell that holds a list.
const BETWEEN: &str = "; ";

/// What the cells of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    Number,
    /// Whole numbers.
    Integer,
    List,
}

/// What a column of a table of predictions holds, by its name.
pub fn prediction_column(name: &str) -> ColumnKind {
    let is_number = ["geographic_extent", "opacity", "elapsed_ms"].contains(&name)
        || LUNGS.contains(&name)
        || name.starts_with(PROGNOSIS)
        || is_label(name);
    match name {
        "reasons" | WITHHELD => ColumnKind::List,
        PROGNOSES => ColumnKind::Text,
        _ if FILM_COUNTS.contains(&name) => ColumnKind::Integer,
        _ if is_number => ColumnKind::Number,
        _ => ColumnKind::Text,
    }
}

/// The entries of a cell that holds a list. What could not be read, or holds no image, has one reason, which may have
/// any text.
fn entries<'a>(cell: &'a str, status: &str) -> Vec<&'a str> {
    if ["error", "unread", "skipped"].contains(&status) {
        vec![cell]
    } else {
        cell.split(BETWEEN).collect()
    }
}

#[cfg(test)]
mod tests;
