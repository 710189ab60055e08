//! The file of the choices. It is a cache: what is absent, damaged or of another make is measured again.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic_file::AtomicFile;

/// The version of the file. A file of another version counts as empty.
const FORMAT: u32 = 1;
/// A larger file, in bytes, is none of ours.
const LARGEST: u64 = 1 << 20;
/// The oldest choices beyond this number are dropped.
const MOST_CHOICES: usize = 256;
/// Only the owner may look into the folder.
const FOLDER_MODE: u32 = 0o700;

/// What a choice holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceKey {
    /// The processor's name.
    pub processor: String,
    /// The name of the instruction set.
    pub kernels: String,
    /// Threads of one computation.
    pub threads: usize,
    /// The version of cxr.
    pub cxr: String,
    /// The precision that was asked for.
    pub precision: String,
    /// SHA-256 of the network's weights.
    pub sha256: String,
    /// `[C, H, W]`
    pub image: [usize; 3],
}

/// A way that was chosen, and the times that it was chosen by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WayChoice {
    /// The network's name and version.
    pub network: String,
    /// The name of the chosen way.
    pub way: String,
    pub key: ChoiceKey,
    /// The time of an image by each way that was measured, in milliseconds.
    pub milliseconds: BTreeMap<String, f64>,
}

impl WayChoice {
    /// Whether it was made for this key, among the ways of these names and no others.
    fn answers(&self, key: &ChoiceKey, names: &[&str]) -> bool {
        let has = |name: &&str| self.milliseconds.contains_key(*name);
        self.key == *key
            && self.milliseconds.len() == names.len()
            && names.iter().all(has)
            && names.contains(&self.way.as_str())
    }
}

#[derive(Serialize, Deserialize)]
struct ChoicesFile {
    format: u32,
    #[serde(default)]
    choice: Vec<WayChoice>,
}

/// The choices that are kept in a file.
pub struct KeptChoices<'a>(&'a Path);

impl<'a> KeptChoices<'a> {
    /// Those in this file, which need not exist.
    pub fn in_file(path: &'a Path) -> Self {
        KeptChoices(path)
    }

    /// All choices, the oldest first.
    pub fn all(&self) -> Vec<WayChoice> {
        let text = self.read().ok();
        let file: Option<ChoicesFile> = text.and_then(|text| toml::from_str(&text).ok());
        let ours = file.filter(|file| file.format == FORMAT);
        ours.map_or_else(Vec::new, |file| file.choice)
    }

    /// The choice that was made for this key among the ways of these names.
    pub fn find(&self, key: &ChoiceKey, names: &[&str]) -> Option<WayChoice> {
        let mut all = self.all().into_iter();
        all.find(|choice| choice.answers(key, names))
    }

    /// Keeps a choice, unless another process has kept one for the same key meanwhile: runs that share the file compute
    /// alike. Returns the one that holds.
    pub fn settle(&self, choice: WayChoice) -> WayChoice {
        let mut all = self.all();
        let names: Vec<&str> = choice.milliseconds.keys().map(String::as_str).collect();
        if let Some(earlier) = all
            .iter()
            .find(|earlier| earlier.answers(&choice.key, &names))
        {
            return earlier.clone();
        }
        all.retain(|other| other.key.cxr == choice.key.cxr && other.key != choice.key);
        all.push(choice.clone());
        all.drain(..all.len().saturating_sub(MOST_CHOICES));
        // A choice that cannot be kept holds for this run.
        let _ = self.write(all);
        choice
    }

    fn read(&self) -> io::Result<String> {
        let mut text = String::new();
        let file = File::open(self.0)?;
        file.take(LARGEST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(text)
    }

    /// Replaces the file in one step.
    fn write(&self, choice: Vec<WayChoice>) -> io::Result<()> {
        let format = FORMAT;
        let text = toml::to_string(&ChoicesFile { format, choice }).map_err(io::Error::other)?;
        let folder = self.0.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(FOLDER_MODE).create(folder)?;
        let mut file = AtomicFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.replace(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(cxr: &str, threads: usize) -> WayChoice {
        let text = |text: &str| text.to_owned();
        WayChoice {
            network: text("small 1"),
            way: text("f32"),
            key: ChoiceKey {
                processor: text("a processor: \"2.0\""),
                kernels: text("avx512"),
                threads,
                cxr: text(cxr),
                precision: text("split"),
                sha256: text("3f9a"),
                image: [1, 64, 64],
            },
            milliseconds: [(text("f32"), 4.0), (text("split by tiles"), 5.5)].into(),
        }
    }

    #[test]
    fn choices_of_other_versions_are_dropped_and_the_oldest_beyond_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ways.toml");
        let kept = KeptChoices::in_file(&file);
        let all = (0..=MOST_CHOICES).map(|threads| choice("2", threads));
        let old = choice("1", 1);
        kept.write([old].into_iter().chain(all).collect()).unwrap();
        let last = choice("2", MOST_CHOICES + 1);
        assert_eq!(kept.settle(last.clone()), last);
        let all = kept.all();
        assert_eq!((all.len(), all.last()), (MOST_CHOICES, Some(&last)));
        assert_eq!(all[0], choice("2", 2));
    }
}
