//! The cardiothoracic ratio: Danzer 1919, *The cardiothoracic ratio: an index of cardiac enlargement*, American Journal
//! of the Medical Sciences 157:513.
//!
//! The lungs give the width of the thorax. They do not give the heart: the masks that the network learned from go on
//! behind the heart to the spine. So the heart's borders are found in the picture, as the continuous line from row to
//! row along which the brightness falls most from the midline outwards, by dynamic programming (as Avidan & Shamir
//! 2007, *Seam carving*, finds a seam).

use crate::domain::{HeartLines, LungFields, LungPart};

/// Columns by which a border may move from one row to the next, at most.
const STEP: usize = 2;
/// What a step of one column costs, in the units of the picture, whose percentiles are −1 and 1.
const COST: f64 = 0.02;
/// A border is not nearer to the midline, nor to the outer border of the lung, in columns.
const FROM_MIDLINE: usize = 2;
const FROM_RIBS: usize = 3;
/// The score of a column where no border may be.
const NO_BORDER: f64 = -1.0;
/// Rows and columns of fewer cells than this show no border.
const LEAST_CELLS: usize = 6;
/// The brightness falls by this much on average along a border. Measured on 472 films of NIH ChestX-ray14: 99 % of the
/// borders fall by more.
const LEAST_FALL: f64 = 0.05;
/// Rows over which the distance of a border is the median, so that no single row decides.
const MEDIAN_ROWS: usize = 5;
/// Beyond these ratios the line is more often no border of a heart. Of 2,704 test films of six sources 1.6 % lay below
/// and 1.5 % above; of 932 films that radiologists called normal 2.6 % below and none above; none of 15 films with
/// cardiomegaly beyond either.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 0.3..=0.75;

/// The greatest width of the heart and the greatest inner width of the thorax. `picture` is the film as the network
/// saw it, and `lungs` are the two lungs from left to right. `None` if a border cannot be found.
pub fn lines(picture: &[f32], fields: &LungFields, lungs: [&LungPart; 2]) -> Option<HeartLines> {
    let (thorax_row, thorax) = thorax(fields, lungs)?;
    let [left, right] = lungs;
    let top = left.rows().start.max(right.rows().start);
    let dome = dome(left)?.min(dome(right)?);
    // The lower half of the lungs, to the higher dome of the diaphragm. Below it the heart has no border with a lung.
    let rows = (top + dome) / 2..dome + 1;
    if top >= dome || rows.len() < LEAST_CELLS {
        return None;
    }
    let midline = midline(lungs, top..dome + 1)?;
    let picture = SmoothPicture::of(picture, fields.side);
    let border = |lung: &LungPart, side: Side| {
        let outwards = Outwards {
            picture: &picture,
            midline,
            side,
        };
        outwards.greatest_distance(lung, rows.clone())
    };
    let (left_row, to_left) = border(left, Side::Left)?;
    let (right_row, to_right) = border(right, Side::Right)?;
    // Distances are between the middles of columns and rows.
    let middle = midline as f64 + 0.5;
    let lines = HeartLines {
        heart: (middle - to_left, middle + to_right),
        heart_row: (left_row + right_row) as f64 / 2.0 + 0.5,
        thorax: (thorax.0 + 0.5, thorax.1 + 0.5),
        thorax_row: thorax_row as f64 + 0.5,
    };
    PLAUSIBLE.contains(&lines.ratio()).then_some(lines)
}

/// The row in which the outer borders of the lungs are farthest apart, and the columns of the borders, to parts of one.
fn thorax(fields: &LungFields, [left, right]: [&LungPart; 2]) -> Option<(usize, (f64, f64))> {
    let widths = (0..fields.side).filter_map(|row| {
        let (first, _) = left.across(row)?;
        let (_, last) = right.across(row)?;
        let p = |column: usize| f64::from(fields.cells[row * fields.side + column]);
        let outside = first.checked_sub(1).map(p);
        let before = first as f64 - beyond(p(first), outside);
        let outside = Some(last + 1).filter(|next| *next < fields.side).map(p);
        Some((row, (before, last as f64 + beyond(p(last), outside))))
    });
    let width = |(_, (from, to)): &(usize, (f64, f64))| to - from;
    widths.max_by(|a, b| width(a).total_cmp(&width(b)))
}

/// How far beyond the middle of its last cell, in columns, a lung ends: where the probability, interpolated between
/// that cell and the next one `outside`, is 0.5.
fn beyond(last: f64, outside: Option<f64>) -> f64 {
    let edge = f64::from(LungFields::IS_LUNG);
    match outside {
        Some(outside) if outside < edge => (last - edge) / (last - outside),
        // The edge of the film, or another part of the fields.
        _ => 0.5,
    }
}

/// The row of the highest point of the diaphragm, under the middle half of a lung.
fn dome(lung: &LungPart) -> Option<usize> {
    let columns = lung.columns();
    let quarter = columns.len() / 4;
    let middle = columns.start + quarter..columns.end - quarter;
    middle.filter_map(|column| lung.lowest(column)).min()
}

/// The column in the middle between the inner borders of the lungs.
fn midline([left, right]: [&LungPart; 2], rows: std::ops::Range<usize>) -> Option<usize> {
    let middle = |row| Some((left.across(row)?.1 + right.across(row)?.0) as f64 / 2.0);
    let middles: Vec<f64> = rows.filter_map(middle).collect();
    (!middles.is_empty()).then(|| median(middles).round() as usize)
}

/// A picture without its finest detail.
struct SmoothPicture {
    side: usize,
    values: Vec<f64>,
}

impl SmoothPicture {
    /// The mean of three rows, then weights 1, 2 and 1 of three columns; the border is repeated.
    fn of(picture: &[f32], side: usize) -> Self {
        let last = side - 1;
        let near = |at: usize| [at.saturating_sub(1), at, (at + 1).min(last)];
        let column_mean = |x: usize, y: usize| {
            let rows = near(y).map(|y| f64::from(picture[y * side + x]));
            rows.iter().sum::<f64>() / 3.0
        };
        let value = |i: usize| {
            let [before, here, after] = near(i % side).map(|x| column_mean(x, i / side));
            (before + 2.0 * here + after) / 4.0
        };
        SmoothPicture {
            side,
            values: (0..side * side).map(value).collect(),
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// A picture, seen from the midline to one side.
struct Outwards<'a> {
    picture: &'a SmoothPicture,
    midline: usize,
    side: Side,
}

impl Outwards<'_> {
    /// The greatest distance of the heart's border from the midline in these rows, in columns, and its row.
    fn greatest_distance(
        &self,
        lung: &LungPart,
        rows: std::ops::Range<usize>,
    ) -> Option<(usize, f64)> {
        let first = rows.start;
        let reaches: Vec<usize> = rows
            .clone()
            .map(|row| self.reach(lung, row))
            .collect::<Option<_>>()?;
        let farthest = reaches.iter().copied().max()?;
        if farthest < LEAST_CELLS {
            return None;
        }
        let scores: Vec<Vec<f64>> = rows
            .zip(&reaches)
            .map(|(row, reach)| self.scores(row, *reach, farthest))
            .collect();
        let path = best_path(&scores);
        let on_path = || scores.iter().zip(&path);
        let falls: f64 = on_path().map(|(scores, at)| scores[*at]).sum();
        if falls / (path.len() as f64) < LEAST_FALL {
            return None;
        }
        let distances: Vec<f64> = on_path().map(|(scores, at)| peak(scores, *at)).collect();
        let distances = medians(&distances).into_iter().enumerate();
        let (row, distance) = distances.max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((first + row, distance))
    }

    /// Columns from the midline to the outermost cell of the lung; `None` if the row has none on this side.
    fn reach(&self, lung: &LungPart, row: usize) -> Option<usize> {
        let (first, last) = lung.across(row)?;
        match self.side {
            Side::Left => self.midline.checked_sub(first),
            Side::Right => last.checked_sub(self.midline),
        }
    }

    /// For each distance from the midline, up to `farthest`, how much the brightness falls there.
    fn scores(&self, row: usize, reach: usize, farthest: usize) -> Vec<f64> {
        let allowed = FROM_MIDLINE..reach.saturating_sub(FROM_RIBS);
        let fall = |distance: usize| {
            if allowed.contains(&distance) {
                self.fall(row, distance).unwrap_or(NO_BORDER)
            } else {
                NO_BORDER
            }
        };
        (0..=farthest).map(fall).collect()
    }

    /// The brightness one column nearer to the midline, less that one column farther out.
    fn fall(&self, row: usize, distance: usize) -> Option<f64> {
        let at = |distance: usize| {
            let column = match self.side {
                Side::Left => self.midline.checked_sub(distance)?,
                Side::Right => self.midline + distance,
            };
            let is_inside = column < self.picture.side;
            is_inside.then(|| self.picture.values[row * self.picture.side + column])
        };
        Some(at(distance - 1)? - at(distance + 1)?)
    }
}

/// One column for each row, so that the sum of their scores, less the cost of all steps between rows, is the largest.
fn best_path(scores: &[Vec<f64>]) -> Vec<usize> {
    let Some((first, rest)) = scores.split_first() else {
        return Vec::new();
    };
    let mut sums = first.clone();
    // For each row but the first and each column, the column of the row before.
    let mut before = Vec::with_capacity(rest.len());
    for row in rest {
        let reached = |column: usize| {
            let nearest = column.saturating_sub(STEP);
            let farthest = (column + STEP).min(row.len() - 1);
            let sum = |from: usize| sums[from] - COST * from.abs_diff(column) as f64;
            let from = (nearest..=farthest).max_by(|a, b| sum(*a).total_cmp(&sum(*b)));
            let from = from.unwrap_or(column);
            (from, sum(from) + row[column])
        };
        let (from, new): (Vec<usize>, Vec<f64>) = (0..row.len()).map(reached).unzip();
        before.push(from);
        sums = new;
    }
    let best = (0..sums.len()).max_by(|a, b| sums[*a].total_cmp(&sums[*b]));
    let mut path = vec![best.unwrap_or(0)];
    for from in before.iter().rev() {
        path.push(from[path[path.len() - 1]]);
    }
    path.reverse();
    path
}

/// The place of the largest score near a column, from the parabola through it and its neighbours.
fn peak(scores: &[f64], at: usize) -> f64 {
    let neighbour = |at: Option<usize>| {
        let score = scores.get(at?).copied();
        score.filter(|score| *score > NO_BORDER)
    };
    let (before, after) = (neighbour(at.checked_sub(1)), neighbour(Some(at + 1)));
    let offset = match (before, after) {
        (Some(before), Some(after)) => {
            let bend = before - 2.0 * scores[at] + after;
            if bend < 0.0 {
                0.5 * (before - after) / bend
            } else {
                0.0
            }
        }
        _ => 0.0,
    };
    at as f64 + offset.clamp(-0.5, 0.5)
}

/// The median of each value and its neighbours; the ends are repeated.
fn medians(values: &[f64]) -> Vec<f64> {
    let (half, last) = (MEDIAN_ROWS / 2, values.len().saturating_sub(1));
    let window = |at: usize| {
        let near = (at..at + MEDIAN_ROWS).map(|i| values[i.saturating_sub(half).min(last)]);
        median(near.collect())
    };
    (0..values.len()).map(window).collect()
}

/// The middle value, or the mean of the middle two. 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lung_parts::tests::fields;
    use crate::domain::{largest_parts, two_lungs};

    const SIDE: usize = 128;
    /// Outer borders of the drawn lungs, and their inner ones, which lie behind the heart.
    const OUTER: (f64, f64) = (18.3, 108.9);
    const INNER: (f64, f64) = (60.0, 67.0);

    /// 0 below −1, 1 above 1, and a slope between.
    fn ramp(x: f64) -> f64 {
        (0.5 + x / 2.0).clamp(0.0, 1.0)
    }

    /// The lungs, as the network would find them: boxes with soft edges.
    fn lungs() -> LungFields {
        fields(SIDE, |x, y| {
            let (x, y) = (x as f64, y as f64);
            let across = ramp(x - OUTER.0).min(ramp(INNER.0 - x));
            let across = across.max(ramp(x - INNER.1).min(ramp(OUTER.1 - x)));
            across.min(ramp(y - 20.0)).min(ramp(100.0 - y)) as f32
        })
    }

    /// Dark lungs with ribs, and a bright heart: an ellipse with this half width about a point.
    fn film(half_width: f64, (centre_x, centre_y): (f64, f64), contrast: f64) -> Vec<f32> {
        let pixel = |i: usize| {
            let (x, y) = ((i % SIDE) as f64, (i / SIDE) as f64);
            let is_lung = ramp(x - OUTER.0)
                .min(ramp(OUTER.1 - x))
                .min(ramp(y - 20.0).min(ramp(100.0 - y)));
            let spine = ramp(x - 60.0).min(ramp(67.0 - x));
            let away = ((x - centre_x) / half_width).hypot((y - centre_y) / 26.0);
            let heart = ramp((1.0 - away) * half_width / 1.5);
            let ribs = 0.08 * ((y + 0.3 * x) / 3.0).sin();
            let dark = is_lung * (1.0 - spine.max(heart));
            (0.8 + ribs - contrast * dark) as f32
        };
        (0..SIDE * SIDE).map(pixel).collect()
    }

    fn ratio_of(film: &[f32]) -> Option<f32> {
        let fields = lungs();
        let parts = largest_parts(&fields);
        let lines = lines(film, &fields, two_lungs(&parts).unwrap());
        lines.map(|lines| lines.ratio() as f32)
    }

    /// The lines that are offered lie on the drawn heart and on the drawn thorax.
    #[test]
    fn the_lines_lie_where_the_borders_are() {
        let fields = lungs();
        let parts = largest_parts(&fields);
        let film = film(27.0, (66.0, 80.0), 1.4);
        let found = lines(&film, &fields, two_lungs(&parts).unwrap()).unwrap();
        // Columns are counted at their middles, lines from the edge of the first.
        for (found, expected) in [
            (found.heart.0, 66.0 - 27.0 + 0.5),
            (found.heart.1, 66.0 + 27.0 + 0.5),
            (found.thorax.0, OUTER.0 + 0.5),
            (found.thorax.1, OUTER.1 + 0.5),
        ] {
            assert!((found - expected).abs() < 1.5, "{found} {expected}");
        }
        assert!((found.heart_row - 80.5).abs() < 8.0, "{}", found.heart_row);
        let mut fields = fields;
        fields.heart = Some(found);
        let points = fields.heart_points().unwrap();
        // Ten stored pixels a cell.
        assert!((points[0].0 - 10.0 * found.heart.0).abs() < 1e-9);
        assert_eq!(points[0].1, points[1].1, "across the film");
    }

    #[test]
    fn the_ratio_of_drawn_hearts_is_found() {
        let thorax = OUTER.1 - OUTER.0;
        for half_width in [18.0, 22.5, 27.0, 33.0] {
            for centre in [(63.5, 82.0), (68.0, 80.0)] {
                let expected = 2.0 * half_width / thorax;
                let found = ratio_of(&film(half_width, centre, 1.4));
                let found = f64::from(found.expect("a heart"));
                assert!(
                    (found - expected).abs() < 0.02,
                    "{half_width} {centre:?}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn a_heart_without_borders_has_no_ratio() {
        // Lungs as white as the heart.
        assert_eq!(ratio_of(&film(25.0, (66.0, 82.0), 0.0)), None);
        // All dark.
        assert_eq!(ratio_of(&vec![-1.0; SIDE * SIDE]), None);
    }

    #[test]
    fn the_thorax_is_measured_to_parts_of_a_cell() {
        let fields = lungs();
        let parts = largest_parts(&fields);
        let (_, (from, to)) = thorax(&fields, two_lungs(&parts).unwrap()).unwrap();
        let width = to - from;
        assert!((width - (OUTER.1 - OUTER.0)).abs() < 1e-4, "{width}");
        assert_eq!(beyond(0.9, Some(0.1)), 0.5);
        assert!((beyond(0.6, Some(0.1)) - 0.2).abs() < 1e-12);
        assert_eq!((beyond(0.9, None), beyond(0.9, Some(0.7))), (0.5, 0.5));
    }

    #[test]
    fn a_path_goes_round_a_lone_peak_if_that_takes_long_steps() {
        let mut scores = vec![vec![0.0; 12]; 7];
        for row in &mut scores {
            row[3] = 0.3;
        }
        scores[3][10] = 0.9;
        assert_eq!(best_path(&scores), [3; 7]);
        // Two columns a row can be followed, and cost less than they bring.
        let mut slanted = vec![vec![0.0; 12]; 5];
        for (y, row) in slanted.iter_mut().enumerate() {
            row[1 + 2 * y] = 0.3;
        }
        assert_eq!(best_path(&slanted), [1, 3, 5, 7, 9]);
        assert!(best_path(&[]).is_empty());
    }

    /// The parabola through (4, 1), (5, 3), (6, 2) has its top at 5 + 1/6.
    #[test]
    fn a_peak_lies_between_columns_and_a_median_ignores_one_row() {
        let scores = [-1.0, 0.0, 0.0, 0.0, 1.0, 3.0, 2.0];
        assert!((peak(&scores, 5) - (5.0 + 1.0 / 6.0)).abs() < 1e-12);
        assert_eq!(peak(&scores, 6), 6.0, "there is nothing beyond");
        assert_eq!(peak(&scores, 1), 1.0, "no border may be before");
        assert_eq!(
            medians(&[1.0, 2.0, 90.0, 3.0, 4.0]),
            [1.0, 2.0, 3.0, 4.0, 4.0]
        );
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
    }
}
