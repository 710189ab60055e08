//! A folder of imported models, each as `SHA256.safetensors` with its card, `SHA256.toml`, beside it.
//!
//! There is no index that could become stale: the name of a model is the one on its card. The card is
//! written last and removed first, so that a model is there whole or not at all. One process at a time changes the folder,
//! so that no two models get one name.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::atomic_file::AtomicFile;
use crate::domain::ModelCard;
use crate::domain::hex::hex;
use crate::domain::text::clean;
use crate::inference::{Compute, InferenceError, ModelFiles};
use crate::locked_file::LockedFile;

/// Only the owner may look into the folder.
const FOLDER_MODE: u32 = 0o700;
/// The file that a process has while it changes the folder.
const LOCK: &str = ".lock";
/// Only the owner may have it.
const LOCK_MODE: u32 = 0o600;
/// The number of characters that a name may have.
const LONGEST_NAME: usize = 64;

/// Why the library cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelLibraryError {
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error(
        "{0} is no name: letters, digits, '.', '-' and '_', 64 at most, a letter or digit first"
    )]
    Name(String),
    #[error(
        "a model called {0} already exists; use --name to give another name, or --force to replace it"
    )]
    Taken(String),
    #[error(
        "{0} is the name of the bundled model, which an imported one would never be used for; use --name to give another name"
    )]
    Bundled(String),
    #[error(
        "several models in the store are called {name}; give --model the path of one: {paths}; or `cxr models remove {name}` \
         removes them all"
    )]
    Several { name: String, paths: String },
    #[error("these weights are already in the store, as {0}; use --force to replace it")]
    Known(String),
    #[error("no model in the store is called {0}; `cxr models list` names them")]
    Unknown(String),
    #[error(transparent)]
    Model(#[from] InferenceError),
}

/// A folder of models.
#[derive(Debug, Clone)]
pub struct ModelLibrary {
    folder: PathBuf,
}

/// A model of the library.
#[derive(Debug)]
pub struct InstalledModel {
    /// The safetensors file.
    pub path: PathBuf,
    /// `Err` if the card cannot be read.
    pub card: Result<ModelCard, InferenceError>,
}

impl ModelLibrary {
    /// The library in this folder, which need not exist yet.
    pub fn at(folder: PathBuf) -> Self {
        ModelLibrary { folder }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every model, sorted by name; those whose cards cannot be read come last.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn models(&self) -> Result<Vec<InstalledModel>, ModelLibraryError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| fault(&self.folder, &error))?,
        };
        let mut models = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| fault(&self.folder, &error))?.path();
            let is_card = path.extension().is_some_and(|end| end == "toml");
            if is_card
                && path
                    .file_stem()
                    .is_some_and(|stem| is_digest(&stem.to_string_lossy()))
            {
                let path = path.with_extension("safetensors");
                let card = ModelFiles::card_beside(&path);
                models.push(InstalledModel { path, card });
            }
        }
        models.sort_by_key(InstalledModel::sort_key);
        Ok(models)
    }

    /// The safetensors file of the model of that name.
    ///
    /// # Errors
    /// If the folder cannot be read, or several models have the name.
    pub fn find(&self, name: &str) -> Result<Option<PathBuf>, ModelLibraryError> {
        let mut found = self.called(name)?;
        if found.len() > 1 {
            // One that is being replaced is there beside the new one for a moment. A folder that cannot be written to
            // cannot be locked either, and there nothing is being replaced.
            let _lock = self.lock().ok();
            found = self.called(name)?;
        }
        if found.len() > 1 {
            let paths: Vec<_> = found.iter().map(|path| path.to_string_lossy()).collect();
            return Err(ModelLibraryError::Several {
                name: clean(name),
                paths: clean(&paths.join(", ")),
            });
        }
        Ok(found.pop())
    }

    /// The safetensors files of all models of that name.
    fn called(&self, name: &str) -> Result<Vec<PathBuf>, ModelLibraryError> {
        let models = self.models()?.into_iter();
        let called = models.filter(|model| model.is_called(name));
        Ok(called.map(|model| model.path).collect())
    }

    /// Adds a model, whose card and weights must belong together. With `replace` it replaces a model of
    /// the same name or with the same weights.
    ///
    /// # Errors
    /// If the card or the weights are larger than those that are read, the name is refused or taken, the weights are
    /// already there, or the files cannot be written.
    /// Nothing of the model is left then.
    pub fn add(
        &self,
        card: &str,
        weights: &[u8],
        replace: bool,
    ) -> Result<ModelCard, ModelLibraryError> {
        ModelFiles::check_sizes(card.len() as u64, weights.len() as u64)?;
        let parsed = ModelFiles::parse_card(card)?;
        check_new_name(&parsed.name)?;
        let digest = digest(weights);
        self.make()?;
        let _lock = self.lock()?;
        let others: Vec<InstalledModel> = self
            .models()?
            .into_iter()
            .filter(|other| other.is_called(&parsed.name) || other.has_digest(&digest))
            .collect();
        if let Some(other) = others.first().filter(|_| !replace) {
            return Err(if other.is_called(&parsed.name) {
                ModelLibraryError::Taken(parsed.name)
            } else {
                ModelLibraryError::Known(other.name())
            });
        }
        let path = self.folder.join(format!("{digest}.safetensors"));
        let is_new = path.symlink_metadata().is_err();
        self.write(&path, weights)?;
        if let Err(error) = self.write(&path.with_extension("toml"), card.as_bytes()) {
            // Weights that were there before have a card of before.
            if is_new {
                let _ = fs::remove_file(&path);
            }
            return Err(error);
        }
        for other in others.iter().filter(|other| other.path != path) {
            remove(&other.path)?;
        }
        Ok(parsed)
    }

    /// Removes the model of that name; several, if they have it.
    ///
    /// # Errors
    /// If there is no such model, or its files cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), ModelLibraryError> {
        let there = || match self.called(name)? {
            none if none.is_empty() => Err(ModelLibraryError::Unknown(clean(name))),
            found => Ok(found),
        };
        // Where there is none, there may be no folder to lock.
        there()?;
        let _lock = self.lock()?;
        there()?.iter().try_for_each(|path| remove(path))
    }

    /// Waits until no other process changes the folder, which is there. None does while the result is held.
    fn lock(&self) -> Result<LockedFile, ModelLibraryError> {
        let path = self.folder.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(LOCK_MODE)
            .open(&path);
        let locked = file.and_then(LockedFile::wait_for);
        locked.map_err(|error| fault(&path, &error))
    }

    /// Makes the folder, readable by its owner only.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make(&self) -> Result<(), ModelLibraryError> {
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&self.folder)
            .map_err(|error| fault(&self.folder, &error))
    }

    /// Writes a file in one step; it is on the disk before it gets its name. Only its owner may read it.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ModelLibraryError> {
        let written = || -> io::Result<()> {
            let mut file = AtomicFile::new_in(&self.folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.replace(path)?;
            File::open(&self.folder)?.sync_all()
        };
        written().map_err(|error| fault(path, &error))
    }
}

impl InstalledModel {
    /// The name on the card, or else the path of the file.
    pub fn name(&self) -> String {
        match &self.card {
            Ok(card) => clean(&card.name),
            Err(_) => clean(&self.path.to_string_lossy()),
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.card.as_ref().is_ok_and(|card| card.name == name)
    }

    fn has_digest(&self, digest: &str) -> bool {
        self.path.file_stem().is_some_and(|stem| stem == digest)
    }

    fn sort_key(&self) -> (bool, String) {
        (self.card.is_err(), self.name())
    }

    /// Reads the model again, and compares its weights with the file's name and with the card.
    ///
    /// # Errors
    /// If they differ or the model cannot be loaded, with the file's name.
    pub fn verify(&self) -> Result<(), InferenceError> {
        let files = ModelFiles::read(&self.path)?;
        let card = files.card()?;
        if !self.has_digest(&card.sha256) {
            return Err(InferenceError::File {
                path: clean(&self.path.to_string_lossy()),
                reason: format!("its card is of other weights, {}", clean(&card.sha256)),
            });
        }
        files.classifier(Compute::default()).map(drop)
    }
}

/// Checks that a name is plain: a shell, a terminal or a path must not take it for something else.
///
/// # Errors
/// [`ModelLibraryError::Name`], if it is not.
pub fn check_name(name: &str) -> Result<(), ModelLibraryError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= LONGEST_NAME
        && name.chars().all(is_plain)
        && !name.ends_with(".safetensors");
    if is_name {
        Ok(())
    } else {
        Err(ModelLibraryError::Name(clean(name)))
    }
}

/// Checks the name of a model that is to be added: one that [`check_name`] takes, and not that of the bundled model, which
/// is always the one of its name.
///
/// # Errors
/// [`ModelLibraryError::Name`] or [`ModelLibraryError::Bundled`], if it is not.
pub fn check_new_name(name: &str) -> Result<(), ModelLibraryError> {
    check_name(name)?;
    if ModelFiles::bundled().card()?.name == name {
        return Err(ModelLibraryError::Bundled(clean(name)));
    }
    Ok(())
}

fn is_digest(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn remove(weights: &Path) -> Result<(), ModelLibraryError> {
    for path in [weights.with_extension("toml"), weights.to_owned()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(fault(&path, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn fault(path: &Path, error: &io::Error) -> ModelLibraryError {
    ModelLibraryError::File {
        path: clean(&path.to_string_lossy()),
        reason: error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests;
