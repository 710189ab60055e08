//! Depthwise convolutions, each channel with its own kernel: alone, and as the middle of an inverted bottleneck
//! (Sandler et al. 2018, arXiv:1801.04381).

use std::cell::RefCell;
use std::ops::Range;

use crate::conv::PackedConv;
use crate::curve::Curve;
use crate::depthwise_kernel::{DepthwiseTile, WIDEST};
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, LINE, Layout, Map, PixelRow, Scratch, whole_lines};
use crate::ring::Ring;
use crate::threads::PARTS;
use crate::tiling::{OutputPanel, panels};

/// Size and padding of a depthwise convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthwiseShape {
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above and to the left. Those below and to the right follow from the output's size.
    pub top: usize,
    pub left: usize,
}

/// A depthwise convolution ready to run.
pub struct PackedDepthwise {
    pub shape: DepthwiseShape,
    kernels: &'static Kernels,
    /// `[kernel²][channels]`, rows padded to whole lines.
    weights: AlignedBuf,
    bias: AlignedBuf,
    clamp: [f32; 2],
    curve: Curve,
}

/// Panels of channels, and parts of the rows of each.
pub struct PanelGrid {
    pub panels: Vec<OutputPanel>,
    pub parts: usize,
}

/// Units of work for each thread, more than of other passes, since units are larger.
const UNITS: usize = 2 * PARTS;

thread_local! {
    /// One thread's rows of a panel.
    static PANEL_RING: RefCell<Scratch> = RefCell::default();
}

impl PackedDepthwise {
    /// `weight [channels, kernel, kernel]` row by row, `bias [channels]` or empty.
    ///
    /// # Panics
    /// If the kernel is wider than [`WIDEST`].
    pub fn new(
        kernels: &'static Kernels,
        shape: DepthwiseShape,
        weight: &[f32],
        bias: &[f32],
        clamp: [f32; 2],
    ) -> Self {
        let DepthwiseShape {
            channels, kernel, ..
        } = shape;
        assert!(kernel <= WIDEST, "a depthwise kernel of {kernel}");
        let row = whole_lines(channels);
        let mut weights = AlignedBuf::zeros(kernel * kernel * row);
        for (channel, taps) in weight.chunks_exact(kernel * kernel).enumerate() {
            for (tap, value) in taps.iter().enumerate() {
                weights.as_mut_slice()[tap * row + channel] = *value;
            }
        }
        let mut padded = AlignedBuf::zeros(channels);
        padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        PackedDepthwise {
            shape,
            kernels,
            weights,
            bias: padded,
            clamp,
            curve: Curve::None,
        }
    }

    /// With this curve after the clamp.
    pub fn then(self, curve: Curve) -> Self {
        PackedDepthwise { curve, ..self }
    }

    /// Computes these rows of `output`.
    ///
    /// # Safety
    /// The input has the border that the shape needs. Meanwhile no other thread writes what is read here, or
    /// reads or writes what is written.
    pub unsafe fn run(&self, input: Map, output: Map, rows: Range<usize>) {
        assert!(
            input.layout.channels == self.shape.channels
                && output.layout.channels == self.shape.channels
        );
        for y in rows {
            let top = (y * self.shape.stride) as isize - self.shape.top as isize;
            let under = |row: usize| input.at(top + row as isize, -(self.shape.left as isize));
            let tile = self.tile(under, input.layout.pixel, output.row(y));
            let pixels = output.layout.width;
            // SAFETY: rows of the input or its border, and the caller vouches for the maps.
            unsafe { (self.kernels.depthwise)(&DepthwiseTile { pixels, ..tile }) };
        }
    }

    /// Panels of channels, and how many parts the rows of each are cut into, for `maps` maps of `rows` rows.
    pub fn panel_grid(&self, rows: usize, maps: usize, threads: usize) -> PanelGrid {
        let panels: Vec<_> = panels(self.kernels, self.shape.channels).collect();
        let parts = match threads {
            1 => 1,
            _ => (UNITS * threads).div_ceil(maps * panels.len()),
        };
        PanelGrid {
            // The rows under the kernel at the edge of two parts are made for each of them.
            parts: parts.min(rows.div_ceil(self.shape.kernel)),
            panels,
        }
    }

    /// Computes these rows of one panel of `output`, and their averages into `averages`, a map of as many rows of one
    /// pixel. Of the input, `height` × `width` pixels, only the rows under the kernel exist, and of those only the channels
    /// of the panel, so that they stay in the nearest cache: `make` writes a row of it.
    ///
    /// # Safety
    /// `make` writes what it is given, and only that. Meanwhile no other thread reads or writes what is written.
    pub unsafe fn panel_rows(
        &self,
        panel: &OutputPanel,
        rows: Range<usize>,
        [height, width]: [usize; 2],
        (output, averages): (Map, Option<Map>),
        mut make: impl FnMut(usize, PixelRow),
    ) {
        let DepthwiseShape {
            channels,
            kernel,
            stride,
            top,
            left,
        } = self.shape;
        let pixels = output.layout.width;
        let right = ((pixels - 1) * stride + kernel).saturating_sub(left + width);
        let pixel = panel.vectors * self.kernels.lanes;
        let ring = Ring::new(kernel, [left, width, right], pixel);
        let of_panel = |row: PixelRow| PixelRow {
            start: row.start.wrapping_add(panel.first),
            ..row
        };
        PANEL_RING.with_borrow_mut(|memory| {
            let start = memory.reserve(ring.len());
            // SAFETY: the ring was reserved.
            let mut ring = unsafe { ring.within(start) };
            for y in rows {
                let first = (y * stride) as isize - top as isize;
                ring.advance(first, height, &mut make);
                let under = |row: usize| ring.at(first + row as isize, 0);
                let tile = self.tile(under, pixel, of_panel(output.row(y)));
                let averages = averages.map(|map| of_panel(map.row(y)).start);
                let tile = DepthwiseTile {
                    pixels,
                    channels: pixel.min(channels - panel.first),
                    weights: tile.weights.wrapping_add(panel.first),
                    bias: tile.bias.wrapping_add(panel.first),
                    averages: averages.unwrap_or(std::ptr::null_mut()),
                    ..tile
                };
                // SAFETY: rows of the ring that were just filled, and the caller vouches for the output.
                unsafe { (self.kernels.depthwise)(&tile) };
            }
        });
    }

    /// Pixels of one row, none so far. `under` gives the rows under the kernel, from the first pixel's first column on,
    /// and `column` is the stride between columns. Weights and bias of the tile are padded to whole lines.
    pub fn tile(
        &self,
        under: impl Fn(usize) -> *mut f32,
        column: usize,
        output: PixelRow,
    ) -> DepthwiseTile {
        let mut rows = [std::ptr::null(); WIDEST];
        for (row, start) in rows[..self.shape.kernel].iter_mut().enumerate() {
            *start = under(row).cast_const();
        }
        DepthwiseTile {
            kernel: self.shape.kernel,
            rows,
            column,
            stride: self.shape.stride,
            pixels: 0,
            channels: self.shape.channels,
            weights: self.weights.as_ptr(),
            weights_row: whole_lines(self.shape.channels),
            bias: self.bias.as_ptr(),
            output: output.start,
            output_pixel: output.pixel,
            clamp: self.clamp,
            curve: self.curve,
            averages: std::ptr::null_mut(),
        }
    }
}

/// Expand (1 × 1), depthwise, project (1 × 1), in one pass. The expanded map would not fit into the near caches,
/// so that only its rows under the kernel are kept, in a ring.
pub struct Bottleneck {
    /// Absent in a block that does not expand. Its input has the border that `depthwise` needs.
    pub expand: Option<PackedConv>,
    pub depthwise: PackedDepthwise,
    pub project: PackedConv,
}

/// At least this many pixels, and at least a tile of `project`, are computed between the two, so that
/// `depthwise` has enough pixels to compute at once.
const MIDDLE: usize = 12;

thread_local! {
    /// One thread's pixels between depthwise and project, and after them its ring.
    static RING: RefCell<Scratch> = RefCell::default();
}

impl Bottleneck {
    /// Computes these rows of `output`, part by part. A part that begins where the one before ended continues
    /// its ring. Any other part expands again the rows under the kernel at its edge.
    ///
    /// # Safety
    /// As [`PackedDepthwise::run`]; the residual is as large as the output.
    pub unsafe fn run(
        &self,
        (input, residual, output): (Map, Option<Map>, Map),
        parts: impl Iterator<Item = Range<usize>>,
    ) {
        let DepthwiseShape {
            channels,
            kernel,
            stride,
            left,
            ..
        } = self.depthwise.shape;
        let pixel = whole_lines(channels) + LINE;
        let width = input.layout.width;
        let right = ((output.layout.width - 1) * stride + kernel).saturating_sub(left + width);
        let ring = Ring::new(kernel, [left, width, right], pixel);
        let middle = output.layout.width.min(self.step()) * pixel;
        RING.with_borrow_mut(|memory| {
            let start = memory.reserve(middle + ring.len());
            let maps = (input, residual, output);
            let after = start.wrapping_add(middle);
            let middle = PixelRow { start, pixel };
            // SAFETY: the ring and the pixels were reserved, and the caller vouches for the maps.
            unsafe {
                match &self.expand {
                    None => self.rows(middle, maps, parts.flatten()),
                    Some(expand) => {
                        let ring = ring.within(after);
                        self.rows_expanded(expand, ring, middle, maps, parts);
                    }
                }
            }
        });
    }

    /// Most pixels between depthwise and project.
    fn step(&self) -> usize {
        self.project.kernels.pixels().max(MIDDLE)
    }

    /// Computes these rows of a block that does not expand.
    ///
    /// # Safety
    /// As [`run`](Bottleneck::run); `middle` has room for [`step`](Bottleneck::step) pixels.
    unsafe fn rows(
        &self,
        middle: PixelRow,
        (input, residual, output): (Map, Option<Map>, Map),
        rows: impl Iterator<Item = usize>,
    ) {
        let DepthwiseShape {
            stride, top, left, ..
        } = self.depthwise.shape;
        for y in rows {
            let under = |row: usize, column: usize| {
                let y = (y * stride + row) as isize - top as isize;
                input.at(y, column as isize - left as isize)
            };
            // SAFETY: rows of the input or its border, and the caller vouches for the rest.
            unsafe { self.finish_row(under, input.layout.pixel, middle, y, residual, output) };
        }
    }

    /// Computes these rows of a block that expands.
    ///
    /// # Safety
    /// As [`rows`](Bottleneck::rows); the ring has room for the rows under the kernel.
    unsafe fn rows_expanded(
        &self,
        expand: &PackedConv,
        mut ring: Ring,
        middle: PixelRow,
        (input, residual, output): (Map, Option<Map>, Map),
        parts: impl Iterator<Item = Range<usize>>,
    ) {
        let DepthwiseShape { stride, top, .. } = self.depthwise.shape;
        let Layout { height, width, .. } = input.layout;
        let mut done = None;
        for rows in parts {
            if done != Some(rows.start) {
                ring.restart();
            }
            done = Some(rows.end);
            for y in rows {
                let first = (y * stride) as isize - top as isize;
                ring.advance(first, height, |row, into| {
                    // SAFETY: a row of the input, and a row of the ring.
                    unsafe { expand.row(input.row(row), into, width) };
                });
                let under = |row: usize, column| ring.at(first + row as isize, column);
                // SAFETY: rows of the ring that were just filled, and the caller vouches for the rest.
                unsafe { self.finish_row(under, ring.pixel, middle, y, residual, output) };
            }
        }
    }

    /// Depthwise and project for one row of the output, some pixels at a time. `under` gives the rows under the
    /// kernel from a column on, and `column` is the stride between columns.
    ///
    /// # Safety
    /// As [`rows`](Bottleneck::rows), for the rows that `under` gives.
    unsafe fn finish_row(
        &self,
        under: impl Fn(usize, usize) -> *mut f32,
        column: usize,
        middle: PixelRow,
        y: usize,
        residual: Option<Map>,
        output: Map,
    ) {
        let width = output.layout.width;
        let pairs = self.project.pairs();
        let kernel = pairs.map_or(self.depthwise.kernels.depthwise, |pairs| pairs.depthwise);
        let parts = width.div_ceil(self.step());
        let start = |part: usize| part * width / parts;
        for part in 0..parts {
            let (x, pixels) = (start(part), start(part + 1) - start(part));
            let from = |map: Map| map.row_from(y, x);
            let under = |row| under(row, x * self.depthwise.shape.stride);
            let tile = self.depthwise.tile(under, column, middle);
            // SAFETY: pixels of the output, and the caller vouches for the rest.
            unsafe {
                kernel(&DepthwiseTile { pixels, ..tile });
                self.project
                    .row_handed_over(middle, residual.map(from), from(output), pixels);
            }
        }
    }
}
