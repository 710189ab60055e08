//! What goes wrong with an association that this side asks for.

use super::address::DicomAddress;

/// Why an association was not had, or ended before its work was done. Each is one line that begins with the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DimseError {
    #[error("{address}: no connection ({reason})")]
    Unreachable {
        address: DicomAddress,
        reason: String,
    },
    #[error("{address}: the association was refused: {reason}")]
    Rejected {
        address: DicomAddress,
        reason: String,
        /// Whether the other side says that it may accept it later.
        is_transient: bool,
    },
    #[error("{address}: it accepts nothing of what was proposed: {proposed}")]
    NothingAccepted {
        address: DicomAddress,
        proposed: String,
    },
    #[error("{address}: no answer within {seconds} s")]
    Silent { address: DicomAddress, seconds: u64 },
    #[error("{address}: the association broke off ({reason})")]
    BrokenOff {
        address: DicomAddress,
        reason: String,
    },
    #[error("{address}: its answer makes no sense ({reason})")]
    Nonsense {
        address: DicomAddress,
        reason: String,
    },
}

impl DimseError {
    /// Whether the same may go well later.
    pub fn may_pass(&self) -> bool {
        match self {
            DimseError::Unreachable { .. }
            | DimseError::Silent { .. }
            | DimseError::BrokenOff { .. } => true,
            DimseError::Rejected { is_transient, .. } => *is_transient,
            DimseError::NothingAccepted { .. } | DimseError::Nonsense { .. } => false,
        }
    }
}
