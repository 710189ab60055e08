//! One image through a plan.

use std::ops::Range;

use super::{NetworkPlan, Pass, PlanStep, WantedMap, Workspace};
use crate::inference::kernels::conv::PackedConv;
use crate::inference::kernels::depthwise::Bottleneck;
use crate::inference::kernels::isa::Kernels;
use crate::inference::kernels::memory::{LINE, Layout, Map};
use crate::inference::kernels::pooling;
use crate::inference::kernels::threads::Workers;
use crate::inference::kernels::tiling::Tiling;
use crate::inference::kernels::winograd::Winograd;

/// Parts of a pass for each thread: more than one, so that a thread that was held up does less.
const PARTS: usize = 4;

impl NetworkPlan {
    /// `image [C, H, W]` → `output [F, h, w]`, or `[F]` of averages.
    pub(super) fn run(
        &self,
        image: &[f32],
        wanted: WantedMap,
        output: &mut [f32],
        workspace: &mut Workspace,
        workers: Workers,
    ) {
        let first = self.first.map(workspace);
        in_parts(first.form.height, PARTS, workers, |rows| {
            channels_last(image, first, rows);
        });
        for step in &self.steps {
            step.run(self.kernels, workspace, workers);
        }
        let last = self.last.map(workspace);
        match wanted {
            WantedMap::Maps => channels_first(last, output, workers),
            WantedMap::Averages => averages(last, output, workers),
        }
    }
}

impl PlanStep {
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
                let parts = (PARTS * workers.count()).min(rows);
                workers.share(parts, &|claims| unsafe {
                    bottleneck.run(maps, claims.map(|part| share(rows, parts, part)));
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

/// By tiles, and where those are few, or weights many, by panels of channels, too.
fn run_conv(conv: &PackedConv, maps: (Map, Option<Map>, Map), workers: Workers) {
    let (input, residual, output) = maps;
    let residual_form = residual.map(|map| map.form);
    let tiling = conv.tiling(input.form, output.form, residual_form, workers.count());
    let parts = TileGrid::of(conv, (input.form, output.form), &tiling, workers.count());
    workers.each(parts.tiles * parts.panels, &|part| {
        // The parts of a panel one after another: those of a thread are of few panels.
        let tiles = share(tiling.count, parts.tiles, part % parts.tiles);
        let panels = share(conv.panels(), parts.panels, part / parts.tiles);
        // SAFETY: as in `Step::run`.
        unsafe { conv.run(maps, &tiling, tiles, panels) };
    });
}

/// What the tiles and the panels of a convolution are cut into.
struct TileGrid {
    tiles: usize,
    panels: usize,
}

impl TileGrid {
    fn of(
        conv: &PackedConv,
        (input, output): (Layout, Layout),
        tiling: &Tiling,
        threads: usize,
    ) -> Self {
        let (tiles, panels) = match threads {
            1 => (1, 1),
            // Each thread reads its part of the weights only.
            _ if conv.is_heavy(input, output) => (PARTS, threads),
            _ => (threads * PARTS, 1),
        };
        let tiles = tiles.min(tiling.count);
        let panels = panels.max(threads / tiles).min(conv.panels());
        TileGrid { tiles, panels }
    }
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

/// These rows of `[C, H, W]` into a map.
fn channels_last(image: &[f32], map: Map, rows: Range<usize>) {
    let Layout {
        height,
        width,
        channels,
        pixel,
        ..
    } = map.form;
    for y in rows {
        for channel in 0..channels {
            let start = map.at(y as isize, 0).wrapping_add(channel);
            let row = &image[(channel * height + y) * width..][..width];
            for (x, value) in row.iter().enumerate() {
                // SAFETY: a pixel of the map, which nobody else uses now.
                unsafe { start.wrapping_add(x * pixel).write(*value) };
            }
        }
    }
}

/// A map as `[C, H, W]`, a line of channels at once.
fn channels_first(map: Map, output: &mut [f32], workers: Workers) {
    let Layout { height, width, .. } = map.form;
    workers.each_piece(output, LINE * height * width, &|line, planes| {
        for (channel, plane) in planes.chunks_exact_mut(height * width).enumerate() {
            for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                let start = map.at(y as isize, 0);
                let start = start.wrapping_add(line * LINE + channel);
                for (x, value) in row.iter_mut().enumerate() {
                    // SAFETY: a pixel of the map, which nobody writes now.
                    *value = unsafe { start.wrapping_add(x * map.form.pixel).read() };
                }
            }
        }
    });
}

/// The average of each channel, a line of channels at once.
fn averages(map: Map, output: &mut [f32], workers: Workers) {
    let Layout { height, width, .. } = map.form;
    let share = 1.0 / (height * width) as f32;
    workers.each_piece(output, LINE, &|line, averages| {
        let mut sums = [0.0; LINE];
        let sums = &mut sums[..averages.len()];
        for y in 0..height {
            for x in 0..width {
                let start = map.at(y as isize, x as isize).wrapping_add(line * LINE);
                for (channel, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: a pixel of the map, which nobody writes now.
                    *sum += unsafe { start.wrapping_add(channel).read() };
                }
            }
        }
        for (average, sum) in averages.iter_mut().zip(sums) {
            *average = *sum * share;
        }
    });
}
