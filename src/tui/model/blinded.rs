//! Reading without the model's answer: what is measured and recorded beside the calls themselves.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// On while images are read blinded.
#[derive(Debug, Default)]
pub struct Blinded {
    /// Of the order in which they are read, if that is random.
    pub seed: Option<u64>,
    pub watch: Stopwatch,
    /// The reader has begun: from now on the list leaves them where they are.
    pub begun: bool,
}

/// A call that is being made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asking {
    /// Each label that is asked about, and whether it was chosen.
    pub labels: Vec<(String, bool)>,
    /// That none of them is there was chosen; never together with a label.
    pub none: bool,
    /// The reader can have seen what is chosen now: a key that was typed before commits nothing.
    pub is_drawn: bool,
}

impl Asking {
    /// Asks about `labels`; what was called before is chosen already.
    pub fn new(labels: Vec<String>, called: Option<&[String]>) -> Self {
        let present = called.unwrap_or_default();
        let labels = labels.into_iter().map(|label| {
            let is_present = present.contains(&label);
            (label, is_present)
        });
        Asking {
            labels: labels.collect(),
            none: called.is_some_and(<[String]>::is_empty),
            is_drawn: false,
        }
    }

    /// What is chosen: `None` is nothing yet, not even that there is none.
    pub fn chosen(&self) -> Option<Vec<String>> {
        let present = self.labels.iter().filter(|(_, present)| *present);
        let present: Vec<String> = present.map(|(label, _)| label.clone()).collect();
        (self.none || !present.is_empty()).then_some(present)
    }
}

/// What is timed: an image without its answer, or with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phase {
    pub source: Arc<Path>,
    pub aided: bool,
}

/// How long each image was on the screen, over several visits.
#[derive(Debug, Default)]
pub struct Stopwatch {
    before: HashMap<Phase, Duration>,
    running: Option<(Phase, Instant)>,
}

impl Stopwatch {
    /// From now on this is on the screen, and nothing else.
    pub fn switch(&mut self, to: Option<Phase>, now: Instant) {
        if self.running.as_ref().map(|(phase, _)| phase) == to.as_ref() {
            return;
        }
        if let Some((phase, since)) = self.running.take() {
            *self.before.entry(phase).or_default() += now.saturating_duration_since(since);
        }
        self.running = to.map(|phase| (phase, now));
    }

    pub fn took(&self, phase: &Phase, now: Instant) -> Duration {
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
    fn visits_add_up_and_phases_are_apart() {
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
