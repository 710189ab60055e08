//! Whose image it is and when it was taken, beside its content.
//!
//! ```text
//! identity = { issuer, universal, name, birth_date, sex }
//! ```
//!
//! `name` and `birth_date` are prints, in hexadecimal; `sex` is `F` or `M`. Earlier versions wrote no
//! `sex`, and prints of names that are no names: what the file says today takes its place.
//!
//! No name and no birth date is kept: see [`Fingerprint`].

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::{Map, Value};

use super::{Store, StoreError};
use crate::domain::{Fingerprint, ImageIdentity, Issuer, Origin, PatientIdentity, Sex};

impl Store {
    /// What the file of an image says of its patient. `None` where it was not asked for all of that,
    /// or by an earlier version of cxr: then the file has to be asked again.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn origin(&self, image: &str) -> Result<Option<Origin>, StoreError> {
        let sql = "SELECT patient_id, study_uid, taken, identity FROM image
            WHERE sha256 = ? AND taken IS NOT NULL AND identity IS NOT NULL";
        let found = self.connection.query_row(sql, [image], |row| {
            let (id, identity): (_, String) = (row.get(0)?, row.get(3)?);
            let taken: String = row.get(2)?;
            let study = row.get(1)?;
            Ok(read_identity(id, &identity).map(|patient| Origin {
                patient,
                study,
                taken: Some(taken).filter(|taken| !taken.is_empty()),
            }))
        });
        self.read(found.optional().map(Option::flatten))
    }
}

/// Empty where the file does not say, so that it is not asked again. What was written with a review
/// may have been less, and so may what an earlier version made of the same file.
pub fn put_origin(
    change: &Transaction,
    image: &ImageIdentity,
    origin: &Origin,
) -> rusqlite::Result<()> {
    let sql = "UPDATE image SET taken = ?, study_uid = ?, series_uid = ?, sop_uid = ?,
        patient_id = ?, identity = ?6 WHERE sha256 = ?
        AND (taken IS NULL OR identity IS NULL OR identity <> ?6)";
    let values = params![
        origin.taken.as_deref().unwrap_or_default(),
        image.uids.study,
        image.uids.series,
        image.uids.sop_instance,
        image.patient_id,
        write_identity(&origin.patient),
        image.sha256,
    ];
    change.prepare_cached(sql)?.execute(values).map(drop)
}

fn write_identity(patient: &PatientIdentity) -> String {
    let print = |print: Option<Fingerprint>| print.map(|Fingerprint(bits)| format!("{bits:016x}"));
    let said = [
        ("issuer", patient.issuer.local.clone()),
        ("universal", patient.issuer.universal.clone()),
        ("name", print(patient.name)),
        ("birth_date", print(patient.birth_date)),
        ("sex", patient.sex.map(|sex| sex.code().to_owned())),
    ];
    let said = said.into_iter();
    let members: Map<String, Value> = said
        .filter_map(|(member, text)| Some((member.to_owned(), text?.into())))
        .collect();
    Value::Object(members).to_string()
}

/// `None` if it cannot be read.
fn read_identity(id: Option<String>, text: &str) -> Option<PatientIdentity> {
    let said: Map<String, Value> = serde_json::from_str(text).ok()?;
    let text = |member: &str| match said.get(member) {
        None => Some(None),
        Some(text) => text.as_str().map(|text| Some(text.to_owned())),
    };
    let print = |member: &str| match text(member)? {
        None => Some(None),
        Some(text) => u64::from_str_radix(&text, 16)
            .ok()
            .map(|bits| Some(Fingerprint(bits))),
    };
    Some(PatientIdentity {
        id,
        issuer: Issuer {
            local: text("issuer")?,
            universal: text("universal")?,
        },
        name: print("name")?,
        birth_date: print("birth_date")?,
        sex: text("sex")?.as_deref().and_then(Sex::said),
    })
}
