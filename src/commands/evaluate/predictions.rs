//! A table that `cxr predict` wrote, matched to cases by the names of files.
//!
//! The same file may be `scans/a.png` in the one and `/data/scans/a.png` in the other, so a row
//! belongs to a case if the one path ends with the other. Where that is not plain, it is an error:
//! a score under the wrong truth is worse than none.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Answers, ModelCard, Outcome, Usage};
use crate::commands::cases::{bytes, contents, file};
use crate::commands::complain;
use crate::domain::{Score, ScoreKind};
use crate::evaluation::Case;
use crate::export::{
    CONTENT, Format, PREVALENCE, ReadError, is_label, path_text, read_array, read_table,
};

/// A table of predictions.
#[derive(Debug)]
pub struct Table {
    file: PathBuf,
    /// Columns with scores from 0 to 1.
    labels: Vec<String>,
    rows: Vec<Row>,
    /// Rows by the last part of their path.
    by_name: HashMap<String, Vec<usize>>,
    /// And by what was in the file, where the table says it.
    by_content: HashMap<String, Vec<usize>>,
    model_sha256: String,
    /// What its rows say that they assume, each once.
    prevalences: BTreeSet<String>,
}

#[derive(Debug)]
struct Row {
    /// The parts of the path, as in the table.
    parts: Vec<String>,
    sha256: Option<String>,
    outcome: Outcome,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&path_text(&self.file))
    }
}

impl Table {
    /// # Errors
    /// [`Usage`], if it is not such a table.
    pub fn read(file: &Path) -> Result<Self> {
        Self::parse(file, &bytes(file)?)
    }

    fn parse(file: &Path, bytes: &[u8]) -> Result<Self> {
        let fail = |reason: String| Usage::error(format!("{}: {reason}", path_text(file)));
        let (columns, raw) = rows(bytes).map_err(fail)?;
        let at = |name: &str| columns.iter().position(|column| column == name);
        let (Some(path), Some(status)) = (at("path"), at("status")) else {
            return Err(fail(
                "not a table of cxr predict: no columns path and status".into(),
            ));
        };
        let labels: Vec<usize> = (0..columns.len())
            .filter(|&column| is_label(&columns[column]))
            .filter(|&column| is_scores(&raw, column))
            .collect();
        if labels.is_empty() {
            return Err(fail("no column of scores".into()));
        }
        let reading = Reading {
            status,
            labels: &labels,
            extent: at("geographic_extent"),
            opacity: at("opacity"),
        };
        let content = |row: &Vec<String>| {
            let sha256 = at(CONTENT).map(|at| row[at].clone());
            sha256.filter(|sha256| !sha256.is_empty())
        };
        let rows: Vec<Row> = raw
            .iter()
            .map(|row| Row {
                parts: parts(&row[path]),
                sha256: content(row),
                outcome: reading.outcome(row),
            })
            .collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_content: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, row) in rows.iter().enumerate() {
            if let Some(sha256) = row.sha256.clone() {
                by_content.entry(sha256).or_default().push(number);
            }
            let name = row.parts.last().cloned().unwrap_or_default();
            by_name.entry(name).or_default().push(number);
        }
        let models: HashSet<&str> = at("model_sha256")
            .iter()
            .flat_map(|&at| raw.iter().map(move |row| row[at].as_str()))
            .filter(|digest| !digest.is_empty())
            .collect();
        if models.len() > 1 {
            return Err(fail("rows of several models".into()));
        }
        let prevalences = at(PREVALENCE).map_or_else(BTreeSet::new, |at| {
            raw.iter().map(|row| row[at].clone()).collect()
        });
        Ok(Table {
            file: file.to_owned(),
            labels: labels
                .iter()
                .map(|&column| columns[column].clone())
                .collect(),
            model_sha256: models.into_iter().next().unwrap_or_default().to_owned(),
            rows,
            by_name,
            by_content,
            prevalences,
        })
    }

    pub fn labels(&self) -> Vec<String> {
        self.labels.clone()
    }

    /// Empty if the table does not say it.
    pub fn model_sha256(&self) -> &str {
        &self.model_sha256
    }

    pub fn is_of(&self, card: &ModelCard) -> bool {
        self.model_sha256 == card.sha256
    }

    /// The card's operating points are at the card's own prevalences: scores at others are on another
    /// scale.
    ///
    /// # Errors
    /// [`Usage`], if it says that it assumes another.
    pub fn refuse_another_prevalence(&self, card: &ModelCard) -> Result<()> {
        for (label, share) in self.prevalences.iter().flat_map(|text| shares(text)) {
            let known = card.labels.iter().find(|known| known.name == label);
            let own = known.and_then(|known| known.calibration);
            let own = own.map(|calibration| calibration.prevalence.share());
            if let Some(own) = own.filter(|own| (own - share).abs() > 1e-9 * own) {
                return Err(Usage::error(format!(
                    "{self} assumes {label}={share}, and the model's card {own}: make it without --prevalence"
                )));
            }
        }
        Ok(())
    }

    /// What it says of each case. A case without a row is one that could not be read.
    ///
    /// # Errors
    /// [`Usage`], if it has a row for no case, or it is not plain which row is whose.
    pub fn answers(&self, cases: &[Case], root: &Path) -> Result<Answers> {
        let contents = match self.by_content.is_empty() {
            true => vec![None; cases.len()],
            false => {
                let files = cases.iter().map(|case| file(root, case));
                contents(&files.collect::<Vec<_>>())
            }
        };
        self.answers_of(cases, root, &contents)
    }

    /// The same, where the content of each case's file is known, or `None` where there is no file.
    fn answers_of(
        &self,
        cases: &[Case],
        root: &Path,
        contents: &[Option<String>],
    ) -> Result<Answers> {
        let mut used = HashSet::new();
        let mut outcomes = Vec::with_capacity(cases.len());
        for (case, content) in cases.iter().zip(contents) {
            let row = self.row_of(case, root, content.as_deref())?;
            if row.is_some_and(|row| !used.insert(row)) {
                return Err(self.unclear(case));
            }
            outcomes.push(row.map_or(Outcome::Failed, |row| self.rows[row].outcome.clone()));
        }
        if used.is_empty() {
            return Err(Usage::error(format!(
                "{self}: no row is of an image of the manifest"
            )));
        }
        Ok(Answers {
            labels: self.labels.clone(),
            outcomes,
        })
    }

    /// The row that was made of the case's file. Where table and disk say which content that is, a row
    /// of another content is none of the case's, under any path.
    fn row_of(&self, case: &Case, root: &Path, content: Option<&str>) -> Result<Option<usize>> {
        let named = self.row_named(case, root);
        let Some(content) = content else {
            return named;
        };
        let is_other = |row: &usize| {
            let sha256 = self.rows[*row].sha256.as_deref();
            sha256.is_some_and(|sha256| sha256 != content)
        };
        let same = self.by_content.get(content).map_or(&[][..], Vec::as_slice);
        let at_path = named.as_ref().ok().copied().flatten();
        match same {
            same if at_path.is_some_and(|row| same.contains(&row)) => Ok(at_path),
            [] => match named {
                Ok(Some(row)) if is_other(&row) => {
                    self.complain_of(case, "no row has its content: it counts as not read");
                    Ok(None)
                }
                other => other,
            },
            [row] => {
                if at_path.as_ref().is_some_and(is_other) {
                    let found = self.rows[*row].parts.join("/");
                    self.complain_of(case, &format!("its content is that of row {found}"));
                }
                Ok(Some(*row))
            }
            _ => Err(self.unclear(case)),
        }
    }

    fn complain_of(&self, case: &Case, what: &str) {
        let case = path_text(&case.path);
        complain(&format!(
            "{self}: the row of {case} was made of another file than lies there now; {what}"
        ));
    }

    fn row_named(&self, case: &Case, root: &Path) -> Result<Option<usize>> {
        let named = parts(&path_text(&case.path));
        let whole = parts(&path_text(&root.join(&case.path)));
        let alike = named.last().and_then(|name| self.by_name.get(name));
        let alike = alike.map_or(&[][..], Vec::as_slice);
        let of = |is: &dyn Fn(&[String]) -> bool| -> Vec<usize> {
            let rows = alike.iter().copied();
            rows.filter(|&row| is(&self.rows[row].parts)).collect()
        };
        let mut found = of(&|parts| parts == whole);
        if found.is_empty() {
            found = of(&|parts| parts.ends_with(&named) || named.ends_with(parts));
        }
        match found[..] {
            [] => Ok(None),
            [row] => Ok(Some(row)),
            _ => Err(self.unclear(case)),
        }
    }

    fn unclear(&self, case: &Case) -> anyhow::Error {
        let case = path_text(&case.path);
        Usage::error(format!("{self}: it is not plain which row is of {case}"))
    }
}

/// The share of each label, as rows say them: an object in JSON, else `LABEL=SHARE; LABEL=SHARE`.
fn shares(text: &str) -> Vec<(String, f64)> {
    if let Ok(object) = serde_json::from_str::<BTreeMap<String, f64>>(text) {
        return object.into_iter().collect();
    }
    let pairs = text.split("; ").filter_map(|pair| {
        let (label, share) = pair.rsplit_once('=')?;
        Some((label.to_owned(), share.parse().ok()?))
    });
    pairs.collect()
}

/// Columns, and rows with a value for each. The content tells the format, not the file's name.
///
/// # Errors
/// Why it is no table, in a few words.
fn rows(bytes: &[u8]) -> Result<(Vec<String>, Vec<Vec<String>>), String> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let format = Format::sniffed(bytes);
    let mut all = match format {
        Format::Json => read_array(bytes).unwrap_or_default(),
        _ => Vec::new(),
    };
    let mut columns = Vec::new();
    if all.is_empty() {
        let read = read_table(format, bytes, |record| {
            all.push((record.columns.to_vec(), record.values));
            Ok::<_, ReadError>(())
        });
        columns = match read {
            Ok(extent) => extent.columns,
            Err(ReadError::Foreign(1)) => Vec::new(),
            // Below the header, if there is one.
            Err(ReadError::Foreign(line)) => {
                let row = line - u64::from(format != Format::Jsonl);
                return Err(format!("row {row} has other columns"));
            }
            Err(ReadError::Io(error)) => return Err(error.to_string()),
        };
    }
    if let Some((first, _)) = all.first() {
        columns.clone_from(first);
    }
    let mut rows = Vec::with_capacity(all.len());
    for (number, (names, values)) in all.into_iter().enumerate() {
        let row = in_order(&columns, &names, values);
        rows.push(row.ok_or_else(|| format!("row {} has other columns", number + 1))?);
    }
    Ok((columns, rows))
}

/// The values in the order of these columns. Rows of one table have the same labels; what else they
/// say may differ, because an earlier version of cxr said less.
fn in_order(columns: &[String], names: &[String], values: Vec<String>) -> Option<Vec<String>> {
    if columns == names {
        return Some(values);
    }
    let labels = |names: &[String]| -> HashSet<String> {
        let labels = names.iter().filter(|name| is_label(name));
        labels.cloned().collect()
    };
    if labels(columns) != labels(names) {
        return None;
    }
    let value = |column: &String| {
        let at = names.iter().position(|name| name == column);
        at.map(|at| values[at].clone()).unwrap_or_default()
    };
    Some(columns.iter().map(value).collect())
}

/// What some spreadsheets write before the text of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The parts of a path that name something.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/');
    let parts = parts.filter(|part| !matches!(*part, "" | "." | ".."));
    parts.map(str::to_owned).collect()
}

/// Whether every cell of a column is a score or empty, and one is a score.
fn is_scores(rows: &[Vec<String>], column: usize) -> bool {
    let mut cells = rows
        .iter()
        .map(|row| &row[column])
        .filter(|cell| !cell.is_empty());
    let first = cells.next().is_some_and(|cell| score(cell).is_some());
    first && cells.all(|cell| score(cell).is_some())
}

/// As the model gave it: a threshold of the card is compared with that number.
fn score(cell: &str) -> Option<f64> {
    let score = Score::new(cell.parse().ok()?, ScoreKind::Sigmoid)?;
    Some(score.value().into())
}

/// Which cell is what.
struct Reading<'a> {
    status: usize,
    labels: &'a [usize],
    extent: Option<usize>,
    opacity: Option<usize>,
}

impl Reading<'_> {
    fn outcome(&self, row: &[String]) -> Outcome {
        let number = |at: Option<usize>| {
            at.and_then(|at| row[at].parse::<f64>().ok())
                .filter(|value| value.is_finite())
        };
        match row[self.status].as_str() {
            "ok" | "caution" => Outcome::Scored {
                labels: self.labels.iter().map(|&at| score(&row[at])).collect(),
                geographic_extent: number(self.extent),
                opacity: number(self.opacity),
            },
            "refused" => Outcome::Refused,
            _ => Outcome::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Calibration, LabelCard, Prevalence};
    use crate::evaluation::question::Truth;

    const HEAD: &str = "path,status,reasons,Pneumonia,COVID-19,model_sha256\n";

    fn table(rows: &str) -> Table {
        Table::parse(Path::new("t.csv"), format!("{HEAD}{rows}").as_bytes()).unwrap()
    }

    fn case(path: &str) -> Case {
        Case {
            path: path.into(),
            patient: String::new(),
            groups: Vec::new(),
            truth: Truth::default(),
        }
    }

    /// The first score of each case; `None` where it was refused, or failed.
    fn scores(table: &Table, paths: &[&str], root: &str) -> Result<Vec<Option<f64>>, String> {
        let cases: Vec<_> = paths.iter().map(|path| case(path)).collect();
        let answers = table
            .answers(&cases, Path::new(root))
            .map_err(|e| e.to_string())?;
        let outcomes = answers.outcomes.into_iter();
        let first = |outcome| match outcome {
            Outcome::Scored { labels, .. } => labels[0],
            _ => None,
        };
        Ok(outcomes.map(first).collect())
    }

    #[test]
    fn rows_find_their_cases_wherever_both_were_run() {
        let table = table(
            "../data/a/1.png,ok,,0.5,0.25,ab\n../data/b/1.png,caution,small,0.75,0.5,ab\n\
             ../data/b/2.png,refused,colour,,,ab\n../data/b/3.png,error,torn,,,\n",
        );
        assert_eq!(table.labels(), ["Pneumonia", "COVID-19"]);
        assert_eq!(table.model_sha256(), "ab");
        let paths = ["b/1.png", "a/1.png", "b/2.png", "b/3.png", "b/4.png"];
        let found = [Some(0.75), Some(0.5), None, None, None];
        for root in ["../data", "/mnt/x"] {
            assert_eq!(scores(&table, &paths, root).unwrap(), found);
        }
        assert_eq!(
            scores(&table, &["/w/data/a/1.png"], "").unwrap(),
            [Some(0.5)]
        );
    }

    #[test]
    fn a_row_that_could_be_of_two_cases_is_of_none() {
        let two = table("a/1.png,ok,,0.5,0.25,ab\nb/1.png,ok,,0.5,0.25,ab\n");
        assert!(
            scores(&two, &["1.png"], "")
                .unwrap_err()
                .contains("not plain")
        );
        assert_eq!(
            scores(&two, &["1.png"], "b").unwrap(),
            [Some(0.5)],
            "the whole path is"
        );
        let bare = table("1.png,ok,,0.5,0.25,ab\n");
        assert!(scores(&bare, &["a/1.png", "b/1.png"], "").is_err());
        assert!(
            scores(&bare, &["x.png"], "")
                .unwrap_err()
                .contains("no row is of")
        );
    }

    /// Two files have changed names since the table was made, and a third was replaced.
    #[test]
    fn a_row_belongs_to_the_content_that_it_was_made_of() {
        let text = "path,image_sha256,status,Pneumonia\na.png,aa,ok,0.25\nb.png,bb,ok,0.75\n\
            c.png,cc,ok,0.5\nd.png,,ok,0.125\n";
        let table = Table::parse(Path::new("t.csv"), text.as_bytes()).unwrap();
        assert_eq!(table.labels(), ["Pneumonia"]);
        let cases = ["a.png", "b.png", "c.png", "d.png"].map(case);
        let scores = |contents: [Option<&str>; 4]| {
            let contents = contents.map(|content| content.map(str::to_owned));
            let answers = table.answers_of(&cases, Path::new(""), &contents).unwrap();
            answers.outcomes.into_iter().map(|outcome| match outcome {
                Outcome::Scored { labels, .. } => labels[0],
                _ => None,
            })
        };
        let found: Vec<_> = scores([Some("bb"), Some("aa"), Some("ee"), Some("dd")]).collect();
        assert_eq!(found, [Some(0.75), Some(0.25), None, Some(0.125)]);
        // Without the files, the paths are all there is.
        let found: Vec<_> = scores([None; 4]).collect();
        assert_eq!(found, [Some(0.25), Some(0.75), Some(0.5), Some(0.125)]);
    }

    #[test]
    fn json_lines_are_read_and_a_torn_row_is_left_out() {
        let text = "{\"path\":\"a.png\",\"status\":\"ok\",\"Pneumonia\":0.25}\n{\"path\":\"b.p";
        let table = Table::parse(Path::new("t.jsonl"), text.as_bytes()).unwrap();
        assert_eq!(
            scores(&table, &["a.png", "b.png"], "").unwrap(),
            [Some(0.25), None]
        );
    }

    #[test]
    fn every_format_that_predict_writes_is_read_whatever_the_file_is_called() {
        let csv = "path,status,Pneumonia\na.png,ok,0.25\nb.png,error,\n";
        let tsv = csv.replace(',', "\t");
        let array = r#"[
{"path":"a.png","status":"ok","Pneumonia":0.25},
{"path":"b.png","status":"error","Pneumonia":null}
]"#;
        let on_one_line = array.replace('\n', "");
        let torn = format!("{}{{\"path", array.replace("\n]", ",\n"));
        let bom = format!("\u{feff}{csv}");
        for text in [csv, &tsv, array, &on_one_line, &torn, &bom] {
            let table = Table::parse(Path::new("t"), text.as_bytes()).unwrap();
            let found = scores(&table, &["a.png", "b.png"], "").unwrap();
            assert_eq!(found, [Some(0.25), None], "{text}");
        }
    }

    #[test]
    fn rows_that_say_more_beside_rows_that_say_less_are_one_table() {
        let text = "{\"path\":\"a.png\",\"status\":\"ok\",\"Pneumonia\":0.25}\n\
            {\"path\":\"b.png\",\"status\":\"ok\",\"Pneumonia\":0.5,\"image_sha256\":\"ab\"}\n";
        let table = Table::parse(Path::new("t.jsonl"), text.as_bytes()).unwrap();
        let found = scores(&table, &["a.png", "b.png"], "").unwrap();
        assert_eq!(found, [Some(0.25), Some(0.5)]);
        let other = text.replace("image_sha256", "Effusion");
        assert!(Table::parse(Path::new("t.jsonl"), other.as_bytes()).is_err());
    }

    #[test]
    fn a_table_at_another_prevalence_than_the_cards_is_refused() {
        let calibrated = |name: &str| LabelCard {
            calibration: Some(Calibration {
                slope: 1.0,
                intercept: 0.0,
                prevalence: Prevalence::new(0.5).unwrap(),
            }),
            ..LabelCard::new(name, crate::domain::Question::Presence, None)
        };
        let card = ModelCard {
            labels: vec![calibrated("Pneumonia"), calibrated("COVID-19")],
            ..ModelCard::default()
        };
        let csv = "path,status,COVID-19,prevalence\na.png,ok,0.25,Pneumonia=0.5; COVID-19=SHARE\n\
                   b.png,error,,\n";
        let line = r#"{"path":"a.png","status":"ok","COVID-19":0.25,"prevalence":{"Pneumonia":0.5,"COVID-19":SHARE}}"#;
        let array = format!("[\n{line}\n]");
        let earlier = "path,status,COVID-19\na.png,ok,0.25\n";
        let check = |text: &str| {
            let table = Table::parse(Path::new("pv.csv"), text.as_bytes()).unwrap();
            let checked = table.refuse_another_prevalence(&card);
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(check(earlier), Ok(()));
        for text in [csv, line, &array] {
            assert_eq!(check(&text.replace("SHARE", "0.5")), Ok(()), "{text}");
            let error = check(&text.replace("SHARE", "0.0001")).unwrap_err();
            let expected = "pv.csv assumes COVID-19=0.0001, and the model's card 0.5";
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn other_tables_are_told() {
        for (text, reason) in [
            ("", "no columns path and status"),
            ("path,finding\na,b\n", "no columns path and status"),
            ("[{\"path\":1}]\n", "no columns path and status"),
            ("[1, 2]\n", "no columns path and status"),
            ("path,status,x\na.png,ok,high\n", "no column of scores"),
            ("path,status,x\na.png,ok,1.5\n", "no column of scores"),
            (
                "path,status,x\na.png,ok,0.5\nb.png\n",
                "row 2 has other columns",
            ),
            (
                "path,status,x,model_sha256\na,ok,0.5,1\nb,ok,0.5,2\n",
                "several models",
            ),
        ] {
            let error = Table::parse(Path::new("t.csv"), text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
            assert!(error.is::<Usage>());
        }
    }
}
