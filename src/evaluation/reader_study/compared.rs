//! Which readings a comparison of the modes is of: those of images that the same reader read in both. 100 unaided readings and
//! 30 aided ones of other images differ by the images, too.

use serde::Serialize;

use super::MODES;

/// Readings of one figure: the four counts are all readings that have a value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ReadingCounts {
    /// Readings of the comparison: in both modes, or in the only mode in which anything was read.
    pub compared: usize,
    /// Readings without a counterpart: of images that the same reader has not read in the other mode.
    pub aided_only: usize,
    pub unaided_only: usize,
    /// Readings in both modes of readers who are left out.
    pub of_left_out: usize,
}

/// The readings of a comparison.
pub(super) struct BothModes {
    /// The modes in which anything was read, by their places in [`MODES`].
    pub modes: Vec<usize>,
    /// Readers without any reading that can be compared, with the reason.
    pub left_out: Vec<(String, String)>,
    /// The reader of each reading, whether it has a value in each mode, and whether it is compared.
    readings: Vec<(String, [bool; 2], bool)>,
}

impl BothModes {
    /// From the reader of each reading, and whether it has a value in each of [`MODES`]. `done` is what readers did to make the
    /// value: `read`, say.
    pub fn of<'a>(all: impl Iterator<Item = (&'a str, [bool; 2])>, done: &str) -> Self {
        let all: Vec<(&str, [bool; 2])> = all.collect();
        let is_used = |mode: &usize| all.iter().any(|(_, has)| has[*mode]);
        let modes: Vec<usize> = (0..MODES.len()).filter(is_used).collect();
        let is_kept = |has: [bool; 2]| modes.iter().all(|mode| has[*mode]) && has != [false; 2];
        let mut readers: Vec<(&str, [bool; 2], bool)> = Vec::new();
        for (reader, has) in &all {
            let at = readers.iter().position(|known| known.0 == *reader);
            let at = at.unwrap_or_else(|| {
                readers.push((reader, [false; 2], false));
                readers.len() - 1
            });
            let known = readers[at].1.iter_mut().zip(has);
            known.for_each(|(known, has)| *known |= has);
            readers[at].2 |= is_kept(*has);
        }
        let out = readers.iter().filter(|(_, _, has_any)| !has_any);
        let left_out = out.map(|(reader, has, _)| {
            let reason = match has {
                [true, true] => format!("no image {done} in both modes"),
                [true, false] => format!("nothing {done} {}", MODES[1]),
                [false, true] => format!("nothing {done} {}", MODES[0]),
                [false, false] => format!("nothing {done}"),
            };
            ((*reader).to_owned(), reason)
        });
        let left_out = left_out.collect();
        let readings = all.iter();
        BothModes {
            left_out,
            readings: readings
                .map(|(reader, has)| ((*reader).to_owned(), *has, is_kept(*has)))
                .collect(),
            modes,
        }
    }

    /// Whether the reading of this number is compared, unless its reader is left out.
    pub fn is_kept(&self, reading: usize) -> bool {
        self.readings[reading].2
    }

    /// Names of the modes in which anything was read.
    pub fn mode_names(&self) -> Vec<&'static str> {
        self.modes.iter().map(|mode| MODES[*mode]).collect()
    }

    /// The readings that `is_of_class` takes by their number, where these readers enter the comparison.
    pub fn counts(&self, readers: &[String], is_of_class: impl Fn(usize) -> bool) -> ReadingCounts {
        let mut counts = ReadingCounts::default();
        for (at, (reader, has, is_kept)) in self.readings.iter().enumerate() {
            if *has == [false; 2] || !is_of_class(at) {
                continue;
            }
            *match (is_kept, has) {
                (true, _) if readers.contains(reader) => &mut counts.compared,
                (true, _) => &mut counts.of_left_out,
                (false, [true, _]) => &mut counts.aided_only,
                (false, _) => &mut counts.unaided_only,
            } += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_readings_in_both_modes_are_compared_and_all_are_counted() {
        let readings = [
            ("ann", [true, true]),
            ("ann", [true, false]),
            ("bob", [false, true]),
            ("cy", [true, false]),
            ("cy", [false, true]),
            ("dee", [false, false]),
            ("eve", [true, true]),
        ];
        let found = BothModes::of(readings.into_iter(), "read");
        assert_eq!(found.mode_names(), MODES);
        let reasons: Vec<(&str, &str)> = found
            .left_out
            .iter()
            .map(|(reader, reason)| (reader.as_str(), reason.as_str()))
            .collect();
        assert_eq!(
            reasons,
            [
                ("bob", "nothing read aided"),
                ("cy", "no image read in both modes"),
                ("dee", "nothing read"),
            ]
        );
        let counts = found.counts(&["ann".to_owned()], |_| true);
        let expected = ReadingCounts {
            compared: 1,
            aided_only: 2,
            unaided_only: 2,
            of_left_out: 1,
        };
        assert_eq!(counts, expected);
        // Of one mode all are.
        let one = BothModes::of(
            [("ann", [true, false]), ("bob", [true, false])].into_iter(),
            "read",
        );
        assert!(one.left_out.is_empty() && one.is_kept(0) && one.is_kept(1));
        assert_eq!(one.mode_names(), ["aided"]);
    }
}
