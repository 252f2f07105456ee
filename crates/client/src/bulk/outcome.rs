//! What a caller passes to a bulk load or bulk search, and what comes back.

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::image::Image;
use crate::v1;

/// One image of a bulk load.
#[derive(Clone, Debug)]
pub struct Item {
    /// The image; not a sign.
    pub image: Image,
    /// Text that searches return, up to 256 bytes.
    pub brief: String,
    /// Up to 2 tags, each 1 to 65535.
    pub tags: Vec<u32>,
}

/// What became of one item.
#[derive(Clone, Debug)]
pub struct Outcome<I, R> {
    /// How many items were taken before this one: its position in the iterator or stream.
    pub index: usize,
    /// The item.
    pub item: I,
    /// The message of the contract, or why the item failed.
    pub result: Result<R, Error>,
}

/// The outcome of an addition.
pub type Added = Outcome<Item, v1::AddImagesResult>;
/// The outcome of a search.
pub type Found = Outcome<Image, v1::BulkSearchImagesResult>;

/// The outcomes of a bulk load or bulk search, in the order of completion. If it is dropped, the run
/// ends: items in flight may be stored.
#[derive(Debug)]
#[must_use = "dropping the outcomes ends the run"]
pub struct Outcomes<O> {
    pub(super) outcomes: mpsc::Receiver<Result<O, Error>>,
    pub(super) stop: watch::Sender<bool>,
    /// Until its end is known.
    pub(super) task: Option<JoinHandle<()>>,
}

// === impl Item ===

impl Item {
    /// Makes an item without brief and tags.
    pub fn new(image: impl Into<Image>) -> Self {
        Item {
            image: image.into(),
            brief: String::new(),
            tags: Vec::new(),
        }
    }

    /// Sets the brief.
    #[must_use]
    pub fn brief(mut self, brief: impl Into<String>) -> Self {
        self.brief = brief.into();
        self
    }

    /// Sets the tags.
    #[must_use]
    pub fn tags(mut self, tags: impl Into<Vec<u32>>) -> Self {
        self.tags = tags.into();
        self
    }
}

// === impl Outcomes ===

impl<O> Outcomes<O> {
    /// Returns the next outcome; `None` when every item has one. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// The last error of the streams, when none of a row of them had a result, or another stream
    /// would fail too. It is the end.
    ///
    /// # Panics
    ///
    /// When the iterator, the stream or the function of an image panicked.
    pub async fn next(&mut self) -> Result<Option<O>, Error> {
        if let Some(outcome) = self.outcomes.recv().await {
            return outcome.map(Some);
        }
        if let Some(task) = &mut self.task {
            let end = task.await;
            self.task = None;
            if let Err(error) = end
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        Ok(None)
    }

    /// Takes and sends no further item. The outcomes of items that the gateway has read follow;
    /// others have none.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl<O> Drop for Outcomes<O> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
