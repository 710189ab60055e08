//! From the names that timm and transformers give to the modules of a network to torchvision's, which the networks
//! here know.

use std::collections::BTreeMap;

use super::Cnn;
use crate::inference::network::efficientnet::{self, EfficientNetConfig};
use crate::inference::network::mobilenet::{self, STAGES};
use crate::inference::network::mobilenet_v3::{self, MobileNetV3Config};
use crate::inference::network::resnet::{self, ResNetConfig};
use crate::inference::network::wrapped_names::unwrapped;

/// Modules of another library, and torchvision's names of them.
#[derive(Debug, Default)]
pub struct ModuleNames(BTreeMap<String, String>);

impl ModuleNames {
    /// The name here of a tensor, and the shape that it has here, from those in a file. A name of no other library stays
    /// as it is.
    pub fn canonical(&self, name: &str, shape: &[usize]) -> (String, Vec<usize>) {
        let name = unwrapped(name);
        let renamed = name.rsplit_once('.').and_then(|(module, parameter)| {
            let module = self.0.get(module)?;
            Some(format!("{module}.{parameter}"))
        });
        let renamed = renamed.unwrap_or_else(|| name.to_owned());
        // timm's MobileNetV3 has a 1 × 1 convolution where torchvision has a linear layer.
        let is_linear = renamed == format!("{}.weight", mobilenet_v3::HIDDEN);
        let shape = match shape {
            [output, input, 1, 1] if is_linear => vec![*output, *input],
            other => other.to_owned(),
        };
        (renamed, shape)
    }

    /// What transformers, or else timm, calls a module here.
    #[cfg(test)]
    pub fn theirs<'a>(&'a self, ours: &'a str, is_transformers: bool) -> &'a str {
        const ROOTS: [&str; 3] = ["efficientnet.", "mobilenet_v2.", "resnet."];
        let is_of_it = |theirs: &str| {
            let has_root = ROOTS.iter().any(|root| theirs.starts_with(root));
            has_root == is_transformers || theirs.starts_with("classifier")
        };
        // timm's ResNet has torchvision's names.
        let is_resnet = self.0.contains_key("resnet.embedder.embedder.convolution");
        let mut pairs = self.0.iter();
        let found = pairs.find(|(theirs, module)| *module == ours && is_of_it(theirs));
        match found.filter(|_| is_transformers || !is_resnet) {
            Some((theirs, _)) => theirs,
            None => ours,
        }
    }

    fn add(&mut self, theirs: impl Into<String>, ours: impl Into<String>) {
        self.0.insert(theirs.into(), ours.into());
    }

    /// A convolution and the normalisation after it, which are parts 0 and 1 of a module here.
    fn add_pair(&mut self, [conv, norm]: [String; 2], ours: &str) {
        self.add(conv, format!("{ours}.0"));
        self.add(norm, format!("{ours}.1"));
    }

    /// What timm's `EfficientNet`, which the MobileNets are to it, has before its blocks.
    fn add_timm_stem(&mut self) {
        let stem = ["conv_stem", "bn1"].map(str::to_owned);
        self.add_pair(stem, "features.0");
    }

    /// The modules of one of timm's blocks. `ours` gives the names here of its convolutions with their normalisations,
    /// in order, and of its gate.
    fn add_timm_block(&mut self, theirs: &str, ours: &BlockModules) {
        // A block that does not expand is a `DepthwiseSeparableConv`, whose last convolution has another name.
        let names: &[[&str; 2]] = match ours.convolutions.len() {
            2 => &[["conv_dw", "bn1"], ["conv_pw", "bn2"]],
            _ => &[["conv_pw", "bn1"], ["conv_dw", "bn2"], ["conv_pwl", "bn3"]],
        };
        for (names, [conv, norm]) in names.iter().zip(&ours.convolutions) {
            self.add(format!("{theirs}.{}", names[0]), conv);
            self.add(format!("{theirs}.{}", names[1]), norm);
        }
        if let Some(gate) = &ours.gate {
            self.add(format!("{theirs}.se.conv_reduce"), format!("{gate}.fc1"));
            self.add(format!("{theirs}.se.conv_expand"), format!("{gate}.fc2"));
        }
    }
}

/// The modules of a block here.
struct BlockModules {
    /// Convolutions and their normalisations: two, or three if the block expands.
    convolutions: Vec<[String; 2]>,
    gate: Option<String>,
}

impl BlockModules {
    /// Of torchvision's `MBConv` and `InvertedResidual`: the parts of a block, one after another.
    fn of(block: &str, expands: bool, has_gate: bool) -> Self {
        let depthwise = usize::from(expands);
        let project = depthwise + 1 + usize::from(has_gate);
        let places = (0..=depthwise).chain([project]);
        let part = |place: usize| [0, 1].map(|n| format!("{block}.{place}.{n}"));
        BlockModules {
            convolutions: places.map(part).collect(),
            gate: has_gate.then(|| format!("{block}.{}", depthwise + 1)),
        }
    }

    /// Of torchvision's MobileNetV2, whose last convolution has no module of its own.
    fn of_mobilenet_v2(index: usize, expands: bool) -> Self {
        let depthwise = usize::from(expands);
        let part = |part: String| format!("features.{index}.conv.{part}");
        let pair = |place: usize| [0, 1].map(|n| part(format!("{place}.{n}")));
        let mut convolutions: Vec<_> = (0..=depthwise).map(pair).collect();
        let last = depthwise + 1;
        convolutions.push([last, last + 1].map(|n| part(n.to_string())));
        BlockModules {
            convolutions,
            gate: None,
        }
    }
}

impl Cnn {
    /// The names that timm and transformers give to its modules. They are never those of another module here.
    pub fn module_names(&self) -> ModuleNames {
        let mut names = ModuleNames::default();
        match self {
            // timm has torchvision's names, and transformers has no DenseNet.
            Cnn::DenseNet(_) | Cnn::EfficientNetLite => {}
            Cnn::EfficientNet(config) => of_efficientnet(config, &mut names),
            Cnn::MobileNetV2(_) => of_mobilenet_v2(&mut names),
            Cnn::MobileNetV3(config) => of_mobilenet_v3(config, &mut names),
            Cnn::ResNet(config) => of_resnet(config, &mut names),
        }
        names
    }
}

fn of_efficientnet(config: &EfficientNetConfig, names: &mut ModuleNames) {
    names.add_timm_stem();
    let stem = ["convolution", "batchnorm"];
    let stem = stem.map(|part| format!("efficientnet.embeddings.{part}"));
    names.add_pair(stem, "features.0");
    let mut index = 0;
    for (stage, repeats) in config.repeats().into_iter().enumerate() {
        for repeat in 0..repeats {
            let block = format!("features.{}.{repeat}.block", stage + 1);
            let modules = BlockModules::of(&block, stage > 0, true);
            names.add_timm_block(&format!("blocks.{stage}.{repeat}"), &modules);
            add_transformers_block(names, index, &modules);
            index += 1;
        }
    }
    let last = format!("features.{}", config.repeats().len() + 1);
    names.add_pair(["conv_head", "bn2"].map(str::to_owned), &last);
    let top = ["top_conv", "top_bn"].map(|part| format!("efficientnet.encoder.{part}"));
    names.add_pair(top, &last);
    names.add("classifier", efficientnet::HEAD);
}

/// A block of transformers' `EfficientNetEncoder`.
fn add_transformers_block(names: &mut ModuleNames, index: usize, ours: &BlockModules) {
    const PARTS: [[&str; 2]; 3] = [
        ["expansion.expand_conv", "expansion.expand_bn"],
        [
            "depthwise_conv.depthwise_conv",
            "depthwise_conv.depthwise_norm",
        ],
        ["projection.project_conv", "projection.project_bn"],
    ];
    let theirs = |part: &str| format!("efficientnet.encoder.blocks.{index}.{part}");
    let parts = &PARTS[PARTS.len() - ours.convolutions.len()..];
    for (parts, [conv, norm]) in parts.iter().zip(&ours.convolutions) {
        names.add(theirs(parts[0]), conv);
        names.add(theirs(parts[1]), norm);
    }
    if let Some(gate) = &ours.gate {
        names.add(theirs("squeeze_excite.reduce"), format!("{gate}.fc1"));
        names.add(theirs("squeeze_excite.expand"), format!("{gate}.fc2"));
    }
}

fn of_mobilenet_v3(config: &MobileNetV3Config, names: &mut ModuleNames) {
    names.add_timm_stem();
    let blocks = config.blocks();
    let repeats = timm_repeats(blocks.len());
    let places = repeats
        .iter()
        .enumerate()
        .flat_map(|(stage, repeats)| (0..*repeats).map(move |repeat| (stage, repeat)));
    for ((stage, repeat), block) in places.zip(&blocks) {
        let modules = BlockModules::of(&block.name, block.expands(), block.has_gate);
        names.add_timm_block(&format!("blocks.{stage}.{repeat}"), &modules);
    }
    let last = repeats.len();
    let last = ["conv", "bn1"].map(|part| format!("blocks.{last}.0.{part}"));
    names.add_pair(last, &config.last_name());
    names.add("conv_head", mobilenet_v3::HIDDEN);
    names.add("classifier", mobilenet_v3::HEAD);
}

/// Blocks of each stage of timm's MobileNetV3 with this many blocks, large or small.
fn timm_repeats(blocks: usize) -> &'static [usize] {
    if blocks > 11 {
        &[1, 2, 3, 4, 2, 3]
    } else {
        &[1, 2, 3, 2, 3]
    }
}

fn of_mobilenet_v2(names: &mut ModuleNames) {
    const PARTS: [&str; 3] = ["expand_1x1", "conv_3x3", "reduce_1x1"];
    names.add_timm_stem();
    let theirs = |part: &str| {
        ["convolution", "normalization"].map(|kind| format!("mobilenet_v2.{part}.{kind}"))
    };
    names.add_pair(theirs("conv_stem.first_conv"), "features.0");
    let mut index = 1;
    for (stage, (expansion, _, repeats, _)) in STAGES.into_iter().enumerate() {
        for repeat in 0..repeats {
            let modules = BlockModules::of_mobilenet_v2(index, expansion != 1);
            names.add_timm_block(&format!("blocks.{stage}.{repeat}"), &modules);
            // transformers counts the block that does not expand as a part of the stem.
            let (block, parts): (String, &[&str]) = match index {
                1 => ("conv_stem".to_owned(), &PARTS[1..]),
                n => (format!("layer.{}", n - 2), &PARTS[..]),
            };
            for (part, [conv, norm]) in parts.iter().zip(&modules.convolutions) {
                let [their_conv, their_norm] = theirs(&format!("{block}.{part}"));
                names.add(their_conv, conv);
                names.add(their_norm, norm);
            }
            index += 1;
        }
    }
    let last = format!("features.{index}");
    names.add_pair(["conv_head", "bn2"].map(str::to_owned), &last);
    names.add_pair(theirs("conv_1x1"), &last);
    names.add("classifier", mobilenet::HEAD);
}

/// timm has torchvision's names.
fn of_resnet(config: &ResNetConfig, names: &mut ModuleNames) {
    let kinds = ["convolution", "normalization"];
    let embedder = |kind: &str| format!("resnet.embedder.embedder.{kind}");
    names.add(embedder(kinds[0]), "conv1");
    names.add(embedder(kinds[1]), "bn1");
    for (stage, depth) in config.depths().into_iter().enumerate() {
        for block in 0..depth {
            let theirs = format!("resnet.encoder.stages.{stage}.layers.{block}");
            let ours = format!("layer{}.{block}", stage + 1);
            for n in 0..config.convolutions_in_block() {
                let [conv, norm] = kinds.map(|kind| format!("{theirs}.layer.{n}.{kind}"));
                names.add(conv, format!("{ours}.conv{}", n + 1));
                names.add(norm, format!("{ours}.bn{}", n + 1));
            }
            let shortcut = kinds.map(|kind| format!("{theirs}.shortcut.{kind}"));
            names.add_pair(shortcut, &format!("{ours}.downsample"));
        }
    }
    names.add("classifier.1", resnet::HEAD);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::NetworkSettings;

    fn names(architecture: &str) -> ModuleNames {
        let cnn = Cnn::of(architecture, &NetworkSettings::default());
        cnn.unwrap().unwrap().module_names()
    }

    /// Names from the `state_dict` of timm 1.0.31 and transformers 5.24.0.
    #[test]
    fn each_librarys_name_is_torchvisions() {
        for (architecture, theirs, ours) in [
            ("efficientnet_b0", "conv_stem.weight", "features.0.0.weight"),
            (
                "efficientnet_b0",
                "blocks.0.0.conv_pw.weight",
                "features.1.0.block.2.0.weight",
            ),
            (
                "efficientnet_b4",
                "blocks.0.1.bn2.running_mean",
                "features.1.1.block.2.1.running_mean",
            ),
            (
                "efficientnet_b0",
                "blocks.1.0.se.conv_reduce.bias",
                "features.2.0.block.2.fc1.bias",
            ),
            ("efficientnet_b0", "bn2.bias", "features.8.1.bias"),
            ("efficientnet_b0", "classifier.bias", "classifier.1.bias"),
            (
                "efficientnet_b0",
                "efficientnet.encoder.blocks.1.expansion.expand_bn.weight",
                "features.2.0.block.0.1.weight",
            ),
            (
                "efficientnet_b1",
                "efficientnet.encoder.blocks.2.projection.project_conv.weight",
                "features.2.0.block.3.0.weight",
            ),
            (
                "efficientnet_b0",
                "efficientnet.encoder.blocks.0.squeeze_excite.expand.weight",
                "features.1.0.block.1.fc2.weight",
            ),
            (
                "mobilenet_v3_large",
                "blocks.2.0.se.conv_expand.weight",
                "features.4.block.2.fc2.weight",
            ),
            (
                "mobilenet_v3_small",
                "blocks.0.0.conv_pw.weight",
                "features.1.block.2.0.weight",
            ),
            (
                "mobilenet_v3_large",
                "blocks.6.0.bn1.weight",
                "features.16.1.weight",
            ),
            (
                "mobilenet_v3_small",
                "blocks.5.0.conv.weight",
                "features.12.0.weight",
            ),
            (
                "mobilenet_v3_small",
                "classifier.weight",
                "classifier.3.weight",
            ),
            (
                "mobilenet-v2",
                "blocks.6.0.conv_pwl.weight",
                "features.17.conv.2.weight",
            ),
            (
                "mobilenet-v2",
                "mobilenet_v2.layer.0.expand_1x1.normalization.bias",
                "features.2.conv.0.1.bias",
            ),
            (
                "mobilenet-v2",
                "mobilenet_v2.conv_stem.reduce_1x1.convolution.weight",
                "features.1.conv.1.weight",
            ),
            (
                "resnet50",
                "resnet.encoder.stages.1.layers.0.shortcut.normalization.running_var",
                "layer2.0.downsample.1.running_var",
            ),
            (
                "resnet18",
                "resnet.encoder.stages.3.layers.1.layer.1.convolution.weight",
                "layer4.1.conv2.weight",
            ),
            ("resnet34", "classifier.1.bias", "fc.bias"),
            (
                "resnet34",
                "timm_model.layer1.0.conv1.weight",
                "layer1.0.conv1.weight",
            ),
            ("resnet34", "module.model.fc.weight", "fc.weight"),
            (
                "densenet121",
                "features.conv0.weight",
                "features.conv0.weight",
            ),
            // What is of no library stays, and is refused by its name.
            ("resnet34", "aux.weight", "aux.weight"),
            ("efficientnet_b0", "weight", "weight"),
        ] {
            let (found, shape) = names(architecture).canonical(theirs, &[7]);
            assert_eq!(found, ours, "{theirs}");
            assert_eq!(shape, [7], "{theirs}");
        }
    }

    #[test]
    fn a_convolution_of_one_pixel_is_a_linear_layer_where_torchvision_has_one() {
        let names = names("mobilenet_v3_large");
        let linear = names.canonical("conv_head.weight", &[1280, 960, 1, 1]);
        assert_eq!(linear, ("classifier.0.weight".to_owned(), vec![1280, 960]));
        let (_, other) = names.canonical("conv_stem.weight", &[16, 3, 1, 1]);
        assert_eq!(other, [16, 3, 1, 1]);
        let (_, odd) = names.canonical("conv_head.weight", &[1280, 960, 3, 3]);
        assert_eq!(odd, [1280, 960, 3, 3]);
    }

    /// A checkpoint of torchvision is as it was.
    #[test]
    fn names_of_torchvision_stay_as_they_are() {
        for architecture in [
            "efficientnet_b1",
            "mobilenet-v2",
            "mobilenet_v3_small",
            "resnet50",
        ] {
            let cnn = Cnn::of(architecture, &NetworkSettings::default());
            let cnn = cnn.unwrap().unwrap();
            let names = cnn.module_names();
            for (name, shape) in cnn.shapes(3, 4).unwrap().0 {
                assert_eq!(names.canonical(&name, &shape), (name, shape));
            }
        }
    }
}
