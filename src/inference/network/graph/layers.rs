//! Products of matrices, and normalisations.

use candle_core::{D, Result, Tensor, bail};
use candle_nn::ops;

use super::arithmetic::softmax_over;
use super::call::StepCall;

/// By the rules of numpy: a list is a row on the left and a column on the right.
pub fn mat_mul(call: &StepCall) -> Result<Tensor> {
    let (first, second) = (call.floats(0)?, call.floats(1)?);
    let (mut left, mut right) = (first.clone(), second.clone());
    if first.rank() == 0 || second.rank() == 0 {
        bail!("a product with a single number");
    }
    if first.rank() == 1 {
        left = left.unsqueeze(0)?;
    }
    if second.rank() == 1 {
        right = right.unsqueeze(1)?;
    }
    let made = product(call, &left, &right)?;
    let made = if second.rank() == 1 {
        made.squeeze(D::Minus1)?
    } else {
        made
    };
    if first.rank() == 1 {
        let axis = if second.rank() == 1 {
            D::Minus1
        } else {
            D::Minus2
        };
        return made.squeeze(axis);
    }
    Ok(made)
}

fn product(call: &StepCall, left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let (before, [rows, depth]) = matrices(left)?;
    let (other, [inner, columns]) = matrices(right)?;
    if depth != inner {
        bail!("a product of {:?} and {:?}", left.dims(), right.dims());
    }
    let count = call.broadcast(before, other)?;
    let shape = call.room([&count[..], &[rows, columns]].concat())?;
    call.spend(&[&shape[..], &[depth]].concat())?;
    if other.iter().all(|size| *size == 1) {
        // One matrix on the right: all rows on the left are of one product.
        let all: usize = before.iter().product::<usize>() * rows;
        let left = left.contiguous()?.reshape((all, depth))?;
        let right = right.reshape((depth, columns))?;
        return left.matmul(&right)?.reshape(shape);
    }
    let spread = |x: &Tensor, last: [usize; 2]| {
        let shape = call.room([&count[..], &last].concat())?;
        let x = x.broadcast_as(shape)?.contiguous()?;
        x.reshape((count.iter().product::<usize>(), last[0], last[1]))
    };
    let left = spread(left, [rows, depth])?;
    let right = spread(right, [depth, columns])?;
    left.matmul(&right)?.reshape(shape)
}

/// The axes before the last two, and those.
fn matrices(x: &Tensor) -> Result<(&[usize], [usize; 2])> {
    match x.dims().split_last_chunk() {
        Some((before, last)) => Ok((before, *last)),
        None => bail!("{:?} is no matrix", x.dims()),
    }
}

pub fn gemm(call: &StepCall) -> Result<Tensor> {
    let turned = |place: usize, name: &str| {
        let matrix = call.floats(place)?;
        if matrix.rank() != 2 {
            bail!("{:?} is no matrix", matrix.dims());
        }
        if call.integer(name, 0)? == 1 {
            matrix.t()
        } else {
            Ok(matrix.clone())
        }
    };
    let made = product(call, &turned(0, "transA")?, &turned(1, "transB")?)?;
    let made = scaled(made, call.float("alpha", 1.0)?)?;
    let Some(bias) = call.optional(2) else {
        return Ok(made);
    };
    if call.broadcast(made.dims(), bias.dims())? != made.dims() {
        bail!("{:?} is added to {:?}", bias.dims(), made.dims());
    }
    made.broadcast_add(&scaled(bias.clone(), call.float("beta", 1.0)?)?)
}

fn scaled(x: Tensor, by: f64) -> Result<Tensor> {
    if by == 1.0 { Ok(x) } else { x * by }
}

/// Over the last axes, from `axis` on.
pub fn layer_normalization(call: &StepCall) -> Result<Tensor> {
    let input = call.floats(0)?;
    let axis = call.axis(call.integer("axis", -1)?, input.rank())?;
    let length: usize = input.dims()[axis..].iter().product();
    let rows = input.elem_count().checked_div(length);
    let Some(rows) = rows.filter(|rows| *rows > 0) else {
        bail!("it normalises no numbers");
    };
    let flat = input.contiguous()?.reshape((rows, length))?;
    let made = normalised(&flat, call.float("epsilon", 1e-5)?)?.reshape(input.shape())?;
    with_scale(call, made, call.floats(1)?, call.optional(2))
}

/// Each row less its mean, over its deviation.
fn normalised(rows: &Tensor, epsilon: f64) -> Result<Tensor> {
    let centred = rows.broadcast_sub(&rows.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    centred.broadcast_div(&(variance + epsilon)?.sqrt()?)
}

fn with_scale(
    call: &StepCall,
    x: Tensor,
    scale: &Tensor,
    shift: Option<&Tensor>,
) -> Result<Tensor> {
    for part in [Some(scale), shift].into_iter().flatten() {
        if call.broadcast(x.dims(), part.dims())? != x.dims() {
            bail!("its weight is {:?}, for {:?}", part.dims(), x.dims());
        }
    }
    let made = x.broadcast_mul(scale)?;
    match shift {
        Some(shift) => made.broadcast_add(shift),
        None => Ok(made),
    }
}

/// A list with one number for each channel of the first input, beside its other axes.
fn per_channel<'a>(call: &StepCall<'a>, place: usize) -> Result<Tensor> {
    let (input, list) = (call.floats(0)?, call.floats(place)?);
    let Some(channels) = input.dims().get(1) else {
        bail!("its input has no channels");
    };
    if list.dims() != [*channels] {
        bail!(
            "its input {place} is {:?}, and there are {channels} channels",
            list.dims()
        );
    }
    let mut shape = vec![1; input.rank()];
    shape[1] = *channels;
    list.reshape(shape)
}

pub fn batch_normalization(call: &StepCall) -> Result<Tensor> {
    let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|place| per_channel(call, place));
    let deviation = (variance? + call.float("epsilon", 1e-5)?)?.sqrt()?;
    let scale = (scale? / deviation)?;
    let shift = (shift? - (mean? * &scale)?)?;
    call.floats(0)?.broadcast_mul(&scale)?.broadcast_add(&shift)
}

/// Each channel of an image over its rows and columns.
pub fn instance_normalization(call: &StepCall) -> Result<Tensor> {
    let input = call.floats(0)?;
    let [scale, shift] = [per_channel(call, 1)?, per_channel(call, 2)?];
    let rows = input.dims()[0] * input.dims()[1];
    if input.elem_count() == 0 {
        bail!("it normalises no numbers");
    }
    let flat = input
        .contiguous()?
        .reshape((rows, input.elem_count() / rows))?;
    let made = normalised(&flat, call.float("epsilon", 1e-5)?)?.reshape(input.shape())?;
    made.broadcast_mul(&scale)?.broadcast_add(&shift)
}

/// Over one axis; before version 13, over all from `axis` on.
pub fn softmax(call: &StepCall) -> Result<Tensor> {
    let input = call.floats(0)?;
    if input.elem_count() == 0 {
        bail!("a softmax of no numbers");
    }
    let is_of_old = call.opset < 13;
    let axis = call.integer("axis", if is_of_old { 1 } else { -1 })?;
    let axis = call.axis(axis, input.rank())?;
    if !is_of_old {
        return softmax_over(input, axis);
    }
    let length: usize = input.dims()[axis..].iter().product();
    let flat = input.contiguous()?.reshape(((), length))?;
    ops::softmax(&flat, D::Minus1)?.reshape(input.shape())
}
