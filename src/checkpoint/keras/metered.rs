//! The bytes of a file, with a limit on the number and the size of reads. In HDF5 a small file can describe millions
//! of groups by references, and each takes memory when it is listed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hdf5_reader::error::{Error, Result};
use hdf5_reader::{Storage, StorageBuffer};

/// A file's bytes, with an allowance of reads.
pub struct Metered {
    bytes: Arc<Vec<u8>>,
    /// Reads that are left.
    reads: AtomicU64,
    /// Bytes that are left.
    left: AtomicU64,
    exhausted: AtomicBool,
    is_metered: AtomicBool,
}

impl Metered {
    /// Reads are unlimited until [`allow`](Metered::allow) sets a limit.
    pub fn new(bytes: Vec<u8>) -> Self {
        Metered {
            bytes: Arc::new(bytes),
            reads: AtomicU64::new(u64::MAX),
            left: AtomicU64::new(u64::MAX),
            exhausted: AtomicBool::new(false),
            is_metered: AtomicBool::new(true),
        }
    }

    /// Allows this many reads from now on, and this many bytes together.
    pub fn allow(&self, (reads, bytes): (u64, u64)) {
        self.reads.store(reads, Ordering::Relaxed);
        self.left.store(bytes, Ordering::Relaxed);
    }

    /// Whether more was asked for than was allowed.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// Runs a read that is bounded by other means, outside the allowance.
    pub fn unmetered<T>(&self, read: impl FnOnce() -> T) -> T {
        self.is_metered.store(false, Ordering::Relaxed);
        let done = read();
        self.is_metered.store(true, Ordering::Relaxed);
        done
    }

    fn charge(&self, bytes: usize) -> bool {
        let take = |from: &AtomicU64, what: u64| {
            from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(what)
            })
            .is_ok()
        };
        take(&self.reads, 1) && take(&self.left, bytes as u64)
    }
}

impl Storage for Metered {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_range(&self, offset: u64, len: usize) -> Result<StorageBuffer> {
        if self.is_metered.load(Ordering::Relaxed) && !self.charge(len) {
            self.exhausted.store(true, Ordering::Relaxed);
            return Err(Error::InvalidData("more than is allowed".to_owned()));
        }
        let start = usize::try_from(offset).map_err(|_| Error::OffsetOutOfBounds(offset))?;
        StorageBuffer::from_shared_owner(self.bytes.clone(), start, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_bytes_are_counted_until_they_are_used_up() {
        let file = Metered::new(vec![7; 100]);
        assert_eq!(file.read_range(90, 10).unwrap().as_ref(), [7; 10]);
        assert!(file.read_range(90, 11).is_err(), "beyond its end");
        file.allow((3, 50));
        assert!(file.read_range(0, 20).is_ok() && file.read_range(0, 30).is_ok());
        assert!(file.unmetered(|| file.read_range(0, 100)).is_ok());
        assert!(!file.is_exhausted());
        assert!(file.read_range(0, 1).is_err() && file.is_exhausted());
        file.allow((1, 50));
        assert!(file.read_range(0, 1).is_ok() && file.read_range(0, 1).is_err());
        assert!(file.is_exhausted());
    }
}
