//! C-ECHO and C-STORE as their user.

use std::time::{Duration, Instant};

use super::address::{AeTitle, DicomAddress};
use super::association::{Association, MOST_KINDS, nonsense, nothing_accepted};
use super::command::DimseCommand;
use super::error::DimseError;
use super::negotiation::{IMPLICIT_LITTLE, VERIFICATION};
use super::part10::StorageKind;
use super::status::DimseStatus;

/// An application entity that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoAnswer {
    pub status: DimseStatus,
    /// From asking for the association to the answer.
    pub elapsed: Duration,
    /// The implementation's name, if it gives one.
    pub implementation: Option<String>,
    /// Which of the kinds of objects that were asked about it takes.
    pub taken: Vec<StorageKind>,
}

/// Asks an application entity to answer (C-ECHO), and which of `kinds` it would take. None of them is sent. At most
/// 127 are asked about.
///
/// # Errors
/// If there is no answer.
pub fn echo(
    address: &DicomAddress,
    calling: &AeTitle,
    timeout: Duration,
    kinds: &[StorageKind],
) -> Result<EchoAnswer, DimseError> {
    let began = Instant::now();
    let verification = StorageKind {
        sop_class: VERIFICATION.to_owned(),
        transfer_syntax: IMPLICIT_LITTLE.to_owned(),
    };
    let mut asked = vec![verification.clone()];
    asked.extend(kinds.iter().take(MOST_KINDS - 1).cloned());
    let mut requestor = StoreRequestor::open(address, calling, timeout, &asked)?;
    let request = DimseCommand::echo(1, VERIFICATION);
    let status = requestor.ask(&verification, &request, None)?;
    let elapsed = began.elapsed();
    let implementation = requestor.association.implementation().map(str::to_owned);
    let taken = kinds.iter().filter(|kind| requestor.takes(kind));
    let taken = taken.cloned().collect();
    requestor.release();
    Ok(EchoAnswer {
        status,
        elapsed,
        implementation,
        taken,
    })
}

/// An association for sending objects.
pub struct StoreRequestor {
    association: Association,
    address: DicomAddress,
    message: u16,
}

impl StoreRequestor {
    /// Asks for an association for objects of these kinds, 128 at most. `timeout` is how long the other side may take to
    /// accept a PDU, and to answer.
    ///
    /// # Errors
    /// If none is had.
    pub fn open(
        address: &DicomAddress,
        calling: &AeTitle,
        timeout: Duration,
        kinds: &[StorageKind],
    ) -> Result<Self, DimseError> {
        Ok(StoreRequestor {
            association: Association::open(address, calling, timeout, kinds)?,
            address: address.clone(),
            message: 0,
        })
    }

    /// Whether objects of this kind are taken.
    pub fn takes(&self, kind: &StorageKind) -> bool {
        self.association.context(kind).is_some()
    }

    /// Sends an object: the data set alone, without the head of its file. Returns what the other side says of it.
    ///
    /// # Errors
    /// If the association broke. Then nobody knows whether the other side has the object.
    pub fn store(
        &mut self,
        kind: &StorageKind,
        sop_instance: &str,
        data_set: &[u8],
    ) -> Result<DimseStatus, DimseError> {
        self.message = self.message.checked_add(1).unwrap_or(1);
        let request = DimseCommand::store(self.message, &kind.sop_class, sop_instance);
        self.ask(kind, &request, Some(data_set))
    }

    /// Ends the association in order. What was acknowledged is there, whether this succeeds or not.
    pub fn release(self) {
        self.association.release();
    }

    /// Sends a request and its data set, and waits for the response.
    fn ask(
        &mut self,
        kind: &StorageKind,
        request: &DimseCommand,
        data_set: Option<&[u8]>,
    ) -> Result<DimseStatus, DimseError> {
        let context = self.association.context(kind);
        let context =
            context.ok_or_else(|| nothing_accepted(&self.address, std::slice::from_ref(kind)))?;
        let response = self.association.ask(context, request, data_set)?;
        match response.status {
            Some(status) if response.answers(request) => Ok(status),
            _ => Err(nonsense(
                &self.address,
                "another response than to what was asked",
            )),
        }
    }
}
