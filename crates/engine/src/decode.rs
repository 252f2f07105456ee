//! Decodes untrusted file bytes to an upright image, or rejects them with a reason.
//!
//! Order of events: check the file size, and format and sides in the header; then decode the pixels
//! under a memory limit, apply the EXIF orientation and blend transparency with a ground. JPEG has
//! its own decoder, `jpeg`; the other formats are decoded by the `image` crate. This module does not
//! depend on hashes or the store.

mod bmp;
mod bytes;
mod checks;
mod error;
mod ground;
mod header;
mod jpeg;
mod limits;
mod luminance;
mod png;
mod preview;
mod resize;
mod scale_down;
mod tiff;
mod webp;

use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use self::tiff::orientation;
use crate::features::GreyView;

pub use error::DecodeError;
pub use header::{Format, Header};
pub use limits::{
    LARGEST_MAX_SIDE, MAX_FILE_BYTES, MAX_PREVIEW_BYTES, MAX_PREVIEW_SIDE, MAX_SIDE,
    MIN_PREVIEW_SIDE, MIN_SIDE,
};
pub(crate) use resize::grey as scaled_grey;
pub use scale_down::{ScaledImage, is_within, scale_down};

/// Bytes of a decoded image per pixel: RGB and luminance.
pub(crate) const DECODED: u64 = 3 + 1;

/// Memory that the decoder of the smallest image may use, in bytes: colour profiles, tables.
const MIN_DECODER_BYTES: u64 = 16 << 20;

/// Length of a thumbnail's longer side in pixels.
const THUMBNAIL_SIDE: u32 = 256;

/// JPEG quality of a thumbnail, of 100: below 80 block edges are visible at this size.
const THUMBNAIL_QUALITY: u8 = 80;

/// A decoded image, upright, without transparency.
#[derive(Clone)]
pub(crate) struct DecodedImage {
    /// Sides of the file; the pixels of a large JPEG can have half of them.
    sides: (u32, u32),
    pixels: RgbImage,
    grey: GrayImage,
}

// === impl DecodedImage ===

impl DecodedImage {
    /// Decodes a file of any [`Format`] with sides of up to `max_side` pixels.
    ///
    /// Cost: 3–10 ms and 4 bytes of memory per pixel for a photograph of a megapixel, up to about
    /// 400 MiB for sides of 4096 pixels.
    pub(crate) fn decode(bytes: &[u8], max_side: u32) -> Result<Self, DecodeError> {
        Self::decode_for(u32::MAX, bytes, max_side)
    }

    /// Does what [`DecodedImage::decode`] does for images of which a longer side of `needed_side` pixels
    /// is enough: the sides of a JPEG with twice as many are halved, which takes less time.
    pub(crate) fn decode_for(
        needed_side: u32,
        bytes: &[u8],
        max_side: u32,
    ) -> Result<Self, DecodeError> {
        checks::size(bytes)?;
        caught(|| decode_checked(bytes, max_side, needed_side))
    }

    /// Returns the width of the file.
    pub(crate) fn width(&self) -> u32 {
        self.sides.0
    }

    /// Returns the height of the file.
    pub(crate) fn height(&self) -> u32 {
        self.sides.1
    }

    /// Returns the luminance (BT.601 weights) of all decoded pixels.
    pub(crate) fn grey(&self) -> &GrayImage {
        &self.grey
    }

    /// Returns the luminance, its longer side up to `side` pixels.
    pub(crate) fn grey_within(&self, side: u32) -> GrayImage {
        let (width, height) = resize::fit(self.grey.dimensions(), side);
        resize::grey(&self.grey, width, height)
    }

    /// Returns the luminance as a view for the feature pipeline.
    #[expect(clippy::expect_used, reason = "the message is the proof")]
    pub(crate) fn view(&self) -> GreyView<'_> {
        GreyView::new(self.grey.as_raw(), self.grey.width(), self.grey.height())
            .expect("a decoded image has pixels, and one byte of luminance for each")
    }

    /// Encodes the JPEG thumbnail for listings, its longer side up to 256 pixels.
    pub(crate) fn thumbnail(&self) -> Result<Vec<u8>, DecodeError> {
        self.jpeg(self.fit(THUMBNAIL_SIDE), THUMBNAIL_QUALITY)
    }

    /// Returns the sides of the pixels, scaled down where the longer one is over `side` pixels.
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

/// Returns the luminance of a thumbnail; `None` when it cannot be decoded.
pub(crate) fn thumbnail_grey(file: &[u8]) -> Option<GrayImage> {
    let header = Header::read(file).ok()?;
    let is_thumbnail =
        header.format == Format::Jpeg && header.width.max(header.height) <= THUMBNAIL_SIDE;
    let decoded = is_thumbnail.then(|| caught(|| jpeg::decode(file, u32::MAX)))?;
    Some(luminance::of_image(&decoded.ok()?.pixels))
}

/// Decoders parse untrusted bytes, and some are third-party code: a panic in one must fail only this
/// image, not the caller's thread.
fn caught<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    panic::catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err(DecodeError::Broken {
            reason: "the decoder panicked".to_owned(),
        })
    })
}

/// Checks the header, and only then decodes the pixels.
fn decode_checked(
    file: &[u8],
    max_side: u32,
    needed_side: u32,
) -> Result<DecodedImage, DecodeError> {
    let header = Header::read(file)?;
    checks::sides(header.width, header.height, max_side)?;
    let max_memory = u64::from(max_side).pow(2) * limits::DECODER_BYTES_PER_PIXEL;
    if header.pixel_memory() > max_memory {
        return Err(DecodeError::TooMuchMemory);
    }
    let mut halved = None;
    let pixels = match header.format {
        Format::Jpeg => {
            let jpeg = jpeg::decode(file, needed_side)?;
            let orientation = jpeg.exif.map_or(Orientation::NoTransforms, orientation);
            halved = jpeg.is_halved.then(|| upright(&header, orientation));
            let mut image = DynamicImage::ImageRgb8(jpeg.pixels);
            image.apply_orientation(orientation);
            image.into_rgb8()
        }
        Format::Png => {
            let exif = png::exif(file).map(orientation);
            decode_with(&png::completed(file), ImageFormat::Png, &header, exif)?
        }
        Format::Bmp => decode_with(&bmp::repaired(file)?, ImageFormat::Bmp, &header, None)?,
        Format::Gif => decode_with(file, ImageFormat::Gif, &header, None)?,
        Format::WebP => {
            let exif = webp::exif(file).map_or(Orientation::NoTransforms, orientation);
            decode_with(file, ImageFormat::WebP, &header, Some(exif))?
        }
        Format::Tiff => {
            let orientation = orientation(file);
            decode_with(file, ImageFormat::Tiff, &header, Some(orientation))?
        }
    };
    Ok(DecodedImage {
        sides: halved.unwrap_or(pixels.dimensions()),
        grey: luminance::of_image(&pixels),
        pixels,
    })
}

/// Returns the sides of an image after its orientation is applied.
fn upright(header: &Header, orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (header.height, header.width),
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => (header.width, header.height),
    }
}

/// Decodes with the `image` crate, and rotates by the EXIF block that this finds if none is given.
fn decode_with(
    file: &[u8],
    format: ImageFormat,
    header: &Header,
    orientation: Option<Orientation>,
) -> Result<RgbImage, DecodeError> {
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    // What the header announces, which the caller is charged for, and what no decoder goes without.
    let max_memory = header.pixel_memory().max(MIN_DECODER_BYTES);
    let mut limits = Limits::default();
    limits.max_alloc = Some(max_memory);
    reader.limits(limits);

    let mut decoder = reader.into_decoder().map_err(checks::rejection)?;
    if decoder.dimensions() != (header.width, header.height) {
        return Err(DecodeError::Broken {
            reason: "its header has other sides than its pixels".to_owned(),
        });
    }
    if decoder.total_bytes() > max_memory {
        return Err(DecodeError::TooMuchMemory);
    }
    let orientation = match orientation {
        Some(orientation) => orientation,
        // A damaged EXIF block does not affect the pixels: they are used without a rotation.
        None => decoder.orientation().unwrap_or(Orientation::NoTransforms),
    };
    let mut image = DynamicImage::from_decoder(decoder).map_err(checks::rejection)?;
    image.apply_orientation(orientation);
    Ok(flatten(image, format))
}

/// Converts any pixel format to 8-bit RGB.
fn flatten(image: DynamicImage, format: ImageFormat) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let mut image = image.into_rgba8();
    // Programs that know no transparency leave the fourth byte of a BMP 0.
    if format == ImageFormat::Bmp && image.pixels().all(|pixel| pixel.0[3] == 0) {
        image.pixels_mut().for_each(|pixel| pixel.0[3] = 255);
    }
    ground::blend(&image)
}

#[cfg(test)]
mod tests;
