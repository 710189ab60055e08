//! The command line. Definitions only: [`commands`](crate::commands) runs them.

mod browse;
pub mod common_options;
mod configuration;
mod dicom;
mod dicom_send;
pub mod examples;
mod films;
mod listen;
mod measure;
mod merge;
mod models;
mod predict;
mod reference;
mod review;
mod shared;
mod study;
mod study_size;
#[cfg(test)]
mod tests;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

pub use browse::*;
pub use configuration::{
    AsciiWhen, ColumnArgument, ConfigArguments, ConfigFile, LookArguments, ThemeArgument,
};
pub use dicom::*;
pub use dicom_send::*;
pub use films::*;
pub use listen::*;
pub use measure::*;
pub use merge::*;
pub use models::*;
pub use predict::*;
pub use reference::*;
pub use review::*;
pub use shared::*;
pub use study::*;
pub use study_size::*;

/// Stands at the end of the help.
pub const NOT_A_DEVICE: &str = "cxr is for research and teaching. It is not a medical device.";

/// A second reader for chest radiographs that lives in the terminal.
///
/// Without a command it opens files and folders on the screen. There the model's answer stands beside the
/// image from the start, which makes the model a concurrent reader; with --blinded it is a second one.
#[derive(Debug, Parser)]
#[command(
    version,
    override_usage = "cxr [OPTIONS] [PATH]...\n       cxr [OPTIONS] <COMMAND>",
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    pub browse: Browse,

    #[command(flatten)]
    pub appearance: AppearanceArguments,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub config: ConfigFile,

    // After the others, because its heading would stand over what follows.
    #[command(flatten)]
    pub files: Files,

    #[command(flatten)]
    pub pacs: PacsArguments,

    #[command(flatten)]
    pub computing: Computing,

    /// With --version: version, commit, features and digests of the models, as JSON
    #[arg(long, requires = "version")]
    pub json: bool,

    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Parses the arguments of this process.
    ///
    /// # Errors
    /// What is wrong with them. Help and the version are errors too, as clap has them.
    pub fn from_arguments() -> Result<Self, clap::Error> {
        let matches = command().try_get_matches()?;
        Cli::from_arg_matches(&matches).and_then(Cli::checked)
    }

    /// Refuses an option of the screen before a command, which clap would accept: in
    /// `cxr --graphics off predict`, `predict` has no use for the option, and may be meant as a folder.
    fn checked(self) -> Result<Self, clap::Error> {
        if self.command.is_none() || self.browse == Browse::default() {
            return Ok(self);
        }
        let message = "options of the screen do not go with a command; \
                       a folder with the name of a command is written ./NAME";
        Err(command().error(ErrorKind::ArgumentConflict, message))
    }
}

/// The whole command line, with examples, and without what a command has no use for in its help.
pub fn command() -> clap::Command {
    common_options::hide_unused(examples::add(Cli::command()))
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Predict(Predict),
    Merge(Merge),
    Evaluate(Box<Evaluate>),
    Adapt(Box<Adapt>),
    Export(Export),
    Agreement(Agreement),
    Study(StudyArguments),
    Report(ReportArguments),
    Dicom(Box<DicomArguments>),
    Listen(Listen),
    Doctor(DoctorArguments),
    Models(ModelsArguments),
    Config(ConfigArguments),
    Completions(Completions),
    /// Print the manual page
    Man,
    /// Decode DICOM files for the process that started this one
    #[command(hide = true)]
    DecodeWorker,
}

/// Print a completion script
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell that will use it
    #[arg(value_enum)]
    pub shell: Shell,
}
