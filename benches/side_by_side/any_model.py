"""Compares cxr with PyTorch and ONNX Runtime on networks of the Hugging Face hub, one after another in every round.

    pip install -r benches/side_by_side/requirements.txt
    cargo build --release
    cargo bench --no-run --bench side_by_side      # prints the path of the binary
    python benches/side_by_side/any_model.py --cxr target/release/cxr --bench THE_BINARY --film FILM [--json FILE]

Each network is a folder that transformers saves, with seeded random weights. `cxr models import` makes of it what cxr
runs. ONNX Runtime runs the graphs that both exporters of PyTorch make of the same module, and PyTorch the module itself,
convolutional networks also with channels last. Every engine gets as many threads as this process has cores (taskset reduces them), and
the same numbers. It prints medians over the rounds and, of each round, how many times as fast as the fastest of the others
cxr is, with quartiles.

After that it times `cxr predict` of one film with ViT-B/16 from a cold start, the file being in the cache of the system,
and compares its peak memory with the size of the file of weights.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import warnings

import numpy as np
import onnxruntime
import torch
import transformers
from side_by_side import CORES, SIDE, Cxr, measured, once, tensor, timed

LABELS = [f"L{n}" for n in range(18)]
SEED = 20_261_129
# Above this the engines do not compute the same.
MOST_APART = 1e-3
GOALS = {"transformer": 1.0, "convolutional": 1.2}
MEMORY_GOAL = 1.3


def networks():
    """Yields (name, kind, class, settings of the config)."""
    yield "ViT-B/16", "transformer", "ViT", {}
    yield "Swin-T", "transformer", "Swin", {}
    yield "ConvNeXt-T", "convolutional", "ConvNext", {}
    yield "ResNet-50", "convolutional", "ResNet", {}
    small = dict(width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280, image_size=SIDE)
    yield "EfficientNet-B0", "convolutional", "EfficientNet", small


class Logits(torch.nn.Module):
    """A classifier of transformers that gives its logits alone."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x).logits


class Imported:
    """A network, as transformers has it and as cxr imported it."""

    def __init__(self, cxr, home, name, kind, family, settings):
        torch.manual_seed(SEED)
        self.name, self.kind = name, kind
        labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: n for n, label in enumerate(LABELS)}}
        config = getattr(transformers, f"{family}Config")(**settings, **labels, problem_type="multi_label_classification")
        model = getattr(transformers, f"{family}ForImageClassification")(config).eval()
        normalise(model)
        before = set(models_in(home))
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            size = {"size": {"height": SIDE, "width": SIDE}}
            transformers.ViTImageProcessor(**size).save_pretrained(folder)
            self.called = family.lower()
            run([cxr, "models", "import", folder, "--name", self.called])
        (self.weights,) = set(models_in(home)) - before
        self.module = Logits(model).eval()


@torch.no_grad()
def normalise(model):
    """Weights and statistics with which values neither vanish nor grow: tiny numbers are slow in some engines."""
    for part in model.modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(part.weight)
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        torch.nn.init.ones_(norm.weight)
        norm.momentum = None
        norm.train()
    model(torch.from_numpy(tensor(8, 3)))
    model.eval()


def models_in(home):
    return pathlib.Path(home).glob("cxr/models/*.safetensors")


def run(command):
    made = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if made.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {made.returncode}: {made.stderr}")
    return made.stdout


def others(folder, imported, batch):
    """Yields (name, function that returns logits) of the other engines."""
    x = tensor(batch, 3)
    for name, is_dynamo in (("ONNX Runtime", False), ("ONNX Runtime, dynamo", True)):
        if is_dynamo and imported.name == "Swin-T":
            continue  # This exporter fails for transformers' Swin.
        session = exported(f"{folder}/net.onnx", imported.module, torch.from_numpy(x), is_dynamo)
        yield name, lambda session=session: session.run(None, {"x": x})[0]
    formats = {"PyTorch": torch.contiguous_format}
    if imported.kind == "convolutional":
        formats["PyTorch, channels last"] = torch.channels_last
    for name, order in formats.items():
        # Its own copy: the order of the weights is part of the module.
        module = Logits(type(imported.module.inner)(imported.module.inner.config)).eval()
        module.load_state_dict(imported.module.state_dict())
        module = module.to(memory_format=order)
        values = torch.from_numpy(x).contiguous(memory_format=order)
        yield name, in_torch(module, values)


def exported(path, module, x, is_dynamo):
    """A session with the graph of a module."""
    how = {"dynamo": True, "external_data": False} if is_dynamo else {"dynamo": False, "opset_version": 17}
    torch.onnx.export(module, (x,), path, input_names=["x"], verbose=False, **how)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    os.remove(path)
    return session


def in_torch(module, values):
    def answer():
        with torch.inference_mode():
            return module(values).numpy()

    return answer


def compare(arguments, folder, made):
    ours = {"cxr f32": "f32"}
    if "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text():
        ours["cxr bf16"] = "bf16"
    ours = {name: Cxr(arguments.bench, "kernels", how, [str(one.weights) for one in made]) for name, how in ours.items()}
    for index, one in enumerate(made):
        for batch, rounds in ((1, arguments.rounds), (8, max(3, arguments.rounds // 3))):
            answers = dict(others(folder, one, batch))
            check(one, answers)
            runs = {name: lambda answer=answer: timed(answer) for name, answer in answers.items()}
            runs |= {name: lambda cxr=cxr: cxr.ask(f"{index} {batch}") for name, cxr in ours.items()}
            times = measured(runs, rounds)
            yield {"network": one.name, "kind": one.kind, "batch": batch, "ms": times}


def check(one, answers):
    """All engines compute the same."""
    answers = [answer() for answer in answers.values()]
    apart = max(float(np.abs(answer - answers[0]).max()) for answer in answers)
    if not apart <= MOST_APART:
        raise RuntimeError(f"{one.name}: the engines differ by {apart}")


def show(row):
    """The table of one network and batch, and whether the goal is reached."""
    times = row["ms"]
    theirs = [name for name in times if not name.startswith("cxr")]
    print(f"\n{row['network']}, batch of {row['batch']}, {CORES} threads\n{'':24}{'ms':>9}{'least':>9}   times as fast as the fastest other (quartiles)")
    for name, values in times.items():
        line = f"{name:24}{statistics.median(values):9.2f}{min(values):9.2f}"
        if name not in theirs:
            # Of the engines, not of each round: else a disturbed round of each would choose another one.
            fastest = min(theirs, key=lambda other: statistics.median(times[other]))
            ratios = [other / own for own, other in zip(values, times[fastest])]
            low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            row[f"{name}: ratio"] = middle
            line += f"   {middle:.2f} ({low:.2f} to {high:.2f}) {fastest}"
            if name == "cxr f32":
                line += f"; goal {GOALS[row['kind']]}: {'reached' if middle >= GOALS[row['kind']] else 'missed'}"
        print(line, flush=True)


def cold_start(arguments, one, folder):
    """Seconds from the start of `cxr predict` to its end with one film, and its peak memory beside the file of weights."""
    size = one.weights.stat().st_size / 2**20
    command = [arguments.cxr, "predict", "--model", one.called, "--quiet", "--force", "-o", f"{folder}/rows.csv", arguments.film]
    once(command)
    found = [once(command) for _ in range(arguments.starts)]
    seconds, peak = statistics.median(row[0] for row in found), max(row[1] for row in found)
    share = peak / size
    print(f"\n{one.name}, {size:.0f} MiB of weights: one film from a cold start in {seconds:.2f} s (n {len(found)}); at most {peak:.0f} MiB, {share:.2f} times the file; goal {MEMORY_GOAL}: {'reached' if share <= MEMORY_GOAL else 'missed'}")
    return {"network": one.name, "file_mib": size, "seconds": [row[0] for row in found], "peak_mib": peak, "times_the_file": share}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="binary of the bench side_by_side")
    parser.add_argument("--cxr", required=True, help="release binary")
    parser.add_argument("--film", required=True, help="a radiograph")
    parser.add_argument("--json", type=pathlib.Path, help="where all times are written")
    parser.add_argument("--only", nargs="*", default=[""], help="only networks with one of these words in their name")
    parser.add_argument("--rounds", type=int, default=21, help="for a batch of 1; a third of them for 8")
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(CORES)
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update({f"XDG_{kind}_HOME": f"{folder}/{kind}" for kind in ("DATA", "CONFIG", "CACHE", "STATE")})
        chosen = [row for row in networks() if any(word in row[0] for word in arguments.only)]
        made = [Imported(arguments.cxr, f"{folder}/DATA", *row) for row in chosen]
        written = {"threads": CORES, "speed": [], "start": None}
        for row in compare(arguments, folder, made):
            show(row)
            written["speed"].append(row)
        if made[0].name == "ViT-B/16":
            written["start"] = cold_start(arguments, made[0], folder)
    if arguments.json:
        arguments.json.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
