"""What pydicom reads in the files that it comes with: the table that tests/corpora.rs compares with.

    python tests/data/corpora/fetch.py corpora
    pip install pydicom==3.0.2 numpy pillow pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg pylibjpeg-rle \\
        pyjpegls imagecodecs
    python tests/data/corpora/dicom_reference.py corpora tests/data/corpora/pydicom.json

A row has columns and rows, the type of a sample, the mean of the samples, and their SHA-256, little endian,
row by row: those of the first frame as stored, before any transform; colours as RGB of 8 bits, grey where
all channels are equal. The type follows from Bits Stored, as in cxr. What pydicom cannot decode has its error
instead. Lossy JPEG is decoded by libjpeg-turbo in both, since decoders may round otherwise (ITU-T T.83). The
reasons for differences are written by hand, and kept.
"""

import hashlib
import json
import sys
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, pixel_array
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit


def grey_or_rgb(values):
    if (values == values[..., :1]).all():
        return "grey8", values[..., 0]
    return "rgb8", values


def eight_bits(values, bits):
    return (values >> max(bits - 8, 0)).astype(np.uint8)


def first_frame(dataset):
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == JPEGBaseline8Bit:
        return pixel_array(dataset, index=0, decoding_plugin="pillow")
    if syntax == JPEGExtended12Bit:
        return imagecodecs.jpeg8_decode(next(generate_frames(dataset.PixelData, number_of_frames=1)))
    return pixel_array(dataset, index=0)


def samples(dataset):
    """Type and samples of the first frame, as cxr keeps them."""
    values = first_frame(dataset)
    bits = dataset.BitsStored
    if dataset.SamplesPerPixel == 3:
        return grey_or_rgb(eight_bits(values, bits))
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        entry_bits = dataset.RedPaletteColorLookupTableDescriptor[2]
        return grey_or_rgb(eight_bits(apply_color_lut(values, dataset), entry_bits))
    if bits > 16:
        return "float32", values.astype(np.float32)
    if dataset.PixelRepresentation == 1:
        return "signed16", values.astype(np.int16)
    return ("grey8", values.astype(np.uint8)) if bits <= 8 else ("grey16", values.astype(np.uint16))


def row(path):
    try:
        dataset = with_syntax(pydicom.dcmread(path, force=True))
        if "PixelData" not in dataset:
            return None
        kind, values = samples(dataset)
    except Exception as error:
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:160]}
    little = values.astype(values.dtype.newbyteorder("<"))
    return {
        "width": values.shape[1],
        "height": values.shape[0],
        "samples": kind,
        "mean": round(float(values.mean()), 3),
        "sha256": hashlib.sha256(np.ascontiguousarray(little).tobytes()).hexdigest(),
    }


def with_syntax(dataset):
    """Files without meta information are read in the encoding that they were found to have."""
    if "TransferSyntaxUID" not in getattr(dataset, "file_meta", {}):
        implicit, little = dataset.original_encoding
        uid = pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian if implicit else uid
    return dataset


def main(corpora, table):
    root = Path(corpora) / "pydicom" / "pydicom" / "data"
    warnings.simplefilter("ignore")
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.suffix not in {".py", ".pyc"})
    rows = {p.relative_to(root).as_posix(): row(p) for p in files}
    old = json.loads(Path(table).read_text()) if Path(table).exists() else {}
    new = {
        "reader": f"pydicom {pydicom.__version__}",
        "reasons": old.get("reasons", {}),
        "files": {name: row for name, row in rows.items() if row},
    }
    Path(table).write_text(json.dumps(new, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
