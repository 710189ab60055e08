//! Depthwise convolutions, each channel with its own kernel: of a whole map, or of a panel of channels whose rows are made
//! one by one.

use std::cell::RefCell;
use std::ops::Range;

use crate::curve::Curve;
use crate::depthwise_kernel::{DepthwiseTile, WIDEST};
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, Map, PixelRow, Scratch, whole_lines};
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
    pub kernels: &'static Kernels,
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
