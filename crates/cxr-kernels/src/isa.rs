//! The [`microkernels`] compiled for each instruction set, and which of them this processor can run.
//!
//! Miri knows few vector instructions, so that it sees the portable microkernels only.

use std::ptr::null_mut;

use crate::curve::{self, Curve};
use crate::depthwise_kernel::{self, DepthwiseTile};
use crate::microkernels::{self, PixelWindow, Tile};
#[cfg(all(target_arch = "aarch64", not(miri)))]
use crate::neon::Neon;
use crate::pointwise::{self, PixelPair};
use crate::row_kernels::{self, RowBlock, RowNorm, ScoreRows};
use crate::simd::{Portable, Simd};
use crate::transforms::{self, Square};
#[cfg(all(target_arch = "x86_64", not(miri)))]
use crate::x86::{Avx2, Avx512};

/// A convolution for the number of pixels and vectors that its index in [`Kernels::convolve`] gives.
pub type Convolve = unsafe fn(&Tile);

/// Packs a pixel's channels for a convolution. Arguments: input, channels, scale and shift, output.
type Pack = unsafe fn(*const f32, usize, [*const f32; 2], *mut f32);

/// Rounds a pixel's channels to `bf16`. Arguments: input, channels, scale and shift, output, what the rounding left.
type Round = unsafe fn(*const f32, usize, [*const f32; 2], [*mut u16; 2]);

/// Replaces pixels by a curve of them. Arguments: curve, first pixel, stride, pixels and channels, averages.
#[cfg(test)]
type Bend = unsafe fn(Curve, *mut f32, usize, (usize, usize), *mut f32);

/// The microkernels of an instruction set.
///
/// A call is sound on a processor that has the instructions, under the contract of the function in
/// `microkernels` that the microkernel is compiled from.
pub struct Kernels {
    name: &'static str,
    /// Numbers in a vector.
    pub(crate) lanes: usize,
    /// `[vectors − 1][pixels − 1]`
    pub(crate) convolve: [&'static [Convolve]; VECTORS],
    pub(crate) depthwise: unsafe fn(&DepthwiseTile),
    pub(crate) pack: Pack,
    pub(crate) round: Round,
    /// Arguments: tile, sums, numbers between the sums of two pixels, pixels.
    pub(crate) finish: unsafe fn(&Tile, *const f32, usize, usize),
    pub(crate) max_pool: unsafe fn(&PixelWindow),
    pub(crate) norm_relu_average: unsafe fn(&PixelWindow, *const f32, *const f32),
    pub(crate) average: unsafe fn(&PixelWindow),
    pub(crate) product: unsafe fn(&PixelPair),
    pub(crate) sum: unsafe fn(&PixelPair),
    /// Curves are part of the other microkernels; this one is for tests.
    #[cfg(test)]
    pub(crate) bend: Bend,
    pub(crate) squares_of_2: SquareKernels,
    pub(crate) squares_of_4: SquareKernels,
    pub(crate) rows: RowKernels,
    /// Convolutions of pairs of `bf16`, if the instruction set has them.
    pairs: Option<&'static PairKernels>,
    is_here: fn() -> bool,
}

/// The microkernels for [`winograd`](crate::winograd)'s squares of some output pixels.
pub struct SquareKernels {
    /// The transform of pixels, before the products.
    pub input: unsafe fn(&Square),
    /// The transform of products into pixels.
    pub output: unsafe fn(&Square),
}

/// The microkernels for rows of tokens.
pub struct RowKernels {
    pub layer_norm: unsafe fn(&RowBlock, &RowNorm),
    pub softmax: unsafe fn(&ScoreRows),
    pub add_scaled: unsafe fn(&RowBlock, f32),
    pub add_squares: unsafe fn(&RowBlock),
    /// Arguments: rows, scale, shift.
    pub scale_shift: unsafe fn(&RowBlock, *const f32, *const f32),
    pub gate: unsafe fn(&RowBlock),
}

/// The microkernels for `bf16`: products of pairs, sums in `f32`.
#[cfg_attr(
    any(miri, not(target_arch = "x86_64")),
    allow(dead_code, reason = "only AVX-512 has them")
)]
pub struct PairKernels {
    /// As [`Kernels::convolve`]; a value of the input and a weight are pairs.
    pub convolve: [&'static [Convolve]; VECTORS],
    /// As [`Kernels::depthwise`]; its output is pairs.
    pub depthwise: unsafe fn(&DepthwiseTile),
    /// Into pairs; scale and shift may be null.
    pub pack: Pack,
    is_here: fn() -> bool,
}

/// Vectors of channels in a whole panel.
pub const VECTORS: usize = 2;

impl Kernels {
    /// The name of the instruction set, as `CXR_ISA` has it: `avx512`, `avx2`, `neon`, `portable`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Most pixels of a tile.
    pub(crate) fn pixels(&self) -> usize {
        self.convolve[0].len()
    }

    /// Channels in a whole panel.
    pub(crate) fn panel(&self) -> usize {
        VECTORS * self.lanes
    }

    /// The fastest that this processor has, or the one that the environment variable `CXR_ISA` names, for tests
    /// and measurements.
    pub fn best() -> &'static Kernels {
        let asked = std::env::var("CXR_ISA").ok();
        let asked = asked.and_then(|name| Self::all().find(|kernels| kernels.name == name));
        asked.or_else(|| Self::all().next()).unwrap_or(&PORTABLE)
    }

    /// The microkernels for `bf16`, if this processor has them.
    pub(crate) fn pairs(&self) -> Option<&'static PairKernels> {
        self.pairs.filter(|pairs| (pairs.is_here)())
    }

    /// All that this processor can run, the fastest first.
    pub fn all() -> impl Iterator<Item = &'static Kernels> {
        KNOWN.into_iter().filter(|kernels| (kernels.is_here)())
    }
}

/// Compiles the microkernels with these target features, for tiles of up to as many pixels as the registers
/// hold.
macro_rules! kernels {
    (
        $static:ident, $module:ident, $simd:ty, $pairs:expr, $is_here:expr,
        [$($pixels:literal)*] $(, $features:literal)?
    ) => {
        mod $module {
            use super::*;

            $(#[target_feature(enable = $features)])?
            pub unsafe fn convolve<const PIXELS: usize, const VECTORS: usize>(tile: &Tile) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe {
                    microkernels::convolve::<$simd, PIXELS, VECTORS>(tile);
                    if tile.curve != Curve::None {
                        bend_tile(tile, PIXELS, VECTORS * <$simd as Simd>::LANES);
                    }
                }
            }

            /// The curves of a tile that was just computed, once for tiles of all sizes.
            #[inline(never)]
            $(#[target_feature(enable = $features)])?
            pub unsafe fn bend_tile(tile: &Tile, pixels: usize, most: usize) {
                let channels = tile.channels.min(most);
                let (output, pixel) = (tile.output, tile.output_pixel);
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe {
                    curve::bend::<$simd>(tile.curve, output, pixel, (pixels, channels), null_mut());
                }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn depthwise(tile: &DepthwiseTile) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { depthwise_kernel::depthwise::<$simd>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn pack(
                input: *const f32,
                channels: usize,
                norm: [*const f32; 2],
                output: *mut f32,
            ) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { microkernels::pack::<$simd>(input, channels, norm, output) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn round(
                input: *const f32,
                channels: usize,
                norm: [*const f32; 2],
                output: [*mut u16; 2],
            ) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { microkernels::round::<$simd>(input, channels, norm, output) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn finish(tile: &Tile, sums: *const f32, row: usize, pixels: usize) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { microkernels::finish_sums::<$simd>(tile, sums, row, pixels) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn max_pool(window: &PixelWindow) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { microkernels::max_pool::<$simd>(window) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn norm_relu_average(window: &PixelWindow, scale: *const f32, shift: *const f32) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { microkernels::norm_relu_average::<$simd>(window, scale, shift) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn average(window: &PixelWindow) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { pointwise::average::<$simd>(window) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn product(pair: &PixelPair) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { pointwise::product::<$simd>(pair) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn sum(pair: &PixelPair) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { pointwise::sum::<$simd>(pair) }
            }

            #[cfg(test)]
            $(#[target_feature(enable = $features)])?
            pub unsafe fn bend(
                curve: Curve,
                first: *mut f32,
                pixel: usize,
                size: (usize, usize),
                averages: *mut f32,
            ) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { curve::bend::<$simd>(curve, first, pixel, size, averages) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn winograd_input_2(square: &Square) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { transforms::winograd_input_2::<$simd>(square) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn winograd_output_2(square: &Square) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { transforms::winograd_output_2::<$simd>(square) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn winograd_input_4(square: &Square) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { transforms::winograd_input_4::<$simd>(square) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn winograd_output_4(square: &Square) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { transforms::winograd_output_4::<$simd>(square) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn layer_norm(block: &RowBlock, norm: &RowNorm) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { row_kernels::layer_norm::<$simd>(block, norm) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn softmax(rows: &ScoreRows) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { row_kernels::softmax::<$simd>(rows) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn add_scaled(block: &RowBlock, factor: f32) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { row_kernels::add_scaled::<$simd>(block, factor) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn add_squares(block: &RowBlock) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { row_kernels::add_squares::<$simd>(block) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn scale_shift(block: &RowBlock, scale: *const f32, shift: *const f32) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { row_kernels::scale_shift::<$simd>(block, scale, shift) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn gate(block: &RowBlock) {
                // SAFETY: the caller keeps the contract of the function inside.
                unsafe { row_kernels::gate::<$simd>(block) }
            }
        }

        static $static: Kernels = Kernels {
            name: stringify!($module),
            lanes: <$simd as Simd>::LANES,
            convolve: [
                &[$($module::convolve::<$pixels, 1>),*],
                &[$($module::convolve::<$pixels, 2>),*],
            ],
            depthwise: $module::depthwise,
            pack: $module::pack,
            round: $module::round,
            finish: $module::finish,
            max_pool: $module::max_pool,
            norm_relu_average: $module::norm_relu_average,
            average: $module::average,
            product: $module::product,
            sum: $module::sum,
            #[cfg(test)]
            bend: $module::bend,
            squares_of_2: SquareKernels {
                input: $module::winograd_input_2,
                output: $module::winograd_output_2,
            },
            squares_of_4: SquareKernels {
                input: $module::winograd_input_4,
                output: $module::winograd_output_4,
            },
            rows: RowKernels {
                layer_norm: $module::layer_norm,
                softmax: $module::softmax,
                add_scaled: $module::add_scaled,
                add_squares: $module::add_squares,
                scale_shift: $module::scale_shift,
                gate: $module::gate,
            },
            pairs: $pairs,
            is_here: $is_here,
        };
    };
}

kernels!(
    PORTABLE,
    portable,
    Portable,
    None, || true, [1 2 3 4 5 6]);

#[cfg(all(target_arch = "x86_64", not(miri)))]
kernels!(
    AVX2,
    avx2,
    Avx2,
    None,
    || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
    [1 2 3 4 5 6],
    "avx2,fma"
);

#[cfg(all(target_arch = "x86_64", not(miri)))]
kernels!(
    AVX512,
    avx512,
    Avx512<false>,
    Some(&AVX512_PAIRS),
    || is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl"),
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    "avx512f,avx512vl"
);

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx512_pairs {
    use super::*;

    #[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
    pub unsafe fn depthwise(tile: &DepthwiseTile) {
        // SAFETY: the caller keeps the contract of the function inside.
        unsafe { depthwise_kernel::depthwise::<Avx512<true>>(tile) }
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
    pub unsafe fn convolve<const PIXELS: usize, const VECTORS: usize>(tile: &Tile) {
        // SAFETY: the caller keeps the contract of the function inside.
        unsafe {
            microkernels::convolve::<Avx512<true>, PIXELS, VECTORS>(tile);
            if tile.curve != Curve::None {
                avx512::bend_tile(tile, PIXELS, VECTORS * Avx512::<true>::LANES);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
    pub unsafe fn pack(
        input: *const f32,
        channels: usize,
        norm: [*const f32; 2],
        output: *mut f32,
    ) {
        // SAFETY: the caller keeps the contract of the function inside.
        unsafe { microkernels::pack_pairs::<Avx512<true>>(input, channels, norm, output) }
    }

    macro_rules! tiles {
        ($($pixels:literal)*) => {
            [&[$(convolve::<$pixels, 1>),*], &[$(convolve::<$pixels, 2>),*]]
        };
    }

    pub const CONVOLVE: [&[Convolve]; VECTORS] = tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
static AVX512_PAIRS: PairKernels = PairKernels {
    convolve: avx512_pairs::CONVOLVE,
    depthwise: avx512_pairs::depthwise,
    pack: avx512_pairs::pack,
    is_here: || is_x86_feature_detected!("avx512bf16"),
};

#[cfg(all(target_arch = "aarch64", not(miri)))]
kernels!(
    NEON,
    neon,
    Neon,
    None,
    || std::arch::is_aarch64_feature_detected!("neon"),
    [1 2 3 4 5 6 7 8 9 10 11 12],
    "neon"
);

#[cfg(all(target_arch = "x86_64", not(miri)))]
static KNOWN: [&Kernels; 3] = [&AVX512, &AVX2, &PORTABLE];
#[cfg(all(target_arch = "aarch64", not(miri)))]
static KNOWN: [&Kernels; 2] = [&NEON, &PORTABLE];
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
static KNOWN: [&Kernels; 1] = [&PORTABLE];
