"""The hash of a review's row, as src/store/chain.rs documents it: prints what its test expects."""

import hashlib
import struct


def field(value):
    if value is None:
        return b"\0" + struct.pack("<Q", 0)
    if isinstance(value, int):
        value = struct.pack("<q", value)
    if isinstance(value, str):
        value = value.encode()
    return b"\1" + struct.pack("<Q", len(value)) + value


row = [1, "t", "aa", b"/x/\xff.png", "ann", 1769860800123, "verdict", "disagree", None, 1, "Müller", "{}", "0.1.0"]
# Without calls and marks, with marks only, and with both.
for more in [], [None, "[1]"], ["{}", "[1]"]:
    print(hashlib.sha256(b"cxr review 1\n" + bytes(32) + b"".join(map(field, row + more))).hexdigest())
