"""Writes `operators.json`: what ONNX Runtime makes of small inputs with single operators, for those that cxr computes one
by one (src/inference/network/graph).

    pip install onnx onnxruntime numpy
    python tests/data/onnx/operators.py
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

HERE = Path(__file__).parent
KINDS = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}


def floats(*shape):
    """Different numbers on both sides of zero, exact in `float`."""
    count = int(np.prod(shape))
    return (((np.arange(count) * 37 + 11) % 64 - 31) / 16).astype(np.float32).reshape(shape)


def whole(*values):
    return np.array(values, dtype=np.int64)


def single(value):
    return np.array(value, dtype=np.float32)


def case(operator, inputs, opset=17, outputs=1, **attributes):
    """`None` is an input that is left out."""
    names = ["" if value is None else f"i{place}" for place, value in enumerate(inputs)]
    made = [f"o{place}" for place in range(outputs)]
    node = helper.make_node(operator, names, made, **attributes)
    given = {name: value for name, value in zip(names, inputs) if value is not None}
    graph = helper.make_graph(
        [node], "graph",
        [helper.make_tensor_value_info(n, KINDS[v.dtype.name], v.shape) for n, v in given.items()],
        [helper.make_empty_tensor_value_info(name) for name in made],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = session.run(None, given)
    return {
        "operator": operator,
        "opset": opset,
        "attributes": {name: attribute(value) for name, value in attributes.items()},
        "inputs": [None if value is None else tensor(value) for value in inputs],
        "outputs": [tensor(value) for value in results],
    }


def attribute(value):
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, int):
        return {"integer": value}
    if isinstance(value, float):
        return {"float": value}
    return {"integers": list(value)}


def tensor(value):
    if value.dtype == np.float32:
        # JSON has no NaN.
        numbers = [None if v != v else float(f"{v:.8g}") for v in value.ravel().tolist()]
        return {"shape": value.shape, "floats": numbers}
    return {"shape": value.shape, "whole": value.astype(np.int64).ravel().tolist()}


def cases():
    x, y = floats(2, 3, 4), floats(3, 1)
    for operator in ["Abs", "Neg", "Exp", "Erf", "Sin", "Cos", "Tanh", "Sigmoid", "Relu", "Floor", "Ceil",
                     "Softplus", "HardSigmoid", "HardSwish", "Elu", "LeakyRelu"]:
        yield case(operator, [x])
    yield case("Sqrt", [np.abs(x)])
    yield case("Reciprocal", [x + single(1 / 32)])
    yield case("Log", [np.abs(x) + single(0.5)])
    yield case("Gelu", [x], opset=20)
    yield case("Gelu", [x], opset=20, approximate="tanh")
    for operator in ["Add", "Sub", "Mul", "Div", "Min", "Max"]:
        yield case(operator, [x, y])
    a, b = whole(7, -7, 7, -7, 6), whole(3, 3, -3, -3, 2)
    for operator in ["Add", "Sub", "Mul", "Div", "Mod"]:
        yield case(operator, [a, b])
    yield case("Mod", [a, b], fmod=1)
    for operator in ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]:
        yield case(operator, [x, floats(4)])
    yield case("Pow", [x, single(2)])
    yield case("Pow", [x, single(3)])
    yield case("Pow", [np.abs(x), single(1.5)])
    yield case("Clip", [x, single(-0.5), single(0.75)])
    yield case("Clip", [x, None, single(0.25)])
    yield case("Cast", [x], to=TensorProto.INT64)
    yield case("Cast", [whole(0, 2, -3)], to=TensorProto.FLOAT)
    yield case("Reshape", [x, whole(0, -1)])
    yield case("Flatten", [x], axis=2)
    yield case("Transpose", [x], perm=[2, 0, 1])
    yield case("Squeeze", [floats(1, 3, 1), whole(-1)])
    yield case("Unsqueeze", [y, whole(0, -1)])
    yield case("Concat", [x, floats(2, 1, 4)], axis=-2)
    yield case("Split", [x, whole(1, 3)], outputs=2, axis=-1)
    yield case("Split", [floats(2, 5)], opset=18, outputs=2, axis=1, num_outputs=2)
    yield case("Expand", [y, whole(2, 1, 4)])
    yield case("Tile", [y, whole(2, 3)])
    yield case("Pad", [x, whole(0, 1, 0, 0, 0, -2), single(1.5)])
    yield case("Slice", [x, whole(-1, 3), whole(-100, 0), whole(1, 2), whole(-1, -2)])
    yield case("Slice", [x, whole(1), whole(1 << 60), whole(-1)])
    yield case("Gather", [x, np.array([[0, -1], [2, 2]], dtype=np.int64)], axis=1)
    yield case("Gather", [x, np.array(-2, dtype=np.int64)], axis=2)
    yield case("GatherND", [x, np.array([[0, 1], [-1, 2]], dtype=np.int64)])
    yield case("ScatterND", [x, np.array([[0, 1], [1, -1]], dtype=np.int64), floats(2, 4)])
    yield case("Trilu", [x, np.array(1, dtype=np.int64)], upper=1)
    yield case("Trilu", [x, np.array(-1, dtype=np.int64)], upper=0)
    yield case("Shape", [x], start=-2)
    yield case("Range", [np.array(2, dtype=np.int64), np.array(-5, dtype=np.int64), np.array(-3, dtype=np.int64)])
    yield case("Range", [single(0), single(1), single(0.3)])
    for operator in ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"]:
        yield case(operator, [x], axes=[0, -1], keepdims=0)
    yield case("ReduceSum", [x, whole(1)])
    yield case("ReduceMean", [x, whole(-1)], opset=18)
    yield case("ReduceProd", [whole(3, 4, 5)])
    yield case("Softmax", [x], axis=1)
    yield case("Softmax", [x], opset=12, axis=1)
    yield case("MatMul", [x, floats(4, 5)])
    yield case("MatMul", [floats(2, 1, 3, 4), floats(3, 4, 2)])
    yield case("MatMul", [floats(4), floats(2, 4, 3)])
    yield case("MatMul", [x, floats(4)])
    yield case("Gemm", [floats(3, 2), floats(5, 3), floats(5)], transA=1, transB=1, alpha=0.5, beta=2.0)
    yield case("LayerNormalization", [x, floats(3, 4), floats(3, 4)], axis=-2)
    yield case("LayerNormalization", [x, floats(4)], axis=-1, epsilon=0.01)
    one = lambda count: floats(count) + single(2.5)
    yield case("BatchNormalization", [x, one(3), floats(3), floats(3), one(3)])
    yield case("InstanceNormalization", [x, one(3), floats(3)])
    image = floats(1, 4, 7, 8)
    yield case("Conv", [image, floats(6, 4, 3, 3), floats(6)], pads=[1, 0, 2, 1], strides=[2, 2])
    yield case("Conv", [image, floats(6, 2, 3, 3)], group=2, dilations=[2, 2])
    yield case("Conv", [image, floats(4, 1, 3, 3)], group=4, auto_pad="SAME_LOWER", strides=[2, 2])
    yield case("Conv", [image, floats(5, 4, 2, 2), floats(5)], strides=[2, 2])
    yield case("Conv", [image, floats(5, 4, 1, 3)], auto_pad="SAME_UPPER")
    yield case("MaxPool", [image], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    yield case("AveragePool", [image], kernel_shape=[2, 3], strides=[2, 1])
    yield case("AveragePool", [image], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    yield case("GlobalAveragePool", [image])
    yield case("GlobalMaxPool", [image])
    for mode, place in [("nearest", "asymmetric"), ("linear", "half_pixel"), ("linear", "align_corners"),
                        ("cubic", "pytorch_half_pixel")]:
        sizes = whole(1, 4, 10, 5)
        more = {"nearest_mode": "floor"} if mode == "nearest" else {}
        yield case("Resize", [image, None, None, sizes], mode=mode, coordinate_transformation_mode=place, cubic_coeff_a=-0.75,
                   **more)
    yield case("Resize", [image, None, np.array([1, 1, 1.5, 2], dtype=np.float32)], mode="cubic")
    # Before version 11, places are computed in one way.
    scales = np.array([1, 1, 2, 3], dtype=np.float32)
    halves = np.array([1, 1, 0.5, 0.5], dtype=np.float32)
    for mode in ["nearest", "linear"]:
        yield case("Resize", [image, scales], opset=10, mode=mode)
        yield case("Upsample", [image, scales], opset=9, mode=mode)
        yield case("Resize", [floats(1, 2, 4, 6), halves], opset=10, mode=mode)
    yield case("Where", [x > 0, x, y])
    yield case("Not", [x > 0])
    yield case("And", [x > 0, floats(4) > 0])
    yield case("IsNaN", [np.array([0, np.nan, 1], dtype=np.float32)])


def main():
    made = list(cases())
    # One case on each line.
    lines = ",\n".join(json.dumps(one, allow_nan=False) for one in made)
    (HERE / "operators.json").write_text(f"[\n{lines}\n]\n")
    print(len(made), "cases")


if __name__ == "__main__":
    main()
