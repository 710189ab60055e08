//! `[preprocessing]` of a card: a recipe in its file, read and written, alone or on a card.

use serde::{Deserialize, Serialize};

use crate::domain::text::clean;
use crate::domain::{
    ColourReading, CropRounding, CropTo, FilmRange, FilmReading, PadPlace, PreprocessRecipe,
    RECIPE_1, RecipeFault, RecipeStep, ResizeFilter, ResizeTo, SideRounding, ValueDepth,
};
use crate::inference::InferenceError;
use crate::inference::preprocess::recipe_name;

/// A recipe without a card: the same two parts as on one.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RecipeDocument {
    preprocess: String,
    preprocessing: RecipeFile,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeFile {
    film: FilmFile,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    step: Vec<StepFile>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FilmFile {
    values: String,
    depth: String,
    colour: String,
    channels: usize,
}

/// A step; `do` says which. A step without keys has braces, so that a key that it does not have is refused.
#[derive(Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum StepFile {
    Crop {
        to: Option<String>,
        centre: Option<usize>,
        like: Option<String>,
        fill: Option<Vec<f64>>,
    },
    Resize {
        size: Option<usize>,
        short: Option<usize>,
        long: Option<usize>,
        rounding: Option<String>,
        filter: String,
    },
    Pad {
        size: usize,
        at: String,
        fill: Vec<f64>,
    },
    Range {
        low: f64,
        high: f64,
    },
    Scale {
        times: f64,
        plus: Option<f64>,
    },
    Normalise {
        mean: Vec<f64>,
        deviation: Vec<f64>,
    },
    Stretch {
        from: f64,
        to: f64,
        low: f64,
        high: f64,
    },
    Standardise {},
    Clip {
        low: f64,
        high: f64,
    },
}

/// The recipe in a file of its own: `preprocess = "recipe-1"` and `[preprocessing]`.
///
/// # Errors
/// If it is not TOML, has other keys or words, or contradicts itself.
pub fn parse_recipe(text: &str) -> Result<PreprocessRecipe, InferenceError> {
    let fault = InferenceError::Recipe;
    let file: RecipeDocument = toml::from_str(text).map_err(|e| fault(clean(e.message())))?;
    let recipe = file.preprocessing.recipe().map_err(fault)?;
    full_name(&file.preprocess, Some(&recipe)).map_err(fault)?;
    Ok(recipe)
}

/// The text of a file that [`parse_recipe`] reads back.
///
/// # Errors
/// If a number is larger than TOML's numbers.
pub fn write_recipe(recipe: &PreprocessRecipe) -> Result<String, InferenceError> {
    let file = RecipeDocument {
        preprocess: RECIPE_1.to_owned(),
        preprocessing: recipe.into(),
    };
    toml::to_string(&file).map_err(|error| InferenceError::Recipe(error.to_string()))
}

/// The name that a preprocessing has in tables, from the one that is written on a card. That of a recipe has a digest of
/// it, which a card may leave out.
///
/// # Errors
/// If the name is that of another recipe, or of none.
pub fn full_name(written: &str, recipe: Option<&PreprocessRecipe>) -> Result<String, String> {
    let is_of_recipe = written
        .strip_prefix(RECIPE_1)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    match recipe {
        None if is_of_recipe => Err(format!(
            "preprocess is {written:?}, and [preprocessing] is absent"
        )),
        None => Ok(clean(written)),
        Some(recipe) => {
            let name = recipe_name(recipe);
            if written == RECIPE_1 || written == name {
                Ok(name)
            } else {
                Err(format!(
                    "preprocess is {written:?}, and [preprocessing] is {name}"
                ))
            }
        }
    }
}

impl RecipeFile {
    /// The recipe, if it can be followed.
    pub fn recipe(self) -> Result<PreprocessRecipe, String> {
        let named = |fault: String| format!("[preprocessing] {fault}");
        let film = self
            .film
            .film()
            .map_err(|fault| named(format!("film: {fault}")))?;
        let mut steps = Vec::with_capacity(self.step.len());
        for (number, file) in (1..).zip(self.step) {
            let word = file.word();
            let step = file.step().map_err(|reason| {
                let step = Some((number, word));
                named(RecipeFault { step, reason }.to_string())
            })?;
            steps.push(step);
        }
        let recipe = PreprocessRecipe { film, steps };
        recipe.check().map_err(|fault| named(fault.to_string()))?;
        Ok(recipe)
    }
}

impl FilmFile {
    fn film(self) -> Result<FilmReading, String> {
        use ColourReading::{Bgr, Luma, Red, Rgb};
        use FilmRange::{BitDepth, Physical, WholeRange, Window};
        use ValueDepth::{Bytes, BytesDown, Floats};
        let ranges = [Window, BitDepth, WholeRange, Physical];
        let depths = [Bytes, BytesDown, Floats];
        let colours = [Rgb, Bgr, Red, Luma];
        Ok(FilmReading {
            range: meant("values", &self.values, ranges, FilmRange::code)?,
            depth: meant("depth", &self.depth, depths, ValueDepth::code)?,
            colour: meant("colour", &self.colour, colours, ColourReading::code)?,
            channels: self.channels,
        })
    }
}

/// What a word on a card means.
fn meant<T: Copy, const N: usize>(
    key: &str,
    word: &str,
    all: [T; N],
    code: fn(T) -> &'static str,
) -> Result<T, String> {
    let found = all.iter().find(|known| code(**known) == word);
    found.copied().ok_or_else(|| {
        let words = all.map(code);
        format!("{key} is {word:?}, not {}", words.join(", "))
    })
}

impl StepFile {
    fn word(&self) -> &'static str {
        match self {
            StepFile::Crop { .. } => "crop",
            StepFile::Resize { .. } => "resize",
            StepFile::Pad { .. } => "pad",
            StepFile::Range { .. } => "range",
            StepFile::Scale { .. } => "scale",
            StepFile::Normalise { .. } => "normalise",
            StepFile::Stretch { .. } => "stretch",
            StepFile::Standardise {} => "standardise",
            StepFile::Clip { .. } => "clip",
        }
    }

    fn step(self) -> Result<RecipeStep, String> {
        Ok(match self {
            StepFile::Crop {
                to,
                centre,
                like,
                fill,
            } => RecipeStep::Crop(crop(to.as_deref(), centre, like.as_deref(), fill)?),
            StepFile::Resize {
                size,
                short,
                long,
                rounding,
                filter,
            } => RecipeStep::Resize {
                to: resize([size, short, long], rounding.as_deref())?,
                filter: ResizeFilter::with_word(&filter).ok_or_else(|| {
                    let words = ResizeFilter::ALL.map(|(_, word)| word);
                    format!("filter is {filter:?}, not {}", words.join(", "))
                })?,
            },
            StepFile::Pad { size, at, fill } => {
                let places = [PadPlace::Centre, PadPlace::TopLeft];
                let at = meant("at", &at, places, PadPlace::code)?;
                RecipeStep::Pad { size, at, fill }
            }
            StepFile::Range { low, high } => RecipeStep::Range { low, high },
            StepFile::Scale { times, plus } => RecipeStep::Scale {
                times,
                plus: plus.unwrap_or(0.0),
            },
            StepFile::Normalise { mean, deviation } => RecipeStep::Normalise { mean, deviation },
            StepFile::Stretch {
                from,
                to,
                low,
                high,
            } => RecipeStep::Stretch {
                percentiles: [from, to],
                low,
                high,
            },
            StepFile::Standardise {} => RecipeStep::Standardise,
            StepFile::Clip { low, high } => RecipeStep::Clip { low, high },
        })
    }
}

fn crop(
    to: Option<&str>,
    centre: Option<usize>,
    like: Option<&str>,
    fill: Option<Vec<f64>>,
) -> Result<CropTo, String> {
    match (to, centre) {
        (Some(to), None) if like.is_none() && fill.is_none() => match to {
            "square" => Ok(CropTo::Square),
            "square-mm" => Ok(CropTo::SquareMillimetres),
            "lungs" => Ok(CropTo::Lungs),
            other => Err(format!("to is {other:?}, not square, square-mm, lungs")),
        },
        (Some(_), None) => Err("like and fill are for a crop to the centre".to_owned()),
        (None, Some(size)) => {
            let all = [
                CropRounding::Torchvision,
                CropRounding::Transformers,
                CropRounding::TransformersPil,
            ];
            let like = like.unwrap_or(CropRounding::Torchvision.code());
            Ok(CropTo::Centre {
                size,
                like: meant("like", like, all, CropRounding::code)?,
                fill: fill.unwrap_or_else(|| vec![0.0]),
            })
        }
        _ => Err("it takes either to or centre".to_owned()),
    }
}

/// `sides` are `size`, `short` and `long`.
fn resize(sides: [Option<usize>; 3], rounding: Option<&str>) -> Result<ResizeTo, String> {
    let all = [SideRounding::Down, SideRounding::Nearest];
    let word = rounding.unwrap_or(SideRounding::Down.code());
    let rounding_of_side = meant("rounding", word, all, SideRounding::code)?;
    match sides {
        [Some(_), None, None] if rounding.is_some() => {
            Err("rounding is for short and long".to_owned())
        }
        [Some(size), None, None] => Ok(ResizeTo::Square(size)),
        [None, Some(short), None] => Ok(ResizeTo::Short(short, rounding_of_side)),
        [None, None, Some(long)] => Ok(ResizeTo::Long(long, rounding_of_side)),
        _ => Err("it takes one of size, short and long".to_owned()),
    }
}

impl From<&PreprocessRecipe> for RecipeFile {
    fn from(recipe: &PreprocessRecipe) -> Self {
        let FilmReading {
            range,
            depth,
            colour,
            channels,
        } = recipe.film;
        RecipeFile {
            film: FilmFile {
                values: range.code().to_owned(),
                depth: depth.code().to_owned(),
                colour: colour.code().to_owned(),
                channels,
            },
            step: recipe.steps.iter().map(Into::into).collect(),
        }
    }
}

impl From<&RecipeStep> for StepFile {
    fn from(step: &RecipeStep) -> Self {
        match step {
            RecipeStep::Crop(to) => to.into(),
            RecipeStep::Resize { to, filter } => {
                let (sides, rounding) = match *to {
                    ResizeTo::Square(size) => ([Some(size), None, None], None),
                    ResizeTo::Short(side, rounding) => ([None, Some(side), None], Some(rounding)),
                    ResizeTo::Long(side, rounding) => ([None, None, Some(side)], Some(rounding)),
                };
                let [size, short, long] = sides;
                StepFile::Resize {
                    size,
                    short,
                    long,
                    rounding: rounding.map(|rounding| rounding.code().to_owned()),
                    filter: filter.word().to_owned(),
                }
            }
            RecipeStep::Pad { size, at, fill } => StepFile::Pad {
                size: *size,
                at: at.code().to_owned(),
                fill: fill.clone(),
            },
            RecipeStep::Range { low, high } => StepFile::Range {
                low: *low,
                high: *high,
            },
            RecipeStep::Scale { times, plus } => StepFile::Scale {
                times: *times,
                plus: (*plus != 0.0).then_some(*plus),
            },
            RecipeStep::Normalise { mean, deviation } => StepFile::Normalise {
                mean: mean.clone(),
                deviation: deviation.clone(),
            },
            RecipeStep::Stretch {
                percentiles: [from, to],
                low,
                high,
            } => StepFile::Stretch {
                from: *from,
                to: *to,
                low: *low,
                high: *high,
            },
            RecipeStep::Standardise => StepFile::Standardise {},
            RecipeStep::Clip { low, high } => StepFile::Clip {
                low: *low,
                high: *high,
            },
        }
    }
}

impl From<&CropTo> for StepFile {
    fn from(to: &CropTo) -> Self {
        let whole = |to: &str| StepFile::Crop {
            to: Some(to.to_owned()),
            centre: None,
            like: None,
            fill: None,
        };
        match to {
            CropTo::Square => whole("square"),
            CropTo::SquareMillimetres => whole("square-mm"),
            CropTo::Lungs => whole("lungs"),
            CropTo::Centre { size, like, fill } => StepFile::Crop {
                to: None,
                centre: Some(*size),
                like: Some(like.code().to_owned()),
                fill: (*fill != [0.0]).then(|| fill.clone()),
            },
        }
    }
}

#[cfg(test)]
mod tests;
