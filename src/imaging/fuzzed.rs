//! What only fuzz targets call of this floor: decoding of bytes that are in no file, and the messages
//! between the processes, read and written again.

use super::{Fault, Limits, wire};
use crate::domain::Radiograph;

/// Decodes the whole content of a file in this process.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Radiograph, Fault> {
    super::decode(bytes, limits)
}

/// The message with this answer.
pub fn answer(answer: &Result<Radiograph, Fault>) -> Vec<u8> {
    let (description, samples) = wire::write_answer(answer);
    [&description, samples].concat()
}

/// The answer in a message; `None` if it is none.
pub fn read_answer(message: &[u8]) -> Option<Result<Radiograph, Fault>> {
    wire::read_answer(message)
}

/// A request, read and written again; `None` if the message is none.
pub fn request(message: &[u8]) -> Option<Vec<u8>> {
    let (path, limits) = wire::read_request(message)?;
    wire::write_request(&path, &limits)
}
