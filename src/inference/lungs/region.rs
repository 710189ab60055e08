//! The box around the lungs, to which `cxr-2` crops a film. `lung_box` in `training/preprocess.py` is the same in
//! Python, in whole numbers, so that both give the same pixels.

use std::ops::Range;

use crate::domain::{LungPart, Region};

/// One of this number of cells may lie beyond each edge of the box, so that a thin outlier does not move it: 0.5 %.
const TRIMMED: usize = 200;
/// The box is widened by so many per cent of its size on each side: the masks end inside the ribs and at the diaphragm.
const MARGIN: usize = 8;

/// The box around both lungs, widened, in the pixels of the film.
pub fn around(lungs: [&LungPart; 2], film: Region) -> Region {
    let sum = |[one, other]: [Vec<usize>; 2]| -> Vec<usize> {
        one.iter().zip(other).map(|(a, b)| a + b).collect()
    };
    let columns = widened(&sum(lungs.map(LungPart::in_columns)), film.width);
    let rows = widened(&sum(lungs.map(LungPart::in_rows)), film.height);
    Region {
        left: film.left + columns.start,
        top: film.top + rows.start,
        width: columns.len(),
        height: rows.len(),
    }
}

/// The range of pixels, of `length`, for cells with these counts.
fn widened(counts: &[usize], length: usize) -> Range<usize> {
    let core = core(counts);
    let more = MARGIN * core.len();
    // Hundredths of a cell.
    let whole = 100 * counts.len();
    let start = (100 * core.start).saturating_sub(more);
    let end = (100 * core.end + more).min(whole);
    start * length / whole..(end * length).div_ceil(whole)
}

/// The range with all but 0.5 % of the counts at each end.
fn core(counts: &[usize]) -> Range<usize> {
    let total = counts.iter().sum();
    let first = outliers(counts.iter(), total);
    first..counts.len() - outliers(counts.iter().rev(), total)
}

/// How many of the first counts hold no more than 0.5 % of `total`.
fn outliers<'a>(mut counts: impl Iterator<Item = &'a usize>, total: usize) -> usize {
    let mut run = 0;
    let is_kept = |count: &usize| {
        run += count;
        TRIMMED * run > total
    };
    counts.position(is_kept).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lung_parts::tests::fields;
    use crate::domain::{largest_parts, two_lungs};

    /// With Python, in `training/`:
    ///
    /// ```python
    /// y, x = np.mgrid[:128, :128]
    /// lungs = ((20 <= x) & (x < 55) | (70 <= x) & (x < 111)) & (y >= 18) & (y < 98) & ((x % 9 > 0) | (y % 5 > 0))
    /// lungs[10:18, 30] = True
    /// lung_box(np.where(lungs, 0.9, 0.1).astype(np.float32), 3001, 2517)
    /// ```
    #[test]
    fn the_box_is_that_of_training() {
        let fields = fields(128, |x, y| {
            let is_beside = (20..55).contains(&x) || (70..111).contains(&x);
            let is_lung = is_beside && (18..98).contains(&y) && (x % 9 > 0 || y % 5 > 0);
            let is_outlier = x == 30 && (10..18).contains(&y);
            if is_lung || is_outlier { 0.9 } else { 0.1 }
        });
        let parts = largest_parts(&fields);
        let film = Region {
            left: 0,
            top: 0,
            width: 3001,
            height: 2517,
        };
        let found = around(two_lungs(&parts).unwrap(), film);
        let expected = Region {
            left: 298,
            top: 228,
            width: 2476,
            height: 1825,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_box_stays_on_the_film_and_is_never_empty() {
        let half = [&[3_usize; 64][..], &[0; 64]].concat();
        assert_eq!(widened(&half, 1000), 0..540);
        let mut narrow = vec![0; 128];
        narrow[127] = 5;
        assert_eq!(core(&narrow), 127..128);
        assert_eq!(widened(&narrow, 64).len(), 1);
    }
}
