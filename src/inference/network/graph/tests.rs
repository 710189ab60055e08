//! Single operators against ONNX Runtime (`tests/data/onnx/operators.py`), and what is refused. `tests/onnx.rs` compares
//! whole networks.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use super::*;
use crate::inference::in_words;

const CASES: &str = include_str!("../../../../tests/data/onnx/operators.json");
/// Largest difference, over the largest number or 1.
const NEAR: f64 = 2e-6;

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// JSON has no NaN: it is `null`.
fn tensor(value: &Value) -> Tensor {
    let sizes = list(&value["shape"]).iter();
    let shape: Vec<usize> = sizes.map(|size| size.as_u64().unwrap() as usize).collect();
    if value.get("whole").is_some() {
        let numbers = list(&value["whole"]).iter().map(|n| n.as_i64().unwrap());
        return Tensor::from_vec(numbers.collect::<Vec<i64>>(), shape, &Device::Cpu).unwrap();
    }
    let floats = list(&value["floats"]).iter();
    let floats = floats.map(|n| n.as_f64().map_or(f32::NAN, |n| n as f32));
    Tensor::from_vec(floats.collect::<Vec<f32>>(), shape, &Device::Cpu).unwrap()
}

fn attribute(value: &Value) -> StepAttribute {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "integer" => StepAttribute::Integer(value.as_i64().unwrap()),
        "float" => StepAttribute::Float(value.as_f64().unwrap() as f32),
        "text" => StepAttribute::Text(value.as_str().unwrap().to_owned()),
        _ => StepAttribute::Integers(list(value).iter().map(|n| n.as_i64().unwrap()).collect()),
    }
}

/// What a step makes of these inputs.
fn made(
    operator: &str,
    opset: i64,
    attributes: BTreeMap<String, StepAttribute>,
    inputs: &[Option<Tensor>],
    outputs: usize,
) -> Result<Vec<Tensor>, String> {
    let count = inputs.len();
    let step = GraphStep {
        operator: operator.to_owned(),
        inputs: (0..count)
            .map(|at| inputs[at].as_ref().map(|_| at))
            .collect(),
        outputs: (count..count + outputs).map(Some).collect(),
        attributes,
    };
    let mut run = GraphRun::new(opset, count + outputs, Device::Cpu);
    run.step(&step, inputs).map_err(|error| in_words(&error))?;
    let values = (count..count + outputs).map(|value| run.get(value).unwrap().clone());
    Ok(values.collect())
}

#[test]
fn operators_make_what_onnx_runtime_makes() {
    let cases: Value = serde_json::from_str(CASES).unwrap();
    assert!(list(&cases).len() > 100);
    for case in list(&cases) {
        let operator = case["operator"].as_str().unwrap();
        let attributes = case["attributes"].as_object().unwrap().iter();
        let attributes = attributes.map(|(name, value)| (name.clone(), attribute(value)));
        let inputs = list(&case["inputs"]).iter();
        let inputs: Vec<Option<Tensor>> = inputs
            .map(|input| (!input.is_null()).then(|| tensor(input)))
            .collect();
        let expected: Vec<Tensor> = list(&case["outputs"]).iter().map(tensor).collect();
        let opset = case["opset"].as_i64().unwrap();
        let found = made(
            operator,
            opset,
            attributes.collect(),
            &inputs,
            expected.len(),
        );
        let found = found.unwrap_or_else(|reason| panic!("{operator}: {reason} ({case})"));
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.dims(), expected.dims(), "{case}");
            assert_eq!(found.dtype(), expected.dtype(), "{case}");
            let numbers = |x: &Tensor| {
                let x = x.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
                x.to_vec1::<f64>().unwrap()
            };
            let (found, expected) = (numbers(found), numbers(expected));
            let largest = expected
                .iter()
                .fold(1.0_f64, |most, value| most.max(value.abs()));
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() <= NEAR * largest, "{case}: {found:?}");
            }
        }
    }
}

fn whole(numbers: &[i64]) -> Option<Tensor> {
    Some(Tensor::from_slice(numbers, numbers.len(), &Device::Cpu).unwrap())
}

fn zeros(shape: &[usize]) -> Option<Tensor> {
    Some(Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap())
}

#[test]
fn what_does_not_fit_or_is_too_large_is_refused() {
    let no_end = &[i64::MAX];
    let large = &[1 << 20, 1 << 20];
    for (operator, inputs, words) in [
        (
            "NonZero",
            vec![zeros(&[2])],
            "an operator that cxr does not have",
        ),
        (
            "ConstantOfShape",
            vec![whole(large)],
            "larger than those of any model",
        ),
        ("ConstantOfShape", vec![whole(&[-1])], "a size of -1"),
        (
            "ConstantOfShape",
            vec![whole(&[0, i64::MAX, i64::MAX])],
            "larger than",
        ),
        ("Expand", vec![zeros(&[1]), whole(large)], "larger than"),
        ("Tile", vec![zeros(&[2]), whole(no_end)], "larger than"),
        (
            "Pad",
            vec![zeros(&[2]), whole(&[0, 1 << 40])],
            "larger than",
        ),
        ("Pad", vec![zeros(&[2]), whole(&[-3, 0])], "takes more away"),
        (
            "Range",
            vec![whole(&[0]), whole(no_end), whole(&[1])],
            "larger than",
        ),
        (
            "Range",
            vec![whole(&[0]), whole(&[1]), whole(&[0])],
            "no end",
        ),
        ("Mod", vec![whole(&[1]), whole(&[0])], "divided by zero"),
        ("Mul", vec![whole(no_end), whole(&[2])], "becomes too large"),
        ("Add", vec![zeros(&[2]), zeros(&[3])], "do not fit together"),
        (
            "Add",
            vec![zeros(&[1 << 14, 1]), zeros(&[1, 1 << 14])],
            "larger than",
        ),
        (
            "Add",
            vec![zeros(&[2]), whole(&[1, 2])],
            "whole numbers with others",
        ),
        ("Add", vec![zeros(&[2]), None], "it has no input 1"),
        ("Reshape", vec![zeros(&[2]), whole(&[3])], "does not become"),
        (
            "Reshape",
            vec![zeros(&[2]), whole(&[-1, -1])],
            "a size of -1",
        ),
        (
            "Reshape",
            vec![zeros(&[0]), whole(&[0, -1])],
            "with something left",
        ),
        (
            "Gather",
            vec![zeros(&[2]), whole(&[2])],
            "what is not there",
        ),
        (
            "Gather",
            vec![zeros(&[2]), zeros(&[1])],
            "not whole numbers",
        ),
        (
            "GatherND",
            vec![zeros(&[2]), whole(&[5])],
            "a place that is not there",
        ),
        (
            "MatMul",
            vec![zeros(&[2, 3]), zeros(&[2, 3])],
            "a product of",
        ),
        (
            "MatMul",
            vec![zeros(&[1 << 14, 1]), zeros(&[1, 1 << 14])],
            "larger than",
        ),
        (
            "Conv",
            vec![zeros(&[1, 2, 3, 3]), zeros(&[1, 2, 4, 4])],
            "over a map of",
        ),
        (
            "Conv",
            vec![zeros(&[1, 2, 3, 3]), zeros(&[1, 3, 1, 1])],
            "groups of 2 channels",
        ),
        (
            "Conv",
            vec![zeros(&[1, 2, 3, 3]), zeros(&[1, 2, 0, 1])],
            "windows of",
        ),
        ("MaxPool", vec![zeros(&[1, 2, 3, 3])], "windows of [0, 0]"),
        (
            "LayerNormalization",
            vec![zeros(&[2, 0]), zeros(&[0])],
            "no numbers",
        ),
        ("Softmax", vec![zeros(&[0])], "no numbers"),
        ("ReduceMax", vec![zeros(&[2, 0])], "a number of none"),
        (
            "Resize",
            vec![zeros(&[2]), None, None, whole(&[0])],
            "a size for each axis",
        ),
        (
            "Resize",
            vec![zeros(&[2]), None, None, whole(no_end)],
            "larger than",
        ),
    ] {
        let refused = made(operator, 17, BTreeMap::new(), &inputs, 1);
        let reason = refused
            .err()
            .unwrap_or_else(|| panic!("{operator}: it is made"));
        assert!(reason.contains(words), "{operator}: {reason}");
        assert_eq!(reason.lines().count(), 1, "{reason}");
    }
}

/// Before version 11, the standard does not say which number is the nearest where a map becomes smaller.
#[test]
fn nearest_numbers_of_a_larger_map_are_refused_where_they_are_not_said() {
    let scales = Tensor::new(&[0.4_f32], &Device::Cpu).unwrap();
    let inputs = [zeros(&[5]), Some(scales)];
    let refused = made("Resize", 10, BTreeMap::new(), &inputs, 1).unwrap_err();
    assert!(refused.contains("between two of them"), "{refused}");
    let cubic = [("mode".to_owned(), StepAttribute::Text("cubic".to_owned()))];
    let refused = made("Resize", 10, cubic.into(), &inputs, 1).unwrap_err();
    assert!(refused.contains("its mode is cubic"), "{refused}");
}

/// Each matrix is small, and all products of them are not.
#[test]
fn multiplications_are_counted() {
    let step = |value: usize| GraphStep {
        operator: "MatMul".to_owned(),
        inputs: vec![Some(0), Some(0)],
        outputs: vec![Some(value)],
        attributes: BTreeMap::new(),
    };
    let wide = zeros(&[1, 1 << 13, 0]).unwrap();
    let mut run = GraphRun::new(17, 3, Device::Cpu);
    run.set(0, wide);
    assert!(run.step(&step(1), &[]).is_err(), "it is no square");
    let bounds = call::RunBounds::default();
    let add = GraphStep {
        operator: "Add".to_owned(),
        ..step(1)
    };
    let call = call::StepCall {
        step: &add,
        inputs: Vec::new(),
        opset: 17,
        device: &Device::Cpu,
        bounds: &bounds,
    };
    assert!(call.spend(&[1 << 20, 1 << 20]).is_ok());
    assert!(call.spend(&[1 << 20, 1 << 20]).is_ok());
    let spent = call.spend(&[1]).unwrap_err().to_string();
    assert!(spent.contains("more multiplications"), "{spent}");
    assert!(call.spend(&[usize::MAX, 2]).is_err());
}

/// Each step is small beside what a value may hold. Each window of the pool would look at 2²² numbers, for each of 2²²
/// places.
#[test]
fn what_pools_and_functions_take_is_counted_before_it_is_computed() {
    let side = 1 << 12;
    let kernel = [("kernel_shape", [1 << 11, 1 << 11])];
    let attributes = kernel.map(|(name, sizes)| {
        let sizes = sizes.map(|size: i64| size).to_vec();
        (name.to_owned(), StepAttribute::Integers(sizes))
    });
    for operator in ["MaxPool", "AveragePool"] {
        let map = [zeros(&[1, 1, side, side])];
        let refused = made(operator, 17, attributes.clone().into(), &map, 1).unwrap_err();
        assert!(refused.contains("read and write more numbers"), "{refused}");
    }
    // Step after step, of a value that takes no memory of its own.
    for operator in ["Relu", "ReduceSum", "Transpose"] {
        let step = |from: usize| GraphStep {
            operator: operator.to_owned(),
            inputs: vec![Some(from)],
            outputs: vec![Some(1)],
            attributes: BTreeMap::new(),
        };
        let bounds = call::RunBounds::of_touched(1 << 15);
        let map = zeros(&[1 << 10]).unwrap();
        let step = step(0);
        let call = call::StepCall {
            step: &step,
            inputs: vec![Some(&map)],
            opset: 17,
            device: &Device::Cpu,
            bounds: &bounds,
        };
        let steps = (0..1_000).map(|_| operators::compute(&call));
        let done = steps.take_while(std::result::Result::is_ok).count();
        assert!((10..40).contains(&done), "{operator}: {done}");
    }
}

/// A graph that adds one to each pixel and takes two of them.
fn graph() -> StoredGraph {
    let step = |operator: &str, inputs: [usize; 2], output: usize| GraphStep {
        operator: operator.to_owned(),
        inputs: inputs.map(Some).into(),
        outputs: vec![Some(output)],
        attributes: BTreeMap::new(),
    };
    let constant = |value: usize, shape: &[usize], whole: Option<Vec<i64>>| GraphConstant {
        value,
        shape: shape.to_vec(),
        whole,
    };
    StoredGraph {
        opset: 17,
        channels: 1,
        side: 2,
        channels_last: false,
        values: 7,
        constants: vec![
            constant(1, &[1], None),
            constant(3, &[2], Some(vec![1, 4])),
            constant(5, &[2], Some(vec![0, 3])),
        ],
        steps: vec![
            step("Add", [0, 1], 2),
            step("Reshape", [2, 3], 4),
            GraphStep {
                attributes: [("axis".to_owned(), StepAttribute::Integer(1))].into(),
                ..step("Gather", [4, 5], 6)
            },
        ],
        output: 6,
        features: 2,
    }
}

fn program(graph: StoredGraph) -> GraphProgram {
    let floats = |_: usize, shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu);
    GraphProgram::new(graph, Device::Cpu, floats).unwrap()
}

#[test]
fn images_are_computed_one_after_the_other() {
    let images = Tensor::arange(0_f32, 8.0, &Device::Cpu).unwrap();
    let images = images.reshape((2, 1, 2, 2)).unwrap();
    let made = program(graph()).forward(&images).unwrap();
    assert_eq!(made.dims(), [2, 2, 1, 1]);
    let numbers = made.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(numbers, [1.0, 4.0, 5.0, 8.0]);
    let wide = Tensor::zeros((1, 1, 2, 3), DType::F32, &Device::Cpu).unwrap();
    let error = program(graph()).forward(&wide).unwrap_err().to_string();
    assert!(error.contains("the graph is for 1 × 2 × 2"), "{error}");
}

#[test]
fn a_step_that_fails_is_named_by_its_place() {
    let mut other = graph();
    other.constants[2].whole = Some(vec![0, 9]);
    let image = Tensor::zeros((1, 1, 2, 2), DType::F32, &Device::Cpu).unwrap();
    let error = program(other).forward(&image).unwrap_err();
    assert_eq!(
        in_words(&error),
        "step 2, Gather: it gathers what is not there"
    );
    let mut few = graph();
    few.features = 3;
    let error = program(few).forward(&image).unwrap_err();
    assert_eq!(in_words(&error), "it does not make 3 numbers");
    let mut late = graph();
    late.steps.swap(0, 1);
    let floats = |_: usize, shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu);
    assert!(GraphProgram::new(late, Device::Cpu, floats).is_err());
}
