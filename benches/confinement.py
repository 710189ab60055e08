#!/usr/bin/env python3
"""Measures the cost of decoding every film in a separate process: runs two binaries of cxr in turn over
the same films, from the folder to the table.

    benches/confinement.py BEFORE AFTER FOLDER [--times 8] [--rounds 5] [-- --jobs 4]

Each film of FOLDER is read `--times` times (26 films and 8 times make 208). Prints the seconds of each
round, the medians, the median of the rounds' ratios, and the peak resident memory of the program together
with its decoder processes. Run it on an idle machine.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

KINDS = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dcm"}


def resident(parent):
    """The private resident memory of a process and its children, in KiB."""
    total = 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            status = pathlib.Path(entry.path, "status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if int(entry.name) == parent or int(fields["PPid"]) == parent:
            total += int(fields.get("RssAnon", "0").split()[0])
    return total


def run(binary, folder, options, watch):
    environment = {**os.environ, "CXR_CONFIG": ""}
    command = [binary, "predict", folder, "--quiet", "-o", "/dev/null", *options]
    start = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    most = 0
    while watch and process.poll() is None:
        most = max(most, resident(process.pid))
        time.sleep(0.005)
    if process.wait() not in (0, 1):
        sys.exit(f"{binary} ended with {process.returncode}")
    return time.monotonic() - start, most


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--times", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    # argparse would take what follows -- for a folder.
    typed = sys.argv[1:]
    split = typed.index("--") if "--" in typed else len(typed)
    arguments = parser.parse_args(typed[:split])
    options = typed[split + 1 :]
    films = sorted(f for f in arguments.folder.resolve().iterdir() if f.suffix.lower() in KINDS)
    binaries = [arguments.before, arguments.after]
    with tempfile.TemporaryDirectory() as links:
        for number in range(arguments.times):
            for film in films:
                (pathlib.Path(links) / f"{number:03}-{film.name}").symlink_to(film)
        for binary in binaries:  # Warms the file cache.
            run(binary, links, options, watch=False)
        rounds = []
        for number in range(arguments.rounds):
            # Alternates the binary that runs first.
            order = binaries if number % 2 == 0 else binaries[::-1]
            seconds = {binary: run(binary, links, options, watch=False)[0] for binary in order}
            rounds.append([seconds[binary] for binary in binaries])
            print(f"round {number + 1}: {rounds[-1][0]:.2f} s, {rounds[-1][1]:.2f} s", flush=True)
        before, after = (statistics.median(column) for column in zip(*rounds))
        ratio = statistics.median(after / before for before, after in rounds)
        print(f"{len(films) * arguments.times} films: {before:.2f} s before, {after:.2f} s after, ratio {ratio:.3f}")
        for name, binary in zip(("before", "after"), binaries):
            most = run(binary, links, options, watch=True)[1]
            print(f"{most / 1024:.0f} MiB at most {name}")


if __name__ == "__main__":
    main()
