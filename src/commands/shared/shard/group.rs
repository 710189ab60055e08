//! What a row of a table is about: an image, a study, or a folder; and which films belong together.
//!
//! All films of a study or a folder are in one shard. A study or folder has a name, by which tables know it:
//!
//! ```text
//! key   = of a study: its Study Instance UID (PS3.3 C.7.2.1)
//!         of a film in another format than DICOM, or without that UID: it is a study of its own,
//!             "1/" and its path below the first folder that was given, "2/" below the second one …
//!             "./" and its path as given, if it was named itself
//!         of a folder: its path, written in the same way
//! name  = first 32 hexadecimal digits of SHA-256(key)
//! shard = (first 16 digits of the name as a number) mod N + 1
//! ```
//!
//! No UID has a slash in it, so that no path is taken for one; a text with one counts as none. This text is a contract, like that of the module above.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{RootPaths, shard_of_digest};
use crate::cli::UnitArgument;
use crate::domain::hex::hex;
use crate::imaging::{DecodeLimits, ImageFault, film_study};
use crate::sources::is_remote;

/// Bytes of the digest that a study is known by: two of 10¹² studies share a name once in 10¹⁴ archives.
const NAME_BYTES: usize = 16;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    #[default]
    Image,
    Study,
    Folder,
}

impl From<UnitArgument> for Unit {
    fn from(asked: UnitArgument) -> Self {
        match asked {
            UnitArgument::Image => Unit::Image,
            UnitArgument::Study => Unit::Study,
            UnitArgument::Folder => Unit::Folder,
        }
    }
}

impl Unit {
    /// Its word in the description of a run. It never changes: parts rest on it.
    pub fn code(self) -> &'static str {
        match self {
            Unit::Image => "image",
            Unit::Study => "study",
            Unit::Folder => "folder",
        }
    }

    /// Whether a row is about several films.
    pub fn is_group(self) -> bool {
        self != Unit::Image
    }
}

/// The study or folder of a film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilmGroup {
    /// See the module.
    pub name: String,
    /// Whether the film's header could not be read, so that its study is not known.
    pub is_unread: bool,
}

impl FilmGroup {
    /// The study or folder of a film. For a study, the beginning of its file is read; that of a remote film is in its
    /// address.
    pub fn of(path: &Path, unit: Unit, roots: &RootPaths, limits: &DecodeLimits) -> Self {
        if unit != Unit::Study {
            return FilmGroup::without_header(path, unit, roots);
        }
        if let Some(uid) = uid_in_address(path) {
            return FilmGroup::of_key(uid.as_bytes());
        }
        match film_study(path, limits) {
            Ok(film) => match film.uid.filter(|uid| !uid.contains('/')) {
                Some(uid) => FilmGroup::of_key(uid.as_bytes()),
                None => FilmGroup::without_header(path, unit, roots),
            },
            Err(error) => FilmGroup {
                // Other faults of a file are the same for every process that reads it.
                is_unread: matches!(error.fault(), ImageFault::Unreadable(_)),
                ..FilmGroup::without_header(path, unit, roots)
            },
        }
    }

    /// That of something that has no header: its folder, or itself.
    pub fn without_header(path: &Path, unit: Unit, roots: &RootPaths) -> Self {
        let (number, below) = roots.below(path);
        let below = match unit {
            Unit::Folder => below.parent().unwrap_or(Path::new("")),
            _ => below,
        };
        let place = number.map_or_else(|| ".".to_owned(), |number| (number + 1).to_string());
        let key = [place.as_bytes(), b"/", below.as_os_str().as_bytes()].concat();
        FilmGroup::of_key(&key)
    }

    fn of_key(key: &[u8]) -> Self {
        FilmGroup {
            name: hex(&Sha256::digest(key)[..NAME_BYTES]),
            is_unread: false,
        }
    }

    /// The number of the shard, from 1 to `of`, that has all films of this one.
    pub fn shard(&self, of: u32) -> Option<u32> {
        shard_of_name(&self.name, of)
    }
}

/// The number of the shard, from 1 to `of`, that has the study or folder of this name; `None` if it is no such name.
pub fn shard_of_name(name: &str, of: u32) -> Option<u32> {
    let is_name = name.len() == 2 * NAME_BYTES && name.bytes().all(|c| c.is_ascii_hexdigit());
    let first = name.get(..16).filter(|_| is_name)?;
    let number = u64::from_str_radix(first, 16).ok()?;
    Some(shard_of_digest(&number.to_be_bytes(), of))
}

/// The Study Instance UID in the address of a remote film: `…/studies/UID/…`.
fn uid_in_address(path: &Path) -> Option<&str> {
    let address = path.to_str().filter(|_| is_remote(path))?;
    let (_, after) = address.rsplit_once("/studies/")?;
    after.split('/').next().filter(|uid| !uid.is_empty())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::super::shard_of;
    use super::*;

    fn group(unit: Unit, roots: &[&str], path: &str) -> FilmGroup {
        let roots: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
        FilmGroup::without_header(Path::new(path), unit, &RootPaths::new(&roots))
    }

    /// Python: `hashlib.sha256(b"1/ward/a.png").hexdigest()[:32]`, and of `b"1.2.840.99"`.
    #[test]
    fn the_name_of_a_study_is_the_one_that_is_written_down() {
        let film = group(Unit::Study, &["archive"], "archive/ward/a.png");
        assert_eq!(film, FilmGroup::of_key(b"1/ward/a.png"));
        assert_eq!(film.name, "099e05d92e76bbefc8917e391804e68a");
        let study = FilmGroup::of_key(b"1.2.840.99");
        assert_eq!(study.name, "0a90ed7e2360acfa8078e611e09e49f4");
        for of in [1, 7, 1000] {
            assert_eq!(study.shard(of), Some(shard_of(b"1.2.840.99", of)));
        }
    }

    #[test]
    fn a_uid_that_reads_like_a_path_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (film, limits) = (folder.path().join("b.dcm"), DecodeLimits::default());
        let roots = [folder.path().to_owned()];
        let roots = RootPaths::new(&roots);
        for (uid, is_study) in [("1.2.3\0", true), ("1/a.png\0", false)] {
            let mut file = vec![0; 128];
            file.extend(b"DICM\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0");
            file.extend(b"\x20\0\x0d\0UI");
            file.extend((uid.len() as u16).to_le_bytes());
            file.extend(uid.bytes());
            std::fs::write(&film, file).unwrap();
            let group = FilmGroup::of(&film, Unit::Study, &roots, &limits);
            let stated = FilmGroup::of_key(uid.trim_end_matches('\0').as_bytes());
            assert_eq!(group == stated, is_study, "{uid}");
            let alone = FilmGroup::without_header(&film, Unit::Study, &roots);
            assert_eq!(group == alone, !is_study, "{uid}");
        }
    }

    #[test]
    fn films_of_one_folder_are_one_and_films_of_two_folders_are_not() {
        let same = |one: &str, other: &str| {
            let roots = ["a", "b", "c.png", "d.png"];
            let of = |path| group(Unit::Folder, &roots, path);
            of(one) == of(other)
        };
        assert!(same("a/x/1.png", "a/x/2.png"));
        assert!(same("a/1.png", "a/2.png"));
        assert!(same("c.png", "d.png"));
        assert!(!same("a/x/1.png", "a/y/1.png"));
        assert!(!same("a/x/1.png", "a/x/y/1.png"));
        // The same path below another folder, and a file that was named itself.
        assert!(!same("a/x/1.png", "b/x/1.png"));
        assert!(!same("a/1.png", "c.png"));
        let film = |path| group(Unit::Study, &["a", "b", "1.png"], path);
        assert_ne!(film("a/1.png"), film("b/1.png"));
        assert_ne!(film("a/1.png"), film("1.png"));
    }

    #[test]
    fn a_remote_film_is_of_the_study_in_its_address() {
        let uid = |address: &str| uid_in_address(Path::new(address)).map(str::to_owned);
        let film = "https://h/studies/dicom-web/studies/1.2.3/series/1.4/instances/1.5";
        assert_eq!(uid(film).as_deref(), Some("1.2.3"));
        assert_eq!(uid("studies/1.2.3/a.dcm"), None);
    }

    #[test]
    fn what_is_no_name_is_in_no_shard() {
        for name in ["", "12", &"g".repeat(32), &"é".repeat(16), &"1".repeat(33)] {
            assert_eq!(shard_of_name(name, 4), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_film_is_in_exactly_one_shard_and_with_its_folder(
            names in prop::collection::vec(("[a-c]{1,2}", prop::collection::vec(1u8..=255, 1..12)), 1..40),
            of in 1u32..40,
            turn in 0usize..40,
        ) {
            let roots = [PathBuf::from("/archive")];
            let root_paths = RootPaths::new(&roots);
            let mut paths: Vec<PathBuf> = names
                .iter()
                .map(|(folder, name)| Path::new("/archive").join(folder).join(OsStr::from_bytes(name)))
                .filter(|path| path.starts_with("/archive"))
                .collect();
            for unit in [Unit::Study, Unit::Folder] {
                let shards = |paths: &[PathBuf]| -> Vec<(PathBuf, Vec<u32>)> {
                    let of_path = |path: &PathBuf| {
                        let group = FilmGroup::without_header(path, unit, &root_paths);
                        (1..=of).filter(|number| group.shard(of) == Some(*number)).collect()
                    };
                    let mut all: Vec<_> =
                        paths.iter().map(|path| (path.clone(), of_path(path))).collect();
                    all.sort();
                    all
                };
                let before = shards(&paths);
                prop_assert!(before.iter().all(|(_, shards)| shards.len() == 1));
                for (path, shard) in &before {
                    let beside = before.iter().filter(|(other, _)| other.parent() == path.parent());
                    let mut beside = beside.filter(|_| unit == Unit::Folder);
                    prop_assert!(beside.all(|(_, other)| other == shard));
                }
                let turn = turn % paths.len().max(1);
                paths.rotate_left(turn);
                paths.reverse();
                prop_assert_eq!(shards(&paths), before);
            }
        }
    }
}
