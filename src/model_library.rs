//! The models that somebody imported or pulled: in `$XDG_DATA_HOME/cxr/models`, each as
//! `SHA256.safetensors` with its card, `SHA256.toml`, beside it.
//!
//! There is no index that could go stale: a model's name is what its card says. The card is written
//! last and removed first, so that a model is whole or not there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::domain::ModelCard;
use crate::domain::text::clean;
use crate::inference::{InferenceError, ModelFiles};

/// Only its owner may look into it.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Letters of a name.
const LONGEST_NAME: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum ModelLibraryError {
    #[error("neither XDG_DATA_HOME nor HOME says where models are kept")]
    NoHome,
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error(
        "{0} is no name: letters, digits, '.', '-' and '_', 64 at most, a letter or digit first"
    )]
    Name(String),
    #[error("there is a model called {0} already; --name gives another, --force replaces it")]
    Taken(String),
    #[error("these weights are in the store already, as {0}; --force replaces it")]
    Known(String),
    #[error("no model in the store is called {0}; `cxr models list` names them")]
    Unknown(String),
    #[error(transparent)]
    Model(#[from] InferenceError),
}

/// Where models are kept.
#[derive(Debug, Clone)]
pub struct ModelLibrary {
    folder: PathBuf,
}

/// A model in the store.
#[derive(Debug)]
pub struct InstalledModel {
    /// Of the safetensors file.
    pub path: PathBuf,
    /// `Err` if it cannot be read; the path says which it is.
    pub card: Result<ModelCard, InferenceError>,
}

impl ModelLibrary {
    /// The store of whoever runs the program.
    ///
    /// # Errors
    /// [`StoreError::NoHome`]
    pub fn of_user() -> Result<Self, ModelLibraryError> {
        // The XDG base directory specification has relative paths ignored.
        let folder = |name: &str| {
            let folder = std::env::var_os(name).map(PathBuf::from);
            folder.filter(|folder| folder.is_absolute())
        };
        let data = folder("XDG_DATA_HOME");
        let data = data.or_else(|| folder("HOME").map(|home| home.join(".local/share")));
        Ok(ModelLibrary::at(
            data.ok_or(ModelLibraryError::NoHome)?.join("cxr/models"),
        ))
    }

    pub fn at(folder: PathBuf) -> Self {
        ModelLibrary { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every model, by name; those that cannot be read last. None if there is no store yet.
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
    /// If the folder cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<PathBuf>, ModelLibraryError> {
        let found = self
            .models()?
            .into_iter()
            .find(|model| model.is_called(name));
        Ok(found.map(|model| model.path))
    }

    /// Keeps a model whose card and weights are known to fit. `replace` takes the place of a model
    /// of the same name or weights.
    ///
    /// # Errors
    /// If its name is no name or taken, its weights are there already, or it cannot be written: then
    /// nothing of it is left.
    pub fn add(
        &self,
        card: &str,
        weights: &[u8],
        replace: bool,
    ) -> Result<ModelCard, ModelLibraryError> {
        let parsed = ModelFiles::parse_card(card)?;
        check_name(&parsed.name)?;
        let digest = digest(weights);
        let others: Vec<InstalledModel> = self
            .models()?
            .into_iter()
            .filter(|other| other.is_called(&parsed.name) || other.has_digest(&digest))
            .collect();
        if let Some(other) = others.first().filter(|_| !replace) {
            return Err(match other.is_called(&parsed.name) {
                true => ModelLibraryError::Taken(parsed.name),
                false => ModelLibraryError::Known(other.name()),
            });
        }
        self.make()?;
        let path = self.folder.join(format!("{digest}.safetensors"));
        self.write(&path, weights)?;
        if let Err(error) = self.write(&path.with_extension("toml"), card.as_bytes()) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        for other in others.iter().filter(|other| other.path != path) {
            remove(&other.path)?;
        }
        Ok(parsed)
    }

    /// # Errors
    /// If there is no such model, or its files cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), ModelLibraryError> {
        let path = self.find(name)?;
        remove(&path.ok_or_else(|| ModelLibraryError::Unknown(clean(name)))?)
    }

    /// Makes the folder, for its owner only.
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

    /// A draft, on the disk before it gets its name: whoever looks sees all of it or nothing.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ModelLibraryError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = self.folder.join(format!(".{name}.{}", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&draft)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()?;
                fs::rename(&draft, path)?;
                File::open(&self.folder)?.sync_all()
            });
        written.map_err(|error| {
            let _ = fs::remove_file(&draft);
            fault(path, &error)
        })
    }
}

impl InstalledModel {
    /// Its card's, or else that of its file.
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

    /// Reads all of it again: whether its weights are those of its name and of its card.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn verify(&self) -> Result<(), InferenceError> {
        let files = ModelFiles::read(&self.path)?;
        let card = files.card()?;
        match self.has_digest(&card.sha256) {
            true => files.classifier().map(|_| ()),
            false => Err(InferenceError::File {
                path: clean(&self.path.to_string_lossy()),
                reason: format!("its card is of other weights, {}", clean(&card.sha256)),
            }),
        }
    }
}

/// # Errors
/// [`StoreError::Name`], if a shell or a terminal could take it for something else.
pub fn check_name(name: &str) -> Result<(), ModelLibraryError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= LONGEST_NAME
        && name.chars().all(is_plain)
        && !name.ends_with(".safetensors");
    match is_name {
        true => Ok(()),
        false => Err(ModelLibraryError::Name(clean(name))),
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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
