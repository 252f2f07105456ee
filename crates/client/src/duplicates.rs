//! The groups of same images in a library, over interruptions.

use tokio::time::sleep;
use tonic::Streaming;

use crate::backoff::retry_delay;
use crate::client::Client;
use crate::error::Error;
use crate::v1;
use crate::v1::find_duplicates_response::Event;

/// Groups of same images as they are found: [`Client::find_duplicates`].
///
/// After an interruption it goes on from its cursor. Groups that share an image are one group: a
/// large library sends a group in several parts, and after an interruption some of them again.
#[derive(Debug)]
#[must_use = "nothing is compared before `next`"]
pub struct Duplicates {
    client: Client,
    request: v1::FindDuplicatesRequest,
    stream: Option<Streaming<v1::FindDuplicatesResponse>>,
    /// Streams in a row that have not moved the cursor.
    failures: u32,
    compared: u64,
    total: u64,
}

// === impl Client ===

impl Client {
    /// Finds the groups of same images in the library.
    ///
    /// The cursor of a complete run, in the options of the next one, compares only the images that
    /// were added since.
    ///
    /// ```no_run
    /// use samegate_client::{Client, v1::FindDuplicatesRequest};
    ///
    /// # async fn example(samegate: Client) -> Result<(), samegate_client::Error> {
    /// let mut duplicates = samegate.find_duplicates(FindDuplicatesRequest::default());
    /// while let Some(group) = duplicates.next().await? {
    ///     println!("{} images", group.images.len());
    /// }
    /// println!("next time from {}", duplicates.cursor());
    /// # Ok(())
    /// # }
    /// ```
    pub fn find_duplicates(&self, mut options: v1::FindDuplicatesRequest) -> Duplicates {
        options.library = self.library(options.library);
        Duplicates {
            client: self.clone(),
            request: options,
            stream: None,
            failures: 0,
            compared: 0,
            total: 0,
        }
    }
}

// === impl Duplicates ===

impl Duplicates {
    /// Returns the next group; `None` when all images are compared.
    ///
    /// # Errors
    ///
    /// `UNIMPLEMENTED` for a library at a vendor; the last error of a row of streams that have not
    /// moved the cursor. Another call goes on from the cursor.
    pub async fn next(&mut self) -> Result<Option<v1::DuplicateGroup>, Error> {
        loop {
            match self.event().await? {
                Some(Event::Group(group)) => return Ok(Some(group)),
                Some(Event::Progress(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Returns the next group or progress; `None` when all images are compared.
    ///
    /// # Errors
    ///
    /// As [`Duplicates::next`].
    pub async fn event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            let error = match self.message().await {
                Ok(Some(Event::Progress(progress))) => {
                    self.record(&progress);
                    return Ok(Some(Event::Progress(progress)));
                }
                Ok(event) => return Ok(event),
                Err(error) => error,
            };
            self.stream = None;
            self.failures += 1;
            if !error.is_transient() || self.failures >= self.client.settings.stream_attempts {
                self.failures = 0;
                return Err(error);
            }
            let wait = retry_delay(self.failures, error.retry_after());
            self.client.settings.notify(&error, wait);
            sleep(wait).await;
        }
    }

    /// Returns the position up to which all groups were returned, also for a later run; empty at the
    /// begin.
    pub fn cursor(&self) -> &str {
        &self.request.cursor
    }

    /// Returns how many images were compared with all others.
    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// Returns how many images are to be compared.
    pub fn total(&self) -> u64 {
        self.total
    }

    async fn message(&mut self) -> Result<Option<Event>, Error> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let mut stub = self.client.stub();
                let response = stub.find_duplicates(self.request.clone()).await?;
                self.stream.insert(response.into_inner())
            }
        };
        while let Some(response) = stream.message().await? {
            // A later contract may send other events.
            if response.event.is_some() {
                return Ok(response.event);
            }
        }
        Ok(None)
    }

    fn record(&mut self, progress: &v1::FindDuplicatesProgress) {
        (self.compared, self.total) = (progress.compared, progress.total);
        if !progress.cursor.is_empty() && progress.cursor != self.request.cursor {
            self.request.cursor.clone_from(&progress.cursor);
            self.failures = 0;
        }
    }
}
