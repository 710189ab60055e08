//! The end of a part: one line that says which run the part belongs to, and that it is whole.
//!
//! A table that was cut off has no such line. Nor can one be made by joining files: the line counts the bytes before
//! it and has their digest.
//!
//! ```text
//! CSV, TSV   #cxr-part {"format":1,"run":"5f…","shard":3,"of":16,…}
//! JSONL      {"cxr_part":{"format":1,…}}
//! Parquet    the file metadata `cxr.part`: {"format":1,…}
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::hex::hex;
use crate::export::{ReadError, TableFormat, read_table};

/// What stands before the description in a table of cells.
pub const MARK: &str = "#cxr-part ";
/// What stands before it in JSON lines.
pub const JSON_MARK: &str = "{\"cxr_part\":";
/// Version of the description. Another version is not read.
const FORMAT: u32 = 1;
/// No description is longer.
const LONGEST: u64 = 1 << 20;
/// Bytes that are read at once.
pub const BUFFER: usize = 1 << 16;
/// Bytes of a digest that a run is known by.
const RUN_BYTES: usize = 8;

/// What all parts of one run have in common. A part with another one belongs to another run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDescription {
    /// The number of parts.
    pub of: u32,
    /// What a row is about: `image`, `study` or `folder`.
    pub unit: String,
    /// The version of cxr.
    pub cxr: String,
    /// Name and version of the model.
    pub model: String,
    pub model_sha256: String,
    pub preprocess: String,
    pub precision: String,
    pub card_digest: String,
    /// The assumed prevalences, as a row in a table of cells writes them.
    pub prevalence: String,
    /// The name of the key of the rows' pseudonyms. Parts without pseudonyms have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudonym_key: Option<String>,
    /// For each label its operating points: `balanced` and `sensitive`.
    pub operating_points: Value,
    /// The columns of the table of cells.
    pub columns: Vec<String>,
    /// The files and folders as they were given; empty if they were too many to write down.
    pub roots: Vec<String>,
    /// SHA-256 of all of them, each followed by a zero byte.
    pub roots_sha256: String,
}

impl RunDescription {
    /// A short name: parts that were made in the same way from the same folders have the same.
    pub fn id(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        hex(&Sha256::digest(text)[..RUN_BYTES])
    }

    /// What a Parquet file states about its rows.
    pub fn metadata(&self) -> Vec<(String, String)> {
        let entries = [
            ("version", self.cxr.clone()),
            ("model", self.model.clone()),
            ("model_sha256", self.model_sha256.clone()),
            ("preprocess", self.preprocess.clone()),
            ("precision", self.precision.clone()),
            ("card_digest", self.card_digest.clone()),
            ("prevalence", self.prevalence.clone()),
            ("operating_points", self.operating_points.to_string()),
        ];
        let entries = entries.into_iter();
        entries
            .map(|(key, value)| (format!("cxr.{key}"), value))
            .collect()
    }

    /// The first thing in which two runs differ, in words.
    pub fn difference(&self, other: &RunDescription) -> Option<String> {
        let texts = |run: &RunDescription| {
            [
                ("number of parts", run.of.to_string()),
                ("unit", run.unit.clone()),
                ("model", run.model.clone()),
                ("model_sha256", run.model_sha256.clone()),
                ("preprocess", run.preprocess.clone()),
                ("precision", run.precision.clone()),
                ("card_digest", run.card_digest.clone()),
                ("prevalence", run.prevalence.clone()),
                (
                    "key of the pseudonyms",
                    run.pseudonym_key.clone().unwrap_or_default(),
                ),
                ("columns", run.columns.join(", ")),
                ("folders", run.roots.join(", ")),
                ("list of files", run.roots_sha256.clone()),
                ("version of cxr", run.cxr.clone()),
                ("operating points", run.operating_points.to_string()),
            ]
        };
        let mut both = texts(self).into_iter().zip(texts(other));
        both.find(|(one, other)| one != other)
            .map(|((what, one), (_, other))| format!("{what}: {one} and {other}"))
    }
}

/// The description of one part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartEnd {
    format: u32,
    /// See [`RunDescription::id`].
    pub run: String,
    /// From 1.
    pub shard: u32,
    #[serde(flatten)]
    pub about: RunDescription,
    /// What the part holds.
    #[serde(flatten)]
    pub content: PartContent,
}

/// What a part holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PartContent {
    pub rows: u64,
    /// How many rows have each status.
    pub counts: BTreeMap<String, u64>,
    /// The bytes before this description, and their SHA-256. A Parquet file has neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Only where a row is about a study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_headers: Option<UnreadHeaders>,
}

/// Films of the whole run, not of the shard alone, whose headers could not be read. Their studies are not known, so that
/// each counts as a study of its own. Where all parts agree on them, every film is in exactly one part; where they do
/// not, one may be in none.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnreadHeaders {
    pub count: u64,
    /// The exclusive or of the first 16 digits of the films' names, which is the same in any order.
    pub digest: String,
}

impl UnreadHeaders {
    /// Adds a film, by the name of the study that it is alone in.
    pub fn add(&mut self, name: &str) {
        let number = |digits: &str| {
            let first = digits.get(..16).unwrap_or_default();
            u64::from_str_radix(first, 16).unwrap_or_default()
        };
        self.digest = format!("{:016x}", number(&self.digest) ^ number(name));
        self.count += 1;
    }
}

impl PartEnd {
    pub fn new(about: RunDescription, shard: u32, content: PartContent) -> Self {
        PartEnd {
            format: FORMAT,
            run: about.id(),
            shard,
            about,
            content,
        }
    }

    /// The description as JSON on one line.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The last line of a part in this format, with its line end.
    pub fn line(&self, format: TableFormat) -> String {
        let json = self.json();
        if format.is_json() {
            format!("{JSON_MARK}{json}}}\n")
        } else {
            format!("{MARK}{json}\n")
        }
    }

    /// Reads a description; `None` if it is none, or of another version.
    pub fn parse(json: &str) -> Option<Self> {
        let end: PartEnd = serde_json::from_str(json).ok()?;
        (end.format == FORMAT && end.is_possible()).then_some(end)
    }

    fn is_possible(&self) -> bool {
        let columns = &self.about.columns;
        let is_table = columns.first().is_some_and(|name| name == "path")
            && columns.iter().any(|name| name == "status");
        is_table && (1..=self.about.of).contains(&self.shard) && self.run == self.about.id()
    }

    fn of_line(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_end();
        if let Some(json) = line.strip_prefix(MARK) {
            return PartEnd::parse(json);
        }
        PartEnd::parse(line.strip_prefix(JSON_MARK)?.strip_suffix('}')?)
    }
}

/// The description at the end of a file of lines, and where it begins; `None` if the file has none.
///
/// # Errors
/// If the file cannot be read.
pub fn end_of(file: &File) -> io::Result<Option<(PartEnd, u64)>> {
    let (line, begin) = last_line(file)?;
    let end = line.strip_suffix(b"\n").and_then(PartEnd::of_line);
    Ok(end.map(|end| (end, begin)))
}

/// Where the last line begins, if it is such a description, also one that was cut off or is of another version.
///
/// # Errors
/// If the file cannot be read.
pub fn begin_of_end(file: &File) -> io::Result<Option<u64>> {
    let (line, begin) = last_line(file)?;
    let is_end = [MARK, JSON_MARK].iter().any(|mark| {
        let is_cut_off = !line.is_empty() && mark.as_bytes().starts_with(&line);
        line.starts_with(mark.as_bytes()) || is_cut_off
    });
    Ok(is_end.then_some(begin))
}

/// Said of a part where a whole table is wanted.
pub const IS_PART: &str = "one part of a run of several; cxr merge makes the table of all";

/// Whether a file of lines ends as a part of a run. A file that cannot be read does not.
pub fn is_part(path: &Path) -> bool {
    let line = File::open(path).and_then(|file| last_line(&file));
    line.is_ok_and(|(line, _)| begins_end(&line))
}

/// Whether a line begins like the description of a part.
pub fn begins_end(line: &[u8]) -> bool {
    [MARK, JSON_MARK]
        .iter()
        .any(|mark| line.starts_with(mark.as_bytes()))
}

/// The last line with its line end, if that is there, and where it begins.
fn last_line(mut file: &File) -> io::Result<(Vec<u8>, u64)> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LONGEST);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(LONGEST).read_to_end(&mut tail)?;
    let text = tail.strip_suffix(b"\n").unwrap_or(&tail);
    let begin = text.iter().rposition(|byte| *byte == b'\n');
    let begin = begin.map_or(0, |at| at + 1);
    Ok((tail.split_off(begin), from + begin as u64))
}

/// Counts the rows of a file of lines that has no description yet.
///
/// # Errors
/// If it cannot be read, or is no such table.
pub fn content_of_rows(file: &File, format: TableFormat) -> Result<PartContent> {
    let mut file = file;
    file.seek(SeekFrom::Start(0))?;
    let sum = ByteSum::default();
    let from = BufReader::with_capacity(BUFFER, Hashing::new(file, &sum));
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let extent = read_table(format, from, |row| {
        let status = row.value("status").unwrap_or_default();
        match counts.get_mut(status) {
            Some(count) => *count += 1,
            None => drop(counts.insert(status.to_owned(), 1)),
        }
        Ok::<_, ReadError>(())
    })?;
    let (bytes, sha256) = sum.finish();
    Ok(PartContent {
        rows: extent.rows,
        counts,
        bytes: Some(bytes),
        sha256: Some(sha256),
        unread_headers: None,
    })
}

/// Counts and digests what is read through it.
pub struct Hashing<R> {
    from: R,
    sum: ByteSum,
}

/// The number and the SHA-256 of the bytes that were read so far.
#[derive(Clone, Default)]
pub struct ByteSum(Rc<RefCell<(u64, Sha256)>>);

impl ByteSum {
    /// The number of bytes, and their SHA-256 in hexadecimal digits.
    pub fn finish(&self) -> (u64, String) {
        let (bytes, digest) = self.0.borrow().clone();
        (bytes, hex(&digest.finalize()))
    }
}

impl<R> Hashing<R> {
    pub fn new(from: R, sum: &ByteSum) -> Self {
        Hashing {
            from,
            sum: sum.clone(),
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        let mut sum = self.sum.0.borrow_mut();
        sum.0 += read as u64;
        sum.1.update(&into[..read]);
        Ok(read)
    }
}

/// The file beside a table in which its rows are kept until the table is whole.
pub fn journal_of(table: &Path) -> PathBuf {
    with_more(table, ".partial")
}

/// The file beside a table of studies or folders that has the rows of their films. It stays there.
pub fn films_of(table: &Path) -> PathBuf {
    with_more(table, ".films")
}

/// The path with this after its name, so that no pattern of tables (`*.csv`) finds it.
fn with_more(table: &Path, more: &str) -> PathBuf {
    let mut name = table.file_name().unwrap_or_default().to_owned();
    name.push(more);
    table.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn about() -> RunDescription {
        RunDescription {
            of: 16,
            unit: "image".into(),
            cxr: "1".into(),
            model: "double 1".into(),
            model_sha256: "ab".into(),
            preprocess: "cxr-1".into(),
            precision: "f32".into(),
            card_digest: "cd".into(),
            prevalence: String::new(),
            pseudonym_key: None,
            operating_points: serde_json::json!({}),
            columns: vec!["path".into(), "status".into()],
            roots: vec!["archive".into()],
            roots_sha256: "ef".into(),
        }
    }

    #[test]
    fn the_end_of_a_part_is_found_and_a_cut_off_one_is_not() {
        for (format, rows) in [
            (TableFormat::Csv, "path,status\na.png,ok\nb.png,error\n"),
            (
                TableFormat::Jsonl,
                "{\"path\":\"a.png\",\"status\":\"ok\"}\n{\"path\":\"b.png\",\"status\":\"error\"}\n",
            ),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(rows.as_bytes()).unwrap();
            let content = content_of_rows(&file, format).unwrap();
            assert_eq!(content.rows, 2);
            assert_eq!(content.bytes, Some(rows.len() as u64));
            assert_eq!(content.counts["error"], 1);
            let digest = hex(&Sha256::digest(rows));
            assert_eq!(content.sha256.as_deref(), Some(&*digest));
            assert_eq!(end_of(&file).unwrap(), None);
            let end = PartEnd::new(about(), 3, content);
            let line = end.line(format);
            file.seek(SeekFrom::End(0)).unwrap();
            file.write_all(line.as_bytes()).unwrap();
            let expected = (end, rows.len() as u64);
            assert_eq!(end_of(&file).unwrap(), Some(expected));
            assert_eq!(begin_of_end(&file).unwrap(), Some(rows.len() as u64));
            // What is cut off is gone, so the longest comes first.
            for cut in (0..line.len()).rev() {
                file.set_len((rows.len() + cut) as u64).unwrap();
                assert_eq!(end_of(&file).unwrap(), None, "{cut}");
                let begin = (cut > 0).then_some(rows.len() as u64);
                assert_eq!(begin_of_end(&file).unwrap(), begin, "{cut}");
            }
        }
    }

    #[test]
    fn a_description_that_contradicts_itself_is_none() {
        let end = PartEnd::new(about(), 3, PartContent::default());
        assert_eq!(PartEnd::parse(&end.json()), Some(end.clone()));
        for other in [
            end.json().replace("\"of\":16", "\"of\":17"),
            end.json().replace("\"shard\":3", "\"shard\":0"),
            end.json().replace("\"shard\":3", "\"shard\":17"),
            end.json().replace("\"format\":1", "\"format\":2"),
        ] {
            assert_eq!(PartEnd::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn a_description_of_another_table_is_none() {
        for columns in [&[][..], &["path"], &["status", "path"]] {
            let other = RunDescription {
                columns: columns.iter().map(|name| (*name).to_owned()).collect(),
                ..about()
            };
            let end = PartEnd::new(other, 3, PartContent::default());
            assert_eq!(PartEnd::parse(&end.json()), None, "{columns:?}");
        }
    }

    #[test]
    fn unread_headers_are_the_same_in_any_order() {
        let names = ["00ff", "1234", "ffff"].map(|digits| digits.repeat(8));
        let of = |order: [usize; 3]| {
            let mut unread = UnreadHeaders::default();
            order.into_iter().for_each(|at| unread.add(&names[at]));
            unread
        };
        assert_eq!(of([0, 1, 2]), of([2, 0, 1]));
        assert_eq!(of([0, 1, 2]).count, 3);
        assert_ne!(of([0, 1, 2]), of([0, 1, 1]));
    }

    #[test]
    fn runs_that_differ_have_other_names_and_say_in_what() {
        let run = about();
        assert_eq!(run.difference(&about()), None);
        let other = RunDescription {
            preprocess: "cxr-1+bf16".into(),
            ..about()
        };
        assert_ne!(run.id(), other.id());
        let words = run.difference(&other).unwrap();
        assert_eq!(words, "preprocess: cxr-1 and cxr-1+bf16");
    }
}
