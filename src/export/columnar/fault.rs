//! Why a Parquet file is not read.

use std::io;

use parquet::errors::ParquetError;

use crate::domain::text::clean;

/// Why a Parquet file is not read.
#[derive(Debug, thiserror::Error)]
pub enum ColumnarError {
    /// It cannot be read, was cut off or is damaged.
    #[error("no whole Parquet file: {0}")]
    Damaged(String),
    /// It is compressed in a way that this program does not have.
    #[error("compressed by {0}; write it with snappy, or without compression")]
    Compressed(String),
    /// Its pages are written in a way that is not read.
    #[error("its texts are written as differences; write them plain or with a dictionary")]
    Encoded,
    /// It asks for more memory than a table takes.
    #[error("too large: {0}")]
    TooLarge(String),
    /// A column holds what no table of text can.
    #[error("column {0} holds structures, and no text, number or list of these")]
    Nested(String),
    /// Which of the two is meant is not known.
    #[error("column {0} is there twice")]
    Twice(String),
}

impl From<ParquetError> for ColumnarError {
    fn from(error: ParquetError) -> Self {
        // It may quote the file.
        ColumnarError::Damaged(clean(&error.to_string()))
    }
}

/// An error of reading as one of the system, for callers that have no other.
impl From<ColumnarError> for io::Error {
    fn from(error: ColumnarError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
    }
}
