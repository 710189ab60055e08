//! What the configuration file can say too, and where that file is.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which configuration file, for every command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ConfigFile {
    /// The configuration; '' is none [default: cxr/config.toml in $XDG_CONFIG_HOME or ~/.config]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CXR_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<OsString>,

    /// Read no configuration
    #[arg(long, global = true)]
    pub no_config: bool,
}

/// The configuration file: what it can say, where it is, whether it is right
///
/// A key in it is the long name of an option, and holds where the command line and the environment
/// say nothing. All mistakes in it are reported at once, with their lines, before anything starts.
///
/// Exit status: 0, or 2 if there is a mistake in it.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[group(required = true, multiple = false)]
pub struct ConfigArguments {
    /// Print every key with its meaning, and what holds without a configuration
    #[arg(long)]
    pub default: bool,

    /// Print where it is looked for
    #[arg(long)]
    pub path: bool,

    /// Say all that is wrong in FILE, or else in the one that is used
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub check: Option<Option<PathBuf>>,
}

/// How the screen looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct LookArguments {
    /// Colours for a dark or a light background, or black and white with strong colours; auto: dark
    /// or light where COLORFGBG tells, else the terminal's own sixteen [default: auto]
    #[arg(long, value_enum, value_name = "THEME")]
    pub theme: Option<ThemeArgument>,

    /// Draw in ASCII only; auto: where the locale says that it is not UTF-8 [default: auto, always
    /// without =WHEN]
    #[arg(long, value_enum, value_name = "WHEN")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pub ascii: Option<AsciiWhen>,

    /// What a row of the worklist shows after its sign [default: mark,name,score,words]
    #[arg(long, value_enum, value_name = "COLUMN,…", value_delimiter = ',')]
    pub columns: Option<Vec<ColumnArgument>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ThemeArgument {
    #[default]
    Auto,
    Dark,
    Light,
    HighContrast,
}

/// When to draw in ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AsciiWhen {
    #[default]
    Auto,
    Always,
    Never,
}

/// A column of the worklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColumnArgument {
    /// Your verdict, and whether it is a key image
    Mark,
    Name,
    /// Of the label that the list is sorted by, or of the highest
    Score,
    /// That label, or why there is no score
    Words,
}

impl ColumnArgument {
    /// What is shown where nobody says otherwise.
    pub const DEFAULT: [ColumnArgument; 4] = [
        ColumnArgument::Mark,
        ColumnArgument::Name,
        ColumnArgument::Score,
        ColumnArgument::Words,
    ];
}
