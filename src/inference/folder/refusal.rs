//! Why a class of transformers or a network of timm is not imported, and what would help.

/// What helps with any network that cxr does not have.
const BY_ONNX: &str = "export it to ONNX, and import the .onnx file";

/// The reason against a class, or else a type of model, that cxr has no network for.
pub fn refusal(class: Option<&str>, model_type: Option<&str>) -> String {
    let Some(name) = class.or(model_type) else {
        return "it names no network (architectures, model_type), as a config of transformers does; timm's has an \
                architecture"
            .to_owned();
    };
    let lower = name.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    // The classifiers first: CLIPForImageClassification has labels.
    if lower.ends_with("forimageclassification") || class.is_none() {
        return format!("{name} is no network that cxr has: {BY_ONNX}");
    }
    if has(&["withteacher"]) {
        return format!(
            "{name} has a second classifier for distillation, and cxr has only the first: {BY_ONNX}"
        );
    }
    if has(&[
        "clip",
        "siglip",
        "align",
        "blip",
        "llava",
        "vlm",
        "visiontext",
        "visionencoderdecoder",
    ]) {
        return format!(
            "{name} is for images and text, and has no labels of its own: cxr reads classifiers of images"
        );
    }
    if has(&["maskedimagemodeling", "forpretraining"])
        || lower.ends_with("model")
        || lower.ends_with("backbone")
    {
        return format!(
            "{name} is a backbone without a classifier: train one on it (…ForImageClassification), and import that"
        );
    }
    format!("{name} is no classifier of images")
}

/// The reason against a network of timm that cxr does not have.
pub fn refusal_of_timm(name: &str) -> String {
    let has = |part: &str| name.contains(part);
    let reason = if has("distilled") {
        "has a second classifier for distillation, and cxr has only the first"
    } else if has("_reg") {
        "has registers beside its class token, and cxr has the ViTs of timm without them"
    } else if has("giant") && has("dinov2") {
        "has an MLP with gates, and cxr has the ViTs of timm without them"
    } else if has("swinv2") || has("swin_v2") {
        "is version 2 of Swin, and cxr has version 1"
    } else {
        "is no network that cxr has"
    };
    format!("timm's {name} {reason}: {BY_ONNX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_class_and_what_helps() {
        for (class, model_type, words) in [
            (
                Some("BeitForImageClassification"),
                Some("beit"),
                "BeitForImageClassification is no network that cxr has",
            ),
            (
                Some("CLIPForImageClassification"),
                Some("clip"),
                "export it to ONNX",
            ),
            (
                Some("DeiTForImageClassificationWithTeacher"),
                Some("deit"),
                "second classifier",
            ),
            (Some("CLIPModel"), Some("clip"), "for images and text"),
            (Some("SiglipModel"), None, "for images and text"),
            (
                Some("VisionEncoderDecoderModel"),
                None,
                "for images and text",
            ),
            (
                Some("Dinov2Model"),
                Some("dinov2"),
                "a backbone without a classifier",
            ),
            (
                Some("ViTMAEForPreTraining"),
                None,
                "a backbone without a classifier",
            ),
            (
                Some("SegformerForSemanticSegmentation"),
                None,
                "no classifier of images",
            ),
            (
                None,
                Some("mobilevit"),
                "mobilevit is no network that cxr has",
            ),
            (None, None, "it names no network"),
        ] {
            let reason = refusal(class, model_type);
            assert!(reason.contains(words), "{reason}");
        }
    }
    #[test]
    fn a_refusal_of_timm_says_what_is_otherwise() {
        for (name, words) in [
            ("deit_base_distilled_patch16_224", "a second classifier"),
            (
                "vit_base_patch14_reg4_dinov2",
                "has registers beside its class token",
            ),
            ("vit_giant_patch14_dinov2", "has an MLP with gates"),
            ("vit_small_patch16_dinov3", "is no network that cxr has"),
            ("swinv2_tiny_window8_256", "is version 2 of Swin"),
            ("resnet50d", "is no network that cxr has"),
        ] {
            let reason = refusal_of_timm(name);
            let start = format!("timm's {name} ");
            assert!(
                reason.starts_with(&start)
                    && reason.contains(words)
                    && reason.contains("export it to ONNX"),
                "{reason}"
            );
        }
    }
}
