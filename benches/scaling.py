#!/usr/bin/env python3
"""Measures how `cxr predict` grows with the cores, and models it for cores that this machine lacks.

    benches/scaling.py PROGRAM FOLDER [--films 208] [--rows 2000] [--rounds 5]
                       [--memory-rate GB/s] [--decoded MB] [-- OPTIONS OF cxr predict]

Runs PROGRAM over N links to the files of FOLDER: on 1 core with --jobs 1, on 2 with --jobs 2, and so on by
powers of two up to the cores of this process, in turn. Each figure is without the start: that of the run over
all films, less that of a run over the first one. The model is

    films/s(n) = min(n / CPU seconds a film, 1 / serial seconds a film, memory rate / bytes a film)

The CPU seconds are of one core, of the program and its decoder processes. The serial seconds are those of the slower
of two threads: the one that walks and the one that writes. Linux only. Run it on an idle machine.
"""

import argparse
import multiprocessing
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass

KINDS = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dcm"}
MODELLED = (1, 2, 16, 64)
CORES = sorted(os.sched_getaffinity(0))
TICK = os.sysconf("SC_CLK_TCK")
# Bytes that one process copies, far more than any cache holds, and how often.
BLOCK, COPIES = 256 << 20, 8
# How often a byte is read or written. Of the file: the copy for the decoder process (2), the digest (1), decoding (1).
FILE_PASSES = 4
# Of the decoded picture: decoding (1), the change to samples (2), the copies into the window (2) and out of it (2),
# resampling for the lungs and for the model (2). The network's own memory is not counted: it stays in the caches.
PICTURE_PASSES = 9


@dataclass
class Run:
    """Seconds, and counts. `main` are those of the first thread of the program, which writes the rows."""

    wall: float
    program: float
    decoders: float
    main: float
    waits: float
    preempted: float
    faults: float

    def less(self, start, films):
        """A film's part of this run, without the run `start` over one film."""
        return Run(*((mine - other) / films for mine, other in zip(vars(self).values(), vars(start).values())))

    @property
    def cpu(self):
        return self.program + self.decoders


def run(program, folder, cores, options, rows):
    with tempfile.TemporaryDirectory() as place:
        table = pathlib.Path(place) / "rows.csv"
        command = [program, "predict", folder, "--quiet", "--jobs", str(cores), "-o", table, *options]
        begin = time.monotonic()
        process = subprocess.Popen(
            command,
            env={**os.environ, "CXR_CONFIG": ""},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, CORES[:cores]),
        )
        # It has ended, but what the system knows of its first thread is still there.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.monotonic() - begin
        main = int(pathlib.Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) / 1e9
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        decoders = sum(map(int, fields[13:15])) / TICK
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1) or not table.exists():
            sys.exit(f"{program} ended with {process.returncode}")
        written = len(table.read_bytes().splitlines()) - 1
        if written != rows:
            sys.exit(f"{program} wrote {written} rows of {rows}")
    # `usage` is of the program and of the processes that it waited for.
    program_cpu = max(0.0, usage.ru_utime + usage.ru_stime - decoders)
    return Run(wall, program_cpu, decoders, main, usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_minflt)


def links(folder, files, count):
    folder.mkdir()
    for number in range(count):
        file = files[number % len(files)]
        (folder / f"{number:06}{file.suffix}").symlink_to(file)
    return folder


def tiny_film():
    """A PNG of 8 × 8 pixels. It is too small for the model: its row is a refusal, without a network."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    lines = b"".join(bytes([0, *range(line, line + 8)]) for line in range(8))
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def decoded(path):
    """Bytes of the decoded picture as its header states; `None` if this script does not know the format. A picture
    whose colours are all grey takes a third."""
    with open(path, "rb") as file:
        head = file.read(1 << 20)
    if head[:4] == b"\x89PNG":
        width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
        return width * height * (2 if depth == 16 else 1) * (3 if colour & 2 else 1)
    if head[:2] == b"\xff\xd8":
        at = 2
        while at + 10 <= len(head) and head[at] == 0xFF:
            marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                depth, height, width, channels = struct.unpack(">BHHB", head[at + 4 : at + 10])
                return width * height * channels * (2 if depth > 8 else 1)
            at += 1 if marker == 0xFF else 2 + length
    if head[128:132] == b"DICM":

        def number(element):
            value = rb"\x28\x00" + re.escape(struct.pack("<H", element)) + rb"(?:US\x02\x00|\x02\x00\x00\x00)(..)"
            found = re.search(value, head, re.DOTALL)
            return found and int.from_bytes(found[1], "little")

        sizes = [number(element) for element in (0x10, 0x11, 0x100, 0x02)]
        if all(sizes):
            return sizes[0] * sizes[1] * -(-sizes[2] // 8) * sizes[3]
    return None


def copy(core, begin, rates):
    os.sched_setaffinity(0, {core})
    source, target = bytearray(b"\1") * BLOCK, bytearray(b"\2") * BLOCK
    window = memoryview(target)
    begin.wait()
    start = time.monotonic()
    for _ in range(COPIES):
        window[:] = source
    rates.put(2 * BLOCK * COPIES / (time.monotonic() - start))


def memory_rate(cores):
    """Bytes read and written in a second by as many processes as cores, each with blocks of its own."""
    context = multiprocessing.get_context("fork")
    begin, rates = context.Barrier(cores), context.Queue()
    copying = [context.Process(target=copy, args=(core, begin, rates)) for core in CORES[:cores]]
    for process in copying:
        process.start()
    rate = sum(rates.get() for _ in copying)
    for process in copying:
        process.join()
    return rate


def spread(values, unit=1.0, decimals=1):
    """The median, and the quartiles."""
    values = [value * unit for value in values]
    low, middle, high = statistics.quantiles(values * 2 if len(values) == 1 else values, n=4, method="inclusive")
    return f"{middle:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"


def median(runs, of):
    return statistics.median(getattr(each, of) for each in runs)


def on(cores):
    return f"  {cores:3} {'core ' if cores == 1 else 'cores'} "


def report(name, counts, runs):
    print(f"\n{name}")
    for cores in counts:
        mine = runs[cores]
        print(
            f"{on(cores)} {spread([1 / each.wall for each in mine])} a second, "
            f"{statistics.median(each.cpu / each.wall for each in mine):.2f} cores in use\n"
            f"             CPU {spread([each.cpu for each in mine], 1e3, 3)} ms each: "
            f"{median(mine, 'program') * 1e3:.3f} program, {median(mine, 'decoders') * 1e3:.3f} decoders; "
            f"writing thread {median(mine, 'main') * 1e6:.1f} µs\n"
            f"             {median(mine, 'waits'):.1f} waits, {median(mine, 'preempted'):.1f} preemptions, "
            f"{median(mine, 'faults'):.0f} page faults each"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--films", type=int, default=208)
    parser.add_argument("--rows", type=int, default=2000, help="tiny films, and files that are not read")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-rate", type=float, help="of the machine that is modelled, GB/s")
    parser.add_argument("--decoded", type=float, help="mean of the decoded pictures, MB")
    typed = sys.argv[1:]
    split = typed.index("--") if "--" in typed else len(typed)
    options = typed[split + 1 :]  # For cxr predict.
    arguments = parser.parse_args(typed[:split])
    if min(arguments.films, arguments.rows) < 2 or arguments.rounds < 1:
        parser.error("two films, two rows and a round are the least")
    films = sorted(f for f in arguments.folder.resolve().iterdir() if f.suffix.lower() in KINDS)
    if not films:
        parser.error("no films in the folder")
    counts = [1 << power for power in range(len(CORES).bit_length())]
    program = os.path.abspath(arguments.program)

    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        tiny, unread = place / "tiny.png", place / "unread.zip"
        tiny.write_bytes(tiny_film())
        unread.write_bytes(b"PK\x03\x04" + bytes(60))
        # What is run: a folder, its number of rows, the folder of its start, and the number of files beyond that.
        first = links(place / "first", films, 1)
        one = links(place / "one", [tiny], 1)
        walked = links(place / "walked", [unread], arguments.rows)
        (walked / "a.png").symlink_to(tiny)  # A run without any image is an error.
        kinds = {
            "films": (links(place / "films", films, arguments.films), arguments.films, first, arguments.films - 1),
            "tiny": (links(place / "tiny", [tiny], arguments.rows), arguments.rows, one, arguments.rows - 1),
            "walked": (walked, 1, one, arguments.rows),
        }
        measured = {kind: {cores: [] for cores in counts} for kind in kinds}
        starts = []

        def once(kind, cores):
            folder, rows, start, beyond = kinds[kind]
            begun = run(program, start, cores, options, 1)
            whole = run(program, folder, cores, options, rows)
            return whole.less(begun, beyond), begun.wall

        once("films", counts[-1])  # Warms the file cache.
        for number in range(arguments.rounds):
            # Alternates which number of cores runs first.
            for cores in counts if number % 2 == 0 else counts[::-1]:
                for kind in kinds:
                    each, start = once(kind, cores)
                    measured[kind][cores].append(each)
                    if kind == "films":
                        starts.append(start)
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)

    used = [films[number % len(films)] for number in range(arguments.films)]
    sizes = {film: decoded(film) for film in set(used)}
    known = [sizes[film] for film in used if sizes[film]]
    if not known and arguments.decoded is None:
        parser.error("--decoded is needed: no header of these films says how large they are")
    file_bytes = statistics.mean(film.stat().st_size for film in used)
    picture_bytes = arguments.decoded * 1e6 if arguments.decoded else statistics.mean(known)
    bytes_a_film = FILE_PASSES * file_bytes + PICTURE_PASSES * picture_bytes
    rates = {cores: memory_rate(cores) for cores in counts}
    rate = arguments.memory_rate * 1e9 if arguments.memory_rate else max(rates.values())

    print(
        f"{len(films)} files, {arguments.films} films, {arguments.rows} tiny films, {arguments.rounds} rounds; "
        f"{len(CORES)} cores, load {os.getloadavg()[0]:.1f} at the end; "
        f"the start with one film {spread(starts, 1, 3)} s.\n"
        "Figures are without the start: medians, quartiles in brackets."
    )
    report("Films", counts, measured["films"])
    report("Tiny films (no decoding, no network: hand-over and row)", counts, measured["tiny"])
    report("Files that are not read (walk and queue, no row)", counts, measured["walked"])
    cpu = median(measured["films"][1], "cpu")
    # Differences of two runs, so one may be below 0 where there is nothing to measure.
    serial = {
        "the writing thread": max(median(measured["films"][1], "main"), 1e-9),
        "the walk": max(median(measured["walked"][1], "cpu"), 1e-9),
    }
    slower = max(serial, key=serial.get)

    print("\nInputs of the model")
    print(f"  CPU: {cpu * 1e3:.3f} ms a film, on one core")
    for name, seconds in serial.items():
        more = " (of all threads, so it is less)" if name == "the walk" else ""
        print(f"  serial, {name}: {seconds * 1e6:.1f} µs a film{more}{' <- the slower' if name == slower else ''}")
    copied = ", ".join(f"{value / 1e9:.1f} GB/s by {cores}" for cores, value in rates.items())
    print(f"  memory, copies of {BLOCK >> 20} MiB, read and written: {copied}; used: {rate / 1e9:.1f} GB/s")
    print(
        f"  bytes: {FILE_PASSES} passes × {file_bytes / 1e6:.2f} MB of the file + {PICTURE_PASSES} passes × "
        f"{picture_bytes / 1e6:.2f} MB of the picture = {bytes_a_film / 1e6:.1f} MB a film "
        f"({len(known)} of {arguments.films} headers say the picture's size)"
    )
    if not arguments.memory_rate and len(counts) > 1 and rates[counts[-1]] > 1.5 * rates[counts[-2]]:
        print("  the copies still grow with the cores: the memory's limit is higher than the rate used")

    print("\nFilms a second: the model, what bounds it, and as measured")
    for cores in sorted({*MODELLED, *counts}):
        terms = {"processors": cores / cpu, slower: 1 / serial[slower], "memory": rate / bytes_a_film}
        bound = min(terms, key=terms.get)
        each = ", ".join(f"{name} {value:.1f}" for name, value in terms.items())
        mine = "not measured"
        if cores in counts:
            mine = "measured " + spread([1 / film.wall for film in measured["films"][cores]])
        print(f"{on(cores)} {terms[bound]:8.1f}, bound by {bound} ({each}); {mine}")


if __name__ == "__main__":
    main()
