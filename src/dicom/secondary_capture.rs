//! Secondary Capture: the film as the screen shows it, under its heat map, with what it must not be taken for burned in
//! (PS3.3 A.8.1).

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use super::bitmap_text::{Lettering, Painting};
use super::codes::dcm;
use super::data_set::Fill;
use super::object_maker::{ObjectKind, ObjectMaker, SeriesPlace, body_part};
use super::{DicomError, MadeObject};
use crate::domain::{HeatMapLegend, PreviewImage, SourceHeader};

const KIND: ObjectKind = ObjectKind {
    class: uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    modality: "OT",
    series_number: "9902",
    description: "cxr: heat map, not for diagnosis",
};

/// First of all that is burned in.
const WARNING: &str = "NOT FOR DIAGNOSIS - research software";
/// Rows of the ramp of colours.
const RAMP: usize = 24;

/// The picture of a film.
#[derive(Debug, Clone)]
pub struct Capture {
    /// The film, under its heat map if it has one.
    pub picture: PreviewImage,
    /// `None` without a heat map.
    pub legend: Option<HeatMapLegend>,
    /// What is written below the picture, a line each.
    pub lines: Vec<String>,
}

impl Capture {
    /// The warning, the picture, the ramp of the legend, and the lines, from top to bottom.
    fn painted(&self) -> Painting {
        let width = self.picture.width;
        let above = Lettering::new(&[WARNING.to_owned()], width);
        let below = Lettering::new(&self.lines, width);
        let ramp = self.legend.as_ref().map_or(0, |_| RAMP);
        let picture_top = above.height();
        let ramp_top = picture_top + self.picture.height;
        let text_top = ramp_top + ramp;
        let mut painting = Painting::black(width, text_top + below.height());
        above.paint(&mut painting, 0);
        for y in 0..self.picture.height {
            for x in 0..width {
                painting.set(x, picture_top + y, self.picture.rgb(x, y));
            }
        }
        if let Some(legend) = self
            .legend
            .as_ref()
            .filter(|legend| !legend.ramp.is_empty())
        {
            for x in 0..width {
                let colour = legend.ramp[x * legend.ramp.len() / width];
                (0..RAMP).for_each(|y| painting.set(x, ramp_top + y, colour));
            }
        }
        below.paint(&mut painting, text_top);
        painting
    }
}

impl ObjectMaker {
    /// A film as a picture, in the series and at the place given.
    ///
    /// # Errors
    /// If the film cannot be referred to, or the picture has no pixels or too many.
    pub fn secondary_capture(
        &self,
        header: &SourceHeader,
        capture: &Capture,
        place: &SeriesPlace,
    ) -> Result<MadeObject, DicomError> {
        let film = self.evidence(header)?;
        let painting = capture.painted();
        let bad = DicomError::BadPicture(painting.width, painting.height);
        let size = u16::try_from(painting.width).ok();
        let size = size.zip(u16::try_from(painting.height).ok());
        let Some((columns, rows)) = size.filter(|(columns, _)| *columns > 0) else {
            return Err(bad);
        };
        let mut object = self.head(&KIND, header, place)?;
        self.date(&mut object);
        body_part(&mut object, header);
        object.text(tags::CONVERSION_TYPE, VR::CS, "WSD");
        object.text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY");
        object.text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
        object.text(
            tags::DERIVATION_DESCRIPTION,
            VR::ST,
            "The film in its window, scaled, under the heat map of a model; text burned in",
        );
        let purpose = dcm("121322", "Source image for image processing operation");
        let mut source = film.item();
        source.items(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            vec![purpose.item()],
        );
        object.items(tags::SOURCE_IMAGE_SEQUENCE, vec![source]);
        orientation(&mut object, header);
        lossy(&mut object, header);
        object.number(tags::SAMPLES_PER_PIXEL, 3);
        object.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
        object.number(tags::PLANAR_CONFIGURATION, 0);
        object.number(tags::ROWS, rows);
        object.number(tags::COLUMNS, columns);
        object.number(tags::BITS_ALLOCATED, 8);
        object.number(tags::BITS_STORED, 8);
        object.number(tags::HIGH_BIT, 7);
        object.number(tags::PIXEL_REPRESENTATION, 0);
        let mut pixels = painting.pixels;
        if pixels.len() % 2 == 1 {
            pixels.push(0);
        }
        let pixels = PrimitiveValue::U8(pixels.into());
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, pixels));
        self.finish(&KIND, object)
    }
}

fn stated(header: &SourceHeader, tag: Tag) -> Option<&str> {
    header.text(tag.0, tag.1)
}

/// *Patient Orientation* (0020,0020) of the film, whose picture is neither turned nor mirrored.
fn orientation(object: &mut InMemDicomObject, header: &SourceHeader) {
    let is_direction = |text: &str| {
        !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b"LRAPHF".contains(&b))
    };
    let orientation = stated(header, tags::PATIENT_ORIENTATION).filter(|value| {
        let parts: Vec<&str> = value.split('\\').collect();
        parts.len() == 2 && parts.into_iter().all(is_direction)
    });
    let orientation = orientation.unwrap_or_default();
    object.text(tags::PATIENT_ORIENTATION, VR::CS, orientation);
}

/// What was lost before stays lost (PS3.3 C.7.6.1.1.5).
fn lossy(object: &mut InMemDicomObject, header: &SourceHeader) {
    if stated(header, tags::LOSSY_IMAGE_COMPRESSION) != Some("01") {
        return;
    }
    object.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
    let are_numbers = |text: &&str| text.split('\\').all(|part| part.parse::<f64>().is_ok());
    if let Some(ratio) = stated(header, tags::LOSSY_IMAGE_COMPRESSION_RATIO).filter(are_numbers) {
        object.text(tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, ratio);
    }
    let is_code = |text: &&str| {
        let is_of_code =
            |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_\\ ".contains(&b);
        text.bytes().all(is_of_code)
    };
    if let Some(method) = stated(header, tags::LOSSY_IMAGE_COMPRESSION_METHOD).filter(is_code) {
        object.text(tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, method);
    }
}

/// Whether *Burned In Annotation* (0028,0301) of a film says that its picture may name the patient.
pub fn has_burned_in_text(header: &SourceHeader) -> bool {
    let stated = stated(header, tags::BURNED_IN_ANNOTATION);
    stated.is_some_and(|value| value.eq_ignore_ascii_case("YES"))
}
