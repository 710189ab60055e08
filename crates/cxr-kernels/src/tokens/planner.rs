//! From the steps of a network to a plan, one by one, so that the weights of one step at a time are there twice.

use std::sync::Mutex;

use super::attention::PackedAttention;
use super::linear::Engine;
use super::merge::PackedMerge;
use super::mlp::PackedMlp;
use super::patches::PackedPatches;
use super::readout::PackedReadout;
use super::rows::{TokenGrid, rows_of};
use super::spec::{
    AttentionSpec, LayerNormSpec, LinearSpec, MergeSpec, MlpSpec, PatchSpec, ReadoutSpec,
    TokenActivation, TokenConvSpec, TokenStepSpec, WindowSpec,
};
use super::{TokenPass, TokenPlan};
use crate::depthwise_kernel::WIDEST;
use crate::error::PlanError;
use crate::isa::Kernels;
use crate::products::Products;

/// The most numbers of a buffer for one image: those of a few images are bytes that an address can count.
const MOST_NUMBERS: usize = isize::MAX as usize >> 9;

/// Makes a plan of the steps of a network.
pub struct TokenPlanner {
    engine: Engine,
    image: [usize; 3],
    passes: Vec<TokenPass>,
    /// The tokens after the last step so far.
    grid: Option<TokenGrid>,
    needs: TokenNeeds,
}

/// The buffers that an image needs.
#[derive(Default)]
pub struct TokenNeeds {
    /// Tokens between two steps.
    pub most_tokens: usize,
    /// Numbers of the buffers of a workspace.
    pub tokens: usize,
    pub normed: usize,
    pub wide: usize,
    pub packed: usize,
}

impl TokenPlanner {
    /// A plan without steps for images of `[channels, height, width]`.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(
        image: [usize; 3],
        kernels: &'static Kernels,
        products: Products,
    ) -> Result<Self, PlanError> {
        if image.contains(&0) {
            return Err(PlanError::Zero { layer: 0 });
        }
        Ok(TokenPlanner {
            engine: (kernels, products),
            image,
            passes: Vec::new(),
            grid: None,
            needs: TokenNeeds::default(),
        })
    }

    /// Adds a step. Its weights are copied into the plan.
    ///
    /// # Errors
    /// If the description contradicts itself or the step before, or nothing is left of the image.
    pub fn push(&mut self, step: &TokenStepSpec) -> Result<(), PlanError> {
        let (pass, grid) = match step {
            TokenStepSpec::Patches(patches) => self.patches(patches)?,
            TokenStepSpec::Attention(attention) => self.attention(attention)?,
            TokenStepSpec::Mlp(mlp) => self.mlp(mlp)?,
            TokenStepSpec::Merge(merge) => self.merge(merge)?,
        };
        self.passes.push(pass);
        self.grid = Some(grid);
        Ok(())
    }

    /// The plan of all steps.
    ///
    /// # Errors
    /// If there are no steps, or the last normalisation does not fit the tokens.
    pub fn finish(self, readout: &ReadoutSpec) -> Result<TokenPlan, PlanError> {
        let grid = self.grid.ok_or(PlanError::NoLayers)?;
        self.check_norm(&readout.norm, grid.channels)?;
        if !readout.kind.is_maps() && grid.prefix == 0 {
            return Err(self.order());
        }
        Ok(TokenPlan {
            image: self.image,
            readout: PackedReadout::new(self.engine.0, grid, readout),
            passes: self.passes,
            needs: self.needs,
            idle: Mutex::default(),
        })
    }

    fn patches(&mut self, patches: &PatchSpec) -> Result<(TokenPass, TokenGrid), PlanError> {
        let [channels, height, width] = self.image;
        if self.grid.is_some() {
            return Err(self.order());
        }
        if patches.side == 0 {
            return Err(self.zero());
        }
        let along = |size: usize| {
            if patches.pads {
                size.div_ceil(patches.side)
            } else {
                size / patches.side
            }
        };
        let (down, across) = (along(height), along(width));
        if down == 0 || across == 0 {
            return Err(self.too_small([height, width], patches.side));
        }
        let depth = self.product(&[channels, patches.side, patches.side])?;
        self.check_linear(&patches.linear, depth)?;
        let output = patches.linear.output;
        let prefix = patches.prefix.len() / output;
        let grid = TokenGrid {
            prefix,
            height: down,
            width: across,
            channels: output,
        };
        self.check_length(patches.prefix.len(), prefix * output)?;
        let positions = self.product(&[down, across, output])?;
        if !patches.positions.is_empty() {
            self.check_length(patches.positions.len(), positions)?;
        }
        if let Some(norm) = &patches.norm {
            self.check_norm(norm, output)?;
        }
        self.need_tokens(grid)?;
        self.need_wide(grid.cells(), depth)?;
        let pass = PackedPatches::new(self.engine, self.image, grid, patches);
        Ok((TokenPass::Patches(Box::new(pass)), grid))
    }

    fn attention(
        &mut self,
        attention: &AttentionSpec,
    ) -> Result<(TokenPass, TokenGrid), PlanError> {
        let grid = self.before()?;
        let (layer, channels) = (self.layer(), grid.channels);
        self.check_norm(&attention.norm, channels)?;
        self.check_linear(&attention.qkv, channels)?;
        self.check_linear(&attention.output, channels)?;
        if attention.qkv.output != 3 * channels || attention.output.output != channels {
            return Err(self.mismatch());
        }
        if attention.heads == 0 || !channels.is_multiple_of(attention.heads) {
            return Err(PlanError::Heads { layer });
        }
        if let Some(windows) = &attention.windows {
            self.check_windows(windows, attention.heads, grid)?;
        }
        self.need_wide(grid.tokens(), 3 * channels)?;
        let pass = PackedAttention::new(self.engine, grid, attention);
        self.needs.packed = self.needs.packed.max(pass.packed());
        Ok((TokenPass::Attention(Box::new(pass)), grid))
    }

    fn check_windows(
        &self,
        windows: &WindowSpec,
        heads: usize,
        grid: TokenGrid,
    ) -> Result<(), PlanError> {
        self.check_is_map(grid)?;
        let WindowSpec { side, shift, bias } = *windows;
        if side == 0 || shift >= side {
            return Err(self.zero());
        }
        let expected = self.product(&[heads, side, side, side, side])?;
        self.check_length(bias.len(), expected)
    }

    fn mlp(&mut self, mlp: &MlpSpec) -> Result<(TokenPass, TokenGrid), PlanError> {
        let grid = self.before()?;
        self.check_norm(&mlp.norm, grid.channels)?;
        self.check_linear(&mlp.up, grid.channels)?;
        let inside = match mlp.activation {
            TokenActivation::SwiGlu if !mlp.up.output.is_multiple_of(2) => {
                return Err(self.mismatch());
            }
            TokenActivation::SwiGlu => mlp.up.output / 2,
            _ => mlp.up.output,
        };
        self.check_linear(&mlp.down, inside)?;
        if mlp.down.output != grid.channels {
            return Err(self.mismatch());
        }
        if let Some(response) = &mlp.response {
            self.check_is_map(grid)?;
            self.check_length(response.weight.len(), inside)?;
            self.check_length(response.bias.len(), inside)?;
        }
        if let Some(convolution) = &mlp.depthwise {
            self.check_convolution(convolution, grid)?;
        }
        self.need_wide(grid.tokens(), mlp.up.output)?;
        let pass = PackedMlp::new(self.engine, grid, mlp);
        Ok((TokenPass::Mlp(Box::new(pass)), grid))
    }

    fn check_convolution(&self, conv: &TokenConvSpec, grid: TokenGrid) -> Result<(), PlanError> {
        self.check_is_map(grid)?;
        let (layer, kernel) = (self.layer(), conv.kernel);
        if kernel > WIDEST {
            return Err(PlanError::WideKernel { layer, kernel });
        }
        if kernel.is_multiple_of(2) {
            return Err(self.zero());
        }
        self.check_length(conv.weight.len(), grid.channels * kernel * kernel)?;
        self.check_length(conv.bias.len(), grid.channels)
    }

    fn merge(&mut self, merge: &MergeSpec) -> Result<(TokenPass, TokenGrid), PlanError> {
        let from = self.before()?;
        self.check_is_map(from)?;
        let half = |size: usize| {
            if merge.pads {
                size.div_ceil(2)
            } else {
                size / 2
            }
        };
        let to = TokenGrid {
            prefix: 0,
            height: half(from.height),
            width: half(from.width),
            channels: merge.linear.output,
        };
        if to.cells() == 0 {
            return Err(self.too_small([from.height, from.width], 2));
        }
        if let Some(norm) = &merge.before {
            self.check_norm(norm, from.channels)?;
        }
        if let Some(norm) = &merge.after {
            self.check_norm(norm, 4 * from.channels)?;
        }
        self.check_linear(&merge.linear, 4 * from.channels)?;
        self.need_tokens(to)?;
        self.need_wide(to.cells(), 4 * from.channels)?;
        let pass = PackedMerge::new(self.engine, from, to, merge);
        Ok((TokenPass::Merge(Box::new(pass)), to))
    }

    /// The tokens that the next step reads.
    fn before(&self) -> Result<TokenGrid, PlanError> {
        self.grid.ok_or_else(|| self.order())
    }

    /// Whether all tokens are those of the image.
    fn check_is_map(&self, grid: TokenGrid) -> Result<(), PlanError> {
        let layer = self.layer();
        match grid.prefix {
            0 => Ok(()),
            _ => Err(PlanError::NoMap { layer }),
        }
    }

    fn check_linear(&self, linear: &LinearSpec, input: usize) -> Result<(), PlanError> {
        if linear.input == 0 || linear.output == 0 {
            return Err(self.zero());
        }
        if linear.input != input {
            return Err(self.mismatch());
        }
        let weights = self.product(&[linear.input, linear.output])?;
        self.check_length(linear.weight.len(), weights)?;
        match linear.bias.len() {
            0 => Ok(()),
            found => self.check_length(found, linear.output),
        }
    }

    fn check_norm(&self, norm: &LayerNormSpec, channels: usize) -> Result<(), PlanError> {
        self.check_length(norm.weight.len(), channels)?;
        self.check_length(norm.bias.len(), channels)
    }

    fn check_length(&self, found: usize, expected: usize) -> Result<(), PlanError> {
        let layer = self.layer();
        if found == expected {
            Ok(())
        } else {
            Err(PlanError::Length {
                layer,
                found,
                expected,
            })
        }
    }

    fn need_tokens(&mut self, grid: TokenGrid) -> Result<(), PlanError> {
        let numbers = self.numbers(grid.tokens(), grid.channels)?;
        self.needs.most_tokens = self.needs.most_tokens.max(grid.tokens());
        self.needs.tokens = self.needs.tokens.max(numbers);
        self.needs.normed = self.needs.normed.max(numbers);
        Ok(())
    }

    fn need_wide(&mut self, rows: usize, channels: usize) -> Result<(), PlanError> {
        self.needs.wide = self.needs.wide.max(self.numbers(rows, channels)?);
        Ok(())
    }

    /// Numbers that rows take.
    fn numbers(&self, rows: usize, channels: usize) -> Result<usize, PlanError> {
        // Each row is padded by less than two lines.
        self.product(&[rows, channels + 32])?;
        Ok(rows_of(rows, channels).len())
    }

    /// The product, if it is no more than any memory has.
    fn product(&self, factors: &[usize]) -> Result<usize, PlanError> {
        let product = factors
            .iter()
            .try_fold(1_usize, |product, factor| product.checked_mul(*factor));
        let product = product.filter(|product| *product <= MOST_NUMBERS);
        let value = self.layer() + 1;
        product.ok_or(PlanError::TooLarge { value })
    }

    fn layer(&self) -> usize {
        self.passes.len()
    }

    fn zero(&self) -> PlanError {
        let layer = self.layer();
        PlanError::Zero { layer }
    }

    fn mismatch(&self) -> PlanError {
        let layer = self.layer();
        PlanError::Mismatch { layer }
    }

    fn order(&self) -> PlanError {
        let layer = self.layer();
        PlanError::Order { layer }
    }

    fn too_small(&self, [height, width]: [usize; 2], window: usize) -> PlanError {
        PlanError::TooSmall {
            layer: self.layer(),
            height,
            width,
            window,
        }
    }
}
