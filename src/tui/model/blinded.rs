//! Blinded reading: the call that is being made, and the reading times that are recorded with it.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::rating::Rating;
use crate::domain::{Call, ContentId, LocalisationRule, ReadingMode};

/// The state of blinded reading.
#[derive(Debug, Default)]
pub struct Blinded {
    /// The seed of the order of the images, if that is random.
    pub seed: Option<u64>,
    pub watch: Stopwatch<Phase>,
    /// Whether the reader has pressed a key: from then on the list does not move the selection.
    pub begun: bool,
    /// The sitting of a study, if this is one.
    pub sitting: Option<StudySitting>,
}

/// One sitting of a reader of a study.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StudySitting {
    /// Where the model's answer is.
    pub mode: ReadingMode,
    /// SHA-256 of the file of the study.
    pub study: String,
    /// The seed of the order.
    pub seed: u64,
    /// The labels that are asked about.
    pub questions: Vec<String>,
    /// Whether the reader may say how sure they are.
    pub is_rated: bool,
    /// When a mark is on a lesion, in a study that asks for marks: each then needs a rating.
    pub localises: Option<LocalisationRule>,
    /// Whether name and identifier of the patient stay hidden.
    pub hides_identity: bool,
    /// Whether the DICOM header stays hidden, and with it what the header says in other places.
    pub hides_header: bool,
    /// The films of the list. Nothing is recorded about another one, which may lie in the place of one of them.
    pub cases: HashSet<ContentId>,
    /// SHA-256 of the weights of the model.
    pub model_sha256: String,
}

/// A call that is being made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asking {
    /// Each label that is asked about, and whether it is chosen.
    pub labels: Vec<(String, bool)>,
    /// Whether "none of these" is chosen; never together with a label.
    pub none: bool,
    /// Whether the current choice has been drawn: an Enter typed before that commits nothing.
    pub is_drawn: bool,
    /// How sure the reader is; `None` in a study without ratings.
    pub rating: Option<Rating>,
}

impl Asking {
    /// Asks about `labels`; those of an earlier call are chosen already.
    pub fn new(labels: Vec<String>, called: Option<&Call>, is_rated: bool) -> Self {
        let present = called.map_or(&[][..], |call| &call.present);
        let rated = |label: &String| called.and_then(|call| call.ratings.get(label).copied());
        let rating = is_rated.then(|| Rating::new(labels.iter().map(rated)));
        let labels = labels.into_iter().map(|label| {
            let is_present = present.contains(&label);
            (label, is_present)
        });
        Asking {
            labels: labels.collect(),
            none: called.is_some_and(|call| call.present.is_empty()),
            is_drawn: false,
            rating,
        }
    }

    /// The labels that are chosen, possibly none of them; `None` while the reader has chosen nothing.
    pub fn chosen(&self) -> Option<Vec<String>> {
        let present = self.labels.iter().filter(|(_, present)| *present);
        let present: Vec<String> = present.map(|(label, _)| label.clone()).collect();
        (self.none || !present.is_empty()).then_some(present)
    }
}

/// One timed phase of reading: an image without its answer, or with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phase {
    pub source: Arc<Path>,
    /// Whether the answer is on the screen.
    pub aided: bool,
}

/// How long each image, or each phase of reading it, was on the screen, over several visits.
#[derive(Debug)]
pub struct Stopwatch<K> {
    before: HashMap<K, Duration>,
    running: Option<(K, Instant)>,
}

impl<K> Default for Stopwatch<K> {
    fn default() -> Self {
        Stopwatch {
            before: HashMap::new(),
            running: None,
        }
    }
}

impl<K: Eq + Hash> Stopwatch<K> {
    /// From `now` on, `to` is on the screen; `None` if there is nothing to time.
    pub fn switch(&mut self, to: Option<K>, now: Instant) {
        if self.running.as_ref().map(|(phase, _)| phase) == to.as_ref() {
            return;
        }
        if let Some((phase, since)) = self.running.take() {
            *self.before.entry(phase).or_default() += now.saturating_duration_since(since);
        }
        self.running = to.map(|phase| (phase, now));
    }

    /// The time that a phase has been on the screen until `now`.
    pub fn took(&self, phase: &K, now: Instant) -> Duration {
        let before = self.before.get(phase).copied().unwrap_or_default();
        let running = self.running.as_ref().filter(|(at, _)| at == phase);
        let since = running.map(|(_, since)| now.saturating_duration_since(*since));
        before + since.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_add_up_and_phases_are_timed_separately() {
        let begin = Instant::now();
        let second = |n: u64| begin + Duration::from_secs(n);
        let phase = |name: &str, aided| Phase {
            source: Path::new(name).into(),
            aided,
        };
        let (a, b, aided) = (phase("a", false), phase("b", false), phase("a", true));
        let mut watch = Stopwatch::default();
        watch.switch(Some(a.clone()), second(0));
        watch.switch(Some(a.clone()), second(1));
        watch.switch(Some(b.clone()), second(3));
        watch.switch(None, second(4));
        watch.switch(Some(a.clone()), second(10));
        assert_eq!(watch.took(&a, second(12)), Duration::from_secs(5));
        watch.switch(Some(aided.clone()), second(12));
        assert_eq!(watch.took(&a, second(20)), Duration::from_secs(5));
        assert_eq!(watch.took(&aided, second(13)), Duration::from_secs(1));
        assert_eq!(watch.took(&b, second(99)), Duration::from_secs(1));
    }
}
