//! What a data set says about its picture and its patient.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::super::{ImageFault, clean_text};
use super::elements::item_text;
use super::frame::FirstFrame;
use super::object_kind;
use super::{admission, identity};
use crate::domain::{
    Modality, Objection, PatientFacts, PhotometricInterpretation, Radiograph, Uids, ViewPosition,
    VoiFunction, WindowLevel, taken,
};

/// How the pixel data are to be read, PS3.3 C.7.6.3.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImagePixel {
    pub columns: u32,
    pub rows: u32,
    pub samples_per_pixel: u8,
    pub bits_allocated: u8,
    pub bits_stored: u8,
    pub high_bit: u8,
    pub signed: bool,
    /// It has been through lossy compression (PS3.3 C.7.6.1.1.5).
    pub lossy: bool,
    /// An overlay lies in the unused bits of its samples (PS3.5 8.1.1).
    pub hides_overlay: bool,
    /// Colour by plane: all red values first, then all green ones, then all blue ones.
    pub planar: bool,
    pub colour: Colour,
    pub frames: u32,
}

/// Photometric interpretations that can be turned into grey or RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    YbrFull,
    /// Uncompressed, two pixels share a pair of colour differences.
    YbrFull422,
    /// The JPEG 2000 decoder turns these into RGB itself.
    YbrOfJpeg2000,
}

/// *Overlay Bit Position* of all sixteen overlays (PS3.5 7.6); anything but 0 means that one lies in
/// the samples' unused bits.
pub(super) const OVERLAY_BIT_POSITIONS: [Tag; 16] = {
    let mut all = [Tag(0x6000, 0x0102); 16];
    let mut overlay = 0;
    while overlay < all.len() {
        all[overlay].0 += 2 * overlay as u16;
        overlay += 1;
    }
    all
};

/// The attributes of a data set.
pub(super) struct Attributes {
    pub(super) object: InMemDicomObject,
}

impl Attributes {
    /// What is to be said of an object without pixel data: that it is of a kind that has none, or
    /// that they are missing. `stored_as` is the SOP class that the file's meta information says.
    pub fn without_pixels(&self, stored_as: Option<&str>) -> ImageFault {
        let class = self.text(tags::SOP_CLASS_UID);
        let class = class.as_deref().or(stored_as);
        // What says how many rows its picture has had one.
        let had_picture = self.integer(tags::ROWS).is_some();
        match class.and_then(object_kind::without_picture) {
            Some(kind) if !had_picture => ImageFault::no_picture(kind),
            _ => ImageFault::not_an_image(format!(
                "a DICOM object without pixel data ({})",
                self.stated_kind(class)
            )),
        }
    }

    fn stated_kind(&self, class: Option<&str>) -> String {
        match (self.text(tags::MODALITY), class) {
            (Some(modality), _) => format!("modality {modality}"),
            (None, Some(class)) => format!("SOP class {}", clean_text(class)),
            (None, None) => "of no stated kind".to_owned(),
        }
    }

    /// The picture's shape and encoding, checked against each other.
    pub fn picture(&self) -> Result<ImagePixel, ImageFault> {
        let samples_per_pixel = self.small(tags::SAMPLES_PER_PIXEL)?.unwrap_or(1);
        let bits_allocated = self
            .small(tags::BITS_ALLOCATED)?
            .ok_or_else(|| ImageFault::damaged("Bits Allocated is missing"))?;
        let high_bit = self.small(tags::HIGH_BIT)?;
        let bits_stored = match (self.small(tags::BITS_STORED)?, high_bit) {
            (Some(bits), _) => bits,
            (None, Some(high_bit @ 1..)) => high_bit.saturating_add(1),
            (None, _) => bits_allocated,
        };
        // It says how the bytes of colours lie, and of grey values nothing.
        let planar = samples_per_pixel > 1 && self.small(tags::PLANAR_CONFIGURATION)? == Some(1);
        let picture = ImagePixel {
            columns: self.size(tags::COLUMNS)?,
            rows: self.size(tags::ROWS)?,
            samples_per_pixel,
            bits_allocated,
            bits_stored,
            high_bit: high_bit.unwrap_or(bits_stored.saturating_sub(1)),
            signed: self.small(tags::PIXEL_REPRESENTATION)? == Some(1),
            lossy: self.code(tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01"),
            hides_overlay: OVERLAY_BIT_POSITIONS
                .into_iter()
                .any(|tag| self.integer(tag).unwrap_or(0) != 0),
            planar,
            colour: self.colour(samples_per_pixel)?,
            frames: self
                .integer(tags::NUMBER_OF_FRAMES)
                .and_then(|v| u32::try_from(v).ok())
                .map_or(1, |v| v.max(1)),
        };
        picture.check()?;
        if matches!(picture.colour, Colour::Monochrome1 | Colour::Monochrome2) {
            self.check_sign(tags::RESCALE_SLOPE)?;
        }
        Ok(picture)
    }

    pub(super) fn signed(&self) -> bool {
        self.integer(tags::PIXEL_REPRESENTATION) == Some(1)
    }

    fn colour(&self, samples_per_pixel: u8) -> Result<Colour, ImageFault> {
        let name = self.code(tags::PHOTOMETRIC_INTERPRETATION);
        Ok(match (name.as_deref(), samples_per_pixel) {
            (Some("MONOCHROME1"), 1) => Colour::Monochrome1,
            (Some("MONOCHROME2") | None, 1) => Colour::Monochrome2,
            (Some("PALETTE COLOR"), 1) => Colour::Palette,
            (Some("RGB") | None, 3) => Colour::Rgb,
            (Some("YBR_FULL"), 3) => Colour::YbrFull,
            (Some("YBR_FULL_422"), 3) => Colour::YbrFull422,
            (Some("YBR_RCT" | "YBR_ICT"), 3) => Colour::YbrOfJpeg2000,
            (name, n) => {
                return Err(ImageFault::unsupported(format!(
                    "photometric interpretation {} with {n} samples per pixel",
                    name.unwrap_or("not stated")
                )));
            }
        })
    }

    /// The padding value and the limit of its range as they are written (PS3.3 C.7.5.1.1.2).
    pub(super) fn padding(&self) -> Option<(i64, Option<i64>)> {
        let value = self.integer(tags::PIXEL_PADDING_VALUE)?;
        Some((value, self.integer(tags::PIXEL_PADDING_RANGE_LIMIT)))
    }

    /// Lowest and highest padding value of samples of 32 bits, or in floating point (PS3.3 C.7.6.24).
    pub fn wide_padding(&self) -> Option<(f64, f64)> {
        let pairs = [
            (
                tags::FLOAT_PIXEL_PADDING_VALUE,
                tags::FLOAT_PIXEL_PADDING_RANGE_LIMIT,
            ),
            (
                tags::DOUBLE_FLOAT_PIXEL_PADDING_VALUE,
                tags::DOUBLE_FLOAT_PIXEL_PADDING_RANGE_LIMIT,
            ),
            (tags::PIXEL_PADDING_VALUE, tags::PIXEL_PADDING_RANGE_LIMIT),
        ];
        let (value, limit) = pairs.into_iter().find_map(|(value, limit)| {
            let value = self.number(value)?;
            Some((value, self.number(limit).unwrap_or(value)))
        })?;
        Some((value.min(limit), value.max(limit)))
    }

    /// PS3.3 C.11.2.1.2. Windows without a width that makes sense are left out.
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

    /// Bone white or not as the header says it: a film as digitised (MONOCHROME1), or a
    /// Presentation LUT Shape that asks for it (PS3.3 C.11.6). A file that says both says the same
    /// thing twice. Where the picture contradicts it, [`polarity`](crate::imaging::polarity) turns it.
    pub(super) fn inverted(&self, colour: Colour) -> bool {
        let grey = matches!(colour, Colour::Monochrome1 | Colour::Monochrome2);
        let shape = self.code(tags::PRESENTATION_LUT_SHAPE);
        colour == Colour::Monochrome1 || grey && shape.as_deref() == Some("INVERSE")
    }

    /// Height ÷ width of a pixel: (0028,0034) is vertical\horizontal, and so are the spacings.
    fn pixel_aspect(&self) -> f64 {
        let plausible = 0.1..=10.0;
        [
            tags::PIXEL_ASPECT_RATIO,
            tags::PIXEL_SPACING,
            tags::IMAGER_PIXEL_SPACING,
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

    fn view(&self) -> ViewPosition {
        let said = match self.code(tags::VIEW_POSITION).as_deref() {
            Some("PA") => ViewPosition::Pa,
            Some("AP") => ViewPosition::Ap,
            Some(
                "LL" | "RL" | "LLAT" | "RLAT" | "LAT" | "LATERAL" | "LEFT LATERAL"
                | "RIGHT LATERAL",
            ) => ViewPosition::Lateral,
            // Among them L and R, which are sides and not views.
            _ => ViewPosition::Unknown,
        };
        if said != ViewPosition::Unknown {
            return said;
        }
        let code = self.items(tags::VIEW_CODE_SEQUENCE).first();
        code.map_or(ViewPosition::Unknown, coded_view)
    }

    /// Whether it is refused for its view anyhow.
    pub(super) fn is_lateral(&self) -> bool {
        self.view() == ViewPosition::Lateral
    }

    pub(super) fn modality(&self) -> Modality {
        let by_class = || {
            let class = self.text(tags::SOP_CLASS_UID)?;
            admission::modality_of_class(&class).map(str::to_owned)
        };
        match self.code(tags::MODALITY).or_else(by_class) {
            None => Modality::Unknown,
            Some(name) if is_radiography(&name) => Modality::Radiography(name),
            Some(name) => Modality::Other(name),
        }
    }

    fn patient(&self) -> PatientFacts {
        let id = self.text(tags::PATIENT_ID);
        let name = self.text(tags::PATIENT_NAME);
        let birth_date = self.text(tags::PATIENT_BIRTH_DATE);
        PatientFacts {
            issuer: identity::issuer(self),
            name_print: identity::name_print(id.as_deref(), name.as_deref()),
            birth_date_print: identity::birth_date_print(id.as_deref(), birth_date.as_deref()),
            sex: self.code(tags::PATIENT_SEX),
            age: self.text(tags::PATIENT_AGE),
            name: name.and_then(|name| readable_name(&name)),
            id,
        }
    }

    fn uids(&self) -> Uids {
        Uids {
            study: self.text(tags::STUDY_INSTANCE_UID),
            series: self.text(tags::SERIES_INSTANCE_UID),
            sop_instance: self.text(tags::SOP_INSTANCE_UID),
        }
    }

    /// When the image was taken, or else when its study began. What is said beside a combined
    /// date and time is the same or less (PS3.3 C.7.6.1); its offset from UTC is left out, since no
    /// other attribute has one.
    fn taken(&self) -> Option<String> {
        let combined = || {
            let text = self.text(tags::ACQUISITION_DATE_TIME)?;
            let local = text.split(['+', '-', '&']).next()?;
            let (date, time) = local.split_at_checked(8)?;
            taken(date, Some(time))
        };
        let apart = |date, time| taken(&self.text(date)?, self.text(time).as_deref());
        combined()
            .or_else(|| apart(tags::ACQUISITION_DATE, tags::ACQUISITION_TIME))
            .or_else(|| apart(tags::STUDY_DATE, tags::STUDY_TIME))
    }

    /// Everything together.
    pub fn radiograph(&self, picture: &ImagePixel, frame: FirstFrame, syntax: &str) -> Radiograph {
        let photometric = match picture.colour {
            Colour::Monochrome1 => PhotometricInterpretation::Monochrome1,
            Colour::Monochrome2 => PhotometricInterpretation::Monochrome2,
            Colour::Palette => PhotometricInterpretation::Palette,
            _ => PhotometricInterpretation::Rgb,
        };
        let mut seen = Radiograph {
            photometric,
            pixel_aspect: self.pixel_aspect(),
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
                &format!("DICOM {syntax}"),
            )
        };
        if !matches!(picture.colour, Colour::Monochrome1 | Colour::Monochrome2) {
            return seen;
        }
        if frame.bits_stored > picture.bits_stored {
            seen.admission.objections.push(Objection::Deeper {
                stored: picture.bits_stored,
                found: frame.bits_stored,
            });
        }
        seen.bits_stored = frame.bits_stored;
        seen.padding = frame.padding;
        frame.measured.of(self.as_measured(picture, seen))
    }

    /// What is said about stored grey values. Colours are what they are: tables and windows that a
    /// file has besides were made for other values (PS3.3 C.7.6.3.1.2, C.11.1, C.11.2).
    fn as_measured(&self, picture: &ImagePixel, mut seen: Radiograph) -> Radiograph {
        let unusable = self.unusable_tables().map(Objection::NoTable);
        seen.admission.objections.extend(unusable);
        Radiograph {
            modality_transform: self.modality_transform(),
            windows: self.windows(),
            voi_luts: self.voi_luts(),
            inverted: self.inverted(picture.colour),
            ..seen
        }
    }
}

impl ImagePixel {
    fn check(&self) -> Result<(), ImageFault> {
        if !matches!(self.bits_allocated, 1 | 8 | 16 | 32 | 64) {
            return Err(self.bits_unsupported());
        }
        let bits = 1..=self.bits_allocated;
        let stored = bits.contains(&self.bits_stored) && self.high_bit < self.bits_allocated;
        if !stored || self.high_bit + 1 < self.bits_stored {
            return Err(ImageFault::damaged(format!(
                "{} bits stored up to bit {} of {} allocated",
                self.bits_stored, self.high_bit, self.bits_allocated
            )));
        }
        Ok(())
    }

    pub fn bits_unsupported(&self) -> ImageFault {
        ImageFault::unsupported(format!("{} bits allocated", self.bits_allocated))
    }

    /// Bytes of one frame without compression.
    pub fn frame_bytes(&self) -> usize {
        (self.samples() * usize::from(self.bits_allocated)).div_ceil(8)
    }

    /// Samples of one frame.
    pub fn samples(&self) -> usize {
        self.columns as usize * self.rows as usize * usize::from(self.samples_per_pixel)
    }
}

/// Modalities that are plain radiography, or may hold a film (secondary captures, "other").
const RADIOGRAPHY: [&str; 9] = ["CR", "DX", "DR", "RG", "RF", "XA", "SC", "OT", "RTIMAGE"];

pub(super) fn is_radiography(modality: &str) -> bool {
    RADIOGRAPHY.contains(&modality)
}

/// A view as a coded concept: PS3.16 CID 4010, in SNOMED CT or its older codes, or else by the
/// words of its meaning.
fn coded_view(concept: &InMemDicomObject) -> ViewPosition {
    match item_text(concept, tags::CODE_VALUE).as_deref() {
        Some("R-10214" | "R-40888" | "272479007") => return ViewPosition::Pa,
        Some("R-10206" | "399348003") => return ViewPosition::Ap,
        // Right, left, of no side, and from one side to the other.
        Some(
            "R-10232" | "399198007" | "R-10236" | "399173006" | "R-102CD" | "399067008" | "R-10224"
            | "399260004" | "R-10228" | "399352003",
        ) => return ViewPosition::Lateral,
        _ => {}
    }
    let meaning = item_text(concept, tags::CODE_MEANING)
        .unwrap_or_default()
        .to_lowercase();
    match meaning.replace(['-', ' '], "") {
        m if m.contains("posteroanterior") => ViewPosition::Pa,
        m if m.contains("anteroposterior") => ViewPosition::Ap,
        m if m.contains("lateral") => ViewPosition::Lateral,
        _ => ViewPosition::Unknown,
    }
}

/// The first component group of a person's name (PS3.5 6.2.1), its parts separated by spaces.
fn readable_name(name: &str) -> Option<String> {
    let group = name
        .split('=')
        .find(|group| !group.trim_matches(['^', ' ']).is_empty())?;
    Some(clean_text(&group.replace('^', " ")))
}
