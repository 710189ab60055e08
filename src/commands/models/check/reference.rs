//! The table of another program's numbers: a row for each image.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::CheckModel;
use crate::commands::shared::{Usage, named};
use crate::evaluation::is_missing;
use crate::export::{Cells, path_text, read_cells};
use crate::inference::{Classifier, Classify};

/// A table of a hundred thousand images and twenty labels; a larger file is no reference.
const LARGEST: u64 = 64 << 20;
/// The column with the file of an image.
const PATH: &str = "path";
/// The beginning of a column with the array after a step.
const STEP: &str = "step ";
/// The column with the array after the last step.
const INPUT: &str = "input";

/// The numbers of another program.
#[derive(Debug)]
pub struct ReferenceTable {
    file: PathBuf,
    /// The labels with a column.
    pub labels: Vec<String>,
    pub images: Vec<ReferenceImage>,
    /// The number of the step that makes the network's input.
    pub last_step: usize,
    /// The columns that are none of these.
    others: Vec<String>,
}

/// The numbers for one image.
#[derive(Debug, PartialEq)]
pub struct ReferenceImage {
    /// As the table names it.
    pub name: String,
    pub path: PathBuf,
    /// For each label of the table; `None` where the cell is empty. May be NaN.
    pub numbers: Vec<Option<f64>>,
    /// The file of the array after a step, by the number of the step.
    pub tensors: BTreeMap<usize, PathBuf>,
}

impl fmt::Display for ReferenceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&path_text(&self.file))
    }
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ReferenceColumn {
    Path,
    Number,
    /// Of the step with this number.
    Tensor(usize),
    Other,
}

impl ReferenceTable {
    /// Reads the table of the command.
    ///
    /// # Errors
    /// [`Usage`], if it is no such table, or a cell makes no sense.
    pub fn read(arguments: &CheckModel, classifier: &Classifier) -> Result<Self> {
        let file = &arguments.against;
        let fault = |reason: String| Usage::error(format!("{}: {reason}", path_text(file)));
        let bytes = bytes(file).map_err(fault)?;
        let labels = if arguments.logits {
            classifier.output_names()
        } else {
            let labels = classifier.card().labels.iter();
            labels.map(|label| label.name.clone()).collect()
        };
        let beside = || file.parent().map_or_else(PathBuf::new, Path::to_owned);
        let model = ComparedModel {
            labels: &labels,
            last_step: classifier.step_words().len() - 1,
            is_logits: arguments.logits,
        };
        let root = arguments.root.clone().unwrap_or_else(beside);
        Self::parse(file, &bytes, &root, &model).map_err(fault)
    }

    fn parse(
        file: &Path,
        bytes: &[u8],
        root: &Path,
        model: &ComparedModel<'_>,
    ) -> Result<Self, String> {
        let Cells { columns, rows, .. } = read_cells(bytes).map_err(|error| error.to_string())?;
        let kinds = model.columns(&columns)?;
        let of_kind = |kind: &ReferenceColumn| {
            let pairs = columns
                .iter()
                .zip(&kinds)
                .filter(move |(_, known)| *known == kind);
            pairs
                .map(|(name, _)| name.trim().to_owned())
                .collect::<Vec<_>>()
        };
        let mut images = Vec::with_capacity(rows.len());
        for (number, cells) in (1..).zip(&rows) {
            let image = model.image(root, &columns, &kinds, cells);
            images.push(image.map_err(|reason| format!("row {number}: {reason}"))?);
        }
        if images.is_empty() {
            return Err("it has no row".to_owned());
        }
        Ok(ReferenceTable {
            file: file.to_owned(),
            labels: of_kind(&ReferenceColumn::Number),
            images,
            last_step: model.last_step,
            others: of_kind(&ReferenceColumn::Other),
        })
    }

    /// The columns that are neither labels nor steps, in a few words; `None` if there are none.
    pub fn others(&self) -> Option<String> {
        let others: Vec<&str> = self.others.iter().map(String::as_str).collect();
        (!others.is_empty()).then(|| named(&others))
    }
}

/// What the model can be compared in.
struct ComparedModel<'a> {
    labels: &'a [String],
    last_step: usize,
    is_logits: bool,
}

impl ComparedModel<'_> {
    /// What each column holds.
    fn columns(&self, names: &[String]) -> Result<Vec<ReferenceColumn>, String> {
        let mut kinds = Vec::with_capacity(names.len());
        for (nth, name) in names.iter().enumerate() {
            let name = name.trim();
            if names[..nth].iter().any(|other| other.trim() == name) {
                return Err(format!("two columns are called {name:?}"));
            }
            kinds.push(self.column(name)?);
        }
        if !kinds.contains(&ReferenceColumn::Path) {
            return Err(format!("no column {PATH}"));
        }
        let is_compared = |kind: &ReferenceColumn| {
            matches!(kind, ReferenceColumn::Number | ReferenceColumn::Tensor(_))
        };
        if kinds.iter().any(is_compared) {
            Ok(kinds)
        } else {
            let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
            Err(format!(
                "no column is called as a label of the model ({}), as a step ({STEP}0 to {STEP}{}) or {INPUT}",
                named(&labels),
                self.last_step
            ))
        }
    }

    fn column(&self, name: &str) -> Result<ReferenceColumn, String> {
        if self.labels.iter().any(|label| label == name) {
            return Ok(ReferenceColumn::Number);
        }
        if name == PATH {
            return Ok(ReferenceColumn::Path);
        }
        if name == INPUT {
            return Ok(ReferenceColumn::Tensor(self.last_step));
        }
        let Some(number) = name.strip_prefix(STEP) else {
            return Ok(ReferenceColumn::Other);
        };
        match number.trim().parse() {
            Ok(number) if number <= self.last_step => Ok(ReferenceColumn::Tensor(number)),
            _ => Err(format!(
                "column {name:?}: the steps of the model are 0 to {}",
                self.last_step
            )),
        }
    }

    fn image(
        &self,
        root: &Path,
        names: &[String],
        kinds: &[ReferenceColumn],
        cells: &[String],
    ) -> Result<ReferenceImage, String> {
        let mut image = ReferenceImage {
            name: String::new(),
            path: PathBuf::new(),
            numbers: Vec::new(),
            tensors: BTreeMap::new(),
        };
        for ((name, kind), cell) in names.iter().zip(kinds).zip(cells) {
            match kind {
                ReferenceColumn::Path if cell.is_empty() => {
                    return Err("it names no image".to_owned());
                }
                ReferenceColumn::Path => {
                    image.name.clone_from(cell);
                    image.path = root.join(cell);
                }
                ReferenceColumn::Number => image.numbers.push(self.number(name.trim(), cell)?),
                ReferenceColumn::Tensor(_) if is_missing(cell) => {}
                ReferenceColumn::Tensor(step) => {
                    image.tensors.insert(*step, root.join(cell));
                }
                ReferenceColumn::Other => {}
            }
        }
        Ok(image)
    }

    fn number(&self, label: &str, cell: &str) -> Result<Option<f64>, String> {
        // The other program gave an answer, and it is not a number: that is a difference, and no empty cell.
        if cell.trim().eq_ignore_ascii_case("nan") {
            return Ok(Some(f64::NAN));
        }
        if is_missing(cell) {
            return Ok(None);
        }
        let number = cell.trim().parse::<f64>().ok();
        let Some(number) = number.filter(|number| number.is_finite()) else {
            return Err(format!("{label} is {cell:?}, no number"));
        };
        if !self.is_logits && !(0.0..=1.0).contains(&number) {
            return Err(format!(
                "{label} is {number}, no score: --logits is for outputs before the sigmoid or softmax"
            ));
        }
        Ok(Some(number))
    }
}

/// The bytes of a file that is no larger than a table may be.
fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(file)?
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("larger than {} MiB", LARGEST >> 20));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, is_logits: bool) -> Result<ReferenceTable, String> {
        let labels = ["Pneumonia", "Edema"].map(str::to_owned);
        let model = ComparedModel {
            labels: &labels,
            last_step: 4,
            is_logits,
        };
        let file = Path::new("reference.csv");
        ReferenceTable::parse(file, text.as_bytes(), Path::new("films"), &model)
    }

    #[test]
    fn numbers_and_arrays_are_found_by_the_names_of_their_columns() {
        let text = "site,path,Edema,step 1,input,Pneumonia\n\
                    x,a.png,0.25,a1.npy,a.npy,0.5\n\
                    y,sub/b.png,,,b.npy,1\n";
        let table = parse(text, false).unwrap();
        assert_eq!(table.labels, ["Edema", "Pneumonia"]);
        assert_eq!(table.others().as_deref(), Some("site"));
        let [first, second] = &table.images[..] else {
            panic!("{:?}", table.images)
        };
        assert_eq!(first.path, Path::new("films/a.png"));
        assert_eq!(first.numbers, [Some(0.25), Some(0.5)]);
        let tensors = [(1, "films/a1.npy"), (4, "films/a.npy")];
        let tensors = tensors.map(|(n, path)| (n, PathBuf::from(path)));
        assert_eq!(first.tensors, BTreeMap::from(tensors));
        assert_eq!(
            (second.name.as_str(), second.numbers[0]),
            ("sub/b.png", None)
        );
        assert_eq!(second.tensors.len(), 1);
    }

    #[test]
    fn not_a_number_is_an_answer_and_an_empty_cell_is_none() {
        let table = parse("path,Edema,Pneumonia\na.png,NaN,NA\n", false).unwrap();
        let [Some(nan), None] = table.images[0].numbers[..] else {
            panic!("{:?}", table.images)
        };
        assert!(nan.is_nan());
    }

    #[test]
    fn a_table_that_cannot_be_compared_says_why() {
        for (text, words) in [
            ("Pneumonia\n0.5\n", "no column path"),
            ("path,Pneumonia\n", "it has no row"),
            (
                "path,Gout\na.png,0.5\n",
                "as a label of the model (Pneumonia, Edema)",
            ),
            (
                "path,Edema,Edema\na.png,0,0\n",
                "two columns are called \"Edema\"",
            ),
            (
                "path,step 5\na.png,a.npy\n",
                "the steps of the model are 0 to 4",
            ),
            ("path,step x\na.png,a.npy\n", "column \"step x\""),
            (
                "path,Edema\na.png,high\n",
                "row 1: Edema is \"high\", no number",
            ),
            ("path,Edema\na.png,inf\n", "no number"),
            (
                "path,Edema\na.png,0.5\nb.png,3.2\n",
                "row 2: Edema is 3.2, no score: --logits",
            ),
            ("path,Edema\n,0.5\n", "row 1: it names no image"),
            (
                "path,Edema\na.png,0.5\nb.png,1,2\n",
                "row 2 has other columns",
            ),
        ] {
            let fault = parse(text, false).unwrap_err();
            assert!(fault.contains(words), "{fault}");
        }
        let logits = parse("path,Edema\nb.png,-3.2\n", true).unwrap();
        assert_eq!(logits.images[0].numbers, [Some(-3.2)]);
    }
}
