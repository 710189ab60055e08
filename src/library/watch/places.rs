//! Where the roots lie, and what an event of the system tells of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind};

use super::WatchNote;
use super::names::WatchedRoot;

/// A root as it was when its watch began.
pub(super) struct WatchedPlace {
    pub(super) real: PathBuf,
    pub(super) is_folder: bool,
}

impl WatchedPlace {
    pub(super) fn of(root: &WatchedRoot) -> Self {
        WatchedPlace {
            is_folder: root.real.is_dir(),
            real: root.real.clone(),
        }
    }

    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.is_folder.then(|| self.real.clone())
    }

    /// Whether a root that comes or goes at this path has to be watched anew. A file is watched through its folder, which
    /// stays.
    fn lies_at(&self, path: &Path) -> bool {
        match path == self.real {
            true => self.is_folder || path.is_dir(),
            false => self.real.starts_with(path),
        }
    }
}

/// The folders above the roots that exist, and those of them without which a root is not watched at all: that of a file,
/// and the nearest one of a root that is not there.
pub(super) fn above(places: &[WatchedPlace]) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    // Elsewhere the system reports all that happens at any depth, and much would be reported in vain.
    let most = if cfg!(target_os = "linux") {
        usize::MAX
    } else {
        1
    };
    let (mut above, mut needed) = (BTreeSet::new(), BTreeSet::new());
    for place in places {
        let folders = place.real.ancestors().skip(1);
        let mut folders = folders.filter(|folder| folder.is_dir()).take(most);
        let nearest = folders.next().map(Path::to_owned);
        above.extend(nearest.iter().cloned().chain(folders.map(Path::to_owned)));
        needed.extend(nearest.filter(|_| !place.is_folder));
    }
    (above, needed)
}

/// What an event tells of the roots.
pub(super) fn changes(
    event: notify::Result<Event>,
    places: &[WatchedPlace],
) -> impl Iterator<Item = WatchNote> {
    let event = event.ok().filter(|event| !event.need_rescan());
    let missed = event.is_none().then_some(WatchNote::Missed);
    let event = event
        .filter(|event| is_change(event.kind))
        .unwrap_or_default();
    let is_move = matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
    );
    let told = event.paths.into_iter().filter_map(move |path| {
        if is_move && places.iter().any(|place| place.lies_at(&path)) {
            return Some(WatchNote::Missed);
        }
        let is_below = places.iter().any(|place| path.starts_with(&place.real));
        is_below.then_some(WatchNote::At(path))
    });
    missed.into_iter().chain(told)
}

fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
