//! The inner loops of [`winograd`](crate::winograd), written once over [`Simd`].

use crate::curve::{Curve, bend};
use crate::microkernels::{NO_CLAMP, load_up_to, store_up_to};
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
    /// Added to the pixels, or null.
    pub residual: *const f32,
    pub residual_row: usize,
    pub residual_column: usize,
    pub clamp: [f32; 2],
    pub curve: Curve,
}

impl Default for Square {
    /// A square of no pixels.
    fn default() -> Self {
        Square {
            input: std::ptr::null(),
            row: 0,
            column: 0,
            output: std::ptr::null_mut(),
            output_row: 0,
            output_column: 0,
            height: 0,
            width: 0,
            channels: 0,
            bias: std::ptr::null(),
            residual: std::ptr::null(),
            residual_row: 0,
            residual_column: 0,
            clamp: NO_CLAMP,
            curve: Curve::None,
        }
    }
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
unsafe fn transform_6<S: Simd>(d: [S::Vector; 6]) -> [S::Vector; 6] {
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
unsafe fn restore_6<S: Simd>(m: [S::Vector; 6]) -> [S::Vector; 4] {
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

/// Bᵀ · d of Lavin & Gray's F(2 × 2, 3 × 3).
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn transform_4<S: Simd>(d: [S::Vector; 4]) -> [S::Vector; 4] {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        [
            S::sub(d[0], d[2]),
            S::add(d[1], d[2]),
            S::sub(d[2], d[1]),
            S::sub(d[1], d[3]),
        ]
    }
}

/// Aᵀ · m of the same.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn restore_4<S: Simd>(m: [S::Vector; 4]) -> [S::Vector; 2] {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        [
            S::add(m[0], S::add(m[1], m[2])),
            S::sub(S::sub(m[1], m[2]), m[3]),
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
    ($n:ident of 2: $value:expr) => {
        each!($n: $value; 0 1)
    };
    ($n:ident: $value:expr; $($number:literal)*) => {
        [$({
            let $n: usize = $number;
            $value
        }),*]
    };
}

/// Both transforms of squares of `side` pixels, from `patch` pixels in a direction.
macro_rules! transforms {
    ($input:ident by $transform:ident, $output:ident by $restore:ident, $patch:tt to $side:tt) => {
        /// Bᵀ · d · B of the pixels, for each channel.
        ///
        /// # Safety
        /// As [`convolve`](crate::microkernels::convolve).
        #[inline(always)]
        pub unsafe fn $input<S: Simd>(square: &Square) {
            let mut channel = 0;
            while channel < square.channels {
                let count = square.channels - channel;
                // SAFETY: the caller vouches for the pointers and the processor.
                unsafe {
                    let (input, output) = (square.input.add(channel), square.output.add(channel));
                    let columns = each!(x of $patch: $transform::<S>(each!(y of $patch: load_up_to::<S>(
                        input.add(y * square.row + x * square.column),
                        count
                    ))));
                    each!(y of $patch: {
                        let row = $transform::<S>(each!(x of $patch: columns[x][y]));
                        let output = output.add(y * square.output_row);
                        each!(x of $patch: {
                            store_up_to::<S>(output.add(x * square.output_column), row[x], count);
                        })
                    });
                }
                channel += S::LANES;
            }
        }

        /// Aᵀ · m · A of the products, for each channel; bias; residual; clamp; curve.
        ///
        /// # Safety
        /// As [`convolve`](crate::microkernels::convolve).
        #[inline(always)]
        pub unsafe fn $output<S: Simd>(square: &Square) {
            let mut channel = 0;
            while channel < square.channels {
                let count = square.channels - channel;
                // SAFETY: the caller vouches for the pointers and the processor.
                unsafe {
                    let input = square.input.add(channel);
                    let columns = each!(x of $patch: $restore::<S>(each!(y of $patch: load_up_to::<S>(
                        input.add(y * square.row + x * square.column),
                        count
                    ))));
                    each!(y of $side: {
                        let row = $restore::<S>(each!(x of $patch: columns[x][y]));
                        each!(x of $side: finish::<S>(square, (y, x), channel, row[x]))
                    });
                }
                channel += S::LANES;
            }
            // SAFETY: the square's pixels were just written.
            unsafe { bend_square::<S>(square) };
        }
    };
}

transforms!(winograd_input_4 by transform_6, winograd_output_4 by restore_6, 6 to 4);
transforms!(winograd_input_2 by transform_4, winograd_output_2 by restore_4, 4 to 2);

/// Adds bias and residual to a value of each channel, clamps and stores, if the output has the pixel.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve).
#[inline(always)]
unsafe fn finish<S: Simd>(
    square: &Square,
    (y, x): (usize, usize),
    channel: usize,
    value: S::Vector,
) {
    if y >= square.height || x >= square.width {
        return;
    }
    let count = square.channels - channel;
    // SAFETY: a pixel of the output and of the residual; the bias holds whole vectors.
    unsafe {
        let mut value = S::add(value, S::load(square.bias.add(channel)));
        if !square.residual.is_null() {
            let at = y * square.residual_row + x * square.residual_column + channel;
            value = S::add(value, load_up_to::<S>(square.residual.add(at), count));
        }
        let (low, high) = (S::splat(square.clamp[0]), S::splat(square.clamp[1]));
        let at = y * square.output_row + x * square.output_column + channel;
        let value = S::min(high, S::max(low, value));
        store_up_to::<S>(square.output.add(at), value, count);
    }
}

/// The curve of a square that was just computed.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve).
#[inline(always)]
unsafe fn bend_square<S: Simd>(square: &Square) {
    for y in 0..square.height {
        // SAFETY: the rows of the output that exist.
        unsafe {
            let row = square.output.add(y * square.output_row);
            let size = (square.width, square.channels);
            let column = square.output_column;
            bend::<S>(square.curve, row, column, size, std::ptr::null_mut());
        }
    }
}
