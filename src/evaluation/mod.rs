//! Measures a model's answers on cases with a known reference standard. Numbers in, numbers out: no
//! image is read here and no network runs.
//!
//! ```text
//! manifest ─► Case { path, patient, groups, ReferenceStandard, boxes } ─┐
//! findings: words of a data set ─► ReferenceStandard                    ├─ question ─► Sample ─ statistics ─► Report
//! Answers, PointingAnswers: what the model said of each case ───────────┘           └ bootstrap, delong      │
//!                                                                     tables, plots, JSON, CSV ◄─────────────┘
//! ```
//!
//! A statistic that is undefined (no positive case, say) is `None`: never 0, never 0.5.

pub mod bootstrap;
pub mod boxes;
pub mod delong;
pub mod findings;
pub mod manifest;
pub mod measure;
mod missing;
mod number;
pub mod plots;
pub mod pointing;
pub mod question;
pub(crate) mod random;
pub mod reader_study;
pub mod reader_study_table;
pub mod reader_tables;
pub mod readers;
pub mod report;
pub mod sample;
pub mod statistics;
pub mod tables;

pub use manifest::{Case, Manifest, ManifestColumns, ManifestError};
pub use measure::{Answers, CaseOutcome, EvaluationStudy, MeasuredModel, measure};
pub use missing::is_missing;
pub use number::number;
pub use question::{BinaryQuestion, questions};
pub use report::EvaluationReport;
pub use sample::Sample;
