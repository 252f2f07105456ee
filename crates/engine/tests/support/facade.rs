//! Photos of drawn facades: a constant part, and a part that is different in every shot.
//!
//! Rows of equal windows, a cornice, shop signs and brickwork are the constant part. Curtains,
//! reflections, light, a shadow, people and trees in front, noise and a small movement of the
//! camera depend on the shot. Two shots of one building are not copies of each other, although
//! hundreds of their corners coincide.

#![allow(dead_code, reason = "no test crate uses all functions")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "values stay in range"
)]

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::attack;
use super::draw::Chance;
use super::poster::{self, Clouds};

/// Draws a shot of a building, 640 × 480.
pub fn shot(building: u64, shot: u64) -> RgbImage {
    let mut built = Chance::new(building ^ 0x0066_6163_6164_6500);
    let mut now = Chance::new(building << 16 ^ shot ^ 0x7368_6f74);
    let mut canvas = wall(&mut built);
    windows(&mut canvas, &mut built, &mut now);
    for _ in 0..3 {
        poster::line(&mut canvas, &mut built, 5);
    }
    light(&mut canvas, &mut now);
    for _ in 0..6 {
        passer_by(&mut canvas, &mut now);
    }
    let seen = step(&canvas, &mut now);
    let small = imageops::resize(&seen, 640, 480, FilterType::Triangle);
    attack::noise(&small, 4.0, &mut now)
}

/// Bricks or plaster, with a cornice between the storeys.
fn wall(built: &mut Chance) -> RgbImage {
    let base = [0; 3].map(|_: u8| 90 + built.below(130));
    let (bricks, grain) = (built.below(2) == 0, Clouds::new(built.next()));
    RgbImage::from_fn(1400, 1060, |x, y| {
        let row = y / 14;
        let joint = bricks && (y % 14 < 2 || (x + row % 2 * 17) % 34 < 2);
        let shade = grain.at(x, y) / 8 + u32::from(joint) * 30;
        Rgb(base.map(|value| (value + shade).saturating_sub(20).min(255) as u8))
    })
}

fn windows(canvas: &mut RgbImage, built: &mut Chance, now: &mut Chance) {
    let (across, down) = (4 + built.below(4), 3 + built.below(2));
    let (wide, high) = (1400 / across, 1060 / down);
    let frame = Rgb([0; 3].map(|_: u8| built.below(256) as u8));
    let sashes = 1 + built.below(3);
    let border = 6 + built.below(8);
    for row in 0..down {
        for column in 0..across {
            let at = [column * wide + wide / 5, row * high + high / 5];
            let size = [wide * 3 / 5, high * 3 / 5];
            pane(canvas, at, size, now);
            bars(canvas, at, size, (sashes, border), frame);
        }
    }
}

/// The content behind and on the glass, different in every shot.
fn pane(canvas: &mut RgbImage, at: [u32; 2], size: [u32; 2], now: &mut Chance) {
    let clouds = Clouds::new(now.next());
    let (dark, curtain) = (20 + now.below(80), now.below(size[1]));
    let tint = [0; 3].map(|_: u8| now.below(60));
    for y in 0..size[1] {
        for x in 0..size[0] {
            let mut value = dark + clouds.at(x, y) / 3;
            if y < curtain {
                value += 60 + (x / 9 % 2) * 25;
            }
            let pixel = Rgb(tint.map(|tint| (value + tint).min(255) as u8));
            canvas.put_pixel(at[0] + x, at[1] + y, pixel);
        }
    }
}

fn bars(
    canvas: &mut RgbImage,
    at: [u32; 2],
    size: [u32; 2],
    (sashes, border): (u32, u32),
    colour: Rgb<u8>,
) {
    for y in 0..size[1] {
        for x in 0..size[0] {
            let edge = x < border || y < border || x + border >= size[0] || y + border >= size[1];
            let sash = x % (size[0] / (sashes + 1)).max(1) < 5 || y.abs_diff(size[1] / 3) < 3;
            if edge || sash {
                canvas.put_pixel(at[0] + x, at[1] + y, colour);
            }
        }
    }
}

/// A gain for each colour, and a slanted shadow.
fn light(canvas: &mut RgbImage, now: &mut Chance) {
    let gain = [0; 3].map(|_: u8| 75 + now.below(50));
    let (start, slope, depth) = (now.below(1400), now.below(200), 50 + now.below(40));
    for (x, y, pixel) in canvas.enumerate_pixels_mut() {
        let shadow = x + y * slope / 100 > start + 300;
        for (value, gain) in pixel.0.iter_mut().zip(gain) {
            let lit = u32::from(*value) * gain / 100;
            let lit = if shadow { lit * depth / 100 } else { lit };
            *value = lit.min(255) as u8;
        }
    }
}

/// A tree or a person: an irregular shape that starts at the lower edge.
fn passer_by(canvas: &mut RgbImage, now: &mut Chance) {
    let (left, wide, high) = (now.below(1300), 40 + now.below(120), 150 + now.below(350));
    let clouds = Clouds::new(now.next());
    let tint = [0; 3].map(|_: u8| now.below(90));
    for y in 1060 - high..1060 {
        for x in left..(left + wide).min(1400) {
            let value = clouds.at(x * 3, y * 3);
            if value > 90 {
                canvas.put_pixel(x, y, Rgb(tint.map(|tint| (tint + value / 3) as u8)));
            }
        }
    }
}

/// Moves the camera slightly to the side.
fn step(canvas: &RgbImage, now: &mut Chance) -> RgbImage {
    let mut about = |value: f32| value + now.below(60) as f32 - 30.0;
    let corners = [
        [about(-30.0), about(-30.0)],
        [about(1310.0), about(-30.0)],
        [about(1310.0), about(990.0)],
        [about(-30.0), about(990.0)],
    ];
    attack::onto(RgbImage::new(1280, 960), canvas, &corners)
}
