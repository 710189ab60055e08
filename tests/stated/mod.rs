//! Films as their files state them, to be compared with programs that don't ask the picture.

use cxr::domain::{Objection, Radiograph};

/// With the polarity that its file states.
pub fn as_stated(film: Radiograph) -> Radiograph {
    let objections = &film.admission.objections;
    let is_turned = |o: &Objection| matches!(o, Objection::Inverted(_));
    let turned = objections.iter().any(is_turned);
    Radiograph {
        inverted: film.inverted != turned,
        ..film
    }
}
