//! The messages between the program and a decoder process, as bytes.
//!
//! The decoder process has touched a hostile file and is not trusted, so every message that is not
//! exactly what a writer here produces is refused. A reader allocates no more than the bytes it has
//! and the caps on each list and text allow, never by a number that it read. Numbers are in the
//! machine's byte order, because both ends are the same program on the same machine.
//!
//! The samples of a film are not part of its description: they follow as an
//! `Attachment`.
//!
//! This encoding is our own and not serde with postcard, for three reasons. Each list and text has a cap
//! that holds while hostile bytes are read, texts are cleaned and infinite numbers refused in the same
//! step. The [list of fields](fields) stands once, outside `domain`, which has no dependencies and so
//! derives nothing. And it is a few hundred lines that a fuzz target covers, instead of another
//! dependency in the process that must be trusted least.

mod encoding;
mod fields;
#[cfg(test)]
mod tests;

use super::attachment::Attachment;
use super::channel::ChannelMessage;
use super::confinement::{Attempts, Confinement};
use crate::domain::{PixelSpacing, Radiograph, Samples, SourceHeader};
use crate::imaging::{DecodeLimits, ImageFault};
use encoding::{Wire, whole, written};

/// The terms that the program gives to a process that has just started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecoderTerms {
    /// Process ID of the program.
    pub parent: u32,
    /// Bytes of memory that decoding one film may take.
    pub memory: u64,
}

/// A random number that an answer must repeat. Bytes that were sent before it was known, such as a late
/// or a forged answer, can't be taken for the answer to this request.
pub(in crate::imaging) type Nonce = [u8; 16];

/// A request of the program.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::imaging) enum DecoderTask {
    /// Decode the attached file.
    Decode(DecodeLimits),
    /// Read the header of the attached file.
    Header(DecodeLimits),
    /// Try things that must not be possible.
    Attempt,
}

pub(super) fn write_terms(terms: &DecoderTerms) -> Vec<u8> {
    written(terms)
}

pub(super) fn read_terms(message: &[u8]) -> Option<DecoderTerms> {
    whole(message)
}

pub(super) fn write_greeting(confinement: &Confinement) -> Vec<u8> {
    written(confinement)
}

pub(super) fn read_greeting(message: &[u8]) -> Option<Confinement> {
    whole(message)
}

pub(in crate::imaging) fn write_request(nonce: &Nonce, task: &DecoderTask) -> Vec<u8> {
    written(&(*nonce, task.clone()))
}

pub(in crate::imaging) fn read_request(message: &[u8]) -> Option<(Nonce, DecoderTask)> {
    whole(message)
}

/// An answer without the samples, which [`sample_bytes`] gives.
pub(in crate::imaging) fn write_answer(
    nonce: &Nonce,
    answer: &Result<Radiograph, ImageFault>,
) -> Vec<u8> {
    let mut message = nonce.to_vec();
    match answer {
        Ok(radiograph) => {
            0_u8.write(&mut message);
            radiograph.write(&mut message);
            sample_code(&radiograph.samples).write(&mut message);
        }
        Err(fault) => {
            1_u8.write(&mut message);
            fault.write(&mut message);
        }
    }
    message
}

/// Reads what [`write_answer`] makes; `None` for any other message, and for the answer to another
/// request.
pub(in crate::imaging) fn read_answer(
    nonce: &Nonce,
    message: &ChannelMessage,
) -> Option<Result<Radiograph, ImageFault>> {
    let from = &mut message.text.strip_prefix(nonce)?;
    match (u8::read(from)?, &message.attachment) {
        (0, Some(samples)) => {
            let radiograph = Radiograph::read(from)?;
            let code = whole(from)?;
            with_samples(radiograph, code, samples).map(Ok)
        }
        (1, None) => whole(from).map(|fault: ImageFault| Err(fault.in_one_line())),
        _ => None,
    }
}

pub(in crate::imaging) fn write_header(
    nonce: &Nonce,
    answer: &Result<SourceHeader, ImageFault>,
) -> Vec<u8> {
    let mut message = nonce.to_vec();
    match answer {
        Ok(header) => {
            0_u8.write(&mut message);
            header.write(&mut message);
        }
        Err(fault) => {
            1_u8.write(&mut message);
            fault.write(&mut message);
        }
    }
    message
}

/// Reads what [`write_header`] makes; `None` for any other message, and for the answer to another request.
pub(in crate::imaging) fn read_header(
    nonce: &Nonce,
    message: &[u8],
) -> Option<Result<SourceHeader, ImageFault>> {
    let from = &mut message.strip_prefix(nonce)?;
    match u8::read(from)? {
        0 => whole(from).map(Ok),
        1 => whole(from).map(|fault: ImageFault| Err(fault.in_one_line())),
        _ => None,
    }
}

pub(super) fn write_attempts(nonce: &Nonce, attempts: &Attempts) -> Vec<u8> {
    written(&(*nonce, *attempts))
}

pub(super) fn read_attempts(nonce: &Nonce, message: &[u8]) -> Option<Attempts> {
    whole(message.strip_prefix(nonce)?)
}

/// The samples as bytes, in memory order.
pub(in crate::imaging) fn sample_bytes(samples: &Samples) -> &[u8] {
    match samples {
        Samples::Grey8(v) | Samples::Rgb8(v) => v,
        Samples::Grey16(v) => bytemuck::cast_slice(v),
        Samples::GreySigned16(v) => bytemuck::cast_slice(v),
        Samples::GreyF32(v) => bytemuck::cast_slice(v),
    }
}

/// The variant of [`Samples`] that is attached, an index into [`BYTES_PER_PIXEL`].
fn sample_code(samples: &Samples) -> u8 {
    match samples {
        Samples::Grey8(_) => 0,
        Samples::Grey16(_) => 1,
        Samples::GreySigned16(_) => 2,
        Samples::GreyF32(_) => 3,
        Samples::Rgb8(_) => 4,
    }
}

const BYTES_PER_PIXEL: [usize; 5] = [1, 2, 2, 4, 3];

/// Height ÷ width of a pixel. The size on the screen is divided by it.
const PLAUSIBLE_ASPECTS: std::ops::RangeInclusive<f64> = 0.05..=20.0;

/// The radiograph with the attached samples; `None` unless they are exactly as many as its width and
/// height require.
fn with_samples(r: Radiograph, code: u8, attached: &Attachment) -> Option<Radiograph> {
    let bytes_per_pixel = *BYTES_PER_PIXEL.get(usize::from(code))?;
    let pixels = r.width.checked_mul(r.height)?;
    let expected = pixels.checked_mul(bytes_per_pixel)?;
    let is_sound = PLAUSIBLE_ASPECTS.contains(&r.pixel_aspect)
        && r.spacing.is_none_or(PixelSpacing::is_sound)
        && expected != 0
        && attached.length() == expected as u64;
    let samples = is_sound.then(|| match code {
        0 => attached.numbers().map(Samples::Grey8),
        1 => attached.numbers().map(Samples::Grey16),
        2 => attached.numbers().map(Samples::GreySigned16),
        3 => attached.numbers().map(Samples::GreyF32),
        _ => attached.numbers().map(Samples::Rgb8),
    })?;
    let samples = samples.ok()?;
    Some(Radiograph { samples, ..r })
}
