//! Which associations are accepted, and for what (PS3.8 sections 7.1 and 9.3.2 to 9.3.4).

use std::collections::BTreeMap;

use dicom_ul::pdu::{
    AssociationAC, AssociationRJ, AssociationRJResult,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason,
    AssociationRJSource, AssociationRQ, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason, UserVariableItem,
};

use super::address::AeTitle;
use super::part10::{IMPLEMENTATION, IMPLEMENTATION_NAME, StorageKind};
use super::pdu_stream::LONGEST_PDU;
use super::peers::AllowedPeers;
use crate::data_elements::{is_uid, trimmed};

/// The SOP class of C-ECHO (PS3.4 annex A).
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
pub const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
pub const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
/// What the identifiers of objects that can be stored begin with (PS3.4 annex B.5).
const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
/// DICOM's only application context (PS3.7 annex A.2.1).
pub const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";

/// What a listener takes.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The title by which it must be called.
    pub title: AeTitle,
    /// The SOP classes; `None` for all that can be stored.
    pub sop_classes: Option<Vec<String>>,
    pub transfer_syntaxes: Vec<String>,
}

impl Offer {
    /// Whether objects of this class may be stored.
    pub fn takes(&self, sop_class: &str) -> bool {
        match &self.sop_classes {
            Some(classes) => classes.iter().any(|class| class == sop_class),
            None => sop_class.starts_with(STORAGE),
        }
    }

    fn result(
        &self,
        context: &PresentationContextProposed,
    ) -> Result<String, PresentationContextResultReason> {
        let class = trimmed(context.abstract_syntax.as_bytes());
        let is_echo = class == VERIFICATION;
        if !is_echo && !self.takes(&class) {
            return Err(PresentationContextResultReason::AbstractSyntaxNotSupported);
        }
        let proposed = context.transfer_syntaxes.iter();
        // The first that the other side names: it knows best what it has.
        proposed
            .map(|syntax| trimmed(syntax.as_bytes()))
            .find(|syntax| {
                let is_plain = syntax == IMPLICIT_LITTLE || syntax == EXPLICIT_LITTLE;
                (is_echo && is_plain) || (!is_echo && self.transfer_syntaxes.contains(syntax))
            })
            .ok_or(PresentationContextResultReason::TransferSyntaxesNotSupported)
    }
}

/// An association that is accepted.
#[derive(Debug)]
pub struct Negotiated {
    pub answer: AssociationAC,
    /// The accepted presentation contexts by their numbers.
    pub contexts: BTreeMap<u8, StorageKind>,
    /// SOP classes of which nothing was accepted, clean and each once.
    pub not_taken: Vec<String>,
}

/// An association that is not accepted.
#[derive(Debug)]
pub struct AssociationRefusal {
    pub answer: AssociationRJ,
    /// For the person who runs the listener.
    pub words: String,
}

/// Decides on a request.
///
/// # Errors
/// With what to answer, if it is not accepted.
pub fn negotiate(
    request: &AssociationRQ,
    offer: &Offer,
    peers: &AllowedPeers,
) -> Result<Negotiated, AssociationRefusal> {
    check_parties(request, offer, peers)?;
    let mut contexts = BTreeMap::new();
    let mut results = Vec::new();
    let mut not_taken = Vec::new();
    for context in &request.presentation_contexts {
        let class = trimmed(context.abstract_syntax.as_bytes());
        // Numbers are odd, and each is given once.
        let is_number = context.id % 2 == 1 && !contexts.contains_key(&context.id);
        let result = if is_number {
            offer.result(context)
        } else {
            Err(PresentationContextResultReason::NoReason)
        };
        results.push(result_item(context.id, result.as_deref()));
        match result {
            Ok(transfer_syntax) => {
                let kind = StorageKind {
                    sop_class: class,
                    transfer_syntax,
                };
                contexts.insert(context.id, kind);
            }
            Err(_) if is_uid(&class) && !not_taken.contains(&class) => not_taken.push(class),
            Err(_) => {}
        }
    }
    not_taken.retain(|class| contexts.values().all(|kind| kind.sop_class != *class));
    Ok(Negotiated {
        answer: acceptance(request, results),
        contexts,
        not_taken,
    })
}

/// Refuses a request for the wrong protocol, and one that calls another title or comes from one that may not send.
fn check_parties(
    request: &AssociationRQ,
    offer: &Offer,
    peers: &AllowedPeers,
) -> Result<(), AssociationRefusal> {
    use AssociationRJServiceUserReason as Reason;
    let called = request.called_ae_title.trim_matches(['\0', ' ']);
    let calling = request.calling_ae_title.trim_matches(['\0', ' ']);
    if request.protocol_version & 1 == 0 {
        return Err(by_user(
            Reason::NoReasonGiven,
            "another version of the protocol",
        ));
    }
    if trimmed(request.application_context_name.as_bytes()) != APPLICATION_CONTEXT {
        let reason = Reason::ApplicationContextNameNotSupported;
        return Err(by_user(reason, "another application context than DICOM's"));
    }
    if called != offer.title.as_str() {
        let words = format!("it called {called:?}, and this is {}", offer.title);
        return Err(by_user(Reason::CalledAETitleNotRecognized, words));
    }
    if !peers.allow_title(calling) {
        let words = "its title is not one of --from-aet";
        return Err(by_user(Reason::CallingAETitleNotRecognized, words));
    }
    Ok(())
}

/// What is answered about one presentation context.
fn result_item(
    id: u8,
    result: Result<&str, &PresentationContextResultReason>,
) -> PresentationContextResult {
    let (reason, transfer_syntax) = match result {
        Ok(syntax) => (PresentationContextResultReason::Acceptance, syntax),
        // The field must be there, and means nothing.
        Err(reason) => (reason.clone(), IMPLICIT_LITTLE),
    };
    PresentationContextResult {
        id,
        reason,
        transfer_syntax: transfer_syntax.to_owned(),
    }
}

fn acceptance(request: &AssociationRQ, results: Vec<PresentationContextResult>) -> AssociationAC {
    AssociationAC {
        protocol_version: 1,
        calling_ae_title: request.calling_ae_title.clone(),
        called_ae_title: request.called_ae_title.clone(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables: vec![
            UserVariableItem::MaxLength(LONGEST_PDU),
            UserVariableItem::ImplementationClassUID(IMPLEMENTATION.to_owned()),
            UserVariableItem::ImplementationVersionName(IMPLEMENTATION_NAME.to_owned()),
        ],
    }
}

fn by_user(reason: AssociationRJServiceUserReason, words: impl Into<String>) -> AssociationRefusal {
    AssociationRefusal {
        answer: AssociationRJ {
            result: AssociationRJResult::Permanent,
            source: AssociationRJSource::ServiceUser(reason),
        },
        words: words.into(),
    }
}

/// The answer where no more associations can be had at the moment.
pub fn congestion() -> AssociationRJ {
    let reason = AssociationRJServiceProviderPresentationReason::TemporaryCongestion;
    AssociationRJ {
        result: AssociationRJResult::Transient,
        source: AssociationRJSource::ServiceProviderPresentation(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const JPEG_XL: &str = "1.2.840.10008.1.2.4.110";

    fn offer() -> Offer {
        Offer {
            title: "CXR".parse().unwrap(),
            sop_classes: Some(vec![DX.to_owned()]),
            transfer_syntaxes: vec![IMPLICIT_LITTLE.to_owned(), EXPLICIT_LITTLE.to_owned()],
        }
    }

    fn request(contexts: &[(u8, &str, &[&str])]) -> AssociationRQ {
        let contexts = contexts
            .iter()
            .map(|(id, class, syntaxes)| PresentationContextProposed {
                id: *id,
                abstract_syntax: (*class).to_owned(),
                transfer_syntaxes: syntaxes.iter().map(|&text| text.to_owned()).collect(),
            });
        AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "XRAY1".to_owned(),
            called_ae_title: "CXR".to_owned(),
            application_context_name: APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: contexts.collect(),
            user_variables: Vec::new(),
        }
    }

    #[test]
    fn what_is_offered_is_accepted_and_nothing_else() {
        let request = request(&[
            (1, VERIFICATION, &[IMPLICIT_LITTLE]),
            (3, DX, &[JPEG_XL, EXPLICIT_LITTLE, IMPLICIT_LITTLE]),
            (5, DX, &[JPEG_XL]),
            (7, CT, &[IMPLICIT_LITTLE]),
            (3, DX, &[IMPLICIT_LITTLE]),
            (8, DX, &[IMPLICIT_LITTLE]),
        ]);
        let found = negotiate(&request, &offer(), &AllowedPeers::default()).unwrap();
        let reasons: Vec<u8> = found
            .answer
            .presentation_contexts
            .iter()
            .map(|c| c.reason.clone() as u8)
            .collect();
        assert_eq!(reasons, [0, 0, 4, 3, 2, 2]);
        assert_eq!(found.contexts.keys().collect::<Vec<_>>(), [&1, &3]);
        assert_eq!(found.contexts[&3].transfer_syntax, EXPLICIT_LITTLE);
        assert_eq!(found.not_taken, [CT]);
        let all = Offer {
            sop_classes: None,
            ..offer()
        };
        assert!(all.takes(CT) && all.takes(DX) && !all.takes("1.2.840.10008.5.1.4.1.2.1.1"));
    }

    #[test]
    fn a_stranger_and_a_wrong_number_are_refused() {
        let peers = AllowedPeers {
            titles: vec!["XRAY1".parse().unwrap()],
            ..AllowedPeers::default()
        };
        let good = request(&[(1, DX, &[IMPLICIT_LITTLE])]);
        assert!(negotiate(&good, &offer(), &peers).is_ok());
        let stranger = AssociationRQ {
            calling_ae_title: "XRAY2".to_owned(),
            ..good.clone()
        };
        let other = AssociationRQ {
            called_ae_title: "ANY-SCP".to_owned(),
            ..good.clone()
        };
        let version = AssociationRQ {
            protocol_version: 2,
            ..good.clone()
        };
        let context = AssociationRQ {
            application_context_name: "1.2".to_owned(),
            ..good.clone()
        };
        use AssociationRJServiceUserReason as Reason;
        for (request, reason) in [
            (stranger, Reason::CallingAETitleNotRecognized),
            (other, Reason::CalledAETitleNotRecognized),
            (version, Reason::NoReasonGiven),
            (context, Reason::ApplicationContextNameNotSupported),
        ] {
            let refusal = negotiate(&request, &offer(), &peers).unwrap_err();
            assert_eq!(
                refusal.answer.source,
                AssociationRJSource::ServiceUser(reason)
            );
        }
    }
}
