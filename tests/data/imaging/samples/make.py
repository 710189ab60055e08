"""Makes the compressed streams beside it, for tests/dicom_samples.rs.

    pip install numpy imagecodecs pyjpegls
    python make.py

High-throughput JPEG 2000 is encoded by OpenJPH, JPEG 2000 by OpenJPEG (both in imagecodecs), JPEG-LS by
CharLS (pyjpegls).
"""

from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np

HERE = Path(__file__).parent
COLUMNS, ROWS = 37, 29


def phantom(bits):
    """The phantom of tests/imaging_files/mod.rs."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    top = (1 << bits) - 1
    flat = (x // 5 % 3 == 1) & (y // 4 % 2 == 1)
    return np.where(flat, top // 3, (x * 977 + y * 3571 + x * y * 13) & top).astype(np.uint16)


def bars(low, high):
    """Bars 6 pixels wide of the lowest and the highest value: what lossy compression overshoots at."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    return np.where((x // 6 + y // 6) % 2 == 1, high, low)


def j2k(name, values, bits, **options):
    stream = imagecodecs.jpeg2k_encode(
        values, codecformat="J2K", bitspersample=bits, resolutions=3, **options
    )
    decoded = imagecodecs.jpeg2k_decode(stream)
    print(f"{name}: {len(stream)} bytes, {decoded.dtype}, {decoded.min()} to {decoded.max()}")
    (HERE / f"{name}.j2k").write_bytes(stream)


def near(name, values, bits, error):
    stream = jpeg_ls.encode_buffer(
        values.astype("<u2").tobytes(), ROWS, COLUMNS, 1, bits, lossy_error=error
    )
    decoded = np.frombuffer(jpeg_ls.decode_buffer(bytes(stream))[0], "<u2")
    print(f"{name}: {len(stream)} bytes, {decoded.min()} to {decoded.max()}")
    (HERE / f"{name}.jls").write_bytes(stream)


def main():
    for name, reversible in (("htj2k-lossless", True), ("htj2k-lossy", False)):
        level = None if reversible else 0.0001
        stream = imagecodecs.htj2k_encode(phantom(12), level=level, reversible=reversible)
        decoded = imagecodecs.htj2k_decode(stream).astype(int)
        print(f"{name}: {len(stream)} bytes, off by {abs(decoded - phantom(12)).max()}")
        (HERE / f"{name}.jhc").write_bytes(stream)
    ten, signed = bars(0, 1023).astype(np.uint16), bars(-512, 511).astype(np.int16)
    j2k("bars-10-in-12-lossy", ten, 12, reversible=False, level=30)
    j2k("bars-signed-10-in-12-lossy", signed, 12, reversible=False, level=30)
    # Bits that a codec without loss yields above the stored ones.
    overlaid = phantom(10) | np.uint16(0x800)
    j2k("phantom-10-overlaid-lossless", overlaid, 12, reversible=True, level=0)
    # Signed or unsigned, against what Pixel Representation is to say.
    j2k("phantom-signed-12-lossless", (phantom(12).astype(np.int32) - 2048).astype(np.int16), 12,
        reversible=True, level=0)
    j2k("phantom-12-lossless", phantom(12), 12, reversible=True, level=0)
    near("bars-10-in-12-near", np.clip(bars(0, 1023) - phantom(4) % 2, 0, 1023), 12, 5)


if __name__ == "__main__":
    main()
