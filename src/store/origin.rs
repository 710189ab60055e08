//! Whose image it is and when it was taken, beside its content.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Store, StoreError};
use crate::domain::{ImageIdentity, Origin};

impl Store {
    /// What the file of an image says of its patient. `None` where nobody has asked it for all of
    /// that.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn origin(&self, image: &str) -> Result<Option<Origin>, StoreError> {
        let sql = "SELECT patient_id, study_uid, taken FROM image
            WHERE sha256 = ? AND taken IS NOT NULL";
        let found = self.connection.query_row(sql, [image], |row| {
            Ok(Origin {
                patient: row.get(0)?,
                study: row.get(1)?,
                taken: Some(row.get(2)?).filter(|taken: &String| !taken.is_empty()),
            })
        });
        self.read(found.optional())
    }
}

/// Empty where the file does not say, so that nobody asks again. Whoever wrote a review first may not
/// have known the rest.
pub fn put_origin(
    change: &Transaction,
    image: &ImageIdentity,
    taken: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "UPDATE image SET taken = ?, study_uid = ?, series_uid = ?, sop_uid = ?,
        patient_id = ? WHERE sha256 = ? AND taken IS NULL";
    let values = params![
        taken.unwrap_or_default(),
        image.uids.study,
        image.uids.series,
        image.uids.sop_instance,
        image.patient_id,
        image.sha256,
    ];
    change.prepare_cached(sql)?.execute(values).map(drop)
}
