//! Associations that this side asks for: C-ECHO and C-STORE as their user.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use dicom_ul::association::Error;
use dicom_ul::association::client::{ClientAssociation, ClientAssociationOptions};
use dicom_ul::pdu::{
    AssociationRJ, AssociationRJResult, AssociationRJServiceUserReason, AssociationRJSource,
    PDataValue, PDataValueType, Pdu, ReadError, UserVariableItem,
};

use super::address::{AeTitle, DicomAddress};
use super::command::DimseCommand;
use super::error::DimseError;
use super::message::{MessagePart, MessageReader};
use super::negotiation::{IMPLICIT_LITTLE, VERIFICATION};
use super::part10::StorageKind;
use super::pdu_stream::LONGEST_PDU;
use super::status::DimseStatus;
use crate::domain::text::clean;

/// The most presentation contexts of an association: their numbers are the odd ones up to 255.
pub const MOST_KINDS: usize = 128;
/// The bytes before a fragment in its PDU (PS3.8 section 9.3.5.1).
const FRAGMENT_HEADER: u32 = 6;

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
    let mut asked = vec![StorageKind {
        sop_class: VERIFICATION.to_owned(),
        transfer_syntax: IMPLICIT_LITTLE.to_owned(),
    }];
    asked.extend(kinds.iter().take(MOST_KINDS - 1).cloned());
    let mut requestor = StoreRequestor::open(address, calling, timeout, &asked)?;
    let request = DimseCommand::echo(1, VERIFICATION);
    let context = requestor
        .context(&asked[0])
        .ok_or_else(|| DimseError::NothingAccepted {
            address: address.clone(),
            proposed: "C-ECHO".to_owned(),
        })?;
    let status = requestor.ask(context, &request, None)?;
    let elapsed = began.elapsed();
    let implementation = requestor.implementation();
    let taken = kinds
        .iter()
        .filter(|kind| requestor.context(kind).is_some());
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
    association: ClientAssociation<TcpStream>,
    address: DicomAddress,
    timeout: Duration,
    message: u16,
}

impl StoreRequestor {
    /// Asks for an association for objects of these kinds, 128 at most. `timeout` is how long the other side may be silent.
    ///
    /// # Errors
    /// If none is had.
    pub fn open(
        address: &DicomAddress,
        calling: &AeTitle,
        timeout: Duration,
        kinds: &[StorageKind],
    ) -> Result<Self, DimseError> {
        let mut options = ClientAssociationOptions::new()
            .calling_ae_title(calling.as_str())
            .called_ae_title(address.title.as_str())
            .max_pdu_length(LONGEST_PDU)
            .connection_timeout(timeout)
            .read_timeout(timeout)
            .write_timeout(timeout);
        for kind in kinds.iter().take(MOST_KINDS) {
            let syntaxes = vec![kind.transfer_syntax.clone()];
            options = options.with_presentation_context(kind.sop_class.clone(), syntaxes);
        }
        let opened = options.establish((address.host.as_str(), address.port));
        let fault = Fault { address, timeout };
        let mut association = opened.map_err(|error| fault.of(&error, kinds))?;
        // Each answer is waited for.
        let _ = association.inner_stream().set_nodelay(true);
        Ok(StoreRequestor {
            association,
            address: address.clone(),
            timeout,
            message: 0,
        })
    }

    /// Whether objects of this kind are taken.
    pub fn takes(&self, kind: &StorageKind) -> bool {
        self.context(kind).is_some()
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
        let context = self
            .context(kind)
            .ok_or_else(|| DimseError::NothingAccepted {
                address: self.address.clone(),
                proposed: described(std::slice::from_ref(kind)),
            })?;
        self.message = self.message.checked_add(1).unwrap_or(1);
        let request = DimseCommand::store(self.message, &kind.sop_class, sop_instance);
        self.ask(context, &request, Some(data_set))
    }

    /// Ends the association in order. What was acknowledged is there, whether this succeeds or not.
    pub fn release(self) {
        let _ = self.association.release();
    }

    fn context(&self, kind: &StorageKind) -> Option<u8> {
        let contexts = self.association.presentation_contexts().iter();
        let mut found = contexts.filter(|context| {
            context.abstract_syntax == kind.sop_class
                && context.transfer_syntax.trim_matches(['\0', ' ']) == kind.transfer_syntax
        });
        found.next().map(|context| context.id)
    }

    fn implementation(&self) -> Option<String> {
        let items = self.association.user_variables().iter();
        let mut names = items.filter_map(|item| match item {
            UserVariableItem::ImplementationVersionName(name) => {
                Some(clean(name.trim_matches('\0')))
            }
            _ => None,
        });
        names.next().filter(|name| !name.is_empty())
    }

    /// Sends a request and its data set, and waits for the response.
    fn ask(
        &mut self,
        context: u8,
        request: &DimseCommand,
        data_set: Option<&[u8]>,
    ) -> Result<DimseStatus, DimseError> {
        self.send(context, PDataValueType::Command, &request.encode())?;
        if let Some(data_set) = data_set {
            self.send(context, PDataValueType::Data, data_set)?;
        }
        let response = self.response()?;
        match response.status {
            Some(status) if response.answers(request) => Ok(status),
            _ => Err(self.nonsense("another response than to what was asked")),
        }
    }

    fn send(&mut self, context: u8, kind: PDataValueType, bytes: &[u8]) -> Result<(), DimseError> {
        let longest = self.association.acceptor_max_pdu_length().min(LONGEST_PDU);
        let longest = longest.saturating_sub(FRAGMENT_HEADER).max(2);
        // Fragments have an even length.
        let longest = (longest & !1) as usize;
        let mut fragments = bytes.chunks(longest).peekable();
        while let Some(fragment) = fragments.next() {
            let value = PDataValue {
                presentation_context_id: context,
                value_type: kind.clone(),
                is_last: fragments.peek().is_none(),
                data: fragment.to_vec(),
            };
            let sent = self.association.send(&Pdu::PData { data: vec![value] });
            sent.map_err(|error| self.fault().of(&error, &[]))?;
        }
        Ok(())
    }

    fn response(&mut self) -> Result<DimseCommand, DimseError> {
        let mut reader = MessageReader::default();
        loop {
            let received = self.association.receive();
            let values = match received.map_err(|error| self.fault().of(&error, &[]))? {
                Pdu::PData { data } => data,
                Pdu::AbortRQ { .. } => return Err(self.broken_off("the other side aborted")),
                _ => return Err(self.nonsense("another PDU than a response")),
            };
            for value in values {
                match reader.take(value) {
                    Ok(MessagePart::Command { command, .. }) => return Ok(command),
                    Ok(_) => {}
                    Err(fault) => return Err(self.nonsense(&fault.to_string())),
                }
            }
        }
    }

    fn fault(&self) -> Fault<'_> {
        Fault {
            address: &self.address,
            timeout: self.timeout,
        }
    }

    fn nonsense(&self, reason: &str) -> DimseError {
        let (address, reason) = (self.address.clone(), reason.to_owned());
        DimseError::Nonsense { address, reason }
    }

    fn broken_off(&self, reason: &str) -> DimseError {
        let (address, reason) = (self.address.clone(), reason.to_owned());
        DimseError::BrokenOff { address, reason }
    }
}

/// Turns errors of `dicom-ul` into ours.
struct Fault<'a> {
    address: &'a DicomAddress,
    timeout: Duration,
}

impl Fault<'_> {
    fn of(&self, error: &Error, kinds: &[StorageKind]) -> DimseError {
        let address = self.address.clone();
        match error {
            Error::ToAddress { .. } => {
                let reason = "no such host".to_owned();
                DimseError::Unreachable { address, reason }
            }
            Error::Connect { source, .. } => {
                let reason = source.kind().to_string();
                DimseError::Unreachable { address, reason }
            }
            Error::Rejected { association_rj, .. } => DimseError::Rejected {
                address,
                reason: rejection(association_rj),
                is_transient: association_rj.result == AssociationRJResult::Transient,
            },
            Error::NoAcceptedPresentationContexts { .. } => DimseError::NothingAccepted {
                address,
                proposed: described(kinds),
            },
            Error::WireSend { source, .. }
            | Error::WireRead { source, .. }
            | Error::Timeout { source, .. }
            | Error::ReceivePdu {
                source: ReadError::ReadPdu { source, .. },
            } => self.of_system(source.kind()),
            Error::ConnectionClosed { .. } => self.of_system(ErrorKind::UnexpectedEof),
            Error::Aborted { .. } => DimseError::BrokenOff {
                address,
                reason: "the other side aborted".to_owned(),
            },
            Error::UnexpectedPdu { pdu, .. } if matches!(**pdu, Pdu::AbortRQ { .. }) => {
                let reason = "the other side aborted".to_owned();
                DimseError::BrokenOff { address, reason }
            }
            _ => {
                let reason = "not what DICOM's protocol has here".to_owned();
                DimseError::Nonsense { address, reason }
            }
        }
    }

    fn of_system(&self, kind: ErrorKind) -> DimseError {
        let address = self.address.clone();
        match kind {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => DimseError::Silent {
                address,
                seconds: self.timeout.as_secs(),
            },
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => DimseError::BrokenOff {
                address,
                reason: "the connection was closed".to_owned(),
            },
            kind => DimseError::BrokenOff {
                address,
                reason: kind.to_string(),
            },
        }
    }
}

/// Why an association was refused, and what may help.
fn rejection(answer: &AssociationRJ) -> String {
    use AssociationRJServiceUserReason as Reason;
    let words = match &answer.source {
        AssociationRJSource::ServiceUser(Reason::CalledAETitleNotRecognized) => {
            "it has another application entity title"
        }
        AssociationRJSource::ServiceUser(Reason::CallingAETitleNotRecognized) => {
            "it does not know our application entity title (--aet)"
        }
        AssociationRJSource::ServiceUser(Reason::ApplicationContextNameNotSupported) => {
            "it has another application context"
        }
        AssociationRJSource::ServiceProviderPresentation(_) => "it has too many associations",
        AssociationRJSource::ServiceProviderASCE(_) => "by its protocol layer",
        AssociationRJSource::ServiceUser(_) => "it gives no reason",
    };
    words.to_owned()
}

/// Kinds of objects for a message.
fn described(kinds: &[StorageKind]) -> String {
    let mut words: Vec<String> = kinds
        .iter()
        .map(|kind| format!("{} in {}", kind.sop_class, kind.transfer_syntax))
        .collect();
    words.dedup();
    words.truncate(3);
    words.join(", ")
}
