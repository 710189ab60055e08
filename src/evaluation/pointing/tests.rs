use proptest::prelude::*;

use super::*;
use crate::domain::{HeatMapSubject, Pathology, Region};

fn map(
    width: usize,
    values: &[f32],
    (left, top, across, down): (usize, usize, usize, usize),
) -> HeatMap {
    HeatMap {
        subject: HeatMapSubject::Label(Pathology("Pneumonia".into())),
        width,
        height: values.len() / width,
        values: values.to_vec(),
        region: Region {
            left,
            top,
            width: across,
            height: down,
        },
    }
}

fn drawn(x: f64, y: f64, width: f64, height: f64) -> FilmBox {
    FilmBox::new(x, y, width, height).unwrap()
}

fn point(x: f64, y: f64) -> FilmPoint {
    FilmPoint { x, y }
}

/// Two by two cells of 150 pixels over the middle square of a film of 400 × 300.
fn square() -> HeatMap {
    map(2, &[1.0, -1.0, 0.0, 3.0], (50, 0, 300, 300))
}

/// Three by two cells of 40 × 30 pixels over a part of a film of 200 × 100 that is not square.
fn oblong() -> HeatMap {
    map(3, &[-2.0, 4.0, 1.0, 1.0, 0.0, 2.0], (40, 20, 120, 60))
}

#[test]
fn the_strongest_point_is_the_middle_of_the_strongest_cell() {
    let of = |map: &HeatMap, film| MapOnFilm::new(map, film).unwrap().strongest_point();
    // (50 + 225) / 400, 225 / 300.
    assert_eq!(of(&square(), (400, 300)), Some(point(0.6875, 0.75)));
    // (40 + 60) / 200, (20 + 15) / 100.
    assert_eq!(of(&oblong(), (200, 100)), Some(point(0.5, 0.35)));
    let equal = map(2, &[0.0, 1.0, 1.0, 1.0], (0, 0, 8, 8));
    assert_eq!(of(&equal, (8, 8)), Some(point(0.75, 0.25)), "the first");
    let broken = map(2, &[f32::NAN, f32::INFINITY, 0.5, 0.25], (0, 0, 8, 8));
    assert_eq!(of(&broken, (8, 8)), Some(point(0.25, 0.75)));
}

#[test]
fn a_point_on_the_edge_of_a_box_is_in_it() {
    let map = map(2, &[5.0, 1.0, 1.0, 1.0], (0, 0, 100, 100));
    let map = MapOnFilm::new(&map, (100, 100)).unwrap();
    let is_hit = |boxes: &[FilmBox]| LabelPointing::of(map, boxes).is_hit;
    assert!(is_hit(&[drawn(0.25, 0.25, 0.5, 0.5)]));
    assert!(is_hit(&[drawn(0.0, 0.0, 0.25, 0.25)]));
    assert!(!is_hit(&[drawn(0.251, 0.25, 0.5, 0.5)]));
    assert!(!is_hit(&[drawn(0.0, 0.0, 0.25, 0.249)]));
    // One of several is enough.
    assert!(is_hit(&[
        drawn(0.8, 0.8, 0.1, 0.1),
        drawn(0.2, 0.2, 0.1, 0.1)
    ]));
}

#[test]
fn a_map_without_positive_evidence_points_nowhere() {
    let map = map(2, &[-1.0, 0.0, -0.5, -3.0], (0, 0, 8, 8));
    let map = MapOnFilm::new(&map, (8, 8)).unwrap();
    assert_eq!(map.strongest_point(), None);
    let expected = LabelPointing {
        is_hit: false,
        overlap: MapOverlap {
            evidence_in_boxes: None,
            intersection_over_union: Some(0.0),
        },
    };
    assert_eq!(
        LabelPointing::of(map, &[drawn(0.0, 0.0, 1.0, 1.0)]),
        expected
    );
    assert_eq!(map.overlap(&[]).intersection_over_union, None);
}

/// A single cell has one value everywhere, so shares are those of areas.
#[test]
fn a_flat_map_overlaps_by_area() {
    // The region is the right half of the film.
    let flat = map(1, &[2.0], (100, 0, 100, 50));
    let flat = MapOnFilm::new(&flat, (200, 50)).unwrap();
    let overlap = |boxes: &[FilmBox]| {
        let found = flat.overlap(boxes);
        (
            found.evidence_in_boxes.unwrap(),
            found.intersection_over_union.unwrap(),
        )
    };
    assert_eq!(overlap(&[drawn(0.5, 0.0, 0.5, 1.0)]), (1.0, 1.0));
    assert_eq!(overlap(&[drawn(0.0, 0.0, 1.0, 1.0)]), (1.0, 0.5));
    assert_eq!(overlap(&[drawn(0.25, 0.0, 0.5, 1.0)]), (0.5, 1.0 / 3.0));
    assert_eq!(overlap(&[drawn(0.0, 0.0, 0.5, 1.0)]), (0.0, 0.0));
    // What two boxes share counts once.
    let twice = [drawn(0.5, 0.0, 0.25, 1.0), drawn(0.5, 0.0, 0.25, 1.0)];
    assert_eq!(overlap(&twice), (0.5, 0.5));
}

// import numpy as np
//
// def overlap(film, region, values, boxes, n=4000):
//     values = np.array(values, dtype=float)
//     rows, columns = values.shape
//     left, top, width, height = region
//     x, y = [(np.arange(n) + 0.5) / n for _ in range(2)]
//     middles = lambda start, length, cells, whole: (start + (np.arange(cells) + 0.5) / cells * length) / whole
//     xs, ys = middles(left, width, columns, film[0]), middles(top, height, rows, film[1])
//     across = np.array([np.interp(x, xs, row) for row in values])
//     map_ = np.array([np.interp(y, ys, column) for column in across.T]).T
//     seen = lambda at, start, length, whole: (at >= start / whole) & (at < (start + length) / whole)
//     inside = np.outer(seen(y, top, height, film[1]), seen(x, left, width, film[0]))
//     evidence = np.where(inside, map_, 0).clip(0)
//     boxed = np.zeros((n, n), dtype=bool)
//     for bx, by, bw, bh in boxes:
//         boxed |= np.outer((y >= by) & (y <= by + bh), (x >= bx) & (x <= bx + bw))
//     marked = (evidence > 0) & (evidence >= values.max() / 2)
//     return evidence[boxed].sum() / evidence.sum(), (boxed & marked).sum() / (boxed | marked).sum()
//
// square = (400, 300), (50, 0, 300, 300), [[1, -1], [0, 3]]
// print(overlap(*square, [(0.5, 0.5, 0.25, 0.375)]))
// print(overlap(*square, [(0.5, 0.5, 0.25, 0.375), (0, 0, 0.25, 0.25)]))
// oblong = (200, 100), (40, 20, 120, 60), [[-2, 4, 1], [1, 0, 2]]
// print(overlap(*oblong, [(0.4, 0.1, 0.3, 0.4), (0.55, 0.3, 0.25, 0.5)]))
#[test]
fn numpy_agrees_on_the_overlap() {
    let one = [drawn(0.5, 0.5, 0.25, 0.375)];
    let two = [one[0], drawn(0.0, 0.0, 0.25, 0.25)];
    let lapped = [drawn(0.4, 0.1, 0.3, 0.4), drawn(0.55, 0.3, 0.25, 0.5)];
    for (map, film, boxes, evidence, union) in [
        (square(), (400, 300), &one[..], 0.278_254, 0.367_949),
        (square(), (400, 300), &two, 0.326_385, 0.272_994),
        (oblong(), (200, 100), &lapped, 0.813_767, 0.310_798),
    ] {
        let found = MapOnFilm::new(&map, film).unwrap().overlap(boxes);
        let (a, b) = (
            found.evidence_in_boxes.unwrap(),
            found.intersection_over_union.unwrap(),
        );
        // A row of places is 0.4 % of the film.
        assert!(
            (a - evidence).abs() < 0.004 && (b - union).abs() < 0.004,
            "{found:?}"
        );
    }
}

#[test]
fn a_map_or_a_film_without_area_cannot_be_measured() {
    assert!(MapOnFilm::new(&square(), (0, 300)).is_none());
    assert!(MapOnFilm::new(&map(2, &[1.0; 4], (0, 0, 0, 3)), (3, 3)).is_none());
    assert!(MapOnFilm::new(&map(2, &[], (0, 0, 3, 3)), (3, 3)).is_none());
    let torn = HeatMap {
        height: 3,
        ..square()
    };
    assert!(MapOnFilm::new(&torn, (400, 300)).is_none());
}

/// Lung fields of 20 × 20 cells with lung in the rectangles of (left, top, width, height).
fn fields(lungs: &[(usize, usize, usize, usize)]) -> LungFields {
    let is_lung = |at: usize| {
        lungs.iter().any(|&(left, top, width, height)| {
            (left..left + width).contains(&(at % 20)) && (top..top + height).contains(&(at / 20))
        })
    };
    LungFields {
        side: 20,
        region: Region {
            left: 0,
            top: 0,
            width: 400,
            height: 300,
        },
        heart: None,
        cells: (0..400)
            .map(|at| if is_lung(at) { 0.5 } else { 0.49 })
            .collect(),
    }
}

#[test]
fn the_control_points_at_the_middles_of_the_two_largest_regions() {
    // A stray of one cell comes first in rows. The lungs touch at a corner, which does not join them.
    let found = LungMiddles::of(Some(&fields(&[(0, 0, 1, 1), (3, 4, 6, 10), (9, 14, 8, 4)])));
    assert!(found.are_of_this_film);
    assert_eq!(found.points, [point(0.3, 0.45), point(0.65, 0.8)]);
    assert_eq!(found.hits(&[drawn(0.3, 0.4, 0.1, 0.1)]), 0.5);
    assert_eq!(found.hits(&[drawn(0.2, 0.4, 0.6, 0.5)]), 1.0);
    assert_eq!(found.hits(&[drawn(0.0, 0.0, 0.1, 0.1)]), 0.0);
}

#[test]
fn without_two_lungs_the_control_points_at_fixed_places() {
    let usual = LungMiddles {
        points: [point(0.3, 0.5), point(0.7, 0.5)],
        are_of_this_film: false,
    };
    let torn = LungFields {
        side: 21,
        ..fields(&[])
    };
    for fields in [
        fields(&[]),
        fields(&[(3, 4, 14, 10)]),
        // The second is a stray.
        fields(&[(3, 4, 6, 10), (15, 4, 1, 3)]),
        torn,
    ] {
        assert_eq!(LungMiddles::of(Some(&fields)), usual);
    }
    assert_eq!(LungMiddles::of(None), usual);
}

proptest! {
    #[test]
    fn no_place_has_more_evidence_than_the_strongest_point(
        values in prop::collection::vec(-9.0_f32..9.0, 12),
        region in (0_usize..40, 0_usize..40, 1_usize..60, 1_usize..60),
        start in (0.0_f64..0.9, 0.0_f64..0.9),
    ) {
        let map = map(4, &values, region);
        let map = MapOnFilm::new(&map, (100, 100)).unwrap();
        let most = map.largest();
        let row = axis(100, (region.1, region.3), 3).into_iter().flatten();
        for line in row.map(|row| map.line(row)) {
            for column in axis(100, (region.0, region.2), 4).into_iter().flatten() {
                prop_assert!(column.between(|cell| line[cell]) <= most + 1e-9);
            }
        }
        // Both shares are shares, and a point within the film is all that is ever named.
        let boxes = [drawn(start.0, start.1, 0.1, 0.1)];
        let overlap = map.overlap(&boxes);
        let shares = [overlap.evidence_in_boxes, overlap.intersection_over_union];
        for share in shares.into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&share));
        }
        if let Some(FilmPoint { x, y }) = map.strongest_point() {
            prop_assert!((0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y));
        }
    }
}
