//! Convolutions, as matrix products: a neighbourhood of an output pixel by all weights.

use std::cell::RefCell;
use std::ops::Range;

use super::isa::{Kernels, PairKernels};
use super::memory::{AlignedBuf, LINE, Layout, Map, PixelRow, Scratch, whole_lines};
use super::microkernels::Tile;
use super::tiling::{OutputPanel, Tiling, panels};

/// Bytes of packed input that stay in the nearest caches while all weights pass by.
const BLOCK_BYTES: usize = 192 << 10;

/// A batch normalisation and the ReLU after it: `max(scale · x + shift, 0)`, each `[channels]`,
/// padded to whole lines.
pub struct PackedNormRelu {
    pub scale: AlignedBuf,
    pub shift: AlignedBuf,
}

/// What a convolution is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    pub input: usize,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above and to the left; what is needed below and to the right follows.
    pub top: usize,
    pub left: usize,
}

/// A convolution ready to run.
pub struct PackedConv {
    pub shape: ConvShape,
    pub kernels: &'static Kernels,
    /// What multiplies pairs of `bf16`, where that is wanted.
    pairs: Option<&'static PairKernels>,
    /// Panel by panel; `[kernel][kernel][input][channels of the panel]`. Of pairs, `input` is half as
    /// many.
    weights: AlignedBuf,
    /// `[output]`, padded to whole panels.
    bias: AlignedBuf,
    /// Before it, of a 1 × 1 convolution only.
    before: Option<PackedNormRelu>,
    pub clamp: [f32; 2],
}

thread_local! {
    /// Packed input of one thread.
    static PACKED: RefCell<Scratch> = RefCell::default();
}

impl PackedConv {
    /// `weight [output, input, kernel, kernel]` row by row, `bias [output]` or empty. With `pairs`,
    /// products are those of `bf16`.
    pub fn new(
        (kernels, pairs): (&'static Kernels, Option<&'static PairKernels>),
        shape: ConvShape,
        weight: &[f32],
        bias: &[f32],
        before: Option<PackedNormRelu>,
        clamp: [f32; 2],
    ) -> Self {
        assert!(before.is_none() || (shape.kernel == 1 && shape.stride == 1));
        // Of a few channels, most of a vector of pairs would be padding.
        let pairs = pairs.filter(|_| shape.input >= LINE);
        let ConvShape { output, .. } = shape;
        let lanes = kernels.lanes;
        let depth = depth(shape, pairs.is_some());
        let mut packed = AlignedBuf::zeros(output.next_multiple_of(lanes) * depth);
        let mut into = packed.as_mut_slice().iter_mut();
        let area = shape.kernel * shape.kernel;
        let value = |channel: usize, input: usize, tap: usize| {
            let is_there = channel < output && input < shape.input;
            let at = (channel * shape.input + input) * area + tap;
            if is_there { weight[at] } else { 0.0 }
        };
        for panel in panels(kernels, output) {
            let channels = panel.first..panel.first + panel.vectors * lanes;
            for tap in 0..area {
                for place in 0..depth / area {
                    for channel in channels.clone() {
                        *into.next().expect("room for whole panels") = match pairs {
                            None => value(channel, place, tap),
                            Some(_) => pair(
                                value(channel, 2 * place, tap),
                                value(channel, 2 * place + 1, tap),
                            ),
                        };
                    }
                }
            }
        }
        let mut padded = AlignedBuf::zeros(output.next_multiple_of(kernels.panel()));
        padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        PackedConv {
            shape,
            kernels,
            pairs,
            weights: packed,
            bias: padded,
            before,
            clamp,
        }
    }

    /// Tiles that the output is cut into for so many threads; [`run`](Conv::run) computes some of them.
    pub fn tiling(
        &self,
        input: Layout,
        output: Layout,
        residual: Option<Layout>,
        threads: usize,
    ) -> Tiling {
        let flat = self.shape.kernel == 1
            && self.shape.stride == 1
            && input.is_flat()
            && output.is_flat()
            && residual.is_none_or(|form| form.is_flat());
        let (rows, width) = match flat {
            true => (1, output.height * output.width),
            false => (output.height, output.width),
        };
        Tiling::for_threads(rows, width, self.kernels.pixels(), threads)
    }

    /// Whether threads should rather share its weights than its pixels: in a dense block, whose old
    /// channels are in all their caches, when the weights are many.
    pub fn is_heavy(&self, input: Layout, output: Layout) -> bool {
        let numbers = |form: Layout| form.height * form.width * form.channels;
        self.before.is_some() && self.weights.len() > 2 * (numbers(input) + numbers(output))
    }

    /// Panels that the output channels are cut into.
    pub fn panels(&self) -> usize {
        self.shape.output.div_ceil(self.kernels.panel())
    }

    /// Computes these tiles and panels of `output`, which is as large as `tiling` says.
    ///
    /// # Safety
    /// The maps are in memory that is alive, with the borders that the shape asks for; nobody else
    /// writes what is read here, or reads or writes what is written.
    pub unsafe fn run(
        &self,
        (input, residual, output): (Map, Option<Map>, Map),
        tiling: &Tiling,
        tiles: Range<usize>,
        panels: Range<usize>,
    ) {
        assert!(input.form.channels == self.shape.input);
        assert!(output.form.channels == self.shape.output);
        let bytes = tiling.most * self.depth() * size_of::<f32>();
        let step = (BLOCK_BYTES / bytes).max(1);
        let mut first = tiles.start;
        while first < tiles.end {
            let block = first..(first + step).min(tiles.end);
            first = block.end;
            // SAFETY: the caller's word.
            unsafe {
                if !self.is_packed() {
                    self.block(input, None, residual, output, tiling, block, &panels);
                    continue;
                }
                PACKED.with_borrow_mut(|memory| {
                    let packed = self.pack(input, tiling, &block, memory);
                    self.block(
                        input,
                        Some(packed),
                        residual,
                        output,
                        tiling,
                        block,
                        &panels,
                    );
                });
            }
        }
    }

    fn depth(&self) -> usize {
        depth(self.shape, self.pairs.is_some())
    }

    /// Whether its input is made ready before the products.
    fn is_packed(&self) -> bool {
        self.before.is_some() || self.pairs.is_some()
    }

    /// Numbers that a pixel with its neighbourhood takes where it is packed, and a tap of it.
    fn packed_lengths(&self) -> (usize, usize) {
        let tap = match self.pairs {
            Some(_) => whole_lines(self.shape.input.div_ceil(2)),
            None => whole_lines(self.shape.input),
        };
        // A line more, so that pixels do not fall into the same sets of the cache.
        (self.shape.kernel * self.shape.kernel * tap + LINE, tap)
    }

    /// Makes the neighbourhoods of some tiles ready, one after another.
    unsafe fn pack(
        &self,
        input: Map,
        tiling: &Tiling,
        tiles: &Range<usize>,
        memory: &mut Scratch,
    ) -> Packed {
        let ConvShape {
            kernel,
            stride,
            top,
            left,
            ..
        } = self.shape;
        let (pixel, tap) = self.packed_lengths();
        let start = memory.reserve(tiles.len() * tiling.most * pixel);
        for (n, tile) in tiles.clone().enumerate() {
            let (y, x, pixels) = tiling.tile(tile);
            for p in 0..pixels {
                let into = start.wrapping_add((n * tiling.most + p) * pixel);
                let first_row = (y * stride) as isize - top as isize;
                let first_column = ((x + p) * stride) as isize - left as isize;
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
        Packed { start, pixel, tap }
    }

    unsafe fn pack_pixel(&self, input: *const f32, output: *mut f32) {
        let channels = self.shape.input;
        let norm = match &self.before {
            Some(before) => [before.scale.as_ptr(), before.shift.as_ptr()],
            None => [std::ptr::null(); 2],
        };
        let pack = self.pairs.map_or(self.kernels.pack, |pairs| pairs.pack);
        // SAFETY: the caller's word.
        unsafe { pack(input, channels, norm, output) };
    }

    /// The microkernel for a tile.
    fn convolve(&self, vectors: usize, pixels: usize) -> unsafe fn(&Tile) {
        let table = match self.pairs {
            Some(pairs) => &pairs.convolve,
            None => &self.kernels.convolve,
        };
        table[vectors - 1][pixels - 1]
    }

    /// All tiles of a block for one panel after another: a panel's weights stay in the cache.
    #[expect(clippy::too_many_arguments, reason = "places, and which part")]
    unsafe fn block(
        &self,
        input: Map,
        packed: Option<Packed>,
        residual: Option<Map>,
        output: Map,
        tiling: &Tiling,
        tiles: Range<usize>,
        which: &Range<usize>,
    ) {
        let mut panels = panels(self.kernels, self.shape.output).skip(which.start);
        for panel in panels.by_ref().take(which.len()) {
            for (n, index) in tiles.clone().enumerate() {
                let (y, x, pixels) = tiling.tile(index);
                let mut tile = match packed {
                    None => self.neighbourhood(input, y, x),
                    Some(packed) => self.packed_pixels(packed, n * tiling.most),
                };
                let row = |map: Map| map.row(y);
                self.onto(&mut tile, &panel, residual.map(row), row(output), x);
                // SAFETY: a tile inside the maps, of sizes that there is a microkernel for.
                unsafe { self.convolve(panel.vectors, pixels)(&tile) };
            }
        }
    }

    /// A tile whose input lies in a map.
    fn neighbourhood(&self, input: Map, y: usize, x: usize) -> Tile {
        let ConvShape {
            kernel,
            stride,
            top,
            left,
            ..
        } = self.shape;
        let row = (y * stride) as isize - top as isize;
        let column = (x * stride) as isize - left as isize;
        let Layout { pixel, .. } = input.form;
        // Without a gap between its pixels, a row of a neighbourhood is one run.
        let (columns, run) = match pixel == self.shape.input {
            true => (1, kernel * pixel),
            false => (kernel, self.shape.input),
        };
        Tile {
            input: input.at(row, column),
            pixel: stride * pixel,
            rows: kernel,
            row: input.form.row,
            columns,
            column: pixel,
            run,
            ..self.nowhere()
        }
    }

    /// A tile whose pixels were packed.
    fn packed_pixels(&self, packed: Packed, first: usize) -> Tile {
        let area = self.shape.kernel * self.shape.kernel;
        Tile {
            input: packed.start.wrapping_add(first * packed.pixel),
            pixel: packed.pixel,
            columns: area,
            column: packed.tap,
            run: self.depth() / area,
            ..self.nowhere()
        }
    }

    fn nowhere(&self) -> Tile {
        Tile {
            clamp: self.clamp,
            ..Tile::default()
        }
    }

    /// The weights of a panel, and where the tile goes: from pixel `x` of a row on.
    fn onto(
        &self,
        tile: &mut Tile,
        panel: &OutputPanel,
        residual: Option<PixelRow>,
        output: PixelRow,
        x: usize,
    ) {
        let first = panel.first;
        tile.weights = self.weights.as_ptr().wrapping_add(first * self.depth());
        tile.bias = self.bias.as_ptr().wrapping_add(first);
        tile.output = output.start.wrapping_add(x * output.pixel + first);
        tile.output_pixel = output.pixel;
        tile.channels = self.shape.output - first;
        if let Some(residual) = residual {
            tile.residual = residual.start.wrapping_add(x * residual.pixel + first);
            tile.residual_pixel = residual.pixel;
        }
    }

    /// What multiplies pairs of `bf16`, if that is what it does.
    pub fn pairs(&self) -> Option<&'static PairKernels> {
        self.pairs
    }

    /// One row of pixels, whole, for who keeps only a few rows: `pixels` from `input` on, into
    /// `output`. A 1 × 1 convolution.
    ///
    /// # Safety
    /// As [`run`](Conv::run).
    pub unsafe fn row(&self, input: PixelRow, output: PixelRow, pixels: usize) {
        // SAFETY: the caller's word.
        unsafe {
            if !self.is_packed() {
                return self.row_handed_over(input, None, output, pixels);
            }
            PACKED.with_borrow_mut(|memory| {
                let (pixel, _) = self.packed_lengths();
                let start = memory.reserve(pixels * pixel);
                for p in 0..pixels {
                    let from = input.start.wrapping_add(p * input.pixel);
                    self.pack_pixel(from, start.wrapping_add(p * pixel));
                }
                self.row_handed_over(PixelRow { start, pixel }, None, output, pixels);
            });
        }
    }

    /// As [`row`](Conv::row), of pixels that are ready for the products:
    /// [`Simd::hand_over`](super::simd::Simd::hand_over) stored them.
    ///
    /// # Safety
    /// As [`run`](Conv::run).
    pub unsafe fn row_handed_over(
        &self,
        PixelRow { start, pixel }: PixelRow,
        residual: Option<PixelRow>,
        output: PixelRow,
        pixels: usize,
    ) {
        let input = Packed {
            start,
            pixel,
            tap: 0,
        };
        let tiling = Tiling::new(1, pixels, self.kernels.pixels());
        for panel in panels(self.kernels, self.shape.output) {
            for index in 0..tiling.count {
                let (_, x, pixels) = tiling.tile(index);
                let mut tile = self.packed_pixels(input, x);
                self.onto(&mut tile, &panel, residual, output, x);
                // SAFETY: pixels of the rows, of sizes that there is a microkernel for.
                unsafe { self.convolve(panel.vectors, pixels)(&tile) };
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Packed {
    start: *mut f32,
    /// From a pixel's neighbourhood to the next one's.
    pixel: usize,
    /// From a tap of a neighbourhood to the next.
    tap: usize,
}

/// Values of a neighbourhood, or pairs of them.
fn depth(shape: ConvShape, in_pairs: bool) -> usize {
    let input = match in_pairs {
        true => shape.input.div_ceil(2),
        false => shape.input,
    };
    shape.kernel * shape.kernel * input
}

/// Two numbers rounded to `bf16`, to the nearest, ties to even; as bits.
fn pair(low: f32, high: f32) -> f32 {
    let rounded = |value: f32| {
        let bits = value.to_bits();
        (bits + 0x7fff + (bits >> 16 & 1)) >> 16
    };
    f32::from_bits(rounded(low) | rounded(high) << 16)
}
