"""Writes small ONNX graphs, and what ONNX Runtime makes of an image with each: `expected.json`.

    pip install torch onnx onnxscript onnxruntime numpy
    python tests/data/onnx/make.py

The networks have the parts of torchvision's ResNet, DenseNet, EfficientNet and MobileNetV3, exported by both exporters of
PyTorch, and those of Keras' graphs as tf2onnx writes them. Weights are random and the same each time. Files that are
there already are not written again, because exporters write other names from version to version.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
SIDE = 32
LABELS = 3
warnings.filterwarnings("ignore")
torch.set_num_threads(1)


def image(count=2, channels=3, side=SIDE):
    """Stripes, as `images` in tests/onnx.rs: another direction for each image and channel, and exact in `float`."""
    n, c, y, x = np.indices((count, channels, side, side))
    wave = (x * (3 + n) + y * (5 + 2 * c) + 7 * c + 11 * n) % 32
    return (np.abs(wave - 16) / 8 - 1).astype(np.float32)


def conv_norm(input, output, kernel, stride=1, groups=1):
    conv = nn.Conv2d(input, output, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(output))


class Block(nn.Module):
    """torchvision's `BasicBlock`."""

    def __init__(self, input, output, stride):
        super().__init__()
        self.conv1 = conv_norm(input, output, 3, stride)
        self.conv2 = conv_norm(output, output, 3)
        self.downsample = conv_norm(input, output, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x)))
        return F.relu(y + self.downsample(x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 8, 7, 2)
        self.blocks = nn.Sequential(Block(8, 8, 1), Block(8, 12, 2))
        self.fc = nn.Linear(12, LABELS)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)
        x = F.adaptive_avg_pool2d(self.blocks(x), 1)
        return self.fc(torch.flatten(x, 1))


class DenseLayer(nn.Module):
    """torchvision's `_DenseLayer`: a growth of 4."""

    def __init__(self, input):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(input), nn.Conv2d(input, 8, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3, padding=1, bias=False)

    def forward(self, parts):
        y = self.conv1(F.relu(self.norm1(torch.cat(parts, 1))))
        return self.conv2(F.relu(self.norm2(y)))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 8, 3, 2)
        self.first = nn.ModuleList([DenseLayer(8), DenseLayer(12), DenseLayer(16)])
        self.norm, self.conv = nn.BatchNorm2d(20), nn.Conv2d(20, 10, 1, bias=False)
        self.second = nn.ModuleList([DenseLayer(10), DenseLayer(14)])
        self.last = nn.BatchNorm2d(18)
        self.classifier = nn.Linear(18, LABELS)

    def block(self, layers, x):
        parts = [x]
        for layer in layers:
            parts.append(layer(parts))
        return torch.cat(parts, 1)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)
        x = self.block(self.first, x)
        x = F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2, 2)
        x = F.relu(self.last(self.block(self.second, x)))
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Gate(nn.Module):
    """torchvision's `SqueezeExcitation`."""

    def __init__(self, channels, squeezed, activation, gate):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.activation, self.gate = activation, gate

    def forward(self, x):
        y = F.adaptive_avg_pool2d(x, 1)
        return x * self.gate(self.fc2(self.activation(self.fc1(y))))


class Inverted(nn.Module):
    """Blocks of EfficientNet and of MobileNetV3, and the two last layers of MobileNetV3."""

    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 8, 3, 2)
        self.efficient = nn.Sequential(
            conv_norm(8, 24, 1), nn.SiLU(), conv_norm(24, 24, 5, 1, 24), nn.SiLU(),
            Gate(24, 2, nn.SiLU(), nn.Sigmoid()), conv_norm(24, 8, 1),
        )
        self.mobile = nn.Sequential(
            conv_norm(8, 16, 1), nn.Hardswish(), conv_norm(16, 16, 3, 2, 16), nn.Hardswish(),
            Gate(16, 4, nn.ReLU(), nn.Hardsigmoid()), conv_norm(16, 12, 1),
        )
        self.plain = nn.Sequential(conv_norm(12, 24, 1), nn.ReLU6())
        self.head = nn.Sequential(nn.Linear(24, 20), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(20, LABELS))

    def forward(self, x):
        x = F.silu(self.stem(x))
        x = x + self.efficient(x)
        x = self.plain(self.mobile(x))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def seeded(network, seed):
    """The network with weights that keep numbers of its layers of one size."""
    torch.manual_seed(seed)
    network = network()
    for name, value in list(network.named_parameters()) + list(network.named_buffers()):
        with torch.no_grad():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif value.dim() > 1:
                fan = value[0].numel()
                value.normal_(0, (2.0 / fan) ** 0.5)
            elif value.is_floating_point():
                one = 1.0 if name.endswith("weight") else 0.0
                value.normal_(one, 0.2)
    return network.eval()


def export(path, network, opset, is_dynamo, external=False):
    names = {"input_names": ["image"], "output_names": ["logits"], "opset_version": opset}
    example = torch.from_numpy(image())
    if is_dynamo:
        batch = {0: torch.export.Dim("batch")}
        torch.onnx.export(
            network, (example,), path, dynamo=True, external_data=external, verbose=False,
            dynamic_shapes=(batch,), **names,
        )
    else:
        axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
        torch.onnx.export(network, (example,), path, dynamo=False, dynamic_axes=axes, **names)


def model(path, nodes, tensors, input, output, opset):
    """A graph that is written by hand."""
    batch = "batch"
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *input])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, LABELS])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="tf2onnx")
    made.ir_version = 8
    onnx.checker.check_model(made)
    onnx.save(made, path)


def random(seed):
    state = np.random.RandomState(seed)
    return lambda *shape: (state.standard_normal(shape) * (2 / max(np.prod(shape[1:]), 1)) ** 0.5).astype(np.float32)


def keras_like(path):
    """As tf2onnx writes Keras' MobileNetV3: channels last outside, zeros before a convolution, hard swish in parts, a
    gate that is reshaped, a mean over two axes, a matrix and a softmax."""
    weight = random(7)
    integers = lambda *values: np.array(values, dtype=np.int64)
    single = lambda value: np.array(value, dtype=np.float32)
    tensors = {
        "scale": single(0.5), "shift": single(0.25), "three": single(3.0), "sixth": single(1 / 6),
        "zero": single(0.0), "six": single(6.0), "pads": integers(0, 0, 0, 0, 0, 0, 1, 1), "first": integers(0),
        "second": integers(1), "ones": integers(1, 1, 8),
        "conv.w": weight(8, 3, 3, 3), "conv.scale": np.abs(weight(8, 1, 1)) + single(0.5), "conv.shift": weight(8, 1, 1),
        "wide.w": weight(8, 1, 3, 3), "wide.b": weight(8), "fc1.w": weight(4, 8, 1, 1), "fc1.b": weight(4),
        "fc2.w": weight(8, 4, 1, 1), "fc2.b": weight(8), "last.w": weight(10, 8, 1, 1), "last.b": weight(10),
        "dense.w": np.ascontiguousarray(weight(LABELS, 10).T), "dense.b": weight(LABELS),
    }
    node = helper.make_node
    nodes = [
        # keras.layers.Rescaling, channels last
        node("Mul", ["image", "scale"], ["scaled"]), node("Add", ["scaled", "shift"], ["centred"]),
        node("Transpose", ["centred"], ["nchw"], perm=[0, 3, 1, 2]),
        node("Pad", ["nchw", "pads", "zero"], ["padded"], mode="constant"),
        node("Conv", ["padded", "conv.w"], ["c"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="VALID"),
        node("Mul", ["c", "conv.scale"], ["cs"]), node("Add", ["cs", "conv.shift"], ["cn"]),
        node("Add", ["cn", "three"], ["c3"]), node("Clip", ["c3", "zero", "six"], ["c6"]),
        node("Mul", ["c6", "sixth"], ["gate0"]), node("Mul", ["cn", "gate0"], ["swish"]),
        node("Conv", ["swish", "wide.w", "wide.b"], ["d"], kernel_shape=[3, 3], group=8, auto_pad="SAME_UPPER"),
        node("Relu", ["d"], ["dr"]),
        # GlobalAveragePooling2D, Reshape((1, 1, 8)), two convolutions: the shape is computed
        node("GlobalAveragePool", ["dr"], ["pool"]), node("Flatten", ["pool"], ["row"], axis=1),
        node("Shape", ["row"], ["shape"]), node("Cast", ["shape"], ["shape32"], to=TensorProto.INT32),
        node("Slice", ["shape32", "first", "second"], ["batch1"]),
        node("Cast", ["batch1"], ["batch64"], to=TensorProto.INT64),
        node("Concat", ["batch64", "ones"], ["to"], axis=0), node("Reshape", ["row", "to"], ["nhwc"]),
        node("Transpose", ["nhwc"], ["squeezed"], perm=[0, 3, 1, 2]),
        node("Conv", ["squeezed", "fc1.w", "fc1.b"], ["f1"], kernel_shape=[1, 1]), node("Relu", ["f1"], ["f1r"]),
        node("Conv", ["f1r", "fc2.w", "fc2.b"], ["f2"], kernel_shape=[1, 1]),
        node("Add", ["f2", "three"], ["f3"]), node("Clip", ["f3", "zero", "six"], ["f6"]),
        node("Mul", ["f6", "sixth"], ["gate"]), node("Mul", ["dr", "gate"], ["gated"]),
        node("Add", ["gated", "swish"], ["sum"]),
        node("Conv", ["sum", "last.w", "last.b"], ["l"], kernel_shape=[1, 1]), node("Relu", ["l"], ["lr"]),
        node("Transpose", ["lr"], ["back"], perm=[0, 2, 3, 1]),
        node("ReduceMean", ["back"], ["mean"], axes=[1, 2], keepdims=0),
        node("MatMul", ["mean", "dense.w"], ["m"]), node("Add", ["m", "dense.b"], ["z"]),
        node("Softmax", ["z"], ["scores"], axis=1),
    ]
    model(path, nodes, tensors, [SIDE, SIDE, 3], "scores", 13)


def flat(path):
    """As tf2onnx writes a Keras `Sequential` with `Flatten`: the map is flattened with channels last."""
    weight = random(8)
    tensors = {
        "conv.w": weight(6, 3, 3, 3), "conv.b": weight(6), "to": np.array([-1, 4 * 4 * 6], dtype=np.int64),
        "hidden.w": np.ascontiguousarray(weight(5, 96).T), "hidden.b": weight(5),
        "out.w": weight(LABELS, 5), "out.b": weight(LABELS),
    }
    node = helper.make_node
    nodes = [
        node("Transpose", ["image"], ["nchw"], perm=[0, 3, 1, 2]),
        node("Conv", ["nchw", "conv.w", "conv.b"], ["c"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]), node("MaxPool", ["r"], ["p"], kernel_shape=[4, 4], strides=[4, 4]),
        node("Transpose", ["p"], ["nhwc"], perm=[0, 2, 3, 1]), node("Reshape", ["nhwc", "to"], ["flat"]),
        node("MatMul", ["flat", "hidden.w"], ["h"]), node("Add", ["h", "hidden.b"], ["hb"]),
        node("Relu", ["hb"], ["hr"]), node("Gemm", ["hr", "out.w", "out.b"], ["z"], transB=1),
        node("Sigmoid", ["z"], ["scores"]),
    ]
    model(path, nodes, tensors, [SIDE, SIDE, 3], "scores", 9)


FILES = {
    "residual_13.onnx": lambda path: export(path, seeded(Residual, 1), 13, False),
    "residual_20.onnx": lambda path: export(path, seeded(Residual, 1), 20, True),
    "residual_external.onnx": lambda path: export(path, seeded(Residual, 1), 18, True, True),
    "dense_17.onnx": lambda path: export(path, seeded(Dense, 2), 17, False),
    "dense_18.onnx": lambda path: export(path, seeded(Dense, 2), 18, True),
    "inverted_13.onnx": lambda path: export(path, seeded(Inverted, 3), 13, False),
    "inverted_20.onnx": lambda path: export(path, seeded(Inverted, 3), 20, True),
    "keras.onnx": keras_like,
    "flat.onnx": flat,
}


def main():
    wanted = sys.argv[1:] or FILES
    expected_path = HERE / "expected.json"
    expected = json.loads(expected_path.read_text()) if expected_path.exists() else {}
    for name in wanted:
        path = HERE / name
        if not path.exists():
            FILES[name](str(path))
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        pixels = image()
        if session.get_inputs()[0].shape[-1] == 3:
            pixels = pixels.transpose(0, 2, 3, 1)
        (made,) = session.run(None, {"image": np.ascontiguousarray(pixels)})
        expected[name] = [[float(f"{value:.8g}") for value in row] for row in made.tolist()]
        print(name, path.stat().st_size, expected[name])
    expected_path.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
