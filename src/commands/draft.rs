//! Files that are there whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::owner_only;
use crate::export::path_text;

/// A file of its owner's beside the one that it is to become; it goes away unless it is published.
pub struct Draft(PathBuf);

impl Draft {
    /// # Errors
    /// If it cannot be made there.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = path.with_file_name(format!(".{name}.{}.draft", std::process::id()));
        owner_only().create_new(true).open(&draft)?;
        Ok(Draft(draft))
    }

    /// # Errors
    /// If it cannot be written, or not be synced to the disk.
    pub fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = owner_only().open(&self.0)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Puts it in the place of whatever is there.
    ///
    /// # Errors
    /// If that cannot be done; what was there stays then.
    pub fn publish(self, path: &Path) -> Result<()> {
        fs::rename(&self.0, path).with_context(|| format!("writing {}", path_text(path)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is none.
        let _ = fs::remove_file(&self.0);
    }
}
