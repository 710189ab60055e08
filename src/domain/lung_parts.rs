//! The connected parts of lung fields.

use std::cmp::Reverse;
use std::ops::Range;

use super::lungs::LungFields;

/// A part of this share of the film, one in a hundred, counts as a lung.
const LEAST_SHARE: usize = 100;

/// A connected part of lung fields. Cells are connected by their sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LungPart {
    /// Cells per side of the fields.
    side: usize,
    /// Whether each cell belongs to the part, row by row.
    mask: Vec<bool>,
    /// Cells of the part, at least one.
    cells: usize,
}

/// The two largest parts, the larger one first, and of two that are alike the upper one. Fewer where there are fewer.
pub fn largest_parts(fields: &LungFields) -> Vec<LungPart> {
    let mut left: Vec<bool> = fields
        .cells
        .iter()
        .map(|p| *p >= LungFields::IS_LUNG)
        .collect();
    let mut parts = Vec::new();
    for start in 0..left.len() {
        if left[start] {
            parts.push(LungPart::taken(start, &mut left, fields.side));
        }
    }
    parts.sort_by_key(|part| Reverse(part.cells));
    parts.truncate(2);
    parts
}

/// The two lungs as they lie in the picture, from left to right. `None` if there are no two parts that are large enough.
pub fn two_lungs(parts: &[LungPart]) -> Option<[&LungPart; 2]> {
    let [larger, smaller] = parts else {
        return None;
    };
    if smaller.cells < smaller.side * smaller.side / LEAST_SHARE {
        return None;
    }
    let is_left = larger.centre().0 <= smaller.centre().0;
    Some(if is_left {
        [larger, smaller]
    } else {
        [smaller, larger]
    })
}

impl LungPart {
    /// Takes the part with this cell out of `left`.
    fn taken(start: usize, left: &mut [bool], side: usize) -> Self {
        let (mut mask, mut cells) = (vec![false; left.len()], 0);
        let mut next = vec![start];
        left[start] = false;
        while let Some(cell) = next.pop() {
            mask[cell] = true;
            cells += 1;
            let (x, y) = (cell % side, cell / side);
            let beside = [
                (y > 0).then(|| cell - side),
                (x > 0).then(|| cell - 1),
                (x + 1 < side).then_some(cell + 1),
                (y + 1 < side).then_some(cell + side),
            ];
            for cell in beside.into_iter().flatten() {
                if std::mem::take(&mut left[cell]) {
                    next.push(cell);
                }
            }
        }
        LungPart { side, mask, cells }
    }

    /// Its share of the film.
    pub fn share(&self) -> f64 {
        self.cells as f64 / (self.side * self.side) as f64
    }

    /// Its middle, across and down, as shares of the film's width and height.
    pub fn centre(&self) -> (f64, f64) {
        let middle = |counts: &[usize]| {
            let weighed = counts.iter().enumerate().map(|(at, n)| at * n);
            let sum = weighed.sum::<usize>() as f64;
            (sum / self.cells as f64 + 0.5) / self.side as f64
        };
        (middle(&self.in_columns()), middle(&self.in_rows()))
    }

    /// Cells in each column.
    pub fn in_columns(&self) -> Vec<usize> {
        let mut counts = vec![0; self.side];
        for row in self.mask.chunks_exact(self.side) {
            for (count, is) in counts.iter_mut().zip(row) {
                *count += usize::from(*is);
            }
        }
        counts
    }

    /// Cells in each row.
    pub fn in_rows(&self) -> Vec<usize> {
        let rows = self.mask.chunks_exact(self.side);
        rows.map(|row| row.iter().filter(|is| **is).count())
            .collect()
    }

    /// From its first column to its last.
    pub fn columns(&self) -> Range<usize> {
        extent(&self.in_columns())
    }

    /// From its first row to its last.
    pub fn rows(&self) -> Range<usize> {
        extent(&self.in_rows())
    }

    /// Its outermost cells of a row, on both sides.
    pub fn across(&self, row: usize) -> Option<(usize, usize)> {
        let row = &self.mask[row * self.side..][..self.side];
        let first = row.iter().position(|is| *is)?;
        let last = row.iter().rposition(|is| *is)?;
        Some((first, last))
    }

    /// Its lowest cell of a column.
    pub fn lowest(&self, column: usize) -> Option<usize> {
        (0..self.side).rfind(|row| self.mask[row * self.side + column])
    }
}

/// From the first count above zero to the last.
fn extent(counts: &[usize]) -> Range<usize> {
    let first = counts.iter().position(|n| *n > 0).unwrap_or(0);
    let last = counts.iter().rposition(|n| *n > 0);
    first..last.map_or(first, |last| last + 1)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::domain::activation::Region;

    /// Lung fields of a square film with 10 pixels a cell.
    pub fn fields(side: usize, probability: impl Fn(usize, usize) -> f32) -> LungFields {
        let cell = |i: usize| probability(i % side, i / side);
        let region = Region {
            left: 0,
            top: 0,
            width: 10 * side,
            height: 10 * side,
        };
        LungFields {
            side,
            cells: (0..side * side).map(cell).collect(),
            region,
            heart: None,
        }
    }

    fn drawn(rows: &str) -> LungFields {
        let rows: Vec<&[u8]> = rows.split_whitespace().map(str::as_bytes).collect();
        fields(rows.len(), |x, y| match rows[y][x] {
            b'#' => 0.5,
            _ => 0.49,
        })
    }

    /// `scipy.ndimage.label` of the same finds parts of 1, 7, 4 and 7 cells.
    #[test]
    fn parts_are_connected_by_sides_and_come_by_their_size() {
        let fields = drawn(
            "#..##...
             .####...
             .#....#.
             .....##.
             ......#.
             #.#.....
             ###.....
             ##......",
        );
        let parts = largest_parts(&fields);
        let [first, second] = &parts[..] else {
            panic!("{parts:?}")
        };
        assert_eq!((first.cells, second.cells), (7, 7));
        assert_eq!((first.rows(), first.columns()), (0..3, 1..5));
        assert_eq!((second.rows(), second.columns()), (5..8, 0..3));
        assert_eq!(first.across(1), Some((1, 4)));
        assert_eq!((first.across(3), first.lowest(1)), (None, Some(2)));
        // ((3 + 4 + 1 + 2 + 3 + 4 + 1) / 7 + 0.5) / 8, ((0 + 0 + 4 · 1 + 2) / 7 + 0.5) / 8
        let (x, y) = first.centre();
        assert!((x - (18.0 / 7.0 + 0.5) / 8.0).abs() < 1e-12, "{x}");
        assert!((y - (6.0 / 7.0 + 0.5) / 8.0).abs() < 1e-12, "{y}");
        assert_eq!(first.share(), 7.0 / 64.0);
    }

    #[test]
    fn two_lungs_are_large_enough_and_come_from_left_to_right() {
        let columns = |left: usize, right: usize| {
            let fields = fields(20, |x, y| {
                let is_lung = match x {
                    2..6 => y < left,
                    12..16 => y < right,
                    _ => false,
                };
                if is_lung { 0.9 } else { 0.1 }
            });
            let parts = largest_parts(&fields);
            let lungs = two_lungs(&parts);
            lungs.map(|lungs| lungs.map(|lung| (lung.columns().start, lung.cells)))
        };
        assert_eq!(columns(15, 9), Some([(2, 60), (12, 36)]));
        assert_eq!(columns(9, 15), Some([(2, 36), (12, 60)]));
        // 4 of 400 cells are 1 %.
        assert_eq!(columns(1, 15), Some([(2, 4), (12, 60)]));
        assert_eq!(columns(0, 15), None);
        assert_eq!(columns(0, 0), None);
    }
}
