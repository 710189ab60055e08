//! Networks of tokens computed step by step with candle's own operations: plain, slow on a CPU, and on every device that
//! candle supports. [`TokenPlanned`](super::token_plan::TokenPlanned) is compared with it.
//!
//! Layer normalisations, softmaxes and what is read at the end are in `f32`, whatever the type of the other numbers.

mod attention;
mod device;

use candle_core::{D, DType, Result, Tensor, bail};
use candle_nn::ops;

use super::reference::tap_by_tap;
use super::token_layers::{
    LayerNormWeights, LinearWeights, Patches, ReadoutKind, TokenActivation, TokenConv, TokenLayers,
    TokenMerge, TokenMlp, TokenReadout, TokenStep,
};

/// The tokens of some images.
struct TokenValues {
    /// `[N, prefix + height · width, C]`
    tokens: Tensor,
    /// Tokens before those of an image.
    prefix: usize,
    height: usize,
    width: usize,
}

impl TokenLayers {
    /// `[N, C, H, W]` → for each image what is read of it, and then the attention rollout over its tokens, if it is wanted
    /// and the network has one: `[N, read + h · w]`, or `[N, C · h · w]` for maps. In `f32`.
    ///
    /// # Errors
    /// If the input has another number of channels, or is too small.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let mut values: Option<TokenValues> = None;
        let mut shares = Vec::new();
        for step in &self.steps {
            values = Some(match (step, values) {
                (TokenStep::Patches(patches), None) => patches.forward(images)?,
                (TokenStep::Attention(attention), Some(values)) => {
                    let (made, of_layer) = attention.forward(values)?;
                    shares.extend(of_layer.filter(|_| self.keeps_shares));
                    made
                }
                (TokenStep::Mlp(mlp), Some(values)) => mlp.forward(values)?,
                (TokenStep::Merge(merge), Some(values)) => merge.forward(values)?,
                (TokenStep::Patches(_), Some(_)) | (_, None) => {
                    bail!("a network of tokens begins with patches, and has them once")
                }
            });
        }
        match values {
            Some(values) => self.readout.forward(&values, &shares),
            None => bail!("a network without steps"),
        }
    }
}

impl TokenValues {
    fn with(&self, tokens: Tensor) -> Self {
        TokenValues { tokens, ..*self }
    }

    /// The tokens of the images as `[N, h, w, C]`.
    fn grid(&self) -> Result<Tensor> {
        let (count, tokens, channels) = self.tokens.dims3()?;
        if self.prefix > 0 || tokens != self.height * self.width {
            bail!("a step over maps after tokens that are in none");
        }
        let shape = (count, self.height, self.width, channels);
        self.tokens.reshape(shape)
    }

    /// Those of the images alone: `[N, h · w, C]`.
    fn cells(&self) -> Result<Tensor> {
        let tokens = self.tokens.dim(1)?;
        self.tokens.narrow(1, self.prefix, tokens - self.prefix)
    }
}

impl LinearWeights {
    /// `[…, input]` → `[…, output]`
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut shape = x.dims().to_vec();
        let (output, input) = self.weight.dims2()?;
        let rows = x.elem_count() / input;
        let y = x
            .contiguous()?
            .reshape((rows, input))?
            .matmul(&self.weight.t()?)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        if let Some(last) = shape.last_mut() {
            *last = output;
        }
        y.reshape(shape)
    }
}

impl LayerNormWeights {
    /// Over the last dimension, in the type of `x`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.in_f32(x)?.to_dtype(x.dtype())
    }

    fn in_f32(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.to_dtype(DType::F32)?;
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let deviation = (variance + self.epsilon)?.sqrt()?;
        centred
            .broadcast_div(&deviation)?
            .broadcast_mul(&self.weight)?
            .broadcast_add(&self.bias)
    }
}

impl Patches {
    fn forward(&self, images: &Tensor) -> Result<TokenValues> {
        let (count, channels, height, width) = images.dims4()?;
        let along = |size: usize| {
            if self.pads {
                size.div_ceil(self.side)
            } else {
                size / self.side
            }
        };
        let (down, across) = (along(height), along(width));
        if down == 0 || across == 0 {
            bail!(
                "{height} × {width} pixels are too few for squares of {}",
                self.side
            );
        }
        let images = to_length(images, 2, down * self.side)?;
        let images = to_length(&images, 3, across * self.side)?;
        let shape = (count, channels, down, self.side, across, self.side);
        let squares = images.reshape(shape)?.permute((0, 2, 4, 1, 3, 5))?;
        let depth = channels * self.side * self.side;
        let squares = squares
            .contiguous()?
            .reshape((count, down * across, depth))?;
        let mut tokens = self.linear.forward(&squares)?;
        if let Some(positions) = &self.positions {
            tokens = tokens.broadcast_add(positions)?;
        }
        let mut before = 0;
        if let Some(prefix) = &self.prefix {
            before = prefix.dim(0)?;
            let prefix = prefix.unsqueeze(0)?.repeat((count, 1, 1))?;
            tokens = Tensor::cat(&[&prefix, &tokens], 1)?;
        }
        if let Some(norm) = &self.norm {
            tokens = norm.forward(&tokens)?;
        }
        Ok(TokenValues {
            tokens,
            prefix: before,
            height: down,
            width: across,
        })
    }
}

/// The first `length` of a dimension, with zeros after them if there are fewer.
fn to_length(x: &Tensor, dim: usize, length: usize) -> Result<Tensor> {
    let there = x.dim(dim)?;
    if there >= length {
        x.narrow(dim, 0, length)?.contiguous()
    } else {
        x.pad_with_zeros(dim, 0, length - there)
    }
}

impl TokenMlp {
    fn forward(&self, values: TokenValues) -> Result<TokenValues> {
        let x = match &self.depthwise {
            Some(convolution) => convolution.forward(&values)?,
            None => values.tokens.clone(),
        };
        let x = self.up.forward(&self.norm.forward(&x)?)?;
        let x = activated(&x, self.activation)?;
        let x = match &self.response {
            Some(response) => normalised_response(&x, response)?,
            None => x,
        };
        let tokens = (&values.tokens + self.down.forward(&x)?)?;
        Ok(values.with(tokens))
    }
}

fn activated(x: &Tensor, activation: TokenActivation) -> Result<Tensor> {
    match activation {
        TokenActivation::Gelu => x.gelu_erf(),
        TokenActivation::GeluTanh => x.gelu(),
        TokenActivation::QuickGelu => x * ops::sigmoid(&(x * 1.702)?)?,
        TokenActivation::Silu => x.silu(),
        TokenActivation::Relu => x.relu(),
        TokenActivation::SwiGlu => {
            let half = x.dim(D::Minus1)? / 2;
            let gates = x.narrow(D::Minus1, 0, half)?.contiguous()?.silu()?;
            gates * x.narrow(D::Minus1, half, half)?.contiguous()?
        }
    }
}

/// Global response normalisation: see [`ResponseSpec`](cxr_kernels::ResponseSpec).
fn normalised_response(x: &Tensor, [weight, bias]: &[Tensor; 2]) -> Result<Tensor> {
    const EPSILON: f64 = 1e-6;
    let dtype = x.dtype();
    let x = x.to_dtype(DType::F32)?;
    let norms = x.sqr()?.sum_keepdim(1)?.sqrt()?;
    let mean = (norms.mean_keepdim(D::Minus1)? + EPSILON)?;
    let scaled = x
        .broadcast_mul(&norms.broadcast_div(&mean)?)?
        .broadcast_mul(weight)?;
    let made = (scaled.broadcast_add(bias)? + x)?;
    made.to_dtype(dtype)
}

impl TokenConv {
    /// `[N, h · w, C]`
    fn forward(&self, values: &TokenValues) -> Result<Tensor> {
        let maps = values.grid()?.permute((0, 3, 1, 2))?.contiguous()?;
        let half = self.weight.dim(D::Minus1)? / 2;
        let maps =
            maps.pad_with_zeros(D::Minus2, half, half)?
                .pad_with_zeros(D::Minus1, half, half)?;
        let made = tap_by_tap(&maps, &self.weight, 1)?;
        let tokens = made.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        tokens.broadcast_add(&self.bias)
    }
}

impl TokenMerge {
    fn forward(&self, values: TokenValues) -> Result<TokenValues> {
        let grid = values.grid()?;
        let grid = match &self.before {
            Some(norm) => norm.forward(&grid)?,
            None => grid,
        };
        let half = |size: usize| {
            if self.pads {
                size.div_ceil(2)
            } else {
                size / 2
            }
        };
        let (count, height, width, channels) = grid.dims4()?;
        let (down, across) = (half(height), half(width));
        if down == 0 || across == 0 {
            bail!("nothing is left of {height} × {width} tokens");
        }
        let grid = to_length(&to_length(&grid, 1, 2 * down)?, 2, 2 * across)?;
        let four = grid.reshape((count, down, 2, across, 2, channels))?;
        // Columns before rows: upper left, lower left, upper right, lower right.
        let four = four.permute((0, 1, 3, 4, 2, 5))?.contiguous()?;
        let four = four.reshape((count, down * across, 4 * channels))?;
        let four = match &self.after {
            Some(norm) => norm.forward(&four)?,
            None => four,
        };
        Ok(TokenValues {
            tokens: self.linear.forward(&four)?,
            prefix: 0,
            height: down,
            width: across,
        })
    }
}

impl TokenReadout {
    fn forward(&self, values: &TokenValues, shares: &[Tensor]) -> Result<Tensor> {
        match self.kind {
            ReadoutKind::Maps => planes(&self.norm.in_f32(&values.cells()?)?),
            ReadoutKind::NormalisedAverage => self.normalised_average(&values.cells()?),
            ReadoutKind::ClassToken => {
                let class = self.norm.in_f32(&values.tokens.narrow(1, 0, 1)?)?;
                with_rollout(class.squeeze(1)?, values, shares, false)
            }
            ReadoutKind::ClassAndMean => {
                let normed = values.with(self.norm.in_f32(&values.tokens)?);
                let class = normed.tokens.narrow(1, 0, 1)?.squeeze(1)?;
                let features = Tensor::cat(&[&class, &normed.cells()?.mean(1)?], 1)?;
                with_rollout(features, values, shares, true)
            }
        }
    }

    /// Maps whose averages are the normalised averages of the tokens: each token minus its mean, over the deviation of
    /// the averages.
    fn normalised_average(&self, cells: &Tensor) -> Result<Tensor> {
        let cells = cells.to_dtype(DType::F32)?;
        let averages = cells.mean_keepdim(1)?;
        let centred = averages.broadcast_sub(&averages.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let deviation = (variance + self.norm.epsilon)?.sqrt()?;
        let made = cells
            .broadcast_sub(&cells.mean_keepdim(D::Minus1)?)?
            .broadcast_div(&deviation)?
            .broadcast_mul(&self.norm.weight)?
            .broadcast_add(&self.norm.bias)?;
        planes(&made)
    }
}

/// `[N, T, C]` → `[N, C · T]`
fn planes(cells: &Tensor) -> Result<Tensor> {
    cells.transpose(1, 2)?.contiguous()?.flatten_from(1)
}

/// The features `[N, F]`, and after them the rollout: see [`TokenAnswers`](cxr_kernels::TokenAnswers). With
/// `reads_all`, half of the features are the average of the tokens of the image.
fn with_rollout(
    features: Tensor,
    values: &TokenValues,
    shares: &[Tensor],
    reads_all: bool,
) -> Result<Tensor> {
    if shares.is_empty() {
        return Ok(features);
    }
    let (count, tokens, _) = values.tokens.dims3()?;
    let cells = tokens - values.prefix;
    let mut flow = vec![0.0_f32; tokens];
    flow[0] = 1.0;
    if reads_all {
        flow[0] = 0.5;
        flow[values.prefix..].fill(0.5 / cells as f32);
    }
    let flow = Tensor::from_vec(flow, (1, 1, tokens), features.device())?;
    let mut flow = flow.repeat((count, 1, 1))?;
    for of_layer in shares.iter().rev() {
        flow = ((flow.matmul(of_layer)? + flow)? * 0.5)?;
    }
    let image = flow.narrow(2, values.prefix, cells)?;
    let attention = image.broadcast_div(&image.mean_keepdim(2)?)?;
    Tensor::cat(&[&features, &attention.squeeze(1)?], 1)
}
