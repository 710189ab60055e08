//! Which items of the walk belong to this run: all, or those of one shard.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::commands::shared::shard::group::{FilmGroup, Unit, shard_of_name};
use crate::commands::shared::shard::{RootPaths, Shard};
use crate::imaging::{DecodeLimits, film_study};
use crate::library::{WalkItem, scan};
use crate::sources::is_remote;

/// What is walked, and what of it is taken.
pub struct Selection<'a> {
    pub roots: &'a [PathBuf],
    paths: RootPaths<'a>,
    shard: Option<Shard>,
    unit: Unit,
    limits: &'a DecodeLimits,
}

/// Whose the row of an earlier run is that would stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOwner {
    /// This run would make it under the same name.
    This,
    /// The film was taken for a study of its own, because its header could not be read. Now it can.
    ThisAnew,
    /// A run of other folders, in another order, of another unit or of another shard. Its name may be that of other
    /// films here.
    Other,
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

    /// Whether rows are of this run alone: their studies, folders or shard follow from what was given to it.
    pub fn owns_rows(&self) -> bool {
        self.shard.is_some() || self.unit.is_group()
    }

    /// Whose the row of an item of this run is. `group` is that of the item, `study` what the row says.
    pub fn owner_of(&self, found: &WalkItem, group: Option<&FilmGroup>, study: &str) -> RowOwner {
        let Some(group) = group else {
            return RowOwner::This;
        };
        let alone = || FilmGroup::without_header(found.path(), self.unit, &self.paths).name;
        if group.is_unread || (group.name == study && self.is_in_shard(group)) {
            RowOwner::This
        } else if self.unit == Unit::Study && group.name != study && study == alone() {
            RowOwner::ThisAnew
        } else {
            RowOwner::Other
        }
    }

    /// Whether a row is of this run whose file was not found by the walk: it is gone, or lies in other folders.
    pub fn owns_unfound(&self, path: &Path, study: &str) -> bool {
        if is_remote(path) {
            return true;
        }
        let spelled = self.paths.spelled(path);
        if self.shard.is_some() && spelled.is_none() {
            return false;
        }
        let path = spelled.as_deref().unwrap_or(path);
        if self.unit == Unit::Image {
            return self.has(path);
        }
        let is_here = |shard: Shard| shard_of_name(study, shard.of) == Some(shard.number);
        let group = FilmGroup::of(path, self.unit, &self.paths, self.limits);
        // The study of a film that is gone cannot be told.
        let is_untold = || {
            self.unit == Unit::Study && spelled.is_some() && film_study(path, self.limits).is_err()
        };
        self.shard.is_none_or(is_here) && (group.name == study || is_untold())
    }

    /// Whether films of one item may have another study than its path says.
    pub fn is_by_header(&self) -> bool {
        self.unit == Unit::Study
    }

    pub fn is_sharded(&self) -> bool {
        self.shard.is_some()
    }
}
