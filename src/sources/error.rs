//! Why the bytes of a path cannot be had.

use std::fmt::Display;
use std::io;

use crate::domain::text;

/// A fault of a source, without the path. The reason is one line without control characters, whatever it quotes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    /// There is nothing at this path.
    #[error("{0}")]
    Missing(String),
    /// The system could not read it.
    #[error("cannot be read: {reason}")]
    Unreadable { reason: String, kind: io::ErrorKind },
    /// It is a folder, a pipe or a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// Over a limit of bytes or of numbers.
    #[error("too large: {0}")]
    TooLarge(String),
    /// It contradicts itself or ends early.
    #[error("damaged: {0}")]
    Damaged(String),
    /// It uses something that is not read here: encryption, a link, a method of compression.
    #[error("not supported: {0}")]
    Unsupported(String),
}

impl SourceFault {
    pub fn missing(reason: impl Display) -> Self {
        SourceFault::Missing(text::reason(reason))
    }

    pub fn too_large(reason: impl Display) -> Self {
        SourceFault::TooLarge(text::reason(reason))
    }

    pub fn damaged(reason: impl Display) -> Self {
        SourceFault::Damaged(text::reason(reason))
    }

    pub fn unsupported(reason: impl Display) -> Self {
        SourceFault::Unsupported(text::reason(reason))
    }

    /// No source was registered that holds this address.
    pub(super) fn no_source() -> Self {
        SourceFault::missing("no source holds this address")
    }

    /// The fault behind an error while bytes are read. [`io::ErrorKind::InvalidData`] is damage.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => SourceFault::damaged(error),
            kind => SourceFault::Unreadable {
                reason: text::reason(error),
                kind,
            },
        }
    }

    /// What the system said.
    pub fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            SourceFault::Unreadable { kind, .. } => Some(*kind),
            _ => None,
        }
    }
}
