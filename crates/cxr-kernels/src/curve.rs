//! Functions of a single number that a clamp cannot express, written once over [`Simd`].

use crate::microkernels::{load_up_to, store_up_to};
use crate::simd::Simd;

/// What comes after the sums of a pass and their clamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curve {
    /// Nothing.
    #[default]
    None,
    /// `x · sigmoid(x)`
    Silu,
    /// `x · relu6(x + 3) / 6`
    HardSwish,
    /// `1 / (1 + exp(−x))`
    Sigmoid,
    /// `relu6(x + 3) / 6`
    HardSigmoid,
    /// `x · Φ(x)`, with the distribution function of the normal distribution (Hendrycks & Gimpel 2016,
    /// arXiv:1606.08415).
    Gelu,
    /// `x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2`
    GeluTanh,
    /// `x · sigmoid(1.702 · x)`
    QuickGelu,
}

/// Replaces the channels of each pixel by the curve of them, and writes the average of the pixels into `averages`,
/// `[channels]`, unless that is null. The pixels were just computed, and lie in the nearest cache.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve): the pointer is valid for these pixels.
#[inline(always)]
pub unsafe fn bend<S: Simd>(
    curve: Curve,
    first: *mut f32,
    pixel: usize,
    (pixels, channels): (usize, usize),
    averages: *mut f32,
) {
    // Each curve has a loop of its own, in which the compiler knows which one it is.
    macro_rules! bend_by {
        ($($curve:ident)*) => {
            match curve {
                Curve::None if averages.is_null() => {}
                $(Curve::$curve => {
                    let curve = Curve::$curve;
                    // SAFETY: the caller vouches for the pixels.
                    unsafe { bend_by::<S>(curve, first, pixel, (pixels, channels), averages) };
                })*
            }
        };
    }
    bend_by!(None Silu HardSwish Sigmoid HardSigmoid Gelu GeluTanh QuickGelu);
}

/// As [`bend`].
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn bend_by<S: Simd>(
    curve: Curve,
    first: *mut f32,
    pixel: usize,
    (pixels, channels): (usize, usize),
    averages: *mut f32,
) {
    for channel in (0..channels).step_by(S::LANES) {
        let count = channels - channel;
        // SAFETY: the caller vouches for the pixels; only channels that exist are read and written.
        unsafe {
            let mut sum = S::splat(0.0);
            let mut at = first.add(channel);
            for _ in 0..pixels {
                let value = curved::<S>(curve, load_up_to::<S>(at, count));
                store_up_to::<S>(at, value, count);
                sum = S::add(sum, value);
                at = at.wrapping_add(pixel);
            }
            if !averages.is_null() {
                let average = S::multiply(sum, S::splat(1.0 / pixels as f32));
                store_up_to::<S>(averages.add(channel), average, count);
            }
        }
    }
}

/// The curve of each lane.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub unsafe fn curved<S: Simd>(curve: Curve, x: S::Vector) -> S::Vector {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        match curve {
            Curve::None => x,
            Curve::Silu => S::divide(x, one_and_exp_of_minus::<S>(x)),
            Curve::Sigmoid => S::divide(S::splat(1.0), one_and_exp_of_minus::<S>(x)),
            Curve::HardSwish => S::multiply(x, hard_sigmoid::<S>(x)),
            Curve::HardSigmoid => hard_sigmoid::<S>(x),
            Curve::Gelu => S::multiply(x, S::add(above_half::<S>(x), S::splat(0.5))),
            Curve::GeluTanh => {
                // (1 + tanh(y)) / 2 is the sigmoid of 2y.
                let cube = S::multiply(S::splat(GELU_CUBE), S::multiply(x, x));
                let argument = S::multiply_add(cube, x, x);
                let argument = S::multiply(S::splat(GELU_SCALE), argument);
                S::divide(x, one_and_exp_of_minus::<S>(argument))
            }
            Curve::QuickGelu => {
                let argument = S::multiply(S::splat(1.702), x);
                S::divide(x, one_and_exp_of_minus::<S>(argument))
            }
        }
    }
}

/// 2 · √(2/π)
const GELU_SCALE: f32 = 1.595_769;
const GELU_CUBE: f32 = 0.044_715;

/// Beyond this, Φ is 0 or 1 in `f32`.
const NORMAL_FARTHEST: f32 = 5.6;
/// A rational function of x², times x, that is nearest to Φ(x) − ½ in relative distance (2 · 10⁻⁸), by least squares
/// that were weighted anew until the distance was even. The last coefficient comes first.
const NORMAL_ABOVE: [f32; 6] = [
    2.229_857e-8,
    6.289_561_5e-6,
    1.689_071_8e-4,
    4.677_212_3e-3,
    3.392_693e-2,
    3.989_422_6e-1,
];
const NORMAL_BELOW: [f32; 6] = [
    1.179_675_3e-6,
    7.333_683e-5,
    1.885_365_6e-3,
    2.867_633_3e-2,
    2.517_085_4e-1,
    1.0,
];

/// Φ(x) − ½ within 10⁻⁷, from −½ to ½, where Φ is the distribution function of the normal distribution. NaN stays NaN.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn above_half<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        let x = S::min(
            S::splat(NORMAL_FARTHEST),
            S::max(S::splat(-NORMAL_FARTHEST), x),
        );
        let square = S::multiply(x, x);
        let (mut above, mut below) = (S::splat(NORMAL_ABOVE[0]), S::splat(NORMAL_BELOW[0]));
        for (up, down) in NORMAL_ABOVE[1..].iter().zip(&NORMAL_BELOW[1..]) {
            above = S::multiply_add(above, square, S::splat(*up));
            below = S::multiply_add(below, square, S::splat(*down));
        }
        S::divide(S::multiply(x, above), below)
    }
}

/// `relu6(x + 3) / 6`
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn hard_sigmoid<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        let raised = S::add(x, S::splat(3.0));
        let clamped = S::min(S::splat(6.0), S::max(S::splat(0.0), raised));
        S::multiply(clamped, S::splat(1.0 / 6.0))
    }
}

/// `1 + exp(−x)`
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn one_and_exp_of_minus<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        let (power, two) = exp_of_minus::<S>(x);
        S::multiply_add(power, two, S::splat(1.0))
    }
}

/// eˣ within two units of the last place, for x from −87 to 87. What lies beyond is taken as these; NaN stays NaN.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub unsafe fn exp<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        let (power, two) = exp_of_minus::<S>(S::sub(S::splat(0.0), x));
        S::multiply(power, two)
    }
}

/// Beyond this, eˣ or 1 + e⁻ˣ would leave the numbers of full precision.
const FARTHEST: f32 = 87.0;
/// 1.5 · 2²³ + 127: a number of this size has no bits after the point, so that adding it rounds. Its lowest bits are
/// those of the exponent of 1.
const ROUNDING: f32 = 12_583_039.0;
/// ln 2 in two parts. The first has few enough bits that a product with a whole number is exact.
const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
/// A polynomial for e⁻ʳ with r up to ln 2 / 2 and its largest relative distance (9 · 10⁻⁸) the least, by least squares
/// that were weighted anew until the distance was even. One term more took a seventh more time for a whole SiLU.
const POLYNOMIAL: [f32; 6] = [
    -8.290_272e-3,
    4.189_816e-2,
    -1.666_763_9e-1,
    4.999_914_8e-1,
    -9.999_997e-1,
    1.0,
];

/// e⁻ˣ as two factors, e⁻ʳ and 2ⁿ, where x = r − n · ln 2. They are left apart for a product that adds something, too.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn exp_of_minus<S: Simd>(x: S::Vector) -> (S::Vector, S::Vector) {
    // SAFETY: the caller vouches for the processor.
    unsafe {
        let x = S::min(S::splat(FARTHEST), S::max(S::splat(-FARTHEST), x));
        let rounding = S::splat(ROUNDING);
        let shifted = S::multiply_add(x, S::splat(-std::f32::consts::LOG2_E), rounding);
        let n = S::sub(shifted, rounding);
        let r = if S::IS_FUSED {
            // The product is not rounded, and n is at most 126: what ln 2 lacks as one number makes no difference.
            S::multiply_add(n, S::splat(std::f32::consts::LN_2), x)
        } else {
            let r = S::multiply_add(n, S::splat(LN_2[0]), x);
            S::multiply_add(n, S::splat(LN_2[1]), r)
        };
        let mut power = S::splat(POLYNOMIAL[0]);
        for coefficient in &POLYNOMIAL[1..] {
            power = S::multiply_add(power, r, S::splat(*coefficient));
        }
        (power, S::power_of_two(shifted))
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use super::*;
    use crate::isa::Kernels;
    use crate::tests::token_reference::normal;

    /// Numbers of all sizes, with both signs and both ends.
    fn arguments() -> Vec<f32> {
        let steps = if cfg!(miri) { 40 } else { 4_000 };
        let along = |n: i32| 100.0 * (n as f32 / steps as f32).powi(3);
        let mut numbers: Vec<f32> = (-steps..=steps).map(along).collect();
        numbers.extend([0.0, -0.0, 88.0, -88.0, 1e4, -1e4]);
        numbers
    }

    fn expected(curve: Curve, x: f64) -> f64 {
        let sigmoid = 1.0 / (1.0 + (-x).exp());
        let hard_sigmoid = (x + 3.0).clamp(0.0, 6.0) / 6.0;
        match curve {
            Curve::None => x,
            Curve::Silu => x * sigmoid,
            Curve::HardSwish => x * hard_sigmoid,
            Curve::Sigmoid => sigmoid,
            Curve::HardSigmoid => hard_sigmoid,
            Curve::Gelu => x * normal(x),
            Curve::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                x * (1.0 + inner.tanh()) / 2.0
            }
            Curve::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
        }
    }

    /// The largest difference: 4 · 10⁻⁷ of the result, or for a GELU of its argument, since its left end is a
    /// difference of numbers that are nearly equal. So it is PyTorch's.
    fn allowed(curve: Curve, x: f64, expected: f64) -> f64 {
        let of = match curve {
            Curve::Gelu | Curve::GeluTanh | Curve::QuickGelu => x,
            _ => expected,
        };
        4e-7 * of.abs() + 1e-33
    }

    #[test]
    fn a_curve_is_its_formula_with_every_instruction_set() {
        let curves = [
            Curve::None,
            Curve::Silu,
            Curve::HardSwish,
            Curve::Sigmoid,
            Curve::HardSigmoid,
            Curve::Gelu,
            Curve::GeluTanh,
            Curve::QuickGelu,
        ];
        for kernels in Kernels::all() {
            for curve in curves {
                let arguments = arguments();
                let mut found = arguments.clone();
                // SAFETY: as many channels as there are numbers, on a processor that has the instructions.
                unsafe {
                    (kernels.bend)(curve, found.as_mut_ptr(), 0, (1, found.len()), null_mut())
                };
                for (x, found) in arguments.iter().zip(found) {
                    let expected = expected(curve, f64::from(*x));
                    let allowed = allowed(curve, f64::from(*x), expected);
                    let difference = (f64::from(found) - expected).abs();
                    let name = kernels.name();
                    assert!(
                        difference <= allowed,
                        "{name}: {curve:?} of {x} is {found}, not {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for kernels in Kernels::all() {
            for curve in [Curve::Silu, Curve::HardSwish, Curve::Sigmoid, Curve::Gelu] {
                let mut values = [f32::NAN; 19];
                // SAFETY: nineteen channels of one pixel.
                unsafe {
                    (kernels.bend)(curve, values.as_mut_ptr(), 0, (1, values.len()), null_mut())
                };
                assert!(values.iter().all(|value| value.is_nan()), "{curve:?}");
            }
        }
    }

    #[test]
    fn only_the_channels_of_the_pixels_are_bent() {
        for kernels in Kernels::all() {
            let mut values = [1.0_f32; 20];
            // SAFETY: two pixels of three channels, five numbers apart.
            unsafe {
                (kernels.bend)(
                    Curve::HardSigmoid,
                    values.as_mut_ptr(),
                    5,
                    (2, 3),
                    null_mut(),
                )
            };
            for (n, value) in values.iter().enumerate() {
                let is_bent = n < 10 && n % 5 < 3;
                let expected = if is_bent { 4.0 / 6.0 } else { 1.0 };
                assert!((value - expected).abs() < 1e-6, "{n}: {value}");
            }
        }
    }

    #[test]
    fn averages_are_of_what_the_curve_made() {
        for kernels in Kernels::all() {
            for curve in [Curve::None, Curve::Silu] {
                let mut values: Vec<f32> = (0..3 * 21).map(|n| n as f32 / 9.0 - 3.0).collect();
                let mut averages = [f32::NAN; 20];
                let size = (3, 19);
                // SAFETY: three pixels of nineteen channels, and as many averages.
                unsafe {
                    (kernels.bend)(curve, values.as_mut_ptr(), 21, size, averages.as_mut_ptr())
                };
                for (channel, average) in averages[..19].iter().enumerate() {
                    let sum: f32 = (0..3).map(|pixel| values[21 * pixel + channel]).sum();
                    assert!((average - sum / 3.0).abs() < 1e-6, "{curve:?}: {average}");
                }
                assert!(averages[19].is_nan());
            }
        }
    }
}
