//! Maps of another size, axis by axis: each new number is a sum of old ones.

use candle_core::{Device, Result, Tensor, bail};

use super::call::{StepCall, size_of};

/// How a new number is made of the old ones beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum AxisFilter {
    Nearest,
    Linear,
    /// With this coefficient; PyTorch has −0.75.
    Cubic(f64),
}

/// The first version of `Resize` that says how places are computed. Before, a place is that of the new number over the
/// scale, and the nearest number is the one before it.
const SAYS_PLACES: i64 = 11;

/// Of `Resize`, and of `Upsample` before version 10.
pub fn resize(call: &StepCall) -> Result<Tensor> {
    let input = call.floats(0)?;
    let filter = match call.text("mode", "nearest")? {
        "nearest" => AxisFilter::Nearest,
        "linear" => AxisFilter::Linear,
        "cubic" if call.opset < SAYS_PLACES => bail!("its mode is cubic, which version 11 brought"),
        "cubic" => AxisFilter::Cubic(call.float("cubic_coeff_a", -0.75)?),
        mode => bail!("its mode is {mode}"),
    };
    let is_plain = call.integer("antialias", 0)? == 0
        && call.integer("exclude_outside", 0)? == 0
        && call.text("keep_aspect_ratio_policy", "stretch")? == "stretch";
    if !is_plain {
        bail!("it resizes with antialiasing, or in another way that cxr does not have");
    }
    let sizes = sizes(call, input)?;
    let mut made = input.clone();
    for (axis, (new, scale)) in sizes.into_iter().enumerate() {
        let old = input.dims()[axis];
        if old != new || scale != 1.0 {
            made = along(
                call,
                &made,
                axis,
                new,
                &weights(call, filter, old, new, scale)?,
            )?;
        }
    }
    Ok(made)
}

/// For each axis the new size, and what it is times the old one.
fn sizes(call: &StepCall, input: &Tensor) -> Result<Vec<(usize, f64)>> {
    let rank = input.rank();
    let axes = match call.integers("axes")? {
        Some(axes) => {
            let axes = axes.iter().map(|axis| call.axis(*axis, rank));
            axes.collect::<Result<Vec<usize>>>()?
        }
        None => (0..rank).collect(),
    };
    let (of_scales, of_sizes) = if call.opset < SAYS_PLACES {
        (1, 4)
    } else {
        (2, 3)
    };
    let mut made: Vec<(usize, f64)> = input.dims().iter().map(|size| (*size, 1.0)).collect();
    let is_there = |place: usize| call.optional(place).is_some_and(|x| x.elem_count() > 0);
    let count = if is_there(of_sizes) {
        let sizes = call.whole(of_sizes)?;
        for (axis, size) in axes.iter().zip(&sizes) {
            let new = size_of(*size)?;
            made[*axis] = (new, new as f64 / input.dims()[*axis].max(1) as f64);
        }
        sizes.len()
    } else {
        let scales = call.floats(of_scales)?.flatten_all()?.to_vec1::<f32>()?;
        for (axis, scale) in axes.iter().zip(&scales) {
            let scale = f64::from(*scale);
            made[*axis] = ((input.dims()[*axis] as f64 * scale).floor() as usize, scale);
        }
        scales.len()
    };
    let is_empty = made.iter().any(|(size, scale)| *size == 0 || *scale <= 0.0);
    if count != axes.len() || is_empty {
        bail!("it does not say a size for each axis");
    }
    call.room(made.iter().map(|(size, _)| *size).collect())?;
    Ok(made)
}

/// `[new, old]`, row by row: what each new number takes of each old one.
fn weights(
    call: &StepCall,
    filter: AxisFilter,
    old: usize,
    new: usize,
    scale: f64,
) -> Result<Vec<f32>> {
    call.room(vec![old, new])?;
    let (mode, rounding) = if call.opset < SAYS_PLACES {
        ("asymmetric", "floor")
    } else {
        (
            call.text("coordinate_transformation_mode", "half_pixel")?,
            call.text("nearest_mode", "round_prefer_floor")?,
        )
    };
    let last = old as i64 - 1;
    let mut weights = vec![0.0; old * new];
    for (at, row) in weights.chunks_exact_mut(old).enumerate() {
        let at = at as f64;
        let place = match mode {
            "half_pixel" => (at + 0.5) / scale - 0.5,
            "pytorch_half_pixel" if new == 1 => 0.0,
            "pytorch_half_pixel" => (at + 0.5) / scale - 0.5,
            "asymmetric" => at / scale,
            "align_corners" if new == 1 => 0.0,
            "align_corners" => at * (old as f64 - 1.0) / (new as f64 - 1.0),
            other => bail!("its coordinate_transformation_mode is {other}"),
        };
        let is_nearest_of_old = call.opset < SAYS_PLACES && filter == AxisFilter::Nearest;
        if is_nearest_of_old && scale < 1.0 && place != place.floor() {
            // The standard does not say which, and ONNX Runtime takes the one behind.
            bail!(
                "it takes the nearest numbers of a larger map between two of them: export it with version 11 or later"
            );
        }
        let (first, shares) = shares(filter, place, rounding)?;
        for (beside, share) in shares.into_iter().enumerate() {
            let place = first.saturating_add(beside as i64).clamp(0, last);
            row[place as usize] += share as f32;
        }
    }
    Ok(weights)
}

/// The first of the old numbers that a place takes, and the share of each from there.
fn shares(filter: AxisFilter, place: f64, rounding: &str) -> Result<(i64, Vec<f64>)> {
    let floor = place.floor();
    let beyond = place - floor;
    Ok(match filter {
        AxisFilter::Nearest => {
            let nearest = match rounding {
                "floor" => floor,
                "ceil" => place.ceil(),
                "round_prefer_floor" => (place - 0.5).ceil(),
                "round_prefer_ceil" => (place + 0.5).floor(),
                other => bail!("its nearest_mode is {other}"),
            };
            (nearest as i64, vec![1.0])
        }
        AxisFilter::Linear => (floor as i64, vec![1.0 - beyond, beyond]),
        AxisFilter::Cubic(a) => {
            let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
            let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
            let rest = 1.0 - beyond;
            let shares = vec![far(beyond + 1.0), near(beyond), near(rest), far(rest + 1.0)];
            ((floor as i64).saturating_sub(1), shares)
        }
    })
}

/// The numbers along an axis times a matrix.
fn along(
    call: &StepCall,
    input: &Tensor,
    axis: usize,
    new: usize,
    weights: &[f32],
) -> Result<Tensor> {
    let last = input.rank() - 1;
    let old = input.dims()[axis];
    let turned = input.transpose(axis, last)?.contiguous()?;
    let mut shape = turned.dims().to_vec();
    shape[last] = new;
    let shape = call.room(shape)?;
    call.spend(&[&shape[..], &[old]].concat())?;
    let weights = Tensor::from_slice(weights, (new, old), &Device::Cpu)?;
    let weights = weights.to_device(input.device())?;
    let rows = input.elem_count() / old;
    let made = turned.reshape((rows, old))?.matmul(&weights.t()?)?;
    made.reshape(shape)?.transpose(axis, last)?.contiguous()
}
