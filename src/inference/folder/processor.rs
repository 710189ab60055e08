//! What an image processor of transformers does to an image, as a recipe.
//!
//! Processors compute by Pillow and numpy up to version 4, unless they are called `…Fast`, and by torchvision since
//! version 5. The folder says with which version it was saved (`transformers_version`), and that one's numbers are the
//! original's.

use super::json::{FolderError, JsonMembers, quoted};
use crate::domain::{
    ColourReading, CropRounding, CropTo, FilmReading, PreprocessRecipe, RecipeStep, ResizeFilter,
    ResizeTo, SideRounding,
};

/// `IMAGENET_STANDARD_MEAN` and `_STD`.
const HALVES: [f64; 3] = [0.5, 0.5, 0.5];
/// `OPENAI_CLIP_MEAN` and `_STD`.
const CLIP_MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_DEVIATION: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];
/// `rescale_factor`.
const RESCALE: f64 = 1.0 / 255.0;
/// `crop_pct` of `ConvNextImageProcessor`.
const CROP_SHARE: f64 = 224.0 / 256.0;
/// From here on, `ConvNextImageProcessor` crops nothing.
const LARGE: usize = 384;
/// Pillow's number of a filter.
const NEAREST: i64 = 0;
const BILINEAR: i64 = 2;
const BICUBIC: i64 = 3;
/// The first version of transformers that computes by torchvision.
const BY_TORCHVISION: u64 = 5;

/// Switches that are followed, or change no number here: pictures in grey become red, green and blue anyway.
const SWITCHES: [&str; 6] = [
    "do_resize",
    "do_center_crop",
    "do_rescale",
    "do_normalize",
    "do_convert_rgb",
    "do_reduce_labels",
];

/// A class of image processors.
struct KnownProcessor {
    /// Without `Fast` behind it.
    name: &'static str,
    kind: ProcessorKind,
    /// Where the file does not say it: by Pillow, and by torchvision since version 5.
    resample: [i64; 2],
    /// The side of a square, or else the length of the shorter side.
    size: usize,
    /// Whether one number is the side of a square, and not the length of the shorter side.
    is_square: bool,
    /// Whether it crops where the file does not say so, and to which side.
    crop: Option<usize>,
    mean: [f64; 3],
    deviation: [f64; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProcessorKind {
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

/// The recipe of a folder: of its processor's settings, without which the processor has its defaults, and of its
/// `config.json`, for images of this many channels.
///
/// # Errors
/// If the processor is none that cxr knows, or has a setting that cxr cannot follow.
pub fn recipe(
    settings: &JsonMembers<'_>,
    config: &JsonMembers<'_>,
    channels: usize,
) -> Result<PreprocessRecipe, FolderError> {
    let (known, is_pillow) = processor(settings, config)?;
    check_switches(settings)?;
    let reader = ProcessorReader {
        settings,
        known,
        is_pillow,
    };
    let mut steps = Vec::new();
    if settings.flag("do_resize")?.unwrap_or(true) {
        reader.resize(&mut steps)?;
    }
    reader.crop(&mut steps)?;
    reader.rescale(&mut steps)?;
    reader.normalise(&mut steps, channels)?;
    let film = match channels {
        1 => FilmReading {
            colour: ColourReading::Luma,
            channels,
            ..FilmReading::PICTURE
        },
        _ => FilmReading::PICTURE,
    };
    Ok(PreprocessRecipe { film, steps })
}

/// The class of a processor, and whether it computes by Pillow.
fn processor(
    settings: &JsonMembers<'_>,
    config: &JsonMembers<'_>,
) -> Result<(&'static KnownProcessor, bool), FolderError> {
    if let Some(code) = settings.get("auto_map") {
        return Err(unfollowed(
            settings,
            &format!(
                "images are prepared by code of its own (auto_map: {}), and nothing in a folder is ever run",
                quoted(code)
            ),
        ));
    }
    let named = match settings.text("image_processor_type")? {
        Some(name) => Some(name.to_owned()),
        // As it was called before version 4.26.
        None => settings
            .text("feature_extractor_type")?
            .map(|name| name.replace("FeatureExtractor", "ImageProcessor")),
    };
    let default = || {
        let model_type = config.text("model_type").ok().flatten()?;
        let mut defaults = DEFAULTS.iter();
        let found = defaults.find(|(of, _)| *of == model_type);
        found.map(|(_, name)| (*name).to_owned())
    };
    let Some(named) = named.or_else(default) else {
        return Err(settings.fault("it names no image processor (image_processor_type)"));
    };
    let is_fast = named.ends_with("Fast");
    let name = named.strip_suffix("Fast").unwrap_or(&named);
    let mut processors = PROCESSORS.iter();
    match processors.find(|known| known.name == name) {
        Some(known) => Ok((known, !is_fast && version(config)? < BY_TORCHVISION)),
        None => Err(unfollowed(
            settings,
            &format!("{named} is no image processor that cxr knows"),
        )),
    }
}

/// Something that cxr cannot follow, with what would help.
fn unfollowed(settings: &JsonMembers<'_>, what: &str) -> FolderError {
    let advice = "write what is done as a preprocessing file, and give that with --preprocess";
    settings.fault(&format!("{what}: {advice}")).mendable()
}

/// The main version of transformers that saved the folder; 0 where it does not say so, as before version 4.
fn version(config: &JsonMembers<'_>) -> Result<u64, FolderError> {
    let Some(version) = config.text("transformers_version")? else {
        return Ok(0);
    };
    let main = version.split('.').next().unwrap_or_default();
    main.parse()
        .map_err(|_| config.fault(&format!("transformers_version is {version:?}, no version")))
}

/// Refuses a switch that is on and that cxr cannot follow.
fn check_switches(settings: &JsonMembers<'_>) -> Result<(), FolderError> {
    for key in settings.keys().filter(|key| key.starts_with("do_")) {
        if !SWITCHES.contains(&key) && settings.flag(key)? == Some(true) {
            return Err(unfollowed(
                settings,
                &format!("{key} is on, which cxr cannot follow"),
            ));
        }
    }
    Ok(())
}

struct ProcessorReader<'a> {
    settings: &'a JsonMembers<'a>,
    known: &'static KnownProcessor,
    is_pillow: bool,
}

/// `size`.
enum ProcessorSize {
    Square(usize),
    Short(usize),
}

impl ProcessorReader<'_> {
    fn resize(&self, steps: &mut Vec<RecipeStep>) -> Result<(), FolderError> {
        let filter = self.filter()?;
        let size = self.size()?;
        if self.known.kind != ProcessorKind::ConvNext {
            let to = match size {
                ProcessorSize::Square(side) => ResizeTo::Square(side),
                ProcessorSize::Short(side) => ResizeTo::Short(side, SideRounding::Down),
            };
            steps.push(RecipeStep::Resize { to, filter });
            return Ok(());
        }
        let ProcessorSize::Short(side) = size else {
            return Err(self
                .settings
                .fault("size has no shortest_edge, as this processor's has"));
        };
        if side >= LARGE {
            let to = ResizeTo::Square(side);
            steps.push(RecipeStep::Resize { to, filter });
            return Ok(());
        }
        let share = self.settings.number("crop_pct")?.unwrap_or(CROP_SHARE);
        if !(share > 0.0 && share <= 1.0) {
            return Err(self
                .settings
                .fault(&format!("crop_pct is {share}, not above 0 and up to 1")));
        }
        // Python's `int`.
        let short = (side as f64 / share) as usize;
        let to = ResizeTo::Short(short, SideRounding::Down);
        steps.push(RecipeStep::Resize { to, filter });
        steps.push(self.centre(side));
        Ok(())
    }

    fn filter(&self) -> Result<ResizeFilter, FolderError> {
        let default = self.known.resample[usize::from(!self.is_pillow)];
        let resample = match self.settings.get("resample") {
            None => default,
            Some(value) => value.as_i64().unwrap_or(-1),
        };
        ResizeFilter::of_transformers(resample, self.is_pillow).ok_or_else(|| {
            let value = self.settings.get("resample").map(quoted);
            let value = value.unwrap_or_default();
            self.settings
                .fault(&format!("resample is {value}, none of Pillow's filters"))
        })
    }

    fn size(&self) -> Result<ProcessorSize, FolderError> {
        let key = "size";
        let Some(value) = self.settings.get(key) else {
            return Ok(self.as_size(self.known.size));
        };
        if !value.is_object() {
            let side = self.settings.side(key)?.unwrap_or(self.known.size);
            // A list of two is always height and width.
            return Ok(if value.is_array() {
                ProcessorSize::Square(side)
            } else {
                self.as_size(side)
            });
        }
        let fault = || {
            self.settings.fault(&format!(
                "size is {}: neither the sides of a square nor its shortest_edge alone",
                quoted(value)
            ))
        };
        let Some(size) = self.settings.inner(key)? else {
            return Err(fault());
        };
        let (height, width) = (size.count("height")?, size.count("width")?);
        let (short, long) = (size.count("shortest_edge")?, size.get("longest_edge"));
        match (height, width, short, long) {
            (Some(height), Some(width), None, None) if height == width => {
                Ok(ProcessorSize::Square(height))
            }
            (None, None, Some(short), None) => Ok(ProcessorSize::Short(short)),
            _ => Err(fault()),
        }
    }

    fn as_size(&self, side: usize) -> ProcessorSize {
        if self.known.is_square {
            ProcessorSize::Square(side)
        } else {
            ProcessorSize::Short(side)
        }
    }

    fn crop(&self, steps: &mut Vec<RecipeStep>) -> Result<(), FolderError> {
        let never = match self.known.kind {
            ProcessorKind::Uncropped | ProcessorKind::ConvNext => self.is_pillow,
            ProcessorKind::Plain | ProcessorKind::EfficientNet => false,
        };
        let crops = self.settings.flag("do_center_crop")?;
        if never || !crops.unwrap_or(self.known.crop.is_some()) {
            return Ok(());
        }
        let side = match self.settings.get("crop_size") {
            None => self.known.crop,
            Some(value) if value.is_object() => {
                let size = self.settings.inner("crop_size")?;
                let sides = match size {
                    Some(size) => (size.count("height")?, size.count("width")?),
                    None => (None, None),
                };
                match sides {
                    (Some(height), Some(width)) if height == width => Some(height),
                    _ => {
                        return Err(self
                            .settings
                            .fault(&format!("crop_size is {}, not a square", quoted(value))));
                    }
                }
            }
            Some(_) => self.settings.side("crop_size")?,
        };
        match side {
            Some(side) => steps.push(self.centre(side)),
            None => {
                return Err(self
                    .settings
                    .fault("do_center_crop is on, and crop_size is absent"));
            }
        }
        Ok(())
    }

    fn centre(&self, size: usize) -> RecipeStep {
        RecipeStep::Crop(CropTo::Centre {
            size,
            like: if self.is_pillow {
                CropRounding::TransformersPil
            } else {
                CropRounding::Transformers
            },
            fill: vec![0.0],
        })
    }

    fn rescale(&self, steps: &mut Vec<RecipeStep>) -> Result<(), FolderError> {
        if !self.settings.flag("do_rescale")?.unwrap_or(true) {
            return Ok(());
        }
        let times = self.settings.number("rescale_factor")?.unwrap_or(RESCALE);
        let is_moved = self.known.kind == ProcessorKind::EfficientNet
            && self.settings.flag("rescale_offset")?.unwrap_or(false);
        let plus = if is_moved { -1.0 } else { 0.0 };
        steps.push(RecipeStep::Scale { times, plus });
        Ok(())
    }

    fn normalise(&self, steps: &mut Vec<RecipeStep>, channels: usize) -> Result<(), FolderError> {
        let by_default = |values: [f64; 3]| values[..channels].to_vec();
        let mean = self.settings.numbers("image_mean")?;
        let mean = mean.unwrap_or_else(|| by_default(self.known.mean));
        let deviation = self.settings.numbers("image_std")?;
        let deviation = deviation.unwrap_or_else(|| by_default(self.known.deviation));
        if self.settings.flag("do_normalize")?.unwrap_or(true) {
            steps.push(RecipeStep::Normalise {
                mean,
                deviation: deviation.clone(),
            });
        }
        // A second time, as the authors of EfficientNet do it.
        let is_twice = self.known.kind == ProcessorKind::EfficientNet
            && self.settings.flag("include_top")?.unwrap_or(true);
        if is_twice {
            let mean = vec![0.0];
            steps.push(RecipeStep::Normalise { mean, deviation });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::object;
    use super::*;

    const FILE: &str = "preprocessor_config.json";

    /// The digest text of the recipe of these files, without its first line.
    fn text_of(settings: &str, config: &str, channels: usize) -> Result<Vec<String>, String> {
        let (settings, config) = (
            object(FILE, settings).unwrap(),
            object("config.json", config).unwrap(),
        );
        let (settings, config) = (
            JsonMembers::new(FILE, &settings),
            JsonMembers::new("config.json", &config),
        );
        let recipe = recipe(&settings, &config, channels).map_err(|error| error.to_string())?;
        recipe.check().map_err(|fault| fault.to_string())?;
        Ok(recipe
            .digest_text()
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect())
    }

    const VIT: &str = r#"{"model_type": "vit", "transformers_version": "4.30.2"}"#;

    #[test]
    fn a_vit_is_squeezed_rescaled_and_normalised() {
        let settings = r#"{"do_normalize": true, "do_rescale": true, "do_resize": true,
            "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "ViTImageProcessor",
            "image_std": [0.5, 0.5, 0.5], "resample": 2, "rescale_factor": 0.00392156862745098,
            "size": {"height": 224, "width": 224}}"#;
        let expected = [
            "film window bytes rgb 3",
            "resize square 224 pillow-bilinear",
            "scale 0.00392156862745098 0",
            "normalise 0.5,0.5,0.5 0.5,0.5,0.5",
        ];
        assert_eq!(text_of(settings, VIT, 3).unwrap(), expected);
        // Without the file, it is what the class does by default; as an older version has it, too.
        assert_eq!(text_of("{}", VIT, 3).unwrap(), expected);
        let old = r#"{"feature_extractor_type": "ViTFeatureExtractor", "do_resize": true, "size": 224,
            "resample": 2, "do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#;
        assert_eq!(text_of(old, VIT, 3).unwrap(), expected);
    }

    #[test]
    fn the_library_is_that_of_the_version_that_saved_the_folder() {
        let of = |settings: &str, version: &str| {
            let config = format!(r#"{{"model_type": "vit", "transformers_version": "{version}"}}"#);
            text_of(settings, &config, 3).unwrap()[1].clone()
        };
        let fast = r#"{"image_processor_type": "ViTImageProcessorFast"}"#;
        assert_eq!(of("{}", "4.57.3"), "resize square 224 pillow-bilinear");
        assert_eq!(
            of("{}", "5.0.0.dev0"),
            "resize square 224 torchvision-bilinear"
        );
        assert_eq!(of(fast, "4.57.3"), "resize square 224 torchvision-bilinear");
        let none = text_of("{}", r#"{"model_type": "vit"}"#, 3).unwrap();
        assert_eq!(none[1], "resize square 224 pillow-bilinear");
    }

    #[test]
    fn dinov2_is_cropped_from_its_shorter_side() {
        let config = r#"{"model_type": "dinov2", "transformers_version": "4.57.3"}"#;
        let settings = r#"{"crop_size": {"height": 518, "width": 518}, "do_center_crop": true,
            "do_convert_rgb": true, "image_mean": [0.5307, 0.5307, 0.5307], "image_std": [0.2583, 0.2583, 0.2583],
            "image_processor_type": "BitImageProcessor", "resample": 3, "size": {"shortest_edge": 518}}"#;
        assert_eq!(
            text_of(settings, config, 3).unwrap(),
            [
                "film window bytes rgb 3",
                "resize short 518 down pillow-bicubic",
                "crop centre 518 transformers-pil 0",
                "scale 0.00392156862745098 0",
                "normalise 0.5307,0.5307,0.5307 0.2583,0.2583,0.2583",
            ]
        );
        let bare = text_of("{}", config, 3).unwrap();
        assert_eq!(bare[1], "resize short 224 down pillow-bicubic");
        assert!(bare[4].starts_with("normalise 0.48145466,0.4578275,0.40821073 "));
    }

    #[test]
    fn deit_and_convnext_crop_as_their_classes_do() {
        let deit = text_of("{}", r#"{"model_type": "deit"}"#, 3).unwrap();
        assert_eq!(
            deit[1..3],
            [
                "resize square 256 pillow-bicubic",
                "crop centre 224 transformers-pil 0"
            ]
        );
        let convnext = |settings: &str, version: &str| {
            let config =
                format!(r#"{{"model_type": "convnext", "transformers_version": "{version}"}}"#);
            text_of(settings, &config, 3).unwrap()
        };
        let small = r#"{"size": {"shortest_edge": 224}, "crop_pct": 0.95, "resample": 3}"#;
        assert_eq!(
            convnext(small, "4.30.0")[1..3],
            [
                "resize short 235 down pillow-bicubic",
                "crop centre 224 transformers-pil 0"
            ]
        );
        assert_eq!(
            convnext(r#"{"size": 224}"#, "5.1.0")[1..3],
            [
                "resize short 256 down torchvision-bicubic",
                "crop centre 224 transformers 0"
            ]
        );
        assert_eq!(
            convnext("{}", "4.30.0")[1..3],
            [
                "resize square 384 pillow-bilinear",
                "scale 0.00392156862745098 0"
            ]
        );
    }

    #[test]
    fn efficientnet_is_moved_and_normalised_twice_if_its_file_says_so() {
        let config = r#"{"model_type": "efficientnet"}"#;
        let settings = r#"{"size": {"height": 224, "width": 224}, "rescale_offset": true, "rescale_factor": 0.5,
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.25, 0.25, 0.25]}"#;
        assert_eq!(
            text_of(settings, config, 3).unwrap()[1..],
            [
                "resize square 224 pillow-nearest",
                "scale 0.5 -1",
                "normalise 0.485,0.456,0.406 0.25,0.25,0.25",
                "normalise 0 0.25,0.25,0.25",
            ]
        );
    }

    #[test]
    fn switches_that_are_off_leave_their_step_out() {
        let off = r#"{"do_rescale": false, "do_normalize": false, "do_center_crop": true, "crop_size": 200}"#;
        // A ViT's processor by Pillow never crops, whatever its file says.
        assert_eq!(
            text_of(off, VIT, 3).unwrap()[1..],
            ["resize square 224 pillow-bilinear"]
        );
        let fast = off.replacen(
            '{',
            r#"{"image_processor_type": "ViTImageProcessorFast", "#,
            1,
        );
        assert_eq!(
            text_of(&fast, VIT, 3).unwrap()[1..],
            [
                "resize square 224 torchvision-bilinear",
                "crop centre 200 transformers 0"
            ]
        );
        let grey = r#"{"image_mean": 0.5, "image_std": [0.25]}"#;
        assert_eq!(
            text_of(grey, VIT, 1).unwrap(),
            [
                "film window bytes luma 1",
                "resize square 224 pillow-bilinear",
                "scale 0.00392156862745098 0",
                "normalise 0.5 0.25",
            ]
        );
        assert_eq!(text_of("{}", VIT, 1).unwrap()[3], "normalise 0.5 0.5");
    }

    #[test]
    fn what_cannot_be_followed_names_the_key() {
        for (settings, words) in [
            (
                r#"{"image_processor_type": "LevitImageProcessor"}"#,
                "LevitImageProcessor is no image processor",
            ),
            (
                r#"{"auto_map": {"AutoImageProcessor": "x.Y"}}"#,
                "code of its own",
            ),
            (r#"{"do_pad": true}"#, "do_pad is on"),
            (
                r#"{"resample": 9}"#,
                "resample is 9, none of Pillow's filters",
            ),
            (r#"{"resample": "bicubic"}"#, "resample is \"bicubic\""),
            (
                r#"{"size": {"height": 224, "width": 256}}"#,
                "size is {\"height\":224,\"width\":256}",
            ),
            (
                r#"{"size": {"shortest_edge": 224, "longest_edge": 300}}"#,
                "nor its shortest_edge alone",
            ),
            (
                r#"{"size": [224, 256]}"#,
                "size is [224,256], not the side of a square",
            ),
            (r#"{"size": "224"}"#, "size is \"224\""),
            (
                r#"{"do_resize": "yes"}"#,
                "do_resize is \"yes\", not true or false",
            ),
            (r#"{"image_mean": ["a"]}"#, "image_mean is [\"a\"]"),
            // The recipe's own checks.
            (r#"{"do_resize": false}"#, "not a square of one size"),
            (r#"{"size": 1000000}"#, "size is 1000000"),
            (r#"{"image_std": [0, 1, 1]}"#, "deviation is 0, not above 0"),
            (r#"{"image_mean": [0.5, 0.5]}"#, "mean has 2 numbers"),
        ] {
            let error = text_of(settings, VIT, 3).unwrap_err();
            assert!(error.contains(words), "{settings}: {error}");
        }
        let error = text_of(
            "{}",
            r#"{"model_type": "vit", "transformers_version": "x"}"#,
            3,
        )
        .unwrap_err();
        assert!(
            error.contains("config.json: transformers_version"),
            "{error}"
        );
        let none = text_of("{}", r#"{"model_type": "levit"}"#, 3).unwrap_err();
        assert!(none.contains("names no image processor"), "{none}");
    }
}
