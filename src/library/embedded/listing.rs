//! Listings, and the deletion of all images that a filter admits.
//!
//! A page is one job of the CPU pool. A deletion selects first, page by page where it has to read
//! briefs, so that searches run in between; then it deletes in steps, so that other writes do.

use same_image as engine;

use super::convert::{cont_sign, record, tag_filter};
use super::errors::storage;
use super::page_token::ListingId;
use super::{EmbeddedBackend, demand, write};
use crate::call::{Call, new_log_id};
use crate::domain::{DeleteByFilter, DeletedByFilter, ImageFilter, List, ListOrder, Listing};
use crate::error::{Error, Kind, Result};

/// Maximum size of the thumbnails of a page. With the records of 1000 images it fits into 4 MiB,
/// which clients of gRPC accept by default.
const MAX_THUMBNAIL_BYTES: usize = 3 << 20;
/// Images of one step of a deletion: one transaction, 0.2 s and more on a busy disk.
const DELETE_STEP: usize = 1000;
/// Maximum number of signs in the response to a dry run.
const MAX_SIGNS: usize = 100;

// === impl EmbeddedBackend ===

impl EmbeddedBackend {
    /// Returns one page of the records.
    pub(super) async fn page(&self, call: &Call, request: List) -> Result<Listing> {
        let listing = ListingId::new(self.engine.id(), &request);
        let query = engine::ListQuery {
            filter: image_filter(&request.filter),
            order: match request.order {
                ListOrder::OldestFirst => engine::Order::Oldest,
                ListOrder::NewestFirst => engine::Order::Newest,
            },
            after: listing.cursor(&request.page_token)?,
            limit: request.page_size as usize,
            max_thumbnail_bytes: request.thumbnails.then_some(MAX_THUMBNAIL_BYTES),
        };
        let page = self.run(call, demand::list(call, &request.filter), move |engine| {
            engine.list(&query).map_err(|error| storage(&error))
        });
        let page = page.await??;
        let records = page
            .images
            .into_iter()
            .map(|image| record(image.record, image.thumbnail))
            .collect::<Result<_>>()?;
        Ok(Listing {
            records,
            next_page_token: page
                .next
                .map(|next| listing.token(next))
                .unwrap_or_default(),
            total: page.total,
        })
    }

    /// Deletes every image that a filter admits, or counts them only.
    pub(super) async fn delete_admitted(
        &self,
        call: &Call,
        request: DeleteByFilter,
    ) -> Result<DeletedByFilter> {
        let filter = image_filter(&request.filter);
        let images = self.select(call, &request.filter).await?;
        let matched = images.len() as u64;
        if let Some(expected) = request.expected_count.filter(|count| *count != matched) {
            let message = format!(
                "nothing was deleted: the filter admits {matched} images, and `expected_count` is \
                 {expected}"
            );
            return Err(Error::new(Kind::CountMismatch, message));
        }
        let mut cont_signs = Vec::new();
        let mut deleted = 0;
        if request.dry_run {
            let first = images[..images.len().min(MAX_SIGNS)].to_vec();
            let signs = self.run(call, demand::read(call), move |engine| {
                engine.signs(&first).map_err(|error| storage(&error))
            });
            cont_signs = signs
                .await??
                .into_iter()
                .map(cont_sign)
                .collect::<Result<_>>()?;
        } else {
            for step in images.chunks(DELETE_STEP) {
                let (step, filter) = (step.to_vec(), filter.clone());
                let count = write(|done| self.engine.delete_selected(step, filter, done)).await?;
                deleted += count as u64;
            }
        }
        Ok(DeletedByFilter {
            matched,
            deleted,
            cont_signs,
            log_id: new_log_id(),
        })
    }

    async fn select(&self, call: &Call, filter: &ImageFilter) -> Result<Vec<engine::ImageRef>> {
        let mut images = Vec::new();
        let mut after = None;
        loop {
            let conditions = image_filter(filter);
            let step = self.run(call, demand::list(call, filter), move |engine| {
                let selected = engine.select(&conditions, after);
                selected.map_err(|error| storage(&error))
            });
            let step = step.await??;
            images.extend(step.images);
            if step.next.is_none() {
                return Ok(images);
            }
            after = step.next;
        }
    }
}

fn image_filter(filter: &ImageFilter) -> engine::ImageFilter {
    engine::ImageFilter {
        tags: tag_filter(&filter.tags, filter.tag_logic),
        brief_contains: filter.brief_contains.clone(),
        added_since_ms: filter.added_since_ms,
        added_before_ms: filter.added_before_ms,
    }
}
