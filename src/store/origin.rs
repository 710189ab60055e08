//! The patient, the study and the time of an image.
//!
//! ```text
//! identity = { issuer, universal, name, birth_date, sex }
//! ```
//!
//! Members that the file does not have are left out. `name` and `birth_date` are fingerprints, in
//! hexadecimal digits: the store holds neither names nor birth dates (see [`Fingerprint`]). `sex` is `F` or
//! `M`. Earlier versions wrote no `sex`, and fingerprints of placeholders: such an identity is replaced when
//! the file is read again.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::stored::{StoredSex, from_word, to_word};
use super::{Store, StoreError};
use crate::domain::{Fingerprint, ImageIdentity, Issuer, Origin, PatientIdentity};

impl Store {
    /// Patient, study and time of an image. `None` where they are not all known, or were written by an
    /// earlier version: the file has to be read for them.
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

/// Writes patient, study and time over an incomplete or an earlier entry. The time is empty where the file
/// has none, so that the file is not read again for it.
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

#[derive(Serialize, Deserialize)]
struct StoredIdentity {
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    universal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    birth_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sex: Option<String>,
}

fn write_identity(patient: &PatientIdentity) -> String {
    let digits = |Fingerprint(bits): Fingerprint| format!("{bits:016x}");
    let stored = StoredIdentity {
        issuer: patient.issuer.local.clone(),
        universal: patient.issuer.universal.clone(),
        name: patient.name.map(digits),
        birth_date: patient.birth_date.map(digits),
        sex: patient.sex.map(|sex| to_word(StoredSex::from(sex))),
    };
    json!(stored).to_string()
}

/// `None` if it cannot be read.
fn read_identity(id: Option<String>, text: &str) -> Option<PatientIdentity> {
    let stored: StoredIdentity = serde_json::from_str(text).ok()?;
    let fingerprint = |digits: Option<String>| match digits {
        None => Some(None),
        Some(digits) => {
            let bits = u64::from_str_radix(&digits, 16).ok()?;
            Some(Some(Fingerprint(bits)))
        }
    };
    Some(PatientIdentity {
        id,
        issuer: Issuer {
            local: stored.issuer,
            universal: stored.universal,
        },
        name: fingerprint(stored.name)?,
        birth_date: fingerprint(stored.birth_date)?,
        sex: stored
            .sex
            .as_deref()
            .and_then(from_word::<StoredSex>)
            .map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Sex;

    #[test]
    fn the_text_of_an_identity_stays_what_it_is() {
        let full = PatientIdentity {
            id: Some("P7".into()),
            issuer: Issuer {
                local: Some("HOSPITAL".into()),
                universal: Some("1.2.3".into()),
            },
            name: Some(Fingerprint(0xaa)),
            birth_date: Some(Fingerprint(u64::MAX)),
            sex: Some(Sex::Female),
        };
        let text = concat!(
            r#"{"birth_date":"ffffffffffffffff","issuer":"HOSPITAL","name":"00000000000000aa","#,
            r#""sex":"F","universal":"1.2.3"}"#,
        );
        assert_eq!(write_identity(&full), text);
        assert_eq!(read_identity(Some("P7".into()), text), Some(full));
        assert_eq!(write_identity(&PatientIdentity::default()), "{}");
    }
}
