//! A reader study as commands open it: its file, its case list, and how far its readers are.

mod links;
mod on_screen;
mod panel;
mod shut;
mod sitting;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

pub use panel::PanelCalls;
pub use shut::{open_adjudication, refuse_open_study};
pub use sitting::{CLOCK_SLACK_MS, DAY_MS, start_sitting};

use super::Usage;
use super::reviews::stored_path;
use crate::cli;
use crate::domain::ReadingMode;
use crate::export::path_text;
use crate::store::{
    RegisteredPanel, Store, StoreError, StudyCall, StudyEvent, StudyRegistration, study_event,
};
use crate::study::{
    CaseList, ListedCase, ModeProgress, ReadingList, StudyFile, digest, log_name, modes,
    reading_lists, reference_mode,
};

/// A study whose file and case list were read.
pub struct LoadedStudy {
    /// Its file.
    pub path: PathBuf,
    /// The folder that names in it are relative to.
    pub folder: PathBuf,
    pub file: StudyFile,
    pub list: CaseList,
}

impl LoadedStudy {
    /// Reads the file of a study, and the case list if it is the one that the file names.
    ///
    /// # Errors
    /// [`Usage`], if one of them cannot be used.
    pub fn read(path: &Path) -> Result<Self> {
        let (folder, file) = read_file(path)?;
        let cases = folder.join(&file.cases.file);
        let bytes = bytes_of(&cases)?;
        if digest(&bytes) != file.cases.sha256 {
            return Err(Usage::error(edited(
                &cases,
                &digest(&bytes),
                &file.cases.sha256,
            )));
        }
        let list = CaseList::parse(&bytes)
            .map_err(|fault| Usage::error(format!("{}: {fault}", path_text(&cases))))?;
        Ok(LoadedStudy {
            path: path.to_owned(),
            folder,
            file,
            list,
        })
    }

    /// The store of its readings.
    pub fn store_path(&self) -> PathBuf {
        self.folder.join(&self.file.store)
    }

    /// The file of a case.
    pub fn case_file(&self, case: &ListedCase) -> PathBuf {
        self.folder
            .join(&self.file.cases.file)
            .parent()
            .map_or_else(|| case.path.clone(), |folder| folder.join(&case.path))
    }

    /// The table of the reference standard, if there is one.
    pub fn reference_path(&self) -> Option<PathBuf> {
        let reference = self.file.reference.as_ref()?;
        Some(self.folder.join(&reference.file.file))
    }

    /// What is wrong with the reference standard: it is gone, or another one; `None` if nothing is.
    pub fn reference_fault(&self) -> Option<String> {
        let reference = self.file.reference.as_ref()?;
        let path = self.reference_path()?;
        match fs::read(&path) {
            Err(error) => Some(format!("{}: {}", path_text(&path), error.kind())),
            Ok(bytes) if digest(&bytes) != reference.file.sha256 => {
                Some(edited(&path, &digest(&bytes), &reference.file.sha256))
            }
            Ok(_) => None,
        }
    }

    /// The reference standard as `--manifest` and its options name it.
    pub fn reference_arguments(&self) -> Option<cli::CaseArguments> {
        let reference = self.file.reference.as_ref()?;
        Some(cli::CaseArguments {
            manifest: self.reference_path()?,
            root: reference.root.as_ref().map(|root| self.folder.join(root)),
            path_column: reference.path_column.clone(),
            label_column: reference.label_columns.clone(),
            patient_column: reference.patient_column.clone(),
            split: None,
            filters: Vec::new(),
        })
    }

    /// What each reader reads.
    pub fn lists(&self) -> Vec<ReadingList<'_>> {
        reading_lists(&self.file, &self.list)
    }

    /// How many readers are to read each case.
    pub fn readers_per_case(&self) -> usize {
        self.file
            .readers_per_case
            .unwrap_or(self.file.readers.len())
    }

    /// With what the study begins.
    pub fn registration(&self) -> StudyRegistration {
        let file = &self.file;
        let lists = self.lists();
        let sittings = || {
            lists.iter().flat_map(|list| {
                let modes = modes(file, list.reader).into_iter();
                modes.map(move |mode| (log_name(file, list.reader, mode), list))
            })
        };
        let second = lists.iter().filter_map(|list| {
            let [first, second] = modes(file, list.reader)[..] else {
                return None;
            };
            let name = |mode| log_name(file, list.reader, mode);
            Some((name(first), name(second)))
        });
        let cases = &self.list.cases;
        let places: HashMap<_, _> = cases.iter().map(|case| case.content).zip(0..).collect();
        let places = |list: &ReadingList| -> Vec<usize> {
            let own = list.cases.iter();
            own.filter_map(|case| places.get(&case.content).copied())
                .collect()
        };
        let lists_of_parts = sittings().filter(|(_, list)| list.cases.len() < cases.len());
        StudyRegistration {
            name: file.name.clone(),
            cases_sha256: file.cases.sha256.clone(),
            reference_sha256: file
                .reference
                .as_ref()
                .map(|reference| reference.file.sha256.clone()),
            model_sha256: file.model_sha256.clone(),
            expected: sittings()
                .map(|(name, list)| (name, list.cases.len()))
                .collect(),
            cases: cases.iter().map(|case| case.content.to_string()).collect(),
            lists: lists_of_parts
                .map(|(name, list)| (name, places(list)))
                .collect(),
            second: second.collect(),
            panel: (!file.adjudicators.is_empty()).then(|| RegisteredPanel {
                questions: file.questions.clone(),
                readers_per_case: self.readers_per_case(),
                mode: reference_mode(file).word().to_owned(),
            }),
        }
    }

    /// How far a reader is in each mode, in their order, from the calls and the events of the study.
    pub fn progress(
        &self,
        list: &ReadingList,
        calls: &[StudyCall],
        events: &[StudyEvent],
    ) -> Vec<ModeProgress> {
        let registration = self.registration();
        let of_mode = |mode: ReadingMode| {
            let name = log_name(&self.file, list.reader, mode);
            let own = registration.readings(&name, calls);
            // Films may be on the screen after the last call, so the end of a sitting counts as well.
            let sat = events.iter().filter(|event| event.reader == name);
            let sat = sat.filter(|event| is_of_sitting(event));
            let last = own.iter().map(|call| call.last_ms);
            ModeProgress {
                mode,
                expected: list.cases.len(),
                read: own.len(),
                last_ms: last.chain(sat.map(|event| event.at_ms)).max(),
            }
        };
        let modes = modes(&self.file, list.reader);
        modes.into_iter().map(of_mode).collect()
    }

    /// The store, if readings have begun.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn opened_store(&self) -> Result<Option<Store>> {
        match Store::open_read_only(&self.store_path()) {
            Err(StoreError::Absent { .. }) => Ok(None),
            other => Ok(Some(other.map_err(super::reviews::not_opened)?)),
        }
    }
}

/// Whether a sitting was opened or left then.
pub fn is_of_sitting(event: &StudyEvent) -> bool {
    [study_event::SITTING, study_event::LEFT].contains(&event.event.as_str())
}

/// The file of a study and its folder, without its case list.
///
/// # Errors
/// [`Usage`], if it cannot be used.
pub fn read_file(path: &Path) -> Result<(PathBuf, StudyFile)> {
    let file = StudyFile::parse(&bytes_of(path)?)
        .map_err(|fault| Usage::error(format!("{}: {fault}", path_text(path))))?;
    let path = stored_path(path);
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    Ok((folder, file))
}

/// The bytes of a file that the study names.
fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Usage::error(format!("{}: {}", path_text(path), error.kind())))
}

/// The line about a file that is not the one that was named.
fn edited(path: &Path, found: &str, named: &str) -> String {
    format!(
        "{}: not the file that the study names: its SHA-256 is {found}, and the study says {named}",
        path_text(path)
    )
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// The name under which the system knows the person at this terminal.
pub fn login() -> String {
    let names = ["USER", "LOGNAME"].into_iter();
    let mut names = names.filter_map(|name| std::env::var(name).ok());
    names
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
