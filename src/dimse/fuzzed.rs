//! What the fuzz target for PDUs drives: everything that a stranger's bytes reach before a file is written.

use dicom_ul::pdu::{Pdu, read_pdu, write_pdu};

use super::command::DimseCommand;
use super::data_set::own_identity;
use super::message::{MessagePart, MessageReader};
use super::negotiation::{Offer, negotiate};
use super::pdu_stream::{LONGEST_PDU, read_from};
use super::peers::AllowedPeers;

/// Reads PDUs as an acceptor does, until the bytes end or make no sense.
///
/// # Panics
/// If an answer cannot be read by the other side, or a command set changes by being written.
pub fn association(mut bytes: &[u8]) {
    let offer = Offer {
        title: "CXR".parse().expect("a title"),
        sop_classes: None,
        transfer_syntaxes: vec!["1.2.840.10008.1.2.1".to_owned()],
    };
    let mut buffer = Vec::new();
    let mut reader = MessageReader::default();
    while let Ok(pdu) = read_from(&mut bytes, &mut buffer) {
        match pdu {
            Pdu::AssociationRQ(request) => {
                let answer = match negotiate(&request, &offer, &AllowedPeers::default()) {
                    Ok(negotiated) => Pdu::AssociationAC(negotiated.answer),
                    Err(refusal) => Pdu::AssociationRJ(refusal.answer),
                };
                is_readable(&answer);
            }
            Pdu::PData { data } => {
                for value in data {
                    match reader.take(value) {
                        Ok(MessagePart::Command { command, .. }) => is_stable(&command),
                        Ok(MessagePart::Data { bytes, .. }) => is_bounded(&bytes),
                        Ok(MessagePart::Nothing) => {}
                        Err(_) => return,
                    }
                }
            }
            Pdu::ReleaseRQ => is_readable(&Pdu::ReleaseRP),
            _ => return,
        }
    }
}

fn is_readable(answer: &Pdu) {
    let mut written = Vec::new();
    if write_pdu(&mut written, answer).is_ok() {
        let read = read_pdu(written.as_slice(), LONGEST_PDU, false);
        assert!(matches!(read, Ok(Some(_))), "{answer:?}");
    }
}

fn is_stable(command: &DimseCommand) {
    let read = DimseCommand::parse(&command.encode()).expect("what was written can be read");
    let again = DimseCommand::parse(&read.encode());
    assert_eq!(again, Some(read));
}

fn is_bounded(bytes: &[u8]) {
    for syntax in [
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.1.99",
    ] {
        let _ = own_identity(bytes, syntax);
    }
}

/// What a modality sends for one small object, as a seed of the corpus.
pub fn seed() -> Vec<u8> {
    use dicom_ul::pdu::{
        AssociationRQ, PDataValue, PDataValueType, PresentationContextProposed, UserVariableItem,
    };
    let class = "1.2.840.10008.5.1.4.1.1.1.1";
    let request = Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "XRAY1".to_owned(),
        called_ae_title: "CXR".to_owned(),
        application_context_name: "1.2.840.10008.3.1.1.1".to_owned(),
        presentation_contexts: vec![PresentationContextProposed {
            id: 1,
            abstract_syntax: class.to_owned(),
            transfer_syntaxes: vec!["1.2.840.10008.1.2.1".to_owned()],
        }],
        user_variables: vec![UserVariableItem::MaxLength(16384)],
    });
    let value = |value_type, data| PDataValue {
        presentation_context_id: 1,
        value_type,
        is_last: true,
        data,
    };
    let command = DimseCommand::store(1, class, "1.2.3").encode();
    let mut data_set = b"\x08\0\x16\0UI\x1c\x00".to_vec();
    data_set.extend(class.bytes());
    data_set.extend(b"\0\x08\0\x18\0UI\x06\x001.2.3\0");
    let data = vec![
        value(PDataValueType::Command, command),
        value(PDataValueType::Data, data_set),
    ];
    let mut bytes = Vec::new();
    for pdu in [request, Pdu::PData { data }, Pdu::ReleaseRQ] {
        // A vector takes everything.
        let _ = write_pdu(&mut bytes, &pdu);
    }
    bytes
}
