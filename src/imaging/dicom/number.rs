//! Numbers as files write them: decimal and integer strings (PS3.5 6.2, DS and IS) as the standard
//! defines them, and as devices with another locale, a C buffer or a wrong value representation write
//! them.

use dicom_core::value::PrimitiveValue;

use super::super::clean_text;

/// One component of a value that should hold numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Component {
    Empty,
    /// Finite.
    Number(f64),
    /// Something else, as it is written.
    Unread(String),
}

/// The meaning of a comma before three digits, as in `1,500`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comma {
    Decimal,
    /// It may separate thousands as well, and no number is better than a wrong one.
    Unclear,
}

/// The components of a value of any representation.
pub(super) fn components(value: &PrimitiveValue, comma: Comma) -> Vec<Component> {
    let of_text = |text: &str| Component::of_text(text, comma);
    match value {
        PrimitiveValue::Empty => Vec::new(),
        PrimitiveValue::Str(text) => text.split('\\').map(of_text).collect(),
        PrimitiveValue::Strs(texts) => texts.iter().map(|text| of_text(text)).collect(),
        // Dates and times are texts.
        _ => match value.to_multi_float64() {
            Ok(numbers) => numbers.into_iter().map(Component::of).collect(),
            Err(_) => vec![Component::Unread(value.to_str().into_owned())],
        },
    }
}

/// The minus sign of Unicode. The standard's is a hyphen.
const MINUS_SIGN: char = '\u{2212}';

/// Whether a text that cannot be read may be a negative number: it has a hyphen, or before its digits
/// a character that may be a dash or the bytes of one in another character set.
pub(super) fn may_be_negative(unread: &str) -> bool {
    let digits = unread.find(|c: char| c.is_ascii_digit());
    unread.contains('-') || digits.is_some_and(|at| !unread[..at].is_ascii())
}

/// The longest text that is quoted: a decimal string has no more.
const LONGEST_QUOTE: usize = 16;
/// A text with more letters is words, and those could be a patient's name.
const MOST_LETTERS: usize = 3;

impl Component {
    fn of(number: f64) -> Component {
        if number.is_finite() {
            Component::Number(number)
        } else {
            Component::Unread(number.to_string())
        }
    }

    /// Reads a text up to its first NUL: what follows is the rest of a C buffer.
    fn of_text(text: &str, comma: Comma) -> Component {
        let text = text.split('\0').next().unwrap_or_default().trim();
        let text = text.replace(MINUS_SIGN, "-");
        match decimal(&text, comma) {
            _ if text.is_empty() => Component::Empty,
            Some(number) if number.is_finite() => Component::Number(number),
            _ => Component::Unread(text),
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Component::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A whole number of at most 32 bits, with or without a sign.
    pub fn whole(&self) -> Option<i64> {
        let range = f64::from(i32::MIN)..=f64::from(u32::MAX);
        let number = self.number()?;
        (range.contains(&number) && number.fract() == 0.0).then_some(number as i64)
    }

    /// The component for a message, in one line. `None` if it has words: in a file whose elements are
    /// displaced they may be the patient's name.
    pub fn quoted(&self) -> Option<String> {
        let text = match self {
            Component::Empty => return None,
            Component::Number(number) => number.to_string(),
            Component::Unread(text) => clean_text(text),
        };
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let is_short = text.chars().count() <= LONGEST_QUOTE;
        (letters <= MOST_LETTERS && is_short && !text.is_empty()).then_some(text)
    }
}

/// A number with a point, or with a comma that has only one meaning.
fn decimal(text: &str, comma: Comma) -> Option<f64> {
    if !text.contains(',') {
        return plain(text);
    }
    match text.rsplit_once(['.', ',']) {
        // 1,234.5 and 1.234,5: the mark that comes last is the decimal one.
        Some((whole, fraction)) if text.contains('.') => {
            let last = text[whole.len()..].chars().next()?;
            let other = if last == ',' { '.' } else { ',' };
            plain(&format!("{}.{fraction}", without_groups(whole, other)?))
        }
        Some((whole, _)) if whole.contains(',') => plain(&without_groups(text, ',')?),
        Some((whole, fraction)) if comma == Comma::Decimal || !is_group(whole, fraction) => {
            plain(&format!("{whole}.{fraction}"))
        }
        _ => None,
    }
}

/// Rust reads `inf` and `nan` too. The caller refuses what is not finite.
fn plain(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Whether a comma between these two may separate thousands.
fn is_group(whole: &str, fraction: &str) -> bool {
    let digits = whole.trim_start_matches(['-', '+']);
    (1..=3).contains(&digits.len()) && !digits.starts_with('0') && are_three_digits(fraction)
}

fn are_three_digits(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The digits of a whole number that is written in groups of three; `None` if the groups are others.
fn without_groups(text: &str, mark: char) -> Option<String> {
    let mut groups = text.split(mark);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let digits = first.trim_start_matches(['-', '+']).len();
    let are_groups = (1..=3).contains(&digits) && rest.iter().all(|group| are_three_digits(group));
    are_groups.then(|| format!("{first}{}", rest.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<f64> {
        Component::of_text(text, Comma::Unclear).number()
    }

    #[test]
    fn numbers_of_all_spellings_are_read() {
        for (text, number) in [
            ("512.0", 512.0),
            (" -1.5 ", -1.5),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1.2E-01", 0.12),
            ("1500\0", 1500.0),
            ("1500\0rubbish", 1500.0),
            ("-1,0", -1.0),
            ("1500,5", 1500.5),
            ("0,139", 0.139),
            ("-0,125", -0.125),
            ("1500,125", 1500.125),
            ("1,5e3", 1500.0),
            ("1.234,5", 1234.5),
            ("1,234.5", 1234.5),
            ("1,234,567", 1_234_567.0),
            ("\u{2212}1", -1.0),
            ("1e\u{2212}3", 0.001),
        ] {
            assert_eq!(read(text), Some(number), "{text:?}");
        }
        let slope = Component::of_text("-1,000", Comma::Decimal);
        assert_eq!(slope.number(), Some(-1.0));
    }

    #[test]
    fn ambiguous_and_other_texts_are_not_numbers() {
        for text in [
            "1,500",
            "-1,024",
            "abc",
            "1500HU",
            "1 500",
            "nan",
            "inf",
            "1e400",
            "1,2,3",
            "1.2.3",
            "1,23.4",
            ",",
            ".",
            "-",
            "0x10",
            "1;5",
            "12,345.6,7",
            "1,5 mm",
        ] {
            let read = Component::of_text(text, Comma::Unclear);
            assert_eq!(read, Component::Unread(text.to_owned()));
        }
        for empty in ["", "  ", "\0\0", "\0x"] {
            assert_eq!(
                Component::of_text(empty, Comma::Unclear),
                Component::Empty,
                "{empty:?}"
            );
        }
    }

    #[test]
    fn a_whole_number_may_have_a_fraction_of_zero() {
        for (text, whole) in [
            ("512", Some(512)),
            ("512.0", Some(512)),
            ("-3,0", Some(-3)),
            ("4294967295", Some(u32::MAX.into())),
            ("4294967296", None),
            ("512.5", None),
            ("1e99", None),
        ] {
            assert_eq!(
                Component::of_text(text, Comma::Unclear).whole(),
                whole,
                "{text}"
            );
        }
    }

    #[test]
    fn any_kind_of_dash_may_be_a_minus_sign() {
        for text in [
            "-1;0",
            "1-",
            "\u{2013}1",
            "\u{ff0d}1,0",
            "\u{96}1",
            "â\u{88}\u{92}1",
        ] {
            assert!(may_be_negative(text), "{text:?}");
        }
        for text in ["abc", "nan", "1;0", "1 µm", "1٫5", "Müller", ""] {
            assert!(!may_be_negative(text), "{text:?}");
        }
    }

    #[test]
    fn values_of_any_representation_have_components() {
        use dicom_core::dicom_value;
        let read = |value: &PrimitiveValue| components(value, Comma::Unclear);
        let number = Component::Number;
        assert_eq!(read(&dicom_value!(U16, [7, 9])), [number(7.0), number(9.0)]);
        assert_eq!(
            read(&dicom_value!(F64, [0.5, f64::NAN])),
            [number(0.5), Component::Unread("NaN".into())]
        );
        assert_eq!(
            read(&dicom_value!(Strs, ["1", "", "x"])),
            [number(1.0), Component::Empty, Component::Unread("x".into())]
        );
        assert_eq!(
            read(&PrimitiveValue::from("1\\2")),
            [number(1.0), number(2.0)]
        );
        assert_eq!(read(&PrimitiveValue::Empty), []);
    }

    #[test]
    fn long_texts_and_words_are_not_quoted() {
        let quoted = |text: &str| Component::Unread(text.to_owned()).quoted();
        let cleaned = quoted("-1;0\u{1b}[2J").expect("short");
        assert!(!cleaned.contains(char::is_control), "{cleaned:?}");
        assert_eq!(quoted("abc").as_deref(), Some("abc"));
        assert_eq!(quoted("1500HU").as_deref(), Some("1500HU"));
        for words in ["Doe^Jane", "12345678901234567", ""] {
            assert_eq!(quoted(words), None, "{words:?}");
        }
    }
}
