//! Each pass against plain loops, with every instruction set of this processor. Under Miri that is the portable
//! one, on smaller maps.

use crate::conv::{ConvShape, PackedConv, PackedNormRelu};
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, Border, Layout, Map};
use crate::pooling::{self, PoolingShape};
use crate::products::Products;
use crate::threads::{Pool, Workers};
use crate::winograd::{SquareSide, Winograd};

pub const NO_CLAMP: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];
const BORDER: Border = Border {
    top: 1,
    bottom: 4,
    left: 1,
    right: 4,
};

/// Numbers that look random, between −1 and 1.
pub fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(next).collect()
}

/// A map with its memory.
pub struct OwnedMap(pub AlignedBuf, pub Layout);

impl OwnedMap {
    pub fn zeros(height: usize, width: usize, channels: usize) -> Self {
        let layout = Layout::new(height, width, channels, BORDER);
        OwnedMap(AlignedBuf::zeros(layout.len()), layout)
    }

    pub fn filled(height: usize, width: usize, channels: usize, seed: u32) -> Self {
        OwnedMap::of(Layout::new(height, width, channels, BORDER), seed)
    }

    /// Filled with numbers that look random, and zeros in the border.
    pub fn of(layout: Layout, seed: u32) -> Self {
        let mut map = OwnedMap(AlignedBuf::zeros(layout.len()), layout);
        let mut values = numbers(layout.height * layout.width * layout.channels, seed).into_iter();
        let memory = map.0.as_mut_slice();
        for y in 0..layout.height {
            for x in 0..layout.width {
                let start = layout.origin() + y * layout.row + x * layout.pixel;
                let pixel = &mut memory[start..start + layout.channels];
                pixel.fill_with(|| values.next().unwrap());
            }
        }
        map
    }

    /// Zeros, with a border of `border` pixels on each side.
    pub fn empty(height: usize, width: usize, channels: usize, border: usize) -> Self {
        let border = Border {
            top: border,
            bottom: border,
            left: border,
            right: border,
        };
        let layout = Layout::new(height, width, channels, border);
        OwnedMap(AlignedBuf::zeros(layout.len()), layout)
    }

    /// As [`filled`](OwnedMap::filled), with a border of `border` pixels on each side.
    pub fn bordered(
        height: usize,
        width: usize,
        channels: usize,
        border: usize,
        seed: u32,
    ) -> Self {
        let empty = OwnedMap::empty(height, width, channels, border);
        OwnedMap::of(empty.1, seed)
    }

    pub fn map(&self) -> Map<'_> {
        Map::within(&self.0, self.1, 0)
    }

    /// A number of the map; zero outside it.
    pub fn get(&self, y: isize, x: isize, channel: usize) -> f32 {
        let layout = self.1;
        let inside =
            (0..layout.height as isize).contains(&y) && (0..layout.width as isize).contains(&x);
        if !inside {
            return 0.0;
        }
        let at = layout.origin() + y as usize * layout.row + x as usize * layout.pixel + channel;
        assert!(at < self.0.len());
        // SAFETY: inside the memory, and no test writes it meanwhile. A slice of all of it would take Miri
        // minutes.
        unsafe { self.0.as_ptr().add(at).read() }
    }
}

/// The output pixel of a convolution, by definition.
fn convolved(
    input: &OwnedMap,
    weight: &[f32],
    shape: ConvShape,
    (y, x, output): (usize, usize, usize),
) -> f32 {
    let mut sum = 0.0;
    for channel in 0..shape.input {
        for row in 0..shape.kernel {
            for column in 0..shape.kernel {
                let at = ((output * shape.input + channel) * shape.kernel + row) * shape.kernel;
                let y = (y * shape.stride + row) as isize - shape.top as isize;
                let x = (x * shape.stride + column) as isize - shape.left as isize;
                let value = input.get(y, x, channel);
                sum += f64::from(weight[at + column]) * f64::from(value);
            }
        }
    }
    sum as f32
}

pub fn assert_close(found: f32, expected: f32, what: &str) {
    let most = 1e-5 * (1.0 + expected.abs()) * 10.0;
    assert!(
        (found - expected).abs() < most,
        "{what}: {found}, not {expected}"
    );
}

pub fn plain(input: usize, output: usize, kernel: usize, stride: usize) -> ConvShape {
    ConvShape {
        input,
        output,
        kernel,
        stride,
        top: kernel / 2,
        left: kernel / 2,
    }
}

#[test]
fn a_convolution_is_its_sum_for_all_tails() {
    for kernels in Kernels::all() {
        for (shape, height, width) in [
            (plain(1, 5, 3, 2), 5, 9),
            (plain(3, 17, 3, 1), 4, 5),
            (plain(18, 33, 1, 1), 3, 7),
            (plain(20, 40, 3, 1), 3, 16),
            (plain(17, 3, 1, 2), 6, 5),
        ] {
            // Miri takes seconds for ten thousand products.
            let products = shape.input * shape.output * shape.kernel.pow(2) * height * width;
            if cfg!(miri) && products > 12_000 {
                continue;
            }
            let input = OwnedMap::filled(height, width, shape.input, 1);
            let (height, width) = (height.div_ceil(shape.stride), width.div_ceil(shape.stride));
            let residual = OwnedMap::filled(height, width, shape.output, 2);
            let output = OwnedMap::zeros(height, width, shape.output);
            let area = shape.kernel * shape.kernel;
            let weight = numbers(shape.output * shape.input * area, 3);
            let bias = numbers(shape.output, 4);
            let conv = PackedConv::new(
                (kernels, Products::F32),
                shape,
                &weight,
                &bias,
                None,
                [-1.0, 1.0],
            );
            let maps = (input.map(), Some(residual.map()), output.map());
            let tiling = conv.tiling(input.1, output.1, Some(residual.1), 1);
            // SAFETY: three maps that are only used here.
            unsafe { conv.run(maps, &tiling, 0..tiling.count, 0..conv.panels()) };
            for (y, x, channel) in every(height, width, shape.output) {
                let sum = convolved(&input, &weight, shape, (y, x, channel));
                let added = residual.get(y as isize, x as isize, channel) + bias[channel];
                let found = output.get(y as isize, x as isize, channel);
                assert_close(found, (sum + added).clamp(-1.0, 1.0), kernels.name());
            }
        }
    }
}

#[test]
fn a_normalisation_before_a_convolution_is_applied_where_the_input_is_packed() {
    for kernels in Kernels::all() {
        let (input, output) = (OwnedMap::filled(3, 6, 19, 1), OwnedMap::zeros(3, 6, 34));
        let (scale, shift) = (numbers(19, 5), numbers(19, 6));
        let before = PackedNormRelu {
            scale: AlignedBuf::of(&scale),
            shift: AlignedBuf::of(&shift),
        };
        let shape = plain(19, 34, 1, 1);
        let weight = numbers(34 * 19, 3);
        let conv = PackedConv::new(
            (kernels, Products::F32),
            shape,
            &weight,
            &[],
            Some(before),
            NO_CLAMP,
        );
        let tiling = conv.tiling(input.1, output.1, None, 1);
        let maps = (input.map(), None, output.map());
        // SAFETY: two maps that are only used here.
        unsafe { conv.run(maps, &tiling, 0..tiling.count, 0..conv.panels()) };
        let mut normalised = OwnedMap::zeros(3, 6, 19);
        for (y, x, channel) in every(3, 6, 19) {
            let value = input.get(y as isize, x as isize, channel);
            let start = normalised.1.origin() + y * normalised.1.row + x * normalised.1.pixel;
            let value = (scale[channel] * value + shift[channel]).max(0.0);
            normalised.0.as_mut_slice()[start + channel] = value;
        }
        for (y, x, channel) in every(3, 6, 34) {
            let expected = convolved(&normalised, &weight, shape, (y, x, channel));
            let found = output.get(y as isize, x as isize, channel);
            assert_close(found, expected, kernels.name());
        }
    }
}

#[test]
fn fewer_multiplications_give_the_same_sums() {
    let cases = Kernels::all().flat_map(|kernels| SquareSide::ALL.map(|side| (kernels, side)));
    for (case, (kernels, side)) in cases.enumerate() {
        let (height, width) = if cfg!(miri) { (5, 6) } else { (7, 10) };
        let outputs = if cfg!(miri) { 5 } else { 37 };
        let (weight, bias) = (numbers(outputs * 18 * 9, 3), numbers(outputs, 4));
        let clamp = [-1.0, 2.0];
        let winograd = Winograd::new((kernels, side), [outputs, 18], &weight, &bias, clamp);
        let layout = Layout::new(height, width, 18, winograd.border(height, width));
        let (input, output) = (
            OwnedMap::of(layout, 1),
            OwnedMap::zeros(height, width, outputs),
        );
        // Every second case has something to add.
        let residual = (case % 2 == 0).then(|| OwnedMap::filled(height, width, outputs, 5));
        let maps = (
            input.map(),
            residual.as_ref().map(OwnedMap::map),
            output.map(),
        );
        let (squares, panels) = (winograd.squares(output.1), winograd.panels());
        for some in [0..squares / 2, squares / 2..squares] {
            for panels in [0..panels / 2, panels / 2..panels] {
                // SAFETY: maps that are only used here, one part after another.
                unsafe { winograd.run(maps, some.clone(), panels) };
            }
        }
        for (y, x, channel) in every(height, width, outputs) {
            let sum = convolved(&input, &weight, plain(18, outputs, 3, 1), (y, x, channel));
            let (row, column) = (y as isize, x as isize);
            let added = residual
                .as_ref()
                .map_or(0.0, |map| map.get(row, column, channel));
            let expected = (sum + bias[channel] + added).clamp(clamp[0], clamp[1]);
            assert_close(output.get(row, column, channel), expected, kernels.name());
        }
    }
}

#[test]
fn max_pooling_takes_the_pixels_under_the_window_and_no_others() {
    let size = PoolingShape {
        kernel: 3,
        stride: 2,
        padding: 1,
    };
    for kernels in Kernels::all() {
        let (input, output) = (OwnedMap::filled(5, 6, 19, 1), OwnedMap::zeros(3, 3, 19));
        // SAFETY: two maps that are only used here.
        unsafe { pooling::max_pool(kernels, size, input.map(), output.map(), 0..3) };
        for (y, x, channel) in every(3, 3, 19) {
            let mut largest = f32::NEG_INFINITY;
            for row in (2 * y).saturating_sub(1)..(2 * y + 2).min(5) {
                for column in (2 * x).saturating_sub(1)..(2 * x + 2).min(6) {
                    largest = largest.max(input.get(row as isize, column as isize, channel));
                }
            }
            assert_eq!(
                output.get(y as isize, x as isize, channel),
                largest,
                "{}",
                kernels.name()
            );
        }
    }
}

#[test]
fn every_part_is_done_once_by_one_thread() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    with_pool(2, |workers| {
        for count in [0, 1, 2, 7, 40] {
            let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            workers.each(count, &|part| {
                // A job within a job is done by its own thread.
                workers.each(2, &|_| {
                    done[part].fetch_add(1, Ordering::Relaxed);
                });
            });
            assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 2));
        }
    });
}

#[test]
fn a_part_that_panics_fails_the_job_and_the_pool_goes_on() {
    with_pool(1, |workers| {
        let failing = || workers.each(4, &|part| assert!(part != 2, "on purpose"));
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(failing));
        assert!(failed.is_err());
        workers.each(4, &|_| {});
    });
}

/// Calls `run` with a pool of this many threads beside the caller. The pool ends with the call, because Miri
/// does not accept threads that outlive a test.
pub fn with_pool(threads: usize, run: impl FnOnce(Workers)) {
    let pool = Box::into_raw(Box::new(Pool::new(threads)));
    // SAFETY: the pool is freed below, after `run` has returned; `Workers` does not escape from the tests' calls.
    run(Workers::Pool(unsafe { &*pool }));
    // SAFETY: made by `into_raw`, and no job is left that uses it. If `run` panics, the pool leaks.
    drop(unsafe { Box::from_raw(pool) });
}

pub fn every(
    height: usize,
    width: usize,
    channels: usize,
) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..height).flat_map(move |y| {
        (0..width).flat_map(move |x| (0..channels).map(move |channel| (y, x, channel)))
    })
}

#[test]
fn a_pool_ends_at_any_moment() {
    const POOLS: usize = if cfg!(miri) { 3 } else { 3_000 };
    for _ in 0..POOLS {
        with_pool(2, |workers| workers.each(3, &|_| {}));
    }
}
