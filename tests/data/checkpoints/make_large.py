"""Makes the files of `hostile/` that are small in this folder and large in memory: HDF5 files, packed
twice with gzip (once packed they still repeat themselves), which the tests unpack. With h5py 3.16; no PyTorch and no Keras.

    python make_large.py
"""

import gzip
import io
import pathlib
import struct

import h5py
import numpy

HERE = pathlib.Path(__file__).parent / "hostile"
LAYERS = 3_000_000
LAYER = '{"class_name":"Dropout","config":{"name":"d","rate":0.5,"seed":null,"trainable":true}}'
CONFIG = '{"class_name":"Sequential","config":{"layers":[' + ",".join([LAYER] * LAYERS) + "]}}"
TEXT = 16 << 20
REFERENCES = 3_000


def keep(name, content):
    packed = gzip.compress(gzip.compress(content, mtime=0), mtime=0)
    (HERE / f"{name}.gz.gz").write_bytes(packed)


def weights(file):
    group = file.create_group("model_weights/g")
    group.create_dataset("kernel:0", data=numpy.zeros(4, "f4"))
    return file["model_weights"]


def hdf5(fill):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def many_layers(file):
    """Three million layers in the description."""
    file.attrs["model_config"] = CONFIG
    weights(file)


def many_references(file):
    """A list of texts, which `one_text` makes the same large one."""
    file.attrs["model_config"] = "{}"
    texts = ["short"] * REFERENCES + ["x" * TEXT]
    file.attrs.create("texts", texts, dtype=h5py.string_dtype())
    weights(file)


def one_text(content):
    content = bytearray(content)
    at = content.find(struct.pack("<I", TEXT))
    while content[(address := struct.unpack_from("<Q", content, at + 4)[0]):][:4] != b"GCOL":
        at = content.find(struct.pack("<I", TEXT), at + 1)
    for place in range(at - 16 * REFERENCES, at, 16):
        content[place:place + 16] = content[at:at + 16]
    return bytes(content)


if __name__ == "__main__":
    keep("many_layers.h5", hdf5(many_layers))
    keep("many_references.h5", one_text(hdf5(many_references)))
