//! Files that only one process at a time may have.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::{Deref, DerefMut};

/// A file that is locked for its holder until this is dropped.
///
/// The lock belongs to the open file (flock(2)), and a process that is just being started holds a copy of it for a
/// moment. So closing is not enough: the lock is given back.
#[derive(Debug)]
pub struct LockedFile(File);

impl LockedFile {
    /// Takes the file, if nobody has it. On a file system without locks everybody may have it.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody has it, and what the system says.
    pub fn take(file: File) -> Result<Self, TryLockError> {
        match file.try_lock() {
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            taken => taken?,
        }
        Ok(LockedFile(file))
    }

    /// Takes the file, and waits for one who has it. On a file system without locks everybody may have it.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait_for(file: File) -> io::Result<Self> {
        match file.lock() {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            taken => taken?,
        }
        Ok(LockedFile(file))
    }

    /// Takes the file together with others who share it, and waits for one who has it alone. Where it cannot be locked
    /// everybody may have it.
    pub fn share(file: File) -> Self {
        let _ = file.lock_shared();
        LockedFile(file)
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for LockedFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_holder_also_where_a_child_has_a_copy_of_the_file() {
        let place = tempfile::NamedTempFile::new().unwrap();
        let again = || File::open(place.path()).unwrap();
        let first = LockedFile::take(again()).unwrap();
        let copy_of_a_child = first.try_clone().unwrap();
        let refused = LockedFile::take(again()).unwrap_err();
        assert!(matches!(refused, TryLockError::WouldBlock));
        drop(first);
        let second = LockedFile::take(again()).unwrap();
        drop((second, copy_of_a_child));
        let shared = [again(), again()].map(LockedFile::share);
        assert!(LockedFile::take(again()).is_err());
        drop(shared);
        assert!(LockedFile::take(again()).is_ok());
        let waited = LockedFile::wait_for(again()).unwrap();
        assert!(LockedFile::take(again()).is_err());
        drop(waited);
    }
}
