//! Evidence in a file that its image is not a frontal chest radiograph for display: the DICOM header, several
//! pages, transparency, or the polarity of the picture.
//!
//! None of it is a refusal: *Body Part Examined* often names the device's last protocol, and a digitised film
//! is a film. An image that is not a projection radiograph is refused by its
//! [`Modality`](super::Modality).

use std::fmt;

/// One objection to an image. The texts are from the file, cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// *Presentation Intent Type* (0008,0068) FOR PROCESSING: raw detector values, which are not meant for
    /// display, and on which no model was trained.
    ForProcessing,
    /// *Body Part Examined* (0018,0015), or the meaning in *Anatomic Region Sequence* (0008,2218).
    BodyPart(String),
    /// Value 2 of *Image Type* (0008,0008) is SECONDARY: made after the examination from other images
    /// (PS3.3 C.7.6.1.1.2). Or value 1 is DERIVED, and value 2 is not PRIMARY.
    Derived(String),
    /// A *Secondary Capture*, by its SOP class or by *Conversion Type* (0008,0064), whose value is given.
    SecondaryCapture(Option<String>),
    /// *Burned In Annotation* (0028,0301) YES: letters in the pixels.
    BurnedIn,
    /// *Laterality* (0020,0060) or *Image Laterality* (0020,0062) of one side.
    OneSide(String),
    /// *View Position* (0018,5101), the view's code or *Patient Orientation* (0020,0020) is not that of a
    /// frontal view.
    View(String),
    /// *View Position* (0018,5101) names one view, and the view's code another.
    TwoViews {
        /// *View Position* as the file has it.
        stated: String,
        /// The meaning of the code.
        coded: String,
    },
    /// *Patient Orientation* (0020,0020) is not that of an upright frontal film: `L\F`, rows to the patient's left and
    /// columns to the feet.
    Orientation(String),
    /// *Patient's Age* (0010,1010) is more than a year from the age by birth date. Neither is used.
    Age,
    /// The SOP class (0008,0016) belongs to a modality that is refused, and *Modality* (0008,0060) names
    /// another one: they contradict each other.
    Class {
        /// The code of the modality that the SOP class belongs to.
        is_of: String,
        /// *Modality* as the file has it.
        modality: String,
    },
    /// An attribute that should be a number is not, or its value makes no sense. The value is given unless it
    /// could be a name. The attribute is ignored.
    Unread {
        /// Its name in the standard: `Window Width`.
        attribute: String,
        /// The value as stored, cleaned.
        value: Option<String>,
    },
    /// The lookup table of a *Modality* or *VOI LUT Sequence* (0028,3000), (0028,3010), given by its name,
    /// cannot be read. The sequence is ignored.
    NoTable(String),
    /// Samples need more bits than *Bits Stored* (0028,0101). Those of JPEG 2000 are decoded with the bits of their
    /// stream. Others lose the bits above the stored ones, as PS3.5 8.1.1 has it.
    Deeper {
        /// *Bits Stored*.
        stored: u8,
        /// Bits of a sample as it is found.
        found: u8,
    },
    /// Uncompressed pixel data go on behind the last frame: rows or frames that the header does not count.
    Surplus {
        /// Bytes of the pixel data.
        found: u64,
        /// Bytes of the frames that the header states.
        needed: u64,
    },
    /// The picture is the negative of a film, with black bones, and was inverted both for display and for the
    /// model. The text is the polarity in the DICOM header, which the picture contradicts.
    Inverted(Option<String>),
    /// The page of a picture file with several pages, counted from 1. Earlier pages are reduced copies of
    /// it, or masks.
    Page {
        /// From 1.
        page: u32,
        /// Pages of the file.
        of: u32,
    },
    /// The share of a picture file's pixels that are transparent, in per cent. Their colours are used as they
    /// are, and a film that was cut out may have anything there.
    PartlyTransparent {
        /// 1 to 100.
        percent: u8,
    },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Objection::ForProcessing => f.write_str("for processing, not for presentation"),
            Objection::BodyPart(part) => write!(f, "body part {part}, not chest"),
            Objection::Derived(kind) => write!(f, "image type {kind}: derived from others"),
            Objection::SecondaryCapture(None) => f.write_str("secondary capture"),
            Objection::SecondaryCapture(Some(how)) => write!(f, "secondary capture ({how})"),
            Objection::BurnedIn => f.write_str("annotation burned into the picture"),
            Objection::OneSide(side) => write!(f, "laterality {side}, and a chest has both"),
            Objection::View(view) => write!(f, "view {view}, not frontal"),
            Objection::TwoViews { stated, coded } => {
                write!(
                    f,
                    "View Position {stated}, and the code of the view says {coded}"
                )
            }
            Objection::Orientation(orientation) => {
                write!(
                    f,
                    "mirrored or turned by the header (Patient Orientation {orientation}, not L\\F)"
                )
            }
            Objection::Age => {
                f.write_str("age and birth date contradict each other: no age is used")
            }
            Objection::Class { is_of, modality } => {
                write!(f, "SOP class says {is_of}, and modality {modality}")
            }
            Objection::Unread {
                attribute,
                value: Some(value),
            } => write!(f, "{attribute} \"{value}\" is no usable number, ignored"),
            Objection::Unread {
                attribute,
                value: None,
            } => write!(f, "{attribute} is no usable number, ignored"),
            Objection::NoTable(sequence) => write!(f, "{sequence} has no usable table, ignored"),
            Objection::Deeper { stored, found } => {
                write!(f, "samples of {found} bits, and Bits Stored says {stored}")
            }
            Objection::Surplus { found, needed } => {
                write!(
                    f,
                    "{found} bytes of pixels, and the header's picture has {needed}"
                )
            }
            Objection::Inverted(None) => {
                f.write_str("saved with black bones: inverted for display and for the model")
            }
            Objection::Inverted(Some(header)) => {
                write!(
                    f,
                    "black bones despite {header}: inverted for display and for the model"
                )
            }
            Objection::Page { page: 1, of } => write!(f, "first of {of} pages"),
            Objection::Page { page, of } => {
                write!(f, "page {page} of {of}: the first is a reduced copy")
            }
            Objection::PartlyTransparent { percent } => {
                write!(f, "transparent on {percent} % of it, and read as if opaque")
            }
        }
    }
}

/// All objections to an image; empty where there are none, and for files without a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// In the order in which they were found.
    pub objections: Vec<Objection>,
}
