//! Dates and times as DICOM writes them, in a form that sorts by time.

use std::borrow::Cow;

/// The date and time of an image, from a DICOM date and time (PS3.5 6.2: `20200301`, `102030.5`):
/// `2020-03-01T10:20:30.5`, or `2020-03-01` where the time is missing or invalid. Such texts sort by
/// time, as long as no offset is added. `None` without a valid date.
pub fn taken(date: &str, time: Option<&str>) -> Option<String> {
    // Before 1993 dates were written `2020.03.01` and times `10:20:30`.
    let date: String = date.trim().chars().filter(|c| *c != '.').collect();
    let digits = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    let (year, month, day) = digits.then(|| (&date[..4], &date[4..6], &date[6..]))?;
    let last = days_in(number(year)?, number(month)?)?;
    let is_day = (1..=last).contains(&number(day)?);
    let date = is_day.then(|| format!("{year}-{month}-{day}"))?;
    Some(match time.and_then(clock) {
        Some(time) => format!("{date}T{time}"),
        None => date,
    })
}

/// `10:20:30.5`, without the parts that are missing.
fn clock(time: &str) -> Option<String> {
    let time: String = time.trim().chars().filter(|c| *c != ':').collect();
    let (whole, fraction) = time.split_once('.').unwrap_or((&time, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || !matches!(whole.len(), 2 | 4 | 6) {
        return None;
    }
    let parts: Vec<&str> = (0..whole.len())
        .step_by(2)
        .map(|at| &whole[at..at + 2])
        .collect();
    // 60 is a leap second.
    let is_time = parts
        .iter()
        .zip([23, 59, 60])
        .all(|(part, last)| number(part).is_some_and(|part| part <= last));
    let text = parts.join(":");
    match fraction.trim_end_matches('0') {
        "" => is_time.then_some(text),
        fraction => (is_time && whole.len() == 6).then(|| format!("{text}.{fraction}")),
    }
}

/// The length of a month; `None` for a month that does not exist.
fn days_in(year: u32, month: u32) -> Option<u32> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if is_leap { 29 } else { 28 }),
        _ => None,
    }
}

/// A time, and how far its clock is from UTC where that is stated (PS3.5 6.2: `+0900`): `2020-03-01T10:20+0900`. A
/// date without a time stays as it is.
pub fn with_offset(taken: String, offset: Option<&str>) -> String {
    match offset.map(str::trim) {
        Some(offset) if taken.contains(CLOCK) && offset_minutes(offset).is_some() => taken + offset,
        _ => taken,
    }
}

/// `+0900` in minutes. The standard has no `-0000`.
fn offset_minutes(text: &str) -> Option<i64> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let digits = &text[1..];
    let is_number = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = is_number.then(|| digits.split_at(2))?;
    let minutes = i64::from(number(minutes).filter(|minutes| *minutes < 60)?);
    let minutes = sign * (60 * i64::from(number(hours)?) + minutes);
    ((-720..=840).contains(&minutes) && text != "-0000").then_some(minutes)
}

/// Stands between date and time.
const CLOCK: char = 'T';
const MICROSECONDS_OF_MINUTE: i64 = 60_000_000;
const MICROSECONDS_OF_DAY: i64 = 24 * 60 * MICROSECONDS_OF_MINUTE;

/// What a time with an offset stands for, in microseconds since 1970 in UTC: `10:20` is a whole minute.
struct UtcSpan {
    begin: i64,
    end: i64,
    /// Of the clock from UTC.
    offset: i64,
}

impl UtcSpan {
    /// `None` where no offset is stated.
    fn of(taken: &str) -> Option<Self> {
        let (date, time) = taken.split_once(CLOCK)?;
        let (clock, offset) = time.split_at(time.find(['+', '-'])?);
        let offset = offset_minutes(offset)? * MICROSECONDS_OF_MINUTE;
        let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let (mut begin, mut unit) = (0, 60 * 60 * 1_000_000);
        for (at, part) in whole.split(':').enumerate() {
            unit /= if at == 0 { 1 } else { 60 };
            begin += i64::from(number(part)?) * unit;
        }
        for digit in fraction.bytes().take(6) {
            unit /= 10;
            begin += i64::from(digit - b'0') * unit;
        }
        let begin = day(date)? * MICROSECONDS_OF_DAY + begin - offset;
        Some(UtcSpan {
            begin,
            end: begin + unit,
            offset,
        })
    }

    /// The day of its begin, by a clock with this offset.
    fn day(&self, offset: i64) -> i64 {
        (self.begin + offset).div_euclid(MICROSECONDS_OF_DAY)
    }
}

/// A text that sorts by time, also among clocks with different offsets.
pub fn sortable(taken: &str) -> Cow<'_, str> {
    let Some(span) = UtcSpan::of(taken) else {
        return Cow::Borrowed(taken);
    };
    let (year, month, day) = date_of(span.day(0));
    let of_day = span.begin.rem_euclid(MICROSECONDS_OF_DAY);
    let (minutes, rest) = (
        of_day / MICROSECONDS_OF_MINUTE,
        of_day % MICROSECONDS_OF_MINUTE,
    );
    let (hour, minute) = (minutes / 60, minutes % 60);
    let (second, fraction) = (rest / 1_000_000, rest % 1_000_000);
    Cow::Owned(format!(
        "{year:04}-{month:02}-{day:02}{CLOCK}{hour:02}:{minute:02}:{second:02}.{fraction:06}"
    ))
}

fn number(digits: &str) -> Option<u32> {
    digits.parse().ok()
}

/// Begins a day that is counted from a start of its own.
const COUNTED: &str = "day ";
/// Added to such a day, so that days before the start sort first.
const COUNT_START: i64 = 5_000_000;

/// A day that a collection counts from a start of its own, such as the first symptom, in a form that sorts
/// by time. It cannot be compared with a date. `None` for a number that is no plausible count of days.
pub fn counted_day(day: i64) -> Option<String> {
    let is_plausible = (1 - COUNT_START..COUNT_START).contains(&day);
    is_plausible.then(|| format!("{COUNTED}{:07}", day + COUNT_START))
}

/// The day of a time, for people: `2020-03-01`, or `day 12` for one of [`counted_day`].
pub fn shown_day(taken: &str) -> Option<String> {
    match count(taken) {
        Some(day) => Some(format!("{COUNTED}{day}")),
        None => date_part(taken).map(str::to_owned),
    }
}

fn date_part(taken: &str) -> Option<&str> {
    taken.get(.."2020-03-01".len())
}

/// The number of a [`counted_day`].
fn count(taken: &str) -> Option<i64> {
    let day: i64 = taken.strip_prefix(COUNTED)?.parse().ok()?;
    Some(day - COUNT_START)
}

/// Whether the first time is known to be before the second. It is not known for two images of the same
/// day where one has no time, or only one states its offset from UTC, nor for a date and a counted day.
pub fn is_before(a: &str, b: &str) -> bool {
    if a.starts_with(COUNTED) != b.starts_with(COUNTED) {
        return false;
    }
    match (UtcSpan::of(a), UtcSpan::of(b)) {
        (Some(a), Some(b)) => a.end <= b.begin,
        (None, None) => a < b && !b.starts_with(a),
        _ => date_part(a) < date_part(b),
    }
}

/// Whole days from `a` to `b`, by the clock of `b`; `None` where one of them is not a date, or only one is a counted day.
pub fn days_between(a: &str, b: &str) -> Option<i64> {
    match (count(a), count(b)) {
        (Some(a), Some(b)) => Some(b - a),
        (None, None) => match (UtcSpan::of(a), UtcSpan::of(b)) {
            (Some(a), Some(b)) => Some(b.day(b.offset) - a.day(b.offset)),
            _ => Some(day(b)? - day(a)?),
        },
        _ => None,
    }
}

/// The age at a time, as DICOM writes it (PS3.5 6.2): in years, of small children in months, and in the first month in
/// days. `None` where one of them is not a date, or nobody is of that age.
pub fn age(born: &str, taken: &str) -> Option<String> {
    const OLDEST: i64 = 130;
    let days = days_between(born, taken).filter(|days| *days >= 0)?;
    let ([born_year, born_month, born_day], [year, month, day]) = (parts(born)?, parts(taken)?);
    let unfinished = i64::from(day < born_day);
    let months = (year - born_year) * 12 + month - born_month - unfinished;
    match months {
        0 => Some(format!("{days:03}D")),
        1..24 => Some(format!("{months:03}M")),
        _ => {
            let years = months / 12;
            (years <= OLDEST).then(|| format!("{years:03}Y"))
        }
    }
}

/// Year, month and day.
fn parts(taken: &str) -> Option<[i64; 3]> {
    let part = |range| {
        taken
            .get::<std::ops::Range<usize>>(range)?
            .parse::<i64>()
            .ok()
    };
    Some([part(0..4)?, part(5..7)?, part(8..10)?])
}

/// Days since 1970-01-01, Gregorian.
fn day(taken: &str) -> Option<i64> {
    let [year, month, day] = parts(taken)?;
    // With years that begin in March, the leap day is the last day of a year.
    let (year, month) = match month {
        3.. => (year, month - 3),
        _ => (year - 1, month + 9),
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// The year, month and day of a number of days since 1970-01-01: [`day`] the other way.
fn date_of(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (later, month) = match month {
        10.. => (1, month - 9),
        _ => (0, month + 3),
    };
    (era * 400 + year + later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_as_dicom_writes_them() {
        for (date, time, expected) in [
            (
                "20200301",
                Some("102030.500000"),
                Some("2020-03-01T10:20:30.5"),
            ),
            ("20200301", Some("102030"), Some("2020-03-01T10:20:30")),
            ("20200301", Some("1020 "), Some("2020-03-01T10:20")),
            ("2020.03.01", Some("10:20:30"), Some("2020-03-01T10:20:30")),
            ("20200301", Some("996000"), Some("2020-03-01")),
            ("20200301", Some("noon"), Some("2020-03-01")),
            ("20200301", Some(""), Some("2020-03-01")),
            ("20200301", None, Some("2020-03-01")),
            ("20201301", None, None),
            ("20200229", None, Some("2020-02-29")),
            ("20000229", None, Some("2000-02-29")),
            ("20240230", None, None),
            ("20210229", None, None),
            ("19000229", None, None),
            ("20200431", Some("10"), None),
            ("20200300", None, None),
            ("2020é301", None, None),
            ("2020", Some("10"), None),
            ("", None, None),
        ] {
            assert_eq!(taken(date, time).as_deref(), expected, "{date} {time:?}");
        }
    }

    #[test]
    fn before_means_known_to_be_before() {
        assert!(is_before("2020-03-01", "2020-03-02T10:00:00"));
        assert!(is_before("2020-03-01T09:59:59", "2020-03-01T10:00"));
        assert!(!is_before("2020-03-01", "2020-03-01T10:00:00"));
        assert!(!is_before("2020-03-01T10:00:00", "2020-03-01T10:00:00"));
        assert!(!is_before("2020-03-02", "2020-03-01"));
    }

    #[test]
    fn an_offset_is_kept_with_a_time_and_with_nothing_else() {
        let with = |taken: &str, offset| with_offset(taken.to_owned(), offset);
        assert_eq!(with("2020-03-01T10", Some("-0330 ")), "2020-03-01T10-0330");
        for offset in [
            None,
            Some(""),
            Some("0900"),
            Some("+9"),
            Some("-0000"),
            Some("+1500"),
        ] {
            assert_eq!(
                with("2020-03-01T10:20", offset),
                "2020-03-01T10:20",
                "{offset:?}"
            );
        }
        assert_eq!(with("2020-03-01", Some("+0900")), "2020-03-01");
        assert_eq!(
            shown_day("2020-03-01T10:20+0900").as_deref(),
            Some("2020-03-01")
        );
    }

    /// The instants were computed with Python's `datetime.astimezone`.
    #[test]
    fn times_with_offsets_are_compared_in_utc_and_with_others_by_their_days() {
        let tokyo = "2024-01-01T23:30:00+0900";
        let london = "2024-01-01T16:00:00+0000";
        assert!(is_before(tokyo, london) && !is_before(london, tokyo));
        assert!(sortable(tokyo) < sortable(london));
        assert_eq!(sortable(tokyo), "2024-01-01T14:30:00.000000");
        assert_eq!(
            sortable("2024-03-01T05:30:10.25+0900"),
            "2024-02-29T20:30:10.250000"
        );
        assert_eq!(sortable("2019-12-31T22-0330"), "2020-01-01T01:30:00.000000");
        assert_eq!(sortable("2020-03-01T10:20"), "2020-03-01T10:20");
        // The same minute, the same instant.
        assert!(!is_before(
            "2024-01-01T10:00+0000",
            "2024-01-01T19:00:30+0900"
        ));
        assert!(is_before("2024-01-01T10:00+0000", "2024-01-01T19:01+0900"));
        assert!(!is_before(
            "2024-01-01T10:00:00.5+0000",
            "2024-01-01T19:00:00.5+0900"
        ));
        // Where only one side says what its clock shows, a day is not divided.
        assert!(!is_before("2024-01-01T01:00", london) && !is_before(london, "2024-01-01T23:00"));
        assert!(is_before("2024-01-01", "2024-01-02T00:10+0000"));
        // By the clock of the second one.
        assert_eq!(
            days_between("2024-01-02T01:00+0900", "2024-01-01T20:00+0000"),
            Some(0)
        );
        assert_eq!(days_between(tokyo, "2024-01-03T00:00+0900"), Some(2));
        assert_eq!(days_between(tokyo, "2024-01-03T00:00"), Some(2));
    }

    #[test]
    fn counted_days_sort_by_time_and_are_compared_with_each_other_only() {
        let counted = |day| counted_day(day).unwrap();
        let mut days: Vec<String> = [12, -3, 0, 100, -12].map(counted).into();
        days.sort_unstable();
        let shown: Vec<_> = days.iter().filter_map(|day| shown_day(day)).collect();
        assert_eq!(shown, ["day -12", "day -3", "day 0", "day 12", "day 100"]);
        assert_eq!(days_between(&counted(-3), &counted(12)), Some(15));
        assert!(is_before(&counted(-3), &counted(0)));
        assert!(!is_before(&counted(3), &counted(3)));
        assert_eq!(days_between("2020-03-01", &counted(1)), None);
        assert!(!is_before("2020-03-01", &counted(1)));
        assert_eq!(counted_day(5_000_000), None);
        assert_eq!(shown_day("2020-03-01T10:20").as_deref(), Some("2020-03-01"));
    }

    #[test]
    fn an_age_is_counted_to_the_last_birthday() {
        for (born, taken, expected) in [
            ("2021-01-01", "2024-03-02T10:20", Some("003Y")),
            ("1950-03-02", "2024-03-02", Some("074Y")),
            ("1950-03-03", "2024-03-02", Some("073Y")),
            ("2022-03-03", "2024-03-02", Some("023M")),
            ("2024-01-31", "2024-02-29", Some("029D")),
            ("2024-03-02", "2024-03-02", Some("000D")),
            ("2024-03-03", "2024-03-02", None),
            ("1880-01-01", "2024-03-02", None),
            ("", "2024-03-02", None),
            ("1950-03-02", "day 0000012", None),
        ] {
            assert_eq!(age(born, taken).as_deref(), expected, "{born} {taken}");
        }
    }

    /// Python: (date(2020, 3, 1) - date(1999, 12, 31)).days, and so on.
    #[test]
    fn days_are_counted_over_leap_years() {
        for (a, b, days) in [
            ("1999-12-31", "2020-03-01", 7_366),
            ("2020-02-28", "2020-03-01T23:59", 2),
            ("1900-02-28", "1900-03-01", 1),
            ("2000-02-28", "2000-03-01", 2),
            ("2020-03-01T01", "2020-03-01T23", 0),
            ("2020-03-02", "2020-03-01", -1),
        ] {
            assert_eq!(days_between(a, b), Some(days), "{a} {b}");
        }
        assert_eq!(days_between("", "2020-03-01"), None);
    }
}
