//! One vector of `f32`, as far as the [microkernels](super::microkernels) need it.
//!
//! They are written once over [`Simd`] and compiled for each instruction set: its operations are
//! `inline(always)`, so that they end in a function that has the target feature switched on, and are
//! single instructions there.

/// A vector of [`LANES`](Simd::LANES) numbers.
///
/// # Safety
/// All its functions need a processor with the instructions that the type stands for. A pointer is
/// valid for the lanes that are read or written; it needs no alignment.
pub trait Simd: Copy {
    type Vector: Copy;
    const LANES: usize;

    unsafe fn splat(value: f32) -> Self::Vector;
    unsafe fn load(from: *const f32) -> Self::Vector;
    unsafe fn store(to: *mut f32, vector: Self::Vector);
    /// The first `count` lanes, fewer than there are; zeros in the others.
    unsafe fn load_first(from: *const f32, count: usize) -> Self::Vector;
    /// The first `count` lanes, fewer than there are.
    unsafe fn store_first(to: *mut f32, vector: Self::Vector, count: usize);
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a · b + c
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// sum + value · weights, as a convolution adds up: of an instruction set that multiplies pairs of
    /// `bf16`, each lane of both is such a pair.
    #[inline(always)]
    unsafe fn accumulate(
        value: Self::Vector,
        weights: Self::Vector,
        sum: Self::Vector,
    ) -> Self::Vector {
        // SAFETY: the caller's word about the processor.
        unsafe { Self::multiply_add(value, weights, sum) }
    }
    /// Stores a vector of a pixel's channels, `channel` and those after it, for a convolution that
    /// comes next: the first `count` of them, or all if there are more. Of an instruction set that multiplies pairs of
    /// `bf16` they are rounded, take half the place, and always all are stored.
    #[inline(always)]
    unsafe fn hand_over(pixel: *mut f32, channel: usize, vector: Self::Vector, count: usize) {
        // SAFETY: the caller's pointer is valid for that many channels.
        unsafe {
            match count >= Self::LANES {
                true => Self::store(pixel.add(channel), vector),
                false => Self::store_first(pixel.add(channel), vector, count),
            }
        }
    }
    /// The larger; `b` where either is not a number.
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The smaller; `b` where either is not a number.
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector;
}

/// An instruction set that multiplies pairs of `bf16`.
///
/// # Safety
/// As [`Simd`].
pub trait Pairs: Simd {
    /// Both vectors rounded to `bf16`, those of `low` first: twice as many numbers as lanes.
    unsafe fn pairs(low: Self::Vector, high: Self::Vector) -> Self::Vector;
}

/// Plain Rust, for processors without any of the others. The compiler makes of it what it can.
#[derive(Clone, Copy)]
pub struct Portable;

const PORTABLE_LANES: usize = 4;

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; PORTABLE_LANES] {
    [f(0), f(1), f(2), f(3)]
}

impl Simd for Portable {
    type Vector = [f32; PORTABLE_LANES];
    const LANES: usize = PORTABLE_LANES;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Vector {
        [value; PORTABLE_LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Vector {
        // SAFETY: the caller's pointer is valid for a vector.
        unsafe { from.cast::<Self::Vector>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: Self::Vector) {
        // SAFETY: the caller's pointer is valid for a vector.
        unsafe { to.cast::<Self::Vector>().write_unaligned(vector) };
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self::Vector {
        let mut vector = [0.0; PORTABLE_LANES];
        // SAFETY: the caller's pointer is valid for `count` numbers, fewer than a vector has.
        unsafe { std::ptr::copy_nonoverlapping(from, vector.as_mut_ptr(), count) };
        vector
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, vector: Self::Vector, count: usize) {
        // SAFETY: the caller's pointer is valid for `count` numbers, fewer than a vector has.
        unsafe { std::ptr::copy_nonoverlapping(vector.as_ptr(), to, count) };
    }

    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| a[i] - b[i])
    }

    /// In two steps: without the instruction, `f32::mul_add` is a call into the C library.
    #[inline(always)]
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        each(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
}
