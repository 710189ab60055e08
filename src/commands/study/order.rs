//! Whether the log of a study tells of sittings and calls in an order that the design allows: times that run backwards,
//! a second sitting before the wash-out was over, and a first one that went on after the second was opened.

use crate::commands::shared::date::minute_of;
use crate::commands::shared::study::{CLOCK_SLACK_MS, DAY_MS, is_of_sitting};
use crate::store::{ReviewTime, StudyEvent, StudyRegistration, study_event};

/// Entries whose times run backwards are named one by one up to this number; the rest are counted.
const NAMED: usize = 20;

/// The log of a study: its events, and all reviews, each in their order.
pub struct StudyLog<'a> {
    pub events: &'a [StudyEvent],
    pub reviews: &'a [ReviewTime],
}

impl StudyLog<'_> {
    /// One line for each fault.
    pub fn faults(&self, registration: &StudyRegistration, washout_days: u32) -> Vec<String> {
        let mut faults = self.backwards();
        for (first, second) in &registration.second {
            faults.extend(self.faults_of_reader(first, second, washout_days));
        }
        faults
    }

    /// How many reviews stand before an event in the log.
    fn reviews_before(&self, event: &StudyEvent) -> usize {
        let rows = usize::try_from(event.log_rows).unwrap_or(0);
        rows.min(self.reviews.len())
    }

    /// Entries that have an earlier time than what stands before them. An event stands after as many reviews as it noted.
    fn backwards(&self) -> Vec<String> {
        let mut entries: Vec<(i64, String)> = Vec::new();
        let mut row = 0;
        let mut reviews_until = |entries: &mut Vec<(i64, String)>, end: usize| {
            while row < end {
                let review = &self.reviews[row];
                row += 1;
                entries.push((
                    time_of(review),
                    format!("review {row}, of {},", review.reviewer),
                ));
            }
        };
        for (event, number) in self.events.iter().zip(1..) {
            reviews_until(&mut entries, self.reviews_before(event));
            let reader = match event.reader.as_str() {
                "" => String::new(),
                reader => format!(" {reader}"),
            };
            let words = format!("event {number} of the study, {}{reader},", event.event);
            entries.push((event.at_ms, words));
        }
        reviews_until(&mut entries, self.reviews.len());
        let mut latest = i64::MIN;
        let mut faults = Vec::new();
        for (at_ms, words) in entries {
            if at_ms < latest.saturating_sub(CLOCK_SLACK_MS) {
                faults.push(format!(
                    "{words} is of {}, and stands in the log after an entry of {}: a clock was set back, or it waited \
                     in a file",
                    minute_of(at_ms),
                    minute_of(latest)
                ));
            }
            latest = latest.max(at_ms);
        }
        let more = faults.len().saturating_sub(NAMED);
        faults.truncate(NAMED);
        if more > 0 {
            faults.push(format!("and {more} more entries of the log run backwards"));
        }
        faults
    }

    /// What is wrong between the two sittings of a reader.
    fn faults_of_reader(&self, first: &str, second: &str, washout_days: u32) -> Vec<String> {
        let is_opening =
            |event: &StudyEvent| event.event == study_event::SITTING && event.reader == second;
        let Some(at) = self.events.iter().position(is_opening) else {
            return Vec::new();
        };
        let began = &self.events[at];
        let (before, after) = self.reviews.split_at(self.reviews_before(began));
        let is_sitting = |event: &&StudyEvent| event.reader == first && is_of_sitting(event);
        let mut faults = Vec::new();
        let late = after
            .iter()
            .filter(|review| review.reviewer == first)
            .count();
        if late > 0 {
            faults.push(format!(
                "{late} reviews of {first} were written after the sitting of {second} was opened"
            ));
        }
        if self.events[at..].iter().any(|event| is_sitting(&event)) {
            faults.push(format!(
                "the sitting of {first} was still open, or was opened again, after that of {second} was opened"
            ));
        }
        let reviews = before.iter().filter(|review| review.reviewer == first);
        let sat = self.events[..at].iter().filter(is_sitting);
        let last = reviews
            .map(time_of)
            .chain(sat.map(|event| event.at_ms))
            .max();
        let over = last.map(|last| last.saturating_add(i64::from(washout_days) * DAY_MS));
        if let (Some(last), Some(over)) = (last, over)
            && began.at_ms < over
        {
            faults.push(format!(
                "the sitting of {second} was opened at {}, before the wash-out of {washout_days} days was over: {first} \
                 was read until {}",
                minute_of(began.at_ms),
                minute_of(last)
            ));
        }
        faults
    }
}

fn time_of(review: &ReviewTime) -> i64 {
    i64::try_from(review.at.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FIRST: &str = "ann [aided]";
    const SECOND: &str = "ann [unaided]";

    fn day(days: i64) -> i64 {
        1_769_860_800_000 + days * DAY_MS
    }

    fn event(word: &str, reader: &str, days: i64, log_rows: i64) -> StudyEvent {
        StudyEvent {
            at_ms: day(days),
            study: "d".into(),
            reader: reader.into(),
            event: word.into(),
            detail: String::new(),
            log_rows,
            log_head: String::new(),
        }
    }

    fn review(reader: &str, days: i64) -> ReviewTime {
        ReviewTime {
            reviewer: reader.into(),
            image: "ab".repeat(32),
            at: Duration::from_millis(day(days) as u64),
        }
    }

    fn faults(events: &[StudyEvent], reviews: &[ReviewTime]) -> String {
        let registration = StudyRegistration {
            second: [(FIRST.to_owned(), SECOND.to_owned())].into(),
            ..StudyRegistration::default()
        };
        let log = StudyLog { events, reviews };
        log.faults(&registration, 28).join("\n")
    }

    fn events(second: i64) -> [StudyEvent; 4] {
        [
            event(study_event::BEGUN, "", 0, 0),
            event(study_event::SITTING, FIRST, 0, 0),
            event(study_event::LEFT, FIRST, 3, 2),
            event(study_event::SITTING, SECOND, second, 2),
        ]
    }

    #[test]
    fn two_sittings_apart_are_as_they_should_be() {
        let reviews = [review(FIRST, 1), review(FIRST, 2), review(SECOND, 31)];
        assert_eq!(faults(&events(31), &reviews), "");
    }

    /// Counted from the end of the sitting, not from its last call.
    #[test]
    fn a_second_sitting_before_the_end_of_the_wash_out_is_named() {
        let reviews = [review(FIRST, 1), review(FIRST, 2), review(SECOND, 31)];
        let found = faults(&events(30), &reviews);
        assert!(
            found.contains(SECOND) && found.contains("before the wash-out of 28 days was over"),
            "{found}"
        );
        assert_eq!(found.lines().count(), 1, "{found}");
    }

    #[test]
    fn what_the_first_sitting_did_after_the_second_was_opened_is_named() {
        let reviews = [review(FIRST, 1), review(FIRST, 2), review(FIRST, 32)];
        let found = faults(&events(31), &reviews);
        assert!(
            found.contains("1 reviews of ann [aided] were written after"),
            "{found}"
        );
        let mut all = events(31).to_vec();
        all.push(event(study_event::LEFT, FIRST, 33, 2));
        let found = faults(&all, &reviews[..2]);
        assert!(
            found.contains("the sitting of ann [aided] was still open"),
            "{found}"
        );
    }

    /// The clock is set back for the first sitting, so that the second seems to be a month later.
    #[test]
    fn times_that_run_backwards_are_named() {
        let mut all = events(31).to_vec();
        all.push(event(study_event::LEFT, SECOND, 5, 4));
        let reviews = [
            review(FIRST, 1),
            review(FIRST, 2),
            review(SECOND, 31),
            review(SECOND, 4),
        ];
        let found = faults(&all, &reviews);
        for words in [
            "review 4, of ann [unaided],",
            "event 5 of the study, left ann [unaided],",
        ] {
            assert!(found.contains(words), "{words}: {found}");
        }
        assert_eq!(found.lines().count(), 2, "{found}");
        // Clocks of two machines may differ by a little.
        let mut near = events(31);
        near[3].at_ms = day(31) + 30_000;
        assert_eq!(
            faults(
                &near,
                &[review(FIRST, 1), review(FIRST, 2), review(SECOND, 31)]
            ),
            ""
        );
    }

    #[test]
    fn many_such_entries_are_counted() {
        let mut reviews = vec![review("bob", 9)];
        reviews.extend((0..30).map(|_| review("bob", 1)));
        let found = faults(&[], &reviews);
        assert_eq!(found.lines().count(), NAMED + 1);
        assert!(found.ends_with("and 10 more entries of the log run backwards"));
    }
}
