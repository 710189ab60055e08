//! From the names that checkpoints use to those of PyTorch's modules.

use std::collections::BTreeMap;

use super::{FamilyError, FoundTensor, NamedTensors};
use crate::domain::text::clean;

/// A buffer of torchxrayvision's `DenseNet` and `ResNet` that is not a weight.
pub const OP_THRESHS: &str = "op_threshs";

/// Prefixes that wrappers add to a name: `DataParallel`, torchxrayvision's `ResNet`, CheXNet.
const PREFIXES: [&str; 3] = ["module.", "model.", "densenet121."];
/// A counter of training, which no network needs.
const COUNTER: &str = "num_batches_tracked";

/// The tensors under PyTorch's names, without counters.
///
/// # Errors
/// If two become one, or a tensor has more or fewer values than its shape.
pub fn canonical(tensors: NamedTensors) -> Result<BTreeMap<String, FoundTensor>, FamilyError> {
    let mut named: BTreeMap<String, FoundTensor> = BTreeMap::new();
    for (found_as, (shape, values)) in tensors {
        let name = canonical_name(&found_as);
        // A name is as hostile as the file that it is from.
        let found_as = clean(&found_as);
        if name == COUNTER || name.ends_with(&format!(".{COUNTER}")) {
            continue;
        }
        let size = shape
            .iter()
            .try_fold(1_usize, |size, n| size.checked_mul(*n));
        if size != Some(values.len()) {
            return Err(FamilyError::Torn {
                name: found_as,
                shape,
                values: values.len(),
            });
        }
        if let Some(first) = named.get(&name) {
            return Err(FamilyError::Twice {
                name: clean(&name),
                first: first.found_as.clone(),
                second: found_as,
            });
        }
        let tensor = FoundTensor {
            found_as,
            shape,
            values,
        };
        named.insert(name, tensor);
    }
    Ok(named)
}

fn canonical_name(name: &str) -> String {
    let mut name = name;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = rest;
    }
    // CheXNet's classifier is a linear layer and a sigmoid.
    if let Some(part) = name.strip_prefix("classifier.0.") {
        return format!("classifier.{part}");
    }
    // torchvision before 0.4 had a dot: denselayer1.norm.1.weight.
    if !name.contains(".denselayer") {
        return name.to_owned();
    }
    ["norm.1", "norm.2", "conv.1", "conv.2"]
        .iter()
        .find_map(|old| {
            let (before, after) = name.split_once(&format!(".{old}."))?;
            Some(format!("{before}.{}.{after}", old.replace('.', "")))
        })
        .unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_name_is_pytorchs() {
        for (found, name) in [
            ("features.conv0.weight", "features.conv0.weight"),
            ("module.features.conv0.weight", "features.conv0.weight"),
            (
                "module.densenet121.features.norm0.bias",
                "features.norm0.bias",
            ),
            ("model.layer1.0.conv1.weight", "layer1.0.conv1.weight"),
            ("module.model.fc.bias", "fc.bias"),
            ("densenet121.classifier.0.weight", "classifier.weight"),
            ("classifier.0.bias", "classifier.bias"),
            (
                "module.densenet121.features.denseblock1.denselayer2.norm.1.running_var",
                "features.denseblock1.denselayer2.norm1.running_var",
            ),
            (
                "features.denseblock4.denselayer16.conv.2.weight",
                "features.denseblock4.denselayer16.conv2.weight",
            ),
            (
                "features.transition1.norm.weight",
                "features.transition1.norm.weight",
            ),
            (
                "layer1.0.downsample.1.weight",
                "layer1.0.downsample.1.weight",
            ),
        ] {
            assert_eq!(canonical_name(found), name, "{found}");
        }
    }

    #[test]
    fn counters_go_and_nothing_is_overwritten() {
        let one = |name: &str| (name.to_owned(), (vec![1], vec![0.5]));
        let counters = [
            "features.norm0.num_batches_tracked",
            "bn1.num_batches_tracked",
        ];
        let tensors = counters.into_iter().chain(["fc.bias"]).map(one).collect();
        let named = canonical(tensors).unwrap();
        assert_eq!(named.keys().collect::<Vec<_>>(), ["fc.bias"]);

        let twice = ["fc.bias", "module.fc.bias"].into_iter().map(one).collect();
        let error = canonical(twice).unwrap_err().to_string();
        assert_eq!(error, "fc.bias and module.fc.bias are both fc.bias");
    }

    #[test]
    fn a_shape_that_its_values_do_not_fill_is_an_error() {
        for shape in [vec![2], vec![1, 0], vec![usize::MAX, 2]] {
            let tensors = [("fc.bias".to_owned(), (shape, vec![0.5]))].into();
            let error = canonical(tensors).unwrap_err().to_string();
            assert!(error.starts_with("fc.bias holds 1 values"), "{error}");
        }
    }
}
