//! What a wrapper of a network puts before the names of its tensors.

/// `DataParallel` and `torch.compile` of PyTorch, the attributes under which modules of Lightning hold their network,
/// and transformers' `TimmWrapper`. No network here has a module of these names.
const PREFIXES: [&str; 6] = [
    "module.",
    "_orig_mod.",
    "model.",
    "net.",
    "network.",
    "timm_model.",
];

/// The name of a tensor without them.
pub fn unwrapped(name: &str) -> &str {
    let mut name = name;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = rest;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_wrappers_are_taken_off() {
        for (name, expected) in [
            ("fc.weight", "fc.weight"),
            ("module.model.fc.weight", "fc.weight"),
            ("_orig_mod.net.fc.bias", "fc.bias"),
            ("timm_model.blocks.0.norm1.weight", "blocks.0.norm1.weight"),
            ("network.conv1.weight", "conv1.weight"),
            ("models.conv1.weight", "models.conv1.weight"),
            ("model.", ""),
        ] {
            assert_eq!(unwrapped(name), expected, "{name}");
        }
    }
}
