//! Labels that are the product of two others.

use super::file::LabelFile;
use crate::domain::{LabelCard, ProductCard, Question};

impl LabelFile {
    /// Checks that a product has no numbers that only an output of the network can have.
    ///
    /// # Errors
    /// If it is a cause, or has such a number.
    pub fn check_product(&self, question: Question) -> Result<(), String> {
        if self.product.is_none() {
            return Ok(());
        }
        if question == Question::GivenPneumonia {
            return Err("a product is present or absent, and no cause".to_owned());
        }
        let others = [
            ("calibration", self.calibration.is_some()),
            ("prevalence", self.prevalence.is_some()),
            ("op_threshold", self.op_threshold.is_some()),
            ("calibration_for", !self.calibration_for.is_empty()),
        ];
        match others.into_iter().find(|(_, is_there)| *is_there) {
            Some((other, _)) => Err(format!("product and {other} are both there")),
            None => Ok(()),
        }
    }
}

/// Checks that the factors of each product are outputs of the network: a label that is present or absent, and a cause.
///
/// # Errors
/// If there is no such label, with the name of the product.
pub fn check_factors(labels: &[LabelCard]) -> Result<(), String> {
    let output = |name: &String, question| {
        let is_it = |label: &&LabelCard| label.name == *name && label.product.is_none();
        let found = labels.iter().find(is_it);
        found.filter(|label| label.question == question)
    };
    for label in labels {
        let Some(ProductCard { presence, cause }) = &label.product else {
            continue;
        };
        let fault = |fault: String| Err(format!("{}: product: {fault}", label.name));
        match output(presence, Question::Presence) {
            None => return fault(format!("{presence} is no label that is present or absent")),
            Some(factor) if factor.op_threshold.is_some() => {
                return fault(format!("{presence} is normalised by an op_threshold"));
            }
            Some(_) => {}
        }
        if output(cause, Question::GivenPneumonia).is_none() {
            return fault(format!("{cause} is no label given pneumonia"));
        }
    }
    Ok(())
}
