//! The radiograph: the samples of the first frame with all that the attributes state about them.

use dicom_dictionary_std::tags;

use super::admission;
use super::elements::Attributes;
use super::frame::FirstFrame;
use super::image_pixel::{Colour, ImagePixel};
use crate::domain::text::clean;
use crate::domain::{
    Objection, PhotometricInterpretation, PixelSpacing, Radiograph, StatedSpacings, Uids,
    VoiFunction, WindowLevel, taken, with_offset,
};

impl Attributes {
    /// The windows for the eye (PS3.3 C.11.2.1.2), without those whose width is not positive.
    fn windows(&self) -> Vec<WindowLevel> {
        let function = match self.code(tags::VOILUT_FUNCTION).as_deref() {
            Some("LINEAR_EXACT") => VoiFunction::LinearExact,
            Some("SIGMOID") => VoiFunction::Sigmoid,
            _ => VoiFunction::Linear,
        };
        let explanations = self.texts(tags::WINDOW_CENTER_WIDTH_EXPLANATION);
        self.numbers(tags::WINDOW_CENTER)
            .into_iter()
            .zip(self.numbers(tags::WINDOW_WIDTH))
            .enumerate()
            .filter_map(|(i, (centre, width))| Some((i, centre?, width?)))
            .filter(|(_, _, width)| *width > 0.0)
            .map(|(i, centre, width)| WindowLevel {
                centre,
                width,
                function,
                explanation: explanations.get(i).filter(|text| !text.is_empty()).cloned(),
            })
            .collect()
    }

    /// Whether low values are bright according to the header: a film as digitised (MONOCHROME1), or a
    /// *Presentation LUT Shape* that asks for it (PS3.3 C.11.6). A file that states both states the
    /// same thing twice. Where the picture contradicts it,
    /// [`polarity`](crate::imaging::polarity) inverts it.
    fn inverted(&self, colour: Colour) -> bool {
        let shape = self.code(tags::PRESENTATION_LUT_SHAPE);
        colour == Colour::Monochrome1 || colour.is_grey() && shape.as_deref() == Some("INVERSE")
    }

    /// Height ÷ width of a pixel: *Pixel Aspect Ratio* (0028,0034) is vertical\horizontal, and so are
    /// the spacings: *Pixel Spacing* (0028,0030), *Imager Pixel Spacing* (0018,1164) and, of a digitised film,
    /// *Nominal Scanned Pixel Spacing* (0018,2010).
    fn pixel_aspect(&self) -> f64 {
        let plausible = 0.1..=10.0;
        [
            tags::PIXEL_ASPECT_RATIO,
            tags::PIXEL_SPACING,
            tags::IMAGER_PIXEL_SPACING,
            tags::NOMINAL_SCANNED_PIXEL_SPACING,
        ]
        .into_iter()
        .find_map(|tag| match self.numbers(tag)[..] {
            [Some(vertical), Some(horizontal), ..] => {
                Some(vertical / horizontal).filter(|aspect| plausible.contains(aspect))
            }
            _ => None,
        })
        .unwrap_or(1.0)
    }

    /// *Study Instance UID* (0020,000D).
    pub fn study(&self) -> Option<String> {
        self.text(tags::STUDY_INSTANCE_UID)
    }

    /// The size of a pixel, as far as the header states it.
    fn spacing(&self) -> Option<PixelSpacing> {
        let pair = |tag| match self.numbers(tag)[..] {
            [Some(row), Some(column), ..] => Some((row, column)),
            _ => None,
        };
        let stated = StatedSpacings {
            pixel: pair(tags::PIXEL_SPACING),
            calibration: self.code(tags::PIXEL_SPACING_CALIBRATION_TYPE),
            imager: pair(tags::IMAGER_PIXEL_SPACING),
            magnification: self.number(tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR),
            scanned: pair(tags::NOMINAL_SCANNED_PIXEL_SPACING),
        };
        stated.spacing()
    }

    fn uids(&self) -> Uids {
        Uids {
            study: self.study(),
            series: self.text(tags::SERIES_INSTANCE_UID),
            sop_instance: self.text(tags::SOP_INSTANCE_UID),
        }
    }

    /// When the image was taken, or else when its study began. A combined date and time comes first,
    /// because the others state the same or less (PS3.3 C.7.6.1), and its own offset from UTC before that of the whole file
    /// (C.12.1.1.8).
    pub fn taken(&self) -> Option<String> {
        let of_file = self.text(tags::TIMEZONE_OFFSET_FROM_UTC);
        let combined = || {
            let text = self.text(tags::ACQUISITION_DATE_TIME)?;
            let end = text.find(['+', '-', '&']).unwrap_or(text.len());
            let (local, offset) = text.split_at(end);
            let (date, time) = local.split_at_checked(8)?;
            let own = Some(offset).filter(|offset| !offset.is_empty());
            Some(with_offset(
                taken(date, Some(time))?,
                own.or(of_file.as_deref()),
            ))
        };
        let apart = |date, time| {
            let taken = taken(&self.text(date)?, self.text(time).as_deref())?;
            Some(with_offset(taken, of_file.as_deref()))
        };
        combined()
            .or_else(|| apart(tags::ACQUISITION_DATE, tags::ACQUISITION_TIME))
            .or_else(|| apart(tags::STUDY_DATE, tags::STUDY_TIME))
    }

    /// The first frame as a radiograph. `syntax` is the transfer syntax in words.
    pub fn radiograph(&self, picture: &ImagePixel, frame: FirstFrame, syntax: &str) -> Radiograph {
        let photometric = match picture.colour {
            Colour::Monochrome1 => PhotometricInterpretation::Monochrome1,
            Colour::Monochrome2 => PhotometricInterpretation::Monochrome2,
            Colour::Palette => PhotometricInterpretation::Palette,
            _ => PhotometricInterpretation::Rgb,
        };
        let mut radiograph = Radiograph {
            photometric,
            pixel_aspect: self.pixel_aspect(),
            spacing: self.spacing(),
            view: self.view(),
            modality: self.modality(),
            admission: admission::of(self),
            patient: self.patient(),
            uids: self.uids(),
            taken: self.taken(),
            frames: picture.frames,
            ..Radiograph::plain(
                picture.columns as usize,
                picture.rows as usize,
                frame.samples,
                &format!("DICOM {}", clean(syntax)),
            )
        };
        if !picture.colour.is_grey() {
            return radiograph;
        }
        if frame.bits_found > picture.bits_stored {
            radiograph.admission.objections.push(Objection::Deeper {
                stored: picture.bits_stored,
                found: frame.bits_found,
            });
        }
        radiograph.bits_stored = frame.bits_stored;
        radiograph.padding = frame.padding;
        frame.measured.of(self.as_measured(picture, radiograph))
    }

    /// Adds what the attributes state about stored grey values. Colours have none of it: tables and
    /// windows in their files were made for other values (PS3.3 C.7.6.3.1.2, C.11.1, C.11.2).
    fn as_measured(&self, picture: &ImagePixel, mut radiograph: Radiograph) -> Radiograph {
        let unusable = self.unusable_tables().map(Objection::NoTable);
        radiograph.admission.objections.extend(unusable);
        Radiograph {
            modality_transform: self.modality_transform(),
            windows: self.windows(),
            voi_luts: self.voi_luts(),
            inverted: self.inverted(picture.colour),
            ..radiograph
        }
    }
}
