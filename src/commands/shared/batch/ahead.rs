//! Opens the first image of a batch while the model is being loaded: both take about as long.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use super::in_order::WORKER_THREAD;
use super::{Opener, decoder};
use crate::domain::Radiograph;
use crate::imaging::{DecodeLimits, ImagingError};
use crate::library::{WalkItem, scan};

type Opened = Result<Radiograph, ImagingError>;

/// The first image, which another thread opens.
#[derive(Clone, Default)]
pub struct Ahead(Arc<Mutex<AheadState>>);

#[derive(Default)]
enum AheadState {
    /// The walk has not found it yet.
    #[default]
    Looking,
    /// It is being opened.
    Opening(PathBuf, Receiver<Opened>),
    /// The batch has taken it, or has begun without it.
    Over,
}

impl Ahead {
    /// Begins to look for the first image under `roots`.
    pub fn open(roots: Vec<PathBuf>, limits: &DecodeLimits) -> Self {
        let ahead = Ahead::default();
        let (state, limits) = (ahead.clone(), limits.clone());
        // Without this thread, the batch opens the image itself.
        let thread = Builder::new().name(WORKER_THREAD.to_owned());
        let _ = thread.spawn(move || {
            scan(&roots, |found| match found {
                WalkItem::Problem { .. } | WalkItem::Unread { .. } => ControlFlow::Continue(()),
                WalkItem::Image(path) => {
                    state.open_first(path, &limits);
                    ControlFlow::Break(())
                }
            });
        });
        ahead
    }

    /// Returns a function like `each`, whose openers take the first image from here and open the others
    /// as `each` says.
    pub fn then(self, each: impl Fn() -> Opener + Sync) -> impl Fn() -> Opener + Sync {
        move || {
            let (ahead, mut open) = (self.clone(), each());
            Box::new(move |path: &Path| ahead.take(path).unwrap_or_else(|| open(path)))
        }
    }

    fn open_first(&self, path: PathBuf, limits: &DecodeLimits) {
        let (send, opened) = sync_channel(1);
        match &mut *self.state() {
            // The batch may be reading it already, and a pipe can be read only once.
            AheadState::Opening(..) | AheadState::Over => return,
            state @ AheadState::Looking => *state = AheadState::Opening(path.clone(), opened),
        }
        let _ = send.send(decoder(limits).open(&path));
    }

    /// The first image, if its path is this one; `None` also if opening it panicked.
    fn take(&self, path: &Path) -> Option<Opened> {
        let mut state = self.state();
        match &*state {
            AheadState::Opening(first, _) if first != path => return None,
            _ => {}
        }
        let taken = std::mem::replace(&mut *state, AheadState::Over);
        drop(state);
        match taken {
            AheadState::Opening(_, opened) => opened.recv().ok(),
            AheadState::Looking | AheadState::Over => None,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, AheadState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the first image has been found.
    fn begun(root: &Path) -> Ahead {
        let ahead = Ahead::open(vec![root.to_owned()], &DecodeLimits::default());
        while matches!(*ahead.state(), AheadState::Looking) {
            std::thread::yield_now();
        }
        ahead
    }

    #[test]
    fn the_first_image_is_handed_over_once_and_no_other_image_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.png", "b.png"].map(|name| folder.path().join(name));
        for path in &paths {
            std::fs::write(path, "not a picture").unwrap();
        }
        let ahead = begun(folder.path());
        assert!(ahead.take(&paths[1]).is_none());
        let error = ahead.take(&paths[0]).unwrap().unwrap_err().to_string();
        assert!(error.contains("not an image"), "{error}");
        assert!(ahead.take(&paths[0]).is_none());
    }

    #[test]
    fn an_image_that_the_batch_reads_already_is_not_opened() {
        let ahead = Ahead::default();
        assert!(ahead.take(Path::new("a.png")).is_none());
        ahead.open_first(PathBuf::from("a.png"), &DecodeLimits::default());
        assert!(ahead.take(Path::new("a.png")).is_none());
    }

    #[test]
    fn the_others_are_opened_as_usual() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, "not a picture").unwrap();
        let usual = || -> Opener {
            Box::new(|_| decoder(&DecodeLimits::default()).open(Path::new("no such file")))
        };
        let mut open = begun(folder.path()).then(usual)();
        let mut error = || open(&path).unwrap_err().to_string();
        assert!(error().contains("not an image"));
        assert!(error().contains("cannot be read"));
    }
}
