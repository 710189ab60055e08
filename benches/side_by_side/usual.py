"""The usual script: the bundled network in PyTorch over a folder, with Pillow and a DataLoader of two workers."""

import pathlib
import sys

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors.torch import load_file

WEIGHTS = pathlib.Path(__file__).resolve().parents[2] / "weights/cxr-lite0.safetensors"
SIDE = 224


class Folder(torch.utils.data.Dataset):
    def __init__(self, folder):
        self.paths = sorted(pathlib.Path(folder).iterdir())

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("L")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        values = np.asarray(image, np.float32)
        low, high = np.percentile(values, (1, 99)).astype(np.float32)
        values = np.clip(2 * (values - low) / max(high - low, 1) - 1, -1.4, 1.4)
        return torch.from_numpy(values)[None]


def main():
    state = {k: v.float() for k, v in load_file(WEIGHTS).items()}
    network = EfficientNet.from_name("efficientnet-lite0", in_channels=1, num_classes=len(state["_fc.bias"]))
    network.load_state_dict(state, strict=False)
    network.eval()
    data = Folder(sys.argv[1])
    loader = torch.utils.data.DataLoader(data, batch_size=8, num_workers=2)
    with torch.inference_mode():
        rows = [row for images in loader for row in torch.sigmoid(network(images)).tolist()]
    for path, row in zip(data.paths, rows):
        print(path.name, *row, sep=",")


if __name__ == "__main__":
    main()
