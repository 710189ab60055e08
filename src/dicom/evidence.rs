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
    /// Whether it has several frames. cxr reads and shows the first.
    pub has_frames: bool,
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
            has_frames: has_frames(header),
        })
    }

    /// The same under a policy.
    pub fn under(&self, policy: &PatientPolicy, root: &UidRoot) -> Self {
        Evidence {
            study: policy.uid(root, &self.study),
            series: policy.uid(root, &self.series),
            class: self.class.clone(),
            instance: policy.uid(root, &self.instance),
            has_frames: self.has_frames,
        }
    }

    /// The item of a *Referenced SOP Sequence* that names the whole object (PS3.3 table 10-11).
    fn whole(&self) -> InMemDicomObject {
        item(|item| {
            item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &self.class);
            item.text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &self.instance);
        })
    }

    /// The item of a reference to the picture that cxr read (PS3.3 table 10-3 and C.18.4). Without the number of a frame it
    /// would be to all of them.
    pub(super) fn item(&self) -> InMemDicomObject {
        let mut made = self.whole();
        if self.has_frames {
            made.text(tags::REFERENCED_FRAME_NUMBER, VR::IS, "1");
        }
        made
    }
}

/// Whether a header states more than one frame.
fn has_frames(header: &SourceHeader) -> bool {
    let Tag(group, element) = tags::NUMBER_OF_FRAMES;
    let stated = header.text(group, element).unwrap_or_default();
    let mut parts = stated.split('\\');
    let number = parts.find_map(|part| part.trim().parse::<f64>().ok());
    number.is_some_and(|number| number > 1.0)
}

/// Items of a *Referenced Series Sequence*, each series once, with the references that `refer` makes below `images`.
fn series(
    films: &[&Evidence],
    images: Tag,
    refer: impl Fn(&Evidence) -> InMemDicomObject,
) -> Vec<InMemDicomObject> {
    let mut names: Vec<&str> = Vec::new();
    for film in films {
        if !names.contains(&film.series.as_str()) {
            names.push(&film.series);
        }
    }
    let of_series = |name: &str| {
        let films = films.iter().filter(|film| film.series == name);
        item(|item| {
            item.items(images, films.map(|film| refer(film)).collect());
            item.text(tags::SERIES_INSTANCE_UID, VR::UI, name);
        })
    };
    names.into_iter().map(of_series).collect()
}

/// *Referenced Series Sequence* of a presentation state of one film, PS3.3 C.11.11.
pub fn presented_series(film: &Evidence) -> Vec<InMemDicomObject> {
    series(&[film], tags::REFERENCED_IMAGE_SEQUENCE, Evidence::item)
}

/// *Current Requested Procedure Evidence Sequence* (0040,A375), PS3.3 C.17.2: all films that the content refers to.
pub fn procedure_evidence(films: &[&Evidence]) -> Vec<InMemDicomObject> {
    let Some(first) = films.first() else {
        return Vec::new();
    };
    vec![item(|item| {
        item.items(
            tags::REFERENCED_SERIES_SEQUENCE,
            series(films, tags::REFERENCED_SOP_SEQUENCE, Evidence::whole),
        );
        item.text(tags::STUDY_INSTANCE_UID, VR::UI, &first.study);
    })]
}
