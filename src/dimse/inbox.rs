//! The folder that received objects go to. A file is there whole or not at all: it is written under a hidden name,
//! synced, and renamed.
//!
//! An object's file is `SOP-INSTANCE-UID.dcm`. The same object again is not written again. Another object under the
//! same identifier breaks the standard, but may be the corrected one or the only one of its patient: it is kept beside
//! the first, as `UID.DIGEST.dcm`, with the first 12 hexadecimal digits of the SHA-256 of its data set.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tempfile::{Builder, NamedTempFile, PersistError};

use super::address::AeTitle;
use super::data_set::{BEGINNING, OwnIdentity, own_identity};
use super::part10::{Part10Object, StorageKind, head};
use crate::domain::hex::hex;
use crate::locked_file::LockedFile;

/// What the hidden name of a file on its way begins and ends with.
const PREFIX: &str = ".cxr-listen-";
const SUFFIX: &str = ".part";
/// The file that one listener at a time has locked.
const LOCK: &str = ".cxr-listen.lock";
/// Bytes of a digest in a file name.
const DIGEST_BYTES: usize = 6;
/// How often a name is tried again that was taken in the same moment.
const TRIES: usize = 3;

/// Why a folder cannot be received into. The message does not repeat the folder.
#[derive(Debug, thiserror::Error)]
pub enum InboxFault {
    #[error("no such folder")]
    Missing,
    #[error("another cxr listen receives into it")]
    Taken,
    #[error("it cannot be written to ({0})")]
    NotWritable(ErrorKind),
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredAs {
    /// A new file.
    New,
    /// It is there, byte for byte.
    SameAsBefore,
    /// Another object has its identifier, so it has a file of its own.
    Beside,
}

/// A folder that receives objects.
#[derive(Debug)]
pub struct Inbox {
    folder: PathBuf,
    /// For syncing the names in it.
    names: File,
    /// Held while a name is taken on a file system that does not refuse to replace.
    naming: Mutex<()>,
    /// Held as long as this.
    _lock: LockedFile,
}

impl Inbox {
    /// Takes a folder for this process alone, and removes what a killed listener left half-written.
    ///
    /// # Errors
    /// If there is none, another listener has it, or it cannot be written to.
    pub fn open(folder: &Path) -> Result<Self, InboxFault> {
        if !folder.is_dir() {
            return Err(InboxFault::Missing);
        }
        let refused = |error: io::Error| InboxFault::NotWritable(error.kind());
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let lock = options.open(folder.join(LOCK)).map_err(refused)?;
        // On a file system without locks, two listeners would still not harm each other's whole files.
        let lock = LockedFile::take(lock).map_err(|error| match error {
            TryLockError::WouldBlock => InboxFault::Taken,
            TryLockError::Error(error) => refused(error),
        })?;
        let inbox = Inbox {
            names: File::open(folder).map_err(refused)?,
            naming: Mutex::default(),
            folder: folder.to_owned(),
            _lock: lock,
        };
        // It is better to know now than when the first film comes.
        inbox.part().map_err(refused)?;
        inbox.remove_leftovers().map_err(refused)?;
        Ok(inbox)
    }

    fn remove_leftovers(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            if name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn part(&self) -> io::Result<NamedTempFile> {
        let mut part = Builder::new();
        part.prefix(PREFIX).suffix(SUFFIX);
        part.tempfile_in(&self.folder)
    }

    /// Begins the file of an object. Its identifier must be one that `is_uid` knows.
    ///
    /// # Errors
    /// If nothing can be written.
    pub(super) fn begin(
        &self,
        kind: &StorageKind,
        sop_instance: &str,
        source: Option<&AeTitle>,
    ) -> io::Result<Arrival> {
        let mut part = self.part()?;
        let head = head(kind, sop_instance, source);
        part.write_all(&head)?;
        Ok(Arrival {
            part,
            kind: kind.clone(),
            sop_instance: sop_instance.to_owned(),
            beginning: Vec::new(),
            data_set_at: head.len() as u64,
        })
    }

    /// Gives a whole object its name, once it is on the disk. When this returns, the name is on the disk too, also where
    /// another association gave it a moment ago.
    ///
    /// # Errors
    /// If it cannot be written. Then nothing of it stays.
    pub(super) fn keep(&self, arrival: Arrival) -> io::Result<(PathBuf, StoredAs)> {
        let Arrival {
            mut part,
            kind,
            sop_instance,
            data_set_at,
            ..
        } = arrival;
        part.as_file().sync_data()?;
        let first = self.folder.join(format!("{sop_instance}.dcm"));
        let mut target = (first.clone(), StoredAs::New);
        for _ in 0..TRIES {
            let taken = match part.persist_noclobber(&target.0) {
                Ok(_) => None,
                Err(refused) => self.named_alone(refused, &target.0)?,
            };
            let Some(taken) = taken else {
                self.names.sync_data()?;
                return Ok(target);
            };
            part = taken;
            if is_same(&target.0, &kind, part.as_file_mut(), data_set_at)? {
                self.names.sync_data()?;
                return Ok((target.0, StoredAs::SameAsBefore));
            }
            let digest = digest(part.as_file_mut(), data_set_at)?;
            let name = format!("{sop_instance}.{}.dcm", hex(&digest[..DIGEST_BYTES]));
            target = (self.folder.join(name), StoredAs::Beside);
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Gives a file its name where the file system has neither hard links nor a rename that refuses to replace: by looking
    /// first. `None` if it has it, and the file if another one had the name before.
    fn named_alone(&self, refused: PersistError, name: &Path) -> io::Result<Option<NamedTempFile>> {
        let _alone = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        if is_vacant(name) {
            refused.file.persist(name)?;
            return Ok(None);
        }
        // Something is there: that is why it was refused.
        name.symlink_metadata().map_err(|_| refused.error)?;
        Ok(Some(refused.file))
    }
}

fn is_vacant(path: &Path) -> bool {
    let found = path.symlink_metadata();
    found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Whether a file holds an object of this kind with the same data set.
fn is_same(path: &Path, kind: &StorageKind, part: &mut File, data_set_at: u64) -> io::Result<bool> {
    // A pipe would be waited for.
    if !path.symlink_metadata()?.is_file() {
        return Ok(false);
    }
    let Ok(there) = Part10Object::of_file(path) else {
        return Ok(false);
    };
    let mut file = File::open(path)?;
    let length = file.metadata()?.len().checked_sub(there.data_set_at);
    let other = part.metadata()?.len().checked_sub(data_set_at);
    if there.kind != *kind || length != other {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(there.data_set_at))?;
    part.seek(SeekFrom::Start(data_set_at))?;
    let (mut ours, mut theirs) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = part.read(&mut ours)?;
        if read == 0 {
            return Ok(true);
        }
        file.read_exact(&mut theirs[..read])?;
        if ours[..read] != theirs[..read] {
            return Ok(false);
        }
    }
}

fn digest(part: &mut File, data_set_at: u64) -> io::Result<[u8; 32]> {
    part.seek(SeekFrom::Start(data_set_at))?;
    let mut sha = Sha256::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        match part.read(&mut bytes)? {
            0 => return Ok(sha.finalize().into()),
            read => sha.update(&bytes[..read]),
        }
    }
}

/// An object on its way. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Arrival {
    part: NamedTempFile,
    kind: StorageKind,
    sop_instance: String,
    /// The first bytes of the data set.
    beginning: Vec<u8>,
    data_set_at: u64,
}

impl Arrival {
    /// # Errors
    /// If the disk takes no more.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let missing = BEGINNING.saturating_sub(self.beginning.len());
        self.beginning.extend(&bytes[..missing.min(bytes.len())]);
        self.part.write_all(bytes)
    }

    /// Whether the data set says of itself what was announced.
    pub fn is_as_announced(&self) -> bool {
        let OwnIdentity {
            sop_class,
            sop_instance,
        } = own_identity(&self.beginning, &self.kind.transfer_syntax);
        sop_class.as_ref() == Some(&self.kind.sop_class)
            && sop_instance.as_ref() == Some(&self.sop_instance)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    fn kind() -> StorageKind {
        StorageKind {
            sop_class: "1.2".to_owned(),
            transfer_syntax: "1.2.840.10008.1.2.1".to_owned(),
        }
    }

    fn data_set(pixels: &str) -> Vec<u8> {
        let mut bytes = b"\x08\0\x16\0UI\x04\x001.2\0\x08\0\x18\0UI\x04\x001.3\0".to_vec();
        bytes.extend(pixels.bytes());
        bytes
    }

    fn arrives(inbox: &Inbox, source: &str, pixels: &str) -> (String, StoredAs) {
        let source = source.parse().unwrap();
        let mut arrival = inbox.begin(&kind(), "1.3", Some(&source)).unwrap();
        arrival.write(&data_set(pixels)).unwrap();
        assert!(arrival.is_as_announced());
        let (path, stored) = inbox.keep(arrival).unwrap();
        (
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            stored,
        )
    }

    /// The files that a walk sees.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    #[test]
    fn the_same_object_is_kept_once_and_another_of_its_name_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(folder.path()).unwrap();
        assert_eq!(
            arrives(&inbox, "A", "one"),
            ("1.3.dcm".to_owned(), StoredAs::New)
        );
        // Who sent it makes no other object of it.
        assert_eq!(arrives(&inbox, "OTHER", "one").1, StoredAs::SameAsBefore);
        let (beside, stored) = arrives(&inbox, "A", "two");
        assert_eq!(stored, StoredAs::Beside);
        assert!(
            beside.starts_with("1.3.") && beside.len() == "1.3..dcm".len() + 12,
            "{beside}"
        );
        assert_eq!(
            arrives(&inbox, "B", "two"),
            (beside.clone(), StoredAs::SameAsBefore)
        );
        assert_eq!(
            names(folder.path()),
            [beside.as_str(), "1.3.dcm"].map(str::to_owned)
        );
        let first = folder.path().join("1.3.dcm");
        let read = Part10Object::of_file(&first).unwrap();
        assert_eq!((read.kind, read.sop_instance.as_str()), (kind(), "1.3"));
        let bytes = fs::read(&first).unwrap();
        assert_eq!(bytes[read.data_set_at as usize..], data_set("one"));
        assert_eq!(
            fs::metadata(&first).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn what_is_not_kept_leaves_nothing_and_a_killed_listener_is_cleaned_up_after() {
        let folder = tempfile::tempdir().unwrap();
        let leftover = folder.path().join(".cxr-listen-abc.part");
        let other = folder.path().join(".cxr-xyz.part");
        fs::write(&leftover, "half").unwrap();
        fs::write(&other, "another command's").unwrap();
        let inbox = Inbox::open(folder.path()).unwrap();
        assert!(!leftover.exists() && other.exists());
        let mut arrival = inbox.begin(&kind(), "1.3", None).unwrap();
        arrival.write(b"half").unwrap();
        assert!(!arrival.is_as_announced());
        drop(arrival);
        assert_eq!(names(folder.path()), [""; 0]);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "the lock, and the other's"
        );
        assert!(matches!(Inbox::open(folder.path()), Err(InboxFault::Taken)));
        drop(inbox);
        assert!(Inbox::open(folder.path()).is_ok());
        let missing = Inbox::open(&folder.path().join("no"));
        assert!(matches!(missing, Err(InboxFault::Missing)));
    }

    /// As on a file system that refuses `persist_noclobber` always.
    #[test]
    fn without_a_rename_that_refuses_one_of_two_takes_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(folder.path()).unwrap();
        let name = folder.path().join("1.3.dcm");
        let refused = |text: &str| {
            let mut file = inbox.part().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let error = ErrorKind::Unsupported.into();
            PersistError { error, file }
        };
        let both = [refused("one"), refused("two")];
        let (alone, path) = (&inbox, &name);
        let named = std::thread::scope(|scope| {
            let name = |refused| scope.spawn(move || alone.named_alone(refused, path));
            let threads = both.map(name);
            threads.map(|thread| thread.join().unwrap().unwrap())
        });
        assert_eq!(named.iter().filter(|left| left.is_none()).count(), 1);
        let left = named.into_iter().flatten().next().unwrap();
        assert_ne!(fs::read(left.path()).unwrap(), fs::read(&name).unwrap());
    }

    #[test]
    fn a_link_a_folder_and_a_pipe_under_the_name_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(folder.path()).unwrap();
        let name = folder.path().join("1.3.dcm");
        let elsewhere = folder.path().join("elsewhere");
        symlink(&elsewhere, &name).unwrap();
        assert_eq!(arrives(&inbox, "A", "one").1, StoredAs::Beside);
        assert!(!elsewhere.exists());
        fs::remove_file(&name).unwrap();
        fs::create_dir(&name).unwrap();
        assert_eq!(arrives(&inbox, "A", "two").1, StoredAs::Beside);
        fs::remove_dir(&name).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(&name)
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(arrives(&inbox, "A", "three").1, StoredAs::Beside);
    }
}
