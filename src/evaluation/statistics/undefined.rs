//! Why a statistic of a reader study is absent. An undefined figure is never 0 or 0.5.

use thiserror::Error;

/// The reason, in words for a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Undefined {
    #[error("no case")]
    NoCase,
    #[error("no positive case")]
    NoPositive,
    #[error("no negative case")]
    NoNegative,
    #[error("all positive cases are of one patient")]
    PositivesOfOnePatient,
    #[error("all negative cases are of one patient")]
    NegativesOfOnePatient,
    #[error("only one patient")]
    OnePatient,
    #[error("fewer than two cases")]
    FewCases,
    #[error("only one reader")]
    OneReader,
    #[error("no reader has a figure in every mode")]
    NoReader,
    #[error("only one mode")]
    OneMode,
    #[error("not every reader read every case in every mode")]
    NotFullyCrossed,
    #[error("fewer than one degree of freedom")]
    FewDegreesOfFreedom,
    #[error("nothing varies")]
    NoVariance,
    #[error("a variance below 0")]
    NegativeVariance,
    #[error("no call differs")]
    NoDifference,
    #[error("no case with a lesion")]
    NoLesion,
    #[error("the fit did not converge")]
    NotConverged,
    #[error("an assumption is outside its range")]
    OutOfRange,
    #[error("no sample is large enough")]
    NoSize,
}
