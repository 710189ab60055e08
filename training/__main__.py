"""python -m training --data DIR: from the manifest to the model file and its card."""

import argparse

from .finish import finish, versions
from .train import train

# 2,400 steps of 32 images: about 40 minutes on two idle cores.
STEPS = 2400


def main():
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of manifest.csv")
    parser.add_argument("--out", default="weights", help="folder for the model and its card")
    parser.add_argument("--log", default="training/log", help="folder for the log and the checkpoint")
    parser.add_argument("--steps", type=int, default=STEPS, help="batches of 32 images, at least 10")
    parser.add_argument("--stage", choices=["train", "finish", "all"], default="all",
                        help="finish: export and measure the checkpoint in --log")
    parser.add_argument("--photographs", help="folder of pictures to test the input head on")
    given = parser.parse_args()
    print(versions(), flush=True)
    if given.stage in ("train", "all"):
        train(given.data, f"{given.log}/crops.npz", given.log, given.steps)
    if given.stage in ("finish", "all"):
        finish(given.data, given.out, given.log, given.photographs)


if __name__ == "__main__":
    main()
