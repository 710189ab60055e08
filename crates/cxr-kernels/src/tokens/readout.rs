//! From the last tokens to features or maps.

use super::rows::{PackedNorm, TokenGrid, TokenRun};
use super::spec::{ReadoutKind, ReadoutSpec};
use crate::isa::Kernels;
use crate::memory::Map;

/// The last step ready to run.
pub struct PackedReadout {
    kernels: &'static Kernels,
    grid: TokenGrid,
    kind: ReadoutKind,
    norm: PackedNorm,
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f64,
}

impl PackedReadout {
    /// Packs a readout whose sizes were checked.
    pub fn new(kernels: &'static Kernels, grid: TokenGrid, readout: &ReadoutSpec) -> Self {
        PackedReadout {
            kernels,
            grid,
            kind: readout.kind,
            norm: PackedNorm::new(&readout.norm),
            weight: readout.norm.weight.to_vec(),
            bias: readout.norm.bias.to_vec(),
            epsilon: f64::from(readout.norm.epsilon),
        }
    }

    pub fn kind(&self) -> ReadoutKind {
        self.kind
    }

    pub fn grid(&self) -> TokenGrid {
        self.grid
    }

    /// Numbers that are read of an image.
    pub fn length(&self) -> usize {
        let channels = self.grid.channels;
        match self.kind {
            ReadoutKind::ClassToken => channels,
            ReadoutKind::ClassAndMean => 2 * channels,
            ReadoutKind::Maps | ReadoutKind::NormalisedAverage => channels * self.grid.cells(),
        }
    }

    /// Writes what is read of each image into `output`, [`length`](PackedReadout::length) numbers for each.
    ///
    /// # Safety
    /// The workspace was made for these images by the plan of this step, and nothing else uses it.
    pub unsafe fn run(&self, run: &TokenRun, output: &mut [f32]) {
        let tokens = run.tokens(self.grid);
        let normed = run.normed(self.grid, self.grid.channels);
        let maps = (tokens, normed);
        let outputs = output.chunks_exact_mut(self.length()).enumerate();
        match self.kind {
            ReadoutKind::NormalisedAverage => outputs.for_each(|(image, output)| {
                // SAFETY: the caller vouches for the workspace, and no thread writes the tokens any more.
                unsafe { self.normalised_average(tokens, image, output) };
            }),
            ReadoutKind::ClassToken => outputs.for_each(|(image, output)| {
                let first = image * self.grid.tokens();
                // SAFETY: as above.
                unsafe {
                    self.norm.rows(self.kernels, maps, first..first + 1);
                    read_row(normed, first, output);
                }
            }),
            ReadoutKind::ClassAndMean | ReadoutKind::Maps => {
                // SAFETY: as above.
                unsafe { self.norm.run(self.kernels, maps, run.workers) };
                outputs.for_each(|(image, output)| {
                    // SAFETY: as above.
                    unsafe { self.read(normed, image, output) };
                });
            }
        }
    }

    /// The first row of the image's own tokens.
    fn first_cell(&self, image: usize) -> usize {
        image * self.grid.tokens() + self.grid.prefix
    }

    /// Class token and average, or maps.
    ///
    /// # Safety
    /// No thread writes the tokens.
    unsafe fn read(&self, normed: Map, image: usize, output: &mut [f32]) {
        let channels = self.grid.channels;
        // SAFETY: the caller vouches for the tokens.
        unsafe {
            if self.kind == ReadoutKind::Maps {
                return self.planes(normed, image, output, |_, _, value| value);
            }
            let (class, average) = output.split_at_mut(channels);
            read_row(normed, image * self.grid.tokens(), class);
            for (to, value) in average.iter_mut().zip(self.averages(normed, image)) {
                *to = value as f32;
            }
        }
    }

    /// The averages of the image's own tokens.
    ///
    /// # Safety
    /// No thread writes the tokens.
    unsafe fn averages(&self, tokens: Map, image: usize) -> Vec<f64> {
        let mut sums = vec![0.0; self.grid.channels];
        for cell in 0..self.grid.cells() {
            let row = tokens.row_from(0, self.first_cell(image) + cell).start;
            for (channel, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a number of a token, which no thread writes.
                *sum += f64::from(unsafe { row.wrapping_add(channel).read() });
            }
        }
        let share = 1.0 / self.grid.cells() as f64;
        sums.iter().map(|sum| sum * share).collect()
    }

    /// Maps whose averages are the normalised averages of the tokens.
    ///
    /// # Safety
    /// No thread writes the tokens.
    unsafe fn normalised_average(&self, tokens: Map, image: usize, output: &mut [f32]) {
        let channels = self.grid.channels as f64;
        // SAFETY: the caller vouches for the tokens.
        let averages = unsafe { self.averages(tokens, image) };
        let mean = averages.iter().sum::<f64>() / channels;
        let squares = averages.iter().map(|average| (average - mean).powi(2));
        let scale = 1.0 / (squares.sum::<f64>() / channels + self.epsilon).sqrt();
        // SAFETY: as above.
        let means: Vec<f64> = (0..self.grid.cells())
            .map(|cell| unsafe { self.mean_of(tokens, image, cell) })
            .collect();
        let normalised = |channel: usize, cell: usize, value: f32| {
            let normal = (f64::from(value) - means[cell]) * scale;
            (normal * f64::from(self.weight[channel]) + f64::from(self.bias[channel])) as f32
        };
        // SAFETY: as above.
        unsafe { self.planes(tokens, image, output, normalised) };
    }

    /// The mean of the channels of a token.
    ///
    /// # Safety
    /// No thread writes the tokens.
    unsafe fn mean_of(&self, tokens: Map, image: usize, cell: usize) -> f64 {
        let row = tokens.row_from(0, self.first_cell(image) + cell).start;
        // SAFETY: a number of a token, which no thread writes.
        let value = |channel| f64::from(unsafe { row.wrapping_add(channel).read() });
        (0..self.grid.channels).map(value).sum::<f64>() / self.grid.channels as f64
    }

    /// Writes a function of channel, cell and value as `[C, h, w]`.
    ///
    /// # Safety
    /// No thread writes the tokens.
    unsafe fn planes(
        &self,
        tokens: Map,
        image: usize,
        output: &mut [f32],
        made: impl Fn(usize, usize, f32) -> f32,
    ) {
        let cells = self.grid.cells();
        for (channel, plane) in output.chunks_exact_mut(cells).enumerate() {
            for (cell, to) in plane.iter_mut().enumerate() {
                let row = tokens.row_from(0, self.first_cell(image) + cell).start;
                // SAFETY: a number of a token, which no thread writes.
                let value = unsafe { row.wrapping_add(channel).read() };
                *to = made(channel, cell, value);
            }
        }
    }
}

/// Reads a row of tokens.
///
/// # Safety
/// No thread writes it.
unsafe fn read_row(tokens: Map, row: usize, output: &mut [f32]) {
    let row = tokens.row_from(0, row).start;
    for (channel, to) in output.iter_mut().enumerate() {
        // SAFETY: a number of a token, which no thread writes.
        *to = unsafe { row.wrapping_add(channel).read() };
    }
}
