//! Two linear layers over tokens, and what lies around them.

use std::ops::Range;

use super::linear::{AfterSum, Engine, NOTHING, PackedLinear};
use super::rows::{PackedNorm, TokenGrid, TokenRun, copy};
use super::spec::{MlpSpec, ResponseSpec, TokenActivation, TokenConvSpec};
use crate::curve::Curve;
use crate::depthwise::{DepthwiseShape, PackedDepthwise};
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, LINE, Map, PixelRow};
use crate::row_kernels::RowBlock;
use crate::threads::{PARTS, Workers, share};
use crate::tiling::OutputPanel;

/// An MLP ready to run.
pub struct PackedMlp {
    kernels: &'static Kernels,
    grid: TokenGrid,
    depthwise: Option<TokenConv>,
    norm: PackedNorm,
    up: PackedLinear,
    /// Numbers of a token that the first layer makes.
    made: usize,
    /// Whether they are two halves, one the gate of the other.
    gates: bool,
    response: Option<PackedResponse>,
    down: PackedLinear,
}

impl PackedMlp {
    /// Packs an MLP whose sizes were checked.
    pub fn new(engine: Engine, grid: TokenGrid, mlp: &MlpSpec) -> Self {
        let convolution = mlp.depthwise.as_ref();
        let response = mlp.response.as_ref();
        PackedMlp {
            kernels: engine.0,
            grid,
            depthwise: convolution.map(|conv| TokenConv::new(engine.0, grid, conv)),
            norm: PackedNorm::new(&mlp.norm),
            up: PackedLinear::new(engine, &mlp.up, after(mlp.activation)),
            made: mlp.up.output,
            gates: mlp.activation == TokenActivation::SwiGlu,
            response: response.map(|response| PackedResponse::new(engine.0, response)),
            down: PackedLinear::new(engine, &mlp.down, NOTHING),
        }
    }

    /// Adds the MLP of the tokens to them.
    ///
    /// # Safety
    /// The workspace was made for these images by the plan of this step, and nothing else uses it.
    pub unsafe fn run(&self, run: &TokenRun) {
        let tokens = run.tokens(self.grid);
        let normed = run.normed(self.grid, self.grid.channels);
        let made = run.wide(tokens.layout.width, self.made);
        let inside = if self.gates {
            made.channels(0, self.made / 2)
        } else {
            made
        };
        // SAFETY: the caller vouches for the workspace, and the three buffers are different ones. Each pass ends
        // before the next begins.
        unsafe {
            let input = match &self.depthwise {
                Some(convolution) => {
                    convolution.run(run, tokens);
                    normed
                }
                None => tokens,
            };
            self.norm.run(self.kernels, (input, normed), run.workers);
            self.up.run((normed, None, made), run.workers);
            if self.gates {
                gate(self.kernels, inside, run.workers);
            }
            if let Some(response) = &self.response {
                response.run(inside, self.grid.tokens(), run.workers);
            }
            self.down.run((inside, Some(tokens), tokens), run.workers);
        }
    }
}

/// The function after the first layer. A gate needs both halves, and comes later.
fn after(activation: TokenActivation) -> AfterSum {
    let [least, most] = NOTHING.0;
    match activation {
        TokenActivation::Gelu => ([least, most], Curve::Gelu),
        TokenActivation::GeluTanh => ([least, most], Curve::GeluTanh),
        TokenActivation::QuickGelu => ([least, most], Curve::QuickGelu),
        TokenActivation::Silu => ([least, most], Curve::Silu),
        TokenActivation::Relu => ([0.0, most], Curve::None),
        TokenActivation::SwiGlu => NOTHING,
    }
}

/// Replaces the first half of each row by `silu(first) · second`. `inside` is the first half.
///
/// # Safety
/// The rows have a second half, and nothing else uses them.
unsafe fn gate(kernels: &Kernels, inside: Map, workers: Workers) {
    workers.each_part(inside.layout.width, PARTS, |rows| {
        let row = inside.row_from(0, rows.start);
        let block = RowBlock {
            input: row.start.cast_const(),
            input_row: row.pixel,
            output: row.start,
            output_row: row.pixel,
            rows: rows.len(),
            channels: inside.layout.channels,
        };
        // SAFETY: the caller vouches for the rows, and the parts are different ones.
        unsafe { (kernels.rows.gate)(&block) };
    });
}

/// A depthwise convolution over the tokens of each image.
struct TokenConv {
    kernels: &'static Kernels,
    grid: TokenGrid,
    depthwise: PackedDepthwise,
}

impl TokenConv {
    fn new(kernels: &'static Kernels, grid: TokenGrid, conv: &TokenConvSpec) -> Self {
        let shape = DepthwiseShape {
            channels: grid.channels,
            kernel: conv.kernel,
            stride: 1,
            top: conv.kernel / 2,
            left: conv.kernel / 2,
        };
        TokenConv {
            kernels,
            grid,
            depthwise: PackedDepthwise::new(kernels, shape, conv.weight, conv.bias, NOTHING.0),
        }
    }

    /// Convolves all tokens, into the buffer of normalised ones.
    ///
    /// # Safety
    /// As [`PackedMlp::run`].
    unsafe fn run(&self, run: &TokenRun, tokens: Map) {
        let (height, threads) = (self.grid.height, run.workers.count());
        let units = self.depthwise.panel_grid(height, run.images, threads);
        let panels = &units.panels;
        // Rows that two parts need are only copied twice. So each thread has rows of its own, as in the next pass.
        let parts = match run.images {
            1 => units.parts.next_multiple_of(threads).min(height),
            _ => units.parts,
        };
        run.workers
            .each(run.images * parts * panels.len(), &|unit| {
                let (part, panel) = (unit / panels.len(), &panels[unit % panels.len()]);
                let (image, rows) = (part / parts, share(height, parts, part % parts));
                // SAFETY: the caller vouches for the workspace, and the units have different tokens or channels.
                unsafe { self.rows(run, tokens, image, panel, rows) };
            });
    }

    /// Convolves some rows of one image, one panel of channels.
    ///
    /// # Safety
    /// As [`run`](TokenConv::run).
    unsafe fn rows(
        &self,
        run: &TokenRun,
        tokens: Map,
        image: usize,
        panel: &OutputPanel,
        rows: Range<usize>,
    ) {
        let TokenGrid {
            height,
            width,
            channels,
            ..
        } = self.grid;
        let first = image * self.grid.tokens();
        let made = Map::from_pixel(&run.workspace.normed, self.grid.map(), first);
        let count = (panel.vectors * self.kernels.lanes).min(channels - panel.first);
        let tokens = tokens.channels(panel.first, count);
        let copy_row = |y: usize, into: PixelRow| {
            let from = tokens.row_from(0, first + y * width);
            for x in 0..width {
                let from = from.start.wrapping_add(x * from.pixel);
                let into = into.start.wrapping_add(x * into.pixel);
                // SAFETY: the channels of a token, and a pixel that has room for them.
                unsafe { copy(from.cast_const(), into, count) };
            }
        };
        let size = [height, width];
        // SAFETY: the caller vouches for the workspace.
        unsafe {
            self.depthwise
                .panel_rows(panel, rows, size, (made, None), copy_row)
        };
    }
}

/// Added to the mean of the norms, so that it is never 0.
const RESPONSE_EPSILON: f64 = 1e-6;

/// Columns of a part of the norms.
const COLUMNS: usize = 16 * LINE;

/// Rows whose squares are summed before they are added to the others, so that no sum becomes much larger than what is
/// added to it.
const ROWS: usize = 64;

/// A global response normalisation ready to run.
struct PackedResponse {
    kernels: &'static Kernels,
    weight: Vec<f32>,
    bias: AlignedBuf,
}

impl PackedResponse {
    fn new(kernels: &'static Kernels, response: &ResponseSpec) -> Self {
        PackedResponse {
            kernels,
            weight: response.weight.to_vec(),
            bias: AlignedBuf::of(response.bias),
        }
    }

    /// Normalises the rows, `tokens` for each image, in place.
    ///
    /// # Safety
    /// Nothing else uses them.
    unsafe fn run(&self, rows: Map, tokens: usize, workers: Workers) {
        for image in 0..rows.layout.width / tokens {
            let first = image * tokens;
            let mut squares = AlignedBuf::zeros(self.weight.len());
            // SAFETY: the caller vouches for the rows.
            unsafe { self.add_squares(rows, first..first + tokens, &squares, workers) };
            self.to_scale(squares.as_mut_slice());
            workers.each_part(tokens, PARTS, |part| {
                let row = rows.row_from(0, first + part.start);
                let block = RowBlock {
                    input: row.start.cast_const(),
                    input_row: row.pixel,
                    output: row.start,
                    output_row: row.pixel,
                    rows: part.len(),
                    channels: self.weight.len(),
                };
                let (scale, shift) = (squares.as_ptr(), self.bias.as_ptr());
                // SAFETY: the caller vouches for the rows, and the parts are different ones. Both arrays are padded to
                // whole lines.
                unsafe { (self.kernels.rows.scale_shift)(&block, scale, shift) };
            });
        }
    }

    /// Adds the squares of each column.
    ///
    /// # Safety
    /// As [`run`](PackedResponse::run).
    unsafe fn add_squares(
        &self,
        rows: Map,
        which: Range<usize>,
        squares: &AlignedBuf,
        workers: Workers,
    ) {
        let channels = self.weight.len();
        workers.each(channels.div_ceil(COLUMNS), &|part| {
            let column = part * COLUMNS;
            for first in which.clone().step_by(ROWS) {
                let row = rows.row_from(0, first);
                let block = RowBlock {
                    input: row.start.wrapping_add(column).cast_const(),
                    input_row: row.pixel,
                    output: squares.address().wrapping_add(column),
                    output_row: 0,
                    rows: ROWS.min(which.end - first),
                    channels: COLUMNS.min(channels - column),
                };
                // SAFETY: the caller vouches for the rows, and the parts are different columns.
                unsafe { (self.kernels.rows.add_squares)(&block) };
            }
        });
    }

    /// From the sums of squares to the factors of the channels: `weight · g / (mean(g) + ε) + 1`.
    fn to_scale(&self, squares: &mut [f32]) {
        let channels = self.weight.len();
        let norms: Vec<f64> = squares[..channels]
            .iter()
            .map(|sum| f64::from(*sum).sqrt())
            .collect();
        let mean = norms.iter().sum::<f64>() / channels as f64 + RESPONSE_EPSILON;
        for ((scale, norm), weight) in squares.iter_mut().zip(&norms).zip(&self.weight) {
            *scale = (f64::from(*weight) * norm / mean + 1.0) as f32;
        }
    }
}
