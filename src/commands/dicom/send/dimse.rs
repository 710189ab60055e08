//! Delivery by C-STORE.

use std::time::Duration;

use super::delivery::{Delivery, DeliveryFault, Outcome};
use crate::dimse::{
    AeTitle, DicomAddress, DimseError, MOST_KINDS, Part10Object, StorageKind, StoreRequestor,
    sop_class_name,
};

/// An association that is opened when it is needed.
pub struct DimseDelivery {
    address: DicomAddress,
    calling: AeTitle,
    timeout: Duration,
    kinds: Vec<StorageKind>,
    open: Option<StoreRequestor>,
    /// Whether the other side took none of the kinds, so that it need not be asked for each object.
    takes_nothing: bool,
}

impl DimseDelivery {
    pub fn new(address: DicomAddress, calling: AeTitle, timeout: Duration) -> Self {
        DimseDelivery {
            address,
            calling,
            timeout,
            kinds: Vec::new(),
            open: None,
            takes_nothing: false,
        }
    }
}

impl Delivery for DimseDelivery {
    fn address(&self) -> String {
        self.address.to_string()
    }

    fn most_kinds(&self) -> usize {
        MOST_KINDS
    }

    fn prepare(&mut self, kinds: &[StorageKind]) {
        if !kinds.iter().all(|kind| self.kinds.contains(kind)) {
            self.end();
            self.kinds = kinds.to_vec();
            self.takes_nothing = false;
        }
    }

    fn send(&mut self, object: &Part10Object, bytes: &[u8]) -> Result<Outcome, DeliveryFault> {
        if self.takes_nothing {
            return Ok(Outcome::Refused(not_taken(&object.kind)));
        }
        let mut association = match self.open.take() {
            Some(association) => association,
            None => {
                let opened =
                    StoreRequestor::open(&self.address, &self.calling, self.timeout, &self.kinds);
                match opened {
                    Ok(association) => association,
                    Err(DimseError::NothingAccepted { .. }) => {
                        self.takes_nothing = true;
                        return Ok(Outcome::Refused(not_taken(&object.kind)));
                    }
                    Err(error) => return Err(fault(&error)),
                }
            }
        };
        if !association.takes(&object.kind) {
            self.open = Some(association);
            return Ok(Outcome::Refused(not_taken(&object.kind)));
        }
        let at = usize::try_from(object.data_set_at).unwrap_or(usize::MAX);
        let Some(data_set) = bytes.get(at..).filter(|bytes| !bytes.is_empty()) else {
            self.open = Some(association);
            return Ok(Outcome::Refused("it has no data set".to_owned()));
        };
        // After an error the association is of no more use.
        let status = association.store(&object.kind, &object.sop_instance, data_set);
        let status = status.map_err(|error| fault(&error))?;
        self.open = Some(association);
        if status.is_kept() {
            Ok(Outcome::Kept)
        } else if status.may_pass() {
            Err(DeliveryFault {
                words: format!("{}: {status}", self.address),
                may_pass: true,
                wait: None,
            })
        } else {
            Ok(Outcome::Refused(format!("refused: {status}")))
        }
    }

    fn end(&mut self) {
        if let Some(association) = self.open.take() {
            association.release();
        }
    }
}

fn not_taken(kind: &StorageKind) -> String {
    format!(
        "the other side does not take {} in transfer syntax {}",
        sop_class_name(&kind.sop_class),
        kind.transfer_syntax
    )
}

fn fault(error: &DimseError) -> DeliveryFault {
    DeliveryFault {
        words: error.to_string(),
        may_pass: error.may_pass(),
        wait: None,
    }
}
