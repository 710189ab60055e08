//! Which items of the walk belong to this run: all, or those of one shard.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::commands::shared::shard::group::{FilmGroup, Unit};
use crate::commands::shared::shard::{RootPaths, Shard};
use crate::imaging::DecodeLimits;
use crate::library::{WalkItem, scan};

/// What is walked, and what of it is taken.
pub struct Selection<'a> {
    pub roots: &'a [PathBuf],
    paths: RootPaths<'a>,
    shard: Option<Shard>,
    unit: Unit,
    limits: &'a DecodeLimits,
}

impl<'a> Selection<'a> {
    pub fn new(
        roots: &'a [PathBuf],
        shard: Option<Shard>,
        unit: Unit,
        limits: &'a DecodeLimits,
    ) -> Self {
        Selection {
            roots,
            paths: RootPaths::new(roots),
            shard,
            unit,
            limits,
        }
    }

    /// Walks, and calls `on` with each item that may belong to this run, until `on` breaks. Problems and files in
    /// formats that are not read are in a shard like images: each is reported once by all runs together.
    ///
    /// Where a row is about a study, every image may: only its header tells, which is read by the threads that score.
    pub fn walk(&self, mut on: impl FnMut(WalkItem) -> ControlFlow<()>) {
        scan(self.roots, |found| {
            if self.may_have(&found) {
                on(found)
            } else {
                ControlFlow::Continue(())
            }
        });
    }

    /// Whether an item of the walk may belong to this run; see [`Selection::walk`].
    pub fn may_have(&self, found: &WalkItem) -> bool {
        let is_image = matches!(found, WalkItem::Image(_));
        match self.unit {
            Unit::Study if is_image => true,
            Unit::Image => {
                let key = self.paths.key(found.path());
                self.shard.is_none_or(|shard| shard.has(key))
            }
            unit => {
                let group = FilmGroup::without_header(found.path(), unit, &self.paths);
                self.is_in_shard(&group)
            }
        }
    }

    /// The study or folder of an item, where a row is about one.
    pub fn group(&self, found: &WalkItem) -> Option<FilmGroup> {
        let path = found.path();
        self.unit.is_group().then(|| match found {
            WalkItem::Image(_) => FilmGroup::of(path, self.unit, &self.paths, self.limits),
            _ => FilmGroup::without_header(path, self.unit, &self.paths),
        })
    }

    /// Whether a study or folder belongs to this run.
    pub fn is_in_shard(&self, group: &FilmGroup) -> bool {
        self.shard
            .is_none_or(|shard| group.shard(shard.of) == Some(shard.number))
    }

    /// Whether an image of the walk belongs to this run.
    pub fn has(&self, path: &Path) -> bool {
        let group = || FilmGroup::of(path, self.unit, &self.paths, self.limits);
        match self.unit {
            Unit::Image => self
                .shard
                .is_none_or(|shard| shard.has(self.paths.key(path))),
            _ => self.shard.is_none() || self.is_in_shard(&group()),
        }
    }

    pub fn is_sharded(&self) -> bool {
        self.shard.is_some()
    }
}
