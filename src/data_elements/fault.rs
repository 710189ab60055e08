//! Why the elements of a data set cannot be walked.

use dicom_core::Tag;

/// How deep sequences may be nested. The deepest real ones have about ten levels.
pub const DEEPEST: usize = 64;

/// Elements that contradict themselves or end early. Each is one line, and quotes nothing of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElementFault {
    #[error("the file ends early, {at} bytes into the data set")]
    EndsEarly { at: usize },
    #[error(
        "element {tag} at byte {at} of the data set declares {declared} bytes, {left} are left"
    )]
    TooLong {
        tag: Tag,
        at: usize,
        declared: u32,
        left: usize,
    },
    #[error("element {tag} at byte {at} of the data set where {expected} should be")]
    Misplaced {
        tag: Tag,
        at: usize,
        expected: &'static str,
    },
    #[error("sequences are nested more than {DEEPEST} deep")]
    TooDeep,
}
