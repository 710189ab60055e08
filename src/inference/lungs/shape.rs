//! The shape of what was found: are there two lungs?

use std::fmt;

use super::card::{LungNetworkCard, OneLungLimits, ShapeLimit, ShapeLimits};
use crate::domain::{LungFields, LungPart};
use crate::inference::heads::told_apart;
use crate::inference::input_check::Reasons;

/// Measures of the two largest parts of lung fields. `training/lung_limits.py` has the same in Python.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LungShape {
    /// Shares of the film, of the larger part and of the smaller; 0 for one that is not there.
    pub areas: [f64; 2],
    /// Distance between their middles across the film, as a share of their width together; 0 if there are not two.
    pub apart: f64,
    /// The share of the shorter one's height that the other lies beside; 0 if there are not two.
    pub overlap: f64,
    /// Height of the larger one over its width, each as a share of the film's; 0 if there is none.
    pub upright: f64,
    /// The middle of the larger one, across and down, as shares of the film's width and height.
    pub centre: (f64, f64),
    /// The mean over the film of 2 · |p − 0.5|: 1 where the network is sure of every cell.
    pub sureness: f64,
}

/// Whether a film has two lungs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LungVerdict {
    Found,
    /// A reason to doubt.
    Doubtful(String),
    /// A reason to refuse.
    Absent(String),
}

impl LungVerdict {
    /// Adds its reason. On a film that lies on its side or upside down, lungs that are not found are a doubt: the
    /// network knows upright ones.
    pub fn add_to(self, is_turned: bool, reasons: &mut Reasons) {
        match self {
            LungVerdict::Found => {}
            LungVerdict::Absent(reason) if !is_turned => reasons.refuse(reason),
            LungVerdict::Doubtful(reason) | LungVerdict::Absent(reason) => reasons.doubt(reason),
        }
    }
}

/// A measure outside its limit, in percent.
struct ShapeFault {
    value: f64,
    limit: f64,
    is_least: bool,
    /// Before and after the value.
    words: [&'static str; 2],
}

impl fmt::Display for ShapeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.words;
        let (value, limit) = told_apart(100.0 * self.value, 100.0 * self.limit);
        let bound = if self.is_least { "at least" } else { "at most" };
        write!(f, "{before}{value} %{after}, {bound} {limit} %")
    }
}

impl LungShape {
    /// `parts` are the two largest, the larger one first.
    pub fn of(fields: &LungFields, parts: &[LungPart]) -> Self {
        let sum: f64 = fields
            .cells
            .iter()
            .map(|p| 2.0 * (f64::from(*p) - 0.5).abs())
            .sum();
        let share = |nth: usize| parts.get(nth).map_or(0.0, LungPart::share);
        let larger = parts.first();
        let upright = larger.map(|lung| lung.rows().len() as f64 / lung.columns().len() as f64);
        let (apart, overlap) = match parts {
            [larger, smaller, ..] => (apart(larger, smaller), overlap(larger, smaller)),
            _ => (0.0, 0.0),
        };
        LungShape {
            areas: [share(0), share(1)],
            apart,
            overlap,
            upright: upright.unwrap_or(0.0),
            centre: larger.map_or((0.5, 0.5), LungPart::centre),
            sureness: sum / fields.cells.len().max(1) as f64,
        }
    }

    /// Whether these are two lungs. A lung that is plainly one makes a film without the other a doubtful one: the
    /// other may be white.
    pub fn verdict(&self, card: &LungNetworkCard) -> LungVerdict {
        let Some(refused) = self.fault(&card.shape, |limit| limit.refuse) else {
            return match self.fault(&card.shape, |limit| limit.caution) {
                None => LungVerdict::Found,
                Some(doubted) => {
                    LungVerdict::Doubtful(format!("lungs of an unusual shape ({doubted})"))
                }
            };
        };
        if self.is_one_lung(card) {
            LungVerdict::Doubtful(format!("only one lung found ({refused})"))
        } else {
            LungVerdict::Absent(format!("no two lungs found ({refused})"))
        }
    }

    /// Whether the larger part is plainly a lung.
    fn is_one_lung(&self, card: &LungNetworkCard) -> bool {
        let OneLungLimits {
            area,
            aside,
            upright,
            top,
            bottom,
        } = card.one_lung;
        let (across, down) = self.centre;
        let has_shape = self.areas[0] >= area
            && self.areas[0] <= card.shape.larger.refuse
            && self.upright >= upright
            && self.sureness >= card.shape.sureness.refuse;
        has_shape && (across - 0.5).abs() >= aside && (top..=bottom).contains(&down)
    }

    /// The first measure outside its limit.
    fn fault(&self, shape: &ShapeLimits, limit: impl Fn(&ShapeLimit) -> f64) -> Option<ShapeFault> {
        let fault = |value, limits, is_least, words| ShapeFault {
            value,
            limit: limit(limits),
            is_least,
            words,
        };
        let of_film = " of the film";
        let apart = ["they are ", " of their width apart"];
        let measures = [
            fault(
                self.areas[1],
                &shape.smaller,
                true,
                ["the smaller is ", of_film],
            ),
            fault(
                self.areas[0],
                &shape.larger,
                false,
                ["the larger is ", of_film],
            ),
            fault(self.apart, &shape.nearest, true, apart),
            fault(self.apart, &shape.farthest, false, apart),
            fault(
                self.overlap,
                &shape.overlap,
                true,
                ["they lie side by side for ", ""],
            ),
            fault(
                self.upright,
                &shape.upright,
                true,
                ["the larger is ", " as tall as wide"],
            ),
            fault(self.sureness, &shape.sureness, true, ["sure of ", ""]),
        ];
        let is_outside = |fault: &ShapeFault| {
            if fault.is_least {
                fault.value < fault.limit
            } else {
                fault.value > fault.limit
            }
        };
        measures.into_iter().find(is_outside)
    }
}

/// The distance between their middles across the film, as a share of their width together.
fn apart(one: &LungPart, other: &LungPart) -> f64 {
    let (columns, others) = (one.columns(), other.columns());
    let width = columns.end.max(others.end) - columns.start.min(others.start);
    let side = one.in_columns().len();
    (one.centre().0 - other.centre().0).abs() * side as f64 / width as f64
}

/// The share of the shorter one's height that the other lies beside.
fn overlap(one: &LungPart, other: &LungPart) -> f64 {
    let (one, other) = (one.rows(), other.rows());
    let both = one
        .end
        .min(other.end)
        .saturating_sub(one.start.max(other.start));
    both as f64 / one.len().min(other.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::card::tests::CARD;
    use super::*;
    use crate::domain::InputCheck;
    use crate::domain::largest_parts;
    use crate::domain::lung_parts::tests::fields;

    /// Two boxes of lung, each `(left, right, top, bottom)` in a square of 100 cells.
    fn shape(boxes: &[(usize, usize, usize, usize)], p: f32) -> LungShape {
        let fields = fields(100, |x, y| {
            let holds = |(left, right, top, bottom): &(usize, usize, usize, usize)| {
                (*left..*right).contains(&x) && (*top..*bottom).contains(&y)
            };
            if boxes.iter().any(holds) { p } else { 1.0 - p }
        });
        LungShape::of(&fields, &largest_parts(&fields))
    }

    const LEFT: (usize, usize, usize, usize) = (15, 40, 20, 80);
    const RIGHT: (usize, usize, usize, usize) = (58, 80, 22, 75);

    #[test]
    fn the_measures_of_two_boxes() {
        let found = shape(&[LEFT, RIGHT], 0.95);
        assert_eq!(found.areas, [0.15, 0.1166]);
        // 69 − 27.5 cells, of 80 − 15.
        assert!((found.apart - 41.5 / 65.0).abs() < 1e-9, "{found:?}");
        assert_eq!((found.overlap, found.upright), (1.0, 60.0 / 25.0));
        assert!((found.centre.0 - 0.275).abs() < 1e-9 && (found.centre.1 - 0.5).abs() < 1e-9);
        assert!((found.sureness - 0.9).abs() < 1e-6);
        let shifted = shape(&[LEFT, (58, 80, 60, 90)], 0.95);
        assert!((shifted.overlap - 20.0 / 30.0).abs() < 1e-9);
        let none = shape(&[], 0.95);
        assert_eq!((none.areas, none.upright), ([0.0; 2], 0.0));
    }

    fn words(shape: LungShape) -> String {
        match shape.verdict(&LungNetworkCard::parse(CARD).unwrap()) {
            LungVerdict::Found => "found".to_owned(),
            LungVerdict::Doubtful(reason) => format!("doubt: {reason}"),
            LungVerdict::Absent(reason) => format!("refuse: {reason}"),
        }
    }

    #[test]
    fn each_measure_decides_with_its_numbers() {
        assert_eq!(words(shape(&[LEFT, RIGHT], 0.95)), "found");
        for (boxes, expected) in [
            (
                vec![],
                "refuse: no two lungs found (the smaller is 0.0 % of the film, at least 2.0 %)",
            ),
            // In the middle of the film, as the only one of a lateral.
            (
                vec![(35, 65, 20, 80)],
                "refuse: no two lungs found (the smaller is 0.0 % of the film, at least 2.0 %)",
            ),
            (
                vec![LEFT, (58, 66, 30, 70)],
                "doubt: lungs of an unusual shape (the smaller is 3.2 % of the film, at least 5.0 %)",
            ),
            (
                vec![(5, 48, 0, 100), (52, 80, 0, 100)],
                "refuse: no two lungs found (the larger is 43.0 % of the film, at most 35.0 %)",
            ),
            (
                vec![(30, 60, 20, 45), (35, 65, 55, 80)],
                "refuse: no two lungs found (they are 14.3 % of their width apart, at least 40.0 %)",
            ),
            (
                vec![(0, 18, 20, 70), (70, 100, 20, 60)],
                "refuse: no two lungs found (they are 76.0 % of their width apart, at most 70.0 %)",
            ),
            (
                vec![(10, 45, 20, 55), (55, 90, 20, 55)],
                "refuse: no two lungs found (the larger is 100.0 % as tall as wide, at least 110.0 %)",
            ),
        ] {
            assert_eq!(words(shape(&boxes, 0.95)), expected);
        }
        assert_eq!(
            words(shape(&[LEFT, RIGHT], 0.75)),
            "refuse: no two lungs found (sure of 50.0 %, at least 60.0 %)"
        );
    }

    #[test]
    fn one_plain_lung_is_a_doubt_and_a_blob_is_none() {
        let expected =
            "doubt: only one lung found (the smaller is 0.0 % of the film, at least 2.0 %)";
        assert_eq!(words(shape(&[LEFT], 0.95)), expected);
        assert_eq!(
            words(shape(&[LEFT, (70, 75, 60, 70)], 0.95)),
            expected.replace("0.0 %", "0.5 %")
        );
        for none in [
            (40, 65, 20, 80),
            (5, 45, 20, 60),
            (15, 30, 20, 60),
            (15, 40, 40, 100),
        ] {
            let words = words(shape(&[none], 0.95));
            assert!(words.starts_with("refuse"), "{none:?}: {words}");
        }
    }

    #[test]
    fn a_turned_film_without_lungs_is_doubted() {
        let check = |is_turned| {
            let mut reasons = Reasons::default();
            LungVerdict::Absent("none".into()).add_to(is_turned, &mut reasons);
            reasons.verdict()
        };
        assert_eq!(check(false), InputCheck::Refused(vec!["none".into()]));
        assert_eq!(check(true), InputCheck::Caution(vec!["none".into()]));
    }
}
