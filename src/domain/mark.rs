//! A reader's marks on a radiograph: a ruler, a cardiothoracic ratio, an angle, a point or a box. They lie on the stored
//! pixels, so that no zoom, window or inversion moves them, and each holds the scale that it was measured by.

use super::spacing::{PixelSpacing, Ratio};

/// Parts of a stored pixel to which a point is known.
const PARTS: f64 = 100.0;
/// The most characters of a label.
pub const LONGEST_LABEL: usize = 80;
/// The most marks that one reader can put on one image.
pub const MOST_MARKS: usize = 200;

/// A place on a radiograph, in hundredths of a stored pixel, from the upper left corner of the first pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkPoint {
    /// To the right.
    pub x: i32,
    /// Down.
    pub y: i32,
}

impl MarkPoint {
    /// The point at so many stored pixels, which are whole at the edges of pixels.
    pub fn at(x: f64, y: f64) -> Self {
        MarkPoint {
            x: (x * PARTS).round() as i32,
            y: (y * PARTS).round() as i32,
        }
    }

    /// Across and down, in stored pixels.
    pub fn pixels(self) -> (f64, f64) {
        (f64::from(self.x) / PARTS, f64::from(self.y) / PARTS)
    }
}

/// The kinds of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// A length between two points.
    Ruler,
    /// The greatest width of the heart over the greatest inner width of the thorax (Danzer 1919): two lines, the heart
    /// first.
    CardiothoracicRatio,
    /// Between two lines that meet in the second of three points.
    Angle,
    /// A place.
    Point,
    /// A box, by two opposite corners.
    Box,
}

impl MarkKind {
    /// All of them.
    pub const ALL: [MarkKind; 5] = [
        MarkKind::Ruler,
        MarkKind::CardiothoracicRatio,
        MarkKind::Angle,
        MarkKind::Point,
        MarkKind::Box,
    ];

    /// The word on the screen and in tables. The store has words of its own.
    pub fn word(self) -> &'static str {
        match self {
            MarkKind::Ruler => "ruler",
            MarkKind::CardiothoracicRatio => "cardiothoracic ratio",
            MarkKind::Angle => "angle",
            MarkKind::Point => "point",
            MarkKind::Box => "box",
        }
    }

    /// The number of its points.
    pub fn points(self) -> usize {
        match self {
            MarkKind::Ruler | MarkKind::Box => 2,
            MarkKind::CardiothoracicRatio => 4,
            MarkKind::Angle => 3,
            MarkKind::Point => 1,
        }
    }

    /// The lines between these points, of which some may be missing while the mark is being made.
    pub fn lines(self, points: &[MarkPoint]) -> Vec<[MarkPoint; 2]> {
        match (self, points) {
            (MarkKind::Point, _) => Vec::new(),
            (MarkKind::Box, [a, b]) => {
                let corner = |x: &MarkPoint, y: &MarkPoint| MarkPoint { x: x.x, y: y.y };
                let corners = [*a, corner(b, a), *b, corner(a, b)];
                (0..4).map(|i| [corners[i], corners[(i + 1) % 4]]).collect()
            }
            (MarkKind::CardiothoracicRatio, points) => {
                let pairs = points.chunks_exact(2);
                pairs.map(|pair| [pair[0], pair[1]]).collect()
            }
            (_, points) => points.windows(2).map(|pair| [pair[0], pair[1]]).collect(),
        }
    }
}

/// By what a mark is measured: the size of a stored pixel, or at least its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilmScale {
    /// `None` where the file states none: then lengths are in pixels.
    pub spacing: Option<PixelSpacing>,
    /// Height ÷ width of a stored pixel.
    pub pixel_aspect: Ratio,
}

impl FilmScale {
    /// Pixels that are square, and of no known size.
    pub const PIXELS: FilmScale = FilmScale {
        spacing: None,
        pixel_aspect: Ratio::ONE,
    };

    /// The unit of its lengths. Without a spacing, it is the width of a stored pixel.
    pub fn unit(self) -> &'static str {
        if self.spacing.is_some() { "mm" } else { "px" }
    }

    /// From one point to another, across and down.
    fn between(self, a: MarkPoint, b: MarkPoint) -> (f64, f64) {
        let (width, height) = match self.spacing {
            Some(spacing) => (spacing.column(), spacing.row()),
            None => (1.0, self.pixel_aspect.value()),
        };
        let ((ax, ay), (bx, by)) = (a.pixels(), b.pixels());
        ((bx - ax) * width, (by - ay) * height)
    }

    fn length(self, a: MarkPoint, b: MarkPoint) -> f64 {
        let (right, down) = self.between(a, b);
        right.hypot(down)
    }
}

/// What a mark measures. Lengths are in the [unit](FilmScale::unit) of its scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measured {
    Length(f64),
    /// The ratio of two lengths, which has no unit.
    Widths {
        heart: f64,
        thorax: f64,
    },
    /// From 0 to 180.
    Degrees(f64),
    Size {
        width: f64,
        height: f64,
    },
    /// A place has no measure.
    Nothing,
}

impl Measured {
    /// Measures as many points as the kind has; [`Measured::Nothing`] of fewer.
    pub fn of(kind: MarkKind, points: &[MarkPoint], scale: FilmScale) -> Self {
        match (kind, points) {
            (MarkKind::Ruler, [a, b]) => Measured::Length(scale.length(*a, *b)),
            (MarkKind::Box, [a, b]) => {
                let (right, down) = scale.between(*a, *b);
                Measured::Size {
                    width: right.abs(),
                    height: down.abs(),
                }
            }
            (MarkKind::CardiothoracicRatio, [a, b, c, d]) => Measured::Widths {
                heart: scale.length(*a, *b),
                thorax: scale.length(*c, *d),
            },
            (MarkKind::Angle, [a, vertex, b]) => {
                let (ax, ay) = scale.between(*vertex, *a);
                let (bx, by) = scale.between(*vertex, *b);
                let turned = (ax * by - ay * bx).atan2(ax * bx + ay * by);
                Measured::Degrees(turned.to_degrees().abs())
            }
            _ => Measured::Nothing,
        }
    }

    /// The cardiothoracic ratio; `None` of another kind, or where the thorax has no width.
    pub fn ratio(self) -> Option<f64> {
        match self {
            Measured::Widths { heart, thorax } if thorax > 0.0 => Some(heart / thorax),
            _ => None,
        }
    }

    /// `142.3 mm`, `0.48 (131.0 / 272.9 mm)`, `34.2°`, `43.0 × 51.2 mm`; empty where nothing is measured.
    pub fn words(self, scale: FilmScale) -> String {
        let unit = scale.unit();
        let length = |value: f64| match scale.spacing {
            Some(_) => format!("{value:.1}"),
            None => format!("{value:.0}"),
        };
        match self {
            Measured::Length(value) => format!("{} {unit}", length(value)),
            Measured::Widths { heart, thorax } => {
                let ratio = self.ratio();
                let ratio = ratio.map_or("n/a".to_owned(), |ratio| format!("{ratio:.2}"));
                format!("{ratio} ({} / {} {unit})", length(heart), length(thorax))
            }
            Measured::Degrees(value) => format!("{value:.1}°"),
            Measured::Size { width, height } => {
                format!("{} × {} {unit}", length(width), length(height))
            }
            Measured::Nothing => String::new(),
        }
    }

    /// Whether it has lengths in it, so that it matters where a spacing holds.
    pub fn has_lengths(self) -> bool {
        !matches!(self, Measured::Degrees(_) | Measured::Nothing)
    }
}

/// A mark of a reader on an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub kind: MarkKind,
    /// As many as the kind has.
    pub points: Vec<MarkPoint>,
    /// What it is about, in the reader's words; `None` without any.
    pub label: Option<String>,
    /// How sure the reader is, in per cent, as a rating of FROC studies needs it; `None` if not said.
    pub confidence: Option<u8>,
    /// Whether it began with the lines that the model offered. The reader has confirmed each of their ends.
    pub offered: bool,
    /// The scale of the image when the mark was made.
    pub scale: FilmScale,
}

impl Mark {
    /// A mark without a label; `None` if these are not as many points as the kind has.
    pub fn new(kind: MarkKind, points: Vec<MarkPoint>, scale: FilmScale) -> Option<Self> {
        (points.len() == kind.points()).then_some(Mark {
            kind,
            points,
            label: None,
            confidence: None,
            offered: false,
            scale,
        })
    }

    /// What it measures.
    pub fn measured(&self) -> Measured {
        Measured::of(self.kind, &self.points, self.scale)
    }

    /// Its measure, and where that holds: `142.3 mm at the detector`.
    pub fn measure_words(&self) -> String {
        let measured = self.measured();
        let words = measured.words(self.scale);
        match self.scale.spacing {
            Some(spacing) if measured.has_lengths() => format!("{words} {}", spacing.words()),
            _ => words,
        }
    }

    /// The label and the confidence: `nodule 80 %`; empty without both.
    pub fn label_words(&self) -> String {
        let confidence = self.confidence.map(|percent| format!("{percent} %"));
        let parts = [self.label.clone(), confidence].into_iter().flatten();
        parts.collect::<Vec<_>>().join(" ")
    }

    /// The same mark with what the reader typed as its label; see [`read_label`].
    ///
    /// # Errors
    /// The reason in words, as there.
    pub fn labelled(&self, typed: &str) -> Result<Self, String> {
        let (label, confidence) = read_label(typed)?;
        Ok(Mark {
            label,
            confidence,
            ..self.clone()
        })
    }
}

/// A label as a reader types it. A number with a per cent sign at its end is the confidence: `nodule 80%`. Nothing takes
/// both away.
///
/// # Errors
/// The reason in words, if it is too long or more than 100 %.
pub fn read_label(typed: &str) -> Result<(Option<String>, Option<u8>), String> {
    let typed = typed.trim();
    let (label, confidence) = match typed.strip_suffix('%').map(str::trim_end) {
        None => (typed, None),
        Some(before) => {
            let label = before.trim_end_matches(|c: char| c.is_ascii_digit());
            match before[label.len()..].parse::<u32>() {
                Ok(percent) if percent <= 100 => (label.trim_end(), Some(percent as u8)),
                Ok(_) => return Err("a confidence is at most 100 %".to_owned()),
                Err(_) => (typed, None),
            }
        }
    };
    let length = label.chars().count();
    if length > LONGEST_LABEL {
        let more = length - LONGEST_LABEL;
        return Err(format!("{length} characters, {more} too many"));
    }
    let label = (!label.is_empty()).then(|| label.to_owned());
    Ok((label, confidence))
}

#[cfg(test)]
mod tests {
    use super::super::spacing::SpacingPlane;
    use super::*;

    fn points(all: &[(f64, f64)]) -> Vec<MarkPoint> {
        all.iter().map(|(x, y)| MarkPoint::at(*x, *y)).collect()
    }

    /// Pixels of 0.2 mm across and 0.1 mm down.
    fn oblong() -> FilmScale {
        FilmScale {
            spacing: Some(PixelSpacing::of((0.1, 0.2), SpacingPlane::Detector)),
            pixel_aspect: Ratio::of(0.5),
        }
    }

    fn measured(kind: MarkKind, all: &[(f64, f64)], scale: FilmScale) -> Measured {
        Mark::new(kind, points(all), scale).unwrap().measured()
    }

    #[test]
    fn lengths_are_right_on_pixels_that_are_not_square() {
        // 300 columns of 0.2 mm and 800 rows of 0.1 mm: a triangle of 60, 80 and 100 mm.
        let line = [(10.0, 20.0), (310.0, 820.0)];
        let length = measured(MarkKind::Ruler, &line, oblong());
        assert_eq!(length, Measured::Length(100.0));
        let size = measured(MarkKind::Box, &[line[1], line[0]], oblong());
        let expected = Measured::Size {
            width: 60.0,
            height: 80.0,
        };
        assert_eq!(size, expected);
        let Measured::Degrees(angle) = measured(
            MarkKind::Angle,
            &[(310.0, 20.0), (10.0, 20.0), (310.0, 620.0)],
            oblong(),
        ) else {
            panic!("no angle")
        };
        assert!(
            (angle - 45.0).abs() < 1e-9,
            "60 mm across, 60 mm down: {angle}"
        );
        // Without a spacing, the shape of a pixel is known, and lengths are in widths of a pixel.
        let shape = FilmScale {
            spacing: None,
            ..oblong()
        };
        assert_eq!(
            measured(MarkKind::Ruler, &line, shape),
            Measured::Length(500.0)
        );
        assert_eq!(shape.unit(), "px");
    }

    #[test]
    fn a_ratio_needs_no_spacing() {
        let lines = [(100.0, 50.0), (200.0, 50.0), (50.0, 80.0), (250.0, 80.0)];
        for scale in [oblong(), FilmScale::PIXELS] {
            let found = measured(MarkKind::CardiothoracicRatio, &lines, scale);
            assert_eq!(found.ratio(), Some(0.5));
        }
        let words = |scale| measured(MarkKind::CardiothoracicRatio, &lines, scale).words(scale);
        assert_eq!(words(oblong()), "0.50 (20.0 / 40.0 mm)");
        assert_eq!(words(FilmScale::PIXELS), "0.50 (100 / 200 px)");
        let flat = [(1.0, 1.0), (2.0, 1.0), (3.0, 3.0), (3.0, 3.0)];
        let found = measured(MarkKind::CardiothoracicRatio, &flat, oblong());
        assert_eq!(found.ratio(), None);
        assert!(found.words(oblong()).starts_with("n/a"));
    }

    #[test]
    fn angles_are_from_none_to_a_half_turn() {
        let angle = |a, b| {
            let found = measured(MarkKind::Angle, &[a, (0.0, 0.0), b], FilmScale::PIXELS);
            let Measured::Degrees(angle) = found else {
                panic!("{found:?}")
            };
            angle
        };
        assert_eq!(angle((10.0, 0.0), (0.0, 10.0)), 90.0);
        assert_eq!(angle((0.0, 10.0), (10.0, 0.0)), 90.0);
        assert_eq!(angle((10.0, 0.0), (-10.0, 0.0)), 180.0);
        assert_eq!(angle((10.0, 0.0), (10.0, 0.0)), 0.0);
        assert!((angle((10.0, 0.0), (-10.0, 10.0)) - 135.0).abs() < 1e-9);
        assert_eq!(angle((0.0, 0.0), (10.0, 0.0)), 0.0, "no line, no angle");
    }

    #[test]
    fn words_say_where_a_length_holds() {
        let mark = |kind: MarkKind, scale| {
            let all = [(0.0, 0.0), (500.0, 0.0), (0.0, 0.0), (1000.0, 0.0)];
            let points = points(&all[..kind.points()]);
            Mark::new(kind, points, scale).unwrap().measure_words()
        };
        assert_eq!(mark(MarkKind::Ruler, oblong()), "100.0 mm at the detector");
        assert_eq!(mark(MarkKind::Ruler, FilmScale::PIXELS), "500 px");
        assert_eq!(mark(MarkKind::Angle, oblong()), "0.0°");
        assert_eq!(mark(MarkKind::Point, oblong()), "");
        assert!(Mark::new(MarkKind::Ruler, points(&[(1.0, 1.0)]), oblong()).is_none());
    }

    #[test]
    fn a_label_may_end_with_a_confidence() {
        let mark = Mark::new(MarkKind::Point, points(&[(1.0, 1.0)]), oblong()).unwrap();
        for (typed, label, confidence) in [
            ("nodule", Some("nodule"), None),
            (" nodule  80% ", Some("nodule"), Some(80)),
            ("80 %", None, Some(80)),
            ("", None, None),
            ("half %", Some("half %"), None),
            ("0%", None, Some(0)),
        ] {
            let labelled = mark.labelled(typed).unwrap();
            assert_eq!(labelled.label.as_deref(), label, "{typed}");
            assert_eq!(labelled.confidence, confidence, "{typed}");
        }
        assert_eq!(mark.labelled("a 80%").unwrap().label_words(), "a 80 %");
        assert!(mark.labelled("nodule 101%").is_err());
        assert!(mark.labelled("99999999999999%").unwrap().label.is_some());
        assert!(mark.labelled(&"x".repeat(LONGEST_LABEL + 1)).is_err());
    }

    #[test]
    fn lines_follow_the_points_that_are_there() {
        let four = points(&[(0.0, 0.0), (4.0, 2.0), (1.0, 1.0), (2.0, 2.0)]);
        let count = |kind: MarkKind, n: usize| kind.lines(&four[..n]).len();
        assert_eq!(count(MarkKind::Ruler, 1), 0);
        assert_eq!(count(MarkKind::Ruler, 2), 1);
        assert_eq!(count(MarkKind::Box, 2), 4);
        assert_eq!(count(MarkKind::Angle, 3), 2);
        assert_eq!(count(MarkKind::CardiothoracicRatio, 3), 1);
        assert_eq!(count(MarkKind::CardiothoracicRatio, 4), 2);
        assert_eq!(count(MarkKind::Point, 1), 0);
        assert_eq!(
            MarkKind::Box.lines(&four[..2])[1],
            [four_corner(4.0, 0.0), four_corner(4.0, 2.0)]
        );
    }

    fn four_corner(x: f64, y: f64) -> MarkPoint {
        MarkPoint::at(x, y)
    }
}
