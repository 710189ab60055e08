//! Facts about an image beside its pixels.

use crate::domain::{
    ContentId, FilmScale, FilmShape, FilmSummary, Histogram, Origin, PatientFacts, Radiograph,
    Uids, View, ViewPosition,
};
use crate::imaging;

/// The facts about an image that the screen shows beside its pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Which image it is.
    pub content: ContentId,
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Height ÷ width of a pixel.
    pub pixel_aspect: f64,
    /// By what marks on it are measured.
    pub scale: FilmScale,
    /// How often its values occur.
    pub histogram: Histogram,
    /// *Bits Stored* (0028,0101), or the depth of a raster image.
    pub bits_stored: u8,
    /// The step from one grey value to the next, in units after the modality transform; see
    /// [`imaging::step`].
    pub step: f64,
    /// The window in which it is shown first: centre and width, in units after the modality transform.
    pub window: (f64, f64),
    /// The range of the table that its own window is; see [`imaging::table_range`].
    pub table_range: Option<(f64, f64)>,
    /// Frames in the file.
    pub frames: u32,
    /// Name of the file's format.
    pub format: String,
    /// Projection of the beam.
    pub view: ViewPosition,
    /// The patient, as far as the file says.
    pub patient: PatientFacts,
    /// UIDs of study, series and image.
    pub uids: Uids,
    /// When the image was taken; see [`Radiograph::taken`].
    pub taken: Option<String>,
}

impl Facts {
    /// The facts of a decoded image that is to be shown in this view.
    pub fn of(radiograph: &Radiograph, view: &View) -> Self {
        Facts {
            content: radiograph.content,
            width: radiograph.width,
            height: radiograph.height,
            pixel_aspect: radiograph.pixel_aspect,
            scale: radiograph.scale(),
            histogram: imaging::histogram(radiograph),
            bits_stored: radiograph.bits_stored,
            step: imaging::step(radiograph),
            window: imaging::window(radiograph, view),
            table_range: imaging::table_range(radiograph),
            frames: radiograph.frames,
            format: radiograph.format.clone(),
            view: radiograph.view,
            patient: radiograph.patient.clone(),
            uids: radiograph.uids.clone(),
            taken: radiograph.taken.clone(),
        }
    }

    /// The shape of the image.
    pub fn shape(&self) -> FilmShape {
        FilmShape {
            width: self.width as f64,
            height: self.height as f64,
            pixel_aspect: self.pixel_aspect,
        }
    }

    /// Patient, study and time of the image.
    pub fn origin(&self) -> Origin {
        Origin {
            patient: self.patient.identity(),
            study: self.uids.study.clone(),
            taken: self.taken.clone(),
        }
    }

    /// Patient, study, time, view and age.
    pub fn summary(&self) -> FilmSummary {
        FilmSummary {
            origin: self.origin(),
            view: self.view,
            age: self.patient.age.clone(),
        }
    }
}
