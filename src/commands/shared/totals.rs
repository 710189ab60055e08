//! What a reader said about many images, in words.

use std::time::Duration;

use crate::domain::ReviewTotals;
use crate::domain::text::clean;
use crate::tui::SittingSummary;

/// Cells for the words before the numbers.
const NAMES: usize = 15;

/// What the reader did in a sitting. Nothing of a patient is in it.
pub fn of_sitting(summary: &SittingSummary) -> String {
    let totals = &summary.totals;
    let mut page = format!(
        "This sitting: {} seen, {} reviewed\n",
        images(summary.seen),
        totals.reviewed
    );
    page += &lines(totals, summary.is_blinded);
    page + &time_line(summary.median_time)
}

/// A line for each thing that was said about images. `is_blinded` leaves out what is about the model's answers.
pub fn lines(totals: &ReviewTotals, is_blinded: bool) -> String {
    let mut page = String::new();
    let mut line = |name: &str, words: String| page += &format!("  {name:NAMES$}{words}\n");
    if is_blinded || totals.called > 0 {
        line("read blinded", totals.called.to_string());
    }
    let ReviewTotals {
        agree,
        disagree,
        unsure,
        ..
    } = totals;
    if !is_blinded && agree + disagree + unsure > 0 {
        line(
            "verdicts",
            format!("{agree} agree · {disagree} disagree · {unsure} unsure"),
        );
    }
    if !is_blinded && *disagree > 0 {
        line("disagreements", disagreements(totals));
    }
    for (name, images) in [
        ("key images", totals.key_images),
        ("notes", totals.notes),
        ("marked", totals.marked),
    ] {
        if images > 0 {
            line(name, images.to_string());
        }
    }
    page
}

/// `COVID-19 2 · in general 1`, the most frequent first.
fn disagreements(totals: &ReviewTotals) -> String {
    let mut all: Vec<_> = totals.disagreements.iter().collect();
    all.sort_by_key(|(_, images)| std::cmp::Reverse(**images));
    let words = all.into_iter().map(|(label, images)| {
        let label = label.as_deref().map_or("in general".to_owned(), clean);
        format!("{label} {images}")
    });
    words.collect::<Vec<_>>().join(" · ")
}

/// The median time of an image; nothing where no time is known.
pub fn time_line(median: Option<Duration>) -> String {
    median.map_or_else(String::new, |time| {
        let name = "time an image";
        format!("  {name:NAMES$}{} (median)\n", time_words(time))
    })
}

/// `9.4 s`, `2 min 5 s`
fn time_words(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// `1 image`, `3 images`
pub fn images(n: usize) -> String {
    format!("{n} image{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> SittingSummary {
        SittingSummary {
            seen: 12,
            totals: ReviewTotals {
                reviewed: 9,
                agree: 5,
                disagree: 3,
                disagreements: [(None, 1), (Some("COVID\u{1b}[2J-19".to_owned()), 2)].into(),
                unsure: 1,
                notes: 2,
                marked: 3,
                ..ReviewTotals::default()
            },
            is_blinded: false,
            median_time: Some(Duration::from_millis(9_420)),
        }
    }

    #[test]
    fn a_sitting_in_a_few_lines() {
        let expected = "\
This sitting: 12 images seen, 9 reviewed
  verdicts       5 agree · 3 disagree · 1 unsure
  disagreements  COVID [2J-19 2 · in general 1
  notes          2
  marked         3
  time an image  9.4 s (median)
";
        assert_eq!(of_sitting(&summary()), expected);
    }

    #[test]
    fn a_blinded_sitting_says_nothing_of_the_models_answers() {
        let mut blinded = summary();
        blinded.is_blinded = true;
        blinded.totals.called = 9;
        let words = of_sitting(&blinded);
        assert!(words.contains("read blinded   9\n"), "{words}");
        for told in ["agree", "COVID", "verdict"] {
            assert!(!words.contains(told), "{words}");
        }
    }

    #[test]
    fn long_times_are_in_minutes() {
        assert_eq!(time_words(Duration::from_secs(125)), "2 min 5 s");
    }
}
