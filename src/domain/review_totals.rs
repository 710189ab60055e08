//! What a reader said about many images, in numbers. It holds nothing of a patient: no path, and no text of a note.

use std::collections::BTreeMap;
use std::time::Duration;

use super::opinion::{Opinion, Verdict};

/// Counts of images by what one reader said about them.
///
/// Verdicts are about a model's answer. Those on images that were read blinded are left out: in a reader study they
/// would tell readers how often the model is wrong before they are done. `cxr agreement` compares those readings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewTotals {
    /// Images with a verdict, a call, a flag, a note or a mark.
    pub reviewed: usize,
    /// Those of them that were read blinded.
    pub called: usize,
    /// Images with this verdict, and not read blinded.
    pub agree: usize,
    /// Likewise.
    pub disagree: usize,
    /// Likewise.
    pub unsure: usize,
    /// The images of [`ReviewTotals::disagree`], by the label that the reader disagrees with; `None` stands for the
    /// answer in general.
    pub disagreements: BTreeMap<Option<String>, usize>,
    /// Flagged images.
    pub key_images: usize,
    /// Images with a note.
    pub notes: usize,
    /// Images with marks.
    pub marked: usize,
}

impl ReviewTotals {
    /// Counts one more image. An opinion from which everything was taken back is none.
    pub fn add(&mut self, opinion: &Opinion) {
        if *opinion == Opinion::default() {
            return;
        }
        self.reviewed += 1;
        self.key_images += usize::from(opinion.key_image);
        self.notes += usize::from(!opinion.note.is_empty());
        self.marked += usize::from(!opinion.marks.is_empty());
        if opinion.blinded.is_some() {
            self.called += 1;
            return;
        }
        match opinion.verdict {
            Some(Verdict::Agree) => self.agree += 1,
            Some(Verdict::Disagree) => {
                self.disagree += 1;
                *self.disagreements.entry(opinion.label.clone()).or_default() += 1;
            }
            Some(Verdict::Unsure) => self.unsure += 1,
            None => {}
        }
    }
}

/// The median, the mean of the two in the middle for an even number; `None` without a time.
pub fn median_time(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    let (low, high) = (times.len().checked_sub(1)? / 2, times.len() / 2);
    Some((times[low] + times[high]) / 2)
}

#[cfg(test)]
mod tests {
    use super::super::blinded::BlindedReading;
    use super::super::mark::{FilmScale, Mark, MarkKind, MarkPoint};
    use super::*;

    #[test]
    fn each_image_is_counted_by_what_is_said_about_it() {
        let disagree = |label: Option<&str>| Opinion {
            verdict: Some(Verdict::Disagree),
            label: label.map(str::to_owned),
            ..Opinion::default()
        };
        let opinions = [
            Opinion::default(),
            disagree(Some("COVID-19")),
            disagree(Some("COVID-19")),
            disagree(None),
            Opinion {
                verdict: Some(Verdict::Agree),
                key_image: true,
                note: "left".into(),
                ..Opinion::default()
            },
            Opinion {
                note: "alone".into(),
                ..Opinion::default()
            },
        ];
        let mut totals = ReviewTotals::default();
        opinions.iter().for_each(|opinion| totals.add(opinion));
        let disagreements = [(None, 1), (Some("COVID-19".to_owned()), 2)];
        let expected = ReviewTotals {
            reviewed: 5,
            agree: 1,
            disagree: 3,
            disagreements: disagreements.into(),
            key_images: 1,
            notes: 2,
            ..ReviewTotals::default()
        };
        assert_eq!(totals, expected);
    }

    /// It counts as reviewed, so a summary says for what.
    #[test]
    fn an_image_with_marks_only_is_counted_as_such() {
        let corners = [MarkPoint { x: 1, y: 1 }, MarkPoint { x: 9, y: 9 }];
        let mark = Mark::new(MarkKind::Box, corners.to_vec(), FilmScale::PIXELS).unwrap();
        let mut totals = ReviewTotals::default();
        totals.add(&Opinion {
            marks: vec![mark],
            ..Opinion::default()
        });
        let expected = ReviewTotals {
            reviewed: 1,
            marked: 1,
            ..ReviewTotals::default()
        };
        assert_eq!(totals, expected);
    }

    #[test]
    fn a_blinded_reading_tells_nothing_of_the_model() {
        let mut totals = ReviewTotals::default();
        totals.add(&Opinion {
            verdict: Some(Verdict::Disagree),
            label: Some("COVID-19".into()),
            blinded: Some(BlindedReading::default()),
            ..Opinion::default()
        });
        let expected = ReviewTotals {
            reviewed: 1,
            called: 1,
            ..ReviewTotals::default()
        };
        assert_eq!(totals, expected);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        let seconds = |times: &[u64]| times.iter().map(|s| Duration::from_secs(*s)).collect();
        assert_eq!(median_time(vec![]), None);
        assert_eq!(
            median_time(seconds(&[9, 1, 2])),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            median_time(seconds(&[4, 1, 90, 2])),
            Some(Duration::from_secs(3))
        );
    }
}
