//! Whole numbers: shapes, places and truth values. They are few, and computed on the CPU with checked arithmetic.

use candle_core::{DType, Result, Tensor, bail};

use super::call::StepCall;

/// An operator of two whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WholePair {
    Add,
    Sub,
    Mul,
    /// Towards zero.
    Div,
    Min,
    Max,
    /// With the sign of the divisor, or with `fmod` that of the dividend.
    Mod,
}

/// Both inputs broadcast by the rules of numpy, and an operator of each two numbers.
///
/// # Errors
/// If a number is divided by zero, or a result is too large.
pub fn pair(call: &StepCall, pair: WholePair, first: &Tensor, second: &Tensor) -> Result<Tensor> {
    let shape = call.broadcast(first.dims(), second.dims())?;
    let spread = |x: &Tensor| {
        let x = x.broadcast_as(shape.as_slice())?.contiguous()?;
        x.flatten_all()?.to_vec1::<i64>()
    };
    let is_fmod = call.integer("fmod", 0)? == 1;
    let pairs = spread(first)?.into_iter().zip(spread(second)?);
    let made = pairs.map(|(a, b)| of_two(pair, is_fmod, a, b));
    match made.collect::<Option<Vec<i64>>>() {
        Some(made) => Tensor::from_vec(made, shape, first.device()),
        None => bail!("a whole number is divided by zero, or becomes too large"),
    }
}

fn of_two(pair: WholePair, is_fmod: bool, a: i64, b: i64) -> Option<i64> {
    match pair {
        WholePair::Add => a.checked_add(b),
        WholePair::Sub => a.checked_sub(b),
        WholePair::Mul => a.checked_mul(b),
        WholePair::Div => a.checked_div(b),
        WholePair::Min => Some(a.min(b)),
        WholePair::Max => Some(a.max(b)),
        WholePair::Mod => {
            let rest = a.checked_rem(b)?;
            let is_other_side = rest != 0 && (rest < 0) != (b < 0);
            if is_other_side && !is_fmod {
                rest.checked_add(b)
            } else {
                Some(rest)
            }
        }
    }
}

/// Whole numbers kept between two others.
///
/// # Errors
/// If they cannot be read.
pub fn clip(input: &Tensor, low: Option<f64>, high: Option<f64>) -> Result<Tensor> {
    let values = input.flatten_all()?.to_vec1::<i64>()?;
    let low = low.map_or(i64::MIN, |low| low as i64);
    let high = high.map_or(i64::MAX, |high| high as i64);
    let made: Vec<i64> = values
        .into_iter()
        .map(|value| value.max(low).min(high))
        .collect();
    Tensor::from_vec(made, input.dims(), input.device())
}

/// The product over all numbers along these axes, which is how exporters say the size of a flattened map.
///
/// # Errors
/// If it is too large, or over more than a list.
pub fn product(input: &Tensor) -> Result<i64> {
    if input.dtype() != DType::I64 || input.rank() > 1 {
        bail!("a product over other than a list of whole numbers");
    }
    let values = input.flatten_all()?.to_vec1::<i64>()?;
    match values.into_iter().try_fold(1_i64, i64::checked_mul) {
        Some(product) => Ok(product),
        None => bail!("a product that is too large"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_and_quotients_are_onnx() {
        // np.mod([7, -7, 7, -7], [3, 3, -3, -3]), np.fmod of the same, and quotients towards zero
        let pairs = [(7, 3), (-7, 3), (7, -3), (-7, -3)];
        let of = |pair, is_fmod| pairs.map(|(a, b)| of_two(pair, is_fmod, a, b).unwrap());
        assert_eq!(of(WholePair::Mod, false), [1, 2, -2, -1]);
        assert_eq!(of(WholePair::Mod, true), [1, -1, 1, -1]);
        assert_eq!(of(WholePair::Div, false), [2, -2, -2, 2]);
        for pair in [WholePair::Div, WholePair::Mod] {
            assert_eq!(of_two(pair, false, 1, 0), None);
            assert_eq!(of_two(pair, false, i64::MIN, -1), None);
        }
        assert_eq!(of_two(WholePair::Mul, false, i64::MAX, 2), None);
    }
}
