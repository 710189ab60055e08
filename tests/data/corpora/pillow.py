"""What Pillow reads in the images of its own tests: the table that tests/raster_corpus.rs compares with.

    pip download --no-binary :all: --no-deps pillow==13.0.0
    mkdir -p corpora/pillow && tar xzf pillow-13.0.0.tar.gz -C corpora/pillow --strip-components=1
    pip install pillow==13.0.0 numpy
    python tests/data/corpora/pillow.py corpora tests/data/corpora/pillow.json

A row has columns and rows, the type of a sample, and the SHA-256 of the samples, little endian, row by
row: turned as the file says, colours without alpha, grey where all channels are equal. The first frame
of each file. The reasons for differences in the table are written by hand, and kept.
"""

import hashlib
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

FORMATS = {"BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "TIFF", "WEBP"}


def samples(image, signed_16=False):
    """Type and samples, as cxr keeps them."""
    mode = image.mode
    if mode == "1":
        image = image.convert("L")
    elif mode in ("P", "PA"):
        # By way of alpha, which would otherwise be a ground of its own.
        image = image.convert("RGBA")
    elif mode in ("CMYK", "YCbCr", "HSV"):
        image = image.convert("RGB")
    values = np.asarray(image)
    if mode == "I" and signed_16:
        values = values.astype(np.int16)
    if values.ndim == 3:
        values = values[..., :1] if values.shape[2] == 2 else values[..., :3]
        if values.shape[2] == 1 or (values == values[..., :1]).all():
            values = values[..., 0]
    kind = "rgb" if values.ndim == 3 else {"u": "grey", "i": "signed", "f": "float"}[values.dtype.kind]
    if kind == "signed" and values.dtype.itemsize > 2:
        values, kind = values.astype(np.float32), "float"
    bits = values.dtype.itemsize * 8
    return f"{kind}{bits}", values.astype(values.dtype.newbyteorder("<"))


def is_signed_16(image):
    tags = getattr(image, "tag_v2", {})
    return (tags.get(258), tags.get(339)) == ((16,), (2,))


def row(path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path)
            if image.format not in FORMATS:
                return None
            signed_16 = is_signed_16(image)
            image = ImageOps.exif_transpose(image)
            kind, values = samples(image, signed_16)
    except Image.UnidentifiedImageError:
        return None
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:120]}
    return {
        "width": image.width,
        "height": image.height,
        "samples": kind,
        "sha256": hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest(),
    }


def main(corpora, table):
    root = Path(corpora) / "pillow" / "Tests" / "images"
    files = sorted(p for p in root.rglob("*") if p.is_file())
    rows = {p.relative_to(root).as_posix(): row(p) for p in files}
    old = json.loads(Path(table).read_text()) if Path(table).exists() else {}
    new = {
        "pillow": PIL.__version__,
        "reasons": old.get("reasons", {}),
        "files": {name: row for name, row in rows.items() if row},
    }
    Path(table).write_text(json.dumps(new, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
