//! Networks of tokens computed by [`cxr_kernels`]: translated step by step into its description.

use std::ops::Deref;

use candle_core::{Device, Result, Tensor, bail};
use cxr_kernels::{
    AttentionSpec, Kernels, LayerNormSpec, LinearSpec, MergeSpec, MlpSpec, PatchSpec, Products,
    ReadoutSpec, ResponseSpec, TokenConvSpec, TokenPlan, TokenPlanner, TokenStepSpec, WindowSpec,
};

use super::planned::TensorNumbers;
use super::token_layers::{
    LayerNormWeights, LinearWeights, Patches, TokenAttention, TokenMerge, TokenMlp, TokenReadout,
    TokenStep,
};
use crate::inference::InferenceError;
use crate::inference::engine::Precision;

type Translated<T> = std::result::Result<T, InferenceError>;

/// Makes a [`TokenPlanned`] of the steps of a network. The weights of each are packed at once, so that they need not be
/// kept.
pub struct PlanBuilder {
    planner: TokenPlanner,
    products: Products,
}

/// A network of tokens made ready for images of one size.
pub struct TokenPlanned {
    plan: TokenPlan,
    products: Products,
}

impl PlanBuilder {
    /// A plan without steps for images of `[channels, height, width]`.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(
        image: [usize; 3],
        kernels: &'static Kernels,
        products: Products,
    ) -> Translated<Self> {
        let planner = TokenPlanner::new(image, kernels, products)?;
        Ok(PlanBuilder { planner, products })
    }

    /// Adds a step.
    ///
    /// # Errors
    /// If it does not fit the step before, or a tensor is not `f32`.
    pub fn push(&mut self, step: &TokenStep) -> Translated<()> {
        match step {
            TokenStep::Patches(patches) => self.patches(patches),
            TokenStep::Attention(attention) => self.attention(attention),
            TokenStep::Mlp(mlp) => self.mlp(mlp),
            TokenStep::Merge(merge) => self.merge(merge),
        }
    }

    /// The plan of all steps.
    ///
    /// # Errors
    /// If there are none, or the last one does not fit.
    pub fn finish(self, readout: &TokenReadout) -> Translated<TokenPlanned> {
        let norm = LayerNormNumbers::of(&readout.norm)?;
        let plan = self.planner.finish(&ReadoutSpec {
            norm: norm.spec(),
            kind: readout.kind,
        })?;
        Ok(TokenPlanned {
            plan,
            products: self.products,
        })
    }

    fn patches(&mut self, patches: &Patches) -> Translated<()> {
        let linear = LinearNumbers::of(&patches.linear)?;
        let positions = numbers(patches.positions.as_ref())?;
        let prefix = numbers(patches.prefix.as_ref())?;
        let norm = norm_numbers(patches.norm.as_ref())?;
        self.add(TokenStepSpec::Patches(PatchSpec {
            side: patches.side,
            pads: patches.pads,
            linear: linear.spec(),
            positions: slice(positions.as_ref()),
            prefix: slice(prefix.as_ref()),
            norm: norm.as_ref().map(LayerNormNumbers::spec),
        }))
    }

    fn attention(&mut self, attention: &TokenAttention) -> Translated<()> {
        let norm = LayerNormNumbers::of(&attention.norm)?;
        let qkv = LinearNumbers::of(&attention.qkv)?;
        let output = LinearNumbers::of(&attention.output)?;
        let windows = attention.windows.as_ref();
        let bias = numbers(windows.map(|windows| &windows.bias))?;
        let spec = windows.map(|windows| WindowSpec {
            side: windows.side,
            shift: windows.shift,
            bias: slice(bias.as_ref()),
        });
        self.add(TokenStepSpec::Attention(AttentionSpec {
            norm: norm.spec(),
            qkv: qkv.spec(),
            heads: attention.heads,
            windows: spec,
            output: output.spec(),
        }))
    }

    fn mlp(&mut self, mlp: &TokenMlp) -> Translated<()> {
        let convolution = mlp.depthwise.as_ref();
        let taps = numbers(convolution.map(|convolution| &convolution.weight))?;
        let bias = numbers(convolution.map(|convolution| &convolution.bias))?;
        let kernel = convolution.map(|convolution| convolution.weight.dims4());
        let kernel = kernel.transpose()?.map(|(.., kernel)| kernel);
        let response = mlp.response.as_ref();
        let weight = numbers(response.map(|[weight, _]| weight))?;
        let shift = numbers(response.map(|[_, bias]| bias))?;
        let norm = LayerNormNumbers::of(&mlp.norm)?;
        let (up, down) = (LinearNumbers::of(&mlp.up)?, LinearNumbers::of(&mlp.down)?);
        self.add(TokenStepSpec::Mlp(MlpSpec {
            depthwise: kernel.map(|kernel| TokenConvSpec {
                weight: slice(taps.as_ref()),
                bias: slice(bias.as_ref()),
                kernel,
            }),
            norm: norm.spec(),
            up: up.spec(),
            activation: mlp.activation,
            response: response.map(|_| ResponseSpec {
                weight: slice(weight.as_ref()),
                bias: slice(shift.as_ref()),
            }),
            down: down.spec(),
        }))
    }

    fn merge(&mut self, merge: &TokenMerge) -> Translated<()> {
        let before = norm_numbers(merge.before.as_ref())?;
        let after = norm_numbers(merge.after.as_ref())?;
        let linear = LinearNumbers::of(&merge.linear)?;
        self.add(TokenStepSpec::Merge(MergeSpec {
            before: before.as_ref().map(LayerNormNumbers::spec),
            after: after.as_ref().map(LayerNormNumbers::spec),
            linear: linear.spec(),
            pads: merge.pads,
        }))
    }

    fn add(&mut self, step: TokenStepSpec) -> Translated<()> {
        Ok(self.planner.push(&step)?)
    }
}

impl TokenPlanned {
    /// The precision of its products.
    pub fn precision(&self) -> Precision {
        self.products.precision().into()
    }

    /// `[N, C, H, W]` → what is read of each image, `[N, read]`, and, if that is asked for and the network has one, the
    /// attention rollout, `[N, h · w]`.
    ///
    /// # Errors
    /// If the images have another size than the plan was made for, or are not `f32`.
    pub fn answers(
        &self,
        images: &Tensor,
        wants_attention: bool,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let (count, channels, height, width) = images.dims4()?;
        let [c, h, w] = self.plan.input();
        if [channels, height, width] != [c, h, w] {
            bail!(
                "an image of {channels} × {height} × {width} for a network made ready for {c} × {h} × {w}"
            );
        }
        let numbers = TensorNumbers::of(images)?;
        let answers = self.plan.answers(&numbers, wants_attention);
        let rows = |values: Vec<f32>| {
            let length = values.len() / count.max(1);
            Tensor::from_vec(values, (count, length), &Device::Cpu)
        };
        let attention = (!answers.attention.is_empty()).then_some(answers.attention);
        Ok((rows(answers.read)?, attention.map(rows).transpose()?))
    }
}

/// The numbers of a tensor, if it is there.
fn numbers(tensor: Option<&Tensor>) -> Result<Option<TensorNumbers<'_>>> {
    tensor.map(TensorNumbers::of).transpose()
}

/// The numbers, or none.
fn slice<'a>(numbers: Option<&'a TensorNumbers>) -> &'a [f32] {
    numbers.map_or(&[], |numbers| numbers.deref())
}

fn norm_numbers(norm: Option<&LayerNormWeights>) -> Result<Option<LayerNormNumbers<'_>>> {
    norm.map(LayerNormNumbers::of).transpose()
}

/// A linear layer with the numbers of its tensors.
struct LinearNumbers<'a> {
    weight: TensorNumbers<'a>,
    bias: Option<TensorNumbers<'a>>,
    output: usize,
    input: usize,
}

impl<'a> LinearNumbers<'a> {
    fn of(linear: &'a LinearWeights) -> Result<Self> {
        let (output, input) = linear.weight.dims2()?;
        Ok(LinearNumbers {
            weight: TensorNumbers::of(&linear.weight)?,
            bias: numbers(linear.bias.as_ref())?,
            output,
            input,
        })
    }

    fn spec(&self) -> LinearSpec<'_> {
        LinearSpec {
            weight: &self.weight,
            bias: slice(self.bias.as_ref()),
            input: self.input,
            output: self.output,
        }
    }
}

/// A normalisation with the numbers of its tensors.
struct LayerNormNumbers<'a> {
    weight: TensorNumbers<'a>,
    bias: TensorNumbers<'a>,
    epsilon: f64,
}

impl<'a> LayerNormNumbers<'a> {
    fn of(norm: &'a LayerNormWeights) -> Result<Self> {
        Ok(LayerNormNumbers {
            weight: TensorNumbers::of(&norm.weight)?,
            bias: TensorNumbers::of(&norm.bias)?,
            epsilon: norm.epsilon,
        })
    }

    fn spec(&self) -> LayerNormSpec<'_> {
        LayerNormSpec {
            weight: &self.weight,
            bias: &self.bias,
            epsilon: self.epsilon as f32,
        }
    }
}
