//! With what a study began, as an event of its log, and what follows from it: which calls are readings of the study,
//! whether readings are still to be made, and after which sitting a reader's earlier one takes nothing any more.

use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::line::LogLine;
use super::study_events::study_event::{BEGUN, CLOSED, REGISTERED, SITTING};
use super::study_events::{StudyCall, StudyEvent, append};
use super::{Store, StoreError};

/// With what a study began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyRegistration {
    /// Name of the study.
    pub name: String,
    /// SHA-256 of the case list.
    pub cases_sha256: String,
    /// SHA-256 of the reference standard, if there is one.
    pub reference_sha256: Option<String>,
    /// SHA-256 of the model's weights.
    pub model_sha256: String,
    /// How many cases each reader is to read, by the reader's name in the reviews.
    pub expected: BTreeMap<String, usize>,
    /// SHA-256 of each case. There is none in a registration by earlier versions, which counted all films that were called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<String>,
    /// Places in `cases` of those that a reader reads, by the reader's name in the reviews. A reader who is not here reads
    /// all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, Vec<usize>>,
    /// Where each reader reads twice: the name in the reviews of the second sitting, by that of the first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub second: BTreeMap<String, String>,
    /// Who decides where readers differ, if the study names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panel: Option<RegisteredPanel>,
}

/// What has to be known to tell which cases adjudicators still have to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredPanel {
    /// The labels that readers are asked about.
    pub questions: Vec<String>,
    /// How many readers read each case.
    pub readers_per_case: usize,
    /// The word of the mode whose calls count.
    pub mode: String,
}

impl StudyRegistration {
    /// The calls of a reader that are readings of the study: those of cases on the reader's list. A film that was put in
    /// the place of a case is none.
    pub fn readings<'a>(&self, reader: &str, calls: &'a [StudyCall]) -> Vec<&'a StudyCall> {
        let own = calls.iter().filter(|call| call.reader == reader);
        if self.cases.is_empty() {
            return own.collect();
        }
        let listed: HashSet<&str> = match self.lists.get(reader) {
            Some(places) => places
                .iter()
                .filter_map(|place| self.cases.get(*place).map(String::as_str))
                .collect(),
            None => self.cases.iter().map(String::as_str).collect(),
        };
        own.filter(|call| listed.contains(call.image.as_str()))
            .collect()
    }
}

/// A study that has begun and is neither read to its end nor closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenStudy {
    /// Name of the study.
    pub name: String,
    /// Cases that are still to be read, of all readers together.
    pub unread: usize,
}

impl Store {
    /// Begins a study, unless one has begun in this store. Returns the digest of the study that has. Of several sessions
    /// that begin at the same moment, one begins it. A study that an earlier version began is registered again, with what
    /// that version did not note.
    ///
    /// # Errors
    /// If it cannot be written or read.
    pub fn begin_study(
        &mut self,
        study: &str,
        registration: &StudyRegistration,
        at: SystemTime,
    ) -> Result<String, StoreError> {
        let detail = serde_json::to_string(registration).unwrap_or_default();
        // Two sittings may open at the same moment: asked and written in one transaction, the study begins once.
        self.write(|change| {
            const SQL: &str = "SELECT study, (SELECT detail FROM study_event AS last
                    WHERE last.study = first.study AND event IN (?1, ?2) ORDER BY id DESC LIMIT 1)
                FROM study_event AS first WHERE event = ?1 ORDER BY id LIMIT 1";
            let begun: Option<(String, String)> = change
                .query_row(SQL, [BEGUN, REGISTERED], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            match begun {
                None => append(change, [study, "", BEGUN, &detail], at)?,
                Some((begun, known)) if begun == study && known != detail => {
                    append(change, [study, "", REGISTERED, &detail], at)?;
                }
                Some((begun, _)) => return Ok(begun),
            }
            Ok(study.to_owned())
        })
    }

    /// The digest of the study that has begun in this store, and its last registration.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn study_begun(&self) -> Result<Option<(String, StudyRegistration)>, StoreError> {
        Ok(begun(&self.study_events()?))
    }

    /// The study of this store, if it is neither read to its end nor closed: until then no table may show the answers
    /// and calls that are hidden from its readers.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn open_study(&self) -> Result<Option<OpenStudy>, StoreError> {
        let events = self.study_events()?;
        let Some((study, registration)) = begun(&events) else {
            return Ok(None);
        };
        if events.iter().any(|event| event.event == CLOSED) {
            return Ok(None);
        }
        let calls = self.study_calls(&study)?;
        let unread = registration.expected.iter().map(|(reader, expected)| {
            let read = registration.readings(reader, &calls).len();
            expected.saturating_sub(read)
        });
        let unread = unread.sum();
        Ok((unread > 0).then_some(OpenStudy {
            name: registration.name,
            unread,
        }))
    }
}

fn begun(events: &[StudyEvent]) -> Option<(String, StudyRegistration)> {
    let study = &events.iter().find(|event| event.event == BEGUN)?.study;
    let mut own = events.iter().filter(|event| {
        let registers = event.event == BEGUN || event.event == REGISTERED;
        registers && event.study == *study
    });
    let read = |event: &StudyEvent| serde_json::from_str(&event.detail).ok();
    Some((study.clone(), own.by_ref().rev().find_map(read)?))
}

/// The name of a reader's second sitting, if it was opened already, from the name of the first. A review that waited in a
/// file (`is_late`) was made before it if its time is. A review that is in the log already is taken again.
pub fn second_sitting_opened(
    change: &Transaction,
    line: &LogLine,
) -> rusqlite::Result<Option<String>> {
    const SQL: &str = "SELECT second.value
        FROM study_event AS noted,
            json_each(CASE WHEN json_valid(noted.detail) THEN noted.detail ELSE '{}' END, '$.second') AS second
        WHERE noted.event IN (?1, ?2) AND second.key = ?4 AND EXISTS (
            SELECT 1 FROM study_event AS opened
            WHERE opened.event = ?3 AND opened.reader = second.value AND (?5 = 0 OR opened.at_ms <= ?6))
            AND NOT EXISTS (SELECT 1 FROM review WHERE token = ?7)
        LIMIT 1";
    let values = params![
        BEGUN,
        REGISTERED,
        SITTING,
        line.reviewer,
        line.is_late,
        line.at_ms,
        line.token
    ];
    let mut statement = change.prepare_cached(SQL)?;
    statement.query_row(values, |row| row.get(0)).optional()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::tests::entry;
    use super::*;
    use crate::domain::{BlindedReading, Call, Opinion, OpinionChange, ReadingMode};

    pub fn registration() -> StudyRegistration {
        StudyRegistration {
            name: "pilot".into(),
            cases_sha256: "aa".repeat(32),
            reference_sha256: None,
            model_sha256: "bb".repeat(32),
            expected: [("ann".to_owned(), 2)].into(),
            ..StudyRegistration::default()
        }
    }

    pub fn call(store: &mut Store, image: u64, study: &str) {
        let mut row = entry(image, "agree");
        row.token = format!("call {image}");
        row.review.change = OpinionChange::to(&Opinion {
            blinded: Some(BlindedReading {
                mode: ReadingMode::Unaided,
                unaided: Some(Call::default()),
                study: Some(study.to_owned()),
                ..BlindedReading::default()
            }),
            ..Opinion::default()
        });
        store.append(&row).unwrap();
    }

    #[test]
    fn a_study_begins_once_and_is_open_until_all_is_read_or_it_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("s.sqlite")).unwrap();
        assert_eq!(store.open_study().unwrap(), None);
        let at = UNIX_EPOCH;
        assert_eq!(store.begin_study("d1", &registration(), at).unwrap(), "d1");
        assert_eq!(store.begin_study("d2", &registration(), at).unwrap(), "d1");
        assert_eq!(store.study_events().unwrap().len(), 1);
        assert_eq!(store.open_study().unwrap().unwrap().unread, 2);
        call(&mut store, 1, "d1");
        call(&mut store, 2, "another");
        assert_eq!(store.open_study().unwrap().unwrap().unread, 1);
        let calls = store.study_calls("d1").unwrap();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].image, entry(1, "agree").image.sha256);
        call(&mut store, 3, "d1");
        assert_eq!(store.open_study().unwrap(), None);
        assert_eq!(store.verify_study_events().unwrap().faults, [""; 0]);
    }

    fn listed() -> StudyRegistration {
        let content = |image| entry(image, "agree").image.sha256;
        StudyRegistration {
            cases: [1, 2, 3].map(content).to_vec(),
            lists: [("ann".to_owned(), vec![0, 2])].into(),
            ..registration()
        }
    }

    /// A file that was overwritten under the study must not make it look read.
    #[test]
    fn only_cases_of_the_readers_list_are_readings() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("s.sqlite")).unwrap();
        store.begin_study("d1", &listed(), UNIX_EPOCH).unwrap();
        for (image, unread) in [(9, 2), (2, 2), (1, 1), (3, 0)] {
            call(&mut store, image, "d1");
            let open = store.open_study().unwrap();
            assert_eq!(open.map_or(0, |open| open.unread), unread, "{image}");
        }
        let calls = store.study_calls("d1").unwrap();
        assert_eq!(calls.len(), 4);
        assert_eq!(listed().readings("ann", &calls).len(), 2);
        assert_eq!(listed().readings("bob", &calls).len(), 0);
    }

    /// What an earlier version wrote is read, counts as it did, and is added to by the next sitting.
    #[test]
    fn a_registration_of_an_earlier_version_is_read_and_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("s.sqlite")).unwrap();
        let old = r#"{"name":"pilot","cases_sha256":"aa","reference_sha256":null,"model_sha256":"bb","expected":{"ann":2}}"#;
        store
            .note_study_event("d1", "", BEGUN, old, UNIX_EPOCH)
            .unwrap();
        let (study, before) = store.study_begun().unwrap().unwrap();
        assert_eq!((study.as_str(), before.expected["ann"]), ("d1", 2));
        assert_eq!(serde_json::to_string(&before).unwrap(), old);
        call(&mut store, 9, "d1");
        assert_eq!(store.open_study().unwrap().unwrap().unread, 1);
        for _ in 0..2 {
            store.begin_study("d1", &listed(), UNIX_EPOCH).unwrap();
            let events = store.study_events().unwrap();
            let words: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
            assert_eq!(words, [BEGUN, REGISTERED]);
        }
        assert_eq!(store.study_begun().unwrap().unwrap().1, listed());
        assert_eq!(store.open_study().unwrap().unwrap().unread, 2);
        // Another study changes nothing.
        assert_eq!(
            store
                .begin_study("d2", &registration(), UNIX_EPOCH)
                .unwrap(),
            "d1"
        );
        assert_eq!(store.study_events().unwrap().len(), 2);
    }

    /// From the moment when the other sitting is opened, the first one takes no more calls. A call that waited in a file
    /// since before is taken.
    #[test]
    fn the_first_sitting_takes_nothing_once_the_second_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("s.sqlite")).unwrap();
        let [first, second] = ["ann \"A.\" [aided]", "ann \"A.\" [unaided]"];
        let registration = StudyRegistration {
            second: [(first.to_owned(), second.to_owned())].into(),
            ..registration()
        };
        store.begin_study("d1", &registration, UNIX_EPOCH).unwrap();
        let note = |store: &mut Store, reader: &str, minute: u64| {
            let at = UNIX_EPOCH + Duration::from_secs(60 * minute);
            store
                .note_study_event("d1", reader, SITTING, "", at)
                .unwrap();
        };
        let append = |store: &mut Store, reader: &str, minute: u64, is_late: bool| {
            let mut row = entry(1, "agree");
            row.token = format!("{reader} {minute} {is_late}");
            row.review.reviewer = reader.to_owned();
            row.review.at = UNIX_EPOCH + Duration::from_secs(60 * minute);
            let mut line = LogLine::from(&row);
            line.is_late = is_late;
            store.append_line(&line)
        };
        note(&mut store, first, 1);
        append(&mut store, first, 2, false).unwrap();
        note(&mut store, second, 10);
        append(&mut store, second, 11, false).unwrap();
        let rows = store.verify().unwrap().rows;
        let refused = append(&mut store, first, 12, false).unwrap_err();
        assert!(matches!(refused, StoreError::SittingOver { .. }));
        assert!(refused.to_string().contains(second), "{refused}");
        assert!(append(&mut store, first, 12, true).is_err());
        assert_eq!(store.verify().unwrap().rows, rows, "nothing was written");
        append(&mut store, first, 9, true).unwrap();
        append(&mut store, first, 2, false).unwrap();
        append(&mut store, "bob [aided]", 12, false).unwrap();
    }
}
