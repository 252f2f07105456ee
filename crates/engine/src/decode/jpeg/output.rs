//! Composes the image of its components.

use image::RgbImage;

use super::colour::{self, Transform};
use super::component::Plane;
use super::frame::Frame;
use super::upsample::Upsampler;

pub(super) fn compose(
    frame: &Frame,
    planes: Vec<Plane>,
    transform: Transform,
    is_inverted: bool,
) -> RgbImage {
    let mut components: Vec<_> = planes
        .into_iter()
        .zip(&frame.components)
        .map(|(plane, component)| {
            let (h, v) = frame.pixels(component);
            Upsampler::new(plane, h, v)
        })
        .collect();
    let (width, height) = frame.decoded;
    let mut pixels = RgbImage::new(width, height);
    let stride = 3 * width as usize;
    for (y, pixels) in pixels.chunks_exact_mut(stride).enumerate() {
        let rows: Vec<_> = components
            .iter_mut()
            .map(|component| component.row(y))
            .collect();
        colour::convert(transform, is_inverted, &rows, pixels);
    }
    pixels
}
