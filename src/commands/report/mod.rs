//! `cxr report`: one image on one page, for a case note.

mod findings;
mod html;
mod page;
mod pictures;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};

use self::page::{Fact, PageContents};
use self::pictures::Pictures;
use super::adapt::date;
use super::batch::{Signals, decoders, guarded, in_order, silence_workers};
use super::draft::{Draft, cannot_replace};
use super::predict::heat_map_label;
use super::{Usage, assumed, classifier, export, print_document};
use crate::cli;
use crate::domain::{HeatMapChoice, ModelCard, Prediction, Radiograph};
use crate::export::path_text;
use crate::imaging::DecodeLimits;
use crate::inference::Classify;
use crate::store::{LastWord, Store, StoreError};

pub fn run(
    arguments: &cli::ReportArguments,
    limits: &DecodeLimits,
    model: Option<&Path>,
) -> Result<ExitCode> {
    let image = &arguments.image;
    refuse_if_no_file(image)?;
    let destination = PageDestination::of(arguments)?;
    let classifier = classifier(model)?;
    let card = classifier.card();
    let choice = choice(arguments, card)?;
    let assumed = assumed(&arguments.assumptions, card)?;
    let signals = Signals::watch().context("watching for signals")?;

    let look = |_: &Path, radiograph: &Radiograph| {
        let prediction = classifier.classify(radiograph).map_err(|e| e.to_string())?;
        let map = prediction.shown_heat_map(&choice);
        let pictures = Pictures::of(radiograph, map).map_err(|e| e.to_string())?;
        Ok(PageInputs {
            prediction: prediction.assuming(&assumed),
            facts: page::facts(radiograph, arguments.with_patient),
            pictures,
        })
    };
    let Some(seen) = read(image, limits, &signals, look)? else {
        // As a shell reports a program that a signal ended.
        return Ok(ExitCode::from(128 + signals.received().unwrap_or_default()));
    };
    let sha256 = seen.prediction.content.to_string();
    let page = page::page(&PageContents {
        name: &path_text(Path::new(image.file_name().unwrap_or_default())),
        sha256: &sha256,
        date: &date::asked_or_today(None)?,
        facts: &seen.facts,
        pictures: &seen.pictures,
        prediction: &seen.prediction,
        card,
        readers: &readers(arguments.store.as_deref(), &sha256)?,
    });
    destination.write(&page)
}

/// What is made of the image while it is open.
struct PageInputs {
    prediction: Prediction,
    facts: Vec<Fact>,
    pictures: Pictures,
}

fn refuse_if_no_file(image: &Path) -> Result<()> {
    let fail = |reason: &str| Usage::error(format!("{}: {reason}", path_text(image)));
    match std::fs::metadata(image) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(fail("no such file")),
        Ok(found) if found.is_dir() => Err(fail("a folder; a report is about one image")),
        // A pipe or a device would be waited for.
        Ok(found) if !found.is_file() => Err(fail("it is not a regular file")),
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
        1,
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

/// The last word of every reader on this image; none where there is no store.
fn readers(asked: Option<&Path>, sha256: &str) -> Result<Vec<LastWord>> {
    let Ok(path) = export::store_path(asked) else {
        return Ok(Vec::new());
    };
    let store = match Store::open_read_only(&path) {
        Err(StoreError::Absent { .. }) => return Ok(Vec::new()),
        other => other.map_err(export::refused)?,
    };
    let mut words = Vec::new();
    store.last_words(&[], |word| {
        if word.image.sha256 == sha256 {
            words.push(word);
        }
        Ok::<_, io::Error>(())
    })??;
    Ok(words)
}

/// Where the page goes: a file of its owner's, or standard output.
struct PageDestination<'a> {
    file: Option<&'a Path>,
    force: bool,
}

impl<'a> PageDestination<'a> {
    /// # Errors
    /// [`Usage`], if nothing can or should be written there.
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
        if let Some(reason) = cannot_replace(path) {
            return Err(fail(reason));
        }
        let is_image =
            |path: &Path| path.canonicalize().ok() == arguments.image.canonicalize().ok();
        if path.exists() && is_image(path) {
            return Err(fail("that is the image itself"));
        }
        destination.refuse_to_replace()?;
        let probe = Draft::begin(path).map_err(|error| fail(&error.kind().to_string()));
        probe.map(|_| destination)
    }

    fn refuse_to_replace(&self) -> Result<()> {
        match self.file {
            Some(path) if !self.force && path.symlink_metadata().is_ok() => {
                Err(Usage::error(format!(
                    "-o {}: it is there already; --force replaces it",
                    path_text(path)
                )))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, page: &str) -> Result<ExitCode> {
        let Some(path) = self.file else {
            return print_document(page.as_bytes());
        };
        let named = || format!("writing {}", path_text(path));
        let draft = Draft::begin(path).with_context(named)?;
        draft.fill(page.as_bytes()).with_context(named)?;
        self.refuse_to_replace()?;
        draft.publish(path)?;
        Ok(ExitCode::SUCCESS)
    }
}
