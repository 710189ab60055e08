//! What readers and adjudicators of a study said of each case, for a reference standard.

use std::collections::HashMap;

use anyhow::Result;

use crate::domain::{BlindedReading, Call};
use crate::store::{LastWord, Store};
use crate::study::{ListedCase, NamedCall, PanelDecision, adjudicator_of, decide, reader_of};

/// The calls of all cases, by the SHA-256 of the case: name, call, and when it was made.
#[derive(Default)]
pub struct PanelCalls {
    readers: HashMap<String, Vec<(String, Call, String)>>,
    adjudicators: HashMap<String, Vec<(String, Call, String)>>,
}

impl PanelCalls {
    /// Reads the store of a study, which is named by the SHA-256 of its file: of its readers the calls in the mode with
    /// this word, and of those the calls without the answer, if the design has them.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn read(study: &str, mode: &str, store: &Store) -> Result<Self> {
        let times = store.standing_call_times(study)?;
        let mut panel = PanelCalls::default();
        store.last_words(&[], |word| {
            let at = times.get(&(word.reviewer.clone(), word.image.sha256.clone()));
            let at = at.unwrap_or(&word.last_at).clone();
            panel.take(study, word, at, |reading| {
                (reading.mode.word() == mode)
                    .then(|| reading.unaided.as_ref().or(reading.aided.as_ref()))?
            });
            Ok::<_, anyhow::Error>(())
        })??;
        Ok(panel)
    }

    fn take(
        &mut self,
        study: &str,
        word: LastWord,
        at: String,
        of_reader: impl Fn(&BlindedReading) -> Option<&Call>,
    ) {
        let Some(reading) = &word.opinion.blinded else {
            return;
        };
        if reading.study.as_deref() != Some(study) {
            return;
        }
        let (known, name, call) = match adjudicator_of(&word.reviewer) {
            Some(name) => (&mut self.adjudicators, name, reading.unaided.as_ref()),
            None => (
                &mut self.readers,
                reader_of(&word.reviewer),
                of_reader(reading),
            ),
        };
        if let Some(call) = call {
            let said = (name.to_owned(), call.clone(), at);
            known.entry(word.image.sha256).or_default().push(said);
        }
    }

    /// What is decided of a question about a case that `expected` readers were to read.
    pub fn decision(
        &self,
        case: &ListedCase,
        question: &str,
        expected: usize,
    ) -> Option<PanelDecision> {
        let calls = |of: &HashMap<String, Vec<(String, Call, String)>>| -> Vec<NamedCall> {
            let said = of.get(&case.content.to_string()).into_iter().flatten();
            said.map(|(reader, call, at)| NamedCall {
                reader: reader.clone(),
                present: call.present.iter().any(|label| label == question),
                at: at.clone(),
            })
            .collect()
        };
        decide(&calls(&self.readers), expected, &calls(&self.adjudicators))
    }

    /// Whether an adjudicator has called the case with this SHA-256.
    pub fn is_decided(&self, case: &str) -> bool {
        self.adjudicators.contains_key(case)
    }

    /// Whether all of the `expected` readers have read the case with this SHA-256, and differ in a question.
    pub fn is_disputed(&self, case: &str, questions: &[String], expected: usize) -> bool {
        let Some(calls) = self.readers.get(case) else {
            return false;
        };
        let sees = |call: &Call, question: &String| call.present.contains(question);
        calls.len() >= expected
            && questions.iter().any(|question| {
                let mut all = calls.iter().map(|(_, call, _)| sees(call, question));
                let first = all.next();
                all.any(|sees| Some(sees) != first)
            })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::super::LoadedStudy;
    use super::*;
    use crate::domain::{
        Act, ImageIdentity, Opinion, OpinionChange, ReadingMode, Review, Seen, Uids,
    };
    use crate::store::ReviewEntry;
    use crate::study::{adjudicator_log_name, digest, reference_mode};

    const LABEL: &str = "Pneumonia";

    /// A study of one case, two readers and two adjudicators.
    pub fn study(folder: &Path, design: &str) -> LoadedStudy {
        let cases = format!("path,sha256,excluded\na.png,{},\n", "ab".repeat(32));
        fs::write(folder.join("cases.csv"), &cases).unwrap();
        let text = format!(
            "format = 1\nname = \"pilot\"\ndesign = \"{design}\"\nseed = 7\n\
             hide = []\nrating = \"none\"\nquestions = [\"{LABEL}\"]\nreaders = [\"ann\", \"bob\"]\n\
             adjudicators = [\"dee\", \"eve\"]\nmodel_sha256 = \"{}\"\nstore = \"s.sqlite\"\n\n\
             [cases]\nfile = \"cases.csv\"\nsha256 = \"{}\"\n",
            "cd".repeat(32),
            digest(cases.as_bytes())
        );
        let file = folder.join("study.toml");
        fs::write(&file, text).unwrap();
        LoadedStudy::read(&file).unwrap()
    }

    fn at(minutes: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_769_860_800 + 60 * minutes)
    }

    fn call(sees: bool, took: u64) -> Call {
        Call {
            present: if sees {
                vec![LABEL.to_owned()]
            } else {
                Vec::new()
            },
            took: Duration::from_millis(took),
            ..Call::default()
        }
    }

    pub struct Log(pub Store, usize);

    impl Log {
        pub fn open(study: &LoadedStudy) -> Self {
            Log(Store::open(&study.store_path()).unwrap(), 0)
        }

        fn append(&mut self, reader: &str, minutes: u64, change: OpinionChange) {
            self.1 += 1;
            let entry = ReviewEntry {
                token: self.1.to_string(),
                image: ImageIdentity {
                    sha256: "ab".repeat(32),
                    path: "/x/a.png".into(),
                    uids: Uids::default(),
                    patient_id: None,
                },
                review: Review {
                    reviewer: reader.to_owned(),
                    at: at(minutes),
                    act: Act::Judged,
                    change,
                    seen: Seen::default(),
                },
                prediction: None,
            };
            self.0.append(&entry).unwrap();
        }

        pub fn call(&mut self, study: &LoadedStudy, reader: &str, minutes: u64, sees: bool) {
            let mode = reference_mode(&study.file);
            let call = Some(call(sees, minutes));
            let is_aided = mode == ReadingMode::Aided;
            let reading = BlindedReading {
                mode,
                unaided: call.clone().filter(|_| !is_aided),
                aided: call.filter(|_| is_aided),
                study: Some(study.file.digest.clone()),
                ..BlindedReading::default()
            };
            let opinion = Opinion {
                blinded: Some(reading),
                ..Opinion::default()
            };
            self.append(reader, minutes, OpinionChange::to(&opinion));
        }

        fn note(&mut self, reader: &str, minutes: u64) {
            let opinion = Opinion {
                note: "faint".to_owned(),
                ..Opinion::default()
            };
            self.append(reader, minutes, OpinionChange::to(&opinion));
        }
    }

    fn decision(study: &LoadedStudy, log: &Log) -> PanelDecision {
        let mode = reference_mode(&study.file).word();
        let panel = PanelCalls::read(&study.file.digest, mode, &log.0).unwrap();
        panel.decision(&study.list.cases[0], LABEL, 2).unwrap()
    }

    /// A note is no call: the first adjudicator who decided stays the first, and the table tells when.
    #[test]
    fn the_first_adjudicator_who_called_decides_whatever_was_noted_since() {
        let folder = tempfile::tempdir().unwrap();
        let study = study(folder.path(), "unaided");
        let mut log = Log::open(&study);
        log.call(&study, "ann", 0, true);
        log.call(&study, "bob", 5, false);
        let [dee, eve] = ["dee", "eve"].map(adjudicator_log_name);
        log.call(&study, &dee, 10, true);
        log.call(&study, &eve, 15, false);
        let before = decision(&study, &log);
        assert_eq!(
            (before.present, before.by.clone()),
            (true, vec!["dee".to_owned()])
        );
        assert_eq!(before.at, "2026-01-31T12:10:00.000Z");
        log.note(&dee, 30);
        assert_eq!(decision(&study, &log), before);
    }

    /// A consensus is as old as the last of its calls, and a reader who called again changed it then.
    #[test]
    fn a_consensus_is_as_old_as_the_last_call_that_counts() {
        let folder = tempfile::tempdir().unwrap();
        let study = study(folder.path(), "concurrent");
        let mut log = Log::open(&study);
        let [ann, bob] = ["ann", "bob"];
        log.call(&study, ann, 0, false);
        log.call(&study, bob, 5, true);
        log.note(bob, 7);
        let again = Opinion {
            blinded: Some(BlindedReading {
                mode: ReadingMode::Aided,
                aided: Some(call(false, 0)),
                ..BlindedReading::default()
            }),
            ..Opinion::default()
        };
        let changed = Opinion {
            blinded: again.blinded.clone().map(|reading| BlindedReading {
                aided: Some(call(true, 20)),
                ..reading
            }),
            ..Opinion::default()
        };
        log.append(ann, 20, OpinionChange::between(&again, &changed));
        log.note(ann, 40);
        let found = decision(&study, &log);
        assert_eq!(
            (found.present, found.at.as_str()),
            (true, "2026-01-31T12:20:00.000Z")
        );
    }
}
