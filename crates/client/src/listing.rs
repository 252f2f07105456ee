//! The stored images, over pages.

use std::collections::VecDeque;

use crate::client::Client;
use crate::error::Error;
use crate::v1;

/// Images of a page, if the caller does not say: the maximum.
const PAGE_SIZE: u32 = 1000;

/// The stored images of a library: [`Client::images`].
#[derive(Debug)]
#[must_use = "nothing is read before `next`"]
pub struct Images {
    client: Client,
    /// The next page; `None` after the last one.
    request: Option<v1::ListImagesRequest>,
    page: VecDeque<v1::Image>,
}

// === impl Client ===

impl Client {
    /// Lists the stored images, oldest first unless `options` says otherwise; reads pages as they
    /// are needed. Records have no thumbnails.
    pub fn images(&self, options: v1::ListImagesRequest) -> Images {
        Images::new(self.clone(), options)
    }
}

// === impl Images ===

impl Images {
    fn new(client: Client, mut request: v1::ListImagesRequest) -> Self {
        if request.page_size == 0 {
            request.page_size = PAGE_SIZE;
        }
        Images {
            client,
            request: Some(request),
            page: VecDeque::new(),
        }
    }

    /// Returns the next image; `None` after the last one.
    ///
    /// # Errors
    ///
    /// As [`Client::page`]; the page is read again with the next call.
    pub async fn next(&mut self) -> Result<Option<v1::Image>, Error> {
        while self.page.is_empty() {
            let Some(request) = &mut self.request else {
                return Ok(None);
            };
            let response = self.client.page(request.clone()).await?;
            self.page = response.images.into();
            request.page_token = response.next_page_token;
            if request.page_token.is_empty() {
                self.request = None;
            }
        }
        Ok(self.page.pop_front())
    }
}
