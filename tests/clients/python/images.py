"""Draws test images and writes them as PNG and BMP, by hand.

An image is a seed: rectangles of random place and colour on a gradient, so
that there are corners to recognise and no two seeds look alike.
"""

import random
import struct
import zlib

WIDTH = 480
HEIGHT = 360
RECTANGLES = 60


def pixels(seed):
    """Rows of RGB bytes."""
    chance = random.Random(seed)
    first, last = ([chance.randrange(256) for _ in range(3)] for _ in range(2))
    rows = []
    for y in range(HEIGHT):
        mix = y / (HEIGHT - 1)
        colour = bytes(round(a * (1 - mix) + b * mix) for a, b in zip(first, last))
        rows.append(bytearray(colour * WIDTH))
    for _ in range(RECTANGLES):
        width, height = chance.randrange(10, 120), chance.randrange(10, 90)
        left, top = chance.randrange(WIDTH - width), chance.randrange(HEIGHT - height)
        colour = bytes(chance.randrange(256) for _ in range(3))
        for row in rows[top : top + height]:
            row[3 * left : 3 * (left + width)] = colour * width
    return rows


def png(seed):
    """PNG (ISO 15948): signature, IHDR, one IDAT of unfiltered rows, IEND."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(row) for row in pixels(seed))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def bmp(seed):
    """BMP with BITMAPINFOHEADER: rows bottom-up, as BGR, padded to 4 bytes."""
    rows = b""
    for row in reversed(pixels(seed)):
        swapped = bytearray(row)
        swapped[0::3], swapped[2::3] = row[2::3], row[0::3]
        rows += bytes(swapped) + b"\0" * (-len(swapped) % 4)
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54) + info + rows
