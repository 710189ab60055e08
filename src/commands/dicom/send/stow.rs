//! Delivery by STOW-RS, over the transport of films and with its credentials.

use anyhow::Result;

use super::delivery::{Delivery, DeliveryFault, Outcome};
use crate::cli::{DicomSend, PacsArguments};
use crate::commands::shared::{Usage, pacs_address, pacs_settings};
use crate::dicomweb::{DicomWebFault, DicomWebSettings, StowDecision, StowFault, StowServer};
use crate::dimse::{DimseStatus, Part10Object};

/// A DICOMweb server.
pub struct StowDelivery(StowServer);

impl StowDelivery {
    /// # Errors
    /// [`Usage`], if the address is none, credentials would travel unencrypted, or the authorities cannot be read.
    pub fn new(arguments: &DicomSend, pacs: &PacsArguments) -> Result<Self> {
        let pacs = PacsArguments {
            pacs_timeout: Some(arguments.timeout),
            pacs_ca: arguments.ca.clone().or_else(|| pacs.pacs_ca.clone()),
            ..pacs.clone()
        };
        let settings = DicomWebSettings {
            keep: None,
            ..pacs_settings(&pacs)
        };
        let address = pacs_address(&arguments.address)?;
        let server = StowServer::new(&address, &settings);
        server
            .map(StowDelivery)
            .map_err(|error| Usage::error(error.to_string()))
    }

    fn fault(&self, fault: &StowFault) -> DeliveryFault {
        let reason = match fault.error.fault() {
            DicomWebFault::Slow => "no answer in time (--timeout)".to_owned(),
            _ => fault.error.to_string(),
        };
        DeliveryFault {
            words: format!("{}: {reason}", self.0.base()),
            may_pass: fault.may_pass,
            wait: fault.wait,
        }
    }
}

impl Delivery for StowDelivery {
    fn address(&self) -> String {
        self.0.base().to_owned()
    }

    fn send(&mut self, object: &Part10Object, bytes: &[u8]) -> Result<Outcome, DeliveryFault> {
        let decided = self.0.store(bytes, &object.sop_instance);
        match decided.map_err(|fault| self.fault(&fault))? {
            StowDecision::Kept => Ok(Outcome::Kept),
            StowDecision::RefusedRequest(reason) => {
                Ok(Outcome::Refused(format!("refused: {reason}")))
            }
            StowDecision::Refused(reason) => self.refusal(reason.map(DimseStatus)),
        }
    }
}

impl StowDelivery {
    /// A full disk may be mended; another reason stays.
    fn refusal(&self, reason: Option<DimseStatus>) -> Result<Outcome, DeliveryFault> {
        match reason {
            None => Ok(Outcome::Refused("refused without a reason".to_owned())),
            Some(reason) if reason.may_pass() => Err(DeliveryFault {
                words: format!("{}: {reason}", self.0.base()),
                may_pass: true,
                wait: None,
            }),
            Some(reason) => Ok(Outcome::Refused(format!("refused: {reason}"))),
        }
    }
}
