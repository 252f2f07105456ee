//! Reads the files of an import, and scales those down that are larger than the library takes.
//!
//! Files are read concurrently. Of the large ones only one at a time is in memory, since its image
//! may need hundreds of megabytes.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;

use crate::cli::failure::Failure;
use crate::cli::image::{MAX_READ_BYTES, check_size};
use crate::cli::scale::{Limits, Resizing};

/// Reads files, and scales large ones down.
#[derive(Clone)]
pub(super) struct Scaler {
    limits: Limits,
    resizing: Resizing,
    /// Held while a large file is in memory, and its image.
    large_file: Arc<Mutex<()>>,
}

// === impl Scaler ===

impl Scaler {
    pub(super) fn new(limits: Limits, resizing: Resizing) -> Self {
        Scaler {
            limits,
            resizing,
            large_file: Arc::default(),
        }
    }

    /// Returns the image of a file as it is sent, and whether it was scaled down.
    pub(super) async fn read(&self, path: &Path) -> Result<(Bytes, bool), Failure> {
        // A read of a pipe would block until another process writes to it.
        let metadata = tokio::fs::metadata(path).await.map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(std::io::Error::other("not a regular file")));
        }
        let mut slot = None;
        if metadata.len() > self.limits.max_bytes() {
            slot = Some(self.large_file.lock().await);
        }
        let content = read_limited(path).await.map_err(unreadable)?;
        check_size(content.len() as u64)?;
        if self.limits.include(&content) {
            return Ok((content.into(), false));
        }
        if slot.is_none() {
            slot = Some(self.large_file.lock().await);
        }
        let (limits, resizing) = (self.limits, self.resizing);
        #[expect(clippy::disallowed_methods, reason = "`slot` bounds it")]
        let fitted = tokio::task::spawn_blocking(move || limits.fit(&content, resizing)).await;
        drop(slot);
        let (content, _) = fitted.map_err(|_| Failure::local("the image cannot be scaled"))??;
        Ok((content, true))
    }
}

/// Reads up to one byte past the limit, since the file may have grown.
async fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = tokio::fs::File::open(path).await?;
    let mut content = Vec::new();
    file.take(MAX_READ_BYTES + 1)
        .read_to_end(&mut content)
        .await?;
    Ok(content)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "used as a plain function in `map_err`"
)]
fn unreadable(error: std::io::Error) -> Failure {
    Failure::local(format!("cannot read: {}", error.to_string().to_lowercase()))
}
