//! Two operations that candle 0.11 lacks on the CPU, each a candle custom op: a depthwise
//! convolution (candle runs one convolution a channel: two hundred times slower) and
//! bias + ReLU6 in one pass.

mod bias_relu6;
mod depthwise;

pub use bias_relu6::bias_relu6;
pub use depthwise::DepthwiseConv;
