//! Opening a sitting of a reader: which mode, whether the wash-out is over, and the folder that is read.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::links::link_all;
use super::on_screen::{OnScreen, on_screen};
use super::panel::PanelCalls;
use super::{LoadedStudy, login, now_ms};
use crate::commands::shared::Usage;
use crate::commands::shared::cases::contents;
use crate::commands::shared::date::minute_of;
use crate::commands::shared::reviews::not_opened;
use crate::domain::ReadingMode;
use crate::export::path_text;
use crate::store::{Store, StudyCall, StudyEvent, study_event};
use crate::study::{
    ListedCase, NextSitting, RatingScale, adjudicator_log_name, log_name, next_sitting,
    reading_order, reference_mode,
};
use crate::tui::StudySitting;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;
/// How far a clock may lie behind the log: those of several machines differ.
pub const CLOCK_SLACK_MS: i64 = 60_000;

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
    /// Keeps the reader's other sitting from being opened beside this one.
    _on_screen: OnScreen,
}

/// Opens the next sitting of a reader, with a model whose weights have this digest. Begins the study if it has not begun. Each
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
    let opened = match reading_now(&study, reader, &store)? {
        Ok(opened) => match case_fault(&study, &opened.cases) {
            None => Ok(opened),
            Some(fault) => Err(fault),
        },
        Err(reason) => Err(reason),
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(reason) => {
            note(&mut store, &file.digest, reader, "refused", &reason)?;
            store.close();
            return Err(Usage::error(format!("{reader}: {reason}")));
        }
    };
    let files: Vec<PathBuf> = opened
        .cases
        .iter()
        .map(|case| study.case_file(case))
        .collect();
    let detail = format!(
        "{}, login {}, cxr {}",
        opened.words,
        login(),
        env!("CARGO_PKG_VERSION")
    );
    note(
        &mut store,
        &file.digest,
        &opened.log_name,
        study_event::SITTING,
        &detail,
    )?;
    store.close();
    let sittings = sittings_folder(&study);
    let on_screen = OnScreen::of(&sittings, &opened.folder)
        .with_context(|| format!("writing in {}", path_text(&sittings)))?;
    let folder = sittings.join(&opened.folder);
    link_all(&folder, &files).with_context(|| format!("links in {}", path_text(&folder)))?;
    let words = vec![
        format!("study {}, SHA-256 of its file {}", file.name, file.digest),
        format!(
            "{reader}, {}: {} of {} cases are called",
            opened.words,
            opened.read,
            files.len()
        ),
    ];
    Ok(StartedSitting {
        folder,
        store: store_path,
        log_name: opened.log_name,
        sitting: StudySitting {
            mode: opened.mode,
            study: file.digest.clone(),
            seed: file.seed,
            questions: file.questions.clone(),
            is_rated: file.rating == RatingScale::Percent,
            localises: file.localisation.as_ref().map(|task| task.rule),
            hides_identity: file.hide.identity,
            hides_header: file.hide.header,
            cases: opened.cases.iter().map(|case| case.content).collect(),
            model_sha256: file.model_sha256.clone(),
        },
        words,
        _on_screen: on_screen,
    })
}

/// Where the links of all sittings are.
fn sittings_folder(study: &LoadedStudy) -> PathBuf {
    study.store_path().with_extension("sittings")
}

impl StartedSitting {
    /// Notes in the log of the study that the screen was left: films were on it until then.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note_left(&self) -> Result<()> {
        let mut store = Store::open(&self.store).map_err(not_opened)?;
        let study = &self.sitting.study;
        note(&mut store, study, &self.log_name, study_event::LEFT, "")?;
        store.close();
        Ok(())
    }
}

/// What is read now.
struct OpenedList<'a> {
    mode: ReadingMode,
    log_name: String,
    /// Name of the folder of links. It has the number of the reader: a name may hold what no folder takes.
    folder: String,
    /// In their order.
    cases: Vec<&'a ListedCase>,
    /// Of these, how many are called.
    read: usize,
    words: String,
}

/// What a reader or an adjudicator may read now, or why nothing.
fn reading_now<'a>(
    study: &'a LoadedStudy,
    name: &str,
    store: &Store,
) -> Result<Result<OpenedList<'a>, String>> {
    let events = store.study_events()?;
    let is_adjudicator = study.file.has_adjudicator(name);
    if let Some(reason) = obstacle(&events, is_adjudicator) {
        return Ok(Err(reason));
    }
    let calls = store.study_calls(&study.file.digest)?;
    if is_adjudicator {
        return disputed(study, name, store, &calls);
    }
    let file = &study.file;
    let lists = study.lists();
    let list = lists.into_iter().find(|list| list.reader == name);
    let list = list.context("the reader has no list")?;
    let progress = study.progress(&list, &calls, &events);
    let (mode, rested_ms) = match next_sitting(&progress, file.washout_days, now_ms()) {
        NextSitting::Open { mode, rested_ms } => (mode, rested_ms),
        NextSitting::Wait { mode, until_ms } => {
            return Ok(Err(format!(
                "the wash-out of {} days ends at {}; the {} sitting opens then",
                file.washout_days,
                minute_of(until_ms),
                mode.word()
            )));
        }
        NextSitting::Done => return Ok(Err("everything is read".to_owned())),
    };
    let of_mode = progress.iter().find(|progress| progress.mode == mode);
    let number = file.readers.iter().position(|reader| reader == name);
    let number = number.map_or(0, |at| at + 1);
    let folder = |mode: ReadingMode| format!("{number}-{}", mode.word());
    let others = progress.iter().map(|progress| progress.mode);
    let others = others.filter(|other| *other != mode);
    let others: Vec<_> = others.map(|other| (other, folder(other))).collect();
    if let Some(other) = on_screen(&sittings_folder(study), &others) {
        return Ok(Err(format!(
            "the {} sitting is still on a screen: leave it there, then the {} one opens",
            other.word(),
            mode.word()
        )));
    }
    let rested = rested_ms.map_or_else(String::new, |rested_ms| {
        format!(", {} days after the mode before", rested_ms / DAY_MS)
    });
    Ok(Ok(OpenedList {
        mode,
        log_name: log_name(file, name, mode),
        folder: folder(mode),
        cases: reading_order(file.seed, name, mode, list.cases.iter().copied()),
        read: of_mode.map_or(0, |progress| progress.read),
        words: format!("{}{rested}", mode_words(mode)),
    }))
}

/// The cases on which readers differ, once all of them have read.
fn disputed<'a>(
    study: &'a LoadedStudy,
    name: &str,
    store: &Store,
    calls: &[StudyCall],
) -> Result<Result<OpenedList<'a>, String>> {
    let file = &study.file;
    if let Some(open) = store.open_study()? {
        return Ok(Err(format!(
            "{} readings are still to be made; disagreements are decided after them",
            open.unread
        )));
    }
    let panel = PanelCalls::read(&file.digest, reference_mode(file).word(), store)?;
    let cases = study.list.cases.iter();
    let expected = study.readers_per_case();
    let cases: Vec<&ListedCase> = cases
        .filter(|case| panel.is_disputed(&case.content.to_string(), &file.questions, expected))
        .collect();
    let own = adjudicator_log_name(name);
    let is_called = |case: &ListedCase| {
        let content = case.content.to_string();
        let mut calls = calls.iter();
        calls.any(|call| call.reader == own && call.image == content)
    };
    let read = cases.iter().filter(|case| is_called(case)).count();
    if read == cases.len() {
        return Ok(Err(format!("{read} disagreements, and all are decided")));
    }
    let number = file.adjudicators.iter().position(|known| known == name);
    let mode = ReadingMode::Unaided;
    Ok(Ok(OpenedList {
        mode,
        cases: reading_order(file.seed, &own, mode, cases),
        folder: format!("adjudicator-{}", number.map_or(0, |at| at + 1)),
        log_name: own,
        read,
        words: "adjudication without the model's answer and the readers' calls".to_owned(),
    }))
}

/// Why no sitting may open at all. A study whose readings were ended early may still be decided.
fn obstacle(events: &[StudyEvent], is_adjudicator: bool) -> Option<String> {
    let last = events.iter().map(|event| event.at_ms).max().unwrap_or(0);
    let has = |word: &str| events.iter().any(|event| event.event == word);
    match () {
        () if now_ms() + CLOCK_SLACK_MS < last => Some(format!(
            "the clock of this machine is behind the log of the study, whose last event is of {}",
            minute_of(last)
        )),
        () if is_adjudicator && has(study_event::ENDED) => {
            Some("the adjudication is closed".to_owned())
        }
        () if !is_adjudicator && has(study_event::CLOSED) => Some("the study is closed".to_owned()),
        () => None,
    }
}

fn known_reader<'a>(study: &LoadedStudy, reader: Option<&'a str>) -> Result<&'a str> {
    let known = || {
        let names = study.file.readers.iter().chain(&study.file.adjudicators);
        let names: Vec<&str> = names.map(String::as_str).collect();
        names.join(", ")
    };
    match reader {
        Some(name) if study.file.has_reader(name) || study.file.has_adjudicator(name) => Ok(name),
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

/// Why these cases cannot be read, in the reader's order: a file is gone, or holds another film than the list says. It is
/// told to a reader, so it names no file.
fn case_fault(study: &LoadedStudy, listed: &[&ListedCase]) -> Option<String> {
    let files: Vec<PathBuf> = listed.iter().map(|case| study.case_file(case)).collect();
    let found = contents(&files);
    let faults = listed.iter().zip(found).enumerate();
    let mut faults = faults.filter_map(|(at, (case, found))| {
        let fault = match found {
            None => "is not there, or cannot be read",
            Some(found) if found != case.content.to_string() => {
                "is not the film of the case list: its file was replaced"
            }
            Some(_) => return None,
        };
        Some((at + 1, fault))
    });
    let (number, fault) = faults.next()?;
    let more = match faults.count() {
        0 => String::new(),
        more => format!(", and so for {more} more"),
    };
    Some(format!(
        "case {number} of {} {fault}{more}; cxr study check names the file",
        listed.len()
    ))
}

fn note(store: &mut Store, study: &str, reader: &str, event: &str, detail: &str) -> Result<()> {
    store.note_study_event(study, reader, event, detail, SystemTime::now())?;
    Ok(())
}

fn mode_words(mode: ReadingMode) -> &'static str {
    match mode {
        ReadingMode::Sequential => "the answer is shown after each call",
        ReadingMode::Unaided => "without the model's answer",
        ReadingMode::Aided => "beside the model's answer",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::UNIX_EPOCH;

    use super::super::panel::tests::{Log, study};
    use super::*;
    use crate::study::{CaseList, digest};

    /// A study of three films that are there.
    fn study_of_films(folder: &Path) -> LoadedStudy {
        let mut study = study(folder, "unaided");
        let case = |n: u8| {
            let path = PathBuf::from(format!("covid-{n}.png"));
            fs::write(folder.join(&path), [n]).unwrap();
            ListedCase {
                path,
                content: digest(&[n]).parse().unwrap(),
            }
        };
        study.list = CaseList {
            cases: (0..3).map(case).collect(),
            excluded: Vec::new(),
        };
        study
    }

    /// The film on the screen must be the one of the list, and the reason names no file: a reader sees it.
    #[test]
    fn a_film_that_was_replaced_or_is_gone_opens_no_sitting() {
        let folder = tempfile::tempdir().unwrap();
        let study = study_of_films(folder.path());
        let listed: Vec<&ListedCase> = study.list.cases.iter().rev().collect();
        assert_eq!(case_fault(&study, &listed), None);
        fs::write(folder.path().join("covid-1.png"), "another").unwrap();
        let fault = case_fault(&study, &listed).unwrap();
        assert_eq!(
            fault,
            "case 2 of 3 is not the film of the case list: its file was replaced; cxr study check names the file"
        );
        fs::remove_file(folder.path().join("covid-2.png")).unwrap();
        let fault = case_fault(&study, &listed).unwrap();
        assert!(
            fault.contains("case 1 of 3 is not there") && fault.contains("1 more"),
            "{fault}"
        );
        assert!(!fault.contains("covid"), "{fault}");
    }

    /// Readings that were ended early leave disagreements, which are decided all the same.
    #[test]
    fn an_adjudicator_works_after_the_readings_were_closed() {
        let folder = tempfile::tempdir().unwrap();
        let study = study(folder.path(), "unaided");
        let digest = study.file.digest.clone();
        let mut log = Log::open(&study);
        let begin = |log: &mut Log, event: &str| {
            log.0
                .note_study_event(&digest, "", event, "", UNIX_EPOCH)
                .unwrap();
        };
        log.0
            .begin_study(&digest, &study.registration(), UNIX_EPOCH)
            .unwrap();
        log.call(&study, "ann", 0, true);
        let early = reading_now(&study, "dee", &log.0).unwrap().err();
        assert!(early.unwrap().contains("1 readings are still to be made"));
        log.call(&study, "bob", 5, false);
        begin(&mut log, study_event::CLOSED);
        let reader = reading_now(&study, "ann", &log.0).unwrap().err();
        assert_eq!(reader.as_deref(), Some("the study is closed"));
        let opened = reading_now(&study, "dee", &log.0).unwrap().ok().unwrap();
        assert_eq!((opened.cases.len(), opened.read), (1, 0));
        begin(&mut log, study_event::ENDED);
        let ended = reading_now(&study, "dee", &log.0).unwrap().err();
        assert_eq!(ended.as_deref(), Some("the adjudication is closed"));
    }

    /// The wash-out is counted from the moment when the screen was left, if that is later than the last call.
    #[test]
    fn the_end_of_a_sitting_counts_as_reading() {
        let folder = tempfile::tempdir().unwrap();
        let study = study(folder.path(), "unaided");
        let mut log = Log::open(&study);
        log.call(&study, "ann", 0, true);
        let lists = study.lists();
        let last = |log: &Log| {
            let calls = log.0.study_calls(&study.file.digest).unwrap();
            let events = log.0.study_events().unwrap();
            let progress = study.progress(&lists[0], &calls, &events);
            (progress[0].read, progress[0].last_ms.unwrap())
        };
        let (read, called) = last(&log);
        assert_eq!(read, 1);
        let left = UNIX_EPOCH + std::time::Duration::from_millis(called as u64 + 3 * DAY_MS as u64);
        log.0
            .note_study_event(&study.file.digest, "ann", study_event::LEFT, "", left)
            .unwrap();
        assert_eq!(last(&log), (1, called + 3 * DAY_MS));
    }

    #[test]
    fn only_readings_that_differ_have_a_second_sitting() {
        let folder = tempfile::tempdir().unwrap();
        let apart = study(
            folder.path(),
            "independent\"\nwashout_days = 28\nfirst = \"unaided",
        );
        let second = apart.registration().second;
        assert_eq!(second["ann [unaided]"], "ann [aided]");
        assert_eq!(second.len(), 2);
        let one = study(folder.path(), "unaided").registration();
        assert!(one.second.is_empty() && one.lists.is_empty());
        assert_eq!(one.cases, ["ab".repeat(32)]);
        assert_eq!(one.panel.unwrap().mode, "unaided");
    }
}
