//! What the beginning of a data set says the object is.

use std::io::Read;

use dicom_dictionary_std::{tags, uids};
use flate2::read::DeflateDecoder;

use crate::data_elements::{Encoding, TopElements};

/// As many bytes of a data set are looked at.
pub const BEGINNING: usize = 16 << 10;

/// SOP class and SOP instance that a data set has in itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnIdentity {
    pub sop_class: Option<String>,
    pub sop_instance: Option<String>,
}

/// Reads them from the first bytes of a data set in this transfer syntax.
pub fn own_identity(beginning: &[u8], transfer_syntax: &str) -> OwnIdentity {
    let encoding = Encoding::of(transfer_syntax);
    if transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        return identity_of(&inflated(beginning), encoding);
    }
    identity_of(beginning, encoding)
}

fn identity_of(bytes: &[u8], encoding: Encoding) -> OwnIdentity {
    let mut found = OwnIdentity::default();
    for element in TopElements::of(bytes, encoding) {
        match element.tag {
            tags::SOP_CLASS_UID => found.sop_class = Some(element.text()),
            tags::SOP_INSTANCE_UID => found.sop_instance = Some(element.text()),
            tag if tag > tags::SOP_INSTANCE_UID => break,
            _ => {}
        }
    }
    found
}

/// The beginning of what was deflated, as far as it can be had.
fn inflated(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let decoder = DeflateDecoder::new(bytes).take(BEGINNING as u64);
    // The bytes are cut somewhere, so an error at the end says nothing.
    let _ = { decoder }.read_to_end(&mut plain);
    plain
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    const IMPLICIT_LITTLE: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;
    const EXPLICIT_BIG: &str = crate::data_elements::EXPLICIT_VR_BIG_ENDIAN;
    const DEFLATED: &str = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
    const EXPLICIT: &[u8] = b"\x08\0\x05\0CS\x0a\0ISO_IR 100\x08\0\x16\0UI\x04\x001.2\0\
        \x08\0\x18\0UI\x04\x001.3\0\x08\0\x20\0DA\0\0";

    #[test]
    fn a_data_set_names_itself_in_each_encoding() {
        let expected = OwnIdentity {
            sop_class: Some("1.2".to_owned()),
            sop_instance: Some("1.3".to_owned()),
        };
        assert_eq!(own_identity(EXPLICIT, "1.2.840.10008.1.2.4.70"), expected);
        let implicit = b"\x08\0\x16\0\x04\0\0\x001.2\0\x08\0\x18\0\x04\0\0\x001.3\0";
        assert_eq!(own_identity(implicit, IMPLICIT_LITTLE), expected);
        let pixels = crate::data_elements::BIG_ENDIAN_PIXELS;
        assert_eq!(own_identity(implicit, pixels), expected);
        let big = b"\0\x08\0\x16UI\0\x041.2\0\0\x08\0\x18UI\0\x041.3\0";
        assert_eq!(own_identity(big, EXPLICIT_BIG), expected);
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(EXPLICIT).unwrap();
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        let deflated = encoder.finish().unwrap();
        assert_eq!(own_identity(&deflated, DEFLATED), expected);
        assert_eq!(
            own_identity(&deflated[..deflated.len() - 4], DEFLATED),
            expected
        );
        assert_eq!(
            own_identity(b"\xff\xff\xff", DEFLATED),
            OwnIdentity::default()
        );
    }
}
