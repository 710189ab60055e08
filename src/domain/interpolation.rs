//! The value of a coarse map at a place between its cells.

/// The two cells of one axis of a map between which a place lies, and the way from the first to the second, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellPair {
    /// The cell before the place.
    pub first: usize,
    /// The cell after it; the same at the ends of the map.
    pub second: usize,
    /// 0 in the middle of the first cell, 1 in the middle of the second.
    pub part: f64,
}

impl CellPair {
    /// The cells around the place `at`, where `cells` divide the range `region` (start, length) evenly, all in stored
    /// pixels. Before the middle of the first cell, and after that of the last, the map is even. `None` beyond the map.
    pub fn around(at: f64, region: (usize, usize), cells: usize) -> Option<Self> {
        let share = (at - region.0 as f64) / region.1 as f64;
        let last = cells.checked_sub(1)?;
        if !(0.0..1.0).contains(&share) {
            return None;
        }
        let at = (share * cells as f64 - 0.5).clamp(0.0, last as f64);
        let first = at.floor() as usize;
        Some(CellPair {
            first,
            second: (first + 1).min(last),
            part: at.fract(),
        })
    }

    /// The value at the place, interpolated between the two cells.
    pub fn between(self, value: impl Fn(usize) -> f64) -> f64 {
        let (first, second) = (value(self.first), value(self.second));
        first + (second - first) * self.part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `np.interp(x, [15, 25], [1, 3])` for x in (10, 15, 20, 29.9)
    #[test]
    fn a_value_lies_between_the_middles_of_cells_and_is_even_beyond_them() {
        let values = [1.0, 3.0];
        let value = |at: f64| CellPair::around(at, (10, 20), 2).map(|p| p.between(|i| values[i]));
        let found = [10.0, 15.0, 20.0, 29.9].map(value);
        assert_eq!(found, [1.0, 1.0, 2.0, 3.0].map(Some));
        assert_eq!([9.9, 30.0, f64::NAN].map(value), [None; 3]);
        assert_eq!(CellPair::around(15.0, (10, 20), 0), None);
        assert_eq!(CellPair::around(15.0, (10, 0), 2), None);
    }
}
