//! Searches with many images over a bulk search.
//!
//! An image is read, and scaled down where it must be, when the client sends it: one at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use samegate_client::{Client, Image, LoadError};

use super::failure::Failure;
use super::image::ImageArg;
use super::query::QueryArg;
use super::scale::{Loader, Resizing, Scaled};
use crate::proto::v1;

/// Searches with many images.
pub(super) struct BulkSearch {
    pub(super) client: Client,
    pub(super) options: v1::BulkSearchImagesOptions,
    pub(super) resizing: Resizing,
}

/// The outcome of one query.
pub(super) struct Found {
    /// Position of the query.
    pub(super) index: usize,
    pub(super) result: Result<v1::BulkSearchImagesResult, Failure>,
    /// The image as it was sent instead of a larger one.
    pub(super) scaled: Option<Scaled>,
}

/// Loads the images of all queries.
struct Images {
    loader: tokio::sync::Mutex<Loader>,
    /// What was sent instead of larger images, by the position of the query.
    scaled: Mutex<HashMap<usize, Scaled>>,
    /// Standard input, which can be read once.
    stdin: OnceLock<Image>,
}

// === impl BulkSearch ===

impl BulkSearch {
    /// Passes the outcome of each query to `each`, in the order of completion, until it returns
    /// false.
    ///
    /// # Errors
    ///
    /// When the streams end without a result.
    pub(super) async fn run(
        self,
        queries: &[QueryArg],
        mut each: impl FnMut(Found) -> bool + Send,
    ) -> Result<(), Failure> {
        let images = Arc::new(Images {
            loader: Loader::new(self.client.clone(), self.resizing).into(),
            scaled: Mutex::default(),
            stdin: OnceLock::new(),
        });
        let loading = images.clone();
        let queries: Vec<(usize, QueryArg)> = queries.iter().cloned().enumerate().collect();
        let queries = queries.into_iter().map(move |(index, query)| {
            let images = loading.clone();
            Image::load_with(move || images.clone().load(index, query.clone()))
        });
        let mut outcomes = self.client.search_all(queries, self.options);
        while let Some(outcome) = outcomes.next().await? {
            let found = Found {
                index: outcome.index,
                result: outcome.result.map_err(Failure::from),
                scaled: images.take_scaled(outcome.index),
            };
            if !each(found) {
                break;
            }
        }
        Ok(())
    }
}

// === impl Images ===

impl Images {
    async fn load(self: Arc<Self>, index: usize, query: QueryArg) -> Result<Image, LoadError> {
        let is_stdin = matches!(query, QueryArg::Image(ImageArg::Stdin));
        if let (true, Some(image)) = (is_stdin, self.stdin.get()) {
            return Ok(image.clone());
        }
        let (image, scaled) = query.load(&mut *self.loader.lock().await).await?;
        if let Some(scaled) = scaled {
            let mut all = self.scaled.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(index, scaled);
        }
        if is_stdin {
            return Ok(self.stdin.get_or_init(|| image).clone());
        }
        Ok(image)
    }

    fn take_scaled(&self, index: usize) -> Option<Scaled> {
        let mut all = self.scaled.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&index)
    }
}
