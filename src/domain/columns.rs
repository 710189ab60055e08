//! The columns of a table of predictions, except those of the labels.
//!
//! The labels' columns have the labels' names, so no label may have the name of another column: see
//! [`is_reserved`].

/// The sign between cells that a first line `sep=;` names, for spreadsheets, and the rest of the table after that line;
/// `None` where there is no such line.
pub fn separator_line(table: &[u8]) -> Option<(u8, &[u8])> {
    let end = table.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = (&table[..end], &table[end + 1..]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // A spreadsheet that saves the line again puts it into quotes, or adds empty cells.
    match *line.strip_prefix(b"\"").unwrap_or(line) {
        [
            b's' | b'S',
            b'e' | b'E',
            b'p' | b'P',
            b'=',
            sign @ (b',' | b';' | b'\t' | b'|'),
            ..,
        ] => Some((sign, rest)),
        _ => None,
    }
}

/// The columns before the labels.
pub const BEFORE: [&str; 3] = ["path", "status", "reasons"];
/// The columns after the labels.
pub const AFTER: [&str; 5] = [
    "geographic_extent",
    "opacity",
    "model_sha256",
    "preprocess",
    "elapsed_ms",
];
/// Further members of a JSON row: the list of reasons, the prevalence that each calibrated label assumes, the
/// details of each label, and the errors of the severity head.
pub const NESTED: [&str; 4] = ["reason_list", PREVALENCE, "findings", "severity"];
/// SHA-256 of the image's file.
pub const CONTENT: &str = "image_sha256";
/// Digest of the card's thresholds and calibration.
pub const CARD: &str = "card_digest";
/// The prevalence that each calibrated label assumes.
pub const PREVALENCE: &str = "prevalence";
/// The basis of a row beside the model's weights. JSON rows have the prevalences among the nested members.
pub const BASIS: [&str; 3] = [CONTENT, CARD, PREVALENCE];
/// The columns of the lungs, after all of these: the share of the evidence for pneumonia that lies in them, and the
/// cardiothoracic ratio.
pub const LUNGS: [&str; 2] = ["evidence_in_lungs", "cardiothoracic_ratio"];
/// The beginning of the columns that hold the score of an outcome: `prognosis: admission to intensive care`. Only
/// tables that were asked for outcomes have them.
pub const PROGNOSIS: &str = "prognosis: ";
/// The member of such a JSON row that holds the outcomes with their evidence.
pub const PROGNOSES: &str = "prognoses";

/// The labels that get no number, because the image is unlike those that they were learned from. Only tables of models
/// that hold numbers back have it, as their last column.
pub const WITHHELD: &str = "withheld";

/// The columns of pseudonyms, after all others: those of the patient and of the study, and which key they were made
/// with. Only tables that were asked for them have them.
pub const PSEUDONYMS: [&str; 3] = [PATIENT, "study_uid", PSEUDONYM_KEY];
/// The pseudonym of the patient.
pub const PATIENT: &str = "patient";
/// The name of the key that pseudonyms were made with.
pub const PSEUDONYM_KEY: &str = "pseudonym_key";
/// The column with the name of the study or folder of a row: see `commands::shared::shard::group`.
pub const STUDY: &str = "study";
/// The label of a study that stands out most, of those that are found or not.
pub const HIGHEST: &str = "highest_finding";
/// Films of a study: all, those that were refused, and those that could not be read.
pub const FILM_COUNTS: [&str; 3] = ["films", "films_refused", "films_failed"];
/// The beginning of the columns of a table of studies that name the film which a label's number is of.
pub const FILM_OF: &str = "film: ";

/// Whether a column of this name holds something other than a label's score.
pub fn is_reserved(column: &str) -> bool {
    let all: [&[&str]; 6] = [&BEFORE, &AFTER, &NESTED, &BASIS, &LUNGS, &PSEUDONYMS];
    let is_prognosis = column.starts_with(PROGNOSIS) || column == PROGNOSES;
    let is_study = [STUDY, HIGHEST].contains(&column)
        || FILM_COUNTS.contains(&column)
        || column.starts_with(FILM_OF);
    let is_other = is_prognosis || column == WITHHELD || is_study;
    is_other || all.iter().any(|columns| columns.contains(&column))
}
