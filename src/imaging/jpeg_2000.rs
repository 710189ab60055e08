//! How large a JPEG 2000 picture is (ITU-T T.800), told before the decoder sees it.

/// What the SIZ marker segment says (T.800 A.5.1).
pub(super) struct CodestreamSize {
    pub width: u32,
    pub height: u32,
    pub components: u16,
}

impl CodestreamSize {
    /// Of a codestream, alone or in the boxes of a file.
    pub fn of(bytes: &[u8]) -> Option<CodestreamSize> {
        codestream(bytes).and_then(CodestreamSize::read)
    }

    fn read(stream: &[u8]) -> Option<CodestreamSize> {
        let siz = stream.strip_prefix(&[0xff, 0x4f, 0xff, 0x51])?.get(4..)?;
        let number = |at: usize| Some(u32::from_be_bytes(*siz.get(at..)?.first_chunk()?));
        Some(CodestreamSize {
            width: number(0)?.checked_sub(number(8)?)?,
            height: number(4)?.checked_sub(number(12)?)?,
            components: u16::from_be_bytes(*siz.get(32..)?.first_chunk()?),
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
