//! Where the evidence of a class activation map lies: in the lungs, or beside them?

use crate::domain::{CellPair, ClassActivationMap, LabelActivation, LungFields, Region};

/// The share, from 0 to 1, of the positive part of a label's map that lies in the lungs, over the part of the film that
/// the map covers. The map is interpolated between its cells as the heat map on the screen is. `None` if there is no
/// positive part.
pub fn inside(
    fields: &LungFields,
    maps: &ClassActivationMap,
    label: &LabelActivation,
) -> Option<f32> {
    let Region {
        left,
        top,
        width,
        height,
    } = maps.region;
    let film = fields.region;
    let columns = pairs(fields.side, film.width, (left, width), maps.width);
    let rows = pairs(fields.side, film.height, (top, height), maps.height);
    let (mut inside, mut all) = (0.0, 0.0);
    for (y, row) in rows.iter().enumerate() {
        for (x, column) in columns.iter().enumerate() {
            let (Some(row), Some(column)) = (row, column) else {
                continue;
            };
            let line = |y: usize| column.between(|x| f64::from(label.values[y * maps.width + x]));
            let value = row.between(line).max(0.0);
            all += value;
            if fields.cells[y * fields.side + x] >= LungFields::IS_LUNG {
                inside += value;
            }
        }
    }
    (all > 0.0).then(|| (inside / all) as f32)
}

/// For each of `side` cells over `length` pixels, the cells of a map around its middle; `None` beyond the map.
fn pairs(
    side: usize,
    length: usize,
    region: (usize, usize),
    cells: usize,
) -> Vec<Option<CellPair>> {
    let middle = |cell: usize| (cell as f64 + 0.5) / side as f64 * length as f64;
    (0..side)
        .map(|cell| CellPair::around(middle(cell), region, cells))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Pathology;
    use crate::domain::lung_parts::tests::fields;

    fn maps(width: usize, height: usize, values: Vec<f32>, region: Region) -> ClassActivationMap {
        let label = LabelActivation {
            label: Pathology("Pneumonia".into()),
            bias: 0.0,
            values,
        };
        ClassActivationMap {
            width,
            height,
            labels: vec![label],
            attention: Vec::new(),
            region,
        }
    }

    fn share(fields: &LungFields, maps: &ClassActivationMap) -> Option<f32> {
        inside(fields, maps, &maps.labels[0])
    }

    /// The left half is lung.
    fn half() -> LungFields {
        fields(4, |x, _| if x < 2 { 0.9 } else { 0.1 })
    }

    fn whole() -> Region {
        half().region
    }

    #[test]
    fn only_what_speaks_for_the_label_counts() {
        let even = maps(1, 1, vec![3.0], whole());
        assert_eq!(share(&half(), &even), Some(0.5));
        let against = maps(1, 1, vec![-3.0], whole());
        assert_eq!(share(&half(), &against), None);
        assert_eq!(share(&half(), &maps(1, 1, vec![0.0], whole())), None);
        let left = maps(2, 1, vec![1.0, -4.0], whole());
        assert_eq!(share(&half(), &left), Some(1.0));
    }

    /// `np.interp((np.arange(4) + 0.5) / 2 - 0.5, [0, 1], [1, 3])` is 1, 1.5, 2.5, 3; 2.5 of 8 lie in the left half.
    #[test]
    fn the_map_is_interpolated_as_on_the_screen() {
        let rising = maps(2, 1, vec![1.0, 3.0], whole());
        assert_eq!(share(&half(), &rising), Some(2.5 / 8.0));
        let falling = maps(1, 2, vec![1.0, 3.0], whole());
        assert_eq!(share(&half(), &falling), Some(0.5));
    }

    #[test]
    fn the_film_beyond_the_map_does_not_count() {
        // The middle half of the film, 10 to 30 of 40 pixels, has one column of lung cells and one of others.
        let region = Region {
            left: 10,
            width: 20,
            ..whole()
        };
        let rising = maps(2, 1, vec![1.0, 3.0], region);
        assert_eq!(share(&half(), &rising), Some(0.25));
    }
}
