//! Operators that take numbers from places, or put them there.

use candle_core::{DType, Result, Tensor, WithDType, bail};

use super::call::{StepCall, place_of};

/// Parts of axes, also backwards and in steps.
pub fn slice(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let (Some(starts), Some(ends)) = (call.whole_or(1, "starts")?, call.whole_or(2, "ends")?)
    else {
        bail!("it does not say what it slices");
    };
    let axes = match call.whole_or(3, "axes")? {
        Some(axes) => axes,
        None => (0..).take(starts.len()).collect(),
    };
    let steps = match call.whole_or(4, "steps")? {
        Some(steps) => steps,
        None => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] || starts.len() > input.rank() {
        bail!("its starts, ends, axes and steps differ in number");
    }
    let mut made = input.clone();
    for place in 0..starts.len() {
        let axis = call.axis(axes[place], input.rank())?;
        made = sliced(&made, axis, (starts[place], ends[place], steps[place]))?;
    }
    Ok(made)
}

fn sliced(input: &Tensor, axis: usize, (start, end, step): (i64, i64, i64)) -> Result<Tensor> {
    let size = input.dims()[axis] as i64;
    let from_end = |value: i64| {
        if value < 0 {
            value.saturating_add(size)
        } else {
            value
        }
    };
    if step == 0 {
        bail!("it has a step of 0");
    }
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    // An end of `i64::MIN` is before the first one, also after the size is added.
    let start = from_end(start).clamp(low.max(0), high);
    let end = from_end(end).clamp(low, high);
    let distance = if step > 0 { end - start } else { start - end };
    let count = distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs());
    let count = count.min(input.dims()[axis] as u64) as usize;
    if step == 1 {
        return input.narrow(axis, start.max(0) as usize, count);
    }
    let at = |place: usize| start.saturating_add(step.saturating_mul(place as i64));
    taken(input, axis, &(0..count).map(at).collect::<Vec<i64>>())
}

/// The numbers at these places of an axis, which are there.
fn taken(input: &Tensor, axis: usize, places: &[i64]) -> Result<Tensor> {
    if places.is_empty() {
        return input.narrow(axis, 0, 0);
    }
    let places = Tensor::from_slice(places, places.len(), input.device())?;
    input.contiguous()?.index_select(&places, axis)
}

/// The parts of an axis at the places that the second input says.
pub fn gather(call: &StepCall) -> Result<Tensor> {
    let (input, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(call.integer("axis", 0)?, input.rank())?;
    let size = input.dims()[axis];
    let (before, after) = (&input.dims()[..axis], &input.dims()[axis + 1..]);
    let shape = call.room([before, indices.dims(), after].concat())?;
    let places = call
        .whole(1)?
        .into_iter()
        .map(|index| place_of(index, size));
    let Some(places) = places.collect::<Option<Vec<usize>>>() else {
        bail!("it gathers what is not there");
    };
    if let [place] = places[..] {
        return input.narrow(axis, place, 1)?.reshape(shape);
    }
    let places: Vec<i64> = places.into_iter().map(|place| place as i64).collect();
    taken(input, axis, &places)?.reshape(shape)
}

/// The rows of indices, and for each the place of the part that it names. `whole` is the shape that they name parts of.
struct NamedParts {
    places: Vec<usize>,
    /// Numbers of a part.
    length: usize,
    /// The indices' shape without its last axis.
    of_indices: Vec<usize>,
    /// The shape of a part.
    of_part: Vec<usize>,
}

fn named_parts(call: &StepCall, whole: &[usize]) -> Result<NamedParts> {
    let indices = call.input(1)?;
    let Some((depth, of_indices)) = indices.dims().split_last() else {
        bail!("its indices are a single number");
    };
    if *depth == 0 || *depth > whole.len() {
        bail!(
            "its indices have {depth} numbers each, for {} axes",
            whole.len()
        );
    }
    let (outer, of_part) = whole.split_at(*depth);
    let length: usize = of_part.iter().product();
    let numbers = call.whole(1)?;
    let place = |row: &[i64]| {
        let mut pairs = row.iter().zip(outer);
        let place = pairs.try_fold(0_usize, |place, (index, size)| {
            Some(place * size + place_of(*index, *size)?)
        });
        Some(place? * length)
    };
    let Some(places) = numbers.chunks_exact(*depth).map(place).collect() else {
        bail!("it names a place that is not there");
    };
    Ok(NamedParts {
        places,
        length,
        of_indices: of_indices.to_vec(),
        of_part: of_part.to_vec(),
    })
}

/// The parts that rows of indices name.
pub fn gather_nd(call: &StepCall) -> Result<Tensor> {
    if call.integer("batch_dims", 0)? != 0 {
        bail!("its batch_dims are not 0");
    }
    let input = call.input(0)?;
    let parts = named_parts(call, input.dims())?;
    let shape = call.room([&parts.of_indices[..], &parts.of_part].concat())?;
    match input.dtype() {
        DType::I64 => gathered::<i64>(input, &parts, shape),
        _ => gathered::<f32>(input, &parts, shape),
    }
}

fn gathered<T: WithDType>(input: &Tensor, parts: &NamedParts, shape: Vec<usize>) -> Result<Tensor> {
    let values = input.flatten_all()?.to_vec1::<T>()?;
    let part = |place: &usize| &values[*place..*place + parts.length];
    let made: Vec<T> = parts.places.iter().flat_map(part).copied().collect();
    Tensor::from_vec(made, shape, input.device())
}

/// The first input with the parts that rows of indices name replaced.
pub fn scatter_nd(call: &StepCall) -> Result<Tensor> {
    if call.text("reduction", "none")? != "none" {
        bail!("it adds to what is there");
    }
    let (input, updates) = (call.input(0)?, call.input(2)?);
    let parts = named_parts(call, input.dims())?;
    if updates.dims() != [&parts.of_indices[..], &parts.of_part].concat() {
        bail!("it puts {:?} into {:?}", updates.dims(), input.dims());
    }
    match (input.dtype(), updates.dtype()) {
        (DType::I64, DType::I64) => scattered::<i64>(input, updates, &parts),
        (DType::F32, DType::F32) => scattered::<f32>(input, updates, &parts),
        _ => bail!("it puts whole numbers among others"),
    }
}

fn scattered<T: WithDType>(input: &Tensor, updates: &Tensor, parts: &NamedParts) -> Result<Tensor> {
    let mut values = input.flatten_all()?.to_vec1::<T>()?;
    let updates = updates.flatten_all()?.to_vec1::<T>()?;
    // A part of no numbers has nothing to put.
    let rows = updates.chunks_exact(parts.length.max(1));
    for (place, row) in parts.places.iter().zip(rows) {
        values[*place..*place + row.len()].copy_from_slice(row);
    }
    Tensor::from_vec(values, input.dims(), input.device())
}
