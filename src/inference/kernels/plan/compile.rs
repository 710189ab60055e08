//! From layers to a plan.

use std::collections::HashMap;
use std::sync::Mutex;

use candle_core::{Result, Tensor, bail};

use super::{Pass, Place, Plan, Step};
use crate::inference::kernels::conv::{self, Conv};
use crate::inference::kernels::depthwise::{self, Bottleneck, Depthwise};
use crate::inference::kernels::isa::Kernels;
use crate::inference::kernels::memory::{Border, Form, Memory};
use crate::inference::kernels::pooling::Size;
use crate::inference::kernels::winograd::Winograd;
use crate::inference::network::layers::{self, Activation, Layer, Layers, Padding, Value};

/// An expanded map of so many bytes and more does not stay in the near caches until it is used. Tests
/// have small maps, and need both kinds.
const FAR_BYTES: usize = if cfg!(test) { 4 << 10 } else { 400 << 10 };

/// `MaxPool2d(kernel_size=3, stride=2, padding=1)`
const MAX_POOL: Size = Size {
    kernel: 3,
    stride: 2,
    padding: 1,
};

impl Plan {
    /// Makes `layers` ready for images of `height` × `width`.
    ///
    /// # Errors
    /// If an image of that size leaves nothing of a map, a value is a part of two others, or a tensor
    /// is not `f32`.
    pub fn compile(
        layers: &Layers,
        (height, width): (usize, usize),
        kernels: &'static Kernels,
    ) -> Result<Plan> {
        let sizes = sizes(layers, height, width)?;
        let passes = passes(layers, &sizes, kernels)?;
        let places = places(layers, &sizes, &passes)?;
        let steps = passes.into_iter().map(|made| Step {
            input: places.of[made.input.0],
            residual: made.residual.map(|value| places.of[value.0]),
            output: places.of[made.output.0],
            pass: made.pass,
        });
        Ok(Plan {
            kernels,
            input: [layers.channels, height, width],
            steps: steps.collect(),
            forms: places.buffers,
            first: places.of[0],
            last: places.of[layers.layers.len()],
            idle: Mutex::default(),
        })
    }
}

/// Height, width and channels of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    height: usize,
    width: usize,
    channels: usize,
}

/// A pass, and the values that it is from and to.
struct Made {
    input: Value,
    residual: Option<Value>,
    output: Value,
    pass: Pass,
}

/// The extent of every value.
fn sizes(layers: &Layers, height: usize, width: usize) -> Result<Vec<Extent>> {
    let mut sizes = vec![Extent {
        height,
        width,
        channels: layers.channels,
    }];
    for layer in &layers.layers {
        let of = |value: &Value| sizes[value.0];
        let made = match layer {
            Layer::Conv(conv) => conv_output(conv, of(&conv.input))?,
            Layer::MaxPool(input) => pooled(MAX_POOL, of(input))?,
            Layer::NormReluAverage(input, _, size) => pooled(average(*size), of(input))?,
            Layer::Cat(first, second) => Extent {
                channels: of(first).channels + of(second).channels,
                ..of(first)
            },
        };
        sizes.push(made);
    }
    Ok(sizes)
}

fn conv_output(conv: &layers::Conv, input: Extent) -> Result<Extent> {
    let (output, _, kernel, _) = conv.weight.dims4()?;
    let along = |size: usize| {
        let (before, after) = conv.padding.around(size, kernel, conv.stride);
        let padded = before + size + after;
        match padded >= kernel {
            true => Ok((padded - kernel) / conv.stride + 1),
            false => bail!("nothing is left of {size} pixels under a kernel of {kernel}"),
        }
    };
    Ok(Extent {
        height: along(input.height)?,
        width: along(input.width)?,
        channels: output,
    })
}

fn average(size: usize) -> Size {
    Size {
        kernel: size,
        stride: size,
        padding: 0,
    }
}

fn pooled(size: Size, input: Extent) -> Result<Extent> {
    let least = size.kernel - size.padding;
    if input.height < least || input.width < least {
        bail!(
            "nothing is left of {} × {} pixels",
            input.height,
            input.width
        );
    }
    Ok(Extent {
        height: size.output(input.height),
        width: size.output(input.width),
        channels: input.channels,
    })
}

/// One pass a layer, or one for the three of a bottleneck.
fn passes(layers: &Layers, sizes: &[Extent], kernels: &'static Kernels) -> Result<Vec<Made>> {
    let mut passes = Vec::new();
    let mut index = 0;
    while index < layers.layers.len() {
        let (made, count) = match bottleneck(layers, sizes, index, kernels)? {
            Some(found) => found,
            None => (pass(layers, sizes, index, kernels)?, 1),
        };
        passes.extend(made);
        index += count;
    }
    Ok(passes)
}

/// The pass of one layer; none for a concatenation, which is a matter of [`places`].
fn pass(
    layers: &Layers,
    sizes: &[Extent],
    index: usize,
    kernels: &'static Kernels,
) -> Result<Option<Made>> {
    let output = Value(index + 1);
    let made = |input: Value, pass| {
        Some(Made {
            input,
            residual: None,
            output,
            pass,
        })
    };
    Ok(match &layers.layers[index] {
        Layer::Conv(conv) if conv.is_depthwise => {
            if conv.residual.is_some() || conv.before.is_some() {
                bail!("a depthwise convolution with more around it than there is a kernel for");
            }
            let pass = depthwise_pass(conv, sizes, kernels)?;
            made(conv.input, Pass::Depthwise(pass))
        }
        Layer::Conv(conv) => Some(Made {
            input: conv.input,
            residual: conv.residual,
            output,
            pass: dense_pass(conv, sizes, kernels)?,
        }),
        Layer::MaxPool(input) => made(*input, Pass::Largest(MAX_POOL)),
        Layer::NormReluAverage(input, norm, size) => made(
            *input,
            Pass::NormReluAverage(average(*size), norm_relu(norm)?),
        ),
        Layer::Cat(..) => None,
    })
}

/// The three layers from `index` on, or the two where nothing is expanded, as one pass, if they are a
/// bottleneck whose middle is large; and how many layers that is.
fn bottleneck(
    layers: &Layers,
    sizes: &[Extent],
    index: usize,
    kernels: &'static Kernels,
) -> Result<Option<(Option<Made>, usize)>> {
    let used_once = |index: usize| {
        let uses = layers.layers.iter().flat_map(Layer::inputs);
        uses.filter(|value| value.0 == index + 1).count() == 1
    };
    let at = |index: usize| match layers.layers.get(index) {
        Some(Layer::Conv(conv)) => Some(conv),
        _ => None,
    };
    let plain = |conv: &&layers::Conv| is_pointwise(conv) && conv.before.is_none();
    let expand = at(index)
        .filter(plain)
        .filter(|conv| conv.residual.is_none() && used_once(index));
    let middle = index + usize::from(expand.is_some());
    let is_middle = |conv: &&layers::Conv| {
        conv.is_depthwise && conv.input == Value(middle) && used_once(middle)
    };
    let depthwise = at(middle).filter(is_middle);
    let project = at(middle + 1)
        .filter(plain)
        .filter(|conv| conv.input == Value(middle + 1));
    let (Some(depthwise), Some(project)) = (depthwise, project) else {
        return Ok(None);
    };
    let Extent {
        height,
        width,
        channels,
    } = sizes[middle];
    if height * width * channels * size_of::<f32>() < FAR_BYTES {
        return Ok(None);
    }
    let pass = Bottleneck {
        expand: expand
            .map(|conv| conv_pass(conv, sizes, kernels))
            .transpose()?,
        depthwise: depthwise_pass(depthwise, sizes, kernels)?,
        project: conv_pass(project, sizes, kernels)?,
    };
    let made = Made {
        input: expand.map_or(depthwise.input, |conv| conv.input),
        residual: project.residual,
        output: Value(middle + 2),
        pass: Pass::Bottleneck(Box::new(pass)),
    };
    Ok(Some((Some(made), middle + 2 - index)))
}

fn is_pointwise(conv: &layers::Conv) -> bool {
    !conv.is_depthwise && conv.stride == 1 && conv.weight.dims()[2..] == [1, 1]
}

/// A convolution that is not depthwise, in the better of two ways.
fn dense_pass(conv: &layers::Conv, sizes: &[Extent], kernels: &'static Kernels) -> Result<Pass> {
    let shape = conv_shape(conv, sizes)?;
    let Extent { height, width, .. } = sizes[conv.input.0];
    let is_bare = conv.before.is_none() && conv.residual.is_none();
    if !is_bare || !Winograd::suits(shape, height, width) {
        return Ok(Pass::Conv(conv_pass(conv, sizes, kernels)?));
    }
    let (weight, bias) = (numbers(&conv.weight)?, numbers(&conv.bias)?);
    let channels = [shape.output, shape.input];
    let clamp = clamp(conv.activation);
    Ok(Pass::Winograd(Winograd::new(
        kernels, channels, &weight, &bias, clamp,
    )))
}

fn conv_shape(conv: &layers::Conv, sizes: &[Extent]) -> Result<conv::Shape> {
    let (output, input, kernel, _) = conv.weight.dims4()?;
    let (top, left) = padding(conv.padding, sizes[conv.input.0], kernel, conv.stride);
    Ok(conv::Shape {
        input,
        output,
        kernel,
        stride: conv.stride,
        top,
        left,
    })
}

fn conv_pass(conv: &layers::Conv, sizes: &[Extent], kernels: &'static Kernels) -> Result<Conv> {
    let shape = conv_shape(conv, sizes)?;
    if conv.before.is_some() && !is_pointwise(conv) {
        bail!(
            "there is no kernel for a normalisation before a convolution of {0} × {0}",
            shape.kernel
        );
    }
    let before = conv.before.as_ref().map(norm_relu).transpose()?;
    let (weight, bias) = (numbers(&conv.weight)?, numbers(&conv.bias)?);
    let clamp = clamp(conv.activation);
    Ok(Conv::new(kernels, shape, &weight, &bias, before, clamp))
}

fn depthwise_pass(
    conv: &layers::Conv,
    sizes: &[Extent],
    kernels: &'static Kernels,
) -> Result<Depthwise> {
    let (channels, _, kernel, _) = conv.weight.dims4()?;
    let (top, left) = padding(conv.padding, sizes[conv.input.0], kernel, conv.stride);
    let shape = depthwise::Shape {
        channels,
        kernel,
        stride: conv.stride,
        top,
        left,
    };
    let (weight, bias) = (numbers(&conv.weight)?, numbers(&conv.bias)?);
    let clamp = clamp(conv.activation);
    Ok(Depthwise::new(kernels, shape, &weight, &bias, clamp))
}

/// Zeros above and to the left.
fn padding(padding: Padding, input: Extent, kernel: usize, stride: usize) -> (usize, usize) {
    let along = |size| padding.around(size, kernel, stride).0;
    (along(input.height), along(input.width))
}

fn clamp(activation: Activation) -> [f32; 2] {
    match activation {
        Activation::None => [f32::NEG_INFINITY, f32::INFINITY],
        Activation::Relu => [0.0, f32::INFINITY],
        Activation::Relu6 => [0.0, 6.0],
    }
}

fn norm_relu(norm: &layers::NormRelu) -> Result<conv::NormRelu> {
    Ok(conv::NormRelu {
        scale: Memory::of(&norm.scale.to_vec1()?),
        shift: Memory::of(&norm.shift.to_vec1()?),
    })
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Where the values are.
struct Places {
    /// Of each value.
    of: Vec<Place>,
    buffers: Vec<Form>,
}

/// A place for each value: what is concatenated lies in one buffer from the start, and a buffer is used
/// again when all that was in it has had its last use.
fn places(layers: &Layers, sizes: &[Extent], passes: &[Made]) -> Result<Places> {
    let roots = roots(layers, sizes)?;
    let borders = borders(sizes, passes, &roots);
    let spans = spans(passes, &roots);
    let mut buffers: Vec<Form> = Vec::new();
    let mut free: HashMap<[usize; 7], Vec<usize>> = HashMap::new();
    let mut buffer_of = vec![usize::MAX; sizes.len()];
    let form = |root: usize| {
        let Extent {
            height,
            width,
            channels,
        } = sizes[root];
        Form::new(height, width, channels, borders[root])
    };
    let key = |form: Form| {
        let Border {
            top,
            bottom,
            left,
            right,
        } = form.border;
        [
            form.height,
            form.width,
            form.channels,
            top,
            bottom,
            left,
            right,
        ]
    };
    let mut begin = |root: usize, free: &mut HashMap<_, Vec<usize>>| {
        let form = form(root);
        free.get_mut(&key(form))
            .and_then(Vec::pop)
            .unwrap_or_else(|| {
                buffers.push(form);
                buffers.len() - 1
            })
    };
    // Before the first pass, the image.
    for step in 0..=passes.len() {
        for (root, span) in spans.iter().enumerate() {
            if span.is_some_and(|(first, _)| first == step) {
                buffer_of[root] = begin(root, &mut free);
            }
        }
        for (root, span) in spans.iter().enumerate() {
            if span.is_some_and(|(_, last)| last == step) {
                free.entry(key(form(root)))
                    .or_default()
                    .push(buffer_of[root]);
            }
        }
    }
    let of = roots
        .iter()
        .enumerate()
        .map(|(value, (root, channel))| Place {
            buffer: buffer_of[*root],
            channel: *channel,
            form: form(*root).with_channels(sizes[value].channels),
        });
    Ok(Places {
        of: of.collect(),
        buffers,
    })
}

/// For each value the one that it is a part of, perhaps itself, and its first channel in it.
fn roots(layers: &Layers, sizes: &[Extent]) -> Result<Vec<(usize, usize)>> {
    let mut roots: Vec<_> = (0..sizes.len()).map(|value| (value, 0)).collect();
    for (index, layer) in layers.layers.iter().enumerate().rev() {
        let Layer::Cat(first, second) = layer else {
            continue;
        };
        let (root, channel) = roots[index + 1];
        for (part, channel) in [
            (first, channel),
            (second, channel + sizes[first.0].channels),
        ] {
            if roots[part.0] != (part.0, 0) || part.0 == 0 {
                bail!("value {} is a part of two others, or the image", part.0);
            }
            roots[part.0] = (root, channel);
        }
    }
    Ok(roots)
}

/// For each value that is not a part of another: the zeros that passes need around it.
fn borders(sizes: &[Extent], passes: &[Made], roots: &[(usize, usize)]) -> Vec<Border> {
    let mut borders = vec![Border::default(); sizes.len()];
    for made in passes {
        let (kernel, stride, top, left) = match &made.pass {
            Pass::Conv(conv) => {
                let shape = conv.shape;
                (shape.kernel, shape.stride, shape.top, shape.left)
            }
            Pass::Depthwise(depthwise) => {
                let shape = depthwise.shape;
                (shape.kernel, shape.stride, shape.top, shape.left)
            }
            Pass::Winograd(_) => {
                let Extent { height, width, .. } = sizes[made.input.0];
                let root = &mut borders[roots[made.input.0].0];
                *root = root.union(Winograd::border(height, width));
                continue;
            }
            _ => continue,
        };
        let (input, output) = (sizes[made.input.0], sizes[made.output.0]);
        let after = |input: usize, output: usize, before: usize| {
            ((output - 1) * stride + kernel).saturating_sub(before + input)
        };
        let root = &mut borders[roots[made.input.0].0];
        *root = root.union(Border {
            top,
            bottom: after(input.height, output.height, top),
            left,
            right: after(input.width, output.width, left),
        });
    }
    borders
}

/// For each value that is not a part of another, the first pass that writes it and the last that uses
/// it, counted from 1; the image is written in pass 0, and the result is used after the last.
fn spans(passes: &[Made], roots: &[(usize, usize)]) -> Vec<Option<(usize, usize)>> {
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; roots.len()];
    let mut touch = |value: usize, step: usize| {
        let span = &mut spans[roots[value].0];
        *span = Some(span.map_or((step, step), |(first, last)| {
            (first.min(step), last.max(step))
        }));
    };
    touch(0, 0);
    for (step, made) in (1..).zip(passes) {
        touch(made.output.0, step);
        touch(made.input.0, step);
        if let Some(residual) = made.residual {
            touch(residual.0, step);
        }
    }
    touch(roots.len() - 1, passes.len() + 1);
    spans
}
