//! `cxr [PATH]...`: the screen.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::{Assumptions, FilmTableArguments, LookArguments, PrognosisArguments, Terminal};

/// `cxr [PATH]...`: the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Browse {
    /// Radiographs; folders, archives (zip, tar, tar.gz) or a DICOMDIR of them; or addresses of a PACS (DICOMweb)
    /// [default: the current folder]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// How radiographs are painted.
    #[command(flatten)]
    pub terminal: Terminal,

    /// Layout of the screen.
    #[command(flatten)]
    pub look: LookArguments,

    /// Keep models that were used loaded, up to N MiB of weights, so that m switches back at once
    /// [default: 512]
    #[arg(long, value_name = "N")]
    pub model_memory: Option<NonZeroU32>,

    /// Name recorded with each verdict [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub reviewer: Option<String>,

    /// The file that verdicts are recorded in [default: cxr/reviews.sqlite in $XDG_STATE_HOME or
    /// ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Score only the image on the screen, not the rest of the folder in the background
    #[arg(long)]
    pub no_background: bool,

    /// Hide the model's answer for each image until you have made your own call (Enter). Both, and the
    /// times taken, are recorded; see cxr agreement. Only then is the model a second reader (the sequential
    /// design); without this option it is a concurrent one
    #[arg(long)]
    pub blinded: bool,

    /// Read the images in a random order, which is the same for the same SEED; the seed is recorded
    /// [default: a new one]
    #[arg(long, value_name = "SEED", requires = "blinded", num_args = 0..=1, require_equals = true)]
    pub shuffle: Option<Option<u64>>,

    /// Begin at the top, sorted by name and without a filter, instead of where these folders were left
    #[arg(long)]
    pub fresh: bool,

    /// Score the rest of the folder in the background, although the configuration says not to
    #[arg(long, overrides_with = "no_background")]
    pub background: bool,

    /// Whether outcomes are shown.
    #[command(flatten)]
    pub prognosis: PrognosisArguments,

    /// Prevalences in place of the card's.
    #[command(flatten)]
    pub assumptions: Assumptions,

    /// Whose the films are.
    #[command(flatten)]
    pub films: FilmTableArguments,
}
