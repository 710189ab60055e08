//! Windows over maps: convolutions and pools.

use candle_core::{D, Result, Tensor, bail};

use super::call::{StepCall, size_of};
use crate::inference::network::reference::tap_by_tap;

/// Windows over rows and columns.
struct MapWindows {
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    /// Above, to the left, below, to the right.
    pads: [usize; 4],
}

impl MapWindows {
    /// `kernel` where the attribute is absent.
    fn of(call: &StepCall, kernel: [usize; 2], size: [usize; 2]) -> Result<Self> {
        let kernel = pair(call, "kernel_shape", kernel)?;
        let strides = pair(call, "strides", [1, 1])?;
        let dilations = pair(call, "dilations", [1, 1])?;
        let sizes = kernel.iter().chain(&strides).chain(&dilations);
        if sizes.into_iter().any(|size| !(1..=1 << 16).contains(size)) {
            bail!("windows of {kernel:?} with steps of {strides:?} and {dilations:?}");
        }
        let mut windows = MapWindows {
            kernel,
            strides,
            dilations,
            pads: [0; 4],
        };
        windows.pads = match call.text("auto_pad", "NOTSET")? {
            "NOTSET" => windows.said_pads(call)?,
            "VALID" => [0; 4],
            "SAME_UPPER" => windows.same(size, false),
            "SAME_LOWER" => windows.same(size, true),
            other => bail!("its auto_pad is {other}"),
        };
        Ok(windows)
    }

    fn said_pads(&self, call: &StepCall) -> Result<[usize; 4]> {
        let Some(pads) = call.integers("pads")? else {
            return Ok([0; 4]);
        };
        let pads = pads.iter().map(|pad| size_of(*pad));
        match pads.collect::<Result<Vec<usize>>>()?[..] {
            [a, b, c, d] if a.max(b).max(c).max(d) <= 1 << 16 => Ok([a, b, c, d]),
            _ => bail!("its pads are not four for rows and columns"),
        }
    }

    /// The rows or columns that a window reaches over.
    fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    /// As many windows as steps, with what is missing on both sides.
    fn same(&self, size: [usize; 2], is_lower: bool) -> [usize; 4] {
        let around = |axis: usize| {
            let step = self.strides[axis];
            let windows = size[axis].div_ceil(step);
            let needed = windows.saturating_sub(1) * step + self.reach(axis);
            let missing = needed.saturating_sub(size[axis]);
            let (less, more) = (missing / 2, missing.div_ceil(2));
            if is_lower { [more, less] } else { [less, more] }
        };
        let ([above, below], [left, right]) = (around(0), around(1));
        [above, left, below, right]
    }

    /// Rows and columns of windows over a padded map.
    fn counts(&self, size: [usize; 2]) -> Result<[usize; 2]> {
        let along = |axis: usize| {
            let padded = size[axis] + self.pads[axis] + self.pads[axis + 2];
            let rest = padded.checked_sub(self.reach(axis))?;
            Some(rest / self.strides[axis] + 1)
        };
        match (along(0), along(1)) {
            (Some(rows), Some(columns)) => Ok([rows, columns]),
            _ => bail!("windows of {:?} over a map of {size:?}", self.kernel),
        }
    }

    /// The map with its pads, zeros or those of `value`.
    fn padded(&self, call: &StepCall, map: &Tensor, value: Option<f32>) -> Result<Tensor> {
        let [above, left, below, right] = self.pads;
        if self.pads == [0; 4] {
            return map.contiguous();
        }
        let mut shape = map.dims().to_vec();
        shape[2] += above + below;
        shape[3] += left + right;
        let shape = call.room(shape)?;
        let zeros = |map: &Tensor| {
            map.pad_with_zeros(D::Minus2, above, below)?
                .pad_with_zeros(D::Minus1, left, right)
        };
        match value {
            None => zeros(map),
            Some(value) => {
                let inside = zeros(&map.ones_like()?)?;
                let outside = Tensor::full(value, shape, map.device())?;
                let is_inside = inside.ne(&inside.zeros_like()?)?;
                is_inside.where_cond(&zeros(map)?, &outside)
            }
        }
    }
}

/// Two sizes of an attribute.
fn pair(call: &StepCall, name: &str, default: [usize; 2]) -> Result<[usize; 2]> {
    let Some(values) = call.integers(name)? else {
        return Ok(default);
    };
    match values {
        [down, across] => Ok([size_of(*down)?, size_of(*across)?]),
        _ => bail!("its {name} is {values:?}, and cxr has rows and columns"),
    }
}

/// A map, `[1, C, h, w]`, and its rows and columns.
fn map_of<'a>(call: &StepCall<'a>) -> Result<(&'a Tensor, [usize; 2])> {
    let map = call.floats(0)?;
    match map.dims() {
        [_, _, rows, columns] => Ok((map, [*rows, *columns])),
        other => bail!("its input is {other:?}, and not a map of channels, rows and columns"),
    }
}

pub fn conv(call: &StepCall) -> Result<Tensor> {
    let (map, size) = map_of(call)?;
    let weight = call.floats(1)?;
    let (images, channels) = (map.dims()[0], map.dims()[1]);
    let [outputs, of_group, down, across] = weight.dims() else {
        bail!("its weight is {:?}", weight.dims());
    };
    let (outputs, of_group) = (*outputs, *of_group);
    let groups = size_of(call.integer("group", 1)?)?;
    if groups == 0 || of_group.checked_mul(groups) != Some(channels) || outputs % groups != 0 {
        bail!(
            "{groups} groups of {channels} channels, and a weight of {:?}",
            weight.dims()
        );
    }
    let windows = MapWindows::of(call, [*down, *across], size)?;
    let [rows, columns] = windows.counts(size)?;
    call.room(vec![images, outputs, rows, columns])?;
    // candle puts the windows side by side.
    call.room(vec![images, channels, down * across, rows, columns])?;
    call.spend(&[images, outputs, rows, columns, of_group, *down, *across])?;
    let padded = windows.padded(call, map, None)?;
    let made = convolved(&windows, &padded, weight, groups)?;
    match call.optional(2) {
        None => Ok(made),
        Some(bias) => made.broadcast_add(&bias.reshape((1, outputs, 1, 1))?),
    }
}

fn convolved(windows: &MapWindows, map: &Tensor, weight: &Tensor, groups: usize) -> Result<Tensor> {
    let ([step, across], [dilation, other]) = (windows.strides, windows.dilations);
    if step != across || dilation != other {
        bail!("steps of {:?} and {:?}", windows.strides, windows.dilations);
    }
    let is_square = windows.kernel[0] == windows.kernel[1];
    let (outputs, channels) = (weight.dims()[0], map.dims()[1]);
    if groups > 1 && groups == channels && outputs == channels && is_square && dilation == 1 {
        return tap_by_tap(map, weight, step);
    }
    if windows.kernel == windows.strides && groups == 1 && dilation == 1 {
        return patches(map, weight, step);
    }
    map.conv2d(weight, 0, step, dilation, groups)
}

/// MapWindows side by side, one product for all of them.
fn patches(map: &Tensor, weight: &Tensor, side: usize) -> Result<Tensor> {
    let (images, channels, rows, columns) = map.dims4()?;
    let outputs = weight.dim(0)?;
    let (down, across) = (rows / side, columns / side);
    let squares = map
        .narrow(2, 0, down * side)?
        .narrow(3, 0, across * side)?
        .contiguous()?
        .reshape((images, channels, down, side, across, side))?
        .permute((0, 2, 4, 1, 3, 5))?
        .contiguous()?
        .reshape((images * down * across, channels * side * side))?;
    let weight = weight
        .contiguous()?
        .reshape((outputs, channels * side * side))?;
    squares
        .matmul(&weight.t()?)?
        .reshape((images, down, across, outputs))?
        .permute((0, 3, 1, 2))?
        .contiguous()
}

/// The largest number of each window, or the average.
pub fn pool(call: &StepCall, takes_largest: bool) -> Result<Tensor> {
    let (map, size) = map_of(call)?;
    let windows = MapWindows::of(call, [0, 0], size)?;
    let counts_pads = call.integer("count_include_pad", 0)? == 1;
    if windows.dilations != [1, 1] || call.integer("ceil_mode", 0)? == 1 {
        bail!("dilated windows, or some that reach beyond the map");
    }
    if !takes_largest && !counts_pads && windows.pads != [0; 4] {
        bail!("averages that leave the pads out");
    }
    let [rows, columns] = windows.counts(size)?;
    let [down, across] = windows.kernel;
    let (images, channels) = (map.dims()[0], map.dims()[1]);
    call.touch(&[images, channels, rows, columns, down, across])?;
    let outside = takes_largest.then_some(f32::MIN);
    let padded = windows.padded(call, map, outside)?;
    let [kernel, strides] = [windows.kernel, windows.strides].map(|[a, b]| (a, b));
    if takes_largest {
        padded.max_pool2d_with_stride(kernel, strides)
    } else {
        padded.avg_pool2d_with_stride(kernel, strides)
    }
}
