"""A fast script: the bundled network in OpenVINO over a folder, with OpenCV on a thread of each core.

    python benches/side_by_side/fast.py FOLDER

It finds no lungs, checks no input and draws no map. OpenCV decodes and resizes without the lock of Python, and OpenVINO
computes several images at the same time. What OpenCV does not read (no file of the samples) has no row.
"""

import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import openvino
import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import load_file

WEIGHTS = pathlib.Path(__file__).resolve().parents[2] / "weights/cxr-lite0.safetensors"
SIDE = 224
CORES = len(os.sched_getaffinity(0))


def network():
    state = {k: v.float() for k, v in load_file(WEIGHTS).items()}
    module = EfficientNet.from_name("efficientnet-lite0", in_channels=1, num_classes=len(state["_fc.bias"]))
    module.load_state_dict(state, strict=False)
    example = torch.zeros(1, 1, SIDE, SIDE)
    return openvino.convert_model(module.eval(), example_input=example, input=[1, 1, SIDE, SIDE])


def prepared(path):
    """A film as the network takes it, [1, 1, 224, 224]; None if OpenCV does not read it."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        return None
    side = min(image.shape)
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    image = cv2.resize(image[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low, high = np.percentile(image, (1, 99)).astype(np.float32)
    values = np.clip(2 * (image.astype(np.float32) - low) / max(high - low, 1) - 1, -1.4, 1.4)
    return values[None, None]


def main():
    cv2.setNumThreads(1)
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": CORES}
    compiled = openvino.Core().compile_model(network(), "CPU", settings)
    paths, rows = sorted(pathlib.Path(sys.argv[1]).iterdir()), {}
    queue = openvino.AsyncInferQueue(compiled)
    queue.set_callback(lambda request, path: rows.update({path: request.get_output_tensor(0).data[0].copy()}))
    with ThreadPoolExecutor(CORES) as pool:
        for path, values in zip(paths, pool.map(prepared, paths)):
            if values is not None:
                queue.start_async([values], path)
    queue.wait_all()
    for path in paths:
        if path in rows:
            print(path.name, *(1 / (1 + np.exp(-rows[path]))).tolist(), sep=",")


if __name__ == "__main__":
    main()
