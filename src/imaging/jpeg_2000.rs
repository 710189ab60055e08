//! How large a JPEG 2000 picture is (ITU-T T.800), read before the decoder sees it.

use super::big_endian::{u16_at, u32_at};

/// The SIZ marker segment (T.800 A.5.1), as far as it is needed.
pub(super) struct CodestreamSize {
    pub width: u32,
    pub height: u32,
    pub components: u16,
}

impl CodestreamSize {
    /// Reads the size from a codestream, which may lie in the boxes of a file.
    pub fn of(bytes: &[u8]) -> Option<CodestreamSize> {
        codestream(bytes).and_then(CodestreamSize::read)
    }

    fn read(stream: &[u8]) -> Option<CodestreamSize> {
        let siz = stream.strip_prefix(&[0xff, 0x4f, 0xff, 0x51])?.get(4..)?;
        Some(CodestreamSize {
            width: u32_at(siz, 0)?.checked_sub(u32_at(siz, 8)?)?,
            height: u32_at(siz, 4)?.checked_sub(u32_at(siz, 12)?)?,
            components: u16_at(siz, 32)?,
        })
    }
}

/// The codestream: the whole file, or the content of its first *jp2c* box (T.800 I.5.4).
fn codestream(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.starts_with(&[0xff, 0x4f]) {
        return Some(bytes);
    }
    let mut rest = bytes;
    loop {
        let (length, after) = rest.split_first_chunk()?;
        let (name, after) = after.split_first_chunk()?;
        let (head, length) = match u32::from_be_bytes(*length) {
            0 => (8, rest.len() as u64),
            1 => (16, u64::from_be_bytes(*after.first_chunk()?)),
            length => (8, u64::from(length)),
        };
        let length = usize::try_from(length).ok()?.max(head);
        if name == b"jp2c" {
            return rest.get(head..);
        }
        rest = rest.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_found_in_a_codestream_and_behind_boxes() {
        let mut stream = vec![0xff, 0x4f, 0xff, 0x51, 0, 41, 0, 0];
        for number in [130_u32, 90, 30, 10, 64, 64, 0, 0] {
            stream.extend(number.to_be_bytes());
        }
        stream.extend([0, 3]);
        let mut boxed = vec![0, 0, 0, 12, b'j', b'P', b' ', b' ', 13, 10, 0x87, 10];
        boxed.extend([0, 0, 0, 0, b'j', b'p', b'2', b'c']);
        boxed.extend(&stream);
        for file in [&stream, &boxed] {
            let size = CodestreamSize::of(file).expect("a size");
            assert_eq!((size.width, size.height, size.components), (100, 80, 3));
        }
        for cut in 0..boxed.len() {
            assert!(CodestreamSize::of(&boxed[..cut]).is_none());
        }
    }
}
