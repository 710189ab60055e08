//! What the other side says of a request (PS3.7 annex C, PS3.4 annex B.2.3).

use std::fmt;

/// The status of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DimseStatus(pub u16);

impl DimseStatus {
    pub const SUCCESS: Self = DimseStatus(0x0000);
    /// The identifier of the object breaks the rules of identifiers.
    pub const INVALID_OBJECT_INSTANCE: Self = DimseStatus(0x0117);
    pub const SOP_CLASS_NOT_SUPPORTED: Self = DimseStatus(0x0122);
    pub const UNRECOGNIZED_OPERATION: Self = DimseStatus(0x0211);
    pub const OUT_OF_RESOURCES: Self = DimseStatus(0xa700);
    pub const NOT_THE_OBJECT: Self = DimseStatus(0xa900);
    pub const CANNOT_UNDERSTAND: Self = DimseStatus(0xc000);

    /// Whether the object is kept on the other side: success, one of the warnings of storage, or that it was there
    /// before.
    pub fn is_kept(self) -> bool {
        matches!(self.0, 0x0000 | 0x0001 | 0x0107 | 0x0111 | 0x0116) || self.0 >> 12 == 0xb
    }

    /// Whether the same request may be answered otherwise later.
    pub fn may_pass(self) -> bool {
        self.0 >> 8 == 0xa7
    }
}

impl fmt::Display for DimseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            0x0000 => "stored",
            0x0105 | 0x0106 => "a wrong attribute value",
            0x0110 => "it failed there",
            0x0111 => "it was there before",
            0x0112 => "no such object",
            0x0117 => "a wrong identifier",
            0x0122 => "objects of this kind are not taken",
            0x0124 => "not allowed",
            0x0210 => "a repeated message number",
            0x0211 => "this operation is not known there",
            0x0212 => "a wrong message",
            0xa700..=0xa7ff => "out of resources, often a full disk",
            0xa900..=0xa9ff => "the object is not of the kind that was announced",
            0xb000 => "stored, with attributes changed",
            0xb006 => "stored, with attributes left out",
            0xb007 => "stored, though it is not of the kind that was announced",
            other if other >> 12 == 0xb => "stored, with a warning",
            0xc000..=0xcfff => "the other side cannot understand it",
            _ => "refused",
        };
        write!(f, "{words} (status {:04X})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_kept_a_refusal_is_not_and_a_full_disk_may_pass() {
        for (status, is_kept, may_pass) in [
            (0x0000, true, false),
            (0x0111, true, false),
            (0xb000, true, false),
            (0xb007, true, false),
            (0xa700, false, true),
            (0xa702, false, true),
            (0xa900, false, false),
            (0xc123, false, false),
            (0x0122, false, false),
            (0x0124, false, false),
        ] {
            let status = DimseStatus(status);
            assert_eq!(
                (status.is_kept(), status.may_pass()),
                (is_kept, may_pass),
                "{status}"
            );
        }
        assert_eq!(
            DimseStatus::OUT_OF_RESOURCES.to_string(),
            "out of resources, often a full disk (status A700)"
        );
    }
}
