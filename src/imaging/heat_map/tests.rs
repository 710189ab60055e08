use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::{Canvas, HeatMapSubject, Pathology, Radiograph, Samples, View};
use crate::imaging::{seen, show};

fn layer(width: usize, values: &[f32], region: Region) -> HeatMapLayer {
    let map = HeatMap {
        subject: HeatMapSubject::Label(Pathology("Pneumonia".into())),
        width,
        height: values.len() / width,
        values: values.to_vec(),
        region,
    };
    HeatMapLayer {
        content: Default::default(),
        map: Arc::new(map),
        opacity: 1.0,
    }
}

/// A map of 6 × 6 cells, all zero but the one at (`column`, `row`).
fn one_cell(column: usize, row: usize, region: Region) -> HeatMapLayer {
    let mut values = [0.0; 36];
    values[row * 6 + column] = 1.0;
    layer(6, &values, region)
}

fn grey(width: usize, height: usize) -> Radiograph {
    Radiograph::plain(width, height, Samples::Grey8(vec![80; width * height]), "t")
}

fn region(left: usize, top: usize, width: usize, height: usize) -> Region {
    Region {
        left,
        top,
        width,
        height,
    }
}

/// Centre of the vermilion, weighted by its strength, in pixels of the picture.
fn centre(r: &Radiograph, view: &View, canvas: Canvas, layer: &HeatMapLayer) -> (f64, f64) {
    let painted = overlay(&show(r, view, canvas).0, seen(r, view, canvas), layer);
    let (mut x_sum, mut y_sum, mut sum) = (0.0, 0.0, 0.0);
    for y in 0..painted.height {
        for x in 0..painted.width {
            let [red, _, blue] = painted.rgb(x, y);
            let weight = (f64::from(red) - f64::from(blue)).max(0.0);
            x_sum += weight * (x as f64 + 0.5);
            y_sum += weight * (y as f64 + 0.5);
            sum += weight;
        }
    }
    assert!(sum > 0.0, "no pixel was painted");
    (x_sum / sum, y_sum / sum)
}

fn assert_near(found: (f64, f64), expected: (f64, f64), tolerance: f64) {
    let (dx, dy) = (found.0 - expected.0, found.1 - expected.1);
    assert!(
        dx.abs() < tolerance && dy.abs() < tolerance,
        "{found:?}, expected {expected:?}"
    );
}

fn canvas(width: usize, height: usize, pixel_aspect: f64) -> Canvas {
    Canvas {
        width,
        height,
        pixel_aspect,
    }
}

#[test]
fn a_cell_is_painted_where_it_lies_on_oblong_films_and_oblong_pixels() {
    let whole = View::default();
    // The centre square of a film of 900 × 600: columns 150 to 750, cells of 100.
    let (film, square) = (grey(900, 600), region(150, 0, 600, 600));
    let at = |column, row| {
        centre(
            &film,
            &whole,
            canvas(300, 300, 1.0),
            &one_cell(column, row, square),
        )
    };
    assert_near(at(1, 1), (100.0, 50.0), 1.0);
    assert_near(at(4, 2), (200.0, 83.3), 1.0);

    // Character cells are twice as tall as wide: half as many rows.
    let cells = canvas(300, 300, 2.0);
    let at = centre(&film, &whole, cells, &one_cell(4, 2, square));
    assert_near(at, (200.0, 41.7), 1.0);

    // Stored pixels twice as tall as wide: 600 × 450 of them are 600 × 900 wide ones, and the
    // square is 300 rows of them.
    let tall = Radiograph {
        pixel_aspect: 2.0,
        ..grey(600, 450)
    };
    let map = one_cell(1, 4, region(0, 75, 600, 300));
    let at = centre(&tall, &whole, canvas(300, 300, 1.0), &map);
    // 200 × 300 pixels; row 75 + 225 of 450.
    assert_near(at, (50.0, 200.0), 1.0);
}

#[test]
fn a_corner_cell_stays_in_its_corner_under_zoom_and_pan() {
    let film = grey(600, 600);
    let map = one_cell(0, 5, region(0, 0, 600, 600));
    let picture = canvas(120, 120, 1.0);
    let view = |zoom, centre| View {
        zoom,
        centre,
        ..View::default()
    };
    let painted = |view: &View| {
        overlay(
            &show(&film, view, picture).0,
            seen(&film, view, picture),
            &map,
        )
    };
    let is_warm = |p: &PreviewImage, x, y| {
        let [red, _, blue] = p.rgb(x, y);
        red > blue.saturating_add(60)
    };
    let whole = painted(&view(1.0, (0.5, 0.5)));
    assert!(is_warm(&whole, 2, 117) && !is_warm(&whole, 117, 2) && !is_warm(&whole, 2, 2));
    // The corner itself, four times as large: its cell is 80 of 120 pixels wide.
    let corner = painted(&view(4.0, (0.125, 0.875)));
    assert!(is_warm(&corner, 2, 117) && is_warm(&corner, 38, 81));
    assert!(!is_warm(&corner, 117, 2));
    // The opposite corner shows no part of it.
    let other = painted(&view(4.0, (0.875, 0.125)));
    let warm = (0..120 * 120).filter(|i| is_warm(&other, i % 120, i / 120));
    assert_eq!(warm.count(), 0);
    // A cell in the middle of the visible part is in the middle of the picture.
    let middle = one_cell(2, 3, region(0, 0, 600, 600));
    let view = view(3.0, (250.0 / 600.0, 350.0 / 600.0));
    assert_near(centre(&film, &view, picture, &middle), (60.0, 60.0), 1.5);
}

#[test]
fn pixels_beyond_the_map_are_unchanged_but_for_a_thin_edge() {
    let film = grey(900, 600);
    let flat = layer(6, &[1.0; 36], region(150, 0, 600, 600));
    let (view, canvas) = (View::default(), canvas(90, 90, 1.0));
    let painted = overlay(
        &show(&film, &view, canvas).0,
        seen(&film, &view, canvas),
        &flat,
    );
    assert_eq!((painted.width, painted.height), (90, 60));
    let end = tinted(80, 1.0);
    for y in [0, 30, 59] {
        assert_eq!(painted.rgb(13, y), [80; 3]);
        assert_eq!(painted.rgb(14, y), [80 + EDGE; 3]);
        assert_eq!(painted.rgb(15, y), end);
        assert_eq!(painted.rgb(74, y), end);
        assert_eq!(painted.rgb(75, y), [80 + EDGE; 3]);
        assert_eq!(painted.rgb(76, y), [80; 3]);
    }
}

#[test]
fn a_map_of_zeros_or_without_opacity_paints_no_pixel() {
    let film = grey(60, 60);
    let (view, canvas) = (View::default(), canvas(60, 60, 1.0));
    let bare = show(&film, &view, canvas).0;
    let zeros = layer(2, &[0.0; 4], region(0, 0, 60, 60));
    let painted = overlay(&bare, seen(&film, &view, canvas), &zeros);
    assert!((0..60).all(|i| painted.rgb(i, i) == bare.rgb(i, i)));
    let transparent = HeatMapLayer {
        opacity: 0.0,
        ..one_cell(1, 1, region(0, 0, 60, 60))
    };
    let painted = overlay(&bare, seen(&film, &view, canvas), &transparent);
    assert!((0..60).all(|i| painted.rgb(i, i) == bare.rgb(i, i)));
}

#[test]
fn a_legend_goes_from_blue_through_grey_to_vermilion() {
    let legend = legend(&one_cell(0, 0, region(0, 0, 6, 6)));
    assert_eq!((legend.ramp.len(), legend.range), (RAMP, 1.0));
    let ([first, .., last], middle) = (&legend.ramp[..], legend.ramp[RAMP / 2]) else {
        panic!("no colours")
    };
    assert!(first[2] > first[0] && last[0] > last[2]);
    assert!(middle[0] == middle[1] && middle[1] == middle[2]);
}

proptest! {
    #[test]
    fn interpolated_values_stay_within_those_of_the_cells(
        values in prop::collection::vec(-9.0_f32..9.0, 12),
        pixels in 1_usize..60,
        start in -20.0_f64..50.0,
        length in 0.5_f64..80.0,
    ) {
        let layer = layer(4, &values, region(5, 3, 40, 30));
        let map = &*layer.map;
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let columns = AxisCells::new(pixels, (start, length), (5, 40), 4);
        let rows = AxisCells::new(pixels, (start, length), (3, 30), 3);
        for row in rows.pairs.iter().flatten() {
            let line = between_rows(map, *row);
            for column in columns.pairs.iter().flatten() {
                let value = column.between(|i| line[i]) as f32;
                prop_assert!((low - 1e-5..=high + 1e-5).contains(&value));
            }
        }
    }
}
