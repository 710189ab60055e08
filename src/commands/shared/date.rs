//! The day that goes on a card or a page, in the form `2026-01-31`.

use anyhow::Result;
use time::{Date, Month, OffsetDateTime};

use super::Usage;

/// Today's date in UTC.
pub fn today() -> String {
    OffsetDateTime::now_utc().date().to_string()
}

/// A time in UTC, to the minute: `2026-01-31 12:00 UTC`.
pub fn minute_of(milliseconds: i64) -> String {
    let seconds = milliseconds.div_euclid(1_000);
    let Ok(at) = OffsetDateTime::from_unix_timestamp(seconds) else {
        return "an unknown time".to_owned();
    };
    let (hour, minute, _) = at.to_hms();
    format!("{} {hour:02}:{minute:02} UTC", at.date())
}

/// Date and time in UTC as DICOM writes them: `20260131` and `120000` (PS3.5 6.2).
pub fn now_in_dicom() -> (String, String) {
    let now = OffsetDateTime::now_utc();
    let (hour, minute, second) = now.to_hms();
    let date = now.date().to_string().replace('-', "");
    (date, format!("{hour:02}{minute:02}{second:02}"))
}

/// The day that `--date` names, or else today.
///
/// # Errors
/// [`Usage`], if there is no such day.
pub fn asked_or_today(asked: Option<&str>) -> Result<String> {
    match asked {
        Some(text) if is_day(text) => Ok(text.to_owned()),
        Some(text) => Err(Usage::error(format!(
            "--date {text}: write year, month and day, as in 2026-01-31"
        ))),
        None => Ok(today()),
    }
}

/// Whether a text is a day of the calendar, spelled as [`Date`] spells it.
fn is_day(text: &str) -> bool {
    let date = || {
        let (year, rest) = text.split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
        Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
    };
    date().is_some_and(|date| date.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_is_a_day() {
        assert!(is_day(&today()), "{}", today());
        assert_eq!(asked_or_today(None).unwrap().len(), "2026-01-31".len());
        let (date, time) = now_in_dicom();
        assert_eq!((date.len(), time.len()), (8, 6));
        assert_eq!(minute_of(1_769_860_799_999), "2026-01-31 11:59 UTC");
        assert_eq!(minute_of(i64::MAX), "an unknown time");
    }

    #[test]
    fn a_day_that_is_none_is_refused() {
        for good in ["2026-01-31", "2024-02-29", "2000-02-29"] {
            assert_eq!(asked_or_today(Some(good)).unwrap(), good);
        }
        for bad in [
            "",
            "31.1.2026",
            "2026-1-31",
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "+026-01-01",
            "+2026-01-01",
            "2026-04-31",
        ] {
            assert!(asked_or_today(Some(bad)).is_err(), "{bad}");
        }
    }
}
