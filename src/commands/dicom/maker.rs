//! From the options to the maker of objects: what is said of patients, and how UIDs begin.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;

use crate::cli::ObjectArguments;
use crate::commands::shared::{Usage, date};
use crate::dicom::{
    DicomError, ModelDevice, Moment, NewUids, ObjectMaker, PatientPolicy, PseudonymKey, UidRoot,
};
use crate::domain::ModelCard;
use crate::export::path_text;

/// The longest key that is read. Longer ones are no more secret.
const LONGEST_KEY: u64 = 4096;
/// Bits of a file's mode that let others read it.
const OTHERS: u32 = 0o077;

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
        Some(path) => key(path).map_err(|reason| {
            Usage::error(format!("--pseudonym-key {}: {reason}", path_text(path)))
        })?,
    };
    Ok(PatientPolicy::Pseudonyms {
        key,
        keeps_uids: arguments.keep_uids,
    })
}

/// The key in a file, or why there is none.
fn key(path: &Path) -> Result<PseudonymKey, String> {
    let fail = |error: std::io::Error| error.kind().to_string();
    let metadata = std::fs::metadata(path).map_err(fail)?;
    // A pipe or a device would be waited for.
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.permissions().mode() & OTHERS != 0 {
        let name = path_text(path);
        return Err(format!(
            "others can read it, and with it find patients by their pseudonyms; chmod 600 {name}"
        ));
    }
    let mut secret = Vec::new();
    let file = File::open(path).map_err(fail)?;
    let longest = LONGEST_KEY + 1;
    file.take(longest).read_to_end(&mut secret).map_err(fail)?;
    if secret.len() as u64 > LONGEST_KEY {
        return Err(format!("a key has at most {LONGEST_KEY} bytes"));
    }
    PseudonymKey::new(&secret).map_err(|error: DicomError| error.to_string())
}
