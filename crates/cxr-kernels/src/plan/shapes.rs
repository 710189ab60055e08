//! The size of every value, and whether a description makes sense.

use crate::depthwise_kernel::WIDEST;
use crate::error::PlanError;
use crate::memory::LINE;
use crate::network::{ConvSpec, LayerSpec, NetworkSpec, NormReluSpec, Padding, ValueIndex};
use crate::pooling::PoolingShape;

/// Pixels that the widest border adds to a map beside those of its kernels: a Winograd square reads whole.
const SPARE: usize = 8;

/// Height, width and channels of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueShape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

/// The average of squares of `size` pixels, side by side.
pub fn average(size: usize) -> PoolingShape {
    PoolingShape {
        kernel: size,
        stride: size,
        padding: 0,
    }
}

/// The size of each value, for images of `height` × `width`. A description that passes has only layers that
/// stay inside their weights and maps.
pub fn shapes(
    network: &NetworkSpec,
    height: usize,
    width: usize,
) -> Result<Vec<ValueShape>, PlanError> {
    if network.layers.is_empty() {
        return Err(PlanError::NoLayers);
    }
    let input = ValueShape {
        height,
        width,
        channels: network.channels,
    };
    if [height, width, network.channels].contains(&0) {
        return Err(PlanError::Zero { layer: 0 });
    }
    let mut shapes = vec![input];
    for (layer, spec) in network.layers.iter().enumerate() {
        if let Some(ahead) = spec.inputs().find(|value| value.0 > layer) {
            let value = ahead.0;
            return Err(PlanError::ReadsAhead { layer, value });
        }
        let shape = Checker {
            layer,
            shapes: &shapes,
        };
        let output = shape.output(spec)?;
        shapes.push(output);
    }
    check_memory(network, &shapes)?;
    Ok(shapes)
}

/// Refuses maps whose size would overflow an address, borders and padding of channels included.
fn check_memory(network: &NetworkSpec, shapes: &[ValueShape]) -> Result<(), PlanError> {
    let kernels = network.layers.iter().map(|layer| match layer {
        LayerSpec::Conv(conv) => conv.kernel,
        _ => 0,
    });
    let border = kernels.max().unwrap_or(0).saturating_add(SPARE);
    let bytes = |shape: &ValueShape| {
        let side = |size: usize| border.checked_mul(2)?.checked_add(size);
        let numbers = side(shape.height)?.checked_mul(side(shape.width)?)?;
        numbers
            .checked_mul(shape.channels.checked_add(2 * LINE)?)?
            .checked_mul(size_of::<f32>())
    };
    let fits = |shape: &ValueShape| bytes(shape).is_some_and(|bytes| bytes <= isize::MAX as usize);
    match shapes.iter().position(|shape| !fits(shape)) {
        Some(value) => Err(PlanError::TooLarge { value }),
        None => Ok(()),
    }
}

/// Checks one layer against the values before it.
struct Checker<'a> {
    layer: usize,
    shapes: &'a [ValueShape],
}

impl Checker<'_> {
    fn shape(&self, value: ValueIndex) -> ValueShape {
        self.shapes[value.0]
    }

    fn output(&self, spec: &LayerSpec) -> Result<ValueShape, PlanError> {
        match spec {
            LayerSpec::Conv(conv) => self.conv(conv),
            LayerSpec::MaxPool(input, size) => self.pooled(*size, self.shape(*input)),
            LayerSpec::NormReluAverage { input, norm, size } => {
                let input = self.shape(*input);
                self.check_norm(norm, input.channels)?;
                self.pooled(average(*size), input)
            }
            LayerSpec::Average { input, size } => self.pooled(average(*size), self.shape(*input)),
            LayerSpec::GlobalAverage(input) => Ok(ValueShape {
                height: 1,
                width: 1,
                ..self.shape(*input)
            }),
            LayerSpec::Scale { input, by } => {
                let (input, by) = (self.shape(*input), self.shape(*by));
                if (by.height, by.width, by.channels) != (1, 1, input.channels) {
                    return Err(self.mismatch());
                }
                Ok(input)
            }
            LayerSpec::Add { first, second, .. } => {
                let (first, second) = (self.shape(*first), self.shape(*second));
                if first != second {
                    return Err(self.mismatch());
                }
                Ok(first)
            }
            LayerSpec::Cat(first, second) => {
                let (first, second) = (self.shape(*first), self.shape(*second));
                if (first.height, first.width) != (second.height, second.width) {
                    return Err(self.mismatch());
                }
                Ok(ValueShape {
                    channels: first.channels + second.channels,
                    ..first
                })
            }
        }
    }

    fn conv(&self, conv: &ConvSpec) -> Result<ValueShape, PlanError> {
        let (layer, input) = (self.layer, self.shape(conv.input));
        if [conv.output, conv.kernel, conv.stride].contains(&0) {
            return Err(self.zero());
        }
        if let Padding::Fixed(before, after) = conv.padding
            && before.max(after) >= conv.kernel
        {
            return Err(PlanError::Padding { layer });
        }
        let is_pointwise = !conv.is_depthwise && conv.kernel == 1 && conv.stride == 1;
        if conv.before.is_some() && !is_pointwise {
            return Err(PlanError::Before { layer });
        }
        if conv.is_depthwise {
            self.check_depthwise(conv, input)?;
        }
        if let Some(norm) = &conv.before {
            self.check_norm(norm, input.channels)?;
        }
        let in_group = if conv.is_depthwise { 1 } else { input.channels };
        let sizes = [conv.output, in_group, conv.kernel, conv.kernel];
        let numbers = sizes
            .into_iter()
            .try_fold(1_usize, |product, size| product.checked_mul(size));
        self.check_length(conv.weight, numbers.unwrap_or(usize::MAX))?;
        self.check_length(conv.bias, conv.output)?;
        let output = ValueShape {
            height: self.along(conv, input, input.height)?,
            width: self.along(conv, input, input.width)?,
            channels: conv.output,
        };
        match conv.residual {
            Some(residual) if self.shape(residual) != output => Err(self.mismatch()),
            _ => Ok(output),
        }
    }

    fn check_depthwise(&self, conv: &ConvSpec, input: ValueShape) -> Result<(), PlanError> {
        let (layer, kernel) = (self.layer, conv.kernel);
        if conv.output != input.channels {
            return Err(self.mismatch());
        }
        if kernel > WIDEST {
            return Err(PlanError::WideKernel { layer, kernel });
        }
        match conv.residual {
            Some(_) => Err(PlanError::DepthwiseResidual { layer }),
            None => Ok(()),
        }
    }

    fn check_norm(&self, norm: &NormReluSpec, channels: usize) -> Result<(), PlanError> {
        self.check_length(norm.scale, channels)?;
        self.check_length(norm.shift, channels)
    }

    fn check_length(&self, numbers: &[f32], expected: usize) -> Result<(), PlanError> {
        let (layer, found) = (self.layer, numbers.len());
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

    /// Pixels of a convolution's output for `size` pixels, in one direction.
    fn along(&self, conv: &ConvSpec, input: ValueShape, size: usize) -> Result<usize, PlanError> {
        let (before, after) = conv.padding.around(size, conv.kernel, conv.stride);
        let padded = before + size + after;
        if padded >= conv.kernel {
            Ok((padded - conv.kernel) / conv.stride + 1)
        } else {
            Err(self.too_small(input, conv.kernel))
        }
    }

    fn pooled(&self, size: PoolingShape, input: ValueShape) -> Result<ValueShape, PlanError> {
        if size.kernel == 0 || size.stride == 0 {
            return Err(self.zero());
        }
        if size.padding > size.kernel / 2 {
            return Err(PlanError::Padding { layer: self.layer });
        }
        let least = size.kernel - size.padding;
        if input.height < least || input.width < least {
            return Err(self.too_small(input, size.kernel));
        }
        Ok(ValueShape {
            height: size.output(input.height),
            width: size.output(input.width),
            channels: input.channels,
        })
    }

    fn too_small(&self, input: ValueShape, window: usize) -> PlanError {
        PlanError::TooSmall {
            layer: self.layer,
            height: input.height,
            width: input.width,
            window,
        }
    }

    fn zero(&self) -> PlanError {
        PlanError::Zero { layer: self.layer }
    }

    fn mismatch(&self) -> PlanError {
        PlanError::Mismatch { layer: self.layer }
    }
}
