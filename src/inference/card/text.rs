//! Text of a card, cleaned so that it may be shown.

use crate::domain::text::{Printable, clean};

/// A name in one line.
///
/// # Errors
/// If no character of it can be shown.
pub fn name(what: &str, written: &str) -> Result<String, String> {
    let shown = clean(written);
    if shown.is_empty() && !written.is_empty() {
        Err(format!("nothing of {what} {written:?} can be shown"))
    } else {
        Ok(shown)
    }
}

/// Text that keeps the author's lines.
pub fn paragraph(written: &str) -> String {
    Printable::page(written).to_string()
}
