"""Measures how long a reader waits in a terminal, and how many bytes a radiograph takes.

A pseudo-terminal stands in for the terminal. It answers the probe as a plain terminal, a kitty or an xterm with
sixel would, reads the output of the program, and notes when a radiograph is complete.

- from the start to the first frame, and to the first radiograph;
- from a key press to the radiograph: p50 and p95, as blocks, kitty, kitty inside tmux, sixel;
- the bytes of a radiograph: all output from the key press until the output stops;
- voluntary context switches and CPU time of all threads while idle;
- holding j through 1,000 files: the number of pictures, and the frames per second.

    python benches/terminal.py PROGRAM FOLDER [WAY...]

WAY is blocks, kitty, tmux or sixel; the default is all. The way tmux needs a tmux with allow-passthrough (3.3).
Times are taken at the pseudo-terminal, so they exclude the time that a terminal needs to draw.
"""

import fcntl, glob, os, pty, re, select, shutil, signal, statistics, struct, subprocess, sys, tempfile
import termios, time

ROWS, COLUMNS, CELL = 45, 160, (10, 20)
QUESTIONS = {
    "plain": {b"\x1b[c": b"\x1b[?62;c"},
    "kitty": {
        b"\x1b_Gi=31,": b"\x1b_Gi=31;OK\x1b\\",
        b"\x1b[>q": b"\x1bP>|kitty(0.41.1)\x1b\\",
        b"\x1b[16t": b"\x1b[6;20;10t",
        b"\x1b[>c": b"\x1b[>1;4000;41c",
        b"\x1b[c": b"\x1b[?62;c",
    },
    "sixel": {b"\x1b[16t": b"\x1b[6;20;10t", b"\x1b[c": b"\x1b[?63;1;2;4;22c"},
}
KIND = {"blocks": "plain", "kitty": "kitty", "tmux": "kitty", "sixel": "sixel"}
# A picture is complete after the last kitty chunk, the end of a sixel image, or many cells of blocks.
BLOCK = "▀▌▘▛▚▜▙".encode()


class Terminal:
    def __init__(self, way, arguments):
        self.way, self.seen, self.asked = way, bytearray(), 0
        self.answers = QUESTIONS[KIND[way]]
        self.state = tempfile.mkdtemp()
        self.start = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for name in ("TMUX", "TMUX_PANE", "STY", "SSH_CONNECTION", "SSH_TTY", "NO_COLOR"):
                os.environ.pop(name, None)
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", XDG_STATE_HOME=self.state)
            os.execvp(arguments[0], arguments)
        size = struct.pack("HHHH", ROWS, COLUMNS, COLUMNS * CELL[0], ROWS * CELL[1])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, size)

    def read(self, seconds):
        """Reads the output that comes within this time, and answers the questions in it."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        try:
            got = os.read(self.fd, 1 << 16)
        except OSError:
            return b""
        self.seen += got
        while True:
            found = [(self.seen.find(q, self.asked), q) for q in self.answers]
            found = [(at, q) for at, q in found if at >= 0]
            if not found:
                # A question may be split between two reads.
                self.asked = max(self.asked, len(self.seen) - 16)
                break
            at, question = min(found)
            self.asked = at + len(question)
            os.write(self.fd, self.answers[question])
        return got

    def pictures(self, since):
        new = bytes(self.seen[since:])
        if self.way == "blocks":
            cells = sum(new.count(c.encode()) for c in BLOCK.decode())
            return int(cells > 400)
        if self.way == "sixel":
            return len(re.findall(rb"\x1bP[0-9;]*q[^\x1b]*\x1b", new))
        return len(re.findall(rb"m=0;[^\x1b]*\x1b", new))

    def until(self, there, seconds=30):
        """Reads until `there` returns true. Returns True, or None after `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if there():
                return True
            self.read(0.001)
        return None

    def rest(self, quiet=0.4):
        last = time.monotonic()
        while time.monotonic() - last < quiet:
            if self.read(0.01):
                last = time.monotonic()

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def close(self):
        try:
            os.kill(self.pid, signal.SIGTERM)
            self.until(lambda: os.waitpid(self.pid, os.WNOHANG)[0], 5)
        except (ChildProcessError, ProcessLookupError):
            pass
        os.close(self.fd)
        shutil.rmtree(self.state, ignore_errors=True)


def program(way, binary, folder):
    if way != "tmux":
        return [binary, folder]
    socket = f"cxr-bench-{os.getpid()}-{time.monotonic_ns()}"
    conf = tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False)
    conf.write("set -g allow-passthrough on\nset -g destroy-unattached on\n")
    conf.close()
    return ["tmux", "-L", socket, "-f", conf.name, "new-session", f"'{binary}' '{folder}'"]


def spread(values):
    values = sorted(values)
    at = lambda share: values[round((len(values) - 1) * share)] if values else float("nan")
    return f"p50 {at(0.5):.0f}, p95 {at(0.95):.0f}, n {len(values)}"


def starting(way, binary, folder):
    frames, radiographs = [], []
    for _ in range(5):
        terminal = Terminal(way, program(way, binary, folder))
        if terminal.until(lambda: b"Worklist" in terminal.seen):
            frames.append((time.monotonic() - terminal.start) * 1e3)
        if terminal.until(lambda: terminal.pictures(0)):
            radiographs.append((time.monotonic() - terminal.start) * 1e3)
        terminal.close()
    print(f"{way}: start to first frame, ms: {spread(frames)}")
    print(f"{way}: start to first radiograph, ms: {spread(radiographs)}")


def pressing(way, binary, folder):
    terminal = Terminal(way, program(way, binary, folder))
    terminal.until(lambda: terminal.pictures(0))
    terminal.rest(1.5)
    times, sizes = [], []
    for _ in range(20):
        since, start = len(terminal.seen), time.monotonic()
        terminal.press("j")
        if terminal.until(lambda: terminal.pictures(since), 10):
            times.append((time.monotonic() - start) * 1e3)
        terminal.rest(0.8)
        sizes.append((len(terminal.seen) - since) / 1024)
    print(f"{way}: key to radiograph, ms: {spread(times)}")
    print(f"{way}: written for a radiograph, KiB: {spread(sizes)}")
    idle(way, terminal, binary)
    terminal.close()


def children(binary):
    """The processes of this program."""
    found = []
    for path in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.path.samefile(path, binary):
                found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def idle(way, terminal, binary):
    def now():
        switches, ticks = 0, 0
        for pid in children(binary):
            for task in glob.glob(f"/proc/{pid}/task/*"):
                text = open(task + "/status").read()
                switches += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.M)[1])
                ticks += sum(map(int, open(task + "/stat").read().rsplit(")", 1)[1].split()[11:13]))
        return switches, ticks

    terminal.rest(3)
    before = now()
    time.sleep(10)
    after = now()
    print(f"{way}: idle for 10 s: {after[0] - before[0]} wake-ups, {after[1] - before[1]} ticks of CPU")


def holding(way, binary, folder):
    files = [f for f in sorted(glob.glob(os.path.join(folder, "**"), recursive=True)) if os.path.isfile(f)]
    files = [f for f in files if f.lower().endswith((".png", ".jpg", ".jpeg"))]
    many = tempfile.mkdtemp()
    for i in range(1000):
        os.symlink(os.path.abspath(files[i % len(files)]), os.path.join(many, f"{i:04}.{files[i % len(files)].rsplit('.', 1)[1]}"))
    terminal = Terminal(way, program(way, binary, many))
    terminal.until(lambda: terminal.pictures(0))
    terminal.rest(1.5)
    since, start = len(terminal.seen), time.monotonic()
    pressed = 0
    while pressed < 999:
        # Most keyboards repeat a held key 15 to 40 times per second. This is faster.
        while time.monotonic() - start < pressed / 60:
            terminal.read(0.002)
        terminal.press("j")
        pressed += 1
    took = time.monotonic() - start
    new = terminal.seen[since:]
    frames = new.count(b"\x1b[?2026h")
    print(f"{way}: holding j: {pressed} rows in {took:.1f} s, {frames / took:.0f} frames a second, {terminal.pictures(since)} pictures meanwhile")
    terminal.close()
    shutil.rmtree(many)


def main():
    binary, folder, *ways = sys.argv[1:]
    for way in ways or ["blocks", "kitty", "tmux", "sixel"]:
        starting(way, binary, folder)
        pressing(way, binary, folder)
        if way in ("blocks", "kitty"):
            holding(way, binary, folder)


if __name__ == "__main__":
    main()
