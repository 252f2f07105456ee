//! Decodes untrusted file bytes to an upright image, or rejects them with a reason.
//!
//! Order of events: check the file size, the format by its first bytes and the sides in the header;
//! then decode the pixels under an allocation limit, apply the EXIF orientation and blend
//! transparency with white. File names and declared content types are ignored. This module does not
//! depend on hashes or the store.

mod checks;
mod error;
mod limits;
mod memory;
mod resize;
mod scale_down;

use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};

use image::metadata::Orientation;
use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, Rgba,
};

use crate::features::GreyView;

pub use error::DecodeError;
pub use limits::{LARGEST_MAX_SIDE, MAX_FILE_BYTES, MAX_SIDE, MIN_SIDE};
pub(crate) use memory::{DECODED, bytes_per_pixel};
pub use scale_down::{ScaledImage, is_within, scale_down};

/// Length of a thumbnail's longer side in pixels.
const THUMBNAIL_SIDE: u32 = 256;

/// JPEG quality of a thumbnail, of 100: below 80 block edges are visible at this size.
const THUMBNAIL_QUALITY: u8 = 80;

/// A decoded image, upright, without transparency.
#[derive(Clone)]
pub(crate) struct DecodedImage {
    pixels: RgbImage,
    grey: GrayImage,
}

// === impl DecodedImage ===

impl DecodedImage {
    /// Decodes a jpg, png or bmp file with sides of up to `max_side` pixels.
    ///
    /// Cost: 3–10 ms and 4 bytes of memory per pixel for a photograph of a megapixel, up to about
    /// 400 MiB for sides of 4096 pixels.
    pub(crate) fn decode(bytes: &[u8], max_side: u32) -> Result<Self, DecodeError> {
        let format = checks::format(bytes)?;
        // Decoders are third-party code that parses untrusted bytes: a panic in one must fail only
        // this image, not the caller's thread.
        panic::catch_unwind(AssertUnwindSafe(|| decode_checked(bytes, format, max_side)))
            .unwrap_or_else(|_| {
                Err(DecodeError::Broken {
                    reason: "the decoder panicked".to_owned(),
                })
            })
    }

    pub(crate) fn width(&self) -> u32 {
        self.pixels.width()
    }

    pub(crate) fn height(&self) -> u32 {
        self.pixels.height()
    }

    /// Returns the luminance (BT.601 weights) at full size.
    pub(crate) fn grey(&self) -> &GrayImage {
        &self.grey
    }

    /// Returns the luminance as a view for the feature pipeline.
    #[expect(clippy::expect_used, reason = "the message is the proof")]
    pub(crate) fn view(&self) -> GreyView<'_> {
        GreyView::new(self.grey.as_raw(), self.width(), self.height())
            .expect("a decoded image has pixels, and one byte of luminance for each")
    }

    /// Encodes the JPEG thumbnail for listings, its longer side up to 256 pixels.
    pub(crate) fn thumbnail(&self) -> Result<Vec<u8>, DecodeError> {
        self.jpeg(self.fit(THUMBNAIL_SIDE), THUMBNAIL_QUALITY)
    }

    /// Returns the sides, scaled down where the longer one is over `side` pixels.
    pub(crate) fn fit(&self, side: u32) -> (u32, u32) {
        resize::fit(self.pixels.dimensions(), side)
    }

    /// Encodes a JPEG of these sides with a quality of 1 to 100.
    pub(crate) fn jpeg(
        &self,
        (width, height): (u32, u32),
        quality: u8,
    ) -> Result<Vec<u8>, DecodeError> {
        let scaled = resize::rgb(&self.pixels, width, height);
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, quality)
            .encode_image(&scaled)
            .map_err(|error| DecodeError::Broken {
                reason: error.to_string(),
            })?;
        Ok(jpeg)
    }
}

/// Reads the header, checks the sides, and only then decodes the pixels.
fn decode_checked(
    bytes: &[u8],
    format: ImageFormat,
    max_side: u32,
) -> Result<DecodedImage, DecodeError> {
    let max_decoder_bytes = u64::from(max_side).pow(2) * limits::DECODER_BYTES_PER_PIXEL;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(max_decoder_bytes);
    reader.limits(limits);

    let mut decoder = reader.into_decoder().map_err(checks::rejection)?;
    let (width, height) = decoder.dimensions();
    checks::sides(width, height, max_side)?;
    checks::complete(bytes, format)?;
    if decoder.total_bytes() > max_decoder_bytes {
        return Err(DecodeError::TooMuchMemory);
    }
    // A damaged EXIF block does not affect the pixels: the image is then used without a rotation.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(checks::rejection)?;
    image.apply_orientation(orientation);

    let pixels = flatten(image);
    let grey = luminance(&pixels);
    Ok(DecodedImage { pixels, grey })
}

/// Converts any pixel format to 8-bit RGB and blends transparency with white, as browsers do.
fn flatten(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let Rgba([red, green, blue, alpha]) = *rgba.get_pixel(x, y);
        image::Rgb([red, green, blue].map(|channel| on_white(channel, alpha)))
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a weighted mean of two bytes is a byte"
)]
fn on_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Weights the channels by ITU-R BT.601 (0.299, 0.587, 0.114), which PDQ requires; the grey
/// conversion of the `image` crate uses BT.709.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the weights add up to 65536"
)]
fn luminance(pixels: &RgbImage) -> GrayImage {
    let mut grey = GrayImage::new(pixels.width(), pixels.height());
    for (value, pixel) in grey.iter_mut().zip(pixels.pixels()) {
        let [red, green, blue] = pixel.0.map(u32::from);
        *value = ((19_595 * red + 38_470 * green + 7_471 * blue + 32_768) >> 16) as u8;
    }
    grey
}

#[cfg(test)]
mod tests;
