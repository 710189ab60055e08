//! A recipe as text: for digests, which never change, and for people.

use super::{
    ColourReading, CropRounding, CropTo, FilmRange, FilmReading, PadPlace, PreprocessRecipe,
    RECIPE_1, RecipeStep, ResizeTo, SideRounding, ValueDepth,
};

impl FilmRange {
    /// Its word on cards and in digests. It never changes.
    pub fn code(self) -> &'static str {
        match self {
            FilmRange::Window => "window",
            FilmRange::BitDepth => "bit-depth",
            FilmRange::WholeRange => "whole-range",
            FilmRange::Physical => "physical",
        }
    }
}

impl ValueDepth {
    /// Its word on cards and in digests. It never changes.
    pub fn code(self) -> &'static str {
        match self {
            ValueDepth::Bytes => "bytes",
            ValueDepth::BytesDown => "bytes-down",
            ValueDepth::Floats => "floats",
        }
    }
}

impl ColourReading {
    /// Its word on cards and in digests. It never changes.
    pub fn code(self) -> &'static str {
        match self {
            ColourReading::Rgb => "rgb",
            ColourReading::Bgr => "bgr",
            ColourReading::Red => "red",
            ColourReading::Luma => "luma",
        }
    }
}

impl CropRounding {
    /// Its word on cards and in digests. It never changes.
    pub fn code(self) -> &'static str {
        match self {
            CropRounding::Torchvision => "torchvision",
            CropRounding::Transformers => "transformers",
            CropRounding::TransformersPil => "transformers-pil",
        }
    }
}

impl SideRounding {
    /// Its word on cards and in digests. It never changes.
    pub fn code(self) -> &'static str {
        match self {
            SideRounding::Down => "down",
            SideRounding::Nearest => "nearest",
        }
    }
}

impl PadPlace {
    /// Its word on cards and in digests. It never changes.
    pub fn code(self) -> &'static str {
        match self {
            PadPlace::Centre => "centre",
            PadPlace::TopLeft => "top-left",
        }
    }
}

impl PreprocessRecipe {
    /// The text that digests of a recipe are made of, a line for each step. Two recipes have the same text if they make
    /// the same numbers. Digests in tables and stores rest on it, so that the text of a recipe never changes.
    pub fn digest_text(&self) -> String {
        let FilmReading {
            range,
            depth,
            colour,
            channels,
        } = self.film;
        let (range, depth, colour) = (range.code(), depth.code(), colour.code());
        let film = format!("film {range} {depth} {colour} {channels}");
        let mut lines = vec![RECIPE_1.to_owned(), film];
        lines.extend(self.steps.iter().map(digest_line));
        lines.join("\n")
    }

    /// Each step in a few words, the reading of the film first: the numbers of steps in `cxr models check` are those of
    /// this list, from 0.
    pub fn step_words(&self) -> Vec<String> {
        let steps = self.steps.iter().map(words);
        std::iter::once(film_words(&self.film))
            .chain(steps)
            .collect()
    }
}

fn digest_line(step: &RecipeStep) -> String {
    let word = step.word();
    match step {
        RecipeStep::Crop(CropTo::Square) => format!("{word} square"),
        RecipeStep::Crop(CropTo::SquareMillimetres) => format!("{word} square-mm"),
        RecipeStep::Crop(CropTo::Lungs) => format!("{word} lungs"),
        RecipeStep::Crop(CropTo::Centre { size, like, fill }) => {
            format!("{word} centre {size} {} {}", like.code(), numbers(fill))
        }
        RecipeStep::Resize { to, filter } => {
            let filter = filter.word();
            match to {
                ResizeTo::Square(size) => format!("{word} square {size} {filter}"),
                ResizeTo::Short(size, rounding) => {
                    format!("{word} short {size} {} {filter}", rounding.code())
                }
                ResizeTo::Long(size, rounding) => {
                    format!("{word} long {size} {} {filter}", rounding.code())
                }
            }
        }
        RecipeStep::Pad { size, at, fill } => {
            format!("{word} {size} {} {}", at.code(), numbers(fill))
        }
        RecipeStep::Range { low, high } | RecipeStep::Clip { low, high } => {
            format!("{word} {} {}", plain(*low), plain(*high))
        }
        RecipeStep::Scale { times, plus } => format!("{word} {} {}", plain(*times), plain(*plus)),
        RecipeStep::Normalise { mean, deviation } => {
            format!("{word} {} {}", numbers(mean), numbers(deviation))
        }
        RecipeStep::Stretch {
            percentiles: [from, to],
            low,
            high,
        } => format!(
            "{word} {} {} {} {}",
            plain(*from),
            plain(*to),
            plain(*low),
            plain(*high)
        ),
        RecipeStep::Standardise => word.to_owned(),
    }
}

/// −0 is 0: the two make the same numbers.
fn plain(value: f64) -> f64 {
    value + 0.0
}

/// `0.485,0.456,0.406`
fn numbers(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|v| plain(*v).to_string()).collect();
    values.join(",")
}

fn film_words(film: &FilmReading) -> String {
    let range = match film.range {
        FilmRange::Window => "8-bit pictures as they are, others through their own window",
        FilmRange::BitDepth => "stored values over the range of their bit depth",
        FilmRange::WholeRange => "more than 8 bits from the darkest to the brightest value",
        FilmRange::Physical => "values after the modality transform",
    };
    let depth = match film.depth {
        ValueDepth::Bytes => ", as bytes",
        ValueDepth::BytesDown => ", as bytes, rounded down",
        ValueDepth::Floats => "",
    };
    let colour = match film.colour {
        ColourReading::Rgb => "red, green, blue",
        ColourReading::Bgr => "blue, green, red",
        ColourReading::Red => "the red of colours",
        ColourReading::Luma => "the luma of colours",
    };
    let channels = match film.channels {
        1 => "one channel".to_owned(),
        n => format!("{n} channels"),
    };
    format!("read {range}{depth}; {colour}; {channels}")
}

fn words(step: &RecipeStep) -> String {
    match step {
        RecipeStep::Crop(to) => match to {
            CropTo::Square => "crop to the largest centred square".to_owned(),
            CropTo::SquareMillimetres => {
                "crop to the largest centred square in millimetres".to_owned()
            }
            CropTo::Lungs => "crop to the box around the lungs".to_owned(),
            CropTo::Centre { size, like, .. } => {
                format!(
                    "crop to the centre, {size} × {size}, as {} does",
                    like.code()
                )
            }
        },
        RecipeStep::Resize { to, filter } => {
            let filter = filter.word();
            match to {
                ResizeTo::Square(size) => format!("resize to {size} × {size} by {filter}"),
                ResizeTo::Short(size, _) => {
                    format!("resize the shorter side to {size} by {filter}")
                }
                ResizeTo::Long(size, _) => format!("resize the longer side to {size} by {filter}"),
            }
        }
        RecipeStep::Pad { size, at, fill } => {
            let at = match at {
                PadPlace::Centre => "in the middle",
                PadPlace::TopLeft => "at the top left",
            };
            format!(
                "pad to {size} × {size} with {}, the picture {at}",
                numbers(fill)
            )
        }
        RecipeStep::Range { low, high } => format!("range from {low} to {high}"),
        RecipeStep::Scale { times, plus } if *plus == 0.0 => format!("scale by {times}"),
        RecipeStep::Scale { times, plus } => format!("scale by {times}, plus {plus}"),
        RecipeStep::Normalise { mean, deviation } => format!(
            "normalise with mean {} and deviation {}",
            numbers(mean),
            numbers(deviation)
        ),
        RecipeStep::Stretch {
            percentiles: [from, to],
            low,
            high,
        } => format!("stretch: percentiles {from} and {to} become {low} and {high}"),
        RecipeStep::Standardise => "standardise by the picture's own mean and deviation".to_owned(),
        RecipeStep::Clip { low, high } => format!("clip to {low} and {high}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recipe::ResizeFilter;

    fn recipe() -> PreprocessRecipe {
        let normalised = (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
        PreprocessRecipe::centre_crop(
            FilmReading::PICTURE,
            (256, 224),
            ResizeFilter::PillowBilinear,
            CropRounding::Torchvision,
            Some(normalised),
        )
    }

    /// Tables and stores hold digests of this text: another text would part their rows from those of tomorrow.
    #[test]
    fn the_text_of_a_recipe_stays_what_it_is() {
        assert_eq!(
            recipe().digest_text(),
            "recipe-1\n\
             film window bytes rgb 3\n\
             resize short 256 down pillow-bilinear\n\
             crop centre 224 torchvision 0\n\
             range 0 1\n\
             normalise 0.485,0.456,0.406 0.229,0.224,0.225"
        );
        let film = FilmReading {
            range: FilmRange::Physical,
            depth: ValueDepth::Floats,
            colour: ColourReading::Luma,
            channels: 1,
        };
        let steps = vec![
            RecipeStep::Crop(CropTo::Lungs),
            RecipeStep::Resize {
                to: ResizeTo::Long(224, SideRounding::Nearest),
                filter: ResizeFilter::OpencvArea,
            },
            RecipeStep::Pad {
                size: 224,
                at: PadPlace::TopLeft,
                fill: vec![-0.5],
            },
            RecipeStep::Stretch {
                percentiles: [1.0, 99.5],
                low: -1.0,
                high: 1.0,
            },
            RecipeStep::Clip {
                low: -1.4,
                high: 1.4,
            },
            RecipeStep::Scale {
                times: 1.0 / 255.0,
                plus: -1.0,
            },
            RecipeStep::Standardise,
        ];
        assert_eq!(
            PreprocessRecipe { film, steps }.digest_text(),
            "recipe-1\n\
             film physical floats luma 1\n\
             crop lungs\n\
             resize long 224 nearest opencv-area\n\
             pad 224 top-left -0.5\n\
             stretch 1 99.5 -1 1\n\
             clip -1.4 1.4\n\
             scale 0.00392156862745098 -1\n\
             standardise"
        );
    }

    #[test]
    fn every_step_has_words() {
        assert_eq!(
            recipe().step_words(),
            [
                "read 8-bit pictures as they are, others through their own window, as bytes; red, green, blue; 3 channels",
                "resize the shorter side to 256 by pillow-bilinear",
                "crop to the centre, 224 × 224, as torchvision does",
                "range from 0 to 1",
                "normalise with mean 0.485,0.456,0.406 and deviation 0.229,0.224,0.225",
            ]
        );
    }
}
