//! Ratings, 0 to 100: how far readers agree in them, and what the answer does to them.

use serde::Serialize;

use super::{Known, StudyEstimate, StudyReading, estimate};
use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::bland_altman::limits_of_agreement;
use crate::evaluation::statistics::intraclass::intraclass_correlations;

/// Intraclass correlations of the ratings of all readers in one mode. Their intervals take every image as its own patient.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatingsOfReaders {
    /// Readers who rated anything, images that all of them rated, and images that some of them rated.
    pub readers: usize,
    pub images: usize,
    pub incomplete: usize,
    /// ICC(2,1): readers as a random sample; one who rates higher than another disagrees (Shrout and Fleiss 1979).
    pub agreement: StudyEstimate,
    /// ICC(3,1): such a difference is taken off.
    pub consistency: StudyEstimate,
}

/// From a row for each image, with a rating of each reader. `None` where nothing was rated.
pub(super) fn correlations(rows: &[Vec<Option<f64>>]) -> Option<Known<RatingsOfReaders>> {
    let width = rows.first().map_or(0, Vec::len);
    let raters: Vec<usize> = (0..width)
        .filter(|reader| rows.iter().any(|row| row[*reader].is_some()))
        .collect();
    if raters.is_empty() {
        return None;
    }
    let own = rows
        .iter()
        .map(|row| raters.iter().map(|reader| row[*reader]).collect());
    let rated = own.filter(|row: &Vec<Option<f64>>| row.iter().any(Option::is_some));
    let rated: Vec<Vec<Option<f64>>> = rated.collect();
    Some(match intraclass_correlations(&rated) {
        Ok(found) => Known::Value(RatingsOfReaders {
            readers: found.raters,
            images: found.subjects,
            incomplete: found.incomplete,
            agreement: estimate(found.agreement.value, found.agreement.interval),
            consistency: estimate(found.consistency.value, found.consistency.interval),
        }),
        Err(_) if raters.len() < 2 => Known::undefined("ratings of one reader only"),
        Err(Undefined::FewCases) => {
            Known::undefined("fewer than two images that every reader rated")
        }
        Err(reason) => reason_of(reason),
    })
}

fn reason_of<T>(reason: Undefined) -> Known<T> {
    Known::undefined(&reason.to_string())
}

/// Aided less unaided ratings of the same image by the same reader (Bland and Altman 1986, 1999). The intervals take readings as
/// independent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatingLimits {
    pub readings: usize,
    pub bias: StudyEstimate,
    /// Between these lie 95 % of the differences, if they are normally distributed.
    pub lower: StudyEstimate,
    pub upper: StudyEstimate,
}

/// One reading with a rating in both modes.
#[derive(Debug, Clone, PartialEq)]
pub struct RatingChange {
    pub reader: String,
    /// Of the two ratings.
    pub mean: f64,
    /// Aided less unaided.
    pub difference: f64,
}

/// The readings with a rating in both modes, with or without a reference standard.
pub fn rating_changes(readings: &[StudyReading]) -> Vec<RatingChange> {
    let both = readings.iter().filter_map(|reading| {
        let [aided, unaided] = reading.call.ratings;
        Some((&reading.reader, f64::from(aided?), f64::from(unaided?)))
    });
    both.map(|(reader, aided, unaided)| RatingChange {
        reader: reader.clone(),
        mean: (aided + unaided) / 2.0,
        difference: aided - unaided,
    })
    .collect()
}

/// `None` where nothing was rated.
pub(super) fn limits(readings: &[StudyReading]) -> Option<Known<RatingLimits>> {
    let mut ratings = readings.iter().flat_map(|reading| reading.call.ratings);
    if !ratings.any(|rating| rating.is_some()) {
        return None;
    }
    let pairs = readings.iter().filter_map(|reading| {
        let [aided, unaided] = reading.call.ratings;
        Some((f64::from(aided?), f64::from(unaided?)))
    });
    let pairs: Vec<(f64, f64)> = pairs.collect();
    Some(match limits_of_agreement(&pairs) {
        Ok(found) => Known::Value(RatingLimits {
            readings: found.pairs,
            bias: estimate(found.bias, Some(found.bias_interval)),
            lower: estimate(found.low, Some(found.low_interval)),
            upper: estimate(found.high, Some(found.high_interval)),
        }),
        Err(Undefined::NoCase) => Known::undefined("no image was rated in both modes"),
        Err(Undefined::FewCases) => Known::undefined("one reading was rated in both modes"),
        Err(reason) => reason_of(reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shrout and Fleiss 1979, table 2: six subjects and four judges, ICC(2,1) 0.29 and ICC(3,1) 0.71.
    #[test]
    fn the_correlations_are_those_of_the_paper_and_others_are_counted() {
        let judges = [
            [9, 2, 5, 8],
            [6, 1, 3, 2],
            [8, 4, 6, 8],
            [7, 1, 2, 6],
            [10, 5, 6, 9],
            [6, 2, 4, 7],
        ];
        // A fifth reader rated nothing, and one image was rated by one of the others only.
        let mut rows: Vec<Vec<Option<f64>>> = judges
            .iter()
            .map(|row| {
                row.iter()
                    .map(|n| Some(f64::from(*n)))
                    .chain([None])
                    .collect()
            })
            .collect();
        rows.push(vec![Some(3.0), None, None, None, None]);
        rows.push(vec![None; 5]);
        let Some(Known::Value(found)) = correlations(&rows) else {
            panic!("no correlation")
        };
        assert_eq!((found.readers, found.images, found.incomplete), (4, 6, 1));
        assert!((found.agreement.value - 0.29).abs() < 0.005, "{found:?}");
        assert!((found.consistency.value - 0.715).abs() < 0.005, "{found:?}");
        assert_eq!(correlations(&[vec![None; 3]]), None);
        let one = correlations(&[vec![Some(1.0), None], vec![Some(2.0), None]]);
        assert_eq!(one, Some(Known::undefined("ratings of one reader only")));
        let few = correlations(&[vec![Some(1.0), None], vec![None, Some(2.0)]]);
        let reason = "fewer than two images that every reader rated";
        assert_eq!(few, Some(Known::undefined(reason)));
    }
}
