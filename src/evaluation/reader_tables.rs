//! Comparisons of readers as a table for a terminal of a hundred columns.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::readers::{CallSource, ReaderComparison, ReaderFigure, ReaderStatistic};
use super::tables::{counted, image_counts, share_with_interval, with_interval};

const NAME: usize = 25;
const VALUE: usize = 23;
const UNDEFINED: &str = "n/a";

/// The table of one reader and one label, lines ended by a line feed. A statistic of no image is left out.
pub fn terminal(found: &ReaderComparison) -> String {
    let mut text = format!(
        "{} · {}: {} of {}, {} with an answer, {} with known reference ({} positive), \
         {} called otherwise aided\n",
        found.reviewer,
        found.label,
        counted(found.images, "image"),
        counted(found.patients, "patient"),
        found.with_model,
        found.with_truth,
        found.positives,
        found.changed,
    );
    let mut rows = vec![("".to_owned(), CallSource::ALL.map(|s| s.name().to_owned()))];
    for statistic in ReaderStatistic::ALL {
        let of = |subject| {
            let mut all = found.figures.iter();
            all.find(|f| f.statistic == statistic && f.subject == subject)
        };
        let figures = CallSource::ALL.map(of);
        let n = figures.iter().flatten().map(|figure| figure.n);
        if let Some(n) = image_counts(n) {
            let name = format!("{} ({n})", statistic.name());
            rows.push((name, figures.map(cell)));
        }
    }
    for (name, cells) in rows {
        let mut line = padded(&name, NAME + 6);
        cells.iter().for_each(|cell| line += &padded(cell, VALUE));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}", line.trim_end());
    }
    text
}

fn cell(figure: Option<&ReaderFigure>) -> String {
    let Some(figure) = figure else {
        return String::new();
    };
    let Some(value) = figure.value else {
        return UNDEFINED.to_owned();
    };
    let may_be_negative = figure.subject == CallSource::Difference
        || matches!(
            figure.statistic,
            ReaderStatistic::KappaWithModel | ReaderStatistic::KappaWithTruth
        );
    match may_be_negative {
        true => with_interval(value, figure.interval, 2, " to "),
        false => share_with_interval(value, figure.interval, 2),
    }
}

fn padded(text: &str, width: usize) -> String {
    let spaces = width.saturating_sub(text.width()).max(1);
    format!("{text}{}", " ".repeat(spaces))
}

#[cfg(test)]
mod tests {
    use super::super::readers::{ReaderCall, compare};
    use super::*;

    /// A row of figures of unlike numbers of images says so: the number of the largest is not that of the others.
    #[test]
    fn figures_of_fewer_images_do_not_hide_behind_those_of_more() {
        let read = |n: usize| ReaderCall {
            patient: n.to_string(),
            unaided: (n < 5).then_some(n.is_multiple_of(2)),
            aided: Some(n.is_multiple_of(3)),
            ratings: [None; 2],
            model: None,
            truth: Some(n < 12),
        };
        let reads: Vec<ReaderCall> = (0..20).map(read).collect();
        let text = terminal(&compare("ada", "Pneumonia", &reads));
        assert!(text.contains("  sensitivity (5 to 12) "), "{text}");
        // Nothing was read unaided there.
        assert!(text.contains("  specificity (8) "), "{text}");
    }

    #[test]
    fn one_is_no_plural() {
        let found = ReaderComparison {
            reviewer: "ada".to_owned(),
            label: "Pneumonia".to_owned(),
            images: 1,
            patients: 1,
            with_model: 1,
            with_truth: 0,
            positives: 0,
            unaided_calls: 0,
            aided_calls: 0,
            changed: 0,
            figures: Vec::new(),
        };
        let text = terminal(&found);
        assert!(text.contains(": 1 image of 1 patient, 1 with"), "{text}");
    }
}
