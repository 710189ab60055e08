//! Writes Parquet, a group of rows at a time.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use super::{ColumnKind, entries};
use crate::export::FlatRow;

/// Rows of one group: they are held until it is whole.
const GROUP: usize = 1 << 16;

/// Columns in which nearly every cell is another, so that a dictionary would only take time.
const UNIQUE: [&str; 2] = ["path", "image_sha256"];

/// Writes one table.
pub struct ColumnarWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<ColumnCells>,
    /// Where the status of a row is, if it has one.
    status: Option<usize>,
    held: usize,
}

impl<W: Write + Send> ColumnarWriter<W> {
    /// Begins a table with these columns and this file metadata.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn begin(
        out: W,
        columns: &[(String, ColumnKind)],
        metadata: &[(String, String)],
    ) -> io::Result<Self> {
        let fields = columns.iter().map(|(name, kind)| field(name, *kind));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let schema = Type::group_type_builder("cxr").with_fields(fields).build();
        let metadata = metadata
            .iter()
            .map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let mut properties = WriterProperties::builder()
            .set_created_by(format!("cxr {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(metadata.collect()));
        for name in UNIQUE {
            let path = ColumnPath::from(name);
            properties = properties.set_column_dictionary_enabled(path, false);
        }
        let schema = Arc::new(schema.map_err(failed)?);
        let file = SerializedFileWriter::new(out, schema, Arc::new(properties.build()));
        Ok(ColumnarWriter {
            file: file.map_err(failed)?,
            columns: columns
                .iter()
                .map(|(_, kind)| ColumnCells::new(*kind))
                .collect(),
            status: columns.iter().position(|(name, _)| name == "status"),
            held: 0,
        })
    }

    /// Writes a row, a cell for each column.
    ///
    /// # Errors
    /// If a cell does not hold what its column does, or the table cannot be written.
    pub fn row(&mut self, row: &FlatRow) -> io::Result<()> {
        let status = self.status.map_or("", |at| &row[at]);
        for (cells, cell) in self.columns.iter_mut().zip(row) {
            cells.push(cell, status)?;
        }
        self.held += 1;
        if self.held == GROUP {
            self.write_group()?;
        }
        Ok(())
    }

    /// Writes what is held, and the footer.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        if self.held > 0 {
            self.write_group()?;
        }
        self.file.into_inner().map_err(failed)
    }

    fn write_group(&mut self) -> io::Result<()> {
        let mut group = self.file.next_row_group().map_err(failed)?;
        for cells in &mut self.columns {
            // There is a column of the file for each of these.
            let Some(mut column) = group.next_column().map_err(failed)? else {
                break;
            };
            let levels = Some(&cells.defined[..]);
            let repeated = (cells.kind == ColumnKind::List).then_some(&cells.repeated[..]);
            let written = match &mut cells.values {
                CellValues::Text(values) => column
                    .typed::<ByteArrayType>()
                    .write_batch(values, levels, repeated),
                CellValues::Number(values) => column
                    .typed::<DoubleType>()
                    .write_batch(values, levels, None),
                CellValues::Integer(values) => column
                    .typed::<Int64Type>()
                    .write_batch(values, levels, None),
            };
            written.map_err(failed)?;
            column.close().map_err(failed)?;
            cells.clear();
        }
        group.close().map_err(failed)?;
        self.held = 0;
        Ok(())
    }
}

/// The cells of one column of a group, with Dremel's levels: how much of the path to a value is there, and whether the
/// value goes on with the list of the one before (Melnik et al. 2010, doi.org/10.14778/1920841.1920886).
struct ColumnCells {
    kind: ColumnKind,
    values: CellValues,
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

enum CellValues {
    Text(Vec<ByteArray>),
    Number(Vec<f64>),
    Integer(Vec<i64>),
}

impl ColumnCells {
    fn new(kind: ColumnKind) -> Self {
        ColumnCells {
            kind,
            values: match kind {
                ColumnKind::Text | ColumnKind::List => CellValues::Text(Vec::new()),
                ColumnKind::Number => CellValues::Number(Vec::new()),
                ColumnKind::Integer => CellValues::Integer(Vec::new()),
            },
            defined: Vec::new(),
            repeated: Vec::new(),
        }
    }

    fn push(&mut self, cell: &str, status: &str) -> io::Result<()> {
        if cell.is_empty() {
            self.defined.push(0);
            if self.kind == ColumnKind::List {
                self.repeated.push(0);
            }
            return Ok(());
        }
        let is_none =
            |what| io::Error::new(io::ErrorKind::InvalidData, format!("a cell is no {what}"));
        match &mut self.values {
            CellValues::Number(values) => {
                values.push(cell.parse().map_err(|_| is_none("number"))?);
                self.defined.push(1);
            }
            CellValues::Integer(values) => {
                values.push(cell.parse().map_err(|_| is_none("whole number"))?);
                self.defined.push(1);
            }
            CellValues::Text(values) if self.kind == ColumnKind::List => {
                for (at, entry) in entries(cell, status).into_iter().enumerate() {
                    values.push(entry.into());
                    self.defined.push(ELEMENT);
                    self.repeated.push(i16::from(at > 0));
                }
            }
            CellValues::Text(values) => {
                values.push(cell.into());
                self.defined.push(1);
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        match &mut self.values {
            CellValues::Text(values) => values.clear(),
            CellValues::Number(values) => values.clear(),
            CellValues::Integer(values) => values.clear(),
        }
        self.defined.clear();
        self.repeated.clear();
    }
}

/// The level of an entry of a list: the list, its group, and the entry are there.
const ELEMENT: i16 = 3;

fn field(name: &str, kind: ColumnKind) -> Result<TypePtr, ParquetError> {
    let text = |name: &str| {
        Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(Some(LogicalType::String))
            .with_converted_type(ConvertedType::UTF8)
            .build()
    };
    let plain = |physical| {
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .build()
    };
    Ok(Arc::new(match kind {
        ColumnKind::Text => text(name)?,
        ColumnKind::Number => plain(PhysicalType::DOUBLE)?,
        ColumnKind::Integer => plain(PhysicalType::INT64)?,
        ColumnKind::List => {
            let entries = Type::group_type_builder("list")
                .with_repetition(Repetition::REPEATED)
                .with_fields(vec![Arc::new(text("element")?)])
                .build()?;
            Type::group_type_builder(name)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(Some(LogicalType::List))
                .with_converted_type(ConvertedType::LIST)
                .with_fields(vec![Arc::new(entries)])
                .build()?
        }
    }))
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error.to_string()),
        },
        error => io::Error::other(error.to_string()),
    }
}
