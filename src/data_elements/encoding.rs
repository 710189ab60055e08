//! How the elements of a data set are encoded: PS3.5 section 7 and annex A.

use dicom_core::VR;
use dicom_dictionary_std::uids;

/// Retired, but still in archives. The dictionary's own constant is marked deprecated.
pub const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// A private syntax of GE: implicit little endian, but with pixels in big-endian words.
pub const BIG_ENDIAN_PIXELS: &str = "1.2.840.113619.5.2";

/// Whether elements state their value representation, and in which byte order they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    pub explicit: bool,
    pub big_endian: bool,
}

impl Encoding {
    pub const EXPLICIT: Encoding = Encoding {
        explicit: true,
        big_endian: false,
    };
    pub const IMPLICIT: Encoding = Encoding {
        explicit: false,
        big_endian: false,
    };
    pub const BIG_ENDIAN: Encoding = Encoding {
        explicit: true,
        big_endian: true,
    };

    /// The encoding that a transfer syntax prescribes (PS3.5 section 10 and annex A).
    pub fn of(transfer_syntax: &str) -> Encoding {
        match transfer_syntax {
            uids::IMPLICIT_VR_LITTLE_ENDIAN | BIG_ENDIAN_PIXELS => Encoding::IMPLICIT,
            EXPLICIT_VR_BIG_ENDIAN => Encoding::BIG_ENDIAN,
            _ => Encoding::EXPLICIT,
        }
    }

    /// The encoding that a data set really has: some writers announce explicit value representations
    /// and leave them out, or the other way round.
    pub fn as_found(self, data_set: &[u8]) -> Encoding {
        let vr = data_set
            .get(4..6)
            .and_then(|vr| VR::from_binary([vr[0], vr[1]]));
        match vr {
            None if self == Encoding::EXPLICIT => Encoding::IMPLICIT,
            Some(_) if self == Encoding::IMPLICIT => Encoding::EXPLICIT,
            _ => self,
        }
    }

    /// The encoding of a data set that starts with these bytes; `None` if they do not look like an
    /// element of group 0002 or 0008.
    pub fn guess(head: &[u8]) -> Option<Encoding> {
        let first: [u8; 8] = *head.first_chunk()?;
        let explicit = VR::from_binary([first[4], first[5]]).is_some();
        match [first[0], first[1]] {
            [0x02 | 0x08, 0] if explicit => Some(Encoding::EXPLICIT),
            [0, 0x02 | 0x08] if explicit => Some(Encoding::BIG_ENDIAN),
            // The first element of a group is its length or some short text.
            [0x08, 0] if first[3] < 0x10 && first[6] == 0 && first[7] == 0 => {
                Some(Encoding::IMPLICIT)
            }
            _ => None,
        }
    }

    /// The transfer syntax that prescribes this encoding and no compression.
    pub fn transfer_syntax(self) -> &'static str {
        match (self.explicit, self.big_endian) {
            (false, _) => uids::IMPLICIT_VR_LITTLE_ENDIAN,
            (true, false) => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            (true, true) => EXPLICIT_VR_BIG_ENDIAN,
        }
    }
}
