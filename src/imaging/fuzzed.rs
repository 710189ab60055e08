//! Entry points for fuzz targets only: decoding bytes without a file, and reading and rewriting the
//! messages between the program and its decoder process.

use super::decoder::attachment::Attachment;
use super::decoder::channel::ChannelMessage;
use super::decoder::wire::{self, DecoderTask, Nonce};
use super::{DecodeLimits, ImageFault};
use crate::domain::{HeaderLine, Radiograph};

/// Every message here belongs to the same request.
const NONCE: Nonce = [7; size_of::<Nonce>()];

/// Decodes the whole content of a file in this process.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Radiograph, ImageFault> {
    // The header is read by itself too, up to the first fault.
    let _ = super::source_header(bytes);
    let is_dicom = super::sniff::kind(bytes).is_ok_and(|kind| kind == super::FileKind::Dicom);
    if is_dicom {
        let _ = super::dicom::summary(bytes, true);
    }
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

/// Reads the answer in a message; `None` if it is not a valid one.
pub fn read_answer(message: &[u8]) -> Option<Result<Radiograph, ImageFault>> {
    // A header is an answer too.
    let _ = wire::read_header(&NONCE, message);
    let (length, rest) = message.split_first_chunk()?;
    let length = u64::from_ne_bytes(*length).try_into().ok()?;
    let (text, samples) = rest.split_at_checked(length)?;
    let attachment = (!samples.is_empty()).then(|| Attachment::Bytes(samples.to_vec()));
    let text = text.to_vec();
    wire::read_answer(&NONCE, &ChannelMessage { text, attachment })
}

/// The two requests that the program makes: to decode a file, and to try what must not be possible.
pub fn requests(limits: &DecodeLimits) -> [Vec<u8>; 2] {
    let tasks = [DecoderTask::Decode(limits.clone()), DecoderTask::Attempt];
    tasks.map(|task| wire::write_request(&NONCE, &task))
}

/// Reads a request and writes it again; `None` if the message is not a valid request.
pub fn request(message: &[u8]) -> Option<Vec<u8>> {
    let (nonce, task) = wire::read_request(message)?;
    Some(wire::write_request(&nonce, &task))
}

/// The files and the problems of a DICOMDIR.
pub fn directory(bytes: &[u8]) -> Result<(Vec<Vec<String>>, Vec<String>), ImageFault> {
    let read = super::dicom::read_directory(bytes)?;
    Ok((read.files, read.problems))
}

/// The header of a DICOM file.
pub fn header(bytes: &[u8]) -> Result<Vec<HeaderLine>, ImageFault> {
    super::dicom::header_lines(bytes)
}
