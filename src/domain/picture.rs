//! Where a picture comes from, and what is checked before anything decodes it.
//!
//! Format and sides are read from the file's header alone, so that a refusal
//! costs microseconds whatever the file claims to hold.

use std::fmt;

use bytes::Bytes;

use super::PictureUrl;
use crate::error::{Kind, Violation};

/// Most bytes of a picture: 4 MiB as base64 text, the vendor's limit.
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

/// The bytes of a picture file whose header was found acceptable.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    bytes: Bytes,
    format: Format,
    width: usize,
    height: usize,
}

/// Where the picture of a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// The request carries it.
    Content(Picture),
    /// It is to be fetched.
    Url(PictureUrl),
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
    /// Address of a picture.
    Url(String),
}

// === impl Picture ===

impl Picture {
    /// Checks size, format and sides from the header.
    ///
    /// # Errors
    ///
    /// `ImageEmpty`, `ImageSize` (bytes or sides), `ImageFormat` (not JPEG,
    /// PNG or BMP), `ImageMalformed` (the header breaks off).
    pub fn new(bytes: Bytes) -> Result<Self, Violation> {
        if bytes.is_empty() {
            return Err(fault(Kind::ImageEmpty, "the picture is empty"));
        }
        if bytes.len() > MAX_IMAGE_BYTES {
            let message = format!("{} bytes; at most {MAX_IMAGE_BYTES}", bytes.len());
            return Err(fault(Kind::ImageSize, message));
        }
        let format = format(&bytes)?;
        let size = imagesize::blob_size(&bytes).map_err(|_| {
            fault(
                Kind::ImageMalformed,
                "the file breaks off before its dimensions",
            )
        })?;
        if size.width.min(size.height) < MIN_SIDE_PX || size.width.max(size.height) > MAX_SIDE_PX {
            let message = format!(
                "{} x {} pixels; each side must have {MIN_SIDE_PX} to {MAX_SIDE_PX}",
                size.width, size.height
            );
            return Err(fault(Kind::ImageSize, message));
        }
        Ok(Picture {
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

impl fmt::Debug for Picture {
    /// Tells the shape of the picture and nothing of its content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Picture {
            bytes,
            format,
            width,
            height,
        } = self;
        write!(
            f,
            "Picture({format:?}, {width} x {height}, {} bytes)",
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
            RawSource::Content(bytes) => Picture::new(bytes).map(ImageSource::Content),
            RawSource::Url(url) => PictureUrl::new(url).map(ImageSource::Url),
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
    fault(
        Kind::ImageEncoding,
        "not base64; send the bare encoded bytes, without a `data:` prefix",
    )
}

fn format(bytes: &[u8]) -> Result<Format, Violation> {
    match imagesize::image_type(bytes) {
        Ok(imagesize::ImageType::Jpeg) => Ok(Format::Jpeg),
        Ok(imagesize::ImageType::Png) => Ok(Format::Png),
        Ok(imagesize::ImageType::Bmp) => Ok(Format::Bmp),
        Ok(_) | Err(_) => Err(fault(Kind::ImageFormat, "not a JPEG, PNG or BMP file")),
    }
}

fn fault(kind: Kind, message: impl Into<String>) -> Violation {
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

    fn refusal(bytes: impl Into<Bytes>) -> Kind {
        Picture::new(bytes.into())
            .expect_err("must be refused")
            .kind
    }

    #[test]
    fn sides_are_taken_up_to_both_limits_and_not_beyond() {
        for (width, height) in [(50, 50), (4096, 50), (50, 4096), (4096, 4096)] {
            Picture::new(bmp(width, height)).unwrap();
        }
        for (width, height) in [
            (49, 100),
            (100, 49),
            (4097, 100),
            (100, 4097),
            (60_000, 60_000),
        ] {
            assert_eq!(
                refusal(bmp(width, height)),
                Kind::ImageSize,
                "{width} x {height}"
            );
        }
    }

    #[test]
    fn a_file_of_the_greatest_size_is_taken_and_one_byte_more_is_not() {
        let mut file = bmp(64, 64).to_vec();
        file.resize(MAX_IMAGE_BYTES, 0);
        Picture::new(file.clone().into()).unwrap();

        file.push(0);
        assert_eq!(refusal(file), Kind::ImageSize);
    }

    #[test]
    fn what_is_not_a_picture_is_told_apart_from_one_that_breaks_off() {
        assert_eq!(refusal(""), Kind::ImageEmpty);
        assert_eq!(refusal("once upon a time"), Kind::ImageFormat);
        assert_eq!(
            refusal("GIF89a\x01\x00\x01\x00\x00\x00\x00"),
            Kind::ImageFormat
        );
        assert_eq!(
            refusal(&b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00"[..]),
            Kind::ImageMalformed
        );
    }

    #[test]
    fn debug_output_holds_no_picture_bytes() {
        let picture = Picture::new(bmp(64, 64)).unwrap();

        assert_eq!(format!("{picture:?}"), "Picture(Bmp, 64 x 64, 54 bytes)");
    }
}
