//! DICOM's own network protocol: films in by C-STORE, objects out by C-STORE, and C-ECHO (PS3.7, PS3.8).
//!
//! The PDUs are encoded and decoded by `dicom-ul`. Associations are asked for and accepted here, because every wait and
//! every size of a stranger must have a bound.
//!
//! ```text
//! Listener ── accept ──► admission (who?) ──► negotiation (what?) ──► service ──► Inbox ──► FOLDER/UID.dcm
//!                                                                     C-ECHO, C-STORE
//! StoreRequestor, echo ──► Association ──► the other side
//! ```
//!
//! | file | what |
//! |---|---|
//! | `sop_class`, `address`, `peers` | names: SOP classes, application entity titles, addresses, who may connect |
//! | `command`, `part10`, `data_set` | command sets, file meta information, what a data set says it is |
//! | `pdu_stream`, `message` | PDUs over a connection, and the messages in them |
//! | `negotiation`, `service` | one association, as its acceptor |
//! | `inbox`, `listener` | the folder, and all associations |
//! | `association`, `requestor` | one association that is asked for, and what it is asked for |

mod address;
mod association;
mod command;
mod data_set;
mod error;
pub(crate) mod fuzzed;
mod inbox;
mod listener;
mod message;
mod negotiation;
mod part10;
mod pdu_stream;
mod peers;
mod requestor;
mod service;
mod sop_class;
mod status;

pub use address::{AddressFault, AeTitle, DicomAddress};
pub use association::MOST_KINDS;
pub use error::DimseError;
pub use inbox::{Inbox, InboxFault, StoredAs};
pub use listener::{Bounds, Listener, ListenerEvent};
pub use negotiation::Offer;
pub use part10::{Part10Fault, Part10Object, StorageKind};
pub use peers::{AllowedPeers, PeerNetwork};
pub use requestor::{EchoAnswer, StoreRequestor, echo};
pub use sop_class::{radiograph_classes, sop_class_name};
pub use status::DimseStatus;
