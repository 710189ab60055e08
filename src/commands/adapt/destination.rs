//! Where the new model goes: both files whole, or neither.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::commands::Usage;
use crate::commands::draft::{Draft, cannot_replace};
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
    /// # Errors
    /// [`Usage`], if nothing can or should be written there: it is asked before an hour of work, not
    /// after.
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
                is_same(file, before) || is_same(file, &before.with_extension("toml"))
            };
            if before.is_some_and(is_before) {
                return Err(fail("that is the model before, which stays as it is"));
            }
            if let Some(reason) = cannot_replace(file) {
                return Err(Usage::error(format!("-o {}: {reason}", path_text(file))));
            }
        }
        destination.refuse_to_replace()?;
        let probe = Draft::begin(path).map_err(|error| match (error.kind(), path.parent()) {
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
        let there = self
            .files()
            .into_iter()
            .find(|file| file.symlink_metadata().is_ok());
        match there {
            Some(file) if !self.force => Err(Usage::error(format!(
                "-o {}: it is there already; --force replaces it",
                path_text(file)
            ))),
            _ => Ok(()),
        }
    }

    /// Writes drafts beside it, and then gives both their names.
    ///
    /// # Errors
    /// If something cannot be written, or is there by now and was not to be replaced.
    pub fn write(&self, model: &ModelFiles) -> Result<()> {
        let draft = |path: &Path, bytes: &[u8]| {
            let named = || format!("writing {}", path_text(path));
            let draft = Draft::begin(path).with_context(named)?;
            draft.fill(bytes).with_context(named)?;
            anyhow::Ok(draft)
        };
        let weights = draft(&self.weights, model.weights())?;
        let card = draft(&self.card, model.card_text().as_bytes())?;
        self.refuse_to_replace()?;
        weights.publish(&self.weights)?;
        card.publish(&self.card)
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

/// Whether both are there and are one.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
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
