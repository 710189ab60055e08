//! Means, sums and other single numbers of many.

use candle_core::{DType, Result, Tensor, bail};

use super::call::StepCall;
use super::whole;

/// What is made of the numbers along some axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    Mean,
    Sum,
    Max,
    Min,
    Product,
    /// The sum of magnitudes.
    L1,
    /// The root of the sum of squares.
    L2,
    SumOfSquares,
}

impl Reduction {
    pub fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "ReduceMean" => Reduction::Mean,
            "ReduceSum" => Reduction::Sum,
            "ReduceMax" => Reduction::Max,
            "ReduceMin" => Reduction::Min,
            "ReduceProd" => Reduction::Product,
            "ReduceL1" => Reduction::L1,
            "ReduceL2" => Reduction::L2,
            "ReduceSumSquare" => Reduction::SumOfSquares,
            _ => return None,
        })
    }
}

/// Over the axes of an input or an attribute, or over all.
pub fn reduce(call: &StepCall, reduction: Reduction) -> Result<Tensor> {
    let input = call.input(0)?;
    let keeps_axes = call.integer("keepdims", 1)? == 1;
    let axes = match call.axes(1, input.rank())? {
        Some(axes) if !axes.is_empty() => axes,
        _ if call.integer("noop_with_empty_axes", 0)? == 1 => return Ok(input.clone()),
        _ => (0..input.rank()).collect(),
    };
    over(input, reduction, &axes, keeps_axes)
}

/// Over all rows and columns, which stay as axes of one number.
pub fn global(call: &StepCall, reduction: Reduction) -> Result<Tensor> {
    let input = call.floats(0)?;
    let axes: Vec<usize> = (2..input.rank()).collect();
    over(input, reduction, &axes, true)
}

fn over(input: &Tensor, reduction: Reduction, axes: &[usize], keeps_axes: bool) -> Result<Tensor> {
    let mut shape = Vec::new();
    for (axis, size) in input.dims().iter().enumerate() {
        match (axes.contains(&axis), keeps_axes) {
            (false, _) => shape.push(*size),
            (true, true) => shape.push(1),
            (true, false) => {}
        }
    }
    if reduction == Reduction::Product {
        let product = whole::product(input)?;
        return Tensor::full(product, shape, input.device());
    }
    if axes.iter().any(|axis| input.dims()[*axis] == 0) {
        bail!("it makes a number of none");
    }
    let floats = || match input.dtype() {
        DType::F32 => Ok(input),
        _ => bail!("it makes a float of whole numbers"),
    };
    let axes = axes.to_vec();
    let made = match reduction {
        Reduction::Mean => floats()?.mean_keepdim(axes),
        Reduction::Sum => input.sum_keepdim(axes),
        Reduction::Max => one_by_one(input, &axes, |x, axis| x.max_keepdim(axis)),
        Reduction::Min => one_by_one(input, &axes, |x, axis| x.min_keepdim(axis)),
        Reduction::L1 => floats()?.abs()?.sum_keepdim(axes),
        Reduction::L2 => floats()?.sqr()?.sum_keepdim(axes)?.sqrt(),
        Reduction::SumOfSquares => floats()?.sqr()?.sum_keepdim(axes),
        Reduction::Product => bail!("a product of floats"),
    };
    made?.reshape(shape)
}

fn one_by_one(
    input: &Tensor,
    axes: &[usize],
    of_axis: impl Fn(&Tensor, usize) -> Result<Tensor>,
) -> Result<Tensor> {
    let first = input.contiguous()?;
    axes.iter()
        .try_fold(first, |made, axis| of_axis(&made, *axis)?.contiguous())
}
