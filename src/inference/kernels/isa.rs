//! Which instructions this processor has, and the [`microkernels`] compiled for them.

use super::depthwise_kernel::{self, DepthwiseTile};
use super::microkernels::{self, PixelWindow, Tile};
#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
use super::simd::{Portable, Simd};
use super::transforms::{self, Square};
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};

/// A convolution for so many pixels and vectors as its place in [`Kernels::convolve`] says.
type Convolve = unsafe fn(&Tile);

/// Makes a pixel's channels ready for a convolution: input, channels, scale and shift, output.
type Pack = unsafe fn(*const f32, usize, [*const f32; 2], *mut f32);

/// The microkernels of an instruction set.
///
/// Calling one is sound on a processor that has it, with the contract of the function in
/// [`microkernels`] that it is made from.
pub struct Kernels {
    /// As `CXR_ISA` names it.
    pub name: &'static str,
    /// Numbers in a vector.
    pub lanes: usize,
    /// `[vectors − 1][pixels − 1]`
    pub convolve: [&'static [Convolve]; VECTORS],
    pub depthwise: unsafe fn(&DepthwiseTile),
    pub pack: Pack,
    pub largest: unsafe fn(&PixelWindow),
    pub norm_relu_average: unsafe fn(&PixelWindow, *const f32, *const f32),
    pub winograd_input: unsafe fn(&Square),
    pub winograd_output: unsafe fn(&Square),
    /// Convolutions of pairs of `bf16`, where the instruction set has them.
    pairs: Option<&'static PairKernels>,
    is_here: fn() -> bool,
}

/// The microkernels for `bf16`: products of pairs, sums in `f32`.
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
    /// Most pixels of a tile.
    pub fn pixels(&self) -> usize {
        self.convolve[0].len()
    }

    /// Channels in a whole panel.
    pub fn panel(&self) -> usize {
        VECTORS * self.lanes
    }

    /// The best that this processor has, or what the environment variable `CXR_ISA` names, which is
    /// for tests and measurements.
    pub fn best() -> &'static Kernels {
        let asked = std::env::var("CXR_ISA").ok();
        let asked = asked.and_then(|name| Self::all().find(|kernels| kernels.name == name));
        asked.or_else(|| Self::all().next()).unwrap_or(&PORTABLE)
    }

    /// The microkernels for `bf16`, if this processor has them, too.
    pub fn pairs(&self) -> Option<&'static PairKernels> {
        self.pairs.filter(|pairs| (pairs.is_here)())
    }

    /// All that this processor has, the best first.
    pub fn all() -> impl Iterator<Item = &'static Kernels> {
        KNOWN.into_iter().filter(|kernels| (kernels.is_here)())
    }
}

/// The microkernels compiled with some target features, and so for tiles of up to so many pixels as
/// the registers hold.
macro_rules! kernels {
    (
        $static:ident, $module:ident, $simd:ty, $pairs:expr, $is_here:expr,
        [$($pixels:literal)*] $(, $features:literal)?
    ) => {
        mod $module {
            use super::*;

            // SAFETY of all: the caller's word, which is that of the function inside.

            $(#[target_feature(enable = $features)])?
            pub unsafe fn convolve<const PIXELS: usize, const VECTORS: usize>(tile: &Tile) {
                unsafe { microkernels::convolve::<$simd, PIXELS, VECTORS>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn depthwise(tile: &DepthwiseTile) {
                unsafe { depthwise_kernel::depthwise::<$simd>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn pack(
                input: *const f32,
                channels: usize,
                norm: [*const f32; 2],
                output: *mut f32,
            ) {
                unsafe { microkernels::pack::<$simd>(input, channels, norm, output) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn largest(window: &PixelWindow) {
                unsafe { microkernels::largest::<$simd>(window) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn norm_relu_average(window: &PixelWindow, scale: *const f32, shift: *const f32) {
                unsafe { microkernels::norm_relu_average::<$simd>(window, scale, shift) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn winograd_input(square: &Square) {
                unsafe { transforms::winograd_input::<$simd>(square) }
            }

            $(#[target_feature(enable = $features)])?
            pub unsafe fn winograd_output(square: &Square) {
                unsafe { transforms::winograd_output::<$simd>(square) }
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
            largest: $module::largest,
            norm_relu_average: $module::norm_relu_average,
            winograd_input: $module::winograd_input,
            winograd_output: $module::winograd_output,
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

#[cfg(target_arch = "x86_64")]
kernels!(
    AVX2,
    avx2,
    Avx2,
    None,
    || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
    [1 2 3 4 5 6],
    "avx2,fma"
);

#[cfg(target_arch = "x86_64")]
kernels!(
    AVX512,
    avx512,
    Avx512<false>,
    Some(&AVX512_PAIRS),
    || is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl"),
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    "avx512f,avx512vl"
);

#[cfg(target_arch = "x86_64")]
mod avx512_pairs {
    use super::*;

    // SAFETY of all: the caller's word, which is that of the function inside.

    #[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
    pub unsafe fn depthwise(tile: &DepthwiseTile) {
        unsafe { depthwise_kernel::depthwise::<Avx512<true>>(tile) }
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
    pub unsafe fn convolve<const PIXELS: usize, const VECTORS: usize>(tile: &Tile) {
        unsafe { microkernels::convolve::<Avx512<true>, PIXELS, VECTORS>(tile) }
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
    pub unsafe fn pack(
        input: *const f32,
        channels: usize,
        norm: [*const f32; 2],
        output: *mut f32,
    ) {
        unsafe { microkernels::pack_pairs::<Avx512<true>>(input, channels, norm, output) }
    }

    macro_rules! tiles {
        ($($pixels:literal)*) => {
            [&[$(convolve::<$pixels, 1>),*], &[$(convolve::<$pixels, 2>),*]]
        };
    }

    pub const CONVOLVE: [&[Convolve]; VECTORS] = tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

#[cfg(target_arch = "x86_64")]
static AVX512_PAIRS: PairKernels = PairKernels {
    convolve: avx512_pairs::CONVOLVE,
    depthwise: avx512_pairs::depthwise,
    pack: avx512_pairs::pack,
    is_here: || is_x86_feature_detected!("avx512bf16"),
};

#[cfg(target_arch = "aarch64")]
kernels!(
    NEON,
    neon,
    Neon,
    None,
    || std::arch::is_aarch64_feature_detected!("neon"),
    [1 2 3 4 5 6 7 8 9 10 11 12],
    "neon"
);

#[cfg(target_arch = "x86_64")]
static KNOWN: [&Kernels; 3] = [&AVX512, &AVX2, &PORTABLE];
#[cfg(target_arch = "aarch64")]
static KNOWN: [&Kernels; 2] = [&NEON, &PORTABLE];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static KNOWN: [&Kernels; 1] = [&PORTABLE];
