//! Adds an image after a search for others that are the same: both are one step.
//!
//! Order of events: [`Engine::check`] on the caller's thread notes the newest image that the search
//! sees, and searches → [`Engine::add_checked`] queues the write → the writer thread compares the
//! image with those that were added since, by commits and in its own transaction, and then adds or
//! rejects it. Writes are done one after the other, so of two copies the second one sees the first,
//! however close they are. Usually a handful of images were added since.

use crate::decode::DecodeError;
use crate::identity::ImageId;
use crate::index::DirectQuery;
use crate::prepare::{PreparedImage, PreparedQuery, prepare_both_with_preview};
use crate::store::{Added, Batch, NewRecord, StoreError, WriteError};

use super::Engine;
use super::compare::find_among;
use super::search::{self, Hit, Query, SearchError};

/// An image that was searched for before it is added.
#[derive(Debug)]
pub struct CheckedImage {
    image: PreparedImage,
    prepared: PreparedQuery,
    /// Computed here and not on the writer thread.
    words: DirectQuery,
    query: Query,
    /// The newest image that the search has seen.
    newest: Option<ImageId>,
    found: Vec<Hit>,
}

/// The result of [`Engine::add_checked`].
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedAdd {
    /// The image as it is stored; `None` when it was rejected.
    pub added: Option<Added>,
    /// The other images that are the same, by descending score; none when the same bytes were
    /// stored before.
    pub matches: Vec<Hit>,
}

/// Why [`Engine::check`] failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The bytes are not an image within the limits.
    #[error("the image cannot be read")]
    Image(#[from] DecodeError),
    /// The search failed.
    #[error("the search failed")]
    Search(#[from] SearchError),
}

// === impl Engine ===

impl Engine {
    /// Decodes an image once, extracts what the library stores and what a search compares, and
    /// searches with it.
    ///
    /// Cost: that of [`Engine::prepare`], [`Engine::prepare_query`] without decoding,
    /// [`Engine::search`], and 10 to 20 ms. The result needs up to 4 MB, and 1 MiB for a preview,
    /// until it is added, so callers must bound the number of them.
    ///
    /// # Errors
    ///
    /// [`CheckError`] when the image cannot be read or the search fails.
    pub fn check(&self, bytes: &[u8], query: Query) -> Result<CheckedImage, CheckError> {
        search::check(&query)?;
        let (image, prepared) = prepare_both_with_preview(bytes, self.max_side, self.preview_side)?;
        // Before the snapshot of the search, which therefore has all images up to this one.
        let newest = self.state.catalog().last();
        let wide = Query {
            limit: query.limit.max(FOUND),
            ..query.clone()
        };
        let response = self.search(&prepared, &wide)?;
        Ok(CheckedImage {
            image,
            words: DirectQuery::new(&prepared.features),
            prepared,
            query,
            newest,
            found: response.matches,
        })
    }

    /// Queues an add; with `rejects` the image is not added when others are the same. Calls `done`
    /// when the result is durable.
    ///
    /// The matches are what [`Engine::check`] has found and was not deleted since, and every image
    /// that was added since, also by a write of the queue before this one. The rules of
    /// [`Engine::add`] apply. Cost on the writer thread: one record, thumbnail and features read for
    /// each image that was added since, and 3 ms for one whose pixels are compared.
    pub fn add_checked(
        &self,
        image: CheckedImage,
        record: NewRecord,
        rejects: bool,
        done: impl FnOnce(Result<CheckedAdd, WriteError>) + Send + 'static,
    ) {
        self.writer
            .queue(move |batch| image.add(batch, &record, rejects), done);
    }
}

/// Minimum number of matches that are remembered: some may be deleted before the addition.
const FOUND: usize = 50;

// === impl CheckedImage ===

impl CheckedImage {
    /// Returns the size of the preview in bytes; 0 without one.
    #[must_use]
    pub fn preview_bytes(&self) -> usize {
        self.image.preview_bytes()
    }

    fn add(
        &self,
        batch: &mut Batch<'_>,
        record: &NewRecord,
        rejects: bool,
    ) -> Result<CheckedAdd, WriteError> {
        let matches = if batch.has_content(&self.image.content())? {
            Vec::new()
        } else {
            self.matches(batch)?
        };
        if rejects && !matches.is_empty() {
            return Ok(CheckedAdd {
                added: None,
                matches,
            });
        }
        let added = batch.add(&self.image, record)?;
        Ok(CheckedAdd {
            added: Some(added),
            matches,
        })
    }

    fn matches(&self, batch: &Batch<'_>) -> Result<Vec<Hit>, StoreError> {
        let mut matches = Vec::new();
        for hit in &self.found {
            if batch.has_sign(hit.sign)? {
                matches.push(hit.clone());
            }
        }
        let newer = batch.ids_after(self.newest)?;
        if !newer.is_empty() {
            let found = find_among(batch, &newer, (&self.prepared, &self.words), &self.query)?;
            matches.extend(search::hits(batch, &found)?);
            matches.sort_by(|a, b| b.score.total_cmp(&a.score));
        }
        matches.truncate(self.query.limit);
        Ok(matches)
    }
}
