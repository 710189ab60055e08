//! A small map in the corner of a picture that shows a part of the image: the whole image, and a frame around the part.

use super::render::Viewport;
use crate::domain::PreviewImage;

/// A map with a shorter side would tell nothing.
const SHORTEST: usize = 8;
/// The frame around the part that is shown, and the one around the map.
const PART: [u8; 3] = [255, 255, 255];
const EDGE: [u8; 3] = [0, 0, 0];

/// The picture with `map`, which shows a whole image of `whole` stored pixels, in its lower right corner. `seen` is the
/// part of it that the picture shows. The same picture if the map is too small to tell anything, or would cover more
/// than a quarter of it.
pub fn with_map(
    picture: &PreviewImage,
    map: &PreviewImage,
    seen: Viewport,
    whole: (usize, usize),
) -> PreviewImage {
    let is_small = map.width.min(map.height) < SHORTEST;
    let is_large = 2 * (map.width + 1) > picture.width || 2 * (map.height + 1) > picture.height;
    if is_small || is_large {
        return picture.clone();
    }
    let mut picture = picture.clone();
    let (left, top) = (picture.width - map.width, picture.height - map.height);
    for y in 0..map.height {
        for x in 0..map.width {
            set(&mut picture, (left + x, top + y), map.rgb(x, y));
        }
    }
    for y in top - 1..picture.height {
        set(&mut picture, (left - 1, y), EDGE);
    }
    for x in left - 1..picture.width {
        set(&mut picture, (x, top - 1), EDGE);
    }
    let range = |start: f64, length: f64, all: usize, pixels: usize| {
        let place = |value: f64| (value / all.max(1) as f64 * pixels as f64).round() as usize;
        let first = place(start).min(pixels - 1);
        (first, place(start + length).clamp(first + 1, pixels) - 1)
    };
    let (x0, x1) = range(seen.x, seen.width, whole.0, map.width);
    let (y0, y1) = range(seen.y, seen.height, whole.1, map.height);
    for x in x0..=x1 {
        set(&mut picture, (left + x, top + y0), PART);
        set(&mut picture, (left + x, top + y1), PART);
    }
    for y in y0..=y1 {
        set(&mut picture, (left + x0, top + y), PART);
        set(&mut picture, (left + x1, top + y), PART);
    }
    picture
}

/// Sets a pixel, in grey where the picture is grey.
fn set(picture: &mut PreviewImage, (x, y): (usize, usize), rgb: [u8; 3]) {
    let at = y * picture.width + x;
    if picture.colour {
        picture.pixels[3 * at..3 * at + 3].copy_from_slice(&rgb);
    } else {
        picture.pixels[at] = super::values::luma(&rgb).round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, value: u8) -> PreviewImage {
        PreviewImage {
            width,
            height,
            pixels: vec![value; width * height],
            colour: false,
        }
    }

    #[test]
    fn the_map_is_in_the_corner_with_a_frame_around_the_part() {
        let seen = Viewport {
            x: 50.0,
            y: 0.0,
            width: 50.0,
            height: 100.0,
        };
        let (picture, map) = (grey(40, 40, 100), grey(10, 10, 60));
        let drawn = with_map(&picture, &map, seen, (100, 100));
        let at = |x: usize, y: usize| drawn.rgb(x, y)[0];
        assert_eq!(at(10, 10), 100, "the rest of the picture");
        assert_eq!((at(29, 35), at(35, 29)), (0, 0), "the edge of the map");
        assert_eq!(at(32, 35), 60, "the part that is not seen");
        assert_eq!((at(35, 35), at(39, 30)), (255, 255), "the frame");
        assert_eq!(at(37, 35), 60, "within the frame");
    }

    #[test]
    fn a_map_that_would_tell_nothing_or_cover_the_picture_is_left_out() {
        let seen = Viewport {
            x: 0.0,
            y: 0.0,
            width: 1.0,
            height: 1.0,
        };
        let picture = grey(40, 40, 100);
        for side in [4, 7, 20, 40] {
            let drawn = with_map(&picture, &grey(side, side, 0), seen, (9, 9));
            assert_eq!(drawn, picture, "{side}");
        }
        let colour = PreviewImage {
            pixels: vec![9; 40 * 40 * 3],
            colour: true,
            ..grey(40, 40, 0)
        };
        let drawn = with_map(&colour, &grey(10, 10, 70), seen, (100, 100));
        assert_eq!(drawn.rgb(35, 35), [70; 3]);
        assert_eq!(drawn.pixels.len(), colour.pixels.len());
    }
}
