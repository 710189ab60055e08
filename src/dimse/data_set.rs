//! What the beginning of a data set says the object is.

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::elements::{ElementEncoding, Elements};

/// As many bytes of a data set are looked at.
pub const BEGINNING: usize = 16 << 10;

const SOP_CLASS: u32 = 0x0008_0016;
const SOP_INSTANCE: u32 = 0x0008_0018;

const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";
/// GE's private syntax: implicit little endian but for the pixels.
const BIG_ENDIAN_PIXELS: &str = "1.2.840.113619.5.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// SOP class and SOP instance that a data set has in itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnIdentity {
    pub sop_class: Option<String>,
    pub sop_instance: Option<String>,
}

/// Reads them from the first bytes of a data set in this transfer syntax. All but those below are in explicit little
/// endian (PS3.5 annex A.4).
pub fn own_identity(beginning: &[u8], transfer_syntax: &str) -> OwnIdentity {
    let encoding = match transfer_syntax {
        IMPLICIT_LITTLE | BIG_ENDIAN_PIXELS => ElementEncoding::ImplicitLittle,
        EXPLICIT_BIG => ElementEncoding::ExplicitBig,
        DEFLATED => return identity_of(&inflated(beginning), ElementEncoding::ExplicitLittle),
        _ => ElementEncoding::ExplicitLittle,
    };
    identity_of(beginning, encoding)
}

fn identity_of(bytes: &[u8], encoding: ElementEncoding) -> OwnIdentity {
    let mut found = OwnIdentity::default();
    for element in Elements::of(bytes, encoding) {
        match element.tag {
            SOP_CLASS => found.sop_class = Some(element.text()),
            SOP_INSTANCE => found.sop_instance = Some(element.text()),
            tag if tag > SOP_INSTANCE => break,
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
