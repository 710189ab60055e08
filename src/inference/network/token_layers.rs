//! The description of a network whose values are tokens: vision transformers, and networks of convolutions that are
//! built like them. It lies beside [`Layers`](super::layers::Layers), is made step by step, and is computed by candle in
//! [`token_reference`](super::token_reference) and by the kernels in [`token_plan`](super::token_plan); [`TokenTrunk`](super::token_trunk::TokenTrunk) chooses between them.
//!
//! ```text
//! image ─ Patches ─► tokens ─ Attention, Mlp ─► … ─ Merge ─► … ─ TokenReadout ─► features or maps
//! ```
//!
//! All shapes are those of PyTorch's parameters.

use candle_core::Tensor;
pub use cxr_kernels::{ReadoutKind, TokenActivation};

/// A network of tokens.
pub struct TokenLayers {
    pub steps: Vec<TokenStep>,
    pub readout: TokenReadout,
    /// Whether the attention rollout is wanted beside what is read.
    pub keeps_shares: bool,
}

/// A step. All but the first read the tokens of the step before.
pub enum TokenStep {
    /// The first step.
    Patches(Patches),
    /// `x + attention(norm(x))`
    Attention(TokenAttention),
    /// `x + mlp(norm(x))`
    Mlp(TokenMlp),
    /// Four neighbours become one token.
    Merge(TokenMerge),
}

/// `nn.Linear`: `x · weightᵀ + bias`.
pub struct LinearWeights {
    /// `[output, input]`
    pub weight: Tensor,
    /// `[output]`
    pub bias: Option<Tensor>,
}

/// `nn.LayerNorm` over the numbers of a token.
pub struct LayerNormWeights {
    /// `[channels]`
    pub weight: Tensor,
    /// `[channels]`
    pub bias: Tensor,
    pub epsilon: f64,
}

/// Squares of pixels as tokens: an `nn.Conv2d` whose stride is its kernel.
pub struct Patches {
    /// Height and width of a square.
    pub side: usize,
    /// Whether pixels beyond the last whole square get one of their own, with zeros around them. Otherwise they are
    /// left out.
    pub pads: bool,
    /// Weight `[C, channels · side²]`.
    pub linear: LinearWeights,
    /// Added to the squares: `[squares, C]`.
    pub positions: Option<Tensor>,
    /// Tokens before those of the image, with their positions: `[tokens, C]`.
    pub prefix: Option<Tensor>,
    /// Comes last.
    pub norm: Option<LayerNormWeights>,
}

/// Multi-head self-attention, to which its input is added.
pub struct TokenAttention {
    pub norm: LayerNormWeights,
    /// Queries, keys and values: weight `[3C, C]`.
    pub qkv: LinearWeights,
    pub heads: usize,
    pub windows: Option<Windows>,
    pub output: LinearWeights,
}

/// Windows that a token attends within, as [`WindowSpec`](cxr_kernels::WindowSpec) says.
pub struct Windows {
    pub side: usize,
    pub shift: usize,
    /// Added to the scores: `[heads, side², side²]`.
    pub bias: Tensor,
}

/// Two linear layers and what lies around them, to which the input is added.
pub struct TokenMlp {
    /// Comes first.
    pub depthwise: Option<TokenConv>,
    pub norm: LayerNormWeights,
    pub up: LinearWeights,
    pub activation: TokenActivation,
    /// Global response normalisation: weight and bias, each `[inside]`.
    pub response: Option<[Tensor; 2]>,
    pub down: LinearWeights,
}

/// `nn.Conv2d(C, C, kernel, padding=kernel // 2, groups=C)` over the tokens.
pub struct TokenConv {
    /// `[C, 1, kernel, kernel]`
    pub weight: Tensor,
    /// `[C]`
    pub bias: Tensor,
}

/// Squares of two by two tokens as one, in the order of [`MergeSpec`](cxr_kernels::MergeSpec).
pub struct TokenMerge {
    /// Comes first, for each of the four.
    pub before: Option<LayerNormWeights>,
    /// Comes after that, for the four as one.
    pub after: Option<LayerNormWeights>,
    /// Weight `[output, 4C]`.
    pub linear: LinearWeights,
    /// Whether tokens of an odd last row or column have neighbours of zeros. Otherwise they are left out.
    pub pads: bool,
}

/// What is read after the last step.
pub struct TokenReadout {
    pub norm: LayerNormWeights,
    pub kind: ReadoutKind,
}

impl LinearWeights {
    /// With each output times its number in `scale [output]`.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn scaled(self, scale: &Tensor) -> candle_core::Result<Self> {
        let bias = self.bias.map(|bias| bias * scale).transpose()?;
        Ok(LinearWeights {
            weight: self.weight.broadcast_mul(&scale.unsqueeze(1)?)?,
            bias,
        })
    }
}
