//! Posters for measurements: gradients, textures, shapes and lines of text, drawn from a seed.
//!
//! They have more detail than the images of `draw`: a few large shapes and many small ones. All
//! posters use one invented alphabet, and text alone must not make two of them the same. Order:
//! background → textures → shapes → text, at twice the size, then halved, which smooths every edge.

#![allow(dead_code, reason = "no test crate uses all functions")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "values stay in range"
)]

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::draw::Chance;

/// Letters of the alphabet, 5 × 7 dots each.
const LETTERS: u32 = 26;
/// The alphabet's seed: the same for every poster.
const ALPHABET: u64 = 2601;

/// Draws a poster.
pub fn poster(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut chance = Chance::new(seed ^ 0x0070_6f73_7465_7200);
    let mut canvas = ground(&mut chance, 2 * width, 2 * height);
    for _ in 0..3 {
        texture(&mut canvas, &mut chance);
    }
    for _ in 0..14 {
        shape(&mut canvas, &mut chance);
    }
    for _ in 0..5 {
        let scale = 2 + chance.below(8);
        line(&mut canvas, &mut chance, scale);
    }
    imageops::resize(&canvas, width, height, FilterType::Triangle)
}

/// Draws a page with only small text, dark on light.
pub fn page(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut chance = Chance::new(seed ^ 0x7061_6765);
    let mut canvas = RgbImage::from_pixel(width, height, Rgb([250; 3]));
    let mut y = 20;
    while y + 20 < height {
        let mut x = 20;
        while x + 30 < width {
            for _ in 0..2 + chance.below(8) {
                letter(&mut canvas, &mut chance, [x, y], 2, Rgb([30; 3]));
                x += 12;
            }
            x += 10;
        }
        y += 22;
    }
    canvas
}

/// Draws a caption on an image: a line of letters with `scale` pixels per dot.
pub fn line(canvas: &mut RgbImage, chance: &mut Chance, scale: u32) {
    let colour = colour(chance);
    let (width, height) = canvas.dimensions();
    let (mut x, y) = (chance.below(width / 2), chance.below(height));
    for _ in 0..4 + chance.below(20) {
        if chance.below(6) > 0 {
            letter(canvas, chance, [x, y], scale, colour);
        }
        x += 6 * scale;
    }
}

/// Draws letters at a position, with `scale` pixels per dot.
pub fn word(
    canvas: &mut RgbImage,
    chance: &mut Chance,
    at: [u32; 2],
    scale: u32,
    letters: u32,
    colour: Rgb<u8>,
) {
    for number in 0..letters {
        letter(
            canvas,
            chance,
            [at[0] + 6 * scale * number, at[1]],
            scale,
            colour,
        );
    }
}

fn letter(canvas: &mut RgbImage, chance: &mut Chance, at: [u32; 2], scale: u32, colour: Rgb<u8>) {
    let dots = glyph(chance.below(LETTERS));
    for row in 0..7 * scale {
        for column in 0..5 * scale {
            let dot = row / scale * 5 + column / scale;
            if dots >> dot & 1 == 1 {
                put(
                    canvas,
                    i64::from(at[0] + column),
                    i64::from(at[1] + row),
                    colour,
                );
            }
        }
    }
}

/// Returns the 35 dots of a letter: three strokes through a 5 × 7 box.
fn glyph(number: u32) -> u64 {
    let mut chance = Chance::new(ALPHABET + u64::from(number));
    let mut dots = 0;
    for _ in 0..3 {
        let (column, row) = (chance.below(5), chance.below(7));
        for step in 0..7 {
            let dot = match chance.below(8) {
                0..4 => step * 5 + column,
                _ => row * 5 + step.min(4),
            };
            dots |= 1 << dot;
        }
    }
    dots
}

fn ground(chance: &mut Chance, width: u32, height: u32) -> RgbImage {
    let (from, to) = (colour(chance), colour(chance));
    let (across, down) = (chance.below(256), chance.below(256));
    RgbImage::from_fn(width, height, |x, y| {
        let along = (x * across / width + y * down / height) / 2;
        mixed(from, to, along)
    })
}

/// Fills a box with stripes, dots or clouds.
fn texture(canvas: &mut RgbImage, chance: &mut Chance) {
    let (width, height) = canvas.dimensions();
    let (left, top) = (chance.below(width * 3 / 4), chance.below(height * 3 / 4));
    let (right, bottom) = (
        left + width / 8 + chance.below(width / 3),
        top + height / 8 + chance.below(height / 3),
    );
    let (from, to) = (colour(chance), colour(chance));
    let kind = chance.below(3);
    let (period, slope) = (8 + chance.below(24), chance.below(5));
    let clouds = Clouds::new(chance.next());
    for y in top..bottom.min(height) {
        for x in left..right.min(width) {
            let along = match kind {
                0 => u32::from((x + slope * y / 2) / period % 2 == 0) * 255,
                1 => {
                    let centre = |value: u32| (value % (2 * period)) as i32 - period as i32;
                    let distance = centre(x).pow(2) + centre(y).pow(2);
                    u32::from(distance < (period * period / 2) as i32) * 255
                }
                _ => clouds.at(x, y),
            };
            canvas.put_pixel(x, y, mixed(from, to, along));
        }
    }
}

/// Smooth random values: three octaves of value noise (Perlin 1985, with values instead of
/// gradients).
pub struct Clouds(u64);

impl Clouds {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a value of 0 to 255.
    pub fn at(&self, x: u32, y: u32) -> u32 {
        let octaves = [(48, 4), (20, 2), (8, 1)];
        let sum: u32 = octaves
            .iter()
            .map(|(size, weight)| weight * self.octave(x, y, *size))
            .sum();
        // Increases the contrast: the sum of octaves is rarely far from the middle.
        ((sum / 7).saturating_sub(64) * 2).min(255)
    }

    fn octave(&self, x: u32, y: u32, size: u32) -> u32 {
        let (column, row, u, v) = (x / size, y / size, x % size, y % size);
        let corner = |dx, dy| {
            let place = u64::from(column + dx) << 32 | u64::from(row + dy);
            Chance::new(self.0 ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(size))
                .below(256)
        };
        let upper = corner(0, 0) * (size - u) + corner(1, 0) * u;
        let lower = corner(0, 1) * (size - u) + corner(1, 1) * u;
        (upper * (size - v) + lower * v) / (size * size)
    }
}

/// Fills a rotated box, an ellipse, a ring or a triangle.
fn shape(canvas: &mut RgbImage, chance: &mut Chance) {
    let (width, height) = canvas.dimensions();
    let middle = [chance.below(width) as f32, chance.below(height) as f32];
    let mut reach = |part| (10 + chance.below(part)) as f32;
    let (across, down) = (reach(width / 8), reach(height / 8));
    let fill = colour(chance);
    let kind = chance.below(4);
    // A rotation without trigonometry, which is not the same on every machine.
    let (p, q) = (
        chance.below(100) as f32 - 50.0,
        chance.below(100) as f32 + 1.0,
    );
    let length = (p * p + q * q).sqrt();
    let (cosine, sine) = (p / length, q / length);
    let around = across + down;
    let span = |centre: f32, end: u32| {
        (centre - around).max(0.0) as u32..((centre + around) as u32).min(end)
    };
    for y in span(middle[1], height) {
        for x in span(middle[0], width) {
            let (dx, dy) = (x as f32 - middle[0], y as f32 - middle[1]);
            let u = (cosine * dx + sine * dy) / across;
            let v = (cosine * dy - sine * dx) / down;
            let inside = match kind {
                0 => u.abs().max(v.abs()) < 1.0,
                1 => u * u + v * v < 1.0,
                2 => (0.5..1.0).contains(&(u * u + v * v)),
                _ => v < 1.0 && v > 2.0 * u.abs() - 1.0,
            };
            if inside {
                canvas.put_pixel(x, y, fill);
            }
        }
    }
}

fn put(canvas: &mut RgbImage, x: i64, y: i64, colour: Rgb<u8>) {
    if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
        && let Some(pixel) = canvas.get_pixel_mut_checked(x, y)
    {
        *pixel = colour;
    }
}

fn colour(chance: &mut Chance) -> Rgb<u8> {
    Rgb([0; 3].map(|_: u8| chance.below(256) as u8))
}

fn mixed(from: Rgb<u8>, to: Rgb<u8>, along: u32) -> Rgb<u8> {
    Rgb([0, 1, 2].map(|channel: usize| {
        ((u32::from(from[channel]) * (255 - along) + u32::from(to[channel]) * along) / 255) as u8
    }))
}
