//! What all objects of a run have in common: patient, study, series, equipment and identifiers.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::codes::dcm;
use super::data_set::{Fill, LONGEST_LO, file, item, short};
use super::evidence::Evidence;
use super::patient_policy::PatientPolicy;
use super::uid::NewUids;
use super::{DicomError, MadeObject};
use crate::domain::SourceHeader;

/// The name of the program in the objects.
pub(super) const PROGRAM: &str = "cxr";
/// Its version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Said in every object.
pub(super) const NOTICE: &str =
    "Made by software for research and teaching. Not a medical device; not for diagnosis.";

/// When the objects are made, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// `20260131` (DA).
    pub date: String,
    /// `120000` (TM).
    pub time: String,
}

/// The model as a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDevice {
    /// As on the card.
    pub name: String,
    /// As on the card.
    pub version: String,
    /// SHA-256 of the weights, lower-case hexadecimal.
    pub sha256: String,
}

/// Makes the objects of a run.
#[derive(Debug, Clone)]
pub struct ObjectMaker {
    /// What is said of patients.
    pub policy: PatientPolicy,
    /// Where new UIDs come from.
    pub uids: NewUids,
    /// When.
    pub moment: Moment,
    /// `None` for objects that no model has a part in.
    pub model: Option<ModelDevice>,
}

/// The place of an object in its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesPlace {
    /// *Series Instance UID* of the new series.
    pub series: String,
    /// *Instance Number*, from 1.
    pub number: usize,
}

/// A kind of object.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObjectKind {
    /// SOP class.
    pub class: &'static str,
    /// *Modality* of its series.
    pub modality: &'static str,
    /// High, so that viewers list it after the films.
    pub series_number: &'static str,
    /// *Series Description*.
    pub description: &'static str,
}

impl ObjectMaker {
    /// The first place in a new series.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn new_series(&self) -> Result<SeriesPlace, DicomError> {
        Ok(SeriesPlace {
            series: self.uids.next()?,
            number: 1,
        })
    }

    /// A film as the objects refer to it.
    ///
    /// # Errors
    /// If its header has not the identifiers for that.
    pub fn evidence(&self, header: &SourceHeader) -> Result<Evidence, DicomError> {
        let stated = Evidence::stated(header)?;
        Ok(stated.under(&self.policy, self.uids.root()))
    }

    /// The modules that every object has: SOP Common, Patient, General Study, the series and the equipment (PS3.3 C.12.1,
    /// C.7.1 to C.7.5). `header` is that of one of the films.
    pub(super) fn head(
        &self,
        kind: &ObjectKind,
        header: &SourceHeader,
        place: &SeriesPlace,
    ) -> Result<InMemDicomObject, DicomError> {
        let mut object = InMemDicomObject::new_empty();
        object.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        self.policy.describe(header, &mut object);
        let study = self.evidence(header)?.study;
        object.text(tags::STUDY_INSTANCE_UID, VR::UI, &study);
        object.text(tags::MODALITY, VR::CS, kind.modality);
        object.text(tags::SERIES_INSTANCE_UID, VR::UI, &place.series);
        object.text(tags::SERIES_NUMBER, VR::IS, kind.series_number);
        object.text(tags::SERIES_DESCRIPTION, VR::LO, kind.description);
        object.text(tags::INSTANCE_NUMBER, VR::IS, &place.number.to_string());
        self.equipment(&mut object);
        Ok(object)
    }

    /// General and Enhanced General Equipment: cxr with the model that it ran, whose digest tells it from all others.
    fn equipment(&self, object: &mut InMemDicomObject) {
        object.text(tags::MANUFACTURER, VR::LO, PROGRAM);
        object.text(tags::MANUFACTURER_MODEL_NAME, VR::LO, PROGRAM);
        object.text(tags::SOFTWARE_VERSIONS, VR::LO, VERSION);
        let serial = self.model.as_ref().map_or("none", |model| &model.sha256);
        object.text(tags::DEVICE_SERIAL_NUMBER, VR::LO, serial);
        let mut contributors = Vec::new();
        if let Some(model) = &self.model {
            let purpose = dcm("109102", "Processing Equipment");
            contributors.push(item(|item| {
                item.text(tags::MANUFACTURER, VR::LO, PROGRAM);
                item.text(
                    tags::MANUFACTURER_MODEL_NAME,
                    VR::LO,
                    &short(&model.name, LONGEST_LO),
                );
                item.text(
                    tags::SOFTWARE_VERSIONS,
                    VR::LO,
                    &short(&model.version, LONGEST_LO),
                );
                item.text(tags::DEVICE_SERIAL_NUMBER, VR::LO, &model.sha256);
                item.text(
                    tags::CONTRIBUTION_DESCRIPTION,
                    VR::ST,
                    "Model that gave the scores; the serial number is the SHA-256 of its weights",
                );
                item.items(
                    tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
                    vec![purpose.item()],
                );
            }));
        }
        if !self.policy.copies() {
            let purpose = dcm("109104", "De-identifying Equipment");
            contributors.push(item(|item| {
                item.text(tags::MANUFACTURER, VR::LO, PROGRAM);
                item.text(tags::MANUFACTURER_MODEL_NAME, VR::LO, PROGRAM);
                item.text(tags::SOFTWARE_VERSIONS, VR::LO, VERSION);
                item.items(
                    tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
                    vec![purpose.item()],
                );
            }));
        }
        if !contributors.is_empty() {
            object.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, contributors);
        }
    }

    /// Date and time of the content.
    pub(super) fn date(&self, object: &mut InMemDicomObject) {
        object.text(tags::CONTENT_DATE, VR::DA, &self.moment.date);
        object.text(tags::CONTENT_TIME, VR::TM, &self.moment.time);
    }

    /// The finished object.
    pub(super) fn finish(
        &self,
        kind: &ObjectKind,
        object: InMemDicomObject,
    ) -> Result<MadeObject, DicomError> {
        let uid = self.uids.next()?;
        let study = object.get(tags::STUDY_INSTANCE_UID);
        let study = study.and_then(|study| study.to_str().ok());
        let study = study.map(|study| study.into_owned()).unwrap_or_default();
        Ok(MadeObject {
            bytes: file(object, kind.class, &uid)?,
            uid,
            study,
        })
    }
}

/// *Body Part Examined* (0018,0015) of a film of the chest, which has no side. Of another film the side is not known
/// here, so *Laterality* (0020,0060) is left empty (PS3.3 C.7.3.1).
pub(super) fn body_part(object: &mut InMemDicomObject, header: &SourceHeader) {
    const CHEST: &str = "CHEST";
    let tag = tags::BODY_PART_EXAMINED;
    if header.text(tag.0, tag.1) == Some(CHEST) {
        object.text(tag, VR::CS, CHEST);
    } else {
        object.text(tags::LATERALITY, VR::CS, "");
    }
}
