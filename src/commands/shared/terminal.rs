//! Options of the terminal, for the screen and for `cxr doctor`.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Result;

use super::Usage;
use crate::cli::{ColorWhen, GraphicsArgument, Terminal};
use crate::tui::preview::GraphicsMode;
use crate::tui::terminal::{ColourChoice, WAIT};

/// The environment variable for `--probe-timeout`. It is not given to clap, which would then refuse it
/// beside every command.
const PROBE_TIMEOUT: &str = "CXR_PROBE_MS";

/// How long the terminal may take to answer: as the option or else the environment says.
///
/// # Errors
/// [`Usage`], if the variable is no number of milliseconds.
pub fn probe_time(terminal: &Terminal) -> Result<Duration> {
    let set = std::env::var(PROBE_TIMEOUT).ok();
    let milliseconds = match (terminal.probe_timeout, set) {
        (Some(option), _) => Some(option),
        (None, Some(text)) if !text.is_empty() => Some(text.parse().map_err(|_| {
            Usage::error(format!(
                "{PROBE_TIMEOUT}={text}: a number of milliseconds, please"
            ))
        })?),
        _ => None,
    };
    Ok(milliseconds.map_or(WAIT, |number: NonZeroU32| {
        Duration::from_millis(number.get().into())
    }))
}

impl From<GraphicsArgument> for GraphicsMode {
    fn from(graphics: GraphicsArgument) -> Self {
        match graphics {
            GraphicsArgument::Auto => GraphicsMode::Auto,
            GraphicsArgument::Kitty => GraphicsMode::Kitty,
            GraphicsArgument::Iterm => GraphicsMode::Iterm,
            GraphicsArgument::Sixel => GraphicsMode::Sixel,
            GraphicsArgument::Blocks => GraphicsMode::Blocks,
            GraphicsArgument::Quadrants => GraphicsMode::Quadrants,
            GraphicsArgument::HalfBlocks => GraphicsMode::HalfBlocks,
            GraphicsArgument::Off => GraphicsMode::Off,
        }
    }
}

impl From<ColorWhen> for ColourChoice {
    fn from(colour: ColorWhen) -> Self {
        match colour {
            ColorWhen::Auto => ColourChoice::Auto,
            ColorWhen::Always => ColourChoice::Always,
            ColorWhen::Never => ColourChoice::Never,
        }
    }
}
