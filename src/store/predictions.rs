//! The predictions of models, one for each image, model and preprocessing.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

use super::line::ModelAnswer;
use super::origin::put_origin;
use super::{Store, StoreError, cached, json_column, put_image};
use crate::domain::{ContentId, ImageIdentity, Origin, Prediction};

impl Store {
    /// Keeps a prediction in place of an earlier one, without the parts that only the cache needs.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(
        &mut self,
        image: &ImageIdentity,
        prediction: &Prediction,
    ) -> Result<(), StoreError> {
        let answer = ModelAnswer::new(prediction);
        self.write(|change| {
            put_image(change, image)?;
            put_prediction(change, &image.sha256, &answer)
        })
    }

    /// Keeps a prediction so that [`cached_prediction`](Self::cached_prediction) returns it, without its
    /// activation map, together with the patient, study and time of the image. `basis` stands for everything
    /// beside the image that the prediction depends on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn cache_prediction(
        &mut self,
        image: &ImageIdentity,
        origin: &Origin,
        prediction: &Prediction,
        basis: &str,
    ) -> Result<(), StoreError> {
        let answer = ModelAnswer {
            answer: cached::write(prediction, basis).to_string(),
            ..ModelAnswer::new(prediction)
        };
        self.write(|change| {
            put_image(change, image)?;
            put_origin(change, image, origin)?;
            put_answer(change, &image.sha256, &answer)
        })
    }

    /// The cached prediction for an image. `None` if there is none, or one with another basis.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn cached_prediction(
        &self,
        image: ContentId,
        model: &str,
        preprocess: &str,
        basis: &str,
    ) -> Result<Option<Prediction>, StoreError> {
        let answer = self.prediction(&image.to_string(), model, preprocess)?;
        Ok(answer.and_then(|answer| cached::read(&answer, image, basis)))
    }

    /// The prediction of a model for an image, if there is one, as JSON: see `seen` and `cached` for its
    /// members.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn prediction(
        &self,
        image: &str,
        model: &str,
        preprocess: &str,
    ) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT answer FROM prediction WHERE (image, model, preprocess) = (?, ?, ?)";
        let found = self
            .connection
            .query_row(sql, [image, model, preprocess], |row| json_column(row, 0))
            .optional();
        self.read(found)
    }

    /// The last prediction of a model for an image, with any preprocessing, as [`Store::prediction`].
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn last_prediction(&self, image: &str, model: &str) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT answer FROM prediction WHERE (image, model) = (?, ?)
            ORDER BY rowid DESC LIMIT 1";
        let found = self
            .connection
            .query_row(sql, [image, model], |row| json_column(row, 0))
            .optional();
        self.read(found)
    }
}

/// Writes an answer, unless the same answer is there already: the cached parts beside it stay then.
pub fn put_prediction(
    change: &Transaction,
    image: &str,
    answer: &ModelAnswer,
) -> rusqlite::Result<()> {
    let sql = "SELECT answer FROM prediction WHERE (image, model, preprocess) = (?, ?, ?)";
    let known = change
        .prepare_cached(sql)?
        .query_row([image, &answer.model, &answer.preprocess], |row| {
            json_column(row, 0)
        })
        .optional()?;
    if known.is_some_and(|known| cached::has_answer(&known, &answer.answer)) {
        return Ok(());
    }
    put_answer(change, image, answer)
}

fn put_answer(change: &Transaction, image: &str, answer: &ModelAnswer) -> rusqlite::Result<()> {
    let sql = "INSERT INTO prediction VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET answer = excluded.answer WHERE answer <> excluded.answer";
    let values = params![image, answer.model, answer.preprocess, answer.answer];
    change.prepare_cached(sql)?.execute(values).map(drop)
}
