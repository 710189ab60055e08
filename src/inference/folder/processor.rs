//! What an image processor of transformers does to an image, as a recipe.
//!
//! Processors compute by Pillow and numpy up to version 4, unless they are called `…Fast`, and by torchvision since
//! version 5. The folder says with which version it was saved (`transformers_version`), and that one's numbers are the
//! original's.

mod known;
mod steps;

use self::known::{KnownProcessor, default_name, known_processor};
use self::steps::ProcessorReader;
use super::json::{FolderError, JsonMembers, quoted};
use crate::domain::{ColourReading, FilmReading, PreprocessRecipe};

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
    let steps = reader.steps(channels)?;
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
        default_name(model_type).map(str::to_owned)
    };
    let Some(named) = named.or_else(default) else {
        return Err(settings.fault("it names no image processor (image_processor_type)"));
    };
    let is_fast = named.ends_with("Fast");
    let name = named.strip_suffix("Fast").unwrap_or(&named);
    match known_processor(name) {
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

#[cfg(test)]
mod tests;
