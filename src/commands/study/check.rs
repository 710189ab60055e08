//! `cxr study check`: whether everything that a study names is there and is what it names.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::commands::shared::study::LoadedStudy;
use crate::commands::shared::{CommandContext, SOME_FAILED, cases, complain, print};
use crate::domain::ReadingMode;
use crate::domain::text::Printable;
use crate::evaluation::BinaryQuestion;
use crate::export::path_text;
use crate::study::{LocalisationTask, modes};

pub fn run(path: &Path, context: &CommandContext) -> Result<ExitCode> {
    let study = LoadedStudy::read(path)?;
    let mut faults = film_faults(&study);
    faults.extend(study.reference_fault());
    let card = context.model_files()?.card().context("the model")?;
    if card.sha256 != study.file.model_sha256 {
        faults.push(format!(
            "the study is read with the model {}, and {} is {}: name it with --model",
            study.file.model_sha256, card.name, card.sha256
        ));
    }
    let mut page = head(&study);
    if faults.is_empty() {
        page += &reference(&study)?;
    }
    page += &sittings(&study);
    print(&Printable::page(&page))?;
    faults.iter().for_each(|fault| complain(fault));
    Ok(if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOME_FAILED)
    })
}

/// Films that are gone, or have another content than the list says.
fn film_faults(study: &LoadedStudy) -> Vec<String> {
    let listed = &study.list.cases;
    let files: Vec<PathBuf> = listed.iter().map(|case| study.case_file(case)).collect();
    let contents = cases::contents(&files);
    let all = listed.iter().zip(&files).zip(contents);
    let faults = all.filter_map(|((case, file), found)| match found {
        None => Some(format!(
            "{}: it is not there, or cannot be read",
            path_text(file)
        )),
        Some(found) if found != case.content.to_string() => {
            Some(format!("{}: not the film of the list", path_text(file)))
        }
        Some(_) => None,
    });
    faults.collect()
}

fn head(study: &LoadedStudy) -> String {
    let file = &study.file;
    let listed = study.list.cases.len();
    let excluded = study.list.excluded.len();
    let hidden = [
        (file.hide.identity, "identity"),
        (file.hide.header, "header"),
    ];
    let hidden = hidden.into_iter().filter(|(is, _)| *is);
    let hidden: String = hidden.map(|(_, word)| format!(", {word}")).collect();
    format!(
        "{}\n  design     {}, seed {}, wash-out {} days\n  questions  {}\n  hidden     answers as the design says, names of files{hidden}\n  \
         cases      {} films: {listed} to read, {excluded} left out\n",
        file.name,
        file.design.word(),
        file.seed,
        file.washout_days,
        file.questions.join(", "),
        listed + excluded,
    )
}

/// The reference standard of each question among the cases.
fn reference(study: &LoadedStudy) -> Result<String> {
    let Some(asked) = study.reference_arguments() else {
        return Ok("  reference  none\n".to_owned());
    };
    let questions = &study.file.questions;
    let root = cases::root(&asked);
    let task = study.file.localisation.as_ref();
    let boxes = task.and_then(|task| task.boxes_column.as_deref());
    let known = cases::read_with_boxes(&asked, &[], questions, boxes)?.cases;
    let files: Vec<PathBuf> = known.iter().map(|case| cases::file(&root, case)).collect();
    let by_content: HashMap<String, usize> = cases::contents(&files)
        .into_iter()
        .enumerate()
        .filter_map(|(at, content)| Some((content?, at)))
        .collect();
    let mut text = String::new();
    for question in questions {
        let asked = BinaryQuestion::Label(question.clone());
        let answer = |content: String| {
            let case = by_content.get(&content)?;
            asked.answer(&known[*case].truth)
        };
        let answers = study.list.cases.iter();
        let answers: Vec<Option<bool>> = answers
            .map(|case| answer(case.content.to_string()))
            .collect();
        let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  reference  {question}: {} positive, {} negative, {} without",
            count(Some(true)),
            count(Some(false)),
            count(None)
        );
    }
    if let Some(task) = task {
        let answered = study.list.cases.iter().map(|case| {
            let case = &known[*by_content.get(&case.content.to_string())?];
            let asked = BinaryQuestion::Label(task.question.clone());
            Some((asked.answer(&case.truth)?, case.boxes.len()))
        });
        text += &lesions(task, &answered.flatten().collect::<Vec<_>>());
    }
    Ok(text)
}

/// What the reference standard has for marks: answer and number of boxes of each case.
fn lesions(task: &LocalisationTask, cases: &[(bool, usize)]) -> String {
    let count = |is: fn(&(bool, usize)) -> bool| cases.iter().filter(|case| is(case)).count();
    let all: usize = cases.iter().filter(|case| case.0).map(|case| case.1).sum();
    format!(
        "  marks      {}: {} cases with {all} lesions, {} without; left out: {} positive without a box, {} negative with \
         one\n             {}: a mark is on a lesion if {}\n",
        task.question,
        count(|case| case.0 && case.1 > 0),
        count(|case| !case.0 && case.1 == 0),
        count(|case| case.0 && case.1 == 0),
        count(|case| !case.0 && case.1 > 0),
        task.figure.word(),
        task.rule.words(),
    )
}

fn sittings(study: &LoadedStudy) -> String {
    let mut text = String::new();
    for list in study.lists() {
        let modes = modes(&study.file, list.reader);
        let words: Vec<&str> = modes.into_iter().map(ReadingMode::word).collect();
        let _ = writeln!(
            text,
            "  reader     {}: {} cases, {}",
            list.reader,
            list.cases.len(),
            words.join(", then ")
        );
    }
    let _ = writeln!(
        text,
        "  SHA-256    {} (of {}, to pre-register)",
        study.file.digest,
        path_text(&study.path)
    );
    text
}
