//! A last layer that its user has put into a `Sequential` with layers that have no tensors: `Sequential(Dropout, Linear)` has
//! its linear layer as `fc.1`.

use crate::inference::network::wrapped_names::unwrapped;

/// Places of the layer: behind a dropout, or before a function that makes scores, which the user names. What lies further
/// behind may follow a function that no tensor shows.
const PLACES: [&str; 2] = ["0", "1"];

/// The only layer with tensors of a sequence in the place of the last layer.
#[derive(Debug, PartialEq, Eq)]
pub struct SequentialHead {
    /// `fc`
    sequence: String,
    /// `fc.1`
    layer: String,
}

impl SequentialHead {
    /// The one among tensors of these names. `is_head` says whether a module has the name of the last layer.
    pub fn of<'a>(
        names: impl Iterator<Item = &'a String>,
        is_head: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        let names: Vec<&str> = names.map(|name| unwrapped(name)).collect();
        let mut heads = names.iter().filter_map(|name| Self::of_weight(name));
        heads.find(|head| is_head(&head.sequence) && head.is_alone(&names))
    }

    /// The name of one of its tensors where the layer stands without a sequence. `None` for another tensor.
    pub fn renamed(&self, name: &str) -> Option<String> {
        let parameter = inside(unwrapped(name), &self.layer)?;
        Some(format!("{}.{parameter}", self.sequence))
    }

    fn of_weight(name: &str) -> Option<Self> {
        let layer = name.strip_suffix(".weight")?;
        let (sequence, place) = layer.rsplit_once('.')?;
        PLACES.contains(&place).then(|| SequentialHead {
            sequence: sequence.to_owned(),
            layer: layer.to_owned(),
        })
    }

    /// Whether the sequence has this layer's weight and bias, and no other tensor: two linear layers are no last layer.
    fn is_alone(&self, names: &[&str]) -> bool {
        let count = names
            .iter()
            .filter(|name| inside(name, &self.sequence).is_some())
            .count();
        let own = ["weight", "bias"].map(|parameter| format!("{}.{parameter}", self.layer));
        count == own.len() && own.iter().all(|name| names.contains(&name.as_str()))
    }
}

/// The rest of a name behind that of a module.
fn inside<'a>(name: &'a str, module: &str) -> Option<&'a str> {
    name.strip_prefix(module)?.strip_prefix('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(names: &[&str]) -> Option<SequentialHead> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        SequentialHead::of(names.iter(), |module| module == "fc")
    }

    #[test]
    fn the_only_layer_of_a_sequence_is_found() {
        for place in ["0", "1"] {
            let [weight, bias] = ["weight", "bias"].map(|name| format!("fc.{place}.{name}"));
            let found = head(&["conv1.weight", "layer1.0.conv1.weight", &weight, &bias]).unwrap();
            assert_eq!(found.renamed(&weight).as_deref(), Some("fc.weight"));
            let wrapped = found.renamed(&format!("module.model.{bias}"));
            assert_eq!(wrapped.as_deref(), Some("fc.bias"));
            assert_eq!(found.renamed("layer1.0.conv1.weight"), None);
        }
        let wrapped = head(&["module.fc.1.bias", "module.fc.1.weight"]);
        assert!(wrapped.is_some());
    }

    #[test]
    fn what_is_more_or_less_than_one_layer_is_none() {
        for names in [
            &["fc.weight", "fc.bias"][..],
            // Two linear layers.
            &["fc.0.weight", "fc.0.bias", "fc.1.weight", "fc.1.bias"],
            &["fc.0.weight", "fc.0.bias", "fc.3.weight", "fc.3.bias"],
            // A normalisation and a linear layer.
            &[
                "fc.0.weight",
                "fc.0.bias",
                "fc.0.running_mean",
                "fc.1.weight",
            ],
            // A layer without a bias, and one behind an unknown function.
            &["fc.1.weight"],
            &["fc.2.weight", "fc.2.bias"],
            // The layer itself beside it, and a sequence within a sequence.
            &["fc.weight", "fc.1.weight", "fc.1.bias"],
            &["fc.1.1.weight", "fc.1.1.bias"],
            // Another module.
            &["aux.1.weight", "aux.1.bias"],
            &[],
        ] {
            assert_eq!(head(names), None, "{names:?}");
        }
    }
}
