//! One end of the socket between the program and a decoder process: messages, and the memory that
//! goes with them.
//!
//! A message is a header (the protocol, the length of its text, and the kind and length of its
//! attachment), the text, and then the attachment if that is bytes. A file is handed over as a
//! descriptor of shared memory, which goes with the header (`SCM_RIGHTS`). Samples come back in a
//! [`SharedWindow`] that both processes have mapped: they are many megabytes, and through the socket
//! the two processes would wait for each other.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attachment::Attachment;
use super::shared_memory::{self, SharedWindow};

/// A received message.
#[derive(Debug)]
pub(in crate::imaging) struct ChannelMessage {
    pub text: Vec<u8>,
    pub attachment: Option<Attachment>,
}

/// Lengths of text and attachment, and the kind of the latter.
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

/// The protocol and its version. A program that is not a decoder fails at the first byte.
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

/// One end of the socket.
#[derive(Debug)]
pub(super) struct Channel {
    socket: UnixStream,
    /// For samples in both directions.
    window: Option<Arc<SharedWindow>>,
    /// The time that is left; `None` for no limit.
    time_limit: Option<TimeLimit>,
}

/// A time limit for all steps together.
#[derive(Debug)]
struct TimeLimit {
    left: Duration,
    /// The longest time that one step waits, and the most that it counts.
    slice: Duration,
}

/// The number of slices of a time limit. While the program is stopped (Ctrl-Z), the clock and the
/// decoder process run on, and the answer may be there when the program continues. Such a stop counts
/// as one slice only.
const SLICES: u32 = 20;
const SHORTEST_SLICE: Duration = Duration::from_millis(5);

impl Channel {
    pub fn new(socket: UnixStream) -> Self {
        Channel {
            socket,
            window: None,
            time_limit: None,
        }
    }

    /// Limits the time of all that follows. After it, errors are [`io::ErrorKind::TimedOut`].
    pub fn limit_time(&mut self, time: Duration) -> io::Result<()> {
        let slice = (time / SLICES).max(SHORTEST_SLICE);
        self.socket.set_read_timeout(Some(slice))?;
        self.socket.set_write_timeout(Some(slice))?;
        self.time_limit = Some(TimeLimit { left: time, slice });
        Ok(())
    }

    /// Sets this end's mapping of the window that both ends share.
    pub fn share(&mut self, window: SharedWindow) {
        self.window = Some(Arc::new(window));
    }

    /// These bytes as an attachment, in the window if they fit.
    pub fn attachment(&mut self, bytes: &[u8]) -> Attachment {
        let window = self.window.as_mut();
        // The last message there has been read: both ends wait for each answer.
        let written = window.is_some_and(|w| Arc::get_mut(w).is_some_and(|w| w.write(bytes)));
        match &self.window {
            Some(window) if written => Attachment::Window {
                window: window.clone(),
                length: bytes.len() as u64,
            },
            _ => Attachment::of(bytes),
        }
    }

    /// Sends a message.
    pub fn send(&mut self, text: &[u8], attachment: Option<&Attachment>) -> io::Result<()> {
        let header = MessageHeader::of(text, attachment).to_bytes();
        let sent = match attachment {
            Some(Attachment::Shared { file, .. }) => {
                self.with_retries(|socket| shared_memory::send(socket, &header, file))?
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
    /// If it is longer than allowed or cut off, or its descriptor is not memory of the stated length.
    pub fn receive(&mut self, longest: Longest) -> io::Result<Option<ChannelMessage>> {
        let mut bytes = [0; MessageHeader::LENGTH];
        let (mut read, mut descriptor) = (0, None);
        while read < bytes.len() {
            let more = self.with_retries(|socket| {
                shared_memory::receive(socket, &mut bytes[read..], &mut descriptor)
            })?;
            match (more, read) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => read += more,
            }
            // Another program is refused at once, and not waited for.
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
            match self.with_retries(|mut socket| socket.read(&mut bytes[read..]))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        Ok(bytes)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.with_retries(|mut socket| socket.write(bytes))?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Repeats a step that was interrupted, until the time is up.
    fn with_retries<T>(
        &mut self,
        mut step: impl FnMut(&UnixStream) -> io::Result<T>,
    ) -> io::Result<T> {
        use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        loop {
            if self
                .time_limit
                .as_ref()
                .is_some_and(|limit| limit.left.is_zero())
            {
                return Err(TimedOut.into());
            }
            let start = Instant::now();
            let result = step(&self.socket);
            if let Some(limit) = &mut self.time_limit {
                let spent = start.elapsed().min(limit.slice);
                limit.left = limit.left.saturating_sub(spent);
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
