//! One end of the socket between the program and a decoder process: messages, and the memory that
//! goes with them.
//!
//! A message is a header (the protocol, the length of its text and what is attached), the text, and
//! then the attachment if that is bytes. A film is a descriptor of shared memory, which goes with the
//! header (`SCM_RIGHTS`); its samples lie in a [`SharedWindow`] that both processes have mapped. They are many
//! megabytes, and are then copied without two processes waiting for each other.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memmap2::Mmap;

use super::shared_memory::{self, SharedWindow};
use crate::domain::ContentId;

/// What a message carries besides its text.
#[derive(Debug)]
pub(in crate::imaging) enum Attachment {
    /// The first bytes of shared memory. A film's is sealed, so that the process decodes what the
    /// program hashes.
    Shared { file: File, length: u64 },
    /// The first bytes of the channel's window. They are copied once, and what becomes of them
    /// afterwards changes nothing.
    Window {
        window: Arc<SharedWindow>,
        length: u64,
    },
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

    /// These bytes, in memory of their own.
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

    /// The numbers that it holds, in memory that is written once: a film is many megabytes.
    ///
    /// # Errors
    /// If it does not hold a whole number of them, or there is no memory for them.
    pub fn numbers<T: bytemuck::AnyBitPattern>(&self) -> io::Result<Vec<T>> {
        let length = self.length() as usize;
        if !length.is_multiple_of(size_of::<T>()) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let count = length / size_of::<T>();
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(count)?;
        let spare = numbers.spare_capacity_mut().as_mut_ptr();
        // SAFETY: the vector has room for so many numbers, which are so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(spare.cast(), length) };
        self.fill(bytes)?;
        // SAFETY: `fill` wrote all bytes of them, and any bytes are a number of this type.
        unsafe { numbers.set_len(count) };
        Ok(numbers)
    }

    /// Writes every byte of `buffer`, which is as long as this is.
    fn fill(&self, mut buffer: &mut [MaybeUninit<u8>]) -> io::Result<()> {
        let file = match self {
            Attachment::Bytes(bytes) => {
                buffer.write_copy_of_slice(bytes);
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

    /// All of it, where it lies.
    ///
    /// # Errors
    /// If it is shared and may still change.
    pub fn contents(&self) -> io::Result<AttachmentBytes<'_>> {
        match self {
            Attachment::Bytes(bytes) => Ok(AttachmentBytes::Bytes(bytes)),
            Attachment::Shared { file, length } => {
                shared_memory::map_sealed(file, *length).map(AttachmentBytes::Mapped)
            }
            Attachment::Window { .. } => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Which image these bytes are.
    pub fn content_id(&self) -> io::Result<ContentId> {
        let contents = self.contents()?;
        Ok(crate::imaging::content_id(&contents))
    }
}

/// The bytes of an attachment.
pub(in crate::imaging) enum AttachmentBytes<'a> {
    Mapped(Mmap),
    Bytes(&'a [u8]),
}

impl Deref for AttachmentBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            AttachmentBytes::Mapped(mapped) => mapped,
            AttachmentBytes::Bytes(bytes) => bytes,
        }
    }
}

/// What was received.
#[derive(Debug)]
pub(in crate::imaging) struct ChannelMessage {
    pub text: Vec<u8>,
    pub attachment: Option<Attachment>,
}

/// Lengths of text and attachment, and what the latter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MessageHeader {
    text: u64,
    attachment: u64,
    kind: AttachmentKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AttachmentKind {
    Nothing = 0,
    Descriptor = 1,
    Bytes = 2,
    Window = 3,
}

/// The protocol and its version. A program that is no decoder is known by its first byte.
const PROTOCOL: &[u8; 13] = b"cxr decoder 5";

impl MessageHeader {
    const LENGTH: usize = PROTOCOL.len() + 17;

    fn of(text: &[u8], attachment: Option<&Attachment>) -> Self {
        MessageHeader {
            text: text.len() as u64,
            attachment: attachment.map_or(0, Attachment::length),
            kind: match attachment {
                None => AttachmentKind::Nothing,
                Some(Attachment::Shared { .. }) => AttachmentKind::Descriptor,
                Some(Attachment::Bytes(_)) => AttachmentKind::Bytes,
                Some(Attachment::Window { .. }) => AttachmentKind::Window,
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
            [0] => AttachmentKind::Nothing,
            [1] => AttachmentKind::Descriptor,
            [2] => AttachmentKind::Bytes,
            [3] => AttachmentKind::Window,
            _ => return None,
        };
        Some(MessageHeader {
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
    /// Where samples lie that come or go.
    window: Option<Arc<SharedWindow>>,
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
            window: None,
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

    /// Has both ends share a window, of which this is one.
    pub fn share(&mut self, window: SharedWindow) {
        self.window = Some(Arc::new(window));
    }

    /// These bytes, in the window where they fit.
    pub fn attachment(&mut self, bytes: &[u8]) -> Attachment {
        let window = self.window.as_mut();
        // What the last message had there has been read.
        let written = window.is_some_and(|w| Arc::get_mut(w).is_some_and(|w| w.write(bytes)));
        match &self.window {
            Some(window) if written => Attachment::Window {
                window: window.clone(),
                length: bytes.len() as u64,
            },
            _ => Attachment::of(bytes),
        }
    }

    pub fn send(&mut self, text: &[u8], attachment: Option<&Attachment>) -> io::Result<()> {
        let header = MessageHeader::of(text, attachment).to_bytes();
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
    pub fn receive(&mut self, longest: Longest) -> io::Result<Option<ChannelMessage>> {
        let mut bytes = [0; MessageHeader::LENGTH];
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
        let header = MessageHeader::from_bytes(&bytes).ok_or_else(|| refused("no header"))?;
        if header.text > longest.text || header.attachment > longest.attachment {
            return Err(refused("a message is longer than allowed"));
        }
        let text = self.read(header.text)?;
        let attachment = match header.kind {
            AttachmentKind::Nothing => None,
            AttachmentKind::Bytes => Some(Attachment::Bytes(self.read(header.attachment)?)),
            AttachmentKind::Descriptor => {
                let file = File::from(descriptor.ok_or_else(|| refused("no memory came along"))?);
                let length = header.attachment;
                if shared_memory::length(&file)? < length {
                    return Err(refused("memory of another length"));
                }
                Some(Attachment::Shared { file, length })
            }
            AttachmentKind::Window => {
                let window = self.window.as_ref().ok_or_else(|| refused("no window"))?;
                let (window, length) = (window.clone(), header.attachment);
                if length > window.length() {
                    return Err(refused("more than the window holds"));
                }
                Some(Attachment::Window { window, length })
            }
        };
        Ok(Some(ChannelMessage { text, attachment }))
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
