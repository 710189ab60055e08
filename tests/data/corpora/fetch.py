"""Fetches the corpora that tests/corpora.rs and tests/raster_corpus.rs run, from the Python Package Index,
into a folder.

    python tests/data/corpora/fetch.py corpora
    CXR_CORPORA=$PWD/corpora cargo test --test corpora --test raster_corpus -- --nocapture

`dicom-test-files` of crates.io is not among them: its crate holds no files, only what is needed to fetch
them elsewhere.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

WHEELS = {"pydicom": "3.0.2"}
# Pillow's wheels lack its test images.
SOURCES = {"pillow": "13.0.0"}


def download(folder, name, version, kind):
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", kind, name]
    subprocess.run([*pip, "--dest", folder, f"{name}=={version}"], check=True)
    (package,) = [*folder.glob(f"{name}-{version}-*.whl"), *folder.glob(f"{name}-{version}.tar.gz")]
    return package


def main(folder):
    folder = Path(folder)
    for name, version in WHEELS.items():
        with zipfile.ZipFile(download(folder, name, version, "--only-binary")) as packed:
            packed.extractall(folder / name)
    for name, version in SOURCES.items():
        with tarfile.open(download(folder, name, version, "--no-binary")) as packed:
            packed.extractall(folder, filter="data")
        (folder / f"{name}-{version}").rename(folder / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
