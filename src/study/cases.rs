//! The list of cases, a CSV file: `path,sha256,excluded`. A case with a reason in `excluded` is read by no reader and
//! counted in the flow.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::domain::ContentId;
use crate::domain::text::clean;

/// The most cases of a study.
const MOST_CASES: usize = 1_000_000;
/// The header of the file.
pub const COLUMNS: [&str; 3] = ["path", "sha256", "excluded"];

/// Why a list cannot be used. Each is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseListFault {
    /// The first row is not `path,sha256,excluded`.
    #[error("the first row is not path,sha256,excluded")]
    Header,
    /// A row that cannot be read.
    #[error("row {row}: {reason}")]
    Row {
        /// From 1, the header not counted.
        row: usize,
        /// One line.
        reason: String,
    },
    /// There is no case to read.
    #[error("no case is left to read")]
    Empty,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCase {
    /// As it is written: absolute, or relative to the folder of the list.
    pub path: PathBuf,
    /// The content of its file.
    pub content: ContentId,
}

/// The cases of a study, and those that were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseList {
    /// In the order of the file.
    pub cases: Vec<ListedCase>,
    /// Path and reason.
    pub excluded: Vec<(PathBuf, String)>,
}

impl CaseList {
    /// Reads the text of a list.
    ///
    /// # Errors
    /// The first row that cannot be used; or if there is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CaseListFault> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes);
        let mut rows = reader.byte_records();
        let header = rows.next().and_then(Result::ok);
        let is_header = header.is_some_and(|row| row.iter().eq(COLUMNS.map(str::as_bytes)));
        if !is_header {
            return Err(CaseListFault::Header);
        }
        let mut list = CaseList::default();
        let mut known = HashMap::new();
        for (row, record) in (1..).zip(rows) {
            let fault = |reason: String| CaseListFault::Row {
                row,
                reason: clean(&reason),
            };
            let record = record.map_err(|error| fault(error.to_string()))?;
            if row > MOST_CASES {
                return Err(fault(format!("more than {MOST_CASES} cases")));
            }
            let fields: Vec<&str> = record
                .iter()
                .map(std::str::from_utf8)
                .collect::<Result<_, _>>()
                .map_err(|_| fault("no UTF-8 text".to_owned()))?;
            let [path, sha256, excluded] = fields[..] else {
                return Err(fault(format!("{} cells in place of 3", fields.len())));
            };
            if path.is_empty() || path.contains('\0') {
                return Err(fault("no path".to_owned()));
            }
            if !excluded.is_empty() {
                let reason = Some(clean(excluded)).filter(|reason| !reason.is_empty());
                let reason = reason.unwrap_or_else(|| "left out".to_owned());
                list.excluded.push((path.into(), reason));
                continue;
            }
            let content: ContentId = sha256
                .parse()
                .map_err(|_| fault(format!("{sha256:?} is no SHA-256")))?;
            if let Some(first) = known.insert(content, row) {
                return Err(fault(format!(
                    "the content of row {first} again: a case would be read twice"
                )));
            }
            list.cases.push(ListedCase {
                path: path.into(),
                content,
            });
        }
        if list.cases.is_empty() {
            return Err(CaseListFault::Empty);
        }
        Ok(list)
    }

    /// The text of the list.
    pub fn text(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut row = |cells: [&str; 3]| {
            // Writing into memory cannot fail.
            let _ = writer.write_record(cells);
        };
        row(COLUMNS);
        for case in &self.cases {
            row([&case.path.to_string_lossy(), &case.content.to_string(), ""]);
        }
        for (path, reason) in &self.excluded {
            row([&path.to_string_lossy(), "", reason]);
        }
        writer.into_inner().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> String {
        format!("{n:02x}").repeat(32)
    }

    #[test]
    fn a_list_is_read_back_as_it_was_written() {
        let list = CaseList {
            cases: (1..4)
                .map(|n| ListedCase {
                    path: format!("films/{n}, \"odd\".png").into(),
                    content: id(n).parse().unwrap(),
                })
                .collect(),
            excluded: vec![("films/9.png".into(), "no picture".into())],
        };
        assert_eq!(CaseList::parse(&list.text()), Ok(list));
    }

    #[test]
    fn each_fault_names_its_row() {
        let list = |rows: &str| CaseList::parse(format!("path,sha256,excluded\n{rows}").as_bytes());
        let one = id(1);
        for (rows, words) in [
            (String::new(), "no case is left"),
            ("a.png,,unreadable\n".into(), "no case is left"),
            ("a.png,xx,\n".into(), "row 1: \"xx\" is no SHA-256"),
            (format!("a.png,{one}\n"), "row 1: 2 cells"),
            (
                format!("a.png,{one},\nb.png,{one},\n"),
                "row 2: the content of row 1",
            ),
            (format!(",{one},\n"), "row 1: no path"),
        ] {
            let fault = list(&rows).unwrap_err().to_string();
            assert!(fault.contains(words), "{rows}: {fault}");
        }
        assert_eq!(CaseList::parse(b"a,b\n"), Err(CaseListFault::Header));
        assert_eq!(CaseList::parse(b""), Err(CaseListFault::Header));
    }
}
