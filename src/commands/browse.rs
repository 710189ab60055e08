use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use super::export::{refused, store_path};
use super::prediction_cache::open_memory;
use super::{SOME_FAILED, Usage, agreement, assumed, complain, model_files};
use crate::cli::{self, Browse, ColorWhen, ColumnArgument, GraphicsArgument, Terminal};
use crate::domain::ModelCard;
use crate::domain::text::clean;
use crate::imaging::{DecodeLimits, Decoder, own_program};
use crate::inference::{Classifier, Classify, Compute, InferenceError, ModelFiles};
use crate::model_library::{InstalledModel, ModelLibrary};
use crate::store::Pending;
use crate::tui::keymap::Keymap;
use crate::tui::look::{AsciiChoice, ThemeChoice, WorklistColumns};
use crate::tui::preview::GraphicsMode as Painting;
use crate::tui::terminal::{ColourChoice, WAIT, is_interactive};
use crate::tui::{self, Appearance, ModelChoice, Options};
use crate::worker::{KEPT_BYTES, ModelSet, ModelSource, Worker, threads_behind};

/// `cxr [PATH]...`
pub fn run(
    arguments: &Browse,
    colour: ColorWhen,
    limits: DecodeLimits,
    model: Option<&Path>,
    keymap: Keymap,
) -> Result<ExitCode> {
    let model = model_files(model)?;
    let card = model.card().context("the model")?;
    let assumed = assumed(&arguments.assumptions, &card)?;
    if !is_interactive() {
        return Err(Usage::error(
            "the screen needs a terminal on standard input and output; for a table use cxr predict",
        ));
    }
    let mut paths = arguments.paths.clone();
    if paths.is_empty() {
        paths.push(".".into());
    }
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(Usage::error(format!(
            "{}: no such file or folder",
            missing.display()
        )));
    }
    let first = Decoder::new(limits, own_program().ok());
    let decoder = move || first.beside();
    let model_memory = arguments
        .model_memory
        .map(|mebibytes| u64::from(mebibytes.get()) << 20);
    let (choices, sources) = choices(model, &card);
    let models = ModelSet {
        sources,
        kept_bytes: model_memory.unwrap_or(KEPT_BYTES),
    };
    let store = store_path(arguments.store.as_deref())?;
    let reviews = Pending::open(&store).map_err(refused)?;
    let options = Options {
        reviews,
        reviewer: reviewer(arguments.reviewer.as_deref())?,
        background: !arguments.no_background,
        blinded: arguments
            .blinded
            .then(|| arguments.shuffle.map(|seed| seed.unwrap_or_else(random))),
        fresh: arguments.fresh,
        paths,
        graphics: arguments.terminal.graphics.unwrap_or_default().into(),
        probe: probe_time(&arguments.terminal)?,
        coarse_above: arguments.terminal.coarse_above,
        keymap,
        look: look(&arguments.look),
        colour: colour.into(),
        assumed,
        models: choices,
        device: Compute::of_process().place.words(),
    };
    let readings = arguments.blinded.then(|| agreement::ReadingSelection {
        store: store.clone(),
        folders: options.paths.clone(),
        reviewer: Some(options.reviewer.clone()),
    });
    let memory = Some(open_memory(store));
    let start = |report| Worker::with_memory(decoder, models, memory, threads_behind(), report);
    let left = tui::run(options, start).context("the terminal")?;
    if let Some(unwritten) = left.unwritten {
        complain(&unwritten);
        return Ok(ExitCode::from(left.code.max(SOME_FAILED)));
    }
    if let Some(wanted) = readings {
        // What was read is on the disk: a summary that fails takes nothing away.
        let _ = agreement::summarise(&wanted);
    }
    Ok(ExitCode::from(left.code))
}

/// A seed that nobody chose; small enough to be typed again.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}

/// How long the terminal may take to answer: as asked for, or as the environment says. Not by clap,
/// which would have the variable conflict with every command.
///
/// # Errors
/// [`Usage`], if the variable is no number of milliseconds.
pub fn probe_time(terminal: &Terminal) -> Result<Duration> {
    let said = std::env::var("CXR_PROBE_MS").ok();
    let milliseconds = match (terminal.probe_timeout, said) {
        (Some(asked), _) => Some(asked),
        (None, Some(text)) if !text.is_empty() => Some(text.parse().map_err(|_| {
            Usage::error(format!(
                "CXR_PROBE_MS={text}: a number of milliseconds, please"
            ))
        })?),
        _ => None,
    };
    Ok(milliseconds.map_or(WAIT, |number: NonZeroU32| {
        Duration::from_millis(number.get().into())
    }))
}

/// The name that was asked for, or else the one that the user logged in with.
///
/// # Errors
/// [`Usage`], if there is none.
fn reviewer(asked: Option<&str>) -> Result<String> {
    let login = || {
        let names = ["USER", "LOGNAME"].into_iter();
        names
            .filter_map(|name| std::env::var(name).ok())
            .find(|name| !name.is_empty())
    };
    let uid = || format!("uid {}", rustix::process::getuid().as_raw());
    let name = asked.map_or_else(|| login().unwrap_or_else(uid), str::to_owned);
    match clean(&name) {
        name if name.is_empty() => Err(Usage::error("--reviewer: a name, please")),
        name => Ok(name),
    }
}

/// The model that was asked for, and the others that there are to switch to: the bundled one and
/// those of the store. One whose card cannot be read is not among them; `cxr models list` says why.
fn choices(model: ModelFiles, card: &ModelCard) -> (Vec<ModelChoice>, Vec<ModelSource>) {
    let bundled = ModelFiles::bundled();
    let stored = ModelLibrary::of_user().and_then(|store| store.models());
    let stored = stored.unwrap_or_default().into_iter();
    let bundled_card = bundled.card().ok();
    let mut choices = vec![choice(card)];
    let mut sources = vec![source(model.weights().len() as u64, move || {
        model.classifier()
    })];
    let mut add = |card: &ModelCard, source: ModelSource| {
        if choices.iter().all(|known| known.sha256 != card.sha256) {
            choices.push(choice(card));
            sources.push(source);
        }
    };
    if let Some(card) = &bundled_card {
        let bytes = bundled.weights().len() as u64;
        add(card, source(bytes, move || bundled.classifier()));
    }
    for InstalledModel { path, card } in stored {
        if let Ok(card) = card {
            let bytes = fs::metadata(&path).map_or(0, |file| file.len());
            add(
                &card,
                source(bytes, move || ModelFiles::read(&path)?.classifier()),
            );
        }
    }
    (choices, sources)
}

fn choice(card: &ModelCard) -> ModelChoice {
    ModelChoice {
        name: clean(&card.name),
        sha256: card.sha256.clone(),
    }
}

fn source(
    bytes: u64,
    load: impl Fn() -> Result<Classifier, InferenceError> + Send + 'static,
) -> ModelSource {
    ModelSource {
        bytes,
        load: Box::new(move || Ok(Box::new(load()?) as Box<dyn Classify>)),
    }
}

fn look(asked: &cli::LookArguments) -> Appearance {
    let theme = match asked.theme.unwrap_or_default() {
        cli::ThemeArgument::Auto => ThemeChoice::Auto,
        cli::ThemeArgument::Dark => ThemeChoice::Dark,
        cli::ThemeArgument::Light => ThemeChoice::Light,
        cli::ThemeArgument::HighContrast => ThemeChoice::HighContrast,
    };
    let ascii = match asked.ascii.unwrap_or_default() {
        cli::AsciiWhen::Auto => AsciiChoice::Auto,
        cli::AsciiWhen::Always => AsciiChoice::Always,
        cli::AsciiWhen::Never => AsciiChoice::Never,
    };
    let columns = asked.columns.as_deref().unwrap_or(&ColumnArgument::DEFAULT);
    let has = |column| columns.contains(&column);
    Appearance {
        theme,
        ascii,
        columns: WorklistColumns {
            mark: has(ColumnArgument::Mark),
            name: has(ColumnArgument::Name),
            score: has(ColumnArgument::Score),
            words: has(ColumnArgument::Words),
        },
    }
}

impl From<GraphicsArgument> for Painting {
    fn from(graphics: GraphicsArgument) -> Self {
        match graphics {
            GraphicsArgument::Auto => Painting::Auto,
            GraphicsArgument::Kitty => Painting::Kitty,
            GraphicsArgument::Iterm => Painting::Iterm,
            GraphicsArgument::Sixel => Painting::Sixel,
            GraphicsArgument::Blocks => Painting::Blocks,
            GraphicsArgument::Off => Painting::Off,
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
