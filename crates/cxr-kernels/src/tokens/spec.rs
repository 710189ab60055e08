//! The description of a network of tokens that a plan is made from: steps with borrowed weights.

/// `x · weightᵀ + bias`, for each token.
#[derive(Debug, Clone, Copy)]
pub struct LinearSpec<'a> {
    /// Row by row: `[output, input]`.
    pub weight: &'a [f32],
    /// `[output]`, or empty.
    pub bias: &'a [f32],
    /// Numbers of a token before.
    pub input: usize,
    /// Numbers of a token after.
    pub output: usize,
}

/// `(x − mean) / √(variance + epsilon) · weight + bias`, for each token.
#[derive(Debug, Clone, Copy)]
pub struct LayerNormSpec<'a> {
    /// `[channels]`
    pub weight: &'a [f32],
    /// `[channels]`
    pub bias: &'a [f32],
    /// Above 0.
    pub epsilon: f32,
}

/// A step. All but the first read the tokens of the step before.
#[derive(Debug, Clone, Copy)]
pub enum TokenStepSpec<'a> {
    /// Cuts the image into tokens. The first step, and no other.
    Patches(PatchSpec<'a>),
    /// `x + attention(norm(x))`
    Attention(AttentionSpec<'a>),
    /// `x + mlp(norm(x))`
    Mlp(MlpSpec<'a>),
    /// Four neighbours become one token.
    Merge(MergeSpec<'a>),
}

/// Squares of pixels as tokens: a convolution whose stride is its kernel.
#[derive(Debug, Clone, Copy)]
pub struct PatchSpec<'a> {
    /// Height and width of a square, in pixels.
    pub side: usize,
    /// Whether pixels beyond the last whole square get one of their own, with zeros around them. Otherwise they are
    /// left out.
    pub pads: bool,
    /// The input is a square: channel by channel, and row by row.
    pub linear: LinearSpec<'a>,
    /// Added to the squares: `[squares, output]`, or empty.
    pub positions: &'a [f32],
    /// Tokens before those of the image: `[tokens, output]`, or empty.
    pub prefix: &'a [f32],
    /// Comes last, for all tokens.
    pub norm: Option<LayerNormSpec<'a>>,
}

/// Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762), to which the input is added.
#[derive(Debug, Clone, Copy)]
pub struct AttentionSpec<'a> {
    /// Comes first.
    pub norm: LayerNormSpec<'a>,
    /// Queries, keys and values: `[3 · channels, channels]`.
    pub qkv: LinearSpec<'a>,
    /// At least 1; a divisor of the channels.
    pub heads: usize,
    /// If a token attends to the tokens of its own window only.
    pub windows: Option<WindowSpec<'a>>,
    /// Comes before the sum.
    pub output: LinearSpec<'a>,
}

/// Windows of Liu et al. 2021, *Swin Transformer*, arXiv:2103.14030. Beyond the last row and column they hold tokens
/// of zeros, before queries, keys and values are made.
#[derive(Debug, Clone, Copy)]
pub struct WindowSpec<'a> {
    /// Height and width in tokens.
    pub side: usize,
    /// The windows begin this many tokens further down and to the right, fewer than `side`. Tokens that the first ones
    /// leave out are in the last windows, where they attend to each other only.
    pub shift: usize,
    /// Added to the scores before the softmax: `[heads, side², side²]`, a row for each query.
    pub bias: &'a [f32],
}

/// Two linear layers and what lies around them.
#[derive(Debug, Clone, Copy)]
pub struct MlpSpec<'a> {
    /// Comes before the normalisation, with zeros around the tokens.
    pub depthwise: Option<TokenConvSpec<'a>>,
    /// Comes before the first layer.
    pub norm: LayerNormSpec<'a>,
    /// The first layer.
    pub up: LinearSpec<'a>,
    /// Comes between the layers.
    pub activation: TokenActivation,
    /// Comes after the activation.
    pub response: Option<ResponseSpec<'a>>,
    /// The second layer.
    pub down: LinearSpec<'a>,
}

/// A convolution of each channel with its own kernel, of stride 1.
#[derive(Debug, Clone, Copy)]
pub struct TokenConvSpec<'a> {
    /// Row by row: `[channels, kernel, kernel]`.
    pub weight: &'a [f32],
    /// `[channels]`
    pub bias: &'a [f32],
    /// Height and width of the kernel in tokens: odd, and at most 7.
    pub kernel: usize,
}

/// Global response normalisation (Woo et al. 2023, *ConvNeXt V2*, arXiv:2301.00808):
/// `weight · x · g / (mean(g) + 10⁻⁶) + bias + x`, where g is the Euclidean norm of a channel over all tokens.
#[derive(Debug, Clone, Copy)]
pub struct ResponseSpec<'a> {
    /// `[channels]`
    pub weight: &'a [f32],
    /// `[channels]`
    pub bias: &'a [f32],
}

/// The function between two linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenActivation {
    /// `x · Φ(x)`, with the distribution function of the normal distribution.
    Gelu,
    /// `x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2`
    GeluTanh,
    /// `x · sigmoid(1.702 · x)`
    QuickGelu,
    /// `x · sigmoid(x)`
    Silu,
    /// `max(x, 0)`
    Relu,
    /// `silu(x) · y`: the first layer makes x, and after it as many numbers y (Shazeer 2020, arXiv:2002.05202).
    SwiGlu,
}

/// Squares of two by two tokens as one token. It has the channels of the upper left token, the lower left, the upper
/// right and the lower right one.
#[derive(Debug, Clone, Copy)]
pub struct MergeSpec<'a> {
    /// Comes first, for each of the four.
    pub before: Option<LayerNormSpec<'a>>,
    /// Comes after that, for the four as one.
    pub after: Option<LayerNormSpec<'a>>,
    /// Comes last. Its input has four times the channels.
    pub linear: LinearSpec<'a>,
    /// Whether tokens of an odd last row or column have neighbours of zeros. Otherwise they are left out.
    pub pads: bool,
}

/// What is made of the tokens after the last step, with C channels each.
#[derive(Debug, Clone, Copy)]
pub struct ReadoutSpec<'a> {
    /// The last normalisation.
    pub norm: LayerNormSpec<'a>,
    /// What is read.
    pub kind: ReadoutKind,
}

/// What is read after the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadoutKind {
    /// The first token, normalised: `[C]`.
    ClassToken,
    /// The first token and the average of those of the image, normalised: `[2C]`.
    ClassAndMean,
    /// The tokens of the image, normalised, as maps: `[C, h, w]`.
    Maps,
    /// Maps, `[C, h, w]`, whose average is that of the tokens, normalised: each token minus its mean, over the
    /// deviation of the averages.
    NormalisedAverage,
}

impl ReadoutKind {
    /// Whether the result is maps.
    pub fn is_maps(self) -> bool {
        matches!(self, ReadoutKind::Maps | ReadoutKind::NormalisedAverage)
    }
}
