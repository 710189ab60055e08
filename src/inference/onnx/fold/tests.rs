use std::collections::BTreeMap;

use super::*;
use crate::domain::{OnnxNode, OnnxNumbers, OnnxTensor};

fn node(operator: &str, attributes: &[(&str, OnnxAttribute)]) -> OnnxNode {
    let attributes = attributes.iter();
    OnnxNode {
        name: "n".to_owned(),
        operator: operator.to_owned(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        attributes: attributes
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn integers(values: &[i64]) -> Constant {
    Constant::list(
        values
            .iter()
            .map(|value| SymbolicCount::of(*value))
            .collect(),
    )
}

/// The numbers from 0 on.
fn arange(shape: &[usize]) -> Constant {
    let count = shape.iter().product::<usize>();
    Constant::floats(shape.to_vec(), (0..count).map(|i| i as f32).collect())
}

fn folded(
    operator: &str,
    attributes: &[(&str, OnnxAttribute)],
    inputs: &[&Constant],
) -> Result<Constant, String> {
    let node = node(operator, attributes);
    let inputs: Vec<_> = inputs.iter().map(|input| Some(*input)).collect();
    fold(GraphNode(&node), &inputs, 1000)
}

fn values(constant: &Constant) -> Vec<f32> {
    constant.as_floats().unwrap().to_vec()
}

#[test]
fn the_shape_of_a_flattened_map_depends_on_the_images() {
    // Concat(Unsqueeze(Gather(Shape(x), 0)), [-1])
    let shape = Constant::list(
        [
            SymbolicCount::IMAGES,
            SymbolicCount::of(8),
            SymbolicCount::of(2),
        ]
        .to_vec(),
    );
    let zero = integers(&[0]).reshaped(vec![]);
    let images = folded("Gather", &[], &[&shape, &zero]).unwrap();
    assert_eq!(images.shape, [0; 0]);
    let images = folded("Unsqueeze", &[], &[&images, &integers(&[0])]).unwrap();
    let axis = [("axis", OnnxAttribute::Integer(0))];
    let to = folded("Concat", &axis, &[&images, &integers(&[-1])]).unwrap();
    assert_eq!(
        to,
        Constant::list(vec![SymbolicCount::IMAGES, SymbolicCount::of(-1)])
    );
    // Slice(shape, 1, end) and its product
    let rest = folded(
        "Slice",
        &[],
        &[&shape, &integers(&[1]), &integers(&[i64::MAX])],
    )
    .unwrap();
    assert_eq!(rest, integers(&[8, 2]));
    let keepdims = [("keepdims", OnnxAttribute::Integer(0))];
    let size = folded("ReduceProd", &keepdims, &[&rest]).unwrap();
    assert_eq!(size, integers(&[16]).reshaped(vec![]));
    let twice = folded("Mul", &[], &[&images, &size]).unwrap();
    let expected = SymbolicCount {
        fixed: 0,
        per_image: 16,
    };
    assert_eq!(twice, Constant::list(vec![expected]));
    let half = folded("Div", &[], &[&twice, &integers(&[4])]).unwrap();
    assert_eq!(
        half,
        Constant::list(vec![SymbolicCount {
            per_image: 4,
            ..expected
        }])
    );
    assert!(folded("Div", &[], &[&twice, &integers(&[3])]).is_err());
    assert!(folded("Div", &[], &[&twice, &integers(&[0])]).is_err());
    assert!(folded("Mul", &[], &[&twice, &twice]).is_err());
    assert!(folded("Sqrt", &[], &[&twice]).is_err());
}

/// With Python: numpy, on `np.arange(6).reshape(2, 3)`.
#[test]
fn tensors_are_rearranged_as_numpy_does() {
    let x = arange(&[2, 3]);
    let turned = folded("Transpose", &[], &[&x]).unwrap();
    assert_eq!(
        (&turned.shape[..], values(&turned)),
        (&[3, 2][..], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0])
    );
    let perm = [("perm", OnnxAttribute::Integers(vec![1, 2, 0]))];
    let cube = folded("Transpose", &perm, &[&arange(&[2, 1, 3])]).unwrap();
    assert_eq!(
        (&cube.shape[..], values(&cube)),
        (&[1, 3, 2][..], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0])
    );
    let axis = [("axis", OnnxAttribute::Integer(1))];
    let picked = folded("Gather", &axis, &[&x, &integers(&[2, -3])]).unwrap();
    assert_eq!(
        (&picked.shape[..], values(&picked)),
        (&[2, 2][..], vec![2.0, 0.0, 5.0, 3.0])
    );
    let joined = folded("Concat", &axis, &[&x, &arange(&[2, 1])]).unwrap();
    assert_eq!(values(&joined), [0.0, 1.0, 2.0, 0.0, 3.0, 4.0, 5.0, 1.0]);
    let backwards = [
        &x,
        &integers(&[-1]),
        &integers(&[i64::MIN]),
        &integers(&[1]),
        &integers(&[-2]),
    ];
    let backwards = folded("Slice", &[], &backwards).unwrap();
    assert_eq!(
        (&backwards.shape[..], values(&backwards)),
        (&[2, 2][..], vec![2.0, 0.0, 5.0, 3.0])
    );
    let old = [
        ("starts", OnnxAttribute::Integers(vec![1])),
        ("ends", OnnxAttribute::Integers(vec![2])),
    ];
    assert_eq!(
        values(&folded("Slice", &old, &[&x]).unwrap()),
        [3.0, 4.0, 5.0]
    );
    let wide = folded("Expand", &[], &[&arange(&[2, 1]), &integers(&[1, 3])]).unwrap();
    assert_eq!(values(&wide), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let flat = folded("Reshape", &[], &[&x, &integers(&[0, -1, 1])]).unwrap();
    assert_eq!(flat.shape, [2, 3, 1]);
    assert_eq!(folded("Squeeze", &[], &[&flat]).unwrap().shape, [2, 3]);
    let axes = [("axes", OnnxAttribute::Integers(vec![-1]))];
    assert_eq!(folded("Squeeze", &axes, &[&flat]).unwrap().shape, [2, 3]);
    assert_eq!(folded("Unsqueeze", &axes, &[&x]).unwrap().shape, [2, 3, 1]);
}

#[test]
fn a_normalisation_in_parts_is_computed() {
    // gamma / sqrt(variance + 1e-3), as Keras' graphs have it.
    let variance = Constant::floats(vec![2], vec![3.999, 0.249]);
    let epsilon = Constant::floats(vec![], vec![1e-3]);
    let sum = folded("Add", &[], &[&variance, &epsilon]).unwrap();
    let root = folded("Sqrt", &[], &[&sum]).unwrap();
    let inverse = folded("Reciprocal", &[], &[&root]).unwrap();
    let scale = folded(
        "Mul",
        &[],
        &[&inverse, &Constant::floats(vec![2], vec![3.0, 1.0])],
    );
    let scale = values(&scale.unwrap());
    assert!((scale[0] - 1.5).abs() < 1e-6 && (scale[1] - 2.0).abs() < 1e-6);
    let negative = folded("Neg", &[], &[&epsilon]).unwrap();
    assert_eq!(values(&negative), [-1e-3]);
    assert_eq!(
        folded("Neg", &[], &[&integers(&[2])]).unwrap(),
        integers(&[-2])
    );
}

/// As timm's layers for TensorFlow's padding say it: `max((ceil(size / stride) - 1) * stride + kernel - size, 0)`.
#[test]
fn padding_that_depends_on_the_size_is_computed() {
    let to = |kind| [("to", OnnxAttribute::Integer(kind))];
    let size = integers(&[65]);
    let float = |value: f32| Constant::floats(vec![1], vec![value]);
    let as_float = folded("Cast", &to(1), &[&size]).unwrap();
    let quotient = folded("Div", &[], &[&as_float, &float(2.0)]).unwrap();
    let windows = folded("Ceil", &[], &[&quotient]).unwrap();
    assert_eq!(values(&windows), [33.0]);
    assert_eq!(values(&folded("Floor", &[], &[&quotient]).unwrap()), [32.0]);
    let windows = folded("Cast", &to(7), &[&windows]).unwrap();
    let before = folded("Sub", &[], &[&windows, &integers(&[1])]).unwrap();
    let covered = folded("Mul", &[], &[&before, &integers(&[2])]).unwrap();
    let missing = folded("Sub", &[], &[&covered, &size]).unwrap();
    let zero = integers(&[0]).reshaped(vec![]);
    let none = folded("Clip", &[], &[&missing, &zero]).unwrap();
    assert_eq!(none, integers(&[0]));
    let with_kernel = folded("Add", &[], &[&missing, &integers(&[3])]).unwrap();
    let some = folded("Clip", &[], &[&with_kernel, &zero]).unwrap();
    assert_eq!(some, integers(&[2]));
    let limits = [
        ("min", OnnxAttribute::Float(-0.5)),
        ("max", OnnxAttribute::Float(0.5)),
    ];
    let kept = folded(
        "Clip",
        &limits,
        &[&Constant::floats(vec![3], vec![-1.0, 0.25, 2.0])],
    );
    assert_eq!(values(&kept.unwrap()), [-0.5, 0.25, 0.5]);
}

#[test]
fn numbers_change_their_kind() {
    let to = |kind| [("to", OnnxAttribute::Integer(kind))];
    let floats = Constant::floats(vec![3], vec![-1.7, 0.0, 2.5]);
    assert_eq!(
        folded("Cast", &to(7), &[&floats]).unwrap(),
        integers(&[-1, 0, 2])
    );
    assert_eq!(
        folded("Cast", &to(9), &[&floats]).unwrap(),
        integers(&[1, 0, 1])
    );
    assert_eq!(folded("Cast", &to(10), &[&floats]).unwrap(), floats);
    let whole = folded("Cast", &to(1), &[&integers(&[2, 3])]).unwrap();
    assert_eq!(values(&whole), [2.0, 3.0]);
    assert_eq!(
        folded("Cast", &to(9), &[&integers(&[2, 0])]).unwrap(),
        integers(&[1, 0])
    );
    // A count of images stays one among whole numbers, and is no float.
    let images = Constant::list(vec![SymbolicCount::IMAGES]);
    assert_eq!(folded("Cast", &to(6), &[&images]).unwrap(), images);
    assert!(folded("Cast", &to(1), &[&images]).is_err());
}

#[test]
fn constants_are_read_from_each_attribute() {
    let constant = |attribute| folded("Constant", &[("value", attribute)], &[]).unwrap();
    assert_eq!(values(&constant(OnnxAttribute::Float(1.5))), [1.5]);
    assert_eq!(
        values(&constant(OnnxAttribute::Floats(vec![1.0, 2.0]))),
        [1.0, 2.0]
    );
    assert_eq!(
        constant(OnnxAttribute::Integer(3)),
        integers(&[3]).reshaped(vec![])
    );
    assert_eq!(
        constant(OnnxAttribute::Integers(vec![3, 4])),
        integers(&[3, 4])
    );
    let tensor = OnnxTensor {
        shape: vec![1],
        numbers: OnnxNumbers::Integers(vec![-1]),
    };
    assert_eq!(
        constant(OnnxAttribute::Tensor(tensor.clone())),
        integers(&[-1])
    );
    let filled = [("value", OnnxAttribute::Tensor(tensor))];
    let filled = folded("ConstantOfShape", &filled, &[&integers(&[2, 2])]).unwrap();
    assert_eq!(filled, integers(&[-1; 4]).reshaped(vec![2, 2]));
    let zeros = folded("ConstantOfShape", &[], &[&integers(&[3])]).unwrap();
    assert_eq!(values(&zeros), [0.0; 3]);
}

#[test]
fn what_does_not_fit_or_grows_is_a_fault_that_names_the_node() {
    let x = arange(&[2, 3]);
    let vector = arange(&[40]);
    let long = vector.reshaped(vec![40, 1]);
    for (operator, inputs, words) in [
        (
            "Gather",
            vec![&x, &integers(&[2])],
            "gathers what is not there",
        ),
        ("Gather", vec![&x, &x], "gathers what is not there"),
        ("Gather", vec![&x], "has no input 1"),
        ("Slice", vec![&x], "what it slices"),
        (
            "Slice",
            vec![&x, &integers(&[0]), &integers(&[1]), &integers(&[2])],
            "no axis 2",
        ),
        (
            "Slice",
            vec![
                &x,
                &integers(&[0]),
                &integers(&[1]),
                &integers(&[0]),
                &integers(&[0]),
            ],
            "a step of 0",
        ),
        (
            "Slice",
            vec![&x, &integers(&[0]), &integers(&[1, 2])],
            "differ in number",
        ),
        ("Concat", vec![&x, &arange(&[2, 4])], "different shapes"),
        (
            "Concat",
            vec![&vector, &integers(&[1])],
            "whole numbers with others",
        ),
        (
            "Reshape",
            vec![&x, &integers(&[4, -1])],
            "does not fit into [4, -1]",
        ),
        ("Reshape", vec![&x, &integers(&[-1, -1])], "does not fit"),
        ("Reshape", vec![&x, &x], "not whole numbers"),
        ("Squeeze", vec![&x, &integers(&[0])], "not of size 1"),
        ("Unsqueeze", vec![&x, &integers(&[0, 0])], "there twice"),
        ("Add", vec![&x, &vector], "do not fit"),
        ("Mul", vec![&vector, &long], "larger than any"),
        (
            "Expand",
            vec![&x, &integers(&[500, 2, 3])],
            "larger than any",
        ),
        (
            "ConstantOfShape",
            vec![&integers(&[1 << 40, 1 << 40])],
            "larger than any",
        ),
        ("ConstantOfShape", vec![&integers(&[-1])], "negative size"),
        ("ReduceProd", vec![&integers(&[i64::MAX, 2])], "too large"),
        ("Erf", vec![&x], "does not compute with constants"),
        ("Constant", vec![], "not numbers"),
    ] {
        let fault = folded(operator, &[], &inputs).unwrap_err();
        assert!(fault.starts_with(&format!("{operator} n: ")), "{fault}");
        assert!(fault.contains(words), "{fault}");
    }
    let perm = [("perm", OnnxAttribute::Integers(vec![0, 0]))];
    assert!(
        folded("Transpose", &perm, &[&x])
            .unwrap_err()
            .contains("its perm is")
    );
}

#[test]
fn an_empty_tensor_with_a_long_axis_is_refused_before_its_places_are_listed() {
    let empty = Constant::floats(vec![0, 1 << 60], vec![]);
    let [zero, all, second] = [&[0], &[i64::MAX], &[1]].map(|values| integers(values));
    let refused = folded("Slice", &[], &[&empty, &zero, &all, &second]);
    assert!(refused.unwrap_err().contains("empty tensor of shape"));
}

#[test]
fn lists_longer_than_any_tensor_has_axes_are_refused() {
    let many = integers(&(0..1 << 20).collect::<Vec<_>>());
    let one = integers(&[1]);
    for operator in ["Unsqueeze", "Squeeze", "Reshape", "Expand"] {
        let refused = folded(operator, &[], &[&one, &many]).unwrap_err();
        assert!(refused.contains("it lists 1048576"), "{refused}");
    }
}
