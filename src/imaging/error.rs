//! The faults of a file, each with a one-line reason.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::clean_text;
use crate::data_elements::ElementFault;
use crate::domain::{Failure, text};
use crate::sources::SourceFault;

/// A fault of a file, without the file's name. The reason is one line without control characters, even
/// if it quotes the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageFault {
    /// The operating system could not read the file.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// An unknown format, or an image without pixels.
    #[error("not an image: {0}")]
    NotAnImage(String),
    /// A valid DICOM object of a kind without an image, for example a structured report. Holds the name
    /// of the kind, so that objects can be counted by kind.
    #[error("not an image: {0}")]
    NoPicture(String),
    /// Over one of the [`DecodeLimits`](super::DecodeLimits).
    #[error("too large: {0}")]
    TooLarge(String),
    /// A known format that contradicts itself or ends early.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A valid file that uses a feature that cannot be decoded here.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The decoder panicked on this file, or its process ended.
    #[error("decoder died: {0}")]
    DecoderDied(String),
    /// The decoder process was ended because it took too long.
    #[error("decoder took too long: {0}")]
    TimedOut(String),
}

impl ImageFault {
    /// The fault with its reason cleaned, for reasons from an untrusted process.
    pub(super) fn in_one_line(mut self) -> Self {
        let (ImageFault::Unreadable(reason)
        | ImageFault::NotAnImage(reason)
        | ImageFault::NoPicture(reason)
        | ImageFault::TooLarge(reason)
        | ImageFault::Damaged(reason)
        | ImageFault::Unsupported(reason)
        | ImageFault::DecoderDied(reason)
        | ImageFault::TimedOut(reason)) = &mut self;
        *reason = text::reason(&reason);
        self
    }

    pub(super) fn unreadable(reason: impl Display) -> Self {
        ImageFault::Unreadable(text::reason(reason))
    }

    /// The fault behind an error while the bytes of a film are read.
    pub(super) fn of_reading(error: std::io::Error) -> Self {
        SourceFault::of_io(&error).into()
    }

    pub(super) fn not_an_image(reason: impl Display) -> Self {
        ImageFault::NotAnImage(text::reason(reason))
    }

    pub(super) fn no_picture(kind: impl Display) -> Self {
        ImageFault::NoPicture(text::reason(kind))
    }

    pub(super) fn too_large(reason: impl Display) -> Self {
        ImageFault::TooLarge(text::reason(reason))
    }

    pub(super) fn damaged(reason: impl Display) -> Self {
        ImageFault::Damaged(text::reason(reason))
    }

    pub(super) fn unsupported(reason: impl Display) -> Self {
        ImageFault::Unsupported(text::reason(reason))
    }

    pub(super) fn died(reason: impl Display) -> Self {
        ImageFault::DecoderDied(text::reason(reason))
    }

    pub(super) fn timed_out(reason: impl Display) -> Self {
        ImageFault::TimedOut(text::reason(reason))
    }
}

impl From<ElementFault> for ImageFault {
    fn from(fault: ElementFault) -> Self {
        ImageFault::damaged(fault)
    }
}

impl From<SourceFault> for ImageFault {
    fn from(fault: SourceFault) -> Self {
        match fault {
            SourceFault::Missing(reason) | SourceFault::Unreadable { reason, .. } => {
                ImageFault::unreadable(reason)
            }
            SourceFault::NotRegular => ImageFault::not_an_image(fault),
            SourceFault::TooLarge(reason) => ImageFault::too_large(reason),
            SourceFault::Damaged(reason) => ImageFault::damaged(reason),
            SourceFault::Unsupported(reason) => ImageFault::unsupported(reason),
        }
    }
}

/// A file that could not be read as a radiograph, and its fault.
///
/// `Display` gives the reason alone, because messages show the path beside it.
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

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The fault of the file.
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
