//! One association, as the side that asks for it (PS3.8 sections 7 and 9.3).

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AssociationAC, AssociationRJ, AssociationRJResult,
    AssociationRJServiceUserReason, AssociationRJSource, AssociationRQ, PDataValue, PDataValueType,
    Pdu, PresentationContextProposed, PresentationContextResultReason, UserVariableItem,
};

use super::address::{AeTitle, DicomAddress};
use super::command::DimseCommand;
use super::error::DimseError;
use super::message::{MessagePart, MessageReader};
use super::negotiation::APPLICATION_CONTEXT;
use super::part10::{IMPLEMENTATION, IMPLEMENTATION_NAME, StorageKind};
use super::pdu_stream::{LONGEST_PDU, PduFault, PduStream};
use crate::data_elements::trimmed;
use crate::domain::text::clean;

/// The most presentation contexts of an association: their numbers are the odd ones up to 255.
pub const MOST_KINDS: usize = 128;
/// The bytes before a fragment in its PDU (PS3.8 section 9.3.5.1).
const FRAGMENT_HEADER: u32 = 6;
/// The longest PDU of a side that does not state it.
const UNSTATED_LONGEST: u32 = 16_384;

/// An association that was accepted. Every PDU must come and go within a time limit.
pub struct Association {
    stream: PduStream,
    address: DicomAddress,
    timeout: Duration,
    /// The accepted presentation contexts by their numbers.
    contexts: Vec<(u8, StorageKind)>,
    /// The most bytes of a fragment that the other side takes; an even number.
    longest_fragment: usize,
    implementation: Option<String>,
}

impl Association {
    /// Asks for an association for objects of these kinds, 128 at most. `timeout` is how long connecting, one PDU and
    /// one response may take each.
    ///
    /// # Errors
    /// If none is had.
    pub fn open(
        address: &DicomAddress,
        calling: &AeTitle,
        timeout: Duration,
        kinds: &[StorageKind],
    ) -> Result<Self, DimseError> {
        let mut stream = connect(address, timeout)?;
        let proposed: Vec<(u8, &StorageKind)> = (1..=u8::MAX).step_by(2).zip(kinds).collect();
        let request = Pdu::AssociationRQ(request(address, calling, &proposed));
        let answer = stream.send(&request).and_then(|()| stream.receive(None));
        let accepted = match answer.map_err(|fault| of_pdu(address, timeout, &fault))? {
            Pdu::AssociationAC(accepted) => accepted,
            Pdu::AssociationRJ(refusal) => return Err(rejected(address, &refusal)),
            Pdu::AbortRQ { .. } => return Err(aborted(address)),
            _ => {
                stream.abort(AbortRQServiceProviderReason::UnexpectedPdu);
                return Err(nonsense(address, "not what DICOM's protocol has here"));
            }
        };
        let association = Association {
            stream,
            address: address.clone(),
            timeout,
            contexts: contexts(&accepted, &proposed),
            longest_fragment: longest_fragment(&accepted),
            implementation: implementation(&accepted),
        };
        if association.contexts.is_empty() {
            association.release();
            return Err(nothing_accepted(address, kinds));
        }
        Ok(association)
    }

    /// The number of the presentation context for objects of this kind; `None` if they are not taken.
    pub fn context(&self, kind: &StorageKind) -> Option<u8> {
        let mut found = self
            .contexts
            .iter()
            .filter(|(_, accepted)| accepted == kind);
        found.next().map(|(number, _)| *number)
    }

    /// The name of the other side's implementation, if it gives one.
    pub fn implementation(&self) -> Option<&str> {
        self.implementation.as_deref()
    }

    /// Sends a request and its data set, and waits for the response.
    ///
    /// # Errors
    /// If the association broke, or the other side answered something else.
    pub fn ask(
        &mut self,
        context: u8,
        request: &DimseCommand,
        data_set: Option<&[u8]>,
    ) -> Result<DimseCommand, DimseError> {
        self.send(context, PDataValueType::Command, &request.encode())?;
        if let Some(data_set) = data_set {
            self.send(context, PDataValueType::Data, data_set)?;
        }
        self.response()
    }

    /// Ends the association in order, as far as the other side does.
    pub fn release(mut self) {
        if self.stream.send(&Pdu::ReleaseRQ).is_ok() {
            let _ = self.stream.receive(None);
        }
        self.stream.close();
    }

    fn send(&mut self, context: u8, kind: PDataValueType, bytes: &[u8]) -> Result<(), DimseError> {
        let mut fragments = bytes.chunks(self.longest_fragment).peekable();
        while let Some(fragment) = fragments.next() {
            let value = PDataValue {
                presentation_context_id: context,
                value_type: kind.clone(),
                is_last: fragments.peek().is_none(),
                data: fragment.to_vec(),
            };
            let sent = self.stream.send(&Pdu::PData { data: vec![value] });
            sent.map_err(|fault| of_pdu(&self.address, self.timeout, &fault))?;
        }
        Ok(())
    }

    fn response(&mut self) -> Result<DimseCommand, DimseError> {
        // For all of it: otherwise endless fragments would be read endlessly.
        let until = Instant::now() + self.timeout;
        let mut reader = MessageReader::default();
        loop {
            let received = self.stream.receive(Some(until));
            let received = received.map_err(|fault| of_pdu(&self.address, self.timeout, &fault));
            let values = match received? {
                Pdu::PData { data } => data,
                Pdu::AbortRQ { .. } => return Err(aborted(&self.address)),
                _ => return Err(nonsense(&self.address, "another PDU than a response")),
            };
            for value in values {
                match reader.take(value) {
                    Ok(MessagePart::Command { command, .. }) => return Ok(command),
                    Ok(_) => {}
                    Err(fault) => return Err(nonsense(&self.address, &fault.to_string())),
                }
            }
        }
    }
}

/// Connects to the first of the host's addresses at which something answers.
fn connect(address: &DicomAddress, timeout: Duration) -> Result<PduStream, DimseError> {
    let mut reason = "no such host".to_owned();
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    for at in found.into_iter().flatten() {
        let connected = TcpStream::connect_timeout(&at, timeout);
        match connected.and_then(|stream| PduStream::new(stream, timeout)) {
            Ok(stream) => return Ok(stream),
            Err(error) => reason = error.kind().to_string(),
        }
    }
    Err(DimseError::Unreachable {
        address: address.clone(),
        reason,
    })
}

fn request(
    address: &DicomAddress,
    calling: &AeTitle,
    proposed: &[(u8, &StorageKind)],
) -> AssociationRQ {
    let contexts = proposed
        .iter()
        .map(|(id, kind)| PresentationContextProposed {
            id: *id,
            abstract_syntax: kind.sop_class.clone(),
            transfer_syntaxes: vec![kind.transfer_syntax.clone()],
        });
    AssociationRQ {
        protocol_version: 1,
        calling_ae_title: calling.as_str().to_owned(),
        called_ae_title: address.title.as_str().to_owned(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: contexts.collect(),
        user_variables: vec![
            UserVariableItem::MaxLength(LONGEST_PDU),
            UserVariableItem::ImplementationClassUID(IMPLEMENTATION.to_owned()),
            UserVariableItem::ImplementationVersionName(IMPLEMENTATION_NAME.to_owned()),
        ],
    }
}

/// What was accepted of what was proposed, in its transfer syntax and no other.
fn contexts(answer: &AssociationAC, proposed: &[(u8, &StorageKind)]) -> Vec<(u8, StorageKind)> {
    let is_accepted = |number: u8, kind: &StorageKind| {
        answer.presentation_contexts.iter().any(|context| {
            context.id == number
                && context.reason == PresentationContextResultReason::Acceptance
                && trimmed(context.transfer_syntax.as_bytes()) == kind.transfer_syntax
        })
    };
    let accepted = proposed
        .iter()
        .filter(|(number, kind)| is_accepted(*number, kind));
    accepted
        .map(|(number, kind)| (*number, (*kind).clone()))
        .collect()
}

fn longest_fragment(answer: &AssociationAC) -> usize {
    let stated = answer.user_variables.iter().find_map(|item| match item {
        UserVariableItem::MaxLength(length) => Some(*length),
        _ => None,
    });
    let longest = match stated.unwrap_or(UNSTATED_LONGEST) {
        // No limit (PS3.8 annex D.1).
        0 => LONGEST_PDU,
        stated => stated.min(LONGEST_PDU),
    };
    let fragment = longest.saturating_sub(FRAGMENT_HEADER).max(2);
    (fragment & !1) as usize
}

fn implementation(answer: &AssociationAC) -> Option<String> {
    let mut names = answer.user_variables.iter().filter_map(|item| match item {
        UserVariableItem::ImplementationVersionName(name) => Some(clean(name.trim_matches('\0'))),
        _ => None,
    });
    names.next().filter(|name| !name.is_empty())
}

fn of_pdu(address: &DicomAddress, timeout: Duration, fault: &PduFault) -> DimseError {
    let broken_off = |reason: String| DimseError::BrokenOff {
        address: address.clone(),
        reason,
    };
    match fault {
        PduFault::Silent(_) | PduFault::Late => DimseError::Silent {
            address: address.clone(),
            seconds: timeout.as_secs(),
        },
        PduFault::Closed => broken_off(fault.to_string()),
        PduFault::Broken(ErrorKind::BrokenPipe) => broken_off(PduFault::Closed.to_string()),
        PduFault::Broken(kind) => broken_off(kind.to_string()),
        PduFault::TooLong(_) | PduFault::Garbage => {
            nonsense(address, "not what DICOM's protocol has here")
        }
    }
}

fn rejected(address: &DicomAddress, answer: &AssociationRJ) -> DimseError {
    DimseError::Rejected {
        address: address.clone(),
        reason: rejection(answer).to_owned(),
        is_transient: answer.result == AssociationRJResult::Transient,
    }
}

/// Why an association was refused, and what may help.
fn rejection(answer: &AssociationRJ) -> &'static str {
    use AssociationRJServiceUserReason as Reason;
    match &answer.source {
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
    }
}

pub fn nothing_accepted(address: &DicomAddress, kinds: &[StorageKind]) -> DimseError {
    let mut words: Vec<String> = kinds
        .iter()
        .map(|kind| format!("{} in {}", kind.sop_class, kind.transfer_syntax))
        .collect();
    words.dedup();
    words.truncate(3);
    DimseError::NothingAccepted {
        address: address.clone(),
        proposed: words.join(", "),
    }
}

fn aborted(address: &DicomAddress) -> DimseError {
    DimseError::BrokenOff {
        address: address.clone(),
        reason: "the other side aborted".to_owned(),
    }
}

pub fn nonsense(address: &DicomAddress, reason: &str) -> DimseError {
    DimseError::Nonsense {
        address: address.clone(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::super::negotiation::{EXPLICIT_LITTLE, VERIFICATION};
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    /// What comes of asking a peer for an association and a C-ECHO that does `speak` with its connection.
    fn asked(speak: impl FnOnce(TcpStream) + Send + 'static) -> (DimseError, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("dicom://{}/PEER", listener.local_addr().unwrap());
        let peer = thread::spawn(move || speak(listener.accept().unwrap().0));
        let kind = StorageKind {
            sop_class: VERIFICATION.to_owned(),
            transfer_syntax: EXPLICIT_LITTLE.to_owned(),
        };
        let began = Instant::now();
        let calling = "CXR".parse().unwrap();
        let opened = Association::open(&address.parse().unwrap(), &calling, TIMEOUT, &[kind]);
        let error = match opened {
            Ok(mut open) => open.ask(1, &DimseCommand::echo(1, VERIFICATION), None),
            Err(error) => Err(error),
        };
        let took = began.elapsed();
        peer.join().unwrap();
        (error.expect_err("an answer"), took)
    }

    /// Sends bytes until the other side has closed, with a pause after each piece.
    fn drip(mut stream: &TcpStream, piece: &[u8], pause: Duration) {
        while stream.write_all(piece).is_ok() {
            thread::sleep(pause);
        }
    }

    fn accept(stream: &TcpStream) {
        let patience = Duration::from_secs(60);
        let mut stream = PduStream::new(stream.try_clone().unwrap(), patience).unwrap();
        let Ok(Pdu::AssociationRQ(request)) = stream.receive(None) else {
            panic!("no request");
        };
        let accepted = dicom_ul::pdu::PresentationContextResult {
            id: 1,
            reason: PresentationContextResultReason::Acceptance,
            transfer_syntax: EXPLICIT_LITTLE.to_owned(),
        };
        let answer = AssociationAC {
            protocol_version: 1,
            calling_ae_title: request.calling_ae_title,
            called_ae_title: request.called_ae_title,
            application_context_name: request.application_context_name,
            presentation_contexts: vec![accepted],
            user_variables: Vec::new(),
        };
        stream.send(&Pdu::AssociationAC(answer)).unwrap();
    }

    fn is_not_waited_for(speak: impl FnOnce(TcpStream) + Send + 'static) {
        let (error, took) = asked(speak);
        assert!(matches!(error, DimseError::Silent { .. }), "{error}");
        assert!(took < 15 * TIMEOUT, "{took:?}");
    }

    #[test]
    fn a_peer_that_answers_byte_by_byte_is_not_waited_for() {
        is_not_waited_for(|mut stream| {
            // An acceptance of 131,072 bytes, at ten bytes a second.
            stream.write_all(b"\x02\0\0\x02\0\0").unwrap();
            drip(&stream, b"\0", TIMEOUT / 10);
        });
    }

    #[test]
    fn a_response_of_fragments_without_end_is_not_waited_for() {
        is_not_waited_for(|stream| {
            accept(&stream);
            // Fragments of a command, none of them the last: each is a whole PDU.
            drip(&stream, b"\x04\0\0\0\0\x06\0\0\0\x02\x01\x01", TIMEOUT / 10);
        });
    }

    #[test]
    fn a_peer_that_takes_nothing_is_not_waited_for() {
        is_not_waited_for(|mut stream| {
            accept(&stream);
            // That has set a limit, which is of the socket.
            stream.set_read_timeout(None).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
    }

    #[test]
    fn another_protocol_and_an_end_are_said_to_be_that() {
        let (error, _) = asked(|mut stream| stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").unwrap());
        assert!(matches!(error, DimseError::Nonsense { .. }), "{error}");
        let (error, _) = asked(drop);
        assert!(matches!(error, DimseError::BrokenOff { .. }), "{error}");
    }
}
