//! The preprocessing of a radiograph for the network. It depends on the stored samples only: window, zoom and inversion
//! that a reader sets never change it.

mod chexnet;
mod cxr;
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
            PreprocessKind::Cxr | PreprocessKind::Xrv => 1,
            PreprocessKind::Chexnet | PreprocessKind::Keras => 3,
        }
    }

    /// The part of a radiograph that [`Preprocess::apply`] uses, in its stored pixels.
    pub fn region(&self, radiograph: &Radiograph) -> Region {
        match self.kind {
            PreprocessKind::Cxr => cxr::centre_square(radiograph),
            PreprocessKind::Xrv => xrv::centre_crop(radiograph),
            PreprocessKind::Chexnet => chexnet::centre_crop(radiograph),
            PreprocessKind::Keras => whole(radiograph),
        }
    }

    /// `channels · size²` values, channel by channel and row by row.
    pub fn apply(&self, radiograph: &Radiograph) -> Vec<f32> {
        match self.kind {
            PreprocessKind::Cxr => cxr::apply(radiograph, self.size),
            PreprocessKind::Xrv => xrv::apply(radiograph, self.size),
            PreprocessKind::Chexnet => chexnet::apply(radiograph),
            PreprocessKind::Keras => keras::apply(radiograph),
        }
    }
}

fn whole(radiograph: &Radiograph) -> Region {
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

    #[test]
    fn a_preprocessing_has_its_own_size_and_channels() {
        for (name, size, channels) in [
            (CXR_1, 192, 1),
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
}
