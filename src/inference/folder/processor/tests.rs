//! What files of settings become, step by step, and why others are refused.

use super::super::json::object;
use super::*;

const FILE: &str = "preprocessor_config.json";

/// The digest text of the recipe of these files, without its first line.
fn text_of(settings: &str, config: &str, channels: usize) -> Result<Vec<String>, String> {
    let (settings, config) = (
        object(FILE, settings).unwrap(),
        object("config.json", config).unwrap(),
    );
    let (settings, config) = (
        JsonMembers::new(FILE, &settings),
        JsonMembers::new("config.json", &config),
    );
    let recipe = recipe(&settings, &config, channels).map_err(|error| error.to_string())?;
    recipe.check().map_err(|fault| fault.to_string())?;
    Ok(recipe
        .digest_text()
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect())
}

const VIT: &str = r#"{"model_type": "vit", "transformers_version": "4.30.2"}"#;

#[test]
fn a_vit_is_squeezed_rescaled_and_normalised() {
    let settings = r#"{"do_normalize": true, "do_rescale": true, "do_resize": true,
        "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "ViTImageProcessor",
        "image_std": [0.5, 0.5, 0.5], "resample": 2, "rescale_factor": 0.00392156862745098,
        "size": {"height": 224, "width": 224}}"#;
    let expected = [
        "film window bytes rgb 3",
        "resize square 224 pillow-bilinear",
        "scale 0.00392156862745098 0",
        "normalise 0.5,0.5,0.5 0.5,0.5,0.5",
    ];
    assert_eq!(text_of(settings, VIT, 3).unwrap(), expected);
    // Without the file, it is what the class does by default; as an older version has it, too.
    assert_eq!(text_of("{}", VIT, 3).unwrap(), expected);
    let old = r#"{"feature_extractor_type": "ViTFeatureExtractor", "do_resize": true, "size": 224,
        "resample": 2, "do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#;
    assert_eq!(text_of(old, VIT, 3).unwrap(), expected);
}

#[test]
fn the_library_is_that_of_the_version_that_saved_the_folder() {
    let of = |settings: &str, version: &str| {
        let config = format!(r#"{{"model_type": "vit", "transformers_version": "{version}"}}"#);
        text_of(settings, &config, 3).unwrap()[1].clone()
    };
    let fast = r#"{"image_processor_type": "ViTImageProcessorFast"}"#;
    assert_eq!(of("{}", "4.57.3"), "resize square 224 pillow-bilinear");
    assert_eq!(
        of("{}", "5.0.0.dev0"),
        "resize square 224 torchvision-bilinear"
    );
    assert_eq!(of(fast, "4.57.3"), "resize square 224 torchvision-bilinear");
    let none = text_of("{}", r#"{"model_type": "vit"}"#, 3).unwrap();
    assert_eq!(none[1], "resize square 224 pillow-bilinear");
}

#[test]
fn dinov2_is_cropped_from_its_shorter_side() {
    let config = r#"{"model_type": "dinov2", "transformers_version": "4.57.3"}"#;
    let settings = r#"{"crop_size": {"height": 518, "width": 518}, "do_center_crop": true,
        "do_convert_rgb": true, "image_mean": [0.5307, 0.5307, 0.5307], "image_std": [0.2583, 0.2583, 0.2583],
        "image_processor_type": "BitImageProcessor", "resample": 3, "size": {"shortest_edge": 518}}"#;
    assert_eq!(
        text_of(settings, config, 3).unwrap(),
        [
            "film window bytes rgb 3",
            "resize short 518 down pillow-bicubic",
            "crop centre 518 transformers-pil 0",
            "scale 0.00392156862745098 0",
            "normalise 0.5307,0.5307,0.5307 0.2583,0.2583,0.2583",
        ]
    );
    let bare = text_of("{}", config, 3).unwrap();
    assert_eq!(bare[1], "resize short 224 down pillow-bicubic");
    assert!(bare[4].starts_with("normalise 0.48145466,0.4578275,0.40821073 "));
}

#[test]
fn deit_and_convnext_crop_as_their_classes_do() {
    let deit = text_of("{}", r#"{"model_type": "deit"}"#, 3).unwrap();
    assert_eq!(
        deit[1..3],
        [
            "resize square 256 pillow-bicubic",
            "crop centre 224 transformers-pil 0"
        ]
    );
    let convnext = |settings: &str, version: &str| {
        let config =
            format!(r#"{{"model_type": "convnext", "transformers_version": "{version}"}}"#);
        text_of(settings, &config, 3).unwrap()
    };
    let small = r#"{"size": {"shortest_edge": 224}, "crop_pct": 0.95, "resample": 3}"#;
    assert_eq!(
        convnext(small, "4.30.0")[1..3],
        [
            "resize short 235 down pillow-bicubic",
            "crop centre 224 transformers-pil 0"
        ]
    );
    assert_eq!(
        convnext(r#"{"size": 224}"#, "5.1.0")[1..3],
        [
            "resize short 256 down torchvision-bicubic",
            "crop centre 224 transformers 0"
        ]
    );
    assert_eq!(
        convnext("{}", "4.30.0")[1..3],
        [
            "resize square 384 pillow-bilinear",
            "scale 0.00392156862745098 0"
        ]
    );
}

#[test]
fn efficientnet_is_moved_and_normalised_twice_if_its_file_says_so() {
    let config = r#"{"model_type": "efficientnet"}"#;
    let settings = r#"{"size": {"height": 224, "width": 224}, "rescale_offset": true, "rescale_factor": 0.5,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.25, 0.25, 0.25]}"#;
    assert_eq!(
        text_of(settings, config, 3).unwrap()[1..],
        [
            "resize square 224 pillow-nearest",
            "scale 0.5 -1",
            "normalise 0.485,0.456,0.406 0.25,0.25,0.25",
            "normalise 0 0.25,0.25,0.25",
        ]
    );
}

#[test]
fn switches_that_are_off_leave_their_step_out() {
    let off =
        r#"{"do_rescale": false, "do_normalize": false, "do_center_crop": true, "crop_size": 200}"#;
    // A ViT's processor by Pillow never crops. It ignores what its file says about that.
    assert_eq!(
        text_of(off, VIT, 3).unwrap()[1..],
        ["resize square 224 pillow-bilinear"]
    );
    let fast = off.replacen(
        '{',
        r#"{"image_processor_type": "ViTImageProcessorFast", "#,
        1,
    );
    assert_eq!(
        text_of(&fast, VIT, 3).unwrap()[1..],
        [
            "resize square 224 torchvision-bilinear",
            "crop centre 200 transformers 0"
        ]
    );
    let grey = r#"{"image_mean": 0.5, "image_std": [0.25]}"#;
    assert_eq!(
        text_of(grey, VIT, 1).unwrap(),
        [
            "film window bytes luma 1",
            "resize square 224 pillow-bilinear",
            "scale 0.00392156862745098 0",
            "normalise 0.5 0.25",
        ]
    );
    assert_eq!(text_of("{}", VIT, 1).unwrap()[3], "normalise 0.5 0.5");
}

#[test]
fn what_cannot_be_followed_names_the_key() {
    for (settings, words) in [
        (
            r#"{"image_processor_type": "LevitImageProcessor"}"#,
            "LevitImageProcessor is no image processor",
        ),
        (
            r#"{"auto_map": {"AutoImageProcessor": "x.Y"}}"#,
            "code of its own",
        ),
        (r#"{"do_pad": true}"#, "do_pad is on"),
        (
            r#"{"resample": 9}"#,
            "resample is 9, none of Pillow's filters",
        ),
        (r#"{"resample": "bicubic"}"#, "resample is \"bicubic\""),
        (
            r#"{"size": {"height": 224, "width": 256}}"#,
            "size is {\"height\":224,\"width\":256}",
        ),
        (
            r#"{"size": {"shortest_edge": 224, "longest_edge": 300}}"#,
            "nor its shortest_edge alone",
        ),
        (
            r#"{"size": [224, 256]}"#,
            "size is [224,256], not the side of a square",
        ),
        (r#"{"size": "224"}"#, "size is \"224\""),
        (
            r#"{"do_resize": "yes"}"#,
            "do_resize is \"yes\", not true or false",
        ),
        (r#"{"image_mean": ["a"]}"#, "image_mean is [\"a\"]"),
        // The recipe's own checks.
        (r#"{"do_resize": false}"#, "not a square of one size"),
        (r#"{"size": 1000000}"#, "size is 1000000"),
        (r#"{"image_std": [0, 1, 1]}"#, "deviation is 0, not above 0"),
        (r#"{"image_mean": [0.5, 0.5]}"#, "mean has 2 numbers"),
    ] {
        let error = text_of(settings, VIT, 3).unwrap_err();
        assert!(error.contains(words), "{settings}: {error}");
    }
    let error = text_of(
        "{}",
        r#"{"model_type": "vit", "transformers_version": "x"}"#,
        3,
    )
    .unwrap_err();
    assert!(
        error.contains("config.json: transformers_version"),
        "{error}"
    );
    let none = text_of("{}", r#"{"model_type": "levit"}"#, 3).unwrap_err();
    assert!(none.contains("names no image processor"), "{none}");
}
