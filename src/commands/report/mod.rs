//! `cxr report`: one image on one page, for a case note.

mod findings;
mod marks;
mod page;
mod pictures;
mod prognoses;
mod screen;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};

use self::page::{Fact, PageContents, ShownPatient};
use self::pictures::{Pictures, SIDE};
pub use self::screen::hook;
use super::shared::batch::{Signals, Workers, decoders, guarded, in_order, silence_workers};
use super::shared::output_file::{OutputFile, is_same_file, refuse_to_replace, write_whole};
use super::shared::reviews::{not_opened, store_path};
use super::shared::study::refuse_open_study;
use super::shared::{
    CommandContext, Usage, assumed, date, ended_by, heat_map_label, print_document, pseudonym_key,
};
use crate::cli;
use crate::domain::{HeatMapChoice, ModelCard, Prediction, Prevalences, Radiograph};
use crate::export::path_text;
use crate::imaging::{DecodeLimits, StillPicture};
use crate::inference::Classify;
use crate::library::exists;
use crate::sources::Sources;
use crate::store::{LastWord, Store, StoreError};

/// Runs `cxr report`.
///
/// # Errors
/// [`Usage`], if an option makes no sense; or if the image cannot be read or the page cannot be written.
pub fn run(arguments: &cli::ReportArguments, context: &CommandContext) -> Result<ExitCode> {
    let image = &arguments.image;
    refuse_if_no_file(image)?;
    let shown = shown_patient(arguments)?;
    let destination = PageDestination::of(arguments)?;
    let classifier = context.classifier()?;
    let card = classifier.card();
    let choice = choice(arguments, card)?;
    let assumed = assumed(&arguments.assumptions, card)?;
    let foretells = arguments.prognosis.is_asked();
    let signals = Signals::watch().context("watching for signals")?;

    let look = |_: &Path, radiograph: &Radiograph| {
        PageInputs::of(radiograph, &classifier, &choice, &assumed, &shown)
    };
    let Some(seen) = read(image, &context.limits, &signals, look)? else {
        return Ok(signals.exit_code().unwrap_or_else(|| ended_by(0)));
    };
    destination.write(&seen.page(image, card, foretells, arguments.store.as_deref())?)
}

/// The parts of the page that need the opened image.
struct PageInputs {
    prediction: Prediction,
    facts: Vec<Fact>,
    still: StillPicture,
    /// Stored pixels across and down.
    size: (usize, usize),
}

impl PageInputs {
    /// Scores a film, and takes from it what the page shows.
    ///
    /// # Errors
    /// The reason in a line, if it cannot be scored.
    fn of(
        radiograph: &Radiograph,
        classifier: &impl Classify,
        choice: &HeatMapChoice,
        assumed: &Prevalences,
        patient: &ShownPatient,
    ) -> Result<Self, String> {
        let prediction = classifier.classify(radiograph).map_err(|e| e.to_string())?;
        let map = prediction.shown_heat_map(choice);
        Ok(PageInputs {
            prediction: prediction.assuming(assumed),
            facts: page::facts(radiograph, patient),
            still: StillPicture::new(radiograph, map, SIDE),
            size: (radiograph.width, radiograph.height),
        })
    }

    /// The page of the film at this path, with the last words of its readers in the store.
    ///
    /// # Errors
    /// If the store cannot be read, or a picture cannot be written.
    fn page(
        &self,
        image: &Path,
        card: &ModelCard,
        foretells: bool,
        store: Option<&Path>,
    ) -> Result<String> {
        let content = self.prediction.content;
        let sha256 = content.to_string();
        let readers = readers(store, &sha256)?;
        let marks = marks::layer(&readers, content);
        let pictures = Pictures::of(&self.still, self.size, marks.as_ref());
        Ok(page::page(&PageContents {
            name: &path_text(Path::new(image.file_name().unwrap_or_default())),
            sha256: &sha256,
            date: &date::today(),
            facts: &self.facts,
            pictures: &pictures.with_context(|| path_text(image))?,
            prediction: &self.prediction,
            foretells,
            card,
            readers: &readers,
        }))
    }
}

fn shown_patient(arguments: &cli::ReportArguments) -> Result<ShownPatient> {
    Ok(match &arguments.pseudonym_key {
        _ if arguments.with_patient => ShownPatient::Named,
        Some(path) => ShownPatient::Pseudonym(pseudonym_key(path)?),
        None => ShownPatient::Hidden,
    })
}

fn refuse_if_no_file(image: &Path) -> Result<()> {
    let fail = |reason: &str| Usage::error(format!("{}: {reason}", path_text(image)));
    if !exists(image) {
        return Err(fail("no such file"));
    }
    match std::fs::metadata(image) {
        Ok(found) if found.is_dir() => Err(fail("a folder; a report is about one image")),
        // A pipe or a device would be waited for.
        Ok(found) if !found.is_file() => Err(fail("it is not a regular file")),
        _ if !Sources::of_process().is_film(image) => {
            Err(fail("a part of an archive; a report is about one image"))
        }
        _ => Ok(()),
    }
}

fn choice(arguments: &cli::ReportArguments, card: &ModelCard) -> Result<HeatMapChoice> {
    match &arguments.heatmap_label {
        None => Ok(HeatMapChoice::Foremost),
        Some(_) if !card.has_heat_maps() => {
            Err(Usage::error("--heatmap-label: no heat map for this model"))
        }
        Some(name) => heat_map_label(name, card).map(HeatMapChoice::Label),
    }
}

/// Reads the one image behind the guards of a batch; `None` if a signal came first.
fn read<T: Send>(
    image: &Path,
    limits: &DecodeLimits,
    signals: &Signals,
    look: impl Fn(&Path, &Radiograph) -> Result<T, String> + Sync,
) -> Result<Option<T>> {
    silence_workers();
    let open = decoders(limits);
    let mut seen = None;
    in_order(
        Workers { jobs: 1, ahead: 1 },
        signals.stop(),
        |give: &mut dyn FnMut(PathBuf) -> ControlFlow<()>| {
            let _ = give(image.to_owned());
        },
        || {
            let mut read = guarded(&open, &look);
            move |path: PathBuf| read(&path)
        },
        |result| {
            seen = Some(result);
            Ok(())
        },
    )?;
    let failed = |reason| anyhow!("{}: {reason}", path_text(image));
    seen.transpose().map_err(failed)
}

/// The last word of every reader on this image; none without a store.
fn readers(store: Option<&Path>, sha256: &str) -> Result<Vec<LastWord>> {
    let Ok(path) = store_path(store) else {
        return Ok(Vec::new());
    };
    let store = match Store::open_read_only(&path) {
        Err(StoreError::Absent { .. }) => return Ok(Vec::new()),
        other => other.map_err(not_opened)?,
    };
    refuse_open_study(&store, "report")?;
    let mut words = Vec::new();
    store.last_words(&[], |word| {
        if word.image.sha256 == sha256 {
            words.push(word);
        }
        Ok::<_, io::Error>(())
    })??;
    Ok(words)
}

/// The destination of the page: a file, or standard output.
struct PageDestination<'a> {
    file: Option<&'a Path>,
    force: bool,
}

impl<'a> PageDestination<'a> {
    /// The destination that `-o` names.
    ///
    /// # Errors
    /// [`Usage`], if the page cannot or must not be written there.
    fn of(arguments: &'a cli::ReportArguments) -> Result<Self> {
        let path = arguments.output.as_path();
        let destination = PageDestination {
            file: Some(path).filter(|path| *path != Path::new("-")),
            force: arguments.force,
        };
        if destination.file.is_none() {
            return Ok(destination);
        }
        let fail = |reason: &str| Usage::error(format!("-o {}: {reason}", path_text(path)));
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if extension != "html" && extension != "htm" {
            return Err(fail(
                "a report is a page: give it a name that ends in .html",
            ));
        }
        if is_same_file(path, &arguments.image) {
            return Err(fail("that is the image itself"));
        }
        refuse_to_replace(path, arguments.force)?;
        let probe = OutputFile::beside(path).map_err(|error| fail(&error.kind().to_string()));
        probe.map(|_| destination)
    }

    fn write(&self, page: &str) -> Result<ExitCode> {
        match self.file {
            None => print_document(page.as_bytes()),
            Some(path) => {
                write_whole(path, page.as_bytes(), self.force).map(|()| ExitCode::SUCCESS)
            }
        }
    }
}
