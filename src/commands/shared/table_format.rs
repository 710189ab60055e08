//! The formats of tables as options name them.

use crate::cli::TableFormatArgument;
use crate::export::TableFormat;

impl From<TableFormatArgument> for TableFormat {
    fn from(format: TableFormatArgument) -> Self {
        match format {
            TableFormatArgument::Csv => TableFormat::Csv,
            TableFormatArgument::Tsv => TableFormat::Tsv,
            TableFormatArgument::Jsonl => TableFormat::Jsonl,
            TableFormatArgument::Json => TableFormat::Json,
            TableFormatArgument::Parquet => TableFormat::Parquet,
        }
    }
}
