//! Synthetic films: the DICOM files of `samples/` again and again, each with UIDs of its own.

use std::fs;
use std::path::Path;

use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_object::open_file;

const SAMPLES: [&str; 3] = [
    "clear_16bit.dcm",
    "covid_like_ap.dcm",
    "pneumonia_12bit_mono1.dcm",
];

/// Writes `count` films into a folder: two in each study. The names begin with their study's number.
pub fn write(folder: &Path, count: usize) {
    fs::create_dir_all(folder).unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    for nth in 0..count {
        let mut film = open_file(samples.join(SAMPLES[nth % SAMPLES.len()])).unwrap();
        let study = nth / 2;
        let instance = format!("2.25.9000{nth}");
        for (tag, representation, value) in [
            (tags::SOP_INSTANCE_UID, VR::UI, instance.clone()),
            (
                tags::SERIES_INSTANCE_UID,
                VR::UI,
                format!("2.25.8000{study}"),
            ),
            (
                tags::STUDY_INSTANCE_UID,
                VR::UI,
                format!("2.25.7000{study}"),
            ),
            (tags::PATIENT_ID, VR::LO, format!("SYNTHETIC-{study}")),
            (tags::INSTANCE_NUMBER, VR::IS, format!("{}", nth % 2)),
        ] {
            film.put(DataElement::new(tag, representation, value));
        }
        film.update_meta(|meta| meta.media_storage_sop_instance_uid = instance);
        film.write_to_file(folder.join(format!("{study}-{nth}.dcm")))
            .unwrap();
    }
}
