//! How a table is written, and what the name of a file says of that.

use std::fs;
use std::path::Path;

use super::path_text;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header, lines ended by a line feed.
    Csv,
    /// The same with tabs in the place of commas.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// One array of objects, valid once finished.
    Json,
}

/// The name of a file does not say how it is to be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path}: a table's name ends in .csv, .tsv, .jsonl or .json; --format says it for any other"
)]
pub struct UnknownEnding {
    path: String,
}

impl Format {
    /// The format that was asked for, or else the one that the ending of the file's name says.
    /// Standard output, which is `None`, a pipe and a device have no ending: they are given CSV.
    ///
    /// # Errors
    /// [`UnknownEnding`], if neither says it: a table of another kind than its name is worse than
    /// none.
    pub fn of(asked: Option<Format>, file: Option<&Path>) -> Result<Format, UnknownEnding> {
        let (None, Some(file)) = (asked, file) else {
            return Ok(asked.unwrap_or(Format::Csv));
        };
        let ending = file.extension().and_then(|ending| ending.to_str());
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Ok(Format::Csv),
            Some("tsv") => Ok(Format::Tsv),
            Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
            Some("json") => Ok(Format::Json),
            _ if is_stream(file) => Ok(Format::Csv),
            _ => Err(UnknownEnding {
                path: path_text(file),
            }),
        }
    }

    /// The format of a table that is there, by its first bytes.
    pub fn sniffed(bytes: &[u8]) -> Format {
        match bytes.trim_ascii_start().first() {
            Some(b'{') => return Format::Jsonl,
            Some(b'[') => return Format::Json,
            _ => {}
        }
        let header = bytes.split(|&byte| byte == b'\n').next();
        let count = |sign| header.map_or(0, |line| line.iter().filter(|b| **b == sign).count());
        match count(b'\t') > count(b',') {
            true => Format::Tsv,
            false => Format::Csv,
        }
    }

    /// Whether a row is a JSON object, which may hold more than one value in a member.
    pub fn is_json(self) -> bool {
        matches!(self, Format::Jsonl | Format::Json)
    }

    /// What stands between two cells of a line.
    pub fn delimiter(self) -> u8 {
        match self {
            Format::Tsv => b'\t',
            _ => b',',
        }
    }
}

/// A pipe or a device: nothing of it is kept under that name. Links are followed.
pub fn is_stream(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<Format> {
        Format::of(None, Some(Path::new(name))).ok()
    }

    #[test]
    fn the_ending_says_the_format_and_another_is_refused() {
        assert_eq!(of("a/scores.CSV"), Some(Format::Csv));
        assert_eq!(of("scores.tsv"), Some(Format::Tsv));
        assert_eq!(of("scores.jsonl"), Some(Format::Jsonl));
        assert_eq!(of("scores.old.json"), Some(Format::Json));
        for name in [
            "scores",
            "scores.xlsx",
            "scores.csv.gz",
            "scores.txt",
            ".csv",
        ] {
            assert_eq!(of(name), None, "{name}");
            let asked = Format::of(Some(Format::Tsv), Some(Path::new(name)));
            assert_eq!(asked.unwrap(), Format::Tsv);
        }
        assert_eq!(Format::of(None, None).unwrap(), Format::Csv);
        assert_eq!(of("/dev/null"), Some(Format::Csv));
    }

    #[test]
    fn a_table_says_itself_what_it_is() {
        for (text, format) in [
            ("path,status\n", Format::Csv),
            ("path\tstatus\n", Format::Tsv),
            ("{\"path\":1}\n", Format::Jsonl),
            ("[\n{\"path\":1}\n]\n", Format::Json),
            ("", Format::Csv),
        ] {
            assert_eq!(Format::sniffed(text.as_bytes()), format, "{text}");
        }
    }
}
