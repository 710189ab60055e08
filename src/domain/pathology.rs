//! Labels and their names.

/// The condition that a label stands for, in torchxrayvision's spelling where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pathology(pub String);

impl Pathology {
    /// The label's name, as on the card.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// The label on which the causes depend.
pub const PNEUMONIA: &str = "Pneumonia";
/// A pneumonia by its cause: without pneumonia there is no COVID-19 pneumonia.
pub const COVID: &str = "COVID-19";
/// A cause of pneumonia.
pub const BACTERIAL: &str = "Bacterial";
/// A cause of pneumonia.
pub const VIRAL: &str = "Viral";
/// The end of a cause's label where another label has the same name.
pub const GIVEN_PNEUMONIA: &str = " given pneumonia";
/// COVID-19 as one of the causes: [`COVID`] and [`GIVEN_PNEUMONIA`].
pub const COVID_GIVEN_PNEUMONIA: &str = "COVID-19 given pneumonia";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_covid_19_is_named_after_its_label() {
        assert_eq!(COVID_GIVEN_PNEUMONIA, format!("{COVID}{GIVEN_PNEUMONIA}"));
    }
}
