"""From a folder of films to a table: cxr and two Python scripts in turn.

    pip install -r benches/side_by_side/requirements.txt
    python benches/side_by_side/whole_path.py FOLDER PROGRAM [PROGRAM ...] [--films 208] [--rounds 5]

Every film of FOLDER is linked as often as it takes. Prints the seconds of each round, their medians, and of each round the
time of the other ÷ that of the last PROGRAM. Start and imports are part of all figures.
"""

import argparse
import itertools
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
KINDS = {".jpg", ".jpeg", ".jfif", ".png", ".webp"}


def timed(command):
    start = time.monotonic()
    code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    if code not in (0, 1):
        sys.exit(f"{command[0]} ended with {code}")
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("programs", nargs="+")
    parser.add_argument("--films", type=int, default=208)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    films = sorted(path for path in arguments.folder.iterdir() if path.suffix.lower() in KINDS)
    with tempfile.TemporaryDirectory() as links:
        for n, film in zip(range(arguments.films), itertools.cycle(films)):
            (pathlib.Path(links) / f"{n:06}{film.suffix}").symlink_to(film.resolve())
        commands = {program: [program, "predict", links, "--quiet", "-o", "/dev/null"] for program in arguments.programs}
        commands |= {script: [sys.executable, HERE / script, links] for script in ("usual.py", "fast.py")}
        for command in commands.values():
            timed(command)
        times = {name: [] for name in commands}
        for _ in range(arguments.rounds):
            for name, command in commands.items():
                times[name].append(timed(command))
            print(*(f"{name}: {values[-1]:.2f} s" for name, values in times.items()), sep=", ", flush=True)
    last = times[arguments.programs[-1]]
    for name, values in times.items():
        ratio = statistics.median(other / own for other, own in zip(values, last))
        print(f"{name}: median {statistics.median(values):.2f} s, {arguments.films / statistics.median(values):.1f} films a second, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
