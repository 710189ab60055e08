//! `cxr study verify`: whether study, case list, reference standard and log are what the study began with.

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::order::StudyLog;
use crate::commands::shared::study::{LoadedStudy, read_file};
use crate::commands::shared::{SOME_FAILED, complain, print};
use crate::domain::text::Printable;
use crate::store::{Audit, Store, StudyAudit, StudyRegistration};
use crate::study::{StudyFile, adjudicator_of};

pub fn run(path: &Path) -> Result<ExitCode> {
    // The file itself must be readable: it names the others.
    let (folder, file) = read_file(path)?;
    let mut faults = Vec::new();
    let study = match LoadedStudy::read(path) {
        Ok(study) => Some(study),
        Err(error) => {
            faults.push(error.to_string());
            None
        }
    };
    let store_path = folder.join(&file.store);
    let store = match Store::open_read_only(&store_path) {
        Ok(store) => store,
        Err(error) => {
            faults.iter().for_each(|fault| complain(fault));
            return Err(crate::commands::shared::reviews::not_opened(error));
        }
    };
    faults.extend(study.as_ref().and_then(LoadedStudy::reference_fault));
    match store.study_begun()? {
        None => faults.push("no sitting has begun in the store of the study".to_owned()),
        Some((begun, registration)) => {
            faults.extend(digest_faults(&file, &begun, &registration));
        }
    }
    let audit = store.verify()?;
    faults.extend(audit.faults.iter().map(ToString::to_string));
    let events = store.verify_study_events()?;
    faults.extend(events.faults.iter().cloned());
    if let Some(study) = &study {
        faults.extend(reading_faults(study, &store)?);
        let log = StudyLog {
            events: &store.study_events()?,
            reviews: &store.review_times(&[])?,
        };
        faults.extend(log.faults(&study.registration(), study.file.washout_days));
    }
    print(&Printable::page(&page(&audit, &events)))?;
    faults.iter().for_each(|fault| complain(fault));
    Ok(if faults.is_empty() {
        print(&Printable::page(
            "study, case list, reference standard and log are as they were\n",
        ))?
    } else {
        ExitCode::from(SOME_FAILED)
    })
}

fn page(audit: &Audit, events: &StudyAudit) -> String {
    format!(
        "{} reviews, head {}\n{} events of the study, head {}\n",
        audit.rows, audit.head, events.events, events.head
    )
}

/// Where the file says something else now than when the study began.
fn digest_faults(file: &StudyFile, begun: &str, registration: &StudyRegistration) -> Vec<String> {
    let reference = file.reference.as_ref();
    let reference = reference.map(|reference| reference.file.sha256.clone());
    let same = [
        ("study", file.digest == begun),
        ("case list", file.cases.sha256 == registration.cases_sha256),
        (
            "reference standard",
            reference == registration.reference_sha256,
        ),
        ("model", file.model_sha256 == registration.model_sha256),
    ];
    let changed = same.into_iter().filter(|(_, same)| !same);
    changed
        .map(|(what, _)| format!("the {what} is another one than the study began with"))
        .collect()
}

/// Readings of films or by readers that the study does not have.
fn reading_faults(study: &LoadedStudy, store: &Store) -> Result<Vec<String>> {
    let listed: HashSet<String> = study
        .list
        .cases
        .iter()
        .map(|case| case.content.to_string())
        .collect();
    let readers = study.registration().expected;
    let mut faults = Vec::new();
    let (mut films, mut strangers) = (0, 0);
    for call in store.study_calls(&study.file.digest)? {
        films += usize::from(!listed.contains(&call.image));
        let decides = adjudicator_of(&call.reader);
        let is_known = match decides {
            Some(name) => study.file.has_adjudicator(name),
            None => readers.contains_key(&call.reader),
        };
        strangers += usize::from(!is_known);
    }
    if films > 0 {
        faults.push(format!(
            "{films} readings are of films that are not in the case list: a file was replaced"
        ));
    }
    if strangers > 0 {
        faults.push(format!(
            "{strangers} readings are by readers whom the study does not have"
        ));
    }
    Ok(faults)
}
