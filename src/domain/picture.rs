//! Where an image comes from, and what is checked before anything decodes it.
//!
//! Format and sides are read from the file's header alone, so that a rejection
//! costs microseconds whatever the file claims to hold.

use std::fmt;

use bytes::Bytes;

use super::ImageUrl;
use crate::error::{Kind, Violation};

/// Most bytes of an image: 4 MiB as base64 text, the vendor's limit.
pub const MAX_IMAGE_BYTES: usize = 4 * 1024 * 1024 / 4 * 3;
/// Least length of the shorter side in pixels (vendor's limit, inclusive).
pub const MIN_SIDE_PX: usize = 50;
/// Greatest length of the longer side in pixels (vendor's limit, inclusive).
pub const MAX_SIDE_PX: usize = 4096;

/// File formats that the vendor takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG.
    Png,
    /// Windows bitmap.
    Bmp,
}

/// The bytes of an image file whose header was found acceptable.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    bytes: Bytes,
    format: Format,
    width: usize,
    height: usize,
}

/// Where the image of a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// The request carries it.
    Content(Image),
    /// It is to be fetched.
    Url(ImageUrl),
}

/// The source of a request as a door read it.
#[derive(Clone)]
pub enum RawSource {
    /// Neither bytes nor address were given.
    Missing,
    /// Bytes of a file.
    Content(Bytes),
    /// Text that was to be the encoded bytes of a file but is not.
    Undecodable,
    /// Address of an image.
    Url(String),
}

// === impl Image ===

impl Image {
    /// Checks size, format and sides from the header.
    ///
    /// # Errors
    ///
    /// `ImageEmpty`, `ImageSize` (bytes or sides), `ImageFormat` (not JPEG,
    /// PNG or BMP), `ImageMalformed` (the header breaks off).
    pub fn new(bytes: Bytes) -> Result<Self, Violation> {
        if bytes.is_empty() {
            return Err(violation(Kind::ImageEmpty, "the image is empty"));
        }
        if bytes.len() > MAX_IMAGE_BYTES {
            let message = format!("{} bytes; at most {MAX_IMAGE_BYTES}", bytes.len());
            return Err(violation(Kind::ImageSize, message));
        }
        let format = format(&bytes)?;
        let size = imagesize::blob_size(&bytes).map_err(|_| {
            violation(
                Kind::ImageMalformed,
                "the file breaks off before its dimensions",
            )
        })?;
        if size.width.min(size.height) < MIN_SIDE_PX || size.width.max(size.height) > MAX_SIDE_PX {
            let message = format!(
                "{} x {} pixels; each side must have {MIN_SIDE_PX} to {MAX_SIDE_PX}",
                size.width, size.height
            );
            return Err(violation(Kind::ImageSize, message));
        }
        Ok(Image {
            bytes,
            format,
            width: size.width,
            height: size.height,
        })
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The file's format.
    pub fn format(&self) -> Format {
        self.format
    }
}

impl fmt::Debug for Image {
    /// Tells the shape of the image and nothing of its content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Image {
            bytes,
            format,
            width,
            height,
        } = self;
        write!(
            f,
            "Image({format:?}, {width} x {height}, {} bytes)",
            bytes.len()
        )
    }
}

// === impl RawSource ===

impl RawSource {
    /// Checks what was given.
    ///
    /// # Errors
    ///
    /// One violation: of `source` when nothing was given, else of `content`
    /// or `url`.
    pub fn check(self) -> Result<ImageSource, Violation> {
        match self {
            RawSource::Missing => Err(Violation::new(
                "source",
                Kind::MissingParameter,
                "one of content and url is required",
            )),
            RawSource::Undecodable => Err(undecodable()),
            RawSource::Content(bytes) => Image::new(bytes).map(ImageSource::Content),
            RawSource::Url(url) => ImageUrl::new(url).map(ImageSource::Url),
        }
    }
}

impl fmt::Debug for RawSource {
    /// Tells which kind of source this is and nothing of its content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RawSource::Missing => "Missing",
            RawSource::Content(_) => "Content",
            RawSource::Undecodable => "Undecodable",
            RawSource::Url(_) => "Url",
        })
    }
}

/// The violation of a text that should be base64 and is not.
pub(super) fn undecodable() -> Violation {
    violation(
        Kind::ImageEncoding,
        "not base64; send the bare encoded bytes, without a `data:` prefix",
    )
}

fn format(bytes: &[u8]) -> Result<Format, Violation> {
    match imagesize::image_type(bytes) {
        Ok(imagesize::ImageType::Jpeg) => Ok(Format::Jpeg),
        Ok(imagesize::ImageType::Png) => Ok(Format::Png),
        Ok(imagesize::ImageType::Bmp) => Ok(Format::Bmp),
        Ok(_) | Err(_) => Err(violation(Kind::ImageFormat, "not a JPEG, PNG or BMP file")),
    }
}

fn violation(kind: Kind, message: impl Into<String>) -> Violation {
    Violation::new("content", kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a bitmap file; nothing looks at pixels here.
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
        Image::new(bytes.into()).expect_err("must be rejected").kind
    }

    #[test]
    fn sides_are_taken_up_to_both_limits_and_not_beyond() {
        for (width, height) in [(50, 50), (4096, 50), (50, 4096), (4096, 4096)] {
            Image::new(bmp(width, height)).unwrap();
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
    fn a_file_of_the_greatest_size_is_taken_and_one_byte_more_is_not() {
        let mut file = bmp(64, 64).to_vec();
        file.resize(MAX_IMAGE_BYTES, 0);
        Image::new(file.clone().into()).unwrap();

        file.push(0);
        assert_eq!(rejection(file), Kind::ImageSize);
    }

    #[test]
    fn what_is_not_an_image_is_told_apart_from_one_that_breaks_off() {
        assert_eq!(rejection(""), Kind::ImageEmpty);
        assert_eq!(rejection("once upon a time"), Kind::ImageFormat);
        assert_eq!(
            rejection("GIF89a\x01\x00\x01\x00\x00\x00\x00"),
            Kind::ImageFormat
        );
        assert_eq!(
            rejection(&b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00"[..]),
            Kind::ImageMalformed
        );
    }

    #[test]
    fn debug_output_holds_no_image_bytes() {
        let image = Image::new(bmp(64, 64)).unwrap();

        assert_eq!(format!("{image:?}"), "Image(Bmp, 64 x 64, 54 bytes)");
    }
}
