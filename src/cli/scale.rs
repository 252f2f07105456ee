//! Images that are larger than a library takes: scaled down before they are sent.
//!
//! Every library takes what the vendor takes. Only for a larger image the gateway is asked what its
//! library takes, which an embedded one tells.

use std::fmt;

use bytes::Bytes;
use clap::Args;
use same_image::{is_within, scale_down};
use samegate_client::{Client, Image};
use serde_json::{Value, json};

use super::failure::Failure;
use super::image::{ImageArg, ImageSource};
use super::output::{Output, bytes};
use crate::error::Kind;
use crate::proto::v1;

/// Flags for images that are larger than the library takes.
#[derive(Args, Clone, Copy, Debug)]
pub struct Resizing {
    /// Fail for an image that is larger than the library takes, instead of scaling it down.
    #[arg(long)]
    pub(super) no_resize: bool,
}

/// What a library takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    max_bytes: usize,
    max_side: u32,
}

/// An image as it was sent instead of a larger one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scaled {
    width: u32,
    height: u32,
    bytes: u64,
    quality: u8,
}

/// Loads the images of a command.
pub(super) struct Loader {
    client: Client,
    resizing: Resizing,
    /// What the library takes, once that was needed.
    limits: Option<Limits>,
}

/// Says that another image than the file was sent.
pub(super) fn note(name: &str, scaled: Option<&Scaled>, output: &mut Output) {
    if let Some(scaled) = scaled {
        output.note(&format!(
            "`{name}`: scaled down to {scaled}: the library takes no larger image"
        ));
    }
}

// === impl Limits ===

impl Limits {
    /// Those of a library at the vendor (`AddImageRequest.content`).
    pub(super) const VENDOR: Limits = Limits {
        max_bytes: 3_145_728,
        max_side: 4096,
    };

    /// Returns those of an embedded library. A gateway of an earlier version tells none.
    pub(super) fn of(library: &v1::GetLibraryResponse) -> Self {
        match (library.max_image_bytes, library.max_side) {
            (0, _) | (_, 0) => Limits::VENDOR,
            (max_bytes, max_side) => Limits {
                max_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
                max_side,
            },
        }
    }

    pub(super) fn max_bytes(self) -> u64 {
        self.max_bytes as u64
    }

    pub(super) fn include(self, file: &[u8]) -> bool {
        is_within(file, self.max_bytes, self.max_side)
    }

    /// Scales a larger file down. Needs about 30 ms and 4 to 16 MB for each of its megapixels.
    ///
    /// # Errors
    ///
    /// `ImageSize` when `resizing` forbids it, or the file cannot be decoded.
    pub(super) fn fit(self, file: &[u8], resizing: Resizing) -> Result<(Bytes, Scaled), Failure> {
        let larger = format!(
            "{} is larger than the library takes: {self}",
            bytes(file.len() as u64)
        );
        if resizing.no_resize {
            return Err(Failure::of_kind(Kind::ImageSize, larger)
                .with_advice("without --no-resize it is scaled down"));
        }
        let image = scale_down(file, self.max_bytes, self.max_side).map_err(|error| {
            let message = format!("{larger}; it cannot be scaled down: {error}");
            Failure::of_kind(Kind::ImageSize, message)
        })?;
        let scaled = Scaled {
            width: image.width,
            height: image.height,
            bytes: image.file.len() as u64,
            quality: image.quality,
        };
        Ok((image.file.into(), scaled))
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = bytes(self.max_bytes());
        write!(f, "up to {size} and {} pixels", self.max_side)
    }
}

// === impl Scaled ===

impl Scaled {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "width": self.width,
            "height": self.height,
            "size_bytes": self.bytes,
            "quality": self.quality,
        })
    }
}

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scaled {
            width,
            height,
            bytes: size,
            quality,
        } = self;
        let size = bytes(*size);
        write!(
            f,
            "{width} x {height} pixels, {size}, JPEG of quality {quality}"
        )
    }
}

// === impl Loader ===

impl Loader {
    pub(super) fn new(client: Client, resizing: Resizing) -> Self {
        Loader {
            client,
            resizing,
            limits: None,
        }
    }

    /// Reads an image, and scales it down if the library takes only smaller ones.
    pub(super) async fn load(
        &mut self,
        image: &ImageArg,
    ) -> Result<(Image, Option<Scaled>), Failure> {
        let file = match image.read()? {
            ImageSource::Content(file) => file,
            ImageSource::Url(url) => return Ok((Image::url(url), None)),
        };
        if Limits::VENDOR.include(&file) {
            return Ok((file.into(), None));
        }
        let limits = self.limits().await?;
        if limits.include(&file) {
            return Ok((file.into(), None));
        }
        let (file, scaled) = limits.fit(&file, self.resizing)?;
        Ok((file.into(), Some(scaled)))
    }

    async fn limits(&mut self) -> Result<Limits, Failure> {
        if let Some(limits) = self.limits {
            return Ok(limits);
        }
        let limits = match self.client.info().await.map_err(Failure::from) {
            Ok(library) => Limits::of(&library),
            Err(failure) if failure.kind() == Some(Kind::OperationUnsupported) => Limits::VENDOR,
            Err(failure) => return Err(failure),
        };
        self.limits = Some(limits);
        Ok(limits)
    }
}
