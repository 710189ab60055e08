//! Whose answers a reader had seen before they read the image blinded, as the log tells: a call after
//! that is no unaided one.

use std::collections::HashSet;

use super::{Store, StoreError};

/// Of each reader and image the entries before the first call, or all where there is none: with a
/// verdict, which nothing but an answer can get, or with an answer on the screen.
const SQL: &str = "
SELECT DISTINCT review.reviewer, review.image FROM review
LEFT JOIN (SELECT reviewer, image, min(id) AS id FROM review WHERE calls IS NOT NULL
    GROUP BY reviewer, image) AS call
    ON call.reviewer = review.reviewer AND call.image = review.image
WHERE (call.id IS NULL OR review.id < call.id)
    AND (review.verdict IS NOT NULL
        OR (json_valid(review.seen) AND json_extract(review.seen, '$.prediction') IS NOT NULL))";

impl Store {
    /// Readers with the SHA-256 of an image whose answer they had seen before their first call, or have
    /// seen without any. What was looked at and not judged, flagged or noted is not in the log.
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
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;
    use crate::domain::{BlindedReading, Opinion, OpinionChange, Seen, Verdict};

    #[test]
    fn an_answer_counts_as_seen_from_a_verdict_or_a_look_before_the_first_call() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("reviews.sqlite")).unwrap();
        let mut number = 0;
        // What the image is, whether a verdict was given, an answer shown, and a call made.
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
        // A flag beside the answer, and then a call.
        let looked = say(2, false, true, false);
        say(2, false, false, true);
        // Called first: what comes after is no secret.
        say(3, false, false, false);
        say(3, false, false, true);
        say(3, true, true, true);
        // Never read blinded.
        let unblinded = say(4, true, true, false);
        let found = store.answers_seen().unwrap();
        let expected = [judged, looked, unblinded].map(|image| ("ann".to_owned(), image));
        assert_eq!(found, HashSet::from(expected));
    }
}
