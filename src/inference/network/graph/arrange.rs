//! Operators that put the same numbers into another order or shape.

use candle_core::{DType, Result, Tensor, bail};

use super::call::{StepCall, size_of};

/// 0 takes the size of the input, and −1 what is left.
pub fn reshape(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let keeps_zero = call.integer("allowzero", 0)? == 1;
    let mut rest = None;
    let mut shape = Vec::new();
    for (axis, size) in call.whole(1)?.into_iter().enumerate() {
        shape.push(match size {
            0 if !keeps_zero => input.dim(axis)?,
            -1 if rest.is_none() => {
                rest = Some(axis);
                1
            }
            size => size_of(size)?,
        });
    }
    let mut shape = call.room(shape)?;
    if let Some(axis) = rest {
        let others: usize = shape.iter().product();
        match input.elem_count().checked_div(others) {
            Some(size) => shape[axis] = size,
            None => bail!("its shape is {shape:?}, with something left"),
        }
    }
    if shape.iter().product::<usize>() != input.elem_count() {
        bail!("{:?} does not become {shape:?}", input.dims());
    }
    input.reshape(shape)
}

/// Two axes: those before `axis`, and the others.
pub fn flatten(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let rank = input.rank();
    let axis = match call.integer("axis", 1)? {
        axis if axis == rank as i64 => rank,
        axis => call.axis(axis, rank)?,
    };
    let (before, after) = input.dims().split_at(axis);
    let shape: (usize, usize) = (before.iter().product(), after.iter().product());
    input.reshape(shape)
}

pub fn transpose(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let rank = input.rank();
    let order: Vec<usize> = match call.integers("perm")? {
        Some(order) => {
            let order = order.iter().map(|axis| call.axis(*axis, rank));
            order.collect::<Result<_>>()?
        }
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        bail!("its perm is {order:?}");
    }
    input.permute(order)
}

pub fn squeeze(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let axes = call.axes(1, input.rank())?;
    let mut shape = Vec::new();
    for (axis, size) in input.dims().iter().enumerate() {
        match &axes {
            Some(axes) if axes.contains(&axis) && *size != 1 => {
                bail!("axis {axis} has {size} numbers, and not one");
            }
            Some(axes) if axes.contains(&axis) => {}
            None if *size == 1 => {}
            _ => shape.push(*size),
        }
    }
    input.reshape(shape)
}

pub fn unsqueeze(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let Some(axes) = call.whole_or(1, "axes")? else {
        bail!("it does not say its axes");
    };
    let rank = input.rank() + axes.len();
    call.room(vec![1; rank])?;
    let axes = axes.iter().map(|axis| call.axis(*axis, rank));
    let axes = axes.collect::<Result<Vec<usize>>>()?;
    let mut sizes = input.dims().iter();
    let size = |axis: usize| {
        if axes.contains(&axis) {
            Some(1)
        } else {
            sizes.next().copied()
        }
    };
    match (0..rank).map(size).collect::<Option<Vec<usize>>>() {
        Some(shape) => input.reshape(shape),
        None => bail!("it names an axis twice"),
    }
}

pub fn concat(call: &StepCall) -> Result<Tensor> {
    let parts = (0..call.inputs.len()).map(|place| call.input(place));
    let parts = parts.collect::<Result<Vec<&Tensor>>>()?;
    let first = call.input(0)?;
    let axis = call.axis(call.integer("axis", 0)?, first.rank())?;
    let mut shape = first.dims().to_vec();
    shape[axis] = 0;
    for part in &parts {
        if part.rank() != first.rank() || part.dtype() != first.dtype() {
            bail!("it joins {:?} and {:?}", first.dims(), part.dims());
        }
        shape[axis] = usize::saturating_add(shape[axis], part.dims()[axis]);
    }
    call.room(shape)?;
    let filled: Vec<&Tensor> = parts
        .into_iter()
        .filter(|part| part.elem_count() > 0)
        .collect();
    match filled[..] {
        [] => Ok(first.clone()),
        [one] => Ok(one.clone()),
        _ => Tensor::cat(&filled, axis),
    }
}

/// Parts of these sizes along an axis, or of equal sizes.
pub fn split(call: &StepCall) -> Result<Vec<Tensor>> {
    let input = call.input(0)?;
    let axis = call.axis(call.integer("axis", 0)?, input.rank())?;
    let size = input.dims()[axis];
    let sizes: Vec<usize> = match call.whole_or(1, "split")? {
        Some(sizes) => sizes.into_iter().map(size_of).collect::<Result<_>>()?,
        None => {
            let count = call.step.outputs.len().max(1);
            let each = size.div_ceil(count);
            let of = |place: usize| each.min(size.saturating_sub(place.saturating_mul(each)));
            (0..count).map(of).collect()
        }
    };
    if sizes
        .iter()
        .try_fold(0_usize, |sum, part| sum.checked_add(*part))
        != Some(size)
    {
        bail!("its parts are {sizes:?}, and there are {size}");
    }
    let mut start = 0;
    let part = |length: usize| {
        let part = input.narrow(axis, start, length);
        start += length;
        part
    };
    sizes.into_iter().map(part).collect()
}

pub fn expand(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let sizes = call.whole(1)?.into_iter().map(size_of);
    let asked = call.room(sizes.collect::<Result<Vec<usize>>>()?)?;
    let shape = call.broadcast(input.dims(), &asked)?;
    input.broadcast_as(shape)?.contiguous()
}

/// The input repeated along each axis.
pub fn tile(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let times = call.whole(1)?.into_iter().map(size_of);
    let times = times.collect::<Result<Vec<usize>>>()?;
    if times.len() != input.rank() {
        bail!("it repeats {} axes of {}", times.len(), input.rank());
    }
    let pairs = input.dims().iter().zip(&times);
    let shape = pairs.map(|(size, times)| size.saturating_mul(*times));
    let shape = call.room(shape.collect())?;
    if shape.contains(&0) {
        return Tensor::zeros(shape, input.dtype(), input.device());
    }
    input.repeat(times)
}

/// One number around the input. A negative count takes numbers away.
pub fn pad(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let rank = input.rank();
    let mode = call.text("mode", "constant")?;
    if mode != "constant" {
        bail!("its mode is {mode}, and cxr has constant");
    }
    let pads = if call.opset < 11 {
        call.integers("pads")?
            .map(<[i64]>::to_vec)
            .unwrap_or_default()
    } else {
        call.whole(1)?
    };
    let value = if call.opset < 11 {
        call.float("value", 0.0)?
    } else {
        call.number(2)?.unwrap_or(0.0)
    };
    let axes = call.axes(3, rank)?;
    let axes = axes.unwrap_or_else(|| (0..rank).collect());
    if pads.len() != 2 * axes.len() {
        bail!("it has {} pads for {} axes", pads.len(), axes.len());
    }
    let mut made = input.clone();
    for (place, axis) in axes.iter().enumerate() {
        let (before, after) = (pads[place], pads[place + axes.len()]);
        made = padded(call, &made, *axis, [before, after], value)?;
    }
    Ok(made)
}

fn padded(
    call: &StepCall,
    input: &Tensor,
    axis: usize,
    pads: [i64; 2],
    value: f64,
) -> Result<Tensor> {
    let cut = |pad: i64| usize::try_from(pad.saturating_neg()).unwrap_or(0);
    let size = input.dims()[axis];
    let [before, after] = pads.map(cut);
    let Some(length) = before
        .checked_add(after)
        .and_then(|cut| size.checked_sub(cut))
    else {
        bail!("it takes more away than there is");
    };
    let kept = input.narrow(axis, before, length)?;
    let [before, after] = pads.map(|pad| usize::try_from(pad).unwrap_or(0));
    let mut shape = input.dims().to_vec();
    shape[axis] = length.saturating_add(before).saturating_add(after);
    call.room(shape)?;
    let border = |count: usize| {
        let mut shape = kept.dims().to_vec();
        shape[axis] = count;
        match kept.dtype() {
            DType::I64 => Tensor::full(value as i64, shape, kept.device()),
            _ => Tensor::full(value as f32, shape, kept.device()),
        }
    };
    let mut parts = Vec::new();
    if before > 0 {
        parts.push(border(before)?);
    }
    if length > 0 {
        parts.push(kept.clone());
    }
    if after > 0 {
        parts.push(border(after)?);
    }
    match &parts[..] {
        [] => Ok(kept),
        [one] => Ok(one.clone()),
        several => Tensor::cat(several, axis),
    }
}
