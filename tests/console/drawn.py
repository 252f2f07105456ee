"""Draws the images of the tests: posters with enough detail to find parts of them, each from a seed."""

import io
import math
import random

from PIL import Image, ImageColor, ImageDraw, ImageFilter, ImageFont

SIDES = [(640, 480), (480, 640), (600, 600), (720, 480)]
# Each: ground, far, near, accent, ink.
PALETTES = [
    ("#f4ede1", "#d9a679", "#8c4a32", "#e4572e", "#2b211c"),
    ("#e7f0ee", "#8fb8ae", "#2f6f6a", "#f2a541", "#16302e"),
    ("#eef1f8", "#9db2d6", "#40578f", "#e86a6a", "#1b2340"),
    ("#fbf4f0", "#e8b4a0", "#b05f6d", "#5b8e7d", "#3a2230"),
    ("#f2f3ea", "#b7c48b", "#5f7a3a", "#d1603d", "#24301a"),
    ("#f0ecf6", "#b8a3d8", "#6a4c93", "#ffca3a", "#251a38"),
    ("#20262e", "#4a5a6a", "#8aa0b4", "#f6ae2d", "#f4f1ea"),
]
WORDS = "Harbour Meadow Lantern Orchard Granite Willow Compass Saffron Juniper Marble Cinder Prairie".split()


def poster(seed):
    """Draws one of four scenes with a title. No two of them are the same image to the engine."""
    rng = random.Random(seed)
    width, height = SIDES[seed % len(SIDES)]
    palette = [shifted(rng, colour) for colour in PALETTES[rng.randrange(len(PALETTES))]]
    image = Image.new("RGB", (width, height), palette[0])
    draw = ImageDraw.Draw(image)
    (village, moons, rays, blocks)[rng.randrange(4)](draw, rng, width, height, palette)
    for _ in range(60):
        cx, cy, r = rng.randrange(width), rng.randrange(height), rng.randrange(2, 7)
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=palette[rng.randrange(4)])
    title = f"{WORDS[rng.randrange(len(WORDS))]} {rng.randrange(100, 999)}"
    font = ImageFont.load_default(size=height // rng.randrange(9, 14))
    at = (width * rng.uniform(0.04, 0.4), height * rng.choice((0.06, 0.45, 0.84)))
    draw.text(at, title, fill=palette[4], font=font, stroke_width=3, stroke_fill=palette[0])
    return image


def shifted(rng, colour):
    """Returns a colour near another one."""
    return tuple(max(0, min(255, part + rng.randrange(-14, 15))) for part in ImageColor.getrgb(colour))


def village(draw, rng, width, height, palette):
    """Hills with houses below a sun and birds."""
    ground, far, near, accent, ink = palette
    sun = rng.randrange(30, 110)
    x, y = rng.randrange(width), rng.randrange(height // 2)
    draw.ellipse((x - sun, y - sun, x + sun, y + sun), fill=accent)
    base = height * rng.uniform(0.25, 0.6)
    for colour in rng.sample((far, near, ink), 3):
        hills(draw, rng, width, height, base, colour)
        for _ in range(rng.randrange(4, 12)):
            house(draw, rng, rng.randrange(width), base + rng.randrange(-18, 34), (ground, accent, far, near)[rng.randrange(4)], ink)
        base += height * rng.uniform(0.1, 0.22)
    for _ in range(rng.randrange(10, 40)):
        bird(draw, rng, width, height, ink)


def moons(draw, rng, width, height, palette):
    """Circles in circles, of all sizes."""
    for _ in range(rng.randrange(9, 26)):
        x, y, r = rng.randrange(width), rng.randrange(height), rng.randrange(20, 150)
        for colour in rng.sample(palette, 3):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
            x, y, r = x + rng.randrange(-9, 10), y + rng.randrange(-9, 10), r * rng.uniform(0.4, 0.8)


def rays(draw, rng, width, height, palette):
    """Wedges around a point, with houses and birds in them."""
    x, y, turn = rng.randrange(width), rng.randrange(height), rng.uniform(0, 360)
    while turn < 720:
        step = rng.uniform(9, 48)
        draw.pieslice((x - 1200, y - 1200, x + 1200, y + 1200), turn, turn + step, fill=palette[rng.randrange(4)])
        turn += step
    for _ in range(24):
        house(draw, rng, rng.randrange(width), rng.randrange(60, height), palette[rng.randrange(4)], palette[4])
    for _ in range(20):
        bird(draw, rng, width, height * 2, palette[4])


def blocks(draw, rng, width, height, palette):
    """Overlapping rectangles and triangles."""
    for _ in range(rng.randrange(24, 50)):
        x, y, w, h = rng.randrange(-40, width), rng.randrange(-40, height), rng.randrange(20, 190), rng.randrange(20, 190)
        colour = palette[rng.randrange(5)]
        if rng.random() < 0.7:
            draw.rectangle((x, y, x + w, y + h), fill=colour)
        else:
            draw.polygon([(x, y + h), (x + w, y + h), (x + rng.randrange(w), y)], fill=colour)


def hills(draw, rng, width, height, base, colour):
    phase, wide, high = rng.uniform(0, 6), rng.uniform(60, 170), rng.uniform(12, 46)
    line = [(x, base + high * math.sin(x / wide + phase) + 9 * math.sin(x / 23 + phase)) for x in range(0, width + 8, 8)]
    draw.polygon([*line, (width, height), (0, height)], fill=colour)


def house(draw, rng, x, y, wall, ink):
    w, h = rng.randrange(18, 46), rng.randrange(16, 52)
    draw.rectangle((x, y - h, x + w, y), fill=wall)
    draw.polygon([(x - 4, y - h), (x + w / 2, y - h - w * 0.55), (x + w + 4, y - h)], fill=ink)
    for row in range(int(y - h) + 6, int(y) - 6, 11):
        for column in range(x + 5, x + w - 5, 10):
            if rng.random() < 0.7:
                draw.rectangle((column, row, column + 4, row + 6), fill=ink)


def bird(draw, rng, width, height, ink):
    x, y, s = rng.randrange(width), rng.randrange(int(height * 0.45)), rng.randrange(4, 12)
    draw.line([(x - s, y - s / 2), (x, y), (x + s, y - s / 2)], fill=ink, width=2)


def encoded(image, kind="JPEG", **options):
    out = io.BytesIO()
    image.save(out, kind, **{**({"quality": 88} if kind == "JPEG" else {}), **options})
    return out.getvalue()


def turned(image, angle, scale, size, centre):
    """Photographs a print: `centre` of the image, in fractions, is in the middle of a frame of `size`.

    Returns the frame, and the function that maps a position of the image, in fractions, to one of
    the frame, in fractions. `angle` is clockwise, in degrees.
    """
    cos, sin = math.cos(math.radians(angle)) * scale, math.sin(math.radians(angle)) * scale
    cx, cy = centre[0] * image.width, centre[1] * image.height
    norm = cos * cos + sin * sin
    # Pillow maps positions of the frame to those of the image.
    a, b, d, e = cos / norm, sin / norm, -sin / norm, cos / norm
    fx, fy = size[0] / 2, size[1] / 2
    inverse = (a, b, cx - a * fx - b * fy, d, e, cy - d * fx - e * fy)
    frame = image.transform(size, Image.Transform.AFFINE, inverse, Image.Resampling.BICUBIC, fillcolor="#b9a58c")

    def to_frame(x, y):
        dx, dy = x * image.width - cx, y * image.height - cy
        return (cos * dx - sin * dy + fx) / size[0], (sin * dx + cos * dy + fy) / size[1]

    return frame.filter(ImageFilter.GaussianBlur(0.6)), to_frame


def flat(number):
    """Draws an image of 50 × 50 pixels without any detail, to fill a library cheaply."""
    colour = ((number * 7) % 256, (number // 256) % 256, (number * 31) % 256)
    image = Image.new("RGB", (50, 50), colour)
    image.putpixel((number % 50, (number // 50) % 50), (255, 255, 255))
    return encoded(image, "BMP")
