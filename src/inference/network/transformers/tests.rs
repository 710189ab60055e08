//! Configs, and what they ask a file for. What networks compute is tested with
//! [`TokenTrunk`](crate::inference::network::token_trunk::TokenTrunk).

use std::cell::RefCell;
use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use super::*;
use crate::inference::network::token_layers::LinearWeights;

/// Notes what is asked for, and gives zeros.
#[derive(Default)]
struct AskedFor(RefCell<BTreeMap<String, Vec<usize>>>);

impl WeightSource for AskedFor {
    fn get(&self, name: &str, shape: &[usize]) -> Described<Tensor> {
        let mut asked = self.0.borrow_mut();
        let before = asked.insert(name.to_owned(), shape.to_owned());
        assert_eq!(before, None, "{name} is asked for twice");
        Ok(Tensor::zeros(shape, DType::F32, &Device::Cpu)?)
    }
}

fn config(architecture: &str, settings: &NetworkSettings) -> TransformerConfig {
    let config = TransformerConfig::of(architecture, settings).unwrap();
    config.unwrap_or_else(|| panic!("{architecture} is unknown"))
}

fn none() -> NetworkSettings {
    NetworkSettings::default()
}

/// ```python
/// model = CLASSES[architecture][1](CLASSES[architecture][0](num_labels=5))
/// sum(p.numel() for name, p in model.named_parameters() if not name.endswith("mask_token"))
/// ```
#[test]
fn by_default_a_network_has_the_parameters_of_the_original() {
    for (architecture, expected) in [
        ("vit", 85_802_501),
        ("deit", 85_804_037),
        ("dinov2", 85_732_613),
        ("dinov2-registers", 85_827_845),
        ("swin", 27_523_199),
        ("convnext", 27_823_973),
        ("convnextv2", 27_870_341),
    ] {
        let shapes = config(architecture, &none()).shapes(3, 5).0;
        let size = |shape: &Vec<usize>| shape.iter().product::<usize>();
        let count: usize = shapes.values().map(size).sum();
        assert_eq!(count, expected, "{architecture}");
    }
    let other = TransformerConfig::of("resnet50", &none());
    assert_eq!(other, Ok(None));
}

#[test]
fn the_steps_ask_for_the_tensors_that_the_shapes_name() {
    let vit = none().with("hidden_size", 8).with("num_attention_heads", 2);
    let vit = vit.with("num_hidden_layers", 2).with("image_size", 32);
    let dino = vit.clone().with("patch_size", 8);
    let scaled = vit.clone().with("layer_scale_init_value", 1e-5);
    let deit_3 = scaled.clone().with("no_embed_class", true);
    let swin = none().with("embed_dim", 4).with("depths", vec![1, 2]);
    let swin = swin.with("num_heads", vec![1, 2]).with("window_size", 3);
    let convnext = none()
        .with("hidden_sizes", vec![4, 6])
        .with("num_stages", 2);
    let convnext = convnext.with("depths", vec![2, 1]);
    for (architecture, settings) in [
        ("vit", vit.clone().with("qkv_bias", false)),
        ("deit", vit),
        ("vit", scaled),
        ("vit-average", deit_3.clone()),
        ("deit", deit_3),
        ("dinov2", dino.clone().with("use_swiglu_ffn", true)),
        ("dinov2", dino.clone()),
        ("dinov2-registers", dino),
        ("swin", swin),
        ("convnext", convnext.clone()),
        (
            "convnext",
            convnext.clone().with("layer_scale_init_value", 0),
        ),
        ("convnextv2", convnext),
    ] {
        let (config, asked) = (config(architecture, &settings), AskedFor::default());
        let image = ImageShape {
            channels: 1,
            side: 32,
        };
        let mut steps = 0;
        let mut count = |_: TokenStep| {
            steps += 1;
            Ok(())
        };
        config.describe(&asked, image, &mut count).unwrap();
        assert!(steps > 3, "{architecture}: {steps}");
        let mut named = config.shapes(1, 5).0;
        let [weight, bias] = CLASSIFIER;
        assert_eq!(named.remove(weight), Some(vec![5, config.features()]));
        assert_eq!(named.remove(bias), Some(vec![5]));
        assert_eq!(asked.0.into_inner(), named, "{architecture}");
    }
}

/// Numbers that differ from tensor to tensor and within each.
struct Numbered;

impl WeightSource for Numbered {
    fn get(&self, name: &str, shape: &[usize]) -> Described<Tensor> {
        let size: usize = shape.iter().product();
        let values = (0..size).map(|n| ((n + name.len()) % 17) as f32 / 8.0 - 1.0);
        Ok(Tensor::from_vec(values.collect(), shape, &Device::Cpu)?)
    }
}

/// The layers that end the branches of a ViT of two layers with these settings.
fn ends(settings: NetworkSettings) -> Vec<LinearWeights> {
    let settings = settings
        .with("hidden_size", 8)
        .with("num_attention_heads", 2)
        .with("num_hidden_layers", 2)
        .with("image_size", 32);
    let image = ImageShape {
        channels: 1,
        side: 32,
    };
    let mut ends = Vec::new();
    let mut sink = |step: TokenStep| {
        match step {
            TokenStep::Attention(attention) => ends.push(attention.output),
            TokenStep::Mlp(mlp) => ends.push(mlp.down),
            TokenStep::Patches(_) | TokenStep::Merge(_) => {}
        }
        Ok(())
    };
    let described = config("vit", &settings).describe(&Numbered, image, &mut sink);
    described.unwrap();
    ends
}

/// `x · weightᵀ + bias`
fn outputs(linear: &LinearWeights, x: &Tensor) -> Tensor {
    let y = x.matmul(&linear.weight.t().unwrap()).unwrap();
    y.broadcast_add(linear.bias.as_ref().unwrap()).unwrap()
}

#[test]
fn factors_in_the_weights_give_the_outputs_times_the_factors() {
    let scaled = ends(none().with("layer_scale_init_value", 1e-5));
    let plain = ends(none());
    assert_eq!((scaled.len(), plain.len()), (4, 4));
    let factors = ["layer_scale1", "layer_scale2"];
    let places = (0..2).flat_map(|layer| factors.map(|factor| (layer, factor)));
    for ((layer, factor), (scaled, plain)) in places.zip(scaled.iter().zip(&plain)) {
        let name = format!("vit.encoder.layer.{layer}.{factor}.lambda1");
        let factors = Numbered.get(&name, &[8]).unwrap();
        let input = plain.weight.dim(1).unwrap();
        let x = Numbered.get("x", &[3, input]).unwrap();
        let expected = outputs(plain, &x).broadcast_mul(&factors).unwrap();
        let difference = (outputs(scaled, &x) - &expected).unwrap().abs().unwrap();
        let worst = difference.max_all().unwrap().to_scalar::<f32>().unwrap();
        let largest = expected.abs().unwrap().max_all().unwrap();
        let largest = largest.to_scalar::<f32>().unwrap();
        assert!(worst < 1e-5 * largest, "{name}: {worst} of {largest}");
        assert!(largest > 1.0, "{name}");
    }
}

#[test]
fn a_config_that_no_network_has_is_an_error_that_names_the_key() {
    let error = |architecture: &str, settings: NetworkSettings| {
        let config = TransformerConfig::of(architecture, &settings);
        config.unwrap_err().to_string()
    };
    for (architecture, key, value, words) in [
        (
            "vit",
            "hidden_size",
            1 << 20,
            "hidden_size is 1048576, not from 1 to 8192",
        ),
        ("vit", "hidden_size", 0, "hidden_size is 0"),
        (
            "vit",
            "num_attention_heads",
            7,
            "num_attention_heads does not divide hidden_size",
        ),
        ("vit", "num_hidden_layers", 1 << 30, "num_hidden_layers is"),
        ("deit", "patch_size", 1000, "patch_size is 1000"),
        (
            "vit",
            "image_size",
            8,
            "image_size has too few or too many patches",
        ),
        (
            "vit",
            "patch_size",
            2,
            "image_size has too few or too many patches",
        ),
        (
            "vit",
            "layer_scale_init_value",
            2000,
            "layer_scale_init_value is 2000",
        ),
        (
            "vit",
            "no_embed_class",
            1,
            "no_embed_class is a whole number",
        ),
        ("dinov2", "mlp_ratio", 1000, "mlp_ratio is 1000"),
        (
            "dinov2-registers",
            "num_register_tokens",
            1000,
            "num_register_tokens is 1000",
        ),
        (
            "swin",
            "embed_dim",
            100,
            "num_heads does not divide the channels",
        ),
        ("swin", "window_size", 33, "window_size is 33"),
        ("swin", "depths", 2, "depths is a whole number, not a list"),
        (
            "convnext",
            "num_stages",
            3,
            "hidden_sizes has another length than num_stages",
        ),
    ] {
        let error = error(architecture, none().with(key, value));
        assert!(error.contains(words), "{error}");
    }
    let many = none()
        .with("window_size", 32)
        .with("depths", vec![99, 99, 99, 99]);
    assert!(error("swin", many).starts_with("window_size makes more position biases"));
    let long = none()
        .with("depths", vec![1; 9])
        .with("num_heads", vec![1; 9]);
    assert!(error("swin", long).starts_with("depths has more or fewer stages"));
    let uneven = none().with("num_heads", vec![3, 6]);
    assert!(error("swin", uneven).starts_with("num_heads has another length"));
    let absolute = none().with("use_absolute_embeddings", true);
    assert!(error("swin", absolute).starts_with("use_absolute_embeddings is true"));
    let oblong = none().with("image_size", vec![224, 256]);
    assert!(error("vit", oblong).starts_with("image_size is no square"));
    let other = none().with("hidden_act", "mish");
    assert!(error("vit", other).starts_with("hidden_act is \"mish\""));
    let square = none().with("image_size", vec![64, 64]);
    assert_eq!(
        config("vit", &square),
        config("vit", &none().with("image_size", 64))
    );
}

#[test]
fn tensors_that_no_answer_depends_on_may_be_there() {
    for (architecture, name, expected) in [
        ("vit", "vit.pooler.dense.weight", true),
        ("vit", "vit.embeddings.mask_token", true),
        ("vit", "deit.pooler.dense.weight", false),
        ("vit", "vit.layernorm.weight", false),
        ("deit", "deit.pooler.dense.bias", true),
        ("dinov2", "dinov2.embeddings.mask_token", true),
        (
            "dinov2-registers",
            "dinov2_with_registers.embeddings.mask_token",
            true,
        ),
        ("dinov2", "dinov2.pooler.dense.bias", false),
        (
            "swin",
            "swin.encoder.layers.0.blocks.1.attention.self.relative_position_index",
            true,
        ),
        ("swin", "layers.1.blocks.1.attn_mask", true),
        ("swin", "swin.layernorm.bias", false),
        ("convnext", "convnext.layernorm.bias", false),
    ] {
        let is_unread = config(architecture, &none()).is_unread(name);
        assert_eq!(is_unread, expected, "{architecture}: {name}");
    }
}

#[test]
fn an_image_that_is_too_small_or_too_large_is_an_error() {
    let error = |architecture: &str, side: usize| {
        let settings = none().with("hidden_size", 12).with("num_hidden_layers", 1);
        let config = config(architecture, &settings);
        let image = ImageShape { channels: 3, side };
        let described = config.describe(&AskedFor::default(), image, &mut |_| Ok(()));
        described.err().expect("an error").to_string()
    };
    assert!(error("vit", 15).contains("15 × 15 pixels become 0 × 0 tokens"));
    assert!(error("vit", 16 * 65).contains("become 65 × 65 tokens, not from 1 to 64"));
    assert!(error("convnext", 31).contains("become 0 × 0 tokens"));
    // 200 / 4 = 50, 25, 13 and 7 rows are enough for windows of 7; 190 are not.
    let small = error("swin", 190);
    assert!(small.contains("stage 3 has 6 × 6 tokens"), "{small}");
}

#[test]
fn a_rollout_takes_no_more_memory_than_is_sensible() {
    let of = |layers: i64, side| {
        let settings = none().with("num_hidden_layers", layers);
        config("vit", &settings).has_rollout(side)
    };
    assert!(of(12, 224));
    assert!(of(24, 512));
    assert!(!of(12, 16 * 60));
    assert!(!of(12, 10));
    assert!(!config("swin", &none()).has_rollout(224));
}
