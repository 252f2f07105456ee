"""Draws test images and writes them as PNG and BMP, without an image library.

A seed determines an image: rectangles with random positions and colours on a
gradient, so that there are corners to detect and every seed looks different.
"""

import random
import struct
import zlib

WIDTH = 480
HEIGHT = 360
RECTANGLES = 60


def pixels(seed):
    """Returns rows of RGB bytes."""
    rng = random.Random(seed)
    first, last = ([rng.randrange(256) for _ in range(3)] for _ in range(2))
    rows = []
    for y in range(HEIGHT):
        mix = y / (HEIGHT - 1)
        colour = bytes(round(a * (1 - mix) + b * mix) for a, b in zip(first, last))
        rows.append(bytearray(colour * WIDTH))
    for _ in range(RECTANGLES):
        width, height = rng.randrange(10, 120), rng.randrange(10, 90)
        left, top = rng.randrange(WIDTH - width), rng.randrange(HEIGHT - height)
        colour = bytes(rng.randrange(256) for _ in range(3))
        for row in rows[top : top + height]:
            row[3 * left : 3 * (left + width)] = colour * width
    return rows


def png(seed):
    """Writes a PNG (ISO 15948): signature, IHDR, one IDAT of unfiltered rows, IEND."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(row) for row in pixels(seed))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def bmp(seed):
    """Writes a BMP with BITMAPINFOHEADER: rows bottom-up, as BGR, padded to 4 bytes."""
    rows = b""
    for row in reversed(pixels(seed)):
        swapped = bytearray(row)
        swapped[0::3], swapped[2::3] = row[2::3], row[0::3]
        rows += bytes(swapped) + b"\0" * (-len(swapped) % 4)
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54) + info + rows
