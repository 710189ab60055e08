//! Cases with a reference standard, from the options of a command: which columns, which rows, which
//! files.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Result;

use super::{Usage, available_cores};
use crate::cli;
use crate::domain::{Question, label_named};
use crate::evaluation::manifest::{LabelColumn, RowFilter};
use crate::evaluation::{Case, Manifest, ManifestColumns, questions};
use crate::export::{ColumnarRows, FlatRow, FlatWriter, TableFormat, is_parquet, path_text};
use crate::imaging::{DecodeLimits, content_of};
use crate::library::exists;

/// A table of a million cases has a tenth of this size; a larger file is no table of cases.
const LARGEST: u64 = 1 << 30;
/// Bytes by which a Parquet file is known.
const MARK: u64 = 4;
/// Bytes of the cells of a Parquet file.
const LARGEST_TEXT: usize = 512 << 20;

/// Where older copies of the COVID-19 image data collection keep the files that `filename` names.
const USUAL_FOLDER: &str = "images";

/// The cases that answer a question of a model with these labels, with boxes from the column `boxes`, if one is named.
///
/// # Errors
/// [`Usage`], if there are none or the file cannot be used; or if the column cannot be read, or has no box in the rows that
/// were selected.
pub fn read_with_boxes(
    arguments: &cli::CaseArguments,
    groups: &[String],
    labels: &[String],
    boxes: Option<&str>,
) -> Result<Manifest> {
    let columns = ManifestColumns {
        boxes: boxes.map(str::to_owned),
        ..columns(arguments, groups)?
    };
    let manifest = read_columns(arguments, labels, columns)?;
    let has_boxes = || manifest.cases.iter().any(|case| !case.boxes.is_empty());
    if let Some(column) = boxes.filter(|_| !has_boxes()) {
        return Err(Usage::error(format!(
            "{}: no row that was selected has a box in column {column}{}",
            path_text(&arguments.manifest),
            left_out(&manifest)
        )));
    }
    Ok(manifest)
}

/// A note on the cases whose patient is not known, if there are such. `too_good` says what is wrong then.
pub fn without_patients(manifest: &Manifest, too_good: &str) -> Option<String> {
    let (without, all) = (manifest.without_patient(), manifest.cases.len());
    match without {
        0 => None,
        _ if without == all && !manifest.has_patient_column => Some(format!(
            "There is no column of patients, so each image counts as a patient of its own. If patients have several \
             images, {too_good}."
        )),
        _ => Some(format!(
            "{without} of {all} images have no patient, so each of these counts as a patient of its own. If patients \
             have several of them, {too_good}."
        )),
    }
}

/// The cases of [`read_with_boxes`], and those with an outcome in one of these columns.
///
/// # Errors
/// As [`read_with_boxes`]; and [`Usage`], if such a column cannot be read.
pub fn read_with_outcomes(
    arguments: &cli::CaseArguments,
    labels: &[String],
    outcomes: &[LabelColumn],
) -> Result<Manifest> {
    let columns = ManifestColumns {
        outcomes: outcomes.to_vec(),
        ..columns(arguments, &[])?
    };
    read_columns(arguments, labels, columns)
}

/// All cases of the rows that were selected, whichever question they answer.
///
/// # Errors
/// [`Usage`], if the file cannot be used.
pub fn all(arguments: &cli::CaseArguments, groups: &[String]) -> Result<Manifest> {
    parsed(arguments, &columns(arguments, groups)?)
}

fn parsed(arguments: &cli::CaseArguments, columns: &ManifestColumns) -> Result<Manifest> {
    let name = path_text(&arguments.manifest);
    let bytes = table_bytes(&arguments.manifest)?;
    Manifest::parse(&bytes, columns).map_err(|error| Usage::error(format!("{name}: {error}")))
}

fn read_columns(
    arguments: &cli::CaseArguments,
    labels: &[String],
    columns: ManifestColumns,
) -> Result<Manifest> {
    let columns = of_labels(columns, labels)?;
    let name = path_text(&arguments.manifest);
    let mut manifest = parsed(arguments, &columns)?;
    manifest.keep_answered(&questions(labels));
    if manifest.cases.is_empty() {
        return Err(Usage::error(format!(
            "{name}: no row that was selected answers a question of the model ({}){}",
            labels.join(", "),
            left_out(&manifest)
        )));
    }
    Ok(manifest)
}

/// How many rows are no cases, and why, as the end of a message; empty where all are.
fn left_out(manifest: &Manifest) -> String {
    let words = manifest.skipped.words();
    if words.is_empty() {
        return String::new();
    }
    format!("; of its {} rows: {}", manifest.rows, words.join(", "))
}

/// The same columns, each of the label that its name means.
///
/// # Errors
/// [`Usage`], if there is no such label, more than one, or two columns of one label.
fn of_labels(mut columns: ManifestColumns, labels: &[String]) -> Result<ManifestColumns> {
    let known = labels
        .iter()
        .map(|label| (label.as_str(), Question::Presence));
    let mut answered = HashSet::new();
    for LabelColumn { label, column } in &mut columns.labels {
        let meant = label_named(label, known.clone()).map_err(|error| {
            Usage::error(format!(
                "--label-column {label}={column}: {error}; the model has: {}",
                labels.join(", ")
            ))
        })?;
        if !answered.insert(meant) {
            return Err(Usage::error(format!(
                "--label-column {label}={column}: another column answers {meant} already"
            )));
        }
        meant.clone_into(label);
    }
    Ok(columns)
}

/// The whole of a table that the user named, where a Parquet file is given as a table of cells, and UTF-16 as UTF-8. The file is opened once:
/// what was read of a pipe is gone.
///
/// # Errors
/// [`Usage`], if it cannot be read.
pub fn table_bytes(path: &Path) -> Result<Vec<u8>> {
    let named = |reason: String| Usage::error(format!("{}: {reason}", path_text(path)));
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => named("no such file".to_owned()),
        kind => named(kind.to_string()),
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let head = (&mut file).take(MARK).read_to_end(&mut bytes);
    head.map_err(failed)?;
    if is_parquet(&bytes) {
        return cells(file).map_err(|error| named(error.to_string()));
    }
    let rest = file.take(LARGEST + 1).read_to_end(&mut bytes);
    rest.map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(named("larger than 1 GiB".to_owned()));
    }
    Ok(in_utf8(bytes))
}

/// A table that a spreadsheet wrote in UTF-16 ("Unicode text"), in UTF-8, and any other as it is.
fn in_utf8(bytes: Vec<u8>) -> Vec<u8> {
    let unit = match bytes.get(..2) {
        Some([0xFF, 0xFE]) => u16::from_le_bytes,
        Some([0xFE, 0xFF]) => u16::from_be_bytes,
        _ => return bytes,
    };
    let units = bytes[2..].chunks_exact(2);
    let units = units.map(|pair| unit([pair[0], pair[1]]));
    let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    text.collect::<String>().into_bytes()
}

/// The rows of a Parquet file as a table of cells.
fn cells(file: File) -> io::Result<Vec<u8>> {
    let mut rows = ColumnarRows::open(file)?;
    let out = BoundedText(Vec::new());
    let mut table = FlatWriter::begin(out, TableFormat::Csv, &rows.columns())?;
    let mut row = FlatRow::new();
    while rows.next(&mut row)? {
        table.row(&row, &[])?;
    }
    Ok(table.finish()?.0)
}

/// A table of cells that is held. A Parquet file of some bytes may state any number of rows.
struct BoundedText(Vec<u8>);

impl Write for BoundedText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST_TEXT {
            return Err(io::Error::other("its cells have more than 512 MiB of text"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn columns(arguments: &cli::CaseArguments, groups: &[String]) -> Result<ManifestColumns> {
    let mut columns = ManifestColumns {
        path: arguments.path_column.clone(),
        patient: arguments.patient_column.clone(),
        groups: groups.to_vec(),
        ..ManifestColumns::default()
    };
    for label in &arguments.label_column {
        match label.split_once('=') {
            Some((label, column)) => columns.labels.push(LabelColumn {
                label: label.trim().to_owned(),
                column: column.trim().to_owned(),
            }),
            None if columns.finding.is_none() => columns.finding = Some(label.clone()),
            None => {
                return Err(Usage::error(format!(
                    "--label-column {label}: there can be one column of findings; \
                     LABEL=COLUMN may be repeated"
                )));
            }
        }
    }
    for filter in &arguments.filters {
        let (column, value) = filter.split_once('=').ok_or_else(|| {
            Usage::error(format!("--where {filter}: COLUMN=VALUE is what it takes"))
        })?;
        columns.filters.push(RowFilter {
            column: column.to_owned(),
            value: value.to_owned(),
        });
    }
    columns
        .filters
        .extend(arguments.split.iter().map(|split| RowFilter {
            column: "split".to_owned(),
            value: split.clone(),
        }));
    Ok(columns)
}

/// The folder that file names are relative to.
pub fn root(arguments: &cli::CaseArguments) -> PathBuf {
    let beside = || {
        arguments
            .manifest
            .parent()
            .map_or_else(PathBuf::new, Path::to_owned)
    };
    arguments.root.clone().unwrap_or_else(beside)
}

/// Refuses a manifest none of whose files exists: the folder is wrong, and not each of the files.
///
/// # Errors
/// [`Usage`], with the way to name the folder.
pub fn refuse_if_none_exists(cases: &[Case], root: &Path) -> Result<()> {
    let Some(first) = cases.first() else {
        return Ok(());
    };
    if cases.iter().any(|case| exists(&file(root, case))) {
        return Ok(());
    }
    Err(Usage::error(format!(
        "none of the {} files of the manifest is there, the first as {}; --root names the folder that they are relative to",
        cases.len(),
        path_text(&root.join(&first.path))
    )))
}

/// The file of a case.
pub fn file(root: &Path, case: &Case) -> PathBuf {
    let named = root.join(&case.path);
    let usual = root.join(USUAL_FOLDER).join(&case.path);
    if !exists(&named) && exists(&usual) {
        usual
    } else {
        named
    }
}

/// The SHA-256 of each file, in lower-case hexadecimal; `None` if it is missing, no file or cannot be
/// read.
pub fn contents(files: &[PathBuf]) -> Vec<Option<String>> {
    let share = files.len().div_ceil(available_cores()).max(1);
    thread::scope(|scope| {
        let work = |files: &[PathBuf]| files.iter().map(|file| content(file)).collect::<Vec<_>>();
        let shares: Vec<_> = files
            .chunks(share)
            .map(|files| scope.spawn(move || work(files)))
            .collect();
        let found = shares.into_iter().zip(files.chunks(share));
        found
            .flat_map(|(share, files)| share.join().unwrap_or_else(|_| vec![None; files.len()]))
            .collect()
    })
}

fn content(file: &Path) -> Option<String> {
    let content = content_of(file, &DecodeLimits::default()).ok()?;
    Some(content.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_table_may_come_from_a_pipe_and_in_utf_16() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let table = "path,finding\na.png,Pneumonia\n";
        thread::scope(|scope| {
            let writer = scope.spawn(|| fs::write(&pipe, table));
            assert_eq!(table_bytes(&pipe).unwrap(), table.as_bytes());
            writer.join().unwrap().unwrap();
        });
        let short = folder.path().join("short.csv");
        for text in ["", "a", "ab\n"] {
            fs::write(&short, text).unwrap();
            assert_eq!(table_bytes(&short).unwrap(), text.as_bytes());
        }
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let units = "\u{feff}path,name\na.png,Jürgen 🫁\n".encode_utf16();
            fs::write(&short, units.flat_map(order).collect::<Vec<u8>>()).unwrap();
            let read = table_bytes(&short).unwrap();
            assert_eq!(read, "path,name\na.png,Jürgen 🫁\n".as_bytes());
        }
        let missing = table_bytes(&folder.path().join("none")).unwrap_err();
        assert!(missing.to_string().contains("none: no such file"));
    }

    #[test]
    fn the_column_of_a_label_is_named_as_labels_are_named_everywhere() {
        let labels = ["Pneumonia", "COVID-19", "Pneumothorax"].map(str::to_owned);
        let of = |names: &[&str]| {
            let columns = names.iter().map(|name| LabelColumn {
                label: (*name).to_owned(),
                column: "truth".to_owned(),
            });
            let columns = ManifestColumns {
                labels: columns.collect(),
                ..ManifestColumns::default()
            };
            of_labels(columns, &labels).map_err(|error| error.to_string())
        };
        let found = of(&["covid", "Pneumonia"]).unwrap().labels;
        let found: Vec<&str> = found.iter().map(|named| named.label.as_str()).collect();
        assert_eq!(found, ["COVID-19", "Pneumonia"]);
        for (names, words) in [
            (
                &["flu"][..],
                "flu=truth: no such label; the model has: Pneumonia,",
            ),
            (&["pneumo"], "it may be Pneumonia or Pneumothorax"),
            (
                &["covid", "COVID-19"],
                "another column answers COVID-19 already",
            ),
        ] {
            let error = of(names).unwrap_err();
            assert!(error.contains(words), "{names:?}: {error}");
        }
    }

    #[test]
    fn the_files_of_a_manifest_may_lie_in_an_archive() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.png"), "film").unwrap();
        let packed = Command::new("tar")
            .args(["-cf", "films.tar", "a.png"])
            .current_dir(&folder)
            .status()
            .unwrap();
        assert!(packed.success());
        let case = |name: &str| Case {
            path: PathBuf::from(name),
            ..Case::default()
        };
        let archive = folder.path().join("films.tar");
        assert!(refuse_if_none_exists(&[case("b.png"), case("a.png")], &archive).is_ok());
        let refused = refuse_if_none_exists(&[case("b.png")], &archive).unwrap_err();
        assert!(refused.to_string().contains("none of the 1 files"));
    }
}
