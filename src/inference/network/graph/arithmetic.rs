//! Functions of single numbers, and operators of two values by the rules of numpy.

use candle_core::{D, DType, Device, Result, Tensor, bail};
use candle_nn::ops;

use super::call::StepCall;
use super::whole::{self, WholePair};

/// A function of each float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatFunction {
    Abs,
    Neg,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Erf,
    Sin,
    Cos,
    Tanh,
    Sigmoid,
    Relu,
    Floor,
    Ceil,
    Round,
    Softplus,
    Gelu,
    HardSigmoid,
    HardSwish,
    Swish,
    Elu,
    LeakyRelu,
}

impl FloatFunction {
    pub fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "Abs" => FloatFunction::Abs,
            "Neg" => FloatFunction::Neg,
            "Exp" => FloatFunction::Exp,
            "Log" => FloatFunction::Log,
            "Sqrt" => FloatFunction::Sqrt,
            "Reciprocal" => FloatFunction::Reciprocal,
            "Erf" => FloatFunction::Erf,
            "Sin" => FloatFunction::Sin,
            "Cos" => FloatFunction::Cos,
            "Tanh" => FloatFunction::Tanh,
            "Sigmoid" => FloatFunction::Sigmoid,
            "Relu" => FloatFunction::Relu,
            "Floor" => FloatFunction::Floor,
            "Ceil" => FloatFunction::Ceil,
            "Round" => FloatFunction::Round,
            "Softplus" => FloatFunction::Softplus,
            "Gelu" => FloatFunction::Gelu,
            "HardSigmoid" => FloatFunction::HardSigmoid,
            "HardSwish" => FloatFunction::HardSwish,
            "Swish" => FloatFunction::Swish,
            "Elu" => FloatFunction::Elu,
            "LeakyRelu" => FloatFunction::LeakyRelu,
            _ => return None,
        })
    }
}

/// A function of each number of the first input.
pub fn function(call: &StepCall, function: FloatFunction) -> Result<Tensor> {
    let input = call.input(0)?;
    if call.inputs.len() > 1 {
        bail!("it has {} inputs", call.inputs.len());
    }
    if input.dtype() == DType::I64 {
        return match function {
            FloatFunction::Neg => whole::pair(call, WholePair::Mul, &minus_one(input)?, input),
            FloatFunction::Floor | FloatFunction::Ceil | FloatFunction::Round => Ok(input.clone()),
            _ => bail!("a function of whole numbers"),
        };
    }
    let x = input;
    match function {
        FloatFunction::Abs => x.abs(),
        FloatFunction::Neg => x.neg(),
        FloatFunction::Exp => x.exp(),
        FloatFunction::Log => x.log(),
        FloatFunction::Sqrt => x.sqrt(),
        FloatFunction::Reciprocal => x.recip(),
        FloatFunction::Erf => x.erf(),
        FloatFunction::Sin => x.sin(),
        FloatFunction::Cos => x.cos(),
        FloatFunction::Tanh => x.tanh(),
        FloatFunction::Sigmoid => ops::sigmoid(x),
        FloatFunction::Relu => x.relu(),
        FloatFunction::Floor => x.floor(),
        FloatFunction::Ceil => x.ceil(),
        FloatFunction::Round => bail!("it rounds floats"),
        // log(1 + eˣ), as x⁺ + log(1 + e^−|x|), so that nothing overflows.
        FloatFunction::Softplus => x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?,
        FloatFunction::Gelu => match call.text("approximate", "none")? {
            "tanh" => x.gelu(),
            _ => x.gelu_erf(),
        },
        FloatFunction::HardSigmoid => {
            let (alpha, beta) = (call.float("alpha", 0.2)?, call.float("beta", 0.5)?);
            x.affine(alpha, beta)?.clamp(0_f32, 1_f32)
        }
        FloatFunction::HardSwish => x * ((x + 3.0)?.clamp(0_f32, 6_f32)? / 6.0)?,
        FloatFunction::Swish => x * ops::sigmoid(&(x * call.float("alpha", 1.0)?)?)?,
        FloatFunction::Elu => x.elu(call.float("alpha", 1.0)?),
        FloatFunction::LeakyRelu => x.relu()? - (x.neg()?.relu()? * call.float("alpha", 0.01)?)?,
    }
}

fn minus_one(like: &Tensor) -> Result<Tensor> {
    Tensor::new(-1_i64, like.device())
}

/// An operator of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatPair {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Mod,
}

impl FloatPair {
    pub fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "Add" | "Sum" => FloatPair::Add,
            "Sub" => FloatPair::Sub,
            "Mul" => FloatPair::Mul,
            "Div" => FloatPair::Div,
            "Min" => FloatPair::Min,
            "Max" => FloatPair::Max,
            "Mod" => FloatPair::Mod,
            _ => return None,
        })
    }

    fn of_whole(self) -> WholePair {
        match self {
            FloatPair::Add => WholePair::Add,
            FloatPair::Sub => WholePair::Sub,
            FloatPair::Mul => WholePair::Mul,
            FloatPair::Div => WholePair::Div,
            FloatPair::Min => WholePair::Min,
            FloatPair::Max => WholePair::Max,
            FloatPair::Mod => WholePair::Mod,
        }
    }
}

/// Two inputs, or more where the operator takes them.
pub fn pair(call: &StepCall, pair: FloatPair) -> Result<Tensor> {
    let mut made = call.input(0)?.clone();
    let takes_more = matches!(pair, FloatPair::Add | FloatPair::Min | FloatPair::Max);
    if call.inputs.len() > 2 && !takes_more {
        bail!("it has {} inputs", call.inputs.len());
    }
    for place in 1..call.inputs.len() {
        made = of_two(call, pair, &made, call.input(place)?)?;
    }
    Ok(made)
}

fn of_two(call: &StepCall, pair: FloatPair, first: &Tensor, second: &Tensor) -> Result<Tensor> {
    call.broadcast(first.dims(), second.dims())?;
    match (first.dtype(), second.dtype()) {
        (DType::F32, DType::F32) => {}
        (DType::I64, DType::I64) => return whole::pair(call, pair.of_whole(), first, second),
        _ => bail!("whole numbers with others"),
    }
    match pair {
        FloatPair::Add => first.broadcast_add(second),
        FloatPair::Sub => first.broadcast_sub(second),
        FloatPair::Mul => first.broadcast_mul(second),
        FloatPair::Div => first.broadcast_div(second),
        FloatPair::Min => first.broadcast_minimum(second),
        FloatPair::Max => first.broadcast_maximum(second),
        FloatPair::Mod => bail!("a remainder of floats"),
    }
}

/// A comparison of two values, or an operator of two truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Xor,
}

impl Comparison {
    pub fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "Equal" => Comparison::Equal,
            "Less" => Comparison::Less,
            "LessOrEqual" => Comparison::LessOrEqual,
            "Greater" => Comparison::Greater,
            "GreaterOrEqual" => Comparison::GreaterOrEqual,
            "And" => Comparison::And,
            "Or" => Comparison::Or,
            "Xor" => Comparison::Xor,
            _ => return None,
        })
    }
}

/// 1 where it is true, and 0 elsewhere.
pub fn compare(call: &StepCall, comparison: Comparison) -> Result<Tensor> {
    let (first, second) = (call.input(0)?, call.input(1)?);
    if first.dtype() != second.dtype() {
        bail!("whole numbers with others");
    }
    let shape = call.broadcast(first.dims(), second.dims())?;
    let (first, second) = same_device(first, second)?;
    let first = first.broadcast_as(shape.as_slice())?.contiguous()?;
    let second = second.broadcast_as(shape.as_slice())?.contiguous()?;
    let is_true = |x: &Tensor| x.ne(&x.zeros_like()?);
    let made = match comparison {
        Comparison::Equal => first.eq(&second),
        Comparison::Less => first.lt(&second),
        Comparison::LessOrEqual => first.le(&second),
        Comparison::Greater => first.gt(&second),
        Comparison::GreaterOrEqual => first.ge(&second),
        Comparison::And => is_true(&first)? * is_true(&second)?,
        Comparison::Or => is_true(&first)?.maximum(&is_true(&second)?),
        Comparison::Xor => is_true(&first)?.ne(&is_true(&second)?),
    };
    made?.to_dtype(DType::I64)
}

/// Both where the one is that is not on the CPU.
fn same_device(first: &Tensor, second: &Tensor) -> Result<(Tensor, Tensor)> {
    let device = match first.device() {
        Device::Cpu => second.device(),
        device => device,
    };
    Ok((first.to_device(device)?, second.to_device(device)?))
}

/// 1 where the input is 0, and 0 elsewhere.
pub fn not(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    input.eq(&input.zeros_like()?)?.to_dtype(DType::I64)
}

/// 1 where the input is not a number.
pub fn is_nan(call: &StepCall) -> Result<Tensor> {
    let input = call.floats(0)?;
    input.ne(input)?.to_dtype(DType::I64)
}

/// The second input where the first is not 0, and the third elsewhere.
pub fn choose(call: &StepCall) -> Result<Tensor> {
    let (condition, yes, no) = (call.input(0)?, call.input(1)?, call.input(2)?);
    if condition.dtype() != DType::I64 || yes.dtype() != no.dtype() {
        bail!("it chooses between whole numbers and others");
    }
    let (yes, no) = same_device(yes, no)?;
    let shape = call.broadcast(condition.dims(), yes.dims())?;
    let shape = call.broadcast(&shape, no.dims())?;
    // Whole numbers may be on the CPU while floats are not.
    let device = match yes.device() {
        Device::Cpu => condition.device(),
        device => device,
    };
    let spread = |x: &Tensor| {
        let x = x.to_device(device)?;
        x.broadcast_as(shape.as_slice())?.contiguous()
    };
    spread(condition)?.where_cond(&spread(&yes)?, &spread(&no)?)
}

/// Powers with one exponent.
pub fn pow(call: &StepCall) -> Result<Tensor> {
    let base = call.input(0)?;
    let Some(exponent) = call.number(1)? else {
        bail!("it has no exponent");
    };
    if base.dtype() == DType::I64 {
        let is_square = exponent == 2.0;
        return match is_square {
            true => whole::pair(call, WholePair::Mul, base, base),
            false => bail!("a power of whole numbers"),
        };
    }
    match exponent {
        2.0 => base.sqr(),
        3.0 => base.sqr()? * base,
        0.5 => base.sqrt(),
        exponent => base.powf(exponent),
    }
}

/// Numbers kept between two others, which are inputs, or attributes in older versions.
pub fn clip(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    let (low, high) = if call.opset < 11 {
        let (low, high) = (call.float("min", f32::MIN)?, call.float("max", f32::MAX)?);
        (Some(low), Some(high))
    } else {
        (call.number(1)?, call.number(2)?)
    };
    if input.dtype() == DType::I64 {
        return whole::clip(input, low, high);
    }
    // As `Min(Max(x, low), high)`: NaN stays NaN, and the high bound wins.
    let made = match low {
        Some(low) => input.maximum(low as f32)?,
        None => input.clone(),
    };
    match high {
        Some(high) => made.minimum(high as f32),
        None => Ok(made),
    }
}

/// Numbers of another kind: all floats are of 32 bits here, all whole numbers of 64, and truth values are whole.
pub fn cast(call: &StepCall) -> Result<Tensor> {
    let input = call.input(0)?;
    if call.step.operator == "CastLike" {
        return input.to_dtype(call.input(1)?.dtype());
    }
    match call.integer("to", 0)? {
        1 | 10 | 11 | 16 => {
            let made = input.to_dtype(DType::F32)?;
            made.to_device(call.device)
        }
        9 => input.ne(&input.zeros_like()?)?.to_dtype(DType::I64),
        2..=7 | 12 | 13 => input.to_dtype(DType::I64),
        kind => bail!("it makes numbers of ONNX's type {kind}"),
    }
}

/// A softmax over one axis, from the largest number down, so that nothing overflows.
pub fn softmax_over(x: &Tensor, axis: usize) -> Result<Tensor> {
    if axis + 1 == x.rank() {
        return ops::softmax(&x.contiguous()?, D::Minus1);
    }
    ops::softmax(x, axis)
}
