//! How a film becomes the input of a network, in the words of the vocabulary `recipe-1`: the film is read, and steps
//! follow in the order in which they are written.
//!
//! A library's name in a word means the numbers of that library: `pillow-bilinear` and `torch-bilinear` are two
//! different filters.

mod check;
mod filter;
mod text;

use std::fmt;

pub use self::check::RecipeInput;
pub use self::filter::ResizeFilter;

/// The name of this vocabulary, on cards and in the `preprocess` column of tables.
pub const RECIPE_1: &str = "recipe-1";

/// The preprocessing of a network: what is read of a film, and the steps from there to the network's input.
#[derive(Debug, Clone, PartialEq)]
pub struct PreprocessRecipe {
    pub film: FilmReading,
    /// In their order; [`check`](Self::check) says what must hold of them.
    pub steps: Vec<RecipeStep>,
}

/// What is read of a film: bone is white in each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilmReading {
    pub range: FilmRange,
    pub depth: ValueDepth,
    pub colour: ColourReading,
    /// Channels of the network's input, 1 or 3. Grey is the same in all of them.
    pub channels: usize,
}

/// What black and white are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilmRange {
    /// The picture that an export of the film shows. 8-bit pictures stay as they are; everything else goes through its
    /// own VOI LUT or window, and without one from the 0.5th to the 99.5th percentile of its values.
    Window,
    /// Stored values, from 0 to the largest that the bit depth allows: no rescale, no window.
    BitDepth,
    /// Stored values of more than 8 bits, from the darkest to the brightest of the film. 8-bit pictures stay as they
    /// are.
    WholeRange,
    /// Values after the modality transform, of no known range. Padding has the darkest value, and colour is luma.
    Physical,
}

/// How a value is kept after reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueDepth {
    /// Whole numbers from 0 to 255, rounded to the nearest, halves up.
    Bytes,
    /// The same, rounded down, as numpy's `astype(np.uint8)` does.
    BytesDown,
    /// From 0 to 1, or physical values, in single precision.
    Floats,
}

/// How the colours of a colour picture become channels. Grey stays grey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourReading {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as OpenCV's `imread` returns them.
    Bgr,
    /// Red alone.
    Red,
    /// Pillow's `convert("L")`: ITU-R BT.601.
    Luma,
}

/// One step. Sizes are in pixels; `fill`, `mean` and `deviation` hold one number for all channels, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub enum RecipeStep {
    Crop(CropTo),
    Resize {
        to: ResizeTo,
        filter: ResizeFilter,
    },
    /// To a square of `size`, around a picture that is not larger.
    Pad {
        size: usize,
        at: PadPlace,
        fill: Vec<f64>,
    },
    /// Black becomes `low` and white becomes `high`.
    Range {
        low: f64,
        high: f64,
    },
    /// `value · times + plus`, in double precision.
    Scale {
        times: f64,
        plus: f64,
    },
    /// `(value − mean) ÷ deviation` of each channel.
    Normalise {
        mean: Vec<f64>,
        deviation: Vec<f64>,
    },
    /// The two percentiles of the picture's own values (numpy's, linear) become `low` and `high`. A blank picture
    /// becomes the middle of the two.
    Stretch {
        percentiles: [f64; 2],
        low: f64,
        high: f64,
    },
    /// `(value − mean) ÷ deviation` of the picture's own values. A blank picture becomes 0.
    Standardise,
    /// Values beyond the limits become the limits.
    Clip {
        low: f64,
        high: f64,
    },
}

/// What a crop leaves.
#[derive(Debug, Clone, PartialEq)]
pub enum CropTo {
    /// The largest centred square in pixels: `side // 2 - size // 2` of each axis, as torchxrayvision's
    /// `XRayCenterCrop`.
    Square,
    /// The largest centred square in millimetres.
    SquareMillimetres,
    /// The box around the lungs, of any aspect; without two lungs, the square in millimetres.
    Lungs,
    /// The centre, a square of `size`. Where the picture is smaller, `fill` surrounds it.
    Centre {
        size: usize,
        like: CropRounding,
        fill: Vec<f64>,
    },
}

/// How the centre is found where the rest is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CropRounding {
    /// torchvision's `CenterCrop`: halves to even where it cuts, down where it pads.
    Torchvision,
    /// transformers since 5, and albumentations: down.
    Transformers,
    /// transformers' processors with Pillow: down where it cuts, up where it pads.
    TransformersPil,
}

/// The size after resizing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeTo {
    /// A square. The aspect may change.
    Square(usize),
    /// The shorter side; the aspect stays.
    Short(usize, SideRounding),
    /// The longer side; the aspect stays.
    Long(usize, SideRounding),
}

/// How the other side is rounded where the aspect stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SideRounding {
    /// Down, as torchvision and transformers.
    Down,
    /// To the nearest, halves to even, as timm's `ResizeKeepRatio` and albumentations.
    Nearest,
}

/// Where the picture lies within its padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PadPlace {
    /// In the middle; an odd pixel is after it.
    Centre,
    /// At the top left.
    TopLeft,
}

/// Why a recipe cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeFault {
    /// The number of the step, from 1, and its word; `None` for the film or the recipe as a whole.
    pub step: Option<(usize, &'static str)>,
    pub reason: String,
}

impl fmt::Display for RecipeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some((number, word)) => write!(f, "step {number}, {word}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for RecipeFault {}

impl RecipeStep {
    /// Its word, on cards.
    pub fn word(&self) -> &'static str {
        match self {
            RecipeStep::Crop(_) => "crop",
            RecipeStep::Resize { .. } => "resize",
            RecipeStep::Pad { .. } => "pad",
            RecipeStep::Range { .. } => "range",
            RecipeStep::Scale { .. } => "scale",
            RecipeStep::Normalise { .. } => "normalise",
            RecipeStep::Stretch { .. } => "stretch",
            RecipeStep::Standardise => "standardise",
            RecipeStep::Clip { .. } => "clip",
        }
    }
}

impl FilmReading {
    /// As `Image.open(path).convert("RGB")` of a picture, and for deeper films the picture of their own window: what
    /// most networks for three channels were trained on.
    pub const PICTURE: FilmReading = FilmReading {
        range: FilmRange::Window,
        depth: ValueDepth::Bytes,
        colour: ColourReading::Rgb,
        channels: 3,
    };
}

impl PreprocessRecipe {
    /// torchvision's usual chain on a picture, and timm's with `crop_mode` "center": `Resize(short)`, `CenterCrop(crop)`,
    /// `ToTensor`, `Normalize`. Without `mean` and `deviation` the last is left out.
    pub fn centre_crop(
        film: FilmReading,
        (short, crop): (usize, usize),
        filter: ResizeFilter,
        like: CropRounding,
        normalised: Option<(Vec<f64>, Vec<f64>)>,
    ) -> Self {
        let mut steps = vec![
            RecipeStep::Resize {
                to: ResizeTo::Short(short, SideRounding::Down),
                filter,
            },
            RecipeStep::Crop(CropTo::Centre {
                size: crop,
                like,
                fill: vec![0.0],
            }),
        ];
        steps.extend(to_tensor(normalised));
        PreprocessRecipe { film, steps }
    }

    /// The whole picture, squeezed to a square: `Resize((size, size))`, `ToTensor`, `Normalize`. Without `mean` and
    /// `deviation` the last is left out.
    pub fn squeezed(
        film: FilmReading,
        size: usize,
        filter: ResizeFilter,
        normalised: Option<(Vec<f64>, Vec<f64>)>,
    ) -> Self {
        let to = ResizeTo::Square(size);
        let mut steps = vec![RecipeStep::Resize { to, filter }];
        steps.extend(to_tensor(normalised));
        PreprocessRecipe { film, steps }
    }

    /// The whole picture within a square: the longer side to `size`, and `fill` above and below, or left and right.
    pub fn letterboxed(
        film: FilmReading,
        size: usize,
        filter: ResizeFilter,
        fill: f64,
        normalised: Option<(Vec<f64>, Vec<f64>)>,
    ) -> Self {
        let to = ResizeTo::Long(size, SideRounding::Nearest);
        let mut steps = vec![
            RecipeStep::Resize { to, filter },
            RecipeStep::Pad {
                size,
                at: PadPlace::Centre,
                fill: vec![fill],
            },
        ];
        steps.extend(to_tensor(normalised));
        PreprocessRecipe { film, steps }
    }

    /// Whether it depends on where the lungs are.
    pub fn needs_lungs(&self) -> bool {
        let is_lungs = |step: &RecipeStep| *step == RecipeStep::Crop(CropTo::Lungs);
        self.steps.iter().any(is_lungs)
    }
}

/// `ToTensor` and, with mean and deviation, `Normalize`.
fn to_tensor(normalised: Option<(Vec<f64>, Vec<f64>)>) -> impl Iterator<Item = RecipeStep> {
    let range = RecipeStep::Range {
        low: 0.0,
        high: 1.0,
    };
    let normalise = normalised.map(|(mean, deviation)| RecipeStep::Normalise { mean, deviation });
    std::iter::once(range).chain(normalise)
}
