//! The format of a table, chosen by an option, the ending of the file's name, or its content.

use std::fs;
use std::path::Path;

use super::columnar::is_parquet;
use super::path_text;

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// RFC 4180, with a header, lines ended by a line feed.
    Csv,
    /// Like CSV, with tabs in place of commas.
    Tsv,
    /// One JSON object per line.
    Jsonl,
    /// One JSON array of objects, valid once finished.
    Json,
    /// Columns with types. A file has its end or is none, so that rows are kept elsewhere until they are all there.
    Parquet,
}

/// The ending of a file's name is not one of a table format.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path}: a table's name ends in .csv, .tsv, .jsonl, .json or .parquet; use --format for other names"
)]
pub struct UnknownEnding {
    path: String,
}

impl TableFormat {
    /// The format that was asked for, or else the one that the ending of the file's name tells. Standard
    /// output (`None`), pipes and devices have no ending and get CSV.
    ///
    /// # Errors
    /// [`UnknownEnding`] if neither tells it: a table whose format does not fit its name is worse than
    /// no table.
    pub fn of(
        asked: Option<TableFormat>,
        file: Option<&Path>,
    ) -> Result<TableFormat, UnknownEnding> {
        let (None, Some(file)) = (asked, file) else {
            return Ok(asked.unwrap_or(TableFormat::Csv));
        };
        let ending = file.extension().and_then(|ending| ending.to_str());
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Ok(TableFormat::Csv),
            Some("tsv") => Ok(TableFormat::Tsv),
            Some("jsonl" | "ndjson") => Ok(TableFormat::Jsonl),
            Some("json") => Ok(TableFormat::Json),
            Some("parquet") => Ok(TableFormat::Parquet),
            _ if is_stream(file) => Ok(TableFormat::Csv),
            _ => Err(UnknownEnding {
                path: path_text(file),
            }),
        }
    }

    /// The format of an existing table, told by its content.
    pub fn sniffed(bytes: &[u8]) -> TableFormat {
        if is_parquet(bytes) {
            return TableFormat::Parquet;
        }
        match bytes.trim_ascii_start().first() {
            Some(b'{') => return TableFormat::Jsonl,
            Some(b'[') => return TableFormat::Json,
            _ => {}
        }
        let header = bytes.split(|&byte| byte == b'\n').next();
        let count = |sign| header.map_or(0, |line| line.iter().filter(|b| **b == sign).count());
        if count(b'\t') > count(b',') {
            TableFormat::Tsv
        } else {
            TableFormat::Csv
        }
    }

    /// The format in which rows are written one by one. Those of Parquet are kept as CSV until they are all there.
    pub fn of_rows(self) -> TableFormat {
        match self {
            TableFormat::Parquet => TableFormat::Csv,
            other => other,
        }
    }

    /// Whether a row is a JSON object, whose members may hold several values.
    pub fn is_json(self) -> bool {
        matches!(self, TableFormat::Jsonl | TableFormat::Json)
    }

    /// The separator between two cells of a line.
    pub fn delimiter(self) -> u8 {
        match self {
            TableFormat::Tsv => b'\t',
            _ => b',',
        }
    }
}

/// Whether this is a pipe or a device, which keeps nothing under its name. Links are followed.
pub fn is_stream(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<TableFormat> {
        TableFormat::of(None, Some(Path::new(name))).ok()
    }

    #[test]
    fn the_ending_tells_the_format_and_an_unknown_one_is_refused() {
        assert_eq!(of("a/scores.CSV"), Some(TableFormat::Csv));
        assert_eq!(of("scores.tsv"), Some(TableFormat::Tsv));
        assert_eq!(of("scores.jsonl"), Some(TableFormat::Jsonl));
        assert_eq!(of("scores.old.json"), Some(TableFormat::Json));
        assert_eq!(of("scores.parquet"), Some(TableFormat::Parquet));
        for name in [
            "scores",
            "scores.xlsx",
            "scores.csv.gz",
            "scores.txt",
            ".csv",
        ] {
            assert_eq!(of(name), None, "{name}");
            let asked = TableFormat::of(Some(TableFormat::Tsv), Some(Path::new(name)));
            assert_eq!(asked.unwrap(), TableFormat::Tsv);
        }
        assert_eq!(TableFormat::of(None, None).unwrap(), TableFormat::Csv);
        assert_eq!(of("/dev/null"), Some(TableFormat::Csv));
    }

    #[test]
    fn the_content_tells_the_format() {
        for (text, format) in [
            ("path,status\n", TableFormat::Csv),
            ("path\tstatus\n", TableFormat::Tsv),
            ("{\"path\":1}\n", TableFormat::Jsonl),
            ("[\n{\"path\":1}\n]\n", TableFormat::Json),
            ("", TableFormat::Csv),
            ("PAR1\x15", TableFormat::Parquet),
        ] {
            assert_eq!(TableFormat::sniffed(text.as_bytes()), format, "{text}");
        }
    }
}
