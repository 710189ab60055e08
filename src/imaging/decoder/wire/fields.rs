//! The fields of everything that the messages consist of, each list of fields once.

use super::encoding::{Wire, alternatives, structures};
use super::{DecoderTask, DecoderTerms};
use crate::domain::{
    Admission, ContentId, Fingerprint, HeaderText, Issuer, Lut, Modality, Objection, PatientFacts,
    PhotometricInterpretation, PixelSpacing, PixelTransform, Radiograph, Ratio, Rescale, Samples,
    SourceHeader, SpacingPlane, Uids, ViewPosition, VoiFunction, WindowLevel,
};
use crate::imaging::decoder::confinement::{Attempt, Attempts, Confinement};
use crate::imaging::{DecodeLimits, ImageFault};

structures! {
    DecoderTerms { parent, memory }
    Confinement {
        no_new_privileges, ends_with_parent, no_core, descriptors_closed, memory, landlock, seccomp
    }
    Attempts { open, connect, execute, environment }
    DecodeLimits { max_file_bytes, max_width, max_height, max_pixels, max_memory, timeout }
    Lut { first_input, bits, explanation, entries }
    WindowLevel { centre, width, function, explanation }
    Rescale { slope, intercept }
    Admission { objections }
    Issuer { local, universal }
    PatientFacts { sex, age, name, id, issuer, name_print, birth_date_print }
    Uids { study, series, sop_instance }
    PixelSpacing { row_pm, column_pm, plane }
    HeaderText { group, element, value }
    SourceHeader { texts; content = ContentId::default() }
    Radiograph {
        width, height, bits_stored, photometric, modality_transform, padding, windows, voi_luts,
        inverted, pixel_aspect, spacing, view, modality, admission, patient, uids, taken, frames, format;
        // The program hashes the file itself.
        content = ContentId::default(), samples = Samples::Grey8(Vec::new())
    }
}

alternatives! {
    DecoderTask { 0 Decode(limits), 1 Attempt, 2 Header(limits) }
    Attempt { 0 Possible, 1 Refused(errno) }
    VoiFunction { 0 Linear, 1 LinearExact, 2 Sigmoid }
    PixelTransform { 0 Linear(rescale), 1 Table(lut) }
    PhotometricInterpretation { 0 Monochrome1, 1 Monochrome2, 2 Rgb, 3 Palette }
    ViewPosition { 0 Pa, 1 Ap, 2 Lateral, 3 Unknown }
    Modality { 0 Unknown, 1 Radiography(name), 2 Other(name) }
    SpacingPlane {
        0 Geometry, 1 Fiducial, 2 Unstated, 3 Detector, 4 Magnified(factor), 5 ScannedFilm,
    }
    Objection {
        0 ForProcessing, 1 BodyPart(part), 2 Derived(kind), 3 SecondaryCapture(how), 4 BurnedIn,
        5 OneSide(side), 6 View(view), 7 Class { is_of, modality },
        8 Unread { attribute, value }, 9 Inverted(header),
        10 Page { page, of }, 11 PartlyTransparent { percent }, 12 NoTable(sequence),
        13 Deeper { stored, found }, 14 TwoViews { stated, coded }, 15 Orientation(orientation), 16 Age,
        17 Surplus { found, needed },
    }
    ImageFault {
        0 Unreadable(reason), 1 NotAnImage(reason), 2 TooLarge(reason), 3 Damaged(reason),
        4 Unsupported(reason), 5 DecoderDied(reason), 6 TimedOut(reason), 7 NoPicture(kind),
    }
}

impl Wire for Ratio {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u32::read(from).map(Ratio)
    }
}

impl Wire for Fingerprint {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u64::read(from).map(Fingerprint)
    }
}
