//! Which sittings of a reader are on a screen now: each holds a lock, which the system takes back however its program
//! ends.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::domain::ReadingMode;
use crate::locked_file::LockedFile;

/// A sitting that is on a screen until this is dropped.
#[derive(Debug)]
pub struct OnScreen {
    /// Shared: the reader may have one sitting on two screens.
    _lock: LockedFile,
}

impl OnScreen {
    /// Takes the place of a sitting in the folder of sittings.
    ///
    /// # Errors
    /// If its file cannot be made there.
    pub fn of(sittings: &Path, name: &str) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(sittings)?;
        let lock = opened(&place(sittings, name))?;
        // Waits for no longer than another program looks at it. A file system without locks keeps no sitting from being
        // read.
        Ok(OnScreen {
            _lock: LockedFile::share(lock),
        })
    }
}

/// Which of these sittings is on a screen, if any of them is: its answers would be seen beside the other one.
pub fn on_screen(sittings: &Path, others: &[(ReadingMode, String)]) -> Option<ReadingMode> {
    let is_on_screen = |name: &str| {
        let place = place(sittings, name);
        let taken = place.exists().then(|| opened(&place)).and_then(Result::ok);
        taken.is_some_and(|file| matches!(LockedFile::take(file), Err(TryLockError::WouldBlock)))
    };
    let mut others = others.iter();
    let found = others.find(|(_, name)| is_on_screen(name));
    found.map(|(mode, _)| *mode)
}

/// Beside the folder of links, where no walk takes it for a film.
fn place(sittings: &Path, name: &str) -> PathBuf {
    sittings.join(format!(".{name}.lock"))
}

fn opened(place: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sitting_is_on_a_screen_until_the_last_of_its_screens_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let sittings = folder.path().join("study.sittings");
        let aided = [(ReadingMode::Aided, "1-aided".to_owned())];
        assert_eq!(on_screen(&sittings, &aided), None);
        let one = OnScreen::of(&sittings, "1-aided").unwrap();
        let another = OnScreen::of(&sittings, "1-aided").unwrap();
        assert_eq!(on_screen(&sittings, &aided), Some(ReadingMode::Aided));
        let unaided = [(ReadingMode::Unaided, "1-unaided".to_owned())];
        assert_eq!(on_screen(&sittings, &unaided), None);
        drop(one);
        assert_eq!(on_screen(&sittings, &aided), Some(ReadingMode::Aided));
        drop(another);
        assert_eq!(on_screen(&sittings, &aided), None);
    }
}
