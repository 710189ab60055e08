//! Whose images readings are of: the patients of the manifest, or else those of the files' headers.

use std::collections::{BTreeSet, HashMap};

use super::readings::ReaderRow;
use super::references::ReferenceCases;
use crate::evaluation::tables::counted;

/// Gives readings the patients of the manifest. Where it has none for an image, the patient is that of the other images of the
/// same person by their files, and else what the files tell stands.
pub fn name_patients(readings: &mut [ReaderRow], references: &ReferenceCases) {
    let named: Vec<Option<String>> = readings
        .iter()
        .map(|reading| {
            let case = references.of_image(&reading.word.image)?;
            case.has_patient().then(|| case.patient.clone())
        })
        .collect();
    let mut of_cluster: HashMap<String, String> = HashMap::new();
    for (reading, name) in readings.iter().zip(&named) {
        if let Some(name) = name {
            let first = of_cluster.entry(reading.cluster.clone());
            first.or_insert_with(|| name.clone());
        }
    }
    for (reading, name) in readings.iter_mut().zip(named) {
        if let Some(name) = name.or_else(|| of_cluster.get(&reading.cluster).cloned()) {
            reading.cluster = name;
            reading.is_own_patient = false;
        }
    }
}

/// A note on the images whose patient is not known, if there are such.
pub fn without_patients(readings: &[ReaderRow]) -> Option<String> {
    let images = |own: bool| {
        let rows = readings.iter().filter(|r| !own || r.is_own_patient);
        rows.map(|r| &r.word.image.sha256)
            .collect::<BTreeSet<_>>()
            .len()
    };
    let (without, all) = (images(true), images(false));
    (without > 0).then(|| {
        format!(
            "{without} of {} have no patient, neither in their files nor in a manifest, so each of these\n\
             (or the images of one DICOM study) counts as a patient of its own. If patients have several of them, intervals are\n\
             too narrow and p is too small.",
            counted(all, "image")
        )
    })
}
