//! `cxr models pull`: fetches and imports a published model. No other command uses the network.
//!
//! It uses `ureq` and not `hf-hub`, which needs an asynchronous runtime, keeps a cache of its own,
//! fetches from one hub only, and compares no digest.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::import;
use crate::cli::Import;
use crate::commands::shared::Usage;
use crate::inference::family::{PUBLISHED, Published};
use crate::model_library::ModelLibrary;

#[cfg(feature = "pull")]
mod fetch;

/// The hub with the files whose digests are known.
const HUB: &str = "https://huggingface.co/torchxrayvision";

/// The address of a model. The digest belongs to the file at the hub.
fn address(model: &Published) -> String {
    match model.sha256 {
        Some(_) => format!("{HUB}/{}/resolve/main/model.pt", model.name),
        None => model.url.to_owned(),
    }
}

/// Fetches and imports the published model of that name.
///
/// # Errors
/// [`Usage`], if there is no such model or it has no known digest; or if it cannot be fetched or imported.
pub fn run(name: &str, library: &ModelLibrary) -> Result<ExitCode> {
    let Some(model) = PUBLISHED.iter().find(|model| model.name == name) else {
        let names: Vec<_> = PUBLISHED.iter().map(|model| model.name).collect();
        return Err(Usage::error(format!(
            "no published model is called {name}; there are {}",
            names.join(", ")
        )));
    };
    let Some(sha256) = model.sha256 else {
        return Err(Usage::error(format!(
            "{name}: its authors publish no SHA-256, so cxr does not fetch it; {}",
            by_hand(model)
        )));
    };
    let file = fetched(model, sha256, library)?;
    let imported = import(&file, name, library)?;
    // The library has its own copy.
    let _ = std::fs::remove_file(file);
    Ok(imported)
}

fn import(file: &Path, name: &str, library: &ModelLibrary) -> Result<ExitCode> {
    let arguments = Import {
        file: file.to_owned(),
        family: None,
        name: Some(name.to_owned()),
        labels: None,
        force: false,
    };
    import::run(&arguments, library)
}

/// How to fetch and import a model by hand.
fn by_hand(model: &Published) -> String {
    format!(
        "fetch {} by hand, on any machine, and `cxr models import FILE --name {}`",
        address(model),
        model.name
    )
}

#[cfg(feature = "pull")]
fn fetched(model: &Published, sha256: &str, library: &ModelLibrary) -> Result<std::path::PathBuf> {
    library.make()?;
    let part = library.folder().join(format!(".{}.part", model.name));
    let progress = crate::commands::shared::batch::download_bar(model.name);
    let url = fetch::at_mirror(&address(model));
    let report = |done: u64, all: Option<u64>| {
        progress.set_length(all.unwrap_or(done));
        progress.set_position(done);
    };
    let done = fetch::fetch(&url, sha256, &part, &report);
    progress.finish_and_clear();
    match done {
        Ok(()) => Ok(part),
        Err(error) => Err(anyhow::anyhow!(
            "{}: {error}; {}",
            model.name,
            by_hand(model)
        )),
    }
}

#[cfg(not(feature = "pull"))]
fn fetched(model: &Published, _: &str, _: &ModelLibrary) -> Result<std::path::PathBuf> {
    Err(Usage::error(format!(
        "this cxr was built without the network (feature `pull`); {}",
        by_hand(model)
    )))
}
