//! Complete checkpoints, and every way in which one can be incomplete.

use super::*;
use crate::domain::ScoreKind;
use crate::inference::Classifier;
use crate::inference::card::parse_card;
use crate::inference::{Classify, InferenceError};

/// All tensors of the family with this many outputs: variances are 1, the rows of the last layer are numbered, and all
/// other numbers are 0.
fn tensors(family: ModelFamily, outputs: usize) -> NamedTensors {
    let filled = |(name, shape): (String, Vec<usize>)| {
        let size: usize = shape.iter().product();
        let values = match name.as_str() {
            "classifier.bias" | "fc.bias" => (0..size).map(|row| row as f32).collect(),
            _ if name.ends_with("running_var") => vec![1.0; size],
            _ => vec![0.0; size],
        };
        (name, (shape, values))
    };
    family.tensors(outputs).into_iter().map(filled).collect()
}

fn fault(family: ModelFamily, change: impl FnOnce(&mut NamedTensors)) -> String {
    let mut tensors = tensors(family, family.labels().len());
    change(&mut tensors);
    let error = assemble(family, tensors, None, None, None, "test").unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 400, "{text}");
    text
}

/// The card of a checkpoint, and its model.
fn model(
    family: ModelFamily,
    tensors: NamedTensors,
    labels: Option<Vec<String>>,
    op_threshs: Option<Vec<Option<f32>>>,
    known: Option<Recognition>,
) -> Classifier {
    let (weights, card) = assemble(family, tensors, labels, op_threshs, known, "test").unwrap();
    Classifier::from_parts(&card, &weights).unwrap()
}

fn names(model: &Classifier) -> Vec<&str> {
    let labels = model.card().labels.iter();
    labels.map(|label| label.name.as_str()).collect()
}

/// The logits of an image. All weights are 0, so that these are the biases.
fn logits(model: &Classifier) -> Vec<f32> {
    let preprocess =
        crate::inference::Preprocess::named(&model.card().preprocess, model.card().input_size);
    let preprocess = preprocess.unwrap();
    let values = preprocess.channels() * preprocess.size() * preprocess.size();
    model.logits_of_values(vec![0.5; values]).unwrap()
}

#[test]
fn a_whole_checkpoint_of_each_family_is_a_model() {
    for (family, outputs) in [
        (ModelFamily::XrvDensenet121, 18),
        (ModelFamily::XrvResnet50_512, 18),
        (ModelFamily::Chexnet, 14),
    ] {
        let model = model(family, tensors(family, outputs), None, None, None);
        assert_eq!(names(&model), family.labels());
        let numbered: Vec<f32> = (0..outputs).map(|row| row as f32).collect();
        assert_eq!(logits(&model), numbered, "{family}");
        let card = model.card();
        assert!(card.labels.iter().all(|l| l.operating_point.is_none()));
        assert!(card.measurements.is_empty() && card.severity.is_none());
        assert_eq!(
            card.severity_line.is_some(),
            family == ModelFamily::XrvDensenet121
        );
        assert_eq!(family.name().parse(), Ok(family));
    }
    let error = "resnet-9".parse::<ModelFamily>().unwrap_err().to_string();
    assert!(
        error.contains("resnet-9") && error.contains("xrv-resnet50-512"),
        "{error}"
    );
}

/// `torchvision.models.resnet50` has 267 without counters, DenseNet-121 606.
#[test]
fn the_number_of_tensors_is_pytorchs() {
    assert_eq!(ModelFamily::XrvDensenet121.tensors(18).len(), 606);
    assert_eq!(ModelFamily::XrvResnet50_512.tensors(18).len(), 267);
    let three = &ModelFamily::Chexnet.tensors(14)["features.conv0.weight"];
    assert_eq!(*three, [64, 3, 7, 7]);
}

#[test]
fn names_of_wrappers_and_of_old_versions_are_the_same_checkpoint() {
    let plain = tensors(ModelFamily::Chexnet, 14);
    let old = |name: &str| {
        let name = if name.contains(".denselayer") {
            name.replace("norm1.", "norm.1.")
                .replace("norm2.", "norm.2.")
                .replace("conv1.", "conv.1.")
                .replace("conv2.", "conv.2.")
        } else {
            name.replace("classifier.", "classifier.0.")
        };
        format!("module.densenet121.{name}")
    };
    let mut wrapped: NamedTensors = plain
        .iter()
        .map(|(name, tensor)| (old(name), tensor.clone()))
        .collect();
    let counter = "module.densenet121.features.norm0.num_batches_tracked".to_owned();
    wrapped.insert(counter, (vec![], vec![7.0]));
    let of = |tensors| assemble(ModelFamily::Chexnet, tensors, None, None, None, "test").unwrap();
    assert_eq!(of(plain), of(wrapped));
}

#[test]
fn too_few_too_many_and_misshapen_tensors_are_named() {
    let family = ModelFamily::XrvDensenet121;
    let text = fault(family, |t| {
        t.remove("features.norm5.weight");
    });
    assert_eq!(text, "not a xrv-densenet121: lacks features.norm5.weight");
    let text = fault(family, |t| {
        t.insert("module.aux.weight".into(), (vec![1], vec![0.0]));
    });
    assert_eq!(text, "not a xrv-densenet121: has besides module.aux.weight");
    let text = fault(family, |t| {
        let rgb = (vec![64, 3, 7, 7], vec![0.0; 64 * 3 * 49]);
        t.insert("features.conv0.weight".into(), rgb);
    });
    let shapes = "features.conv0.weight has shape [64, 3, 7, 7], not [64, 1, 7, 7]";
    assert_eq!(text, format!("not a xrv-densenet121: {shapes}"));
    let text = fault(family, |t| {
        *t = tensors(ModelFamily::XrvResnet50_512, 18);
    });
    assert!(
        text.contains("lacks classifier.bias,") && text.contains("more; has besides bn1.bias"),
        "{text}"
    );
    let text = fault(family, NamedTensors::clear);
    assert!(text.ends_with("and 602 more"), "{text}");
    let text = fault(family, |t| {
        t.insert("classifier.bias".into(), (vec![], vec![0.0]));
    });
    assert!(
        text.contains("classifier.bias has shape [], not [1]"),
        "{text}"
    );
}

#[test]
fn a_tensor_with_a_value_that_is_not_a_number_is_named() {
    for bad in [f32::NAN, f32::INFINITY] {
        let text = fault(ModelFamily::XrvResnet50_512, |t| {
            t.get_mut("layer3.5.conv2.weight").unwrap().1[77] = bad;
        });
        assert_eq!(
            text,
            "layer3.5.conv2.weight holds a value that is not a number"
        );
    }
}

#[test]
fn labels_and_operating_points_have_to_fit() {
    let family = ModelFamily::XrvDensenet121;
    let text = |outputs, labels: Option<&[&str]>, points: Option<Vec<Option<f32>>>| {
        let labels = labels.map(|labels| labels.iter().map(|&l| l.to_owned()).collect());
        let tensors = tensors(family, outputs);
        let error = assemble(family, tensors, labels, points, None, "test").unwrap_err();
        error.to_string()
    };
    assert_eq!(
        text(5, None, None),
        "it has 5 outputs, and there are 18 labels"
    );
    let (two, some) = (&["A", "B"][..], Some(0.5));
    assert!(text(2, Some(two), Some(vec![some])).contains("and there are 1 operating points"));
    assert_eq!(
        text(2, Some(&["A", " A\u{1b} "]), None),
        "two labels are called A"
    );
    assert!(text(2, Some(&["", "\u{7}"]), None).contains("none of its outputs"));
    assert!(text(2, Some(two), Some(vec![None, None])).contains("none of its outputs"));
    for bad in [0.0, 1.0, -0.5, f32::INFINITY] {
        let error = text(2, Some(two), Some(vec![some, Some(bad)]));
        assert!(error.starts_with("the operating point of B is "), "{error}");
    }
}

/// Some outputs of the NIH weights, such as the 14th, were never trained. They are left out.
#[test]
fn published_weights_bring_labels_and_points_and_lose_untrained_outputs() {
    let nih = Published::named("nih").unwrap();
    let model = model(
        nih.family,
        tensors(nih.family, 18),
        None,
        None,
        Some(Recognition::Published(nih)),
    );
    let labels = &model.card().labels;
    assert_eq!(labels.len(), 14);
    assert_eq!(labels[13].name, "Hernia");
    assert_eq!(labels[13].op_threshold, Some(0.000_440_343_4));
    assert!(
        labels
            .iter()
            .all(|label| label.operating_point == Some(0.5))
    );
    assert!(model.card().severity_line.is_none(), "no Lung Opacity");
    assert!(
        model
            .card()
            .limits
            .iter()
            .any(|limit| limit.contains("4 outputs"))
    );

    let rsna = Published::named("densenet121-res224-rsna").unwrap();
    let model = self::model(
        rsna.family,
        tensors(rsna.family, 18),
        None,
        None,
        Some(Recognition::Published(rsna)),
    );
    assert_eq!(names(&model), ["Pneumonia", "Lung Opacity"]);
    // Rows 8 and 16 of the checkpoint, and the severity of the second.
    assert_eq!(logits(&model), [8.0, 16.0]);
    assert!(model.card().severity_line.is_some());

    let other = assemble(
        ModelFamily::Chexnet,
        tensors(ModelFamily::Chexnet, 18),
        None,
        None,
        Some(Recognition::Published(nih)),
        "x",
    );
    assert!(
        other
            .unwrap_err()
            .to_string()
            .starts_with("densenet121-res224-nih is a")
    );
}

#[test]
fn operating_points_that_a_file_holds_are_used() {
    let family = ModelFamily::XrvDensenet121;
    let mut points = vec![f32::NAN; 18];
    (points[2], points[16]) = (0.25, 0.125);
    let mut tensors = tensors(family, 18);
    tensors.insert("op_threshs".into(), (vec![18], points));
    let model = model(family, tensors, None, None, None);
    assert_eq!(names(&model), ["Infiltration", "Lung Opacity"]);
    assert_eq!(model.card().labels[1].op_threshold, Some(0.125));

    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/clear_1.png");
    let limits = crate::imaging::DecodeLimits::default();
    let film = crate::imaging::open(sample.as_ref(), &limits).unwrap();
    let prediction = model.classify(&film).unwrap();
    for finding in &prediction.findings {
        assert_eq!(finding.score.kind, ScoreKind::OperatingPointNormalised);
        assert_eq!(finding.is_positive(), Some(true));
    }
    // σ(2) = 0.880797, and (1 − 0.880797) / (2 · 0.75) short of 1.
    assert!((prediction.findings[0].score.value() - 0.920_531).abs() < 1e-5);
    let severity = prediction.severity.unwrap();
    assert_eq!((severity.geographic_extent, severity.opacity), (8.0, 6.0));
    assert_eq!(severity.opacity_error, None);
}

#[test]
fn all_published_weights_are_complete_and_found_by_each_key() {
    assert_eq!(PUBLISHED.len(), 8);
    for set in &PUBLISHED {
        let (labels, points) = (set.labels(), set.op_threshs());
        assert_eq!(labels.len(), 18);
        assert_eq!(points.len(), 18);
        let found = Published::with_outputs(&labels, &points).unwrap();
        assert_eq!(found.name, set.name);
        assert_eq!(Published::named(set.name).unwrap().name, set.name);
        assert!(set.url.ends_with(".pt"));
        // An output without a label has no operating point, and none is at an end.
        for (label, point) in labels.iter().zip(&points) {
            assert!(!label.is_empty() || point.is_none(), "{}", set.name);
            assert!(point.is_none_or(|p| p > 0.0 && p < 1.0));
        }
        if let Some(sha256) = set.sha256 {
            assert_eq!(sha256.len(), 64);
            assert_eq!(Published::with_sha256(sha256).unwrap().name, set.name);
        }
    }
    let all = Published::named("all").unwrap();
    let mut moved = all.op_threshs();
    moved[3] = moved[3].map(|p| p + 1e-4);
    assert!(Published::with_outputs(&all.labels(), &moved).is_none());
    assert!(Published::with_sha256("").is_none() && Published::named("").is_none());
}

#[test]
fn a_card_names_its_source_and_its_limitations() {
    let all = Published::named("all").unwrap();
    let of = |known, name: &str| {
        let tensors = tensors(ModelFamily::XrvDensenet121, 18);
        let (weights, card) = assemble(
            ModelFamily::XrvDensenet121,
            tensors,
            None,
            None,
            known,
            name,
        )
        .unwrap();
        let card = parse_card(&card).unwrap();
        crate::inference::weights::verify(&weights, &card).unwrap();
        card
    };
    let card = of(Some(Recognition::Published(all)), "my\u{1b}[2J \"xrv\" = 1");
    assert_eq!(card.name, "my [2J \"xrv\" = 1");
    assert!(card.pretrained.contains(all.url) && card.licence.contains("Apache-2.0"));
    assert_eq!(card.labels.len(), 18);
    let limits = card.limits.join("\n");
    assert!(limits.contains("not for diagnosis") && limits.contains("no learned input check"));
    assert!(limits.contains("not probabilities") && limits.contains("with these weights"));
    assert!(card.labels.iter().all(|label| !card.is_calibrated(label)));

    // Labels and operating points stay when a network is trained further, and say nothing of its weights.
    let alike = of(Some(Recognition::Outputs(all)), "tuned");
    assert_eq!(alike.labels, card.labels);
    assert!(
        !alike.pretrained.contains("unchanged"),
        "{}",
        alike.pretrained
    );
    assert!(
        alike
            .pretrained
            .contains("operating points of densenet121-res224-all")
    );
    assert!(alike.licence.starts_with("not known"), "{}", alike.licence);
    assert_eq!(alike.training_data, "not known to cxr");
    assert_eq!(alike.version, "imported");
    assert!(card.severity_line.is_some() && alike.severity_line.is_none());
    assert!(!alike.limits.join("\n").contains("Severity"));

    let unknown = of(None, "found.pth");
    assert_eq!(unknown.training_data, "not known to cxr");
    assert!(unknown.limits.join("\n").contains("plain sigmoids"));
}

#[test]
fn a_card_with_another_size_than_its_preprocessing_is_refused() {
    let family = ModelFamily::Chexnet;
    let (weights, card) = assemble(family, tensors(family, 14), None, None, None, "test").unwrap();
    for (from, to, words) in [
        (
            "input_size = 224",
            "input_size = 256",
            "chexnet-224-1 makes 224",
        ),
        (
            "chexnet-224-1",
            "xrv-224-1",
            "features.conv0.weight has shape [64, 3, 7, 7]",
        ),
    ] {
        let card = card.replace(from, to);
        match Classifier::from_parts(&card, &weights) {
            Err(error @ (InferenceError::Card(_) | InferenceError::Weights(_))) => {
                assert!(error.to_string().contains(words), "{error}");
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{to} was taken"),
        }
    }
}
