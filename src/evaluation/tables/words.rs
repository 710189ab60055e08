//! Numbers and texts in the columns of a table.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{UNDEFINED, VALUE};
use crate::evaluation::report::{Estimate, Interval, IntervalMethod, Statistic};

/// A value with its interval in at most 20 columns.
pub fn cell(figure: &Estimate) -> String {
    let Some(value) = figure.value else {
        return UNDEFINED.to_owned();
    };
    match figure.statistic {
        // These may be negative, which a dash would hide.
        Statistic::CalibrationIntercept
        | Statistic::CalibrationSlope
        | Statistic::Pearson
        | Statistic::IntraclassCorrelation
        | Statistic::MeanDifference
        | Statistic::LowerLimitOfAgreement
        | Statistic::UpperLimitOfAgreement
        | Statistic::MeanAbsoluteError => with_interval(value, figure.interval, 2, " to "),
        _ => share_with_interval(value, figure.interval, 3),
    }
}

/// `1 image`, `2 images`.
pub fn counted(n: usize, one: &str) -> String {
    let end = if n == 1 { "" } else { "s" };
    format!("{n} {one}{end}")
}

/// How many images the figures of a row are of: `12`, or `5 to 12` where they are of unlike numbers. Figures of none do not
/// count; `None` where there are no others.
pub fn image_counts(of: impl IntoIterator<Item = usize>) -> Option<String> {
    let counts = of.into_iter().filter(|count| *count > 0);
    let (least, most) = counts.fold((usize::MAX, 0), |(least, most), count| {
        (least.min(count), most.max(count))
    });
    match most {
        0 => None,
        _ if least == most => Some(most.to_string()),
        _ => Some(format!("{least} to {most}")),
    }
}

/// A share from 0 to 1. One that would be rounded to 0 or 1 and is neither becomes `< 0.001` or
/// `> 0.999`.
pub(super) fn share(value: f64, decimals: usize) -> String {
    // A sum in double precision is off by no more than this.
    const NOTHING: f64 = 1e-12;
    let step = 10_f64.powi(-i32::try_from(decimals).unwrap_or(3));
    let words = fixed(value, decimals);
    if words == fixed(1.0, decimals) && value < 1.0 - NOTHING {
        format!("> {}", fixed(1.0 - step, decimals))
    } else if words == fixed(0.0, decimals) && value > NOTHING {
        format!("< {}", fixed(step, decimals))
    } else {
        words
    }
}

/// A share and its interval, if it has one. Written closer where it would not fit into a column.
pub fn share_with_interval(value: f64, interval: Option<Interval>, decimals: usize) -> String {
    let text = joined(value, interval, "–", |value| share(value, decimals));
    match text.width() < VALUE {
        true => text,
        false => text.replace("> ", ">").replace("< ", "<"),
    }
}

/// A value and its interval, if it has one.
pub fn with_interval(value: f64, interval: Option<Interval>, decimals: usize, to: &str) -> String {
    let bounds = interval.map_or([value; 2], |interval| [interval.low, interval.high]);
    let largest = bounds
        .iter()
        .fold(value.abs(), |most, bound| most.max(bound.abs()));
    // A large value needs fewer digits, and has no room for more.
    let decimals = match largest {
        large if large >= 100.0 => 0,
        large if large >= 10.0 => 1,
        _ => decimals,
    };
    joined(value, interval, to, |value| fixed(value, decimals))
}

/// A zero has no sign.
fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if is_zero { text.replace('-', "") } else { text }
}

fn joined(
    value: f64,
    interval: Option<Interval>,
    to: &str,
    words: impl Fn(f64) -> String,
) -> String {
    let interval = interval.map_or(String::new(), |interval| {
        let mark = match interval.method {
            IntervalMethod::Bootstrap => "",
            IntervalMethod::Wilson => "w",
        };
        format!(
            " ({}{to}{}){mark}",
            words(interval.low),
            words(interval.high)
        )
    });
    words(value) + &interval
}

/// A number is never cut, even where it makes the table uneven.
pub(super) fn unbroken(text: &str, width: usize) -> String {
    text.to_owned() + &" ".repeat(width.saturating_sub(text.width()).max(1))
}

/// Exactly `width` columns: cut with a sign, or filled with spaces; at least one of them at the end.
pub(super) fn padded(text: &str, width: usize) -> String {
    if text.width() < width {
        return text.to_owned() + &" ".repeat(width - text.width());
    }
    let mut cut = String::new();
    for c in text.chars() {
        if cut.width() + c.width().unwrap_or(0) > width - 2 {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    let rest = width - cut.width();
    cut + &" ".repeat(rest)
}

pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
