"""python -m training --data DIR: from the manifest to the model file and its card."""

import argparse
import shutil

from .finish import finish, versions
from .train import train

# Steps of 32 images and seed of a run from ImageNet, and of one that continues it: each about 50 minutes on two idle cores.
RUNS = ((2400, 20), (2400, 21))


def main():
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of manifest.csv")
    parser.add_argument("--out", default="weights", help="folder for the model and its card")
    parser.add_argument("--log", default="training/log", help="folder for the log and the checkpoint")
    parser.add_argument("--stage", choices=["train", "finish", "all"], default="all",
                        help="finish: export and measure the checkpoint in --log")
    parser.add_argument("--photographs", help="folder of pictures to test the input head on")
    given = parser.parse_args()
    print(versions(), flush=True)
    if given.stage in ("train", "all"):
        start = None
        for number, (steps, seed) in enumerate(RUNS, 1):
            out = f"{given.log}/run{number}"
            train(given.data, f"{given.log}/crops.npz", out, steps, seed=seed, start=start)
            start = f"{out}/checkpoint.pt"
        shutil.copy(start, f"{given.log}/checkpoint.pt")
    if given.stage in ("finish", "all"):
        finish(given.data, given.out, given.log, given.photographs)


if __name__ == "__main__":
    main()
