//! Grayscale Softcopy Presentation State: window, inversion and zoom under which a film was shown, and the marks on it
//! (PS3.3 A.33.1).

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use super::data_set::{Fill, LONGEST_LO, decimal, item, short};
use super::evidence::presented_series;
use super::graphic_annotation::annotate;
use super::object_maker::{ObjectKind, ObjectMaker, PROGRAM, SeriesPlace, body_part};
use super::presented_values::{self, PresentedVoi};
use super::{DicomError, MadeObject};
use crate::domain::{Lut, Mark, PixelTransform, ShownPart, SourceHeader, VoiFunction};

const KIND: ObjectKind = ObjectKind {
    class: uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    modality: "PR",
    series_number: "9903",
    description: "cxr: window, inversion, zoom and marks",
};

/// How a film was shown.
#[derive(Debug, Clone, PartialEq)]
pub struct PresentedFilm {
    /// From stored values to those of the window.
    pub transform: PixelTransform,
    /// From those to greys.
    pub voi: PresentedVoi,
    /// Whether low values were bright.
    pub inverted: bool,
    /// Columns and rows of the film.
    pub size: (usize, usize),
    /// Height ÷ width of one pixel.
    pub pixel_aspect: f64,
    /// The part of it that was on the screen; `None` for the whole of it.
    pub part: Option<ShownPart>,
    /// Those of the reader, in the order in which they were made.
    pub marks: Vec<Mark>,
    /// The reader whose view and marks they are; `None` for the view in which cxr first shows the film.
    pub reader: Option<String>,
}

impl ObjectMaker {
    /// How a film was shown, in the series and at the place given.
    ///
    /// # Errors
    /// If the film cannot be referred to, or the system gives no random numbers.
    pub fn presentation_state(
        &self,
        header: &SourceHeader,
        shown: &PresentedFilm,
        place: &SeriesPlace,
    ) -> Result<MadeObject, DicomError> {
        let film = self.evidence(header)?;
        let mut object = self.head(&KIND, header, place)?;
        body_part(&mut object, header);
        object.text(tags::CONTENT_LABEL, VR::CS, "CXR");
        let description = match &shown.reader {
            Some(_) if !shown.marks.is_empty() => {
                "Marks of a reader in cxr, with window, inversion and zoom"
            }
            Some(_) => "Window, inversion and zoom of a reader in cxr",
            None => "Window and inversion as cxr first shows the film",
        };
        object.text(
            tags::CONTENT_DESCRIPTION,
            VR::LO,
            &short(description, LONGEST_LO),
        );
        let creator = shown.reader.as_deref().unwrap_or(PROGRAM);
        let creator = short(&creator.replace(['^', '='], " "), LONGEST_LO);
        object.text(tags::CONTENT_CREATOR_NAME, VR::PN, &creator);
        object.text(tags::PRESENTATION_CREATION_DATE, VR::DA, &self.moment.date);
        object.text(tags::PRESENTATION_CREATION_TIME, VR::TM, &self.moment.time);
        object.items(tags::REFERENCED_SERIES_SEQUENCE, presented_series(&film));
        object.items(
            tags::DISPLAYED_AREA_SELECTION_SEQUENCE,
            vec![displayed_area(header, shown)],
        );
        annotate(&mut object, &film, &shown.marks, self.policy.copies());
        let (transform, presented) = presented_values::allowed(&shown.transform, &shown.voi);
        modality_transform(&mut object, &transform);
        object.items(tags::SOFTCOPY_VOILUT_SEQUENCE, vec![voi(&presented)]);
        let shape = if shown.inverted {
            "INVERSE"
        } else {
            "IDENTITY"
        };
        object.text(tags::PRESENTATION_LUT_SHAPE, VR::CS, shape);
        self.finish(&KIND, object)
    }
}

/// Displayed Area (PS3.3 C.10.4): what was on the screen, as large as the window of the viewer.
fn displayed_area(header: &SourceHeader, shown: &PresentedFilm) -> InMemDicomObject {
    let spacing = [tags::PIXEL_SPACING, tags::IMAGER_PIXEL_SPACING];
    let spacing = spacing
        .into_iter()
        .find_map(|tag| distances(header.text(tag.0, tag.1)?));
    let (first, last) = corners(shown);
    item(|item| {
        corner(item, tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER, first);
        corner(item, tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER, last);
        item.text(tags::PRESENTATION_SIZE_MODE, VR::CS, "SCALE TO FIT");
        match spacing {
            Some((vertical, horizontal)) => {
                let both = format!("{}\\{}", decimal(vertical), decimal(horizontal));
                item.text(tags::PRESENTATION_PIXEL_SPACING, VR::DS, &both);
            }
            None => {
                let (vertical, horizontal) = whole_ratio(shown.pixel_aspect);
                let both = format!("{vertical}\\{horizontal}");
                item.text(tags::PRESENTATION_PIXEL_ASPECT_RATIO, VR::IS, &both);
            }
        }
    })
}

/// Column and row, from 1, of the first and of the last pixel that was on the screen, also where only a part of it was.
fn corners(shown: &PresentedFilm) -> ((usize, usize), (usize, usize)) {
    let (columns, rows) = shown.size;
    let Some(part) = shown.part else {
        return ((1, 1), (columns, rows));
    };
    let along = |from: f64, to: f64, all: usize| {
        // What is no number becomes 0 here, and so the first pixel.
        let first = ((from * all as f64).floor() as usize).saturating_add(1);
        let last = (to * all as f64).ceil() as usize;
        let first = first.clamp(1, all.max(1));
        (first, last.clamp(first, all.max(first)))
    };
    let (left, right) = along(part.left, part.right, columns);
    let (top, bottom) = along(part.top, part.bottom, rows);
    ((left, top), (right, bottom))
}

fn corner(item: &mut InMemDicomObject, tag: Tag, (column, row): (usize, usize)) {
    let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
    let both = PrimitiveValue::I32([number(column), number(row)].as_slice().into());
    item.put(DataElement::new(tag, VR::SL, both));
}

/// Two distances in mm between the middles of pixels, down and across.
fn distances(text: &str) -> Option<(f64, f64)> {
    let (vertical, horizontal) = text.split_once('\\')?;
    let sound = |text: &str| {
        let distance = text.trim().parse::<f64>().ok();
        distance.filter(|distance| distance.is_finite() && *distance > 0.0)
    };
    sound(vertical).zip(sound(horizontal))
}

/// A ratio as two whole numbers.
fn whole_ratio(aspect: f64) -> (u32, u32) {
    const PARTS: f64 = 1000.0;
    if (aspect - 1.0).abs() < 1.0 / PARTS {
        return (1, 1);
    }
    ((aspect * PARTS).round().max(1.0) as u32, PARTS as u32)
}

/// Modality LUT (PS3.3 C.11.1). That of the film is not used under a presentation state, so it stands here again.
fn modality_transform(object: &mut InMemDicomObject, transform: &PixelTransform) {
    match transform {
        PixelTransform::Linear(line) => {
            object.text(tags::RESCALE_INTERCEPT, VR::DS, &decimal(line.intercept));
            object.text(tags::RESCALE_SLOPE, VR::DS, &decimal(line.slope));
            object.text(tags::RESCALE_TYPE, VR::LO, "US");
        }
        PixelTransform::Table(lut) => {
            let mut table = table(lut);
            table.text(tags::MODALITY_LUT_TYPE, VR::LO, "US");
            object.items(tags::MODALITY_LUT_SEQUENCE, vec![table]);
        }
    }
}

fn voi(voi: &PresentedVoi) -> InMemDicomObject {
    let window = match voi {
        PresentedVoi::Table(lut) => {
            return item(|item| item.items(tags::VOILUT_SEQUENCE, vec![table(lut)]));
        }
        PresentedVoi::Window(window) => window,
    };
    let function = match window.function {
        // A linear window has a width of 1 at least (C.11.2.1.2.1).
        VoiFunction::Linear if window.width < 1.0 => "LINEAR_EXACT",
        VoiFunction::Linear => "LINEAR",
        VoiFunction::LinearExact => "LINEAR_EXACT",
        VoiFunction::Sigmoid => "SIGMOID",
    };
    item(|item| {
        item.text(tags::WINDOW_CENTER, VR::DS, &decimal(window.centre));
        item.text(tags::WINDOW_WIDTH, VR::DS, &decimal(window.width));
        item.text(tags::VOILUT_FUNCTION, VR::CS, function);
    })
}

/// The item of a table (PS3.3 C.11.1.1 and C.11.2.1.1): 65536 entries are written as 0.
fn table(lut: &Lut) -> InMemDicomObject {
    let entries = u16::try_from(lut.entries.len()).unwrap_or(0);
    item(|item| {
        let bits = u16::from(lut.bits);
        let descriptor = match u16::try_from(lut.first_input) {
            Ok(first) => DataElement::new(
                tags::LUT_DESCRIPTOR,
                VR::US,
                PrimitiveValue::U16([entries, first, bits].as_slice().into()),
            ),
            Err(_) => DataElement::new(
                tags::LUT_DESCRIPTOR,
                VR::SS,
                PrimitiveValue::I16(
                    [entries as i16, lut.first_input as i16, bits as i16]
                        .as_slice()
                        .into(),
                ),
            ),
        };
        item.put(descriptor);
        let data = PrimitiveValue::U16(lut.entries.as_slice().into());
        item.put(DataElement::new(tags::LUT_DATA, VR::OW, data));
    })
}
