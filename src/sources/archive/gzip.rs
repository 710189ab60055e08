//! Any place of what a gzip file (RFC 1952) decompresses to.
//!
//! Deflate can only be read from its start. So the file is decompressed once, to find its members, and on the way the
//! state of the decompressor is kept at checkpoints, 4 MiB of output from each other, as zlib's `zran.c` does. A
//! member is then decompressed from the nearest checkpoint before it. A state has about 44 KiB. When there are
//! [`MOST_CHECKPOINTS`], every second one is dropped and their distance doubles, so that an archive of any size takes
//! at most 22 MiB. Readers that have come to an end are kept too, because members are mostly read one after another.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Crc;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::read_at::{ReadAt, TarStream, damaged};
use super::{MOST_UNPACKED, is_bomb};

/// Decompressed bytes between the first checkpoints.
const FIRST_DISTANCE: u64 = 4 << 20;
const MOST_CHECKPOINTS: usize = 512;
/// Compressed bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// Readers that are kept for the next member.
const MOST_IDLE: usize = 16;

/// What a gzip file decompresses to, readable from any place.
pub struct GzipBytes {
    bytes: Arc<dyn ReadAt>,
    checkpoints: Vec<Inflater>,
    idle: Mutex<Vec<GzipInput>>,
}

/// A decompressor at some place of a gzip file.
#[derive(Clone)]
struct Inflater {
    /// Offset of the next compressed byte.
    input: u64,
    /// Decompressed bytes so far.
    output: u64,
    /// `None` between two gzip members, and at the end.
    state: Option<Box<InflateState>>,
    /// Whether the state has come to the end of its gzip member.
    has_ended: bool,
}

impl Inflater {
    fn at_start() -> Self {
        Inflater {
            input: 0,
            output: 0,
            state: None,
            has_ended: false,
        }
    }
}

/// A decompressor, and the compressed bytes that were read ahead for it.
struct GzipInput {
    bytes: Arc<dyn ReadAt>,
    inflater: Inflater,
    buffer: Box<[u8]>,
    /// The part of the buffer that is not used yet. It is what lies at `inflater.input` of the file.
    ahead: std::ops::Range<usize>,
}

/// What a step gave.
enum Step {
    /// So many bytes were written.
    Bytes(usize),
    /// A gzip member has ended; with the checksum and the length that it states.
    MemberEnd { sum: u32, length: u32 },
    /// The file has ended.
    End,
}

impl GzipInput {
    fn new(bytes: Arc<dyn ReadAt>, inflater: Inflater) -> Self {
        GzipInput {
            bytes,
            inflater,
            buffer: vec![0; CHUNK].into(),
            ahead: 0..0,
        }
    }

    /// Reads compressed bytes unless some are there; `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ahead.is_empty() {
            let read = self.bytes.read_at(&mut self.buffer, self.inflater.input)?;
            self.ahead = 0..read;
        }
        Ok(!self.ahead.is_empty())
    }

    fn used(&mut self, length: usize) {
        self.ahead.start += length;
        self.inflater.input += length as u64;
    }

    fn byte(&mut self) -> io::Result<u8> {
        if !self.fill()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let byte = self.buffer[self.ahead.start];
        self.used(1);
        Ok(byte)
    }

    fn number(&mut self) -> io::Result<u32> {
        let bytes = [self.byte()?, self.byte()?, self.byte()?, self.byte()?];
        Ok(u32::from_le_bytes(bytes))
    }

    /// The header of a gzip member (RFC 1952, 2.3); `false` at the end of the file. Padding with zeros may follow the
    /// last member, as tapes have it.
    fn header(&mut self) -> io::Result<bool> {
        let is_first = self.inflater.input == 0;
        loop {
            if !self.fill()? {
                return Ok(false);
            }
            if is_first || self.buffer[self.ahead.start] != 0 {
                break;
            }
            self.used(1);
        }
        if [self.byte()?, self.byte()?, self.byte()?] != [0x1f, 0x8b, 8] {
            return Err(damaged("what follows its gzip stream is none"));
        }
        let flags = self.byte()?;
        for _ in 0..6 {
            self.byte()?;
        }
        if flags & 4 != 0 {
            let length = u16::from_le_bytes([self.byte()?, self.byte()?]);
            for _ in 0..length {
                self.byte()?;
            }
        }
        // A name and a comment, each with a zero at its end.
        for flag in [8, 16] {
            while flags & flag != 0 && self.byte()? != 0 {}
        }
        if flags & 2 != 0 {
            self.byte()?;
            self.byte()?;
        }
        self.inflater.state = Some(InflateState::new_boxed(DataFormat::Raw));
        Ok(true)
    }

    fn step(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        loop {
            if self.inflater.state.is_none() && !self.header()? {
                return Ok(Step::End);
            }
            // Without more input, the last bytes may still come.
            let has_more = self.fill()?;
            let Some(state) = &mut self.inflater.state else {
                return Ok(Step::End);
            };
            if self.inflater.has_ended {
                self.inflater.state = None;
                self.inflater.has_ended = false;
                let (sum, length) = (self.number()?, self.number()?);
                return Ok(Step::MemberEnd { sum, length });
            }
            let input = &self.buffer[self.ahead.clone()];
            let result = inflate(state, input, buffer, MZFlush::None);
            let (used, written) = (result.bytes_consumed, result.bytes_written);
            self.used(used);
            self.inflater.output += written as u64;
            self.inflater.has_ended = result.status == Ok(MZStatus::StreamEnd);
            match result.status {
                Ok(MZStatus::StreamEnd) if written == 0 => {}
                Ok(_) | Err(MZError::Buf) if written > 0 => return Ok(Step::Bytes(written)),
                Ok(_) | Err(MZError::Buf) if used > 0 => {}
                Ok(_) | Err(MZError::Buf) if !has_more => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                _ => return Err(damaged("its gzip stream is corrupt")),
            }
        }
    }
}

/// The first pass through a gzip file.
pub struct GzipScan {
    input: GzipInput,
    length: u64,
    checkpoints: Vec<Inflater>,
    distance: u64,
    sum: Crc,
}

impl GzipScan {
    pub fn new(bytes: Arc<dyn ReadAt>, length: u64) -> Self {
        GzipScan {
            input: GzipInput::new(bytes, Inflater::at_start()),
            length,
            checkpoints: vec![Inflater::at_start()],
            distance: FIRST_DISTANCE,
            sum: Crc::new(),
        }
    }

    /// Decompresses what is left, to compare the checksum.
    ///
    /// # Errors
    /// If the file is damaged or too large.
    pub fn finish(mut self) -> io::Result<GzipBytes> {
        let mut rest = vec![0; CHUNK];
        while self.read(&mut rest)? > 0 {}
        Ok(GzipBytes {
            bytes: self.input.bytes.clone(),
            checkpoints: self.checkpoints,
            idle: Mutex::default(),
        })
    }

    fn keep_checkpoint(&mut self) {
        let last = self.checkpoints.last().map_or(0, |last| last.output);
        if self.input.inflater.output - last < self.distance {
            return;
        }
        self.checkpoints.push(self.input.inflater.clone());
        if self.checkpoints.len() >= MOST_CHECKPOINTS {
            let mut nth = 0;
            self.checkpoints.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.distance *= 2;
        }
    }
}

impl Read for GzipScan {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.input.step(buffer)? {
                Step::End => return Ok(0),
                Step::Bytes(length) => {
                    self.sum.update(&buffer[..length]);
                    let unpacked = self.input.inflater.output;
                    if unpacked > MOST_UNPACKED {
                        let most = MOST_UNPACKED >> 30;
                        return Err(too_large(&format!("it unpacks to more than {most} GiB")));
                    }
                    if is_bomb(self.length, unpacked) {
                        return Err(too_large("it unpacks to more than 200 times its size"));
                    }
                    self.keep_checkpoint();
                    return Ok(length);
                }
                Step::MemberEnd { sum, length } => {
                    if self.sum.sum() != sum || self.sum.amount() != length {
                        return Err(damaged("its gzip stream has another checksum"));
                    }
                    self.sum.reset();
                }
            }
        }
    }
}

impl TarStream for GzipScan {
    fn position(&self) -> u64 {
        self.input.inflater.output
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.by_ref().take(length), &mut io::sink())?;
        match skipped == length {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn too_large(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, words)
}

impl GzipBytes {
    /// Reads from a place to the end.
    pub fn reader(self: &Arc<Self>, offset: u64) -> GzipReader {
        GzipReader {
            home: self.clone(),
            input: None,
            skip_to: offset,
        }
    }

    /// The decompressor that is nearest before a place: one that was left there, or a checkpoint.
    fn nearest(&self, offset: u64) -> GzipInput {
        let next = self
            .checkpoints
            .partition_point(|checkpoint| checkpoint.output <= offset);
        let checkpoint = &self.checkpoints[next.saturating_sub(1)];
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let within = checkpoint.output..=offset;
        let left = (0..idle.len())
            .filter(|at| within.contains(&idle[*at].inflater.output))
            .max_by_key(|at| idle[*at].inflater.output);
        match left {
            Some(at) => idle.swap_remove(at),
            None => GzipInput::new(self.bytes.clone(), checkpoint.clone()),
        }
    }

    fn put_back(&self, input: GzipInput) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MOST_IDLE {
            idle.remove(0);
        }
        idle.push(input);
    }
}

/// A part of what a gzip file decompresses to.
pub struct GzipReader {
    home: Arc<GzipBytes>,
    input: Option<GzipInput>,
    /// Where the first byte is.
    skip_to: u64,
}

impl Read for GzipReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let input = self
            .input
            .get_or_insert_with(|| self.home.nearest(self.skip_to));
        let mut skipped = Vec::new();
        loop {
            let before = input.inflater.output;
            let ahead = self.skip_to.saturating_sub(before);
            let step = if ahead > 0 {
                skipped.resize(CHUNK, 0);
                let most = usize::try_from(ahead).unwrap_or(CHUNK).min(CHUNK);
                input.step(&mut skipped[..most])?
            } else {
                input.step(buffer)?
            };
            match step {
                Step::Bytes(length) if ahead == 0 => return Ok(length),
                Step::Bytes(_) | Step::MemberEnd { .. } => {}
                Step::End => return Ok(0),
            }
        }
    }
}

impl Drop for GzipReader {
    fn drop(&mut self) {
        if let Some(input) = self.input.take() {
            self.home.put_back(input);
        }
    }
}
