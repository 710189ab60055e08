//! What the reader did since the screen was opened, for the summary at its end.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::blinded::Stopwatch;
use crate::domain::{ContentId, Opinion, ReviewTotals, median_time};

/// The images of this sitting, by their content.
#[derive(Debug, Default)]
pub struct Sitting {
    watch: Stopwatch<ContentId>,
    /// Whether an image was on the screen is known from this: the watch may have timed none of its visits yet.
    seen: HashSet<ContentId>,
    /// The opinions on images that were reviewed in this sitting, as they are in the log. What is not there yet is no
    /// review: it may never get there.
    opinions: HashMap<ContentId, Opinion>,
}

/// What the reader did in a sitting, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SittingSummary {
    /// Images that were on the screen.
    pub seen: usize,
    /// Of images that were reviewed in this sitting.
    pub totals: ReviewTotals,
    /// Whether they were read blinded.
    pub is_blinded: bool,
    /// The median of how long a reviewed image was on the screen.
    pub median_time: Option<Duration>,
}

impl Sitting {
    /// From `now` on, this image is on the screen, or none.
    pub fn show(&mut self, image: Option<ContentId>, now: Instant) {
        self.seen.extend(image);
        self.watch.switch(image, now);
    }

    /// A review of an image is in the log, which holds this opinion now.
    pub fn note_recorded(&mut self, image: ContentId, opinion: &Opinion) {
        self.opinions.insert(image, opinion.clone());
    }

    /// The summary until `now`; `None` where no image was reviewed. Verdicts are left out of a blinded sitting, since
    /// those that the reader gave in an earlier one are hidden in this.
    pub fn summary(&self, is_blinded: bool, now: Instant) -> Option<SittingSummary> {
        let mut totals = ReviewTotals::default();
        let mut times = Vec::new();
        for (image, opinion) in &self.opinions {
            let before = totals.reviewed;
            match is_blinded {
                true => totals.add(&without_verdict(opinion)),
                false => totals.add(opinion),
            }
            if totals.reviewed > before {
                times.push(self.watch.took(image, now));
            }
        }
        (totals.reviewed > 0).then(|| SittingSummary {
            seen: self.seen.len(),
            totals,
            is_blinded,
            median_time: median_time(times),
        })
    }
}

fn without_verdict(opinion: &Opinion) -> Opinion {
    Opinion {
        verdict: None,
        label: None,
        ..opinion.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Verdict;

    fn image(n: u8) -> ContentId {
        ContentId::from_digest([n; 32])
    }

    fn disagreement() -> Opinion {
        Opinion {
            verdict: Some(Verdict::Disagree),
            label: Some("COVID-19".into()),
            ..Opinion::default()
        }
    }

    #[test]
    fn nothing_reviewed_is_no_summary() {
        let mut sitting = Sitting::default();
        let now = Instant::now();
        sitting.show(Some(image(1)), now);
        assert_eq!(sitting.summary(false, now), None);
        sitting.note_recorded(image(1), &disagreement());
        sitting.note_recorded(image(1), &Opinion::default());
        assert_eq!(sitting.summary(false, now), None, "it was taken back");
    }

    #[test]
    fn images_are_counted_once_and_timed_over_all_visits() {
        let begin = Instant::now();
        let second = |n: u64| begin + Duration::from_secs(n);
        let mut sitting = Sitting::default();
        for (image, at) in [
            (Some(image(1)), 0),
            (Some(image(2)), 2),
            (Some(image(1)), 3),
            (None, 7),
        ] {
            sitting.show(image, second(at));
        }
        sitting.note_recorded(image(1), &disagreement());
        sitting.note_recorded(image(1), &disagreement());
        let summary = sitting.summary(false, second(60)).unwrap();
        assert_eq!((summary.seen, summary.totals.reviewed), (2, 1));
        assert_eq!(summary.median_time, Some(Duration::from_secs(6)));
        assert_eq!(summary.totals.disagree, 1);
        sitting.note_recorded(image(1), &Opinion::default());
        assert_eq!(sitting.summary(false, second(60)), None);
    }

    /// A verdict of an earlier sitting that stands on a flagged image is hidden in a blinded one.
    #[test]
    fn a_blinded_sitting_has_no_verdicts() {
        let mut sitting = Sitting::default();
        let opinion = Opinion {
            key_image: true,
            ..disagreement()
        };
        sitting.note_recorded(image(1), &opinion);
        let summary = sitting.summary(true, Instant::now()).unwrap();
        assert_eq!((summary.totals.disagree, summary.totals.key_images), (0, 1));
        assert!(summary.totals.disagreements.is_empty());
    }
}
