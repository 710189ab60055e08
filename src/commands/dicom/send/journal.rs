//! What the other side has acknowledged: a text file for each address, with the SHA-256 of one file on each line. It
//! names no patient. Lines are added and synced one by one, so that a kill at any moment loses one at most.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

use crate::commands::shared::{Usage, folders};
use crate::domain::ContentId;
use crate::locked_file::LockedFile;

/// The first line, before the address.
const HEADING: &str = "cxr sent 1 ";
/// Bytes of the digest of an address in the name of its journal.
const NAME_BYTES: usize = 8;
/// A larger file is no journal: this is of 15 million objects.
const LARGEST: u64 = 1 << 30;

/// The journal of an address in the state folder of this user.
///
/// # Errors
/// [`Usage`], if the user has no home.
pub fn journal_path(address: &str) -> Result<PathBuf> {
    let digest = Sha256::digest(address.as_bytes());
    let name = crate::domain::hex::hex(&digest[..NAME_BYTES]);
    let folder = folders::sent().ok_or_else(|| {
        Usage::error("there is no home for the journal of what was sent: give --journal")
    })?;
    Ok(folder.join(format!("{name}.journal")))
}

/// The journal of one address. It is locked for this process.
#[derive(Debug)]
pub struct Journal {
    file: LockedFile,
    sent: HashSet<ContentId>,
}

impl Journal {
    /// Opens or begins a journal.
    ///
    /// # Errors
    /// If it cannot be written, belongs to another address, or another process is sending there.
    pub fn open(path: &Path, address: &str) -> Result<Self> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).map_err(|error| io::Error::from(error.kind()))?;
        }
        let mut options = File::options();
        options.read(true).append(true).create(true).mode(0o600);
        let file = options
            .open(path)
            .map_err(|error| io::Error::from(error.kind()))?;
        let mut file = match LockedFile::take(file) {
            Ok(file) => file,
            Err(TryLockError::WouldBlock) => {
                bail!("another cxr dicom send is sending to {address}")
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        };
        if !file.metadata()?.is_file() {
            bail!("it is no file");
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        (&*file).take(LARGEST).read_to_end(&mut bytes)?;
        let heading = format!("{HEADING}{address}\n");
        if bytes.len() < heading.len() && heading.as_bytes().starts_with(&bytes) {
            // It is new, or a kill cut its first line off.
            file.set_len(0)?;
            file.write_all(heading.as_bytes())?;
        } else if !bytes.starts_with(heading.as_bytes()) {
            bail!("it is not the journal of {address}");
        } else if bytes.last() != Some(&b'\n') {
            // A line that a kill cut off stays behind as a line that says nothing.
            file.write_all(b"\n")?;
        }
        file.sync_data()?;
        let lines = bytes.split(|byte| *byte == b'\n');
        let sent = lines.filter_map(|line| str::from_utf8(line).ok()?.parse().ok());
        Ok(Journal {
            sent: sent.collect(),
            file,
        })
    }

    /// Whether a file with this SHA-256 was acknowledged.
    pub fn has(&self, digest: &[u8; 32]) -> bool {
        self.sent.contains(&ContentId::from_digest(*digest))
    }

    /// Notes that it was. When this returns, it is on the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note(&mut self, digest: &[u8; 32]) -> io::Result<()> {
        let id = ContentId::from_digest(*digest);
        self.file.write_all(format!("{id}\n").as_bytes())?;
        self.file.sync_data()?;
        self.sent.insert(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_noted_is_there_after_a_cut_line_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.journal");
        let mut journal = Journal::open(&path, "dicom://a:104/B").unwrap();
        journal.note(&[1; 32]).unwrap();
        journal.note(&[2; 32]).unwrap();
        let other = Journal::open(&path, "dicom://a:104/B").unwrap_err();
        assert!(
            other.to_string().contains("another cxr dicom send"),
            "{other}"
        );
        drop(journal);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
        let mut journal = Journal::open(&path, "dicom://a:104/B").unwrap();
        assert!(journal.has(&[1; 32]) && !journal.has(&[2; 32]));
        journal.note(&[3; 32]).unwrap();
        drop(journal);
        let journal = Journal::open(&path, "dicom://a:104/B").unwrap();
        assert!(journal.has(&[1; 32]) && !journal.has(&[2; 32]) && journal.has(&[3; 32]));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        drop(journal);
        let elsewhere = Journal::open(&path, "dicom://other:104/B");
        assert!(elsewhere.is_err());
    }
}
