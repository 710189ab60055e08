//! When the store of a study stays shut for everything but its own sittings.

use anyhow::Result;

use super::panel::PanelCalls;
use crate::commands::shared::Usage;
use crate::export::path_text;
use crate::store::{OpenStudy, RegisteredPanel, Store, study_event};

/// Cases on which readers differ, and which adjudicators may still decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAdjudication {
    /// Name of the study.
    pub name: String,
    /// How many cases.
    pub undecided: usize,
}

/// The cases that adjudicators of the study in a store still have to decide; `None` if there are none, the study names no
/// adjudicator, or the adjudication was ended too. While readings are still to be made, it is of those that all have read.
///
/// # Errors
/// If the store cannot be read.
pub fn open_adjudication(store: &Store) -> Result<Option<OpenAdjudication>> {
    let Some((digest, registration)) = store.study_begun()? else {
        return Ok(None);
    };
    let Some(panel) = &registration.panel else {
        return Ok(None);
    };
    let events = store.study_events()?;
    if events.iter().any(|event| event.event == study_event::ENDED) {
        return Ok(None);
    }
    let RegisteredPanel {
        questions,
        readers_per_case,
        mode,
    } = panel;
    let calls = PanelCalls::read(&digest, mode, store)?;
    let cases = registration.cases.iter();
    let is_undecided = |case: &&String| {
        calls.is_disputed(case, questions, *readers_per_case) && !calls.is_decided(case)
    };
    let undecided = cases.filter(is_undecided).count();
    Ok((undecided > 0).then_some(OpenAdjudication {
        name: registration.name,
        undecided,
    }))
}

/// Refuses to show what a store holds while a study in it is being read, or while its adjudicators have something to
/// decide: what is hidden from one of them would be in the table of another.
///
/// # Errors
/// [`Usage`], if there is such a study; or if the store cannot be read.
pub fn refuse_open_study(store: &Store, command: &str) -> Result<()> {
    let path = path_text(store.path());
    if let Some(OpenStudy { name, unread }) = store.open_study()? {
        return Err(Usage::error(format!(
            "{path}: {unread} readings of the study {name} are still to be made, and {command} would show what is \
             hidden until then; cxr study close ends it early"
        )));
    }
    if let Some(OpenAdjudication { name, undecided }) = open_adjudication(store)? {
        return Err(Usage::error(format!(
            "{path}: {undecided} disagreements of the study {name} are still to be decided, and {command} would show \
             its adjudicators the readers' calls; cxr study close ends that early"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::panel::tests::{Log, study};
    use super::*;
    use crate::study::adjudicator_log_name;

    /// From the last reading until the adjudicator has decided, no table shows the adjudicator what the readers said.
    #[test]
    fn the_store_is_shut_until_disagreements_are_decided_or_given_up() {
        for is_decided in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let study = study(folder.path(), "unaided");
            let mut log = Log::open(&study);
            let words = |log: &Log| match refuse_open_study(&log.0, "export") {
                Ok(()) => String::new(),
                Err(refused) => refused.to_string(),
            };
            let digest = study.file.digest.clone();
            log.0
                .begin_study(&digest, &study.registration(), UNIX_EPOCH)
                .unwrap();
            log.call(&study, "ann", 0, true);
            assert!(words(&log).contains("1 readings of the study pilot"));
            log.call(&study, "bob", 5, false);
            let refused = words(&log);
            assert!(
                refused.contains("1 disagreements of the study pilot are still to be decided"),
                "{refused}"
            );
            if is_decided {
                log.call(&study, &adjudicator_log_name("dee"), 10, true);
            } else {
                // The readings were ended already; the adjudication is not.
                for (event, is_shut) in [(study_event::CLOSED, true), (study_event::ENDED, false)] {
                    log.0
                        .note_study_event(&digest, "", event, "", UNIX_EPOCH)
                        .unwrap();
                    assert_eq!(!words(&log).is_empty(), is_shut);
                }
            }
            assert_eq!(words(&log), "");
        }
    }

    #[test]
    fn a_study_without_disagreements_is_open_once_all_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let study = study(folder.path(), "unaided");
        let mut log = Log::open(&study);
        log.0
            .begin_study(&study.file.digest, &study.registration(), UNIX_EPOCH)
            .unwrap();
        log.call(&study, "ann", 0, true);
        log.call(&study, "bob", 5, true);
        assert!(refuse_open_study(&log.0, "export").is_ok());
    }
}
