//! Which buffer, and which channels of it, each value of a network lies in.

use super::compile::FAR_BYTES;
use super::pass::{CompiledPass, Pass};
use super::shapes::ValueShape;
use crate::error::PlanError;
use crate::memory::{AlignedBuf, Border, Layout, Map};
use crate::network::{LayerSpec, NetworkSpec};

/// Some channels of a buffer of the workspace.
#[derive(Debug, Clone, Copy)]
pub struct MapSlot {
    buffer: usize,
    channel: usize,
    pub layout: Layout,
}

impl MapSlot {
    /// The map in this workspace.
    pub fn map(self, workspace: &[AlignedBuf]) -> Map<'_> {
        Map::within(&workspace[self.buffer], self.layout, self.channel)
    }
}

/// The slots of all values.
pub struct SlotTable {
    /// One for each value.
    pub slots: Vec<MapSlot>,
    /// One for each buffer.
    pub buffers: Vec<Layout>,
}

impl SlotTable {
    /// Gives each value a slot. Values that are concatenated share a buffer from the start, and a buffer is
    /// used again after the last use of all values in it.
    pub fn new(
        network: &NetworkSpec,
        shapes: &[ValueShape],
        passes: &[CompiledPass],
    ) -> Result<SlotTable, PlanError> {
        let roots = roots(network, shapes)?;
        let borders = borders(shapes, passes, &roots);
        let layout = |root: usize| {
            let ValueShape {
                height,
                width,
                channels,
            } = shapes[root];
            Layout::new(height, width, channels, borders[root])
        };
        let (buffers, buffer_of) = allocate(&spans(passes, &roots), passes.len(), layout);
        let slots = roots.iter().zip(shapes).map(|(root, shape)| MapSlot {
            buffer: buffer_of[root.value],
            channel: root.channel,
            layout: layout(root.value).with_channels(shape.channels),
        });
        Ok(SlotTable {
            slots: slots.collect(),
            buffers,
        })
    }

    /// The slot for each pass of what only that pass reads: the averages of rows, or scaled weights. They share a buffer.
    pub fn add_scratch(
        &mut self,
        shapes: &[ValueShape],
        passes: &[CompiledPass],
    ) -> Vec<Option<MapSlot>> {
        let layout = |made: &CompiledPass| {
            let ValueShape {
                height, channels, ..
            } = shapes[made.output.0];
            let (height, channels) = match &made.pass {
                Pass::ScaledConv(conv) => (1, conv.weights_len()),
                _ => (made.average.map(|_| height)?, channels),
            };
            Some(Layout::new(height, 1, channels, Border::default()))
        };
        let layouts: Vec<_> = passes.iter().map(layout).collect();
        let buffer = self.buffers.len();
        let largest = layouts.iter().flatten().max_by_key(|layout| layout.len());
        self.buffers.extend(largest);
        let slot = |layout| MapSlot {
            buffer,
            channel: 0,
            layout,
        };
        let slots = layouts.into_iter().map(|layout| layout.map(slot));
        slots.collect()
    }
}

/// The value that another one is a part of, perhaps itself, and its first channel there.
#[derive(Clone, Copy, PartialEq, Eq)]
struct RootValue {
    value: usize,
    channel: usize,
}

impl RootValue {
    fn of_itself(value: usize) -> Self {
        RootValue { value, channel: 0 }
    }
}

/// The root of each value. A value that is scaled and not used afterwards becomes the scaled one where it lies.
fn roots(network: &NetworkSpec, shapes: &[ValueShape]) -> Result<Vec<RootValue>, PlanError> {
    let mut roots: Vec<_> = (0..shapes.len()).map(RootValue::of_itself).collect();
    for (index, layer) in network.layers.iter().enumerate().rev() {
        let (first, second) = match layer {
            LayerSpec::Cat(first, second) => (first, second),
            LayerSpec::Scale { input, .. } => {
                if is_free_after(network, input.0, index, &roots) {
                    roots[input.0] = roots[index + 1];
                }
                continue;
            }
            _ => continue,
        };
        let root = roots[index + 1];
        let after_first = root.channel + shapes[first.0].channels;
        for (part, channel) in [(first, root.channel), (second, after_first)] {
            let value = part.0;
            if roots[value] != RootValue::of_itself(value) || value == 0 {
                return Err(PlanError::PartOfTwo { value });
            }
            roots[value] = RootValue { channel, ..root };
        }
    }
    Ok(roots)
}

/// Whether nothing reads a value after the layer that scales it, and it is no part of another value. Layer `index`
/// itself may read it once only.
fn is_free_after(network: &NetworkSpec, value: usize, index: usize, roots: &[RootValue]) -> bool {
    let reads = |layer: &LayerSpec| layer.inputs().filter(|input| input.0 == value).count();
    let (before, after) = network.layers.split_at(index + 1);
    let is_part = |layer: &LayerSpec| matches!(layer, LayerSpec::Cat(..)) && reads(layer) > 0;
    let is_alone = roots[value] == RootValue::of_itself(value) && !before.iter().any(is_part);
    let is_last = reads(&before[index]) == 1 && after.iter().all(|layer| reads(layer) == 0);
    value != 0 && is_alone && is_last
}

/// For each root, the zeros that passes need around it.
fn borders(shapes: &[ValueShape], passes: &[CompiledPass], roots: &[RootValue]) -> Vec<Border> {
    let mut borders = vec![Border::default(); shapes.len()];
    for made in passes {
        if let Some((value, border)) = border(shapes, made) {
            let root = &mut borders[roots[value].value];
            *root = root.union(border);
        }
    }
    borders
}

/// The value that a pass needs a border around, and the border.
fn border(shapes: &[ValueShape], made: &CompiledPass) -> Option<(usize, Border)> {
    let mut input = made.input;
    let mut to = shapes[made.output.0];
    let (kernel, stride, top, left) = match &made.pass {
        Pass::Conv(conv) | Pass::ScaledConv(conv) => {
            let shape = conv.shape;
            (shape.kernel, shape.stride, shape.top, shape.left)
        }
        Pass::Depthwise(depthwise) => {
            let shape = depthwise.shape;
            (shape.kernel, shape.stride, shape.top, shape.left)
        }
        Pass::Bottleneck(bottleneck) => {
            if bottleneck.expand.is_some() {
                // The expanded map needs the border. If it is only kept in a ring, the ring has it.
                input = *made.between.first()?;
            }
            let shape = bottleneck.depthwise.shape;
            (shape.kernel, shape.stride, shape.top, shape.left)
        }
        Pass::ConvDepthwise(both) => {
            [to.height, to.width] = both.middle;
            let shape = both.conv.shape;
            (shape.kernel, shape.stride, shape.top, shape.left)
        }
        Pass::Winograd(winograd) => {
            let ValueShape { height, width, .. } = shapes[input.0];
            return Some((input.0, winograd.border(height, width)));
        }
        Pass::MaxPool(_)
        | Pass::NormReluAverage(..)
        | Pass::Average(_)
        | Pass::GlobalAverage
        | Pass::Scale
        | Pass::Add(..) => return None,
    };
    let from = shapes[input.0];
    let after = |input: usize, output: usize, before: usize| {
        ((output - 1) * stride + kernel).saturating_sub(before + input)
    };
    let border = Border {
        top,
        bottom: after(from.height, to.height, top),
        left,
        right: after(from.width, to.width, left),
    };
    Some((input.0, border))
}

/// The first step that writes a root, and the last step that uses it. The image is written in step 0, the passes
/// count from 1, and the result is used in a step after the last.
type RootSpan = Option<(usize, usize)>;

/// The span of each root; `None` for a value without memory of its own.
fn spans(passes: &[CompiledPass], roots: &[RootValue]) -> Vec<RootSpan> {
    let mut spans: Vec<RootSpan> = vec![None; roots.len()];
    let mut touch = |value: usize, step: usize| {
        let span = &mut spans[roots[value].value];
        *span = Some(span.map_or((step, step), |(first, last)| {
            (first.min(step), last.max(step))
        }));
    };
    touch(0, 0);
    for (step, made) in (1..).zip(passes) {
        touch(made.output.0, step);
        touch(made.input.0, step);
        for value in made
            .other
            .iter()
            .chain(&made.by)
            .chain(&made.between)
            .chain(&made.average)
        {
            touch(value.0, step);
        }
    }
    touch(roots.len() - 1, passes.len() + 1);
    spans
}

/// The layouts of as few buffers as step by step allocation needs, and the buffer of each root (`usize::MAX` for
/// a value without memory).
fn allocate(
    spans: &[RootSpan],
    passes: usize,
    layout: impl Fn(usize) -> Layout,
) -> (Vec<Layout>, Vec<usize>) {
    let mut buffers: Vec<Layout> = Vec::new();
    let mut free = Vec::new();
    let mut buffer_of = vec![usize::MAX; spans.len()];
    for step in 0..=passes {
        for (root, span) in spans.iter().enumerate() {
            if span.is_some_and(|(first, _)| first == step) {
                buffer_of[root] = take(&mut buffers, &mut free, layout(root));
            }
        }
        for (root, span) in spans.iter().enumerate() {
            if span.is_some_and(|(_, last)| last == step) {
                free.push(buffer_of[root]);
            }
        }
    }
    (buffers, buffer_of)
}

/// A buffer for a map of this layout, a free one if there is one. A map with a border needs a buffer of the same layout,
/// whose border is still zero. Large maps without one share buffers of any size, so that few of them stay in the far
/// caches: the smallest that is large enough, or else the largest, which grows. A small map has the same place in the
/// near cache of the same thread each time.
fn take(buffers: &mut Vec<Layout>, free: &mut Vec<usize>, layout: Layout) -> usize {
    let fits = |at: &usize| {
        let buffer = buffers[free[*at]];
        let is_shared = |layout: Layout| {
            layout.border == Border::default() && layout.len() * size_of::<f32>() >= FAR_BYTES
        };
        buffer == layout || is_shared(buffer) && is_shared(layout)
    };
    let waste = |at: &usize| {
        let length = buffers[free[*at]].len();
        (length < layout.len(), length.abs_diff(layout.len()))
    };
    match (0..free.len()).filter(fits).min_by_key(waste) {
        Some(at) => {
            let buffer = free.swap_remove(at);
            if buffers[buffer].len() < layout.len() {
                buffers[buffer] = layout;
            }
            buffer
        }
        None => {
            buffers.push(layout);
            buffers.len() - 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_maps_without_borders_share_a_buffer_and_others_only_one_of_their_layout() {
        let layout = |width: usize, border: usize| {
            let border = Border {
                left: border,
                ..Border::default()
            };
            Layout::new(4, width, 3, border)
        };
        let layouts = [
            layout(95, 0),
            layout(95, 1),
            layout(99, 0),
            layout(97, 1),
            layout(95, 1),
            layout(96, 0),
        ];
        let spans: Vec<RootSpan> = (0..6).map(|step| Some((step, step))).collect();
        let (buffers, buffer_of) = allocate(&spans, 6, |root| layouts[root]);
        assert_eq!(buffer_of, [0, 1, 0, 2, 1, 0]);
        assert_eq!(buffers, [layout(99, 0), layout(95, 1), layout(97, 1)]);
        let (buffers, _) = allocate(&spans[..2], 2, |root| [layout(3, 0), layout(4, 0)][root]);
        assert_eq!(buffers.len(), 2);
        // Not while another map is there.
        let spans: Vec<RootSpan> = (0..6).map(|root| Some((root, 6))).collect();
        let (_, buffer_of) = allocate(&spans, 6, |root| layouts[root]);
        assert_eq!(buffer_of, [0, 1, 2, 3, 4, 5]);
    }
}
