//! A model from the Hugging Face hub into the library.
//!
//! ```text
//! hf:OWNER/NAME@REVISION ─ listing ─► commit, files with digests ─ choice ─► files that are needed
//!     ─ transfer ─► folder, each file compared with its digest ─ import ─► library
//! ```
//!
//! The requests are those of `huggingface_hub` 2.4 (`snapshot_download`). `ureq` makes them and not `hf-hub`, which
//! keeps a cache of its own and compares no digest.

mod access;
mod choice;
mod client;
mod digest;
mod folder;
mod listing;
#[cfg(test)]
mod tests;
mod transfer;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};

use self::access::HubAccess;
use self::choice::{ChosenFiles, ChosenWeights, choose, parts};
use self::client::HubClient;
use self::digest::{FileDigest, is_commit};
use self::folder::DownloadFolder;
use self::listing::{HubFile, HubRevision};
use self::transfer::{LARGEST, TransferReport, WantedFile, fetch};
use super::super::import;
use super::super::provenance::{HubFacts, Provenance};
use super::source::{HubModel, PUBLISHED_FILE};
use crate::cli::Import;
use crate::commands::shared::{Usage, batch};
use crate::domain::text::clean;
use crate::export::path_text;
use crate::inference::family::Published;
use crate::model_library::ModelLibrary;

/// The digits of a digest or a commit that are enough for the name of a folder.
const SHORT: usize = 12;

/// A model whose files are here and have the digests that they must have.
struct FetchedModel {
    folder: DownloadFolder,
    /// What is to be imported: a file, or the folder.
    path: PathBuf,
    provenance: Provenance,
}

/// Fetches a model and imports it with these options, whose `file` is filled in.
///
/// # Errors
/// [`Usage`], if the user can mend it; or if the model cannot be fetched, with what to do by hand, or imported.
pub fn pull(model: &HubModel, mut options: Import, library: &ModelLibrary) -> Result<ExitCode> {
    let name = options.name.clone().unwrap_or_default();
    let failed = |error: anyhow::Error| with_advice(&error, model, &name);
    let access = HubAccess::of_environment();
    let client = access.map(HubClient::new).map_err(failed)?;
    let fetched = match model.published() {
        Some(set) => fetched_file(&client, model, set, library).map_err(failed)?,
        None => {
            let listed = ListedFolder::with_texts(&client, model, library).map_err(failed)?;
            listed.folder.path().clone_into(&mut options.file);
            // A network that cxr does not have is refused before its weights are fetched.
            if let Err(error) = import::check_folder(&options) {
                return Err(not_imported(error, model, listed.folder));
            }
            listed.weights().map_err(failed)?;
            listed.fetched()
        }
    };
    options.file = fetched.path;
    match import::run_from(&options, library, &fetched.provenance) {
        Ok(code) => {
            fetched.folder.remove();
            Ok(code)
        }
        Err(error) => Err(not_imported(error, model, fetched.folder)),
    }
}

/// Why a model was not fetched, with what to do by hand where other options would not help.
fn with_advice(error: &anyhow::Error, model: &HubModel, name: &str) -> anyhow::Error {
    if error.is::<Usage>() {
        Usage::error(format!("{model}: {error:#}"))
    } else {
        anyhow!("{model}: {error:#}; {}", model.by_hand(name))
    }
}

/// Why a model that was fetched is not imported. Its files stay if other options would help.
fn not_imported(error: anyhow::Error, model: &HubModel, folder: DownloadFolder) -> anyhow::Error {
    if error.is::<Usage>() {
        return Usage::error(format!(
            "{error:#}; what was fetched stays in {}",
            path_text(folder.path())
        ));
    }
    folder.remove();
    error.context(model.to_string())
}

/// Published weights: one file, whose digest cxr knows or the hub states.
fn fetched_file(
    client: &HubClient,
    model: &HubModel,
    set: &'static Published,
    library: &ModelLibrary,
) -> Result<FetchedModel> {
    // With a known digest, any server will do that has the file, also one that cannot list its files.
    let known = set.sha256.and_then(FileDigest::sha256);
    let listed = match known {
        Some(_) => None,
        None => Some(listed_file(client, model)?),
    };
    let (digest, size, commit) = match (&known, &listed) {
        (Some(digest), _) => (digest, None, None),
        (None, Some((file, revision))) => (
            stated(file)?,
            Some(file.size),
            Some(revision.commit.as_str()),
        ),
        (None, None) => bail!("the hub states no digest of {PUBLISHED_FILE}"),
    };
    let wanted = WantedFile {
        model,
        url: address(
            client,
            model,
            commit.unwrap_or(&model.revision),
            PUBLISHED_FILE,
        ),
        digest,
        size,
        commit,
    };
    let folder = DownloadFolder::open(library, model, &digest.digits()[..SHORT])?;
    let path = folder.path().join(PUBLISHED_FILE);
    let bar = batch::download_bar(&model.name);
    let report = |done: u64, all: Option<u64>| {
        bar.set_length(all.unwrap_or(done));
        bar.set_position(done);
    };
    let done = fetch(client, &wanted, &path, &report);
    bar.finish_and_clear();
    let found = done?.filter(|found| is_commit(found));
    let commit = found.or_else(|| commit.map(str::to_owned));
    let hub = commit.map(|commit| facts(model, commit, None, None));
    Ok(FetchedModel {
        folder,
        path,
        provenance: Provenance {
            known: Some(set),
            hub,
        },
    })
}

/// The file of published weights as the hub lists it, and the revision.
fn listed_file(client: &HubClient, model: &HubModel) -> Result<(HubFile, HubRevision)> {
    let revision = listing::revision(client, model)?;
    let files = listing::files(client, model, &revision.commit)?;
    let file = files.into_iter().find(|file| file.path == PUBLISHED_FILE);
    match file {
        Some(file) => Ok((file, revision)),
        None => bail!("the hub has no {PUBLISHED_FILE} of it"),
    }
}

/// A folder of the hub's layout whose texts are here: how the model is built, and which files hold its weights.
struct ListedFolder<'a> {
    client: &'a HubClient,
    model: &'a HubModel,
    revision: HubRevision,
    /// All files of the revision.
    files: Vec<HubFile>,
    folder: DownloadFolder,
}

impl<'a> ListedFolder<'a> {
    /// Asks for the files of a model, and fetches the texts among those that are needed.
    fn with_texts(
        client: &'a HubClient,
        model: &'a HubModel,
        library: &ModelLibrary,
    ) -> Result<Self> {
        let revision = listing::revision(client, model)?;
        let files = listing::files(client, model, &revision.commit)?;
        let listed = ListedFolder {
            folder: DownloadFolder::open(library, model, &revision.commit[..SHORT])?,
            client,
            model,
            revision,
            files,
        };
        listed.all(&listed.chosen()?.texts)?;
        Ok(listed)
    }

    fn chosen(&self) -> Result<ChosenFiles<'_>> {
        choose(&self.files).map_err(Usage::error)
    }

    /// Fetches the weights, unless they are too large together.
    fn weights(&self) -> Result<()> {
        let files = match self.chosen()?.weights {
            ChosenWeights::Whole(file) => vec![file],
            ChosenWeights::Parts(list) => {
                let named = || list.path.clone();
                let text = fs::read(self.folder.path().join(&list.path)).with_context(named)?;
                parts(&text, &self.files)
                    .map_err(Usage::error)
                    .with_context(named)?
            }
        };
        let sizes = files.iter().map(|file| file.size);
        let all = sizes.fold(0, u64::saturating_add);
        if all > LARGEST {
            return Err(Usage::error(format!(
                "its weights take {} MiB, and cxr reads models up to {} MiB",
                all >> 20,
                LARGEST >> 20
            )));
        }
        self.all(&files)
    }

    /// Fetches files one after the other; a bar shows them together.
    fn all(&self, files: &[&HubFile]) -> Result<()> {
        let bar = batch::download_bar(&self.model.name);
        bar.set_length(files.iter().map(|file| file.size).sum());
        let mut before = 0;
        for file in files {
            bar.set_message(clean(&file.path));
            let done = self.one(file, &|done, _| bar.set_position(before + done));
            if done.is_err() {
                bar.finish_and_clear();
            }
            done.with_context(|| clean(&file.path))?;
            before += file.size;
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn one(&self, file: &HubFile, report: TransferReport<'_>) -> Result<()> {
        let commit = self.revision.commit.as_str();
        let wanted = WantedFile {
            model: self.model,
            url: address(self.client, self.model, commit, &file.path),
            digest: stated(file)?,
            size: Some(file.size),
            commit: Some(commit),
        };
        let path = self.folder.path().join(&file.path);
        fetch(self.client, &wanted, &path, report).map(drop)
    }

    fn fetched(self) -> FetchedModel {
        let HubRevision {
            commit,
            licence,
            data_sets,
        } = self.revision;
        FetchedModel {
            path: self.folder.path().to_owned(),
            folder: self.folder,
            provenance: Provenance {
                known: None,
                hub: Some(facts(self.model, commit, licence, data_sets)),
            },
        }
    }
}

fn facts(
    model: &HubModel,
    commit: String,
    licence: Option<String>,
    data_sets: Option<String>,
) -> HubFacts {
    HubFacts {
        place: format!("hf:{}", model.repository()),
        page: model.page(),
        commit,
        licence,
        data_sets,
    }
}

/// The digest that the hub states of a file.
fn stated(file: &HubFile) -> Result<&FileDigest> {
    let digest = file.digest.as_ref();
    digest.ok_or_else(|| anyhow!("the hub states no digest of {}", clean(&file.path)))
}

/// Where a file of a revision is on the server that is asked.
fn address(client: &HubClient, model: &HubModel, revision: &str, path: &str) -> String {
    client.at(&format!(
        "/{}/resolve/{}/{path}",
        model.repository(),
        listing::escaped(revision)
    ))
}
