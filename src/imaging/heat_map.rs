//! A heat map over a picture.
//!
//! Contributions have a sign, so the colours have two ends: vermilion speaks for the label, blue
//! against it. Both ends have the same lightness and the same chroma in Oklab (Ottosson 2020,
//! <https://bottosson.github.io/posts/oklab/>), a straight line leads to them from the grey of the
//! pixel, and the way along it is the size of the contribution: equal steps of contribution look
//! equal, neither sign shouts louder, and what contributes nothing keeps the grey of the film.
//! Blue and vermilion are told apart with any colour vision (Okabe & Ito 2008).

use std::sync::LazyLock;

use super::display::Viewport;
use super::values::luma;
use crate::domain::{HeatMap, HeatMapLayer, HeatMapLegend, PreviewImage, Region};

/// Oklab lightness of both ends, and their a and b: chroma 0.17 at hues of 50° and 250°.
const LIGHTNESS: f32 = 0.68;
const FOR: (f32, f32) = (0.1093, 0.1302);
const AGAINST: (f32, f32) = (-0.0581, -0.1597);
/// How much lighter, or darker on white, the edge of what the network saw is drawn.
const EDGE: u8 = 56;
/// A map that is flatter than this, in logits, says nothing.
const FLAT: f32 = 1e-6;
/// Colours of a legend.
const RAMP: usize = 33;

/// The picture in colour, with the heat map over what `seen` shows of the radiograph: see
/// [`super::seen`]. Pixels beyond the map's region stay as they are, and a thin line marks where
/// it ends.
pub fn overlay(picture: &PreviewImage, seen: Viewport, layer: &HeatMapLayer) -> PreviewImage {
    let map = &*layer.map;
    let Region {
        left,
        top,
        width,
        height,
    } = map.region;
    let columns = AxisCells::new(
        picture.width,
        (seen.x, seen.width),
        (left, width),
        map.width,
    );
    let rows = AxisCells::new(
        picture.height,
        (seen.y, seen.height),
        (top, height),
        map.height,
    );
    let scale = scale(map, layer.opacity);
    let mut pixels = Vec::with_capacity(picture.width * picture.height * 3);
    for (y, row) in rows.places.iter().enumerate() {
        let line = row.map(|place| between_rows(map, place));
        for (x, column) in columns.places.iter().enumerate() {
            let rgb = picture.rgb(x, y);
            pixels.extend(match (&line, column) {
                (Some(line), Some(place)) => {
                    let grey = luma(&rgb).round() as u8;
                    tinted(grey, place.between(|i| line[i]) * scale)
                }
                _ if columns.is_edge(x) && (row.is_some() || rows.is_edge(y)) => edge(rgb),
                _ if rows.is_edge(y) && column.is_some() => edge(rgb),
                _ => rgb,
            });
        }
    }
    PreviewImage {
        width: picture.width,
        height: picture.height,
        pixels,
        colour: true,
    }
}

/// What has to stand beside a picture with this heat map.
pub fn legend(layer: &HeatMapLayer) -> HeatMapLegend {
    const MID_GREY: u8 = 119;
    let strength = |i: usize| (2.0 * i as f32 / (RAMP - 1) as f32 - 1.0) * layer.opacity;
    HeatMapLegend {
        subject: layer.map.subject.clone(),
        range: layer.map.range(),
        opacity: layer.opacity,
        ramp: (0..RAMP).map(|i| tinted(MID_GREY, strength(i))).collect(),
    }
}

/// From a contribution to the way along the line of colours, −1 to 1.
fn scale(map: &HeatMap, opacity: f32) -> f32 {
    let range = map.range();
    if range < FLAT { 0.0 } else { opacity / range }
}

/// Between which two cells a pixel lies, and how far from the first.
#[derive(Clone, Copy)]
struct CellPair {
    first: usize,
    second: usize,
    part: f32,
}

impl CellPair {
    fn between(self, value: impl Fn(usize) -> f32) -> f32 {
        let (first, second) = (value(self.first), value(self.second));
        first + (second - first) * self.part
    }
}

/// Places of the pixels of one axis of a picture; `None` beyond the map.
struct AxisCells {
    places: Vec<Option<CellPair>>,
}

impl AxisCells {
    /// `pixels` show `seen` (start and length, in stored pixels) of an axis on which `cells` lie
    /// over `region`. Cells and pixels are both counted from their middles.
    fn new(pixels: usize, seen: (f64, f64), region: (usize, usize), cells: usize) -> Self {
        let last = cells.saturating_sub(1);
        let place = |pixel: usize| {
            let stored = seen.0 + (pixel as f64 + 0.5) / pixels as f64 * seen.1;
            let share = (stored - region.0 as f64) / region.1 as f64;
            if cells == 0 || !(0.0..1.0).contains(&share) {
                return None;
            }
            let at = (share * cells as f64 - 0.5).clamp(0.0, last as f64);
            let first = at.floor() as usize;
            Some(CellPair {
                first,
                second: (first + 1).min(last),
                part: (at - at.floor()) as f32,
            })
        };
        AxisCells {
            places: (0..pixels).map(place).collect(),
        }
    }

    /// Whether this is the first pixel beyond the map.
    fn is_edge(&self, pixel: usize) -> bool {
        let inside = |i: Option<usize>| {
            i.and_then(|i| self.places.get(i))
                .is_some_and(Option::is_some)
        };
        !inside(Some(pixel)) && (inside(pixel.checked_sub(1)) || inside(pixel.checked_add(1)))
    }
}

/// The row of the map at a place between two of its rows.
fn between_rows(map: &HeatMap, place: CellPair) -> Vec<f32> {
    let value = |row: usize, column: usize| {
        let value = map.values.get(row * map.width + column);
        value.copied().unwrap_or(0.0)
    };
    (0..map.width)
        .map(|column| place.between(|row| value(row, column)))
        .collect()
}

fn edge(rgb: [u8; 3]) -> [u8; 3] {
    rgb.map(|v| if v < 128 { v + EDGE } else { v - EDGE })
}

/// A grey on its way to one of the ends: `strength` from −1 (against) to 1 (for).
fn tinted(grey: u8, strength: f32) -> [u8; 3] {
    let way = strength.abs().min(1.0);
    if way == 0.0 {
        return [grey; 3];
    }
    let (a, b) = if strength > 0.0 { FOR } else { AGAINST };
    let lightness = GREYS[usize::from(grey)];
    srgb(lightness + (LIGHTNESS - lightness) * way, a * way, b * way)
}

/// Oklab lightness of the 256 greys.
static GREYS: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|grey| {
        let v = grey as f32 / 255.0;
        let linear = if v <= 0.040_45 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        };
        linear.cbrt()
    })
});

/// sRGB bytes of linear light in 4096 steps: at the dark end a step is less than a byte.
static BYTES: LazyLock<[u8; 4096]> = LazyLock::new(|| {
    std::array::from_fn(|step| {
        let linear = step as f32 / 4095.0;
        let v = if linear <= 0.003_130_8 {
            linear * 12.92
        } else {
            1.055 * linear.powf(1.0 / 2.4) - 0.055
        };
        (v * 255.0).round() as u8
    })
});

/// From Oklab to sRGB, by Ottosson's matrices.
fn srgb(lightness: f32, a: f32, b: f32) -> [u8; 3] {
    let l = (lightness + 0.396_337_8 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_35 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_4 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
    .map(|linear| BYTES[(linear.clamp(0.0, 1.0) * 4095.0).round() as usize])
}

#[cfg(test)]
mod tests {
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

    /// Nothing but one cell: at (`column`, `row`) of 6 × 6.
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

    /// Middle of the vermilion, weighed by its strength, in pixels of the picture.
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
        assert!(sum > 0.0, "nothing was painted");
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

        // Letters, twice as tall as wide: half as many rows.
        let letters = canvas(300, 300, 2.0);
        let at = centre(&film, &whole, letters, &one_cell(4, 2, square));
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
    fn a_corner_stays_at_its_corner_under_zoom_and_pan() {
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
        // The opposite corner has nothing of it.
        let other = painted(&view(4.0, (0.875, 0.125)));
        let warm = (0..120 * 120).filter(|i| is_warm(&other, i % 120, i / 120));
        assert_eq!(warm.count(), 0);
        // A cell in the middle of what is seen is in the middle of the picture.
        let middle = one_cell(2, 3, region(0, 0, 600, 600));
        let view = view(3.0, (250.0 / 600.0, 350.0 / 600.0));
        assert_near(centre(&film, &view, picture, &middle), (60.0, 60.0), 1.5);
    }

    #[test]
    fn beyond_the_square_pixels_are_bare_but_for_a_thin_edge() {
        let film = grey(900, 600);
        let flat = layer(6, &[1.0; 36], region(150, 0, 600, 600));
        let (view, canvas) = (View::default(), canvas(90, 90, 1.0));
        let painted = overlay(
            &show(&film, &view, canvas).0,
            seen(&film, &view, canvas),
            &flat,
        );
        assert_eq!((painted.width, painted.height), (90, 60));
        let end = srgb(LIGHTNESS, FOR.0, FOR.1);
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
    fn nothing_contributed_nothing_painted() {
        let film = grey(60, 60);
        let (view, canvas) = (View::default(), canvas(60, 60, 1.0));
        let bare = show(&film, &view, canvas).0;
        let nothing = layer(2, &[0.0; 4], region(0, 0, 60, 60));
        let painted = overlay(&bare, seen(&film, &view, canvas), &nothing);
        assert!((0..60).all(|i| painted.rgb(i, i) == bare.rgb(i, i)));
        let transparent = HeatMapLayer {
            opacity: 0.0,
            ..one_cell(1, 1, region(0, 0, 60, 60))
        };
        let painted = overlay(&bare, seen(&film, &view, canvas), &transparent);
        assert!((0..60).all(|i| painted.rgb(i, i) == bare.rgb(i, i)));
    }

    /// Oklab from sRGB, the way back that the program does not need.
    fn oklab(rgb: [u8; 3]) -> [f32; 3] {
        let [r, g, b] = rgb.map(|v| {
            let v = f32::from(v) / 255.0;
            if v <= 0.040_45 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        });
        let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
        let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
        let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
        [
            0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
            1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
            0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
        ]
    }

    fn distance(a: [u8; 3], b: [u8; 3]) -> f32 {
        let (a, b) = (oklab(a), oklab(b));
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f32>()
            .sqrt()
    }

    /// On any grey: equal steps look equal, and both ends are equally far away.
    #[test]
    fn the_colours_are_perceptually_even() {
        for grey in [0, 60, 119, 200, 255] {
            for sign in [-1.0, 1.0] {
                let steps: Vec<f32> = (0..8)
                    .map(|i| {
                        let at = |i: i32| tinted(grey, sign * i as f32 / 8.0);
                        distance(at(i), at(i + 1))
                    })
                    .collect();
                let mean = steps.iter().sum::<f32>() / 8.0;
                for step in &steps {
                    // Bytes are coarse in the dark.
                    assert!((step - mean).abs() < 0.2 * mean, "{grey} {sign}: {steps:?}");
                }
            }
            let (warm, cold) = (tinted(grey, 1.0), tinted(grey, -1.0));
            let bare = [grey; 3];
            let ratio = distance(bare, warm) / distance(bare, cold);
            assert!((0.95..1.05).contains(&ratio), "{grey}: {ratio}");
        }
    }

    #[test]
    fn a_legend_goes_from_against_to_for_through_grey() {
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
        fn between_cells_nothing_exceeds_them(
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
            for row in rows.places.iter().flatten() {
                let line = between_rows(map, *row);
                for column in columns.places.iter().flatten() {
                    let value = column.between(|i| line[i]);
                    prop_assert!((low - 1e-5..=high + 1e-5).contains(&value));
                }
            }
        }
    }
}
