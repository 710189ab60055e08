//! Data sets as they are filled in, and as the bytes of a file.

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::DicomError;

/// The class of files that cxr writes: a UUID that was made once for it (PS3.7 D.3.3.2).
const IMPLEMENTATION_CLASS: &str = "2.25.94859495380934239447249303071350601968";
/// At most 16 characters.
const IMPLEMENTATION_VERSION: &str = concat!("CXR_", env!("CARGO_PKG_VERSION"));

/// The most characters of a long string (LO, PS3.5 6.2).
pub const LONGEST_LO: usize = 64;
/// The most characters of a short string (SH).
pub const LONGEST_SH: usize = 16;

/// Filling in a data set.
pub trait Fill {
    /// A text; an empty one leaves the element without a value.
    fn text(&mut self, tag: Tag, vr: VR, value: &str);
    /// A sequence with these items.
    fn items(&mut self, tag: Tag, items: Vec<InMemDicomObject>);
    /// One unsigned number of 16 bits.
    fn number(&mut self, tag: Tag, value: u16);
}

impl Fill for InMemDicomObject {
    fn text(&mut self, tag: Tag, vr: VR, value: &str) {
        let value = match value {
            "" => PrimitiveValue::Empty,
            value => PrimitiveValue::from(value),
        };
        self.put(DataElement::new(tag, vr, value));
    }

    fn items(&mut self, tag: Tag, items: Vec<InMemDicomObject>) {
        self.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
    }

    fn number(&mut self, tag: Tag, value: u16) {
        self.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
}

/// The item of a sequence.
pub fn item(fill: impl FnOnce(&mut InMemDicomObject)) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    fill(&mut item);
    item
}

/// The first characters of a text, without backslashes, which would part it into several values.
pub fn short(text: &str, longest: usize) -> String {
    let whole = text.replace('\\', "/");
    whole.trim().chars().take(longest).collect()
}

/// A decimal string (DS): at most 16 characters, and as near to the number as they allow.
pub fn decimal(value: f64) -> String {
    const LONGEST: usize = 16;
    let plain = format!("{value}");
    if plain.len() <= LONGEST {
        return plain;
    }
    let shorter = |digits: usize| format!("{value:.digits$e}");
    let fits = |text: &String| text.len() <= LONGEST;
    let mut forms = (0..LONGEST).rev().map(shorter);
    forms.find(fits).unwrap_or_else(|| "0".to_owned())
}

/// The object as a file: Explicit VR Little Endian, with preamble and file meta information.
///
/// # Errors
/// If a value cannot be encoded.
pub fn file(object: InMemDicomObject, class: &str, instance: &str) -> Result<Vec<u8>, DicomError> {
    let failed = |error: &dyn std::error::Error| {
        let cause = error.source().map(|cause| format!(": {cause}"));
        DicomError::Encoding(format!("{error}{}", cause.unwrap_or_default()))
    };
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(instance)
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .implementation_class_uid(IMPLEMENTATION_CLASS)
        .implementation_version_name(IMPLEMENTATION_VERSION)
        .build()
        .map_err(|error| failed(&error))?;
    let mut object = object;
    object.text(tags::SOP_CLASS_UID, VR::UI, class);
    object.text(tags::SOP_INSTANCE_UID, VR::UI, instance);
    let mut bytes = Vec::new();
    let written = object.with_exact_meta(meta).write_all(&mut bytes);
    written.map_err(|error| failed(&error))?;
    Ok(bytes)
}
