//! One end of the socket between the program and a decoder process: messages, and the memory that
//! goes with them.
//!
//! A message is a header (the protocol, the length of its text and what is attached), the text, and
//! then the attachment if that is bytes. An attachment is otherwise a descriptor of shared memory, which
//! goes with the header (`SCM_RIGHTS`): a film and its samples are many megabytes, and are then
//! copied without two processes waiting for each other.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::shared_memory;
use crate::domain::ContentId;

/// What a message carries besides its text.
#[derive(Debug)]
pub(in crate::imaging) enum Attachment {
    /// The first bytes of shared memory. A film's is sealed, so that the process decodes what the
    /// program hashes; samples are copied once, and what becomes of them afterwards changes nothing.
    Shared { file: File, length: u64 },
    /// Where the system has no such memory, or lets files be so long only (`ulimit -f`) and counts
    /// it as one, the bytes themselves.
    Bytes(Vec<u8>),
}

impl Attachment {
    /// All of a file, but `longest` bytes and one more at most.
    pub fn copied(mut from: &File, longest: u64) -> io::Result<Self> {
        let longest = longest.saturating_add(1);
        // The system copies from file to file by itself.
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

    /// These bytes, in memory that may be used again: its pages are taken once.
    pub fn of(bytes: &[u8], used: Option<File>) -> Self {
        let length = bytes.len() as u64;
        let shared = used.map_or_else(shared_memory::create, Ok);
        let shared = shared.and_then(|file| file.write_all_at(bytes, 0).map(|()| file));
        match shared {
            Ok(file) => Attachment::Shared { file, length },
            Err(_) => Attachment::Bytes(bytes.to_vec()),
        }
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        match self {
            Attachment::Shared { length, .. } => *length,
            Attachment::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `buffer`, which must be as long as this is.
    pub fn read_into(&self, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            _ if buffer.len() as u64 != self.length() => Err(io::ErrorKind::InvalidInput.into()),
            Attachment::Shared { file, .. } => file.read_exact_at(buffer, 0),
            Attachment::Bytes(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// All of it, in memory of one's own.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let length = self.length() as usize;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length)?;
        bytes.resize(length, 0);
        self.read_into(&mut bytes)?;
        Ok(bytes)
    }

    /// Which image these bytes are.
    pub fn content_id(&self) -> io::Result<ContentId> {
        /// Fits the processor's nearer caches.
        const PIECE: usize = 128 << 10;
        let mut hasher = Sha256::new();
        match self {
            Attachment::Bytes(bytes) => hasher.update(bytes),
            Attachment::Shared { file, length } => {
                let mut piece = vec![0; PIECE];
                let mut at = 0;
                while at < *length {
                    let read = piece.len().min((length - at) as usize);
                    file.read_exact_at(&mut piece[..read], at)?;
                    hasher.update(&piece[..read]);
                    at += read as u64;
                }
            }
        }
        Ok(ContentId::from_digest(hasher.finalize().into()))
    }
}

/// What was received.
#[derive(Debug)]
pub(in crate::imaging) struct Message {
    pub text: Vec<u8>,
    pub attachment: Option<Attachment>,
}

/// Lengths of text and attachment, and what the latter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    text: u64,
    attachment: u64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing = 0,
    Descriptor = 1,
    Bytes = 2,
}

/// The protocol and its version. A program that is no decoder is known by its first byte.
const PROTOCOL: &[u8; 13] = b"cxr decoder 4";

impl Header {
    const LENGTH: usize = PROTOCOL.len() + 17;

    fn of(text: &[u8], attachment: Option<&Attachment>) -> Self {
        Header {
            text: text.len() as u64,
            attachment: attachment.map_or(0, Attachment::length),
            kind: match attachment {
                None => Kind::Nothing,
                Some(Attachment::Shared { .. }) => Kind::Descriptor,
                Some(Attachment::Bytes(_)) => Kind::Bytes,
            },
        }
    }

    fn to_bytes(self) -> Vec<u8> {
        let (text, attachment) = (self.text.to_ne_bytes(), self.attachment.to_ne_bytes());
        [PROTOCOL, &text[..], &attachment, &[self.kind as u8]].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (text, rest) = bytes.strip_prefix(PROTOCOL)?.split_first_chunk()?;
        let (attachment, kind) = rest.split_first_chunk()?;
        let kind = match kind {
            [0] => Kind::Nothing,
            [1] => Kind::Descriptor,
            [2] => Kind::Bytes,
            _ => return None,
        };
        Some(Header {
            text: u64::from_ne_bytes(*text),
            attachment: u64::from_ne_bytes(*attachment),
            kind,
        })
    }
}

/// The longest that a message may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Longest {
    pub text: u64,
    pub attachment: u64,
}

#[derive(Debug)]
pub(super) struct Channel {
    socket: UnixStream,
    /// How long it may go on; for ever if nothing is said.
    patience: Option<Patience>,
}

#[derive(Debug)]
struct Patience {
    left: Duration,
    /// How long one step waits at most, and the most that it counts.
    slice: Duration,
}

/// The clock is looked at this often. While this program is stopped (Ctrl-Z) the time runs on, and
/// so does the decoder process, which may have answered long since when the program continues: one
/// such stop takes one slice.
const SLICES: u32 = 20;
const SHORTEST_SLICE: Duration = Duration::from_millis(5);

impl Channel {
    pub fn new(socket: UnixStream) -> Self {
        Channel {
            socket,
            patience: None,
        }
    }

    /// Whatever follows has so long in all; then it is [`io::ErrorKind::TimedOut`].
    pub fn allow(&mut self, time: Duration) -> io::Result<()> {
        let slice = (time / SLICES).max(SHORTEST_SLICE);
        self.socket.set_read_timeout(Some(slice))?;
        self.socket.set_write_timeout(Some(slice))?;
        self.patience = Some(Patience { left: time, slice });
        Ok(())
    }

    pub fn send(&mut self, text: &[u8], attachment: Option<&Attachment>) -> io::Result<()> {
        let header = Header::of(text, attachment).to_bytes();
        let sent = match attachment {
            Some(Attachment::Shared { file, .. }) => {
                self.patiently(|socket| shared_memory::send(socket, &header, file))?
            }
            _ => 0,
        };
        self.write(&header[sent..])?;
        self.write(text)?;
        match attachment {
            Some(Attachment::Bytes(bytes)) => self.write(bytes),
            _ => Ok(()),
        }
    }

    /// The next message; `None` at the end of the stream.
    ///
    /// # Errors
    /// If it is longer than allowed, cut off, or comes with what is no memory, or not as long as it
    /// says.
    pub fn receive(&mut self, longest: Longest) -> io::Result<Option<Message>> {
        let mut bytes = [0; Header::LENGTH];
        let (mut read, mut descriptor) = (0, None);
        while read < bytes.len() {
            let more = self.patiently(|socket| {
                shared_memory::receive(socket, &mut bytes[read..], &mut descriptor)
            })?;
            match (more, read) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => read += more,
            }
            // Nothing is waited for from a stranger.
            let known = read.min(PROTOCOL.len());
            if bytes[..known] != PROTOCOL[..known] {
                return Err(refused("another protocol"));
            }
        }
        let header = Header::from_bytes(&bytes).ok_or_else(|| refused("no header"))?;
        if header.text > longest.text || header.attachment > longest.attachment {
            return Err(refused("a message is longer than allowed"));
        }
        let text = self.read(header.text)?;
        let attachment = match header.kind {
            Kind::Nothing => None,
            Kind::Bytes => Some(Attachment::Bytes(self.read(header.attachment)?)),
            Kind::Descriptor => {
                let file = File::from(descriptor.ok_or_else(|| refused("no memory came along"))?);
                let length = header.attachment;
                if shared_memory::length(&file)? < length {
                    return Err(refused("memory of another length"));
                }
                Some(Attachment::Shared { file, length })
            }
        };
        Ok(Some(Message { text, attachment }))
    }

    fn read(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length as usize)?;
        bytes.resize(length as usize, 0);
        let mut read = 0;
        while read < bytes.len() {
            match self.patiently(|mut socket| socket.read(&mut bytes[read..]))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        Ok(bytes)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.patiently(|mut socket| socket.write(bytes))?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Tries again until the time is up.
    fn patiently<T>(
        &mut self,
        mut step: impl FnMut(&UnixStream) -> io::Result<T>,
    ) -> io::Result<T> {
        use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        loop {
            if self.patience.as_ref().is_some_and(|p| p.left.is_zero()) {
                return Err(TimedOut.into());
            }
            let start = Instant::now();
            let result = step(&self.socket);
            if let Some(patience) = &mut self.patience {
                let spent = start.elapsed().min(patience.slice);
                patience.left = patience.left.saturating_sub(spent);
            }
            match result {
                Err(error) if matches!(error.kind(), Interrupted | WouldBlock) => {}
                result => return result,
            }
        }
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
