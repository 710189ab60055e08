#!/usr/bin/env python3
"""Measures a reading session on the real program in a pseudo-terminal, painted in blocks.

    benches/sitting.py keys FOLDER [--presses 60] [--rest 0.3] [--rounds 2]
    benches/sitting.py memory FILE [--files 100000]

`keys`: the time from a key press to the painted radiograph, without background scoring ("idle") and with it
("behind"). The two kinds of session take turns, so that other load on the machine affects both. Each session has a
new store, so that there is something to score in the background. The number of images scored is printed too.

`memory`: the peak memory of the program over a folder of many links to one file, when each has an answer, and how
long that takes. All answers but the first come from the store, as on a second visit.
"""

import argparse
import fcntl
import os
import pty
import select
import signal
import sqlite3
import statistics
import struct
import tempfile
import termios
import time

ROWS, COLS = 35, 120
END_OF_FRAME = b"\x1b[?2026l"
# A radiograph counts as painted from this number of cells.
PAINTED = 200
LIMIT = 20.0


class Session:
    def __init__(self, binary, folder, store, more):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for name in ("TMUX", "STY", "NO_COLOR", "TERM_PROGRAM", "LC_TERMINAL"):
                os.environ.pop(name, None)
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            arguments = [binary, folder, "--graphics", "blocks", "--fresh", "--store", store]
            os.execv(binary, arguments + more)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))
        # Answers the probe.
        os.write(self.fd, b"\x1b[?62;c")
        self.seen = b""

    def frame(self, until):
        """The output of the next frame; `None` if none comes until then."""
        while END_OF_FRAME not in self.seen:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return None
            self.seen += os.read(self.fd, 1 << 16)
        frame, _, self.seen = self.seen.partition(END_OF_FRAME)
        return frame

    def drain(self, seconds):
        until = time.monotonic() + seconds
        while self.frame(until) is not None:
            pass

    def press(self, keys):
        """Seconds until the radiograph of another row is painted."""
        begin = time.monotonic()
        os.write(self.fd, keys)
        cells = 0
        while (frame := self.frame(begin + LIMIT)) is not None:
            cells += frame.count("▀".encode())
            if cells > PAINTED:
                return time.monotonic() - begin
        return None

    def peak_mebibytes(self):
        with open(f"/proc/{self.pid}/status") as status:
            peak = next(line for line in status if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def answers(store):
    with sqlite3.connect(store) as connection:
        return connection.execute("SELECT count(*) FROM prediction").fetchone()[0]


def percentile(values, share):
    values = sorted(values)
    return values[round((len(values) - 1) * share)] * 1e3


def sitting(options, more):
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "reviews.sqlite")
        session = Session(options.binary, options.path, store, more)
        session.drain(4.0)
        times = []
        for _ in range(options.presses):
            times.append(session.press(b"j"))
            session.drain(options.rest)
        session.end()
        return [taken for taken in times if taken is not None], answers(store)


def keys(options):
    kinds = {"idle": ["--no-background"], "behind": []}
    times, read = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind, more in kinds.items():
            taken, count = sitting(options, more)
            times[kind] += taken
            read[kind].append(count)
    for kind, values in times.items():
        p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
        mean = statistics.mean(values) * 1e3
        print(
            f"{kind:7} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  mean {mean:6.1f} ms"
            f"  n {len(values)}  answers {read[kind]}"
        )


def memory(options):
    with tempfile.TemporaryDirectory() as folder:
        ward, store = os.path.join(folder, "ward"), os.path.join(folder, "reviews.sqlite")
        os.mkdir(ward)
        source = os.path.join(folder, "image" + os.path.splitext(options.path)[1])
        with open(options.path, "rb") as file, open(source, "wb") as copy:
            copy.write(file.read())
        for n in range(options.files):
            # A file system may limit the links to one file.
            if n % 50_000 == 0:
                one = f"{source}.{n}"
                with open(source, "rb") as file, open(one, "wb") as copy:
                    copy.write(file.read())
            os.link(one, os.path.join(ward, f"{n:06}{os.path.splitext(source)[1]}"))
        begin = time.monotonic()
        session = Session(options.binary, ward, store, [])
        quiet = time.monotonic()
        # Every answer makes a frame, so a while without a frame means that all answers are there.
        while time.monotonic() - quiet < 10:
            if session.frame(time.monotonic() + 1) is not None:
                quiet = time.monotonic()
        taken = quiet - begin
        print(f"{options.files} files: peak {session.peak_mebibytes():.0f} MiB, {taken:.0f} s")
        session.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["keys", "memory"])
    parser.add_argument("path")
    parser.add_argument("--binary", default="target/release/cxr")
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--rest", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    {"keys": keys, "memory": memory}[options.what](options)


if __name__ == "__main__":
    main()
