//! Where a member lies in its archive.

/// Where a member is, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberPlace {
    /// Of its local header in a zip archive, and of its first byte in a tar archive.
    pub offset: u64,
    /// Bytes in the archive.
    pub packed: u64,
    /// Bytes that it unpacks to, as the archive states.
    pub length: u64,
    pub packing: Packing,
}

/// How the bytes of a member lie in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// In a tar archive, without a checksum.
    Tar,
    /// As they are, in a zip archive; with their checksum (CRC-32).
    Stored(u32),
    /// Deflated, in a zip archive; with the checksum of what they unpack to.
    Deflated(u32),
}
