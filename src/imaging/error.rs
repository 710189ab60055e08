//! What can be wrong with a file, in one clean line.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::clean_text;
use crate::domain::Failure;

/// What is wrong with a file, without saying which. The reason is one line without control
/// characters, whatever the file tried to put into it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageFault {
    /// The operating system did not let it be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// No format that is known here, or an image whose pixels are missing.
    #[error("not an image: {0}")]
    NotAnImage(String),
    /// A sound DICOM object of a kind that holds no image: a structured report, for example. Its
    /// name in a few words, to be counted by.
    #[error("not an image: {0}")]
    NoPicture(String),
    /// Over one of the [`Limits`](super::Limits).
    #[error("too large: {0}")]
    TooLarge(String),
    /// A known format that contradicts itself or ends early.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A sound file that uses something that cannot be decoded here.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The decoder process ended, or panicked, over this file.
    #[error("decoder died: {0}")]
    DecoderDied(String),
    /// The decoder process was ended because it took too long.
    #[error("decoder took too long: {0}")]
    TimedOut(String),
}

impl ImageFault {
    /// The same, if its reason came from a process that may say anything.
    pub(super) fn in_one_line(mut self) -> Self {
        let (ImageFault::Unreadable(reason)
        | ImageFault::NotAnImage(reason)
        | ImageFault::NoPicture(reason)
        | ImageFault::TooLarge(reason)
        | ImageFault::Damaged(reason)
        | ImageFault::Unsupported(reason)
        | ImageFault::DecoderDied(reason)
        | ImageFault::TimedOut(reason)) = &mut self;
        *reason = one_line(&reason);
        self
    }

    pub(super) fn unreadable(reason: impl Display) -> Self {
        ImageFault::Unreadable(one_line(reason))
    }

    pub(super) fn not_an_image(reason: impl Display) -> Self {
        ImageFault::NotAnImage(one_line(reason))
    }

    pub(super) fn no_picture(kind: impl Display) -> Self {
        ImageFault::NoPicture(one_line(kind))
    }

    pub(super) fn too_large(reason: impl Display) -> Self {
        ImageFault::TooLarge(one_line(reason))
    }

    pub(super) fn damaged(reason: impl Display) -> Self {
        ImageFault::Damaged(one_line(reason))
    }

    pub(super) fn unsupported(reason: impl Display) -> Self {
        ImageFault::Unsupported(one_line(reason))
    }

    pub(super) fn died(reason: impl Display) -> Self {
        ImageFault::DecoderDied(one_line(reason))
    }

    pub(super) fn timed_out(reason: impl Display) -> Self {
        ImageFault::TimedOut(one_line(reason))
    }
}

/// Longest reason that is kept; decoders quote file content in theirs.
const LONGEST_REASON: usize = 300;

fn one_line(reason: impl Display) -> String {
    let line = clean_text(&reason.to_string());
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A file that could not be made into a radiograph: which, and why.
///
/// `Display` gives the reason alone, because whoever shows it shows the path beside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ImagingError {
    path: PathBuf,
    fault: ImageFault,
}

impl ImagingError {
    pub(super) fn new(path: &Path, fault: ImageFault) -> Self {
        ImagingError {
            path: path.to_owned(),
            fault,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub fn fault(&self) -> &ImageFault {
        &self.fault
    }
}

impl From<ImagingError> for Failure {
    fn from(error: ImagingError) -> Self {
        match error.fault() {
            ImageFault::NoPicture(kind) => Failure::NoPicture(clean_text(kind)),
            _ => Failure::Failed(clean_text(&error.to_string())),
        }
    }
}
