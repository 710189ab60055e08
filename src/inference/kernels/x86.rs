//! [`Simd`] by AVX-512 and by AVX2 with FMA.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::simd::{Pairs, Simd};

/// `avx512f` and `avx512vl`: sixteen lanes. With `BF16` also `avx512bf16`, and convolutions of pairs.
#[derive(Clone, Copy)]
pub struct Avx512<const BF16: bool>;

/// `avx2` and `fma`: eight lanes.
#[derive(Clone, Copy)]
pub struct Avx2;

// SAFETY of both: the trait asks for a processor with these instructions and for valid pointers. A
// masked load or store touches only the lanes of its mask.

impl<const BF16: bool> Simd for Avx512<BF16> {
    type Vector = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: __m512) {
        unsafe { _mm512_storeu_ps(to, vector) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps((1_u16 << count) - 1, from) }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, vector: __m512, count: usize) {
        unsafe { _mm512_mask_storeu_ps(to, (1_u16 << count) - 1, vector) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn accumulate(value: __m512, weights: __m512, sum: __m512) -> __m512 {
        match BF16 {
            // SAFETY: these are as large, and any bits are some numbers.
            true => unsafe {
                let value = transmute::<__m512, __m512bh>(value);
                _mm512_dpbf16_ps(sum, value, transmute::<__m512, __m512bh>(weights))
            },
            false => unsafe { _mm512_fmadd_ps(value, weights, sum) },
        }
    }

    #[inline(always)]
    unsafe fn hand_over(pixel: *mut f32, channel: usize, vector: __m512, count: usize) {
        match BF16 {
            // SAFETY: these are as large, and half a vector is the place of one that is rounded.
            true => unsafe {
                let halves = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(vector));
                _mm256_storeu_si256(pixel.cast::<u16>().add(channel).cast(), halves);
            },
            false if count >= Self::LANES => unsafe { Self::store(pixel.add(channel), vector) },
            false => unsafe { Self::store_first(pixel.add(channel), vector, count) },
        }
    }

    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
}

impl Pairs for Avx512<true> {
    #[inline(always)]
    unsafe fn pairs(low: __m512, high: __m512) -> __m512 {
        // SAFETY: as large, and any bits are some numbers.
        unsafe { transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(high, low)) }
    }
}

/// Eight of these from 8 − n on are n ones and then zeros.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Whose first `count` lanes are on.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    // SAFETY: `count` is at most 8, so that eight numbers from there lie inside.
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - count).cast()) }
}

impl Simd for Avx2 {
    type Vector = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: __m256) {
        unsafe { _mm256_storeu_ps(to, vector) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(from, first(count)) }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, vector: __m256, count: usize) {
        unsafe { _mm256_maskstore_ps(to, first(count), vector) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
}
