//! Draws a reader's marks over a picture of a radiograph: thin lines with a dark edge, so that they are seen on black and
//! on white, and the number of each mark beside it.

use super::render::Viewport;
use crate::domain::{MarkDrawing, MarkKind, MarkLayer, MarkPoint, MarkTone, PreviewImage};

const PLAIN: [u8; 3] = [64, 224, 255];
const SELECTED: [u8; 3] = [255, 221, 87];
const EDGE: [u8; 3] = [0, 0, 0];
/// A picture of fewer pixels across has lines without edges, and no more than one pixel wide.
const ROOM_FOR_EDGES: usize = 320;
/// Pixels of the picture for each pixel of a line's width.
const FOR_A_WIDER_LINE: usize = 900;
/// Pixels of a dash, and of the gap after it, for lines that are only offered.
const DASH: usize = 4;

/// Digits of three columns and five rows: each row is three bits, the left one highest.
const DIGITS: [[u8; 5]; 10] = [
    [7, 5, 5, 5, 7],
    [2, 6, 2, 2, 7],
    [7, 1, 7, 4, 7],
    [7, 1, 7, 1, 7],
    [5, 5, 7, 1, 1],
    [7, 4, 7, 1, 7],
    [7, 4, 7, 5, 7],
    [7, 1, 1, 1, 1],
    [7, 5, 7, 5, 7],
    [7, 5, 7, 1, 7],
];

/// The picture in colour with the marks over it. `seen` is the part of the radiograph that the picture shows
/// ([`super::seen`]); what lies outside is cut off.
pub fn draw_marks(picture: &PreviewImage, seen: Viewport, layer: &MarkLayer) -> PreviewImage {
    let mut sheet = Sheet::new(picture, seen);
    for mark in &layer.marks {
        sheet.mark(mark);
    }
    if let Some(cursor) = layer.cursor {
        sheet.cursor(cursor);
    }
    sheet.picture
}

/// A picture that is drawn on.
struct Sheet {
    picture: PreviewImage,
    seen: Viewport,
    /// Pixels of a line's width.
    width: i64,
    has_edges: bool,
}

impl Sheet {
    fn new(picture: &PreviewImage, seen: Viewport) -> Self {
        let PreviewImage { width, height, .. } = *picture;
        let pixels = if picture.colour {
            picture.pixels.clone()
        } else {
            picture.pixels.iter().flat_map(|grey| [*grey; 3]).collect()
        };
        Sheet {
            picture: PreviewImage {
                width,
                height,
                pixels,
                colour: true,
            },
            seen,
            width: 1 + (width / FOR_A_WIDER_LINE) as i64,
            has_edges: width >= ROOM_FOR_EDGES,
        }
    }

    /// The pixel of the picture in which a point of the film lies; it may be outside.
    fn place(&self, point: MarkPoint) -> (i64, i64) {
        let (x, y) = point.pixels();
        let at = |value: f64, start: f64, length: f64, pixels: usize| {
            ((value - start) / length * pixels as f64).floor() as i64
        };
        (
            at(x, self.seen.x, self.seen.width, self.picture.width),
            at(y, self.seen.y, self.seen.height, self.picture.height),
        )
    }

    fn set(&mut self, (x, y): (i64, i64), rgb: [u8; 3]) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if x < self.picture.width && y < self.picture.height {
            let at = 3 * (y * self.picture.width + x);
            self.picture.pixels[at..at + 3].copy_from_slice(&rgb);
        }
    }

    /// A square dot about a pixel, as wide as a line and `more` on each side.
    fn dot(&mut self, (x, y): (i64, i64), more: i64, rgb: [u8; 3]) {
        let (from, to) = (-(self.width - 1) / 2 - more, self.width / 2 + more);
        for down in from..=to {
            for right in from..=to {
                self.set((x + right, y + down), rgb);
            }
        }
    }

    /// First the edges of all lines of a mark, so that none lies over another line.
    fn mark(&mut self, mark: &MarkDrawing) {
        let rgb = match mark.tone {
            MarkTone::Plain => PLAIN,
            MarkTone::Selected | MarkTone::Offered => SELECTED,
        };
        let mut dots = Vec::new();
        for [a, b] in mark.kind.lines(&mark.points) {
            let line = line(self.place(a), self.place(b), self.picture_size());
            let is_dashed = mark.tone == MarkTone::Offered;
            let is_drawn = |at: usize| !is_dashed || at % (2 * DASH) < DASH;
            let drawn = line.into_iter().enumerate();
            dots.extend(drawn.filter(|(at, _)| is_drawn(*at)).map(|(_, dot)| dot));
        }
        for point in &mark.points {
            dots.extend(self.end(mark.kind, *point));
        }
        if self.has_edges {
            for dot in &dots {
                self.dot(*dot, 1, EDGE);
            }
        }
        for dot in dots {
            self.dot(dot, 0, rgb);
        }
        if let (Some(number), Some(point)) = (mark.number, mark.points.first()) {
            self.number(number, *point, rgb);
        }
    }

    /// The dots of a small cross at an end of a line, or of a ring about a point.
    fn end(&self, kind: MarkKind, point: MarkPoint) -> Vec<(i64, i64)> {
        let (x, y) = self.place(point);
        let arm = if self.has_edges { 4 * self.width } else { 1 };
        match kind {
            MarkKind::Box => Vec::new(),
            MarkKind::Point if self.has_edges => {
                let reach = 2 * arm;
                let is_ring = |right: i64, down: i64| {
                    let away = ((right * right + down * down) as f64).sqrt();
                    (away - reach as f64).abs() < 0.6
                };
                let square = (-reach..=reach)
                    .flat_map(|down| (-reach..=reach).map(move |right| (right, down)));
                let ring = square.filter(|(right, down)| is_ring(*right, *down));
                ring.map(|(right, down)| (x + right, y + down)).collect()
            }
            _ => {
                let along = (-arm..=arm).flat_map(|away| [(x + away, y), (x, y + away)]);
                along.collect()
            }
        }
    }

    /// The number of a mark, to the upper right of its first point, or where there is room for it.
    fn number(&mut self, number: usize, point: MarkPoint, rgb: [u8; 3]) {
        let scale = if self.has_edges { 2 * self.width } else { 1 };
        let digits: Vec<usize> = number
            .to_string()
            .bytes()
            .map(|digit| usize::from(digit - b'0'))
            .collect();
        let (wide, tall) = (4 * scale * digits.len() as i64, 5 * scale);
        let (x, y) = self.place(point);
        let away = if self.has_edges { 5 * self.width } else { 2 };
        let (right, bottom) = self.picture_size();
        if !(0..right).contains(&x) || !(0..bottom).contains(&y) {
            return;
        }
        let left = (x + away).min(right - wide).max(0);
        let top = (y - away - tall).max(0);
        let at = |i: usize, column: i64, row: i64| {
            let left = left + 4 * scale * i as i64;
            (left + column * scale, top + row * scale)
        };
        let mut squares = Vec::new();
        for (i, digit) in digits.into_iter().enumerate() {
            for (row, bits) in DIGITS[digit].into_iter().enumerate() {
                let columns = (0..3).filter(|column| bits & (4 >> column) != 0);
                squares.extend(columns.map(|column| at(i, column, row as i64)));
            }
        }
        for (more, rgb) in [(1, EDGE), (0, rgb)] {
            // Without an edge the digits of a coarse picture would not be read on white.
            for (x, y) in &squares {
                for down in -more..scale + more {
                    for right in -more..scale + more {
                        self.set((x + right, y + down), rgb);
                    }
                }
            }
        }
    }

    /// A cross with an open middle, so that the place under it stays visible.
    fn cursor(&mut self, point: MarkPoint) {
        let (x, y) = self.place(point);
        let (from, to) = if self.has_edges {
            (3 * self.width, 12 * self.width)
        } else {
            (1, 3)
        };
        let arms = |away: i64| [(x + away, y), (x - away, y), (x, y + away), (x, y - away)];
        let dots: Vec<(i64, i64)> = (from..=to).flat_map(arms).collect();
        for dot in &dots {
            self.dot(*dot, 1, EDGE);
        }
        for dot in dots {
            self.dot(dot, 0, SELECTED);
        }
    }

    fn picture_size(&self) -> (i64, i64) {
        (self.picture.width as i64, self.picture.height as i64)
    }
}

/// The pixels of a line from one to the other. Of a line that goes far beyond the picture only the part near it is walked:
/// both ends are cut to it first (Liang and Barsky 1984).
fn line(a: (i64, i64), b: (i64, i64), (width, height): (i64, i64)) -> Vec<(i64, i64)> {
    /// A line in the margin still reaches into the picture with its width.
    const MARGIN: f64 = 16.0;
    let start = (a.0 as f64, a.1 as f64);
    let along = ((b.0 - a.0) as f64, (b.1 - a.1) as f64);
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    for (start, along, length) in [
        (start.0, along.0, width as f64),
        (start.1, along.1, height as f64),
    ] {
        let (low, high) = (-MARGIN - start, length + MARGIN - start);
        if along == 0.0 {
            if low > 0.0 || high < 0.0 {
                return Vec::new();
            }
            continue;
        }
        let (near, far) = (low / along, high / along);
        from = from.max(near.min(far));
        to = to.min(near.max(far));
    }
    if from > to {
        return Vec::new();
    }
    let at = |share: f64| (start.0 + along.0 * share, start.1 + along.1 * share);
    let (first, last) = (at(from), at(to));
    let steps = (last.0 - first.0)
        .abs()
        .max((last.1 - first.1).abs())
        .ceil()
        .max(1.0);
    (0..=steps as i64)
        .map(|step| {
            let share = step as f64 / steps;
            let x = first.0 + (last.0 - first.0) * share;
            let y = first.1 + (last.1 - first.1) * share;
            (x.round() as i64, y.round() as i64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ContentId;

    fn grey(width: usize, height: usize) -> PreviewImage {
        PreviewImage {
            width,
            height,
            pixels: vec![100; width * height],
            colour: false,
        }
    }

    fn layer(kind: MarkKind, points: &[(f64, f64)], tone: MarkTone) -> MarkLayer {
        MarkLayer {
            content: ContentId::default(),
            marks: vec![MarkDrawing {
                kind,
                points: points.iter().map(|(x, y)| MarkPoint::at(*x, *y)).collect(),
                number: None,
                tone,
            }],
            cursor: None,
        }
    }

    fn seen(x: f64, y: f64, side: f64) -> Viewport {
        Viewport {
            x,
            y,
            width: side,
            height: side,
        }
    }

    /// The pixels of a colour, as x and y.
    fn found(picture: &PreviewImage, rgb: [u8; 3]) -> Vec<(usize, usize)> {
        let places =
            (0..picture.width * picture.height).map(|i| (i % picture.width, i / picture.width));
        places.filter(|(x, y)| picture.rgb(*x, *y) == rgb).collect()
    }

    #[test]
    fn a_line_lies_on_the_films_own_pixels_in_every_view() {
        let ruler = layer(
            MarkKind::Ruler,
            &[(20.5, 40.5), (60.5, 40.5)],
            MarkTone::Plain,
        );
        let whole = draw_marks(&grey(100, 100), seen(0.0, 0.0, 100.0), &ruler);
        let line = found(&whole, PLAIN);
        assert!((20..=60).all(|x| line.contains(&(x, 40))), "{line:?}");
        assert!(
            line.iter()
                .all(|(x, y)| *x >= 19 && *x <= 61 && (39..=41).contains(y))
        );
        // Twice as large: the same pixels of the film.
        let zoomed = draw_marks(&grey(100, 100), seen(10.0, 20.0, 50.0), &ruler);
        let line = found(&zoomed, PLAIN);
        assert!((21..100).all(|x| line.contains(&(x, 41))), "{line:?}");
        assert!(!line.iter().any(|(x, _)| *x < 19));
        // Beyond the picture.
        let away = draw_marks(&grey(100, 100), seen(70.0, 70.0, 10.0), &ruler);
        assert!(found(&away, PLAIN).is_empty());
    }

    #[test]
    fn each_kind_is_drawn_and_offered_lines_are_dashed() {
        let points = [(10.0, 10.0), (80.0, 10.0), (20.0, 60.0), (90.0, 60.0)];
        for kind in MarkKind::ALL {
            for side in [40, 400] {
                let all = layer(kind, &points[..kind.points()], MarkTone::Plain);
                let drawn = draw_marks(&grey(side, side), seen(0.0, 0.0, 100.0), &all);
                assert!(drawn.colour && drawn.pixels.len() == side * side * 3);
                let count = found(&drawn, PLAIN).len();
                assert!(count >= 5, "{kind:?} {side}: {count}");
                let has_edges = !found(&drawn, EDGE).is_empty();
                assert_eq!(has_edges, side == 400, "{kind:?}");
            }
        }
        let dots = |tone| {
            let line = layer(MarkKind::Ruler, &points[..2], tone);
            let drawn = draw_marks(&grey(100, 100), seen(0.0, 0.0, 100.0), &line);
            found(&drawn, SELECTED).len()
        };
        assert!(dots(MarkTone::Offered) < dots(MarkTone::Selected) * 3 / 4);
    }

    #[test]
    fn a_number_stays_within_the_picture() {
        for (x, y) in [(0.5, 0.5), (99.5, 0.5), (99.5, 99.5), (0.5, 99.5)] {
            let mut marks = layer(MarkKind::Point, &[(x, y)], MarkTone::Plain);
            let without = draw_marks(&grey(60, 60), seen(0.0, 0.0, 100.0), &marks);
            marks.marks[0].number = Some(12);
            let with = draw_marks(&grey(60, 60), seen(0.0, 0.0, 100.0), &marks);
            let more = found(&with, PLAIN).len() - found(&without, PLAIN).len();
            assert!(more >= 12, "{x} {y}: {more} pixels of digits");
        }
        let cursor = MarkLayer {
            cursor: Some(MarkPoint::at(50.0, 50.0)),
            marks: vec![],
            ..layer(MarkKind::Point, &[], MarkTone::Plain)
        };
        let drawn = draw_marks(&grey(400, 400), seen(0.0, 0.0, 100.0), &cursor);
        assert!(!found(&drawn, SELECTED).is_empty());
        assert_eq!(drawn.rgb(200, 200), [100; 3], "open in the middle");
    }

    #[test]
    fn a_line_far_beyond_the_picture_is_short_work() {
        let far = line((-2_000_000_000, 5), (2_000_000_000, 5), (100, 100));
        assert!(far.len() < 200 && far.contains(&(50, 5)), "{}", far.len());
        assert!(line((-9, -9_000), (200, -9_000), (100, 100)).is_empty());
        assert_eq!(line((3, 4), (3, 4), (9, 9)), [(3, 4), (3, 4)]);
    }
}
