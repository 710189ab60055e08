"""Compares cxr, PyTorch, ONNX Runtime and OpenVINO on the same tensors, one after another in every round.

    pip install -r benches/side_by_side/requirements.txt
    cargo build --release
    cargo bench --no-run --bench side_by_side      # prints the path of the binary
    python benches/side_by_side/side_by_side.py --cxr target/release/cxr --bench THE_BINARY [--images FOLDER]

The weights are random, except for EfficientNet-Lite0, which has those of the bundled model. Every engine gets as many
threads as this process has cores (taskset reduces them). It prints medians over the rounds, and the ratio to ONNX Runtime
in the same round with its quartiles.

To compare AVX2 with AVX2, set CXR_ISA=avx2 and ONEDNN_MAX_CPU_ISA=AVX2 in the environment. ONNX Runtime has no such switch.
For the published figures, the jump after its test for AVX-512F (`test $0x10000`), where MLAS chooses its kernels, was
changed in a copy of the package so that it is always taken. A profiler then found no 512-bit instruction.
"""

import argparse
import hashlib
import itertools
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
import openvino
import torch
import torchvision
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
WEIGHTS = HERE.parents[1] / "weights"
CORES = len(os.sched_getaffinity(0))
SIDE = 224
LABELS = 18
# Threads of OpenMP and others spin for a while after their work, on the cores that the next engine needs.
REST = 0.3
IMAGES = (".png", ".jpg", ".jpeg", ".jfif", ".webp")
CARD = """name = "{name}"
version = "0"
architecture = "{architecture}"
input_size = 224
preprocess = "{preprocess}"
licence = "none"
pretrained = "random"
training_data = "none"
limits = []
sha256 = "{sha256}"
"""
LABEL = '\n[[label]]\nname = "L{}"\nquestion = "presence"\n'


def networks():
    """Yields (name, architecture and preprocessing for the card, channels, module)."""
    torch.manual_seed(1)
    dense = torchvision.models.densenet121(num_classes=LABELS)
    dense.features.conv0 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    yield "DenseNet-121", "densenet121", "xrv-224-1", 1, dense.eval()
    mobile = torchvision.models.mobilenet_v2(num_classes=LABELS)
    yield "MobileNetV2", "mobilenet-v2", "chexnet-224-1", 3, mobile.eval()
    state = {k: v.float() for k, v in load_file(WEIGHTS / "cxr-lite0.safetensors").items()}
    lite = EfficientNet.from_name("efficientnet-lite0", in_channels=1, num_classes=len(state["_fc.bias"]))
    lite.load_state_dict(state, strict=False)
    yield "bundled (Lite0)", None, None, 1, lite.eval()


def model_file(folder, name, architecture, preprocess, network):
    if architecture is None:
        return str(WEIGHTS / "cxr-lite0.safetensors")
    path = pathlib.Path(folder) / f"{architecture}.safetensors"
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = CARD.format(name=name, architecture=architecture, preprocess=preprocess, sha256=digest)
    path.with_suffix(".toml").write_text(card + "".join(LABEL.format(n) for n in range(LABELS)))
    return str(path)


def tensor(batch, channels):
    count = batch * channels * SIDE * SIDE
    return np.sin(np.arange(count, dtype=np.float32) * np.float32(0.37)).reshape(batch, channels, SIDE, SIDE)


def timed(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


class Cxr:
    """A process of the bench, which computes on request."""

    def __init__(self, bench, engine, precision, files):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self.process = subprocess.Popen([bench, engine, precision, *files], **pipes)
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{bench} did not start with {engine}, {precision}")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return float(self.process.stdout.readline())


def engines(folder, name, network, channels, batch):
    """Yields (name, function that returns the milliseconds of one forward pass)."""
    x = tensor(batch, channels)
    graph = f"{folder}/{name.split()[0]}-{batch}.onnx"
    torch.onnx.export(network, torch.from_numpy(x), graph, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    yield "ONNX Runtime", lambda: timed(lambda: session.run(None, {"x": x}))
    for precision in ("f32", "bf16"):
        hints = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": CORES, "PERFORMANCE_HINT": "LATENCY"}
        request = openvino.Core().compile_model(graph, "CPU", hints).create_infer_request()
        yield f"OpenVINO {precision}", lambda request=request: timed(lambda: request.infer({0: x}))

    def in_torch():
        with torch.inference_mode():
            network(torch.from_numpy(x))

    yield "PyTorch", lambda: timed(in_torch)


def compare(arguments, folder):
    made = list(networks())
    files = [model_file(folder, *row[:3], row[4]) for row in made]
    ours = {"cxr f32": ("kernels", "f32"), "cxr bf16": ("kernels", "bf16"), "cxr, candle": ("candle", "f32")}
    if arguments.without_candle:
        del ours["cxr, candle"]
    if "avx512_bf16" not in open("/proc/cpuinfo").read():
        del ours["cxr bf16"]
    ours = {name: Cxr(arguments.bench, *how, files) for name, how in ours.items()}
    for index, (name, _, _, channels, network) in enumerate(made):
        for batch, rounds in ((1, arguments.rounds), (8, max(3, arguments.rounds // 3))):
            runs = dict(engines(folder, name, network, channels, batch))
            runs |= {n: lambda cxr=cxr: cxr.ask(f"{index} {batch}") for n, cxr in ours.items()}
            table(f"{name}, batch of {batch}", measured(runs, rounds))
    for name, cxr in ours.items():
        print(f"{name}: at most {cxr.ask('memory'):.0f} MiB with all three networks, batch of 8")


def measured(runs, rounds):
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            time.sleep(REST)
            run()  # Fills the caches after the other engines.
            times[name].append(run())
    return times


def table(title, times):
    print(f"\n{title}, {CORES} threads\n{'':14}{'ms':>9}{'least':>9}   ratio to ONNX Runtime (quartiles)")
    for name, values in times.items():
        ratios = [one / other for one, other in zip(values, times["ONNX Runtime"])]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{name:14}{statistics.median(values):9.2f}{min(values):9.2f}   {middle:.2f} ({low:.2f} to {high:.2f})", flush=True)


def whole_path(arguments, folder):
    """Times one image from a cold start, and a folder of images, in turn with the usual script."""
    commands = {
        "cxr": [arguments.cxr, "predict", "--quiet", "--force", "-o", f"{folder}/rows.csv"],
        "usual script": [sys.executable, str(HERE / "usual.py")],
    }
    images = sorted(path for path in pathlib.Path(arguments.images).iterdir() if path.suffix in IMAGES)
    # Repeats a small folder. This is fair, because neither program caches its results here.
    many = list(itertools.islice(itertools.cycle(images), arguments.count))
    for title, which, rounds in (("one image, cold", images[:1], 9), ("a folder", many, 3)):
        with tempfile.TemporaryDirectory() as place:
            for index, path in enumerate(which):
                os.symlink(path.resolve(), f"{place}/{index:06}-{path.name}")
            found = {name: [] for name in commands}
            for _ in range(rounds):
                for name, command in commands.items():
                    found[name].append(once(command + [place]))
        print(f"\n{title}: {len(which)} images")
        for name, rows in found.items():
            seconds, mib = statistics.median(row[0] for row in rows), max(row[1] for row in rows)
            print(f"{name:14}{seconds:9.3f} s {len(which) / seconds:9.1f} a second   at most {mib:.0f} MiB", flush=True)


# Runs in a small process, because the peak memory of a process includes its memory from before exec.
ONCE = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - start, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
"""


def once(command):
    """Seconds, and the peak memory in MiB of the process (without its children)."""
    output = subprocess.run([sys.executable, "-S", "-c", ONCE, *command], capture_output=True, text=True, check=True)
    seconds, mib, code = output.stdout.split()
    if code not in ("0", "1"):
        raise RuntimeError(f"{command[0]} ended with {code}: {output.stderr}")
    return float(seconds), float(mib)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="binary of the bench side_by_side")
    parser.add_argument("--cxr", help="release binary, for --images")
    parser.add_argument("--images", help="folder of radiographs, for the whole path")
    parser.add_argument("--count", type=int, default=1000, help="how many images to read, with repetition")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--without-candle", action="store_true", help="leave out the reference engine, which is slow")
    arguments = parser.parse_args()
    torch.set_num_threads(CORES)
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments, folder)
        if arguments.images and arguments.cxr:
            whole_path(arguments, folder)


if __name__ == "__main__":
    main()
