//! `cxr merge`.

use std::path::PathBuf;

use clap::Args;

use super::TableFormatArgument;

/// Join the parts of a sharded run to one table, or say which shards are still to run
///
/// The parts are those of `cxr predict --shard K/N`, each of another K, all of one run: the same folders,
/// model, preprocessing, calibration, prevalence and version. Each must be whole, unchanged, and hold only
/// images, studies or folders of its own shard. Anything else is refused, and no table is written.
///
/// If shards are missing, standard output has nothing but the array that is still to run, for
/// sbatch $(cxr merge parts/*.csv -o all.csv) job.sh: --array=3,7-9. A part that is not whole is named on
/// standard error, and its shard counts as missing.
///
/// Rows are read one after another and never all held: memory grows neither with the rows nor with the
/// parts' size. Rows come in the order of one run over the folders, by name; --sort part leaves those of
/// each part together, and --sort COLUMN sorts by another column, numbers by their value, empty cells last.
///
/// The format of the table may be another than that of the parts. Only parts in JSON lines make a table in
/// JSON, because other parts do not have all that its rows hold.
///
/// Exit status: 0 if the table was written, 1 if shards are missing, 2 for bad usage and parts that do not
/// belong together.
#[derive(Debug, Args)]
pub struct Merge {
    /// The parts
    #[arg(value_name = "PART", required = true)]
    pub parts: Vec<PathBuf>,

    /// Write to FILE; its ending says the format
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Format of the table [default: by the ending of FILE]
    #[arg(short, long, value_enum)]
    pub format: Option<TableFormatArgument>,

    /// Order of the rows: path, part, or the name of a column
    #[arg(long, value_name = "ORDER", default_value = "path")]
    pub sort: String,

    /// The order of --sort the other way round; empty cells stay last
    #[arg(long)]
    pub reverse: bool,

    /// Replace FILE if it exists
    #[arg(long)]
    pub force: bool,

    /// No summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}
