"""From the checkpoint to the model file, its card and the figures."""

import glob
import hashlib
import json
import os
import pickle
import platform

import numpy as np
import PIL
import sklearn
import torch

from . import features as frozen
from . import heads, input_data, lung_limits, prognosis
from .evidence import more_figures
from .export import card, rounded, save_weights
from .labels import read_manifest
from .lungs import student
from .measure import figures, group_figures, untrained_ieee8023
from .network import untrained
from .reading import read_from, unlike_from
from .train import training_rows

COMPARED = 256
# Parts of the CT slices and lateral views, each of which is judged by a head that did not learn from it.
FOLDS = 5


def finish(data, out, log, photographs=None):
    """Reads `log`/checkpoint.pt. Writes the model and its card to `out`, and `log`/figures.json.

    `photographs` is a folder of pictures to test the input head on. None of them may come from the packages of training.
    """
    torch.set_num_threads(1)
    state = torch.load(f"{log}/checkpoint.pt")
    model, lungs = load(rounded(state)), student("weights/lungs.safetensors")
    rows = read_manifest(data)
    seen = kept(f"{log}/seen.pickle", f"{log}/checkpoint.pt", lambda: frozen.of_files(model, lungs, data, rows.path))
    features = seen.features
    logits = frozen.logits(model, features)
    permissive = (rows.licence_permissive == "yes").to_numpy()
    validation = permissive & (rows.split == "val").to_numpy()
    reading = read_from(rows[validation].reset_index(drop=True), logits[validation])
    trained = training_rows(rows)
    in_training = rows.path.isin(trained.path).to_numpy()

    # Directions of the features, of rows of any licence: only small heads are fitted along them.
    covid = (rows.covid == 1).to_numpy()
    severity = severity_head(rows, features, covid)
    basis = heads.directions(features[covid], max(prognosis.DIRECTIONS))
    foretold = prognosis.fitted(rows, features, (severity["weight"], severity["bias"]), basis)
    inputs = kept(f"{log}/inputs.pickle", f"{log}/checkpoint.pt",
                  lambda: input_heads(model, lungs, data, rows, seen, in_training, photographs))
    inputs["limits"]["unlike"] = unlike_from(rows[validation], inputs["distance"], features[validation])
    scored = reading.onto(rows, logits)
    ieee8023 = untrained_ieee8023(scored)
    is_test = (scored.split == "test").to_numpy()
    found = figures(scored[is_test], ieee8023, reading)
    found += group_figures(scored[is_test], logits[is_test], reading)
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


def kept(path, source, make):
    """What `make` gives, kept in a file for the next run until `source` changes."""
    with open(source, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    if os.path.exists(path):
        with open(path, "rb") as file:
            of, value = pickle.load(file)
        if of == digest:
            return value
    value = make()
    with open(path, "wb") as file:
        pickle.dump((digest, value), file)
    return value


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


def input_heads(model, lungs, data, rows, seen, in_training, photographs):
    """The input head, the distance, their limits, and the share of unseen images that they and the lungs refuse."""
    features = seen.features
    examples = Examples(model, lungs, data, rows[in_training])
    sources = sorted(set(rows.source))
    own = {source: (rows.source == source).to_numpy() for source in sources}
    without = {source: (examples.head(features[in_training & ~own[source]]),
                        heads.distance_model(features[in_training & ~own[source]])) for source in sources}
    limits = input_limits([judged(without[s], features[in_training & own[s]]) for s in sources])
    whole = examples.head(features[in_training]), heads.distance_model(features[in_training])
    shape = lung_limits.limits_of("weights/lungs.toml")

    def rates(fitted, images):
        return heads.refusal_rates(*judged(fitted, images.features), lung_limits.judged(images.shapes, *shape), limits)

    refusals = {name: rates(whole, images) for name, images in examples.tests(rows[rows.split == "test"], photographs).items()}
    folds = [(examples.head(features[in_training], without=fold), whole[1]) for fold in range(FOLDS)]
    for name, kind in (("CT slices", "CT"), ("lateral radiographs", "X-ray")):
        p, d = (np.concatenate(parts) for parts in zip(*(judged(folds[f], examples.odd_of(kind, f).features) for f in range(FOLDS))))
        shapes = lung_limits.judged(examples.odd_of(kind).shapes, *shape)
        refusals[f"{name}, each by a head that did not learn from its patient"] = heads.refusal_rates(p, d, shapes, limits)
    for source in sources:
        test, new = own[source] & (rows.split == "test").to_numpy(), own[source] & ~in_training
        refusals[f"frontal radiographs of {source}, its test split"] = rates(whole, seen.of(test))
        refusals[f"frontal radiographs of {source}, left out of these heads"] = rates(without[source], seen.of(new))
    return {"head": whole[0], "distance": whole[1], "limits": limits, "refusals": refusals}


class Examples:
    """The examples of the input head that are no upright frontal radiographs, as the networks see them."""

    def __init__(self, model, lungs, data, rows):
        self.see = lambda images: frozen.of_images(model, lungs, images)
        self.data = data
        self.others, self.kind = self.pairs(input_data.to_refuse(data, rows))
        self.changed, row = self.pairs(input_data.odd_examples(data))
        self.odd = input_data.odd_rows(data).iloc[row]
        # Those of one patient are in one fold.
        _, patient = np.unique(self.odd.patient.astype(str), return_inverse=True)
        self.fold = patient % FOLDS
        self.as_it_is = np.r_[True, np.diff(row) != 0]

    def pairs(self, examples):
        """A Seen of the images, and what comes with each."""
        beside = []

        def images():
            for image, what in examples:
                beside.append(what)
                yield image

        return self.see(images()), np.array(beside)

    def head(self, frontal, without=None):
        """The input head on features of frontal radiographs and of these examples, but those of a fold."""
        odd = self.changed.features[self.fold != without]
        kind = np.concatenate([np.zeros(len(frontal), int), self.kind, np.full(len(odd), input_data.OTHER)])
        return heads.input_head(np.concatenate([frontal, self.others.features, odd]), kind)

    def odd_of(self, modality, fold=None):
        """The images of a modality as they are, of one fold, or of all in the order of folds."""
        chosen = np.flatnonzero(self.as_it_is & (self.odd.modality == modality).to_numpy())
        chosen = chosen[np.argsort(self.fold[chosen], kind="stable")]
        return self.changed.of(chosen if fold is None else chosen[self.fold[chosen] == fold])

    def tests(self, rows, photographs):
        pictures = sorted(glob.glob(f"{photographs}/**/*", recursive=True))
        return {name: self.see(images) for name, images in input_data.tests(self.data, rows, pictures).items()}


def judged(fitted, features):
    """The probabilities of the input head, and the distances."""
    if len(features) == 0:
        return np.zeros((0, 4)), np.zeros(0)
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
    gap = np.abs(frozen.logits(model, frozen.of_files(model, lungs, data, paths).features)
                 - frozen.logits(exact, frozen.of_files(exact, lungs, data, paths).features)).max()
    return {"images": len(paths), "largest_logit_difference": float(gap)}


def show(summary):
    print(f"sha256 {summary['sha256']}\n{summary['float16']}")
    for m in summary["measurements"]:
        bounds = f"{m['low']:.3f}-{m['high']:.3f}" if "low" in m else ""
        print(f"{m['label']:26} {m['on']:56} {m['statistic']:38} {m['value']:.3f} {bounds:12} "
              f"n {m['n']} positives {m.get('positives', '')} patients {m.get('patients', '')}")
