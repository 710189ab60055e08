"""Makes the synthetic radiographs of this folder.

    pip install -r requirements.txt
    python make.py --data ../../shared/data/cxr [--out FOLDER] [--check]

The same data and the same library versions give the same bytes. `--check` measures how far every
sample is from every radiograph that was learnt from; its table is in README.md. About four
minutes on one core, 3 GB of memory.
"""

import os

# One thread: sums in another order differ in their last bits, and the files would.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import copying
from anatomy import Anatomy
from dicom_file import compress, radiograph
from film import Lesion, Patient, expose
from scene import sunset

# Row and column of the field, half height, half width, density. The patient's right is on the left.
RIGHT_LOWER = (Lesion(0.58, 0.29, 0.15, 0.13, 0.80),)
RIGHT_UPPER = (Lesion(0.27, 0.33, 0.12, 0.12, 0.80),)
LEFT_LOWER = (Lesion(0.60, 0.78, 0.17, 0.15, 0.80),)
PERIPHERAL = (
    Lesion(0.60, 0.23, 0.17, 0.09, 0.60),
    Lesion(0.60, 0.82, 0.18, 0.10, 0.60),
    Lesion(0.41, 0.24, 0.12, 0.06, 0.45),
    Lesion(0.42, 0.78, 0.12, 0.06, 0.45),
)


def clear(seed):
    return Patient(seed)


def pneumonia(seed, lesions):
    return Patient(seed, "pneumonia", 1.0, lesions)


def covid_like(seed):
    return Patient(seed, "covid", 1.0, PERIPHERAL)


def films(anatomy):
    """Every radiograph of the folder, before it is a file: stem → film."""
    return {
        "clear_1": expose(anatomy, clear(20), 768, 768),
        "clear_2": expose(anatomy, clear(27), 1024, 896),
        "clear_3": expose(anatomy, clear(10), 512, 512),
        "clear_16bit": expose(anatomy, clear(28), 512, 512),
        "pneumonia_1": expose(anatomy, pneumonia(15, RIGHT_LOWER), 768, 768),
        "pneumonia_2": expose(anatomy, pneumonia(4, LEFT_LOWER), 1024, 1024),
        "pneumonia_12bit_mono1": expose(anatomy, pneumonia(22, RIGHT_UPPER), 544, 480, "R"),
        "pneumonia_jpeg2000": expose(anatomy, pneumonia(29, LEFT_LOWER), 640, 640),
        "covid_like_1": expose(anatomy, covid_like(21), 1024, 1024),
        "covid_like_ap": expose(anatomy, covid_like(11), 512, 512, "R"),
        "truncated": expose(anatomy, clear(5), 384, 384),
    }


def write(films, out):
    """Films to files, one way of storing each."""

    def grey(stem):
        return Image.fromarray(np.round(films[stem] * 255).astype(np.uint8))

    def dicom(stem, **facts):
        return radiograph(stem, films[stem], **facts)

    def save(d, name):
        d.save_as(out / name, enforce_file_format=True)

    grey("clear_1").save(out / "clear_1.png", optimize=True)
    grey("clear_2").save(out / "clear_2.jpg", quality=90)
    # Ten of the sixteen bits carry the picture; more would be noise that does not compress.
    levels = np.round(films["clear_3"] * 1023).astype(np.uint16) * 64
    Image.fromarray(levels).save(out / "clear_3.png", optimize=True)
    grey("pneumonia_1").save(out / "pneumonia_1.png", optimize=True)
    grey("pneumonia_2").save(out / "pneumonia_2.jfif", format="JPEG", quality=88)
    grey("covid_like_1").save(out / "covid_like_1.webp", quality=88, method=6)
    save(dicom("clear_16bit", bits=16, view="PA", sex="F", age=34), "clear_16bit.dcm")
    mono1 = dicom("pneumonia_12bit_mono1", bits=12, view="PA", sex="M", age=61, inverted=True)
    save(mono1, "pneumonia_12bit_mono1.dcm")
    save(compress(dicom("pneumonia_jpeg2000", bits=12, view="PA", sex="F", age=47)), "pneumonia_jpeg2000.dcm")
    save(compress(dicom("covid_like_ap", bits=10, view="AP", sex="M", age=72)), "covid_like_ap.dcm")
    whole = io.BytesIO()
    dicom("truncated", bits=12, view="PA", sex="F", age=29).save_as(whole, enforce_file_format=True)
    (out / "truncated.dcm").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 3])
    Image.fromarray(sunset(480, 720, 5)).save(out / "not_an_xray.png", optimize=True)


def main():
    here = Path(__file__).parent
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder that holds manifest.csv")
    arguments.add_argument("--out", type=Path, default=here, help="folder to write to (default: this one)")
    arguments.add_argument("--check", action="store_true", help="measure the distance to the data")
    options = arguments.parse_args()
    anatomy = Anatomy.learn(options.data, lambda line: print(line, file=sys.stderr, flush=True))
    drawn = films(anatomy)
    options.out.mkdir(parents=True, exist_ok=True)
    write(drawn, options.out)
    if options.check:
        print(copying.report(anatomy, drawn, options.data))


if __name__ == "__main__":
    main()
