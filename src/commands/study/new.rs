//! `cxr study new`: the list of cases and the file of a study.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cli::{DesignArgument, HideArgument, NewStudy};
use crate::commands::shared::output_file::{refuse_to_replace, write_whole};
use crate::commands::shared::reviews::stored_path;
use crate::commands::shared::{CommandContext, Usage, complain, print};
use crate::domain::text::{Printable, clean};
use crate::domain::{ContentId, LabelNameError, ModelCard, Question, label_named};
use crate::export::path_text;
use crate::imaging::{Decoder, own_program};
use crate::library::{self, WalkItem};
use crate::study::{CaseList, ListedCase, StudyFile, digest};

/// Seeds that are drawn are below this, so that they can be typed again.
const SEEDS: u64 = 1_000_000;

pub fn run(arguments: &NewStudy, context: &CommandContext) -> Result<ExitCode> {
    let list_path = beside(&arguments.output, "cases.csv")?;
    for path in [&arguments.output, &list_path] {
        refuse_to_replace(path, arguments.force)?;
    }
    if let Some(missing) = arguments.paths.iter().find(|path| !library::exists(path)) {
        return Err(Usage::error(format!(
            "{}: no such file or folder",
            path_text(missing)
        )));
    }
    let card = context.model_files()?.card().context("the model")?;
    let questions = match &arguments.question[..] {
        [] => card
            .labels
            .iter()
            .filter(|label| label.question == Question::Presence)
            .map(|label| label.name.clone())
            .collect(),
        named => {
            let questions = named.iter().map(|name| question(name, &card));
            questions.collect::<Result<_>>()?
        }
    };
    let folder = stored_path(&list_path);
    let folder = folder.parent().unwrap_or(Path::new("/")).to_owned();
    let list = cases(&arguments.paths, &folder, context);
    if list.cases.is_empty() {
        return Err(Usage::error(format!(
            "no film can be read here: {} files are left out",
            list.excluded.len()
        )));
    }
    let list_text = list.text();
    let text = text(
        arguments,
        &StudyFacts {
            questions,
            model_sha256: card.sha256,
            list_name: name_of(&list_path),
            list_sha256: digest(&list_text),
            folder,
        },
    )?;
    // What is written can be read, or it is not written.
    let study = StudyFile::parse(text.as_bytes())
        .map_err(|fault| Usage::error(format!("{}: {fault}", path_text(&arguments.output))))?;
    CaseList::parse(&list_text)
        .map_err(|fault| Usage::error(format!("{}: {fault}", path_text(&list_path))))?;
    write_whole(&list_path, &list_text, arguments.force)?;
    write_whole(&arguments.output, text.as_bytes(), arguments.force)?;
    for (path, reason) in &list.excluded {
        complain(&format!("left out: {}: {reason}", path_text(path)));
    }
    print(&Printable::page(&format!(
        "{}: {} cases, {} left out, {} readers\nSHA-256 of {}, to pre-register: {}\n",
        study.name,
        list.cases.len(),
        list.excluded.len(),
        study.readers.len(),
        path_text(&arguments.output),
        study.digest
    )))
}

/// `STEM.ENDING` beside a file.
///
/// # Errors
/// [`Usage`], if the file has no name of its own.
fn beside(path: &Path, ending: &str) -> Result<PathBuf> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let stem = stem.ok_or_else(|| Usage::error("-o: a file such as study.toml, please"))?;
    Ok(path.with_file_name(format!("{stem}.{ending}")))
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Every film below the paths, in the order of the walk. A film that cannot be a case is left out with a reason.
fn cases(paths: &[PathBuf], folder: &Path, context: &CommandContext) -> CaseList {
    let decoder = Decoder::new(context.limits.clone(), own_program().ok());
    let mut list = CaseList::default();
    let mut known: HashMap<ContentId, PathBuf> = HashMap::new();
    library::scan(paths, |item| {
        match item {
            WalkItem::Image(path) => {
                let named = named(&path, folder);
                match content(&decoder, &path) {
                    Err(reason) => list.excluded.push((named, reason)),
                    Ok(content) => match known.get(&content) {
                        Some(first) => {
                            let reason = format!("the content of {} again", path_text(first));
                            list.excluded.push((named, reason));
                        }
                        None => {
                            known.insert(content, named.clone());
                            list.cases.push(ListedCase {
                                path: named,
                                content,
                            });
                        }
                    },
                }
            }
            WalkItem::Unread { path, .. } => list
                .excluded
                .push((named(&path, folder), "a format that is not read".to_owned())),
            WalkItem::Problem { path, reason } => {
                list.excluded.push((named(&path, folder), clean(&reason)));
            }
        }
        ControlFlow::Continue(())
    });
    list
}

/// Relative to the folder of the list where the film lies in it.
fn named(path: &Path, folder: &Path) -> PathBuf {
    let path = stored_path(path);
    path.strip_prefix(folder)
        .map_or_else(|_| path.clone(), Path::to_owned)
}

/// The content of a film that opens as one, or why it is no case.
fn content(decoder: &Decoder, path: &Path) -> Result<ContentId, String> {
    if path.to_str().is_none() {
        return Err("its path is no UTF-8 text".to_owned());
    }
    // A sitting is a folder of links, and nothing links to a member of an archive.
    if !path.is_file() {
        return Err("no file of its own: unpack the archive".to_owned());
    }
    match decoder.open(path) {
        Ok(radiograph) => Ok(radiograph.content),
        Err(error) => Err(clean(&error.fault().to_string())),
    }
}

/// What the file says besides the options.
struct StudyFacts {
    questions: Vec<String>,
    model_sha256: String,
    list_name: String,
    list_sha256: String,
    /// The folder of the study.
    folder: PathBuf,
}

fn text(arguments: &NewStudy, facts: &StudyFacts) -> Result<String> {
    let stem = name_of(&arguments.output);
    let stem = stem
        .rsplit_once('.')
        .map_or(stem.as_str(), |(stem, _)| stem);
    let name = arguments.name.as_deref().unwrap_or(stem);
    let seed = arguments.seed.map_or_else(drawn_seed, u64::from);
    let mut text = String::from(
        "# A reader study of cxr. Its SHA-256 is the digest to pre-register: cxr study check prints it.\n\
         # It must not change once the first sitting has begun.\n",
    );
    let mut line = |line: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    };
    line("format = 1".to_owned());
    line(format!("name = {}", quoted(name)));
    line("# sequential, independent, concurrent or unaided".to_owned());
    line(format!(
        "design = {}",
        quoted(design_word(arguments.design))
    ));
    line("# Of assignment, order of modes and order of cases.".to_owned());
    line(format!("seed = {seed}"));
    if let Some(days) = arguments.washout_days {
        line(
            "# Days between the last call of one mode and the first sitting of the other."
                .to_owned(),
        );
        line(format!("washout_days = {days}"));
    }
    if arguments.design == DesignArgument::Independent {
        line("# Which mode comes first: balanced between readers, unaided or aided.".to_owned());
        line("first = \"balanced\"".to_owned());
    }
    line("# Hidden besides answers and names of files: identity, header.".to_owned());
    line(format!(
        "hide = [{}]",
        quoted_list(arguments.hide.iter().map(|hide| hide_word(*hide)))
    ));
    line("# How sure readers are: 0-100, or none for calls only.".to_owned());
    let rating = if arguments.no_rating { "none" } else { "0-100" };
    line(format!("rating = {}", quoted(rating)));
    line(format!(
        "questions = [{}]",
        quoted_list(facts.questions.iter().map(String::as_str))
    ));
    line(format!(
        "readers = [{}]",
        quoted_list(arguments.reader.iter().map(String::as_str))
    ));
    if !arguments.adjudicator.is_empty() {
        line("# They decide where readers differ.".to_owned());
        let names = arguments.adjudicator.iter().map(String::as_str);
        line(format!("adjudicators = [{}]", quoted_list(names)));
    }
    if let Some(count) = arguments.readers_per_case {
        line(format!("readers_per_case = {count}"));
    }
    line(format!("model_sha256 = {}", quoted(&facts.model_sha256)));
    line("# Readings are recorded here.".to_owned());
    line(format!("store = {}", quoted(&format!("{stem}.sqlite"))));
    line("\n[cases]".to_owned());
    line(format!("file = {}", quoted(&facts.list_name)));
    line(format!("sha256 = {}", quoted(&facts.list_sha256)));
    let reference = &arguments.reference;
    if let Some(manifest) = &reference.manifest {
        let bytes = std::fs::read(manifest)
            .map_err(|error| Usage::error(format!("{}: {}", path_text(manifest), error.kind())))?;
        line("\n[reference]".to_owned());
        let file = in_study("--manifest", manifest, &facts.folder)?;
        line(format!("file = {}", quoted(&file)));
        line(format!("sha256 = {}", quoted(&digest(&bytes))));
        let columns = reference.label_column.iter().map(String::as_str);
        line(format!("label_columns = [{}]", quoted_list(columns)));
        for (key, column) in [
            ("path_column", &reference.path_column),
            ("patient_column", &reference.patient_column),
        ] {
            if let Some(column) = column {
                line(format!("{key} = {}", quoted(column)));
            }
        }
        if let Some(root) = &reference.root {
            let root = in_study("--root", root, &facts.folder)?;
            line(format!("root = {}", quoted(&root)));
        }
    }
    if let Some(marks) = &arguments.marks {
        text += &localisation(marks, arguments, &facts.questions)?;
    }
    Ok(text)
}

/// The question that a name means: a label of the model, or one that only readers answer.
///
/// # Errors
/// [`Usage`], if several labels of the model fit.
fn question(name: &str, card: &ModelCard) -> Result<String> {
    match label_named(name, card.label_names()) {
        Ok(label) => Ok(label.to_owned()),
        Err(error @ LabelNameError::Ambiguous(..)) => {
            Err(Usage::error(format!("--question {name}: {error}")))
        }
        Err(LabelNameError::Unknown) => {
            complain(&format!(
                "--question {name}: the model has no such label, so only readers answer it"
            ));
            Ok(name.to_owned())
        }
    }
}

/// The part of the file about marks on lesions. What it says is checked with the whole file.
///
/// # Errors
/// [`Usage`], if it does not say which question.
fn localisation(marks: &str, arguments: &NewStudy, questions: &[String]) -> Result<String> {
    let (question, rule) = match (marks.split_once('='), questions) {
        (Some((name, rule)), _) => {
            let known = questions
                .iter()
                .map(|known| (known.as_str(), Question::Presence));
            let question = label_named(name, known)
                .map_err(|error| Usage::error(format!("--marks {marks}: {error}")))?;
            (question, rule)
        }
        (None, [only]) => (only.as_str(), marks),
        (None, questions) => {
            return Err(Usage::error(format!(
                "--marks LABEL=RULE: one of the questions {}",
                questions.join(", ")
            )));
        }
    };
    let (rule, limit) = match rule.split_once(':') {
        None => (rule, None),
        Some((rule, limit)) => {
            let number = limit
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite());
            let fail = || Usage::error(format!("--marks: {limit:?} is no number"));
            (rule, Some(number.ok_or_else(fail)?))
        }
    };
    let mut text = format!(
        "\n# Points and boxes with a rating mark lesions.\n[localisation]\nquestion = {}\n",
        quoted(question)
    );
    if let Some(column) = &arguments.boxes_column {
        text += "# In the reference standard: x y w h of each lesion in fractions of the film, joined by ;\n";
        text += &format!("boxes_column = {}\n", quoted(column));
    }
    text += "# A mark is on a lesion if its point, or the centre of its box, is in the lesion's box (inside) or near its middle\n\
             # (distance, with a limit in shares of the film's longer side), or if it is a box that overlaps (overlap, with a\n\
             # limit of intersection over union).\n";
    text += &format!("rule = {}\n", quoted(rule));
    if let Some(limit) = limit {
        text += &format!("limit = {limit}\n");
    }
    text += "# wAFROC (each image with lesions alike) or AFROC (each lesion alike)\nfigure = \"wAFROC\"\n";
    Ok(text)
}

/// A path as the file of the study has it.
///
/// # Errors
/// [`Usage`], if it is no text.
fn in_study(option: &str, path: &Path, folder: &Path) -> Result<String> {
    let path = named(path, folder);
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Usage::error(format!("{option}: its path is no UTF-8 text")))
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn quoted_list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(quoted).collect::<Vec<_>>().join(", ")
}

fn design_word(design: DesignArgument) -> &'static str {
    match design {
        DesignArgument::Sequential => "sequential",
        DesignArgument::Independent => "independent",
        DesignArgument::Concurrent => "concurrent",
        DesignArgument::Unaided => "unaided",
    }
}

fn hide_word(hide: HideArgument) -> &'static str {
    match hide {
        HideArgument::Identity => "identity",
        HideArgument::Header => "header",
    }
}

fn drawn_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) % SEEDS
}
