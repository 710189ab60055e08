//! A reader's marks, as they stand in the log: JSON.
//!
//! ```text
//! [{ kind, points: [[x, y]], label: null | text, confidence: null | per cent, offered,
//!    spacing: null | { row_pm, column_pm, plane, magnification: null | millionths }, aspect }]
//! ```
//!
//! Points are in hundredths of a stored pixel, spacings in picometres, the aspect of a pixel in millionths: whole
//! numbers, so that each mark is read back as it was.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::{FilmScale, Mark, MarkKind, MarkPoint, PixelSpacing, Ratio, SpacingPlane};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredMark {
    kind: StoredMarkKind,
    points: Vec<(i32, i32)>,
    label: Option<String>,
    confidence: Option<u8>,
    offered: bool,
    spacing: Option<StoredSpacing>,
    aspect: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum StoredMarkKind {
    #[serde(rename = "ruler")]
    Ruler,
    #[serde(rename = "cardiothoracic ratio")]
    CardiothoracicRatio,
    #[serde(rename = "angle")]
    Angle,
    #[serde(rename = "point")]
    Point,
    #[serde(rename = "box")]
    Box,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct StoredSpacing {
    row_pm: u64,
    column_pm: u64,
    plane: StoredPlane,
    magnification: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum StoredPlane {
    #[serde(rename = "geometry")]
    Geometry,
    #[serde(rename = "fiducial")]
    Fiducial,
    #[serde(rename = "unstated")]
    Unstated,
    #[serde(rename = "detector")]
    Detector,
    #[serde(rename = "magnified")]
    Magnified,
    #[serde(rename = "scanned film")]
    ScannedFilm,
}

impl From<MarkKind> for StoredMarkKind {
    fn from(kind: MarkKind) -> Self {
        match kind {
            MarkKind::Ruler => StoredMarkKind::Ruler,
            MarkKind::CardiothoracicRatio => StoredMarkKind::CardiothoracicRatio,
            MarkKind::Angle => StoredMarkKind::Angle,
            MarkKind::Point => StoredMarkKind::Point,
            MarkKind::Box => StoredMarkKind::Box,
        }
    }
}

impl From<StoredMarkKind> for MarkKind {
    fn from(stored: StoredMarkKind) -> Self {
        match stored {
            StoredMarkKind::Ruler => MarkKind::Ruler,
            StoredMarkKind::CardiothoracicRatio => MarkKind::CardiothoracicRatio,
            StoredMarkKind::Angle => MarkKind::Angle,
            StoredMarkKind::Point => MarkKind::Point,
            StoredMarkKind::Box => MarkKind::Box,
        }
    }
}

impl From<PixelSpacing> for StoredSpacing {
    fn from(spacing: PixelSpacing) -> Self {
        let (plane, magnification) = match spacing.plane {
            SpacingPlane::Geometry => (StoredPlane::Geometry, None),
            SpacingPlane::Fiducial => (StoredPlane::Fiducial, None),
            SpacingPlane::Unstated => (StoredPlane::Unstated, None),
            SpacingPlane::Detector => (StoredPlane::Detector, None),
            SpacingPlane::Magnified(factor) => (StoredPlane::Magnified, Some(factor.0)),
            SpacingPlane::ScannedFilm => (StoredPlane::ScannedFilm, None),
        };
        StoredSpacing {
            row_pm: spacing.row_pm,
            column_pm: spacing.column_pm,
            plane,
            magnification,
        }
    }
}

impl From<StoredSpacing> for PixelSpacing {
    fn from(stored: StoredSpacing) -> Self {
        let factor = stored.magnification.map_or(Ratio::ONE, Ratio);
        PixelSpacing {
            row_pm: stored.row_pm,
            column_pm: stored.column_pm,
            plane: match stored.plane {
                StoredPlane::Geometry => SpacingPlane::Geometry,
                StoredPlane::Fiducial => SpacingPlane::Fiducial,
                StoredPlane::Unstated => SpacingPlane::Unstated,
                StoredPlane::Detector => SpacingPlane::Detector,
                StoredPlane::Magnified => SpacingPlane::Magnified(factor),
                StoredPlane::ScannedFilm => SpacingPlane::ScannedFilm,
            },
        }
    }
}

impl From<&Mark> for StoredMark {
    fn from(mark: &Mark) -> Self {
        StoredMark {
            kind: mark.kind.into(),
            points: mark.points.iter().map(|point| (point.x, point.y)).collect(),
            label: mark.label.clone(),
            confidence: mark.confidence,
            offered: mark.offered,
            spacing: mark.scale.spacing.map(Into::into),
            aspect: mark.scale.pixel_aspect.0,
        }
    }
}

impl TryFrom<StoredMark> for Mark {
    type Error = &'static str;

    fn try_from(stored: StoredMark) -> Result<Self, Self::Error> {
        let points = stored.points.into_iter();
        let points = points.map(|(x, y)| MarkPoint { x, y }).collect();
        let scale = FilmScale {
            spacing: stored.spacing.map(Into::into),
            pixel_aspect: Ratio(stored.aspect),
        };
        let mark = Mark::new(stored.kind.into(), points, scale);
        mark.map(|mark| Mark {
            label: stored.label,
            confidence: stored.confidence,
            offered: stored.offered,
            ..mark
        })
        .ok_or("a mark with too few or too many points")
    }
}

/// The marks of a list; an error if one of them is none.
pub fn marks(stored: Vec<StoredMark>) -> Result<Vec<Mark>, &'static str> {
    stored.into_iter().map(Mark::try_from).collect()
}

/// The text of marks; `None` without any.
pub fn write(marks: &[Mark]) -> Option<String> {
    let stored: Vec<StoredMark> = marks.iter().map(Into::into).collect();
    (!stored.is_empty()).then(|| json!(stored).to_string())
}

/// `None` for a text that [`write()`] did not make.
pub fn read(text: &str) -> Option<Vec<Mark>> {
    let stored: Vec<StoredMark> = serde_json::from_str(text).ok()?;
    marks(stored).ok()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// One of each kind and of each spacing.
    pub fn all_kinds() -> Vec<Mark> {
        let planes = [
            Some(SpacingPlane::Detector),
            Some(SpacingPlane::Magnified(Ratio::of(1.15))),
            Some(SpacingPlane::Fiducial),
            Some(SpacingPlane::Unstated),
            None,
        ];
        let mark = |(kind, plane): (MarkKind, Option<SpacingPlane>)| {
            let point = |i: usize| MarkPoint::at(1.23 * i as f64, 4_567.89 - i as f64);
            let scale = FilmScale {
                spacing: plane.map(|plane| PixelSpacing::of((0.143, 0.138_7), plane)),
                pixel_aspect: Ratio::of(1.031),
            };
            let points = (0..kind.points()).map(point).collect();
            let mark = Mark::new(kind, points, scale).unwrap();
            mark.labelled("nodule 80%").unwrap()
        };
        MarkKind::ALL.into_iter().zip(planes).map(mark).collect()
    }

    #[test]
    fn marks_are_read_back_as_they_were() {
        let mut marks = all_kinds();
        marks[1].offered = true;
        marks[3].label = None;
        marks[3].confidence = None;
        let text = write(&marks).unwrap();
        assert_eq!(read(&text), Some(marks));
        assert_eq!(write(&[]), None, "as before the column existed");
        for text in ["", "null", "{}", "[{}]", "[1]"] {
            assert_eq!(read(text), None, "{text}");
        }
        let short = text.replace("[[0,456789],[123,456689]]", "[[0,456789]]");
        assert_ne!(short, text);
        assert_eq!(read(&short), None, "a ruler of one point");
    }

    /// The hash of a review covers it, and rows of every store hold it.
    #[test]
    fn the_text_of_a_mark_stays_what_it_is() {
        let marks = all_kinds();
        let expected = concat!(
            r#"[{"aspect":1031000,"confidence":80,"kind":"cardiothoracic ratio","label":"nodule","#,
            r#""offered":false,"points":[[0,456789],[123,456689],[246,456589],[369,456489]],"#,
            r#""spacing":{"column_pm":138700000,"magnification":1150000,"plane":"magnified","#,
            r#""row_pm":143000000}}]"#,
        );
        assert_eq!(write(&marks[1..2]).unwrap(), expected);
        let expected = concat!(
            r#"[{"aspect":1031000,"confidence":80,"kind":"box","label":"nodule","offered":false,"#,
            r#""points":[[0,456789],[123,456689]],"spacing":null}]"#,
        );
        assert_eq!(write(&marks[4..]).unwrap(), expected);
    }
}
