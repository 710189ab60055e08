//! What a file says against reading its image as a frontal chest radiograph: its DICOM header, its pages
//! and its transparency, or the polarity of its picture.
//!
//! None of it is a refusal: *Body Part Examined* is often what the device's last protocol was, and films
//! that were digitised are films. What is no projection radiograph at all is refused by its
//! [`Modality`](super::Modality).

use std::fmt;

/// One thing that is said against an image. Texts are the file's, cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// *Presentation Intent Type* (0008,0068) FOR PROCESSING: raw detector values, which no one looks
    /// at, and on which no model was trained.
    ForProcessing,
    /// *Body Part Examined* (0018,0015), or the meaning in *Anatomic Region Sequence* (0008,2218).
    BodyPart(String),
    /// Value 2 of *Image Type* (0008,0008) is SECONDARY: made after the examination from other images
    /// (PS3.3 C.7.6.1.1.2). Or value 1 is DERIVED, and nothing says that it is primary all the same.
    Derived(String),
    /// A *Secondary Capture*: its SOP class, or *Conversion Type* (0008,0064), which is given.
    SecondaryCapture(Option<String>),
    /// *Burned In Annotation* (0028,0301) YES: letters in the pixels.
    BurnedIn,
    /// *Laterality* (0020,0060) or *Image Laterality* (0020,0062) of one side.
    OneSide(String),
    /// *View Position* (0018,5101), the view's code, or the *Patient Orientation* (0020,0020), which
    /// is not that of a frontal view.
    View(String),
    /// The SOP class (0008,0016) is of images of this modality, which is refused, and *Modality*
    /// (0008,0060) says another: both cannot be right.
    Class { is_of: String, modality: String },
    /// An attribute that ought to be a number and is none, or one that makes no sense; what it says,
    /// unless that might be a name. The image is read as if it were not there.
    Unread {
        attribute: String,
        value: Option<String>,
    },
    /// A *Modality* or *VOI LUT Sequence* (0028,3000), (0028,3010), given by its name, has a lookup table
    /// that cannot be read. The image is read as if it were not there.
    NoTable(String),
    /// Samples of a compressed image need more bits than *Bits Stored* (0028,0101) says, and are read
    /// with as many as their stream has.
    Deeper { stored: u8, found: u8 },
    /// The picture is the negative of a film, bone black, and was turned for the eye and for the model
    /// alike. Given is what a DICOM header says of its polarity, which the picture contradicts.
    Inverted(Option<String>),
    /// Of a picture file of several pages, which one this is, counted from 1. Pages before it are
    /// reduced copies of it, or masks.
    Page { page: u32, of: u32 },
    /// This share of a picture file's pixels is transparent, in per cent. Colours are read as they
    /// are, and what was left beneath a film that was cut out may be anything.
    PartlyTransparent { percent: u8 },
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
            Objection::Inverted(None) => f.write_str("saved bone-black: shown and read turned"),
            Objection::Inverted(Some(header)) => {
                write!(f, "bone-black for all its {header}: shown and read turned")
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

/// All of it; empty for an image against which nothing is said, and for one that has no such header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    pub objections: Vec<Objection>,
}
