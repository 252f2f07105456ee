//! What the library of an import contains: its identity, and whether it still has the images of the
//! journal.
//!
//! An image may be deleted after its acknowledgement, and the files of a library may be replaced by
//! an older copy with the same identity. So the journal alone does not decide which images are
//! skipped: the library lists its signs. Libraries at a vendor have neither identity nor list.

use std::collections::HashSet;

use samegate_client::{Client, Error, retry_delay};
use tokio::time::sleep;

use crate::cli::failure::Failure;
use crate::cli::records::PAGE_SIZE;
use crate::error::Kind;
use crate::proto::v1;

/// Shows a line to the user: why a call is sent again.
pub(super) type Notes<'a> = &'a mut (dyn FnMut(&str) + Send);

/// Asks one library about its contents.
pub(super) struct Contents {
    client: Client,
    /// Number of times that a call is sent while it fails for a transient reason.
    max_attempts: u32,
}

// === impl Contents ===

impl Contents {
    pub(super) fn new(client: Client, max_attempts: u32) -> Self {
        Contents {
            client,
            max_attempts,
        }
    }

    /// Returns the description of the library; none for one at a vendor.
    pub(super) async fn describe(
        &self,
        notes: Notes<'_>,
    ) -> Result<Option<v1::GetLibraryResponse>, Failure> {
        let described = self.retried(notes, async || self.client.info().await).await;
        match described {
            Ok(library) => Ok(Some(library)),
            Err(failure) if failure.kind() == Some(Kind::OperationUnsupported) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Returns those of the signs that the library does not have. Reads the list of its images, up
    /// to the last of the signs.
    pub(super) async fn missing<'s>(
        &self,
        mut signs: HashSet<&'s str>,
        notes: Notes<'_>,
    ) -> Result<HashSet<&'s str>, Failure> {
        let mut page_token = String::new();
        while !signs.is_empty() {
            let page = self
                .retried(notes, async || {
                    let request = v1::ListImagesRequest {
                        page_size: PAGE_SIZE,
                        page_token: page_token.clone(),
                        ..Default::default()
                    };
                    self.client.page(request).await
                })
                .await?;
            for image in &page.images {
                signs.remove(image.cont_sign.as_str());
            }
            if page.next_page_token.is_empty() {
                break;
            }
            page_token = page.next_page_token;
        }
        Ok(signs)
    }

    /// Makes a call, again with backoff while it fails for a transient reason, and says so.
    async fn retried<T>(
        &self,
        notes: Notes<'_>,
        call: impl AsyncFn() -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let mut attempts = 0;
        loop {
            let failure = match call().await {
                Ok(response) => return Ok(response),
                Err(error) => Failure::from(error),
            };
            attempts += 1;
            if attempts >= self.max_attempts || !failure.is_transient() {
                return Err(failure);
            }
            let delay = retry_delay(attempts, failure.retry_after());
            let seconds = delay.as_secs_f64();
            notes(&format!("{}; retry in {seconds:.1} s", failure.message()));
            sleep(delay).await;
        }
    }
}
