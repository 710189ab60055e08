//! How many readers and cases a study needs, before it is begun.

mod mrmc_power;
mod precision;
mod validation;

pub use mrmc_power::{
    PlannedStudy, PowerEstimate, VarianceComponents, cases_for_power, mrmc_power,
};
pub use precision::{ProportionInterval, cases_for_half_width, expected_half_width};
pub use validation::{LinearPredictor, ValidationAssumptions, ValidationSize, validation_size};
