//! Convolutional networks on the CPU, faster than candle's own operations: see
//! `benches/side_by_side` for how much.
//!
//! ```text
//! network::Layers ─ Plan::compile ─► Plan ─ candle custom op ─► the last maps, or their averages
//!                                     │ steps: Conv, Depthwise, Bottleneck, pooling
//!                                     ├ isa: the microkernels for this processor
//!                                     ├ memory: maps in NHWC, borders of zeros, reused; region: huge pages
//!                                     └ threads: one pool, shares: who does which part
//! ```
//!
//! What makes it fast: maps in `NHWC`, so that a neighbourhood is a few runs of memory and a vector is
//! sixteen channels of a pixel; weights packed once, in the order in which they are read; tiles that
//! stay in registers; batch normalisation folded into weights, bias, residual and ReLU applied where
//! the sums are stored, and a normalisation before a convolution where its input is packed; a dense
//! block that grows inside one buffer, so that nothing is ever concatenated; a thread that has the same
//! part of every map, in its own cache.

mod conv;
mod cores;
mod depthwise;
mod depthwise_kernel;
mod isa;
mod memory;
mod microkernels;
#[cfg(target_arch = "aarch64")]
mod neon;
mod plan;
mod pooling;
mod region;
mod shares;
mod simd;
#[cfg(test)]
mod tests;
mod threads;
mod tiling;
mod transforms;
mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use isa::Kernels;
pub use plan::{KernelPrecision, NetworkPlan};
pub use threads::{alone, set_threads};
