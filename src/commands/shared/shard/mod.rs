//! A shard: the images that one of N processes scores.
//!
//! Which shard has an image follows from the path of its file below the root, and from nothing else. So
//! every image is in exactly one shard, in whatever order and on whatever machine a folder is walked:
//!
//! ```text
//! key   = bytes of the path below the root; of a file that was named itself: its path as given
//! shard = (first 8 bytes of SHA-256(key) as a big-endian number) mod N + 1
//! ```
//!
//! Where a row is about a study or a folder, its key chooses the shard, by the same formula: see [`group`].
//!
//! This text is a contract: parts of one run may be made by several versions of a script. A change of it would let
//! an image be in no shard, or in two.

pub mod array;
pub mod group;
pub mod part;

use std::collections::HashMap;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Bytes of the digest that choose the shard.
const CHOOSING: usize = 8;

/// One of N parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1 to `of`.
    pub number: u32,
    pub of: u32,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// Whether this shard has the image with that key.
    pub fn has(self, key: &[u8]) -> bool {
        shard_of(key, self.of) == self.number
    }
}

/// The number of the shard, from 1 to `of`, that has the image with this key. `of` is at least 1.
pub fn shard_of(key: &[u8], of: u32) -> u32 {
    shard_of_digest(&Sha256::digest(key), of)
}

/// The number of the shard that the digest of a key chooses; shorter digests than 8 bytes choose none.
fn shard_of_digest(digest: &[u8], of: u32) -> u32 {
    let choosing = digest.first_chunk::<CHOOSING>();
    let number = u64::from_be_bytes(choosing.copied().unwrap_or_default());
    // The remainder is smaller than `of`.
    (number % u64::from(of.max(1))) as u32 + 1
}

/// The number of the first of these files and folders that a path lies in; one that lies in none comes after all.
pub fn root_number(roots: &[PathBuf], path: &Path) -> usize {
    let found = roots.iter().position(|root| path.starts_with(root));
    found.unwrap_or(usize::MAX)
}

/// The files and folders of a run with their numbers, for the keys of what is found in them.
pub struct RootPaths<'a>(HashMap<&'a Path, usize>);

impl<'a> RootPaths<'a> {
    pub fn new(roots: &'a [PathBuf]) -> Self {
        let mut numbers = HashMap::new();
        for (number, root) in roots.iter().enumerate() {
            numbers.entry(root.as_path()).or_insert(number);
        }
        RootPaths(numbers)
    }

    /// The bytes that choose the shard of a path: see the module. A leading `./` of a file that was named itself is
    /// left out, as tables leave it out.
    pub fn key<'p>(&self, path: &'p Path) -> &'p [u8] {
        self.below(path).1.as_os_str().as_bytes()
    }

    /// The path of a row as the walk spells it, if it lies in one of these or was named itself: tables leave a leading
    /// `./` out.
    pub fn spelled(&self, path: &Path) -> Option<PathBuf> {
        let is_held = |path: &PathBuf| {
            let mut above = path.ancestors();
            above.any(|folder| self.0.contains_key(folder))
        };
        [path.to_owned(), Path::new(".").join(path)]
            .into_iter()
            .find(is_held)
    }

    /// The number of the folder, from 0, that a path lies in, and the path below it. A file that was named itself lies
    /// in none.
    fn below<'p>(&self, path: &'p Path) -> (Option<usize>, &'p Path) {
        let is_named = self.0.contains_key(path);
        let mut above = path.ancestors().skip(1);
        let root = above.find_map(|folder| Some((folder, *self.0.get(folder)?)));
        let (number, below) = match root {
            Some((root, number)) if !is_named => (Some(number), path.strip_prefix(root).ok()),
            _ => (None, path.strip_prefix(".").ok()),
        };
        let below = below.filter(|below| !below.as_os_str().is_empty());
        (number, below.unwrap_or(path))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use proptest::prelude::*;

    use super::*;

    /// Python: `int.from_bytes(hashlib.sha256(key).digest()[:8], "big") % of + 1`.
    #[test]
    fn the_hash_is_the_one_that_is_written_down() {
        for (key, of, expected) in [
            (&b""[..], 16, 5),
            (b"a.png", 16, 9),
            (b"ward3/IM-0042.dcm", 16, 4),
            (b"ward3/IM-0042.dcm", 1000, 684),
            (b"caf\xc3\xa9/\xff\n.png", 7, 3),
            (b"a.png", 1, 1),
        ] {
            assert_eq!(shard_of(key, of), expected, "{key:?} of {of}");
        }
    }

    #[test]
    fn the_path_of_a_row_is_found_in_its_folder_however_that_was_spelled() {
        let spelled = |root: &str, path: &str| {
            let roots = [PathBuf::from(root)];
            let found = RootPaths::new(&roots).spelled(Path::new(path));
            found.map(|path| path.to_str().unwrap().to_owned())
        };
        for (root, path, expected) in [
            ("a", "a/x.png", Some("a/x.png")),
            ("./a", "a/x.png", Some("./a/x.png")),
            (".", "x.png", Some("./x.png")),
            ("/a", "/a/x.png", Some("/a/x.png")),
            ("x.png", "x.png", Some("x.png")),
            ("b", "a/x.png", None),
            ("a/x", "a/x.png", None),
            ("/a", "a/x.png", None),
        ] {
            assert_eq!(spelled(root, path).as_deref(), expected, "{root} {path}");
        }
    }

    #[test]
    fn a_key_is_the_path_below_its_root_however_the_root_is_spelled() {
        let key = |roots: &[&str], path: &str| {
            let roots: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
            let key = RootPaths::new(&roots).key(Path::new(path)).to_vec();
            String::from_utf8(key).unwrap()
        };
        for (root, path) in [
            ("archive", "archive/w/a.png"),
            ("archive/", "archive/w/a.png"),
            ("/mnt/archive", "/mnt/archive/w/a.png"),
            ("./archive", "./archive/w/a.png"),
            (".", "./w/a.png"),
            (".", "w/a.png"),
        ] {
            assert_eq!(key(&[root], path), "w/a.png", "{root}");
        }
        assert_eq!(key(&["w/a.png", "w/b.png"], "w/a.png"), "w/a.png");
        assert_eq!(key(&["./w/a.png"], "./w/a.png"), "w/a.png");
        assert_eq!(key(&["w", "w/a.png"], "w/a.png"), "w/a.png");
    }

    proptest! {
        #[test]
        fn every_image_is_in_exactly_one_shard_in_any_order(
            names in prop::collection::vec(prop::collection::vec(1u8..=255, 1..20), 1..40),
            of in 1u32..40,
            seed in 0u64..1000,
        ) {
            let roots = [PathBuf::from("/archive")];
            let root_paths = RootPaths::new(&roots);
            let mut paths: Vec<PathBuf> = names
                .iter()
                .map(|name| Path::new("/archive").join(OsStr::from_bytes(name)))
                .filter(|path| path.starts_with("/archive"))
                .collect();
            let shards = |paths: &[PathBuf]| -> Vec<(PathBuf, u32)> {
                let mut all: Vec<_> = (1..=of)
                    .flat_map(|number| {
                        let shard = Shard { number, of };
                        let has = |path: &&PathBuf| shard.has(root_paths.key(path));
                        paths.iter().filter(has).map(move |path| (path.clone(), number)).collect::<Vec<_>>()
                    })
                    .collect();
                all.sort();
                all
            };
            let before = shards(&paths);
            prop_assert_eq!(before.len(), paths.len());
            let turn = seed as usize % paths.len().max(1);
            paths.rotate_left(turn);
            paths.reverse();
            prop_assert_eq!(shards(&paths), before);
        }
    }
}
