//! A reader study as a plan: `study.toml`, the list of its cases, who reads which case in which order, and which sitting
//! comes next. Texts in, lists out: nothing is opened here.
//!
//! ```text
//! calls ───────► decide         what all readers say, or the adjudicator where they differ
//! study.toml ──► StudyFile ─┬─► assignments   who reads which case
//! cases.csv ──► CaseList ───┤   order         in which order, from the seed
//!                           └─► next_sitting  which mode, and whether the wash-out is over
//! ```

mod assignment;
mod cases;
mod consensus;
mod file;
mod order;
mod schedule;

pub use assignment::{ReadingList, reading_lists};
pub use cases::{CaseList, CaseListFault, ListedCase};
pub use consensus::{DecisionKind, NamedCall, PanelDecision, decide};
pub use file::{
    FirstMode, HiddenFacts, LocalisationTask, PinnedFile, RatingScale, ReferenceFile, StudyDesign,
    StudyFault, StudyFile, is_reader_name,
};
pub use order::reading_order;
pub use schedule::{
    ModeProgress, NextSitting, adjudicator_log_name, adjudicator_of, log_name, modes, next_sitting,
    reader_of, reference_mode,
};

/// SHA-256 of bytes, in lower-case hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    crate::domain::hex::hex(&Sha256::digest(bytes))
}
