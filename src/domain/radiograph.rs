//! A radiograph as it was stored.
//!
//! The displayed image (`imaging::VoiLut`) and the model's input (`inference::Preprocess`) are two different
//! functions of these samples: a change of the window must never change a score.

use std::fmt;

use super::admission::Admission;
use super::content_id::ContentId;
use super::mark::FilmScale;
use super::patient::{Fingerprint, Issuer, PatientIdentity, Sex};
use super::spacing::{PixelSpacing, Ratio};

/// Projection of the beam, DICOM *View Position* (0018,5101), PS3.3 C.8.7.1.1 and C.8.11.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ViewPosition {
    /// Postero-anterior: the beam enters at the back. The usual standing film.
    Pa,
    /// Antero-posterior: the usual bedside film.
    Ap,
    /// Left or right lateral.
    Lateral,
    /// The file does not say.
    #[default]
    Unknown,
}

impl ViewPosition {
    /// Its word in digests of cards. It never changes: stored answers and tables rest on it.
    pub fn code(self) -> &'static str {
        match self {
            ViewPosition::Pa => "PA",
            ViewPosition::Ap => "AP",
            ViewPosition::Lateral => "lateral",
            ViewPosition::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ViewPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ViewPosition::Pa => "PA",
            ViewPosition::Ap => "AP",
            ViewPosition::Lateral => "lateral",
            ViewPosition::Unknown => "view unknown",
        })
    }
}

/// How stored values map to light, DICOM (0028,0004), PS3.3 C.7.6.3.1.2.
///
/// `Palette` and `Rgb` describe the *file*. The samples of a [`Radiograph`] are grey or RGB: palettes have
/// been looked up, and YBR converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhotometricInterpretation {
    /// The lowest value is white (film, as digitised).
    Monochrome1,
    /// The lowest value is black.
    Monochrome2,
    /// Red, green, blue (any YBR form has been converted).
    Rgb,
    /// Indices into a palette (already looked up).
    Palette,
}

/// Stored pixel values, row by row, top left first.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Grey, unsigned, up to 8 bits.
    Grey8(Vec<u8>),
    /// Grey, unsigned, 9 to 16 bits.
    Grey16(Vec<u16>),
    /// Grey, two's complement, up to 16 bits.
    GreySigned16(Vec<i16>),
    /// Grey of more than 16 bits, as numbers.
    GreyF32(Vec<f32>),
    /// Red, green, blue interleaved, 8 bits each.
    Rgb8(Vec<u8>),
}

impl Samples {
    /// Bytes of memory that the samples take.
    pub fn bytes(&self) -> usize {
        match self {
            Samples::Grey8(v) | Samples::Rgb8(v) => v.len(),
            Samples::Grey16(v) => v.len() * 2,
            Samples::GreySigned16(v) => v.len() * 2,
            Samples::GreyF32(v) => v.len() * 4,
        }
    }

    /// Values for each pixel: 1 for grey, 3 for colour.
    pub fn channels(&self) -> usize {
        if matches!(self, Samples::Rgb8(_)) {
            3
        } else {
            1
        }
    }

    /// Number of pixels.
    pub fn pixels(&self) -> usize {
        match self {
            Samples::Grey8(v) => v.len(),
            Samples::Grey16(v) => v.len(),
            Samples::GreySigned16(v) => v.len(),
            Samples::GreyF32(v) => v.len(),
            Samples::Rgb8(v) => v.len() / 3,
        }
    }
}

/// Linear Modality LUT: output = slope · stored + intercept, DICOM (0028,1053) and (0028,1052),
/// PS3.3 C.11.1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rescale {
    /// *Rescale Slope* (0028,1053).
    pub slope: f64,
    /// *Rescale Intercept* (0028,1052).
    pub intercept: f64,
}

impl Default for Rescale {
    fn default() -> Self {
        Rescale {
            slope: 1.0,
            intercept: 0.0,
        }
    }
}

/// A lookup table as in a Modality or VOI LUT Sequence, PS3.3 C.11.1.1 and C.11.2.1.1.
#[derive(Debug, Clone, PartialEq)]
pub struct Lut {
    /// Input value that maps to the first entry; lower inputs take it too.
    pub first_input: i32,
    /// Entries; inputs beyond the end take the last.
    pub entries: Vec<u16>,
    /// Bits that an entry uses (8 to 16): the largest output is `2^bits − 1`.
    pub bits: u8,
    /// *LUT Explanation* (0028,3003), cleaned of control characters.
    pub explanation: Option<String>,
}

impl Lut {
    /// Centre and width of the inputs between its first entry and its last.
    pub fn centre_width(&self) -> (f64, f64) {
        let width = self.entries.len() as f64;
        (f64::from(self.first_input) + width / 2.0, width)
    }
}

/// From stored values to the manufacturer-independent ones (PS3.3 C.11.1): a line or a table.
#[derive(Debug, Clone, PartialEq)]
pub enum PixelTransform {
    /// *Rescale Slope* and *Rescale Intercept*.
    Linear(Rescale),
    /// *Modality LUT Sequence* (0028,3000).
    Table(Lut),
}

impl Default for PixelTransform {
    /// None: values are what is stored.
    fn default() -> Self {
        PixelTransform::Linear(Rescale::default())
    }
}

impl PixelTransform {
    /// Whether larger stored values become smaller ones. Of a table, its ends tell.
    pub fn falls(&self) -> bool {
        match self {
            PixelTransform::Linear(rescale) => rescale.slope < 0.0,
            PixelTransform::Table(lut) => lut.entries.last() < lut.entries.first(),
        }
    }
}

/// *VOI LUT Function* (0028,1056), PS3.3 C.11.2.1.2 and C.11.2.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VoiFunction {
    /// LINEAR: a ramp of `width − 1`, the default of the standard.
    #[default]
    Linear,
    /// LINEAR_EXACT: a ramp of `width`.
    LinearExact,
    /// SIGMOID: an S-shaped curve through the centre.
    Sigmoid,
}

/// Window centre and width in units after the modality transform, DICOM (0028,1050), (0028,1051).
#[derive(Debug, Clone, PartialEq)]
pub struct WindowLevel {
    /// *Window Center* (0028,1050).
    pub centre: f64,
    /// Greater than 0. [`VoiFunction::Linear`] wants 1 at least; less is only written of values that
    /// lie closer together.
    pub width: f64,
    /// The curve from black to white.
    pub function: VoiFunction,
    /// *Window Center & Width Explanation* (0028,1055), cleaned of control characters.
    pub explanation: Option<String>,
}

/// The device that made the image, as far as the input check needs it: DICOM *Modality* (0008,0060).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Modality {
    /// CR, DX, DR, RF, XA, or SC and OT with a film: plain radiography, or possibly so.
    Radiography(String),
    /// CT, MR, US, …: not plain radiography.
    Other(String),
    /// Not a DICOM file, or the file does not say.
    #[default]
    Unknown,
}

/// Facts about the patient that a reader uses. The screen hides name and identifier unless asked for
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatientFacts {
    /// *Patient's Sex* (0010,0040): `M`, `F` or `O`.
    pub sex: Option<String>,
    /// *Patient's Age* (0010,1010) as stored: `054Y`. Where the file says none, the age by birth date on the day of the
    /// image, in the same form; `None` where the two contradict each other.
    pub age: Option<String>,
    /// *Patient's Name* (0010,0010). Hidden unless asked for.
    pub name: Option<String>,
    /// *Patient ID* (0010,0020). Hidden unless asked for.
    pub id: Option<String>,
    /// The authority that issued the identifier.
    pub issuer: Issuer,
    /// See [`PatientIdentity::name`].
    pub name_print: Option<Fingerprint>,
    /// See [`PatientIdentity::birth_date`].
    pub birth_date_print: Option<Fingerprint>,
}

impl PatientFacts {
    /// The fields that tell this patient from others.
    pub fn identity(&self) -> PatientIdentity {
        PatientIdentity {
            id: self.id.clone(),
            issuer: self.issuer.clone(),
            name: self.name_print,
            birth_date: self.birth_date_print,
            sex: self.sex.as_deref().and_then(Sex::said),
        }
    }

    /// The age in years; `None` where it is not known.
    pub fn years(&self) -> Option<f64> {
        years(self.age.as_deref()?)
    }
}

/// An age string in years: three digits and D, W, M or Y (PS3.5 6.2). `None` for any other text.
pub fn years(age: &str) -> Option<f64> {
    const DAYS_PER_YEAR: f64 = 365.25;
    let age = age.trim();
    let unit = age.chars().next_back()?;
    let per_year = match unit {
        'Y' => 1.0,
        'M' => 12.0,
        'W' => DAYS_PER_YEAR / 7.0,
        'D' => DAYS_PER_YEAR,
        _ => return None,
    };
    let number: u16 = age.strip_suffix(unit)?.parse().ok()?;
    Some(f64::from(number) / per_year)
}

/// The facts of a film that a calibration may depend on, beside its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FilmFacts {
    pub view: ViewPosition,
    /// The patient's age in years; `None` if it is not known.
    pub years: Option<f64>,
}

/// The image's DICOM identifiers: study, series and image, each globally unique.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uids {
    /// *Study Instance UID* (0020,000D).
    pub study: Option<String>,
    /// *Series Instance UID* (0020,000E).
    pub series: Option<String>,
    /// *SOP Instance UID* (0008,0018).
    pub sop_instance: Option<String>,
}

/// One radiograph: stored samples, and everything that is needed to show or to classify them.
#[derive(Debug, Clone, PartialEq)]
pub struct Radiograph {
    /// The content of the file that it was read from.
    pub content: ContentId,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width × height × channels` values, EXIF orientation already applied.
    pub samples: Samples,
    /// *Bits Stored* (0028,0101), or the bit depth of the file.
    pub bits_stored: u8,
    /// As the file has it: palettes have been looked up, and YBR converted.
    pub photometric: PhotometricInterpretation,
    /// From stored values to the units of windows.
    pub modality_transform: PixelTransform,
    /// The inclusive range of stored values that are padding and not anatomy: (0028,0120) and (0028,0121),
    /// PS3.3 C.7.5.1.1.2.
    pub padding: Option<(i32, i32)>,
    /// Windows in the file, best first.
    pub windows: Vec<WindowLevel>,
    /// VOI LUTs in the file, best first.
    pub voi_luts: Vec<Lut>,
    /// Whether the output of the modality transform still has to be inverted so that bone is white:
    /// `Monochrome1`, *Presentation LUT Shape* INVERSE, or a picture that is the negative of a film in spite
    /// of its header. No other field tells.
    pub inverted: bool,
    /// Height ÷ width of one pixel: 1 unless *Pixel Aspect Ratio* (0028,0034) or the pixel spacing gives
    /// another ratio.
    pub pixel_aspect: f64,
    /// The size of a pixel; `None` where the file states none.
    pub spacing: Option<PixelSpacing>,
    /// As the file states it.
    pub view: ViewPosition,
    /// Decides whether it is scored at all.
    pub modality: Modality,
    /// What speaks against scoring it.
    pub admission: Admission,
    /// All unknown for files other than DICOM.
    pub patient: PatientFacts,
    /// All unknown for files other than DICOM.
    pub uids: Uids,
    /// Date and local time of the image: `2020-03-01T10:20:30.5`, or the date with the known part of the
    /// time. See [`taken`](super::taken).
    pub taken: Option<String>,
    /// Number of frames in the file; this is the first.
    pub frames: u32,
    /// Name of the file format, for display: `PNG`, `DICOM JPEG 2000 lossless`.
    pub format: String,
}

impl Radiograph {
    /// Whether larger stored values are darker: `inverted` is about values after the modality transform, which may
    /// itself turn them.
    pub fn is_stored_inverted(&self) -> bool {
        self.inverted != self.modality_transform.falls()
    }

    /// A radiograph with pixels and no header: larger values are brighter, pixels are square, and there is one
    /// frame. Set other fields with `Radiograph { view, ..Radiograph::plain(…) }`.
    pub fn plain(width: usize, height: usize, samples: Samples, format: &str) -> Self {
        let (bits_stored, photometric) = match samples {
            Samples::Grey8(_) => (8, PhotometricInterpretation::Monochrome2),
            Samples::Grey16(_) | Samples::GreySigned16(_) => {
                (16, PhotometricInterpretation::Monochrome2)
            }
            Samples::GreyF32(_) => (32, PhotometricInterpretation::Monochrome2),
            Samples::Rgb8(_) => (8, PhotometricInterpretation::Rgb),
        };
        Radiograph {
            content: ContentId::default(),
            width,
            height,
            samples,
            bits_stored,
            photometric,
            modality_transform: PixelTransform::Linear(Rescale::default()),
            padding: None,
            windows: Vec::new(),
            voi_luts: Vec::new(),
            inverted: false,
            pixel_aspect: 1.0,
            spacing: None,
            view: ViewPosition::Unknown,
            modality: Modality::Unknown,
            admission: Admission::default(),
            patient: PatientFacts::default(),
            uids: Uids::default(),
            taken: None,
            frames: 1,
            format: format.to_owned(),
        }
    }

    /// The facts that a calibration may depend on.
    pub fn film_facts(&self) -> FilmFacts {
        FilmFacts {
            view: self.view,
            years: self.patient.years(),
        }
    }

    /// By what marks on it are measured.
    pub fn scale(&self) -> FilmScale {
        FilmScale {
            spacing: self.spacing,
            pixel_aspect: Ratio::of(self.pixel_aspect),
        }
    }

    /// Bytes of memory that it takes, for caches with a limit in bytes.
    pub fn bytes(&self) -> usize {
        let luts: usize = self.voi_luts.iter().map(|l| l.entries.len() * 2).sum();
        self.samples.bytes() + luts + std::mem::size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_string_is_an_age_in_years() {
        for (stored, years) in [
            ("054Y", Some(54.0)),
            ("006M", Some(0.5)),
            ("000D", Some(0.0)),
            (" 018Y ", Some(18.0)),
            ("054", None),
            ("Y", None),
            ("-54Y", None),
            ("5.4Y", None),
            ("", None),
            ("old", None),
            ("54é", None),
        ] {
            let patient = PatientFacts {
                age: Some(stored.to_owned()),
                ..PatientFacts::default()
            };
            assert_eq!(patient.years(), years, "{stored}");
        }
        let weeks = PatientFacts {
            age: Some("052W".to_owned()),
            ..PatientFacts::default()
        };
        assert!((weeks.years().unwrap() - 0.9966).abs() < 1e-4);
        assert_eq!(PatientFacts::default().years(), None);
    }
}
