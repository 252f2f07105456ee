//! Listings: pages of records, counts by tag, and the selection of images to delete.
//!
//! The catalog selects by tags and times in memory; only the records of a page are read, and with a
//! condition on the brief those of up to [`MAX_EXAMINED`] images. The catalog is read before the
//! snapshot, so that each of its images is in the snapshot unless it was deleted, and a cursor skips
//! none.

use crate::filter::{BriefPattern, ImageFilter, Order};
use crate::identity::{ImageId, Sign};
use crate::store::{Snapshot, StoreError, StoredRecord, WriteError};

use super::Engine;
use super::records::{Cursor, ImageRef, ListQuery, Page, Selection, StoredImage};

/// Maximum number of records that one call reads for a condition on the brief: it bounds the time of
/// a page to about 20 ms of one core (measured: `make lists`).
const MAX_EXAMINED: usize = 10_000;

// === impl Engine ===

impl Engine {
    /// Returns the preview of a stored image; `None` when no image has that sign, or it has no
    /// preview.
    ///
    /// An upright JPEG of up to [`MAX_PREVIEW_BYTES`](crate::MAX_PREVIEW_BYTES), its longer side up to
    /// [`Options::preview_side`](crate::Options::preview_side) when the image was added, and never longer than that of the image
    /// itself. An image of up to 256 pixels has none: its thumbnail has all of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn preview(&self, sign: Sign) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read(|snapshot| match snapshot.by_sign(sign)? {
            Some((id, record)) => snapshot.preview(id, &record),
            None => Ok(None),
        })
    }

    /// Lists one page of the stored images.
    ///
    /// A page can be shorter than its limit without being the last one: check [`Page::next`]. Images
    /// that are added or deleted between two pages are listed or not; an image that is stored
    /// during the whole listing, and admitted by the filter, is listed exactly once. Cost: up
    /// to 8 ms per million images in the catalog, and about 2 µs per record read: one for each
    /// listed image, or with [`ImageFilter::brief_contains`] up to 10,000, after which the page
    /// ends.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let pattern = query.filter.brief_pattern();
        let examined = pattern.as_ref().map_or(query.limit, |_| MAX_EXAMINED);
        let (ids, mut next) = self.page(query.after, examined, &query.filter, query.order);
        let total = match &pattern {
            Some(_) => None,
            None => Some(self.state.catalog().count(&query.filter) as u64),
        };
        let mut images = Vec::new();
        let mut thumbnail_bytes = 0;
        self.store.read(|snapshot| {
            let mut last = None;
            for id in ids {
                if images.len() == query.limit {
                    next = last.map(Cursor);
                    break;
                }
                if let Some(record) = admitted(snapshot, id, &query.filter, pattern.as_ref())? {
                    let thumbnail = match query.max_thumbnail_bytes {
                        Some(_) => snapshot.thumbnail(id, &record)?,
                        None => Vec::new(),
                    };
                    thumbnail_bytes += thumbnail.len();
                    let is_over = query
                        .max_thumbnail_bytes
                        .is_some_and(|max| thumbnail_bytes > max);
                    if is_over && !images.is_empty() {
                        next = last.map(Cursor);
                        break;
                    }
                    images.push(StoredImage {
                        record: record.into(),
                        thumbnail,
                    });
                }
                last = Some(id);
            }
            Ok(())
        })?;
        Ok(Page {
            images,
            next,
            total,
        })
    }

    /// Returns each tag with the number of its images, by tag: up to 65,535. Cost: a few
    /// milliseconds per million images.
    pub fn tag_counts(&self) -> Vec<(u16, u64)> {
        self.state.catalog().tag_counts()
    }

    /// Selects images that a filter admits, oldest first, to count or to delete them.
    ///
    /// Returns all of them at once, 4 bytes each, unless the filter has a condition on the brief:
    /// then it examines 10,000 images after `after`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn select(
        &self,
        filter: &ImageFilter,
        after: Option<Cursor>,
    ) -> Result<Selection, StoreError> {
        let pattern = filter.brief_pattern();
        let examined = pattern.as_ref().map_or(usize::MAX, |_| MAX_EXAMINED);
        let (ids, next) = self.page(after, examined, filter, Order::Oldest);
        let Some(pattern) = &pattern else {
            let images = ids.into_iter().map(ImageRef).collect();
            return Ok(Selection { images, next });
        };
        self.store.read(|snapshot| {
            let mut images = Vec::new();
            for id in ids {
                let record = admitted(snapshot, id, filter, Some(pattern))?;
                images.extend(record.map(|_| ImageRef(id)));
            }
            Ok(Selection { images, next })
        })
    }

    /// Returns the signs of those images that are still stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn signs(&self, images: &[ImageRef]) -> Result<Vec<Sign>, StoreError> {
        self.store.read(|snapshot| {
            let mut signs = Vec::with_capacity(images.len());
            for image in images {
                signs.extend(snapshot.record(image.0)?.map(|record| record.sign));
            }
            Ok(signs)
        })
    }

    /// Queues deletes of selected images in one transaction; calls `done` with the number of deleted
    /// images.
    ///
    /// An image that was deleted since, or that the filter does not admit any more, is kept. The
    /// rules of [`Engine::add`] apply to `done`.
    pub fn delete_selected(
        &self,
        images: Vec<ImageRef>,
        filter: ImageFilter,
        done: impl FnOnce(Result<usize, WriteError>) + Send + 'static,
    ) {
        let pattern = filter.brief_pattern();
        self.writer.queue(
            move |batch| {
                let mut deleted = 0;
                for image in &images {
                    let is_deleted = batch.delete_if(image.0, |record| {
                        is_admitted(record, &filter, pattern.as_ref())
                    })?;
                    deleted += usize::from(is_deleted);
                }
                Ok(deleted)
            },
            done,
        );
    }

    /// Returns up to `limit` images after a cursor, and the cursor behind them if there are more.
    pub(super) fn page(
        &self,
        after: Option<Cursor>,
        limit: usize,
        filter: &ImageFilter,
        order: Order,
    ) -> (Vec<ImageId>, Option<Cursor>) {
        let after = after.map(|cursor| cursor.0);
        let catalog = self.state.catalog();
        let mut ids = catalog.page(after, limit.saturating_add(1), filter, order);
        let has_more = ids.len() > limit;
        ids.truncate(limit);
        let next = ids.last().filter(|_| has_more).copied().map(Cursor);
        (ids, next)
    }
}

/// Returns the record of an image, unless it was deleted or changed so that the filter does not
/// admit it.
fn admitted(
    snapshot: &Snapshot,
    id: ImageId,
    filter: &ImageFilter,
    pattern: Option<&BriefPattern>,
) -> Result<Option<StoredRecord>, StoreError> {
    let record = snapshot.record(id)?;
    Ok(record.filter(|record| is_admitted(record, filter, pattern)))
}

fn is_admitted(
    record: &StoredRecord,
    filter: &ImageFilter,
    pattern: Option<&BriefPattern>,
) -> bool {
    filter.admits(record.tags, record.added_at_ms)
        && pattern.is_none_or(|pattern| pattern.admits(&record.brief))
}
