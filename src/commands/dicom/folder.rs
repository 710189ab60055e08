//! The folder of the objects.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::ObjectArguments;
use crate::commands::shared::output_file::{ALREADY_EXISTS, OutputFile};
use crate::commands::shared::{Usage, refuse_inside};
use crate::export::path_text;

/// Only the owner may look into a folder made here.
const OWNER_ONLY_FOLDER: u32 = 0o700;

/// An object on its way to its file.
pub struct NamedObject {
    /// The name of its file.
    pub name: String,
    /// The film, or the first of the films, that it is of.
    pub film: PathBuf,
    pub bytes: Vec<u8>,
}

/// Where the objects go.
pub struct ObjectFolder {
    path: PathBuf,
    replaces: bool,
}

impl ObjectFolder {
    /// Makes the folder.
    ///
    /// # Errors
    /// [`Usage`], if it cannot be made, or lies among the films, where its objects would be read as some of them.
    pub fn of(arguments: &ObjectArguments) -> Result<Self> {
        let path = &arguments.output;
        refuse_inside("-o", path, &arguments.paths)?;
        DirBuilder::new()
            .recursive(true)
            .mode(OWNER_ONLY_FOLDER)
            .create(path)
            .map_err(|error| {
                let kind = error.kind();
                Usage::error(format!("-o {} cannot be made: {kind}", path_text(path)))
            })?;
        if !path.is_dir() {
            let path = path_text(path);
            return Err(Usage::error(format!("-o {path}: it is not a folder")));
        }
        Ok(ObjectFolder {
            path: path.clone(),
            replaces: arguments.force,
        })
    }

    /// Why no file of this name is written; `None` if one may be.
    pub fn refusal(&self, name: &str) -> Option<String> {
        let path = self.path.join(name);
        let is_there = !self.replaces && path.symlink_metadata().is_ok();
        is_there.then(|| format!("{}: {ALREADY_EXISTS}", path_text(&path)))
    }

    /// Writes a whole file, which only its owner may read. The reason, if one of its name is there.
    ///
    /// # Errors
    /// If it cannot be written; then nothing is left of it.
    pub fn write(&self, object: &NamedObject) -> io::Result<Result<(), String>> {
        if let Some(refusal) = self.refusal(&object.name) {
            return Ok(Err(refusal));
        }
        let path = self.path.join(&object.name);
        let written = OutputFile::holding(&path, &object.bytes)
            .and_then(|file| file.publish(&path, self.replaces));
        match written {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Err(format!("{}: {ALREADY_EXISTS}", path_text(&path))))
            }
            Err(error) => {
                let (path, kind) = (path_text(&path), error.kind());
                Err(io::Error::new(kind, format!("{path}: {kind}")))
            }
            Ok(()) => Ok(Ok(())),
        }
    }

    /// For messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
