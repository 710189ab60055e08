//! `cxr [PATH]...`: the screen.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::shared::numbered_file::{stem_of, write_numbered};
use super::shared::reviews::{ReadingSelection, not_opened, store_path};
use super::shared::study::{login, refuse_open_study, start_sitting};
use super::shared::{
    CommandContext, SOME_FAILED, Usage, assumed, complain, film_table, folders, model_library,
    probe_time,
};
use crate::cli::{self, Browse, ColumnArgument};
use crate::domain::text::{clean, nearest_word};
use crate::domain::{ModelCard, Prevalences};
use crate::imaging::{Decoder, ScreenView, own_program, screen_picture};
use crate::inference::{Classifier, Classify, Compute, InferenceError, ModelFiles, RULES};
use crate::library;
use crate::model_library::InstalledModel;
use crate::predictions;
use crate::store::Pending;
use crate::tui::hooks::{Hook, OpenPrograms, PictureOrder, ReportOrder, ScreenHooks};
use crate::tui::keymap::Keymap;
use crate::tui::look::{AsciiChoice, ThemeChoice, WorklistColumns};
use crate::tui::terminal::is_interactive;
use crate::tui::{self, Appearance, ModelChoice, Options, SittingSummary};
use crate::worker::{LOADED_MODEL_BYTES, ModelSet, ModelSource, Worker, background_threads};

/// What a session on the screen leaves.
pub struct FinishedSession {
    pub code: ExitCode,
    /// The readings of a blinded session, all of which are in the store.
    pub blinded: Option<ReadingSelection>,
    /// What the reader did; `None` if they reviewed no image.
    pub summary: Option<SittingSummary>,
}

/// Runs the screen until the reader leaves it.
///
/// # Errors
/// [`Usage`], if the options make no sense or a path is missing; or if the terminal fails.
pub fn run(
    arguments: &Browse,
    context: &CommandContext,
    keymap: Keymap,
    (open, report): (OpenPrograms, Hook<ReportOrder>),
) -> Result<FinishedSession> {
    let model = context.model_files()?;
    let card = model.card().context("the model")?;
    let assumed = match arguments.study {
        // All readers of a study see the same numbers.
        Some(_) => Prevalences::default(),
        None => assumed(&arguments.assumptions, &card)?,
    };
    refuse_mistyped_command(&arguments.paths)?;
    if !is_interactive() {
        return Err(Usage::error(
            "the screen needs a terminal on standard input and output; for a table use cxr predict",
        ));
    }
    let study = match &arguments.study {
        Some(path) => Some(start_sitting(
            path,
            arguments.reviewer.as_deref(),
            &card.sha256,
        )?),
        None => None,
    };
    let mut paths = arguments.paths.clone();
    if let Some(started) = &study {
        started.words.iter().for_each(|words| complain(words));
        paths.push(started.folder.clone());
    }
    if paths.is_empty() {
        paths.push(".".into());
    }
    if let Some(missing) = paths.iter().find(|path| !library::exists(path)) {
        return Err(Usage::error(format!(
            "{}: no such file or folder",
            missing.display()
        )));
    }
    let films = film_table::read(&arguments.films, &paths)?;
    let first = Decoder::new(context.limits.clone(), own_program().ok());
    let decoder = move || first.beside();
    let model_memory = arguments
        .model_memory
        .map(|mebibytes| u64::from(mebibytes.get()) << 20);
    let (choices, sources) = match study {
        // Another model would show another answer than the one of the study.
        Some(_) => alone(model, &card, context.compute),
        None => choices(model, &card, context.compute),
    };
    let models = ModelSet {
        sources,
        memory_limit: model_memory.unwrap_or(LOADED_MODEL_BYTES),
    };
    let store = match &study {
        Some(started) => started.store.clone(),
        None => store_path(arguments.store.as_deref())?,
    };
    let reviews = Pending::open(&store).map_err(not_opened)?;
    let reviews = reviews.with_spare_folders(folders::waiting_reviews());
    if let Some(store) = reviews.store().filter(|_| study.is_none()) {
        // Films of a study would be shown with what is hidden from its readers.
        refuse_open_study(store, "the screen without --study")?;
    }
    let options = Options {
        reviews,
        reviewer: match &study {
            Some(started) => started.log_name.clone(),
            None => reviewer(arguments.reviewer.as_deref())?,
        },
        background: !arguments.no_background,
        blinded: arguments
            .blinded
            .then(|| arguments.shuffle.map(|seed| seed.unwrap_or_else(random))),
        sitting: study.as_ref().map(|started| started.sitting.clone()),
        fresh: arguments.fresh,
        films,
        hooks: ScreenHooks {
            picture: Arc::new(save_picture),
            report,
            open,
        },
        paths,
        graphics: arguments.terminal.graphics.unwrap_or_default().into(),
        probe: probe_time(&arguments.terminal)?,
        coarse_above: arguments.terminal.coarse_above,
        keymap,
        look: look(&arguments.look),
        colour: context.colour.into(),
        assumed,
        prognosis: arguments.prognosis.is_asked(),
        models: choices,
        device: context.compute.device.words(),
    };
    let blinded = arguments.blinded.then(|| ReadingSelection {
        store: store.clone(),
        folders: options.paths.clone(),
        reviewer: Some(options.reviewer.clone()),
        study: None,
        cases: HashSet::new(),
    });
    let memory = Some(predictions::in_store(store, RULES));
    let start = |report| Worker::with_cache(decoder, models, memory, background_threads(), report);
    let left = tui::run(options, start).context("the terminal")?;
    if let Some(started) = &study {
        // The readings are safe; only the wash-out would be counted from an earlier moment.
        if let Err(error) = started.note_left() {
            complain(&format!("the end of the sitting was not noted: {error:#}"));
        }
    }
    if let Some(unwritten) = left.unwritten {
        complain(&unwritten);
        return Ok(FinishedSession {
            code: ExitCode::from(left.code.max(SOME_FAILED)),
            blinded: None,
            summary: left.summary,
        });
    }
    Ok(FinishedSession {
        code: ExitCode::from(left.code),
        blinded,
        summary: left.summary,
    })
}

/// One model, and none to switch to.
fn alone(
    model: ModelFiles,
    card: &ModelCard,
    compute: Compute,
) -> (Vec<ModelChoice>, Vec<ModelSource>) {
    let bytes = model.weights().len() as u64;
    let source = source(bytes, move || model.classifier(compute));
    (vec![choice(card)], vec![source])
}

/// Writes the picture on the screen into the current folder.
fn save_picture(order: &PictureOrder) -> Result<String, String> {
    let write = || {
        let shown = ScreenView {
            view: &order.frame.view,
            canvas: order.frame.canvas,
            heat_map: order.frame.heat_map.as_ref(),
            marks: order.frame.marks.as_deref(),
        };
        let bytes = screen_picture(&order.film, shown)?;
        write_numbered(Path::new("."), &stem_of(order.film.content), "png", &bytes)
    };
    let name = write().map_err(|error| error.to_string())?;
    Ok(format!("picture saved as {}", name.display()))
}

/// Refuses a path that does not exist and looks like the name of a command: `cxr predcit`.
fn refuse_mistyped_command(paths: &[PathBuf]) -> Result<()> {
    let first = paths.first().filter(|path| !path.exists());
    let Some(word) = first.and_then(|path| path.to_str()) else {
        return Ok(());
    };
    let command = cli::command();
    let known = command
        .get_subcommands()
        .filter(|known| !known.is_hide_set());
    match nearest_word(word, known.map(clap::Command::get_name)) {
        Some(near) => Err(Usage::error(format!(
            "{word}: no such file, folder or command; did you mean cxr {near}?"
        ))),
        None => Ok(()),
    }
}

/// A random seed, small enough to be typed again.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}

/// The name that `--reviewer` gives, or else the login name.
///
/// # Errors
/// [`Usage`], if there is none.
fn reviewer(named: Option<&str>) -> Result<String> {
    let name = named.map_or_else(login, str::to_owned);
    match clean(&name) {
        name if name.is_empty() => Err(Usage::error("--reviewer: a name, please")),
        name => Ok(name),
    }
}

/// The chosen model, and the others that the reader may switch to: the bundled one and the imported
/// ones. A model whose card cannot be read is left out; `cxr models list` says why.
fn choices(
    model: ModelFiles,
    card: &ModelCard,
    compute: Compute,
) -> (Vec<ModelChoice>, Vec<ModelSource>) {
    let bundled = ModelFiles::bundled();
    let stored = model_library().and_then(|library| Ok(library.models()?));
    let stored = stored.unwrap_or_default().into_iter();
    let bundled_card = bundled.card().ok();
    let mut choices = vec![choice(card)];
    let mut sources = vec![source(model.weights().len() as u64, move || {
        model.classifier(compute)
    })];
    let mut add = |card: &ModelCard, source: ModelSource| {
        if choices.iter().all(|known| known.sha256 != card.sha256) {
            choices.push(choice(card));
            sources.push(source);
        }
    };
    if let Some(card) = &bundled_card {
        let bytes = bundled.weights().len() as u64;
        add(card, source(bytes, move || bundled.classifier(compute)));
    }
    for InstalledModel { path, card } in stored {
        if let Ok(card) = card {
            let bytes = fs::metadata(&path).map_or(0, |file| file.len());
            add(
                &card,
                source(bytes, move || ModelFiles::read(&path)?.classifier(compute)),
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

fn look(arguments: &cli::LookArguments) -> Appearance {
    let theme = match arguments.theme.unwrap_or_default() {
        cli::ThemeArgument::Auto => ThemeChoice::Auto,
        cli::ThemeArgument::Dark => ThemeChoice::Dark,
        cli::ThemeArgument::Light => ThemeChoice::Light,
        cli::ThemeArgument::HighContrast => ThemeChoice::HighContrast,
        cli::ThemeArgument::Terminal => ThemeChoice::Terminal,
    };
    let ascii = match arguments.ascii.unwrap_or_default() {
        cli::AsciiWhen::Auto => AsciiChoice::Auto,
        cli::AsciiWhen::Always => AsciiChoice::Always,
        cli::AsciiWhen::Never => AsciiChoice::Never,
    };
    let columns = arguments
        .columns
        .as_deref()
        .unwrap_or(&ColumnArgument::DEFAULT);
    let has = |column| columns.contains(&column);
    Appearance {
        theme,
        ascii,
        columns: WorklistColumns {
            mark: has(ColumnArgument::Mark),
            name: has(ColumnArgument::Name),
            date: has(ColumnArgument::Date),
            view: has(ColumnArgument::View),
            age: has(ColumnArgument::Age),
            score: has(ColumnArgument::Score),
            words: has(ColumnArgument::Words),
        },
    }
}
