//! What each command does, in words: the wiring between the floors.

mod adapt;
mod agreement;
mod batch;
pub mod browse;
mod cases;
mod config;
mod doctor;
mod documents;
mod draft;
mod evaluate;
mod export;
mod models;
mod predict;
mod prediction_cache;
mod print;
mod report;
mod standard_output;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::cli::{self, Assumptions, Cli, Command, Computing, Files};
use crate::domain::{ModelCard, Prevalences};
use crate::imaging::{self, DecodeLimits};
use crate::inference::{Classifier, Compute, DeviceChoice, Engine, ModelFiles, Precision};
use crate::model_library::{ModelLibrary, check_name};
use print::{complain, note, print, print_document};
pub use print::{misread, report};
use standard_output::{is_broken_pipe, standard_output};

/// Something was read, and something could not be.
const SOME_FAILED: u8 = 1;
/// What was asked for makes no sense, as clap's own errors end.
const BAD_USAGE: u8 = 2;

/// An error of whoever typed the command.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

impl Usage {
    fn error(message: impl Into<String>) -> anyhow::Error {
        Usage(message.into()).into()
    }
}

/// Runs what was typed.
///
/// # Errors
/// For [`report`] to print.
pub fn run(mut cli: Cli) -> Result<ExitCode> {
    outlive_size_limits();
    let settings = config::apply(&mut cli)?;
    if computes(cli.command.as_ref()) {
        compute(cli.computing)?.for_process();
    }
    let limits = limits(cli.files);
    let colour = cli.appearance.color.unwrap_or_default();
    let model = match (cli.model.model.clone(), &cli.command) {
        // Looks for it where it needs one.
        (Some(model), Some(Command::Models(_))) => Some(model),
        (Some(model), _) => resolved(model).map_err(of_option)?,
        (None, command) => settings.model_for(command.as_ref())?,
    };
    let model = model.as_deref();
    match cli.command {
        None => browse::run(&cli.browse, colour, limits, model, settings.keymap),
        Some(Command::Predict(arguments)) => predict::run(&arguments, &limits, model),
        Some(Command::Evaluate(arguments)) => evaluate::run(&arguments, &limits, model),
        Some(Command::Adapt(arguments)) => adapt::run(&arguments, &limits, model),
        Some(Command::Export(arguments)) => export::run(&arguments),
        Some(Command::Agreement(arguments)) => agreement::run(&arguments),
        Some(Command::Report(arguments)) => report::run(&arguments, &limits, model),
        Some(Command::Doctor(terminal)) => {
            let store = settings.store.as_deref();
            doctor::run(&terminal, colour, &limits, model, store)
        }
        Some(Command::Models(models)) => models::run(&models.action, model),
        Some(Command::Config(ref arguments)) => config::run(arguments, &cli),
        Some(Command::Completions(completions)) => documents::completions(completions.shell),
        Some(Command::Man) => documents::manual(),
        Some(Command::DecodeWorker) => Ok(imaging::decode_worker()),
    }
}

/// A file that may not become larger (`ulimit -f`, as under Slurm) is a full disk: writing fails, and
/// the signal that comes with it does not end the program.
fn outlive_size_limits() {
    // Where it is refused, such a limit ends the program as it ends others.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Whether it has use for a graphics processor: finding one takes a moment, and memory that decoder
/// processes may not have.
fn computes(command: Option<&Command>) -> bool {
    match command {
        None => true,
        Some(Command::Predict(_) | Command::Evaluate(_) | Command::Adapt(_)) => true,
        Some(Command::Report(_) | Command::Doctor(_)) => true,
        Some(_) => false,
    }
}

/// How networks are to be computed.
///
/// # Errors
/// [`Usage`], if nothing computes so, or the device is not there.
fn compute(computing: Computing) -> Result<Compute> {
    let place = match computing.device.unwrap_or_default() {
        cli::Device::Auto => {
            let (place, why) = DeviceChoice::best();
            if let Some(why) = why {
                complain(&format!("on the CPU: {why}"));
            }
            place
        }
        cli::Device::Cpu => DeviceChoice::Cpu,
        cli::Device::Cuda(number) => there(DeviceChoice::Cuda(number))?,
        cli::Device::Metal => there(DeviceChoice::Metal)?,
    };
    let engine = match computing.engine.unwrap_or_default() {
        cli::EngineArgument::Auto if place != DeviceChoice::Cpu => Engine::Candle,
        cli::EngineArgument::Auto | cli::EngineArgument::Kernels => Engine::Kernels,
        cli::EngineArgument::Candle => Engine::Candle,
    };
    let precision = match computing.precision.unwrap_or_default() {
        cli::PrecisionArgument::F32 => Precision::F32,
        cli::PrecisionArgument::Bf16 => Precision::Bf16,
        cli::PrecisionArgument::F16 => Precision::F16,
    };
    let compute = Compute {
        engine,
        place,
        precision,
    };
    let is_possible = compute.check();
    is_possible.map_err(|error| Usage::error(error.to_string()))?;
    Ok(compute)
}

/// That place, if it is there.
///
/// # Errors
/// [`Usage`], if not.
fn there(place: DeviceChoice) -> Result<DeviceChoice> {
    let opened = place.open().map(|_| place);
    opened.map_err(|error| Usage::error(format!("--device {error}")))
}

/// The limits that were asked for, and the bundled ones for the rest.
fn limits(files: Files) -> DecodeLimits {
    let or = |asked: Option<NonZeroU32>, unit: u64, otherwise: u64| {
        asked.map_or(otherwise, |n| u64::from(n.get()) * unit)
    };
    let bundled = DecodeLimits::default();
    DecodeLimits {
        max_pixels: or(files.max_megapixels, 1_000_000, bundled.max_pixels),
        max_memory: or(files.max_memory, 1 << 20, bundled.max_memory),
        timeout: files.decode_timeout.map_or(bundled.timeout, |seconds| {
            Duration::from_secs(seconds.get().into())
        }),
        ..bundled
    }
}

/// The file of the model that was asked for by a name in the store or by a path; `None` for the
/// bundled one.
///
/// # Errors
/// [`Usage`], if it is neither.
fn resolved(model: PathBuf) -> Result<Option<PathBuf>> {
    let name = model.to_str().filter(|name| check_name(name).is_ok());
    let Some(name) = name.filter(|_| !model.exists()) else {
        return Ok(Some(model));
    };
    if ModelFiles::bundled().card()?.name == name {
        return Ok(None);
    }
    match ModelLibrary::of_user().and_then(|store| store.find(name)) {
        Ok(Some(path)) => Ok(Some(path)),
        Ok(None) => Err(Usage::error(format!(
            "{name}: no such file, and no such model; `cxr models list` names them"
        ))),
        Err(error) => Err(Usage::error(format!("{name}: {error}"))),
    }
}

/// An error of [`resolved`], where the command line or the environment names the model.
fn of_option(error: anyhow::Error) -> anyhow::Error {
    Usage::error(format!("--model {error:#}"))
}

/// The card and the weights that were asked for, or else the bundled ones.
///
/// # Errors
/// [`Usage`], if they cannot be read or do not belong together.
fn model_files(path: Option<&Path>) -> Result<ModelFiles> {
    let files = path.map_or_else(|| Ok(ModelFiles::bundled()), ModelFiles::read);
    files.map_err(|error| Usage::error(format!("model {error}")))
}

/// The model that was asked for, ready to run.
///
/// # Errors
/// [`Usage`], if it cannot be loaded.
fn classifier(path: Option<&Path>) -> Result<Classifier> {
    let words = match Compute::of_process().precision {
        Precision::F32 => None,
        Precision::Bf16 => Some("bf16"),
        Precision::F16 => Some("f16"),
    };
    if let Some(words) = words {
        complain(&format!(
            "computing in {words}: scores differ a little from those in f32"
        ));
    }
    let loaded = model_files(path)?.classifier();
    loaded.map_err(|error| match path {
        Some(_) => Usage::error(format!("model {error}")),
        None => anyhow::Error::from(error).context("the bundled model"),
    })
}

/// The prevalences that were asked for.
///
/// # Errors
/// [`Usage`] if one cannot be read, the model has no such label that assumes one, or two of them
/// contradict each other.
fn assumed(arguments: &Assumptions, card: &ModelCard) -> Result<Prevalences> {
    let mut assumed = Prevalences::default();
    for text in &arguments.usual {
        // It is for whichever model has such a label.
        let _ = assumed.take(card, text);
    }
    for text in &arguments.prevalence {
        assumed
            .take(card, text)
            .map_err(|error| Usage::error(format!("--prevalence {text}: {error}")))?;
    }
    // Their order says nothing: which of them agree is known after the last.
    match assumed.agree(card) {
        // A configuration was written for other models, too.
        Err(error) if arguments.prevalence.is_empty() => complain(&format!("prevalence: {error}")),
        agree => agree.map_err(|error| Usage::error(format!("prevalence: {error}")))?,
    }
    Ok(assumed)
}

/// How many threads one computation may use: all cores for the one image that somebody waits for;
/// one where `predict` already reads an image on every core. `None` for a decoder process, which
/// computes nothing and whose environment stays empty.
pub fn engine_threads(cli: &Cli) -> Option<usize> {
    match cli.command {
        None | Some(Command::Report(_)) => Some(available_cores()),
        Some(Command::DecodeWorker) => None,
        Some(_) => Some(1),
    }
}

/// Opens for writing what only its owner may read: it was found in somebody's radiographs.
fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// How a database of SQLite begins, as the store is one (sqlite.org/fileformat, section 1.3).
const DATABASE: &[u8] = b"SQLite format 3\0";

/// Whether there is a database: reviews, perhaps, which no table, page or model may take the place
/// of.
fn is_database(path: &Path) -> bool {
    let begins = || -> io::Result<bool> {
        if !fs::metadata(path)?.is_file() {
            return Ok(false);
        }
        let mut head = [0; DATABASE.len()];
        File::open(path)?.read_exact(&mut head)?;
        Ok(head == DATABASE)
    };
    begins().unwrap_or(false)
}

fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
