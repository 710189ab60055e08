//! Convolutional networks and vision transformers on the CPU. `benches/side_by_side` of cxr compares the speed with
//! other engines.
//!
//! ```text
//! NetworkSpec ─ NetworkPlan::compile ─► NetworkPlan ─ maps, averages ─► the last maps, or their averages
//!                                         │ steps: convolution, depthwise, bottleneck, pooling, scaling, sums
//!                                         ├ isa: the microkernels for this processor
//!                                         ├ products: the precision of factors; tiles: products of matrices (AMX)
//!                                         ├ memory: maps in NHWC with borders of zeros; region: huge pages
//!                                         └ threads: one pool; shares: which thread does which part
//! TokenStepSpec ─ TokenPlanner ─► TokenPlan ─ answers ─► features or maps, and attention
//! ```
//!
//! What makes it fast:
//! - Maps are in `NHWC`: a neighbourhood is a few runs of memory, and a vector holds channels of one pixel.
//! - Weights are packed once, in the order in which they are read, and a tile's sums stay in registers.
//! - Batch normalisation is folded into the weights. Bias, residual and ReLU are applied where sums are stored,
//!   a curve such as SiLU while they are still in the nearest cache, and a normalisation before a convolution where
//!   its input is packed.
//! - Where a depthwise convolution follows another one, both compute one panel of channels after the other, so that the map
//!   between them never leaves the nearest cache.
//! - Squeeze-and-excitation scales a map where it lies, or the weights of the next convolution if they are fewer.
//! - Maps without borders share their memory if they are large.
//! - A dense block grows inside one buffer, so that nothing is ever copied to concatenate it.
//! - A thread has the same part of every map, which stays in its own cache.
//!
//! All `unsafe` code for vectors is here. Microkernels take raw pointers; [`NetworkPlan::compile`] and [`TokenPlanner`]
//! check every size of their input, so that the safe functions of a plan never leave its buffers.

#![deny(
    clippy::undocumented_unsafe_blocks,
    missing_docs,
    unsafe_op_in_unsafe_fn
)]

mod affinity;
mod bottleneck;
mod conv;
mod conv_depthwise;
mod curve;
mod depthwise;
mod depthwise_kernel;
mod error;
mod isa;
mod memory;
mod microkernels;
#[cfg(all(target_arch = "aarch64", not(miri)))]
mod neon;
mod network;
mod plan;
mod pointwise;
mod pooling;
mod products;
mod region;
mod ring;
mod row_kernels;
mod shares;
mod simd;
#[cfg(test)]
mod tests;
mod threads;
mod tiles;
mod tiling;
mod tokens;
mod transforms;
mod winograd;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86;

pub use error::PlanError;
pub use isa::Kernels;
pub use network::{
    Activation, ConvSpec, LayerSpec, NetworkSpec, NormReluSpec, Padding, ValueIndex, same_padding,
};
pub use plan::NetworkPlan;
pub use pooling::PoolingShape;
pub use products::{KernelPrecision, Products};
pub use threads::{alone, set_threads};
pub use tokens::{
    AttentionSpec, LayerNormSpec, LinearSpec, MergeSpec, MlpSpec, PatchSpec, ReadoutKind,
    ReadoutSpec, ResponseSpec, TokenActivation, TokenAnswers, TokenConvSpec, TokenPlan,
    TokenPlanner, TokenStepSpec, WindowSpec,
};
