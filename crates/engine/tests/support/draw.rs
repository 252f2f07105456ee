//! Images for tests, drawn from a seed: a gradient, some shapes, a little noise.
//!
//! A same-image search must not confuse the images of two seeds. A seed and a size give the same
//! pixels on every machine.

#![allow(dead_code, reason = "no test crate uses all functions")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "values stay in range"
)]

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// Number of shapes in an image: enough for a PDQ quality of 100 at the usual sizes.
const SHAPES: u32 = 24;

/// The random number generator xorshift64* (Vigna 2016).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        chance.next();
        chance
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Draws a number from 0 to `end` - 1.
    pub fn below(&mut self, end: u32) -> u32 {
        (((self.next() >> 32) * u64::from(end)) >> 32) as u32
    }

    fn colour(&mut self) -> Rgb<u8> {
        Rgb([0; 3].map(|_: u8| self.below(256) as u8))
    }
}

/// Draws an image.
pub fn image(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut chance = Chance::new(seed);
    let (from, to) = (chance.colour(), chance.colour());
    let mut image = RgbImage::from_fn(width, height, |x, y| {
        let along = (x * 255 / width + y * 255 / height) / 2;
        Rgb([0, 1, 2].map(|c: usize| blend(from[c], to[c], along)))
    });
    for _ in 0..SHAPES {
        shape(&mut image, &mut chance);
    }
    for pixel in image.pixels_mut() {
        let noise = chance.below(9) as u8;
        pixel.0 = pixel
            .0
            .map(|channel| channel.saturating_add(noise).saturating_sub(4));
    }
    image
}

/// Fills a box or an ellipse at a random position.
fn shape(image: &mut RgbImage, chance: &mut Chance) {
    let (width, height) = image.dimensions();
    let (left, top) = (chance.below(width), chance.below(height));
    let (across, down) = (1 + chance.below(width / 3), 1 + chance.below(height / 3));
    let (colour, round) = (chance.colour(), chance.below(2) == 0);
    for y in top..(top + down).min(height) {
        for x in left..(left + across).min(width) {
            let dx = i64::from(2 * (x - left)) - i64::from(across);
            let dy = i64::from(2 * (y - top)) - i64::from(down);
            let (across, down) = (i64::from(across), i64::from(down));
            if !round
                || dx * dx * down * down + dy * dy * across * across
                    <= across * across * down * down
            {
                image.put_pixel(x, y, colour);
            }
        }
    }
}

fn blend(from: u8, to: u8, along: u32) -> u8 {
    ((u32::from(from) * (255 - along) + u32::from(to) * along) / 255) as u8
}

/// Encodes an image without loss.
pub fn png(image: &RgbImage) -> Vec<u8> {
    encode(&DynamicImage::ImageRgb8(image.clone()), ImageFormat::Png)
}

/// Encodes any image in any format the `image` crate writes here.
pub fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// Encodes an image as JPEG of a quality of 1 to 100.
pub fn jpeg(image: &RgbImage, quality: u8) -> Vec<u8> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality)
        .encode_image(image)
        .unwrap();
    file
}
