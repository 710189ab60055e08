//! From merged layers to those that are stored, with their weights under the names of
//! [`imported`](crate::inference::network::imported).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::draft::{ChannelNorm, DraftConv, DraftLayer, DraftPlace, Drafts};
use super::end::GraphEnd;
use super::fuse::fuse;
use crate::inference::network::imported::{
    HEAD, StoredActivation, StoredLayer, StoredNetwork, tensor_name,
};
use crate::inference::tensor_file::FoundTensor;

/// A network that was read from a graph.
pub struct EmittedNetwork {
    pub network: StoredNetwork,
    pub tensors: BTreeMap<String, FoundTensor>,
    pub end: GraphEnd,
    pub outputs: usize,
}

/// The network that makes the value at `output`, a number for each output of the network.
///
/// # Errors
/// If it is no such value, or an operation cannot be computed; the reason names the node.
pub fn emit(mut drafts: Drafts, output: DraftPlace) -> Result<EmittedNetwork, String> {
    let (output, end) = before_end(&drafts, output);
    let [outputs, rows, columns] = drafts.shape(output);
    if [rows, columns] != [1, 1] {
        return Err(format!(
            "it ends in maps of {rows} × {columns} pixels, and not in one number for each output"
        ));
    }
    drafts.drop_unused(output);
    fuse(&mut drafts);
    let head = taken_head(&mut drafts, output);
    let (trunk, ends_in_averages) =
        before_average(&drafts, head.as_ref().map_or(output, |h| h.input));
    if matches!(drafts.layer(trunk), DraftLayer::Input) {
        return Err("it has no layers before the last one".to_owned());
    }
    drafts.drop_unused(trunk);
    let [channels, ..] = drafts.shape(0);
    let [features, ..] = drafts.shape(trunk);
    let mut emission = Emission {
        drafts,
        layers: Vec::new(),
        tensors: BTreeMap::new(),
        values: HashMap::from([(0, 0)]),
        parts: HashSet::from([0]),
        joined: HashMap::new(),
    };
    emission.head(head, outputs)?;
    for place in 1..=trunk {
        if emission.drafts.is_used(place) {
            emission.layer(place)?;
        }
    }
    if emission.values.get(&trunk) != Some(&emission.layers.len()) {
        return Err("it has no layers before the last one".to_owned());
    }
    Ok(EmittedNetwork {
        network: StoredNetwork {
            channels,
            features,
            ends_in_averages,
            layers: emission.layers,
        },
        tensors: emission.tensors,
        end,
        outputs,
    })
}

/// What comes before the sigmoid or softmax at the end.
fn before_end(drafts: &Drafts, output: DraftPlace) -> (DraftPlace, GraphEnd) {
    match *drafts.layer(output) {
        DraftLayer::Softmax { input } => (input, GraphEnd::Softmax),
        DraftLayer::Activation {
            input,
            activation: StoredActivation::Sigmoid,
        } => (input, GraphEnd::Sigmoid),
        _ => (output, GraphEnd::Logits),
    }
}

/// The last layer, if it is one of weights alone.
fn taken_head(drafts: &mut Drafts, output: DraftPlace) -> Option<DraftConv> {
    let conv = drafts.conv(output)?;
    let [_, rows, columns] = drafts.shape(conv.input);
    let is_head = conv.is_pointwise() && conv.is_open() && conv.before.is_none();
    if !is_head || [rows, columns] != [1, 1] {
        return None;
    }
    match drafts.take(output).layer {
        DraftLayer::Conv(conv) => Some(conv),
        _ => None,
    }
}

/// The maps that the last layer reads the averages of, and whether these are of more than one pixel: then each cell of
/// them has its part in the outputs.
fn before_average(drafts: &Drafts, place: DraftPlace) -> (DraftPlace, bool) {
    match *drafts.layer(place) {
        DraftLayer::GlobalAverage { input } => {
            let [_, rows, columns] = drafts.shape(input);
            (input, [rows, columns] != [1, 1])
        }
        _ => (place, false),
    }
}

struct Emission {
    drafts: Drafts,
    layers: Vec<StoredLayer>,
    tensors: BTreeMap<String, FoundTensor>,
    /// The value that each layer makes.
    values: HashMap<DraftPlace, usize>,
    /// Values that belong to others: the image, and parts of those that were joined. The kernels have a value in one
    /// place only.
    parts: HashSet<usize>,
    /// The values that were joined from these layers.
    joined: HashMap<Vec<DraftPlace>, usize>,
}

impl Emission {
    /// Weight and bias of the last layer. Without one, each output is its own feature.
    fn head(&mut self, head: Option<DraftConv>, outputs: usize) -> Result<(), String> {
        let [weight_name, bias_name] = HEAD;
        let label = "the last layer";
        let (weight, bias) = match head {
            Some(conv) => (Rc::unwrap_or_clone(conv.weight), conv.bias),
            None => {
                self.drafts.spend(outputs * outputs, label)?;
                let mut weight = vec![0.0; outputs * outputs];
                weight
                    .iter_mut()
                    .step_by(outputs + 1)
                    .for_each(|one| *one = 1.0);
                (weight, vec![0.0; outputs])
            }
        };
        let features = weight.len() / outputs.max(1);
        self.tensor(
            weight_name.to_owned(),
            label,
            vec![outputs, features],
            weight,
        )?;
        self.tensor(bias_name.to_owned(), label, vec![outputs], bias)
    }

    fn layer(&mut self, place: DraftPlace) -> Result<(), String> {
        let draft = self.drafts.take(place);
        let (shape, label) = (draft.shape, draft.label.as_str());
        let value = match draft.layer {
            DraftLayer::Input => return Err(format!("{label}: it is the image")),
            DraftLayer::Conv(conv) => self.conv(conv, label)?,
            DraftLayer::Norm { input, norm } => {
                let input = self.value(input, label)?;
                self.each_channel(input, norm, StoredActivation::None, label)?
            }
            DraftLayer::NormRelu {
                input,
                norm,
                average,
            } => {
                let input = self.value(input, label)?;
                self.norm_relu(input, norm, average, label)?
            }
            DraftLayer::Activation { input, activation } => {
                let input = self.value(input, label)?;
                self.drafts.spend(2 * shape[0], label)?;
                let same = same(shape[0]);
                if activation == StoredActivation::Relu {
                    self.norm_relu(input, same, 1, label)?
                } else {
                    self.each_channel(input, same, activation, label)?
                }
            }
            DraftLayer::MaxPool { input, window } => {
                let input = self.value(input, label)?;
                self.push(StoredLayer::MaxPool {
                    input,
                    kernel: window.kernel,
                    stride: window.stride,
                    padding: window.padding,
                })
            }
            DraftLayer::Average { input, size } => {
                let input = self.value(input, label)?;
                self.push(StoredLayer::Average { input, size })
            }
            DraftLayer::GlobalAverage { input } => {
                let input = self.value(input, label)?;
                self.push(StoredLayer::GlobalAverage { input })
            }
            DraftLayer::Multiply { first, second } => {
                let (of, by) = (self.drafts.shape(first), self.drafts.shape(second));
                if by != [of[0], 1, 1] {
                    return Err(format!(
                        "{label}: {of:?} times {by:?}, and cxr has a number for each channel"
                    ));
                }
                let (input, by) = (self.value(first, label)?, self.value(second, label)?);
                self.push(StoredLayer::Scale { input, by })
            }
            DraftLayer::Add {
                first,
                second,
                activation,
            } => {
                let (first, second) = (self.value(first, label)?, self.value(second, label)?);
                self.push(StoredLayer::Add {
                    first,
                    second,
                    activation,
                })
            }
            DraftLayer::Cat { parts } => self.cat(&parts, label)?,
            DraftLayer::Pad { .. } => {
                return Err(format!(
                    "{label}: zeros around a map that no convolution reads"
                ));
            }
            DraftLayer::Softmax { .. } => {
                return Err(format!(
                    "{label}: within the network, and cxr has it at the end"
                ));
            }
        };
        self.values.insert(place, value);
        Ok(())
    }

    fn value(&self, place: DraftPlace, label: &str) -> Result<usize, String> {
        let value = self.values.get(&place).copied();
        value.ok_or_else(|| format!("{label}: it reads what was merged away"))
    }

    fn push(&mut self, layer: StoredLayer) -> usize {
        self.layers.push(layer);
        self.layers.len()
    }

    /// A tensor of the layer that comes next.
    fn own(
        &mut self,
        part: &str,
        label: &str,
        shape: Vec<usize>,
        values: Vec<f32>,
    ) -> Result<(), String> {
        let name = tensor_name(self.layers.len(), part);
        self.tensor(name, label, shape, values)
    }

    fn tensor(
        &mut self,
        name: String,
        label: &str,
        shape: Vec<usize>,
        values: Vec<f32>,
    ) -> Result<(), String> {
        if !values.iter().all(|value| value.is_finite()) {
            return Err(format!(
                "{label}: a weight holds a value that is not a number"
            ));
        }
        let tensor = FoundTensor {
            found_as: label.to_owned(),
            shape,
            values,
        };
        self.tensors.insert(name, tensor);
        Ok(())
    }

    fn conv(&mut self, conv: DraftConv, label: &str) -> Result<usize, String> {
        let [top, left, bottom, right] = conv.zeros;
        if top != left || bottom != right || top.max(bottom) >= conv.kernel {
            return Err(format!(
                "{label}: zeros of {:?} around a map (above, left, below, right) for a window of {}, and cxr has the \
                 same above as to the left, and below as to the right",
                conv.zeros, conv.kernel
            ));
        }
        let channels = self.drafts.shape(conv.input)[0];
        let in_group = if conv.is_depthwise { 1 } else { channels };
        let input = self.value(conv.input, label)?;
        let residual = conv.residual.map(|residual| self.value(residual, label));
        let residual = residual.transpose()?;
        if let Some(norm) = &conv.before {
            self.own("scale", label, vec![channels], norm.scale.clone())?;
            self.own("shift", label, vec![channels], norm.shift.clone())?;
        }
        let shape = vec![conv.output, in_group, conv.kernel, conv.kernel];
        self.own("weight", label, shape, Rc::unwrap_or_clone(conv.weight))?;
        self.own("bias", label, vec![conv.output], conv.bias)?;
        Ok(self.push(StoredLayer::Conv {
            input,
            output: conv.output,
            kernel: conv.kernel,
            stride: conv.stride,
            padding: [top, bottom],
            depthwise: conv.is_depthwise,
            before: conv.before.is_some(),
            residual,
            activation: conv.activation,
        }))
    }

    fn norm_relu(
        &mut self,
        input: usize,
        norm: ChannelNorm,
        average: usize,
        label: &str,
    ) -> Result<usize, String> {
        let channels = norm.scale.len();
        self.own("scale", label, vec![channels], norm.scale)?;
        self.own("shift", label, vec![channels], norm.shift)?;
        Ok(self.push(StoredLayer::NormRelu { input, average }))
    }

    /// A scale, a shift and a function of each channel, as a convolution of single pixels and single channels.
    fn each_channel(
        &mut self,
        input: usize,
        norm: ChannelNorm,
        activation: StoredActivation,
        label: &str,
    ) -> Result<usize, String> {
        let channels = norm.scale.len();
        self.own("weight", label, vec![channels, 1, 1, 1], norm.scale)?;
        self.own("bias", label, vec![channels], norm.shift)?;
        Ok(self.push(StoredLayer::Conv {
            input,
            output: channels,
            kernel: 1,
            stride: 1,
            padding: [0; 2],
            // With one channel, both are the same.
            depthwise: channels > 1,
            before: false,
            residual: None,
            activation,
        }))
    }

    /// Joins channels two by two. What was joined before is not joined again: a dense block grows.
    fn cat(&mut self, parts: &[DraftPlace], label: &str) -> Result<usize, String> {
        if let [only] = parts {
            return self.value(*only, label);
        }
        let lengths = (2..=parts.len()).rev();
        let before = lengths
            .filter_map(|length| Some((length, *self.joined.get(&parts[..length])?)))
            .find(|(_, value)| !self.parts.contains(value));
        let (mut length, mut value) = match before {
            Some((length, value)) => (length, value),
            None => {
                let Some(first) = parts.first() else {
                    return Err(format!("{label}: it joins nothing"));
                };
                (1, self.part(*first, label)?)
            }
        };
        while length < parts.len() {
            self.parts.insert(value);
            let second = self.part(parts[length], label)?;
            self.parts.insert(second);
            value = self.push(StoredLayer::Cat {
                first: value,
                second,
            });
            length += 1;
        }
        self.joined.insert(parts.to_vec(), value);
        Ok(value)
    }

    /// A value that may become a part of another one: a copy, where it is one already.
    fn part(&mut self, place: DraftPlace, label: &str) -> Result<usize, String> {
        let value = self.value(place, label)?;
        if !self.parts.contains(&value) {
            return Ok(value);
        }
        let channels = self.drafts.shape(place)[0];
        self.drafts.spend(2 * channels, label)?;
        self.each_channel(value, same(channels), StoredActivation::None, label)
    }
}

/// The normalisation that changes nothing.
fn same(channels: usize) -> ChannelNorm {
    ChannelNorm {
        scale: vec![1.0; channels],
        shift: vec![0.0; channels],
    }
}
