//! Shapes, and values that are made of them.

use candle_core::{DType, Device, Result, Tensor, bail};

use super::call::{StepCall, size_of};
use super::stored::StepAttribute;

/// The sizes of the first input, or those from `start` to `end`.
pub fn shape(call: &StepCall) -> Result<Tensor> {
    let sizes = call.input(0)?.dims();
    let rank = sizes.len() as i64;
    let bound = |value: i64| {
        (if value < 0 {
            value.saturating_add(rank)
        } else {
            value
        })
        .clamp(0, rank)
    };
    let start = bound(call.integer("start", 0)?) as usize;
    let end = bound(call.integer("end", rank)?) as usize;
    let sizes: Vec<i64> = sizes.iter().map(|size| *size as i64).collect();
    let part = sizes.get(start..end).unwrap_or_default();
    Tensor::from_slice(part, part.len(), &Device::Cpu)
}

/// How many numbers the first input has.
pub fn size(call: &StepCall) -> Result<Tensor> {
    Tensor::new(call.input(0)?.elem_count() as i64, &Device::Cpu)
}

/// One number, everywhere.
pub fn constant_of_shape(call: &StepCall) -> Result<Tensor> {
    let sizes = call.whole(0)?.into_iter().map(size_of);
    let shape = call.room(sizes.collect::<Result<Vec<usize>>>()?)?;
    match call.step.attributes.get("value") {
        None => Tensor::zeros(shape, DType::F32, call.device),
        Some(StepAttribute::Float(value)) => Tensor::full(*value, shape, call.device),
        Some(StepAttribute::Integer(value)) => Tensor::full(*value, shape, &Device::Cpu),
        Some(_) => bail!("its value is not one number"),
    }
}

/// Numbers from a start, by a step, before an end.
pub fn range(call: &StepCall) -> Result<Tensor> {
    let number = |place: usize| match call.number(place)? {
        Some(value) => Ok(value),
        None => bail!("it has no input {place}"),
    };
    let (start, end, step) = (number(0)?, number(1)?, number(2)?);
    let count = ((end - start) / step).ceil();
    if !count.is_finite() {
        bail!("a range that has no end");
    }
    // A negative count becomes 0, and a large one the largest.
    let count = call.room(vec![count as usize])?[0];
    match call.input(0)?.dtype() {
        DType::I64 => {
            let (start, step) = (start as i64, step as i64);
            let at = |place: usize| start.saturating_add(step.saturating_mul(place as i64));
            Tensor::from_vec(
                (0..count).map(at).collect::<Vec<i64>>(),
                count,
                &Device::Cpu,
            )
        }
        _ => {
            let at = |place: usize| (start + step * place as f64) as f32;
            Tensor::from_vec((0..count).map(at).collect::<Vec<f32>>(), count, call.device)
        }
    }
}

/// The numbers of the last two axes above a diagonal, or below it, and 0 elsewhere.
pub fn triangle(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let Some([rows, columns]) = input.dims().last_chunk() else {
        bail!("it has no rows and columns");
    };
    let diagonal = call.number(1)?.unwrap_or(0.0) as i64;
    let is_upper = call.integer("upper", 1)? == 1;
    let is_kept = |place: usize| {
        let (row, column) = ((place / columns) as i64, (place % columns) as i64);
        let beyond = column - row;
        i64::from(if is_upper {
            beyond >= diagonal
        } else {
            beyond <= diagonal
        })
    };
    let kept: Vec<i64> = (0..rows * columns).map(is_kept).collect();
    let kept = Tensor::from_vec(kept, (*rows, *columns), input.device())?;
    let kept = kept.broadcast_as(input.dims())?.contiguous()?;
    kept.where_cond(&input.contiguous()?, &input.zeros_like()?)
}
