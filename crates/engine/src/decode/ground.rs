//! Blends transparency with a ground: white, as browsers do, or black where white leaves nothing to
//! see.

use image::{Rgb, RgbImage, Rgba, RgbaImage};

use super::luminance;

/// How many times the contrast must be higher on black. A white icon has none on white, so any
/// factor finds it; a high one leaves images with light and dark parts on white.
const FACTOR: f64 = 8.0;

/// Converts an image to RGB.
pub(super) fn blend(image: &RgbaImage) -> RgbImage {
    let (on_white, on_black) = contrasts(image);
    let ground = if on_white * FACTOR < on_black { 0 } else { 255 };
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let Rgba([red, green, blue, alpha]) = *image.get_pixel(x, y);
        Rgb([red, green, blue].map(|channel| mixed(channel, alpha, ground)))
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a weighted mean of two bytes is a byte"
)]
fn mixed(channel: u8, alpha: u8, ground: u32) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    ((channel * alpha + ground * (255 - alpha) + 127) / 255) as u8
}

/// Returns the standard deviation of the luminance on white and on black.
fn contrasts(image: &RgbaImage) -> (f64, f64) {
    let mut sums = [[0_u64; 2]; 2];
    for Rgba([red, green, blue, alpha]) in image.pixels() {
        let luminance = luminance::of_pixel([*red, *green, *blue]);
        for (sum, ground) in sums.iter_mut().zip([255, 0]) {
            let value = u64::from(mixed(luminance, *alpha, ground));
            sum[0] += value;
            sum[1] += value * value;
        }
    }
    let pixels = f64::from(image.width()) * f64::from(image.height());
    let deviation = |[sum, squares]: [u64; 2]| {
        let mean = sum as f64 / pixels;
        (squares as f64 / pixels - mean * mean).max(0.0).sqrt()
    };
    (deviation(sums[0]), deviation(sums[1]))
}
