//! Columns of a table of predictions that hold no score of a label.
//!
//! Labels stand between them under their own names, so that none may be called like one: see
//! [`is_reserved`].

/// Those before the model's labels.
pub const BEFORE: [&str; 3] = ["path", "status", "reasons"];
/// Those after them.
pub const AFTER: [&str; 5] = [
    "geographic_extent",
    "opacity",
    "model_sha256",
    "preprocess",
    "elapsed_ms",
];
/// Further members of a JSON row: every reason by itself, the prevalence that each calibrated label
/// assumes, everything that is known of each label, and the errors of the severity head.
pub const NESTED: [&str; 4] = ["reason_list", PREVALENCE, "findings", "severity"];
/// SHA-256 of the image's file.
pub const CONTENT: &str = "image_sha256";
/// Digest of what the card adds to the weights.
pub const CARD: &str = "card_digest";
pub const PREVALENCE: &str = "prevalence";
/// What a row rests on beside the model's weights (JSON rows have the prevalences among the nested
/// members).
pub const BASIS: [&str; 3] = [CONTENT, CARD, PREVALENCE];

/// Whether a column of this name says something else than a label's score.
pub fn is_reserved(column: &str) -> bool {
    let all: [&[&str]; 4] = [&BEFORE, &AFTER, &NESTED, &BASIS];
    all.iter().any(|columns| columns.contains(&column))
}
