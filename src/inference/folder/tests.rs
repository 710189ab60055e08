//! Whole folders, and every way in which one can be refused.

use super::*;
use crate::inference::Classifier;
use crate::inference::Classify;

const LABELS: &str = r#""id2label": {"0": "NORMAL", "1": "PNEUMONIA"}"#;

/// A ViT of one layer, with these members.
fn vit(more: &str) -> String {
    format!(
        r#"{{"architectures": ["ViTForImageClassification"], "model_type": "vit", "hidden_size": 8,
        "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 32,
        "patch_size": 16, "transformers_version": "4.40.0", "_name_or_path": "x", {more}}}"#
    )
}

const SMALL: &str =
    r#"{"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}"#;

fn plan_with(
    config: &str,
    preprocessor: &str,
    options: &FolderOptions,
) -> Result<FolderPlan, FolderError> {
    let texts = FolderTexts {
        config,
        preprocessor: Some(preprocessor),
        processor: None,
    };
    FolderPlan::new(&texts, options)
}

fn plan(config: &str) -> Result<FolderPlan, FolderError> {
    plan_with(config, SMALL, &FolderOptions::default())
}

/// All tensors of a plan with this many outputs: the rows of the last layer are numbered, variances are 1, and all
/// other numbers are 0.
fn tensors(plan: &FolderPlan, outputs: usize) -> NamedTensors {
    let [_, bias] = plan.read.head;
    let filled = |(name, shape): (String, Vec<usize>)| {
        let size: usize = shape.iter().product();
        let values = if name == bias {
            (0..size).map(|row| row as f32).collect()
        } else if name.ends_with("running_var") {
            vec![1.0; size]
        } else {
            vec![0.0; size]
        };
        (name, (shape, values))
    };
    plan.read.shapes(outputs).into_iter().map(filled).collect()
}

fn files() -> Vec<(String, String)> {
    vec![("model.safetensors".to_owned(), "ab".repeat(32))]
}

fn model(config: &str, options: &FolderOptions) -> Classifier {
    let plan = plan_with(config, SMALL, options).unwrap();
    let tensors = tensors(&plan, plan.outputs.count());
    let (weights, card) = plan.assemble(tensors, &files(), "mine").unwrap();
    Classifier::from_parts(&card, &weights).unwrap()
}

fn names(model: &Classifier) -> Vec<&str> {
    let labels = model.card().labels.iter();
    labels.map(|label| label.name.as_str()).collect()
}

/// The logits of an image. All weights are 0, so that these are the biases.
fn logits(model: &Classifier) -> Vec<f32> {
    model.logits_of_values(vec![0.5; 3 * 32 * 32]).unwrap()
}

#[test]
fn a_folder_becomes_a_model_with_its_settings_and_its_recipe() {
    let model = model(&vit(LABELS), &FolderOptions::default());
    let card = model.card();
    assert_eq!(
        (
            card.name.as_str(),
            card.architecture.as_str(),
            card.input_size
        ),
        ("mine", "vit", 32)
    );
    let settings = card.network.as_ref().unwrap();
    assert_eq!(settings.size("hidden_size", 100), Ok(8));
    assert!(settings.get("_name_or_path").is_none());
    assert!(
        card.preprocess.starts_with("recipe-1-"),
        "{}",
        card.preprocess
    );
    let steps = card.recipe.as_ref().unwrap().step_words();
    assert_eq!(steps[1], "resize to 32 × 32 by pillow-bilinear");
    assert!(
        card.pretrained
            .contains("ViTForImageClassification, unchanged")
    );
    assert!(card.pretrained.contains("model.safetensors, SHA-256 abab"));
    assert!(card.licence.starts_with("not known"));
    assert!(card.labels.iter().all(|label| !card.is_calibrated(label)));
}

/// softmax(0, 1) = 0.731059 for the second class.
#[test]
fn a_softmax_against_normal_is_one_output() {
    let model = model(&vit(LABELS), &FolderOptions::default());
    assert_eq!(
        (names(&model), logits(&model)),
        (vec!["Pneumonia"], vec![1.0])
    );
    let card = model.card();
    assert_eq!((card.softmax.as_ref(), card.output_count()), (None, 1));
    let limits = card.limits.join("\n");
    assert!(
        limits.contains("softmax of PNEUMONIA against NORMAL"),
        "{limits}"
    );
    assert!(limits.contains("Pneumonia is its PNEUMONIA"), "{limits}");
}

#[test]
fn a_softmax_over_more_classes_keeps_those_without_a_finding_last() {
    let four =
        r#""id2label": {"0": "COVID", "1": "NORMAL", "2": "Lung_Opacity", "3": "Viral Pneumonia"}"#;
    let model = model(&vit(four), &FolderOptions::default());
    assert_eq!(
        names(&model),
        ["COVID-19", "Lung Opacity", "Viral pneumonia"]
    );
    assert_eq!(logits(&model), [0.0, 2.0, 3.0, 1.0]);
    let card = model.card();
    assert_eq!(card.softmax.as_ref().unwrap().besides, ["NORMAL"]);
    assert!(card.limits.join("\n").contains("add up to one"));
}

#[test]
fn a_sigmoid_leaves_out_what_is_no_finding() {
    let multi = r#""problem_type": "multi_label_classification",
        "id2label": {"0": "Edema", "1": "No Finding", "2": "Mass"}"#;
    let model = model(&vit(multi), &FolderOptions::default());
    assert_eq!(
        (names(&model), logits(&model)),
        (vec!["Edema", "Mass"], vec![0.0, 2.0])
    );
    let card = model.card();
    assert!(card.softmax.is_none());
    assert!(
        card.limits
            .join("\n")
            .contains("Left out, as it is no finding: No Finding.")
    );
}

#[test]
fn what_the_user_says_goes_before_what_the_folder_says() {
    let options = FolderOptions {
        labels: Some(vec!["A".to_owned(), "B".to_owned()]),
        scores: Some(ScoreFunction::Sigmoid),
        recipe: None,
    };
    let model = model(&vit(LABELS), &options);
    assert_eq!(
        (names(&model), logits(&model)),
        (vec!["A", "B"], vec![0.0, 1.0])
    );
    assert!(model.card().softmax.is_none());

    let recipe = crate::inference::family_recipe("chexnet-224-1").unwrap();
    let options = FolderOptions {
        recipe: Some(recipe),
        ..FolderOptions::default()
    };
    let error = plan_with(&vit(LABELS), SMALL, &options)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "--preprocess: it makes 224 × 224 pixels, and the network takes 32 × 32 (image_size of config.json)"
    );
}

#[test]
fn a_processor_within_a_larger_description_goes_first() {
    let texts = FolderTexts {
        config: &vit(LABELS),
        preprocessor: Some("{}"),
        processor: Some(
            r#"{"image_processor": {"size": 32, "resample": 3}, "processor_class": "X"}"#,
        ),
    };
    let plan = FolderPlan::new(&texts, &FolderOptions::default()).unwrap();
    assert!(
        plan.recipe
            .digest_text()
            .contains("square 32 pillow-bicubic")
    );
}

#[test]
fn a_folder_of_timm_is_read_by_its_architecture() {
    let config = r#"{"architecture": "resnet18.a1_in1k", "num_classes": 2, "label_names": ["normal", "tb"],
        "pretrained_cfg": {"input_size": [3, 64, 64], "crop_pct": 0.9, "interpolation": "bilinear"}}"#;
    let plan = plan_with(config, "{}", &FolderOptions::default()).unwrap();
    let (weights, card) = plan
        .clone()
        .assemble(tensors(&plan, 2), &files(), "r18")
        .unwrap();
    let card = parse_card(&card).unwrap();
    crate::inference::weights::verify(&weights, &card).unwrap();
    assert_eq!(
        (card.architecture.as_str(), card.input_size),
        ("resnet18", 64)
    );
    assert_eq!(card.labels[0].name, "Tuberculosis");
    assert!(
        card.pretrained.contains("timm's resnet18"),
        "{}",
        card.pretrained
    );
}

/// transformers saves a network of timm with what makes scores.
#[test]
fn a_network_of_timm_that_transformers_saved_has_its_problem_type() {
    let plan = |problem: &str| {
        let config = format!(
            r#"{{"architecture": "resnet18", "architectures": ["TimmWrapperForImageClassification"],
            "model_type": "timm_wrapper", "label_names": ["Effusion", "Mass"], "num_classes": 2,
            "problem_type": {problem}, "pretrained_cfg": {{"input_size": [3, 64, 64]}}}}"#
        );
        plan_with(&config, "{}", &FolderOptions::default())
    };
    let scores = |problem: &str| plan(problem).unwrap().outputs.scores;
    assert_eq!(
        scores(r#""multi_label_classification""#),
        ScoreFunction::Sigmoid
    );
    assert_eq!(
        scores(r#""single_label_classification""#),
        ScoreFunction::Softmax
    );
    assert_eq!(scores("null"), ScoreFunction::Softmax);
    let error = plan(r#""regression""#).unwrap_err().to_string();
    assert!(error.contains("problem_type is \"regression\""), "{error}");
}

/// A Swin of timm for images of this side.
fn swin_of_timm(side: usize) -> Result<FolderPlan, FolderError> {
    let config = format!(
        r#"{{"architecture": "swin_tiny_patch4_window7_224", "label_names": ["normal", "tb"],
        "pretrained_cfg": {{"input_size": [3, {side}, {side}]}}}}"#
    );
    plan_with(&config, "{}", &FolderOptions::default())
}

#[test]
fn windows_that_timm_pads_in_its_own_way_are_refused() {
    assert!(swin_of_timm(224).is_ok() && swin_of_timm(448).is_ok());
    for side in [256, 112, 226] {
        let error = swin_of_timm(side).unwrap_err().to_string();
        let start = format!(
            "config.json: its windows do not lie side by side over images of {side} × {side} pixels"
        );
        assert!(
            error.starts_with(&start) && error.contains("timm's swin_tiny_patch4_window7_224 pads"),
            "{error}"
        );
    }
}

#[test]
fn a_transformer_of_timm_takes_images_of_one_size() {
    let config = r#"{"architecture": "vit_tiny_patch16_224", "label_names": ["normal", "tb"],
        "model_args": {"img_size": 384}, "pretrained_cfg": {"input_size": [3, 224, 224]}}"#;
    let error = plan_with(config, "{}", &FolderOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "config.json: it makes 224 × 224 pixels, and the network takes 384 × 384 (img_size of config.json)"
    );
}

#[test]
fn sizes_of_a_timm_network_that_lie_are_refused_by_their_keys() {
    for (arguments, words) in [
        (
            r#""init_values": "small""#,
            "layer_scale_init_value is text",
        ),
        (
            r#""init_values": -0.5"#,
            "layer_scale_init_value is -0.5, not from 0",
        ),
        (r#""no_embed_class": 1"#, "no_embed_class is a whole number"),
        (r#""reg_tokens": 4"#, "model_args has reg_tokens = 4"),
    ] {
        let config = format!(
            r#"{{"architecture": "deit3_small_patch16_224", "label_names": ["normal", "tb"],
            "model_args": {{{arguments}}}, "pretrained_cfg": {{"input_size": [3, 224, 224]}}}}"#
        );
        let error = plan_with(&config, "{}", &FolderOptions::default()).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("config.json: ") && error.contains(words),
            "{error}"
        );
    }
}

#[test]
fn a_config_that_is_not_understood_is_refused_by_name() {
    for (config, words) in [
        ("[]".to_owned(), "config.json: it holds no object"),
        ("{".to_owned(), "config.json: it is no JSON"),
        ("{}".to_owned(), "it names no network"),
        (
            vit(LABELS).replace("ViTForImageClassification", "BeitForImageClassification"),
            "BeitForImageClassification is no network that cxr has",
        ),
        (
            vit(LABELS).replace("[\"ViTForImageClassification\"]", "[\"ViTModel\"]"),
            "ViTModel is a backbone without a classifier",
        ),
        (
            vit(r#""auto_map": {"AutoModelForImageClassification": "model.Mine"}"#),
            "the network is code of its own (auto_map: {\"AutoModelForImageClassification\":\"model.Mine\"})",
        ),
        (
            vit(r#""quantization_config": {"bits": 4}"#),
            "its weights are quantised",
        ),
        (
            vit(LABELS).replace("\"model_type\": \"vit\"", "\"model_type\": \"swin\""),
            "model_type is swin",
        ),
        (vit(r#""num_channels": 4"#), "num_channels is 4, not 1 or 3"),
        // Sizes that lie.
        (
            vit(LABELS).replace("\"hidden_size\": 8", "\"hidden_size\": 1000000000000"),
            "hidden_size is 1000000000000",
        ),
        (
            vit(LABELS).replace("\"hidden_size\": 8", "\"hidden_size\": -8"),
            "hidden_size is -8",
        ),
        (
            vit(LABELS).replace("\"hidden_size\": 8", "\"hidden_size\": \"8\""),
            "hidden_size is text",
        ),
        (
            vit(LABELS).replace("\"num_attention_heads\": 2", "\"num_attention_heads\": 3"),
            "num_attention_heads",
        ),
        (
            vit(LABELS).replace("\"hidden_size\": 8", "\"hidden_size\": {}"),
            "hidden_size is {}, not a setting",
        ),
        (
            vit(r#""problem_type": "single_label_classification""#),
            "it does not name the outputs: name them with --labels",
        ),
        (
            vit(r#""id2label": {"0": "A", "1": "B"}, "problem_type": "regression""#),
            "problem_type is \"regression\"",
        ),
        (
            vit(r#""id2label": {"0": "normal", "1": "healthy"}"#),
            "all outputs are of films without a finding",
        ),
    ] {
        let error = plan(&config).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("config.json: ") && text.contains(words),
            "{text}"
        );
        assert!(
            text.len() < 400 && !text.contains(['\n', '\u{1b}']),
            "{text:?}"
        );
        assert!(error.is_mendable() || !text.contains("--labels"), "{text}");
    }
}

#[test]
fn a_size_that_the_network_does_not_take_is_refused() {
    let larger = SMALL.replace("32", "48");
    let error = plan_with(&vit(LABELS), &larger, &FolderOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "preprocessor_config.json: it makes 48 × 48 pixels, and the network takes 32 × 32 (image_size of config.json)"
    );
}

#[test]
fn weights_of_another_network_are_refused_by_their_tensors() {
    let fault = |change: fn(&mut NamedTensors)| {
        let plan = plan(&vit(LABELS)).unwrap();
        let mut tensors = tensors(&plan, 2);
        change(&mut tensors);
        let error = plan
            .assemble(tensors, &files(), "m")
            .unwrap_err()
            .to_string();
        assert!(
            error.len() < 500 && !error.contains(['\n', '\u{1b}']),
            "{error:?}"
        );
        error
    };
    let lacks = fault(|tensors| _ = tensors.remove("vit.layernorm.bias"));
    assert_eq!(
        lacks,
        "its weights: not a ViTForImageClassification: lacks vit.layernorm.bias"
    );
    let more = fault(|tensors| _ = tensors.insert("extra\u{1b}".to_owned(), (vec![1], vec![0.0])));
    assert!(more.ends_with("has besides extra"), "{more}");
    let shape = fault(|tensors| {
        _ = tensors.insert("vit.layernorm.bias".to_owned(), (vec![9], vec![0.0; 9]))
    });
    assert!(
        shape.contains("vit.layernorm.bias has shape [9], not [8]"),
        "{shape}"
    );
    let torn = fault(|tensors| {
        _ = tensors.insert("vit.layernorm.bias".to_owned(), (vec![8], vec![0.0; 9]))
    });
    assert!(torn.contains("vit.layernorm.bias holds 9 values"), "{torn}");
    let odd = fault(|tensors| tensors.get_mut("vit.layernorm.bias").unwrap().1[3] = f32::NAN);
    assert!(
        odd.contains("vit.layernorm.bias holds a value that is not a number"),
        "{odd}"
    );
    let none = fault(NamedTensors::clear);
    assert!(
        none.contains("lacks classifier.bias") && none.contains("more"),
        "{none}"
    );
}

#[test]
fn tensors_that_no_answer_depends_on_are_left_out() {
    let plan = plan(&vit(LABELS)).unwrap();
    let mut more = tensors(&plan, 2);
    more.insert("vit.pooler.dense.bias".to_owned(), (vec![8], vec![0.0; 8]));
    let with = plan.clone().assemble(more, &files(), "m").unwrap();
    let tensors = tensors(&plan, 2);
    assert_eq!(with, plan.assemble(tensors, &files(), "m").unwrap());
}

#[test]
fn labels_have_to_fit_the_outputs_of_the_weights() {
    let assembled = |options: &FolderOptions, outputs| {
        let plan = plan_with(&vit(LABELS), SMALL, options).unwrap();
        let tensors = tensors(&plan, outputs);
        plan.assemble(tensors, &files(), "m").unwrap_err()
    };
    let error = assembled(&FolderOptions::default(), 3);
    assert!(error.is_mendable());
    assert_eq!(
        error.to_string(),
        "config.json: the network has 3 outputs, and there are 2 labels: name them with --labels"
    );
    let own = |names: &[&str]| FolderOptions {
        labels: Some(names.iter().map(|&name| name.to_owned()).collect()),
        ..FolderOptions::default()
    };
    let error = assembled(&own(&["a", "b", "c"]), 2).to_string();
    assert!(
        error.starts_with("--labels: the network has 2 outputs, and there are 3 labels"),
        "{error}"
    );
    let error = assembled(&own(&["status", "b"]), 2).to_string();
    assert!(
        error.starts_with("--labels: ") && error.contains("column"),
        "{error}"
    );
}

/// The architecture and the settings of a config of this type with these members.
fn described(model_type: &str, more: &str) -> Result<DescribedNetwork, String> {
    let text = format!(r#"{{"model_type": "{model_type}", {more} "id2label": {{"0": "A"}}}}"#);
    let members = object(CONFIG, &text).unwrap();
    let config = JsonMembers::new(CONFIG, &members);
    transformers::described(&config).map_err(|error| error.to_string())
}

#[test]
fn convolutional_networks_of_transformers_have_torchvisions_names() {
    let name = |model_type: &str, more: &str| described(model_type, more).unwrap().architecture;
    assert_eq!(name("resnet", ""), "resnet50");
    let basic =
        r#""layer_type": "basic", "depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512],"#;
    assert_eq!(name("resnet", basic), "resnet18");
    assert_eq!(name("resnet", r#""depths": [3, 4, 23, 3],"#), "resnet101");
    let b2 = r#""width_coefficient": 1.1, "depth_coefficient": 1.2, "image_size": 260,"#;
    assert_eq!(name("efficientnet", b2), "efficientnet_b2");
    assert_eq!(name("mobilenet_v2", ""), "mobilenet-v2");
    for (model_type, more) in [
        ("resnet", r#""depths": [3, 4, 6, 4],"#),
        ("resnet", r#""hidden_sizes": [64, 128, 256, 512],"#),
        ("resnet", r#""hidden_act": "silu","#),
        (
            "efficientnet",
            r#""width_coefficient": 1.05, "depth_coefficient": 1.2,"#,
        ),
        (
            "efficientnet",
            r#""width_coefficient": 1.1, "depth_coefficient": 1.2, "strides": [1, 2, 2, 2, 1, 2, 2],"#,
        ),
        ("mobilenet_v2", r#""depth_multiplier": 1.4,"#),
    ] {
        let error = described(model_type, more).unwrap_err();
        assert!(error.starts_with("config.json: "), "{error}");
    }
}

#[test]
fn what_a_convolutional_network_has_otherwise_is_a_setting() {
    let settings = |model_type: &str, more: &str| described(model_type, more).unwrap().settings;
    assert!(settings("resnet", "").is_empty());
    let first = settings("resnet", r#""downsample_in_bottleneck": true,"#);
    assert_eq!(first.flag("downsample_in_bottleneck"), Ok(true));
    let b0 = r#""width_coefficient": 1.0, "depth_coefficient": 1.0,"#;
    let padded = format!(r#"{b0} "depthwise_padding": [16],"#);
    let padded = settings("efficientnet", &padded);
    assert_eq!(padded.sizes("depthwise_padding", 1, 99), Ok(vec![16]));
    // The default of `EfficientNetConfig`.
    let epsilon = settings("efficientnet", b0).number("batch_norm_eps", 0.0, 1.0);
    assert_eq!(epsilon, Ok(1e-3));
}
