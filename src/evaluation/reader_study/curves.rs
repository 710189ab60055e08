//! The empirical ROC curve of each reader in each mode.

use super::{MODES, StudyReading, names};

/// A curve from (0, 0) to (1, 1): 1 − specificity and sensitivity. Calls without ratings make one point between them.
#[derive(Debug, Clone, PartialEq)]
pub struct ReaderCurve {
    pub reader: String,
    pub mode: &'static str,
    /// Whether it is of ratings, and not of calls alone.
    pub is_rated: bool,
    /// Positive and negative images that it is of.
    pub positives: usize,
    pub negatives: usize,
    /// Calls of images with a reference standard that have no rating, where the curve is of ratings: it is not of them.
    pub unrated: usize,
    pub points: Vec<(f64, f64)>,
}

/// The curves of all readers, aided and unaided. A reader without a positive or without a negative image has none.
pub fn curves_of_readers(readings: &[StudyReading]) -> Vec<ReaderCurve> {
    let readers = names(readings, |reading| &reading.reader).into_iter();
    readers
        .flat_map(|reader| {
            [0, 1].into_iter().filter_map(move |mode| {
                let own = readings.iter().filter(|reading| reading.reader == reader);
                curve(&own.collect::<Vec<_>>(), reader, mode)
            })
        })
        .collect()
}

fn curve(readings: &[&StudyReading], reader: &str, mode: usize) -> Option<ReaderCurve> {
    let rated = |reading: &StudyReading| reading.call.ratings[mode].map(f64::from);
    let called = |reading: &StudyReading| {
        let calls = [reading.call.aided, reading.call.unaided];
        calls[mode].map(|call| f64::from(u8::from(call)))
    };
    let is_rated = readings.iter().any(|reading| rated(reading).is_some());
    let without_rating = readings.iter().filter(|reading| {
        reading.call.truth.is_some() && called(reading).is_some() && rated(reading).is_none()
    });
    let unrated = if is_rated { without_rating.count() } else { 0 };
    let known = readings.iter().filter_map(|reading| {
        let value = if is_rated {
            rated(reading)
        } else {
            called(reading)
        };
        Some((value?, reading.call.truth?))
    });
    let mut values: Vec<(f64, bool)> = known.collect();
    values.sort_by(|a, b| b.0.total_cmp(&a.0));
    let positives = values.iter().filter(|(_, truth)| *truth).count();
    let negatives = values.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let mut points = vec![(0.0, 0.0)];
    let (mut true_calls, mut false_calls) = (0, 0);
    for (at, (value, truth)) in values.iter().enumerate() {
        true_calls += usize::from(*truth);
        false_calls += usize::from(!truth);
        if values.get(at + 1).is_none_or(|next| next.0 != *value) {
            points.push((
                false_calls as f64 / negatives as f64,
                true_calls as f64 / positives as f64,
            ));
        }
    }
    Some(ReaderCurve {
        reader: reader.to_owned(),
        mode: MODES[mode],
        is_rated,
        positives,
        negatives,
        unrated,
        points,
    })
}

#[cfg(test)]
mod tests {
    use super::super::ReaderCall;
    use super::*;

    fn reading(image: usize, truth: bool, rating: Option<u8>, call: bool) -> StudyReading {
        StudyReading {
            reader: "ann".into(),
            image: image.to_string(),
            call: ReaderCall {
                patient: image.to_string(),
                unaided: Some(call),
                aided: None,
                ratings: [None, rating],
                model: None,
                truth: Some(truth),
            },
        }
    }

    #[test]
    fn ties_are_one_step_and_calls_alone_one_point() {
        let rated = [
            reading(0, true, Some(90), true),
            reading(1, true, Some(50), true),
            reading(2, false, Some(50), false),
            reading(3, false, Some(10), false),
        ];
        let found = curves_of_readers(&rated);
        assert_eq!(found.len(), 1, "nothing was read aided");
        assert_eq!(
            found[0].points,
            [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]
        );
        assert!(found[0].is_rated && found[0].mode == "unaided");
        assert_eq!(found[0].unrated, 0);
        let mut some = rated.to_vec();
        some.push(reading(4, true, None, true));
        let found = curves_of_readers(&some);
        assert_eq!((found[0].positives, found[0].unrated), (2, 1));
        let called = rated.map(|mut reading| {
            reading.call.ratings = [None; 2];
            reading
        });
        let found = curves_of_readers(&called);
        assert_eq!(found[0].points, [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]);
        assert!(!found[0].is_rated);
        assert_eq!(curves_of_readers(&called[..2]), [], "no negative image");
    }
}
