//! Assembles chunks into a picture of the wanted samples, interleaved.

use super::chunk::Chunk;
use super::layout::TiffLayout;
use crate::imaging::{DecodeLimits, ImageFault};

/// Index of a sample in a pixel of the chunk, and in a pixel of the picture.
type Moves = Vec<(usize, usize)>;

/// The `wanted` samples of every pixel, interleaved in that order. `number` turns stored bits into a
/// value; its first argument is the index into `wanted`.
///
/// # Errors
/// If a chunk is absent, damaged, unsupported or needs too much memory.
pub fn picture<T: Copy + Default>(
    layout: &TiffLayout,
    wanted: &[usize],
    limits: &DecodeLimits,
    number: impl Fn(usize, u64) -> T,
) -> Result<Vec<T>, ImageFault> {
    check_memory(layout, limits)?;
    let mut picture = vec![T::default(); layout.width * layout.height * wanted.len()];
    let (across, down) = layout.chunks();
    let mut row = vec![0; layout.chunk.0 * layout.chunk_samples()];
    for (plane, moves) in planes(layout, wanted) {
        for chunk in 0..across * down {
            let (chunk_row, chunk_column) = (chunk / across, chunk % across);
            let index = plane * across * down + chunk;
            let found = Chunk::read(layout, index, chunk_row, limits)?;
            let (left, top) = (chunk_column * layout.chunk.0, chunk_row * layout.chunk.1);
            let columns = layout.chunk.0.min(layout.width - left);
            for y in 0..layout.chunk.1.min(layout.height - top) {
                found.row(layout, y, &mut row);
                let at = ((top + y) * layout.width + left) * wanted.len();
                let pixels = &mut picture[at..][..columns * wanted.len()];
                for &(from, to) in &moves {
                    let values = row.iter().skip(from).step_by(layout.chunk_samples());
                    let places = pixels.iter_mut().skip(to).step_by(wanted.len());
                    for (place, &value) in places.zip(values) {
                        *place = number(to, value);
                    }
                }
            }
        }
    }
    Ok(picture)
}

/// Checks the memory of a row of numbers. The chunk itself is checked when it is read.
fn check_memory(layout: &TiffLayout, limits: &DecodeLimits) -> Result<(), ImageFault> {
    let numbers = (layout.chunk.0 as u64).saturating_mul(layout.chunk_samples() as u64);
    limits.check_memory(numbers.saturating_mul(size_of::<u64>() as u64))
}

/// The planes to read, each with the samples that it contributes.
fn planes(layout: &TiffLayout, wanted: &[usize]) -> Vec<(usize, Moves)> {
    let samples = wanted.iter().copied().enumerate();
    if layout.planar {
        samples.map(|(to, plane)| (plane, vec![(0, to)])).collect()
    } else {
        vec![(0, samples.map(|(to, from)| (from, to)).collect())]
    }
}
