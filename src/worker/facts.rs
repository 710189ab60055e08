//! What is known of an image beside its pixels.

use crate::domain::{ContentId, Origin, PatientFacts, Radiograph, Uids, ViewPosition};
use crate::imaging;

/// What the screen says of an image beside its pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Which image it is.
    pub content: ContentId,
    pub width: usize,
    pub height: usize,
    pub bits_stored: u8,
    /// See [`imaging::step`].
    pub step: f64,
    pub frames: u32,
    pub format: String,
    pub view: ViewPosition,
    pub patient: PatientFacts,
    pub uids: Uids,
    /// See [`Radiograph::taken`].
    pub taken: Option<String>,
}

impl Facts {
    pub fn of(radiograph: &Radiograph) -> Self {
        Facts {
            content: radiograph.content,
            width: radiograph.width,
            height: radiograph.height,
            bits_stored: radiograph.bits_stored,
            step: imaging::step(radiograph),
            frames: radiograph.frames,
            format: radiograph.format.clone(),
            view: radiograph.view,
            patient: radiograph.patient.clone(),
            uids: radiograph.uids.clone(),
            taken: radiograph.taken.clone(),
        }
    }

    pub fn origin(&self) -> Origin {
        Origin {
            patient: self.patient.identity(),
            study: self.uids.study.clone(),
            taken: self.taken.clone(),
        }
    }
}
