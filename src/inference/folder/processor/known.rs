//! The classes of image processors that cxr knows. Each has settings of its own where a file leaves them out.

/// `IMAGENET_STANDARD_MEAN` and `_STD`.
const HALVES: [f64; 3] = [0.5, 0.5, 0.5];
/// `OPENAI_CLIP_MEAN` and `_STD`.
const CLIP_MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_DEVIATION: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];
/// From here on, `ConvNextImageProcessor` crops nothing.
pub const LARGE: usize = 384;
/// Pillow's number of a filter.
const NEAREST: i64 = 0;
const BILINEAR: i64 = 2;
const BICUBIC: i64 = 3;

/// A class of image processors.
pub struct KnownProcessor {
    /// Without `Fast` behind it.
    name: &'static str,
    pub kind: ProcessorKind,
    /// Where the file does not say it: by Pillow, and by torchvision since version 5.
    pub resample: [i64; 2],
    /// The side of a square, or else the length of the shorter side.
    pub size: usize,
    /// Whether one number is the side of a square, and not the length of the shorter side.
    pub is_square: bool,
    /// Whether it crops where the file does not say so, and to which side.
    pub crop: Option<usize>,
    pub mean: [f64; 3],
    pub deviation: [f64; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessorKind {
    /// Resize, then crop, then rescale, then normalise.
    Plain,
    /// The same, and with Pillow it never crops.
    Uncropped,
    /// The crop depends on the size.
    ConvNext,
    /// Rescales to −1 to 1, and normalises twice, if its file says so.
    EfficientNet,
}

static PROCESSORS: [KnownProcessor; 7] = [
    KnownProcessor {
        name: "ViTImageProcessor",
        kind: ProcessorKind::Uncropped,
        resample: [BILINEAR, BILINEAR],
        size: 224,
        is_square: true,
        crop: None,
        mean: HALVES,
        deviation: HALVES,
    },
    KnownProcessor {
        name: "DeiTImageProcessor",
        kind: ProcessorKind::Plain,
        resample: [BICUBIC, BICUBIC],
        size: 256,
        is_square: true,
        crop: Some(224),
        mean: HALVES,
        deviation: HALVES,
    },
    KnownProcessor {
        name: "BitImageProcessor",
        kind: ProcessorKind::Plain,
        resample: [BICUBIC, BICUBIC],
        size: 224,
        is_square: false,
        crop: Some(224),
        mean: CLIP_MEAN,
        deviation: CLIP_DEVIATION,
    },
    KnownProcessor {
        name: "CLIPImageProcessor",
        kind: ProcessorKind::Plain,
        resample: [BICUBIC, BICUBIC],
        size: 224,
        is_square: false,
        crop: Some(224),
        mean: CLIP_MEAN,
        deviation: CLIP_DEVIATION,
    },
    KnownProcessor {
        name: "MobileNetV2ImageProcessor",
        kind: ProcessorKind::Plain,
        resample: [BILINEAR, BILINEAR],
        size: 256,
        is_square: false,
        crop: Some(224),
        mean: HALVES,
        deviation: HALVES,
    },
    KnownProcessor {
        name: "ConvNextImageProcessor",
        kind: ProcessorKind::ConvNext,
        resample: [BILINEAR, BICUBIC],
        size: LARGE,
        is_square: false,
        crop: None,
        mean: HALVES,
        deviation: HALVES,
    },
    KnownProcessor {
        name: "EfficientNetImageProcessor",
        kind: ProcessorKind::EfficientNet,
        resample: [NEAREST, BICUBIC],
        size: 346,
        is_square: true,
        crop: None,
        mean: HALVES,
        deviation: HALVES,
    },
];

/// The processor of a class of networks, where the file does not name it: `IMAGE_PROCESSOR_MAPPING_NAMES`.
const DEFAULTS: [(&str, &str); 10] = [
    ("vit", "ViTImageProcessor"),
    ("deit", "DeiTImageProcessor"),
    ("dinov2", "BitImageProcessor"),
    ("dinov2_with_registers", "BitImageProcessor"),
    ("swin", "ViTImageProcessor"),
    ("convnext", "ConvNextImageProcessor"),
    ("convnextv2", "ConvNextImageProcessor"),
    ("resnet", "ConvNextImageProcessor"),
    ("efficientnet", "EfficientNetImageProcessor"),
    ("mobilenet_v2", "MobileNetV2ImageProcessor"),
];

/// The processor of this name, without `Fast` behind it.
pub fn known_processor(name: &str) -> Option<&'static KnownProcessor> {
    let mut processors = PROCESSORS.iter();
    processors.find(|known| known.name == name)
}

/// The name of the processor of a class of networks.
pub fn default_name(model_type: &str) -> Option<&'static str> {
    let mut defaults = DEFAULTS.iter();
    let found = defaults.find(|(of, _)| *of == model_type);
    found.map(|(_, name)| *name)
}
