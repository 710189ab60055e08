//! Tensors of other libraries under the names of transformers.

/// A tensor of a file under a name of transformers, or under its own where transformers has none.
#[derive(Debug, PartialEq)]
pub struct RenamedTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Query, key and value one after another, which are three layers in transformers.
pub const FUSED: &str = ".qkv";

impl RenamedTensor {
    /// Query, key and value of a layer that is all three of them, or the tensor itself. It has as many values as its
    /// shape says.
    pub fn divided(self) -> Vec<RenamedTensor> {
        match self.thirds() {
            Some(thirds) => thirds.into(),
            None => vec![self],
        }
    }

    fn thirds(&self) -> Option<[RenamedTensor; 3]> {
        let (module, parameter) = self.name.rsplit_once('.')?;
        let attention = module.strip_suffix(FUSED)?;
        let [rows, rest @ ..] = &self.shape[..] else {
            return None;
        };
        if !rows.is_multiple_of(3) {
            return None;
        }
        let length = self.values.len() / 3;
        let part = |(at, part): (usize, &str)| RenamedTensor {
            name: format!("{attention}.{part}.{parameter}"),
            shape: [&[rows / 3][..], rest].concat(),
            values: self.values[at * length..][..length].to_vec(),
        };
        Some([(0, "query"), (1, "key"), (2, "value")].map(part))
    }
}

/// The name of a parameter of a ConvNeXt block. `part` is the number of the block, and behind a dot its layer, whose
/// name `layer` gives. `scale` is the original's name of the block's factors.
pub fn convnext_block(
    stage: &str,
    part: &str,
    parameter: &str,
    scale: &str,
    layer: impl Fn(&str) -> Option<&'static str>,
) -> Option<String> {
    let Some((block, original)) = part.split_once('.') else {
        let is_scale = parameter == scale;
        return is_scale.then(|| format!("{stage}.layers.{part}.layer_scale_parameter"));
    };
    let layer = layer(original)?;
    Some(format!("{stage}.layers.{block}.{layer}.{parameter}"))
}
