//! A way to deliver objects.

use std::time::Duration;

use crate::dimse::{Part10Object, StorageKind};

/// What the other side decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has the object.
    Kept,
    /// It does not want it. The others may still be sent.
    Refused(String),
}

/// The other side decided nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFault {
    /// One line, with the address.
    pub words: String,
    /// Whether trying again may help.
    pub may_pass: bool,
    /// How long the other side asks to wait.
    pub wait: Option<Duration>,
}

pub trait Delivery {
    /// The address in one form, whatever was typed. It names the journal.
    fn address(&self) -> String;

    /// How many kinds of objects can be announced at a time.
    fn most_kinds(&self) -> usize {
        usize::MAX
    }

    /// Announces the kinds of objects that follow.
    fn prepare(&mut self, _kinds: &[StorageKind]) {}

    /// Delivers a file: its bytes, and what its head says of it.
    ///
    /// # Errors
    /// If the other side decided nothing.
    fn send(&mut self, object: &Part10Object, bytes: &[u8]) -> Result<Outcome, DeliveryFault>;

    /// Takes leave.
    fn end(&mut self) {}
}
