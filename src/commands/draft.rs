//! Files that are there whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{is_database, owner_only};
use crate::export::path_text;

/// Why no file may take the place of what is there; `None` if one may. Links are followed.
pub fn cannot_replace(path: &Path) -> Option<&'static str> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Some("a folder"),
        Ok(there) if !there.is_file() => Some("a pipe or a device, and no file"),
        _ if is_database(path) => Some("that is a database"),
        _ => None,
    }
}

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

    /// Puts it in the place of the file that is there, if there is one.
    ///
    /// # Errors
    /// If that cannot be done, or what is there is no file; what was there stays then.
    pub fn publish(self, path: &Path) -> Result<()> {
        if let Some(reason) = cannot_replace(path) {
            bail!("{}: {reason}", path_text(path));
        }
        fs::rename(&self.0, path).with_context(|| format!("writing {}", path_text(path)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is none.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileTypeExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_pipe_and_a_database_stay_and_a_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        fs::write(at("base"), super::super::DATABASE).unwrap();
        fs::write(at("file"), "before").unwrap();
        for (name, is_replaced) in [("pipe", false), ("base", false), ("file", true)] {
            let draft = Draft::begin(&at(name)).unwrap();
            draft.fill(b"after").unwrap();
            assert_eq!(draft.publish(&at(name)).is_ok(), is_replaced, "{name}");
        }
        assert!(fs::metadata(at("pipe")).unwrap().file_type().is_fifo());
        assert_eq!(fs::read(at("base")).unwrap(), super::super::DATABASE);
        assert_eq!(fs::read(at("file")).unwrap(), b"after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
