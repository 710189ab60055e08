//! The two files of the new model: both are there whole, or neither.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::commands::shared::Usage;
use crate::commands::shared::output_file::{OutputFile, is_same_file, refuse_to_replace};
use crate::export::path_text;
use crate::inference::ModelFiles;

/// `NAME.safetensors`, and beside it `NAME.toml`.
#[derive(Debug)]
pub struct ModelDestination {
    weights: PathBuf,
    card: PathBuf,
    force: bool,
}

impl ModelDestination {
    /// The destination that `-o` names, checked before an hour of work and not after it.
    ///
    /// # Errors
    /// [`Usage`], if the files cannot or must not be written there.
    pub fn new(path: &Path, force: bool, before: Option<&Path>) -> Result<Self> {
        let fail = |reason: &str| Usage::error(format!("-o {}: {reason}", path_text(path)));
        if path.extension().is_none_or(|end| end != "safetensors") {
            return Err(fail("its name does not end in .safetensors"));
        }
        let destination = ModelDestination {
            weights: path.to_owned(),
            card: path.with_extension("toml"),
            force,
        };
        for file in destination.files() {
            let is_before = |before: &Path| {
                is_same_file(file, before) || is_same_file(file, &before.with_extension("toml"))
            };
            if before.is_some_and(is_before) {
                return Err(fail("that is the old model, which stays as it is"));
            }
        }
        destination.refuse_to_replace()?;
        let probe = OutputFile::beside(path).map_err(|error| match (error.kind(), path.parent()) {
            (ErrorKind::NotFound, Some(folder)) => {
                fail(&format!("there is no folder {}", path_text(folder)))
            }
            (kind, _) => fail(&kind.to_string()),
        });
        probe.map(|_| destination)
    }

    fn files(&self) -> [&Path; 2] {
        [&self.weights, &self.card]
    }

    fn refuse_to_replace(&self) -> Result<()> {
        let mut files = self.files().into_iter();
        files.try_for_each(|file| refuse_to_replace(file, self.force))
    }

    /// Writes both files, and then gives them their names.
    ///
    /// # Errors
    /// If a file cannot be written, or has appeared meanwhile and may not be replaced.
    pub fn write(&self, model: &ModelFiles) -> Result<()> {
        let writing = |path: &Path| format!("writing {}", path_text(path));
        let [weights, card] = [
            (&self.weights, model.weights()),
            (&self.card, model.card_text().as_bytes()),
        ]
        .map(|(path, bytes)| OutputFile::holding(path, bytes).with_context(|| writing(path)));
        let (weights, card) = (weights?, card?);
        self.refuse_to_replace()?;
        let published = weights.publish(&self.weights, self.force);
        published.with_context(|| writing(&self.weights))?;
        let published = card.publish(&self.card, self.force);
        if published.is_err() && !self.force {
            // The weights are new, and of no use without their card.
            let _ = fs::remove_file(&self.weights);
        }
        published.with_context(|| writing(&self.card))
    }
}

/// The line that says what to do with it.
impl fmt::Display for ModelDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [weights, card] = self.files().map(path_text);
        writeln!(
            f,
            "\n{weights} and {card} are written: cxr --model {weights}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("ad");
        let error = ModelDestination::new(&inner.join("x.safetensors"), false, None).unwrap_err();
        let expected = format!("there is no folder {}", inner.display());
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}
