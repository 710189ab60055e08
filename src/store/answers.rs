//! Images whose answer a reader had seen before they read the image blinded: a call after that is not an
//! unaided call. The log holds the answers that were on the screen at a review. A table of its own, which
//! no chain protects, holds the other answers that were shown.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::params;

use super::{Store, StoreError};
use crate::domain::ContentId;

/// How long a write waits for other processes. An answer that was shown is not worth a longer wait at the
/// end of the program.
const PATIENCE: Duration = Duration::from_millis(500);

/// Readers and images with a review before the first call (or any review, without a call) that shows that the
/// answer was seen: a verdict, which is always about an answer, or an answer on the screen.
const SQL: &str = "
SELECT DISTINCT review.reviewer, review.image FROM review
LEFT JOIN (SELECT reviewer, image, min(id) AS id FROM review WHERE calls IS NOT NULL
    GROUP BY reviewer, image) AS call
    ON call.reviewer = review.reviewer AND call.image = review.image
WHERE (call.id IS NULL OR review.id < call.id)
    AND (review.verdict IS NOT NULL
        OR (json_valid(review.seen) AND json_extract(review.seen, '$.prediction') IS NOT NULL))
UNION
SELECT answer_shown.reviewer, answer_shown.image FROM answer_shown
LEFT JOIN (SELECT reviewer, image, min(at_ms) AS at_ms FROM review WHERE calls IS NOT NULL
    GROUP BY reviewer, image) AS call
    ON call.reviewer = answer_shown.reviewer AND call.image = answer_shown.image
WHERE call.at_ms IS NULL OR answer_shown.first_ms < call.at_ms";

impl Store {
    /// Reader and SHA-256 of each image whose answer the reader saw before their first call, or saw without a
    /// call. Answers that earlier versions showed are known only where the image was reviewed.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn answers_seen(&self) -> Result<HashSet<(String, String)>, StoreError> {
        let found = self.connection.prepare(SQL).and_then(|mut statement| {
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        });
        self.read(found)
    }

    /// Whether [`Store::answers_seen`] holds this reader and this image.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn was_answer_seen(&self, reviewer: &str, image: ContentId) -> Result<bool, StoreError> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM ({SQL}) WHERE (reviewer, image) = (?, ?))");
        let found = self
            .connection
            .prepare_cached(&sql)
            .and_then(|mut statement| {
                statement.query_row([reviewer, &image.to_string()], |row| row.get(0))
            });
        self.read(found)
    }

    /// Notes that the answers for these images were on this reader's screen at that time.
    ///
    /// # Errors
    /// If it cannot be written within half a second.
    pub fn note_answers_shown(
        &mut self,
        reviewer: &str,
        images: &[ContentId],
        at: SystemTime,
    ) -> Result<(), StoreError> {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        self.write_within(PATIENCE, |change| {
            let sql = "INSERT OR IGNORE INTO answer_shown VALUES (?, ?, ?)";
            let mut statement = change.prepare_cached(sql)?;
            for image in images {
                statement.execute(params![reviewer, image.to_string(), at_ms])?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;
    use crate::domain::{BlindedReading, Opinion, OpinionChange, Seen, Verdict};

    #[test]
    fn an_answer_counts_as_seen_by_a_verdict_or_on_the_screen_before_the_first_call() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("reviews.sqlite")).unwrap();
        let mut number = 0;
        // The image, and whether there is a verdict, an answer on the screen, and a call.
        let mut say = |image: u64, verdict: bool, answer: bool, call: bool| {
            let mut row = entry(image, "agree");
            number += 1;
            row.token = number.to_string();
            let seen = row
                .review
                .seen
                .prediction
                .clone()
                .or(row.prediction.clone());
            assert!(seen.is_some());
            row.review.seen = Seen {
                prediction: seen.filter(|_| answer),
                ..Seen::default()
            };
            row.review.change = OpinionChange::to(&Opinion {
                verdict: verdict.then_some(Verdict::Agree),
                blinded: call.then(BlindedReading::default),
                ..Opinion::default()
            });
            store.append(&row).unwrap();
            row.image.sha256
        };
        let judged = say(1, true, true, false);
        say(1, true, false, true);
        // A flag with the answer on the screen, and then a call.
        let looked = say(2, false, true, false);
        say(2, false, false, true);
        // The call first: an answer after it does not matter.
        say(3, false, false, false);
        say(3, false, false, true);
        say(3, true, true, true);
        // Never read blinded.
        let unblinded = say(4, true, true, false);
        // The answer was only shown: before a call, after it, and without one.
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let id = |text: &str| text.parse::<ContentId>().unwrap();
        let mut look = |image: u64, seconds| {
            let image = entry(image, "agree").image.sha256;
            let shown = store.note_answers_shown("ann", &[id(&image)], at(seconds));
            shown.map(|()| image).unwrap()
        };
        let (early, late) = (0, 1 << 40);
        let before = look(5, early);
        look(5, late);
        look(6, late);
        let without = look(7, late);
        let mut call = |image| {
            let mut row = entry(image, "agree");
            row.token = format!("call {image}");
            row.review.seen = Seen::default();
            row.review.change = OpinionChange::to(&Opinion {
                blinded: Some(BlindedReading::default()),
                ..Opinion::default()
            });
            store.append(&row).unwrap();
        };
        call(5);
        call(6);
        let found = store.answers_seen().unwrap();
        let expected = [judged, looked, unblinded, before, without];
        let expected = expected.map(|image| ("ann".to_owned(), image));
        assert_eq!(found, HashSet::from(expected));
        for image in (1..=7).map(|image| entry(image, "agree").image.sha256) {
            let is_seen = store.was_answer_seen("ann", id(&image)).unwrap();
            assert_eq!(is_seen, found.contains(&("ann".to_owned(), image)));
        }
    }
}
