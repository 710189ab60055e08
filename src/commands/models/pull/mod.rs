//! `cxr models pull`: a published model, fetched and imported. The only thing that uses the network.
//!
//! Over `ureq`, and not over `hf-hub`: that one brings an asynchronous runtime, keeps a cache of its
//! own beside the store, fetches from one hub only, and compares no digest.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::import;
use crate::cli::Import;
use crate::commands::Usage;
use crate::inference::family::{PUBLISHED, Published};
use crate::model_library::ModelLibrary;

#[cfg(feature = "pull")]
mod fetch;

/// Where the authors keep the files whose digests are known.
const HUB: &str = "https://huggingface.co/torchxrayvision";

/// Where to fetch it: the file at the hub is the one that the digest is of.
fn address(model: &Published) -> String {
    match model.sha256 {
        Some(_) => format!("{HUB}/{}/resolve/main/model.pt", model.name),
        None => model.url.to_owned(),
    }
}

pub fn run(name: &str, store: &ModelLibrary) -> Result<ExitCode> {
    let Some(model) = PUBLISHED.iter().find(|model| model.name == name) else {
        let names: Vec<_> = PUBLISHED.iter().map(|model| model.name).collect();
        return Err(Usage::error(format!(
            "no published model is called {name}; there are {}",
            names.join(", ")
        )));
    };
    let Some(sha256) = model.sha256 else {
        return Err(Usage::error(format!(
            "{name}: whoever published it gives no SHA-256, so cxr does not fetch it; {}",
            by_hand(model)
        )));
    };
    let file = fetched(model, sha256, store)?;
    let imported = import(&file, name, store)?;
    // Its copy in the store is what is used from now on.
    let _ = std::fs::remove_file(file);
    Ok(imported)
}

fn import(file: &Path, name: &str, store: &ModelLibrary) -> Result<ExitCode> {
    let arguments = Import {
        file: file.to_owned(),
        family: None,
        name: Some(name.to_owned()),
        labels: None,
        force: false,
    };
    import::run(&arguments, store)
}

/// What to do without cxr's help.
fn by_hand(model: &Published) -> String {
    format!(
        "fetch {} by hand, on any machine, and `cxr models import FILE --name {}`",
        address(model),
        model.name
    )
}

#[cfg(feature = "pull")]
fn fetched(model: &Published, sha256: &str, store: &ModelLibrary) -> Result<std::path::PathBuf> {
    store.make()?;
    let part = store.folder().join(format!(".{}.part", model.name));
    let progress = crate::commands::batch::download_bar(model.name);
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
