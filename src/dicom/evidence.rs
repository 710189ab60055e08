//! Films as the objects refer to them.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::DicomError;
use super::data_set::{Fill, item};
use super::patient_policy::PatientPolicy;
use super::uid::{UidRoot, is_uid};
use crate::domain::SourceHeader;

/// The identifiers of a film in the objects: its own, or those in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// *Study Instance UID*.
    pub study: String,
    /// *Series Instance UID*.
    pub series: String,
    /// *SOP Class UID*.
    pub class: String,
    /// *SOP Instance UID*.
    pub instance: String,
}

impl Evidence {
    /// The identifiers of a film, as its file states them.
    ///
    /// # Errors
    /// If one is missing, or not a UID.
    pub fn stated(header: &SourceHeader) -> Result<Self, DicomError> {
        let uid = |tag: Tag, name| {
            let stated = header.text(tag.0, tag.1).filter(|text| is_uid(text));
            stated
                .map(str::to_owned)
                .ok_or(DicomError::NoReference(name))
        };
        Ok(Evidence {
            study: uid(tags::STUDY_INSTANCE_UID, "Study Instance UID")?,
            series: uid(tags::SERIES_INSTANCE_UID, "Series Instance UID")?,
            class: uid(tags::SOP_CLASS_UID, "SOP Class UID")?,
            instance: uid(tags::SOP_INSTANCE_UID, "SOP Instance UID")?,
        })
    }

    /// The same under a policy.
    pub fn under(&self, policy: &PatientPolicy, root: &UidRoot) -> Self {
        Evidence {
            study: policy.uid(root, &self.study),
            series: policy.uid(root, &self.series),
            class: self.class.clone(),
            instance: policy.uid(root, &self.instance),
        }
    }

    /// The item of a *Referenced SOP Sequence*.
    pub(super) fn item(&self) -> InMemDicomObject {
        item(|item| {
            item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &self.class);
            item.text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &self.instance);
        })
    }
}

/// Items of a *Referenced Series Sequence*, each series once, whose references are below `images`.
pub fn series(films: &[&Evidence], images: Tag) -> Vec<InMemDicomObject> {
    let mut names: Vec<&str> = Vec::new();
    for film in films {
        if !names.contains(&film.series.as_str()) {
            names.push(&film.series);
        }
    }
    let of_series = |name: &str| {
        let films = films.iter().filter(|film| film.series == name);
        item(|item| {
            item.items(images, films.map(|film| film.item()).collect());
            item.text(tags::SERIES_INSTANCE_UID, VR::UI, name);
        })
    };
    names.into_iter().map(of_series).collect()
}

/// *Current Requested Procedure Evidence Sequence* (0040,A375), PS3.3 C.17.2: all films that the content refers to.
pub fn procedure_evidence(films: &[&Evidence]) -> Vec<InMemDicomObject> {
    let Some(first) = films.first() else {
        return Vec::new();
    };
    vec![item(|item| {
        item.items(
            tags::REFERENCED_SERIES_SEQUENCE,
            series(films, tags::REFERENCED_SOP_SEQUENCE),
        );
        item.text(tags::STUDY_INSTANCE_UID, VR::UI, &first.study);
    })]
}
