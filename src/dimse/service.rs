//! One association, from its acceptor's side: C-ECHO and C-STORE as their provider (PS3.4 annexes A and B).

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dicom_ul::pdu::{AbortRQServiceProviderReason, PDataValue, PDataValueType, Pdu};

use super::address::AeTitle;
use super::command::{C_CANCEL, C_ECHO, C_STORE, DimseCommand};
use super::inbox::{Arrival, Inbox, StoredAs};
use super::message::{MessageFault, MessagePart, MessageReader};
use super::negotiation::{Negotiated, Offer, VERIFICATION, negotiate};
use super::part10::StorageKind;
use super::pdu_stream::{PduFault, PduStream};
use super::peers::AllowedPeers;
use super::status::DimseStatus;
use crate::data_elements::is_uid;

/// How long one object may take.
const LONGEST_OBJECT: Duration = Duration::from_secs(600);

/// What an association may do.
pub struct Terms<'a> {
    pub offer: &'a Offer,
    pub peers: &'a AllowedPeers,
    pub inbox: &'a Inbox,
    /// The most bytes of a data set.
    pub object_bytes: u64,
}

/// What happened, for the listener to report.
pub enum Happening {
    Stored {
        path: PathBuf,
        stored: StoredAs,
        bytes: u64,
    },
    /// An object was refused or could not be kept. The association goes on.
    NotStored { reason: String },
    /// The association was refused.
    Refused { reason: String },
    /// The association was accepted, but for no object: these SOP classes are not taken.
    NotTaken { sop_classes: Vec<String> },
    /// The association ended otherwise than by its release.
    Ended { reason: String },
}

/// Why an association ends.
enum AssociationEnd {
    Released,
    Aborted,
    /// This program stops.
    Stopped,
    Pdu(PduFault),
    Message(MessageFault),
    Unexpected,
    /// An object of twice the allowed size, and no end in sight.
    Endless,
}

impl From<PduFault> for AssociationEnd {
    fn from(fault: PduFault) -> Self {
        AssociationEnd::Pdu(fault)
    }
}

/// An object on its way.
struct Receiving {
    context: u8,
    request: DimseCommand,
    /// Or why it is not kept. What follows of it is thrown away.
    arrival: Result<Arrival, NotKept>,
    bytes: u64,
    until: Instant,
}

struct NotKept {
    status: DimseStatus,
    words: String,
}

fn not_kept(status: DimseStatus, words: impl Into<String>) -> NotKept {
    NotKept {
        status,
        words: words.into(),
    }
}

/// What the listener and an association's thread know of each other.
#[derive(Default)]
pub struct AssociationProgress {
    /// Whether an object is on its way.
    pub within_object: AtomicBool,
    /// Whether to stop before the next one.
    pub stops: AtomicBool,
}

/// Serves one connection from its request for an association to its end. `named` is told the title of the other side
/// once it is accepted.
pub fn serve(
    mut stream: PduStream,
    terms: &Terms<'_>,
    progress: &AssociationProgress,
    named: &mut dyn FnMut(&str),
    on: &mut dyn FnMut(Happening),
) {
    let Some(association) = accept(&mut stream, terms, named, on) else {
        return stream.close();
    };
    let mut service = Service {
        stream,
        terms,
        progress,
        contexts: association.0,
        source: association.1,
        reader: MessageReader::default(),
        receiving: None,
        on,
    };
    let end = match service.run() {
        Err(end) => end,
        Ok(never) => match never {},
    };
    service.end(&end);
    service.stream.close();
}

type Accepted = (BTreeMap<u8, StorageKind>, Option<AeTitle>);

/// Waits for the request, and answers it; `None` if there is no association.
fn accept(
    stream: &mut PduStream,
    terms: &Terms<'_>,
    named: &mut dyn FnMut(&str),
    on: &mut dyn FnMut(Happening),
) -> Option<Accepted> {
    let request = match stream.receive(None) {
        Ok(Pdu::AssociationRQ(request)) => request,
        // A port check, as monitoring does it.
        Err(PduFault::Closed) => return None,
        other => {
            let reason = match other {
                Err(fault) => fault.to_string(),
                Ok(_) => "it asked for no association".to_owned(),
            };
            stream.abort(AbortRQServiceProviderReason::UnexpectedPdu);
            on(Happening::Refused { reason });
            return None;
        }
    };
    named(&request.calling_ae_title);
    let negotiated = match negotiate(&request, terms.offer, terms.peers) {
        Ok(negotiated) => negotiated,
        Err(refusal) => {
            let _ = stream.send(&Pdu::AssociationRJ(refusal.answer));
            on(Happening::Refused {
                reason: refusal.words,
            });
            return None;
        }
    };
    let Negotiated {
        answer,
        contexts,
        not_taken,
    } = negotiated;
    if let Err(fault) = stream.send(&Pdu::AssociationAC(answer)) {
        let reason = fault.to_string();
        on(Happening::Ended { reason });
        return None;
    }
    // Many senders propose all that they know, and send only some of it.
    let takes_objects = contexts.values().any(|kind| kind.sop_class != VERIFICATION);
    if !takes_objects && !not_taken.is_empty() {
        on(Happening::NotTaken {
            sop_classes: not_taken,
        });
    }
    Some((contexts, request.calling_ae_title.parse().ok()))
}

struct Service<'a, 'b> {
    stream: PduStream,
    terms: &'a Terms<'a>,
    progress: &'a AssociationProgress,
    contexts: BTreeMap<u8, StorageKind>,
    source: Option<AeTitle>,
    reader: MessageReader,
    receiving: Option<Receiving>,
    on: &'b mut dyn FnMut(Happening),
}

impl Service<'_, '_> {
    fn run(&mut self) -> Result<std::convert::Infallible, AssociationEnd> {
        loop {
            let is_within = self.reader.is_within();
            self.progress
                .within_object
                .store(is_within, Ordering::SeqCst);
            if !is_within && self.progress.stops.load(Ordering::SeqCst) {
                return Err(AssociationEnd::Stopped);
            }
            let until = self.receiving.as_ref().map(|object| object.until);
            match self.stream.receive(until)? {
                Pdu::PData { data } => {
                    for value in data {
                        self.take(value)?;
                    }
                }
                Pdu::ReleaseRQ if !self.reader.is_within() => {
                    self.stream.send(&Pdu::ReleaseRP)?;
                    return Err(AssociationEnd::Released);
                }
                Pdu::AbortRQ { .. } => return Err(AssociationEnd::Aborted),
                _ => return Err(AssociationEnd::Unexpected),
            }
        }
    }

    fn take(&mut self, value: PDataValue) -> Result<(), AssociationEnd> {
        match self.reader.take(value).map_err(AssociationEnd::Message)? {
            MessagePart::Nothing => Ok(()),
            MessagePart::Command { context, command } => self.command(context, command),
            MessagePart::Data { bytes, is_last } => self.data(&bytes, is_last),
        }
    }

    fn command(&mut self, context: u8, request: DimseCommand) -> Result<(), AssociationEnd> {
        let kind = self
            .contexts
            .get(&context)
            .ok_or(AssociationEnd::Unexpected)?;
        match request.field {
            C_ECHO if !request.has_data_set && kind.sop_class == VERIFICATION => {
                return self.answer(context, &request, DimseStatus::SUCCESS, "");
            }
            C_CANCEL if !request.has_data_set => return Ok(()),
            _ => {}
        }
        let arrival = if request.field == C_STORE {
            self.begin(kind, &request)
        } else {
            let words = format!(
                "an operation other than C-ECHO and C-STORE ({:04X})",
                request.field
            );
            Err(not_kept(DimseStatus::UNRECOGNIZED_OPERATION, words))
        };
        let receiving = Receiving {
            context,
            request,
            arrival,
            bytes: 0,
            until: Instant::now() + LONGEST_OBJECT,
        };
        if receiving.request.has_data_set {
            self.receiving = Some(receiving);
            return Ok(());
        }
        let reason = match receiving.arrival {
            Err(reason) => reason,
            Ok(_) => not_kept(
                DimseStatus::CANNOT_UNDERSTAND,
                "an object without a data set",
            ),
        };
        self.refuse(receiving.context, &receiving.request, reason)
    }

    fn begin(&self, kind: &StorageKind, request: &DimseCommand) -> Result<Arrival, NotKept> {
        let is_agreed =
            kind.sop_class == request.sop_class && self.terms.offer.takes(&kind.sop_class);
        if !is_agreed {
            let words = "an object of another SOP class than was agreed upon";
            return Err(not_kept(DimseStatus::SOP_CLASS_NOT_SUPPORTED, words));
        }
        if !is_uid(&request.sop_instance) {
            let words = "its SOP instance UID is no identifier";
            return Err(not_kept(DimseStatus::INVALID_OBJECT_INSTANCE, words));
        }
        let begun = self
            .terms
            .inbox
            .begin(kind, &request.sop_instance, self.source.as_ref());
        begun.map_err(|error| not_written(&error))
    }

    fn data(&mut self, bytes: &[u8], is_last: bool) -> Result<(), AssociationEnd> {
        let limit = self.terms.object_bytes;
        let object = self.receiving.as_mut().ok_or(AssociationEnd::Unexpected)?;
        object.bytes += bytes.len() as u64;
        if object.bytes > limit.saturating_mul(2) {
            return Err(AssociationEnd::Endless);
        }
        if let Ok(arrival) = &mut object.arrival {
            // A refusal removes what was written of it.
            if object.bytes > limit {
                let words = format!("an object of more than {} MiB (--max-object)", limit >> 20);
                object.arrival = Err(not_kept(DimseStatus::OUT_OF_RESOURCES, words));
            } else if let Err(error) = arrival.write(bytes) {
                object.arrival = Err(not_written(&error));
            }
        }
        if !is_last {
            return Ok(());
        }
        let Some(object) = self.receiving.take() else {
            return Err(AssociationEnd::Unexpected);
        };
        match object.arrival.and_then(|arrival| self.keep(arrival)) {
            Ok((path, stored)) => {
                let bytes = object.bytes;
                (self.on)(Happening::Stored {
                    path,
                    stored,
                    bytes,
                });
                self.answer(object.context, &object.request, DimseStatus::SUCCESS, "")
            }
            Err(reason) => self.refuse(object.context, &object.request, reason),
        }
    }

    fn keep(&self, arrival: Arrival) -> Result<(PathBuf, StoredAs), NotKept> {
        if !arrival.is_as_announced() {
            let words = "its data set is of another SOP class or instance than was announced";
            return Err(not_kept(DimseStatus::NOT_THE_OBJECT, words));
        }
        let kept = self.terms.inbox.keep(arrival);
        kept.map_err(|error| not_written(&error))
    }

    fn refuse(
        &mut self,
        context: u8,
        request: &DimseCommand,
        reason: NotKept,
    ) -> Result<(), AssociationEnd> {
        let NotKept { status, words } = reason;
        let answered = self.answer(context, request, status, &words);
        (self.on)(Happening::NotStored { reason: words });
        answered
    }

    fn answer(
        &mut self,
        context: u8,
        request: &DimseCommand,
        status: DimseStatus,
        comment: &str,
    ) -> Result<(), AssociationEnd> {
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data: request.answer(status, comment).encode(),
        };
        self.stream.send(&Pdu::PData { data: vec![value] })?;
        Ok(())
    }

    /// Tells both sides how it ended.
    fn end(&mut self, end: &AssociationEnd) {
        use AbortRQServiceProviderReason as Reason;
        let (reason, words) = match end {
            AssociationEnd::Released => return,
            AssociationEnd::Aborted => (None, "the other side aborted".to_owned()),
            AssociationEnd::Stopped => (Some(Reason::ReasonNotSpecified), String::new()),
            AssociationEnd::Pdu(PduFault::Closed) => (None, PduFault::Closed.to_string()),
            AssociationEnd::Pdu(fault) => (Some(Reason::UnrecognizedPdu), fault.to_string()),
            AssociationEnd::Message(fault) => {
                (Some(Reason::InvalidPduParameter), fault.to_string())
            }
            AssociationEnd::Unexpected => (
                Some(Reason::UnexpectedPdu),
                "it broke the protocol".to_owned(),
            ),
            AssociationEnd::Endless => (
                Some(Reason::ReasonNotSpecified),
                "an object of more than twice the allowed size".to_owned(),
            ),
        };
        if let Some(reason) = reason {
            self.stream.abort(reason);
        }
        let of_object = if self.receiving.take().is_some() {
            "; nothing is kept of the object that was on its way"
        } else {
            ""
        };
        if !words.is_empty() || !of_object.is_empty() {
            let reason = format!("{words}{of_object}");
            (self.on)(Happening::Ended { reason });
        }
    }
}

/// Why the disk does not take an object.
fn not_written(error: &io::Error) -> NotKept {
    let words = match error.kind() {
        ErrorKind::StorageFull => "the disk is full".to_owned(),
        ErrorKind::QuotaExceeded => "the quota of the disk is used up".to_owned(),
        ErrorKind::FileTooLarge => "the system allows no file of this size".to_owned(),
        kind => format!("it cannot be written ({kind})"),
    };
    not_kept(DimseStatus::OUT_OF_RESOURCES, words)
}
