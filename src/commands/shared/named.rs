//! A few names of many.

/// How many are named; the others are counted.
const NAMED: usize = 5;

/// The first of these names, and how many more there are.
pub fn named(names: &[&str]) -> String {
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", names[..names.len().min(NAMED)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn five_names_are_given_and_the_others_counted() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(named(&names[..1]), "a");
        assert_eq!(named(&names[..5]), "a, b, c, d, e");
        assert_eq!(named(&names), "a, b, c, d, e and 2 more");
    }
}
