//! From untrusted file bytes to an upright image, or a clear rejection.
//!
//! Order of events: file size, format by its first bytes, sides from the header, and only then the
//! pixels, under an allocation limit; then EXIF orientation, then transparency laid on white.
//! File names and declared content types are not asked. This module knows no hash and no store.

mod checks;
mod scale;

use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};

use image::metadata::Orientation;
use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, Rgba,
};

use crate::features::GreyView;

/// The largest accepted file, in bytes: an uncompressed BMP of the largest sides (64 MiB) with room
/// for its headers.
pub const MAX_FILE_BYTES: usize = 65 << 20;

/// The shortest accepted side, in pixels (same_hq documentation, parameter `image`).
pub const MIN_SIDE: u32 = 50;

/// The longest accepted side, in pixels (same_hq documentation, parameter `image`).
pub const MAX_SIDE: u32 = 4096;

/// The most memory one decoder may take, in bytes: 4096 × 4096 pixels of 16-bit RGBA (128 MiB)
/// twice, since progressive and interlaced decoders keep a second copy.
const MAX_DECODER_BYTES: u64 = 256 << 20;

/// The longest side of a thumbnail, in pixels.
const THUMBNAIL_SIDE: u32 = 256;

/// JPEG quality of a thumbnail, of 100: below 80 block edges show at this size.
const THUMBNAIL_QUALITY: u8 = 80;

/// Why bytes are not a usable image. Nothing was stored and no pixel was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes at all.
    #[error("the image is empty")]
    Empty,
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error("the image has {bytes} bytes, more than {MAX_FILE_BYTES}")]
    FileTooLarge {
        /// Size of the rejected file in bytes.
        bytes: usize,
    },
    /// The first bytes are not those of a jpg, png or bmp file.
    #[error("the image is neither jpg, png nor bmp")]
    UnknownFormat,
    /// A side is shorter than [`MIN_SIDE`] or longer than [`MAX_SIDE`].
    #[error("the image is {width} x {height} pixels, each side must be {MIN_SIDE} to {MAX_SIDE}")]
    Sides {
        /// Width in pixels as the header states it.
        width: u32,
        /// Height in pixels as the header states it.
        height: u32,
    },
    /// Decoding would take more memory than an image of the allowed sides ever needs.
    #[error("the image needs too much memory to decode")]
    TooMuchMemory,
    /// The file ends before the image does.
    #[error("the image is cut off")]
    Truncated,
    /// The file has an image's first bytes but its content cannot be decoded.
    #[error("the image is broken: {reason}")]
    Broken {
        /// The decoder's own words; they never contain pixels.
        reason: String,
    },
}

/// A decoded image, upright, without transparency.
#[derive(Clone)]
pub(crate) struct Image {
    pixels: RgbImage,
    grey: GrayImage,
}

// === impl Image ===

impl Image {
    /// Decodes a jpg, png or bmp file.
    ///
    /// Cost: 3–10 ms and 4 bytes of memory a pixel for a photograph of a megapixel, at most about
    /// 400 MiB for the largest sides.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let format = checks::format(bytes)?;
        // Decoders are other people's code fed with other people's bytes: a bug in one must cost
        // this one image and not the caller's thread.
        panic::catch_unwind(AssertUnwindSafe(|| decode_checked(bytes, format))).unwrap_or_else(
            |_| {
                Err(DecodeError::Broken {
                    reason: "the decoder gave up".to_owned(),
                })
            },
        )
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

    /// Returns the luminance as the feature pipeline takes it.
    #[expect(clippy::expect_used, reason = "the message is the proof")]
    pub(crate) fn view(&self) -> GreyView<'_> {
        GreyView::new(self.grey.as_raw(), self.width(), self.height())
            .expect("a decoded image has pixels, and one byte of luminance for each")
    }

    /// Draws the small JPEG that listings show, its longest side at most 256 pixels.
    pub(crate) fn thumbnail(&self) -> Result<Vec<u8>, DecodeError> {
        let (width, height) = scale::fit(self.pixels.dimensions(), THUMBNAIL_SIDE);
        let small = scale::rgb(&self.pixels, width, height);
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, THUMBNAIL_QUALITY)
            .encode_image(&small)
            .map_err(|error| DecodeError::Broken {
                reason: error.to_string(),
            })?;
        Ok(jpeg)
    }
}

/// Reads the header, checks the sides, and only then decodes the pixels.
fn decode_checked(bytes: &[u8], format: ImageFormat) -> Result<Image, DecodeError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);

    let mut decoder = reader.into_decoder().map_err(checks::rejection)?;
    let (width, height) = decoder.dimensions();
    checks::sides(width, height)?;
    checks::complete(bytes, format)?;
    if decoder.total_bytes() > MAX_DECODER_BYTES {
        return Err(DecodeError::TooMuchMemory);
    }
    // A damaged EXIF block does not spoil the pixels: such an image is taken as it lies.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(checks::rejection)?;
    image.apply_orientation(orientation);

    let pixels = flatten(image);
    let grey = luminance(&pixels);
    Ok(Image { pixels, grey })
}

/// Turns any pixel format into 8-bit RGB, transparency laid on white as browsers show it.
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

/// Weighs the channels as ITU-R BT.601 does (0.299, 0.587, 0.114), the weights PDQ is defined on;
/// the `image` crate's own grey conversion uses BT.709.
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
