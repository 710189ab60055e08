//! Reviews that could not be written before the program ended: a file of lines beside the store, which the
//! next session reads. Each review has a token, so it is in the log once even if it is read twice.
//!
//! Where no file can be made there, as on a full disk, it lies in a spare folder, with a digest of the store's path in
//! its name: stores of one name may lie in many folders.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::file::with_suffix;
use super::line::LogLine;
use super::place::{absolute_path, bytes_of};
use crate::domain::hex::hex;

/// Between the store's name and the session's name.
const WAITING: &str = ".waiting-";
const ENDING: &str = ".jsonl";
/// More than the reviews of a hundred thousand images. A larger file is something else.
const LARGEST: u64 = 1 << 30;

/// Bytes of the digest in the name of a file in a spare folder.
const DIGEST: usize = 6;

/// A file of reviews that wait.
#[derive(Debug)]
pub struct WaitingFile {
    pub file: PathBuf,
    /// Its reviews, or in a few words why they cannot be read.
    pub lines: Result<Vec<LogLine>, String>,
}

/// Writes lines to a file of this session, readable by its owner only: beside the store, or else in the first of the
/// spare folders that takes it. When this returns, the file is on the disk, or does not exist.
///
/// # Errors
/// If it can be written nowhere: why not beside the store.
pub fn save<'a>(
    store: &Path,
    spare_folders: &[PathBuf],
    session: &str,
    lines: impl Iterator<Item = &'a LogLine>,
) -> io::Result<PathBuf> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    let name = format!("{WAITING}{session}{ENDING}");
    let save_beside = |begin: &PathBuf| {
        let file = with_suffix(begin, &name);
        write(&file, &text).map(|()| file)
    };
    save_beside(&store.to_owned()).or_else(|error| {
        let mut spare = spare_begins(store, spare_folders).into_iter();
        let saved = spare.find_map(|begin| {
            let mut folder = DirBuilder::new();
            folder.recursive(true).mode(0o700);
            folder.create(begin.parent()?).ok()?;
            save_beside(&begin).ok()
        });
        saved.ok_or(error)
    })
}

/// What the names of this store's files in the spare folders begin with.
fn spare_begins(store: &Path, spare_folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    let digest = Sha256::digest(bytes_of(&absolute_path(store)));
    name.push(format!("-{}", hex(&digest[..DIGEST])));
    let folders = spare_folders.iter();
    folders.map(|folder| folder.join(&name)).collect()
}

fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let part = with_suffix(file, ".part");
    let written = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut out = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)?;
        out.write_all(text)?;
        out.sync_all()?;
        fs::rename(&part, file)?;
        sync_folder(file)
    };
    written().inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

/// Syncs the folder of a file, so that the file's name is on the disk too.
pub fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The waiting files of this store, beside it and in the spare folders, sorted by name in each. A file that may not be
/// read belongs to another person, and is left out.
pub fn find(store: &Path, spare_folders: &[PathBuf]) -> Vec<WaitingFile> {
    let mut found = find_beside(store);
    for begin in spare_begins(store, spare_folders) {
        found.extend(find_beside(&begin));
    }
    found
}

/// The waiting files whose paths begin with this one.
fn find_beside(begin: &Path) -> Vec<WaitingFile> {
    let Some(name) = begin.file_name() else {
        return Vec::new();
    };
    let folder = begin
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
    let files = names.into_iter().map(|name| begin.with_file_name(name));
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
        let file = save(&store, &[], "b", lines.iter()).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        save(&store, &[], "a", lines[..1].iter()).unwrap();
        let other = folder.path().join("other.sqlite");
        save(&other, &[], "c", lines.iter()).unwrap();
        fs::write(with_suffix(&store, ".waiting-d.jsonl"), "{\"token\": 7}\n").unwrap();

        let found = find(&store, &[]);
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

    /// As on a full disk: beside the store no file can be made.
    #[test]
    fn where_no_file_can_lie_beside_the_store_a_spare_folder_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("in the way"), "no folder").unwrap();
        let spare = [place("in the way/cxr"), place("run/cxr")];
        let line = LogLine::from(&entry(1, "agree"));
        let saved = |store: &Path| save(store, &spare, "a", [&line].into_iter());
        let store = place("in the way/reviews.sqlite");
        let file = saved(&store).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("reviews.sqlite-") && file.starts_with(&spare[1]));
        let mode = fs::metadata(&spare[1]).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        // A store of the same name in another folder.
        let other = place("in the way/other/reviews.sqlite");
        assert!(find(&other, &spare).is_empty());
        assert_ne!(saved(&other).unwrap(), file);
        let found = find(&store, &spare);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].file, file);
        assert_eq!(found[0].lines.as_ref().map(Vec::len), Ok(1));
        assert!(save(&store, &spare[..1], "a", [&line].into_iter()).is_err());
    }
}
