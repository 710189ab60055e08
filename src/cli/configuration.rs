//! Options that the configuration file has too, and where that file is.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which configuration file, for every command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ConfigFile {
    /// The configuration file; '' for none [default: cxr/config.toml in $XDG_CONFIG_HOME or ~/.config]
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

/// Print, find or check the configuration file
///
/// A key in it is the long name of an option, and applies where the command line and the environment
/// give no value. All mistakes in it are reported at once, with their lines, before anything starts.
///
/// Exit status: 0, or 2 if there is a mistake in it.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[group(required = true, multiple = false)]
pub struct ConfigArguments {
    /// Print every key with its meaning and its default
    #[arg(long)]
    pub default: bool,

    /// Print the path of the configuration file
    #[arg(long)]
    pub path: bool,

    /// Report all mistakes in FILE, or else in the file that is used
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub check: Option<Option<PathBuf>>,
}

/// How the screen looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct LookArguments {
    /// Colours for a dark or a light background, black and white with strong colours, or the terminal's own
    /// sixteen; auto: dark or light where the terminal or COLORFGBG tells which, else the own sixteen
    /// [default: auto]
    #[arg(long, value_enum, value_name = "THEME")]
    pub theme: Option<ThemeArgument>,

    /// Draw in ASCII only; auto: where the locale is not UTF-8 [default: auto; always without =WHEN]
    #[arg(long, value_enum, value_name = "WHEN")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pub ascii: Option<AsciiWhen>,

    /// The columns of the worklist after the sign of a row [default: mark,name,date,view,age,score,words]
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
    Terminal,
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
    /// When the image was taken, where a file says it and the list is wide
    Date,
    /// The view (PA, AP, LAT), where a file says it and the list is wide
    View,
    /// The age of the patient, where a file says it and the list is wide
    Age,
    /// The score of the label that the list is sorted by, or the highest score
    Score,
    /// The label of that score, or why there is none
    Words,
}

impl ColumnArgument {
    /// The columns without an option.
    pub const DEFAULT: [ColumnArgument; 7] = [
        ColumnArgument::Mark,
        ColumnArgument::Name,
        ColumnArgument::Date,
        ColumnArgument::View,
        ColumnArgument::Age,
        ColumnArgument::Score,
        ColumnArgument::Words,
    ];
}
