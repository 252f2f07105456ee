//! Searches with many images over a bulk search.
//!
//! An image is read, and scaled down where it must be, when the client sends it: one at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use samegate_client::{Client, Image, LoadError, Outcomes};

use super::failure::Failure;
use super::image::ImageArg;
use super::query::QueryArg;
use super::scale::{Loader, Resizing, Scaled};
use crate::proto::v1;

/// Streams in a row without a result after which a command fails.
pub(super) const ATTEMPTS: u32 = 4;

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

/// The outcomes of all queries, in the order of completion.
pub(super) struct Searches {
    outcomes: Outcomes<samegate_client::Found>,
    images: Arc<Images>,
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
    /// Starts to search.
    pub(super) fn start(self, queries: &[QueryArg]) -> Searches {
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
        let outcomes = self.client.search_all(queries, self.options);
        Searches { outcomes, images }
    }
}

// === impl Searches ===

impl Searches {
    /// Returns the next outcome; `None` when every query has one. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// When the streams end without a result.
    pub(super) async fn next(&mut self) -> Result<Option<Found>, Failure> {
        let outcome = self.outcomes.next().await?;
        Ok(outcome.map(|outcome| Found {
            index: outcome.index,
            result: outcome.result.map_err(Failure::from),
            scaled: self.images.take_scaled(outcome.index),
        }))
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
