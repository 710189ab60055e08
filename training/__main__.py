"""python -m training --data DIR: from the manifest to the model file and its card."""

import argparse

from .finish import finish, versions
from .train import train

# 1,000 steps of 32 images: about 20 minutes on two idle cores.
STEPS = 1000


def main():
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of manifest.csv")
    parser.add_argument("--out", default="weights", help="folder for the model and its card")
    parser.add_argument("--log", default="training/log", help="folder for the log and the checkpoint")
    parser.add_argument("--steps", type=int, default=STEPS, help="batches of 32 images, at least 10")
    parser.add_argument("--stage", choices=["train", "finish", "all"], default="all",
                        help="finish: export and measure the checkpoint that is in --log")
    given = parser.parse_args()
    print(versions(), flush=True)
    if given.stage in ("train", "all"):
        train(given.data, given.log, given.steps)
    if given.stage in ("finish", "all"):
        finish(given.data, given.out, given.log)


if __name__ == "__main__":
    main()
