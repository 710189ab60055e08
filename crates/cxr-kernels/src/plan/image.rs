//! One image through a plan.

use std::ops::Range;

use super::pass::Pass;
use super::{NetworkPlan, PlanStep, WantedMap};
use crate::bottleneck::Bottleneck;
use crate::conv::PackedConv;
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, LINE, Layout, Map};
use crate::pooling;
use crate::threads::{PARTS, Workers, share};
use crate::tiling::Tiling;
use crate::winograd::{SQUARES_AT_ONCE, Winograd};

impl NetworkPlan {
    /// `image [C, H, W]` → `output [F, h, w]`, or `[F]` for averages. The workspace has this plan's buffers.
    pub(super) fn run(
        &self,
        image: &[f32],
        wanted: WantedMap,
        output: &mut [f32],
        workspace: &mut [AlignedBuf],
        workers: Workers,
    ) {
        // Exclusive until here: no other image uses it. The maps of this image share it.
        let workspace: &[AlignedBuf] = workspace;
        let first = self.first.map(workspace);
        workers.each_part(first.layout.height, PARTS, |rows| {
            // SAFETY: the workspace is this image's alone, and the parts are different rows.
            unsafe { channels_last(image, first, rows) };
        });
        for step in &self.steps {
            // SAFETY: the workspace is this image's alone, and the step is one of its plan.
            unsafe { step.run(self.kernels, workspace, workers) };
        }
        let last = self.last.map(workspace);
        // SAFETY: the last step is done, so that no thread writes the map any more.
        unsafe {
            match wanted {
                WantedMap::Maps => channels_first(last, output, workers),
                WantedMap::Averages => averages(last, output, workers),
            }
        }
    }
}

impl PlanStep {
    /// Runs the pass, and returns when all threads are done with it.
    ///
    /// # Safety
    /// The workspace has the buffers of the step's plan, and nothing else reads or writes them meanwhile.
    unsafe fn run(&self, kernels: &'static Kernels, workspace: &[AlignedBuf], workers: Workers) {
        let input = self.input.map(workspace);
        let output = self.output.map(workspace);
        let other = self.other.map(|slot| slot.map(workspace));
        let scratch = self.scratch.map(|slot| slot.map(workspace));
        let maps = (input, other, output);
        let rows = output.layout.height;
        // What makes all of them sound: `compile` gave each map the size and the border that the pass needs, and
        // no pass reads the channels that it writes, except that `Scale` may write each number where it read it.
        // The parts of a pass write different pixels or channels.
        match &self.pass {
            // SAFETY: as above.
            Pass::Conv(conv) => unsafe { run_conv(conv, maps, workers) },
            Pass::ScaledConv(conv) => {
                let by = self.by.expect("what its weights are scaled by");
                let scaled = scratch.expect("room for its weights");
                // SAFETY: as above.
                unsafe {
                    conv.scale_weights(by.map(workspace), scaled);
                    run_conv_with(conv, Some(scaled), maps, workers);
                }
            }
            // SAFETY: as above.
            Pass::Winograd(winograd) => unsafe { run_winograd(winograd, maps, workers) },
            Pass::Depthwise(depthwise) => workers.each_part(rows, PARTS, |rows| {
                // SAFETY: as above.
                unsafe { depthwise.run(input, output, rows) };
            }),
            Pass::Bottleneck(bottleneck) if workers.count() > 1 && !self.between.is_empty() => {
                let between: Vec<_> = self
                    .between
                    .iter()
                    .map(|slot| slot.map(workspace))
                    .collect();
                // SAFETY: as above.
                unsafe { run_layers(bottleneck, maps, &between, workers) };
            }
            Pass::Bottleneck(bottleneck) => {
                let parts = (PARTS * workers.count()).min(rows);
                workers.share(parts, &|claims| {
                    let parts = claims.map(|part| share(rows, parts, part));
                    // SAFETY: as above.
                    unsafe { bottleneck.run(maps, parts) };
                });
            }
            Pass::ConvDepthwise(both) => {
                let averages = scratch.filter(|_| self.average.is_some());
                // SAFETY: as above.
                unsafe { both.run(input, output, averages, workers) };
            }
            Pass::MaxPool(size) => workers.each_part(rows, PARTS, |rows| {
                // SAFETY: as above.
                unsafe { pooling::max_pool(kernels, *size, input, output, rows) };
            }),
            Pass::NormReluAverage(size, norm) => workers.each_part(rows, PARTS, |rows| {
                // SAFETY: as above.
                unsafe { pooling::norm_relu_average(kernels, *size, norm, (input, output), rows) };
            }),
            Pass::Average(size) => workers.each_part(rows, PARTS, |rows| {
                // SAFETY: as above.
                unsafe { pooling::average(kernels, *size, input, output, rows) };
            }),
            Pass::GlobalAverage => {
                workers.each_part(channel_lines(output), 1, |lines| {
                    // SAFETY: as above.
                    unsafe { pooling::global_average(kernels, input, output, lines) };
                });
            }
            Pass::Scale => {
                let by = other.expect("a pass that scales has a second map");
                workers.each_part(rows, PARTS, |rows| {
                    // SAFETY: as above.
                    unsafe { pooling::scale(kernels, input, by, output, rows) };
                });
            }
            Pass::Add(clamp, curve) => {
                let second = other.expect("a pass that adds has a second map");
                workers.each_part(rows, PARTS, |rows| {
                    // SAFETY: as above.
                    unsafe {
                        pooling::add(kernels, (*clamp, *curve), (input, second, output), rows);
                    }
                });
            }
        }
        if let Some((average, rows)) = self.average.zip(scratch) {
            let whole = average.map(workspace);
            // SAFETY: as above; the pass is done, and left the averages of all rows.
            unsafe { pooling::global_average(kernels, rows, whole, 0..channel_lines(whole)) };
        }
    }
}

/// Lines that the channels of a pixel take.
fn channel_lines(map: Map) -> usize {
    map.layout.channels.div_ceil(LINE)
}

/// Shares a convolution by tiles. If those are few, or the weights are many, by panels of channels, too.
///
/// # Safety
/// As [`PackedConv::run`].
unsafe fn run_conv(conv: &PackedConv, maps: (Map, Option<Map>, Map), workers: Workers) {
    // SAFETY: the caller vouches for the maps.
    unsafe { run_conv_with(conv, None, maps, workers) };
}

/// As [`run_conv`], with the weights of another map, if there is one.
///
/// # Safety
/// As [`PackedConv::run_with`].
unsafe fn run_conv_with(
    conv: &PackedConv,
    weights: Option<Map>,
    maps: (Map, Option<Map>, Map),
    workers: Workers,
) {
    let (input, residual, output) = maps;
    let residual = residual.map(|map| map.layout);
    let tiling = conv.tiling(input.layout, output.layout, residual, workers.count());
    let layouts = (input.layout, output.layout);
    let grid = TileGrid::new(conv, layouts, &tiling, workers.count());
    workers.each(grid.tiles * grid.panels, &|part| {
        // The parts of a panel follow each other, so that each thread has few panels.
        let tiles = share(tiling.count, grid.tiles, part % grid.tiles);
        let panels = share(conv.panels(), grid.panels, part / grid.tiles);
        // SAFETY: the caller vouches for the maps, and no two parts have the same tile and panel.
        unsafe { conv.run_with(weights, maps, &tiling, tiles, panels) };
    });
}

/// The parts that the tiles and the panels of a convolution are cut into.
struct TileGrid {
    tiles: usize,
    panels: usize,
}

impl TileGrid {
    fn new(
        conv: &PackedConv,
        (input, output): (Layout, Layout),
        tiling: &Tiling,
        threads: usize,
    ) -> Self {
        let (tiles, panels) = match threads {
            1 => (1, 1),
            // Each thread reads only its part of the weights.
            _ if conv.is_heavy(input, output) => (PARTS, threads),
            _ if conv.is_large() => (1, threads * PARTS),
            _ => (threads * PARTS, 1),
        };
        let tiles = tiles.min(tiling.count);
        let panels = panels.max(threads / tiles).min(conv.panels());
        TileGrid { tiles, panels }
    }
}

/// The layers of a bottleneck one after another. If the map is small, one pass in parts would expand many rows
/// twice. `between` are the maps between the layers.
///
/// # Safety
/// As [`Bottleneck::run`], also for the maps between.
unsafe fn run_layers(
    bottleneck: &Bottleneck,
    (input, residual, output): (Map, Option<Map>, Map),
    between: &[Map],
    workers: Workers,
) {
    let (expanded, middle) = match (&bottleneck.expand, between) {
        (Some(expand), &[expanded, middle]) => {
            // SAFETY: the caller vouches for the maps.
            unsafe { run_conv(expand, (input, None, expanded), workers) };
            (expanded, middle)
        }
        (None, &[middle]) => (input, middle),
        _ => unreachable!("`compile` says which maps are between the layers"),
    };
    workers.each_part(middle.layout.height, PARTS, |rows| {
        // SAFETY: the caller vouches for the maps, and the parts are different rows.
        unsafe { bottleneck.depthwise.run(expanded, middle, rows) };
    });
    // SAFETY: the caller vouches for the maps.
    unsafe { run_conv(&bottleneck.project, (middle, residual, output), workers) };
}

/// Shares a convolution by squares: as many at once as are fastest, and some for each thread. If the weights are many, by
/// panels of channels instead.
///
/// # Safety
/// As [`Winograd::run`].
unsafe fn run_winograd(winograd: &Winograd, maps: (Map, Option<Map>, Map), workers: Workers) {
    let squares = winograd.squares(maps.2.layout);
    let (parts, panels) = match workers.count() {
        1 => (1, 1),
        // Each thread transforms all squares, and reads only its part of the weights.
        threads if winograd.is_large() && squares <= SQUARES_AT_ONCE => (1, threads),
        threads => (
            squares.div_ceil(SQUARES_AT_ONCE).next_multiple_of(threads),
            1,
        ),
    };
    let (parts, panels) = (parts.min(squares), panels.min(winograd.panels()));
    workers.each(parts * panels, &|part| {
        let squares = share(squares, parts, part % parts);
        let panels = share(winograd.panels(), panels, part / parts);
        // SAFETY: the caller vouches for the maps, and no two parts have the same square and panel.
        unsafe { winograd.run(maps, squares, panels) };
    });
}

/// Copies these rows of `image [C, H, W]` into a map.
///
/// # Safety
/// No other thread reads or writes these rows of the map meanwhile.
unsafe fn channels_last(image: &[f32], map: Map, rows: Range<usize>) {
    let Layout {
        height,
        width,
        channels,
        pixel,
        ..
    } = map.layout;
    for y in rows {
        for channel in 0..channels {
            let start = map.at(y as isize, 0).wrapping_add(channel);
            let row = &image[(channel * height + y) * width..][..width];
            for (x, value) in row.iter().enumerate() {
                // SAFETY: a pixel of the map, whose rows are this thread's alone.
                unsafe { start.wrapping_add(x * pixel).write(*value) };
            }
        }
    }
}

/// Copies a map into `output [C, H, W]`, a line of channels at a time.
///
/// # Safety
/// No thread writes the map meanwhile.
unsafe fn channels_first(map: Map, output: &mut [f32], workers: Workers) {
    let Layout { height, width, .. } = map.layout;
    workers.each_piece(output, LINE * height * width, &|line, planes| {
        for (channel, plane) in planes.chunks_exact_mut(height * width).enumerate() {
            for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                let start = map.at(y as isize, 0);
                let start = start.wrapping_add(line * LINE + channel);
                for (x, value) in row.iter_mut().enumerate() {
                    // SAFETY: a pixel of the map, which no thread writes.
                    *value = unsafe { start.wrapping_add(x * map.layout.pixel).read() };
                }
            }
        }
    });
}

/// Writes the average of each channel into `output [C]`, a line of channels at a time.
///
/// # Safety
/// No thread writes the map meanwhile.
unsafe fn averages(map: Map, output: &mut [f32], workers: Workers) {
    let Layout { height, width, .. } = map.layout;
    let share = 1.0 / (height * width) as f32;
    workers.each_piece(output, LINE, &|line, averages| {
        let mut sums = [0.0; LINE];
        let sums = &mut sums[..averages.len()];
        for y in 0..height {
            for x in 0..width {
                let start = map.at(y as isize, x as isize).wrapping_add(line * LINE);
                for (channel, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: a pixel of the map, which no thread writes.
                    *sum += unsafe { start.wrapping_add(channel).read() };
                }
            }
        }
        for (average, sum) in averages.iter_mut().zip(sums) {
            *average = *sum * share;
        }
    });
}
