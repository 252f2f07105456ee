//! Luminance: the channels weighted by ITU-R BT.601 (0.299, 0.587, 0.114), which PDQ requires; the
//! grey conversion of the `image` crate uses BT.709.

use image::{GrayImage, RgbImage};

pub(super) fn of_image(pixels: &RgbImage) -> GrayImage {
    let mut grey = GrayImage::new(pixels.width(), pixels.height());
    for (value, pixel) in grey.iter_mut().zip(pixels.pixels()) {
        *value = of_pixel(pixel.0);
    }
    grey
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the weights add up to 65536"
)]
pub(super) fn of_pixel(pixel: [u8; 3]) -> u8 {
    let [red, green, blue] = pixel.map(u32::from);
    ((19_595 * red + 38_470 * green + 7_471 * blue + 32_768) >> 16) as u8
}
