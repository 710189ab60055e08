//! Networks of tokens: vision transformers, with attention over all tokens or within windows, and networks of
//! convolutions that are built like them. One image after the other, or a few at once, each pass by all threads.
//!
//! ```text
//! TokenStepSpec ─ TokenPlanner::push, … finish ─► TokenPlan ─ answers ─► features or maps, and attention
//!                                                   │ passes: patches, attention (heads, windows), mlp, merge, readout
//!                                                   └ linear: products by the convolutions' microkernels; tile_heads: by tiles
//! ```
//!
//! Tokens lie row by row. Linear layers are 1 × 1 convolutions of a map of one row. Scores of attention never leave the
//! near caches: a few queries of a head meet all keys, the softmax follows at once, and then the product with the values.

mod attention;
mod heads;
mod linear;
mod merge;
mod mlp;
mod patches;
mod planner;
mod readout;
mod rollout;
mod rows;
mod spec;
mod tile_heads;
mod windows;

use std::sync::{Mutex, MutexGuard, PoisonError};

use self::attention::PackedAttention;
use self::merge::PackedMerge;
use self::mlp::PackedMlp;
use self::patches::PackedPatches;
use self::planner::TokenNeeds;
use self::readout::PackedReadout;
use self::rows::{TokenRun, TokenWorkspace, rows_of};
use crate::memory::AlignedBuf;
use crate::threads::Workers;

pub use planner::TokenPlanner;
pub use spec::{
    AttentionSpec, LayerNormSpec, LinearSpec, MergeSpec, MlpSpec, PatchSpec, ReadoutKind,
    ReadoutSpec, ResponseSpec, TokenActivation, TokenConvSpec, TokenStepSpec, WindowSpec,
};

/// Images are computed together until they have this many tokens after the last step, where the weights are largest, so
/// that each weight that is read serves many tokens.
const TOGETHER: usize = 2048;
/// The most tokens of the images that are computed together, between any two steps.
const MOST_TOKENS: usize = 1 << 15;
/// The most images that are computed together.
const MOST_TOGETHER: usize = 64;

/// A network of tokens for images of one size.
pub struct TokenPlan {
    /// `[C, H, W]` of an image.
    image: [usize; 3],
    passes: Vec<TokenPass>,
    readout: PackedReadout,
    needs: TokenNeeds,
    /// Workspaces that no images use at the moment.
    idle: Mutex<Vec<TokenWorkspace>>,
}

/// A step ready to run.
enum TokenPass {
    Patches(Box<PackedPatches>),
    Attention(Box<PackedAttention>),
    Mlp(Box<PackedMlp>),
    Merge(Box<PackedMerge>),
}

/// What a plan makes of images.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenAnswers {
    /// What is read of each image, one after the other: [`TokenPlan::length`] numbers each.
    pub read: Vec<f32>,
    /// The attention rollout of each image over its own tokens, `[h, w]` with an average of 1 (Abnar & Zuidema 2020,
    /// arXiv:2005.00928). Empty if it was not asked for, or the network has none.
    pub attention: Vec<f32>,
}

impl TokenPlan {
    /// `[C, H, W]` of an image.
    pub fn input(&self) -> [usize; 3] {
        self.image
    }

    /// Numbers that are read of an image.
    pub fn length(&self) -> usize {
        self.readout.length()
    }

    /// `[h, w]`: the last tokens of an image.
    pub fn cells(&self) -> [usize; 2] {
        let grid = self.readout.grid();
        [grid.height, grid.width]
    }

    /// `images [N, C, H, W]` → what is read of them and, if that is asked for, the attention that it came by.
    ///
    /// # Panics
    /// If `images` is not a whole number of images.
    pub fn answers(&self, images: &[f32], wants_attention: bool) -> TokenAnswers {
        self.answers_by(images, wants_attention, Workers::current())
    }

    /// As [`answers`](TokenPlan::answers), by these threads.
    pub(crate) fn answers_by(
        &self,
        images: &[f32],
        wants_attention: bool,
        workers: Workers,
    ) -> TokenAnswers {
        let image: usize = self.image.iter().product();
        assert!(
            images.len().is_multiple_of(image),
            "{} numbers are not a whole number of images of {image}",
            images.len()
        );
        let together = self.together();
        let mut read = vec![0.0; images.len() / image * self.length()];
        let mut attention = Vec::new();
        let groups = images.chunks(together * image);
        for (images, read) in groups.zip(read.chunks_mut(together * self.length())) {
            attention.extend(self.group(images, wants_attention, read, workers));
        }
        TokenAnswers { read, attention }
    }

    /// Images that are computed together.
    fn together(&self) -> usize {
        let [height, width] = self.cells();
        let few = TOGETHER / (height * width).max(1);
        few.min(MOST_TOKENS / self.needs.most_tokens)
            .clamp(1, MOST_TOGETHER)
    }

    /// Computes a few images together, and returns their attention.
    fn group(
        &self,
        images: &[f32],
        wants_attention: bool,
        read: &mut [f32],
        workers: Workers,
    ) -> Vec<f32> {
        let count = read.len() / self.length();
        let workspace = self.take(count);
        let run = TokenRun {
            images: count,
            workspace: &workspace,
            workers,
        };
        let keeps_shares = wants_attention && !self.readout.kind().is_maps();
        let mut shares = Vec::new();
        for pass in &self.passes {
            // SAFETY: the workspace is one of this plan, has room for these images, and belongs to this call alone.
            unsafe { pass.run(images, &run, keeps_shares.then_some(&mut shares)) };
        }
        // SAFETY: as above.
        unsafe { self.readout.run(&run, read) };
        self.idle().push(workspace);
        self.attention(shares, count)
    }

    /// The attention of each image by the shares of all layers.
    fn attention(&self, mut shares: Vec<Vec<AlignedBuf>>, images: usize) -> Vec<f32> {
        if shares.is_empty() {
            return Vec::new();
        }
        let (grid, kind) = (self.readout.grid(), self.readout.kind());
        let of_image = |image: usize| {
            let layers = shares.iter_mut().map(|layer| &mut layer[image]);
            rollout::rollout(layers, kind, grid.prefix, grid.cells())
        };
        (0..images).flat_map(of_image).collect()
    }

    /// A workspace that was used before, or a new one.
    fn take(&self, images: usize) -> TokenWorkspace {
        let used = self.idle().pop();
        let used = used.filter(|workspace| workspace.images >= images);
        used.unwrap_or_else(|| self.needs.workspace(images))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<TokenWorkspace>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenPass {
    /// Runs the pass, and returns when all threads are done with it. Attention over all tokens adds its shares to
    /// those of the layers before it, if they are kept.
    ///
    /// # Safety
    /// The workspace was made by the plan of this pass, for these images, and nothing else uses it.
    unsafe fn run(
        &self,
        images: &[f32],
        run: &TokenRun,
        kept_shares: Option<&mut Vec<Vec<AlignedBuf>>>,
    ) {
        // SAFETY: the caller vouches for the workspace.
        unsafe {
            match self {
                TokenPass::Patches(patches) => patches.run(images, run),
                TokenPass::Mlp(mlp) => mlp.run(run),
                TokenPass::Merge(merge) => merge.run(run),
                TokenPass::Attention(attention) => {
                    let kept = kept_shares.filter(|_| attention.is_global());
                    let Some(kept) = kept else {
                        return attention.run(run, None);
                    };
                    let tokens = attention.tokens();
                    let zeros = |_| AlignedBuf::zeros(rows_of(tokens, tokens).len());
                    let shares: Vec<AlignedBuf> = (0..run.images).map(zeros).collect();
                    attention.run(run, Some(&shares));
                    kept.push(shares);
                }
            }
        }
    }
}

impl TokenNeeds {
    /// Buffers for a few images.
    fn workspace(&self, images: usize) -> TokenWorkspace {
        let zeros = |count: usize| AlignedBuf::zeros(images * count);
        TokenWorkspace {
            images,
            tokens: zeros(self.tokens),
            normed: zeros(self.normed),
            wide: zeros(self.wide),
            packed: zeros(self.packed),
        }
    }
}
