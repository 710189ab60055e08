//! What only fuzz targets call of this floor: decoding of bytes that are in no file, and the messages
//! between the processes, read and written again.

use super::decoder::channel::{Attachment, ChannelMessage};
use super::wire::Nonce;
use super::{DecodeLimits, ImageFault, wire};
use crate::domain::Radiograph;

/// Every message here answers the same request.
const NONCE: Nonce = [7; size_of::<Nonce>()];

/// Decodes the whole content of a file in this process.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Radiograph, ImageFault> {
    super::decode(bytes, limits)
}

/// An answer as bytes: the length of its text (`u64`), the text, and the samples that go with it.
pub fn answer(answer: &Result<Radiograph, ImageFault>) -> Vec<u8> {
    let text = wire::write_answer(&NONCE, answer);
    let samples = answer
        .as_ref()
        .map(|film| wire::sample_bytes(&film.samples));
    let length = (text.len() as u64).to_ne_bytes();
    [&length, text.as_slice(), samples.unwrap_or_default()].concat()
}

/// The answer in a message; `None` if it is none.
pub fn read_answer(message: &[u8]) -> Option<Result<Radiograph, ImageFault>> {
    let (length, rest) = message.split_first_chunk()?;
    let length = u64::from_ne_bytes(*length).try_into().ok()?;
    let (text, samples) = rest.split_at_checked(length)?;
    let attachment = (!samples.is_empty()).then(|| Attachment::Bytes(samples.to_vec()));
    let text = text.to_vec();
    wire::read_answer(&NONCE, &ChannelMessage { text, attachment })
}

/// A request, read and written again; `None` if the message is none.
pub fn request(message: &[u8]) -> Option<Vec<u8>> {
    let (nonce, task) = wire::read_request(message)?;
    Some(wire::write_request(&nonce, &task))
}
