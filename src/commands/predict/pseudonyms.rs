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
use crate::domain::{Origin, Radiograph};
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
            read(path).map_or_else(
                |_| RowPseudonyms::default(),
                |header| self.whose(&FilmOwner::of_header(&header)),
            )
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
