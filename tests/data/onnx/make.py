"""Writes small ONNX graphs, and what ONNX Runtime makes of an image with each: `expected.json`.

    pip install torch onnx onnxscript onnxruntime numpy
    python tests/data/onnx/make.py

The networks have the parts of torchvision's ResNet, DenseNet, EfficientNet and MobileNetV3 and of the vision transformers
ViT, Swin and ConvNeXt V2, exported by both exporters of PyTorch, and those of Keras' graphs as tf2onnx writes them. Weights are random and the same each time. Files that are
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


class Attention(nn.Module):
    """As PyTorch fuses it, or step by step with a bias for each pair of places and a mask."""

    def __init__(self, width, heads, places=None):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, places, places)) if places else None

    def forward(self, x, mask=None):
        count, tokens, width = x.shape
        parts = self.qkv(x).reshape(count, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind(0)
        if self.bias is None:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            scores = q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5 + self.bias
            if mask is not None:
                windows = mask.shape[0]
                scores = scores.view(-1, windows, self.heads, tokens, tokens) + mask.unsqueeze(1).unsqueeze(0)
                scores = scores.view(-1, self.heads, tokens, tokens)
            y = scores.softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(count, tokens, width))


class TokenBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width, eps=1e-6), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Tokens(nn.Module):
    """A ViT: squares of 8 pixels, a class token, positions, and a layer of weights on the class token."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 8, 8)
        self.token, self.positions = nn.Parameter(torch.zeros(1, 1, 12)), nn.Parameter(torch.zeros(1, 17, 12))
        self.blocks = nn.Sequential(TokenBlock(12, 3))
        self.norm, self.head = nn.LayerNorm(12, eps=1e-6), nn.Linear(12, LABELS)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


class WindowedBlock(nn.Module):
    """Attention within windows of 4 × 4 tokens, which are shifted by 2 or not."""

    def __init__(self, width, shift, side=8, window=4):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, 2, window * window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.shift, self.window = shift, window
        place = torch.zeros(1, side, side, 1)
        parts = [slice(0, -window), slice(-window, -shift), slice(-shift, None)] if shift else []
        for number, (rows, columns) in enumerate([(r, c) for r in parts for c in parts]):
            place[:, rows, columns] = number
        flat = self.windows(place).squeeze(-1)
        apart = flat.unsqueeze(1) != flat.unsqueeze(2)
        mask = torch.zeros(apart.shape).masked_fill(apart, float("-inf"))
        self.register_buffer("mask", mask if shift else None)

    def windows(self, x):
        count, side, _, width = x.shape
        x = x.view(count, side // self.window, self.window, side // self.window, self.window, width)
        return x.transpose(2, 3).reshape(-1, self.window * self.window, width)

    def forward(self, x):
        count, side, _, width = x.shape
        y = self.norm1(x)
        if self.shift:
            y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
        y = self.attention(self.windows(y), self.mask)
        across = side // self.window
        y = y.view(count, across, across, self.window, self.window, width).transpose(2, 3).reshape(count, side, side, width)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        x = x + y
        return x + self.mlp(self.norm2(x))


class Windowed(nn.Module):
    """A Swin: windows, shifted windows, four tokens merged into one, an average, and one layer of weights."""

    def __init__(self):
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
        self.blocks = nn.Sequential(WindowedBlock(8, 0), WindowedBlock(8, 2))
        self.merged, self.merge = nn.LayerNorm(32), nn.Linear(32, 12, bias=False)
        self.head = nn.Linear(12, LABELS)

    def forward(self, x):
        x = self.blocks(self.norm(self.patches(x).permute(0, 2, 3, 1)))
        parts = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = self.merge(self.merged(torch.cat(parts, -1)))
        return self.head(x.mean((1, 2)))


class Response(nn.Module):
    """A ConvNeXt V2 with one block: a wide window for each channel, global response normalisation, and two last layers."""

    def __init__(self):
        super().__init__()
        self.patches, self.deep = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm, self.up, self.down = nn.LayerNorm(8, eps=1e-6), nn.Linear(8, 24), nn.Linear(24, 8)
        self.gamma, self.beta = nn.Parameter(torch.zeros(1, 1, 1, 24)), nn.Parameter(torch.zeros(1, 1, 1, 24))
        self.last, self.head, self.other = nn.LayerNorm(8), nn.Linear(8, LABELS), nn.Linear(8, LABELS)

    def forward(self, x):
        x = self.patches(x)
        y = F.gelu(self.up(self.norm(self.deep(x).permute(0, 2, 3, 1))))
        norms = torch.norm(y, p=2, dim=(1, 2), keepdim=True)
        y = self.gamma * (y * (norms / (norms.mean(-1, keepdim=True) + 1e-6))) + self.beta + y
        x = self.last((x + self.down(y).permute(0, 3, 1, 2)).mean((-2, -1)))
        return ((self.head(x) + self.other(x)) / 2).softmax(-1)


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


def slim(path):
    """Takes away what no graph needs: where in PyTorch each node comes from, and the shapes of values in between."""
    made = onnx.load(path)
    for node in made.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for part in [made.graph.metadata_props, made.graph.value_info]:
        del part[:]
    onnx.save(made, path)


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
    "tokens_17.onnx": lambda path: (export(path, seeded(Tokens, 4), 17, False), slim(path)),
    "tokens_20.onnx": lambda path: (export(path, seeded(Tokens, 4), 20, True), slim(path)),
    "windowed_13.onnx": lambda path: (export(path, seeded(Windowed, 5), 13, False), slim(path)),
    "windowed_18.onnx": lambda path: (export(path, seeded(Windowed, 5), 18, True), slim(path)),
    "response_17.onnx": lambda path: (export(path, seeded(Response, 6), 17, False), slim(path)),
    "response_20.onnx": lambda path: (export(path, seeded(Response, 6), 20, True), slim(path)),
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
