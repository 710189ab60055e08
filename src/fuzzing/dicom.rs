//! Builds a DICOM file around pixel data, so that a fuzzer only has to vary those.

/// Explicit VR little endian, and encapsulated transfer syntaxes (PS3.5 section 10 and annex A).
pub const NATIVE: &str = "1.2.840.10008.1.2.1";
pub const RLE: &str = "1.2.840.10008.1.2.5";
pub const JPEG: &str = "1.2.840.10008.1.2.4.51";
pub const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
pub const JPEG_2000: &str = "1.2.840.10008.1.2.4.91";
pub const DEFLATED_FRAME: &str = "1.2.840.10008.1.2.8.1";

/// Photometric interpretations that the third byte chooses from.
const INTERPRETATIONS: [&str; 8] = [
    "MONOCHROME2",
    "MONOCHROME1",
    "RGB",
    "YBR_FULL",
    "YBR_FULL_422",
    "YBR_RCT",
    "YBR_ICT",
    "PALETTE COLOR",
];

/// A file whose attributes the first four bytes choose, and whose pixel data are the others. The four
/// are: rows; columns; how (bits 0 to 2 the photometric interpretation, bit 3 signed, bit 4 colour by
/// plane, bits 5 and 6 the bytes of a sample); bits stored (bit 7: there is a second, empty fragment).
pub fn described(data: &[u8], syntax: &str) -> Vec<u8> {
    let mut first = [1; 4];
    let (head, stream) = data.split_at(data.len().min(4));
    first[..head.len()].copy_from_slice(head);
    let [rows, columns, how, stored] = first;
    let interpretation = INTERPRETATIONS[usize::from(how & 7)];
    let is_grey = interpretation.starts_with("MONO") || interpretation.starts_with("PAL");
    let mut set = Vec::new();
    text(&mut set, 0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.1.1");
    text(&mut set, 0x0008_0060, b"CS", "DX");
    number(&mut set, 0x0028_0002, if is_grey { 1 } else { 3 });
    text(&mut set, 0x0028_0004, b"CS", interpretation);
    number(&mut set, 0x0028_0006, u16::from(how >> 4 & 1));
    number(&mut set, 0x0028_0010, rows.into());
    number(&mut set, 0x0028_0011, columns.into());
    number(
        &mut set,
        0x0028_0100,
        [8, 16, 32, 1][usize::from(how >> 5 & 3)],
    );
    number(&mut set, 0x0028_0101, u16::from(stored & 63));
    number(
        &mut set,
        0x0028_0102,
        u16::from(stored & 63).wrapping_sub(1),
    );
    number(&mut set, 0x0028_0103, u16::from(how >> 3 & 1));
    match syntax {
        NATIVE => element(&mut set, 0x7fe0_0010, b"OW", stream),
        _ => encapsulated(&mut set, stream, stored & 128 != 0),
    }
    let mut meta = Vec::new();
    text(&mut meta, 0x0002_0010, b"UI", syntax);
    [&[0; 128], &b"DICM"[..], &meta, &set].concat()
}

fn number(set: &mut Vec<u8>, tag: u32, value: u16) {
    element(set, tag, b"US", &value.to_le_bytes());
}

fn text(set: &mut Vec<u8>, tag: u32, vr: &[u8; 2], value: &str) {
    let mut even = value.as_bytes().to_vec();
    even.resize(
        even.len().next_multiple_of(2),
        if vr == b"UI" { 0 } else { b' ' },
    );
    element(set, tag, vr, &even);
}

/// An element in Explicit VR Little Endian (PS3.5 section 7.1.2).
fn element(set: &mut Vec<u8>, tag: u32, vr: &[u8; 2], value: &[u8]) {
    head(set, tag);
    set.extend(vr);
    match vr {
        b"OW" => {
            set.extend([0, 0]);
            set.extend((value.len() as u32).to_le_bytes());
        }
        _ => set.extend((value.len() as u16).to_le_bytes()),
    }
    set.extend(value);
}

/// Encapsulated pixel data (PS3.5 section A.4): an empty offset table, the stream, the delimiter.
fn encapsulated(set: &mut Vec<u8>, stream: &[u8], has_second: bool) {
    head(set, 0x7fe0_0010);
    set.extend(*b"OB\0\0\xff\xff\xff\xff");
    let second: &[&[u8]] = if has_second { &[&[]] } else { &[] };
    for fragment in [&[][..], stream].into_iter().chain(second.iter().copied()) {
        head(set, 0xfffe_e000);
        set.extend((fragment.len() as u32).to_le_bytes());
        set.extend(fragment);
    }
    head(set, 0xfffe_e0dd);
    set.extend([0; 4]);
}

/// The tag of an element.
fn head(set: &mut Vec<u8>, tag: u32) {
    set.extend(((tag >> 16) as u16).to_le_bytes());
    set.extend((tag as u16).to_le_bytes());
}
