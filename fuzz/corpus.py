#!/usr/bin/env python3
"""Writes the pictures of fuzz/corpus: one of each kind that an encoder writes, a few hundred bytes each.

    python3 -m venv VENV && VENV/bin/pip install pillow numpy && VENV/bin/python fuzz/corpus.py

They contain no patient data. tests/fuzz_corpus writes the files that need no Python, and those that no encoder
writes (CXR_WRITE_CORPUS=1 cargo test --test fuzz_corpus).
"""

import io
import pathlib
import struct
import zlib

import numpy
from PIL import Image

HERE = pathlib.Path(__file__).parent / "corpus"
WIDTH, HEIGHT = 23, 17


def grey(top, dtype):
    """A picture with gradients, edges and a flat part."""
    y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    values = (x * 977 + y * 3571 + x * y * 13) % (top + 1)
    values[4:9, 5:12] = top // 3
    return values.astype(dtype)


def colour():
    return numpy.stack([grey(255, "u1"), grey(200, "u1"), grey(90, "u1")], axis=-1)


def put(target, name, data):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def saved(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def exif(orientation, prefix=b""):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return prefix + tags.tobytes()


def pictures():
    grey8 = Image.fromarray(grey(255, "u1"))
    rgb = Image.fromarray(colour())
    alpha = Image.fromarray(grey(255, "u1").T.copy().reshape(HEIGHT, WIDTH))
    rgba, la = rgb.copy(), grey8.copy()
    rgba.putalpha(alpha)
    la.putalpha(alpha)
    return {
        "1": grey8.convert("1"),
        "l": grey8,
        "la": la,
        "p": rgb.quantize(13),
        "rgb": rgb,
        "rgba": rgba,
        "cmyk": rgb.convert("CMYK"),
        "i16": Image.fromarray(grey(65_535, "u2")),
        "i32": Image.fromarray(grey(65_535, "i4")),
        "f": Image.fromarray(grey(255, "f4") / 255),
    }


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(bits, colour_type, lines, *chunks, size=(WIDTH, HEIGHT), interlace=0):
    header = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, interlace)
    middle = b"".join(png_chunk(name, data) for name, data in chunks)
    data = png_chunk(b"IDAT", zlib.compress(lines, 9))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + middle + data + png_chunk(b"IEND", b"")


def pngs(all):
    for name in ["1", "l", "la", "p", "rgb", "rgba", "i16"]:
        yield f"{name}.png", saved(all[name], "PNG")
    yield "orientation.png", saved(all["l"], "PNG", exif=exif(6))
    yield "profile.png", saved(all["rgb"], "PNG", icc_profile=b"not a profile " * 20)
    rows = [bytes(grey(3, "u1")[y]) for y in range(HEIGHT)]
    for filter in range(5):
        lines = b"".join(bytes([filter]) + row for row in rows)
        yield f"filter{filter}.png", png(8, 0, lines)
    clear = png_chunk, b"tRNS"
    yield "trns_grey.png", png(8, 0, b"".join(b"\0" + row for row in rows), (clear[1], b"\0\2"))
    packed = b"".join(b"\0" + bytes(6) for _ in range(HEIGHT))
    yield "two_bits.png", png(2, 0, packed)
    yield "rgb16.png", png(16, 2, b"".join(b"\0" + bytes(range(6)) * WIDTH for _ in rows))
    yield "adam7.png", png(8, 0, b"\0\1" * 4, size=(2, 2), interlace=1)
    yield "xmp.png", png(
        8, 0, b"".join(b"\0" + row for row in rows),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta tiff:Orientation='3'/>"),
    )
    bomb = zlib.compress(bytes(1 << 20), 9)
    yield "bomb_profile.png", png(8, 0, b"\0" * (WIDTH + 1) * HEIGHT, (b"iCCP", b"a\0\0" + bomb))
    yield "bomb_text.png", png(8, 0, b"\0" * (WIDTH + 1) * HEIGHT, (b"zTXt", b"a\0\0" + bomb))
    yield "huge.png", png(16, 0, b"", size=(60_000, 60_000))
    yield "short.png", png(8, 0, b"\0" * 30)


def jpegs(all):
    for name in ["l", "rgb", "cmyk"]:
        yield f"{name}.jpg", saved(all[name], "JPEG", quality=80)
    yield "progressive.jpg", saved(all["rgb"], "JPEG", progressive=True)
    yield "optimised.jpg", saved(all["l"], "JPEG", optimize=True)
    for name, sampling in [("444", 0), ("422", 1), ("420", 2)]:
        yield f"{name}.jpg", saved(all["rgb"], "JPEG", subsampling=sampling)
    yield "restarts.jpg", saved(all["rgb"], "JPEG", restart_marker_blocks=1)
    yield "orientation.jpg", saved(all["l"], "JPEG", exif=exif(8))


def webps(all):
    for name in ["rgb", "rgba", "l"]:
        yield f"{name}_lossy.webp", saved(all[name], "WEBP", quality=60)
        yield f"{name}_lossless.webp", saved(all[name], "WEBP", lossless=True)
    yield "orientation.webp", saved(all["rgb"], "WEBP", exif=exif(6))
    yield "orientation_prefix.webp", saved(all["rgb"], "WEBP", exif=exif(6, b"Exif\0\0"))
    more = [all["rgb"].rotate(180)]
    yield "animated.webp", saved(all["rgb"], "WEBP", save_all=True, append_images=more)


def tiffs(all):
    for name in ["1", "l", "p", "rgb", "rgba", "la", "i16", "i32", "f", "cmyk"]:
        yield f"{name}.tif", saved(all[name], "TIFF")
    for compression in ["tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate"]:
        yield f"{compression}.tif", saved(all["l"], "TIFF", compression=compression)
    for compression in ["group3", "group4", "tiff_ccitt"]:
        yield f"{compression}.tif", saved(all["1"], "TIFF", compression=compression)
    for name in ["l", "rgb"]:
        yield f"jpeg_{name}.tif", saved(all[name], "TIFF", compression="jpeg")
    yield "predictor.tif", saved(all["i16"], "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "orientation.tif", saved(all["l"], "TIFF", tiffinfo={274: 5})
    yield "strips.tif", saved(all["l"], "TIFF", tiffinfo={278: 3})
    yield "inverted.tif", saved(all["l"], "TIFF", tiffinfo={262: 0})
    pages = [all["l"].rotate(180)]
    yield "pages.tif", saved(all["l"], "TIFF", save_all=True, append_images=pages)
    yield "big_endian.tif", big_endian_tiff()
    yield "tiles_planes.tif", tiles_in_planes()
    yield "fill_order.tif", plain_tiff({266: (3, 2)})
    yield "circle.tif", plain_tiff({}, next=8)
    yield "huge.tif", plain_tiff({256: (4, 60_000), 257: (4, 60_000)})
    yield "twelve_bits.tif", plain_tiff({258: (3, 12)})


def plain_tiff(changes, next=0, order="<"):
    """A TIFF file of 8 × 4 grey pixels, with the entries of `changes` in place of its own."""
    entries = {256: (4, 8), 257: (4, 4), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 200),
               277: (3, 1), 278: (4, 4), 279: (4, 32)} | changes
    out = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    out += struct.pack(order + "H", len(entries))
    for tag, (kind, value) in sorted(entries.items()):
        out += struct.pack(order + "HHI", tag, kind, 1)
        out += struct.pack(order + ("HH" if kind == 3 else "I"), *([value, 0] if kind == 3 else [value]))
    return (out + struct.pack(order + "I", next)).ljust(200, b"\0") + bytes(range(96))


def big_endian_tiff():
    return plain_tiff({}, order=">")


def tiles_in_planes():
    """A TIFF file of two tiles of 16 × 16, one for each plane. Offsets and lengths come after the entries."""
    entries = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
               (277, 3, 1, 2), (284, 3, 1, 2), (322, 4, 1, 16), (323, 4, 1, 16), (324, 4, 2, 184),
               (325, 4, 2, 192)]
    out = b"II" + struct.pack("<HIH", 42, 8, len(entries))
    for tag, kind, count, value in entries:
        out += struct.pack("<HHII", tag, kind, count, value)
    out = (out + bytes(4)).ljust(184, b"\0")
    return out + struct.pack("<IIII", 200, 456, 256, 256) + bytes(range(256)) * 2


def bmps(all):
    for name in ["1", "l", "p", "rgb", "rgba"]:
        yield f"{name}.bmp", saved(all[name], "BMP")
    palette = bytes([0, 0, 0, 0, 255, 255, 255, 0]) * 128
    yield "rle8.bmp", bmp(8, 1, palette, bytes([5, 1, 3, 2, 0, 0, 0, 3, 1, 0, 1, 0, 0, 2, 1, 1, 4, 0, 0, 1]))
    yield "rle4.bmp", bmp(4, 2, palette[:64], bytes([5, 0x10, 3, 0x21, 0, 0, 0, 4, 0x10, 0x10, 0, 1]))
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    yield "masks.bmp", bmp(16, 3, masks, bytes(range(128)))
    yield "top_down.bmp", bmp(24, 0, b"", bytes(range(200)), height=-8)
    yield "huge.bmp", bmp(24, 0, b"", b"", width=60_000, height=60_000)


def bmp(bits, compression, between, data, width=8, height=8):
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    at = 14 + len(header) + len(between)
    return b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) + header + between + data


def gifs(all):
    yield "l.gif", saved(all["l"], "GIF")
    yield "interlaced.gif", saved(all["p"], "GIF", interlace=1)
    yield "transparent.gif", saved(all["p"], "GIF", transparency=3)
    yield "animated.gif", saved(all["p"], "GIF", save_all=True, append_images=[all["p"].rotate(180)])


def jpegs_2000(all):
    yield "l.jp2", saved(all["l"], "JPEG2000")
    yield "la.jp2", saved(all["la"], "JPEG2000")
    yield "rgb.jp2", saved(all["rgb"], "JPEG2000", irreversible=True, quality_layers=[20])
    yield "l.j2k", saved(all["l"], "JPEG2000", no_jp2=True)
    yield "i16.j2k", saved(all["i16"], "JPEG2000", no_jp2=True)


def others(all):
    """One file of each format that is recognised by its content."""
    yield "l.gif", saved(all["l"], "GIF")
    yield "l.jp2", saved(all["l"], "JPEG2000")
    yield "l.png", saved(all["l"], "PNG")
    yield "l.jpg", saved(all["l"], "JPEG")
    yield "l.bmp", saved(all["l"], "BMP")
    yield "l.tif", saved(all["l"], "TIFF")
    yield "l.webp", saved(all["l"], "WEBP")


def frames(all):
    """Streams after the four bytes that describe a frame (`cxr::fuzzing::described`)."""
    for name in ["l", "rgb"]:
        interpretation = 0 if name == "l" else 5
        head = bytes([HEIGHT, WIDTH, interpretation, 8])
        yield f"{name}.j2k", head + saved(all[name], "JPEG2000", no_jp2=True)
        lossy = saved(all[name], "JPEG2000", no_jp2=True, irreversible=True, quality_layers=[9, 3])
        yield f"{name}_lossy.j2k", head + lossy
    deep = saved(all["i16"], "JPEG2000", no_jp2=True, num_resolutions=2)
    yield "i16.j2k", bytes([HEIGHT, WIDTH, 1 << 5, 16]) + deep
    tiles = saved(all["l"], "JPEG2000", no_jp2=True, tile_size=(8, 8), progression="RPCL")
    yield "tiles.j2k", bytes([HEIGHT, WIDTH, 0, 8]) + tiles


def main():
    all = pictures()
    kinds = {"png": pngs, "jpeg": jpegs, "webp": webps, "tiff": tiffs, "bmp": bmps, "gif": gifs,
             "jpeg_2000": jpegs_2000, "raster": others, "dicom_jpeg_2000": frames}
    for target, made in kinds.items():
        for name, data in made(all):
            put(target, name, data)
    for name, data in jpegs(all):
        how = 0 if name in ["l.jpg", "optimised.jpg", "orientation.jpg"] else 3
        put("dicom_jpeg", name, bytes([HEIGHT, WIDTH, how, 8]) + data)


if __name__ == "__main__":
    main()
