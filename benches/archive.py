#!/usr/bin/env python3
"""Measures cxr on large archives and large tables.

    benches/archive.py walk  PROGRAM FOLDER [--files 1000000]      makes FOLDER of tiny files, and walks it
    benches/archive.py merge PROGRAM FOLDER [--rows 10000000] [--parts 16] [--sort path]
                                                                   makes parts, merges and evaluates them
    benches/archive.py shard PROGRAM FOLDER [--rounds 5]           --shard 1/1 against none over FOLDER
    benches/archive.py study PROGRAM FOLDER [--rounds 5]           one shard of 1000 of studies against one of images

Parts that are there already are used again. They are made of the description that PROGRAM itself writes at the end of a real part, and of invented rows. Each figure
is of one process: seconds, and the most memory that it and its children had (wait4's ru_maxrss: of the largest of them).
Linux only. Run it on an idle machine.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import time

SAMPLE = pathlib.Path(__file__).parent.parent / "samples" / "clear_1.png"
FOLDER_FILES = 1000
CASES = 2000
HEADER = "#cxr-part "
ENVIRONMENT = {**os.environ, "CXR_CONFIG": ""}


def measured(arguments, until_line=False):
    """Seconds, peak MiB and standard output; with `until_line` only until the first row is there."""
    begin = time.monotonic()
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    if until_line:
        child.stdout.readline()
        child.stdout.readline()
        seconds = time.monotonic() - begin
        with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        child.kill()
        child.communicate()
        return seconds, peak / 1024, b""
    out, err = child.communicate()
    seconds = time.monotonic() - begin
    if child.returncode not in (0, 1):
        sys.exit(f"{arguments}: {child.returncode}: {err.decode()}")
    return seconds, 0.0, out


def with_memory(arguments):
    """Seconds and peak MiB of a process."""
    begin = time.monotonic()
    silent = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    pid = os.posix_spawn(arguments[0], arguments, ENVIRONMENT, file_actions=silent)
    _, status, used = os.wait4(pid, 0)
    seconds = time.monotonic() - begin
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{arguments}: failed")
    return seconds, used.ru_maxrss / 1024


def make_files(folder, count):
    for first in range(0, count, FOLDER_FILES):
        below = folder / f"w{first // FOLDER_FILES}"
        below.mkdir(parents=True, exist_ok=True)
        for number in range(first, min(first + FOLDER_FILES, count)):
            (below / f"IM-{number}.png").touch()


def walk(program, folder, count):
    if not folder.exists():
        begin = time.monotonic()
        make_files(folder, count)
        print(f"made {count} files in {time.monotonic() - begin:.1f} s")
    for shard in ([], ["--shard", "500/1000"]):
        output = folder.parent / "first.csv"
        for path in (output, output.with_name("first.csv.partial")):
            path.unlink(missing_ok=True)
        if not shard:
            seconds, peak, _ = measured([program, "predict", str(folder)], until_line=True)
            print(f"first row: {seconds:.2f} s, {peak:.0f} MiB")
            continue
        # A thousandth of the files: the walk and the hashes of all, and few rows.
        seconds, peak = with_memory([program, "predict", str(folder), *shard, "-o", str(output), "--quiet"])
        with open(output, encoding="utf-8") as part:
            rows = sum(1 for _ in part) - 2
        print(f"one shard of 1000, {rows} rows: {seconds:.2f} s, {peak:.0f} MiB")
    listing = folder.parent / "list"
    with open(listing, "wb") as file:
        subprocess.run(["find", str(folder), "-type", "f"], stdout=file, check=True)
    output.unlink()
    seconds, peak = with_memory(
        [program, "predict", "--files-from", str(listing), "--shard", "500/1000", "-o", str(output), "--quiet"]
    )
    print(f"the same from a list of {count} names: {seconds:.2f} s, {peak:.0f} MiB")


def shard_of(key, of):
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % of + 1


def make_parts(program, folder, rows, parts):
    """Parts with invented scores."""
    archive = folder / "archive"
    archive.mkdir(parents=True, exist_ok=True)
    shutil.copy(SAMPLE, archive / "sample.png")
    one = folder / "one.csv"
    subprocess.run(
        [program, "predict", "archive", "--shard", "1/1", "-o", str(one), "--quiet", "--force"],
        check=True, cwd=folder, env=ENVIRONMENT,
    )
    head, row, end = one.read_text(encoding="utf-8").splitlines()
    about = json.loads(end.removeprefix(HEADER))
    columns = next(csv.reader([head]))
    sample = next(csv.reader([row]))
    labels = range(columns.index("reasons") + 1, columns.index("model_sha256"))
    labels = [at for at in labels if sample[at]]
    content, elapsed = columns.index("image_sha256"), columns.index("elapsed_ms")
    names = [folder / f"part-{number}.csv" for number in range(1, parts + 1)]
    files = [io.open(name, "w", encoding="utf-8", newline="", buffering=1 << 20) for name in names]
    writers = [csv.writer(file, lineterminator="\n") for file in files]
    for writer in writers:
        writer.writerow(columns)
    counts = [0] * parts
    chance = random.Random(1)
    for number in range(rows):
        path = f"w{number // FOLDER_FILES}/IM-{number}.png"
        digest = hashlib.sha256(path.encode())
        shard = int.from_bytes(digest.digest()[:8], "big") % parts
        sample[0] = f"archive/{path}"
        for at in labels:
            sample[at] = f"{chance.random():.6f}"
        sample[content], sample[elapsed] = digest.hexdigest(), f"{20 * chance.random():.3f}"
        writers[shard].writerow(sample)
        counts[shard] += 1
    for number, (name, file) in enumerate(zip(names, files), 1):
        file.close()
        digest = hashlib.sha256()
        with open(name, "rb") as part:
            while block := part.read(1 << 20):
                digest.update(block)
        keys = list(about)
        run = {key: about[key] for key in keys[keys.index("of"): keys.index("rows")]} | {"of": parts}
        text = json.dumps(run, separators=(",", ":"), ensure_ascii=False)
        described = {
            "format": about["format"],
            "run": hashlib.sha256(text.encode()).digest()[:8].hex(),
            "shard": number,
            **run,
            "rows": counts[number - 1],
            "counts": {sample[1]: counts[number - 1]} if counts[number - 1] else {},
            "bytes": name.stat().st_size,
            "sha256": digest.hexdigest(),
        }
        with open(name, "a", encoding="utf-8") as part:
            part.write(HEADER + json.dumps(described, separators=(",", ":"), ensure_ascii=False) + "\n")


def merge(program, folder, rows, parts, sort, only_parts):
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    names = [str(folder / f"part-{number}.csv") for number in range(1, parts + 1)]
    if not all(os.path.exists(name) for name in names):
        make_parts(program, folder, rows, parts)
        print(f"made {parts} parts of {rows} rows in {time.monotonic() - begin:.0f} s")
    if only_parts:
        return
    for ending in ("csv", "parquet"):
        table = str(folder / f"all.{ending}")
        more = ["-o", table, "--force", "--sort", sort, "--quiet"]
        seconds, peak = with_memory([program, "merge", *names, *more])
        size = os.stat(table).st_size / 1e6
        print(f"merged to {ending}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, {peak:.0f} MiB; {size:.0f} MB")
    manifest = folder / "cases.csv"
    with open(manifest, "w", encoding="utf-8") as cases:
        cases.write("path,finding\n")
        for number in range(0, rows, max(rows // CASES, 1)):
            finding = ("Pneumonia", "No Finding")[number // max(rows // CASES, 1) % 2]
            cases.write(f"archive/w{number // FOLDER_FILES}/IM-{number}.png,{finding}\n")
    for ending in ("csv", "parquet"):
        table = str(folder / f"all.{ending}")
        seconds, peak = with_memory(
            [program, "evaluate", "--manifest", str(manifest), "--predictions", table, "--quiet"]
        )
        print(f"evaluated from {ending}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, {peak:.0f} MiB")
    try:
        import duckdb
    except ImportError:
        return
    for ending in ("csv", "parquet"):
        table = folder / f"all.{ending}"
        begin = time.monotonic()
        base = duckdb.connect()
        base.execute(f"create table t as select * from '{table}'")
        print(f"loaded by DuckDB from {ending}: {time.monotonic() - begin:.1f} s")
    base = duckdb.connect()
    plain = f"(select path, status, Pneumonia, image_sha256 from '{folder}/all.%s')"
    differing = base.execute(f"select count(*) from ({plain % 'csv'} except {plain % 'parquet'})").fetchone()
    print(f"rows that differ between them: {differing[0]}")


def in_turn(program, folder, rounds, ways):
    """The seconds of each way to predict FOLDER, in turn, so that a slow minute is in all."""
    times = {how: [] for how in ways}
    output = folder.parent / "overhead.csv"
    for _ in range(rounds):
        for how, more in ways.items():
            for ending in ("", ".partial", ".films"):
                output.with_name(output.name + ending).unlink(missing_ok=True)
            arguments = [program, "predict", str(folder), "-o", str(output), "--quiet", *more]
            times[how].append(with_memory(arguments)[0])
    for ending in ("", ".partial", ".films"):
        output.with_name(output.name + ending).unlink(missing_ok=True)
    base, *others = (statistics.median(seconds) for seconds in times.values())
    first, *names = times
    print(f"{first} {base:.2f} s (medians of {rounds}, in turn)")
    for how, seconds in zip(names, others):
        # Each round is a pair of its own: what is slow for both cancels.
        pairs = sorted(100 * (other / one - 1) for one, other in zip(times[first], times[how]))
        print(
            f"{how} {seconds:.2f} s: {100 * (seconds / base - 1):+.2f} %; of pairs {statistics.median(pairs):+.2f} % "
            f"({pairs[0]:+.2f} to {pairs[-1]:+.2f})"
        )
    print(times)


def shard(program, folder, rounds):
    in_turn(program, folder, rounds, {"none": [], "none again": [], "--shard 1/1": ["--shard", "1/1"]})


def study(program, folder, rounds):
    """What it costs to read the header of every file, with next to nothing to score."""
    part = ["--shard", "500/1000"]
    ways = {"a shard of images": part, "a shard of studies": [*part, "--unit", "study"]}
    in_turn(program, folder, rounds, ways)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["walk", "merge", "shard", "study"])
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--parts", type=int, default=16)
    parser.add_argument("--sort", default="path")
    parser.add_argument("--only-parts", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    program = str(pathlib.Path(given.program).resolve())
    if given.what == "walk":
        walk(program, given.folder, given.files)
    elif given.what == "merge":
        merge(program, given.folder, given.rows, given.parts, given.sort, given.only_parts)
    elif given.what == "shard":
        shard(program, given.folder, given.rounds)
    else:
        study(program, given.folder, given.rounds)


main()
