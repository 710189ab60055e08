//! Which items of the walk belong to this run: all, or those of one shard.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::commands::shared::shard::{RootPaths, Shard};
use crate::library::{WalkItem, scan};

/// What is walked, and what of it is taken.
pub struct Selection<'a> {
    pub roots: &'a [PathBuf],
    shard: Option<(Shard, RootPaths<'a>)>,
}

impl<'a> Selection<'a> {
    pub fn new(roots: &'a [PathBuf], shard: Option<Shard>) -> Self {
        Selection {
            roots,
            shard: shard.map(|shard| (shard, RootPaths::new(roots))),
        }
    }

    /// Walks, and calls `on` with each item that belongs to this run, until `on` breaks. Problems and files in formats
    /// that are not read are in a shard like images: each is reported once by all runs together.
    pub fn walk(&self, mut on: impl FnMut(WalkItem) -> ControlFlow<()>) {
        scan(self.roots, |found| {
            if self.has(path_of_item(&found)) {
                on(found)
            } else {
                ControlFlow::Continue(())
            }
        });
    }

    /// Whether a path of the walk belongs to this run.
    pub fn has(&self, path: &Path) -> bool {
        let shard = self.shard.as_ref();
        shard.is_none_or(|(shard, roots)| shard.has(roots.key(path)))
    }

    pub fn is_sharded(&self) -> bool {
        self.shard.is_some()
    }
}

fn path_of_item(item: &WalkItem) -> &Path {
    match item {
        WalkItem::Image(path) | WalkItem::Unread { path, .. } | WalkItem::Problem { path, .. } => {
            path
        }
    }
}
