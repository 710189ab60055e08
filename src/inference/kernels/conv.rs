//! Convolutions, as matrix products: a neighbourhood of an output pixel by all weights.

use std::cell::RefCell;
use std::ops::Range;

use super::isa::{Kernels, VECTORS};
use super::memory::{Form, Map, Memory, whole_lines};
use super::microkernels::{Tile, Window};

/// Bytes of packed input that stay in the nearest caches while all weights pass by.
const BLOCK_BYTES: usize = 192 << 10;

/// A batch normalisation and the ReLU after it: `max(scale · x + shift, 0)`, each `[channels]`,
/// padded to whole lines.
pub struct NormRelu {
    pub scale: Memory,
    pub shift: Memory,
}

/// What a convolution is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub input: usize,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above and to the left; what is needed below and to the right follows.
    pub top: usize,
    pub left: usize,
}

/// A convolution ready to run.
pub struct Conv {
    pub shape: Shape,
    pub kernels: &'static Kernels,
    /// Panel by panel; `[kernel][kernel][input][channels of the panel]`.
    weights: Memory,
    /// `[output]`, padded to whole panels.
    bias: Memory,
    /// Before it, of a 1 × 1 convolution only.
    before: Option<NormRelu>,
    pub clamp: [f32; 2],
}

/// A panel: output channels that a tile computes at once.
pub struct Panel {
    pub first: usize,
    pub vectors: usize,
}

thread_local! {
    /// Packed input of one thread.
    static PACKED: RefCell<Memory> = RefCell::new(Memory::zeros(0));
}

impl Conv {
    /// `weight [output, input, kernel, kernel]` row by row, `bias [output]` or empty.
    pub fn new(
        kernels: &'static Kernels,
        shape: Shape,
        weight: &[f32],
        bias: &[f32],
        before: Option<NormRelu>,
        clamp: [f32; 2],
    ) -> Self {
        assert!(before.is_none() || (shape.kernel == 1 && shape.stride == 1));
        let Shape { output, .. } = shape;
        let lanes = kernels.lanes;
        let mut packed = Memory::zeros(output.next_multiple_of(lanes) * depth(shape));
        let mut into = packed.as_mut_slice().iter_mut();
        let area = shape.kernel * shape.kernel;
        for panel in panels(kernels, output) {
            for tap in 0..area {
                for input in 0..shape.input {
                    for channel in panel.first..panel.first + panel.vectors * lanes {
                        let at = (channel * shape.input + input) * area + tap;
                        let value = if channel < output { weight[at] } else { 0.0 };
                        *into.next().expect("room for whole panels") = value;
                    }
                }
            }
        }
        let mut padded = Memory::zeros(output.next_multiple_of(kernels.panel()));
        padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        Conv {
            shape,
            kernels,
            weights: packed,
            bias: padded,
            before,
            clamp,
        }
    }

    /// Tiles that the output is cut into; [`run`](Conv::run) computes some of them.
    pub fn tiling(&self, input: Form, output: Form, residual: Option<Form>) -> Tiling {
        let flat = self.shape.kernel == 1
            && self.shape.stride == 1
            && input.is_flat()
            && output.is_flat()
            && residual.is_none_or(|form| form.is_flat());
        let (rows, width) = match flat {
            true => (1, output.height * output.width),
            false => (output.height, output.width),
        };
        Tiling::new(rows, width, self.kernels.pixels())
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
        let bytes = tiling.most * depth(self.shape) * size_of::<f32>();
        let step = (BLOCK_BYTES / bytes).max(1);
        let mut first = tiles.start;
        while first < tiles.end {
            let block = first..(first + step).min(tiles.end);
            first = block.end;
            // SAFETY: the caller's word.
            unsafe {
                match &self.before {
                    None => self.block(input, None, residual, output, tiling, block, &panels),
                    Some(before) => PACKED.with_borrow_mut(|memory| {
                        let packed = self.pack(before, input, tiling, &block, memory);
                        self.block(
                            input,
                            Some(packed),
                            residual,
                            output,
                            tiling,
                            block,
                            &panels,
                        );
                    }),
                }
            }
        }
    }

    /// Normalises the pixels of some tiles into memory, one after another; gives the stride.
    unsafe fn pack(
        &self,
        before: &NormRelu,
        input: Map,
        tiling: &Tiling,
        tiles: &Range<usize>,
        memory: &mut Memory,
    ) -> Packed {
        let channels = self.shape.input;
        // A line more, so that pixels do not fall into the same sets of the cache.
        let pixel = whole_lines(channels) + super::memory::LINE;
        let start = memory.reserve(tiles.len() * tiling.most * pixel);
        for (n, tile) in tiles.clone().enumerate() {
            let (y, x, pixels) = tiling.tile(tile);
            for p in 0..pixels {
                let window = Window {
                    input: input.at(y as isize, (x + p) as isize),
                    rows: 1,
                    row: 0,
                    columns: 1,
                    column: 0,
                    channels,
                    output: start.wrapping_add((n * tiling.most + p) * pixel),
                };
                // SAFETY: a pixel of the input, and as many numbers of what was reserved.
                unsafe {
                    let (scale, shift) = (before.scale.as_ptr(), before.shift.as_ptr());
                    (self.kernels.norm_relu_average)(&window, scale, shift);
                }
            }
        }
        Packed { start, pixel }
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
                self.onto(&mut tile, &panel, residual, output, (y, x));
                // SAFETY: a tile inside the maps, of sizes that there is a microkernel for.
                unsafe { (self.kernels.convolve[panel.vectors - 1][pixels - 1])(&tile) };
            }
        }
    }

    /// A tile whose input lies in a map.
    fn neighbourhood(&self, input: Map, y: usize, x: usize) -> Tile {
        let Shape {
            kernel,
            stride,
            top,
            left,
            ..
        } = self.shape;
        let row = (y * stride) as isize - top as isize;
        let column = (x * stride) as isize - left as isize;
        let Form { pixel, .. } = input.form;
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
        Tile {
            input: packed.start.wrapping_add(first * packed.pixel),
            pixel: packed.pixel,
            run: self.shape.input,
            ..self.nowhere()
        }
    }

    fn nowhere(&self) -> Tile {
        Tile {
            clamp: self.clamp,
            ..Tile::default()
        }
    }

    /// The weights of a panel, and where the tile goes.
    fn onto(
        &self,
        tile: &mut Tile,
        panel: &Panel,
        residual: Option<Map>,
        output: Map,
        (y, x): (usize, usize),
    ) {
        let (y, x, first) = (y as isize, x as isize, panel.first);
        tile.weights = self
            .weights
            .as_ptr()
            .wrapping_add(first * depth(self.shape));
        tile.bias = self.bias.as_ptr().wrapping_add(first);
        tile.output = output.at(y, x).wrapping_add(first);
        tile.output_pixel = output.form.pixel;
        tile.channels = self.shape.output - first;
        if let Some(residual) = residual {
            tile.residual = residual.at(y, x).wrapping_add(first);
            tile.residual_pixel = residual.form.pixel;
        }
    }

    /// One row of pixels, whole, for who keeps only a few rows: `pixels` from `input` on, into
    /// `output`. A 1 × 1 convolution.
    ///
    /// # Safety
    /// As [`run`](Conv::run).
    pub unsafe fn row(&self, input: Row, residual: Option<Row>, output: Row, pixels: usize) {
        let tiling = Tiling::new(1, pixels, self.kernels.pixels());
        for panel in panels(self.kernels, self.shape.output) {
            for index in 0..tiling.count {
                let (_, x, pixels) = tiling.tile(index);
                let first = panel.first;
                let tile = Tile {
                    input: input.start.wrapping_add(x * input.pixel),
                    pixel: input.pixel,
                    run: self.shape.input,
                    weights: self
                        .weights
                        .as_ptr()
                        .wrapping_add(first * depth(self.shape)),
                    bias: self.bias.as_ptr().wrapping_add(first),
                    residual: residual.map_or(std::ptr::null(), |residual| {
                        residual.start.wrapping_add(x * residual.pixel + first)
                    }),
                    residual_pixel: residual.map_or(0, |residual| residual.pixel),
                    output: output.start.wrapping_add(x * output.pixel + first),
                    output_pixel: output.pixel,
                    channels: self.shape.output - first,
                    ..self.nowhere()
                };
                // SAFETY: pixels of the rows, of sizes that there is a microkernel for.
                unsafe { (self.kernels.convolve[panel.vectors - 1][pixels - 1])(&tile) };
            }
        }
    }
}

/// Pixels side by side.
#[derive(Clone, Copy)]
pub struct Row {
    pub start: *mut f32,
    /// From a pixel to the next.
    pub pixel: usize,
}

#[derive(Clone, Copy)]
struct Packed {
    start: *mut f32,
    pixel: usize,
}

/// Values of a neighbourhood.
fn depth(shape: Shape) -> usize {
    shape.kernel * shape.kernel * shape.input
}

/// Whole panels, and one of fewer vectors for the rest.
pub fn panels(kernels: &'static Kernels, channels: usize) -> impl Iterator<Item = Panel> {
    let lanes = kernels.lanes;
    (0..channels)
        .step_by(kernels.panel())
        .map(move |first| Panel {
            first,
            vectors: (channels - first).div_ceil(lanes).min(VECTORS),
        })
}

/// Rows cut into tiles of nearly equal width.
pub struct Tiling {
    width: usize,
    in_row: usize,
    /// Pixels of the widest.
    most: usize,
    pub count: usize,
}

impl Tiling {
    pub fn new(rows: usize, width: usize, pixels: usize) -> Self {
        let in_row = width.div_ceil(pixels);
        Tiling {
            width,
            in_row,
            most: width.div_ceil(in_row),
            count: rows * in_row,
        }
    }

    /// Row, first column and width of a tile.
    fn tile(&self, index: usize) -> (usize, usize, usize) {
        let (row, part) = (index / self.in_row, index % self.in_row);
        let start = |part| part * self.width / self.in_row;
        (row, start(part), start(part + 1) - start(part))
    }
}
