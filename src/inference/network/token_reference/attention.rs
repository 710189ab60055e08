//! Attention by candle's operations.

use candle_core::{DType, Device, IndexOp, Result, Tensor};
use candle_nn::ops;

use super::{TokenValues, to_length};
use crate::inference::network::token_layers::{TokenAttention, Windows};

impl TokenAttention {
    /// The second result is the shares that tokens give to each other, the average of all heads, `[N, T, T]`, if all
    /// attend to all.
    pub(super) fn forward(&self, values: TokenValues) -> Result<(TokenValues, Option<Tensor>)> {
        let normed = values.with(self.norm.forward(&values.tokens)?);
        let (made, shares) = match &self.windows {
            Some(windows) => (self.within(windows, &normed)?, None),
            None => {
                let (made, shares) = self.attend(&normed.tokens, Ok)?;
                (made, Some(shares.mean(1)?))
            }
        };
        let tokens = (&values.tokens + self.output.forward(&made)?)?;
        Ok((values.with(tokens), shares))
    }

    /// `[N, T, C]` → what attention makes of it, and the shares of each head, `[N, heads, T, T]`, in `f32`. `add` adds to
    /// the scores, of the same shape.
    fn attend(
        &self,
        tokens: &Tensor,
        add: impl Fn(Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let (count, length, channels) = tokens.dims3()?;
        let size = channels / self.heads;
        let qkv = self.qkv.forward(tokens)?;
        let qkv = qkv.reshape((count, length, 3, self.heads, size))?;
        let qkv = qkv.permute((2, 0, 3, 1, 4))?.contiguous()?;
        let (queries, keys, values) = (qkv.i(0)?, qkv.i(1)?, qkv.i(2)?);
        let scores = queries.matmul(&keys.t()?.contiguous()?)?;
        let scores = (scores.to_dtype(DType::F32)? / (size as f64).sqrt())?;
        let shares = ops::softmax_last_dim(&add(scores)?.contiguous()?)?;
        let made = shares.to_dtype(values.dtype())?.matmul(&values)?;
        let made = made.transpose(1, 2)?.contiguous()?;
        Ok((made.reshape((count, length, channels))?, shares))
    }

    /// Attention within windows, in the steps of the original: zeros around, a roll, windows, a mask, and all of it
    /// back.
    fn within(&self, windows: &Windows, normed: &TokenValues) -> Result<Tensor> {
        let Windows { side, shift, .. } = *windows;
        let grid = normed.grid()?;
        let (count, height, width, channels) = grid.dims4()?;
        let (down, across) = (height.div_ceil(side), width.div_ceil(side));
        let grid = to_length(&grid, 1, down * side)?;
        let grid = to_length(&grid, 2, across * side)?;
        let back = shift as i32;
        let grid = grid.roll(-back, 1)?.roll(-back, 2)?;
        let shape = (count, down, side, across, side, channels);
        let cut = grid.contiguous()?.reshape(shape)?;
        let cut = cut.permute((0, 1, 3, 2, 4, 5))?.contiguous()?;
        let cut = cut.reshape((count * down * across, side * side, channels))?;
        let mask = match shift {
            0 => None,
            _ => Some(mask(windows, down, across)?.to_device(cut.device())?),
        };
        let (made, _) = self.attend(&cut, |scores| {
            let scores = scores.broadcast_add(&windows.bias)?;
            match &mask {
                None => Ok(scores),
                Some(mask) => {
                    let shape = scores.dims().to_vec();
                    let (of_image, tokens) = (down * across, side * side);
                    let scores = scores.reshape((count, of_image, self.heads, tokens, tokens))?;
                    scores.broadcast_add(mask)?.reshape(shape)
                }
            }
        })?;
        let made = made.reshape((count, down, across, side, side, channels))?;
        let made = made.permute((0, 1, 3, 2, 4, 5))?.contiguous()?;
        let made = made.reshape((count, down * side, across * side, channels))?;
        let made = made.roll(back, 1)?.roll(back, 2)?;
        let made = made.narrow(1, 0, height)?.narrow(2, 0, width)?;
        made.contiguous()?
            .reshape((count, height * width, channels))
    }
}

/// −100 for two tokens of a window that come from different ends of the image, and 0 for others: `[windows, 1, side²,
/// side²]`.
fn mask(windows: &Windows, down: usize, across: usize) -> Result<Tensor> {
    const APART: f32 = -100.0;
    let Windows { side, shift, .. } = *windows;
    let part = |at: usize, length: usize| {
        if at < length - side {
            0
        } else if at < length - shift {
            1
        } else {
            2
        }
    };
    let tokens = side * side;
    let parts = |window: usize, token: usize| {
        let y = window / across * side + token / side;
        let x = window % across * side + token % side;
        (part(y, down * side), part(x, across * side))
    };
    let value = |at: usize| {
        let (window, pair) = (at / (tokens * tokens), at % (tokens * tokens));
        let (one, other) = (pair / tokens, pair % tokens);
        if parts(window, one) == parts(window, other) {
            0.0
        } else {
            APART
        }
    };
    let values: Vec<f32> = (0..down * across * tokens * tokens).map(value).collect();
    Tensor::from_vec(values, (down * across, 1, tokens, tokens), &Device::Cpu)
}
