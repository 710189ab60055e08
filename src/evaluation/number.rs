//! Numbers, as spreadsheets write them.

use std::str::FromStr;

/// The number in a cell. The decimal sign may be a comma, if the cell has only one and no point.
pub fn number<T: FromStr>(cell: &str) -> Option<T> {
    let cell = cell.trim();
    let number = match (cell.matches(',').count(), cell.contains('.')) {
        (1, false) => cell.replace(',', ".").parse(),
        _ => cell.parse(),
    };
    number.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decimal_sign_may_be_a_comma() {
        for (cell, expected) in [
            ("2.7", Some(2.7)),
            (" 2,7 ", Some(2.7)),
            ("3", Some(3.0)),
            ("1.234,5", None),
            ("1,234,5", None),
            ("2,7x", None),
            ("", None),
        ] {
            assert_eq!(number::<f64>(cell), expected, "{cell}");
        }
    }
}
