//! From chunks to the picture: the samples that are wanted, interleaved.

use super::chunk::Chunk;
use super::layout::TiffLayout;
use crate::imaging::{DecodeLimits, ImageFault};

/// Where a sample lies in a chunk, and in the picture.
type Moves = Vec<(usize, usize)>;

/// Those samples of every pixel that are `wanted`, in that order. `number` makes of the stored bits
/// what they are; its first argument is which of those that are wanted.
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

/// A row of a chunk as numbers; what the chunk itself takes is counted when it is read.
fn check_memory(layout: &TiffLayout, limits: &DecodeLimits) -> Result<(), ImageFault> {
    let numbers = (layout.chunk.0 as u64).saturating_mul(layout.chunk_samples() as u64);
    limits.check_memory(numbers.saturating_mul(size_of::<u64>() as u64))
}

/// The planes that are read, each with the samples that it gives.
fn planes(layout: &TiffLayout, wanted: &[usize]) -> Vec<(usize, Moves)> {
    let samples = wanted.iter().copied().enumerate();
    match layout.planar {
        true => samples.map(|(to, plane)| (plane, vec![(0, to)])).collect(),
        false => vec![(0, samples.map(|(to, from)| (from, to)).collect())],
    }
}
