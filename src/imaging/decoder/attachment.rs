//! Data that goes with a message: a file or the samples of a film.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use memmap2::Mmap;

use super::shared_memory::{self, SharedWindow};
use crate::domain::ContentId;

/// Data that a message carries in addition to its text.
#[derive(Debug)]
pub(in crate::imaging) enum Attachment {
    /// The first bytes of shared memory. That of a file is sealed, so that the process decodes the same
    /// bytes that the program hashes.
    Shared { file: File, length: u64 },
    /// The first bytes of the channel's window. They are copied once, so later changes have no effect.
    Window {
        window: Arc<SharedWindow>,
        length: u64,
    },
    /// The bytes themselves, if the system has no such memory, or counts it as a file and limits their
    /// length (`ulimit -f`).
    Bytes(Vec<u8>),
}

impl Attachment {
    /// A copy of a file, of at most `longest` bytes and one more.
    pub fn copied(mut from: &File, longest: u64) -> io::Result<Self> {
        let longest = longest.saturating_add(1);
        // From file to file, `io::copy` lets the system copy.
        let shared = shared_memory::create().and_then(|mut file| {
            io::copy(&mut from.take(longest), &mut file)?;
            shared_memory::seal(&file)?;
            let length = shared_memory::length(&file)?;
            Ok(Attachment::Shared { file, length })
        });
        shared.or_else(|_| {
            let mut bytes = Vec::new();
            from.rewind()?;
            from.take(longest).read_to_end(&mut bytes)?;
            Ok(Attachment::Bytes(bytes))
        })
    }

    /// A copy of these bytes that never changes again, like that of a file.
    pub fn sealed(bytes: &[u8]) -> io::Result<Self> {
        let copy = Attachment::of(bytes);
        if let Attachment::Shared { file, .. } = &copy {
            shared_memory::seal(file)?;
        }
        Ok(copy)
    }

    /// A copy of these bytes in new shared memory.
    pub fn of(bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        let shared = shared_memory::create();
        let shared = shared.and_then(|file| file.write_all_at(bytes, 0).map(|()| file));
        match shared {
            Ok(file) => Attachment::Shared { file, length },
            Err(_) => Attachment::Bytes(bytes.to_vec()),
        }
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        match self {
            Attachment::Shared { length, .. } | Attachment::Window { length, .. } => *length,
            Attachment::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// The attachment as numbers. Their memory is written only once, because a film has many megabytes.
    ///
    /// # Errors
    /// If the length is not a multiple of a number's, or there is no memory.
    #[allow(unsafe_code, reason = "numbers are filled as bytes, unzeroed")]
    pub fn numbers<T: bytemuck::AnyBitPattern>(&self) -> io::Result<Vec<T>> {
        let length = self.length() as usize;
        if !length.is_multiple_of(size_of::<T>()) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let count = length / size_of::<T>();
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(count)?;
        let spare = numbers.spare_capacity_mut().as_mut_ptr();
        // SAFETY: the vector has room for `count` numbers, which are `length` bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(spare.cast(), length) };
        self.fill(bytes)?;
        // SAFETY: `fill` wrote all their bytes, and any bytes are a valid number of this type.
        unsafe { numbers.set_len(count) };
        Ok(numbers)
    }

    /// Writes every byte of `buffer`, which is as long as the attachment.
    fn fill(&self, mut buffer: &mut [MaybeUninit<u8>]) -> io::Result<()> {
        let file = match self {
            Attachment::Bytes(bytes) => {
                let pairs = buffer.iter_mut().zip(bytes);
                pairs.for_each(|(to, &byte)| {
                    to.write(byte);
                });
                return Ok(());
            }
            Attachment::Window { window, .. } => return window.read(buffer),
            Attachment::Shared { file, .. } => file,
        };
        let mut at = 0;
        while !buffer.is_empty() {
            let (read, rest) = rustix::io::pread(file, buffer, at)?;
            if read.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += read.len() as u64;
            buffer = rest;
        }
        Ok(())
    }

    /// The bytes, without a copy if the system can map them.
    ///
    /// # Errors
    /// If they are shared and may still change.
    pub fn contents(&self) -> io::Result<AttachmentBytes<'_>> {
        match self {
            Attachment::Bytes(bytes) => Ok(AttachmentBytes::Bytes(bytes)),
            Attachment::Shared { file, .. } if !shared_memory::is_sealed(file)? => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "not sealed"))
            }
            Attachment::Shared { file, length } => shared_memory::map_sealed(file, *length)
                .map(AttachmentBytes::Mapped)
                .or_else(|_| self.numbers().map(AttachmentBytes::Copied)),
            Attachment::Window { .. } => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// The content ID of these bytes.
    pub fn content_id(&self) -> io::Result<ContentId> {
        let contents = self.contents()?;
        Ok(crate::imaging::content_id(&contents))
    }
}

/// The bytes of an attachment.
pub(in crate::imaging) enum AttachmentBytes<'a> {
    Mapped(Mmap),
    Copied(Vec<u8>),
    Bytes(&'a [u8]),
}

impl Deref for AttachmentBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            AttachmentBytes::Mapped(mapped) => mapped,
            AttachmentBytes::Copied(bytes) => bytes,
            AttachmentBytes::Bytes(bytes) => bytes,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const FILE: &[u8] = b"a film of one line";

    /// Before Linux 6.7, and in gVisor, sealed memory cannot be mapped as shared.
    #[test]
    fn sealed_memory_is_mapped_as_private() {
        let file = Attachment::sealed(FILE).expect("a copy");
        let contents = file.contents().expect("its bytes");
        assert_eq!(&*contents, FILE);
        let AttachmentBytes::Mapped(mapped) = &contents else {
            panic!("a copy, although this system can map");
        };
        let start = format!("{:08x}-", mapped.as_ptr().addr());
        let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
        let line = maps.lines().find(|line| line.starts_with(&start));
        let permissions = line.and_then(|line| line.split(' ').nth(1));
        assert_eq!(permissions, Some("r--p"));
    }

    #[test]
    fn memory_that_is_not_sealed_is_not_read() {
        let file = Attachment::of(FILE);
        let error = file.contents().map(|_| ()).expect_err("it may change");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
