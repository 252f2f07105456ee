//! An image before it is added: known already, or prepared, and checked if the request asks for it.

use std::sync::Arc;

use same_image as engine;
use tokio::sync::Semaphore;

use super::errors::{storage, unusable};
use crate::call::Call;
use crate::domain::ImageFile;
use crate::error::{Error, Result};

/// An image before it is added.
pub(super) enum Candidate {
    /// Its bytes are stored.
    Stored(engine::Sign),
    /// Others that are the same do not matter.
    New(Box<engine::PreparedImage>),
    /// Others that are the same were looked for.
    Checked(Box<engine::CheckedImage>),
}

/// Bounds the additions that look for others that are the same: what was checked needs 4 MB until
/// it is written. Those of bulk loads, which wait longest for a core, have slots of their own.
#[derive(Clone)]
pub(in crate::library) struct CheckSlots {
    single: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
}

/// Maximum number of such additions at once: single calls, and items of bulk loads.
const MAX_CHECKS: usize = 16;

// === impl CheckSlots ===

impl CheckSlots {
    pub(in crate::library) fn new() -> Self {
        CheckSlots {
            single: Arc::new(Semaphore::new(MAX_CHECKS)),
            bulk: Arc::new(Semaphore::new(MAX_CHECKS)),
        }
    }

    /// Returns the slots for a call.
    pub(in crate::library) fn of(&self, call: &Call) -> Arc<Semaphore> {
        Arc::clone(if call.bulk { &self.bulk } else { &self.single })
    }
}

// === impl Candidate ===

impl Candidate {
    /// Looks the bytes up; only those of a new image are decoded, and searched for with `query`.
    ///
    /// # Errors
    ///
    /// Those of the image, and `Storage`.
    pub(super) fn new(
        engine: &engine::Engine,
        image: &ImageFile,
        query: Option<engine::Query>,
    ) -> Result<Self> {
        let stored = engine.find_exact(image.bytes());
        if let Some(sign) = stored.map_err(|error| storage(&error))? {
            return Ok(Candidate::Stored(sign));
        }
        let Some(query) = query else {
            let prepared = engine.prepare(image.bytes());
            let prepared = prepared.map_err(|error| unusable(&error))?;
            return Ok(Candidate::New(Box::new(prepared)));
        };
        let checked = engine.check(image.bytes(), query);
        Ok(Candidate::Checked(Box::new(
            checked.map_err(|error| check_failed(&error))?,
        )))
    }

    /// Returns the size of the preview, in bytes.
    pub(super) fn preview_bytes(&self) -> usize {
        match self {
            Candidate::Stored(_) => 0,
            Candidate::New(image) => image.preview_bytes(),
            Candidate::Checked(image) => image.preview_bytes(),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine may get more errors; a new one is one of storage"
)]
fn check_failed(error: &engine::CheckError) -> Error {
    match error {
        engine::CheckError::Image(error) => unusable(error),
        other => storage(other),
    }
}
