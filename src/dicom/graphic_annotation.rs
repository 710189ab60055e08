//! A reader's marks as graphics and texts of a presentation state: Graphic Annotation (PS3.3 C.10.5) and Graphic Layer
//! (C.10.7).

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::data_set::{Fill, item};
use super::evidence::Evidence;
use crate::domain::text::Printable;
use crate::domain::{Mark, MarkKind, MarkPoint};

/// The one layer, in which all marks lie.
const LAYER: &str = "MARKS";
/// Places are columns and rows. The upper left corner of the first pixel is 0\0 (C.10.5), as it is of marks.
const UNITS: &str = "PIXEL";
/// The most characters of a short text (ST, PS3.5 6.2).
const LONGEST_ST: usize = 1024;

/// Writes the marks of one reader on a film: one annotation, and its layer. Without marks, neither of the modules.
///
/// `with_labels` says whether the reader's own words go with them, which may name the patient.
pub fn annotate(object: &mut InMemDicomObject, film: &Evidence, marks: &[Mark], with_labels: bool) {
    if marks.is_empty() {
        return;
    }
    let texts = marks.iter().map(|mark| text(mark, with_labels)).collect();
    let graphics = marks.iter().flat_map(graphics).collect();
    let annotation = item(|item| {
        item.items(tags::REFERENCED_IMAGE_SEQUENCE, vec![film.item()]);
        item.text(tags::GRAPHIC_LAYER, VR::CS, LAYER);
        item.items(tags::TEXT_OBJECT_SEQUENCE, texts);
        item.items(tags::GRAPHIC_OBJECT_SEQUENCE, graphics);
    });
    let layer = item(|item| {
        item.text(tags::GRAPHIC_LAYER, VR::CS, LAYER);
        item.text(tags::GRAPHIC_LAYER_ORDER, VR::IS, "1");
        let description = "Marks of a reader in cxr";
        item.text(tags::GRAPHIC_LAYER_DESCRIPTION, VR::LO, description);
    });
    object.items(tags::GRAPHIC_ANNOTATION_SEQUENCE, vec![annotation]);
    object.items(tags::GRAPHIC_LAYER_SEQUENCE, vec![layer]);
}

/// The items of *Graphic Object Sequence* for a mark: two for a ratio, which has two lines, and one for any other.
fn graphics(mark: &Mark) -> Vec<InMemDicomObject> {
    let lines = mark.kind.lines(&mark.points);
    match mark.kind {
        MarkKind::CardiothoracicRatio => lines.iter().map(|line| graphic(line)).collect(),
        MarkKind::Box => {
            let corners = lines.iter().chain(lines.first()).map(|[corner, _]| *corner);
            vec![graphic(&corners.collect::<Vec<_>>())]
        }
        MarkKind::Ruler | MarkKind::Angle | MarkKind::Point => vec![graphic(&mark.points)],
    }
}

/// A place, or lines from each point to the next.
fn graphic(points: &[MarkPoint]) -> InMemDicomObject {
    let kind = match points {
        [_] => "POINT",
        _ => "POLYLINE",
    };
    item(|item| {
        item.text(tags::GRAPHIC_ANNOTATION_UNITS, VR::CS, UNITS);
        item.number(tags::GRAPHIC_DIMENSIONS, 2);
        let number = u16::try_from(points.len()).unwrap_or(u16::MAX);
        item.number(tags::NUMBER_OF_GRAPHIC_POINTS, number);
        places(item, tags::GRAPHIC_DATA, points);
        item.text(tags::GRAPHIC_TYPE, VR::CS, kind);
        // What is closed has to say whether it is filled, and a ruler without a length is closed.
        if points.len() > 1 && points.first() == points.last() {
            item.text(tags::GRAPHIC_FILLED, VR::CS, "N");
        }
    })
}

/// The item of *Text Object Sequence* for a mark. It lies at the first point, as the number of the mark does on the
/// screen.
fn text(mark: &Mark, with_labels: bool) -> InMemDicomObject {
    item(|item| {
        let words = words(mark, with_labels);
        item.text(tags::UNFORMATTED_TEXT_VALUE, VR::ST, &words);
        item.text(tags::ANCHOR_POINT_ANNOTATION_UNITS, VR::CS, UNITS);
        let first = mark.points.get(..1).unwrap_or_default();
        places(item, tags::ANCHOR_POINT, first);
        item.text(tags::ANCHOR_POINT_VISIBILITY, VR::CS, "N");
    })
}

/// `ruler 142.3 mm at the detector (nodule 80 %)`, as on the page of a film.
fn words(mark: &Mark, with_labels: bool) -> String {
    let words = format!("{} {}", mark.kind.word(), mark.measure_words());
    let said = Mark {
        label: mark.label.clone().filter(|_| with_labels),
        ..mark.clone()
    };
    let label = said.label_words();
    let words = if label.is_empty() {
        words
    } else {
        format!("{words} ({label})")
    };
    // A label of the store may be of any length, and have control characters.
    let line = Printable::line(&words);
    line.as_str().chars().take(LONGEST_ST).collect()
}

/// Column and row of each point.
fn places(item: &mut InMemDicomObject, tag: Tag, points: &[MarkPoint]) {
    let both = |point: &MarkPoint| {
        let (column, row) = point.pixels();
        [column as f32, row as f32]
    };
    let all: Vec<f32> = points.iter().flat_map(both).collect();
    let all = PrimitiveValue::F32(all.as_slice().into());
    item.put(DataElement::new(tag, VR::FL, all));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FilmScale, PixelSpacing, Ratio, SpacingPlane};

    fn mark(kind: MarkKind, points: &[(f64, f64)]) -> Mark {
        let points = points.iter().map(|(x, y)| MarkPoint::at(*x, *y)).collect();
        let scale = FilmScale {
            spacing: Some(PixelSpacing::of((0.1, 0.2), SpacingPlane::Detector)),
            pixel_aspect: Ratio::of(0.5),
        };
        Mark::new(kind, points, scale).unwrap()
    }

    fn annotated(marks: &[Mark], with_labels: bool) -> InMemDicomObject {
        let uid = |last: u8| format!("1.2.3.{last}");
        let film = Evidence {
            study: uid(1),
            series: uid(2),
            class: uid(3),
            instance: uid(4),
            has_frames: false,
        };
        let mut object = InMemDicomObject::new_empty();
        annotate(&mut object, &film, marks, with_labels);
        object
    }

    fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
        object.get(tag).unwrap().items().unwrap()
    }

    fn value(object: &InMemDicomObject, tag: Tag) -> String {
        let value = object.get(tag).map(|element| element.to_str().unwrap());
        value.unwrap_or_default().into_owned()
    }

    /// Type, coordinates and whether it says that it is not filled, of all graphics of a mark.
    fn drawn(mark: Mark) -> Vec<(String, Vec<f32>, String)> {
        let object = annotated(&[mark], true);
        let annotation = &items(&object, tags::GRAPHIC_ANNOTATION_SEQUENCE)[0];
        let one = |graphic: &InMemDicomObject| {
            assert_eq!(value(graphic, tags::GRAPHIC_ANNOTATION_UNITS), "PIXEL");
            assert_eq!(value(graphic, tags::GRAPHIC_DIMENSIONS), "2");
            let data = graphic.get(tags::GRAPHIC_DATA).unwrap();
            let data = data.to_multi_float32().unwrap();
            let number = value(graphic, tags::NUMBER_OF_GRAPHIC_POINTS);
            assert_eq!(number, (data.len() / 2).to_string());
            let filled = value(graphic, tags::GRAPHIC_FILLED);
            (value(graphic, tags::GRAPHIC_TYPE), data, filled)
        };
        let graphics = items(annotation, tags::GRAPHIC_OBJECT_SEQUENCE);
        graphics.iter().map(one).collect()
    }

    fn lines(data: &[f32], filled: &str) -> (String, Vec<f32>, String) {
        ("POLYLINE".to_owned(), data.to_vec(), filled.to_owned())
    }

    #[test]
    fn each_kind_has_its_graphics() {
        let ruler = mark(MarkKind::Ruler, &[(0.0, 0.0), (10.25, 20.5)]);
        assert_eq!(drawn(ruler), [lines(&[0.0, 0.0, 10.25, 20.5], "")]);
        let four = [(1.0, 2.0), (3.0, 2.5), (0.5, 4.0), (9.0, 4.75)];
        assert_eq!(
            drawn(mark(MarkKind::CardiothoracicRatio, &four)),
            [
                lines(&[1.0, 2.0, 3.0, 2.5], ""),
                lines(&[0.5, 4.0, 9.0, 4.75], "")
            ]
        );
        let angle = mark(MarkKind::Angle, &four[..3]);
        assert_eq!(drawn(angle), [lines(&[1.0, 2.0, 3.0, 2.5, 0.5, 4.0], "")]);
        let point = ("POINT".to_owned(), vec![1.0, 2.0], String::new());
        assert_eq!(drawn(mark(MarkKind::Point, &four[..1])), [point]);
        // From any corner, around and back to it.
        let around = [3.0, 2.5, 1.0, 2.5, 1.0, 2.0, 3.0, 2.0, 3.0, 2.5];
        let corners = [four[1], four[0]];
        assert_eq!(drawn(mark(MarkKind::Box, &corners)), [lines(&around, "N")]);
    }

    #[test]
    fn what_is_closed_says_that_it_is_not_filled() {
        let same = [(5.0, 6.0), (7.0, 8.0), (5.0, 6.0)];
        let ruler = mark(MarkKind::Ruler, &[same[0], same[0]]);
        assert_eq!(drawn(ruler), [lines(&[5.0, 6.0, 5.0, 6.0], "N")]);
        let angle = mark(MarkKind::Angle, &same);
        assert_eq!(drawn(angle), [lines(&[5.0, 6.0, 7.0, 8.0, 5.0, 6.0], "N")]);
    }

    #[test]
    fn all_marks_are_one_annotation_of_the_film_in_one_layer() {
        let marks = [
            mark(MarkKind::Ruler, &[(1.0, 2.0), (3.0, 4.0)]),
            mark(MarkKind::Point, &[(5.5, 6.25)]),
        ];
        let object = annotated(&marks, true);
        let annotations = items(&object, tags::GRAPHIC_ANNOTATION_SEQUENCE);
        let layers = items(&object, tags::GRAPHIC_LAYER_SEQUENCE);
        assert_eq!((annotations.len(), layers.len()), (1, 1));
        let layer = value(&annotations[0], tags::GRAPHIC_LAYER);
        assert_eq!(layer, value(&layers[0], tags::GRAPHIC_LAYER));
        assert_eq!(value(&layers[0], tags::GRAPHIC_LAYER_ORDER), "1");
        let images = items(&annotations[0], tags::REFERENCED_IMAGE_SEQUENCE);
        let image = value(&images[0], tags::REFERENCED_SOP_INSTANCE_UID);
        assert_eq!((images.len(), image.as_str()), (1, "1.2.3.4"));
        let texts = items(&annotations[0], tags::TEXT_OBJECT_SEQUENCE);
        assert_eq!(texts.len(), 2);
        let anchor = texts[1].get(tags::ANCHOR_POINT).unwrap();
        assert_eq!(anchor.to_multi_float32().unwrap(), [5.5, 6.25]);
        let units = value(&texts[1], tags::ANCHOR_POINT_ANNOTATION_UNITS);
        assert_eq!(units, "PIXEL");
        assert_eq!(value(&texts[1], tags::ANCHOR_POINT_VISIBILITY), "N");
        assert_eq!(annotated(&[], true), InMemDicomObject::new_empty());
    }

    #[test]
    fn a_text_is_the_measure_and_the_label() {
        // 300 columns of 0.2 mm and 800 rows of 0.1 mm: 60, 80 and 100 mm.
        let ends = [(10.0, 20.0), (310.0, 820.0)];
        let ruler = mark(MarkKind::Ruler, &ends).labelled("Rundherd, groß 80%");
        let ruler = ruler.unwrap();
        let measure = "ruler 100.0 mm at the detector";
        assert_eq!(
            words(&ruler, true),
            format!("{measure} (Rundherd, groß 80 %)")
        );
        assert_eq!(words(&ruler, false), format!("{measure} (80 %)"));
        let size = "box 60.0 × 80.0 mm at the detector";
        assert_eq!(words(&mark(MarkKind::Box, &ends), true), size);
        let mut point = mark(MarkKind::Point, &ends[..1]);
        assert_eq!(words(&point, true), "point");
        // What no reader types, and a store may hold all the same.
        point.label = Some("a\x1b[2J\nb".to_owned());
        assert_eq!(words(&point, true), "point (a [2J b)");
        point.label = Some("ß".repeat(5_000));
        assert_eq!(words(&point, true).chars().count(), LONGEST_ST);
    }
}
