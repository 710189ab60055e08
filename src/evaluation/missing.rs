//! Missing values, as programs write them.

/// Words of pandas, R, SAS, spreadsheets and databases for a missing value.
const MISSING: [&str; 12] = [
    "", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "nat", "null", "\\n", "none", ".",
];

/// Whether a cell says that its value is missing.
pub fn is_missing(cell: &str) -> bool {
    let cell = cell.trim();
    MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::is_missing;

    #[test]
    fn words_of_common_programs_are_missing_and_values_are_not() {
        for cell in [
            "", "  ", "NA", "NaN", "nan", "NULL", "null", "None", "<NA>", "#N/A", "NaT",
        ] {
            assert!(is_missing(cell), "{cell}");
        }
        for cell in ["0", "0.5", "no", "nature", "-1", "inf"] {
            assert!(!is_missing(cell), "{cell}");
        }
    }
}
