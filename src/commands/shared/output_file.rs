//! Files of results. Only their owner may read them, and they are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::Usage;
use crate::atomic_file::{AtomicFile, folder_of, is_vacant};
use crate::export::path_text;

/// Why a file is not written, where it is there and `--force` was not given.
pub const ALREADY_EXISTS: &str = "already exists; use --force to replace it";

/// Options to write a file that only its owner may read, because it is about patients' images.
pub fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// How an SQLite database begins, such as the review store (sqlite.org/fileformat, section 1.3).
const DATABASE: &[u8] = b"SQLite format 3\0";

/// Whether a database is there. It may hold reviews, so no table, page or model may replace it.
pub fn is_database(path: &Path) -> bool {
    let begins = || -> io::Result<bool> {
        if !fs::metadata(path)?.is_file() {
            return Ok(false);
        }
        let mut head = [0; DATABASE.len()];
        File::open(path)?.read_exact(&mut head)?;
        Ok(head == DATABASE)
    };
    begins().unwrap_or(false)
}

/// Why no file may replace what is there, even with `--force`; `None` if one may. Links are followed.
pub fn cannot_replace(path: &Path) -> Option<&'static str> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Some("a folder"),
        Ok(there) if !there.is_file() => Some("a pipe or a device, and no file"),
        _ if is_database(path) => Some("that is a database"),
        _ => None,
    }
}

/// Checks that `-o path` may be written.
///
/// # Errors
/// [`Usage`], if something is there that may not be replaced.
pub fn refuse_to_replace(path: &Path, force: bool) -> Result<()> {
    let fail = |reason: &str| Usage::error(format!("-o {}: {reason}", path_text(path)));
    if let Some(reason) = cannot_replace(path) {
        return Err(fail(reason));
    }
    if !force && path.symlink_metadata().is_ok() {
        return Err(fail(ALREADY_EXISTS));
    }
    Ok(())
}

/// Whether both paths lead to one file.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| fs::metadata(path).ok().filter(fs::Metadata::is_file);
    let (Some(first), Some(second)) = (found(one), found(other)) else {
        return false;
    };
    // On some file systems one file has two numbers.
    let is_same_path = || one.canonicalize().ok() == other.canonicalize().ok();
    (first.dev(), first.ino()) == (second.dev(), second.ino()) || is_same_path()
}

/// Refuses an output that would replace what the command reads: that is a slip, also with `--force`. `option` names the
/// output.
///
/// # Errors
/// [`Usage`], if the output is one of the inputs.
pub fn refuse_input<'a>(
    option: &str,
    output: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let mut inputs = inputs.into_iter();
    if inputs.any(|input| is_same_file(output, input)) {
        return Err(Usage::error(format!(
            "{option} {}: it is read by this command and would be lost; give another file",
            path_text(output)
        )));
    }
    Ok(())
}

/// Writes a whole file in one step.
///
/// # Errors
/// [`Usage`], if something is there that may not be replaced; or if the file cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8], force: bool) -> Result<()> {
    let named = || format!("writing {}", path_text(path));
    let file = OutputFile::holding(path, bytes).with_context(named)?;
    refuse_to_replace(path, force)?;
    file.publish(path, force).with_context(named)
}

/// A file of results on its way; it is gone unless it is published.
#[derive(Debug)]
pub struct OutputFile(AtomicFile);

impl OutputFile {
    /// Makes an empty file in the folder of `path`.
    ///
    /// # Errors
    /// If it cannot be made there.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let file = AtomicFile::new_in(folder_of(path));
        // The error may name a temporary file, which means nothing to a user.
        file.map(OutputFile).map_err(|error| error.kind().into())
    }

    /// A file with these bytes, which are on the disk when it is returned.
    ///
    /// # Errors
    /// If it cannot be made, written or synced.
    pub fn holding(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut file = OutputFile::beside(path)?;
        file.write_all(bytes)?;
        file.0.as_file().sync_all()?;
        Ok(file)
    }

    /// Another handle of the same open file; its position and its locks are shared.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn handle(&self) -> io::Result<File> {
        self.0.as_file().try_clone()
    }

    /// Gives the file its final name in one step. A file that is there is replaced if `replaces` says
    /// so; a link is replaced itself, and not followed.
    ///
    /// # Errors
    /// If that cannot be done; what was there stays, and the new file is removed.
    pub fn publish(self, path: &Path, replaces: bool) -> io::Result<()> {
        if replaces {
            self.0.replace(path)
        } else {
            self.0.create(path)
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Gives a file another name in the same file system, in one step. A file of that name is replaced if `replaces` says
/// so, and is an error otherwise.
///
/// # Errors
/// If that cannot be done; then both stay as they were.
pub fn rename_whole(from: &Path, to: &Path, replaces: bool) -> io::Result<()> {
    if replaces {
        return fs::rename(from, to);
    }
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems have no rename that refuses to replace.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if is_vacant(to) => {
            fs::rename(from, to)
        }
        renamed => Ok(renamed?),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_pipe_a_folder_and_a_database_stay_and_a_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("base"), DATABASE).unwrap();
        fs::write(at("file"), "before").unwrap();
        for (name, is_replaced) in [
            ("pipe", false),
            ("folder", false),
            ("base", false),
            ("file", true),
        ] {
            let written = write_whole(&at(name), b"after", true);
            assert_eq!(written.is_ok(), is_replaced, "{name}");
        }
        let kind = fs::metadata(at("pipe")).unwrap().file_type();
        assert!(kind.is_fifo());
        assert_eq!(fs::read(at("base")).unwrap(), DATABASE);
        assert_eq!(fs::read(at("file")).unwrap(), b"after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn only_force_replaces_a_file_and_only_its_owner_may_read_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        write_whole(&path, b"first", false).unwrap();
        let error = write_whole(&path, b"second", false).unwrap_err();
        assert!(error.is::<Usage>());
        assert!(error.to_string().ends_with(ALREADY_EXISTS), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write_whole(&path, b"second", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_input_is_known_by_any_of_its_names_and_a_pipe_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("in.csv"), "rows").unwrap();
        fs::write(at("other.csv"), "rows").unwrap();
        symlink(at("in.csv"), at("link.csv")).unwrap();
        fs::hard_link(at("in.csv"), at("twin.csv")).unwrap();
        let dotted = folder.path().join("./in.csv");
        let input = at("in.csv");
        for output in [at("in.csv"), at("link.csv"), at("twin.csv"), dotted] {
            let error = refuse_input("-o", &output, [&*input]).unwrap_err();
            assert!(error.to_string().contains("would be lost"), "{error}");
        }
        for output in [at("other.csv"), at("new.csv")] {
            refuse_input("-o", &output, [&*input]).unwrap();
        }
        let null = Path::new("/dev/null");
        refuse_input("-o", null, [null]).unwrap();
    }

    #[test]
    fn a_file_that_came_meanwhile_stays_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let file = OutputFile::holding(&at("a"), b"ours").unwrap();
        fs::write(at("a"), "theirs").unwrap();
        let error = file.publish(&at("a"), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(at("a")).unwrap(), b"theirs");

        symlink(at("a"), at("link")).unwrap();
        let file = OutputFile::holding(&at("link"), b"ours").unwrap();
        file.publish(&at("link"), true).unwrap();
        assert_eq!(fs::read(at("a")).unwrap(), b"theirs");
        assert_eq!(fs::read(at("link")).unwrap(), b"ours");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_is_never_published_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        drop(OutputFile::holding(&path, b"half").unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let missing = OutputFile::beside(&folder.path().join("no/such")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
