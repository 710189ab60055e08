//! The network while it is read: one layer for each operation on maps, before they are merged into those that cxr
//! computes.

use std::rc::Rc;

use super::constant::product;
use super::view::MapShape;
use crate::inference::network::imported::StoredActivation;
use crate::inference::network::layers::PoolingShape;

/// The most numbers of a map. The largest of an EfficientNet-B7 has 17 million.
const MOST_OF_A_MAP: usize = 1 << 27;

/// The place of a layer in [`Drafts`], and of what it makes.
pub type DraftPlace = usize;

/// A scale and a shift for each channel: a batch normalisation.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelNorm {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// A convolution, and what is merged into it.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftConv {
    pub input: DraftPlace,
    /// Comes before it, with a ReLU between.
    pub before: Option<ChannelNorm>,
    /// `[output, input, kernel, kernel]`, or `[output, 1, kernel, kernel]` if depthwise. Shared until it is changed.
    pub weight: Rc<Vec<f32>>,
    /// `[output]`
    pub bias: Vec<f32>,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above, to the left, below, to the right.
    pub zeros: [usize; 4],
    pub is_depthwise: bool,
    /// Added before the activation.
    pub residual: Option<DraftPlace>,
    pub activation: StoredActivation,
}

impl DraftConv {
    /// Whether it mixes the channels of single pixels.
    pub fn is_pointwise(&self) -> bool {
        !self.is_depthwise && self.kernel == 1 && self.stride == 1 && self.zeros == [0; 4]
    }

    /// Whether nothing comes after the convolution itself.
    pub fn is_open(&self) -> bool {
        self.residual.is_none() && self.activation == StoredActivation::None
    }
}

/// An operation on maps.
#[derive(Debug, Clone, PartialEq)]
pub enum DraftLayer {
    Input,
    Conv(DraftConv),
    Norm {
        input: DraftPlace,
        norm: ChannelNorm,
    },
    /// A normalisation, a ReLU, and the average of squares of this many pixels a side.
    NormRelu {
        input: DraftPlace,
        norm: ChannelNorm,
        average: usize,
    },
    Activation {
        input: DraftPlace,
        activation: StoredActivation,
    },
    /// Zeros above, to the left, below, to the right.
    Pad {
        input: DraftPlace,
        zeros: [usize; 4],
    },
    MaxPool {
        input: DraftPlace,
        window: PoolingShape,
    },
    Average {
        input: DraftPlace,
        size: usize,
    },
    GlobalAverage {
        input: DraftPlace,
    },
    /// Number by number, or each channel by one number.
    Multiply {
        first: DraftPlace,
        second: DraftPlace,
    },
    Add {
        first: DraftPlace,
        second: DraftPlace,
        activation: StoredActivation,
    },
    Cat {
        parts: Vec<DraftPlace>,
    },
    Softmax {
        input: DraftPlace,
    },
}

impl DraftLayer {
    /// The layers that it reads; one that it reads twice is there twice.
    pub fn inputs(&self) -> Vec<DraftPlace> {
        match self {
            DraftLayer::Input => Vec::new(),
            DraftLayer::Conv(conv) => [conv.input].into_iter().chain(conv.residual).collect(),
            DraftLayer::Norm { input, .. }
            | DraftLayer::NormRelu { input, .. }
            | DraftLayer::Activation { input, .. }
            | DraftLayer::Pad { input, .. }
            | DraftLayer::MaxPool { input, .. }
            | DraftLayer::Average { input, .. }
            | DraftLayer::GlobalAverage { input }
            | DraftLayer::Softmax { input } => vec![*input],
            DraftLayer::Multiply { first, second } | DraftLayer::Add { first, second, .. } => {
                vec![*first, *second]
            }
            DraftLayer::Cat { parts } => parts.clone(),
        }
    }

    /// Weights and other numbers that it holds.
    fn numbers(&self) -> usize {
        match self {
            DraftLayer::Conv(conv) => conv.weight.len() + conv.bias.len(),
            DraftLayer::Norm { norm, .. } | DraftLayer::NormRelu { norm, .. } => {
                2 * norm.scale.len()
            }
            DraftLayer::Cat { parts } => parts.len(),
            _ => 1,
        }
    }
}

/// A layer, what it makes, and the node that it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub layer: DraftLayer,
    pub shape: MapShape,
    /// `Conv /features/conv0`
    pub label: String,
}

/// All layers, each after those that it reads.
pub struct Drafts {
    list: Vec<Draft>,
    /// How many layers read each.
    uses: Vec<usize>,
    /// Numbers that further layers may hold: a file may name one weight many times.
    left: usize,
}

impl Drafts {
    /// A network for images of this shape, whose layers hold at most this many numbers.
    pub fn new(shape: MapShape, most: usize) -> Self {
        Drafts {
            list: vec![Draft {
                layer: DraftLayer::Input,
                shape,
                label: "the input".to_owned(),
            }],
            uses: vec![0],
            left: most,
        }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn layer(&self, place: DraftPlace) -> &DraftLayer {
        &self.list[place].layer
    }

    pub fn shape(&self, place: DraftPlace) -> MapShape {
        self.list[place].shape
    }

    /// The convolution at a place, if the layer there is one.
    pub fn conv(&self, place: DraftPlace) -> Option<&DraftConv> {
        match self.layer(place) {
            DraftLayer::Conv(conv) => Some(conv),
            _ => None,
        }
    }

    /// As [`conv`](Self::conv), to change its numbers.
    pub fn conv_mut(&mut self, place: DraftPlace) -> Option<&mut DraftConv> {
        match &mut self.list[place].layer {
            DraftLayer::Conv(conv) => Some(conv),
            _ => None,
        }
    }

    /// Whether one layer reads it, once.
    pub fn is_used_once(&self, place: DraftPlace) -> bool {
        self.uses[place] == 1
    }

    /// Whether a layer reads it.
    pub fn is_used(&self, place: DraftPlace) -> bool {
        self.uses[place] > 0
    }

    /// Adds a layer.
    ///
    /// # Errors
    /// If what it makes, or all weights together, are larger than any of a model that cxr reads.
    pub fn push(
        &mut self,
        layer: DraftLayer,
        shape: MapShape,
        label: String,
    ) -> Result<DraftPlace, String> {
        if product(&shape, MOST_OF_A_MAP).is_none() {
            return Err(format!("{label}: it makes a map of {shape:?}, too large"));
        }
        self.spend(layer.numbers(), &label)?;
        for input in layer.inputs() {
            self.uses[input] += 1;
        }
        self.list.push(Draft {
            layer,
            shape,
            label,
        });
        self.uses.push(0);
        Ok(self.list.len() - 1)
    }

    /// Counts numbers that layers hold.
    ///
    /// # Errors
    /// If all of them together are far more than the file has.
    pub fn spend(&mut self, numbers: usize, label: &str) -> Result<(), String> {
        let left = self.left.checked_sub(numbers);
        self.left = left.ok_or_else(|| {
            format!("{label}: its layers together have far more weights than the file")
        })?;
        Ok(())
    }

    /// The layer at a place with what it makes, given up: its weights belong to the caller.
    pub fn take(&mut self, place: DraftPlace) -> Draft {
        let draft = &mut self.list[place];
        Draft {
            layer: std::mem::replace(&mut draft.layer, DraftLayer::Input),
            shape: draft.shape,
            label: draft.label.clone(),
        }
    }

    /// Puts another layer in the place of one. What only the old one read is gone.
    pub fn replace(&mut self, place: DraftPlace, layer: DraftLayer) {
        for input in layer.inputs() {
            self.uses[input] += 1;
        }
        let old = std::mem::replace(&mut self.list[place].layer, layer);
        let mut released = old.inputs();
        while let Some(input) = released.pop() {
            self.uses[input] -= 1;
            if self.uses[input] == 0 {
                // Its weights are gone too, or belong to the new layer alone.
                let unused = std::mem::replace(&mut self.list[input].layer, DraftLayer::Input);
                released.extend(unused.inputs());
            }
        }
    }

    /// Changes the shape of what a layer makes.
    pub fn reshape(&mut self, place: DraftPlace, shape: MapShape) {
        self.list[place].shape = shape;
    }

    /// Marks what the layer at `last` does not need as unused.
    pub fn drop_unused(&mut self, last: DraftPlace) {
        self.uses = vec![0; self.list.len()];
        self.uses[last] = 1;
        for place in (0..=last).rev() {
            if self.uses[place] > 0 {
                for input in self.list[place].layer.inputs() {
                    self.uses[input] += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relu(input: DraftPlace) -> DraftLayer {
        DraftLayer::Activation {
            input,
            activation: StoredActivation::Relu,
        }
    }

    fn drafts() -> Drafts {
        Drafts::new([3, 4, 4], 100)
    }

    fn push(drafts: &mut Drafts, layer: DraftLayer) -> DraftPlace {
        drafts.push(layer, [3, 4, 4], "Relu r".to_owned()).unwrap()
    }

    #[test]
    fn what_only_a_replaced_layer_read_is_unused() {
        let mut drafts = drafts();
        let a = push(&mut drafts, relu(0));
        let b = push(&mut drafts, relu(a));
        let c = push(&mut drafts, relu(b));
        assert!(drafts.is_used_once(a) && drafts.is_used_once(b));
        drafts.replace(c, relu(0));
        assert!(!drafts.is_used(a) && !drafts.is_used(b));
        assert!(drafts.is_used_once(0));
        drafts.replace(c, DraftLayer::Cat { parts: vec![0, 0] });
        assert!(!drafts.is_used_once(0) && drafts.is_used(0));
    }

    #[test]
    fn what_the_result_does_not_need_is_unused() {
        let mut drafts = drafts();
        let a = push(&mut drafts, relu(0));
        let side = push(&mut drafts, relu(a));
        let b = push(&mut drafts, relu(a));
        drafts.drop_unused(b);
        assert!(drafts.is_used_once(a) && drafts.is_used_once(b));
        assert!(!drafts.is_used(side));
    }

    #[test]
    fn one_weight_that_is_named_many_times_is_refused() {
        let mut drafts = drafts();
        let weight = Rc::new(vec![0.5; 27]);
        let conv = || {
            DraftLayer::Conv(DraftConv {
                input: 0,
                before: None,
                weight: Rc::clone(&weight),
                bias: vec![0.0; 3],
                output: 3,
                kernel: 3,
                stride: 1,
                zeros: [1; 4],
                is_depthwise: false,
                residual: None,
                activation: StoredActivation::None,
            })
        };
        for _ in 0..3 {
            push(&mut drafts, conv());
        }
        let fault = drafts.push(conv(), [3, 4, 4], "Conv c".to_owned());
        assert!(
            fault
                .unwrap_err()
                .starts_with("Conv c: its layers together")
        );
        let fault = drafts.push(relu(0), [1 << 20, 1 << 10, 1], "Relu r".to_owned());
        assert!(fault.unwrap_err().contains("too large"));
    }
}
