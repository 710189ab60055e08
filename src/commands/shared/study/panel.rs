//! What readers and adjudicators of a study said of each case, for a reference standard.

use std::collections::HashMap;

use anyhow::Result;

use super::LoadedStudy;
use crate::domain::{BlindedReading, Call};
use crate::store::{LastWord, Store};
use crate::study::{
    ListedCase, NamedCall, PanelDecision, adjudicator_of, decide, reader_of, reference_mode,
};

/// The calls of all cases, by the SHA-256 of the case.
#[derive(Default)]
pub struct PanelCalls {
    readers: HashMap<String, Vec<(String, Call, String)>>,
    adjudicators: HashMap<String, Vec<(String, Call, String)>>,
}

impl PanelCalls {
    /// Reads the store of a study: of its readers the calls without the answer, if the design has those.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn read(study: &LoadedStudy, store: &Store) -> Result<Self> {
        let mode = reference_mode(&study.file);
        let mut panel = PanelCalls::default();
        store.last_words(&[], |word| {
            panel.take(study, word, |reading| {
                (reading.mode == mode)
                    .then(|| reading.unaided.as_ref().or(reading.aided.as_ref()))?
            });
            Ok::<_, anyhow::Error>(())
        })??;
        Ok(panel)
    }

    fn take(
        &mut self,
        study: &LoadedStudy,
        word: LastWord,
        of_reader: impl Fn(&BlindedReading) -> Option<&Call>,
    ) {
        let Some(reading) = &word.opinion.blinded else {
            return;
        };
        if reading.study.as_ref() != Some(&study.file.digest) {
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
            let said = (name.to_owned(), call.clone(), word.last_at.clone());
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

    /// Whether all of the `expected` readers have read a case, and differ in a question.
    pub fn is_disputed(&self, case: &ListedCase, questions: &[String], expected: usize) -> bool {
        let Some(calls) = self.readers.get(&case.content.to_string()) else {
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
