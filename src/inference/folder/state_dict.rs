//! Weights alone, as `torch.save(model.state_dict(), …)` writes them: the user names the network, the labels and what is
//! done to an image.

use super::described::DescribedNetwork;
use super::json::FolderError;
use super::names::ReadTensors;
use super::{
    FolderPlan, LABELS, PREPROCESS, WEIGHTS, refuse_padding, side_of, timm_network,
    torchvision_network,
};
use crate::domain::{PreprocessRecipe, RecipeInput};
use crate::inference::network::wrapped_names::unwrapped;
use crate::inference::outputs::{NetworkOutputs, ScoreFunction, by_count};
use crate::inference::tensor_file::NamedTensors;

/// What the user typed.
const NETWORK: &str = "--as";

/// What a user says of weights.
#[derive(Debug, Clone)]
pub struct StateDictOptions {
    /// The name of the network in torchvision or timm.
    pub network: String,
    /// The names of the outputs, in the order of the rows.
    pub labels: Vec<String>,
    /// `None` for a softmax, unless there is one output.
    pub scores: Option<ScoreFunction>,
    pub recipe: PreprocessRecipe,
}

/// Whether torchvision or timm calls a network so that cxr has.
pub fn is_named_network(name: &str) -> bool {
    torchvision_network::is_known(name) || timm_network::is_known(name)
}

/// The names of these networks, for messages.
pub fn named_networks() -> String {
    format!(
        "{} of torchvision; timm's names of these networks, and of its vit, deit, deit3, swin, convnext and convnextv2",
        torchvision_network::names().join(", ")
    )
}

impl FolderPlan {
    /// The model that a user says these weights are.
    ///
    /// # Errors
    /// One line that names the option, if the network is none that cxr has or has other tensors than these, takes other
    /// images than the recipe makes, or the labels cannot be used.
    pub fn of_state_dict(
        tensors: &NamedTensors,
        options: &StateDictOptions,
    ) -> Result<Self, FolderError> {
        let input = options.recipe.check();
        let input =
            input.map_err(|fault| FolderError::new(PREPROCESS, &fault.to_string()).mendable())?;
        let of_network = |reason: &str| FolderError::new(NETWORK, reason).mendable();
        let mut network =
            network_of(&options.network, tensors, input).map_err(|reason| of_network(&reason))?;
        let read = ReadTensors::of_state_dict(&network).map_err(|reason| of_network(&reason))?;
        if let Some(channels) = read.channels_of(tensors) {
            network.channels = channels;
        }
        let side = side_of(&network, &options.recipe, PREPROCESS).map_err(FolderError::mendable)?;
        refuse_padding(&network, &read, side, PREPROCESS)?;
        let scores = options.scores;
        let scores = scores.unwrap_or_else(|| by_count(options.labels.len()));
        let outputs = NetworkOutputs::new(&options.labels, scores)
            .map_err(|reason| FolderError::new(LABELS, &reason).mendable())?;
        Ok(FolderPlan {
            read,
            network,
            outputs,
            recipe: options.recipe.clone(),
            side,
            has_own_labels: true,
            is_state_dict: true,
        })
    }
}

/// Whose names tensors have, by one of the first layers; the convolutional networks of both libraries that are not here
/// have the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TensorOrigin {
    Either,
    Torchvision,
    Timm,
    Transformers,
}

impl TensorOrigin {
    fn of(tensors: &NamedTensors) -> Self {
        // Of all vision transformers of transformers.
        const EMBEDDINGS: &str = ".embeddings.patch_embeddings.";
        const KNOWN: [(&str, TensorOrigin); 8] = [
            ("features.0.0.weight", TensorOrigin::Torchvision),
            ("conv_proj.weight", TensorOrigin::Torchvision),
            ("conv_stem.weight", TensorOrigin::Timm),
            ("stem.0.weight", TensorOrigin::Timm),
            ("patch_embed.proj.weight", TensorOrigin::Timm),
            (
                "resnet.embedder.embedder.convolution.weight",
                TensorOrigin::Transformers,
            ),
            (
                "efficientnet.embeddings.convolution.weight",
                TensorOrigin::Transformers,
            ),
            (
                "mobilenet_v2.conv_stem.first_conv.convolution.weight",
                TensorOrigin::Transformers,
            ),
        ];
        let of_name = |name: &String| {
            let name = unwrapped(name);
            if name.contains(EMBEDDINGS) {
                return Some(TensorOrigin::Transformers);
            }
            let mut known = KNOWN.iter();
            known.find(|(of, _)| *of == name).map(|(_, origin)| *origin)
        };
        tensors
            .keys()
            .find_map(of_name)
            .unwrap_or(TensorOrigin::Either)
    }
}

/// The network of this name with tensors of these names. Where torchvision and timm differ in a network, the names of the
/// tensors decide between the two.
fn network_of(
    name: &str,
    tensors: &NamedTensors,
    input: RecipeInput,
) -> Result<DescribedNetwork, String> {
    let origin = TensorOrigin::of(tensors);
    let of_torchvision = torchvision_network::by_name(name, input.channels, input.side);
    let of_timm = timm_network::by_name(name, input.channels, input.side);
    let is_known = of_torchvision.is_some() || of_timm.is_some();
    if origin == TensorOrigin::Transformers {
        return Err(format!(
            "{WEIGHTS} have transformers' names, and its config.json says how they are computed: import the folder"
        ));
    }
    let described = match (of_torchvision, of_timm) {
        (Some(known), _) if origin != TensorOrigin::Timm => Some(known?),
        (_, Some(known)) if origin != TensorOrigin::Torchvision => Some(known?),
        _ => None,
    };
    match (described, origin) {
        (Some(described), _) => Ok(described),
        (None, TensorOrigin::Timm) if is_known => Err(format!(
            "{WEIGHTS} have timm's names: say the name that timm has for the network, not {name}"
        )),
        (None, TensorOrigin::Torchvision) if is_known => Err(format!(
            "{WEIGHTS} have torchvision's names: say the name that torchvision has for the network, not {name}"
        )),
        (None, _) => Err(format!("{name} is no network that cxr has")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FolderOptions, FolderTexts};
    use super::*;
    use crate::inference::card::parse_card;
    use crate::inference::family_recipe;
    use crate::inference::network::cnn::{Cnn, of_torchvision};

    const NETWORK: &str = "mobilenet_v3_small";
    const IN_TIMM: &str = "mobilenetv3_small_100";

    fn options(network: &str) -> StateDictOptions {
        StateDictOptions {
            network: network.to_owned(),
            labels: ["normal", "tb"].map(str::to_owned).into(),
            scores: None,
            recipe: family_recipe("imagenet-224-1").unwrap(),
        }
    }

    fn cnn(network: &str) -> Cnn {
        let known = of_torchvision(network).unwrap();
        let cnn = Cnn::of(known.architecture, &known.settings);
        cnn.unwrap().unwrap()
    }

    /// All tensors of a network with two outputs, under torchvision's names, with numbers from 0 to 1.
    fn tensors(network: &str) -> NamedTensors {
        let mut state = 20_261_119_u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        let mut filled = |(name, shape): (String, Vec<usize>)| {
            let size: usize = shape.iter().product();
            let values = (0..size).map(|_| number()).collect();
            (name, (shape, values))
        };
        let shapes = cnn(network).shapes(3, 2).unwrap().0;
        shapes.into_iter().map(&mut filled).collect()
    }

    /// The same under timm's names.
    fn in_timm(tensors: &NamedTensors) -> NamedTensors {
        let names = cnn(NETWORK).module_names();
        let renamed = tensors.iter().map(|(name, tensor)| {
            let (module, parameter) = name.rsplit_once('.').unwrap();
            let module = names.theirs(module, false);
            (format!("{module}.{parameter}"), tensor.clone())
        });
        renamed.collect()
    }

    fn imported(
        tensors: NamedTensors,
        options: &StateDictOptions,
    ) -> Result<(Vec<u8>, String), FolderError> {
        let files = [("net.pth".to_owned(), "ab".repeat(32))];
        FolderPlan::of_state_dict(&tensors, options)?.assemble(tensors, &files, "net")
    }

    #[test]
    fn a_state_dict_is_the_model_of_a_folder_with_the_same_values() {
        let made = tensors(NETWORK);
        let config =
            r#"{"architecture": "mobilenetv3_small_100", "label_names": ["normal", "tb"]}"#;
        let texts = FolderTexts {
            config,
            preprocessor: None,
            processor: None,
        };
        let folder = FolderPlan::new(&texts, &FolderOptions::default()).unwrap();
        let (expected, of_folder) = folder.assemble(in_timm(&made), &[], "net").unwrap();
        let of_folder = parse_card(&of_folder).unwrap();

        let (weights, card) = imported(made.clone(), &options(NETWORK)).unwrap();
        assert_eq!(weights, expected);
        let card = parse_card(&card).unwrap();
        assert_eq!(card.architecture, of_folder.architecture);
        assert_eq!(card.labels, of_folder.labels);
        assert_eq!((card.network, card.input_size), (None, 224));
        let from =
            "torchvision's mobilenet_v3_small, unchanged, from a state dict (net.pth, SHA-256 abab";
        assert!(card.pretrained.starts_with(from), "{}", card.pretrained);
        assert!(card.licence.ends_with("ask the authors of the file"));

        let (weights, card) = imported(in_timm(&made), &options(IN_TIMM)).unwrap();
        assert_eq!(weights, expected);
        let card = parse_card(&card).unwrap();
        assert_eq!(card.network, of_folder.network);

        // As a module of Lightning that calls its network `net`, and as `DataParallel`.
        for wrapper in ["net.", "module.model."] {
            let wrapped = made.clone().into_iter();
            let wrapped = wrapped.map(|(name, tensor)| (format!("{wrapper}{name}"), tensor));
            let (weights, _) = imported(wrapped.collect(), &options(NETWORK)).unwrap();
            assert_eq!(weights, expected, "{wrapper}");
        }
    }

    #[test]
    fn names_of_the_other_library_are_refused_because_it_computes_otherwise() {
        let made = tensors(NETWORK);
        let error = imported(in_timm(&made), &options(NETWORK)).unwrap_err();
        assert!(error.is_mendable());
        assert_eq!(
            error.to_string(),
            "--as: its weights have timm's names: say the name that timm has for the network, not mobilenet_v3_small"
        );
        let error = imported(made, &options(IN_TIMM)).unwrap_err().to_string();
        assert!(error.contains("have torchvision's names"), "{error}");
        let of_transformers = "resnet.embedder.embedder.convolution.weight".to_owned();
        let one = [(of_transformers, (vec![1], vec![0.0]))].into();
        let error = imported(one, &options("resnet18")).unwrap_err().to_string();
        assert!(
            error.contains("have transformers' names") && error.contains("import the folder"),
            "{error}"
        );
    }

    /// The network that a name stands for, with a tensor of this name in the file.
    fn named(name: &str, tensor: &str) -> Result<String, String> {
        let tensors = [(tensor.to_owned(), (vec![1], vec![0.0]))].into();
        let input = options(NETWORK).recipe.check().unwrap();
        network_of(name, &tensors, input).map(|network| network.class)
    }

    #[test]
    fn the_first_layer_says_whose_names_tensors_have() {
        for (name, tensor, class) in [
            (
                "convnext_tiny",
                "features.0.0.weight",
                "torchvision's convnext_tiny",
            ),
            ("convnext_tiny", "net.stem.0.weight", "timm's convnext_tiny"),
            (
                "vit_b_16",
                "model.conv_proj.weight",
                "torchvision's vit_b_16",
            ),
            ("swin_t", "features.0.0.weight", "torchvision's swin_t"),
            (
                "deit3_small_patch16_224.fb_in1k",
                "patch_embed.proj.weight",
                "timm's deit3_small_patch16_224",
            ),
        ] {
            assert_eq!(named(name, tensor).as_deref(), Ok(class));
        }
        for (name, tensor, words) in [
            ("vit_b_16", "patch_embed.proj.weight", "have timm's names"),
            ("swin_s", "patch_embed.proj.weight", "have timm's names"),
            (
                "vit_base_patch16_224",
                "conv_proj.weight",
                "have torchvision's names",
            ),
            (
                "vit_base_patch16_224",
                "vit.embeddings.patch_embeddings.projection.weight",
                "have transformers' names",
            ),
            (
                "convnext_tiny",
                "model.convnext.embeddings.patch_embeddings.weight",
                "have transformers' names",
            ),
        ] {
            let error = named(name, tensor).unwrap_err();
            assert!(error.contains(words), "{name}: {error}");
        }
    }

    /// As after `model.classifier[3] = nn.Sequential(nn.Dropout(), nn.Linear(1024, 2))`.
    #[test]
    fn a_last_layer_behind_a_dropout_is_the_last_layer() {
        let made = tensors(NETWORK);
        let (expected, _) = imported(made.clone(), &options(NETWORK)).unwrap();
        let within = |place: &str| -> NamedTensors {
            let sequence = format!("classifier.3.{place}.");
            let renamed = made.iter().map(|(name, tensor)| {
                let name = name.replace("classifier.3.", &sequence);
                (name, tensor.clone())
            });
            renamed.collect()
        };
        for place in ["0", "1"] {
            let (weights, _) = imported(within(place), &options(NETWORK)).unwrap();
            assert_eq!(weights, expected, "{place}");
        }
        let mut two = within("1");
        two.insert("classifier.3.0.weight".to_owned(), (vec![1], vec![0.0]));
        for (tensors, left_over) in [
            (
                two,
                "classifier.3.0.weight, classifier.3.1.bias, classifier.3.1.weight",
            ),
            (within("2"), "classifier.3.2.bias, classifier.3.2.weight"),
        ] {
            let error = imported(tensors, &options(NETWORK)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "its weights: not torchvision's mobilenet_v3_small: lacks classifier.3.bias, classifier.3.weight; \
                     has besides {left_over}"
                )
            );
        }
    }

    #[test]
    fn what_does_not_fit_the_weights_is_one_line_that_names_the_option() {
        let made = tensors(NETWORK);
        let mut three = options(NETWORK);
        three.labels.push("other".to_owned());
        let grey = StateDictOptions {
            recipe: family_recipe("xrv-224-1").unwrap(),
            ..options(NETWORK)
        };
        let none = StateDictOptions {
            labels: ["normal", "healthy"].map(str::to_owned).into(),
            ..options(NETWORK)
        };
        for (options, is_mendable, words) in [
            (
                three,
                true,
                "--labels: the network has 2 outputs, and there are 3 labels",
            ),
            (
                grey,
                true,
                "--preprocess: it makes 1 channels, and the network takes 3",
            ),
            (none, true, "--labels: all outputs are of films without"),
            (
                options("mobilenet_v2"),
                false,
                "its weights: not torchvision's mobilenet_v2: lacks ",
            ),
            (
                options("vit_tiny_patch16_224"),
                true,
                "--as: its weights have torchvision's names",
            ),
            (
                options("resnet51"),
                true,
                "--as: resnet51 is no network that cxr has",
            ),
        ] {
            let error = imported(made.clone(), &options).unwrap_err();
            assert_eq!(error.is_mendable(), is_mendable, "{error}");
            assert!(error.to_string().starts_with(words), "{error}");
        }
        let mut odd = made;
        let (_, values) = odd.get_mut("classifier.3.bias").unwrap();
        values[1] = f32::NAN;
        let error = imported(odd, &options(NETWORK)).unwrap_err().to_string();
        assert!(error.contains("a value that is not a number"), "{error}");
    }

    #[test]
    fn names_of_both_libraries_are_known() {
        for name in [
            "resnet34",
            "mobilenet_v2",
            "efficientnet_b4",
            "tf_efficientnet_b0.ns_jft_in1k",
            "mobilenetv2_100",
            "vit_small_patch16_224",
            "convnext_tiny",
            "vit_b_16",
            "swin_t",
            "convnext_large",
            "deit3_small_patch16_224.fb_in22k_ft_in1k",
            "vit_small_patch14_dinov2.lvd142m",
        ] {
            assert!(is_named_network(name), "{name}");
        }
        for name in [
            "resnet",
            "swin_v2_t",
            "vit_h_14",
            "vit_small_patch14_reg4_dinov2",
            "chexnet",
            "",
        ] {
            assert!(!is_named_network(name), "{name}");
        }
        let named = named_networks();
        assert!(named.contains("resnet18, resnet34"));
        assert!(
            named.contains("vit_b_16, vit_b_32") && named.contains("convnext_large of torchvision")
        );
    }
}
