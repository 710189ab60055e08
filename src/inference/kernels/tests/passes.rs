//! Each pass against loops that anybody can read, with every instruction set that there is. These
//! name nothing of candle's, so that Miri and valgrind can run them.

use crate::inference::kernels::conv::{ConvShape, PackedConv, PackedNormRelu};
use crate::inference::kernels::isa::Kernels;
use crate::inference::kernels::memory::{AlignedBuf, Border, Layout, Map};
use crate::inference::kernels::pooling::{self, PoolingShape};
use crate::inference::kernels::threads::{Pool, Workers};
use crate::inference::kernels::winograd::Winograd;

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

/// A map that owns its memory.
pub struct Owned(pub AlignedBuf, pub Layout);

impl Owned {
    pub fn zeros(height: usize, width: usize, channels: usize) -> Self {
        let form = Layout::new(height, width, channels, BORDER);
        Owned(AlignedBuf::zeros(form.len()), form)
    }

    pub fn filled(height: usize, width: usize, channels: usize, seed: u32) -> Self {
        Owned::of(Layout::new(height, width, channels, BORDER), seed)
    }

    fn of(form: Layout, seed: u32) -> Self {
        let mut map = Owned(AlignedBuf::zeros(form.len()), form);
        let mut values = numbers(form.height * form.width * form.channels, seed).into_iter();
        for y in 0..form.height {
            for x in 0..form.width {
                let start = form.origin() + y * form.row + x * form.pixel;
                let pixel = &mut map.0.as_mut_slice()[start..start + form.channels];
                pixel.fill_with(|| values.next().unwrap());
            }
        }
        map
    }

    /// As `filled`, with a border of so many pixels on each side.
    pub fn bordered(
        height: usize,
        width: usize,
        channels: usize,
        border: usize,
        seed: u32,
    ) -> Self {
        let border = Border {
            top: border,
            bottom: border,
            left: border,
            right: border,
        };
        Owned::of(Layout::new(height, width, channels, border), seed)
    }

    pub fn map(&mut self) -> Map {
        Map::within(&mut self.0, self.1, 0)
    }

    /// Zero in the border.
    pub fn get(&mut self, y: isize, x: isize, channel: usize) -> f32 {
        let form = self.1;
        let inside =
            (0..form.height as isize).contains(&y) && (0..form.width as isize).contains(&x);
        if !inside {
            return 0.0;
        }
        let at = form.origin() + y as usize * form.row + x as usize * form.pixel + channel;
        assert!(at < self.0.len());
        // SAFETY: inside the memory. A slice of all of it would cost Miri minutes.
        unsafe { self.0.as_ptr().add(at).read() }
    }
}

/// The output pixel of a convolution, by definition.
fn convolved(
    input: &mut Owned,
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
fn a_convolution_is_its_sum_whatever_the_tails() {
    for kernels in Kernels::all() {
        for (shape, height, width) in [
            (plain(1, 5, 3, 2), 5, 9),
            (plain(3, 17, 3, 1), 4, 5),
            (plain(18, 33, 1, 1), 3, 7),
            (plain(20, 40, 3, 1), 3, 16),
            (plain(17, 3, 1, 2), 6, 5),
        ] {
            let mut input = Owned::filled(height, width, shape.input, 1);
            let (height, width) = (height.div_ceil(shape.stride), width.div_ceil(shape.stride));
            let mut residual = Owned::filled(height, width, shape.output, 2);
            let mut output = Owned::zeros(height, width, shape.output);
            let area = shape.kernel * shape.kernel;
            let weight = numbers(shape.output * shape.input * area, 3);
            let bias = numbers(shape.output, 4);
            let conv = PackedConv::new((kernels, None), shape, &weight, &bias, None, [-1.0, 1.0]);
            let maps = (input.map(), Some(residual.map()), output.map());
            let tiling = conv.tiling(input.1, output.1, Some(residual.1), 1);
            // SAFETY: three maps that are only used here.
            unsafe { conv.run(maps, &tiling, 0..tiling.count, 0..conv.panels()) };
            for (y, x, channel) in every(height, width, shape.output) {
                let sum = convolved(&mut input, &weight, shape, (y, x, channel));
                let added = residual.get(y as isize, x as isize, channel) + bias[channel];
                let found = output.get(y as isize, x as isize, channel);
                assert_close(found, (sum + added).clamp(-1.0, 1.0), kernels.name);
            }
        }
    }
}

#[test]
fn what_is_normalised_first_is_normalised_where_it_is_packed() {
    for kernels in Kernels::all() {
        let (mut input, mut output) = (Owned::filled(3, 6, 19, 1), Owned::zeros(3, 6, 34));
        let (scale, shift) = (numbers(19, 5), numbers(19, 6));
        let before = PackedNormRelu {
            scale: AlignedBuf::of(&scale),
            shift: AlignedBuf::of(&shift),
        };
        let shape = plain(19, 34, 1, 1);
        let weight = numbers(34 * 19, 3);
        let conv = PackedConv::new((kernels, None), shape, &weight, &[], Some(before), NO_CLAMP);
        let tiling = conv.tiling(input.1, output.1, None, 1);
        let maps = (input.map(), None, output.map());
        // SAFETY: two maps that are only used here.
        unsafe { conv.run(maps, &tiling, 0..tiling.count, 0..conv.panels()) };
        let mut normalised = Owned::zeros(3, 6, 19);
        for (y, x, channel) in every(3, 6, 19) {
            let value = input.get(y as isize, x as isize, channel);
            let start = normalised.1.origin() + y * normalised.1.row + x * normalised.1.pixel;
            let value = (scale[channel] * value + shift[channel]).max(0.0);
            normalised.0.as_mut_slice()[start + channel] = value;
        }
        for (y, x, channel) in every(3, 6, 34) {
            let expected = convolved(&mut normalised, &weight, shape, (y, x, channel));
            let found = output.get(y as isize, x as isize, channel);
            assert_close(found, expected, kernels.name);
        }
    }
}

#[test]
fn a_quarter_of_the_multiplications_gives_the_same_sums() {
    for kernels in Kernels::all() {
        let (height, width) = (7, 10);
        let mut input = Owned::zeros(height, width, 18);
        input.1 = Layout::new(height, width, 18, Winograd::border(height, width));
        input.0 = AlignedBuf::zeros(input.1.len());
        let mut values = numbers(height * width * 18, 1).into_iter();
        for (y, x, channel) in every(height, width, 18) {
            let start = input.1.origin() + y * input.1.row + x * input.1.pixel;
            input.0.as_mut_slice()[start + channel] = values.next().unwrap();
        }
        let mut output = Owned::zeros(height, width, 21);
        let (weight, bias) = (numbers(21 * 18 * 9, 3), numbers(21, 4));
        let winograd = Winograd::new(kernels, [21, 18], &weight, &bias, NO_CLAMP);
        let (from, to) = (input.map(), output.map());
        // SAFETY: two maps that are only used here.
        unsafe { winograd.run(from, to, 0..Winograd::squares(output.1)) };
        for (y, x, channel) in every(height, width, 21) {
            let sum = convolved(&mut input, &weight, plain(18, 21, 3, 1), (y, x, channel));
            let found = output.get(y as isize, x as isize, channel);
            assert_close(found, sum + bias[channel], kernels.name);
        }
    }
}

#[test]
fn pooling_takes_what_is_under_the_window_and_nothing_else() {
    let size = PoolingShape {
        kernel: 3,
        stride: 2,
        padding: 1,
    };
    for kernels in Kernels::all() {
        let (mut input, mut output) = (Owned::filled(5, 6, 19, 1), Owned::zeros(3, 3, 19));
        // SAFETY: two maps that are only used here.
        unsafe { pooling::largest(kernels, size, input.map(), output.map(), 0..3) };
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
                kernels.name
            );
        }
    }
}

#[test]
fn every_task_is_done_once_by_whichever_thread() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let pool: &'static Pool = Box::leak(Box::new(Pool::new(2)));
    for count in [0, 1, 2, 7, 40] {
        let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
        Workers::Pool(pool).each(count, &|task| {
            // A job within a job is done by its own thread.
            Workers::Pool(pool).each(2, &|_| {
                done[task].fetch_add(1, Ordering::Relaxed);
            });
        });
        assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 2));
    }
}

#[test]
fn a_task_that_fails_fails_the_whole_and_the_pool_goes_on() {
    let pool: &'static Pool = Box::leak(Box::new(Pool::new(1)));
    let failing = std::panic::catch_unwind(|| {
        Workers::Pool(pool).each(4, &|task| assert!(task != 2, "on purpose"));
    });
    assert!(failing.is_err());
    Workers::Pool(pool).each(4, &|_| {});
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
