//! The preprocessing of a radiograph for the network. It depends on the stored samples only: window, zoom and inversion
//! that a reader sets never change it.

mod chexnet;
pub(in crate::inference) mod cxr;
mod keras;
mod pillow;
mod skimage;
mod stored;
mod xrv;

pub(in crate::inference) use self::keras::SIDE as KERAS_SIDE;
use super::InferenceError;
use crate::domain::{Radiograph, Region};

/// The preprocessing of cxr's own models, with its version. A change that moves any score needs a new version.
pub const CXR_1: &str = "cxr-1";
/// The same, within the box around the lungs.
pub const CXR_2: &str = "cxr-2";
/// torchxrayvision's preprocessing, to 224 × 224.
pub const XRV_224_1: &str = "xrv-224-1";
/// torchxrayvision's preprocessing, to 512 × 512.
pub const XRV_512_1: &str = "xrv-512-1";
/// CheXNet's single centre crop.
pub const CHEXNET_224_1: &str = "chexnet-224-1";
/// `load_img(path, target_size=(224, 224)) / 255` of Keras.
pub const KERAS_224_1: &str = "keras-224-1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PreprocessKind {
    Cxr,
    CxrLungs,
    Xrv,
    Chexnet,
    Keras,
}

/// From a radiograph to the values of a `[1, channels, size, size]` tensor.
#[derive(Debug, Clone)]
pub struct Preprocess {
    kind: PreprocessKind,
    size: usize,
}

impl Preprocess {
    /// The preprocessing that a card names.
    ///
    /// # Errors
    /// If this program does not have it, or it makes images of another size.
    pub fn named(name: &str, size: usize) -> Result<Self, InferenceError> {
        let (kind, only) = match name {
            CXR_1 => (PreprocessKind::Cxr, None),
            CXR_2 => (PreprocessKind::CxrLungs, None),
            XRV_224_1 => (PreprocessKind::Xrv, Some(224)),
            XRV_512_1 => (PreprocessKind::Xrv, Some(512)),
            CHEXNET_224_1 => (PreprocessKind::Chexnet, Some(chexnet::CROP)),
            KERAS_224_1 => (PreprocessKind::Keras, Some(keras::SIDE)),
            other => return Err(InferenceError::UnknownPreprocess(other.to_owned())),
        };
        match only {
            Some(only) if only != size => Err(InferenceError::Card(format!(
                "input_size is {size}, and {name} makes {only} × {only} pixels"
            ))),
            _ => Ok(Preprocess { kind, size }),
        }
    }

    /// Side of the square in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Values for each pixel.
    pub fn channels(&self) -> usize {
        match self.kind {
            PreprocessKind::Cxr | PreprocessKind::CxrLungs | PreprocessKind::Xrv => 1,
            PreprocessKind::Chexnet | PreprocessKind::Keras => 3,
        }
    }

    /// Whether it depends on where the lungs are.
    pub fn needs_lungs(&self) -> bool {
        self.kind == PreprocessKind::CxrLungs
    }

    /// The part of a radiograph that [`Preprocess::apply`] uses, in its stored pixels. `lungs` is the box around
    /// the lungs; `None` if no two lungs were found.
    pub fn region(&self, radiograph: &Radiograph, lungs: Option<Region>) -> Region {
        match self.kind {
            PreprocessKind::Cxr => cxr::centre_square(radiograph),
            PreprocessKind::CxrLungs => lungs.unwrap_or_else(|| cxr::centre_square(radiograph)),
            PreprocessKind::Xrv => xrv::centre_crop(radiograph),
            PreprocessKind::Chexnet => chexnet::centre_crop(radiograph),
            PreprocessKind::Keras => whole(radiograph),
        }
    }

    /// `channels · size²` values, channel by channel and row by row. `lungs` as in [`region`](Self::region).
    pub fn apply(&self, radiograph: &Radiograph, lungs: Option<Region>) -> Vec<f32> {
        match self.kind {
            PreprocessKind::Cxr | PreprocessKind::CxrLungs => {
                cxr::apply(radiograph, self.region(radiograph, lungs), self.size)
            }
            PreprocessKind::Xrv => xrv::apply(radiograph, self.size),
            PreprocessKind::Chexnet => chexnet::apply(radiograph),
            PreprocessKind::Keras => keras::apply(radiograph),
        }
    }
}

/// The whole film.
pub(in crate::inference) fn whole(radiograph: &Radiograph) -> Region {
    Region {
        left: 0,
        top: 0,
        width: radiograph.width,
        height: radiograph.height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Samples;

    #[test]
    fn a_preprocessing_has_its_own_size_and_channels() {
        for (name, size, channels) in [
            (CXR_1, 192, 1),
            (CXR_2, 224, 1),
            (XRV_224_1, 224, 1),
            (XRV_512_1, 512, 1),
            (CHEXNET_224_1, 224, 3),
            (KERAS_224_1, 224, 3),
        ] {
            let preprocess = Preprocess::named(name, size).unwrap();
            assert_eq!((preprocess.size(), preprocess.channels()), (size, channels));
        }
        for (name, size) in [(XRV_224_1, 512), (XRV_512_1, 224), (CHEXNET_224_1, 256)] {
            let error = Preprocess::named(name, size).unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains(&size.to_string()),
                "{error}"
            );
        }
        assert!(Preprocess::named("xrv-224-2", 224).is_err());
    }

    /// Dark in the box `(20, 30)` to `(60, 90)`, and bright around it.
    fn film() -> Radiograph {
        let grey = |i: usize| {
            let (x, y) = (i % 100, i / 100);
            let is_inside = (20..60).contains(&x) && (30..90).contains(&y);
            if is_inside { (x + y) as u8 } else { 200 }
        };
        let samples = Samples::Grey8((0..100 * 140).map(grey).collect());
        Radiograph::plain(100, 140, samples, "test")
    }

    #[test]
    fn the_box_around_the_lungs_is_all_that_cxr_2_sees() {
        let lungs = Region {
            left: 20,
            top: 30,
            width: 40,
            height: 60,
        };
        let preprocess = Preprocess::named(CXR_2, 32).unwrap();
        assert!(preprocess.needs_lungs());
        assert_eq!(preprocess.region(&film(), Some(lungs)), lungs);
        let inside = preprocess.apply(&film(), Some(lungs));
        let mut brighter = film();
        let Samples::Grey8(grey) = &mut brighter.samples else {
            panic!("the film has 8 bits")
        };
        grey.iter_mut()
            .filter(|v| **v == 200)
            .for_each(|v| *v = 250);
        assert_eq!(preprocess.apply(&brighter, Some(lungs)), inside);
        // The box is no square, and it fills the input: the corners are the corners of the box.
        assert_eq!(inside.len(), 32 * 32);
        let corners = [inside[0], inside[31], inside[31 * 32], inside[32 * 32 - 1]];
        assert!(
            corners.windows(2).all(|pair| pair[0] < pair[1]),
            "{corners:?}"
        );
    }

    #[test]
    fn without_lungs_cxr_2_is_cxr_1_and_lungs_change_no_other() {
        let [one, two] = [CXR_1, CXR_2].map(|name| Preprocess::named(name, 32).unwrap());
        assert_eq!(two.apply(&film(), None), one.apply(&film(), None));
        let square = one.region(&film(), None);
        assert_eq!(two.region(&film(), None), square);
        let lungs = Region { top: 0, ..square };
        assert_eq!(one.region(&film(), Some(lungs)), square);
        assert_eq!(one.apply(&film(), Some(lungs)), one.apply(&film(), None));
        assert!(!one.needs_lungs());
    }
}
