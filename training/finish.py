"""From the checkpoint to the model file, its card and the figures."""

import glob
import json
import platform

import numpy as np
import PIL
import sklearn
import torch

from . import features as frozen
from . import heads, input_data, prognosis
from .crops import lung_network
from .evidence import more_figures
from .export import card, rounded, save_weights
from .labels import read_manifest
from .measure import figures, untrained_ieee8023
from .network import untrained
from .reading import read_from
from .train import training_rows

COMPARED = 256


def finish(data, out, log, photographs=None):
    """Reads `log`/checkpoint.pt. Writes the model and its card to `out`, and `log`/figures.json.

    `photographs` is a folder of pictures to test the input head on. None of them may come from the packages of training.
    """
    torch.set_num_threads(1)
    state = torch.load(f"{log}/checkpoint.pt")
    model, lungs = load(rounded(state)), lung_network(log)
    rows = read_manifest(data)
    features = frozen.of_files(model, lungs, data, rows.path)
    logits = frozen.logits(model, features)
    permissive = (rows.licence_permissive == "yes").to_numpy()
    validation = permissive & (rows.split == "val").to_numpy()
    reading = read_from(rows[validation].reset_index(drop=True), logits[validation])
    trained = training_rows(rows)
    in_training = rows.path.isin(trained.path).to_numpy()

    covid = in_training & (rows.covid == 1).to_numpy()
    severity = severity_head(rows, features, covid)
    basis = heads.directions(features[covid], max(prognosis.DIRECTIONS))
    foretold = prognosis.fitted(rows, features, (severity["weight"], severity["bias"]), basis)
    inputs = input_heads(model, lungs, data, rows, features, in_training, photographs)
    scored = reading.onto(rows, logits)
    ieee8023 = untrained_ieee8023(scored)
    found = figures(scored[scored.split == "test"], ieee8023, reading)
    found += more_figures(data, rows, features, in_training, severity, inputs, log) + foretold["figures"]

    sha256 = save_weights(state, tensors(severity, inputs, foretold), out)
    text = card(sha256, reading, severity, inputs["limits"], foretold["sections"], found, trained)
    with open(f"{out}/cxr-lite0.toml", "w", encoding="utf-8") as file:
        file.write(text)
    some = list(rows[rows.split == "test"].path[::8])[:COMPARED]
    summary = {"versions": versions(), "sha256": sha256, "measurements": found,
               "float16": half_precision(model, lungs, state, data, some)}
    with open(f"{log}/figures.json", "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1)
    show(summary)


def load(state):
    """The network in eval mode, with all values in float32, as the program runs it."""
    model = untrained()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in missing) and not unexpected
    return model.to(memory_format=torch.channels_last).eval()


def severity_head(rows, features, basis_rows):
    """heads.severity on the rows that have severity scores, of any licence."""
    scored = rows.geographic_extent.notna().to_numpy()
    targets = rows.loc[scored, ["geographic_extent", "opacity"]].to_numpy(float)
    basis = heads.directions(features[basis_rows], max(heads.DIRECTIONS))
    return heads.severity(features[scored], targets, rows[scored].patient.to_numpy(), basis)


def input_heads(model, lungs, data, rows, features, in_training, photographs):
    """The input head, the distance, their limits, and the share of unseen images that they refuse."""
    def prepare(image):
        return frozen.prepared(lungs, np.ascontiguousarray(image, dtype=np.float32))

    examples = input_data.to_refuse(data, rows[in_training], prepare)
    odd = frozen.of_tensors(model, (tensor for tensor, _ in examples))
    kind = np.array([kind for _, kind in examples])

    def fitted(chosen):
        head = heads.input_head(np.concatenate([features[chosen], odd]),
                                np.concatenate([np.zeros(chosen.sum(), dtype=int), kind]))
        return head, heads.distance_model(features[chosen])

    sources = sorted(set(rows.source))
    own = {source: (rows.source == source).to_numpy() for source in sources}
    without = {source: fitted(in_training & ~own[source]) for source in sources}
    limits = input_limits([seen(without[s], features[in_training & own[s]]) for s in sources])
    whole = fitted(in_training)
    refusals = {}
    sets = input_data.tests(data, rows[rows.split == "test"], sorted(glob.glob(f"{photographs}/**/*", recursive=True)), prepare)
    for name, images in sets.items():
        refusals[name] = heads.refusal_rates(*seen(whole, frozen.of_tensors(model, images)), limits)
    for source in sources:
        test, new = own[source] & (rows.split == "test").to_numpy(), own[source] & ~in_training
        refusals[f"frontal radiographs of {source}, its test split"] = heads.refusal_rates(*seen(whole, features[test]), limits)
        refusals[f"frontal radiographs of {source}, left out of these heads"] = heads.refusal_rates(
            *seen(without[source], features[new]), limits)
    return {"head": whole[0], "distance": whole[1], "limits": limits, "refusals": refusals}


def seen(fitted, features):
    """The probabilities of the input head, and the distances."""
    return heads.kinds(fitted[0], features), heads.distances(fitted[1], features)


def input_limits(left_out):
    """The card's four limits, from training images of each source, scored by heads that were fitted without that source:
    a new hospital alone should hardly ever cause a refusal."""
    other = [p[:, heads.OTHER] for p, _ in left_out]
    return {
        "refuse": round(max(float(np.quantile(p, 0.99)) for p in other), 4),
        "caution": round(max(float(np.quantile(p, 0.95)) for p in other), 4),
        "distant": round(float(np.median([np.quantile(d, 0.95) for _, d in left_out])), 4),
        "far": round(max(float(np.quantile(d, 0.995)) for _, d in left_out), 4),
    }


def tensors(severity, inputs, foretold):
    """The tensors that the file holds beside those of the network, by name."""
    mean, components, precision = inputs["distance"]
    outcomes = {f"prognosis.{part}": foretold[part] for part in ("weight", "bias") if foretold["sections"]}
    return outcomes | {"severity.weight": severity["weight"], "severity.bias": severity["bias"],
            "input.weight": inputs["head"][0], "input.bias": inputs["head"][1],
            "distance.mean": mean, "distance.components": components, "distance.precision": precision}


def versions():
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__,
            "pillow": PIL.__version__, "scikit-learn": sklearn.__version__}


def half_precision(model, lungs, state, data, paths):
    """The largest difference of a logit between the exported float16 weights and the float32 weights."""
    exact = load(state)
    gap = np.abs(frozen.logits(model, frozen.of_files(model, lungs, data, paths))
                 - frozen.logits(exact, frozen.of_files(exact, lungs, data, paths))).max()
    return {"images": len(paths), "largest_logit_difference": float(gap)}


def show(summary):
    print(f"sha256 {summary['sha256']}\n{summary['float16']}")
    for m in summary["measurements"]:
        bounds = f"{m['low']:.3f}-{m['high']:.3f}" if "low" in m else ""
        print(f"{m['label']:26} {m['on']:56} {m['statistic']:38} {m['value']:.3f} {bounds:12} "
              f"n {m['n']} positives {m.get('positives', '')} patients {m.get('patients', '')}")
