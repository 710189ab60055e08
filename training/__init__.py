"""How the bundled weights are made: from the manifest to `weights/`, in one command. See README.md."""

import os

# Before numpy and torch are loaded: two threads of one process wait for each other at every small step.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
