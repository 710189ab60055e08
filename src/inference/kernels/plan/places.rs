//! Where the values of a network are.

use std::collections::HashMap;

use candle_core::{Result, bail};

use super::compile::{CompiledPass, ValueShape};
use super::{MapSlot, Pass};
use crate::inference::kernels::memory::{Border, Layout};
use crate::inference::kernels::winograd::Winograd;
use crate::inference::network::layers::{Layer, Layers};

/// Where the values are.
pub struct Places {
    /// Of each value.
    pub of: Vec<MapSlot>,
    pub buffers: Vec<Layout>,
}

/// A place for each value: what is concatenated lies in one buffer from the start, and a buffer is used
/// again when all that was in it has had its last use.
pub fn places(layers: &Layers, sizes: &[ValueShape], passes: &[CompiledPass]) -> Result<Places> {
    let roots = roots(layers, sizes)?;
    let borders = borders(sizes, passes, &roots);
    let spans = spans(passes, &roots);
    let mut buffers: Vec<Layout> = Vec::new();
    let mut free: HashMap<[usize; 7], Vec<usize>> = HashMap::new();
    let mut buffer_of = vec![usize::MAX; sizes.len()];
    let form = |root: usize| {
        let ValueShape {
            height,
            width,
            channels,
        } = sizes[root];
        Layout::new(height, width, channels, borders[root])
    };
    let key = |form: Layout| {
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
        .map(|(value, (root, channel))| MapSlot {
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
fn roots(layers: &Layers, sizes: &[ValueShape]) -> Result<Vec<(usize, usize)>> {
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
fn borders(sizes: &[ValueShape], passes: &[CompiledPass], roots: &[(usize, usize)]) -> Vec<Border> {
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
            Pass::Bottleneck(bottleneck) => {
                let shape = bottleneck.depthwise.shape;
                (shape.kernel, shape.stride, shape.top, shape.left)
            }
            Pass::Winograd(_) => {
                let ValueShape { height, width, .. } = sizes[made.input.0];
                let root = &mut borders[roots[made.input.0].0];
                *root = root.union(Winograd::border(height, width));
                continue;
            }
            _ => continue,
        };
        // Of a bottleneck it is the expanded map that needs them, which may be nowhere whole.
        let input = match &made.pass {
            Pass::Bottleneck(bottleneck) if bottleneck.expand.is_some() => {
                match made.between.first() {
                    Some(expanded) => *expanded,
                    None => continue,
                }
            }
            _ => made.input,
        };
        let root = &mut borders[roots[input.0].0];
        let (input, output) = (sizes[input.0], sizes[made.output.0]);
        let after = |input: usize, output: usize, before: usize| {
            ((output - 1) * stride + kernel).saturating_sub(before + input)
        };
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
fn spans(passes: &[CompiledPass], roots: &[(usize, usize)]) -> Vec<Option<(usize, usize)>> {
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
        for value in made.residual.iter().chain(&made.between) {
            touch(value.0, step);
        }
    }
    touch(roots.len() - 1, passes.len() + 1);
    spans
}
