//! Radiographs as their files state them. The reference programs take the polarity from the file, but cxr corrects a
//! negative that its file does not declare.

use cxr::domain::{Objection, Radiograph};

/// The radiograph with the polarity that its file states: undoes the correction of a negative.
pub fn as_stated(radiograph: Radiograph) -> Radiograph {
    let objections = &radiograph.admission.objections;
    let is_correction = |o: &Objection| matches!(o, Objection::Inverted(_));
    let is_corrected = objections.iter().any(is_correction);
    Radiograph {
        inverted: radiograph.inverted != is_corrected,
        ..radiograph
    }
}
