//! Unpacks the rows of a chunk into numbers, and turns stored bits into the values they mean.

use super::kinds::{Compression, Number};
use super::layout::TiffLayout;

/// Unpacks one row of bytes into numbers and undoes the predictor. Samples of whole bytes have the byte
/// order of the file; other samples are packed from the highest bit on.
pub fn unpack(layout: &TiffLayout, bytes: &[u8], row: &mut [u64]) {
    let has_predictor = matches!(
        layout.compression,
        Compression::Lzw | Compression::Deflate | Compression::Zstandard
    );
    if has_predictor && layout.predictor == 3 {
        return unpack_predicted_float(layout, bytes, row);
    }
    let big_endian = layout.file.big_endian;
    match layout.bits {
        8 => copy(bytes, row),
        16 if big_endian => numbers(bytes, row, |b: [u8; 2]| u16::from_be_bytes(b).into()),
        16 => numbers(bytes, row, |b: [u8; 2]| u16::from_le_bytes(b).into()),
        bits if bits % 8 == 0 => whole_bytes(bytes, bits as usize / 8, big_endian, row),
        bits => packed_bits(bytes, bits, row),
    }
    if has_predictor && layout.predictor == 2 {
        add_predecessors(row, layout.chunk_samples(), layout.bits);
    }
}

fn numbers<const N: usize>(bytes: &[u8], row: &mut [u64], number: impl Fn([u8; N]) -> u64) {
    for (to, &from) in row.iter_mut().zip(bytes.as_chunks().0) {
        *to = number(from);
    }
}

fn whole_bytes(bytes: &[u8], size: usize, big_endian: bool, row: &mut [u64]) {
    let push = |v: u64, &b: &u8| v << 8 | u64::from(b);
    for (to, from) in row.iter_mut().zip(bytes.chunks_exact(size)) {
        *to = if big_endian {
            from.iter().fold(0, push)
        } else {
            from.iter().rev().fold(0, push)
        };
    }
}

fn packed_bits(bytes: &[u8], bits: u32, row: &mut [u64]) {
    let (mut cache, mut cached, mut bytes) = (0_u128, 0, bytes.iter());
    for to in row {
        while cached < bits {
            cache = cache << 8 | u128::from(bytes.next().copied().unwrap_or(0));
            cached += 8;
        }
        cached -= bits;
        *to = (cache >> cached) as u64 & ones(bits);
    }
}

/// A number whose lowest `bits` bits are set.
pub fn ones(bits: u32) -> u64 {
    u64::MAX >> (64 - bits.clamp(1, 64))
}

/// Predictor 2: each number is the difference to the one before it (TIFF 6.0 section 14).
fn add_predecessors(row: &mut [u64], samples: usize, bits: u32) {
    for at in samples..row.len() {
        row[at] = row[at].wrapping_add(row[at - samples]) & ones(bits);
    }
}

/// Predictor 3: the row holds the highest bytes of all values, then the next lower ones, and so on, and
/// each byte is the difference to the one before it (TIFF technical note 3).
fn unpack_predicted_float(layout: &TiffLayout, bytes: &[u8], row: &mut [u64]) {
    let mut bytes = bytes.to_vec();
    let samples = layout.chunk_samples();
    for at in samples..bytes.len() {
        bytes[at] = bytes[at].wrapping_add(bytes[at - samples]);
    }
    let values = row.len();
    for (i, to) in row.iter_mut().enumerate() {
        let weights = bytes.iter().skip(i).step_by(values.max(1));
        *to = weights.fold(0, |v, &b| v << 8 | u64::from(b));
    }
}

/// Copies numbers into a row.
pub fn copy<T: Copy + Into<u64>>(from: &[T], to: &mut [u64]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from.into();
    }
}

/// The floating-point value of stored bits: 16, 24 or 32 of them.
pub fn single(bits: u32, raw: u64) -> f32 {
    match bits {
        16 => half::f16::from_bits(raw as u16).to_f32(),
        24 => float_of_24_bits(raw as u32),
        _ => f32::from_bits(raw as u32),
    }
}

/// The whole number of stored bits. Unsigned numbers of 64 bits do not fit and are lowered by 2^63.
pub fn whole(number: Number, bits: u32, raw: u64) -> i64 {
    match (number, bits) {
        (Number::Signed, _) => signed(bits, raw),
        (_, 64) => (raw as i64).wrapping_add(i64::MIN),
        _ => raw as i64,
    }
}

/// The largest number that [`whole`] returns for `bits` bits.
pub fn largest_whole(number: Number, bits: u32) -> i64 {
    match number {
        Number::Signed => whole(number, bits, ones(bits) >> 1),
        _ => whole(number, bits, ones(bits)),
    }
}

/// The number of stored bits in two's complement.
pub fn signed(bits: u32, raw: u64) -> i64 {
    let unused = 64 - bits.clamp(1, 64);
    (raw << unused) as i64 >> unused
}

/// Floating point of 24 bits: a sign, 7 bits of exponent with bias 63 and 16 of fraction (TIFF technical
/// note 3).
fn float_of_24_bits(raw: u32) -> f32 {
    let sign = if raw >> 23 & 1 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = ((raw >> 16 & 0x7f) as i32, (raw & 0xffff) as f32 / 65_536.0);
    sign * match (exponent, fraction) {
        (0, _) => fraction * 2_f32.powi(-62),
        (127, 0.0) => f32::INFINITY,
        (127, _) => f32::NAN,
        _ => (1.0 + fraction) * 2_f32.powi(exponent - 63),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_numbers_cross_byte_boundaries() {
        let mut row = [0; 2];
        packed_bits(&[0xab, 0xcd, 0xef], 12, &mut row);
        assert_eq!(row, [0xabc, 0xdef]);
        let mut row = [0; 3];
        packed_bits(&[0b1110_1101], 2, &mut row);
        assert_eq!(row, [3, 2, 3]);
    }

    #[test]
    fn stored_bits_of_every_type_have_their_values() {
        assert_eq!(whole(Number::Signed, 12, 0xfff), -1);
        assert_eq!(whole(Number::Signed, 64, u64::MAX), -1);
        assert_eq!(whole(Number::Unsigned, 32, 0xffff_ffff), 0xffff_ffff);
        assert_eq!(whole(Number::Unsigned, 64, 0), i64::MIN);
        assert_eq!(largest_whole(Number::Unsigned, 20), 0xf_ffff);
        assert_eq!(largest_whole(Number::Signed, 20), 0x7_ffff);
        for number in [Number::Unsigned, Number::Signed] {
            assert_eq!(largest_whole(number, 64), i64::MAX);
        }
        assert_eq!(single(16, 0xc000), -2.0);
        assert_eq!(single(24, 0x3f_0000), 1.0);
        assert_eq!(single(24, 0xc0_8000), -3.0);
        assert!(single(24, 0x7f_0001).is_nan());
        assert_eq!(single(32, 0x3f80_0000), 1.0);
    }
}
