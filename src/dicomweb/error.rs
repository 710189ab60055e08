//! What can go wrong between cxr and a DICOMweb server, each with a reason in one line.
//!
//! No message holds a credential, a query (which may name a patient) or a server's own words beyond a short, cleaned
//! quotation.

use std::fmt::Display;

use crate::domain::text;

/// What kind of fault it is, so that `cxr doctor` can say how to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DicomWebFault {
    /// The address, a setting or a file of settings makes no sense.
    Setting,
    /// No connection.
    Unreachable,
    /// The server's certificate is not trusted, or TLS fails otherwise.
    Certificate,
    /// A time limit.
    Slow,
    /// Status 401.
    NotAuthenticated,
    /// Status 403.
    Forbidden,
    /// Status 404 or 410.
    NotFound,
    /// Status 406: it cannot send what was asked for.
    NotAcceptable,
    /// Status 429, or one of the 500s, also after some more tries.
    Busy,
    /// Another status.
    Status,
    /// A redirect that is not followed.
    Redirect,
    /// A web page or anything else that is no DICOMweb.
    NotDicomWeb,
    /// What came is cut off.
    CutOff,
    /// What came contradicts itself.
    Damaged,
    /// More than a limit allows.
    TooLarge,
    /// Another film than the one that was asked for.
    OtherFilm,
    /// The folder of `--keep` could not be written.
    Keep,
    /// cxr is ending.
    Ended,
}

/// A fault with its reason, which does not repeat the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DicomWebError {
    fault: DicomWebFault,
    reason: String,
}

impl DicomWebError {
    pub(super) fn new(fault: DicomWebFault, reason: impl Display) -> Self {
        let reason = text::reason(reason);
        DicomWebError { fault, reason }
    }

    /// The kind.
    pub fn fault(&self) -> DicomWebFault {
        self.fault
    }
}
