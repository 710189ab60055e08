//! One vector of `f32`: the operations that the [microkernels](crate::microkernels) need.
//!
//! The microkernels are written once over [`Simd`] and compiled for each instruction set. The operations are
//! `inline(always)`, so that they end up in a function that has the target feature enabled, where each is a
//! single instruction.

/// A vector of [`LANES`](Simd::LANES) numbers.
///
/// # Safety
/// All functions need a processor with the instructions of the type. A pointer must be valid for the lanes
/// that are read or written; it needs no alignment.
pub trait Simd: Copy {
    type Vector: Copy;
    const LANES: usize;
    /// Whether [`multiply_add`](Simd::multiply_add) rounds once, and not the product, too.
    const IS_FUSED: bool = true;

    unsafe fn splat(value: f32) -> Self::Vector;
    unsafe fn load(from: *const f32) -> Self::Vector;
    unsafe fn store(to: *mut f32, vector: Self::Vector);
    /// Loads the first `count` lanes, fewer than there are; the others are zero.
    unsafe fn load_first(from: *const f32, count: usize) -> Self::Vector;
    /// Stores the first `count` lanes, fewer than there are.
    unsafe fn store_first(to: *mut f32, vector: Self::Vector, count: usize);
    /// Asks for a cache line that will be read soon. Nothing happens where there is no instruction for it, or no
    /// memory at the address.
    #[inline(always)]
    unsafe fn fetch(_: *const f32) {}
    /// As [`fetch`](Simd::fetch), for a line that will be written. No other core keeps it, so that the first store need
    /// not wait until they have given it up.
    #[inline(always)]
    unsafe fn fetch_to_write(_: *const f32) {}
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn multiply(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn divide(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// 2ⁿ for lanes that hold n + 127 + 1.5 · 2²³, with n a whole number from −126 to 127. In a number of that size the
    /// lowest bits are n + 127, and they become the exponent.
    unsafe fn power_of_two(shifted: Self::Vector) -> Self::Vector;
    /// a · b + c
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// sum + value · weights, the step of a convolution. If the instruction set multiplies pairs of `bf16`,
    /// each lane of both factors holds a pair.
    #[inline(always)]
    unsafe fn accumulate(
        value: Self::Vector,
        weights: Self::Vector,
        sum: Self::Vector,
    ) -> Self::Vector {
        // SAFETY: the caller vouches for the processor.
        unsafe { Self::multiply_add(value, weights, sum) }
    }
    /// Stores a vector of a pixel's channels, from `channel` on, as the input of the next convolution: the
    /// first `count` lanes, or all if there are fewer. If the instruction set multiplies pairs of `bf16`, the
    /// numbers are rounded and take half the space, and all lanes are stored.
    #[inline(always)]
    unsafe fn hand_over(pixel: *mut f32, channel: usize, vector: Self::Vector, count: usize) {
        // SAFETY: the caller's pointer is valid for this many channels.
        unsafe {
            if count >= Self::LANES {
                Self::store(pixel.add(channel), vector);
            } else {
                Self::store_first(pixel.add(channel), vector, count);
            }
        }
    }
    /// The larger of each lane; `b` if either is NaN.
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The smaller of each lane; `b` if either is NaN.
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector;
}

/// An instruction set that multiplies pairs of `bf16`.
///
/// # Safety
/// As [`Simd`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub trait Pairs: Simd {
    /// Both vectors rounded to `bf16`, twice as many numbers as lanes. Those of `low` come first.
    unsafe fn pairs(low: Self::Vector, high: Self::Vector) -> Self::Vector;
}

/// Plain Rust, for other processors and for Miri. The compiler vectorises it as far as it can.
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
    const IS_FUSED: bool = false;

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

    #[inline(always)]
    unsafe fn multiply(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn divide(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        each(|i| a[i] / b[i])
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: Self::Vector) -> Self::Vector {
        each(|i| f32::from_bits(shifted[i].to_bits() << 23))
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

/// Operations of [`Simd`] that are a single intrinsic each.
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
macro_rules! intrinsics {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $output:ty)? { $call:expr })*) => {
        $(
            #[inline(always)]
            #[allow(unused_unsafe, reason = "an intrinsic is safe if every processor of the target has it")]
            unsafe fn $name($($argument: $type),*) $(-> $output)? {
                // SAFETY: the caller vouches for the processor's instructions and for the pointers. A masked
                // load or store touches the lanes of its mask only.
                unsafe { $call }
            }
        )*
    };
}

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
pub(crate) use intrinsics;
