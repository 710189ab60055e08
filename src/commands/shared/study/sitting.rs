//! Opening a sitting of a reader: which mode, whether the wash-out is over, and the folder that is read.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::links::link_all;
use super::{LoadedStudy, login, now_ms};
use crate::commands::shared::Usage;
use crate::commands::shared::date::minute_of;
use crate::commands::shared::reviews::not_opened;
use crate::domain::ReadingMode;
use crate::export::path_text;
use crate::library::exists;
use crate::store::Store;
use crate::study::{
    ListedCase, ModeProgress, NextSitting, RatingScale, ReadingList, log_name, next_sitting,
    reading_order,
};
use crate::tui::StudySitting;

const DAY_MS: i64 = 86_400_000;
/// How far a clock may lie behind the last event of the log.
const CLOCK_SLACK_MS: i64 = 60_000;

/// A sitting that may begin.
pub struct StartedSitting {
    /// The folder of links to the cases.
    pub folder: PathBuf,
    /// The store of the readings.
    pub store: PathBuf,
    /// The reader's name in it.
    pub log_name: String,
    pub sitting: StudySitting,
    /// One line for each thing that the reader is told before the screen opens.
    pub words: Vec<String>,
}

/// Opens the next sitting of a reader, with a model whose weights have this digest. Begins the study if nobody has. Each
/// sitting, and each one that is refused, is noted in the log of the study.
///
/// # Errors
/// [`Usage`], if the reader may not read now; or if the store cannot be written.
pub fn start_sitting(
    path: &Path,
    reader: Option<&str>,
    model_sha256: &str,
) -> Result<StartedSitting> {
    let study = LoadedStudy::read(path)?;
    let reader = known_reader(&study, reader)?;
    let file = &study.file;
    if let Some(fault) = study.reference_fault() {
        return Err(Usage::error(fault));
    }
    if model_sha256 != file.model_sha256 {
        return Err(Usage::error(format!(
            "the study is read with the model {}, and this is {model_sha256}: name it with --model",
            file.model_sha256
        )));
    }
    let lists = study.lists();
    let list = lists.iter().find(|list| list.reader == reader);
    let list = list.context("the reader has no list")?;
    refuse_missing_files(&study, list)?;
    let store_path = study.store_path();
    let mut store = Store::open(&store_path).map_err(not_opened)?;
    let begun = store.begin_study(&file.digest, &study.registration(), SystemTime::now())?;
    if begun != file.digest {
        return Err(Usage::error(format!(
            "{}: its SHA-256 is {}, and the study in {} began with {begun}: it was edited since",
            path_text(path),
            file.digest,
            path_text(&store_path)
        )));
    }
    let progress = study.progress(list, &store.study_calls(&file.digest)?);
    let now = now_ms();
    let opened = may_open(&store, &progress, file.washout_days, now);
    let (mode, rested_ms) = match opened? {
        Ok(opened) => opened,
        Err(reason) => {
            note(&mut store, &file.digest, reader, "refused", &reason)?;
            store.close();
            return Err(Usage::error(format!("{reader}: {reason}")));
        }
    };
    let log_name = log_name(file, reader, mode);
    let rested = rested_ms.map(rested_words);
    let detail = format!(
        "{}, {}login {}, cxr {}",
        mode.word(),
        rested
            .as_ref()
            .map_or_else(String::new, |rested| format!("{rested}, ")),
        login(),
        env!("CARGO_PKG_VERSION")
    );
    note(&mut store, &file.digest, &log_name, "sitting", &detail)?;
    store.close();
    let folder = sitting_folder(&study, reader, mode);
    let files = files_in_order(&study, list, mode);
    link_all(&folder, &files).with_context(|| format!("links in {}", path_text(&folder)))?;
    let of_mode = progress.iter().find(|progress| progress.mode == mode);
    let (read, expected) = of_mode.map_or((0, 0), |progress| (progress.read, progress.expected));
    let mut words = vec![
        format!("study {}, SHA-256 of its file {}", file.name, file.digest),
        format!(
            "{reader}, {}: {read} of {expected} cases are called",
            mode_words(mode)
        ),
    ];
    words.extend(rested);
    Ok(StartedSitting {
        folder,
        store: store_path,
        log_name,
        sitting: StudySitting {
            mode,
            study: file.digest.clone(),
            seed: file.seed,
            questions: file.questions.clone(),
            is_rated: file.rating == RatingScale::Percent,
            hides_identity: file.hide.identity,
            hides_header: file.hide.header,
            model_sha256: file.model_sha256.clone(),
        },
        words,
    })
}

fn known_reader<'a>(study: &LoadedStudy, reader: Option<&'a str>) -> Result<&'a str> {
    let known = || study.file.readers.join(", ");
    match reader {
        Some(reader) if study.file.has_reader(reader) => Ok(reader),
        Some(reader) => Err(Usage::error(format!(
            "--reviewer {reader}: no reader of the study {}; its readers are {}",
            study.file.name,
            known()
        ))),
        None => Err(Usage::error(format!(
            "--study needs --reviewer with one of its readers: {}",
            known()
        ))),
    }
}

fn refuse_missing_files(study: &LoadedStudy, list: &ReadingList) -> Result<()> {
    let files = list.cases.iter().map(|case| study.case_file(case));
    let missing: Vec<PathBuf> = files.filter(|file| !exists(file)).collect();
    match missing.first() {
        None => Ok(()),
        Some(first) => Err(Usage::error(format!(
            "{} of {} cases are not there, the first is {}",
            missing.len(),
            list.cases.len(),
            path_text(first)
        ))),
    }
}

/// The mode that is open and the time since the one before, or why none is.
fn may_open(
    store: &Store,
    progress: &[ModeProgress],
    washout_days: u32,
    now: i64,
) -> Result<Result<(ReadingMode, Option<i64>), String>> {
    let events = store.study_events()?;
    if events.iter().any(|event| event.event == "closed") {
        return Ok(Err("the study is closed".to_owned()));
    }
    let last = events.iter().map(|event| event.at_ms).max().unwrap_or(0);
    if now + CLOCK_SLACK_MS < last {
        return Ok(Err(format!(
            "the clock of this machine is behind the log of the study, whose last event is of {}",
            minute_of(last)
        )));
    }
    Ok(match next_sitting(progress, washout_days, now) {
        NextSitting::Open { mode, rested_ms } => Ok((mode, rested_ms)),
        NextSitting::Wait { mode, until_ms } => Err(format!(
            "the wash-out of {washout_days} days ends at {}; the {} sitting opens then",
            minute_of(until_ms),
            mode.word()
        )),
        NextSitting::Done => Err("everything is read".to_owned()),
    })
}

fn note(store: &mut Store, study: &str, reader: &str, event: &str, detail: &str) -> Result<()> {
    store.note_study_event(study, reader, event, detail, SystemTime::now())?;
    Ok(())
}

fn rested_words(rested_ms: i64) -> String {
    format!(
        "{} days after the last call of the mode before",
        rested_ms / DAY_MS
    )
}

fn mode_words(mode: ReadingMode) -> &'static str {
    match mode {
        ReadingMode::Sequential => "the answer is shown after each call",
        ReadingMode::Unaided => "without the model's answer",
        ReadingMode::Aided => "beside the model's answer",
    }
}

/// Beside the store, under the reader's number: a name may hold what no folder takes.
fn sitting_folder(study: &LoadedStudy, reader: &str, mode: ReadingMode) -> PathBuf {
    let number = study.file.readers.iter().position(|known| known == reader);
    let number = number.map_or(0, |at| at + 1);
    study
        .store_path()
        .with_extension("sittings")
        .join(format!("{number}-{}", mode.word()))
}

fn files_in_order(study: &LoadedStudy, list: &ReadingList, mode: ReadingMode) -> Vec<PathBuf> {
    let cases: Vec<&ListedCase> = reading_order(
        study.file.seed,
        list.reader,
        mode,
        list.cases.iter().copied(),
    );
    cases
        .into_iter()
        .map(|case| study.case_file(case))
        .collect()
}
