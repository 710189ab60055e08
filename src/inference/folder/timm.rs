//! timm's `config.json`: what its evaluation does to an image.

use super::json::{FolderError, JsonMembers};
use crate::domain::{
    ColourReading, CropRounding, CropTo, FilmReading, PreprocessRecipe, RecipeStep, ResizeFilter,
    ResizeTo, SideRounding,
};

/// `IMAGENET_DEFAULT_MEAN` and `_STD`.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];
/// `DEFAULT_CROP_PCT`.
const CROP_SHARE: f64 = 0.875;
/// `input_size` of a `pretrained_cfg` that has none.
const SIDE: usize = 224;

/// Whether a config is of timm, and not of transformers.
pub fn is_timm(config: &JsonMembers<'_>) -> bool {
    config.get("architecture").is_some()
}

/// The channels of the input: `input_size[0]`, or `in_chans` of its arguments.
///
/// # Errors
/// If the two contradict each other, or there are neither 1 nor 3.
pub fn channels(config: &JsonMembers<'_>, own: Option<usize>) -> Result<usize, FolderError> {
    let of_size = input_size(&pretrained(config)?)?.0;
    let channels = own.unwrap_or(of_size);
    if own.is_some_and(|own| own != of_size) {
        return Err(config.fault(&format!(
            "model_args has in_chans = {channels}, and input_size has {of_size} channels"
        )));
    }
    if matches!(channels, 1 | 3) {
        Ok(channels)
    } else {
        Err(config.fault(&format!("input_size has {channels} channels, not 1 or 3")))
    }
}

/// `pretrained_cfg`; old configs have its members themselves.
fn pretrained<'a>(config: &JsonMembers<'a>) -> Result<JsonMembers<'a>, FolderError> {
    Ok(config.inner("pretrained_cfg")?.unwrap_or(*config))
}

/// The side of `input_size`.
///
/// # Errors
/// If it is no square.
pub fn side(config: &JsonMembers<'_>) -> Result<usize, FolderError> {
    Ok(input_size(&pretrained(config)?)?.1)
}

/// Channels and side of `input_size`.
fn input_size(pretrained: &JsonMembers<'_>) -> Result<(usize, usize), FolderError> {
    let Some(size) = pretrained.list("input_size")? else {
        return Ok((3, SIDE));
    };
    let sizes: Vec<Option<usize>> = size
        .iter()
        .map(|size| size.as_u64().and_then(|size| usize::try_from(size).ok()))
        .collect();
    match sizes[..] {
        [Some(channels), Some(height), Some(width)] if height == width => Ok((channels, height)),
        _ => Err(pretrained.fault("input_size is not the channels and the sides of a square")),
    }
}

/// What timm's evaluation does to an image: `transforms_imagenet_eval` with `resolve_data_config`.
///
/// # Errors
/// If it is done in a way that cxr cannot follow.
pub fn recipe(config: &JsonMembers<'_>, channels: usize) -> Result<PreprocessRecipe, FolderError> {
    let pretrained = pretrained(config)?;
    let (_, side) = input_size(&pretrained)?;
    let word = pretrained.text("interpolation")?.unwrap_or("bicubic");
    let Some(filter) = ResizeFilter::of_timm(word) else {
        return Err(pretrained.fault(&format!(
            "interpolation is {word:?}, no filter that cxr knows"
        )));
    };
    let share = pretrained.number("crop_pct")?.filter(|share| *share != 0.0);
    let share = share.unwrap_or(CROP_SHARE);
    if !(share > 0.0 && share <= 1.0) {
        return Err(pretrained.fault(&format!("crop_pct is {share}, not above 0 and up to 1")));
    }
    let mean = pretrained.numbers("mean")?;
    let mean = mean.unwrap_or_else(|| MEAN[..channels].to_vec());
    let deviation = pretrained.numbers("std")?;
    let deviation = deviation.unwrap_or_else(|| DEVIATION[..channels].to_vec());
    // Python's `math.floor`.
    let scaled = (side as f64 / share).floor() as usize;
    let mut fill = vec![0.0];
    let to = match pretrained.text("crop_mode")?.unwrap_or("center") {
        "squash" => ResizeTo::Square(scaled),
        "border" => {
            // Python's `round`: halves to even.
            fill = mean
                .iter()
                .map(|mean| (255.0 * mean).round_ties_even())
                .collect();
            ResizeTo::Long(scaled, SideRounding::Nearest)
        }
        // As timm, for which every other word means the same.
        _ => ResizeTo::Short(scaled, SideRounding::Down),
    };
    let crop = CropTo::Centre {
        size: side,
        like: CropRounding::Torchvision,
        fill,
    };
    let film = match channels {
        1 => FilmReading {
            colour: ColourReading::Luma,
            channels,
            ..FilmReading::PICTURE
        },
        _ => FilmReading::PICTURE,
    };
    let steps = vec![
        RecipeStep::Resize { to, filter },
        RecipeStep::Crop(crop),
        RecipeStep::Range {
            low: 0.0,
            high: 1.0,
        },
        RecipeStep::Normalise { mean, deviation },
    ];
    Ok(PreprocessRecipe { film, steps })
}

#[cfg(test)]
mod tests {
    use super::super::json::object;
    use super::*;

    const FILE: &str = "config.json";

    fn of<T>(
        text: &str,
        read: impl Fn(&JsonMembers<'_>) -> Result<T, FolderError>,
    ) -> Result<T, String> {
        let members = object(FILE, text).unwrap();
        read(&JsonMembers::new(FILE, &members)).map_err(|error| error.to_string())
    }

    fn text_of(text: &str) -> Result<Vec<String>, String> {
        let recipe = of(text, |config| recipe(config, channels(config, None)?))?;
        recipe.check().map_err(|fault| fault.to_string())?;
        Ok(recipe
            .digest_text()
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect())
    }

    const RESNET: &str = r#"{"architecture": "resnet34", "num_classes": 2, "global_pool": "avg", "pretrained_cfg":
        {"tag": "a1_in1k", "input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.95,
        "crop_mode": "center", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}"#;

    #[test]
    fn each_way_to_crop_is_timms() {
        let centre = text_of(RESNET).unwrap();
        assert_eq!(
            centre,
            [
                "film window bytes rgb 3",
                "resize short 235 down pillow-bicubic",
                "crop centre 224 torchvision 0",
                "range 0 1",
                "normalise 0.485,0.456,0.406 0.229,0.224,0.225",
            ]
        );
        let mode =
            |mode: &str| text_of(&RESNET.replace("\"center\"", mode)).unwrap()[1..3].to_vec();
        assert_eq!(
            mode("\"squash\""),
            [
                "resize square 235 pillow-bicubic",
                "crop centre 224 torchvision 0"
            ]
        );
        assert_eq!(
            mode("\"border\""),
            [
                "resize long 235 nearest pillow-bicubic",
                "crop centre 224 torchvision 124,116,104"
            ]
        );
        // `resolve_data_config` of what says nothing, in the layout of old configs.
        let bare = text_of(r#"{"architecture": "resnet18"}"#).unwrap();
        assert_eq!(
            bare[1..3],
            [
                "resize short 256 down pillow-bicubic",
                "crop centre 224 torchvision 0"
            ]
        );
        let old = text_of(
            r#"{"architecture": "resnet18", "input_size": [1, 288, 288], "mean": [0.5], "std": [0.25]}"#,
        );
        let old = old.unwrap();
        assert_eq!(old[0], "film window bytes luma 1");
        assert_eq!(
            (old[2].as_str(), old[4].as_str()),
            ("crop centre 288 torchvision 0", "normalise 0.5 0.25")
        );
    }

    #[test]
    fn what_cannot_be_followed_names_the_key() {
        for (from, to, words) in [
            ("\"bicubic\"", "\"random\"", "interpolation is \"random\""),
            ("0.95", "1.5", "crop_pct is 1.5"),
            ("0.95", "\"x\"", "crop_pct is \"x\", not a number"),
            (
                "[0.229, 0.224, 0.225]",
                "[0.229, 0.224]",
                "deviation has 2 numbers",
            ),
            (
                "[0.229, 0.224, 0.225]",
                "[0, 0.224, 0.225]",
                "deviation is 0",
            ),
        ] {
            let error = text_of(&RESNET.replace(from, to)).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
