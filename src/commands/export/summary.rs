//! `cxr export --summary`: what each reviewer did.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::super::shared::complain;
use super::super::shared::totals::{images, lines, time_line};
use crate::domain::text::clean;
use crate::domain::{ReviewTotals, median_time};
use crate::store::{LastWord, ReviewTime, Store};

/// A reader who makes no entry for longer than this has left: the next entry begins another sitting.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);

/// The reviewers, by name.
#[derive(Default)]
pub struct ReviewSummary(BTreeMap<String, ReviewerSummary>);

/// What one reviewer did.
#[derive(Default)]
struct ReviewerSummary {
    totals: ReviewTotals,
    entries: u64,
    /// As the tables write a time, so that the first is the least.
    first_at: String,
    last_at: String,
    times: ImageTimes,
}

impl ReviewSummary {
    /// Reads it from the store. With `within`, of images that were reviewed below one of these folders.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn read(store: &Store, within: &[PathBuf]) -> Result<Self> {
        let mut summary = ReviewSummary::default();
        store.last_words(within, |word| {
            summary.add(word);
            Ok::<_, anyhow::Error>(())
        })??;
        for time in store.review_times(within)? {
            if let Some(reviewer) = summary.0.get_mut(&time.reviewer) {
                reviewer.times.add(&time);
            }
        }
        if summary.0.is_empty() {
            complain("no reviews there");
        }
        Ok(summary)
    }

    fn add(&mut self, word: LastWord) {
        let reviewer = self.0.entry(word.reviewer).or_default();
        reviewer.totals.add(&word.opinion);
        reviewer.entries += word.entries;
        if reviewer.first_at.is_empty() || word.first_at < reviewer.first_at {
            reviewer.first_at = word.first_at;
        }
        if word.last_at > reviewer.last_at {
            reviewer.last_at = word.last_at;
        }
    }

    pub fn text(&self) -> String {
        let mut page = String::new();
        for (name, reviewer) in &self.0 {
            if !page.is_empty() {
                page.push('\n');
            }
            let ReviewerSummary {
                totals,
                entries,
                first_at,
                last_at,
                times,
            } = reviewer;
            let (name, reviewed) = (clean(name), images(totals.reviewed));
            let sittings = times.sittings;
            let s = if sittings == 1 { "" } else { "s" };
            let entries = match entries {
                1 => "1 entry".to_owned(),
                n => format!("{n} entries"),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                page,
                "{name}: {reviewed} reviewed, {entries} in {sittings} sitting{s}, {} to {}",
                day(first_at),
                day(last_at)
            );
            page += &lines(totals, false);
            page += &time_line(times.median());
        }
        page
    }

    pub fn json(&self) -> Value {
        let reviewers = self.0.iter().map(|(name, reviewer)| {
            let totals = &reviewer.totals;
            let labels = totals.disagreements.iter();
            let labels = labels.map(|(label, images)| json!({ "label": label, "images": images }));
            json!({
                "reviewer": name,
                "images": totals.reviewed,
                "entries": reviewer.entries,
                "sittings": reviewer.times.sittings,
                "first_at": reviewer.first_at,
                "last_at": reviewer.last_at,
                "read_blinded": totals.called,
                "agree": totals.agree,
                "disagree": totals.disagree,
                "unsure": totals.unsure,
                "disagreements": labels.collect::<Vec<_>>(),
                "key_images": totals.key_images,
                "notes": totals.notes,
                "marked": totals.marked,
                "median_ms": reviewer.times.median().map(|time| time.as_millis() as u64),
            })
        });
        json!({ "reviewers": reviewers.collect::<Vec<_>>() })
    }
}

/// The day of a time as the tables write it: `2026-01-31`.
fn day(at: &str) -> &str {
    at.split('T').next().unwrap_or(at)
}

/// How long a reader took from the last entry on one image to the last entry on the next one. The log has no time of
/// looking at an image that was not read blinded.
#[derive(Default)]
struct ImageTimes {
    sittings: usize,
    times: Vec<Duration>,
    /// The image of the last entry and its time, and the time of the last entry on the image before.
    now: Option<(String, Duration)>,
    before: Option<Duration>,
}

impl ImageTimes {
    fn add(&mut self, review: &ReviewTime) {
        let at = review.at;
        let Some((image, last)) = &mut self.now else {
            self.sittings = 1;
            self.now = Some((review.image.clone(), at));
            return;
        };
        // A review that waited for its store, or a clock that was set back, is no pause.
        let is_pause = at.saturating_sub(*last) > LONGEST_PAUSE;
        if *image == review.image && !is_pause {
            *last = at;
            return;
        }
        let last = *last;
        self.end_image(last);
        self.before = Some(last).filter(|_| !is_pause);
        self.sittings += usize::from(is_pause);
        self.now = Some((review.image.clone(), at));
    }

    fn end_image(&mut self, last: Duration) {
        let took = self.before.and_then(|before| last.checked_sub(before));
        self.times.extend(took);
    }

    fn median(&self) -> Option<Duration> {
        let last = self.now.as_ref().zip(self.before);
        let last = last.and_then(|((_, last), before)| last.checked_sub(before));
        median_time(self.times.iter().copied().chain(last).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(entries: &[(&str, u64)]) -> ImageTimes {
        let mut times = ImageTimes::default();
        for (image, seconds) in entries {
            times.add(&ReviewTime {
                reviewer: "ann".into(),
                image: (*image).into(),
                at: Duration::from_secs(*seconds),
            });
        }
        times
    }

    #[test]
    fn an_image_takes_from_the_last_entry_on_the_one_before_to_its_own_last() {
        let all = times(&[("a", 10), ("b", 15), ("b", 20), ("c", 24), ("a", 30)]);
        assert_eq!(all.sittings, 1);
        // b 10, c 4, a again 6; the first has nothing before it.
        assert_eq!(all.median(), Some(Duration::from_secs(6)));
        assert_eq!(times(&[]).median(), None);
        assert_eq!(times(&[("a", 10), ("a", 15)]).median(), None);
    }

    #[test]
    fn a_pause_is_no_time_of_an_image_and_begins_another_sitting() {
        let all = times(&[("a", 10), ("b", 16), ("c", 10_000), ("d", 10_008)]);
        assert_eq!(all.sittings, 2);
        assert_eq!(all.median(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_time() {
        let all = times(&[("a", 100), ("b", 90), ("c", 95)]);
        assert_eq!(
            (all.sittings, all.median()),
            (1, Some(Duration::from_secs(5)))
        );
    }
}
