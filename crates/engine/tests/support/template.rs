//! Images that share most of what they show: garments on one floor, QR codes of one address, filled
//! forms, stock photos with one watermark. A same-image search must not confuse them.
//!
//! A template has a seed, its content another one. The shots of a floor differ in light and
//! position of the camera; all else is drawn with equal pixels.

#![allow(dead_code, reason = "no test crate uses all functions")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "values stay in range"
)]

use image::{Rgb, RgbImage};

use super::attack;
use super::draw::Chance;
use super::poster::{self, Clouds};

/// Sides of a QR code in modules (version 4) and of a module in pixels.
const MODULES: u32 = 33;
const MODULE: u32 = 14;

/// Draws a photo of a shirt on a floor of planks.
pub fn garment(floor: u64, seed: u64) -> RgbImage {
    let mut canvas = planks(floor, 1000, 760);
    let mut chance = Chance::new(seed ^ 0x7368_6972);
    let cloth = Rgb([0; 3].map(|_: u8| 30 + chance.below(190) as u8));
    let print = Rgb([0; 3].map(|_: u8| chance.below(256) as u8));
    let (folds, motif) = (Clouds::new(chance.next()), Clouds::new(chance.next()));
    let (left, top) = (270 + chance.below(60), 110 + chance.below(50));
    let (wide, high) = (370 + chance.below(60), 470 + chance.below(60));
    let stripes = 12 + chance.below(40);
    for y in top..(top + high).min(760) {
        for x in left.saturating_sub(110)..left + wide + 110 {
            let (across, down) = (x as i32 - left as i32, (y - top) as i32);
            let is_body = (0..wide as i32).contains(&across);
            let sleeve = if across < 0 {
                -across
            } else {
                across - wide as i32
            };
            let is_sleeve = !is_body && down > sleeve && down < 130 + sleeve / 2;
            if !is_body && !is_sleeve {
                continue;
            }
            let is_print = motif.at(x / 2, y / 2) > 170 || (y / stripes).is_multiple_of(3);
            let colour = if is_print { print } else { cloth };
            let shade = 70 + folds.at(x, y) / 5;
            canvas.put_pixel(
                x,
                y,
                Rgb(colour
                    .0
                    .map(|value| (u32::from(value) * shade / 110).min(255) as u8)),
            );
        }
    }
    shot(&canvas, &mut chance)
}

/// Draws a floor whose grain is the same in every photo.
fn planks(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut chance = Chance::new(seed ^ 0x666c_6f6f);
    let grain = Clouds::new(chance.next());
    let joints: Vec<u32> = (0..40).map(|_| chance.below(width)).collect();
    RgbImage::from_fn(width, height, |x, y| {
        let plank = (y / 64) as usize;
        let joint = joints[plank];
        let is_gap = y % 64 < 3 || x.abs_diff(joint) < 2;
        let shade = 90 + joint % 40 + grain.at(x / 4 + 977 * plank as u32, 2 * y) / 3;
        let shade = if is_gap { 40 } else { shade };
        Rgb([shade as u8, (shade * 8 / 10) as u8, (shade * 6 / 10) as u8])
    })
}

/// Moves the camera, and changes the light.
fn shot(canvas: &RgbImage, chance: &mut Chance) -> RgbImage {
    let mut about = |value: f32| value + chance.below(100) as f32 - 50.0;
    let corners = [
        [about(-60.0), about(-60.0)],
        [about(860.0), about(-60.0)],
        [about(860.0), about(660.0)],
        [about(-60.0), about(660.0)],
    ];
    let moved = attack::onto(RgbImage::new(800, 600), canvas, &corners);
    let (gain, shadow) = (75 + chance.below(45), chance.below(700));
    let mut lit = moved;
    for (x, _, pixel) in lit.enumerate_pixels_mut() {
        let gain = if x > shadow { gain } else { gain * 85 / 100 };
        let noise = chance.below(7);
        pixel.0 = pixel.0.map(|value| {
            (u32::from(value) * gain / 100 + noise)
                .saturating_sub(3)
                .min(255) as u8
        });
    }
    lit
}

/// Draws a QR code: the modules of the address's beginning are equal, the others random.
pub fn qr_code(address: u64, seed: u64) -> RgbImage {
    let (mut shared, mut own) = (
        Chance::new(address ^ 0x7172),
        Chance::new(seed ^ 0x636f_6465),
    );
    let border = 4 * MODULE;
    let side = MODULES * MODULE + 2 * border;
    let mut modules = [[false; MODULES as usize]; MODULES as usize];
    for column in 0..MODULES {
        for row in 0..MODULES {
            // Data begins at the lower right; the rest is its end and the error correction.
            let is_shared = column > MODULES * 7 / 10;
            let chance = if is_shared { &mut shared } else { &mut own };
            modules[row as usize][column as usize] = chance.below(2) == 0;
        }
    }
    for (left, top) in [(0, 0), (MODULES - 7, 0), (0, MODULES - 7)] {
        finder(&mut modules, left as usize, top as usize);
    }
    RgbImage::from_fn(side, side, |x, y| {
        let module = |at: u32| at.checked_sub(border).map(|at| (at / MODULE) as usize);
        let row = module(y).and_then(|row| modules.get(row));
        let is_dark = row.zip(module(x)).and_then(|(row, column)| row.get(column));
        Rgb([if is_dark == Some(&true) { 0 } else { 255 }; 3])
    })
}

/// Draws a finder pattern with its light border.
fn finder(modules: &mut [[bool; MODULES as usize]; MODULES as usize], left: usize, top: usize) {
    for (y, row) in modules.iter_mut().enumerate() {
        for (x, module) in row.iter_mut().enumerate() {
            let (across, down) = (x as i32 - left as i32 - 3, y as i32 - top as i32 - 3);
            let ring = across.abs().max(down.abs());
            if ring <= 4 {
                *module = ring == 3 || ring <= 1;
            }
        }
    }
}

/// Draws a form of printed lines and boxes, filled with other letters.
pub fn form(layout: u64, seed: u64) -> RgbImage {
    let (mut printed, mut filled) = (
        Chance::new(layout ^ 0x666f_726d),
        Chance::new(seed ^ 0x6461_7461),
    );
    let mut canvas = RgbImage::from_pixel(600, 800, Rgb([250; 3]));
    poster::word(
        &mut canvas,
        &mut printed,
        [60, 30],
        5,
        14,
        Rgb([20, 20, 90]),
    );
    for row in 0..16 {
        let y = 100 + row * 42;
        let length = 5 + printed.below(8);
        poster::word(&mut canvas, &mut printed, [40, y], 2, length, Rgb([60; 3]));
        for x in 230..560 {
            canvas.put_pixel(x, y + 20, Rgb([120; 3]));
        }
        let length = 6 + filled.below(12);
        poster::word(
            &mut canvas,
            &mut filled,
            [240, y],
            2,
            length,
            Rgb([10, 10, 10]),
        );
    }
    canvas
}

/// Draws a stock photo under a watermark that is repeated over all of it.
pub fn stock_photo(watermark: u64, seed: u64) -> RgbImage {
    let mut photo = poster::poster(seed ^ 0x7374_6f63, 720, 540);
    let mut mark = RgbImage::new(720, 540);
    for row in 0..6 {
        for column in 0..4 {
            let at = [column * 190 + 40 * (row % 2), 20 + row * 90];
            let mut chance = Chance::new(watermark);
            poster::word(&mut mark, &mut chance, at, 3, 8, Rgb([255; 3]));
        }
    }
    for (pixel, mark) in photo.pixels_mut().zip(mark.pixels()) {
        if mark[0] > 0 {
            pixel.0 = pixel
                .0
                .map(|value| ((u32::from(value) * 45 + 255 * 55) / 100) as u8);
        }
    }
    photo
}
