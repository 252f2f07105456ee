//! The source of a request's image, and the checks before any decoding.
//!
//! Format and sides are read from the file's header alone, by the reader of the engine's decoder, so
//! that a rejection costs microseconds, whatever sizes the header declares. Which formats a library
//! accepts is the rule of its backend ([`ImageFile::check_format`]).

use std::fmt;

use bytes::Bytes;
use same_image::{DecodeError, Header};

use super::fields::ImageUrl;
use super::limits::ImageLimits;
use crate::error::{Kind, Violation};

pub use same_image::Format;

/// Minimum length of the shorter side in pixels (vendor's limit, inclusive).
const MIN_SIDE_PX: u32 = 50;

/// The bytes of an image file with a valid header.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageFile {
    bytes: Bytes,
    header: Header,
}

/// The source of a request's image, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// The request contains the image.
    Content(ImageFile),
    /// The image must be fetched.
    Url(ImageUrl),
}

/// The source of a request's image, as an API read it.
#[derive(Clone)]
pub enum RawSource {
    /// The request has neither bytes nor a URL.
    Missing,
    /// Bytes of a file.
    Content(Bytes),
    /// Text that is not valid base64.
    Undecodable,
    /// URL of an image.
    Url(String),
}

// === impl ImageFile ===

impl ImageFile {
    /// Checks size, format and sides from the header.
    ///
    /// # Errors
    ///
    /// `ImageEmpty`, `ImageSize` (bytes or sides), `ImageFormat` (not an image of a known format),
    /// `ImageMalformed` (the header is truncated, or no viewer shows such a file).
    pub fn new(bytes: Bytes, limits: ImageLimits) -> Result<Self, Violation> {
        check_size(bytes.len(), limits.max_bytes)?;
        let header = Header::read(&bytes).map_err(|error| unreadable(&error))?;
        check_sides(header.width(), header.height(), limits.max_side)?;
        Ok(ImageFile { bytes, header })
    }

    /// Checks that a library accepts the format.
    ///
    /// # Errors
    ///
    /// `ImageFormat`, with the formats that it accepts.
    pub fn check_format(&self, accepted: &[Format]) -> Result<(), Violation> {
        let format = self.header.format();
        if accepted.contains(&format) {
            return Ok(());
        }
        let accepted: Vec<_> = accepted.iter().map(Format::to_string).collect();
        let message = format!("{format}; this library accepts {}", accepted.join(", "));
        Err(violation(Kind::ImageFormat, message))
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns what its header says.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl fmt::Debug for ImageFile {
    /// Writes format and size, not the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImageFile { bytes, header } = self;
        let (format, width, height) = (header.format(), header.width(), header.height());
        write!(
            f,
            "ImageFile({format}, {width} x {height}, {} bytes)",
            bytes.len()
        )
    }
}

// === impl RawSource ===

impl RawSource {
    /// Checks the image file or the URL.
    ///
    /// # Errors
    ///
    /// One violation: of `source` when it is missing, else of `content` or `url`.
    pub fn check(self, limits: ImageLimits) -> Result<ImageSource, Violation> {
        match self {
            RawSource::Missing => Err(Violation::new(
                "source",
                Kind::MissingParameter,
                "one of content and url is required",
            )),
            RawSource::Undecodable => Err(violation(
                Kind::ImageEncoding,
                "not base64; send the encoded bytes without a `data:` prefix",
            )),
            RawSource::Content(bytes) => ImageFile::new(bytes, limits).map(ImageSource::Content),
            RawSource::Url(url) => ImageUrl::new(url, limits).map(ImageSource::Url),
        }
    }
}

impl fmt::Debug for RawSource {
    /// Writes the kind of source, not its content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RawSource::Missing => "Missing",
            RawSource::Content(_) => "Content",
            RawSource::Undecodable => "Undecodable",
            RawSource::Url(_) => "Url",
        })
    }
}

fn check_size(bytes: usize, max: usize) -> Result<(), Violation> {
    if bytes > max {
        let message = format!("{bytes} bytes; max {max}");
        return Err(violation(Kind::ImageSize, message));
    }
    Ok(())
}

fn check_sides(width: u32, height: u32, max: u32) -> Result<(), Violation> {
    if width.min(height) < MIN_SIDE_PX || width.max(height) > max {
        let message =
            format!("{width} x {height} pixels; each side must have {MIN_SIDE_PX} to {max}");
        return Err(violation(Kind::ImageSize, message));
    }
    Ok(())
}

/// Classifies the error of a header.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other error is one of the file's content"
)]
fn unreadable(error: &DecodeError) -> Violation {
    match error {
        DecodeError::Empty => violation(Kind::ImageEmpty, "the image is empty"),
        DecodeError::UnknownFormat => violation(
            Kind::ImageFormat,
            "not a JPEG, PNG, BMP, GIF, WebP or TIFF file",
        ),
        DecodeError::Truncated => {
            violation(Kind::ImageMalformed, "the file ends before its dimensions")
        }
        other => violation(Kind::ImageMalformed, other.to_string()),
    }
}

fn violation(kind: Kind, message: impl Into<String>) -> Violation {
    Violation::new("content", kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds the header of a bitmap file; these checks do not read pixels.
    fn bmp(width: u32, height: u32) -> Bytes {
        let mut file = b"BM".to_vec();
        file.resize(14, 0);
        file.extend(40_u32.to_le_bytes());
        file.extend(width.to_le_bytes());
        file.extend(height.to_le_bytes());
        file.resize(54, 0);
        file.into()
    }

    fn rejection(bytes: impl Into<Bytes>) -> Kind {
        ImageFile::new(bytes.into(), ImageLimits::VENDOR)
            .expect_err("must be rejected")
            .kind
    }

    #[test]
    fn sides_from_50_to_4096_pixels_are_accepted() {
        for (width, height) in [(50, 50), (4096, 50), (50, 4096), (4096, 4096)] {
            ImageFile::new(bmp(width, height), ImageLimits::VENDOR).unwrap();
        }
        for (width, height) in [
            (49, 100),
            (100, 49),
            (4097, 100),
            (100, 4097),
            (60_000, 60_000),
        ] {
            assert_eq!(
                rejection(bmp(width, height)),
                Kind::ImageSize,
                "{width} x {height}"
            );
        }
    }

    #[test]
    fn a_file_of_the_maximum_size_is_accepted_and_one_byte_more_is_not() {
        let mut file = bmp(64, 64).to_vec();
        file.resize(ImageLimits::VENDOR.max_bytes, 0);
        ImageFile::new(file.clone().into(), ImageLimits::VENDOR).unwrap();

        file.push(0);
        assert_eq!(rejection(file), Kind::ImageSize);
    }

    #[test]
    fn other_files_and_truncated_images_are_rejected_with_different_kinds() {
        assert_eq!(rejection(""), Kind::ImageEmpty);
        assert_eq!(rejection("once upon a time"), Kind::ImageFormat);
        assert_eq!(
            rejection("GIF89a\x01\x00\x01\x00\x00\x00\x00"),
            Kind::ImageSize
        );
        assert_eq!(
            rejection(&b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00"[..]),
            Kind::ImageMalformed
        );
    }

    #[test]
    fn a_format_that_a_library_does_not_accept_is_named_with_those_that_it_does() {
        let image = ImageFile::new(bmp(64, 64), ImageLimits::VENDOR).unwrap();

        assert_eq!(image.check_format(&[Format::Png, Format::Bmp]), Ok(()));
        let rejected = image
            .check_format(&[Format::Jpeg, Format::Png])
            .unwrap_err();
        assert_eq!(rejected.kind, Kind::ImageFormat);
        assert_eq!(rejected.message, "BMP; this library accepts JPEG, PNG");
    }

    #[test]
    fn debug_output_holds_no_image_bytes() {
        let image = ImageFile::new(bmp(64, 64), ImageLimits::VENDOR).unwrap();

        assert_eq!(format!("{image:?}"), "ImageFile(BMP, 64 x 64, 54 bytes)");
    }
}
