//! `cxr [PATH]...`: the screen.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::{Assumptions, LookArguments, Terminal};

/// `cxr [PATH]...`: the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Browse {
    /// Radiographs, or folders of them [default: the current folder]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub terminal: Terminal,

    #[command(flatten)]
    pub look: LookArguments,

    /// Models that were used stay loaded up to so many MiB of weights, so that m switches back at
    /// once [default: 512]
    #[arg(long, value_name = "N")]
    pub model_memory: Option<NonZeroU32>,

    /// In whose name verdicts are recorded [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub reviewer: Option<String>,

    /// Where they are recorded [default: cxr/reviews.sqlite in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Read only what is looked at, not the rest of the folder in the background
    #[arg(long)]
    pub no_background: bool,

    /// Hide what the model says of each image until you have made your own call (Enter); both, and
    /// the times taken, are recorded; see cxr agreement. Only so is cxr a second reader (the sequential
    /// design): without it, it is a concurrent one
    #[arg(long)]
    pub blinded: bool,

    /// Read them in a random order, the same for the same SEED, which is recorded [default: a new
    /// one]
    #[arg(long, value_name = "SEED", requires = "blinded", num_args = 0..=1, require_equals = true)]
    pub shuffle: Option<Option<u64>>,
    /// Begin at the top, by name and without a filter, not where these folders were left
    #[arg(long)]
    pub fresh: bool,
    /// Read it, where the configuration says not to
    #[arg(long, overrides_with = "no_background")]
    pub background: bool,

    #[command(flatten)]
    pub assumptions: Assumptions,
}
