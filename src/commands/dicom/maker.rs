//! From the options to the maker of objects: what is said of patients, and how UIDs begin.

use std::path::Path;

use anyhow::Result;

use crate::cli::ObjectArguments;
use crate::commands::shared::{Usage, date, pseudonym_key};
use crate::dicom::{
    ModelDevice, Moment, NewUids, ObjectMaker, PatientPolicy, PseudonymKey, UidRoot,
};
use crate::domain::ModelCard;
use crate::export::path_text;

/// The maker of the objects that were asked for. `card` is of the model that has a part in them.
///
/// # Errors
/// [`Usage`], if the key cannot be used or no UID can begin with the root.
pub fn maker(arguments: &ObjectArguments, card: Option<&ModelCard>) -> Result<ObjectMaker> {
    let root = match &arguments.uid_root {
        None => UidRoot::OfUuid,
        Some(root) => UidRoot::assigned(root).map_err(|error| {
            let shown = path_text(Path::new(root));
            Usage::error(format!("--uid-root {shown}: {error}"))
        })?,
    };
    let (date, time) = date::now_in_dicom();
    Ok(ObjectMaker {
        policy: policy(arguments)?,
        uids: NewUids::below(root),
        moment: Moment { date, time },
        model: card.map(|card| ModelDevice {
            name: card.name.clone(),
            version: card.version.clone(),
            sha256: card.sha256.clone(),
        }),
    })
}

fn policy(arguments: &ObjectArguments) -> Result<PatientPolicy> {
    if arguments.with_patient {
        return Ok(PatientPolicy::Copied);
    }
    let key = match &arguments.pseudonym_key {
        None => PseudonymKey::random()?,
        Some(path) => pseudonym_key(path)?,
    };
    Ok(PatientPolicy::Pseudonyms {
        key,
        keeps_uids: arguments.keep_uids,
    })
}
