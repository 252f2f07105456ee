//! The image of a search or a comparison: a file, or what the library has of a stored image.

use same_image as engine;

use super::errors::{not_found, storage, unusable};
use crate::domain::ImageFile;
use crate::error::Result;

/// An image to search with.
pub(super) enum QueryImage {
    /// A file, which is decoded.
    File(ImageFile),
    /// A stored image, of which features, hash and thumbnail are read.
    Stored(engine::Sign),
}

// === impl QueryImage ===

impl QueryImage {
    /// Computes or reads what a search compares.
    ///
    /// # Errors
    ///
    /// Those of the image; `ImageNotFound` when no stored image has the sign.
    pub(super) fn prepare(&self, engine: &engine::Engine) -> Result<engine::PreparedQuery> {
        match self {
            QueryImage::File(image) => engine
                .prepare_query(image.bytes())
                .map_err(|error| unusable(&error)),
            QueryImage::Stored(sign) => engine
                .stored_query(*sign)
                .map_err(|error| storage(&error))?
                .ok_or_else(not_found),
        }
    }

    /// Computes what is compared with a query, unless it is stored.
    ///
    /// # Errors
    ///
    /// Those of the image.
    pub(super) fn compared(&self, engine: &engine::Engine) -> Result<engine::Compared> {
        Ok(match self {
            QueryImage::File(image) => {
                let prepared = engine.prepare(image.bytes());
                let prepared = prepared.map_err(|error| unusable(&error))?;
                engine::Compared::File(Box::new(prepared))
            }
            QueryImage::Stored(sign) => engine::Compared::Stored(*sign),
        })
    }
}
