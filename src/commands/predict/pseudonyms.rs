//! `--pseudonym-key`: pseudonyms of patient and study in each row, the same as in the objects of `cxr dicom`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use super::row::RowOutcome;
use crate::cli;
use crate::commands::shared::batch::{ReadHeader, header_readers};
use crate::commands::shared::pseudonym_key;
use crate::dicom::{FilmOwner, PseudonymKey, UidRoot};
use crate::domain::{Origin, Radiograph, SourceHeader};
use crate::export::RowPseudonyms;
use crate::imaging::DecodeLimits;

/// The pseudonyms of a batch, as its threads share them.
pub struct BatchPseudonyms {
    key: PseudonymKey,
    limits: DecodeLimits,
    /// Those of films that were opened, until their rows are made.
    opened: Mutex<HashMap<PathBuf, RowPseudonyms>>,
}

impl BatchPseudonyms {
    /// With the key of the options; `None` if they name none.
    ///
    /// # Errors
    /// [`Usage`](crate::commands::shared::Usage), if the key cannot be used.
    pub fn of(arguments: &cli::Predict, limits: &DecodeLimits) -> Result<Option<Self>> {
        let Some(path) = &arguments.pseudonym_key else {
            return Ok(None);
        };
        Ok(Some(BatchPseudonyms {
            key: pseudonym_key(path)?,
            limits: limits.clone(),
            opened: Mutex::default(),
        }))
    }

    /// The name of the key, for the rows.
    pub fn key_name(&self) -> String {
        self.key.name()
    }

    /// Remembers whose film this is, so that its header need not be read again.
    pub fn note(&self, path: &Path, radiograph: &Radiograph) {
        let origin = Origin::of(radiograph);
        let whose = self.whose(&FilmOwner::of_origin(&origin));
        self.opened().insert(path.to_owned(), whose);
    }

    /// Returns the function with which one thread finds the pseudonyms of its rows. A film that was not opened, because
    /// its answer was known or its picture cannot be read, has a header all the same.
    pub fn thread(&self) -> impl FnMut(&Path, &RowOutcome) -> RowPseudonyms {
        let mut header: Option<ReadHeader> = None;
        move |path, outcome| {
            let noted = self.opened().remove(path);
            if let Some(noted) = noted {
                return noted;
            }
            if !outcome.is_of_film() {
                return RowPseudonyms::default();
            }
            let read = header.get_or_insert_with(|| header_readers(&self.limits)());
            // The file may have been replaced since, by a film of another patient.
            let is_same = |header: &SourceHeader| {
                outcome
                    .content()
                    .is_none_or(|content| content == header.content)
            };
            let header = read(path).ok().filter(is_same);
            header.map_or_else(RowPseudonyms::default, |header| {
                self.whose(&FilmOwner::of_header(&header))
            })
        }
    }

    fn whose(&self, owner: &FilmOwner) -> RowPseudonyms {
        let study = owner.study.filter(|study| !study.is_empty());
        RowPseudonyms {
            patient: self.key.owner(owner),
            study: study.map(|study| self.key.uid(&UidRoot::OfUuid, study)),
        }
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<PathBuf, RowPseudonyms>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::imaging::content_of;

    /// An answer of the cache, for a film that is replaced before its header is read.
    #[test]
    fn a_film_that_was_replaced_has_no_pseudonym() {
        let folder = tempfile::tempdir().unwrap();
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        let film = folder.path().join("film.dcm");
        fs::copy(samples.join("pneumonia_12bit_mono1.dcm"), &film).unwrap();
        let limits = DecodeLimits::default();
        let pseudonyms = BatchPseudonyms {
            key: PseudonymKey::new(&[7; 32]).unwrap(),
            limits: limits.clone(),
            opened: Mutex::default(),
        };
        let mut whose = pseudonyms.thread();
        let skipped = RowOutcome::Skipped {
            kind: "a report".to_owned(),
            content: content_of(&film, &limits).unwrap(),
        };
        assert!(whose(&film, &skipped).study.is_some());
        fs::copy(samples.join("covid_like_ap.dcm"), &film).unwrap();
        assert_eq!(whose(&film, &skipped), RowPseudonyms::default());
    }
}
