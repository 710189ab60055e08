//! From the paths of changes to those that a walk reports.

use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Except, Touched};
use crate::imaging::{Sighting, sight};
use crate::library::{WalkItem, is_hidden, scan_except};
use crate::sources::archive;

/// A file or a folder that is watched.
pub(super) struct WatchedRoot {
    /// As an absolute path.
    pub(super) real: PathBuf,
    /// As it was given.
    pub(super) given: PathBuf,
    /// What a walk reports of it: the same, or a part of an archive.
    pub(super) walked: PathBuf,
}

impl WatchedRoot {
    pub(super) fn of(named: &Path) -> Result<Self, String> {
        // Of a part of an archive, the archive is watched.
        let given = archive::file_within(named).unwrap_or_else(|| named.to_owned());
        Ok(WatchedRoot {
            real: std::path::absolute(&given).map_err(|error| error.kind().to_string())?,
            given,
            walked: named.to_owned(),
        })
    }
}

/// Translates paths of change events to the paths that a walk reports.
pub(super) struct Names {
    pub(super) names: Vec<WatchedRoot>,
    pub(super) except: Box<Except>,
}

impl Names {
    /// The files at a path, and below it if it is a folder, under the paths that a walk reports.
    pub(super) fn look(&self, path: &Path) -> Vec<Touched> {
        let Some(given) = self.given(path) else {
            return Vec::new();
        };
        match fs::metadata(path) {
            // The folder may have replaced a file of the same name.
            Ok(found) if found.is_dir() => {
                let mut touched = files(std::slice::from_ref(&given), &self.except);
                touched.push(Touched::look(given.into()));
                touched
            }
            Ok(_) if (self.except)(path) => Vec::new(),
            Ok(_) => match sight(path) {
                Sighting::Image => vec![Touched::look(given.into())],
                // Its members that are gone are not found any more.
                Sighting::Archive => {
                    let mut touched = vec![Touched::gone(given.clone().into())];
                    touched.extend(files(&self.walked(given), &self.except));
                    touched
                }
                Sighting::Unread(format) => vec![Touched::unread(given.into(), format)],
                Sighting::Closed(_) | Sighting::Other => Vec::new(),
            },
            Err(_) => vec![Touched::gone(given.into())],
        }
    }

    /// What a walk reports of an archive: all of it, or the parts that were named.
    fn walked(&self, archive: PathBuf) -> Vec<PathBuf> {
        let of = |root: &&WatchedRoot| root.given == archive;
        let parts: Vec<PathBuf> = self
            .names
            .iter()
            .filter(of)
            .map(|r| r.walked.clone())
            .collect();
        if parts.is_empty() {
            vec![archive]
        } else {
            parts
        }
    }

    /// The path under which a walk reports it; `None` if a walk skips it.
    fn given(&self, path: &Path) -> Option<PathBuf> {
        self.names
            .iter()
            .find_map(|WatchedRoot { real, given, .. }| {
                let below = path.strip_prefix(real).ok()?;
                if below.iter().any(is_hidden) {
                    return None;
                }
                Some(if below.as_os_str() == OsStr::new("") {
                    given.clone()
                } else {
                    given.join(below)
                })
            })
    }
}

/// All images and unread files below `roots`.
fn files(roots: &[PathBuf], except: impl Fn(&Path) -> bool) -> Vec<Touched> {
    let mut files = Vec::new();
    scan_except(roots, except, |found| {
        match found {
            WalkItem::Image(path) => files.push(Touched::look(path.into())),
            WalkItem::Unread { path, format } => files.push(Touched::unread(path.into(), format)),
            WalkItem::Problem { .. } => {}
        }
        ControlFlow::Continue(())
    });
    files
}
