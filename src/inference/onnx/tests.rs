//! Small graphs, node by node: what they become, and why others are refused. `tests/onnx.rs` compares numbers.

mod ends;

use std::collections::BTreeMap;

use super::*;
use crate::domain::{OnnxAttribute, OnnxNode, OnnxNumbers, OnnxTensor};
use crate::inference::network::imported::{StoredActivation, StoredLayer};

/// A square of eight pixels in colour.
const IMAGE: MapShape = [3, 8, 8];

/// A node that is called as what it makes.
fn node(operator: &str, inputs: &[&str], output: &str) -> OnnxNode {
    OnnxNode {
        name: output.to_owned(),
        operator: operator.to_owned(),
        inputs: inputs.iter().map(|name| (*name).to_owned()).collect(),
        outputs: vec![output.to_owned()],
        attributes: BTreeMap::new(),
    }
}

fn with(mut node: OnnxNode, name: &str, attribute: OnnxAttribute) -> OnnxNode {
    node.attributes.insert(name.to_owned(), attribute);
    node
}

fn integers(node: OnnxNode, name: &str, values: &[i64]) -> OnnxNode {
    with(node, name, OnnxAttribute::Integers(values.to_vec()))
}

/// Small numbers in this shape.
fn tensor(shape: &[usize]) -> OnnxTensor {
    let count = shape.iter().product::<usize>();
    OnnxTensor {
        shape: shape.to_vec(),
        numbers: OnnxNumbers::Floats((0..count).map(|i| i as f32 / 64.0).collect()),
    }
}

/// Nodes that read `image` and make `output`. Constants are `wN`, `[N, 3, 1, 1]`; `head`, `[2, 3]`; `three`, a vector.
fn graph(nodes: Vec<OnnxNode>) -> OnnxGraph {
    let constants = [
        ("w3", tensor(&[3, 3, 1, 1])),
        ("w4", tensor(&[4, 3, 1, 1])),
        ("deep", tensor(&[3, 1, 3, 3])),
        ("head", tensor(&[2, 3])),
        ("three", tensor(&[3])),
        ("wide", tensor(&[8])),
    ];
    OnnxGraph {
        opset: 17,
        producer: "pytorch 2.9".to_owned(),
        nodes,
        constants: constants
            .into_iter()
            .map(|(name, tensor)| (name.to_owned(), tensor))
            .collect(),
        inputs: vec![OnnxInput {
            name: "image".to_owned(),
            shape: Some(vec![None, Some(3), Some(8), Some(8)]),
        }],
        outputs: vec!["output".to_owned()],
        sha256: "ab".to_owned(),
        data: None,
    }
}

/// From maps of three channels to two numbers.
fn ending(from: &str) -> Vec<OnnxNode> {
    vec![
        node("GlobalAveragePool", &[from], "pool"),
        node("Flatten", &["pool"], "row"),
        with(
            node("Gemm", &["row", "head"], "output"),
            "transB",
            OnnxAttribute::Integer(1),
        ),
    ]
}

/// A graph of these nodes, the last of which makes `maps`, and the usual end.
fn ended(mut nodes: Vec<OnnxNode>) -> OnnxGraph {
    nodes.extend(ending("maps"));
    graph(nodes)
}

fn read(graph: OnnxGraph) -> EmittedNetwork {
    let read = network_of(graph, IMAGE).unwrap_or_else(|error| panic!("{error}"));
    read.network.check(8).unwrap();
    read
}

fn fault(graph: OnnxGraph) -> String {
    let error = network_of(graph, IMAGE).err().unwrap().to_string();
    assert!(!error.contains(['\n', '\u{1b}']), "{error}");
    error
}

/// The names of the layers that are left.
fn kinds(network: &EmittedNetwork) -> Vec<&'static str> {
    let kind = |layer: &StoredLayer| match layer {
        StoredLayer::Conv {
            depthwise: true, ..
        } => "depthwise",
        StoredLayer::Conv { before: true, .. } => "norm-conv",
        StoredLayer::Conv {
            residual: Some(_), ..
        } => "conv-plus",
        StoredLayer::Conv { .. } => "conv",
        StoredLayer::MaxPool { .. } => "max",
        StoredLayer::NormRelu { .. } => "norm-relu",
        StoredLayer::Average { .. } => "average",
        StoredLayer::GlobalAverage { .. } => "global",
        StoredLayer::Scale { .. } => "scale",
        StoredLayer::Add { .. } => "add",
        StoredLayer::Cat { .. } => "cat",
    };
    network.network.layers.iter().map(kind).collect()
}

#[test]
fn a_convolution_and_its_end_are_one_layer_and_a_head() {
    let read = read(ended(vec![
        node("Conv", &["image", "w3", "three"], "c"),
        node("Relu", &["c"], "maps"),
    ]));
    assert_eq!(kinds(&read), ["conv"]);
    assert_eq!((read.outputs, read.end), (2, GraphEnd::Logits));
    assert!(read.network.ends_in_averages);
    assert_eq!((read.network.channels, read.network.features), (3, 3));
    let names: Vec<&str> = read.tensors.keys().map(String::as_str).collect();
    let expected = [
        "head.bias",
        "head.weight",
        "layers.0.bias",
        "layers.0.weight",
    ];
    assert_eq!(names, expected);
    assert_eq!(read.tensors["head.weight"].shape, [2, 3]);
    assert_eq!(
        read.tensors["layers.0.bias"].values,
        [0.0, 1.0 / 64.0, 2.0 / 64.0]
    );
}

#[test]
fn a_dense_block_grows_and_nothing_is_joined_twice() {
    let mut nodes = vec![node("Conv", &["image", "w3"], "x")];
    let concat = |inputs: &[&str], output: &str| {
        with(
            node("Concat", inputs, output),
            "axis",
            OnnxAttribute::Integer(1),
        )
    };
    nodes.push(concat(&["x"], "one"));
    nodes.push(node("Conv", &["one", "w3"], "a"));
    nodes.push(concat(&["x", "a"], "two"));
    nodes.push(node("Conv", &["two", "w46"], "b"));
    nodes.push(concat(&["x", "a", "b"], "maps"));
    let mut graph = ended(nodes);
    graph.constants.insert("head".to_owned(), tensor(&[2, 10]));
    graph
        .constants
        .insert("w46".to_owned(), tensor(&[4, 6, 1, 1]));
    let dense = read(graph);
    assert_eq!(kinds(&dense), ["conv", "conv", "cat", "conv", "cat"]);
    let joined = |first, second| StoredLayer::Cat { first, second };
    let layers = &dense.network.layers;
    assert_eq!([&layers[2], &layers[4]], [&joined(1, 2), &joined(3, 4)]);

    // The same value twice, and the image: the kernels keep each in one place, so that copies are made.
    let nodes = vec![concat(&["image", "image"], "maps")];
    let mut graph = ended(nodes);
    graph.constants.insert("head".to_owned(), tensor(&[2, 6]));
    let copied = read(graph);
    assert_eq!(kinds(&copied), ["depthwise", "depthwise", "cat"]);
}

#[test]
fn a_gate_scales_and_a_residual_is_added() {
    let read = read(ended(vec![
        node("Conv", &["image", "w3"], "c"),
        node("GlobalAveragePool", &["c"], "squeezed"),
        node("Conv", &["squeezed", "w3"], "gate"),
        node("Sigmoid", &["gate"], "gates"),
        node("Mul", &["gates", "c"], "gated"),
        node("Conv", &["gated", "w3"], "last"),
        node("Add", &["image", "last"], "maps"),
    ]));
    assert_eq!(
        kinds(&read),
        ["conv", "global", "conv", "scale", "conv-plus"]
    );
    assert_eq!(
        read.network.layers[3],
        StoredLayer::Scale { input: 1, by: 3 }
    );
    let StoredLayer::Conv { activation, .. } = &read.network.layers[2] else {
        panic!("no convolution");
    };
    assert_eq!(*activation, StoredActivation::Sigmoid);
}

#[test]
fn what_stands_alone_is_a_layer_of_its_own() {
    // A normalisation before zeros cannot be merged, and an activation of a sum without a convolution is part of it.
    let conv = node("Conv", &["n", "deep"], "d");
    let conv = integers(conv, "pads", &[1, 1, 1, 1]);
    let conv = with(conv, "group", OnnxAttribute::Integer(3));
    let read = read(ended(vec![
        node(
            "BatchNormalization",
            &["image", "three", "three", "three", "three"],
            "n",
        ),
        conv,
        node("Add", &["d", "n"], "s"),
        node("Relu", &["s"], "r"),
        node("Sigmoid", &["r"], "maps"),
    ]));
    assert_eq!(kinds(&read), ["depthwise", "depthwise", "add", "depthwise"]);
}

#[test]
fn a_network_may_end_in_scores_or_in_hidden_layers() {
    let mut sigmoid = ended(vec![node("Conv", &["image", "w3"], "maps")]);
    sigmoid.nodes.push(node("Sigmoid", &["output"], "scores"));
    sigmoid.outputs = vec!["scores".to_owned()];
    assert_eq!(read(sigmoid.clone()).end, GraphEnd::Sigmoid);
    sigmoid.nodes.pop();
    sigmoid.nodes.push(node("Softmax", &["output"], "scores"));
    assert_eq!(read(sigmoid).end, GraphEnd::Softmax);

    // A layer between the average and the last one: no exact heat map.
    let mut hidden = ended(vec![node("Conv", &["image", "w3"], "maps")]);
    hidden.nodes.pop();
    hidden.nodes.push(node("MatMul", &["row", "square"], "h"));
    hidden.nodes.push(node("Relu", &["h"], "hr"));
    let last = node("Gemm", &["hr", "head"], "output");
    hidden
        .nodes
        .push(with(last, "transB", OnnxAttribute::Integer(1)));
    hidden
        .constants
        .insert("square".to_owned(), tensor(&[3, 3]));
    let hidden = read(hidden);
    assert_eq!(kinds(&hidden), ["conv", "global", "conv"]);
    assert!(!hidden.network.ends_in_averages);

    // As SqueezeNet: each output is the average of a map of its own.
    let mut maps = graph(vec![
        node("Conv", &["image", "w4"], "c"),
        node("Relu", &["c"], "r"),
        node("GlobalAveragePool", &["r"], "p"),
        node("Flatten", &["p"], "output"),
    ]);
    let own = read(maps.clone());
    assert_eq!((own.outputs, own.network.ends_in_averages), (4, true));
    let head = &own.tensors["head.weight"].values;
    assert_eq!(head[..6], [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    // Maps are no numbers.
    maps.nodes.truncate(2);
    maps.outputs = vec!["r".to_owned()];
    assert!(fault(maps).contains("its output r is [N, 4, 8, 8], and not a row"));
}

#[test]
fn only_what_the_output_needs_is_read() {
    let mut graph = ended(vec![node("Conv", &["image", "w3"], "maps")]);
    graph
        .nodes
        .insert(0, node("NonMaxSuppression", &["image"], "boxes"));
    graph.outputs = vec!["boxes".to_owned(), "logits".to_owned()];
    let last = graph.nodes.last_mut().unwrap();
    last.outputs = vec!["logits".to_owned()];
    assert_eq!(kinds(&read(graph)), ["conv"]);
}

#[test]
fn a_graph_that_cannot_be_computed_is_refused_by_its_node() {
    let conv = || node("Conv", &["image", "w3"], "c");
    let with_conv = |second: OnnxNode| ended(vec![conv(), second]);
    for (graph, words) in [
        (
            ended(vec![node("Relu", &["c"], "maps"), conv()]),
            "Relu maps: it reads c, which no node before it makes: the graph is a circle",
        ),
        (
            ended(vec![node("Add", &["image", "maps"], "maps")]),
            "Add maps: it reads maps, which no node before it makes",
        ),
        (ended(vec![conv(), conv()]), "Conv c: c is made twice"),
        (
            ended(vec![node("Erf", &["image"], "maps")]),
            "Erf maps: an operator that cxr",
        ),
        (
            ended(vec![node("com.microsoft::FusedConv", &["image"], "maps")]),
            "com.microsoft::FusedConv maps: an operator",
        ),
        (
            ended(vec![node(
                "LayerNormalization",
                &["image", "three"],
                "maps",
            )]),
            "LayerNormalization maps: an operator",
        ),
        (ended(vec![]), "reads maps, which no node"),
        (
            with_conv(integers(
                node("MaxPool", &["c"], "maps"),
                "kernel_shape",
                &[3, 2],
            )),
            "MaxPool maps: kernel_shape is [3, 2], and cxr has only squares",
        ),
        (
            with_conv(integers(
                node("AveragePool", &["c"], "maps"),
                "kernel_shape",
                &[3, 3],
            )),
            "AveragePool maps: its windows overlap",
        ),
        (
            with_conv(node("Mul", &["c", "image"], "maps")),
            "Mul maps: [3, 8, 8] times [3, 8, 8]",
        ),
        (
            with_conv(node("Softmax", &["c"], "maps")),
            "Softmax maps: over axis -1 of [N, 3, 8, 8]",
        ),
        (
            with_conv(node("Add", &["c", "wide"], "maps")),
            "a constant of shape [8] with a value of [N, 3, 8, 8]",
        ),
        (
            with_conv(integers(
                node("Transpose", &["c"], "maps"),
                "perm",
                &[0, 2, 3, 1],
            )),
            "GlobalAveragePool pool: its input is [N, 8, 8, 3], and not a map",
        ),
        (
            with_conv(integers(
                integers(node("Conv", &["c", "deep"], "maps"), "dilations", &[2, 2]),
                "pads",
                &[2, 2, 2, 2],
            )),
            "Conv maps: a dilated convolution",
        ),
        (
            ended(vec![with(
                node("Cast", &["image"], "maps"),
                "to",
                OnnxAttribute::Integer(7),
            )]),
            "Cast maps: a map becomes whole numbers",
        ),
    ] {
        let fault = fault(graph);
        assert!(fault.contains(words), "{fault}");
    }
}

#[test]
fn inputs_and_outputs_that_are_no_image_and_no_scores_are_refused() {
    let plain = || ended(vec![node("Conv", &["image", "w3"], "maps")]);
    let changed = |change: fn(&mut OnnxGraph)| {
        let mut graph = plain();
        change(&mut graph);
        fault(graph)
    };
    type Change = fn(&mut OnnxGraph);
    let cases: [(Change, &str); 8] = [
        (
            |g| g.opset = 40,
            "operators are of version 40, and cxr reads 9 to",
        ),
        (|g| g.inputs.clear(), "it has 0 inputs"),
        (
            |g| g.inputs.push(g.inputs[0].clone()),
            "it has 2 inputs (image, image), and cxr gives it one image",
        ),
        (
            |g| g.inputs[0].shape = Some(vec![None, Some(3), Some(224), Some(224)]),
            "its input image is 3 × 224 × 224, and --preprocess makes 3 × 8 × 8",
        ),
        (
            |g| g.inputs[0].shape = Some(vec![None, Some(192)]),
            "its input image is 192, and",
        ),
        (|g| g.outputs.clear(), "it has no output"),
        (
            |g| g.outputs = vec!["pool".to_owned(), "row".to_owned()],
            "it has 2 outputs (pool, row), and none is called logits",
        ),
        (
            |g| g.outputs = vec!["image".to_owned()],
            "its output image is [N, 3, 8, 8]",
        ),
    ];
    for (change, words) in cases {
        let fault = changed(change);
        assert!(fault.contains(words), "{fault}");
    }
    // Sizes that are not fixed are those of the preprocessing.
    for shape in [
        None,
        Some(vec![None; 4]),
        Some(vec![Some(1), Some(3), None, None]),
    ] {
        let mut graph = plain();
        graph.inputs[0].shape = shape;
        assert_eq!(kinds(&read(graph)), ["conv"]);
    }
}

#[test]
fn a_small_file_that_grows_is_refused() {
    // One weight of 4,096 numbers, named three thousand times.
    let mut graph = ended(vec![node("Conv", &["image", "w"], "c0")]);
    graph
        .constants
        .insert("w".to_owned(), tensor(&[64, 3, 1, 1]));
    graph
        .constants
        .insert("square".to_owned(), tensor(&[64, 64, 1, 1]));
    let mut nodes = vec![node("Conv", &["image", "w"], "c0")];
    for layer in 0..3_000 {
        let (from, to) = (format!("c{layer}"), format!("c{}", layer + 1));
        nodes.push(node("Conv", &[&from, "square"], &to));
    }
    nodes.extend(ending("c3000"));
    graph.nodes = nodes;
    let fault_of_many = fault(graph);
    assert!(
        fault_of_many.contains("far more weights than the file"),
        "{fault_of_many}"
    );

    // 2^40 numbers in one node.
    let shape = OnnxTensor {
        shape: vec![2],
        numbers: OnnxNumbers::Integers(vec![1 << 20, 1 << 20]),
    };
    let mut graph = ended(vec![
        node("ConstantOfShape", &["shape"], "zeros"),
        node("Add", &["image", "zeros"], "maps"),
    ]);
    graph.constants.insert("shape".to_owned(), shape);
    let of_zeros = fault(graph);
    assert!(
        of_zeros.contains("ConstantOfShape zeros: it makes a constant"),
        "{of_zeros}"
    );
}

#[test]
fn labels_and_scores_are_asked_for_and_put_in_order() {
    let recipe = crate::inference::family_recipe("chexnet-224-1").unwrap();
    let graph = || {
        let mut graph = ended(vec![node("Conv", &["image", "w3"], "maps")]);
        graph.inputs[0].shape = None;
        graph
    };
    let options = |labels: &[&str], scores: Option<ScoreFunction>| OnnxOptions {
        labels: Some(labels.iter().map(|&label| label.to_owned()).collect()),
        scores,
        recipe: recipe.clone(),
    };
    let made = |options: &OnnxOptions| assemble_onnx(graph(), options, "net");
    let two = made(&options(
        &["NORMAL", "PNEUMONIA"],
        Some(ScoreFunction::Softmax),
    ));
    let (weights, card) = two.unwrap();
    let card = parse_card(&card).unwrap();
    assert_eq!(card.labels.len(), 1);
    assert_eq!(card.labels[0].name, "Pneumonia");
    assert_eq!((card.input_size, card.output_count()), (224, 1));
    crate::inference::weights::verify(&weights, &card).unwrap();
    let several = options(&["A", "B"], None);
    let error = made(&several).unwrap_err();
    assert!(error.is_mendable() && error.to_string().contains("--scores softmax"));
    let column = options(&["A", "path"], Some(ScoreFunction::Sigmoid));
    let error = made(&column).unwrap_err().to_string();
    assert!(error.starts_with("--labels: "), "{error}");
    let none = OnnxOptions {
        labels: None,
        ..options(&[], Some(ScoreFunction::Sigmoid))
    };
    let error = made(&none).unwrap_err().to_string();
    assert_eq!(error, "it has 2 outputs: name them with --labels");
}

#[test]
fn operators_are_kept_where_layers_cannot_say_the_graph() {
    let transformer = || {
        graph(vec![
            node("Flatten", &["image"], "flat"),
            node("Softmax", &["flat"], "shares"),
            node("ReduceSum", &["shares"], "sum"),
            node("Mul", &["sum", "three"], "row"),
            node("MatMul", &["row", "turned"], "output"),
            node("Transpose", &["head"], "turned"),
        ])
    };
    let image = || GraphImage {
        name: "image".to_owned(),
        channels: 3,
        side: 8,
        channels_last: false,
    };
    let mut graph = transformer();
    let late = whole::read(graph.clone(), image(), "output");
    let late = late.err().unwrap();
    assert!(
        late.contains("MatMul output: it reads turned, which no node"),
        "{late}"
    );
    graph.nodes.swap(4, 5);
    let read = whole::read(graph.clone(), image(), "output").ok().unwrap();
    assert_eq!(read.outputs, 2);
    assert_eq!(read.graph.features, 3, "the last layer is taken off");
    assert_eq!(read.tensors["head.weight"].shape, [2, 3]);
    assert_eq!(read.tensors["head.weight"].values, tensor_values(&[2, 3]));
    let steps = read.graph.steps.iter().map(|step| step.operator.as_str());
    assert_eq!(
        Vec::from_iter(steps),
        ["Flatten", "Softmax", "ReduceSum", "Mul"]
    );
    assert_eq!(read.graph.check(), Ok(()));

    // 2^40 numbers in one node.
    let shape = OnnxTensor {
        shape: vec![2],
        numbers: OnnxNumbers::Integers(vec![1 << 20, 1 << 20]),
    };
    let mut large = graph.clone();
    large.constants.insert("shape".to_owned(), shape);
    large.nodes[3] = node("Expand", &["three", "shape"], "row");
    let refused = whole::read(large, image(), "output").err().unwrap();
    assert!(refused.contains("Expand row: a value of"), "{refused}");

    let mut nan = graph.clone();
    let numbers = OnnxNumbers::Floats(vec![0.0, f32::NAN, 0.0]);
    nan.constants.get_mut("three").unwrap().numbers = numbers;
    let refused = whole::read(nan, image(), "output").err().unwrap();
    assert_eq!(refused, "three holds a value that is not a number");

    let constant = whole::read(graph, image(), "turned").err().unwrap();
    assert_eq!(constant, "its output does not depend on the image");
}

fn tensor_values(shape: &[usize]) -> Vec<f32> {
    match tensor(shape).numbers {
        OnnxNumbers::Floats(values) => values,
        OnnxNumbers::Integers(_) => Vec::new(),
    }
}
