//! The name of a model, for the worklist and for the switch between models.

/// A model that the reader can switch to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    pub name: String,
    /// SHA-256 of the weights in hexadecimal: it tells the model from every other one.
    pub sha256: String,
}
