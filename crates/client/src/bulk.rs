//! Streams of many items: bounded, and resumed after a broken connection.
//!
//! A task of its own (`bulk/run.rs`) takes items, sends them (`bulk/sender.rs`), and passes on outcomes;
//! what an item and its message are is in `bulk/add.rs` and `bulk/search.rs`. The gateway keeps no
//! state between two streams, so an item without a result is sent again over the next one.

mod add;
mod contract;
mod outcome;
mod run;
mod search;
mod sender;

use futures_util::{Stream, stream};

use self::add::Additions;
pub use self::outcome::{Added, Found, Item, Outcome, Outcomes};
use self::run::Run;
use self::search::Searches;
use crate::client::Client;
use crate::image::Image;
use crate::v1;

// === impl Client ===

impl Client {
    /// Adds any number of images over streams; returns the outcome of each as it completes. Must be
    /// called in a tokio runtime, which the iterator must not block.
    ///
    /// Items are taken as the gateway gets on: up to twice `max_in_flight`, which is 16 by default
    /// and 256 at most, have no outcome yet; of files and functions, a few images are in memory.
    /// After a broken connection or a drain, items without a result are sent again, so the gateway
    /// is asked to accept the same bytes: such an item has `existed`. An item that fails for a
    /// transient reason is sent 3 times.
    ///
    /// ```no_run
    /// use samegate_client::{Client, Item, v1::AddImagesOptions};
    ///
    /// # async fn example(samegate: Client) -> Result<(), samegate_client::Error> {
    /// let items = ["a.jpg", "b.jpg"].map(|path| Item::new(std::path::Path::new(path)).brief(path));
    /// let mut outcomes = samegate.add_all(items, AddImagesOptions::default());
    /// while let Some(outcome) = outcomes.next().await? {
    ///     match outcome.result {
    ///         Ok(result) => println!("{}: {}", outcome.item.brief, result.cont_sign),
    ///         Err(error) => eprintln!("{}: {error}", outcome.item.brief),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_all<I>(&self, items: I, options: v1::AddImagesOptions) -> Outcomes<Added>
    where
        I: IntoIterator<Item = Item>,
        I::IntoIter: Send + 'static,
    {
        self.add_stream(stream::iter(items), options)
    }

    /// Adds the images of a stream, as [`Client::add_all`] those of an iterator.
    pub fn add_stream(
        &self,
        items: impl Stream<Item = Item> + Send + 'static,
        options: v1::AddImagesOptions,
    ) -> Outcomes<Added> {
        let in_flight = options.max_in_flight;
        Run::start(Additions::new(self, options), items, in_flight, self)
    }

    /// Searches with any number of images over streams; returns the outcome of each as it completes.
    /// Otherwise as [`Client::add_all`].
    pub fn search_all<I>(&self, images: I, options: v1::BulkSearchImagesOptions) -> Outcomes<Found>
    where
        I: IntoIterator<Item = Image>,
        I::IntoIter: Send + 'static,
    {
        self.search_stream(stream::iter(images), options)
    }

    /// Searches with the images of a stream, as [`Client::search_all`] with those of an iterator.
    pub fn search_stream(
        &self,
        images: impl Stream<Item = Image> + Send + 'static,
        options: v1::BulkSearchImagesOptions,
    ) -> Outcomes<Found> {
        let in_flight = options.max_in_flight;
        Run::start(Searches::new(self, options), images, in_flight, self)
    }
}
