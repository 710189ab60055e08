//! Which model's answer a verdict is about: the one that was on the screen when the verdict was given. A later row, such
//! as a flag, repeats the verdict beside the answer that was on the screen then.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::seen::{AnswerSeen, answer_seen};
use super::stored::{StoredAct, StoredVerdict, to_word};
use super::{Store, StoreError};
use crate::domain::{ContentId, Opinion};

/// The answer that the verdict in a reader's opinion of an image is about; `None` without a verdict, or where the log does
/// not tell. After an undo that is the one of the verdict that stands again.
pub fn answer_judged(
    connection: &Connection,
    (reviewer, image): (&str, &str),
    opinion: &Opinion,
) -> rusqlite::Result<Option<AnswerSeen>> {
    let Some(verdict) = opinion.verdict else {
        return Ok(None);
    };
    let sql = "SELECT seen FROM review
        WHERE (reviewer, image) = (?, ?) AND act = ? AND verdict = ? AND label IS ?
        ORDER BY id DESC LIMIT 1";
    let (act, verdict) = (
        to_word(StoredAct::Judged),
        to_word(StoredVerdict::from(verdict)),
    );
    let values = params![reviewer, image, act, verdict, opinion.label];
    let mut statement = connection.prepare_cached(sql)?;
    let seen: Option<String> = statement.query_row(values, |row| row.get(0)).optional()?;
    Ok(seen.as_deref().and_then(answer_seen))
}

impl Store {
    /// The SHA-256 of the model whose answer the verdict in this reader's opinion of an image is about; `None` without a
    /// verdict, or where the log does not tell.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn judged_model(
        &self,
        reviewer: &str,
        image: ContentId,
        opinion: &Opinion,
    ) -> Result<Option<String>, StoreError> {
        let image = image.to_string();
        let found = answer_judged(&self.connection, (reviewer, &image), opinion);
        Ok(self.read(found)?.map(|answer| answer.model_sha256))
    }

    /// The same for all images that this reader has given a verdict on, by the SHA-256 of the image.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn judged_models(&self, reviewer: &str) -> Result<HashMap<String, String>, StoreError> {
        const SQL: &str = "SELECT judged.image, judged.seen FROM review AS last
            JOIN review AS judged ON (judged.reviewer, judged.image) = (last.reviewer, last.image)
                AND judged.act = ?2 AND judged.verdict = last.verdict AND judged.label IS last.label
            WHERE last.id IN (SELECT max(id) FROM review WHERE reviewer = ?1 GROUP BY image)
            ORDER BY judged.id";
        let read = self.connection.prepare(SQL).and_then(|mut statement| {
            let mut models = HashMap::new();
            let mut rows = statement.query(params![reviewer, to_word(StoredAct::Judged)])?;
            // The last row of an image counts.
            while let Some(row) = rows.next()? {
                let (image, seen): (String, String) = (row.get(0)?, row.get(1)?);
                match answer_seen(&seen) {
                    Some(answer) => models.insert(image, answer.model_sha256),
                    None => models.remove(&image),
                };
            }
            Ok(models)
        });
        self.read(read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entry, prediction};
    use super::super::{LogLine, ReviewEntry};
    use super::*;
    use crate::domain::{Act, OpinionChange, Prediction, Prevalence, Verdict};

    /// A review of the first image while a model's answer is on the screen.
    fn review(number: u64, act: Act, change: OpinionChange, answer: Prediction) -> ReviewEntry {
        let mut entry = entry(1, "agree");
        entry.token = number.to_string();
        entry.review.at += std::time::Duration::from_secs(number);
        entry.review.act = act;
        entry.review.change = change;
        entry.review.seen.prediction = Some(answer);
        entry
    }

    fn judged(number: u64, verdict: Verdict, answer: Prediction) -> ReviewEntry {
        let opinion = Opinion {
            verdict: Some(verdict),
            ..Opinion::default()
        };
        review(number, Act::Judged, OpinionChange::to(&opinion), answer)
    }

    fn by(model: &str) -> Prediction {
        Prediction {
            model_sha256: model.into(),
            ..prediction()
        }
    }

    /// What the log says now, asked in each of the ways.
    fn model(store: &Store) -> Option<String> {
        let image = entry(1, "agree").image.sha256;
        let content = image.parse().unwrap();
        let opinion = store.standing("ann", content).unwrap().unwrap();
        let one = store.judged_model("ann", content, &opinion).unwrap();
        let all = store.judged_models("ann").unwrap();
        assert_eq!(all.get(&image), one.as_ref());
        one
    }

    #[test]
    fn the_same_verdict_on_the_answer_of_another_model_is_a_review_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("reviews.sqlite")).unwrap();
        let rarer = |share| {
            let mut answer = by("new");
            let calibrated = answer.findings[0].calibrated.as_mut().unwrap();
            calibrated.prevalence = Prevalence::new(share).unwrap();
            answer
        };
        let renewed = Prediction {
            preprocess: "cxr-2".into(),
            ..rarer(0.01)
        };
        let mut rows = Vec::new();
        let answers = [by("old"), by("new"), rarer(0.01), renewed];
        for (number, answer) in (0..).zip(answers) {
            for again in [0, 1] {
                let entry = judged(2 * number + again, Verdict::Agree, answer.clone());
                rows.push(store.append(&entry).unwrap().row);
            }
        }
        assert_eq!(rows, [1, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(store.verify().unwrap().faults, []);
    }

    #[test]
    fn a_verdict_is_about_the_model_that_was_judged_and_not_the_one_of_a_later_row() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("reviews.sqlite")).unwrap();
        let merged = store.append(&judged(1, Verdict::Agree, by("old"))).unwrap();
        assert_eq!(merged.judged_model.as_deref(), Some("old"));
        let flag = OpinionChange::to(&Opinion {
            key_image: true,
            ..Opinion::default()
        });
        let flagged = review(2, Act::Flagged, flag, by("new"));
        let merged = store.append(&flagged).unwrap();
        assert_eq!(merged.judged_model.as_deref(), Some("old"));
        assert_eq!(model(&store).as_deref(), Some("old"));
        // Unsure about the new one's answer, and taken back: the verdict on the old one's stands again.
        let unsure = store
            .append(&judged(3, Verdict::Unsure, by("new")))
            .unwrap();
        assert_eq!(model(&store).as_deref(), Some("new"));
        let back = OpinionChange::between(&unsure.opinion, &unsure.before);
        let undone = review(4, Act::Undone, back, by("new"));
        assert_eq!(
            store.append(&undone).unwrap().judged_model.as_deref(),
            Some("old")
        );
        assert_eq!(model(&store).as_deref(), Some("old"));
        // A verdict that waited in a file takes back no newer one, nor what it is about.
        store.append(&judged(9, Verdict::Agree, by("new"))).unwrap();
        let late = LogLine {
            is_late: true,
            ..LogLine::from(&judged(5, Verdict::Disagree, by("old")))
        };
        store.append_line(&late).unwrap();
        assert_eq!(model(&store).as_deref(), Some("new"));
    }
}
