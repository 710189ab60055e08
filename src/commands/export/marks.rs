//! The table of marks: one row for each mark that stands in a reader's last word.

use super::rows::{PATIENT_ID, optional};
use crate::domain::{Mark, Measured, SpacingPlane};
use crate::export::{Cell, path_text};
use crate::store::LastWord;

const IMAGE: [&str; 5] = ["path", "image_sha256", "study_uid", "series_uid", "sop_uid"];
const MARK: [&str; 7] = [
    "reviewer",
    "last_at",
    "mark",
    "kind",
    "label",
    "confidence",
    "offered",
];
/// The most points of a mark, each with two columns.
const POINTS: usize = 4;
const MEASURES: [&str; 8] = [
    "length", "degrees", "ratio", "heart", "thorax", "width", "height", "unit",
];
const SCALE: [&str; 5] = [
    "spacing",
    "row_mm",
    "column_mm",
    "magnification",
    "cxr_version",
];
const POINT_DECIMALS: usize = 2;
const DECIMALS: usize = 3;
const SPACING_DECIMALS: usize = 9;

/// The columns, in this order.
pub fn columns(with_patient: bool) -> Vec<String> {
    let points = (1..=POINTS).flat_map(|n| [format!("x{n}"), format!("y{n}")]);
    let before = IMAGE
        .into_iter()
        .chain(with_patient.then_some(PATIENT_ID))
        .chain(MARK);
    let after = MEASURES.into_iter().chain(SCALE);
    before
        .map(str::to_owned)
        .chain(points)
        .chain(after.map(str::to_owned))
        .collect()
}

/// The rows of one reader and one image, in the order in which the marks were made.
pub fn rows(word: &LastWord, with_patient: bool) -> Vec<Vec<Cell>> {
    let marks = word.opinion.marks.iter().zip(1_u64..);
    marks
        .map(|(mark, number)| row(word, mark, number, with_patient))
        .collect()
}

fn row(word: &LastWord, mark: &Mark, number: u64, with_patient: bool) -> Vec<Cell> {
    let image = &word.image;
    let mut row = vec![
        Cell::Text(path_text(&image.path)),
        Cell::text(&image.sha256),
        optional(image.uids.study.as_deref()),
        optional(image.uids.series.as_deref()),
        optional(image.uids.sop_instance.as_deref()),
    ];
    if with_patient {
        row.push(optional(image.patient_id.as_deref()));
    }
    let confidence = mark.confidence.map(f64::from);
    row.extend([
        Cell::text(&word.reviewer),
        Cell::text(&word.last_at),
        Cell::Nested(number.into()),
        Cell::text(mark.kind.word()),
        optional(mark.label.as_deref()),
        Cell::number(confidence, 0),
        Cell::Nested(u8::from(mark.offered).into()),
    ]);
    let place = |n: usize| mark.points.get(n).map(|point| point.pixels());
    for point in (0..POINTS).map(place) {
        row.push(Cell::number(point.map(|(x, _)| x), POINT_DECIMALS));
        row.push(Cell::number(point.map(|(_, y)| y), POINT_DECIMALS));
    }
    row.extend(measures(mark));
    row.extend(scale(mark));
    row.push(Cell::text(&word.program));
    row
}

fn measures(mark: &Mark) -> Vec<Cell> {
    let measured = mark.measured();
    let (mut length, mut degrees) = (None, None);
    let (mut heart, mut thorax) = (None, None);
    let (mut width, mut height) = (None, None);
    match measured {
        Measured::Length(value) => length = Some(value),
        Measured::Degrees(value) => degrees = Some(value),
        Measured::Widths {
            heart: of_heart,
            thorax: of_thorax,
        } => (heart, thorax) = (Some(of_heart), Some(of_thorax)),
        Measured::Size {
            width: across,
            height: down,
        } => (width, height) = (Some(across), Some(down)),
        Measured::Nothing => {}
    }
    let values = [
        length,
        degrees,
        measured.ratio(),
        heart,
        thorax,
        width,
        height,
    ];
    let unit = measured.has_lengths().then(|| mark.scale.unit());
    let cells = values
        .into_iter()
        .map(|value| Cell::number(value, DECIMALS));
    cells.chain([optional(unit)]).collect()
}

/// By what lengths were measured.
fn scale(mark: &Mark) -> [Cell; 4] {
    let spacing = mark.scale.spacing;
    let words = spacing.map(|spacing| spacing.words());
    let magnification = spacing.and_then(|spacing| match spacing.plane {
        SpacingPlane::Magnified(factor) => Some(factor.value()),
        _ => None,
    });
    let millimetres = |value: Option<f64>| Cell::number(value, SPACING_DECIMALS);
    [
        optional(words.as_deref()),
        millimetres(spacing.map(|spacing| spacing.row())),
        millimetres(spacing.map(|spacing| spacing.column())),
        Cell::number(magnification, DECIMALS),
    ]
}
