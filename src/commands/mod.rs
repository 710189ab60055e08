//! What each command does, in words: the wiring between the floors.
//!
//! A command takes names from the floors below and from [`shared`], never from another command.

mod adapt;
mod agreement;
mod browse;
mod config;
mod dicom;
mod doctor;
mod documents;
mod evaluate;
mod export;
mod listen;
mod merge;
mod models;
mod predict;
mod report;
mod shared;
mod study;
mod version;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;

use crate::cli::{Browse, Cli, Command, DicomAction};
use crate::domain::text::Printable;
use crate::imaging;
use crate::inference::{Compute, keep_choices_in};
pub use shared::report;
use shared::{
    CommandContext, available_cores, in_model_option, open_pacs, print, resolve_model, totals,
};

/// Runs the command that was typed.
///
/// # Errors
/// For [`report()`] to print.
pub fn run(mut cli: Cli) -> Result<ExitCode> {
    survive_size_limits();
    let settings = config::apply(&mut cli)?;
    let compute = if computes(cli.command.as_ref()) {
        if let Some(file) = shared::folders::chosen_ways() {
            keep_choices_in(file);
        }
        shared::compute(cli.computing)?
    } else {
        Compute::default()
    };
    let model = match (cli.model.model.clone(), &cli.command) {
        // `cxr models` resolves the name only where it needs the file.
        (Some(model), Some(Command::Models(_))) => Some(model),
        (Some(model), _) => resolve_model(model).map_err(in_model_option)?,
        (None, command) => settings.model_for(command.as_ref())?,
    };
    let context = CommandContext {
        limits: shared::limits(cli.files),
        compute,
        model,
        store: settings.store.clone(),
        colour: cli.appearance.color.unwrap_or_default(),
    };
    match cli.command {
        None => {
            open_pacs(&cli.browse.paths, &cli.pacs)?;
            screen(&cli.browse, context, settings)
        }
        Some(Command::Predict(arguments)) => predict::run(&arguments, &cli.pacs, &context),
        Some(Command::Merge(arguments)) => merge::run(&arguments),
        Some(Command::Evaluate(arguments)) => evaluate::run(&arguments, &context),
        Some(Command::Adapt(arguments)) => adapt::run(&arguments, &context),
        Some(Command::Export(arguments)) => export::run(&arguments),
        Some(Command::Agreement(arguments)) => agreement::run(&arguments),
        Some(Command::Study(arguments)) => study::run(&arguments.action, &context),
        Some(Command::Report(arguments)) => {
            open_pacs(std::slice::from_ref(&arguments.image), &cli.pacs)?;
            report::run(&arguments, &context)
        }
        Some(Command::Dicom(arguments)) => dicom::run(&arguments, &cli.pacs, &context),
        Some(Command::Listen(arguments)) => listen::run(&arguments),
        Some(Command::Doctor(arguments)) => doctor::run(&arguments, &cli.pacs, &context),
        Some(Command::Models(models)) => models::run(&models.action, context.model.as_deref()),
        Some(Command::Config(ref arguments)) => config::run(arguments, &cli),
        Some(Command::Completions(completions)) => documents::completions(completions.shell),
        Some(Command::Man) => documents::manual(),
        Some(Command::DecodeWorker) => Ok(imaging::decode_worker()),
    }
}

/// Prints help, the version or an error of the arguments, and returns the exit code.
pub fn misread(error: &clap::Error) -> ExitCode {
    if version::is_asked(error) {
        return version::print().unwrap_or_else(|error| report(&error));
    }
    shared::misread(error)
}

/// The screen, what the reader did there, and their own agreement with the model after a blinded session.
fn screen(
    arguments: &Browse,
    context: CommandContext,
    settings: config::Settings,
) -> Result<ExitCode> {
    let report = report::hook(context.clone(), arguments.store.clone());
    let others = (settings.open, report);
    let session = browse::run(arguments, &context, settings.keymap, others)?;
    if let Some(summary) = &session.summary {
        // The terminal may be closed by now.
        let _ = print(&Printable::page(&totals::of_sitting(summary)));
    }
    if let Some(selection) = session.blinded {
        // The readings are on the disk, so a summary that fails loses nothing.
        let _ = agreement::summarise(&selection);
    }
    Ok(session.code)
}

/// Treats a limit on the size of files (`ulimit -f`, as under Slurm) like a full disk: writing fails,
/// and the signal that comes with it does not end the program.
fn survive_size_limits() {
    // If the handler is refused, the signal ends the program as it ends others.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Whether a command computes a network. Finding a graphics processor takes a moment, and memory that
/// decoder processes may not have, so other commands do not look for one.
fn computes(command: Option<&Command>) -> bool {
    match command {
        None => true,
        Some(Command::Predict(_) | Command::Evaluate(_) | Command::Adapt(_)) => true,
        Some(Command::Report(_) | Command::Doctor(_)) => true,
        Some(Command::Dicom(dicom)) => {
            matches!(dicom.action, DicomAction::Sr(_) | DicomAction::Sc(_))
        }
        Some(_) => false,
    }
}

/// How many threads one computation may use: all cores where the user waits for a single image, one
/// where `predict` already reads an image on every core. `None` for a decoder process, which computes
/// nothing and keeps its environment empty.
pub fn engine_threads(cli: &Cli) -> Option<usize> {
    match cli.command {
        None | Some(Command::Report(_)) => Some(available_cores()),
        Some(Command::DecodeWorker) => None,
        Some(_) => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::cli::common_options::{CommonOptions, uses};
    use crate::cli::{command, examples};

    /// The help names what the command reads: each command is typed as in its first example.
    #[test]
    fn a_command_computes_and_has_a_model_where_its_help_has_the_options() {
        for (words, lines) in examples::all() {
            // The explanation stands after at least four spaces.
            let typed = lines[0].split("    ").next().unwrap();
            let matches = command().try_get_matches_from(typed.split_whitespace());
            let cli = Cli::from_arg_matches(&matches.unwrap()).unwrap();
            if matches!(cli.command, Some(Command::Models(_))) {
                // `models list` and `models show` take a model, and `show` loads it on the plainest way.
                continue;
            }
            let command = cli.command.as_ref();
            // The example of a command with commands below it is one of those.
            let leaf: Vec<&str> = match *words {
                ["study"] => vec!["study", "new"],
                ["study", "size"] => vec!["study", "size", "power"],
                ["dicom"] => vec!["dicom", "sr"],
                words => words.to_vec(),
            };
            let computing = uses(&leaf, CommonOptions::Computing);
            assert_eq!(computes(command), computing, "{typed}");
            let model = uses(&leaf, CommonOptions::Model);
            assert_eq!(config::uses_model(command), model, "{typed}");
        }
    }
}
