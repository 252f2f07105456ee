//! Downscales images.
//!
//! Always with a box (area) filter: every source pixel counts once, so thin lines and text do not
//! vanish, and the result for a scaled copy is close to that of the original.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use image::{GrayImage, RgbImage};

/// Returns the sides that fit an image into a square of `side` pixels; never enlarges it.
pub(super) fn fit((width, height): (u32, u32), side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= side {
        return (width, height);
    }
    let scaled = |length: u32| ((length * side + longer / 2) / longer).max(1);
    (scaled(width), scaled(height))
}

/// Scales a colour image to exactly the given sides, in pixels.
pub(super) fn rgb(source: &RgbImage, width: u32, height: u32) -> RgbImage {
    if source.dimensions() == (width, height) {
        return source.clone();
    }
    let mut target = RgbImage::new(width, height);
    scale::<U8x3>(
        source.as_raw(),
        source.dimensions(),
        &mut target,
        (width, height),
    );
    target
}

/// Scales a grey image to exactly the given sides, in pixels.
pub(crate) fn grey(source: &GrayImage, width: u32, height: u32) -> GrayImage {
    if source.dimensions() == (width, height) {
        return source.clone();
    }
    let mut target = GrayImage::new(width, height);
    scale::<U8>(
        source.as_raw(),
        source.dimensions(),
        &mut target,
        (width, height),
    );
    target
}

// Typed images: the untyped `resize` would be compiled for every pixel type.
#[expect(clippy::expect_used, reason = "each message says why it cannot happen")]
fn scale<P: PixelTrait>(source: &[u8], sides: (u32, u32), target: &mut [u8], to: (u32, u32)) {
    let pixels = TypedImageRef::<P>::from_buffer(sides.0, sides.1, source)
        .expect("an image buffer holds as many bytes as its sides say");
    let mut scaled = TypedImage::<P>::from_buffer(to.0, to.1, target)
        .expect("an image buffer holds as many bytes as its sides say");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    Resizer::new()
        .resize_typed(&pixels, &mut scaled, &options)
        .expect("the whole source is used");
}
