"""Further kinds of copies, beside the 56 of attacks.py: `attacks.py --kinds further`.

Stretched, sheared, small and narrow parts; strong changes of tone; print, screen and video; overlays and frames;
warps that no plane map undoes.
"""

import numpy as np, cv2
from attacks import WORDS, border, corner, crop_area, gamma, jpg, lin, paste, rot, rs


def stretch(im, x, y):
    return cv2.resize(im, None, fx=x, fy=y, interpolation=cv2.INTER_AREA if x * y < 1 else cv2.INTER_LINEAR)


def within(im, side):
    return rs(im, side / max(im.shape[:2]))


def shear(im, degrees):
    h, w = im.shape[:2]
    slope = np.tan(np.deg2rad(degrees))
    matrix = np.float32([[1, slope, 0], [0, 1, 0]])
    return cv2.warpAffine(im, matrix, (int(w + slope * h), h), borderValue=(255, 255, 255))


def rot_inside(im, degrees):
    """Rotates, and keeps a part without corners of the background."""
    turned = rot(im, degrees)
    h, w = turned.shape[:2]
    side_h, side_w = int(im.shape[0] * 0.28), int(im.shape[1] * 0.28)
    return turned[h // 2 - side_h : h // 2 + side_h, w // 2 - side_w : w // 2 + side_w]


def strip(im, r):
    h = im.shape[0] // 3
    y = r.randint(0, im.shape[0] - h + 1)
    return im[y : y + h].copy()


def grey(im):
    return cv2.cvtColor(im, cv2.COLOR_BGR2GRAY)


def bgr(im):
    return cv2.cvtColor(im, cv2.COLOR_GRAY2BGR)


def hue(im, shift):
    hsv = cv2.cvtColor(im, cv2.COLOR_BGR2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + shift) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


def equalized(im):
    lab = cv2.cvtColor(im, cv2.COLOR_BGR2LAB)
    lab[..., 0] = cv2.createCLAHE(4, (8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2BGR)


def ordered_dither(im):
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16 + 8
    h, w = im.shape[:2]
    tiles = np.tile(bayer, (h // 4 + 1, w // 4 + 1))[:h, :w]
    return bgr(((grey(im) > tiles) * 255).astype(np.uint8))


def halftone(im, period):
    h, w = im.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) * (2 * np.pi / period)
    u, v = (x + y) * 0.7071, (x - y) * 0.7071
    screen = 127 + 63 * (np.cos(u) + np.cos(v))
    tone = cv2.GaussianBlur(grey(im), (0, 0), period / 4)
    return bgr(cv2.GaussianBlur(((tone > screen) * 255).astype(np.uint8), (0, 0), 0.7))


def sketch(im):
    blurred = cv2.GaussianBlur(255 - grey(im), (0, 0), 8)
    return bgr(cv2.divide(grey(im), 255 - blurred, scale=230))


def motion(im, length):
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    return cv2.filter2D(im, -1, kernel)


def pixelate(im, block):
    h, w = im.shape[:2]
    small = cv2.resize(im, (w // block, h // block), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST)


def salt_pepper(im, share, r):
    noise = r.uniform(size=im.shape[:2])
    out = im.copy()
    out[noise < share / 2] = 0
    out[noise > 1 - share / 2] = 255
    return out


def sharpen(im):
    return cv2.addWeighted(im, 3, cv2.GaussianBlur(im, (0, 0), 2), -2, 0)


def palette(im, colours):
    pixels = im.reshape(-1, 3).astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_MAX_ITER, 5, 0)
    cv2.setRNGSeed(1)
    _, _, centres = cv2.kmeans(pixels[:: max(1, len(pixels) // 5000)], colours, None, criteria, 1, cv2.KMEANS_PP_CENTERS)
    nearest = np.argmin(((pixels[:, None] - centres[None]) ** 2).sum(2), 1)
    return centres[nearest].astype(np.uint8).reshape(im.shape)


def vignette(im):
    h, w = im.shape[:2]
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    return (im * np.clip(1.15 - 0.75 * (x * x + y * y), 0.05, 1)[..., None]).astype(np.uint8)


def blend(im, other, share):
    other = cv2.resize(other, (im.shape[1], im.shape[0]), interpolation=cv2.INTER_AREA)
    return cv2.addWeighted(im, 1 - share, other, share, 0)


def grid(im):
    out = im.copy()
    step = max(im.shape[:2]) // 12
    out[::step], out[1::step] = 255, 255
    out[:, ::step], out[:, 1::step] = 255, 255
    return out


def watermark(im):
    over = im.copy()
    h, w = im.shape[:2]
    for y in range(0, h + 60, 60):
        cv2.putText(over, "SAMPLE PREVIEW  " * 8, (-(y * 2 % 90), y), cv2.FONT_HERSHEY_DUPLEX, w / 700, (255, 255, 255), 2, cv2.LINE_AA)
    return cv2.addWeighted(over, 0.5, im, 0.5, 0)


def meme(im, r):
    h, w = im.shape[:2]
    bar = max(40, h // 6)
    out = cv2.copyMakeBorder(im, bar, bar, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    for y in (bar * 2 // 3, h + bar + bar * 2 // 3):
        cv2.putText(out, WORDS[r.randint(len(WORDS))], (w // 20, y), cv2.FONT_HERSHEY_TRIPLEX, w / 480, (0, 0, 0), 2, cv2.LINE_AA)
    return out


def emoji(im, count, r):
    out = im.copy()
    h, w = im.shape[:2]
    for _ in range(count):
        centre = (int(r.randint(0, w)), int(r.randint(0, h)))
        radius = int(r.randint(min(h, w) // 14, min(h, w) // 8))
        cv2.circle(out, centre, radius, (60, 210, 250), -1, cv2.LINE_AA)
        cv2.circle(out, centre, radius, (20, 60, 80), 2, cv2.LINE_AA)
    return out


def avatar(im):
    h, w = im.shape[:2]
    d = min(h, w)
    part = im[(h - d) // 2 : (h + d) // 2, (w - d) // 2 : (w + d) // 2]
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.circle(mask, (part.shape[1] // 2, part.shape[0] // 2), d // 2 - 1, 255, -1)
    return np.where(mask[..., None] > 0, part, 255).astype(np.uint8)


def polaroid(im):
    b = min(im.shape[:2]) // 14
    return rot(cv2.copyMakeBorder(im, b, b * 4, b, b, cv2.BORDER_CONSTANT, value=(245, 248, 250)), 8)


def beside(im, other):
    h = im.shape[0]
    other = cv2.resize(other, (im.shape[1], h), interpolation=cv2.INTER_AREA)
    return np.hstack([other, im])


def quarters(im, others, r):
    h, w = im.shape[0] // 2, im.shape[1] // 2
    parts = [cv2.resize(o, (w, h), interpolation=cv2.INTER_AREA) for o in [im, *others[:3]]]
    r.shuffle(parts)
    return np.vstack([np.hstack(parts[:2]), np.hstack(parts[2:])])


def mirrored_halves(im):
    half = im[:, : im.shape[1] // 2]
    return np.hstack([half, cv2.flip(half, 1)])


def displaced(im, dx, dy):
    h, w = im.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    return cv2.remap(im, (x + dx(x / w, y / h) * w).astype(np.float32), (y + dy(x / w, y / h) * h).astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def lens(im, strength):
    def shift(a, b):
        u, v = a - 0.5, b - 0.5
        return strength * (u * u + v * v)

    return displaced(im, lambda a, b: (a - 0.5) * shift(a, b), lambda a, b: (b - 0.5) * shift(a, b))


def crumpled(im, amount, r):
    h, w = im.shape[:2]
    fields = [cv2.resize(r.normal(0, amount, (7, 7)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC) for _ in range(2)]
    return displaced(im, lambda a, b: fields[0], lambda a, b: fields[1])


def keystone(im, narrow):
    h, w = im.shape[:2]
    source = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
    target = np.float32([[w * narrow, 0], [w * (1 - narrow), 0], [w, h], [0, h]])
    return cv2.warpPerspective(im, cv2.getPerspectiveTransform(source, target), (w, h))


def screen(im, r):
    """A photo of a screen: rows of its raster, an angle, noise."""
    photo = keystone(rs(im, 1000 / max(im.shape[:2])), 0.12).astype(np.float32)
    h, w = photo.shape[:2]
    y, x = np.mgrid[0:h, 0:w]
    photo *= (0.85 + 0.15 * np.sin(y * 2.2 + x * 0.15))[..., None]
    photo = cv2.GaussianBlur(photo + r.normal(0, 7, photo.shape), (0, 0), 1.0)
    return jpg(photo.clip(0, 255).astype(np.uint8), 70)


FURTHER = {
    "aspect1.6": lambda i, r, b: stretch(i, 1.6, 1),
    "aspect2": lambda i, r, b: stretch(i, 2, 1),
    "aspect2.5": lambda i, r, b: stretch(i, 2.5, 1),
    "tall2": lambda i, r, b: stretch(i, 1, 2),
    "tall2_crop50": lambda i, r, b: crop_area(stretch(i, 1, 2), 0.5, r),
    "shear20": lambda i, r, b: shear(i, 20),
    "shear35": lambda i, r, b: shear(i, 35),
    "within160": lambda i, r, b: within(i, 160),
    "within100": lambda i, r, b: within(i, 100),
    "within160_crop50": lambda i, r, b: within(crop_area(i, 0.5, r), 160),
    "crop85": lambda i, r, b: crop_area(i, 0.15, r),
    "crop90": lambda i, r, b: crop_area(i, 0.1, r),
    "corner1/4": lambda i, r, b: corner(i, 0.25, r),
    "strip1/3": lambda i, r, b: strip(i, r),
    "rot30_inside": lambda i, r, b: rot_inside(i, 30),
    "rot60": lambda i, r, b: rot(i, 60),
    "rot135": lambda i, r, b: rot(i, 135),
    "transpose": lambda i, r, b: cv2.transpose(i),
    "vflip_rot20": lambda i, r, b: rot(cv2.flip(i, 0), 20),
    "posterize4": lambda i, r, b: (i // 64) * 64 + 32,
    "two_tones": lambda i, r, b: bgr(cv2.threshold(grey(i), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1]),
    "hue90": lambda i, r, b: hue(i, 90),
    "red_only": lambda i, r, b: bgr(i[..., 2]),
    "solarize": lambda i, r, b: np.where(i > 127, 255 - i, i).astype(np.uint8),
    "equalized": lambda i, r, b: equalized(i),
    "sketch": lambda i, r, b: sketch(i),
    "fog60": lambda i, r, b: lin(i, 0.4, 150),
    "night": lambda i, r, b: lin(gamma(i, 2), 0.35, 0),
    "vignette": lambda i, r, b: vignette(i),
    "invert_crop50": lambda i, r, b: 255 - crop_area(i, 0.5, r),
    "invert_hflip": lambda i, r, b: 255 - cv2.flip(i, 1),
    "dither": lambda i, r, b: ordered_dither(i),
    "halftone5": lambda i, r, b: halftone(i, 5),
    "palette8": lambda i, r, b: palette(i, 8),
    "motion15": lambda i, r, b: motion(i, 15),
    "median9": lambda i, r, b: cv2.medianBlur(i, 9),
    "pixelate5": lambda i, r, b: pixelate(i, 5),
    "salt10": lambda i, r, b: salt_pepper(i, 0.1, r),
    "sharpen": lambda i, r, b: sharpen(i),
    "jpeg2": lambda i, r, b: jpg(i, 2),
    "grid": lambda i, r, b: grid(i),
    "watermark": lambda i, r, b: watermark(i),
    "meme": lambda i, r, b: meme(i, r),
    "emoji12": lambda i, r, b: emoji(i, 12, r),
    "overlay35": lambda i, r, b: blend(i, b[0], 0.35),
    "overlay50": lambda i, r, b: blend(i, b[0], 0.5),
    "avatar": lambda i, r, b: avatar(i),
    "polaroid": lambda i, r, b: polaroid(i),
    "beside": lambda i, r, b: beside(i, b[0]),
    "quarters": lambda i, r, b: quarters(i, b, r),
    "mirrored_halves": lambda i, r, b: mirrored_halves(i),
    "border60": lambda i, r, b: border(i, 0.6, r),
    "collage15": lambda i, r, b: paste(b[0], i, 0.15, r),
    "collage40_rot20": lambda i, r, b: paste(b[0], rot(i, 20), 0.4, r),
    "lens": lambda i, r, b: lens(i, 0.5),
    "fisheye": lambda i, r, b: lens(i, 1.2),
    "wave": lambda i, r, b: displaced(i, lambda x, y: 0.015 * np.sin(y * 25), lambda x, y: 0 * x),
    "page_curl": lambda i, r, b: displaced(i, lambda x, y: 0.06 * np.sin(x * np.pi), lambda x, y: 0.05 * np.sin(x * np.pi)),
    "crumpled": lambda i, r, b: crumpled(i, 0.012, r),
    "keystone": lambda i, r, b: keystone(i, 0.2),
    "screen_photo": lambda i, r, b: screen(i, r),
}
