//! [`Simd`] by AVX-512 and by AVX2 with FMA.

use std::arch::asm;
use std::arch::x86_64::*;
use std::mem::transmute;

use crate::simd::{Pairs, Simd, intrinsics};

/// `avx512f` and `avx512vl`: sixteen lanes. With `BF16` also `avx512bf16`, and convolutions of pairs.
#[derive(Clone, Copy)]
pub struct Avx512<const BF16: bool>;

/// `avx2` and `fma`: eight lanes.
#[derive(Clone, Copy)]
pub struct Avx2;

/// Asks for a line that will be written. An intrinsic would do it only where the build names a processor that has the
/// instruction; those that lack it take it for no operation.
#[inline(always)]
fn prefetchw(from: *const f32) {
    // SAFETY: the instruction only asks for a line. It is valid for any address, and changes no memory or register.
    unsafe { asm!("prefetchw [{}]", in(reg) from, options(nostack, preserves_flags)) };
}

impl<const BF16: bool> Simd for Avx512<BF16> {
    type Vector = __m512;
    const LANES: usize = 16;

    intrinsics! {
        fn splat(value: f32) -> __m512 { _mm512_set1_ps(value) }
        fn load(from: *const f32) -> __m512 { _mm512_loadu_ps(from) }
        fn store(to: *mut f32, vector: __m512) { _mm512_storeu_ps(to, vector) }
        fn load_first(from: *const f32, count: usize) -> __m512 {
            _mm512_maskz_loadu_ps((1_u16 << count) - 1, from)
        }
        fn store_first(to: *mut f32, vector: __m512, count: usize) {
            _mm512_mask_storeu_ps(to, (1_u16 << count) - 1, vector)
        }
        fn fetch(from: *const f32) { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
        fn fetch_to_write(from: *const f32) { prefetchw(from) }
        fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        fn sub(a: __m512, b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
        fn multiply(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        fn divide(a: __m512, b: __m512) -> __m512 { _mm512_div_ps(a, b) }
        fn power_of_two(shifted: __m512) -> __m512 {
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(shifted)))
        }
        fn multiply_add(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        fn max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
        fn min(a: __m512, b: __m512) -> __m512 { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn accumulate(value: __m512, weights: __m512, sum: __m512) -> __m512 {
        if BF16 {
            // SAFETY: the caller vouches for the processor. The types have the same size, and any bits are
            // valid numbers.
            unsafe {
                let value = transmute::<__m512, __m512bh>(value);
                _mm512_dpbf16_ps(sum, value, transmute::<__m512, __m512bh>(weights))
            }
        } else {
            // SAFETY: the caller vouches for the processor.
            unsafe { _mm512_fmadd_ps(value, weights, sum) }
        }
    }

    #[inline(always)]
    unsafe fn hand_over(pixel: *mut f32, channel: usize, vector: __m512, count: usize) {
        if BF16 {
            // SAFETY: the caller vouches for the processor and the pointer. The types have the same size, and
            // a rounded vector takes half the space of a vector.
            unsafe {
                let halves = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(vector));
                _mm256_storeu_si256(pixel.cast::<u16>().add(channel).cast(), halves);
            }
        } else if count >= Self::LANES {
            // SAFETY: the caller's pointer is valid for a whole vector.
            unsafe { Self::store(pixel.add(channel), vector) }
        } else {
            // SAFETY: the caller's pointer is valid for `count` channels.
            unsafe { Self::store_first(pixel.add(channel), vector, count) }
        }
    }
}

impl Pairs for Avx512<true> {
    #[inline(always)]
    unsafe fn pairs(low: __m512, high: __m512) -> __m512 {
        // SAFETY: the caller vouches for the processor. The types have the same size, and any bits are valid
        // numbers.
        unsafe { transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(high, low)) }
    }
}

/// Eight numbers from index 8 − n on are n ones and then zeros, as bits.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// A mask of the first `count` lanes.
///
/// # Safety
/// The processor has AVX2, and `count` is at most 8.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    // SAFETY: eight numbers from 8 − `count` on lie inside the array.
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - count).cast()) }
}

impl Simd for Avx2 {
    type Vector = __m256;
    const LANES: usize = 8;

    intrinsics! {
        fn splat(value: f32) -> __m256 { _mm256_set1_ps(value) }
        fn load(from: *const f32) -> __m256 { _mm256_loadu_ps(from) }
        fn store(to: *mut f32, vector: __m256) { _mm256_storeu_ps(to, vector) }
        fn load_first(from: *const f32, count: usize) -> __m256 {
            _mm256_maskload_ps(from, first(count))
        }
        fn store_first(to: *mut f32, vector: __m256, count: usize) {
            _mm256_maskstore_ps(to, first(count), vector)
        }
        fn fetch(from: *const f32) { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
        fn fetch_to_write(from: *const f32) { prefetchw(from) }
        fn add(a: __m256, b: __m256) -> __m256 { _mm256_add_ps(a, b) }
        fn sub(a: __m256, b: __m256) -> __m256 { _mm256_sub_ps(a, b) }
        fn multiply(a: __m256, b: __m256) -> __m256 { _mm256_mul_ps(a, b) }
        fn divide(a: __m256, b: __m256) -> __m256 { _mm256_div_ps(a, b) }
        fn power_of_two(shifted: __m256) -> __m256 {
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(shifted)))
        }
        fn multiply_add(a: __m256, b: __m256, c: __m256) -> __m256 { _mm256_fmadd_ps(a, b, c) }
        fn max(a: __m256, b: __m256) -> __m256 { _mm256_max_ps(a, b) }
        fn min(a: __m256, b: __m256) -> __m256 { _mm256_min_ps(a, b) }
    }
}
