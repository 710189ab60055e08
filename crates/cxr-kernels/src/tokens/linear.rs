//! Linear layers over tokens, by the products of [`PackedConv`]: a 1 × 1 convolution of a map of one row.

use std::ops::Range;

use super::spec::LinearSpec;
use crate::conv::{ConvShape, PackedConv};
use crate::curve::Curve;
use crate::isa::Kernels;
use crate::memory::{LINE, Map};
use crate::products::Products;
use crate::threads::{PARTS, Workers, share};
use crate::tiling::Tiling;

/// The most numbers of a token that are summed in registers. A panel of weights of this depth stays in the near caches
/// while all tokens pass by. Of a deeper layer the parts are summed in the output.
const DEPTH: usize = if cfg!(test) { 48 } else { 1024 };

/// Tiles whose sums stay in the near caches from one part of a deep layer to the next.
const TILES: usize = 8;

/// The instruction set, and how products are computed.
pub type Engine = (&'static Kernels, Products);

/// The function after a linear layer: a clamp, and a curve.
pub type AfterSum = ([f32; 2], Curve);

/// No function.
pub const NOTHING: AfterSum = ([f32::NEG_INFINITY, f32::INFINITY], Curve::None);

/// A linear layer ready to run.
pub struct PackedLinear {
    /// Each with its inputs. The sum of all is the layer.
    parts: Vec<(Range<usize>, PackedConv)>,
}

impl PackedLinear {
    /// Packs a layer whose sizes were checked.
    pub fn new((kernels, products): Engine, linear: &LinearSpec, (clamp, curve): AfterSum) -> Self {
        let engine = (kernels, products.for_layer(linear.input, linear.output));
        let count = linear.input.div_ceil(DEPTH);
        let length = linear.input.div_ceil(count).next_multiple_of(LINE);
        let part = |start: usize| {
            let inputs = start..(start + length).min(linear.input);
            let is_last = inputs.end == linear.input;
            let (clamp, curve) = if is_last { (clamp, curve) } else { NOTHING };
            let shape = ConvShape {
                input: inputs.len(),
                output: linear.output,
                kernel: 1,
                stride: 1,
                top: 0,
                left: 0,
            };
            let bias = if start == 0 { linear.bias } else { &[] };
            let weight = columns(linear, &inputs);
            let conv = PackedConv::new(engine, shape, &weight, bias, None, clamp);
            (inputs, conv.then(curve))
        };
        PackedLinear {
            parts: (0..linear.input).step_by(length).map(part).collect(),
        }
    }

    /// Computes all rows of the output, with the residual added, if there is one. The residual may be the output.
    ///
    /// # Safety
    /// The maps are rows of tokens: as many, with the numbers of the layer. Nothing else reads or writes them
    /// meanwhile.
    pub unsafe fn run(&self, (input, residual, output): (Map, Option<Map>, Map), workers: Workers) {
        let (_, first) = &self.parts[0];
        let layout = residual.map(|map| map.layout);
        let tiling = first.tiling(input.layout, output.layout, layout, workers.count());
        let grid = PartGrid::new(self.parts.len(), first, &tiling, workers.count());
        workers.each(grid.tiles * grid.panels, &|unit| {
            // The units of a panel follow each other, so that each thread has few panels.
            let tiles = share(tiling.count, grid.tiles, unit % grid.tiles);
            let panels = share(first.panels(), grid.panels, unit / grid.tiles);
            let mut before = residual;
            for (inputs, conv) in &self.parts {
                let maps = (input.channels(inputs.start, inputs.len()), before, output);
                // SAFETY: the caller vouches for the maps, and no two units have the same tile and panel. Each sum is
                // read before it is replaced.
                unsafe { conv.run(maps, &tiling, tiles.clone(), panels.clone()) };
                before = Some(output);
            }
        });
    }
}

/// The weights of some inputs, row by row.
fn columns<'a>(linear: &LinearSpec<'a>, inputs: &Range<usize>) -> std::borrow::Cow<'a, [f32]> {
    if inputs.len() == linear.input {
        return linear.weight.into();
    }
    let rows = linear.weight.chunks_exact(linear.input);
    rows.flat_map(|row| &row[inputs.clone()])
        .copied()
        .collect::<Vec<f32>>()
        .into()
}

/// The units that the tiles and the panels of a layer are cut into.
struct PartGrid {
    tiles: usize,
    panels: usize,
}

impl PartGrid {
    fn new(parts: usize, conv: &PackedConv, tiling: &Tiling, threads: usize) -> Self {
        let units = threads * PARTS;
        let (tiles, panels) = match threads {
            1 if parts == 1 => (1, 1),
            1 => (tiling.count.div_ceil(TILES), 1),
            // With more weights than input, each thread reads only its part of the weights.
            _ if conv.shape.output > tiling.pixels() => {
                (units.div_ceil(conv.panels()), conv.panels().min(units))
            }
            _ => (units, 1),
        };
        PartGrid {
            tiles: tiles.min(tiling.count),
            panels,
        }
    }
}
