//! The natural order of file names: `img2` comes before `img10`.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Orders file names as people do: runs of digits by their value, all else by its bytes. A total order.
pub fn natural_order(a: &OsStr, b: &OsStr) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let (Some(&l), Some(&r)) = (left.first(), right.first()) {
        let order = if l.is_ascii_digit() && r.is_ascii_digit() {
            compare_numbers(take_digits(&mut left), take_digits(&mut right))
        } else {
            (left, right) = (&left[1..], &right[1..]);
            l.cmp(&r)
        };
        if order.is_ne() {
            return order;
        }
    }
    // `img01` and `img1` have the same value, but a total order must not treat them as equal.
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Splits off the leading run of digits and returns it without its leading zeros.
fn take_digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|c| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|&&c| c == b'0').count();
    &digits[zeros..]
}

/// Compares decimal numbers without leading zeros: the longer one is the greater.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_natural_order() {
        let mut names = [
            "img10", "img9", "img01", "img1", "a", "img", "b2c10", "b2c9", "007", "10",
        ];
        names.sort_by(|a, b| natural_order(a.as_ref(), b.as_ref()));
        assert_eq!(
            names,
            [
                "007", "10", "a", "b2c9", "b2c10", "img", "img01", "img1", "img9", "img10"
            ]
        );
    }

    #[test]
    fn numbers_too_long_for_any_integer_are_ordered() {
        let (a, b) = ("1".repeat(50), "2".repeat(50));
        assert_eq!(natural_order(a.as_ref(), b.as_ref()), Ordering::Less);
        assert_eq!(natural_order(b.as_ref(), "3".as_ref()), Ordering::Greater);
    }

    proptest::proptest! {
        #[test]
        fn natural_order_is_total(mut names: Vec<String>) {
            // Sorting panics if the order is not total.
            names.sort_by(|a, b| natural_order(a.as_ref(), b.as_ref()));
            for pair in names.windows(2) {
                let same = natural_order(pair[0].as_ref(), pair[1].as_ref()).is_eq();
                proptest::prop_assert_eq!(same, pair[0] == pair[1]);
            }
        }

        #[test]
        fn natural_order_is_total_on_digits_and_zeros(mut names in
            proptest::collection::vec("[a0-2]{0,6}", 0..40)) {
            names.sort_by(|a, b| natural_order(a.as_ref(), b.as_ref()));
            for pair in names.windows(2) {
                let same = natural_order(pair[0].as_ref(), pair[1].as_ref()).is_eq();
                proptest::prop_assert_eq!(same, pair[0] == pair[1]);
            }
        }
    }
}
