//! The inner loops of [`winograd`](crate::winograd), written once over [`Simd`].

use crate::curve::{Curve, bend};
use crate::microkernels::{load_up_to, store_up_to};
use crate::simd::Simd;

/// A square of pixels that is transformed before the products, or back after them.
pub struct Square {
    pub input: *const f32,
    pub row: usize,
    pub column: usize,
    pub output: *mut f32,
    pub output_row: usize,
    pub output_column: usize,
    /// Rows and columns of the output that exist.
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// One for each channel. The transform of the input uses neither this nor what follows.
    pub bias: *const f32,
    pub clamp: [f32; 2],
    pub curve: Curve,
}

/// factor · a + b
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn times<S: Simd>(factor: f32, a: S::Vector, b: S::Vector) -> S::Vector {
    // SAFETY: the caller vouches for the processor.
    unsafe { S::multiply_add(S::splat(factor), a, b) }
}

/// Bᵀ · d of Lavin & Gray's F(4 × 4, 3 × 3).
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn transform<S: Simd>(d: [S::Vector; 6]) -> [S::Vector; 6] {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        let (a, b) = (times::<S>(-4.0, d[2], d[4]), times::<S>(-4.0, d[1], d[3]));
        let (c, e) = (S::sub(d[4], d[2]), S::sub(d[3], d[1]));
        [
            times::<S>(4.0, d[0], times::<S>(-5.0, d[2], d[4])),
            S::add(a, b),
            S::sub(a, b),
            times::<S>(2.0, e, c),
            times::<S>(-2.0, e, c),
            times::<S>(4.0, d[1], times::<S>(-5.0, d[3], d[5])),
        ]
    }
}

/// Aᵀ · m of the same.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn restore<S: Simd>(m: [S::Vector; 6]) -> [S::Vector; 4] {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        let (a, b) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (c, e) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(m[0], S::add(a, c)),
            times::<S>(2.0, e, b),
            times::<S>(4.0, c, a),
            S::add(times::<S>(8.0, e, b), m[5]),
        ]
    }
}

/// An array of the expression for each number of the list. In a loop, the compiler may keep the array in
/// memory; this keeps it in registers.
macro_rules! each {
    ($n:ident of 6: $value:expr) => {
        each!($n: $value; 0 1 2 3 4 5)
    };
    ($n:ident of 4: $value:expr) => {
        each!($n: $value; 0 1 2 3)
    };
    ($n:ident: $value:expr; $($number:literal)*) => {
        [$({
            let $n: usize = $number;
            $value
        }),*]
    };
}

/// Bᵀ · d · B of 6 × 6 pixels, for each channel.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve).
#[inline(always)]
pub unsafe fn winograd_input<S: Simd>(square: &Square) {
    let mut channel = 0;
    while channel < square.channels {
        let count = square.channels - channel;
        // SAFETY: the caller vouches for the pointers and the processor.
        unsafe {
            let (input, output) = (square.input.add(channel), square.output.add(channel));
            let columns = each!(x of 6: transform::<S>(each!(y of 6: load_up_to::<S>(
                input.add(y * square.row + x * square.column),
                count
            ))));
            each!(y of 6: {
                let row = transform::<S>(each!(x of 6: columns[x][y]));
                let output = output.add(y * square.output_row);
                each!(x of 6: store_up_to::<S>(output.add(x * square.output_column), row[x], count))
            });
        }
        channel += S::LANES;
    }
}

/// Aᵀ · m · A of 6 × 6 products, for each channel; bias; clamp; curve.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve).
#[inline(always)]
pub unsafe fn winograd_output<S: Simd>(square: &Square) {
    let mut channel = 0;
    while channel < square.channels {
        let count = square.channels - channel;
        // SAFETY: the caller vouches for the pointers and the processor.
        unsafe {
            let (low, high) = (S::splat(square.clamp[0]), S::splat(square.clamp[1]));
            let bias = S::load(square.bias.add(channel));
            let (input, output) = (square.input.add(channel), square.output.add(channel));
            let columns = each!(x of 6: restore::<S>(each!(y of 6: load_up_to::<S>(
                input.add(y * square.row + x * square.column),
                count
            ))));
            each!(y of 4: {
                let row = restore::<S>(each!(x of 6: columns[x][y]));
                let output = output.add(y * square.output_row);
                each!(x of 4: {
                    if y < square.height && x < square.width {
                        let value = S::min(high, S::max(low, S::add(row[x], bias)));
                        store_up_to::<S>(output.add(x * square.output_column), value, count);
                    }
                })
            });
        }
        channel += S::LANES;
    }
    for y in 0..square.height {
        // SAFETY: the rows of the output that exist, whose pixels were just written.
        unsafe {
            let row = square.output.add(y * square.output_row);
            let size = (square.width, square.channels);
            let column = square.output_column;
            bend::<S>(square.curve, row, column, size, std::ptr::null_mut());
        }
    }
}
