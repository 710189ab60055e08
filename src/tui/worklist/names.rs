//! Names in the list: files that share a name show enough of their folder to be told apart.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use super::{Worklist, WorklistEntry};
use crate::domain::text::clean;

/// The most folders that a name shows.
const DEEPEST: u8 = 12;

/// How many folders the name of each entry needs before it.
#[derive(Debug, Default)]
pub struct DistinctNames {
    folders: Vec<u8>,
}

impl DistinctNames {
    /// Whether so many files have come since the last look that another one is due. The cost of all looks together is
    /// that of a few over the whole list.
    fn is_due(&self, entries: usize, is_scanning: bool) -> bool {
        let known = self.folders.len();
        entries > known && (!is_scanning || entries >= 2 * known)
    }

    fn look(&mut self, entries: &[WorklistEntry]) {
        self.folders = vec![0; entries.len()];
        let mut alike: Vec<usize> = (0..entries.len()).collect();
        for folders in 0..DEEPEST {
            let mut seen: HashMap<u64, u32> = HashMap::with_capacity(alike.len());
            let ends: Vec<u64> = alike
                .iter()
                .map(|i| end_of(&entries[*i].path, folders))
                .collect();
            for end in &ends {
                *seen.entry(*end).or_default() += 1;
            }
            let pairs = alike.into_iter().zip(ends);
            alike = pairs
                .filter(|(_, end)| seen.get(end).is_some_and(|n| *n > 1))
                .map(|(i, _)| i)
                .collect();
            if alike.is_empty() {
                return;
            }
            for i in &alike {
                self.folders[*i] = folders + 1;
            }
        }
    }
}

/// A digest of the name and of so many folders before it.
fn end_of(path: &Path, folders: u8) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in path.components().rev().take(usize::from(folders) + 1) {
        part.hash(&mut hasher);
    }
    hasher.finish()
}

impl Worklist {
    /// Looks for files that share a name, if enough of them are new.
    pub(super) fn tell_names_apart(&mut self) {
        if self.names.is_due(self.entries.len(), self.is_scanning()) {
            self.names.look(&self.entries);
        }
    }

    /// The file name of a row, with as much of its folder as it needs to be told apart; safe for a terminal.
    pub fn name(&self, row: usize) -> String {
        let Some(index) = self.rows.get(row) else {
            return String::new();
        };
        let entry = &self.entries[*index as usize];
        let folders = self.names.folders.get(*index as usize).copied();
        match folders {
            None | Some(0) => entry.name(),
            Some(folders) => {
                let parts = entry.path.components().rev();
                let parts = parts.take(usize::from(folders) + 1);
                let mut parts: Vec<_> = parts
                    .map(|part| part.as_os_str().to_string_lossy())
                    .collect();
                parts.reverse();
                clean(&parts.join("/"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        let mut list = Worklist::default();
        list.add(paths.iter().map(|path| Arc::from(PathBuf::from(path))));
        list.finish_scan();
        let mut names: Vec<(String, String)> = (0..paths.len())
            .map(|row| {
                let path = list.row(row).unwrap().path.to_string_lossy().into_owned();
                (path, list.name(row))
            })
            .collect();
        names.sort_by_key(|(path, _)| paths.iter().position(|other| other == path));
        names.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn rows_that_share_a_name_show_enough_of_their_folder() {
        assert_eq!(names(&["a/x.png", "b/y.png"]), ["x.png", "y.png"]);
        assert_eq!(
            names(&["r/a/x.png", "r/b/x.png", "r/b/y.png"]),
            ["a/x.png", "b/x.png", "y.png"]
        );
        assert_eq!(
            names(&["p1/s/x", "p2/s/x", "p2/t/x", "x"]),
            ["p1/s/x", "p2/s/x", "t/x", "x"]
        );
        let twice = names(&["a/x", "a/x"]);
        assert_eq!(twice[0], twice[1], "the very same path");
    }

    #[test]
    fn a_hundred_thousand_equal_names_are_told_apart_in_a_moment() {
        let mut list = Worklist::default();
        let begin = Instant::now();
        for batch in 0..50 {
            let paths = (0..2_000).map(|i| PathBuf::from(format!("r/p{batch}/s{i}/IM-0001.dcm")));
            list.add(paths.map(Arc::from));
        }
        list.finish_scan();
        assert_eq!(list.name(0), "p0/s0/IM-0001.dcm");
        // Without optimisation; it is there to catch a comparison of each with each.
        assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    }
}
