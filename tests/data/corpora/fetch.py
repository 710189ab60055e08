"""Fetches the corpora that tests/corpora.rs runs, from the Python Package Index, into a folder.

    python tests/data/corpora/fetch.py corpora
    CXR_CORPORA=corpora cargo test --test corpora -- --nocapture

`dicom-test-files` of crates.io is not among them: its crate holds no files, only what is needed to fetch
them elsewhere.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

WHEELS = {"pydicom": "3.0.2"}


def main(folder):
    folder = Path(folder)
    for name, version in WHEELS.items():
        download = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*download, "--dest", folder, f"{name}=={version}"], check=True)
        (wheel,) = folder.glob(f"{name}-{version}-*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
