//! Reviews that could not be written before the program ended: a file of lines beside the store, which the
//! next session reads. Each review has a token, so it is in the log once even if it is read twice.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::file::with_suffix;
use super::line::LogLine;

/// Between the store's name and the session's name.
const WAITING: &str = ".waiting-";
const ENDING: &str = ".jsonl";
/// More than the reviews of a hundred thousand images. A larger file is something else.
const LARGEST: u64 = 1 << 30;

/// A file of reviews that wait.
#[derive(Debug)]
pub struct WaitingFile {
    pub file: PathBuf,
    /// Its reviews, or in a few words why they cannot be read.
    pub lines: Result<Vec<LogLine>, String>,
}

/// Writes lines to a file of this session, readable by its owner only. When this returns, the file is on the
/// disk, or does not exist.
///
/// # Errors
/// If it cannot be written.
pub fn save<'a>(
    store: &Path,
    session: &str,
    lines: impl Iterator<Item = &'a LogLine>,
) -> io::Result<PathBuf> {
    let file = with_suffix(store, &format!("{WAITING}{session}{ENDING}"));
    let part = with_suffix(&file, ".part");
    let written = || -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        let mut options = OpenOptions::new();
        let mut out = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)?;
        out.write_all(&text)?;
        out.sync_all()?;
        fs::rename(&part, &file)?;
        sync_folder(&file)
    };
    written().inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })?;
    Ok(file)
}

/// Syncs the folder of a file, so that the file's name is on the disk too.
pub fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The waiting files of this store, sorted by name. A file that may not be read belongs to another person,
/// and is left out.
pub fn find(store: &Path) -> Vec<WaitingFile> {
    let Some(name) = store.file_name() else {
        return Vec::new();
    };
    let folder = store
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(folder.unwrap_or(Path::new("."))) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|found| {
        let rest = found
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes());
        rest.is_some_and(|rest| {
            rest.starts_with(WAITING.as_bytes()) && rest.ends_with(ENDING.as_bytes())
        })
    });
    names.sort();
    let files = names.into_iter().map(|name| store.with_file_name(name));
    files
        .filter_map(|file| match read(&file) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            lines => Some(WaitingFile {
                file,
                lines: lines.map_err(|error| error.to_string()),
            }),
        })
        .collect()
}

fn read(file: &Path) -> io::Result<Vec<LogLine>> {
    let metadata = fs::metadata(file)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(io::Error::other("not a file of reviews"));
    }
    let text = fs::read(file)?;
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty()).map(|text| {
        let line: LogLine = serde_json::from_slice(text)?;
        if !line.is_sound() {
            return Err(io::Error::other("a line that no session wrote"));
        }
        // A part that is not known would be lost with the file.
        if serde_json::to_value(&line)? != serde_json::from_slice::<Value>(text)? {
            return Err(io::Error::other("a line of a newer cxr"));
        }
        Ok(LogLine {
            is_late: true,
            ..line
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::tests::entry;
    use super::*;

    #[test]
    fn saved_reviews_are_found_with_their_own_store_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("reviews.sqlite");
        let lines: Vec<_> = (0..3).map(|n| LogLine::from(&entry(n, "agree"))).collect();
        let file = save(&store, "b", lines.iter()).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        save(&store, "a", lines[..1].iter()).unwrap();
        save(&folder.path().join("other.sqlite"), "c", lines.iter()).unwrap();
        fs::write(with_suffix(&store, ".waiting-d.jsonl"), "{\"token\": 7}\n").unwrap();

        let found = find(&store);
        assert_eq!(found.len(), 3);
        let counts: Vec<_> = found
            .iter()
            .map(|f| f.lines.as_ref().map(Vec::len))
            .collect();
        assert!(matches!(counts[..], [Ok(1), Ok(3), Err(_)]), "{counts:?}");
        let late: Vec<_> = lines
            .into_iter()
            .map(|line| LogLine {
                is_late: true,
                ..line
            })
            .collect();
        assert_eq!(found[1].lines, Ok(late));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            4,
            "no partial file"
        );
    }
}
