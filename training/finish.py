"""From the checkpoint to the model file, its card and the figures."""

import json
import platform

import numpy
import PIL
import torch

from .export import NAME, card, load_weights, save_weights
from .labels import UNKNOWN, read_manifest
from .measure import figures, logits, operating_points, untrained_ieee8023, with_scores
from .network import untrained

COMPARED = 256

OPERATING_POINTS = (
    "Operating points maximise sensitivity + specificity on the permissive validation rows, fixed before the test "
    "data were opened: for Pneumonia over the sources that hold both classes (nih, kermany), for COVID-19 over "
    "all, each source weighing the same within a class."
)


def finish(data, out, log):
    """Reads `log`/checkpoint.pt; writes the model and its card to `out`, and `log`/figures.json."""
    torch.set_num_threads(2)
    state = torch.load(f"{log}/checkpoint.pt")
    sha256 = save_weights(state, out)
    model = load_weights(out)
    rows = read_manifest(data)
    permissive = rows[rows.licence_permissive == "yes"]
    validation = with_scores(model, data, permissive[permissive.split == "val"])
    points = {index: round(point, 4) for index, point in operating_points(validation).items()}
    ieee8023 = untrained_ieee8023(rows)
    unseen = with_scores(model, data, rows[(rows.split == "test") | rows.path.isin(ieee8023.path)])
    found = figures(unseen[unseen.split == "test"], unseen[unseen.path.isin(ieee8023.path)], points)
    trained = trained_rows(permissive)
    text = card(sha256, points, found, len(trained), trained.patient.nunique(), OPERATING_POINTS)
    with open(f"{out}/{NAME}.toml", "w", encoding="utf-8") as file:
        file.write(text)
    summary = {"versions": versions(), "sha256": sha256, "operating_points": points, "measurements": found,
               "float16": half_precision(model, state, data, list(unseen.path[:: max(1, len(unseen) // COMPARED)]))}
    with open(f"{log}/figures.json", "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1)
    show(summary)


def versions():
    return {"python": platform.python_version(), "torch": torch.__version__,
            "numpy": numpy.__version__, "pillow": PIL.__version__}


def trained_rows(permissive):
    """The rows that training drew from."""
    answers = permissive[["pneumonia", "covid", "cause"]] != UNKNOWN
    return permissive[(permissive.split == "train") & answers.any(axis=1)]


def half_precision(model, state, data, paths):
    """Largest difference of a logit between the exported float16 weights and the float32 ones."""
    exact = untrained()
    exact.load_state_dict(state)
    gap = (logits(model, data, paths) - logits(exact.eval(), data, paths)).abs().max().item()
    return {"images": len(paths), "largest_logit_difference": gap}


def show(summary):
    print(f"sha256 {summary['sha256']}\noperating points {summary['operating_points']}\n{summary['float16']}")
    for m in summary["measurements"]:
        bounds = f"{m['low']:.3f}-{m['high']:.3f}" if "low" in m else ""
        print(f"{m['label']:26} {m['on']:50} {m['statistic']:32} {m['value']:.3f} {bounds:12} "
              f"n {m['n']} positives {m['positives']} patients {m['patients']}")
