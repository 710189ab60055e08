//! A small table in any format, in memory.

use anyhow::Result;

use crate::export::{Cell, ColumnKind, ColumnarWriter, FlatRow, TableFormat, TableWriter};

/// The file of a table.
///
/// # Errors
/// If a row has another number of cells than there are columns.
pub fn table_bytes(
    format: TableFormat,
    columns: Vec<String>,
    rows: &[Vec<Cell>],
) -> Result<Vec<u8>> {
    if format == TableFormat::Parquet {
        return parquet_bytes(columns, rows);
    }
    let mut table = TableWriter::begin(Vec::new(), format, columns)?;
    for row in rows {
        table.row(row)?;
    }
    Ok(table.finish()?)
}

/// The Parquet file of rows that are held: what a column holds is known after its last cell only.
///
/// # Errors
/// As [`table_bytes`].
pub fn parquet_bytes(columns: Vec<String>, rows: &[Vec<Cell>]) -> Result<Vec<u8>> {
    let mut kinds = vec![None; columns.len()];
    for row in rows {
        for (kind, cell) in kinds.iter_mut().zip(row) {
            *kind = match (*kind, cell.kind()) {
                (known, None) => known,
                (None, found) => found,
                (known, found) if known == found => known,
                _ => Some(ColumnKind::Text),
            };
        }
    }
    let kinds = kinds
        .into_iter()
        .map(|kind| kind.unwrap_or(ColumnKind::Text));
    let typed: Vec<_> = columns.into_iter().zip(kinds).collect();
    let version = (
        "cxr.version".to_owned(),
        env!("CARGO_PKG_VERSION").to_owned(),
    );
    let mut table = ColumnarWriter::begin(Vec::new(), &typed, &[version])?;
    for row in rows {
        table.row(&row.iter().map(Cell::to_csv).collect::<FlatRow>())?;
    }
    Ok(table.finish()?)
}
