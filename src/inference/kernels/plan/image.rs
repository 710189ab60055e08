//! One image through a plan.

use std::ops::Range;

use super::{Pass, Plan, Step, Workspace};
use crate::inference::kernels::conv::Conv;
use crate::inference::kernels::depthwise::Bottleneck;
use crate::inference::kernels::isa::Kernels;
use crate::inference::kernels::memory::Map;
use crate::inference::kernels::pooling;
use crate::inference::kernels::threads::Workers;
use crate::inference::kernels::winograd::Winograd;

/// Parts of a pass for each thread: more than one, so that a thread that was held up does less.
const PARTS: usize = 4;

/// Rows of a bottleneck for each part at least: those under the kernel at its edges are computed twice.
const BOTTLENECK_ROWS: usize = 7;

impl Plan {
    /// `image [C, H, W]` → `output [F, h, w]`.
    pub(super) fn run(
        &self,
        image: &[f32],
        output: &mut [f32],
        workspace: &mut Workspace,
        workers: Workers,
    ) {
        channels_last(image, self.first.map(workspace));
        for step in &self.steps {
            step.run(self.kernels, workspace, workers);
        }
        channels_first(self.last.map(workspace), output);
    }
}

impl Step {
    fn run(&self, kernels: &'static Kernels, workspace: &mut Workspace, workers: Workers) {
        let input = self.input.map(workspace);
        let output = self.output.map(workspace);
        let residual = self.residual.map(|place| place.map(workspace));
        let maps = (input, residual, output);
        let rows = output.form.height;
        // SAFETY: `compile` placed the maps in the workspace, which is this image's alone, with the
        // borders that the passes need, and so that no pass writes what it reads. The parts of a pass
        // are of different pixels or channels of the output.
        match &self.pass {
            Pass::Conv(conv) => run_conv(conv, maps, workers),
            Pass::Winograd(winograd) => run_winograd(winograd, input, output, workers),
            Pass::Depthwise(depthwise) => in_parts(rows, PARTS, workers, |rows| unsafe {
                depthwise.run(input, output, rows);
            }),
            Pass::Bottleneck(bottleneck) if workers.count() > 1 && !self.between.is_empty() => {
                let between = self.between.iter().map(|place| place.map(workspace));
                run_layers(bottleneck, maps, &between.collect::<Vec<_>>(), workers);
            }
            Pass::Bottleneck(bottleneck) => {
                let parts = (rows / BOTTLENECK_ROWS / workers.count()).clamp(1, PARTS);
                in_parts(rows, parts, workers, |rows| unsafe {
                    bottleneck.run(maps, rows);
                });
            }
            Pass::Largest(size) => in_parts(rows, PARTS, workers, |rows| unsafe {
                pooling::largest(kernels, *size, input, output, rows);
            }),
            Pass::NormReluAverage(size, norm) => in_parts(rows, PARTS, workers, |rows| unsafe {
                pooling::norm_relu_average(kernels, *size, norm, (input, output), rows);
            }),
        }
    }
}

/// By tiles, and where those are few by panels of channels, too.
fn run_conv(conv: &Conv, maps: (Map, Option<Map>, Map), workers: Workers) {
    let (input, residual, output) = maps;
    let tiling = conv.tiling(input.form, output.form, residual.map(|map| map.form));
    let wanted = match workers.count() {
        1 => 1,
        threads => threads * PARTS,
    };
    let by_tiles = wanted.min(tiling.count);
    let by_panels = (wanted / PARTS / by_tiles).clamp(1, conv.panels());
    workers.each(by_tiles * by_panels, &|part| {
        let tiles = share(tiling.count, by_tiles, part / by_panels);
        let panels = share(conv.panels(), by_panels, part % by_panels);
        // SAFETY: as in `Step::run`.
        unsafe { conv.run(maps, &tiling, tiles, panels) };
    });
}

/// The layers of a bottleneck one after another: parts of it as one pass would repeat much, if the map
/// is small. `between` are the maps between them.
fn run_layers(
    bottleneck: &Bottleneck,
    (input, residual, output): (Map, Option<Map>, Map),
    between: &[Map],
    workers: Workers,
) {
    let (expanded, middle) = match (&bottleneck.expand, between) {
        (Some(expand), &[expanded, middle]) => {
            run_conv(expand, (input, None, expanded), workers);
            (expanded, middle)
        }
        (None, &[middle]) => (input, middle),
        _ => unreachable!("`compile` says which maps are between the layers"),
    };
    in_parts(middle.form.height, PARTS, workers, |rows| {
        // SAFETY: as in `Step::run`.
        unsafe { bottleneck.depthwise.run(expanded, middle, rows) };
    });
    run_conv(&bottleneck.project, (middle, residual, output), workers);
}

/// By squares, as many at once as are best, and no thread without any.
fn run_winograd(winograd: &Winograd, input: Map, output: Map, workers: Workers) {
    let squares = Winograd::squares(output.form);
    let parts = match workers.count() {
        1 => 1,
        threads => squares
            .div_ceil(winograd.at_once())
            .next_multiple_of(threads),
    };
    let parts = parts.min(squares);
    workers.each(parts, &|part| {
        // SAFETY: as in `Step::run`.
        unsafe { winograd.run(input, output, share(squares, parts, part)) };
    });
}

/// Calls `run` with parts of `0..count`, so many for each thread.
fn in_parts(count: usize, parts: usize, workers: Workers, run: impl Fn(Range<usize>) + Sync) {
    let parts = match workers.count() {
        1 => 1,
        threads => (threads * parts).min(count),
    };
    workers.each(parts, &|part| run(share(count, parts, part)));
}

/// Part `part` of so many nearly equal parts of `0..count`.
fn share(count: usize, parts: usize, part: usize) -> Range<usize> {
    count * part / parts..count * (part + 1) / parts
}

/// `[C, H, W]` into a map.
fn channels_last(image: &[f32], map: Map) {
    let form = map.form;
    let plane = form.height * form.width;
    for y in 0..form.height {
        let start = map.at(y as isize, 0);
        let row = &image[y * form.width..];
        for x in 0..form.width {
            let pixel = start.wrapping_add(x * form.pixel);
            for channel in 0..form.channels {
                // SAFETY: a pixel of the map, which nobody else uses now.
                unsafe { pixel.add(channel).write(row[channel * plane + x]) };
            }
        }
    }
}

/// A map as `[C, H, W]`.
fn channels_first(map: Map, output: &mut [f32]) {
    let form = map.form;
    for (channel, plane) in output
        .chunks_exact_mut(form.height * form.width)
        .enumerate()
    {
        for (y, row) in plane.chunks_exact_mut(form.width).enumerate() {
            let start = map.at(y as isize, 0).wrapping_add(channel);
            for (x, value) in row.iter_mut().enumerate() {
                // SAFETY: a pixel of the map, which nobody writes now.
                *value = unsafe { start.wrapping_add(x * form.pixel).read() };
            }
        }
    }
}
