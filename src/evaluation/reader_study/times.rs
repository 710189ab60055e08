//! Reading times aided against unaided, of the images that the same reader read in both modes.

use serde::Serialize;

use super::Known;
use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::reading_time::{ReadingTime, reading_times};

/// How the ratio was found.
const METHOD: &str = "mixed model of the logarithms, with readers and readers by modes as random effects (restricted \
                      likelihood); Student's distribution with readers - 1 degrees of freedom";

/// One image as one reader read it.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedReading {
    pub reader: String,
    /// Whether the answer came after the unaided call. The time with it is then that of another look at a known image, and only a
    /// reader who calls again has one.
    pub is_sequential: bool,
    /// Aided, unaided; `None` where the image was not read in that mode.
    pub seconds: [Option<f64>; 2],
}

/// The comparison, and what it leaves out: the counts are all readings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimesOfReaders {
    pub comparison: Known<ComparedTimes>,
    /// Readings in both modes with both times, which are compared where there is a comparison.
    pub readings: usize,
    /// Readings of one mode only, and those with a time of 0.
    pub one_mode_only: usize,
    pub without_time: usize,
    /// Readings of the sequential design.
    pub sequential: usize,
}

/// Aided against unaided times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedTimes {
    pub readers: usize,
    /// Geometric means in seconds.
    pub aided_seconds: f64,
    pub unaided_seconds: f64,
    /// Aided over unaided, and its 95 % interval.
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
    pub df: f64,
    /// Two-sided, of a ratio of 1.
    pub p: f64,
    pub method: &'static str,
}

/// The times of all readers, over all questions.
pub fn times_of_readers(readings: &[TimedReading]) -> TimesOfReaders {
    let mut names: Vec<&str> = Vec::new();
    let mut times = Vec::new();
    let mut found = TimesOfReaders {
        comparison: Known::undefined(""),
        readings: 0,
        one_mode_only: 0,
        without_time: 0,
        sequential: 0,
    };
    for reading in readings {
        let [Some(aided), Some(unaided)] = reading.seconds else {
            *match reading.is_sequential {
                true => &mut found.sequential,
                false => &mut found.one_mode_only,
            } += 1;
            continue;
        };
        if reading.is_sequential {
            found.sequential += 1;
            continue;
        }
        if !(aided > 0.0 && unaided > 0.0) {
            found.without_time += 1;
            continue;
        }
        found.readings += 1;
        let at = names.iter().position(|name| *name == reading.reader);
        let reader = at.unwrap_or_else(|| {
            names.push(&reading.reader);
            names.len() - 1
        });
        times.extend(
            [(true, aided), (false, unaided)].map(|(second, time)| ReadingTime {
                reader,
                second,
                time,
            }),
        );
    }
    found.comparison = match reading_times(&times) {
        Ok(model) => Known::Value(ComparedTimes {
            readers: model.readers,
            aided_seconds: model.second,
            unaided_seconds: model.first,
            ratio: model.ratio,
            low: model.interval.0,
            high: model.interval.1,
            df: model.df,
            p: model.p,
            method: METHOD,
        }),
        Err(reason) => Known::Undefined {
            undefined: words(reason, &found),
        },
    };
    found
}

fn words(reason: Undefined, found: &TimesOfReaders) -> String {
    match reason {
        Undefined::NoCase if found.sequential > 0 => {
            "in the sequential design the answer comes after the unaided call".to_owned()
        }
        Undefined::NoCase if found.without_time > 0 => "times of 0 only".to_owned(),
        Undefined::NoCase => "no image was read in both modes by the same reader".to_owned(),
        Undefined::FewCases => "one image of each reader".to_owned(),
        reason => reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(reader: &str, seconds: [Option<f64>; 2]) -> TimedReading {
        TimedReading {
            reader: reader.to_owned(),
            is_sequential: false,
            seconds,
        }
    }

    /// Every reader takes four fifths of the time with the answer, give or take the same for all: the ratio is that.
    #[test]
    fn the_ratio_is_that_of_the_images_read_in_both_modes() {
        let mut all = Vec::new();
        for (reader, speed) in [("ann", 10.0), ("bob", 16.0), ("cy", 24.0)] {
            for (at, off) in [0.9, 1.0, 1.2, 1.5].into_iter().enumerate() {
                let aided = 0.8 * speed * off * (1.0 + 0.01 * at as f64);
                all.push(reading(reader, [Some(aided), Some(speed * off)]));
            }
            // Long cases that were read without the answer only would make it look quick.
            for _ in 0..50 {
                all.push(reading(reader, [None, Some(500.0)]));
            }
        }
        all.push(reading("ann", [Some(0.0), Some(3.0)]));
        let found = times_of_readers(&all);
        assert_eq!(
            (found.readings, found.one_mode_only, found.without_time),
            (12, 150, 1)
        );
        let Known::Value(times) = &found.comparison else {
            panic!("{found:?}")
        };
        let mean = 0.8 * (1.0_f64 * 1.01 * 1.02 * 1.03).powf(0.25);
        assert!((times.ratio - mean).abs() < 1e-9, "{times:?}");
        assert!((times.aided_seconds / times.unaided_seconds - mean).abs() < 1e-9);
        assert!(times.low < mean && mean < times.high);
        assert_eq!((times.readers, times.df), (3, 2.0));
    }

    #[test]
    fn without_enough_readings_there_is_a_reason() {
        let reason = |all: &[TimedReading]| match times_of_readers(all).comparison {
            Known::Undefined { undefined } => undefined,
            Known::Value(found) => panic!("{found:?}"),
        };
        let both = [Some(2.0), Some(3.0)];
        assert_eq!(
            reason(&[reading("ann", [None, Some(1.0)])]),
            "no image was read in both modes by the same reader"
        );
        assert_eq!(reason(&[reading("ann", both)]), "only one reader");
        assert_eq!(
            reason(&[reading("ann", both), reading("bob", both)]),
            "one image of each reader"
        );
        let sequential = TimedReading {
            is_sequential: true,
            ..reading("ann", both)
        };
        assert_eq!(
            reason(&[sequential]),
            "in the sequential design the answer comes after the unaided call"
        );
    }
}
