//! What a graph may end in, and graphs that are written for training.

use super::*;

/// A convolution, an average and a last layer that make two outputs `output`, and these nodes, the last of which makes
/// `scores`.
fn scored(nodes: Vec<OnnxNode>) -> OnnxGraph {
    let mut graph = ended(vec![node("Conv", &["image", "w3"], "maps")]);
    graph.nodes.extend(nodes);
    graph.outputs = vec!["scores".to_owned()];
    let lists = [("flat", vec![-1]), ("one", vec![1]), ("zero", vec![0])];
    for (name, list) in lists {
        let shape = vec![list.len()];
        let numbers = OnnxNumbers::Integers(list);
        let list = OnnxTensor { shape, numbers };
        graph.constants.insert(name.to_owned(), list);
    }
    graph
}

fn kept(graph: OnnxGraph) -> WholeNetwork {
    whole_of(graph, IMAGE).unwrap_or_else(|error| panic!("{error}"))
}

/// The reason why neither way reads it. It is one of the file, so that the second way is not tried.
fn refused(graph: &OnnxGraph) -> String {
    let as_layers = network_of(graph.clone(), IMAGE).err();
    let as_layers = as_layers.unwrap_or_else(|| panic!("it is read as layers: {:?}", graph.nodes));
    assert!(!as_layers.is_of_layers(), "{as_layers}");
    let as_kept = whole_of(graph.clone(), IMAGE).err().unwrap();
    assert_eq!(as_kept, as_layers);
    as_kept.to_string()
}

fn cast(input: &str, output: &str, to: i64) -> OnnxNode {
    with(
        node("Cast", &[input], output),
        "to",
        OnnxAttribute::Integer(to),
    )
}

#[test]
fn what_only_names_axes_in_another_way_may_follow_the_scores() {
    const HALF: i64 = 10;
    for after in [
        node("Reshape", &["p", "flat"], "scores"),
        node("Flatten", &["p"], "scores"),
        node("Squeeze", &["p"], "scores"),
        node("Unsqueeze", &["p", "one"], "scores"),
        node("Identity", &["p"], "scores"),
        node("Dropout", &["p"], "scores"),
        cast("p", "scores", HALF),
    ] {
        let operator = after.operator.clone();
        for (maker, end) in [
            ("Sigmoid", GraphEnd::Sigmoid),
            ("Softmax", GraphEnd::Softmax),
        ] {
            let graph = scored(vec![node(maker, &["output"], "p"), after.clone()]);
            let kept = kept(graph.clone());
            assert_eq!((kept.end, kept.outputs), (end, 2), "{operator}");
            assert_eq!(kept.tensors["head.weight"].shape, [2, 3], "{operator}");
            let mut steps = kept.graph.steps.iter();
            assert!(steps.all(|step| step.operator != maker), "{operator}");
            match network_of(graph, IMAGE) {
                Ok(layers) => assert_eq!((layers.end, layers.outputs), (end, 2), "{operator}"),
                Err(error) => assert!(error.is_of_layers(), "{operator}: {error}"),
            }
        }
    }
    // torch.sigmoid(net(x)).squeeze(1), of one output.
    let squeeze = node("Squeeze", &["p", "one"], "scores");
    let mut single = scored(vec![node("Sigmoid", &["output"], "p"), squeeze]);
    single.constants.insert("head".to_owned(), tensor(&[1, 3]));
    assert!(
        network_of(single.clone(), IMAGE)
            .err()
            .unwrap()
            .is_of_layers()
    );
    let single = kept(single);
    assert_eq!((single.end, single.outputs), (GraphEnd::Sigmoid, 1));
}

#[test]
fn what_computes_with_scores_or_takes_a_part_of_them_is_refused() {
    const WHOLE: i64 = 7;
    let at_one = || OnnxAttribute::Integer(1);
    for after in [
        with(node("Gather", &["p", "one"], "scores"), "axis", at_one()),
        node("Slice", &["p", "zero", "one", "one"], "scores"),
        with(node("Concat", &["p", "output"], "scores"), "axis", at_one()),
        node("Sub", &["wide", "p"], "scores"),
        node("Mul", &["p", "wide"], "scores"),
        node("Clip", &["p"], "scores"),
        node("Log", &["p"], "scores"),
        integers(node("ReduceMax", &["p"], "scores"), "axes", &[1]),
        cast("p", "scores", WHOLE),
    ] {
        let operator = after.operator.clone();
        for maker in ["Sigmoid", "Softmax"] {
            let said = refused(&scored(vec![node(maker, &["output"], "p"), after.clone()]));
            let start = format!("{operator} scores: it takes a part of what {maker} p makes");
            assert!(said.starts_with(&start), "{said}");
        }
    }
    // The first one is named, and a product of two scores is a score.
    let product = scored(vec![
        node("Sigmoid", &["output"], "p"),
        node("Softmax", &["output"], "q"),
        node("Mul", &["p", "q"], "both"),
        node("Identity", &["both"], "scores"),
    ]);
    assert!(refused(&product).starts_with("Mul both: it takes"));
    let hard = scored(vec![node("HardSigmoid", &["output"], "scores")]);
    assert!(refused(&hard).starts_with("HardSigmoid scores: it makes the scores"));
}

#[test]
fn a_sigmoid_and_a_softmax_that_are_written_out_are_refused() {
    let sum = || integers(node("ReduceSum", &["e"], "sum"), "axes", &[1]);
    for (nodes, start) in [
        (
            vec![
                node("Neg", &["output"], "negative"),
                node("Exp", &["negative"], "e"),
                node("Add", &["e", "wide"], "more"),
                node("Reciprocal", &["more"], "scores"),
            ],
            "Add more: it takes a part of what Exp e makes",
        ),
        (
            vec![
                node("Exp", &["output"], "e"),
                sum(),
                node("Div", &["e", "sum"], "scores"),
            ],
            "Div scores: it takes a part of what Exp e makes",
        ),
        (
            vec![
                node("Tanh", &["output"], "t"),
                node("Mul", &["t", "wide"], "scores"),
            ],
            "Mul scores: it takes a part of what Tanh t makes",
        ),
        (
            vec![node("Tanh", &["output"], "scores")],
            "Tanh scores: it makes the scores",
        ),
    ] {
        let said = refused(&scored(nodes));
        assert!(said.starts_with(start), "{said}");
    }
    // A GELU is features times what it makes of them.
    let mut gelu = scored(vec![
        node("Erf", &["output"], "e"),
        node("Add", &["e", "half"], "more"),
        node("Mul", &["output", "more"], "scores"),
    ]);
    gelu.constants.insert("half".to_owned(), tensor(&[1]));
    assert_eq!(kept(gelu).end, GraphEnd::Logits);
}

/// A swish and a gate hold a sigmoid, and their numbers are none that it made.
#[test]
fn a_product_of_features_and_a_sigmoid_is_features() {
    let swish = scored(vec![
        node("Sigmoid", &["output"], "p"),
        node("Mul", &["output", "p"], "scores"),
    ]);
    assert_eq!(kept(swish.clone()).end, GraphEnd::Logits);
    match network_of(swish, IMAGE) {
        Ok(layers) => assert_eq!(layers.end, GraphEnd::Logits),
        Err(error) => assert!(error.is_of_layers(), "{error}"),
    }
}

#[test]
fn a_softmax_over_some_of_the_outputs_is_refused() {
    let of = |opset: i64, axis: i64, shape: &[i64]| {
        let softmax = node("Softmax", &["pairs"], "scores");
        let mut graph = scored(vec![
            node("Reshape", &["output", "shape"], "pairs"),
            with(softmax, "axis", OnnxAttribute::Integer(axis)),
        ]);
        graph.opset = opset;
        graph.constants.insert("head".to_owned(), tensor(&[4, 3]));
        let sizes = OnnxTensor {
            shape: vec![shape.len()],
            numbers: OnnxNumbers::Integers(shape.to_vec()),
        };
        graph.constants.insert("shape".to_owned(), sizes);
        whole_of(graph, IMAGE)
    };
    let said = of(17, -1, &[1, 2, 2]).err().unwrap().to_string();
    let start = "Softmax scores: over axis -1 of [1, 2, 2], so that there are several questions";
    assert!(said.starts_with(start), "{said}");
    // Each output alone.
    assert!(of(17, 2, &[1, 4, 1]).is_err());
    assert!(of(11, 2, &[1, 2, 2]).is_err());
    // Before version 13, it is over all axes from this one on.
    for (opset, axis, shape) in [(11, 1, &[1, 2, 2][..]), (17, 1, &[1, 4, 1])] {
        let read = of(opset, axis, shape).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((read.end, read.outputs), (GraphEnd::Softmax, 4));
    }
}

#[test]
fn a_graph_that_was_exported_for_training_is_refused_in_both_ways() {
    let normalised = |change: fn(OnnxNode) -> OnnxNode| {
        let inputs = ["image", "three", "three", "three", "three"];
        let norm = change(node("BatchNormalization", &inputs, "n"));
        ended(vec![norm, node("Conv", &["n", "w3"], "maps")])
    };
    let training = normalised(|n| with(n, "training_mode", OnnxAttribute::Integer(1)));
    let said = refused(&training);
    assert_eq!(said, "BatchNormalization n: it was exported for training");
    let of_old = normalised(|mut n| {
        n.outputs.push("mean".to_owned());
        n
    });
    assert!(refused(&of_old).ends_with("for training"));
    let in_use = normalised(|n| with(n, "training_mode", OnnxAttribute::Integer(0)));
    assert!(network_of(in_use.clone(), IMAGE).is_ok() && whole_of(in_use, IMAGE).is_ok());

    let dropped = |mode: i64, by_node: bool| {
        let truth = OnnxTensor {
            shape: vec![],
            numbers: OnnxNumbers::Integers(vec![mode]),
        };
        let mut nodes = vec![node("Conv", &["image", "w3"], "c")];
        if by_node {
            let constant = node("Constant", &[], "mode");
            nodes.push(with(
                constant,
                "value",
                OnnxAttribute::Tensor(truth.clone()),
            ));
        }
        nodes.push(node("Dropout", &["c", "", "mode"], "maps"));
        let mut graph = ended(nodes);
        if !by_node {
            graph.constants.insert("mode".to_owned(), truth);
        }
        graph
    };
    for by_node in [false, true] {
        let said = refused(&dropped(1, by_node));
        assert_eq!(said, "Dropout maps: it was exported for training");
        let in_use = dropped(0, by_node);
        assert!(network_of(in_use.clone(), IMAGE).is_ok() && whole_of(in_use, IMAGE).is_ok());
    }
}

/// Faults of the file are the same in both ways.
#[test]
fn a_graph_out_of_order_is_refused_without_a_second_try() {
    let conv = || node("Conv", &["image", "w3"], "c");
    let late = ended(vec![node("Relu", &["c"], "maps"), conv()]);
    assert!(refused(&late).starts_with("Relu maps: it reads c, which no node before it makes"));
    let twice = ended(vec![conv(), conv(), node("Relu", &["c"], "maps")]);
    assert_eq!(refused(&twice), "Conv c: c is made twice");
}

/// A card that is longer than one may be could not be read again, and so not be removed.
#[test]
fn names_that_no_card_holds_are_refused() {
    let outputs = 1_024;
    let mut graph = ended(vec![node("Conv", &["image", "w3"], "maps")]);
    graph.inputs[0].shape = None;
    let head = tensor(&[outputs, 3]);
    graph.constants.insert("head".to_owned(), head);
    let names = (0..outputs).map(|n| format!("{n} {}", "x".repeat(1_100)));
    let options = OnnxOptions {
        labels: Some(names.collect()),
        scores: Some(ScoreFunction::Sigmoid),
        recipe: crate::inference::family_recipe("chexnet-224-1").unwrap(),
    };
    let error = assemble_onnx(graph, &options, "net").unwrap_err();
    assert!(error.is_mendable(), "{error}");
    assert_eq!(
        error.to_string(),
        "--labels: its names are longer than a card may be"
    );
}

#[test]
fn a_card_names_the_digest_of_external_data() {
    let mut graph = ended(vec![node("Conv", &["image", "w3"], "maps")]);
    assert!(origin(&graph).ends_with(", SHA-256 ab, unchanged"));
    let mut of = |files: usize| {
        let sha256 = "cd".to_owned();
        graph.data = Some(OnnxData { files, sha256 });
        origin(&graph)
    };
    assert!(of(1).ends_with("SHA-256 ab, with the file of its data, SHA-256 cd, unchanged"));
    assert!(of(3).contains("the 3 files of its data"));
}
