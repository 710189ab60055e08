//! The preprocessing of the families of models, as recipes. Their names are on cards and in tables, so that what they
//! mean never changes.

use super::cxr;
use super::{CHEXNET_224_1, CXR_1, CXR_2, IMAGENET_224_1, KERAS_224_1, XRV_224_1, XRV_512_1};
use crate::domain::{
    ColourReading, CropRounding, CropTo, FilmRange, FilmReading, PreprocessRecipe, RecipeStep,
    ResizeFilter, ResizeTo, ValueDepth,
};

/// A side for recipes that are asked for without one.
pub const ANY_SIDE: usize = 1;
/// Pixels a side of a Keras model's input.
pub const KERAS_SIDE: usize = 224;

/// Mean and deviation of ImageNet.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

/// The recipe of a name, for inputs of `size × size`, and the only size that it makes, if there is only one. `None` for
/// an unknown name.
pub fn named(name: &str, size: usize) -> Option<(PreprocessRecipe, Option<usize>)> {
    Some(match name {
        CXR_1 => (cxr(CropTo::SquareMillimetres, size), None),
        CXR_2 => (cxr(CropTo::Lungs, size), None),
        XRV_224_1 => (xrv(224), Some(224)),
        XRV_512_1 => (xrv(512), Some(512)),
        CHEXNET_224_1 => (chexnet(), Some(224)),
        IMAGENET_224_1 => (imagenet(FilmReading::PICTURE), Some(224)),
        KERAS_224_1 => (keras(), Some(KERAS_SIDE)),
        _ => return None,
    })
}

/// cxr's own: a triangle as wide as the reduction, the 1st and 99th percentile at −1 and 1, clipped.
fn cxr(to: CropTo, size: usize) -> PreprocessRecipe {
    PreprocessRecipe {
        film: FilmReading {
            range: FilmRange::Physical,
            depth: ValueDepth::Floats,
            colour: ColourReading::Luma,
            channels: 1,
        },
        steps: vec![
            RecipeStep::Crop(to),
            RecipeStep::Resize {
                to: ResizeTo::Square(size),
                filter: ResizeFilter::PillowBilinear,
            },
            RecipeStep::Stretch {
                percentiles: cxr::PERCENTILES,
                low: -1.0,
                high: 1.0,
            },
            RecipeStep::Clip {
                low: -cxr::CLIP,
                high: cxr::CLIP,
            },
        ],
    }
}

/// torchxrayvision 1.5.7, with its defaults: `utils.normalize` by bit depth, `XRayCenterCrop`, `XRayResizer` (engine
/// skimage). The darkest and brightest value of the bit depth become −1024 and 1024.
fn xrv(size: usize) -> PreprocessRecipe {
    PreprocessRecipe {
        film: FilmReading {
            range: FilmRange::BitDepth,
            depth: ValueDepth::Floats,
            // As `utils.load_image`.
            colour: ColourReading::Red,
            channels: 1,
        },
        steps: vec![
            RecipeStep::Crop(CropTo::Square),
            RecipeStep::Range {
                low: -1024.0,
                high: 1024.0,
            },
            RecipeStep::Resize {
                to: ResizeTo::Square(size),
                filter: ResizeFilter::SkimageConstant,
            },
        ],
    }
}

/// arnoweng/CheXNet, with one difference. Its evaluation averages ten crops (four corners and the centre, each also
/// mirrored). This is the centre crop alone, so that there is one forward pass and one heat map. It was made for images
/// of 8 bits; deeper ones are scaled by their bit depth.
fn chexnet() -> PreprocessRecipe {
    let film = FilmReading {
        range: FilmRange::BitDepth,
        ..FilmReading::PICTURE
    };
    imagenet(film)
}

/// torchvision 0.29's `transforms._presets.ImageClassification(crop_size=224)`, which evaluates its networks on ImageNet:
/// the shorter side to 256 by Pillow's bilinear filter, the centre, mean and deviation.
fn imagenet(film: FilmReading) -> PreprocessRecipe {
    PreprocessRecipe::centre_crop(
        film,
        (256, 224),
        ResizeFilter::PillowBilinear,
        CropRounding::Torchvision,
        Some((MEAN.to_vec(), DEVIATION.to_vec())),
    )
}

/// A Keras model that was trained on `load_img(path, target_size=(224, 224)) / 255`. Keras reads no DICOM, and such a
/// model was trained on exported pictures, so that grey of more than 8 bits becomes the picture of its own window.
fn keras() -> PreprocessRecipe {
    PreprocessRecipe::squeezed(
        FilmReading::PICTURE,
        KERAS_SIDE,
        ResizeFilter::PillowNearest,
        None,
    )
}
