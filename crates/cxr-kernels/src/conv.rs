//! Convolutions as matrix products: the neighbourhoods of output pixels by the weights.

mod rows;
mod scaled;
mod tiles;
mod weights;

use std::cell::RefCell;
use std::ops::Range;

use crate::curve::Curve;
use crate::isa::{Convolve, Kernels, PairKernels};
use crate::memory::{AlignedBuf, LINE, Layout, Map, PixelRow, Scratch, whole_lines};
use crate::microkernels::{AheadParts, Tile};
use crate::products::Products;
use crate::tiling::{OutputPanel, Tiling, panels};

pub use tiles::padded as padded_depth;
pub use weights::padded_bias;

/// Bytes of packed input that stay in the nearest caches while all weights pass by.
const BLOCK_BYTES: usize = 192 << 10;
/// Weights of more bytes leave the near caches between two blocks. They are read for larger blocks.
const NEAR_BYTES: usize = 1 << 20;
/// Bytes of input of such a block. It stays in the near caches beside the weights of a panel.
const LARGE_BLOCK_BYTES: usize = 1 << 20;

/// A batch normalisation and the ReLU after it, `max(scale · x + shift, 0)`. Each buffer holds `[channels]`,
/// padded to whole lines.
pub struct PackedNormRelu {
    pub scale: AlignedBuf,
    pub shift: AlignedBuf,
}

/// Sizes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    pub input: usize,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above and to the left. Those below and to the right follow from the output's size.
    pub top: usize,
    pub left: usize,
}

/// A convolution ready to run.
pub struct PackedConv {
    pub shape: ConvShape,
    pub kernels: &'static Kernels,
    products: Products,
    /// As [`weights`] orders them.
    weights: AlignedBuf,
    /// `[output]`, padded to whole panels.
    bias: AlignedBuf,
    /// Comes before it; only a 1 × 1 convolution has one.
    before: Option<PackedNormRelu>,
    clamp: [f32; 2],
    curve: Curve,
}

thread_local! {
    /// Packed input of one thread.
    static PACKED: RefCell<Scratch> = RefCell::default();
}

impl PackedConv {
    /// `weight [output, input, kernel, kernel]` row by row, `bias [output]` or empty.
    pub fn new(
        (kernels, products): (&'static Kernels, Products),
        shape: ConvShape,
        weight: &[f32],
        bias: &[f32],
        before: Option<PackedNormRelu>,
        clamp: [f32; 2],
    ) -> Self {
        assert!(before.is_none() || (shape.kernel == 1 && shape.stride == 1));
        let weights = match products.tiles() {
            Some(by) => weights::in_tiles(shape, weight, by.split),
            None => weights::packed(kernels, shape, weight, products.pairs().is_some()),
        };
        PackedConv {
            shape,
            kernels,
            products,
            weights,
            bias: padded_bias(kernels, shape.output, bias),
            before,
            clamp,
            curve: Curve::None,
        }
    }

    /// With this curve after the clamp.
    pub fn then(self, curve: Curve) -> Self {
        PackedConv { curve, ..self }
    }

    /// The tiles that the output is cut into for this many threads. [`run`](PackedConv::run) computes some of
    /// them.
    pub fn tiling(
        &self,
        input: Layout,
        output: Layout,
        residual: Option<Layout>,
        threads: usize,
    ) -> Tiling {
        if self.products.tiles().is_some() {
            return self.tile_tiling(output.height, output.width, threads);
        }
        let flat = self.shape.kernel == 1
            && self.shape.stride == 1
            && input.is_flat()
            && output.is_flat()
            && residual.is_none_or(|layout| layout.is_flat());
        let (rows, width) = if flat {
            (1, output.height * output.width)
        } else {
            (output.height, output.width)
        };
        Tiling::for_threads(rows, width, self.kernels.pixels(), threads)
    }

    /// Whether threads should share its weights instead of its pixels: in a dense block with many weights,
    /// whose older channels every thread has in its cache.
    pub fn is_heavy(&self, input: Layout, output: Layout) -> bool {
        let numbers = |layout: Layout| layout.height * layout.width * layout.channels;
        self.before.is_some() && self.weights.len() > 2 * (numbers(input) + numbers(output))
    }

    /// Whether its weights do not stay in the near caches of a thread, which then should read only its part of them.
    pub fn is_large(&self) -> bool {
        !self.is_packed() && self.weights.len() * size_of::<f32>() > NEAR_BYTES
    }

    /// Tiles that pass by the weights together.
    fn tiles_of_block(&self, tiling: &Tiling) -> usize {
        let ConvShape { input, stride, .. } = self.shape;
        let (most, pixel) = if self.is_large() {
            // Neighbourhoods that were not packed share their pixels.
            (LARGE_BLOCK_BYTES, stride * stride * input)
        } else {
            (BLOCK_BYTES, self.depth())
        };
        (most / (tiling.most * pixel * size_of::<f32>())).max(1)
    }

    /// Panels that the output channels are cut into.
    pub fn panels(&self) -> usize {
        let by_tiles = self.products.tiles().is_some();
        let panel = if by_tiles {
            tiles::PANEL
        } else {
            self.kernels.panel()
        };
        self.shape.output.div_ceil(panel)
    }

    /// The microkernels for pairs of `bf16`, if it multiplies those.
    pub fn pairs(&self) -> Option<&'static PairKernels> {
        self.products.pairs()
    }

    /// Computes these tiles and panels of `output`, which has the size that `tiling` was made for.
    ///
    /// # Safety
    /// The input has the border that the shape needs, and the residual is as large as the output. Meanwhile
    /// no other thread writes what is read here, or reads or writes what is written.
    pub unsafe fn run(
        &self,
        maps: (Map, Option<Map>, Map),
        tiling: &Tiling,
        tiles: Range<usize>,
        panels: Range<usize>,
    ) {
        // SAFETY: the caller vouches for the maps.
        unsafe { self.run_with(None, maps, tiling, tiles, panels) };
    }

    /// As [`run`](PackedConv::run), with the weights that [`scale_weights`](PackedConv::scale_weights) wrote, if there are
    /// any.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run).
    pub unsafe fn run_with(
        &self,
        scaled: Option<Map>,
        maps: (Map, Option<Map>, Map),
        tiling: &Tiling,
        tiles: Range<usize>,
        panels: Range<usize>,
    ) {
        let (input, _, output) = maps;
        assert!(input.layout.channels == self.shape.input);
        assert!(output.layout.channels == self.shape.output);
        if let Some(by) = self.products.tiles() {
            // SAFETY: the caller vouches for the maps.
            return unsafe { self.run_tiles(by, maps, tiling, tiles, panels) };
        }
        let weights = match scaled {
            Some(scaled) => scaled.at(0, 0).cast_const(),
            None => self.weights.as_ptr(),
        };
        let step = self.tiles_of_block(tiling);
        let mut first = tiles.start;
        while first < tiles.end {
            let block = first..(first + step).min(tiles.end);
            first = block.end;
            if !self.is_packed() {
                // SAFETY: the caller vouches for the maps.
                unsafe { self.block(weights, maps, None, tiling, block, &panels) };
                continue;
            }
            PACKED.with_borrow_mut(|memory| {
                // SAFETY: the caller vouches for the maps, and the packed input lives as long as `memory`.
                unsafe {
                    let packed = self.pack(input, tiling, &block, memory);
                    self.block(weights, maps, Some(packed), tiling, block, &panels);
                }
            });
        }
    }

    /// Numbers of a neighbourhood.
    fn depth(&self) -> usize {
        weights::depth(self.shape, self.pairs().is_some())
    }

    /// Whether its input is packed before the products.
    pub fn is_packed(&self) -> bool {
        self.before.is_some() || self.products != Products::F32
    }

    /// Numbers that a pixel's packed neighbourhood takes, and one tap of it.
    fn packed_lengths(&self) -> (usize, usize) {
        let input = self.shape.input;
        let tap = whole_lines(if self.pairs().is_some() {
            input.div_ceil(2)
        } else {
            input
        });
        // One more line keeps pixels out of the same sets of the cache.
        (self.shape.kernel * self.shape.kernel * tap + LINE, tap)
    }

    /// Packs the neighbourhoods of these tiles, one after another.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run).
    unsafe fn pack(
        &self,
        input: Map,
        tiling: &Tiling,
        tiles: &Range<usize>,
        memory: &mut Scratch,
    ) -> PackedInput {
        let ConvShape { kernel, stride, .. } = self.shape;
        let (pixel, tap) = self.packed_lengths();
        let start = memory.reserve(tiles.len() * tiling.most * pixel);
        for (n, tile) in tiles.clone().enumerate() {
            let (y, x, pixels) = tiling.tile(tile);
            for p in 0..pixels {
                let into = start.wrapping_add((n * tiling.most + p) * pixel);
                let first_row = (y * stride) as isize - self.shape.top as isize;
                let first_column = ((x + p) * stride) as isize - self.shape.left as isize;
                for row in 0..kernel {
                    for column in 0..kernel {
                        let y = first_row + row as isize;
                        let from = input.at(y, first_column + column as isize);
                        let into = into.wrapping_add((row * kernel + column) * tap);
                        // SAFETY: a pixel of the input or its border, and a tap of what was reserved.
                        unsafe { self.pack_pixel(from, into) };
                    }
                }
            }
        }
        PackedInput { start, pixel, tap }
    }

    /// Packs one pixel.
    ///
    /// # Safety
    /// `input` is valid for the input channels, and `output` for a packed tap.
    unsafe fn pack_pixel(&self, input: *const f32, output: *mut f32) {
        let pack = self.pairs().map_or(self.kernels.pack, |pairs| pairs.pack);
        // SAFETY: the caller vouches for the pointers.
        unsafe { pack(input, self.shape.input, self.norm(), output) };
    }

    /// Scale and shift of the normalisation before it, or null.
    fn norm(&self) -> [*const f32; 2] {
        match &self.before {
            Some(before) => [before.scale.as_ptr(), before.shift.as_ptr()],
            None => [std::ptr::null(); 2],
        }
    }

    /// The microkernels for tiles of a panel, `[pixels − 1]`.
    fn convolve(&self, vectors: usize) -> &'static [Convolve] {
        let table = match self.pairs() {
            Some(pairs) => &pairs.convolve,
            None => &self.kernels.convolve,
        };
        table[vectors - 1]
    }

    /// Computes all tiles of a block for one panel after another, so that a panel's weights stay in the cache.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run).
    unsafe fn block(
        &self,
        weights: *const f32,
        (input, residual, output): (Map, Option<Map>, Map),
        packed: Option<PackedInput>,
        tiling: &Tiling,
        tiles: Range<usize>,
        which: &Range<usize>,
    ) {
        let stride = self.shape.stride;
        let panels = panels(self.kernels, self.shape.output);
        for panel in panels.skip(which.start).take(which.len()) {
            let width = panel.vectors * self.kernels.lanes;
            let from = |channel: usize| weights.wrapping_add(channel * self.depth());
            let next = from(panel.first + width);
            let ahead = AheadParts::new(next, [self.depth(), width], tiles.len());
            let mut tile = match packed {
                None => self.neighbourhood(input, 0, 0),
                Some(packed) => self.packed_pixels(packed, 0),
            };
            let row = |map: Map| map.row(0);
            self.onto(&mut tile, &panel, residual.map(row), row(output), 0);
            tile.weights = from(panel.first);
            // The first pixel's. What else a tile has is the same for the whole panel.
            let first = (tile.input, tile.residual, tile.output);
            let convolve = self.convolve(panel.vectors);
            for (n, index) in tiles.clone().enumerate() {
                let (y, x, pixels) = tiling.tile(index);
                tile.input = first.0.wrapping_add(match packed {
                    None => input.layout.offset(y * stride, x * stride),
                    Some(packed) => n * tiling.most * packed.pixel,
                });
                if let Some(residual) = residual {
                    tile.residual = first.1.wrapping_add(residual.layout.offset(y, x));
                }
                tile.output = first.2.wrapping_add(output.layout.offset(y, x));
                tile.ahead = ahead.part(n);
                // SAFETY: a tile inside the maps, of a size that there is a microkernel for.
                unsafe { convolve[pixels - 1](&tile) };
            }
        }
    }

    /// A tile whose input lies in a map.
    fn neighbourhood(&self, input: Map, y: usize, x: usize) -> Tile {
        let ConvShape { kernel, stride, .. } = self.shape;
        let row = (y * stride) as isize - self.shape.top as isize;
        let column = (x * stride) as isize - self.shape.left as isize;
        let Layout { pixel, .. } = input.layout;
        // Without a gap between its pixels, a row of a neighbourhood is one run.
        let (columns, run) = if pixel == self.shape.input {
            (1, kernel * pixel)
        } else {
            (kernel, self.shape.input)
        };
        Tile {
            input: input.at(row, column),
            pixel: stride * pixel,
            rows: kernel,
            row: input.layout.row,
            columns,
            column: pixel,
            run,
            clamp: self.clamp,
            curve: self.curve,
            ..Tile::default()
        }
    }

    /// A tile whose pixels were packed.
    fn packed_pixels(&self, packed: PackedInput, first: usize) -> Tile {
        let area = self.shape.kernel * self.shape.kernel;
        Tile {
            input: packed.start.wrapping_add(first * packed.pixel),
            pixel: packed.pixel,
            columns: area,
            column: packed.tap,
            run: self.depth() / area,
            clamp: self.clamp,
            curve: self.curve,
            ..Tile::default()
        }
    }

    /// The weights of the panel that begins with this channel.
    fn weights_from(&self, channel: usize) -> *const f32 {
        self.weights.as_ptr().wrapping_add(channel * self.depth())
    }

    /// Gives a tile the weights of a panel, and its output: from pixel `x` of a row on.
    fn onto(
        &self,
        tile: &mut Tile,
        panel: &OutputPanel,
        residual: Option<PixelRow>,
        output: PixelRow,
        x: usize,
    ) {
        let first = panel.first;
        tile.weights = self.weights_from(first);
        tile.bias = self.bias.as_ptr().wrapping_add(first);
        tile.output = output.start.wrapping_add(x * output.pixel + first);
        tile.output_pixel = output.pixel;
        tile.channels = self.shape.output - first;
        if let Some(residual) = residual {
            tile.residual = residual.start.wrapping_add(x * residual.pixel + first);
            tile.residual_pixel = residual.pixel;
        }
    }
}

/// The address of packed neighbourhoods.
#[derive(Clone, Copy)]
struct PackedInput {
    start: *mut f32,
    /// From a pixel's neighbourhood to the next pixel's.
    pixel: usize,
    /// From a tap of a neighbourhood to the next.
    tap: usize,
}
