//! Errors of the engine as errors of a library.

use std::time::Duration;

use same_image as engine;

use crate::error::{Error, Kind, chain};

/// When a caller should retry an add to a full disk.
const DISK_RETRY_INTERVAL: Duration = Duration::from_secs(30);

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine may get more errors; a new one is one of storage"
)]
pub(super) fn rejected(error: &engine::WriteError) -> Error {
    match error {
        engine::WriteError::Full { capacity } => {
            let message = format!("the library holds {capacity} images, its capacity");
            Error::new(Kind::LibraryFull, message)
        }
        engine::WriteError::DiskReserve { reserve } => disk_full(format!(
            "less than {reserve} bytes of the library's disk are free: images can be deleted and \
             updated, not added"
        )),
        engine::WriteError::Storage(engine::StoreError::DiskFull) => {
            disk_full("the disk of the library is full".to_owned())
        }
        engine::WriteError::NotFound => not_found(),
        engine::WriteError::Closed => shut_down(),
        other => storage(other),
    }
}

pub(in crate::library) fn storage(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(Kind::Storage, chain(error))
}

/// Makes the error for a full disk; space returns when the operator acts, not within a second.
pub(in crate::library) fn disk_full(message: String) -> Error {
    Error::new(Kind::DiskFull, message).with_retry_after(DISK_RETRY_INTERVAL)
}

pub(in crate::library) fn shut_down() -> Error {
    Error::new(
        Kind::ShuttingDown,
        "the library is closed: the gateway is shutting down",
    )
}

pub(in crate::library) fn not_found() -> Error {
    Error::new(Kind::ImageNotFound, "no such image in the library")
}

/// Classifies the error of an image with a valid header that cannot be decoded.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine may get more errors; a new one is one of the image"
)]
pub(in crate::library) fn unusable(error: &engine::DecodeError) -> Error {
    let kind = match error {
        engine::DecodeError::Empty => Kind::ImageEmpty,
        engine::DecodeError::UnknownFormat => Kind::ImageFormat,
        engine::DecodeError::FileTooLarge { .. } | engine::DecodeError::Sides { .. } => {
            Kind::ImageSize
        }
        _ => Kind::ImageMalformed,
    };
    Error::violation("content", kind, error.to_string())
}
