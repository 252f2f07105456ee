//! Images that the tests draw.

use std::io::Cursor;

use bytes::Bytes;
use image::imageops::{FilterType, resize, thumbnail};
use image::{ImageFormat, Rgb, RgbImage};

/// Draws coloured discs and bars on a gradient: the same image for the same seed, and a different
/// image for every other seed.
pub fn poster(seed: u64) -> RgbImage {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (from, to) = (random.colour(), random.colour());
    let mut canvas = RgbImage::from_fn(320, 240, |x, y| {
        let blend =
            |c: usize| (u32::from(from[c]) * (558 - x - y) + u32::from(to[c]) * (x + y)) / 558;
        Rgb([0, 1, 2].map(|c| u8::try_from(blend(c)).expect("a blend of two bytes is a byte")))
    });
    for _ in 0..14 {
        let (cx, cy, colour) = (random.below(320), random.below(240), Rgb(random.colour()));
        let (size, round) = (12 + random.below(40), random.below(2) == 0);
        for (x, y, pixel) in canvas.enumerate_pixels_mut() {
            let (dx, dy) = (i64::from(x) - cx, i64::from(y) - cy);
            let inside = if round {
                dx * dx + dy * dy < size * size
            } else {
                dx.abs() < size && dy.abs() * 2 < size
            };
            if inside {
                *pixel = colour;
            }
        }
    }
    canvas
}

/// Encodes a poster as a PNG file.
pub fn png(seed: u64) -> Bytes {
    encoded(&poster(seed), ImageFormat::Png)
}

/// Encodes a poster at a quarter of its size, which is cheap to store and to find.
pub fn small_png(seed: u64) -> Bytes {
    encoded(&thumbnail(&poster(seed), 80, 60), ImageFormat::Png)
}

/// Encodes a poster of other sides, with the noise of a camera: its file is as large as that of a
/// photograph in the best quality.
pub fn photo(seed: u64, width: u32, height: u32) -> Bytes {
    let mut random = Random(seed | 1);
    let mut image = resize(&poster(seed), width, height, FilterType::Triangle);
    for value in image.iter_mut() {
        let noise = random.below(33) - 16;
        *value = u8::try_from((i64::from(*value) + noise).clamp(0, 255)).expect("clamped");
    }
    encoded(&image, ImageFormat::Png)
}

/// Encodes the same poster as a JPEG file: other bytes, the same image.
pub fn jpeg(seed: u64) -> Bytes {
    encoded(&poster(seed), ImageFormat::Jpeg)
}

/// Encodes the same poster as a file of another format.
pub fn file(seed: u64, format: ImageFormat) -> Bytes {
    encoded(&poster(seed), format)
}

/// Returns other bytes for exactly the same pixels: PNG decoders ignore bytes after the end chunk.
pub fn variant(seed: u64, number: u8) -> Bytes {
    let mut file = png(seed).to_vec();
    file.push(number);
    file.into()
}

fn encoded(image: &RgbImage, format: ImageFormat) -> Bytes {
    let mut file = Cursor::new(Vec::new());
    image
        .write_to(&mut file, format)
        .expect("writing to memory cannot fail");
    file.into_inner().into()
}

/// Pseudo-random numbers that are the same on every machine (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: i64) -> i64 {
        (self.next() >> 16) as i64 % limit
    }

    fn colour(&mut self) -> [u8; 3] {
        let [a, b, c, ..] = self.next().to_le_bytes();
        [a, b, c]
    }
}
